"""From images of many dates and parcels to a dataset of series: every pixel of every date is read once, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE
from ...datasets.legend import Legend
from ...datasets.shards import LABELS, ShardWriter
from ...datasets.splitting.by_place import Split, SplitPlan
from ...datasets.splitting.division import finish
from ...rasters.clouds import CLEAR, FLAG_NAMES, NOT_MEASURED
from ...rasters.grid import Grid, Window, blocks
from .parcel_means import ParcelMeans
from .parcel_splits import split_parcels
from .parcels import NOTHING, Parcels
from .sampling import Draw, SamplingPlan, allocate, sampling_facts
from .series import Series
from .series_dates import days_since

#: Memory for what a block gives when every pixel is a sample [byte].
BLOCK_BYTES = 128 * 2**20
#: GDAL keeps at most this much of what it decoded; its own limit grows with the machine [byte].
CACHE_BYTES = 64 * 2**20
BLOCK_SIZES = (1024, 512, 256, 128, 64)


@dataclass(frozen=True)
class SeriesPlan:
    """What is asked for.

    Attributes:
        kind: "pixels", "parcels" (means) or "both".
        sampling: of pixels.
        minimum_clear: samples with fewer clear dates of the first sensor are left out.
        splitting: what is kept whole: "blocks" of ground, "region" or "parcel".
        block_m: edge of a block of ground [m]; None chooses.
    """

    kind: str = "pixels"
    sampling: SamplingPlan = field(default_factory=SamplingPlan)
    minimum_clear: int = 1
    splitting: str = "blocks"
    block_m: float | None = None


@dataclass
class _Samples:
    """What is known of the samples written so far: per sensor the flags of each date (date, flag), and lists with a row per sample."""

    flags: dict[str, np.ndarray]
    owners: list[np.ndarray] = field(default_factory=list)
    places: list[np.ndarray] = field(default_factory=list)
    clear: list[np.ndarray] = field(default_factory=list)
    measured: list[np.ndarray] = field(default_factory=list)
    kinds: list[np.ndarray] = field(default_factory=list)
    too_cloudy: int = 0

    def table(self, series: Series, parcels: Parcels, plan: SeriesPlan, progress: Progress) -> geopandas.GeoDataFrame:
        """Rows of tiles.gpkg: a point for each sample.

        Raises:
            DataError: when there are none.
        """
        kept = sum(map(len, self.owners))
        if not kept:
            raise DataError(f"No sample has {plan.minimum_clear} dates without cloud, shadow or snow out of {len(series.days)}. Lower the "
                            "smallest number of clear dates, or check the cloud masks.")
        if self.too_cloudy:
            progress.message(f"{self.too_cloudy} of {kept + self.too_cloudy} samples have fewer than {plan.minimum_clear} clear dates and "
                             "are left out.")
        owners, places = np.concatenate(self.owners), np.concatenate(self.places)
        rows = {"scene": series.scenes[0].name, "kind": np.concatenate(self.kinds), "parcel": parcels.numbers[owners],
                "crop": parcels.crops[owners], "valid": np.round(np.concatenate(self.measured) / len(series.days), 4),
                "labelled": np.ones(kept), "clear": np.concatenate(self.clear)}
        if (parcels.regions != "").any():
            rows["region"] = parcels.regions[owners]
        return geopandas.GeoDataFrame(rows, geometry=shapely.points(places), crs=series.grid.crs)


def block_windows(series: list[Series]) -> list[Window]:
    """Pieces of the grid in which everything is read once and little enough is held at a time."""
    grid, first = series[0].grid, series[0].scenes[0].rasters[0]
    rows, columns = first.dataset.block_shapes[0]
    first.close()
    per_pixel = sum(len(each.days) * len(each.sensor.bands) * np.dtype(each.sensor.dtype).itemsize for each in series)
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
class Fields:
    """Parcels with their classes.

    Attributes:
        parcels: on the grid of the series.
        positions: class of each parcel, -1 for those left out (parcel,).
        legend: the classes.
        counted: what `count_pixels` said of the parcels in the windows of `block_windows`.
    """

    parcels: Parcels
    positions: np.ndarray
    legend: Legend
    counted: tuple[np.ndarray, np.ndarray]


def build_series(folder: Path, series: list[Series], fields: Fields, plan: SeriesPlan, split_plan: SplitPlan, name: str,
                 progress: Progress = SILENT) -> Split:
    """Samples, reads, writes and splits.

    Args:
        folder: an empty folder to fill.
        series: of one or two sensors on one grid; the first is the one whose clouds count.
        fields: parcels on that grid.
        plan: which samples.
        split_plan: shares and seed.
        name: of the dataset.
        progress: told how far it is.

    Raises:
        DataError: no sample has enough clear dates, or there are too few groups to split.
    """
    windows, parcels, positions, legend = block_windows(series), fields.parcels, fields.positions, fields.legend
    pixels, last = fields.counted
    used, classes = positions != NOTHING, len(legend.classes)
    available = np.bincount(positions[used], pixels[used], classes).astype(np.int64)
    measured = {"area": available, "parcels": np.bincount(positions[used & (pixels > 0)], minlength=classes)}[plan.sampling.prior]
    priors = measured / max(measured.sum(), 1)
    counts = allocate(available, priors, plan.sampling) if plan.kind != "parcels" else np.zeros(classes, np.int64)
    reader = _Reader(series, parcels, positions, last, Draw(available, counts, plan.sampling.seed), plan.kind)
    known = _Samples({each.sensor.name: np.zeros((len(each.days), len(FLAG_NAMES)), np.int64) for each in series})
    first_year = min(each.days[0].year for each in series)
    arrays, extra = _arrays(series)
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), ShardWriter(folder, arrays, extra=extra) as writer:
        for number, window in enumerate(windows):
            part = progress.part(0.6 * number / len(windows), 0.6 * (number + 1) / len(windows))
            part.at(0, "Reading the series")
            for batch in reader.read(number, window, part):
                _write(writer, series, batch, positions, plan.minimum_clear, known, first_year)
        shards = writer.close()
    for each in series:
        each.close()
    names = [row.name for row in legend.classes]
    table = known.table(series[0], parcels, plan, progress)
    facts = {"first_year": first_year, "dates": {each.sensor.name: [day.isoformat() for day in each.days] for each in series},
             "sampling": sampling_facts(names, priors, available, counts, plan.sampling), "kind": plan.kind,
             "minimum_clear": plan.minimum_clear, "too_cloudy": known.too_cloudy,
             "clouds": {sensor: flags.tolist() for sensor, flags in known.flags.items()}, "flag_names": list(FLAG_NAMES)}
    owners = np.concatenate(known.owners)
    split = split_parcels(parcels, owners, positions[owners], plan.splitting, plan.block_m, split_plan, names, progress.part(0.6, 0.65))
    scenes = [row for number, each in enumerate(series) for row in each.facts(progress.part(0.65 + 0.1 * number, 0.75 + 0.1 * number))]
    description = {"task": "series", "theme": "crops", "facts": facts, "name": name, "sensors": [each.sensor for each in series],
                   "tile_size": 1, "stride": 1, "resolution_m": [round(metres, 4) for metres in series[0].grid.metres_per_pixel()],
                   "classes": list(legend.classes), "ignore": IGNORE, "scenes": scenes, "labels": parcels.facts, "shards": shards}
    return finish(folder, description, table, split, progress.part(0.85, 1))


@dataclass(frozen=True)
class _Batch:
    """Samples of one kind: their parcels (n,), places (n, 2), and for each sensor values (n, date, band) and flags (n, date)."""

    owners: np.ndarray
    places: np.ndarray
    read: list[tuple[np.ndarray, np.ndarray]]
    are_parcels: bool


class _Reader:
    """Reads block after block of all series."""

    def __init__(self, series: list[Series], parcels: Parcels, positions: np.ndarray, last: np.ndarray, draw: Draw, kind: str) -> None:
        self.series, self.parcels, self.positions, self.draw, self.kind = series, parcels, positions, draw, kind
        self._means = ParcelMeans(series, last) if kind != "pixels" else None

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


def _arrays(series: list[Series]) -> tuple[dict[str, tuple[tuple[int, ...], str]], list[str]]:
    """The arrays of the dataset, and which of them are extras: days and flags of the first sensor, days_<name> of the second."""
    arrays: dict[str, tuple[tuple[int, ...], str]] = {LABELS: ((), "uint8")}
    extra = []
    for number, each in enumerate(series):
        dates = (len(each.days),)
        arrays[each.sensor.name] = ((*dates, len(each.sensor.bands)), each.sensor.dtype)
        days, flags = extra_names(number, each.sensor.name)
        arrays[days], arrays[flags] = (dates, "int16"), (dates, "uint8")
        extra += [days, flags]
    return arrays, extra


def extra_names(number: int, sensor: str) -> tuple[str, str]:
    """Names of the arrays with the days and flags of a sensor: those of the first need no suffix."""
    return ("days", "flags") if number == 0 else (f"days_{sensor}", f"flags_{sensor}")


def _write(writer: ShardWriter, series: list[Series], batch: _Batch, labels: np.ndarray, minimum_clear: int, known: _Samples,
           first_year: int) -> None:
    clear = (batch.read[0][1] == CLEAR).sum(1)
    kept = clear >= minimum_clear
    known.too_cloudy += int((~kept).sum())
    if not kept.any():
        return
    arrays = {LABELS: labels[batch.owners[kept]].astype(np.uint8)}
    for number, (each, (values, flags)) in enumerate(zip(series, batch.read, strict=True)):
        days, flag_name = extra_names(number, each.sensor.name)
        arrays[each.sensor.name], arrays[flag_name] = values[kept], flags[kept]
        arrays[days] = np.broadcast_to(np.array(days_since(each.days, first_year), np.int16), flags[kept].shape)
        for flag in range(len(FLAG_NAMES)):
            known.flags[each.sensor.name][:, flag] += (flags[kept] == flag).sum(0)
    writer.add(**arrays)
    known.owners.append(batch.owners[kept])
    known.places.append(batch.places[kept])
    known.clear.append(clear[kept])
    known.measured.append((batch.read[0][1][kept] != NOT_MEASURED).sum(1))
    known.kinds.append(np.full(int(kept.sum()), "parcel" if batch.are_parcels else "pixel", dtype=object))
