"""SIGRID-3: the codes of ice charts, read into numbers.

Tables and names: SIGRID-3, a vector archive format for sea ice charts, JCOMM Technical Report 23 (WMO/TD-No. 1214, 2004; revision 2,
2010), tables 4.1 (concentration), 4.2 (stage of development) and 4.3 (form). Revision 3.1 (2017) gives the forms other numbers
(pancake ice 01, brash 02, fast ice 09); the ice services' charts and AI4Arctic keep those of revision 2, which are used here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ....errors import DataError
from ...datasets.legend import class_key

TOTAL, KIND = "CT", "POLY_TYPE"
#: Concentration, stage and form of the thickest ice, the second and the third thickest.
PARTS = (("CA", "SA", "FA"), ("CB", "SB", "FB"), ("CC", "SC", "FC"))
FORM_FIELDS = tuple(form for _, _, form in PARTS)
#: Code of the form of ice that is fastened to the coast or to the ground.
FAST = 8
#: CN: stage of ice thicker than SA, CD: of any other ice; both cover less than a tenth and never decide a class.
TRACES = ("CN", "CD")
FIELDS = (TOTAL, *(name for part in PARTS for name in part), *TRACES, KIND)
#: Written where a field is empty or where the analyst could not tell.
NOT_FILLED, UNDETERMINED = -9, 99
ICE, WATER, LAND, SHELF, NO_DATA = "I", "W", "L", "S", "N"
KINDS = {ICE: "ice", WATER: "water", LAND: "land", SHELF: "ice shelf", NO_DATA: "no data"}
#: Less than a tenth of ice: ice free (0, 55), open water (1), bergy water (2).
OPEN_WATER = (0, 1, 2, 55)
#: Code → lowest and highest concentration [tenths]; 91 is also written for "more than nine tenths".
CONCENTRATIONS = {
    0: (0.0, 0.0), 55: (0.0, 0.0), 1: (0.0, 1.0), 2: (0.0, 1.0), 92: (10.0, 10.0), 91: (9.0, 10.0), 81: (8.0, 10.0),
    **{10 * tenths: (float(tenths), float(tenths)) for tenths in range(1, 10)},
    **{10 * low + high: (float(low), float(high)) for low, high in (
        (1, 2), (1, 3), (2, 3), (2, 4), (3, 4), (3, 5), (4, 5), (4, 6), (5, 6), (5, 7), (6, 7), (6, 8), (7, 8), (7, 9), (8, 9))},
}
STAGES = {
    0: "ice free", 55: "ice free", 70: "brash ice", 80: "no stage of development", 81: "new ice", 82: "nilas, ice rind", 83: "young ice",
    84: "grey ice", 85: "grey-white ice", 86: "first-year ice", 87: "thin first-year ice", 88: "thin first-year ice, first stage",
    89: "thin first-year ice, second stage", 91: "medium first-year ice", 93: "thick first-year ice", 94: "residual ice", 95: "old ice",
    96: "second-year ice", 97: "multi-year ice", 98: "glacier ice",
}
FORMS = {
    0: "pancake ice", 1: "shuga, small ice cake, brash ice", 2: "ice cake", 3: "small floe", 4: "medium floe", 5: "big floe",
    6: "vast floe", 7: "giant floe", 8: "fast ice", 9: "growlers, floebergs, floebits", 10: "icebergs",
    **{10 + tenths: f"strips and patches, {tenths}/10" for tenths in range(1, 11)}, 21: "level ice", 22: "pancake ice",
}
_TABLES: dict[str, Collection[int]] = {"C": CONCENTRATIONS, "S": STAGES, "F": FORMS}
#: Polygons named in a message.
NAMED = 5


@dataclass(frozen=True)
class Part:
    """One kind of ice in a polygon: SIGRID-3 codes, None where the chart says nothing (empty, -9 or 99)."""

    concentration: int | None
    stage: int | None
    form: int | None


@dataclass(frozen=True)
class Egg:
    """What a chart says of one polygon, named after the oval in which ice services write it.

    Attributes:
        kind: key of `KINDS`.
        total: code of the total concentration, or None.
        parts: thickest ice first; those without a code are left out.
    """

    kind: str
    total: int | None
    parts: tuple[Part, ...]

    @property
    def is_water(self) -> bool:
        """Whether less than a tenth of the polygon is ice."""
        return self.kind == WATER or (self.kind == ICE and self.total in OPEN_WATER)


@dataclass(frozen=True)
class Strange:
    """A code that is not in the tables: field, code as written, and the rows (0-based) that hold it."""

    field: str
    code: str
    rows: tuple[int, ...]


def chart_fields(fields: Iterable[str]) -> dict[str, str]:
    """SIGRID-3 name → name in the layer, for the SIGRID-3 fields that a layer has, in any case of letters."""
    by_name = {name.upper(): name for name in fields}
    return {name: by_name[name] for name in FIELDS if name in by_name}


def require(known: Collection[str], wanted: Sequence[str], path: str, fields: Sequence[str]) -> None:
    """Checks that a layer has at least one of the fields needed.

    Raises:
        DataError: naming them and the fields of the layer.
    """
    if not any(name in known for name in wanted):
        raise DataError(f"{path} is no SIGRID-3 ice chart for these classes: it has no field {' or '.join(wanted)}; it has "
                        f"{', '.join(fields[:12]) or 'none'}. Choose another chart, or give the field that holds the class in “Class field”.")


def code_of(value: object) -> int | str | None:
    """A code as a number; None for empty, -9 and 99; the text as written when it is no number."""
    key = class_key(value)
    if key is None or key.lower() in ("null", "none", "x"):
        return None
    try:
        number = int(key)
    except ValueError:
        return key
    return None if number in (NOT_FILLED, UNDETERMINED) else number


def read_eggs(columns: dict[str, Sequence]) -> tuple[list[Egg], list[Strange]]:
    """Reads the codes of a chart.

    Args:
        columns: SIGRID-3 name → the values of that field, as many as there are polygons.

    Returns:
        One egg for each polygon, in which codes that are not in the tables count as not given; and those codes.
    """
    count = len(next(iter(columns.values())))
    strange: dict[tuple[str, str], list[int]] = {}

    def code(name: str, row: int) -> int | None:
        if name not in columns:
            return None
        found = code_of(columns[name][row])
        if found is None or (isinstance(found, int) and found in _TABLES[_letter(name)]):
            return found
        strange.setdefault((name, str(found)), []).append(row)
        return None

    eggs = []
    for row in range(count):
        total = code(TOTAL, row)
        parts = tuple(part for part in (Part(*(code(name, row) for name in names)) for names in PARTS) if part != Part(None, None, None))
        for name in TRACES:
            code(name, row)
        eggs.append(Egg(_kind(columns, row, total is not None or bool(parts), strange), total, parts))
    return eggs, [Strange(name, written, tuple(rows)) for (name, written), rows in strange.items()]


def are_fast(columns: dict[str, Sequence]) -> np.ndarray:
    """Which polygons are fast ice: all forms that they say are 08, bool (n,).

    Args:
        columns: names of the fields of the form → their values.
    """
    codes = np.array([[code_of(value) for value in column] for column in columns.values()], object)
    said = codes != None  # noqa: E711 - of each element
    return said.any(0) & (~said | (codes == FAST)).all(0)


def _kind(columns: dict[str, Sequence], row: int, described: bool, strange: dict[tuple[str, str], list[int]]) -> str:
    """The kind of a polygon; where the field is empty or not there, what has codes of ice is ice."""
    written = class_key(columns[KIND][row]) if KIND in columns else None
    if written is None:
        return ICE if described else NO_DATA
    kind = written.upper()
    if kind in KINDS:
        return kind
    strange.setdefault((KIND, written), []).append(row)
    return NO_DATA


def _letter(name: str) -> str:
    return "S" if name in TRACES else name[0]


def tenths(code: int) -> float:
    """The concentration of a code [tenths], the middle of its interval; 91 and 92 are ten, and open water none, as AI4Arctic has it.

    Source: astokholm/AI4ArcticSeaIceChallenge, utils.py, SIC_LOOKUP.
    """
    if code in OPEN_WATER:
        return 0.0
    low, high = CONCENTRATIONS[code]
    return 10.0 if code == 91 else (low + high) / 2


def strange_text(strange: Sequence[Strange], rows: Sequence[int]) -> str:
    """Codes that are not in the tables and the polygons that hold them, for people.

    Args:
        strange: the codes.
        rows: of every polygon given to `read_eggs`, its row in the layer, 0-based.
    """
    return "; ".join(f"{item.field} = {item.code} in {rows_text([rows[row] for row in item.rows])}" for item in strange[:NAMED])


def rows_text(rows: Sequence[int]) -> str:
    """Rows of a layer (0-based) for people, who count from 1."""
    listed = ", ".join(str(row + 1) for row in rows[:NAMED])
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return f"row{'s' if len(rows) > 1 else ''} {listed}{more}"
