"""Several targets from one layer: what each polygon says of the ice besides its class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ....errors import DataError, listed
from .classes import SCHEMES

if TYPE_CHECKING:
    from .labels import PolygonRules

#: Longest name of a target.
LONGEST = 40


def each_target(rules: PolygonRules, path: str, fields: Sequence[str]) -> dict[str, PolygonRules]:
    """The rules of each target under its name, the main one first.

    Args:
        rules: of the main target, and the names of the others: of an ice chart keys of `SCHEMES`, else fields of the layer.
        path: of the layer.
        fields: of the layer.

    Raises:
        DataError: a name is none of these, or stands twice.
    """
    chart, main = not rules.class_field, rules.class_field or rules.scheme
    there, what = (list(SCHEMES), "what an ice chart says is") if chart else (list(fields), f"the fields of {path} are")
    found = {target_name(main): rules}
    for wanted in rules.targets:
        if wanted not in there:
            raise DataError(f"“Further targets” (targets) names “{wanted}”, and {what} {listed(there, 20)}. Choose among these.")
        name = target_name(wanted)
        if name.casefold() in (known.casefold() for known in found):
            main_label = "Classes of an ice chart" if chart else "Class field"
            again = f"is the main target already, see “{main_label}”" if wanted == main else "stands there twice"
            raise DataError(f"“Further targets” (targets) names “{wanted}”, which {again}. Name each target once.")
        found[name] = replace(rules, scheme=wanted) if chart else replace(rules, class_field=wanted, class_table=None)
    return found


def target_name(written: str) -> str:
    """The name of a scheme or field as that of a target: letters, digits, _ and - alone."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", written)[:LONGEST] or "target"
