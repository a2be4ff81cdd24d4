"""How classes look: what GDAL and QGIS read beside and inside the files we write.

QGIS takes a `.qml` beside the file before anything else; without it, it shows a Byte raster with a colour table as 256 classes, and
one with an attribute table as its n classes. Other GIS read the colour table, the names, or the attribute table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ...markup import escaped
from ...outputs import check_sidecar, new_file
from ...progress import SILENT, Progress
from ..cards import ClassInfo
from ..datasets.legend import default_color
from .category_style import Category, categorized, color_option
from .style_files import new_style

#: Confidence [%] → colour, from doubtful to sure.
CONFIDENCE_COLOURS = {0: "#440154", 25: "#3b528b", 50: "#21918c", 75: "#5ec962", 100: "#fde725"}
#: Disagreement [%] → colour and words, the darker the more. Where members agree the map must not look empty, and most of it has a few percent.
DISAGREEMENT_COLOURS = {0: ("#deebf7", "0 %: all members agree"), 1: ("#c6dbef", "1 %"), 3: ("#9ecae1", "3 %"), 8: ("#6baed6", "8 %"),
                        20: ("#3182bd", "20 %"), 50: ("#08306b", "50 % and more")}
#: Margin [%] → colour and words, from two classes alike to none beside the mapped one.
MARGIN_COLOURS = {0: ("#440154", "0 %: another class is as probable"), 25: ("#3b528b", "25 %"), 50: ("#21918c", "50 %"), 75: ("#5ec962", "75 %"),
                  100: ("#fde725", "100 %: no other class")}
#: Squared distance up to so many hundredths of its limit → colour and words, see `APPLICABILITY_COLOURS`.
RANGE_COLOURS = {50: ("#0868ac", "well within the training values"), 100: ("#7bccc4", "within the training values"),
                 150: ("#fdae6b", "outside the training values"), 250: ("#d94801", "far outside the training values")}
#: Dissimilarity up to so many hundredths of its limit → colour and words. Blue is like the training ground, orange unlike it, also for eyes that do
#: not tell red from green.
APPLICABILITY_COLOURS = {50: ("#0868ac", "very like the training ground"), 100: ("#7bccc4", "like the training ground"),
                         150: ("#fdae6b", "unlike the training ground"), 250: ("#d94801", "very unlike the training ground")}
#: Custom property of a layer's style: the name that QGIS is to show, whatever it would call the layer by itself.
LAYER_NAME = "eo_pretrain/name"
#: GDAL's category names are one for each value from 0 on, so a list of more would be long and empty.
LARGEST_BYTE = 255
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
    """GDAL's `.aux.xml` for a class map: an attribute table with colours, and category names where values are those of a Byte."""
    rows = coloured(classes)
    names = {row.value: row.name for row in rows}
    listed = range(max(names) + 1) if max(names) <= LARGEST_BYTE else ()
    categories = "".join(f"      <Category>{escaped(names.get(value, ''))}</Category>\n" for value in listed)
    categories = f"    <CategoryNames>\n{categories}    </CategoryNames>\n" if categories else ""
    fields = "".join(f'      <FieldDefn index="{index}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>\n'
                     for index, (name, kind, usage) in enumerate(_RAT_COLUMNS))
    cells = "".join(_attribute_row(index, (row.value, row.name, *rgb(row.color))) for index, row in enumerate(rows))
    return (f'<PAMDataset>\n  <PAMRasterBand band="1">\n{categories}'
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
    return ramp_qml({percent: (color, f"{percent} %") for percent, color in CONFIDENCE_COLOURS.items()}, "INTERPOLATED")


def disagreement_qml() -> str:
    """QGIS style of a disagreement in percent."""
    return ramp_qml(DISAGREEMENT_COLOURS, "INTERPOLATED")


def applicability_qml() -> str:
    """QGIS style of a dissimilarity in hundredths of its limit, in words."""
    return ramp_qml(APPLICABILITY_COLOURS, "DISCRETE")


def margin_qml() -> str:
    """QGIS style of a margin between two classes in percent."""
    return ramp_qml(MARGIN_COLOURS, "INTERPOLATED")


def range_qml() -> str:
    """QGIS style of a squared distance in hundredths of its limit, in words."""
    return ramp_qml(RANGE_COLOURS, "DISCRETE")


def ramp_qml(entries: Mapping[int, tuple[str, str]], kind: str) -> str:
    """QGIS style of the first band: value → colour and label, the values between them as QGIS's `kind` of ramp has it."""
    items = "".join(f'          <item value="{value}" label="{label}" color="{color}" alpha="255"/>\n' for value, (color, label) in entries.items())
    largest = max(entries)
    shader = (f'      <rastershader>\n        <colorrampshader colorRampType="{kind}" classificationMode="1" clip="0" '
              f'minimumValue="0" maximumValue="{largest}" labelPrecision="0">\n{items}        </colorrampshader>\n      </rastershader>\n')
    attributes = ('type="singlebandpseudocolor" band="1" opacity="1" alphaBand="-1" nodataColor="" '
                  f'classificationMin="0" classificationMax="{largest}"')
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


def named(qml: str, name: str) -> str:
    """A style that also holds a name for its layer, see `toolbox.styling`."""
    option = f'<Option type="QString" name="{LAYER_NAME}" value="{escaped(name)}"/>'
    properties = f'  <customproperties>\n    <Option type="Map">\n      {option}\n    </Option>\n  </customproperties>\n'
    return qml.replace('styleCategories="Symbology', 'styleCategories="Symbology|CustomProperties', 1).replace("</qgis>", f"{properties}</qgis>", 1)
