"""From the values found in labels to classes: which, in what order, with what value, name and colour."""

from __future__ import annotations

import colorsys
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas

from ...errors import DataError, listed
from ...markup import writable
from ...progress import SILENT, Progress
from ...tables import shortened
from ..cards import ClassInfo
from ..records import printable

#: Values 0 to 254 of a Byte map; 255 is "no result". One is kept free for a background.
MAXIMUM_CLASSES = 254
#: Labelled pixels, or samples, of a class without which nothing can be learned of it, and below which it is hardly known.
FEWEST, FEW = 2, 10
BACKGROUND = ClassInfo(0, "background", "#d9d9d9")
MORE_CLASSES = "Set “Pixels without a label are” to background, or give a class field with two classes or more."
LIST_OTHERS = "Label more of it, or list only the other classes in “Classes”."
#: A value in labels that are whole numbers, as `class_key` writes it.
WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
#: Paul Tol's "bright" and "muted" colours, distinct for colour-blind readers (personal.sron.nl/~pault, SRON/EPS/TN/09-002).
PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#332288", "#ddcc77", "#117733", "#88ccee", "#882255",
           "#44aa99", "#999933", "#cc6677")


@dataclass(frozen=True)
class Legend:
    """The classes of a dataset and how label values lead to them.

    Attributes:
        classes: in the order of their positions.
        positions: value in the labels, as `class_key` writes it → position in `classes`.
        unlabelled: position of pixels without a label, or None when they are ignored.
    """

    classes: tuple[ClassInfo, ...]
    positions: dict[str, int]
    unlabelled: int | None


def class_key(value: object) -> str | None:
    """A label value as text, the same for 3, 3.0, "3" and "3.0"; None for a missing value."""
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist()
    if isinstance(value, (list, tuple)):
        return ", ".join(str(part) for part in value) or None
    if value is None or value is pandas.NA or value != value or str(value).strip() in ("", "<NA>", "NaT"):
        return None
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (float, np.floating)) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return re.sub(r"^(-?\d+)\.0+$", r"\1", writable(str(value).strip()))


def make_legend(found: Collection[str], where: str, table: list[dict] | None, categories: dict | None, background: bool,
                progress: Progress = SILENT, advice: str = MORE_CLASSES) -> Legend:
    """Decides the classes.

    Args:
        found: the values in the labels.
        where: what holds them, for messages: ``The field “crop”``.
        table: rows value, name, color; only these values are classes. None takes every value found.
        categories: names and colours from the layer's symbology, used where the table says nothing.
        background: whether pixels without a label are a class.
        progress: told which values are ignored.
        advice: what to do where there is one class only.

    Raises:
        DataError: more classes than a map can hold, or only one.
    """
    rows = {class_key(row["value"]): row for row in table or ()}  # a name that only repeats the value is none
    styles = {class_key(row["value"]): row for row in (categories or {}).get("classes", ())}
    if rows:
        _report_differences(found, rows, where, progress)
    keys = [key for key in rows if key] or _sorted(found)
    if len(keys) + background > MAXIMUM_CLASSES:
        raise DataError(f"{where} has {len(keys)} different values, but a map can hold {MAXIMUM_CLASSES} classes. "
                        "Choose another field, or list the classes that matter in “Classes”.")
    values = _values(keys, background)
    classes = [BACKGROUND] if background else []
    for key, value in zip(keys, values, strict=True):
        row, style = rows.get(key, {}), styles.get(key, {})
        color = row.get("color") or style.get("color") or default_color(len(classes) - background)
        told = row.get("name") if class_key(row.get("name")) != key else ""
        classes.append(ClassInfo(value, printable(told or style.get("name") or key), color))
    if len(classes) < 2:
        name = classes[0].name if classes else "none"
        raise DataError(f"All labels are of one class, “{name}”, and one class teaches nothing. {advice}")
    return Legend(tuple(classes), {key: position for position, key in enumerate(keys, int(background))}, 0 if background else None)


def refuse_rare(names: Sequence[str], counts: Sequence[int], where: str, unit: str = "pixels", progress: Progress = SILENT, *,
                limits: tuple[int, int] = (FEWEST, FEW), advice: str = LIST_OTHERS) -> None:
    """Sees to it that there are labels enough of every class to learn from.

    Args:
        names: of the classes.
        counts: how much of each is labelled.
        where: what holds the labels, for messages.
        unit: what is counted, in the plural.
        progress: warned of classes with fewer than the second limit.
        limits: of labels, below which a class is refused, and warned of.
        advice: what to do about a class that is refused.

    Raises:
        DataError: a class has fewer than the first limit.
    """
    least, few = limits
    rare = [(name, int(count)) for name, count in zip(names, counts, strict=True) if count < few]
    told = listed(f"“{name}” ({count})" for name, count in rare if count < least)
    if told:
        raise DataError(f"{where} has too few labelled {unit} of {told}; a class needs at least {least}. {advice}")
    if rare:
        progress.message(f"{where} has few labelled {unit} of {listed(f'“{name}” ({count})' for name, count in rare)}; with fewer than {few} a class "
                         "is hardly known. Label more of it.", level="warning")


def check_whole(table: list[dict], path: str, found: Collection[str] = ()) -> None:
    """Checks a table of classes for labels that are whole numbers.

    Args:
        table: rows value, name, color.
        path: what holds the labels, for messages.
        found: the values in there, where they are known.

    Raises:
        DataError: naming the first row whose value is no whole number.
    """
    for number, row in enumerate(table, 1):
        if not WHOLE.fullmatch(class_key(row["value"]) or ""):
            known = f" ({listed(_sorted(found))})" if found else ""
            raise DataError(f"Row {number} of “Classes” has the value “{shortened(row['value'])}”, but the labels in {path} are whole "
                            f"numbers{known}. Write such a number there, as 1 and not as 1,0, or leave the row out.")


def without_negative(values: Collection[int], where: str, progress: Progress = SILENT) -> list[int]:
    """The values of a class raster that can be classes, in order; which are below 0 is said."""
    negative = sorted(value for value in values if value < 0)
    if negative:
        progress.message(f"{where} has the values {', '.join(map(str, negative[:8]))}; below 0 is no class and is ignored. "
                         "List it in “Classes” to use it.", level="warning")
    return sorted(value for value in values if value >= 0)


def _report_differences(found: Collection[str], rows: dict, where: str, progress: Progress) -> None:
    ignored = _sorted([key for key in found if key not in rows])
    if ignored:
        progress.message(f"{where} has values that are not in the table of classes; they are ignored: {listed(ignored)}.", level="warning")
    unseen = [key for key in rows if key not in found]
    if unseen:
        progress.message(f"{where} has no value {listed(unseen)}; such classes have no pixels.", level="warning")


def _values(keys: list[str], background: bool) -> list[int]:
    """The labels' own numbers where a map can hold them beside the background, else 1, 2, 3 and so on."""
    own = [int(key) for key in keys if re.fullmatch(r"-?(0|[1-9]\d{0,9})", key)]
    lowest = 1 if background else 0
    if len(own) == len(keys) and all(lowest <= value < 255 for value in own):
        return own
    return list(range(1, len(keys) + 1))


def _sorted(keys: Collection[str]) -> list[str]:
    numbers = all(WHOLE.fullmatch(key) for key in keys)
    return sorted(keys, key=int) if numbers else sorted(keys)


def default_color(number: int) -> str:
    """The colour ``#rrggbb`` of the class at a position (from 0) that has none of its own."""
    if number < len(PALETTE):
        return PALETTE[number]
    hue = number * 0.618034 % 1  # the golden ratio keeps neighbours apart
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hsv_to_rgb(hue, 0.55, 0.85))
