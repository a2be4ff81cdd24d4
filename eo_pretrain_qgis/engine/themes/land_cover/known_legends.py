"""What the codes of land-cover maps mean: official names and colors, common groups, and tables an analyst gives instead.

Sources of names and colors: CGLS-LC100 collection 3, Product User Manual 3.3 (Buchhorn et al. 2020), table of discrete classes; CORINE
Land Cover, level 3, codes and RGB values as published by the European Environment Agency with the rasters (clc_legend); ESA
WorldCover 2021 v200, Product User Manual, table 3; Esri/Impact Observatory 10 m land cover, 9 classes, as in the published files
(`esri`) and as renumbered 1 to 9 by other distributors (`esri_1_to_9`). The groups are ours: the classes of WorldCover, into which the
others' codes are put where their definition allows it; a class that is mixed by definition has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....errors import DataError
from ....progress import SILENT, Progress
from ....tables import COLOR, read_table, shortened
from ...datasets.dataset import ClassInfo
from ...datasets.legend import MAXIMUM_CLASSES, PALETTE, Legend, without_unlabelled
from ...rasters.class_names import classes_of_layer, whole_number
from ...rasters.nearest import class_band
from ...rasters.raster import Raster

FOLDER = Path(__file__).parent / "legends"
#: Built-in legends, by the name of their file; "own" stands for what the layer or a table says.
OWN = "own"
NAMES = ("cgls_lc100", "corine", "worldcover", "esri", "esri_1_to_9")
#: In the column "group": pixels of this code have no label.
NO_LABEL = "-"
#: Headings of a legend; the first must be there.
COLUMNS = ("value", "name", "color", "group", "code")


@dataclass(frozen=True)
class Code:
    """A code of a map: its name, color, and the group it belongs to, empty where there is none and "-" where it is no label."""

    value: int
    name: str
    color: str = ""
    group: str = ""
    official: int | None = None


@dataclass(frozen=True)
class CoverLegend:
    """The classes of a dataset and what each code of the map becomes.

    Attributes:
        legend: the classes; its positions are keyed by the code as text.
        positions: code → position in the classes, of the codes that have one.
        meanings: per class the name by which classes of two maps are compared: the group, or the class itself.
        facts: per code found on the images: value, name, class and share of the pixels.
    """

    legend: Legend
    positions: dict[int, int]
    meanings: tuple[str, ...]
    facts: list[dict]


def known_codes(name: str) -> list[Code]:
    """The codes of a built-in legend."""
    return read_codes(FOLDER / f"{name}.csv")


def read_codes(path: str | Path) -> list[Code]:
    """Reads a legend from a CSV file with the headings value, name, color, group, of which only value must be there.

    Raises:
        DataError: naming the line that cannot be read.
    """
    table = read_table(path, COLUMNS)
    table.require(COLUMNS[:1], "Give a CSV file with the headings value,name,color,group.")
    if not table.rows:
        raise DataError(f"The legend {path} has no row. Give a CSV file with the headings value,name,color,group.")
    codes: dict[int, Code] = {}
    for row in table.rows:
        value, color, official = whole_number(row["value"]), row["color"], whole_number(row["code"])
        if value is None:
            raise DataError(f"Line {row.line} of the legend {path} has the value “{shortened(row['value'])}”, which is no whole number. Correct it.")
        if color and not COLOR.fullmatch(color):
            raise DataError(f"Line {row.line} of the legend {path} has the color “{shortened(color)}”, which is none. Write it as #1f77b4.")
        if row["code"] and official is None:
            raise DataError(f"Line {row.line} of the legend {path} has the code “{shortened(row['code'])}”, which is no whole number. Correct it.")
        if value in codes:
            raise DataError(f"Line {row.line} of the legend {path} gives the value {value} a second time. Keep one of the lines.")
        codes[value] = Code(value, row["name"] or str(value), color, row["group"], official)
    return list(codes.values())


def codes_of(raster: Raster, name: str, table: str | None, found: Mapping[int, int], progress: Progress = SILENT) -> list[Code]:
    """The legend of a map: the built-in one with the rows of the table in place of its own, or for "own" the table alone, or what the
    layer's symbology or the file says, or the values as they are.

    Args:
        raster: the map.
        name: of `NAMES`, or "own".
        table: path of a legend CSV, or None.
        found: value → pixels on the images; tells grid codes of CORINE from its three-digit codes.
        progress: told when names beside the file cannot be read.
    """
    given = {code.value: code for code in read_codes(table)} if table else {}
    if name != OWN:
        codes = known_codes(name)
        by_official = {code.official: code for code in codes if code.official is not None}
        if sum(count for value, count in found.items() if value in by_official) > sum(found.values()) / 2:
            codes = [Code(int(key), code.name, code.color, code.group, code.value) for key, code in by_official.items() if key]
        return list({**{code.value: code for code in codes}, **given}.values())
    if given:
        return list(given.values())
    own = _categories(raster, progress)
    values = without_unlabelled([value for value in found if value >= 0], raster.path, raster.dtype)
    return own or [Code(value, str(value)) for value in values]


def cover_legend(codes: Sequence[Code], found: Mapping[int, int], where: str, *, grouped: bool, unknown: str = "refuse",
                 every_class: bool = False, progress: Progress = SILENT) -> CoverLegend:
    """Decides the classes of a dataset.

    Args:
        codes: the legend.
        found: value → pixels on the images.
        where: the map, for messages.
        grouped: whether the groups are the classes; a legend without any group keeps its own classes.
        unknown: "refuse" or "ignore" codes that the legend does not know.
        every_class: whether classes that do not occur are kept, so that datasets of several places have the same.
        progress: told what is ignored.

    Raises:
        DataError: codes the legend does not know, with their shares; fewer than two classes, or more than a map can hold.
    """
    rows, total = {code.value: code for code in codes}, max(sum(found.values()), 1)
    _check_unknown(found, rows, total, where, unknown, progress)
    grouped = grouped and any(code.group not in ("", NO_LABEL) for code in codes)
    labels = {value: (code.group if grouped else code.name) for value, code in rows.items()
              if code.group != NO_LABEL and (code.group or not grouped)}
    present = {label for value, label in labels.items() if every_class or found.get(value)}
    lost = [value for value in found if value in rows and value not in labels and rows[value].group != NO_LABEL]
    if lost:
        text = _shares(lost, found, total, rows)
        progress.message(f"Classes without a group have no label: {text}. Set “Classes” to the legend's own to use them.", level="warning")
    classes = _classes([code for code in codes if labels.get(code.value) in present], labels, grouped)
    if not 2 <= len(classes) <= MAXIMUM_CLASSES:
        names = ", ".join(row.name for row in classes) or "no class"
        raise DataError(f"{where} gives {len(classes)} classes on the images ({names[:80]}), but there must be 2 to {MAXIMUM_CLASSES}. "
                        "Choose another legend, map or extent.")
    place = {row.name: position for position, row in enumerate(classes)}
    positions = {value: place[label] for value, label in labels.items() if label in place}
    meanings = tuple(next((rows[value].group for value, label in labels.items() if label == row.name and rows[value].group), row.name)
                     for row in classes)
    facts = [{"value": value, "name": rows[value].name if value in rows else "", "share": round(found[value] / total, 6),
              "class": labels.get(value)} for value in sorted(found)]
    legend = Legend(tuple(classes), {str(value): position for value, position in positions.items()}, None)
    return CoverLegend(legend, positions, meanings, facts)


def _check_unknown(found: Mapping[int, int], rows: Mapping[int, Code], total: int, where: str, unknown: str, progress: Progress) -> None:
    strange = [value for value in found if value not in rows and value >= 0]
    negative = [value for value in found if value not in rows and value < 0]
    if negative:
        progress.message(f"{where} has the values {_shares(negative, found, total, rows)}; below 0 is no class and has no label. List it in a legend "
                         "CSV to use it.", level="warning")
    if not strange:
        return
    text = _shares(strange, found, total, rows)
    if unknown == "refuse":
        raise DataError(f"{where} has codes that the legend does not know: {text} of the pixels on the images. Choose the legend of this map, "
                        "add the codes to a legend CSV, or let unknown codes be ignored.")
    progress.message(f"{where} has codes that the legend does not know; they have no label: {text} of the pixels on the images.",
                     level="warning")


def _shares(values: Sequence[int], found: Mapping[int, int], total: int, rows: Mapping[int, Code]) -> str:
    largest = sorted(values, key=lambda value: -found[value])
    text = ", ".join(f"{value}{f' {rows[value].name}' if value in rows else ''} ({found[value] / total:.1%})" for value in largest[:8])
    return text + (f" and {len(largest) - 8} more" if len(largest) > 8 else "")


def _classes(codes: list[Code], labels: Mapping[int, str], grouped: bool) -> list[ClassInfo]:
    """One class for each label, in the order of the legend, with its own value where a map can hold all of them."""
    if grouped:
        common = {code.name: code for code in known_codes("groups")}
        names = list(dict.fromkeys(labels[code.value] for code in codes))
        ordered = sorted(names, key=lambda name: (name not in common, common[name].value if name in common else names.index(name)))
        free = iter(value for value in range(1, 255) if value not in {code.value for code in common.values()})
        first = {labels[code.value]: code for code in reversed(codes)}
        return [ClassInfo(common[name].value, name, common[name].color) if name in common
                else ClassInfo(next(free), name, first[name].color or PALETTE[at % len(PALETTE)]) for at, name in enumerate(ordered)]
    unique = list({labels[code.value]: code for code in reversed(codes)}.values())[::-1]
    values = [code.official if code.value > 254 and code.official is not None else code.value for code in unique]
    if not all(0 <= value <= 254 for value in values) or len(set(values)) < len(values):
        values = list(range(1, len(unique) + 1))
    return [ClassInfo(value, code.name, code.color or PALETTE[at % len(PALETTE)])
            for at, (value, code) in enumerate(zip(values, unique, strict=True))]


def _categories(raster: Raster, progress: Progress) -> list[Code]:
    """The codes of the layer's symbology, else those that the file names; see `class_names`."""
    known = classes_of_layer(raster, class_band(raster), progress)
    values = [whole_number(str(row["value"])) for row in (raster.categories or {}).get("classes", ())]
    codes = [value for value in values if value is not None] or [value for value, told in known.items() if told.name]
    return [Code(value, known[value].name or str(value), known[value].color) for value in codes]
