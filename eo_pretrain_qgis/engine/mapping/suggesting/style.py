"""The look and the form of places to label: hollow until labelled, then in the colour of the class; the class is picked from a list."""

from __future__ import annotations

from collections.abc import Sequence

from ....markup import escaped
from ...looks.category_style import Category, categorized, color_option

OUTLINE = {"style": "solid", "outline_style": "solid", "outline_width": "0.5"}


def suggestions_qml(choices: Sequence[tuple[int | str, str, str]], field: str) -> str:
    """QGIS style of places to label: categories on `field`, the rank as label, and a form with a list of the classes.

    Args:
        choices: value in the field, name and colour of each class; none lets the analyst write them.
        field: that holds the class.
    """
    categories = [Category(value, name, {**OUTLINE, "color": color_option(color, 110), "outline_color": color_option(color)})
                  for value, name, color in choices]
    categories.append(Category("", "to be labelled", {**OUTLINE, "color": color_option("#ffffff", 0), "outline_color": color_option("#ff00ff")}))
    options = "".join(f'<Option type="Map"><Option type="QString" name="{escaped(name)}" value="{escaped(str(value))}"/></Option>\n'
                      for value, name, _ in choices)
    # The value map shows names and keeps values; without classes QGIS offers what was written before.
    kind, config = (("ValueMap", f'<Option type="List" name="map">\n{options}</Option>') if choices else
                    ("UniqueValues", '<Option type="bool" name="Editable" value="true"/>'))
    widget = f'<editWidget type="{kind}"><config><Option type="Map">{config}</Option></config></editWidget>'
    form = f'<fieldConfiguration>\n<field name="{escaped(field)}" configurationFlags="NoFlag">{widget}</field>\n</fieldConfiguration>\n'
    labels = ('<labeling type="simple"><settings calloutType="simple"><text-style fieldName="rank" fontSize="9" textColor="50,50,50,255" '
              'isExpression="0"><text-buffer bufferDraw="1" bufferSize="0.8" bufferColor="255,255,255,255"/></text-style>'
              '<placement placement="1"/></settings></labeling>\n')
    return categorized(field, "fill", categories, "Symbology|Labeling|Fields|Forms", labels + form)
