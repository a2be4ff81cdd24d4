"""QGIS style of a vector layer whose features fall into categories or ranges of a number, as QML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...markup import escaped

#: Kind of symbol → the symbol layer that draws it.
SYMBOL_LAYERS = {"marker": "SimpleMarker", "line": "SimpleLine", "fill": "SimpleFill"}


@dataclass(frozen=True)
class Category:
    """A value of the field, its name in the legend, and the options of its symbol layer as QGIS writes them."""

    value: str | int
    label: str
    options: Mapping[str, str]


def categorized(field: str, kind: str, categories: Sequence[Category], parts: str = "Symbology", more: str = "") -> str:
    """The text of a .qml.

    Args:
        field: whose values decide.
        kind: "marker", "line" or "fill".
        categories: in the order of the legend.
        parts: what of a style QGIS is to read from it, as in its attribute styleCategories.
        more: further elements, such as labels or a form.
    """
    rows, symbols = [], []
    for number, row in enumerate(categories):
        typed = "long" if isinstance(row.value, int) else "string"
        rows.append(f'<category type="{typed}" value="{escaped(str(row.value))}" symbol="{number}" label="{escaped(row.label)}" render="true"/>\n')
        symbols.append(_symbol(kind, number, row.options))
    labels = ' labelsEnabled="1"' if "Labeling" in parts else ""
    return (f'<qgis version="3.40.0" styleCategories="{parts}"{labels}>\n'
            f'<renderer-v2 type="categorizedSymbol" attr="{escaped(field)}" symbollevels="0" enableorderby="0" forceraster="0">\n'
            f"<categories>\n{''.join(rows)}</categories>\n<symbols>\n{''.join(symbols)}</symbols>\n</renderer-v2>\n{more}</qgis>\n")


@dataclass(frozen=True)
class Step:
    """A range of the field's numbers, its name in the legend, and the options of its symbol layer as QGIS writes them."""

    lower: float
    upper: float
    label: str
    options: Mapping[str, str]


def graduated(field: str, kind: str, steps: Sequence[Step]) -> str:
    """The text of a .qml in which the number in `field` decides; see `categorized`."""
    rows = [f'<range lower="{row.lower:g}" upper="{row.upper:g}" symbol="{number}" label="{escaped(row.label)}" render="true"/>\n'
            for number, row in enumerate(steps)]
    symbols = [_symbol(kind, number, row.options) for number, row in enumerate(steps)]
    return ('<qgis version="3.40.0" styleCategories="Symbology">\n'
            f'<renderer-v2 type="graduatedSymbol" attr="{escaped(field)}" graduatedMethod="GraduatedColor" symbollevels="0" enableorderby="0" '
            f'forceraster="0">\n<ranges>\n{"".join(rows)}</ranges>\n<symbols>\n{"".join(symbols)}</symbols>\n</renderer-v2>\n</qgis>\n')


def single(kind: str, options: Mapping[str, str]) -> str:
    """The text of a .qml in which all features look alike: the kind of symbol, and the options of its layer as QGIS writes them."""
    return ('<qgis version="3.40.0" styleCategories="Symbology">\n'
            '<renderer-v2 type="singleSymbol" symbollevels="0" enableorderby="0" forceraster="0">\n<symbols>\n'
            f"{_symbol(kind, 0, options)}</symbols>\n</renderer-v2>\n</qgis>\n")


def _symbol(kind: str, number: int, options: Mapping[str, str]) -> str:
    told = "".join(f'<Option type="QString" name="{name}" value="{escaped(value)}"/>' for name, value in options.items())
    return (f'<symbol type="{kind}" name="{number}" alpha="1" clip_to_extent="1" force_rhr="0">'
            f'<layer class="{SYMBOL_LAYERS[kind]}" enabled="1" pass="0" locked="0"><Option type="Map">{told}</Option></layer></symbol>\n')


def color_option(color: str, opacity: int = 255) -> str:
    """``#rrggbb`` as QGIS writes colours: red, green, blue and opacity, 0 to 255."""
    return ",".join(str(int(color[at:at + 2], 16)) for at in (1, 3, 5)) + f",{opacity}"
