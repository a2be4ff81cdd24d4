"""The parcels of each place with their classes; a parcel in two places is taken once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import geopandas
import numpy as np
import shapely
from rasterio.crs import CRS

from ....progress import SILENT, Progress
from ...datasets.dataset import Dataset
from ...datasets.labels import Missed
from ...datasets.legend import Legend
from ...rasters.grid import Window, blocks
from ...rasters.raster import Scene
from .parcels import NOTHING, CropRules, Parcels, group_crops, known_crops, open_parcels, too_small
from .places import Place

#: Memory for what a block gives when every pixel is a sample [byte].
BLOCK_BYTES = 128 * 2**20
BLOCK_SIZES = (1024, 512, 256, 128, 64)
#: Shares of a parcel that differ by less are equal.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Fields:
    """Parcels of a place.

    Attributes:
        place: where they lie.
        parcels: on the grid of the place.
        windows: pieces in which the place is read.
        pixels: of each parcel; 0 for parcels taken elsewhere (parcel,).
        last: number of the last window that holds a pixel of each parcel, -1 where none does (parcel,).
        positions: class of each parcel, -1 for those left out (parcel,).
    """

    place: Place
    parcels: Parcels
    windows: list[Window]
    pixels: np.ndarray
    last: np.ndarray
    positions: np.ndarray


@dataclass(frozen=True)
class Source:
    """Where parcels come from.

    Attributes:
        layer: a job's vector value.
        crop_field: field with the crop.
        region_field: field with a region; None where regions do not matter.
        inner_buffer: ground nearer than this to the border is left out [m].
    """

    layer: dict
    crop_field: str
    region_field: str | None = None
    inner_buffer: float = 0.0


def open_fields(places: list[Place], source: Source, rules: CropRules, progress: Progress = SILENT,
                like: Dataset | None = None) -> tuple[list[Fields], Legend, dict]:
    """Reads the parcels of all places and decides their classes.

    A parcel that lies in several places is taken where most of it lies, of equals where there are most dates, of those in the first place.

    Args:
        places: that were opened.
        source: of the parcels.
        rules: how crops become classes.
        progress: also hears what was left out.
        like: a dataset that the samples join, whose classes count; None decides them anew.

    Returns:
        Parcels of each place that has any, the legend, and facts for the record.

    Raises:
        DataError: no parcel lies on any image or holds a pixel, or all are of one class.
    """
    found = _opened(places, source, progress.part(0, 0.6))
    taken = _taken(found)
    empty = [place.name for (place, _), mine in zip(found, taken, strict=True) if not mine.any()]
    if empty:
        progress.message(f"Every parcel on the images of {', '.join(empty)} lies as well or better on other images, so they are not used.")
        found, taken = zip(*((each, mine) for each, mine in zip(found, taken, strict=True) if mine.any()), strict=True)
    fields = []
    for number, (place, parcels) in enumerate(found):
        windows = block_windows(place)
        pixels, last = count_pixels(parcels, windows, progress.part(0.6 + 0.4 * number / len(found), 0.6 + 0.4 * (number + 1) / len(found)))
        fields.append(Fields(place, parcels, windows, np.where(taken[number], pixels, 0), last, np.full(len(parcels), NOTHING)))
    mine, pixels = np.concatenate(taken), np.concatenate([each.pixels for each in fields])
    crops = np.concatenate([each.parcels.crops for each in fields])
    facts = {**fields[0].parcels.facts, "parcels": int(mine.sum())}
    hidden = np.concatenate([each.parcels.hidden(each.pixels) for each in fields])
    facts["parcels_without_pixel"] = too_small(pixels[mine], hidden[mine], places[0].grid, facts, progress)
    facts["overlapping_parcels"] = len(np.unique(np.concatenate([each.parcels.overlapping for each in fields])))
    if like:
        legend, positions, facts["grouped_as_other"] = known_crops(crops, pixels, rules, like, source.crop_field, progress)
    else:
        legend, positions, facts["grouped_as_other"] = group_crops(crops, pixels, rules, source.layer, source.crop_field, progress)
    ends = np.cumsum([len(each.parcels) for each in fields])[:-1]
    return [replace(each, positions=own) for each, own in zip(fields, np.split(positions, ends), strict=True)], legend, facts


def block_windows(place: Place) -> list[Window]:
    """Pieces of the grid in which everything is read once and little enough is held at a time."""
    per_pixel = sum(len(each.days) * len(each.sensor.bands) * np.dtype(each.sensor.dtype).itemsize for each in place.series)
    return windows_of(place.series[0].scenes[0], per_pixel)


def windows_of(scene: Scene, per_pixel: int) -> list[Window]:
    """Pieces of the grid of a scene in which every block of its first file is decoded once, for so much to be held of a pixel [byte]."""
    grid, first = scene.grid, scene.rasters[0]
    rows, columns = first.dataset.block_shapes[0]
    first.close()
    if columns < grid.width:
        size = next((size for size in BLOCK_SIZES if size**2 * per_pixel <= BLOCK_BYTES), BLOCK_SIZES[-1])
        return blocks(grid.window, size)
    # Whole rows of a file in strips: a narrower window would decode every strip several times.
    height = max(rows, int(BLOCK_BYTES / per_pixel / grid.width) // rows * rows)
    return [Window(0, row, grid.width, min(height, grid.height - row)) for row in range(0, grid.height, height)]


def count_pixels(parcels: Parcels, windows: list[Window], progress: Progress = SILENT) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of each parcel, and the number of the last window that holds one, -1 where none does: int64 (parcel,) each."""
    pixels, last = np.zeros(len(parcels), np.int64), np.full(len(parcels), -1, np.int64)
    for number, window in enumerate(windows):
        progress.at(number / len(windows), "Counting the pixels of the parcels")
        found = parcels.read(window)
        counts = np.bincount(found[found != NOTHING], minlength=len(parcels))
        pixels += counts
        last[counts > 0] = number
    return pixels, last


@dataclass(frozen=True)
class Ground:
    """All parcels of a dataset in one plane, those of the first place first.

    Attributes:
        shapes: without their inner buffer [m] (parcel,).
        regions: of each (parcel,).
        tiles: name of the place of each (parcel,).
        numbers: which feature of the layer each is (parcel,).
        pixel: edge of a pixel [m].
        crs: of the plane.
        factor: metres of its units, along x and y (2,).
    """

    shapes: np.ndarray
    regions: np.ndarray
    tiles: np.ndarray
    numbers: np.ndarray
    pixel: float
    crs: str
    factor: np.ndarray

    def place(self, points: geopandas.GeoSeries) -> np.ndarray:
        """Points in the plane [m] (n,)."""
        return shapely.transform(np.asarray(points.to_crs(self.crs).values, object), lambda places: places * self.factor)


def ground_of(fields: list[Fields]) -> Ground:
    """Puts the parcels of all places into one plane: that of their grid, or an equal-area projection around the middle of several grids."""
    regions = np.concatenate([each.parcels.regions for each in fields])
    tiles = np.concatenate([np.full(len(each.parcels), each.place.name, object) for each in fields])
    numbers, grid = np.concatenate([each.parcels.numbers for each in fields]), fields[0].place.grid
    metres = np.array(grid.metres_per_pixel())
    if same_crs(fields):
        factor, plane = metres / np.array(grid.resolution), grid.crs
        shapes = [shapely.transform(each.parcels.shapes, lambda points: points * factor) for each in fields]
    else:
        longitudes, latitudes = zip(*(each.place.grid.centre_lonlat() for each in fields), strict=True)
        factor, plane = np.ones(2), f"+proj=laea +lat_0={np.mean(latitudes):.6f} +lon_0={_mean_longitude(longitudes):.6f} +datum=WGS84 +units=m"
        shapes = [np.asarray(geopandas.GeoSeries(each.parcels.shapes, crs=each.place.grid.crs).to_crs(plane).values, object) for each in fields]
    return Ground(np.concatenate(shapes), regions, tiles, numbers, float(metres.max()), plane, factor)


def same_crs(fields: list[Fields]) -> bool:
    """Whether all places have one CRS."""
    return len({each.place.grid.crs for each in fields}) == 1 or len({CRS.from_wkt(each.place.grid.crs) for each in fields}) == 1


def _mean_longitude(longitudes: tuple[float, ...]) -> float:
    """Also across 180°."""
    angles = np.radians(longitudes)
    return float(np.degrees(np.arctan2(np.sin(angles).mean(), np.cos(angles).mean())))


def _opened(places: list[Place], source: Source, progress: Progress) -> list[tuple[Place, Parcels]]:
    """The parcels on each place; places without any are left out.

    Raises:
        Missed: there are none on any.
    """
    found, missed = [], []
    for number, place in enumerate(places):
        try:
            parcels = open_parcels(source.layer, place.grid, source.crop_field, source.region_field, source.inner_buffer,
                                   progress.part(number / len(places), (number + 1) / len(places)))
            found.append((place, parcels))
        except Missed as error:
            missed.append((place.name, error))
    if not found:
        raise missed[0][1]
    if missed:
        progress.message(f"No parcel lies on the images of {', '.join(name for name, _ in missed)}, so they are not used.", level="warning")
    return found


def _taken(found: list[tuple[Place, Parcels]]) -> list[np.ndarray]:
    """Of each place, which of its parcels are taken there, bool (parcel,)."""
    shares = []
    for place, parcels in found:
        area, inside = shapely.area(parcels.shapes), shapely.area(shapely.intersection(parcels.shapes, shapely.box(*place.grid.bounds())))
        shares.append(np.where(area > 0, inside / np.maximum(area, 1e-30), 0.0))
    best: dict[int, tuple[float, int, int]] = {}
    for number, (place, parcels) in enumerate(found):
        for feature, share in zip(parcels.numbers.tolist(), shares[number].tolist(), strict=True):
            other = best.get(feature)
            if other is None or share > other[0] + ROUNDING or (share > other[0] - ROUNDING and len(place.days) > other[1]):
                best[feature] = (share, len(place.days), number)
    return [np.array([best[feature][2] == number for feature in parcels.numbers.tolist()], bool) for number, (_, parcels) in enumerate(found)]
