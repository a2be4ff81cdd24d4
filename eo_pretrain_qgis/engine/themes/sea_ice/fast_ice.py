"""Fast ice is fastened to the coast and stays, so what a chart says of it holds for images of the days around, where these still look alike.

Such patches are for training alone: they show ground that images of the chart's own day show as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import geopandas
import numpy as np
import shapely

from ....errors import DataError, listed
from ....progress import SILENT, Progress
from ...datasets.dataset import SPLITS
from ...datasets.footprints import pixel_boxes
from ...rasters.dates import day_in
from ...rasters.grid import Window
from ...rasters.raster import Scene
from .labels import IceLabels
from .patches import Block, Found, PatchPlan, patch_boxes, patches_in
from .sar_bands import DB, HH

#: Share of a patch that must have been measured on the chart's day, too.
LEAST_SEEN = 0.9
#: Smallest power, of which −90 dB is made.
FLOOR = 1e-9


@dataclass(frozen=True)
class FastIce:
    """How far fast ice is trusted.

    Attributes:
        day: of the chart.
        days: between chart and image at most.
        change_db: of the mean HH of a patch since the chart's day at most [dB].
    """

    day: date
    days: int
    change_db: float

    @classmethod
    def of(cls, days: int, change_db: float, written: str, name: str) -> FastIce:
        """Takes the day as it was written, or else that in the name of the chart.

        Raises:
            DataError: there is none.
        """
        day = day_in(written or name)
        if day is None:
            why = f"“{written}” is no day" if written else f"it is empty, and the name of {name} does not say it"
            raise DataError(f"Fast ice labels images within days of the chart (fast_ice_days), which “Day of the chart” (chart_date) tells: {why}. "
                            "Write it as 2021-09-06 there.")
        return cls(day, days, change_db)

    def divided(self, scenes: list[Scene]) -> tuple[list[int], list[int]]:
        """Numbers of the scenes of the chart's day, and of the others.

        Raises:
            DataError: a scene has no day or is too far from the chart's, or there is none of that day, or none of another.
        """
        own: list[int] = []
        others: list[int] = []
        for number, scene in enumerate(scenes):
            day = day_in(scene.acquired)  # the day of writing is no day of ice
            if day is None:
                raise DataError(f"{scene.path} does not say on which day it was taken, and fast ice labels images within days of the chart "
                                "(fast_ice_days). Put the day into its name, such as S1A_EW_20220503.tif.")
            apart = abs((day - self.day).days)
            if apart > self.days:
                raise DataError(f"{scene.path} is of {day}, {apart} days from the chart of {self.day}, and fast ice labels images within {self.days} "
                                "(fast_ice_days). Leave it out, or allow more days.")
            (others if apart else own).append(number)
        if not own or not others:
            days = listed(sorted({scene.acquired for scene in scenes}))
            raise DataError(f"The chart is of {self.day} and the images are of {days}. Fast ice labels images of other days (fast_ice_days) beside "
                            "images of the chart's own day, so give both.")
        return own, others


@dataclass(frozen=True)
class Added:
    """Patches of fast ice on other days; how many were left out because HH changed, and because their polygon is not for training alone."""

    blocks: list[Block]
    changed: int
    elsewhere: int

    @property
    def count(self) -> int:
        """Of patches."""
        return sum(len(block.cols) for block in self.blocks)


def fast_ice_patches(scenes: list[Scene], labels: IceLabels, found: Found, names: np.ndarray, plan: PatchPlan, fast: FastIce, unit: str,
                     progress: Progress = SILENT) -> Added:
    """Looks for patches of fast ice on images of other days.

    Args:
        scenes: all of them.
        labels: of the chart.
        found: the patches of its own day.
        names: their splits (n,).
        plan: of the patches.
        fast: see there.
        unit: of HH, "dB" or "linear".
        progress: told how far it is.
    """
    own, others = fast.divided(scenes)
    polygons, group = found.each("polygon"), labels.groups()
    used = set(group[polygons].tolist())
    barred = set(group[polygons[names != SPLITS[0]]].tolist())
    blocks: list[Block] = []
    changed = elsewhere = 0
    for number in others:
        scene, frame = scenes[number], shapely.box(*scenes[number].grid.bounds())
        shapes = labels.on(scene.grid)
        for place in np.flatnonzero(labels.fast & labels.labelled).tolist():
            progress.at(number / len(scenes), f"Looking for fast ice in {scene.name}")
            if not shapes[place].intersects(frame) or group[place] not in used:
                continue
            for block in patches_in(scene, number, shapes[place], place, labels, plan, progress):
                if group[place] in barred:
                    elsewhere += len(block.cols)
                    continue
                alike = np.any([_alike(scene, scenes[one], block, plan.size, fast.change_db, unit) for one in own], axis=0)
                changed += int((~alike).sum())
                if alike.any():
                    blocks.append(replace(block, cols=block.cols[alike], rows=block.rows[alike]))
        scene.close()
    return Added(blocks, changed, elsewhere)


def _alike(scene: Scene, before: Scene, block: Block, size: int, change_db: float, unit: str) -> np.ndarray:
    """Whether the mean HH of each patch of a block is about that of the same ground in another scene, bool (patch,)."""
    cols, rows = block.cols + block.window.col, block.rows + block.window.row
    ground = geopandas.GeoDataFrame(geometry=patch_boxes(scene.grid, cols, rows, size), crs=scene.grid.crs)
    now = _means(scene, np.column_stack([cols, rows, cols + size, rows + size]), unit)
    then = _means(before, np.rint(pixel_boxes(ground, before.grid)).astype(np.int64), unit)
    return np.abs(now - then) <= change_db  # never true of NaN


def _means(scene: Scene, boxes: np.ndarray, unit: str) -> np.ndarray:
    """Mean HH in boxes of pixels, left, top, right and bottom (n, 4) [dB]; NaN where too little was measured."""
    band, grid = scene.band_names.index(HH), scene.grid
    limits = np.array([grid.width, grid.height] * 2)
    inside = boxes.clip(0, limits)
    (left, top), (right, bottom) = inside[:, :2].min(0).tolist(), inside[:, 2:].max(0).tolist()
    if left >= right or top >= bottom:
        return np.full(len(boxes), np.nan)
    values, valid = scene.read(Window(left, top, right - left, bottom - top), [band])
    physical = values[0].astype(np.float64) * scene.scales[band] + scene.offsets[band]
    power = np.where(valid, 10 ** (physical / 10) if unit == DB else physical, 0)
    sums = np.zeros((2, bottom - top + 1, right - left + 1))
    sums[:, 1:, 1:] = np.stack([power, valid]).cumsum(1).cumsum(2)
    x0, y0, x1, y1 = (inside - (left, top, left, top)).T
    total, seen = sums[:, y1, x1] - sums[:, y0, x1] - sums[:, y1, x0] + sums[:, y0, x0]
    enough = seen >= LEAST_SEEN * np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.where(enough, 10 * np.log10(np.maximum(total / np.maximum(seen, 1), FLOOR)), np.nan)
