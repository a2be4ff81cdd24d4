"""The map report: the map with legend, scale and north, how much there is of each class, where and from what, how good, and what it does not show."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ....errors import listed
from ....progress import SILENT, Progress
from ...looks import html_page as page
from ...looks.map_picture import map_picture
from ...looks.place import Place, crs_words, dates_words, files_words, outline_of, place_section, quantity, sensor_words, size_words, stem
from ...looks.score_tables import CLASS_FIGURES
from ...looks.tile_pictures import BLANK_COLOUR
from ...models.bundled import learned_words, listed_model
from ...models.package import Package
from ...models.told import field_score_words, network_words
from ...rasters.grid import Grid
from ...rasters.meaning import SIMULATED
from ...tasks import FIGURES
from ..dated_images import SeriesRequest
from ..products.applicability import unlike_words
from ..request import MASKS, RUNTIME, MapRequest
from .backdrop import backdrop, dated_backdrop
from .counted import LAYERS, Counted, counted_layer, counted_raster

#: Classes that the first sentence names.
NAMED = 3
#: Share of pixels outside the training values, or of ground unlike the training ground, from which on that is said.
ODD = 0.05
#: From which on that stands under the title.
VERY_ODD = 0.1
NO_ESTIMATE = ("Areas here count pixels or features of the map. That is no estimate of the area of a class on the ground: a class that the map "
               "misses is too small, and one that it sees too often is too large. For an area with an interval, draw places with “Draw an "
               "assessment sample”, look at each, and run “Assess map”.")
OF_LINES = "Lengths are of the lines that were drawn. Roads that the model misses are not in them, and other straight things may be."
GIVE_REFERENCE = "“Reference roads” of “Map roads” measures how right the lines are."
NO_ASSESSMENT = "This page compares nothing with the ground. How right the map is in this place is not known until that was done."
OF_REFERENCE = ("The map was compared with {} alone. A road that these lack counts as a mistake of the map, and nobody sees a road that both lack.")
ELSEWHERE = ("The scores above are of ground beside that the model learned from, or like it. Another region, season or sensor can give a "
             "worse map.")
CLOUDS_ARE_GROUND = ("No cloud mask was given. Clouds and their shadows in the image are mapped as ground, so the class there may be wrong, and the "
                     "amounts above count it.")
OF_PIXELS = ("These are figures of pixels and none of {}: “Evaluate model” measures the F1 of {} on the test tiles of the dataset that the model "
             "learned from.")
OF_LINES_FOUND = ("Lines, with a tolerance of one pixel: F1 {:.3f} on {:,} validation tiles, which also chose from which probability on a pixel is "
                  "road.")
CHOSEN = "Validation tiles may have chosen the model or its settings, so their figures flatter."


@dataclass(frozen=True)
class Mapped:
    """What was mapped.

    Attributes:
        what: in words, such as “Land cover”; begins the title.
        raster: the class raster; empty where there is a layer alone.
        layer: the features; empty where the raster is reported.
        kind: of the layer, a key of `counted.LAYERS`.
        facts: what the map run told besides: ``out_of_range_share`` and ``unlike_share``, each 0 to 1.
        figures: what it told besides, by words for people; shares as text.
        reference: what the map was measured with, in words; then the page has figures of it.
        measured: how right the map is stands on the page otherwise.
        warnings: that were said while it was made.
        request: whose image is drawn under the lines or outlines of a layer; None leaves them on white.
    """

    what: str
    raster: str = ""
    layer: str = ""
    kind: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float | str] = field(default_factory=dict)
    reference: str = ""
    measured: bool = False
    warnings: Sequence[str] = ()
    request: MapRequest | SeriesRequest | None = None


class MapPage(NamedTuple):
    """The pieces of a map report.

    Attributes:
        title: in words.
        cautions: sentences for the box under the title.
        sections: the first says what was reached.
        limits: sentences on what it does not show.
        technical: rows for the end of the page.
    """

    title: str
    cautions: list[str]
    sections: list[str]
    limits: list[str]
    technical: list[tuple[str, str]]


def write_map_report(path: str, mapped: Mapped, model: Package | None, progress: Progress = SILENT) -> None:
    """Writes it.

    Args:
        path: an .html file.
        mapped: see there; its files are written.
        model: that made the map; None where none did.
        progress: told how far it is.

    Raises:
        DataError: the disk is full.
    """
    told = map_sections(mapped, model, progress)
    page.write_page(path, told.title, [*page.caution(told.cautions), *told.sections, *page.not_shown(told.limits), *page.technical(told.technical)])


def map_sections(mapped: Mapped, model: Package | None, progress: Progress = SILENT, scores: bool = True) -> MapPage:
    """The pieces of the page; `scores`: also of the model."""
    look = LAYERS[mapped.kind] if mapped.kind else None
    look = replace(look, classes=look.classes or model.classes) if look and model else look
    shown = counted_layer(mapped.layer, look, progress, _ground(mapped.request, model)) if look else counted_raster(mapped.raster, progress)
    names, days = _images(shown.tags), _days(shown.tags)
    title = f"{mapped.what} of {listed([stem(name) for name in names], 2) or 'an image'}"
    title += f", {dates_words(days)}" if any(day not in title for day in days) else ""
    quality = _quality(model, look.whole if look else "") if scores else []
    sections = [page.lead(_summary(mapped, shown)), *_picture(mapped, shown), *_amounts(shown), *_figures(mapped),
                *place_section(_place(mapped, shown, model)), *quality, *_origin(shown.tags, model)]
    return MapPage(title, _cautions(mapped, shown, model), sections, _limits(mapped, shown, model), _technical(shown.tags, model))


def _ground(request: MapRequest | SeriesRequest | None, model: Package | None) -> Callable[[Grid], np.ndarray] | None:
    """What draws the image under the features of a layer; None where there is none."""
    if isinstance(request, SeriesRequest):
        return partial(dated_backdrop, request, model) if model else None
    return partial(backdrop, request, model) if request else None


def _summary(mapped: Mapped, shown: Counted) -> str:
    """What the map shows, in a sentence or two."""
    found, counts = [row for row in shown.rows if row.count], sum(row.count for row in shown.rows)
    if not found:
        return f"The map shows none of the {shown.counted} that were looked for."
    if shown.unit == "km":
        return f"The map shows {quantity(shown.total)} km of {found[0].name} in {counts:,} {shown.counted}."
    if mapped.kind == "fields":
        return f"The map shows {counts:,} {shown.counted} of {quantity(shown.total)} ha together, {shown.total / counts:.2f} ha on average."
    largest = sorted(found, key=lambda row: -row.amount)[:NAMED]
    named = [f"{row.name} {quantity(row.amount)} ha ({row.amount / shown.total:.1%})" for row in largest]
    more = len(found) - len(largest)
    of = f" in {counts:,} {shown.counted}" if mapped.kind else ""
    told = f"The map gives a class to {quantity(shown.total)} ha{of}. Most of it is mapped as {', then '.join(named)}"
    return told + (f", and {more} more {'class' if more == 1 else 'classes'}." if more else ".")


def _picture(mapped: Mapped, shown: Counted) -> list[str]:
    """The map, its legend, its scale and the north."""
    if shown.grid is None:
        return []
    rows = [row for row in shown.rows if row.count]
    blank = [("no class", BLANK_COLOUR)] if not mapped.kind and shown.unknown > 0 else []
    pairs = [*((row.name, row.color) for row in rows), *blank]
    names, colors = [name for name, _ in pairs], [color for _, color in pairs]
    return [map_picture(shown.picture, shown.grid, f"{mapped.what}, in the colours of the legend"), page.legend(names, colors)]


def _amounts(shown: Counted) -> list[str]:
    """Hectares, or kilometres, of each class."""
    total = shown.total
    rows = [(row.name, quantity(row.amount), f"{row.amount / total:.1%}" if total else None, row.count) for row in shown.rows if row.count]
    every: list[tuple[object, ...]] = [*rows, ("all", quantity(total), "100.0%", sum(row.count for row in shown.rows))] if len(rows) > 1 else [*rows]
    absent = [row.name for row in shown.rows if not row.count]
    title, head = ("Kilometres", "length [km]") if shown.unit == "km" else ("Hectares by class", "mapped [ha]")
    columns: tuple[str, ...] = ("class", head, "share", shown.counted)
    if len(shown.rows) == 1:  # a share of itself would read as one of the ground
        columns, every = ("class", head, shown.counted), [(name, amount, count) for name, amount, _, count in every]
    return [page.heading(title), page.table(columns, every),
            *([page.paragraph(f"Not in this map: {listed(absent)}.")] if absent else [])]


def _figures(mapped: Mapped) -> list[str]:
    """What the run told besides."""
    rows = [("Reference", mapped.reference)] if mapped.reference else []
    rows += [(words, f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value)
            for words, value in mapped.figures.items()]
    return [page.heading("Further figures"), page.facts_table(rows)] if rows else []


def _place(mapped: Mapped, shown: Counted, model: Package | None) -> Place:
    """Where the map lies and what it was made from."""
    grid, tags = shown.grid, shown.tags
    outline = outline_of(grid) if grid else None
    inputs = model.record.inputs if model else ()
    sensors = list(dict.fromkeys(name for seen in inputs if (name := sensor_words(seen.sensor, seen.preset))))
    bands = list(dict.fromkeys(name for seen in inputs for name in seen.names))
    size = (size_words(grid) if not mapped.kind else "") if grid else ""
    return Place([outline] if outline is not None else [], [
        ("Size", size), ("Date", dates_words(_days(tags))), ("Sensor", listed(sensors)), ("Bands seen", listed(bands, 16)),
        ("Coordinate system", crs_words(grid.crs) if grid else ""), ("Images", listed(_images(tags))), ("Source files", files_words(_files(tags)))])


def _quality(model: Package | None, whole: str) -> list[str]:
    """How good the model was where it was measured, called by the name of that ground; `whole` see `counted.LayerLook`."""
    title = page.heading("How good the model is")
    if model and (ready := listed_model(model.path)):
        tested = [(row.figure, page.with_interval(row.value, row.interval)) for row in ready.tested.figures]
        return [title, page.paragraph(f"Measured on test ground, {ready.tested.ground}. Not measured on this map."),
                page.table(("figure", "value, with 95 % interval"), tested)]
    found = dict(model.record.scores or {}) if model else {}
    figures = [(FIGURES[name], value) for name, value in found.items() if name in FIGURES and isinstance(value, float)]
    if not figures and whole and model and (model.record.field_score or model.record.road_threshold):
        return [title, page.paragraph(_of_whole(model, whole))]  # of several members together nothing else is known
    if not figures:
        return [title, page.paragraph("The model file has no scores, so nothing is known of it here." if model else
                                      "No model made this map: it was drawn from probabilities that were given.")]
    split = str(found.get("split") or "unnamed")
    ground = f"on the {split} tiles of its own data" if split in ("validation", "test") else f"by {split} on its own data"
    told = ", ".join(f"{name} {value:.3f}" for name, value in figures)
    rows = [(CLASS_FIGURES[name], values) for name, values in found.items() if name in CLASS_FIGURES and isinstance(values, dict)]
    names = list(dict.fromkeys(name for _, values in rows for name in values))
    return [title, page.paragraph(f"Measured {ground}, not on this map: {told}."
                                  + (f" {CHOSEN}" if split == "validation" else "")),
            *([page.table(("class", *(f"{name} ({split})" for name, _ in rows)), [
                (name, *(values.get(name) for _, values in rows)) for name in names])] if rows else []),
            *([page.paragraph(_of_whole(model, whole))] if whole else [])]


def _of_whole(model: Package | None, whole: str) -> str:
    """How right whole features were, where the model's file says so; else where one learns of it."""
    found, fields = (model.record.road_threshold, model.record.field_score) if model else (None, None)
    if fields:
        return field_score_words(fields)
    return OF_LINES_FOUND.format(found.f1, found.tiles) if found else OF_PIXELS.format(whole, whole)


def _origin(tags: Mapping[str, str], model: Package | None) -> list[str]:
    """By what and how the map was made."""
    asked = _parameters(tags)
    data = model.description.get("provenance") or {} if model else {}
    rows = [("Model", model.record.name if model else ""),
            # what a bundled model learned from stands in words under the title
            ("Learned from the dataset", "" if model and learned_words(model.path) else str(data.get("dataset") or "")),
            ("Licence of the model", model.record.licence if model else ""),
            ("Generalised", tags.get("EO_PRETRAIN_SIEVE", "")), ("Cloud masks", listed(_list(tags.get(MASKS, "")))),
            ("Algorithm", f"{asked['job'].replace('_', ' ').capitalize()} of version {asked.get('version', '')}" if asked.get("job") else ""),
            ("Report written", date.today().isoformat())]
    return [page.heading("How it was made"), page.facts_table([(name, text) for name, text in rows if text])]


def _technical(tags: Mapping[str, str], model: Package | None) -> list[tuple[str, str]]:
    """What one needs to make the same map again, for who knows the words."""
    rows = [("Identifier of the model", model.id if model else ""), ("Kind of model", network_words(model.record.architecture) if model else ""),
            ("The image was mapped piece by piece", _pieces(tags.get("EO_PRETRAIN_BLOCK", ""))),
            ("Program that ran the model", tags.get(RUNTIME, ""))]
    return [(name, text) for name, text in rows if text]


def _pieces(block: str) -> str:
    """How the image was cut, in words, from its tag such as “1024 px, halo 4 px; the model's smaller block, in place of 2048 px”."""
    found = re.fullmatch(r"(\d+) px, halo (\d+) px(.*)", block)
    if not found:
        return block
    edge, halo, more = found.groups()
    return f"squares of {edge} × {edge} px; {halo} px at each side of them were computed for their surroundings alone, and thrown away{more}"


def _limits(mapped: Mapped, shown: Counted, model: Package | None) -> list[str]:
    """What the page does not show, in sentences."""
    told = [OF_REFERENCE.format(mapped.reference)] if mapped.reference else [] if mapped.measured else [NO_ASSESSMENT]
    told += [OF_LINES if mapped.reference else f"{OF_LINES} {GIVE_REFERENCE}"] if shown.unit == "km" else [NO_ESTIMATE]
    told += [ELSEWHERE] if model and model.record.scores else []
    if shown.tags.get(MASKS) == "[]":
        told.append(CLOUDS_ARE_GROUND)
    if not mapped.kind and shown.unknown > 0:
        told.append(f"{_share(shown.unknown)} of the pixels have no class, because nothing was measured there, or it was left out. They are in no "
                    "row.")
    if mapped.kind and shown.unknown:
        told.append(f"{int(shown.unknown):,} {shown.counted} have no class and are in no row.")
    told += [words for share, words in _guessed(mapped) if share <= VERY_ODD]
    if "EO_PRETRAIN_SIEVE" in shown.tags:
        told.append("Areas smaller than the smallest area were given to a neighbour, so small ponds, groves or yards are not shown.")
    said = unlike_words(mapped.facts.get("unlike_share") or 0)  # the page has a sentence of its own on that share
    return [*told, *(words for words in dict.fromkeys(mapped.warnings) if words != said)]


def _cautions(mapped: Mapped, shown: Counted, model: Package | None) -> list[str]:
    """Why the map may say nothing of this ground, in sentences."""
    told = [learned_words(model.path)] if model else []
    if model and model.record.provenance and model.record.provenance.simulated:
        told.append("The model learned from simulated images and has never seen real ground.")
    if shown.tags.get(SIMULATED):
        told.append("The image is simulated, so the map says nothing of real ground, also not of the place on this page.")
    return [words for words in (*told, *(words for share, words in _guessed(mapped) if share > VERY_ODD)) if words]


def _guessed(mapped: Mapped) -> list[tuple[float, str]]:
    """On which share of the pixels the map is a guess, and why, where that is worth a word."""
    found = (("out_of_range_share", "have values outside the range that the model was trained on"),
             ("unlike_share", "are unlike all ground that the model learned from"))
    return [(share, f"{_share(share)} of the pixels {words}. The map is a guess there.")
            for name, words in found if (share := mapped.facts.get(name) or 0) > ODD]


def _share(share: float) -> str:
    if 0.9995 <= share < 1:  # not “100.0%”, where the page has rows of what is left
        return "More than 99.9%"
    return f"{share:.1%}" if share >= 0.001 else "Less than 0.1%"


def _list(text: str) -> list[str]:
    """A list of texts in a tag, as it is written there."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [str(item) for item in found] if isinstance(found, list) else []


def _images(tags: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(_list(tags.get("EO_PRETRAIN_IMAGES", ""))))


def _days(tags: Mapping[str, str]) -> list[str]:
    """The days of the images, such as 2020-05-31."""
    return [day for day in (tags.get("EO_PRETRAIN_DATES") or tags.get("ACQUISITION_DATE", "")).split(", ") if day]


def _parameters(tags: Mapping[str, str]) -> dict[str, Any]:
    """What was asked, as its tag has it."""
    try:
        found = json.loads(tags.get("EO_PRETRAIN_PARAMETERS", ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _files(tags: Mapping[str, str]) -> list[str]:
    """The files that were given as images."""
    values = _parameters(tags).get("values") or {}
    given = [*(values.get("images") or []), *(values.get("second_images") or [])]
    return [str(source.get("path", "")) for source in given if isinstance(source, dict)]
