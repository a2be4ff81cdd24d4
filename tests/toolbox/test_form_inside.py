"""The form of a layer to be labelled, as QGIS reads it from a style of ours: a list of classes, a day, and fields that are not shown."""

from qgis.core import QgsVectorLayer

from eo_pretrain_qgis.engine.looks.category_style import Category, categorized, color_option
from eo_pretrain_qgis.engine.looks.forms import DAY, HIDDEN, form, value_list


def test_qgis_reads_the_form(tmp_path):
    fields = "Point?crs=EPSG:32633&field=fid:integer&field=id:integer&field=class:integer&field=date:datetime&field=note:string&field=stratum:integer"
    layer = QgsVectorLayer(fields, "places", "memory")
    widgets = {"class": value_list([(1, "water & ice"), (2, "land")]), "date": DAY, "stratum": HIDDEN}
    look = {"name": "circle", "color": color_option("#1f77b4")}
    style = tmp_path / "places.qml"
    shown = form(widgets, ("id",))
    style.write_text(categorized("class", "marker", [Category(1, "water & ice", look)], "Symbology|Fields|Forms", shown), encoding="utf-8")
    _, loaded = layer.loadNamedStyle(str(style))
    assert loaded
    found = {field.name(): layer.editorWidgetSetup(index) for index, field in enumerate(layer.fields())}
    assert {name: setup.type() for name, setup in found.items()} == {
        "fid": "Hidden", "id": "", "class": "ValueMap", "date": "DateTime", "note": "", "stratum": "Hidden"}
    assert [name for index, name in enumerate(found) if layer.editFormConfig().readOnly(index)] == ["id"]
    assert found["class"].config()["map"] == [{"water & ice": "1"}, {"land": "2"}]
    assert found["date"].config()["display_format"] == "yyyy-MM-dd"
