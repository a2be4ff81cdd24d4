"""The form in which QGIS lets an analyst fill in a layer, as a part of its style: lists of values, days from a calendar, and what is not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...markup import escaped

#: A day from a calendar, or none.
DAY = ('<editWidget type="DateTime"><config><Option type="Map"><Option type="bool" name="allow_null" value="true"/><Option type="bool" '
       'name="calendar_popup" value="true"/><Option type="QString" name="display_format" value="yyyy-MM-dd"/></Option></config></editWidget>')
#: What GDAL calls the column of a GeoPackage that numbers its rows.
ROW_NUMBER = "fid"
HIDDEN = '<editWidget type="Hidden"><config><Option/></config></editWidget>'


def value_list(choices: Sequence[tuple[int | str, str]]) -> str:
    """A list of values and the names that are shown for them."""
    options = "".join(f'<Option type="Map"><Option type="QString" name="{escaped(name)}" value="{escaped(str(value))}"/></Option>\n'
                      for value, name in choices)
    return ('<editWidget type="ValueMap"><config><Option type="Map"><Option type="List" name="map">\n'
            f"{options}</Option></Option></config></editWidget>")


def form(widgets: Mapping[str, str], fixed: Sequence[str] = ()) -> str:
    """The elements of a style that make the form of a GeoPackage layer.

    Args:
        widgets: field → how it is filled in.
        fixed: fields that are shown and cannot be changed. The row number of the file (fid) is never shown.
    """
    fields = "".join(f'<field name="{escaped(field)}" configurationFlags="NoFlag">{widget}</field>\n'
                     for field, widget in {ROW_NUMBER: HIDDEN, **widgets}.items())
    locked = "".join(f'<field name="{escaped(field)}" editable="0"/>\n' for field in fixed)
    return f"<fieldConfiguration>\n{fields}</fieldConfiguration>\n<editable>\n{locked}</editable>\n"
