"""Whether the map of roads is complete: where much is built and few roads are mapped, roads are probably missing.

OpenStreetMap lacks roads in patches (Barrington-Leigh and Millard-Ball 2017, doi 10.1371/journal.pone.0180698), and a network told
that such roads are background learns to overlook roads. Cells of about 640 m are judged, since a map often ends within a tile: a cell lacks
roads when their length for each square kilometre that is built up stays below a limit. A tile is suspicious when cells that lack roads
hold a quarter or more of its built-up ground.

What is built up says a raster, or, without one, the image: NDBI − NDVI > 0 (Zha, Gao and Ni 2003, doi 10.1080/01431160304987) where
MNDWI ≤ 0 (Xu 2006, doi 10.1080/01431160600589179), which leaves water out. That index also takes bare soil, harvested fields, rock and dry
grass for built-up ground, so it suspects too much where these are; a land-cover raster is better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ....errors import DataError
from ....progress import SILENT, Progress
from ....tables import shortened
from ...datasets.dataset import SensorInfo
from ...datasets.joined_labels import joined_legend
from ...datasets.labels import RasterLabels
from ...rasters.grid import Grid, Window, blocks
from ...rasters.raster import Raster

KEEP, DOWN_WEIGHT, LEAVE_OUT = "keep", "down_weight", "leave_out"
#: Edge of the cells that are judged [m].
CELL = 640.0
#: Share of the built-up ground of a tile in cells that lack roads from which on the tile is suspicious.
LACKING = 0.25
#: A suspicious tile counts at least this much when it is kept with less weight.
LEAST_WEIGHT = 0.1
#: Bands of the index: green, red, near and short-wave infrared.
INDEX_BANDS = ("B03", "B04", "B08", "B11")
#: Value of built-up ground in ESA WorldCover and Copernicus CGLS-LC100 (torchgeo: datasets/copernicus/lc100seg_s3.py).
BUILT_UP = 50


class BuiltUp(Protocol):
    """Says which pixels are built up."""

    text: str

    def read(self, grid: Grid, window: Window, image: np.ndarray) -> np.ndarray:
        """Bool (y, x), given the image (band, y, x) as it is stored."""
        ...

    def seen(self, window: Window, image: np.ndarray) -> np.ndarray:
        """Of which pixels it can say so, bool (y, x): the image shows nothing under clouds."""
        ...


class BuiltUpRaster:
    """Built-up ground from a land-cover raster, or one of 0 and 1, by the nearest pixel."""

    def __init__(self, source: dict, grids: list[Grid], values: str | None, progress: Progress = SILENT) -> None:
        """Opens the raster.

        Args:
            source: a job's raster value.
            grids: of the images.
            values: those that mean built up, separated by commas; None takes 1 where the raster holds only 0 and 1, else 50.
            progress: told how far it is.

        Raises:
            DataError: none of the values is in the raster on the images.
        """
        shown = {key: value for key, value in (source.get("categories") or {}).items() if key == "band"}
        raster = Raster(**{**{key: value for key, value in source.items() if key not in ("layer", "field")}, "categories": shown})
        self._labels = RasterLabels(raster, grids, False, progress)
        self._labels.use(joined_legend([self._labels], None, True))
        positions = {int(value): position for value, position in self._labels.legend.positions.items()}
        found = sorted(positions)
        wanted = _numbers(values) if values else [1] if set(found) <= {0, 1} else [BUILT_UP]
        if not set(wanted) & set(found):
            raise DataError(f"{raster.path} has no pixel with the value {', '.join(map(str, wanted))} on the images, so nothing would be built "
                            f"up; it has {', '.join(map(str, found[:20]))}. Give the values of built-up ground in “Values of built-up ground”.")
        self._positions = [positions[value] for value in wanted if value in positions]
        self.text = f"the value{'s' if len(wanted) > 1 else ''} {', '.join(map(str, wanted))} of {raster.path}"

    def read(self, grid: Grid, window: Window, image: np.ndarray) -> np.ndarray:
        """Bool (y, x)."""
        return np.isin(self._labels.read(grid, window), self._positions)

    def seen(self, window: Window, image: np.ndarray) -> np.ndarray:
        """All of them."""
        return np.ones((window.height, window.width), bool)


class BuiltUpIndex:
    """Built-up ground from the image itself."""

    text = "the index NDBI − NDVI > 0 outside water (MNDWI ≤ 0), which also takes bare soil, rock and dry grass for built-up ground"

    def __init__(self, sensor: SensorInfo) -> None:
        """Takes a sensor that has `INDEX_BANDS`."""
        names = [band.name for band in sensor.bands]
        self._sensor, self._places = sensor, [names.index(name) for name in INDEX_BANDS]

    @staticmethod
    def possible(sensor: SensorInfo) -> bool:
        """Whether a sensor has the bands."""
        return {band.name for band in sensor.bands}.issuperset(INDEX_BANDS)

    def read(self, grid: Grid, window: Window, image: np.ndarray) -> np.ndarray:
        """Bool (y, x)."""
        valid = self._sensor.valid(image[None])[0]
        bands = [self._sensor.bands[place] for place in self._places]
        green, red, near, short = (np.where(valid, image[place], 0).astype(np.float32) * band.scale + band.offset
                                   for place, band in zip(self._places, bands, strict=True))
        built = _difference(short, near) - _difference(near, red) > 0
        return valid & built & (_difference(green, short) <= 0)

    def seen(self, window: Window, image: np.ndarray) -> np.ndarray:
        """What was measured and is not hidden."""
        return self._sensor.valid(image[None])[0]


@dataclass(frozen=True)
class CompletenessScreen:
    """Judges tiles.

    Attributes:
        built_up: says what is built up.
        action: for suspicious tiles: "keep", "down_weight" or "leave_out".
        minimum_density: length of roads for each square kilometre of built-up ground below which a cell lacks roads [km/km²].
        minimum_built_up: share of built-up ground below which a cell is not judged.
    """

    built_up: BuiltUp
    action: str = DOWN_WEIGHT
    minimum_density: float = 5.0
    minimum_built_up: float = 0.1

    def judge(self, grid: Grid, window: Window, image: np.ndarray, length: Callable[[Window], float]) -> tuple[dict[str, Any], float]:
        """What the screen sees in a tile, for tiles.gpkg, and the weight of the tile's loss; 0 leaves it out.

        Where the image shows a part of a cell alone, roads count by that share: those under a cloud would make up for those that lack beside it.

        Args:
            grid: of the image.
            window: the tile.
            image: (band, y, x) as it is stored.
            length: of the roads in a window [km].
        """
        built, known, (x, y) = self.built_up.read(grid, window, image), self.built_up.seen(window, image), grid.metres_per_pixel()
        area, square = float(built.sum()) * x * y / 1e6, x * y / 1e6
        judged = lacking = found = 0.0
        for cell in _cells(window, max(x, y)):
            part = np.s_[cell.row - window.row:cell.row - window.row + cell.height, cell.col - window.col:cell.col - window.col + cell.width]
            pixels, shown = int(built[part].sum()), float(known[part].mean())
            if not pixels or pixels < self.minimum_built_up * known[part].sum():
                continue
            ground = pixels * square
            share = min(length(cell) * shown / (ground * self.minimum_density), 1.0) if self.minimum_density else 1.0
            judged, found = judged + ground, found + share * ground
            lacking += ground if share < 1 else 0.0
        suspicious = bool(judged) and lacking / judged >= LACKING
        seen = {"built_up": round(float(built.mean()), 4), "road_density": round(length(window) * float(known.mean()) / area, 3) if area else None,
                "lacking": round(lacking / judged, 3) if judged else 0.0, "suspicious": int(suspicious)}
        if not suspicious or self.action == KEEP:
            return seen, 1.0
        return seen, 0.0 if self.action == LEAVE_OUT else round(max(found / judged, LEAST_WEIGHT), 3)

    @property
    def facts(self) -> dict[str, Any]:
        """How tiles are judged, as plain values."""
        return {"built_up_from": self.built_up.text, "action": self.action, "minimum_density_km_per_km2": self.minimum_density,
                "minimum_built_up_share": self.minimum_built_up, "cell_m": CELL, "lacking_share": LACKING}


def make_screen(sensor: SensorInfo, grids: list[Grid], action: str, built_up: dict | None, values: str | None, minimum_density: float,
                minimum_built_up: float, progress: Progress = SILENT) -> CompletenessScreen | None:
    """The screen for a sensor; None, with a warning, when nothing says what is built up.

    Args:
        sensor: of the images.
        grids: of the images.
        action: "keep", "down_weight" or "leave_out".
        built_up: a job's raster value, or None for the index.
        values: of built-up ground in the raster.
        minimum_density: see `CompletenessScreen`.
        minimum_built_up: see `CompletenessScreen`.
        progress: hears what says what is built up.
    """
    if built_up is None and not BuiltUpIndex.possible(sensor):
        if action != KEEP:
            progress.message(f"Whether the map of roads is complete was not checked: the images lack a band of {', '.join(INDEX_BANDS)} that "
                             "tell what is built up. Give a land-cover raster as “Built-up ground”.", level="warning")
        return None
    source: BuiltUp = BuiltUpRaster(built_up, grids, values, progress) if built_up is not None else BuiltUpIndex(sensor)
    progress.message(f"Tiles are screened for missing roads; built up is {source.text}.")
    return CompletenessScreen(source, action, minimum_density, minimum_built_up)


def _cells(window: Window, metres: float) -> list[Window]:
    """Squares of about `CELL` that cover a tile, of like size."""
    count = max(1, round(window.width * metres / CELL))
    return blocks(window, -(-window.width // count))


def _numbers(text: str) -> list[int]:
    try:
        return [np.int64(part).item() for part in text.replace(";", ",").split(",") if part.strip()]
    except (ValueError, OverflowError):
        raise DataError(f"“Values of built-up ground” is “{shortened(text)}”, but must be whole numbers separated by commas, such as 50. "
                        "Correct it.") from None


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Normalised difference (a − b) / (a + b), 0 where the sum is not positive."""
    total = first + second
    return np.where(total > 0, (first - second) / np.where(total > 0, total, 1), 0)
