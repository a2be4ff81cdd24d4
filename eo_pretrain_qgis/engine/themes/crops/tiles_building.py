"""From images of many dates and parcels to a dataset of dated tiles: all dates of a piece of ground, with a class for every pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import geopandas
import numpy as np
import rasterio

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE
from ...datasets.footprints import footprint
from ...datasets.legend import Legend
from ...datasets.season import Season
from ...datasets.shards import LABELS, ShardWriter
from ...datasets.splitting.by_place import Split, SplitPlan
from ...datasets.splitting.division import divide
from ...rasters.clouds import CLEAR, FLAG_NAMES, NOT_MEASURED
from ...rasters.grid import Window, tile_windows
from ...rasters.series_dates import days_since
from .fields import Fields
from .parcels import NOTHING
from .places import Place
from .series_building import CACHE_BYTES, NO_DATE, dates_of, extra_names, padded, years_of


@dataclass(frozen=True)
class TilesPlan:
    """What is asked for.

    Attributes:
        tile_size: edge of a tile [px].
        minimum_clear: the label of a pixel with fewer clear dates of the first sensor is left out; at least 1.
        season: that the dates were taken from; None where all were.
    """

    tile_size: int = 64
    minimum_clear: int = 1
    season: Season | None = None


@dataclass
class _Tiles:
    """What is known of the tiles of a place written so far: rows and shapes of tiles.gpkg, and per sensor the pixels with each flag (date, flag)."""

    flags: dict[str, np.ndarray]
    rows: list[dict] = field(default_factory=list)
    shapes: list = field(default_factory=list)
    too_cloudy: int = 0

    @classmethod
    def of(cls, place: Place) -> _Tiles:
        """None yet."""
        return cls(place.no_flags())


def build_tiles(folder: Path, fields: list[Fields], legend: Legend, labels_facts: dict, plan: TilesPlan, split_plan: SplitPlan, name: str,
                progress: Progress = SILENT) -> Split:
    """Cuts, labels, writes and splits by place.

    Args:
        folder: an empty folder to fill.
        fields: parcels of each place, with the series of one or two sensors.
        legend: the classes.
        labels_facts: what is said of the parcels.
        plan: which tiles.
        split_plan: shares, gap and seed.
        name: of the dataset.
        progress: told how far it is.

    Raises:
        DataError: images smaller than a tile, no labelled pixel with enough clear dates, or too few tiles to split.
    """
    windows = [_windows(each, plan.tile_size) for each in fields]
    years = years_of(fields, plan.season)
    arrays, extra = _arrays([each.place for each in fields], plan.tile_size)
    total, done, known = sum(map(len, windows)), 0, []
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), ShardWriter(folder, arrays, extra=extra) as writer:
        for each, own, year in zip(fields, windows, years, strict=True):
            tiles = _Tiles.of(each.place)
            for window in own:
                progress.part(0, 0.7).at(done / total, f"Cutting tiles from {each.place.name}")
                _cut(writer, each, window, year, plan, tiles, legend, fields[0].place.grid.crs)
                done += 1
            each.place.close()
            known.append(tiles)
        shards = writer.close()
    _check_kept(known, fields, plan, progress)
    first, rows, shapes = fields[0].place, [row for tiles in known for row in tiles.rows], [shape for tiles in known for shape in tiles.shapes]
    table = geopandas.GeoDataFrame([{"tile": number, **row} for number, row in enumerate(rows)], geometry=shapes, crs=first.grid.crs)
    series = [(each.place, one) for each in fields for one in each.place.series]
    scenes = [{**row, "tile": place.name} for place, each in series for row in each.facts(progress.part(0.7, 0.8))]
    facts = {"first_year": min(years), **dates_of(fields, [tiles.flags for tiles in known]), "kind": "tiles", "minimum_clear": plan.minimum_clear,
             "too_cloudy": sum(tiles.too_cloudy for tiles in known), "flag_names": list(FLAG_NAMES),
             **({"first_day": plan.season.first, "last_day": plan.season.last} if plan.season else {})}
    description = {"task": "tiles in time", "theme": "crops", "facts": facts, "name": name, "sensors": [each.sensor for each in first.series],
                   "tile_size": plan.tile_size, "stride": plan.tile_size,
                   "resolution_m": [round(metres, 4) for metres in first.grid.metres_per_pixel()], "classes": list(legend.classes), "ignore": IGNORE,
                   "scenes": scenes, "labels": labels_facts, "shards": shards}
    return divide(folder, description, table, split_plan, progress.part(0.8, 1))


def tile_split(plan: SplitPlan, block: float | None, gap: float, fields: list[Fields]) -> SplitPlan:
    """A split with blocks and a gap of so many metres; 0 is the edge of a tile, for a parcel may lie in two tiles that touch."""
    size = min(fields[0].place.grid.metres_per_pixel())
    return replace(plan, block_size=math.ceil(block / size) if block else None, buffer=math.ceil(gap / size) if gap else None)


def _windows(fields: Fields, side: int) -> list[Window]:
    grid = fields.place.grid
    found = tile_windows(grid.width, grid.height, side, side)
    if not found:
        raise DataError(f"The images of {fields.place.name} are {grid.width} × {grid.height} pixels, which is smaller than a tile of {side} × "
                        f"{side}. Choose smaller tiles or larger images.")
    return found


def _arrays(places: list[Place], side: int) -> tuple[dict[str, tuple[tuple[int, ...], str]], list[str]]:
    """The arrays of the dataset, as long as the longest series, and which of them are extras: days and flags of each sensor."""
    arrays: dict[str, tuple[tuple[int, ...], str]] = {LABELS: ((side, side), "uint8")}
    extra = []
    for number, each in enumerate(places[0].series):
        dates = max(len(place.series[number].days) for place in places)
        arrays[each.sensor.name] = ((dates, len(each.sensor.bands), side, side), each.sensor.dtype)
        days, flags = extra_names(number, each.sensor.name)
        arrays[days], arrays[flags] = ((dates,), "int16"), ((dates, side, side), "uint8")
        extra += [days, flags]
    return arrays, extra


def _cut(writer: ShardWriter, fields: Fields, window: Window, year: int, plan: TilesPlan, tiles: _Tiles, legend: Legend, crs: str) -> None:
    """Writes a tile, where it shows a parcel under a sky that is clear often enough."""
    found = fields.parcels.read(window)
    inside = (found != NOTHING) & (fields.positions[found] != NOTHING)
    if not inside.any():
        return
    labels = np.where(inside, fields.positions[found], IGNORE).astype(np.uint8)
    arrays, clear, counts = {}, np.zeros(labels.shape, int), {}
    for number, series in enumerate(fields.place.series):
        name, (length, *_) = series.sensor.name, writer.samples[series.sensor.name][0]
        values, flags = map(np.stack, zip(*(series.read(date, window) for date in range(len(series.days))), strict=True))
        counts[name] = np.stack([(flags == flag).sum((1, 2)) for flag in range(len(FLAG_NAMES))], 1)
        days, flag_name = extra_names(number, name)
        arrays[name] = padded(values[None], length, np.nan if series.sensor.nodata is None else series.sensor.nodata)
        arrays[flag_name] = padded(flags[None], length, NOT_MEASURED)
        arrays[days] = padded(np.array([days_since(series.days, year)], np.int16), length, NO_DATE)
        if number == 0:
            clear, measured = (flags == CLEAR).sum(0), (flags != NOT_MEASURED).mean()
    cloudy = inside & (clear < plan.minimum_clear)
    tiles.too_cloudy += int(cloudy.sum())
    labels[cloudy] = IGNORE
    pixels = np.bincount(labels.ravel(), minlength=256)[:len(legend.classes)]
    if not pixels.any():
        return
    writer.add(**{LABELS: labels[None], **arrays})
    for name, each in counts.items():
        tiles.flags[name] += each
    shares = {f"share_{row.value}": pixels[position] / labels.size for position, row in enumerate(legend.classes)}
    tiles.rows.append({"scene": fields.place.name, "col": window.col, "row": window.row, "valid": round(float(measured), 4),
                       "labelled": round(float(pixels.sum() / labels.size), 4), "clear": round(float(clear.mean()), 2), **shares})
    tiles.shapes.append(footprint(fields.place.grid, window, crs))


def _check_kept(known: list[_Tiles], fields: list[Fields], plan: TilesPlan, progress: Progress) -> None:
    """Says how many labelled pixels are too cloudy.

    Raises:
        DataError: when all are.
    """
    cloudy = sum(tiles.too_cloudy for tiles in known)
    if not any(tiles.rows for tiles in known):
        most = max(len(each.place.days) for each in fields)
        raise DataError(f"No pixel of a parcel has {plan.minimum_clear} dates without cloud, shadow or snow out of {most}. Lower the smallest "
                        "number of clear dates, or check the cloud masks.")
    if cloudy:
        progress.message(f"{cloudy} pixels of parcels have fewer than {plan.minimum_clear} clear dates; their labels are left out.")
