"""From the values found in labels to classes: which, in what order, with what value, name and colour."""

from __future__ import annotations

import colorsys
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count

import numpy as np
import pandas

from ...errors import DataError, listed
from ...markup import writable
from ...progress import SILENT, Progress
from ...tables import shortened
from ..cards import IGNORE, ClassInfo
from ..records import one_spelling, printable

#: Values 0 to 254 of a Byte map; 255 is "no result". One is kept free for a background.
MAXIMUM_CLASSES = 254
#: Labelled pixels, or samples, of a class without which nothing can be learned of it, and below which it is hardly known.
FEWEST, FEW = 2, 10
BACKGROUND = ClassInfo(0, "background", "#d9d9d9")
MORE_CLASSES = "Set “Pixels without a label are” to background, or give a class field with two classes or more."
LIST_OTHERS = "Label more of it, or list only the other classes in “Classes”."
#: A value in labels that are whole numbers, as `class_key` writes it.
WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
#: A value in labels that are numbers.
DECIMAL = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.ASCII)
#: Paul Tol's "bright" and "muted" colours, distinct for colour-blind readers (personal.sron.nl/~pault, SRON/EPS/TN/09-002).
PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#332288", "#ddcc77", "#117733", "#88ccee", "#882255",
           "#44aa99", "#999933", "#cc6677")
#: Beginnings of words in the name of a class → the colour of the palette that people expect of such ground.
USUAL = {("water", "river", "lake", "ocean", "pond"): "#4477aa", ("forest", "tree", "wood"): "#228833", ("crop", "arable", "farm"): "#ccbb44",
         ("grass", "meadow", "pasture"): "#44aa99", ("built", "urban", "settle", "town", "city"): "#ee6677", ("wetland", "marsh"): "#66ccee",
         ("bare", "soil", "sand", "rock"): "#ddcc77", ("shrub", "scrub", "heath"): "#999933", ("ice", "snow"): "#88ccee"}


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
    """A label value as text, the same for 3, 3.0, "3" and "3.0", and for words that look the same; None for a missing value."""
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist()
    if isinstance(value, (list, tuple)):
        return one_spelling(", ".join(str(part) for part in value)) or None
    if value is None or value is pandas.NA or value != value or str(value).strip() in ("", "<NA>", "NaT"):
        return None
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (float, np.floating)) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return re.sub(r"^(-?\d+)\.0+$", r"\1", writable(one_spelling(str(value))))


def make_legend(found: Collection[str], where: str, table: list[dict] | None, categories: dict | None, background: bool,
                progress: Progress = SILENT, advice: str = MORE_CLASSES) -> Legend:
    """Decides the classes.

    Args:
        found: the values in the labels.
        where: what holds them, for messages: ``The field “crop”``.
        table: rows value, name, color; only these values are classes. None takes every value found.
        categories: names, colours and order from the layer's symbology, used where the table says nothing.
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
    keys = [key for key in rows if key] or as_styled(_sorted(found), categories)
    if len(keys) + background > MAXIMUM_CLASSES:
        raise DataError(f"{where} has {len(keys)} different values, but a map can hold {MAXIMUM_CLASSES} classes. "
                        "Choose another field, or list the classes that matter in “Classes”.")
    values = _values(keys, background)
    classes = [BACKGROUND] if background else []
    for key, value in zip(keys, values, strict=True):
        row, style = rows.get(key, {}), styles.get(key, {})
        color = row.get("color") or style.get("color") or ""
        told = row.get("name") if class_key(row.get("name")) != key else ""
        classes.append(ClassInfo(value, printable(told or style.get("name") or key), color))
    if len(classes) < 2:
        name = classes[0].name if classes else "none"
        raise DataError(f"All labels are of one class, “{name}”, and one class teaches nothing. {advice}")
    _warn_of_alike(classes, where, progress)
    classes = [*classes[:background], *colored(classes[background:])]
    return Legend(tuple(classes), {key: position for position, key in enumerate(keys, int(background))}, 0 if background else None)


def as_styled(keys: Sequence[str], categories: dict | None) -> list[str]:
    """Keys of classes in the order of a layer's symbology, and what that does not show behind them; whole numbers, which are values already, stay."""
    places = {class_key(row["value"]): place for place, row in enumerate((categories or {}).get("classes", ()))}
    return list(keys) if all(WHOLE.fullmatch(key) for key in keys) else sorted(keys, key=lambda key: places.get(key, len(places)))


def tell_values(legend: Legend, where: str, table: list[dict] | None, categories: dict | None, progress: Progress) -> None:
    """Says which values the classes of labels got that are no whole numbers, in what order, and where whole numbers could not stay.

    Args:
        legend: of the labels.
        where: what holds them, for messages.
        table: as in `make_legend`; what it lists in its order needs no word, but for numbers that another one stands for.
        categories: as in `make_legend`.
        progress: told of it.
    """
    named = [row for position, row in enumerate(legend.classes) if position != legend.unlabelled]
    values = listed(f"{row.value} {row.name}" for row in named)
    if all(WHOLE.fullmatch(key) for key in legend.positions):
        if any(str(legend.classes[position].value) != key for key, position in legend.positions.items()):
            kept = "0 to 254" if legend.unlabelled is None else "1 to 254, since 0 is the background"
            progress.message(f"{where} holds whole numbers that a map cannot hold, which are {kept}, so its classes get other values: {values}.",
                             level="warning")
    elif len(named) > 1 and not table:
        kind = "numbers that are not whole" if all(DECIMAL.fullmatch(key) for key in legend.positions) else "words"
        order = "the order of the symbology" if (categories or {}).get("classes") else "alphabetical order"
        progress.message(f"{where} holds {kind}, so its classes get their values in {order}: {values}. List them in “Classes” for another order.")


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


def top_values(dtype: str) -> set[int]:
    """Values that mean “no label” in many class rasters of a type of pixels: 255, and the highest that the type holds."""
    kind = np.dtype(dtype)
    return {IGNORE, int(np.iinfo(kind).max)} if kind.kind in "iu" else {IGNORE}


def without_unlabelled(values: Collection[int], where: str, dtype: str, named: Collection[int] = (), progress: Progress = SILENT) -> list[int]:
    """The values of a class raster without those that most likely mean “no label”, in order; which are left out is said.

    Args:
        values: that are no nodata.
        where: what holds them, for messages.
        dtype: NumPy name of the type of its pixels.
        named: values that the file or the symbology gives a name, which are classes.
        progress: told of values that are left out, and of those that cannot be, because fewer than two classes would be left.
    """
    tops = top_values(dtype)
    if any(value > IGNORE for value in set(values) - tops):  # codes of more digits, among which 255 may well be one
        tops -= {IGNORE}
    unlabelled = sorted((tops & set(values)) - set(named))
    others = sorted(set(values) - set(unlabelled))
    told = " and ".join(map(str, unlabelled))
    if not unlabelled:
        return others
    if len(others) < 2:
        beside = f"beside {others[0]}" if others else "alone"
        progress.message(f"{where} holds {told}, which often means “no label”; {beside} it is taken for a class. If it is none, declare it as "
                         "nodata.")
        return sorted(values)
    progress.message(f"{where} holds {told}, which often means “no label”, without a name; it is ignored. List it in “Classes” to use it.",
                     level="warning")
    return others


def _warn_of_alike(classes: Sequence[ClassInfo], where: str, progress: Progress) -> None:
    """Names the classes that a reader takes for one."""
    called: dict[str, list[ClassInfo]] = {}
    for row in classes:
        called.setdefault(row.name.casefold(), []).append(row)
    alike = [row for rows in called.values() if len(rows) > 1 for row in rows]
    if alike:
        progress.message(f"{where} has classes whose names differ in capital letters only, or not at all: "
                         f"{listed(f'{row.value} {row.name}' for row in alike)}. Each is learned as a class of its own. Where they mean the same, "
                         "give them one value in the labels.", level="warning")


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


def colored(classes: Sequence[ClassInfo]) -> list[ClassInfo]:
    """The classes, those without a colour with one that is usual for such ground, or else one that no other class has."""
    used = {row.color for row in classes}
    for usual in (True, False):
        found = []
        for position, row in enumerate(classes):
            free = (color for color in map(default_color, chain([position], count())) if color not in used)
            color = row.color or (_usual(row.name) if usual else next(free))
            if color != row.color and color in used:  # of two such classes the first has it
                color = ""
            used.add(color)
            found.append(replace(row, color=color))
        classes = found
    return found


def _usual(name: str) -> str:
    words = re.findall(r"[a-z]+", name.lower())
    return next((color for beginnings, color in USUAL.items() if any(word.startswith(beginnings) for word in words)), "")


def default_color(number: int) -> str:
    """The colour ``#rrggbb`` of the class at a position (from 0) that has none of its own."""
    if number < len(PALETTE):
        return PALETTE[number]
    hue = number * 0.618034 % 1  # the golden ratio keeps neighbours apart
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hsv_to_rgb(hue, 0.55, 0.85))
