"""What changed between an earlier map and a new one of the same model, and how much of that the mistakes of the model alone would show.

Two maps that are each right in 9 of 10 pixels differ where nothing changed. If at two dates a model errs independently, a pixel that it mapped as i
is mapped as j the next time with the chance of sum over t of P(truth t | mapped i) · P(mapped j | truth t). Both stand in the confusion matrix of the
model: the first are the shares of a column, the second those of a row (van Oort 2007, Remote Sensing of Environment 108, 1-8, on errors of two dates
and what they do to a matrix of change). Mistakes of one model at one place repeat, and a minimum mapping unit takes out scattered ones, so the figure
may be several times too large; on ground unlike that of the confusion matrix it may be anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from ....errors import DataError
from ....progress import SILENT, Progress
from ...cards import ClassInfo
from ...looks.class_style import class_map_qml, coloured, raster_attributes
from ...models.package import Package
from ...rasters.dates import day_in
from ...rasters.grid import Grid, Window
from ...rasters.lengths import PixelAreas
from ...rasters.raster import Raster
from ..polygons import sums_by_kind
from ..products.classes import class_values
from ..products.drawing import NO_VALUE, Drawing
from .areas import M2_PER_HA, Areas, write_table
from .layers import LandCoverLayers
from .regions import strips

#: Days of the year by which two dates may differ and still be of one season.
SEASON_DAYS = 45
#: In which every day of a year is counted.
LEAP_YEAR = 2000
#: Tags of class maps.
MODEL, DAY, SIEVE = "EO_PRETRAIN_MODEL_SHA256", "ACQUISITION_DATE", "EO_PRETRAIN_SIEVE"
#: The value of a change is that of the earlier class times this, and that of the later one.
TIMES = 256
NOTHING = 65535
#: Colour of what stayed as it was.
STAYED = "#e8e8e8"


@dataclass(frozen=True)
class EarlierMap:
    """A class map that can be compared with a new one.

    Attributes:
        raster: the map.
        day: of its image, ``2020-06-21``.
        positions: value → position of the class in the model, uint8 (256,); 255 of values that are no class.
        sieve: what its tags say of a minimum mapping unit; empty of none.
    """

    raster: Raster
    day: str
    positions: np.ndarray
    sieve: str

    @classmethod
    def open(cls, source: dict, model: Package, grid: Grid, day: str, image: str) -> EarlierMap:
        """Takes a job's raster value, and what the new map will be: its model, its grid, the day of its image and what that is called.

        Raises:
            DataError: the map is of another model, grid or season, is not earlier, holds other values, or nobody knows its day or that of the image.
        """
        raster = Raster(**source)
        made_by = raster.tag(MODEL)
        if made_by != model.sha256:
            told = f"was made by another model ({raster.tag('EO_PRETRAIN_MODEL') or made_by[:8]})" if made_by else "does not say which model made it"
            raise DataError(f"The earlier map {raster.path} {told}, so its differences to a map by {model.id} are also those of two models and no "
                            "change. Map the earlier image with this model file, and choose that map.")
        if not raster.grid.same_as(grid):
            raise DataError(f"The earlier map {raster.path} lies on another grid ({raster.grid}) than the new one ({grid}). Map both images on one "
                            "grid and with the same “Extent”.")
        before = day_in(raster.tag(DAY)) or day_in(raster.acquired)
        require_season(before, day_in(day), raster.path, image)
        positions = np.full(256, NO_VALUE, np.uint8)
        positions[class_values(model.classes)[:len(model.classes)]] = np.arange(len(model.classes))
        found = cls(raster, str(before), positions, raster.tag(SIEVE))
        for strip in strips(grid.height, grid.width):  # what is wrong with it is said before an hour of mapping
            found.read(Window(0, strip.start, grid.width, strip.stop - strip.start))
        return found

    def read(self, window: Window) -> np.ndarray:
        """Positions of classes, uint8 (y, x), 255 where there is none.

        Raises:
            DataError: it holds a value that is no class of the model.
        """
        (values,), valid = self.raster.read(window, [0])
        whole = np.where(valid, values, NO_VALUE)
        found = self.positions[np.clip(whole, 0, NO_VALUE).astype(np.uint8)]
        wrong = valid & ((found == NO_VALUE) | (whole > NO_VALUE) | (whole < 0) | (whole % 1 != 0))
        if wrong.any():
            raise DataError(f"The earlier map {self.raster.path} holds {whole[wrong][0]}, which is no class of the model. Choose the map as it was "
                            "written.")
        return found


def require_season(before: date | None, now: date | None, path: str, image: str) -> None:
    """Refuses an earlier map that was not taken before the new image, or in another season, or of which nobody knows when.

    Raises:
        DataError: naming both.
    """
    if before is None or now is None:
        what = f"the earlier map {path}" if before is None else f"the image {image}"
        raise DataError(f"Nobody knows on which day {what} was taken, so it cannot be said whether both are of one season. Put the day into the name "
                        "of the file, such as S2_20190615.tif, and run again.")
    if before >= now:
        raise DataError(f"The earlier map {path} is of {before}, and the image {image} of {now}, which is not later. Choose the older map as "
                        "“Earlier map”, and map the newer image.")
    apart = abs((before.replace(year=LEAP_YEAR) - now.replace(year=LEAP_YEAR)).days)
    apart = min(apart, 366 - apart)
    if apart > SEASON_DAYS:
        raise DataError(f"The earlier map {path} is of {before}, and the image {image} of {now}: their seasons are {apart} days apart, and of more "
                        f"than {SEASON_DAYS} days differences are those of the season and no change. Choose images of one season.")


def expected_shares(confusion: Sequence[Sequence[int]] | None, classes: int) -> np.ndarray:
    """Share of what was mapped as i (row) that mistakes alone would map as j (column) the next time, (class, class); see the head of this file.

    NaN where nobody knows: without a confusion matrix (rows truth), and of classes that it never maps.
    """
    if confusion is None:
        return np.full((classes, classes), np.nan)
    counts = np.asarray(confusion, float)
    mapped, truth = counts.sum(0), counts.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        of_mapped = (counts / mapped).T
    return of_mapped @ (counts / np.maximum(truth, 1)[:, None])


@dataclass(frozen=True)
class Change:
    """What two maps show where both have a class.

    Attributes:
        found: pixels and area of each pair of classes, the earlier one's position times the number of classes and the later one's (pair,).
        expected: area that mistakes alone would show [ha] (class, class), rows earlier; NaN where nobody knows.
    """

    found: Areas
    expected: np.ndarray

    @property
    def changed_ha(self) -> float:
        """Area whose class differs [ha]."""
        return self.found.total - float(np.trace(self.found.hectares.reshape(self.expected.shape)))

    @property
    def expected_ha(self) -> float | None:
        """Area whose class mistakes alone would change [ha]; None where nobody knows."""
        apart = self.expected[~np.eye(len(self.expected), dtype=bool)]
        return None if np.isnan(apart).any() else float(apart.sum())


def compare(earlier: EarlierMap, layers: LandCoverLayers, model: Package, pixel_areas: PixelAreas, progress: Progress = SILENT) -> Change:
    """Counts pairs of classes of an earlier map and a new one.

    Raises:
        DataError: the earlier map holds other values, or has no class where the new one has.
    """
    classes = len(model.classes)
    pixels, areas = np.zeros(classes**2, np.int64), np.zeros(classes**2)
    for strip in strips(*layers.positions.shape):
        progress.at(strip.start / len(layers.positions), "Comparing with the earlier map")
        counts, ground = sums_by_kind(_pairs(earlier, layers, strip, classes), classes**2, pixel_areas[strip])
        pixels += counts
        areas += ground
    if not pixels.any():
        raise DataError(f"The earlier map {earlier.raster.path} has no class in any pixel that has one now, so nothing can be compared. Choose "
                        "another map.")
    found = Areas(pixels, areas / M2_PER_HA)
    before = found.hectares.reshape(classes, classes).sum(1)
    shares = expected_shares(model.record.confusion, classes)
    return Change(found, np.where(before[:, None] > 0, before[:, None] * shares, 0 if model.record.confusion else np.nan))


def _pairs(earlier: EarlierMap, layers: LandCoverLayers, strip: slice, classes: int) -> np.ndarray:
    """Number of the pair of classes of each pixel of some rows, int64 (y, x); the number of all pairs where one map has no class."""
    now = np.asarray(layers.positions[strip]).astype(np.int64)
    before = earlier.read(Window(0, strip.start, layers.positions.shape[1], strip.stop - strip.start)).astype(np.int64)
    return np.where((now == NO_VALUE) | (before == NO_VALUE), classes**2, before * classes + now)


def write_change_table(change: Change, classes: Sequence[ClassInfo], path: str) -> None:
    """Writes a row for each pair of classes: names, values, pixels, hectares, and the hectares that mistakes alone would show.

    Raises:
        DataError: the disk is full.
    """
    count = len(classes)
    write_table(path, ({
        "earlier": classes[one].name, "later": classes[other].name, "earlier_value": classes[one].value, "later_value": classes[other].value,
        "pixels": int(change.found.pixels[one * count + other]), "hectares": round(float(change.found.hectares[one * count + other]), 4),
        "expected_hectares": None if np.isnan(change.expected[one, other]) else round(float(change.expected[one, other]), 4),
    } for one in range(count) for other in range(count)))


def write_change(earlier: EarlierMap, layers: LandCoverLayers, change: Change, place: tuple[Grid, Sequence[ClassInfo]], path: str,
                 progress: Progress = SILENT) -> None:
    """Writes a raster of pairs of classes, the earlier value times 256 and the later one: UInt16, 65535 = nodata, with its style.

    Raises:
        DataError: the disk is full.
    """
    grid, classes = place
    count, rows = len(classes), coloured(classes)
    seen = np.flatnonzero(change.found.pixels)
    kinds = [ClassInfo(rows[one].value * TIMES + rows[other].value, _words(rows, one, other), STAYED if one == other else rows[other].color)
             for one, other in (divmod(int(pair), count) for pair in seen)]
    values = np.full(count**2 + 1, NOTHING, np.uint16)
    values[seen] = [kind.value for kind in kinds]
    drawing = Drawing(path, ["change"], lambda: class_map_qml(kinds), dtype="uint16", nodata=NOTHING, aux_xml=lambda: raster_attributes(kinds),
                      resampling="nearest", tags={"EO_PRETRAIN_EARLIER": earlier.raster.name, "EO_PRETRAIN_EARLIER_DATE": earlier.day,
                                                                 "EO_PRETRAIN_CHANGE": f"earlier value × {TIMES} + later value"})
    with drawing.written(grid, layers.tags, progress) as write:
        for strip in strips(*layers.positions.shape):
            progress.at(strip.start / grid.height, "Writing the change")
            write(values[_pairs(earlier, layers, strip, count)], Window(0, strip.start, grid.width, strip.stop - strip.start))


def _words(rows: Sequence[ClassInfo], one: int, other: int) -> str:
    return f"{rows[one].name}, no change" if one == other else f"{rows[one].name} → {rows[other].name}"
