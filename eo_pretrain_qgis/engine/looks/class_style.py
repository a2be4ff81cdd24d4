"""How classes look: what GDAL and QGIS read beside and inside the files we write.

QGIS takes a `.qml` beside the file before anything else; without it, it shows a Byte raster with a colour table as 256 classes, and
one with an attribute table as its n classes. Other GIS read the colour table, the names, or the attribute table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ...markup import escaped
from ...outputs import new_file
from ...progress import SILENT, Progress
from ..cards import ClassInfo
from ..datasets.legend import default_color
from .category_style import Category, categorized, color_option
from .style_files import check_sidecar, new_style

#: Confidence [%] → colour, from doubtful to sure.
CONFIDENCE_COLOURS = {0: "#440154", 25: "#3b528b", 50: "#21918c", 75: "#5ec962", 100: "#fde725"}
_RAT_COLUMNS = (("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8))  # name, GDAL type, GDAL usage


def coloured(classes: Sequence[ClassInfo]) -> list[ClassInfo]:
    """The classes, each with a colour."""
    return [ClassInfo(row.value, row.name, row.color or default_color(position)) for position, row in enumerate(classes)]


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#rrggbb``, 0 to 255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def colormap(classes: Sequence[ClassInfo]) -> dict[int, tuple[int, int, int]]:
    """Value → colour, as the colour table of a Byte raster."""
    return {row.value: rgb(row.color) for row in coloured(classes)}


@contextmanager
def beside(path: str | Path, progress: Progress = SILENT, *, qml: Callable[[], str] | None = None,
           aux_xml: Callable[[], str] | None = None) -> Iterator[None]:
    """Writes small text files beside `path` when the block ends without an error, and nothing otherwise.

    Args:
        path: the file they belong to.
        progress: told when a style of the user's is kept.
        qml: gives the style, written to ``.qml`` in place of the ending of `path`.
        aux_xml: gives what GDAL reads in ``.aux.xml`` behind the whole name of `path`.

    Raises:
        DataError: an ``.aux.xml`` of something else is there.
    """
    check_sidecar(path)
    with ExitStack() as stack:
        if aux_xml:
            stack.enter_context(new_file(f"{path}.aux.xml", of=path)).write_text(aux_xml(), encoding="utf-8")
        if qml:
            stack.enter_context(new_style(path, qml(), progress))
        yield


def raster_attributes(classes: Sequence[ClassInfo]) -> str:
    """GDAL's `.aux.xml` for a class map: category names and an attribute table with colours."""
    rows = coloured(classes)
    names = {row.value: row.name for row in rows}
    categories = "".join(f"      <Category>{escaped(names.get(value, ''))}</Category>\n" for value in range(max(names) + 1))
    fields = "".join(f'      <FieldDefn index="{index}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>\n'
                     for index, (name, kind, usage) in enumerate(_RAT_COLUMNS))
    cells = "".join(_attribute_row(index, (row.value, row.name, *rgb(row.color))) for index, row in enumerate(rows))
    return (f'<PAMDataset>\n  <PAMRasterBand band="1">\n    <CategoryNames>\n{categories}    </CategoryNames>\n'
            f'    <GDALRasterAttributeTable tableType="thematic">\n{fields}{cells}    </GDALRasterAttributeTable>\n'
            "  </PAMRasterBand>\n</PAMDataset>\n")


def class_map_qml(classes: Sequence[ClassInfo]) -> str:
    """QGIS style of a class map: one entry per class, nothing for nodata."""
    entries = "".join(f'        <paletteEntry value="{row.value}" label="{escaped(row.name)}" color="{escaped(row.color)}" alpha="255"/>\n'
                      for row in coloured(classes))
    return raster_qml('type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor=""',
                       f"      <colorPalette>\n{entries}      </colorPalette>\n")


def confidence_qml() -> str:
    """QGIS style of a confidence raster in percent."""
    items = "".join(f'          <item value="{percent}" label="{percent} %" color="{color}" alpha="255"/>\n'
                    for percent, color in CONFIDENCE_COLOURS.items())
    shader = ('      <rastershader>\n        <colorrampshader colorRampType="INTERPOLATED" classificationMode="1" clip="0" '
              f'minimumValue="0" maximumValue="100" labelPrecision="0">\n{items}        </colorrampshader>\n      </rastershader>\n')
    attributes = ('type="singlebandpseudocolor" band="1" opacity="1" alphaBand="-1" nodataColor="" '
                  'classificationMin="0" classificationMax="100"')
    return raster_qml(attributes, shader)


def polygons_qml(classes: Sequence[ClassInfo], field: str) -> str:
    """QGIS style of class polygons: a category per class on `field`, filled, without outlines that would hide small ones."""
    return categorized(field, "fill", [Category(row.value, row.name, {"color": color_option(row.color), "style": "solid", "outline_style": "no"})
                                       for row in coloured(classes)])


def _attribute_row(index: int, cells: tuple) -> str:
    return f'      <Row index="{index}">' + "".join(f"<F>{escaped(str(cell))}</F>" for cell in cells) + "</Row>\n"


def raster_qml(attributes: str, content: str, parts: str = "Symbology", more: str = "") -> str:
    """The text of a .qml for a raster.

    Args:
        attributes: of the renderer.
        content: elements inside the renderer.
        parts: what of a style QGIS is to read from it, as in its attribute styleCategories.
        more: further elements, such as notes.
    """
    return (f'<qgis version="3.40.0" styleCategories="{parts}">\n  <pipe>\n    <rasterrenderer {attributes}>\n'
            f'      <rasterTransparency/>\n{content}    </rasterrenderer>\n'
            '    <brightnesscontrast brightness="0" contrast="0" gamma="1"/>\n    <rasterresampler maxOversampling="2"/>\n'
            f"  </pipe>\n  <blendMode>0</blendMode>\n{more}</qgis>\n")


def stretch(element: str, low: float, high: float) -> str:
    """The element of a renderer that shows values from black, at the first of two, to full colour."""
    return (f"      <{element}>\n        <minValue>{low:g}</minValue>\n        <maxValue>{high:g}</maxValue>\n"
            f"        <algorithm>StretchToMinimumMaximum</algorithm>\n      </{element}>\n")
