"""From images of many dates and parcels to a dataset of series: every pixel of every date is read once, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import geopandas
import numpy as np
import pandas
import rasterio
import shapely

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE
from ...datasets.legend import Legend
from ...datasets.season import Season
from ...datasets.shards import LABELS, ShardWriter
from ...datasets.splitting.by_place import Split, SplitPlan
from ...datasets.splitting.division import finish
from ...rasters.clouds import CLEAR, FLAG_NAMES, NOT_MEASURED
from ...rasters.grid import Grid, Window
from ...rasters.series_dates import days_since
from .fields import Fields, ground_of, same_crs
from .parcel_means import ParcelMeans
from .parcel_splits import Division, split_parcels
from .parcels import NOTHING
from .places import Place
from .sampling import Draw, SamplingPlan, allocate, sampling_facts

#: Day of what is padding.
NO_DATE = -1
#: GDAL keeps at most this much of what it decoded; its own limit grows with the machine [byte].
CACHE_BYTES = 64 * 2**20
#: In which CRS the samples of places in several CRS lie.
MANY_ZONES = "EPSG:4326"


@dataclass(frozen=True)
class SeriesPlan:
    """What is asked for.

    Attributes:
        kind: "pixels", "parcels" (means) or "both".
        sampling: of pixels.
        minimum_clear: samples with fewer clear dates of the first sensor are left out.
        division: how samples are split.
        season: that the dates were taken from; None where all were.
        dates: the arrays hold at least so many.
        first_year: of the dataset that the series join, None for none; see `years_of`.
    """

    kind: str = "pixels"
    sampling: SamplingPlan = field(default_factory=SamplingPlan)
    minimum_clear: int = 1
    division: Division = field(default_factory=Division)
    season: Season | None = None
    dates: int = 0
    first_year: int | None = None


@dataclass
class _Samples:
    """What is known of the samples of a place written so far: per sensor the flags of each date (date, flag), and lists with a row per sample."""

    flags: dict[str, np.ndarray]
    owners: list[np.ndarray] = field(default_factory=list)
    places: list[np.ndarray] = field(default_factory=list)
    clear: list[np.ndarray] = field(default_factory=list)
    measured: list[np.ndarray] = field(default_factory=list)
    kinds: list[np.ndarray] = field(default_factory=list)
    too_cloudy: int = 0

    @classmethod
    def of(cls, place: Place) -> _Samples:
        """None yet."""
        return cls(place.no_flags())

    def __len__(self) -> int:
        return sum(map(len, self.owners))

    def table(self, fields: Fields, crs: str) -> geopandas.GeoDataFrame:
        """Rows of tiles.gpkg: a point for each sample, in a CRS."""
        parcels, owners = fields.parcels, np.concatenate(self.owners)
        rows = {"scene": fields.place.name, "kind": np.concatenate(self.kinds), "parcel": parcels.numbers[owners], "crop": parcels.crops[owners],
                "valid": np.round(np.concatenate(self.measured) / len(fields.place.days), 4), "labelled": np.ones(len(self)),
                "clear": np.concatenate(self.clear)}
        if parcels.facts["region_field"]:
            rows["region"] = parcels.regions[owners]
        table = geopandas.GeoDataFrame(rows, geometry=shapely.points(np.concatenate(self.places)), crs=fields.place.grid.crs)
        return table if crs == fields.place.grid.crs else table.to_crs(crs)


def build_series(folder: Path, fields: list[Fields], legend: Legend, labels_facts: dict, plan: SeriesPlan, split_plan: SplitPlan, name: str,
                 progress: Progress = SILENT) -> Split:
    """Samples, reads, writes and splits.

    Args:
        folder: an empty folder to fill.
        fields: parcels of each place, with the series of one or two sensors.
        legend: the classes.
        labels_facts: what is said of the parcels.
        plan: which samples.
        split_plan: shares and seed.
        name: of the dataset.
        progress: told how far it is.

    Raises:
        DataError: no sample has enough clear dates, or there are too few groups to split.
    """
    classes, first = len(legend.classes), fields[0].place
    positions, pixels = (np.concatenate([getattr(each, name) for each in fields]) for name in ("positions", "pixels"))
    used = positions != NOTHING
    available = np.bincount(positions[used], pixels[used], classes).astype(np.int64)
    measured = {"area": available, "parcels": np.bincount(positions[used & (pixels > 0)], minlength=classes)}[plan.sampling.prior]
    priors = measured / max(measured.sum(), 1)
    counts = allocate(available, priors, plan.sampling) if plan.kind != "parcels" else np.zeros(classes, np.int64)
    years = years_of(fields, plan.season, plan.first_year)
    first_year = min(years) if plan.first_year is None or not plan.season else plan.first_year
    known, shards = _read_all(folder, fields, plan, Draw(available, counts, plan.sampling.seed), years, progress.part(0, 0.6))
    _check_kept(known, fields, plan, progress)
    begins = np.cumsum([0, *(len(each.parcels) for each in fields)])
    owners = np.concatenate([begin + owner for begin, samples in zip(begins, known) for owner in samples.owners])
    names = [row.name for row in legend.classes]
    split = split_parcels(ground_of(fields), owners, positions[owners], plan.division, split_plan, names, progress.part(0.6, 0.65))
    one_crs = same_crs(fields)
    tables = [samples.table(each, first.grid.crs if one_crs else MANY_ZONES) for samples, each in zip(known, fields, strict=True) if len(samples)]
    series = [(each.place, one) for each in fields for one in each.place.series]
    scenes = [{**row, "tile": place.name} for number, (place, each) in enumerate(series)
              for row in each.facts(progress.part(0.65 + 0.2 * number / len(series), 0.65 + 0.2 * (number + 1) / len(series)))]
    facts = {"first_year": first_year, **dates_of(fields, [samples.flags for samples in known]),
             "sampling": sampling_facts(names, priors, available, counts, plan.sampling), "kind": plan.kind, "minimum_clear": plan.minimum_clear,
             "too_cloudy": sum(samples.too_cloudy for samples in known),
             "flag_names": list(FLAG_NAMES),
             **({"first_day": plan.season.first, "last_day": plan.season.last} if plan.season else {})}
    description = {"task": "series", "theme": "crops", "facts": facts, "name": name, "sensors": [each.sensor for each in first.series],
                   "tile_size": 1, "stride": 1, "resolution_m": [round(metres, 4) for metres in first.grid.metres_per_pixel()],
                   "classes": list(legend.classes), "ignore": IGNORE, "scenes": scenes, "labels": labels_facts, "shards": shards}
    return finish(folder, description, pandas.concat(tables, ignore_index=True), split, progress.part(0.85, 1))


def years_of(fields: list[Fields], season: Season | None, first_year: int | None = None) -> list[int]:
    """From the 1 January of which year the days of each place are counted, for a season and the first year of a dataset that they join.

    Without a season it is the first year of all. Of a season that comes every year it is the year in which that of the place begins: then
    places of different years compare.
    """
    first = [min(each.days[0] for each in own.place.series) for own in fields]
    if season is None:
        return [min(day.year for day in first) if first_year is None else min(first_year, *(day.year for day in first))] * len(fields)
    return [within[0].year if (within := season.around(day)) else day.year for day in first]


def _read_all(folder: Path, fields: list[Fields], plan: SeriesPlan, draw: Draw, years: list[int],
              progress: Progress) -> tuple[list[_Samples], list[dict]]:
    """Reads all places one after the other; what was written of each, and the shards."""
    arrays, extra = _arrays([each.place for each in fields], plan.dates)
    total, done, known = sum(len(each.windows) for each in fields), 0, []
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), ShardWriter(folder, arrays, extra=extra) as writer:
        for each, year in zip(fields, years, strict=True):
            reader, samples = _Reader(each, draw, plan.kind), _Samples.of(each.place)
            for number, window in enumerate(each.windows):
                part = progress.part(done / total, (done + 1) / total)
                part.at(0, "Reading the series")
                for batch in reader.read(number, window, part):
                    _write(writer, each, batch, plan.minimum_clear, samples, year)
                done += 1
            each.place.close()
            known.append(samples)
        return known, writer.close()


def _check_kept(known: list[_Samples], fields: list[Fields], plan: SeriesPlan, progress: Progress) -> None:
    """Says how many samples are too cloudy.

    Raises:
        DataError: when all are.
    """
    kept, cloudy = sum(map(len, known)), sum(samples.too_cloudy for samples in known)
    if not kept:
        most = max(len(each.place.days) for each in fields)
        raise DataError(f"No sample has {plan.minimum_clear} dates without cloud, shadow or snow out of {most}. Lower the smallest number of "
                        "clear dates, or check the cloud masks.")
    if cloudy:
        progress.message(f"{cloudy} of {kept + cloudy} samples have fewer than {plan.minimum_clear} clear dates and are left out.")


def dates_of(fields: list[Fields], known: list[dict[str, np.ndarray]]) -> dict[str, dict]:
    """Days of each sensor, in several places of each sensor there, and how many samples, or pixels of tiles, had which flag (date, flag)."""
    dates, clouds = {}, {}
    for each, flags in zip(fields, known, strict=True):
        for series in each.place.series:
            of = [each.place.name] if len(fields) > 1 else []
            key = " · ".join([*of, *([series.sensor.name] if not of or len(each.place.series) > 1 else [])])
            dates[key], clouds[key] = [day.isoformat() for day in series.days], flags[series.sensor.name].tolist()
    return {"dates": dates, "clouds": clouds}


@dataclass(frozen=True)
class _Batch:
    """Samples of one kind: their parcels (n,), places (n, 2), and for each sensor values (n, date, band) and flags (n, date)."""

    owners: np.ndarray
    places: np.ndarray
    read: list[tuple[np.ndarray, np.ndarray]]
    are_parcels: bool


class _Reader:
    """Reads block after block of all series of a place."""

    def __init__(self, fields: Fields, draw: Draw, kind: str) -> None:
        self.series, self.parcels, self.positions, self.draw, self.kind = fields.place.series, fields.parcels, fields.positions, draw, kind
        sensors, dates = [each.sensor for each in self.series], [len(each.days) for each in self.series]
        self._means = ParcelMeans(sensors, dates, fields.last) if kind != "pixels" else None

    def read(self, number: int, window: Window, progress: Progress) -> Iterator[_Batch]:
        """The samples of one block: pixels, and parcels whose last pixels it holds."""
        grid, found = self.series[0].grid, self.parcels.read(window)
        inside = (found != NOTHING) & (self.positions[found] != NOTHING)
        if not inside.any():
            return
        window, found, inside = _trimmed(window, found, inside)
        rows, cols = np.nonzero(inside)
        owners = found[rows, cols]
        taken = self.draw.take(self.positions[owners]) if self.kind != "parcels" else np.zeros(0, np.int64)
        if self._means is not None:
            self._means.begin(owners)
        elif not len(taken):
            return
        pixels = []
        for sensor, series in enumerate(self.series):
            values = np.zeros((len(taken), len(series.days), len(series.sensor.bands)), series.sensor.dtype)
            flags = np.zeros((len(taken), len(series.days)), np.uint8)
            for date_number, day in enumerate(series.days):
                progress.at((sensor + date_number / len(series.days)) / len(self.series), f"Reading {series.sensor.name} of {day}")
                image, image_flags = series.read(date_number, window)
                values[:, date_number] = image[:, rows[taken], cols[taken]].T
                flags[:, date_number] = image_flags[rows[taken], cols[taken]]
                if self._means is not None:
                    self._means.add(sensor, date_number, image[:, rows, cols], image_flags[rows, cols])
            pixels.append((values, flags))
        if len(taken):
            yield _Batch(owners[taken], _centres(grid, window, rows[taken], cols[taken]), pixels, are_parcels=False)
        if self._means is not None:
            complete, means = self._means.end(number)
            middles = shapely.get_coordinates(shapely.point_on_surface(self.parcels.shapes[complete]))
            yield _Batch(complete, middles, means, are_parcels=True)


def _trimmed(window: Window, found: np.ndarray, inside: np.ndarray) -> tuple[Window, np.ndarray, np.ndarray]:
    """The part of a window around the pixels wanted."""
    rows, cols = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    part = np.s_[rows[0]:rows[-1] + 1, cols[0]:cols[-1] + 1]
    smaller = Window(window.col + int(cols[0]), window.row + int(rows[0]), int(cols[-1] - cols[0]) + 1, int(rows[-1] - rows[0]) + 1)
    return smaller, found[part], inside[part]


def _centres(grid: Grid, window: Window, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Middles of pixels in units of the CRS (n, 2)."""
    a, _, c, _, e, f = grid.sub(window).transform
    return np.stack([c + a * (cols + 0.5), f + e * (rows + 0.5)], 1)


def _arrays(places: list[Place], least: int) -> tuple[dict[str, tuple[tuple[int, ...], str]], list[str]]:
    """The arrays of the dataset, as long as the longest series and at least so long, and which of them are extras: days and flags of each sensor."""
    arrays: dict[str, tuple[tuple[int, ...], str]] = {LABELS: ((), "uint8")}
    extra = []
    for number, each in enumerate(places[0].series):
        dates = (max(least, *(len(place.series[number].days) for place in places)),)
        arrays[each.sensor.name] = ((*dates, len(each.sensor.bands)), each.sensor.dtype)
        days, flags = extra_names(number, each.sensor.name)
        arrays[days], arrays[flags] = (dates, "int16"), (dates, "uint8")
        extra += [days, flags]
    return arrays, extra


def extra_names(number: int, sensor: str) -> tuple[str, str]:
    """Names of the arrays with the days and flags of a sensor: those of the first need no suffix."""
    return ("days", "flags") if number == 0 else (f"days_{sensor}", f"flags_{sensor}")


def _write(writer: ShardWriter, fields: Fields, batch: _Batch, minimum_clear: int, known: _Samples, year: int) -> None:
    clear = (batch.read[0][1] == CLEAR).sum(1)
    kept = clear >= minimum_clear
    known.too_cloudy += int((~kept).sum())
    if not kept.any():
        return
    arrays = {LABELS: fields.positions[batch.owners[kept]].astype(np.uint8)}
    for number, (each, (values, flags)) in enumerate(zip(fields.place.series, batch.read, strict=True)):
        sensor, (days, flag_name) = each.sensor, extra_names(number, each.sensor.name)
        length = writer.samples[sensor.name][0][0]
        arrays[sensor.name] = padded(values[kept], length, np.nan if sensor.nodata is None else sensor.nodata)
        arrays[flag_name] = padded(flags[kept], length, NOT_MEASURED)
        own = np.array(days_since(each.days, year), np.int16)
        arrays[days] = padded(np.broadcast_to(own, flags[kept].shape), length, NO_DATE)
        for flag in range(len(FLAG_NAMES)):
            known.flags[sensor.name][:, flag] += (flags[kept] == flag).sum(0)
    writer.add(**arrays)
    known.owners.append(batch.owners[kept])
    known.places.append(batch.places[kept])
    known.clear.append(clear[kept])
    known.measured.append((batch.read[0][1][kept] != NOT_MEASURED).sum(1))
    known.kinds.append(np.full(int(kept.sum()), "parcel" if batch.are_parcels else "pixel", dtype=object))


def padded(values: np.ndarray, length: int, fill: float) -> np.ndarray:
    """Series (n, date, …) with so many dates, the last of them filled."""
    if values.shape[1] == length:
        return values
    longer = np.full((len(values), length, *values.shape[2:]), fill, values.dtype)
    longer[:, :values.shape[1]] = values
    return longer
