"""Scores and origin of a model in words, for its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import shapely

from ...errors import listed
from ..cards import LearnedFrom
from ..looks import html_page as html
from ..looks.place import Place, dates_words, place_section, quantity
from ..looks.score_tables import CLASS_FIGURES
from ..measures.objects import MATCH, SMALL_HA
from ..tasks import FIGURES
from .record import FieldScoreRecord

#: What the scores were measured on → what that means.
SPLITS = {
    "validation": "Measured on the validation tiles. They also chose what was kept, so expect a little less elsewhere: “Evaluate model” "
                  "measures the run on its test tiles.",
    "test": "Measured on the test tiles, by which nothing was chosen.",
}
#: Key of the origin that has a section of its own.
LEARNED_FROM = "learned_from"
ORIGIN = {"dataset": "Dataset", "dataset_checksum": "Checksum of the dataset (SHA-256)", "run": "Run", "created": "Made", "seed": "Seed",
          "plugin_version": "Version of the plugin", "start": "Weights it started from", "simulated": "Learned from simulated images"}


def score_sections(found: Mapping[str, Any] | None, otherwise: str) -> list[str]:
    """What is known of how well a model did; `otherwise` where nothing is."""
    if not found:
        return [html.paragraph(otherwise)]
    split = str(found.get("split", ""))
    pieces = [html.paragraph(SPLITS.get(split, f"Measured on: {split}."))] if split else []
    pieces += _scores(found)
    for target, own in (found.get("targets") or {}).items():
        pieces += [html.paragraph(f"The target “{target}”:"), *_scores(own)]
    return pieces


def _scores(found: Mapping[str, Any]) -> list[str]:
    """A table of figures, and one of the figures of each class."""
    plain = [(FIGURES.get(key, spaced(key)), short(value)) for key, value in found.items()
             if key not in ("split", "targets") and not isinstance(value, dict)]
    each = {key: value for key, value in found.items() if key != "targets" and isinstance(value, dict) and value}
    classes = list(dict.fromkeys(name for row in each.values() for name in row))
    rows = [(name, *(short(row.get(name)) for row in each.values())) for name in classes]
    return [*([html.table(("Figure", "Value"), plain)] if plain else []),
            *([html.table(("Class", *(CLASS_FIGURES.get(key, spaced(key)) for key in each)), rows)] if rows else [])]


def field_score_words(found: FieldScoreRecord) -> str:
    """How well whole fields are found, as a sentence."""
    places = found.places_words or f"{found.places:,} places"
    doubt = f"95 % interval by place, {places}" if found.interval else f"no interval: {'one place' if found.places == 1 else f'only {places}'}"
    more = "".join(f", {name} {value:.3f}" for name, value in (("precision", found.precision), ("recall", found.recall)) if value is not None)
    return (f"Whole fields: F1 {html.with_interval(found.f1, found.interval)}{more}, of {found.fields:,} fields on {found.tiles:,} {found.split} "
            f"tiles ({doubt}). A field is found where it and a mapped one share more than {MATCH:.0%} of the pixels that either has; those below "
            f"{SMALL_HA} ha are left out.")


def origin_section(found: Mapping[str, Any] | None, otherwise: str) -> str:
    """A table of where a model comes from; `otherwise` where nothing is known."""
    if not found:
        return html.paragraph(otherwise)
    return html.table(("", ""), [(ORIGIN.get(key, spaced(key)), short(value)) for key, value in found.items() if key != LEARNED_FROM])


def place_of_origin(found: LearnedFrom | None, more: str) -> list[str]:
    """Where and when a model learned, with a small map, and what `more` is said of it; says so where nothing is known."""
    title = "Place and data it learned from"
    if found is None:
        return [html.heading(title), html.paragraph(more or "The model file does not say where and when its training images were taken. Models of "
                                                            "newer runs do.")]
    return [*place_section(Place([shapely.box(*box) for box in found.boxes], [
        ("Ground", f"{quantity(found.hectares)} ha under its training, validation and test samples" if found.hectares else ""),
        ("Dates", dates_words(found.dates)), ("Sensors", listed(found.sensors) or "")]), title), *([html.paragraph(more)] if more else [])]


def network_words(architecture: str) -> str:
    """What people read for an architecture, whose name in files speaks of a network “above” a regression: it starts from it and adds to it."""
    return architecture.replace("above a regression", "started from a regression")


def spaced(key: str) -> str:
    """A key that has no words of its own."""
    return key.replace("_", " ").capitalize()


def short(value: Any) -> str:
    """A value for a cell, numbers with four digits."""
    if isinstance(value, dict):
        return "; ".join(f"{spaced(str(key))}: {short(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(short, value))
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
