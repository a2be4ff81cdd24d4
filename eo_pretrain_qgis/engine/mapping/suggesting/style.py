"""The look and the form of places to label: hollow until labelled, then in the colour of the class; the class is picked from a list."""

from __future__ import annotations

from collections.abc import Sequence

from ....markup import escaped
from ...datasets.dataset import ClassInfo
from ...looks.category_style import Category, categorized, color_option
from ...looks.class_style import coloured

OUTLINE = {"style": "solid", "outline_style": "solid", "outline_width": "0.5"}


def suggestions_qml(classes: Sequence[ClassInfo], field: str) -> str:
    """QGIS style of places to label: categories on `field`, the rank as label, and a form with a list of the classes.

    The list is a value map: the analyst sees names, the field holds the values of the classes, as “Create training dataset” reads them.
    """
    rows = coloured(classes)
    categories = [Category(row.value, row.name, {**OUTLINE, "color": color_option(row.color, 110), "outline_color": color_option(row.color)})
                  for row in rows]
    categories.append(Category("", "to be labelled", {**OUTLINE, "color": color_option("#ffffff", 0), "outline_color": color_option("#ff00ff")}))
    options = "".join(f'<Option type="Map"><Option type="QString" name="{escaped(row.name)}" value="{row.value}"/></Option>\n'
                      for row in rows)
    form = (f'<fieldConfiguration>\n<field name="{escaped(field)}" configurationFlags="NoFlag"><editWidget type="ValueMap"><config>'
            f'<Option type="Map"><Option type="List" name="map">\n{options}</Option></Option></config></editWidget></field>\n</fieldConfiguration>\n')
    labels = ('<labeling type="simple"><settings calloutType="simple"><text-style fieldName="rank" fontSize="9" textColor="50,50,50,255" '
              'isExpression="0"><text-buffer bufferDraw="1" bufferSize="0.8" bufferColor="255,255,255,255"/></text-style>'
              '<placement placement="1"/></settings></labeling>\n')
    return categorized(field, "fill", categories, "Symbology|Labeling|Fields|Forms", labels + form)
