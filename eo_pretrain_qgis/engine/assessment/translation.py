"""Codes of surveys and declarations as classes of a map: LUCAS land cover, Austrian INVEKOS crops, EuroCrops, or a table of the analyst's.

Sources of the codes and names. LUCAS: Eurostat, LUCAS 2022, technical reference document C3, classification (land cover and land use). SNAR: codes
of field uses in the Austrian INVEKOS data (Agrarmarkt Austria), as listed by EuroCrops. HCAT: Hierarchical Crop and Agriculture Taxonomy, version 3,
of EuroCrops (Schneider, Schelte, Schmitz and Körner 2023, Scientific Data 10, 612), as it was published under CC BY 4.0. Which class each code is,
is ours. Land cover: the classes of ESA WorldCover by their definitions, so that orchards, olives and vineyards, which it calls tree cover or
shrubland, and greenhouses, which it calls built-up, are no cropland. Crops: those of TimeSen2Crop (`formats.timesen2crop_files.CLASS_NAMES`). A code
with an empty class has none, because its definition mixes several, or does not tell winter from spring cereals; places with such codes are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ...tables import read_table, shortened
from ..cards import ClassInfo
from ..themes.land_cover.known_legends import NAMES, NO_LABEL, known_codes

FOLDER = Path(__file__).parent / "codes"
#: Tables that are shipped, by the names of their files, and how many digits of a code a level of their hierarchy has; 0 where there is none.
TABLES = {"lucas": 1, "snar": 0, "hcat": 2}
#: Columns that a shipped table may have besides code and name: the classes of a map, one legend each.
LEGENDS = ("land_cover", "timesen2crop")
CODE, CLASS, NAME = "code", "class", "name"


def read_codes(path: str | Path) -> dict[str, dict[str, str]]:
    """Code → the row of a table.

    Raises:
        DataError: no column “code”, or a code twice.
    """
    table = read_table(path, (CODE, CLASS, NAME, *LEGENDS))
    table.require((CODE,), "Give it the headings code,class.")
    table.require_unique(CODE)
    return {row[CODE]: {heading: row[heading] for heading in (NAME, CLASS, *LEGENDS) if heading in table.headings} for row in table.rows}


def translated(keys: np.ndarray, table: str | Path, classes: Sequence[ClassInfo], path: str, progress: Progress = SILENT) -> np.ndarray:
    """The name of the map's class for each code (n,); None where it has none.

    Args:
        keys: codes of the places (n,).
        table: one of `TABLES`, or a CSV file with the headings code and class.
        classes: of the map.
        path: of the reference, for messages.
        progress: told which legend is taken, and which codes have no class.

    Raises:
        DataError: codes that the table does not have, or a table of other classes than those of the map.
    """
    shipped = table in TABLES
    rows = read_codes(FOLDER / f"{table}.csv" if shipped else table)
    of_code = {key: _row(rows, key, TABLES.get(str(table), 0)) for key in sorted(set(keys))}
    unknown = [key for key, row in of_code.items() if row is None]
    if unknown:
        where = f"The table of {str(table).upper()} codes" if shipped else str(table)
        raise DataError(f"{where} does not know {listed(f'“{shortened(key)}”' for key in unknown)}, which {path} has. Add a row for each to a table "
                        "with the headings code,class and give it in “Table of classes”.")
    legend = _legend(rows, classes, str(table), progress) if shipped else CLASS
    names = _names_of(classes)
    found = {key: (row or {}).get(legend, "") for key, row in of_code.items()}
    lost = [key for key, name in found.items() if not name]
    if lost:
        told = listed(f"{key} {(of_code[key] or {}).get(NAME, '')}".strip() for key in lost)
        progress.message(f"{int(np.isin(keys, lost).sum())} of {len(keys)} places of {path} have a code without a class and are left out: {told}.",
                         level="warning")
    if len(lost) == len(found):
        raise DataError(f"No place of {path} has a code with a class: {listed(lost)}. Give a table with the headings code,class in “Table of "
                        "classes”.")
    return np.array([names.get(found[key].casefold(), found[key]) or None for key in keys], object)


def _row(rows: dict[str, dict[str, str]], key: str, digits: int) -> dict[str, str] | None:
    """The row of a code, or of the nearest one above it in a hierarchy: B11 is of B10, that of B00, 3301010101 is of 3301010100."""
    above = (key[:end].ljust(len(key), "0").upper() for end in range(len(key), 0, -digits)) if digits else iter([key])
    return next((rows[code] for code in above if code in rows), None)


def _legend(rows: dict[str, dict[str, str]], classes: Sequence[ClassInfo], table: str, progress: Progress) -> str:
    """The column whose classes are those of the map."""
    names = _names_of(classes)
    hits = {legend: len({row[legend].casefold() for row in rows.values() if row.get(legend)} & set(names)) for legend in LEGENDS}
    best = max(LEGENDS, key=lambda legend: hits[legend])
    if not hits[best]:
        known = listed(dict.fromkeys(row[legend] for legend in LEGENDS for row in rows.values() if row.get(legend)), most=30)
        raise DataError(f"The classes of the map are {listed(row.name for row in classes)}, and the table of {table.upper()} codes knows {known}. "
                        "Give a table with the headings code,class in “Table of classes”.")
    progress.message(f"The codes are taken as classes of {best.replace('_', ' ')}.")
    return best


def _names_of(classes: Sequence[ClassInfo]) -> dict[str, str]:
    """Name, and common name where it is a class of a known land-cover map → name of the class of the map, all in small letters but the last."""
    groups = {code.name.casefold(): code.group.casefold() for legend in NAMES for code in known_codes(legend) if code.group not in ("", NO_LABEL)}
    common = {groups[row.name.casefold()]: row.name for row in reversed(classes) if row.name.casefold() in groups}
    return {**common, **{row.name.casefold(): row.name for row in classes}}
