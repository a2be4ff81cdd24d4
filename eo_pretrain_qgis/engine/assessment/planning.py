"""A sample that is drawn from a class map: how many places each class needs, which ones chance takes, and the layer in which they are labelled."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import geopandas
import numpy as np
import pandas
import shapely

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..cards import ClassInfo
from ..datasets.labels import Drawing
from ..looks.category_style import Category, categorized, color_option
from ..looks.forms import DAY, HIDDEN, form, value_list
from ..mapping.map_survey import PIECE, ClassMap, Survey, survey
from ..measures.areas import Z, allocate, sample_size
from ..rasters.grid import blocks
from ..rasters.vector import write_layer
from .designs import FEWEST, M2_PER_HA
from .ground import MODEL, Learned, unknown_ground
from .reference import CLASS_FIELD, DATE_FIELD, LEGEND_FIELD, MAP_FIELD, SIZE_FIELD, STRATUM_FIELD

LAYER = "assessment_sample"
#: Half widths whose numbers of places are told beside the one that is wanted.
HALF_WIDTHS = (0.02, 0.03, 0.05, 0.1)


@dataclass(frozen=True)
class Wanted:
    """What a sample is to give.

    Attributes:
        half_width: of the 95 % interval of the overall accuracy.
        accuracy: user's accuracy that is expected of a class.
        accuracies: the same by the name or value of a class, where that is another one.
        least: places of a rare class.
        count: places in all; None takes as many as the interval needs.
        seed: of the draw.
    """

    half_width: float = 0.05
    accuracy: float = 0.85
    accuracies: dict[str, float] = field(default_factory=dict)
    least: int = 50
    count: int | None = None
    seed: int = 1


def draw_sample(mapped: ClassMap, wanted: Wanted, learned: Learned, output: str, progress: Progress = SILENT) -> dict[str, Any]:
    """Draws the places and writes them as a layer to be labelled.

    Args:
        mapped: the map.
        wanted: see there.
        learned: what the map was learned from, of whose ground no place is drawn.
        output: the .gpkg to write.
        progress: told how far it is, and how many places each class gets.

    Returns:
        ``drawn``, the number of places, and ``expected_half_width`` of the overall accuracy.

    Raises:
        DataError: a map of one class, or an accuracy expected of a class that the map does not have.
    """
    ground = learned.ground(mapped) if learned.known else None
    if not learned.known and mapped.tags.get(MODEL):
        progress.message(f"{unknown_ground(mapped)} The places may lie there.", level="warning")
    seen = survey(mapped, np.zeros(0, np.int64), np.zeros(0, np.int64), ground, progress.part(0, 0.4))
    shown = np.flatnonzero(seen.pixels)
    if len(shown) < FEWEST:
        raise DataError(f"{mapped.path} shows one class only, “{seen.classes[shown[0]].name}”, so nothing can be confused. Choose another map.")
    accuracies, shares = _expected(seen, wanted, mapped.path)[shown], (seen.areas / seen.areas.sum())[shown]
    classes_of_map = shares.tolist(), accuracies.tolist(), seen.pixels[shown].tolist()
    counts, reached = _counts(wanted, *classes_of_map)
    _tell_otherwise(wanted, counts, reached, progress)
    if not wanted.count:
        others = {half: sum(_counts(replace(wanted, half_width=half), *classes_of_map)[0]) for half in HALF_WIDTHS if half != wanted.half_width}
        progress.message(f"{sum(counts)} places are to be labelled for ± {reached:.3g} in the overall accuracy, if the classes are as accurate as "
                         f"expected. “Half width of the interval” decides: "
                         f"{listed(f'{half:g} takes {count}' for half, count in others.items())}.")
    classes = [seen.classes[position] for position in shown]
    rows, cols, strata = _drawn(mapped, classes, counts, ground, np.random.default_rng(wanted.seed), progress.part(0.4, 0.95))
    _write(output, mapped, seen, (rows, cols, shown[strata]), progress)
    told = listed((f"{row.name} {count}" for row, count in zip(classes, counts)), most=20)
    progress.message(f"Drew {len(rows)} places: {told}. If the classes are as accurate as expected, the overall accuracy comes with ± {reached:.3f}.")
    return {"drawn": len(rows), "expected_half_width": round(reached, 6)}


def _counts(wanted: Wanted, shares: list[float], accuracies: list[float], pixels: list[int]) -> tuple[list[int], float]:
    """How many places each class gets, and half of the interval of the overall accuracy that is expected of them.

    Places of rare classes are taken from those of the others, so that more are needed in all for the interval that is wanted.
    """
    total = wanted.count or sample_size(shares, accuracies, wanted.half_width)
    while True:
        counts = allocate(shares, total, wanted.least, pixels)
        terms = (share**2 * accuracy * (1 - accuracy) / max(count, 1) for share, accuracy, count in zip(shares, accuracies, counts))
        reached = Z * math.sqrt(sum(terms))
        if wanted.count or reached <= wanted.half_width or sum(counts) == sum(pixels):
            return counts, reached
        total = math.ceil(total * max(1.001, (reached / wanted.half_width)**2))


def _tell_otherwise(wanted: Wanted, counts: Sequence[int], reached: float, progress: Progress) -> None:
    """Says why a sample is not as it was asked for."""
    total = sum(counts)
    if wanted.count and total > wanted.count + len(counts):  # rounding takes one a class
        progress.message(f"“Places in all” is {wanted.count}, and {total} are drawn, because each of {len(counts)} classes gets {wanted.least}. "
                         "Choose a smaller number in “Places of a rare class” for fewer.", level="warning")
    if (wanted.count or 0) > total + len(counts) or (not wanted.count and reached > wanted.half_width):
        progress.message(f"The map has too few pixels for what is asked: {total} places are drawn, and the interval is ± {reached:.3g}.",
                         level="warning")


def _expected(seen: Survey, wanted: Wanted, path: str) -> np.ndarray:
    """User's accuracy that is expected of each class (class,)."""
    result = np.full(len(seen.classes), wanted.accuracy)
    for name, accuracy in wanted.accuracies.items():
        places = [position for position, row in enumerate(seen.classes) if name.casefold() in (row.name.casefold(), str(row.value))]
        if not places:
            raise DataError(f"“Expected accuracy of classes” names “{name}”, and the map {path} has {listed(row.name for row in seen.classes)}. Name "
                            "one of these.")
        result[places] = accuracy
    return result


def _drawn(mapped: ClassMap, classes: Sequence[ClassInfo], counts: Sequence[int], ground: Drawing | None, rng: np.random.Generator, progress: Progress
           ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and numbers of their classes of pixels drawn without repetition, in an order of chance.

    Each pixel gets a number from an exponential distribution, over its area; the smallest of each class are the sample, whatever the pieces in which
    the map is read (Efraimidis and Spirakis 2006).
    """
    kept = [np.zeros((0, 3)) for _ in classes]  # key, row, column
    pieces = blocks(mapped.grid.window, PIECE)
    for done, piece in enumerate(pieces):
        progress.at(done / len(pieces), "Drawing the places")
        values, valid = mapped.read(piece)
        if ground is not None:
            valid &= ground.read(piece, 0) == 0
        ground_m2 = mapped.pixel_areas.of(piece)
        valid &= ground_m2 > 0  # beyond a pole nobody can look
        keys = rng.exponential(size=values.shape) / np.where(ground_m2 > 0, ground_m2, 1)
        here = set(np.unique(values[valid]).tolist())
        for number, (row, count) in enumerate(zip(classes, counts)):
            if row.value not in here:
                continue
            limit = kept[number][:, 0].max() if len(kept[number]) == count else np.inf
            down, right = np.nonzero(valid & (values == row.value) & (keys < limit))
            found = np.concatenate([kept[number], np.column_stack([keys[down, right], down + piece.row, right + piece.col])])
            kept[number] = found[np.argsort(found[:, 0])[:count]]
    strata = np.repeat(np.arange(len(classes)), [len(found) for found in kept])
    order, places = rng.permutation(len(strata)), np.concatenate(kept)[:, 1:].astype(np.int64)
    return places[order, 0], places[order, 1], strata[order]


def _write(path: str, mapped: ClassMap, seen: Survey, drawn: tuple[np.ndarray, np.ndarray, np.ndarray], progress: Progress) -> None:
    rows, cols, strata = drawn
    a, _, c, _, e, f = mapped.grid.transform
    count = len(rows)
    table = geopandas.GeoDataFrame({
        "id": np.arange(1, count + 1), CLASS_FIELD: pandas.array([None] * count, "Int32"), DATE_FIELD: np.full(count, np.datetime64("NaT", "ms")),
        "note": np.full(count, None, object), STRATUM_FIELD: np.array([row.value for row in seen.classes])[strata],
        SIZE_FIELD: (seen.areas / M2_PER_HA)[strata], MAP_FIELD: np.full(count, seen.id, object),
        LEGEND_FIELD: np.full(count, json.dumps({str(row.value): row.name for row in seen.classes}, ensure_ascii=False), object)},
        geometry=shapely.points(c + a * (cols + 0.5), f + e * (rows + 0.5)), crs=mapped.grid.crs)
    progress.at(0.95, "Writing the places")
    write_layer(path, LAYER, table, _style(seen.classes), progress)


def _style(classes: Sequence[ClassInfo]) -> str:
    """Hollow until labelled, then in the colour of the class; the form hides what the map says, which would lead the eye."""
    look = {"name": "circle", "size": "3", "outline_width": "0.5"}
    rows = [Category(row.value, row.name, {**look, "color": color_option(row.color), "outline_color": color_option("#ffffff")}) for row in classes]
    rows.append(Category("", "to be labelled", {**look, "color": color_option("#ffffff", 0), "outline_color": color_option("#ff00ff")}))
    widgets = {CLASS_FIELD: value_list([(row.value, row.name) for row in classes]), DATE_FIELD: DAY, STRATUM_FIELD: HIDDEN, SIZE_FIELD: HIDDEN,
               MAP_FIELD: HIDDEN, LEGEND_FIELD: HIDDEN}
    return categorized(CLASS_FIELD, "marker", rows, "Symbology|Fields|Forms", form(widgets, ("id",)))
