"""From what an ice chart says of a polygon to one class: ice or water, six WMO-based types, stages of development, concentration.

A polygon mixes up to three kinds of ice. The kinds that fall into one class are added, and the class with the largest partial
concentration stands for the polygon if it holds at least a share of the total (0.65; AI4Arctic: `SOD_LOOKUP["threshold"]` in utils.py
of astokholm/AI4ArcticSeaIceChallenge, 2022, later 0.7; a partial concentration left empty beside a stage is the total, as in its
convert_raw_icechart.py). Otherwise the polygon is ambiguous and has no class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...datasets.dataset import ClassInfo
from .sigrid3 import ICE, KIND, PARTS, TOTAL, Egg, Part, tenths

#: Share of the total concentration that the class of a polygon must hold.
DOMINANT = 0.65
#: Why a polygon has no class: key → words for the report.
REASONS = {
    "land": "are land", "shelf": "are ice shelf", "nothing": "hold no data", "total": "do not say how much ice they hold",
    "stage": "do not say the stage of their ice", "form": "do not say the form of their ice",
    "mixed": "are mixed: no class holds the share asked for",
    "no class": "hold ice that is in no class", "between": "hold less ice than asked for",
    "strange": "have codes that SIGRID-3 does not have",
}
_KIND_REASONS = {"L": "land", "S": "shelf", "N": "nothing"}

# Colours of the WMO (WMO/TD-No. 1215, 2004): concentration after table 1, stage of development after table 2.
ICE_WATER = (ClassInfo(0, "open water", "#96c8ff"), ClassInfo(1, "sea ice", "#ff7d07"))
#: UiT, ExtremeEarth: six classes "according to the WMO nomenclature" (Khaleghian et al. 2021, doi 10.3390/rs13091734).
SIX_TYPES = (ClassInfo(0, "open water", "#96c8ff"), ClassInfo(1, "newly formed ice", "#f0d2fa"),
             ClassInfo(2, "brash or pancake ice", "#ffafff"), ClassInfo(3, "young ice", "#aa28f0"),
             ClassInfo(4, "thin to medium first-year ice", "#9bd200"), ClassInfo(5, "thick or deformed ice", "#b46432"))
STAGE = (ClassInfo(0, "open water", "#96c8ff"), ClassInfo(1, "new ice", "#f0d2fa"), ClassInfo(2, "young ice", "#aa28f0"),
         ClassInfo(3, "thin first-year ice", "#9bd200"), ClassInfo(4, "thick first-year ice", "#007800"),
         ClassInfo(5, "old ice", "#b46432"))
CONCENTRATION = tuple(ClassInfo(10 * step, "open water" if step == 0 else f"{step}/10", color) for step, color in enumerate(
    ("#96c8ff", "#8cffa0", "#6effa0", "#8cff5a", "#ffff00", "#ffe100", "#ffc800", "#ff9600", "#ff7d07", "#ff4600", "#ff0000")))

#: AI4Arctic, `FLOE_GROUPS`; the WMO has no colours for the form of ice.
FORM = (ClassInfo(0, "open water", "#96c8ff"), ClassInfo(1, "cake ice", "#ffffcc"), ClassInfo(2, "small floe", "#c7e9b4"),
        ClassInfo(3, "medium floe", "#7fcdbb"), ClassInfo(4, "big floe", "#41b6c4"), ClassInfo(5, "vast floe", "#225ea8"),
        ClassInfo(6, "bergs", "#b30000"))
SECONDARY = (ClassInfo(0, "no second kind of ice", "#96c8ff"), *STAGE[1:])

#: AI4Arctic, `FLOE_LOOKUP`: code of the form → class; pancake, brash, fast and level ice are masked there too.
_FORM_OF = {2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 5, 9: 6, 10: 6}
#: AI4Arctic, `SOD_LOOKUP`: stage code → class; what is missing here is masked there too (brash, residual and glacier ice).
_STAGE_OF = {81: 1, 82: 1, 83: 2, 84: 2, 85: 2, 87: 3, 88: 3, 89: 3, 86: 4, 91: 4, 93: 4, 95: 5, 96: 5, 97: 5}
#: Our reading of the six names: UiT drew its polygons by hand. First-year ice without its stage (86) may be thin or thick: no class.
_TYPE_OF = {70: 2, 81: 1, 82: 1, 83: 3, 84: 3, 85: 3, 87: 4, 88: 4, 89: 4, 91: 4, 93: 5, 95: 5, 96: 5, 97: 5}
#: Forms that make brash or pancake ice of any ice up to young ice: pancake (0, 22) and brash (1).
_SMALL_FORMS, _SMALL_STAGES = (0, 1, 22), (70, 81, 82, 83, 84, 85)


@dataclass(frozen=True)
class Scheme:
    """A way to classify.

    Attributes:
        name: as the job calls it.
        classes: all its classes; a value means the same in every dataset.
        fields: SIGRID-3 fields of which it needs at least one.
        reads: all SIGRID-3 fields it looks at.
        classify: egg, dominant share, lowest concentration of ice [tenths] → value of the class, or key of `REASONS`.
    """

    name: str
    classes: tuple[ClassInfo, ...]
    fields: tuple[str, ...]
    reads: tuple[str, ...]
    classify: Callable[[Egg, float, float], int | str]


def classify(eggs: Sequence[Egg], scheme: Scheme, dominant: float = DOMINANT, lowest: float = 1.0,
             ) -> tuple[list[int | None], dict[str, list[int]]]:
    """Gives each polygon its class.

    Args:
        eggs: what the chart says.
        scheme: one of `SCHEMES`.
        dominant: share of the total concentration the class must hold, 0 to 1.
        lowest: concentration [tenths] from which "ice_water" calls a polygon ice.

    Returns:
        Per polygon the value of its class or None; and which have none: key of `REASONS` → their positions in `eggs`.
    """
    values: list[int | None] = []
    reasons: dict[str, list[int]] = {}
    for number, egg in enumerate(eggs):
        found = _without_ice(egg)
        found = scheme.classify(egg, dominant, lowest) if found is None else found
        if isinstance(found, str):
            reasons.setdefault(found, []).append(number)
        values.append(None if isinstance(found, str) else found)
    return values, reasons


def _without_ice(egg: Egg) -> int | str | None:
    if egg.is_water:
        return 0
    return None if egg.kind == ICE else _KIND_REASONS[egg.kind]


def _ice_or_water(egg: Egg, dominant: float, lowest: float) -> int | str:
    if egg.total is None:  # POLY_TYPE “I” is ice of any concentration: enough where a tenth is enough
        return 1 if lowest <= 1 else "total"
    return 1 if tenths(egg.total) >= lowest else "between"


def _concentration(egg: Egg, dominant: float, lowest: float) -> int | str:
    if egg.total is None:
        return "total"
    return 10 * int(tenths(egg.total) + 0.5)


def _stage(egg: Egg, dominant: float, lowest: float) -> int | str:
    return _dominant(egg, dominant, lambda part: _STAGE_OF.get(part.stage or 0))


def _six_types(egg: Egg, dominant: float, lowest: float) -> int | str:
    return _dominant(egg, dominant, lambda part: 2 if part.form in _SMALL_FORMS and part.stage in _SMALL_STAGES
                     else _TYPE_OF.get(part.stage or 0))


def _form(egg: Egg, dominant: float, lowest: float) -> int | str:
    return _dominant(egg, dominant, lambda part: _FORM_OF.get(part.form or 0), "form")


def _primary(egg: Egg, dominant: float, lowest: float) -> int | str:
    return _ranked(egg, 0)


def _secondary(egg: Egg, dominant: float, lowest: float) -> int | str:
    return 0 if len(egg.parts) == 1 else _ranked(egg, 1)


def _ranked(egg: Egg, rank: int) -> int | str:
    """Stage of the kind of ice with the largest concentration, or the next; of equals the thickest comes first."""
    if all(part.stage is None for part in egg.parts):
        return "stage"
    kinds = sorted(egg.parts, key=lambda part: -tenths(part.concentration or 0))
    if len(kinds) > 1 and any(part.concentration is None for part in kinds):
        return "total"
    return _STAGE_OF.get(kinds[rank].stage or 0, "no class")


def _dominant(egg: Egg, dominant: float, class_of: Callable[[Part], int | None], what: str = "stage") -> int | str:
    """The class that holds the dominant share of the total concentration; `what` is the field of `Part` that says it."""
    if all(getattr(part, what) is None for part in egg.parts):
        return what
    total = None if egg.total is None else tenths(egg.total)
    amounts: dict[int | None, float] = {}
    given = [part for part in egg.parts if part.concentration is not None]
    if not given:  # one kind of ice only: its concentration is the total
        amounts[class_of(egg.parts[0])] = 1.0
        total = float(len(egg.parts))
    for part in given:
        found = class_of(part)
        amounts[found] = amounts.get(found, 0.0) + tenths(part.concentration or 0)
    total = sum(amounts.values()) if total is None else total
    best = max(amounts, key=lambda found: amounts[found])
    amount = amounts[best]
    if not total or amount < dominant * total:
        return "mixed"
    return "no class" if best is None else best


_KINDS_OF_ICE = tuple(name for concentration, stage, _ in PARTS for name in (concentration, stage))
SCHEMES = {
    "ice_water": Scheme("ice_water", ICE_WATER, (TOTAL, KIND), (TOTAL, KIND), _ice_or_water),
    "six_types": Scheme("six_types", SIX_TYPES, ("SA",), (TOTAL, KIND, *_KINDS_OF_ICE, *(form for _, _, form in PARTS)), _six_types),
    "stage": Scheme("stage", STAGE, ("SA",), (TOTAL, KIND, *_KINDS_OF_ICE), _stage),
    "form": Scheme("form", FORM, ("FA",), (TOTAL, KIND, *(name for part in PARTS for name in part)), _form),
    "primary": Scheme("primary", STAGE, ("SA",), (TOTAL, KIND, *_KINDS_OF_ICE), _primary),
    "secondary": Scheme("secondary", SECONDARY, ("SA",), (TOTAL, KIND, *_KINDS_OF_ICE), _secondary),
    "concentration": Scheme("concentration", CONCENTRATION, (TOTAL,), (TOTAL, KIND), _concentration),
}
