"""The look and the form of places to label: hollow until labelled, then in the colour of the class; the class is picked from a list."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..class_style import coloured, rgb
from ..dataset import ClassInfo


def suggestions_qml(classes: Sequence[ClassInfo], field: str) -> str:
    """QGIS style of places to label: categories on `field`, the rank as label, and a form with a list of the classes.

    The list is a value map: the analyst sees names, the field holds the values of the classes, as “Create training dataset” reads them.
    """
    rows = coloured(classes)
    categories = "".join(f'<category value="{row.value}" type="long" symbol="{number}" label="{escape(row.name)}" render="true"/>\n'
                         for number, row in enumerate(rows))
    categories += f'<category value="" type="string" symbol="{len(rows)}" label="to be labelled" render="true"/>\n'
    symbols = "".join(_symbol(number, (*rgb(row.color), 110), rgb(row.color)) for number, row in enumerate(rows))
    symbols += _symbol(len(rows), (255, 255, 255, 0), (255, 0, 255))
    options = "".join(f'<Option type="Map"><Option type="QString" name="{escape(row.name, quote=True)}" value="{row.value}"/></Option>\n'
                      for row in rows)
    form = (f'<fieldConfiguration>\n<field name="{field}" configurationFlags="NoFlag"><editWidget type="ValueMap"><config><Option type="Map">'
            f'<Option type="List" name="map">\n{options}</Option></Option></config></editWidget></field>\n</fieldConfiguration>\n')
    labels = ('<labeling type="simple"><settings calloutType="simple"><text-style fieldName="rank" fontSize="9" textColor="50,50,50,255" '
              'isExpression="0"><text-buffer bufferDraw="1" bufferSize="0.8" bufferColor="255,255,255,255"/></text-style>'
              '<placement placement="1"/></settings></labeling>\n')
    return ('<qgis version="3.40.0" styleCategories="Symbology|Labeling|Fields|Forms" labelsEnabled="1">\n'
            f'<renderer-v2 type="categorizedSymbol" attr="{escape(field)}" symbollevels="0" enableorderby="0" forceraster="0">\n'
            f"<categories>\n{categories}</categories>\n<symbols>\n{symbols}</symbols>\n</renderer-v2>\n{labels}{form}"
            "<layerGeometryType>2</layerGeometryType>\n</qgis>\n")


def _symbol(number: int, fill: tuple[int, ...], outline: tuple[int, ...]) -> str:
    cells = {"color": ",".join(map(str, fill)), "style": "solid", "outline_color": ",".join(map(str, (*outline, 255))), "outline_style": "solid",
             "outline_width": "0.5"}
    options = "".join(f'<Option type="QString" name="{name}" value="{value}"/>' for name, value in cells.items())
    return (f'<symbol type="fill" name="{number}" alpha="1" clip_to_extent="1" force_rhr="0"><layer class="SimpleFill" enabled="1" pass="0" '
            f'locked="0"><Option type="Map">{options}</Option></layer></symbol>\n')
