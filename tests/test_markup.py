"""Names of any characters stand in XML, QML and HTML that programs can read."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eo_pretrain_qgis.engine.datasets.dataset import ClassInfo
from eo_pretrain_qgis.engine.looks.category_style import Category, categorized
from eo_pretrain_qgis.engine.looks.class_style import class_map_qml, polygons_qml, raster_attributes
from eo_pretrain_qgis.engine.looks.html_page import bullets, gallery, heading, legend, paragraph, table
from eo_pretrain_qgis.engine.mapping.suggesting.style import suggestions_qml
from eo_pretrain_qgis.markup import escaped, writable

from .fuzzing import fuzzed

NAMES = [*(f"a{chr(code)}b" for code in (*range(32), 0x7f, 0x85, 0xfffe, 0xffff, 0xd800, 0xdfff)), "]]>", "\"'<>&", "<script>", "&#0;", "\U0001f600",
         "$\\frac$", "-->", ""]


def written(names):
    classes = [ClassInfo(value, name, "#ff0000") for value, name in enumerate(names)]
    rows = [(row.value, row.name, row.color) for row in classes]
    return (raster_attributes(classes), class_map_qml(classes), polygons_qml(classes, 'fi"eld'), suggestions_qml(rows, "class"),
            categorized("f", "line", [Category(name, name, {"line_color": name}) for name in names]))


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_xml_is_well_formed_whatever_a_class_is_called(name):
    for text in written([name, "other"]):
        text.encode("utf-8")
        ElementTree.fromstring(text)


def test_names_come_back_from_the_styles():
    root = ElementTree.fromstring(raster_attributes([ClassInfo(1, "a\x01<b>", "#ff0000")]))
    assert [cell.text or "" for cell in root.iter("Category")] == ["", "a\ufffd<b>"]
    entry = ElementTree.fromstring(class_map_qml([ClassInfo(1, "“a” & 'b'", "#ff0000")])).find(".//paletteEntry")
    assert entry.get("label") == "“a” & 'b'"


def test_pages_can_be_written_and_hold_no_tag_of_a_name():
    for name in NAMES:
        page = heading(name) + paragraph(name) + bullets([name]) + table([name], [[name]]) + legend([name], [name]) + gallery([], [name])
        page.encode("utf-8")
        assert "<script>" not in page and "\x00" not in page


def test_what_turns_text_round_is_seen():
    for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A)):
        assert writable(f"fo{chr(code)}rest") == escaped(f"fo{chr(code)}rest") == "fo\ufffdrest", hex(code)
    assert writable("\u05d9\u05e2\u05e8\u200f") == "\u05d9\u05e2\u05e8\u200f", "a Hebrew name with a mark of its direction stays"


@fuzzed(100)
@given(st.lists(st.text(st.characters(), max_size=6), min_size=2, max_size=3))
def test_fuzz_xml_is_well_formed(names):
    for text in written(names):
        ElementTree.fromstring(text.encode("utf-8"))
    assert writable(writable(names[0])) == writable(names[0])
    assert ElementTree.fromstring(f'<a b="{escaped(names[0])}"/>').get("b") is not None
