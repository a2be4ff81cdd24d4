"""Images of several places, such as tiles of Sentinel-2 in two UTM zones: each place has a grid and dates of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from rasterio.crs import CRS

from ....errors import DataError, listed
from ....progress import SILENT, Progress
from ...datasets.alignment import align, overlap
from ...datasets.dataset import Dataset
from ...datasets.season import Season
from ...rasters.clouds import FLAG_NAMES
from ...rasters.grid import Grid
from ...rasters.raster import Raster, Scene
from ...rasters.sensors import Called
from ...rasters.series_dates import Dated, days_of, in_order
from .series import OneSensor, Series, open_series, with_masks

#: Images in one CRS that share more than this of the smaller one's ground are of one place; neighbouring tiles of Sentinel-2 share a tenth.
SAME_PLACE = 0.5
#: A tile of the military grid as Sentinel-2 products name it, or path and row of a Landsat scene.
_TILE = re.compile(r"(?<![A-Za-z0-9])T?(\d{2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])(?![A-Za-z0-9])|(?<![A-Za-z0-9])L[COTEM]0\d_\w{4}_(\d{6})_")


@dataclass(frozen=True)
class Place:
    """A place with its series.

    Attributes:
        name: of the tile, or a number.
        series: of one or two sensors on one grid; the first is the one whose clouds count.
    """

    name: str
    series: list[Series]

    @property
    def grid(self) -> Grid:
        """On which all images of the place lie."""
        return self.series[0].grid

    @property
    def days(self) -> list[date]:
        """Of the first sensor."""
        return self.series[0].days

    def no_flags(self) -> dict[str, np.ndarray]:
        """Sensor → how many samples have each flag on each date (date, flag); none yet."""
        return {each.sensor.name: np.zeros((len(each.days), len(FLAG_NAMES)), np.int64) for each in self.series}

    def close(self) -> None:
        """Closes all files."""
        for each in self.series:
            each.close()


@dataclass(frozen=True)
class Dates:
    """How the days of rasters are read, and which of them count.

    Attributes:
        pattern: of file names.
        table: CSV file with the columns file and date.
        together: whether several rasters of one day are its bands.
        season: which days count; None for all.
    """

    pattern: str | None = None
    table: str | None = None
    together: bool = False
    season: Season | None = None

    def read(self, sources: Sequence[dict], what: str = "images", lenient: bool = False, progress: Progress = SILENT) -> list[Dated]:
        """The rasters with their days, those outside the season left out.

        Raises:
            DataError: see `series_dates.days_of`; or no raster is of the season.
        """
        found = days_of(list(sources), self.pattern, self.table, lenient=lenient)
        return self.season.within(found, what, progress) if self.season else found


@dataclass(frozen=True)
class Imagery:
    """The images of a crop dataset.

    Attributes:
        images: raster values of a job, of the first sensor.
        preset: key of `sensors.PRESETS`.
        bands: names of the bands in order; None takes those of the files.
        nodata: declared nodata value.
        masks: of clouds, raster values.
        mask_kind: key of `clouds.KINDS`.
        radar: raster values of a second sensor.
        radar_preset: its key of `sensors.PRESETS`.
        like: a dataset that the images join, which has one sensor; None for none.
    """

    images: Sequence[dict]
    preset: str
    bands: str | None = None
    nodata: float | None = None
    masks: Sequence[dict] = ()
    mask_kind: str = "scl"
    radar: Sequence[dict] = ()
    radar_preset: str = "sentinel1_db"
    like: Dataset | None = None

    @property
    def name(self) -> str:
        """What the first sensor is called in the dataset."""
        return self.like.sensor_named().name if self.like else "s2" if self.radar else "image"


def open_places(imagery: Imagery, dates: Dates, folder: str, progress: Progress = SILENT) -> list[Place]:
    """Opens all series, place by place.

    Args:
        imagery: what to open.
        dates: how days are read.
        folder: for images of the second sensor that are brought onto the grid of the first.
        progress: told how far it is, and where dates come from.

    Raises:
        DataError: a place with fewer than two dates or two images of one, images that contradict each other, or a place without radar.
    """
    groups = by_place(dates.read(imagery.images, progress=progress), progress.part(0, 0.1))
    names = _names([group for _, group in groups]) if imagery.like is None else known_names(imagery.like, groups)
    several = len(groups) > 1
    ordered = []
    for name, (_, group) in zip(names, groups, strict=True):
        if dates.season:
            dates.season.check_one(group, f"The images of {name}")
        ordered.append(in_order(group, f"images of {name}" if several else "images", together=dates.together, progress=progress))
    said = OneSensor(imagery.name, imagery.preset, imagery.bands, imagery.nodata)
    series = open_series(ordered, said, like=imagery.like, progress=progress.part(0.1, 0.4))
    grids = [each.grid for each in series]
    if several:
        _tell(names, series, progress)
    if imagery.masks:
        found = dates.read(imagery.masks, "cloud masks", lenient=True, progress=progress)
        masks = _masks(found, dict(zip(names, series, strict=True)), progress) if several else [in_order(found, "cloud masks", least=1,
                                                                                                         progress=progress)]
        series = [with_masks(each, mine, imagery.mask_kind, progress) for each, mine in zip(series, masks, strict=True)]
    if not imagery.radar:
        return [Place(name, [each]) for name, each in zip(names, series, strict=True)]
    radar = _radar(imagery, dates, dict(zip(names, grids, strict=True)), folder, progress.part(0.4, 1))
    return [Place(name, [each, other]) for name, each, other in zip(names, series, radar, strict=True)]


def _masks(found: list[Dated], series: dict[str, Series], progress: Progress) -> list[list[Dated]]:
    """Of cloud masks of several tiles those of the images of each tile; masks of a neighbour that reach onto a tile are not its own."""
    masks, used = [], set()
    for name, each in series.items():
        near = on_grid(found, each.grid)
        mine = [mask for mask in near if mask.day in each.days]
        used |= {mask.sources[0]["path"] for mask in mine}
        masks.append(in_order(mine or near or found, f"cloud masks of {name}", least=1, progress=progress))
    unused = [mask.sources[0]["path"] for mask in found if mask.sources[0]["path"] not in used]
    if unused:
        progress.message(f"{len(unused)} cloud masks belong to no image and are not used: {listed(unused, 8)}.", "warning")
    return masks


def _radar(imagery: Imagery, dates: Dates, grids: dict[str, Grid], folder: str, progress: Progress) -> list[Series]:
    """The series of the second sensor, on the grid of each place."""
    found = dates.read(imagery.radar, "radar images", lenient=True, progress=progress)
    groups = []
    for name, grid in grids.items():
        mine = on_grid(found, grid) if len(grids) > 1 else found
        if dates.season:
            dates.season.check_one(mine, f"The radar images of {name}")
        if not mine:
            raise DataError(f"No radar image lies on {name}, but every place needs one. Add radar images of {name}, or leave its images out.")
        groups.append(in_order(mine, f"radar images of {name}" if len(grids) > 1 else "radar images", together=dates.together, progress=progress))
    onto: Callable[[int, Dated], Scene] = lambda number, each: align(list(each.sources), list(grids.values())[number], folder)  # noqa: E731
    said = OneSensor("s1", imagery.radar_preset, called=Called("", "the files", "“Radar sensor” (radar_preset)"))
    return open_series(groups, said, onto, progress=progress)


def by_place(found: list[Dated], progress: Progress = SILENT) -> list[tuple[Grid, list[Dated]]]:
    """Images that show mostly the same ground in one CRS belong together.

    Args:
        found: images with their days.
        progress: told how far it is.

    Returns:
        Grid of the first image and the images of each place, places in the order of their first image.
    """
    groups: list[tuple[Grid, list[Dated]]] = []
    for number, each in enumerate(found):
        progress.at(number / len(found), "Looking where the images lie")
        with Raster(**each.sources[0]) as raster:
            grid = raster.grid
        mine = next((group for first, group in groups if _same_place(first, grid)), None)
        if mine is None:
            groups.append((grid, [each]))
        else:
            mine.append(each)
    return groups


def on_grid(found: list[Dated], grid: Grid) -> list[Dated]:
    """Of images the ones that lie on a grid; where several of a day do, those that cover most of it."""
    covers = []
    for each in found:
        with Raster(**each.sources[0]) as raster:
            covers.append(overlap(grid, raster.grid))
    best: dict[date, float] = {}
    for each, cover in zip(found, covers, strict=True):
        best[each.day] = max(best.get(each.day, 0.0), cover)
    return [each for each, cover in zip(found, covers, strict=True) if cover > 0 and cover >= best[each.day] - 1e-6]


def tile_named(name: str) -> str:
    """The tile that a file name tells: ``33UVP`` of Sentinel-2, ``191027`` of Landsat; empty where it tells none."""
    match = _TILE.search(name)
    return (match[1] or match[2]) if match else ""


def _same_place(first: Grid, grid: Grid) -> bool:
    if first.crs != grid.crs and CRS.from_wkt(first.crs) != CRS.from_wkt(grid.crs):
        return False
    # Of the smaller ground: an image of a part of a tile is of the tile.
    return max(overlap(first, grid), overlap(grid, first)) > SAME_PLACE


def _names(groups: list[list[Dated]]) -> list[str]:
    """A name for each place, all different.

    Raises:
        DataError: images of one tile by their names that lie in two places.
    """
    told: dict[str, Dated] = {}
    names = []
    for number, group in enumerate(groups, 1):
        first = group[0].sources[0]
        tile = tile_named(Path(first["path"]).name) or tile_named(first.get("name") or "")
        if tile and tile in told:
            raise DataError(f"{told[tile].sources[0]['path']} and {first['path']} are of the tile {tile} by their names, but lie on different "
                            "ground. Correct the name of one of them, or leave it out.")
        told[tile] = group[0]
        names.append(tile or (first.get("name") or Path(first["path"]).name if len(groups) == 1 else f"tile {number}"))
    return names


def known_names(dataset: Dataset, groups: list[tuple[Grid, list[Dated]]]) -> list[str]:
    """A name for each place that joins a dataset: that of the tile there which shows the same ground, else one that no tile there has."""
    known = [(scene["tile"], Grid(scene["crs"], tuple(scene["transform"]), scene["width"], scene["height"]))
             for scene in dataset.description["scenes"] if scene.get("tile") and scene["crs"]]
    names: list[str] = []
    for (grid, _), own in zip(groups, _names([group for _, group in groups]), strict=True):
        same = next((name for name, other in known if _same_place(other, grid)), "")
        taken, number, name = {*names, *(name for name, _ in known)}, 2, own
        while not same and name in taken:
            name, number = f"{own} ({number})", number + 1
        names.append(same or name)
    return names


def _tell(names: list[str], series: list[Series], progress: Progress) -> None:
    """Says what the places are, and warns where their dates do not meet."""
    crs = {CRS.from_wkt(each.grid.crs).to_string() if CRS.from_wkt(each.grid.crs).to_epsg() else "an own CRS" for each in series}
    progress.message(f"The images are of {len(names)} tiles: {listed(names)}, in {listed(sorted(crs))}.")
    for number, each in enumerate(series):
        for name, other in zip(names[number + 1:], series[number + 1:], strict=True):
            if each.days[-1] < other.days[0] or other.days[-1] < each.days[0]:
                progress.message(f"The dates of {names[number]} ({each.days[0]} to {each.days[-1]}) and {name} ({other.days[0]} to {other.days[-1]}) "
                                 "do not overlap, so a model sees other parts of the year there. Check the dates.", level="warning")
                return
