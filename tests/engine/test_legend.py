import msgspec
import numpy as np
import pytest

from eo_pretrain_qgis.engine.cards import ClassInfo
from eo_pretrain_qgis.engine.datasets.legend import PALETTE, class_key, make_legend, refuse_rare
from eo_pretrain_qgis.errors import DataError

from ..listening import Listening


@pytest.mark.parametrize(("value", "key"), [
    (3, "3"), (3.0, "3"), ("3.0", "3"), (3.5, "3.5"), ("03", "03"), (True, "true"), (" wood ", "wood"),
    (None, None), (float("nan"), None), ("", None), (np.array(["a", "b"], object), "a, b"), (np.int64(7), "7"),
    ("Gru\u0308nland", "Gr\u00fcnland"), ("open  water", "open water"), ("open\u00a0water", "open water"),
])
def test_keys(value, key):
    assert class_key(value) == key


def rows(legend):
    return [(row.value, row.name) for row in legend.classes]


def test_values_in_order():
    assert rows(make_legend({"10", "2"}, "It", None, None, False)) == [(2, "2"), (10, "10")]
    assert rows(make_legend({"wood", "arable"}, "It", None, None, False)) == [(1, "arable"), (2, "wood")]
    assert rows(make_legend({"111", "523"}, "It", None, None, False)) == [(1, "111"), (2, "523")], "a Byte map cannot hold 523"


def test_background():
    legend = make_legend({"5"}, "It", None, None, True)
    assert rows(legend) == [(0, "background"), (5, "5")] and legend.unlabelled == 0 and legend.positions == {"5": 1}
    assert rows(make_legend({"0", "1"}, "It", None, None, True)) == [(0, "background"), (1, "0"), (2, "1")], "0 is the background"


def test_names_and_colours_of_symbology_and_table():
    styles = {"classes": [{"value": "1", "name": "Water", "color": "#0000ff"}, {"value": "2", "name": "Wood", "color": "#00ff00"}]}
    legend = make_legend({"1", "2", "3"}, "It", None, styles, False)
    assert [(row.name, row.color) for row in legend.classes] == [("Water", "#0000ff"), ("Wood", "#00ff00"), ("3", PALETTE[2])]
    heard = Listening()
    table = [{"value": "2.0", "name": "Forest", "color": ""}, {"value": "1", "name": "", "color": "#111111"}]
    legend = make_legend({"1", "2", "9"}, "It", table, styles, False, heard)
    assert [(row.value, row.name, row.color) for row in legend.classes] == [(2, "Forest", "#00ff00"), (1, "Water", "#111111")]
    assert heard.texts == ["It has values that are not in the table of classes; they are ignored: 9."]


def test_colours_differ():
    legend = make_legend({str(number) for number in range(254)}, "It", None, None, False)
    assert len({row.color for row in legend.classes}) > 240


def test_too_many_and_too_few():
    with pytest.raises(DataError, match=r"It has 255 different values, but a map can hold 254 classes. Choose another field"):
        make_legend({str(number) for number in range(255)}, "It", None, None, False)
    with pytest.raises(DataError, match=r"All labels are of one class, “water”, and one class teaches nothing. Set “Pixels"):
        make_legend({"water"}, "It", None, None, False)


def test_classes_with_too_few_labels_are_refused_or_told():
    heard = Listening()
    refuse_rare(["water", "wood"], [10, 5000], "fields.gpkg", progress=heard)
    assert heard.said == []
    refuse_rare(["water", "wood", "ice"], [2, 9, 10], "fields.gpkg", "tiles", heard)
    assert heard.warnings == ["fields.gpkg has few labelled tiles of “water” (2), “wood” (9); with fewer than 10 a class is hardly known. Label more "
                              "of it."]
    with pytest.raises(DataError, match="has too few labelled pixels of “water” \\(1\\), “ice” \\(0\\); a class needs at least 2"):
        refuse_rare(["water", "wood", "ice"], [1, 9, 0], "fields.gpkg", progress=heard)


def test_usual_ground_has_its_usual_colour_and_no_two_classes_the_same():
    names = ["Bare soil", "Built-up", "Cropland", "Forest", "Rainforest", "Water", "Forest, young", "Water, shallow"]
    found = {row.name: row.color for row in make_legend(set(names), "It", None, None, False).classes}
    assert (found["Water"], found["Forest"], found["Cropland"], found["Built-up"]) == ("#4477aa", "#228833", "#ccbb44", "#ee6677")
    assert len(set(found.values())) == len(names)


def test_names_from_a_file_have_the_spelling_of_the_labels():
    assert msgspec.convert({"value": 1, "name": "Gru\u0308nland", "color": ""}, ClassInfo).name == class_key("Gr\u00fcnland")


@pytest.mark.parametrize(("found", "table", "told"), [
    ({"Mais", "MAIS", "Raps"}, None, "1 MAIS, 2 Mais"),
    ({"1", "2", "3"}, [{"value": "1", "name": "A", "color": ""}, {"value": "2", "name": "A", "color": ""},
                       {"value": "3", "name": "C", "color": ""}], "1 A, 2 A"),
])
def test_classes_that_look_the_same_are_named(found, table, told):
    heard = Listening()
    make_legend(found, "The field “crop”", table, None, False, heard)
    assert len(heard.texts) == 1 and f"or not at all: {told}. Each is learned as a class of its own" in heard.texts[0]
