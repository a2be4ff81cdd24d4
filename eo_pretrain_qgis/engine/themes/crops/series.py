"""The series of one sensor: an image for each of its dates on one grid, each with its mask of clouds, read window by window."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.building import describe_sensor
from ...datasets.cutting import filled_image
from ...datasets.dataset import Dataset, SensorInfo
from ...datasets.likeness import check_like
from ...rasters.clouds import CLEAR, NOT_MEASURED, CloudMask, open_mask, table_text
from ...rasters.grid import Grid, Window
from ...rasters.meaning import simulated_of
from ...rasters.raster import Scene
from ...rasters.sensors import FIRST, Called
from ...rasters.series_dates import Dated

#: With more files than this they are closed after each reading, because systems allow a process about a thousand.
OPEN_FILES = 200


@dataclass(frozen=True)
class Series:
    """The images of one sensor in the order of their days, all on one grid.

    Attributes:
        sensor: how they are stored in the dataset.
        days: of the images.
        scenes: the images.
        masks: of clouds; None where a date has none.
        files: from which each image was read, before it was brought onto the grid.
    """

    sensor: SensorInfo
    days: list[date]
    files: list[list[str]]
    scenes: list[Scene]
    masks: list[CloudMask | None]

    @property
    def grid(self) -> Grid:
        """On which all images lie."""
        return self.scenes[0].grid

    def read(self, number: int, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """One date of a window.

        Args:
            number: of the date.
            window: of the grid.

        Returns:
            Values (band, y, x) as the dataset stores them, filled where nothing was measured, and flags uint8 (y, x).
        """
        scene, mask = self.scenes[number], self.masks[number]
        image, valid = scene.read(window)
        flags = mask.read(self.grid, window) if mask is not None else np.full(valid.shape, CLEAR, np.uint8)
        flags[~valid] = NOT_MEASURED
        stored = filled_image(image, valid, self.sensor)
        if sum(len(each.rasters) for each in self.scenes) > OPEN_FILES:
            scene.close()
            if mask is not None:
                mask.close()
        return stored, flags

    def close(self) -> None:
        """Closes all files."""
        for number, scene in enumerate(self.scenes):
            scene.close()
            mask = self.masks[number]
            if mask is not None:
                mask.close()

    def facts(self, progress: Progress = SILENT) -> list[dict]:
        """What dataset.json says of each image."""
        rows = []
        for number, (day, scene, files) in enumerate(zip(self.days, self.scenes, self.files, strict=True)):
            mask = self.masks[number]
            part = progress.part(number / len(self.days), (number + 1) / len(self.days))
            rows.append({"name": scene.name, "path": files[0], "files": files, "crs": self.grid.crs,
                         "transform": list(self.grid.transform), "width": self.grid.width, "height": self.grid.height,
                         "date": day.isoformat(), "sensor": self.sensor.name, "mask": mask.raster.path if mask else "",
                         "checksum": _checksum(files, part), **simulated_of([scene])})
            scene.close()
        return rows


@dataclass(frozen=True)
class OneSensor:
    """What is said of the images of one sensor.

    Attributes:
        name: of the sensor in the dataset.
        preset: key of `sensors.PRESETS`.
        bands: names of the bands in order; bands of several files come in the order of the files' names.
        nodata: declared nodata value.
        called: what messages call the parameters.
    """

    name: str
    preset: str
    bands: str | None = None
    nodata: float | None = None
    called: Called = FIRST


def open_series(groups: list[list[Dated]], said: OneSensor, place: Callable[[int, Dated], Scene] | None = None, like: Dataset | None = None,
                progress: Progress = SILENT) -> list[Series]:
    """Opens the images of one sensor.

    Args:
        groups: the images of each place in the order of their days, see `series_dates.in_order`.
        said: of them.
        place: brings the images of a date onto the grid of the place of that number; None opens them as they are.
        like: a dataset that the images join.
        progress: messages about the bands.

    Returns:
        The series of each place; bands and stored values are the same in all.

    Raises:
        DataError: naming two images whose bands or types differ, or the grids of one place.
    """
    opened: list[list[Scene]] = []
    total = sum(map(len, groups))
    for number, group in enumerate(groups):
        opened.append([])
        for each in group:
            progress.at(sum(map(len, opened)) / total, "Opening the images")
            sources = sorted(each.sources, key=lambda source: Path(source["path"]).name)
            scene = place(number, each) if place else Scene.open(list(sources), said.nodata)
            _check_like(opened[-1][0] if opened[-1] else scene, opened[0][0] if opened[0] else scene, scene)
            scene.close()
            opened[-1].append(scene)
    everything = [scene for scenes in opened for scene in scenes]
    sensor = replace(describe_sensor(everything, said.preset, said.bands, progress, like, said.called), name=said.name)
    if like is not None:
        check_like(like, everything[0], sensor, progress)
    for scene in everything:
        scene.close()
    return [Series(sensor, [each.day for each in group], [[source["path"] for source in each.sources] for each in group], scenes,
                   [None] * len(scenes)) for group, scenes in zip(groups, opened, strict=True)]


def with_masks(series: Series, dated: list[Dated], kind: str, progress: Progress = SILENT) -> Series:
    """Gives each image the mask of its day.

    Args:
        series: the images.
        dated: masks with their days, as `series_dates.in_order` put them.
        kind: key of `clouds.KINDS`.
        progress: told which images have no mask.

    Raises:
        DataError: when no mask is of the day of any image.
    """
    by_day = {each.day: each for each in dated}
    masks = [open_mask(by_day[day].sources[0], kind) if day in by_day else None for day in series.days]
    without = [day.isoformat() for day, mask in zip(series.days, masks, strict=True) if mask is None]
    if len(without) == len(masks):
        raise DataError(f"No cloud mask is of the day of an image: the masks are of {', '.join(map(str, sorted(by_day)))[:200]}. Choose the "
                        "masks of the images, or correct their dates.")
    if without:
        progress.message(f"{len(without)} images have no cloud mask and count as clear: {', '.join(without[:8])}.", level="warning")
    unused = [day.isoformat() for day in by_day if day not in series.days]
    if unused:
        progress.message(f"{len(unused)} cloud masks belong to no image and are not used: {', '.join(unused[:8])}.")
    progress.message(table_text(kind))
    return replace(series, masks=masks)


def _check_like(here: Scene, first: Scene, scene: Scene) -> None:
    """Holds an image against the first of its place, `here`, and the first of all."""
    if not here.grid.same_as(scene.grid):
        raise DataError(f"{here.path} and {scene.path} lie on different grids ({here.grid}; {scene.grid}), but a "
                        "series is read pixel by pixel. Bring one onto the grid of the other with “Warp (reproject)”.")
    if len(scene.band_names) != len(first.band_names):
        raise DataError(f"{first.path} has {len(first.band_names)} bands and {scene.path} {len(scene.band_names)}. Every date of a series "
                        "needs the same bands.")


def _checksum(paths: list[str], progress: Progress) -> str:
    """SHA-256 of files one after the other; empty when one is no plain file, such as ``/vsizip/…``."""
    if not all(Path(path).is_file() for path in paths):
        return ""
    digest = hashlib.sha256()
    for number, path in enumerate(paths):
        with Path(path).open("rb") as stream:
            while piece := stream.read(16 * 2**20):
                progress.at(number / len(paths), f"Checksum of {Path(path).name}")
                digest.update(piece)
    return "sha256:" + digest.hexdigest()
