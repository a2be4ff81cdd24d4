"""Names and colours that a class raster brings along, from every place where programs keep them."""

import geopandas
import numpy as np
import pandas
import pyogrio
import pytest
import rasterio
import rasterio.shutil
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import ClassMap
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.class_names import NamedClass, classes_in_file, classes_of_layer
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS

from .. import networks, scenes, scenes_import
from ..listening import Listening

CATEGORIES = "<CategoryNames><Category/><Category>water</Category><Category>wood &amp; scrub</Category></CategoryNames>"
#: Usages of GDAL: 5 the value, 2 the name, 6 to 8 the colour.
TABLE = ('<GDALRasterAttributeTable tableType="thematic">' + "".join(
    f'<FieldDefn index="{index}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
    for index, (name, kind, usage) in enumerate((("V", 0, 5), ("N", 2, 2), ("R", 0, 6), ("G", 0, 7), ("B", 0, 8))))
    + '<Row index="0"><F>2</F><F>Wälder</F><F>0</F><F>128</F><F>0</F></Row><Row index="1"><F>1</F><F>Wasser</F><F>0</F><F>0</F><F>255</F></Row>'
    "</GDALRasterAttributeTable>")
#: As Esri writes it: no usages.
ESRI_TABLE = TABLE.replace("<Name>V<", "<Name>VALUE<").replace("<Name>N<", "<Name>Class_Name<").replace("<Name>R<", "<Name>Red<").replace(
    "<Name>G<", "<Name>Green<").replace("<Name>B<", "<Name>Blue<")
for number in (2, 5, 6, 7, 8):
    ESRI_TABLE = ESRI_TABLE.replace(f"<Usage>{number}<", "<Usage>0<")
GERMAN = {1: NamedClass("Wasser", "#0000ff"), 2: NamedClass("Wälder", "#008000")}


@pytest.fixture
def cover(folder):
    """A raster of 1 (left) and 2 (right) where `scenes.two_halves` lies."""
    with rasterio.open(scenes.two_halves(folder)) as image:
        values = (image.read(1) > 1500).astype(np.uint8) + 1
    return scenes.write_raster(folder / "cover.tif", values[None])


def describe(path, content):
    (path.parent / (path.name + ".aux.xml")).write_text(f'<PAMDataset><PAMRasterBand band="1">{content}</PAMRasterBand></PAMDataset>',
                                                        encoding="utf-8")


def told(path, progress=None):
    with rasterio.open(path) as opened:
        return classes_in_file(opened, str(path), **({"progress": progress} if progress else {}))


def dataset_of(folder, labels, heard=None, **values):
    job = JOBS["create_training_dataset"].from_values(
        {"images": [str(folder / "two_halves.tif")], "labels": labels, "tile_size": 32, "stride": 8, "validation_share": 0, "test_share": 0, **values,
         "output": str(folder / "out")})
    job.run(heard or Listening())
    return [(row.value, row.name, row.color) for row in Dataset.open(folder / "out").classes]


def test_a_raster_that_says_nothing(cover):
    assert told(cover) == {}


@pytest.mark.parametrize(("content", "known"), [
    (CATEGORIES, {1: NamedClass("water", ""), 2: NamedClass("wood & scrub", "")}), (TABLE, GERMAN), (ESRI_TABLE, GERMAN),
    (CATEGORIES + TABLE, {1: NamedClass("water", "#0000ff"), 2: NamedClass("wood & scrub", "#008000")}),
    (TABLE.replace("<Type>0</Type><Usage>5", "<Type>1</Type><Usage>5").replace("<F>2</F>", "<F>2.5</F>"), {1: GERMAN[1]}),
    (TABLE.replace(">128<", ">300<"), {1: GERMAN[1], 2: NamedClass("Wälder", "")}),
    (TABLE.replace("<F>Wälder</F>", "<F>a\n b</F>"), {1: GERMAN[1], 2: NamedClass("a b", "#008000")}),
])
def test_what_gdal_keeps(cover, content, known):
    describe(cover, content)
    assert told(cover) == known


def test_names_inside_a_file_of_erdas(cover):
    names = "".join(f'<Row index="{row}"><F>{name}</F></Row>' for row, name in enumerate(("", "Wasser", "Wälder")))
    describe(cover, f'<GDALRasterAttributeTable><FieldDefn index="0"><Name>Class_Names</Name><Type>2</Type><Usage>2</Usage></FieldDefn>{names}'
                    "</GDALRasterAttributeTable>")
    inside = cover.with_suffix(".img")
    rasterio.shutil.copy(cover, inside, driver="HFA")
    inside.with_name("cover.img.aux.xml").unlink()
    assert {value: known.name for value, known in told(inside).items() if known.name} == {1: "Wasser", 2: "Wälder"}


@pytest.mark.parametrize("name", ["cover.tif.vat.dbf", "cover.vat.dbf"])
def test_the_table_of_esri_beside_it(cover, folder, name):
    rows = pandas.DataFrame({"Value": [1, 2], "Count": [9, 9], "CODE": ["511", "311"], "LABEL3": ["Wasser", "Wälder"], "Red": [0.0, 0.0],
                             "Green": [0.0, 0.502], "Blue": [1.0, 0.0]})
    pyogrio.write_dataframe(rows, folder / "table.dbf", driver="ESRI Shapefile", encoding="utf-8")
    (folder / "table.dbf").rename(folder / name)
    (folder / "table.cpg").rename((folder / name).with_suffix(".cpg"))
    assert told(cover) == GERMAN
    (folder / name).write_bytes(b"no table")
    heard = Listening()
    assert told(cover, heard) == {}
    assert f"{folder / name} cannot be read" in heard.texts[0] and "names of classes in it are not used" in heard.texts[0]


def test_the_symbology_goes_first_and_numbers_are_no_names(cover):
    describe(cover, TABLE)
    styled = {"classes": [{"value": "1", "name": "Lake", "color": ""}, {"value": "2", "name": "2", "color": "#010203"}]}
    with Raster(str(cover), categories=styled) as raster:
        assert classes_of_layer(raster, 0) == {1: NamedClass("Lake", "#0000ff"), 2: NamedClass("Wälder", "#010203")}


def test_a_map_of_our_own_keeps_its_names_as_labels(folder):
    image = str(scenes.two_halves(folder))
    model = package.open(networks.write_threshold_model(folder / "m.onnx", classes=((3, "Wasser & Eis", "#1f77b4"), (9, "Wald", "#228833"))))
    map_scene(model, MapRequest([{"path": image}], device="cpu"), [ClassMap(str(folder / "map.tif"))])
    assert dataset_of(folder, str(folder / "map.tif")) == [(3, "Wasser & Eis", "#1f77b4"), (9, "Wald", "#228833")]


def test_what_the_user_says_goes_first(cover, folder):
    describe(cover, TABLE)
    (folder / "classes.csv").write_text("value,name\n2,Forest\n1,\n", encoding="utf-8")
    assert dataset_of(folder, str(cover), class_table=str(folder / "classes.csv")) == [(2, "Forest", "#008000"), (1, "Wasser", "#0000ff")]


@pytest.mark.parametrize("value", ["drei", "1,0", "1.5"])
def test_a_value_that_no_pixel_can_have_is_refused(cover, folder, value):
    (folder / "classes.csv").write_text(f'value;name\n1;water\n\n"{value}";wood\n', encoding="utf-8")
    with pytest.raises(DataError) as caught:
        dataset_of(folder, str(cover), class_table=str(folder / "classes.csv"))
    assert str(caught.value) == (f"Row 2 of “Classes” has the value “{value}”, but the labels in {cover} are whole numbers (1, 2). Write such a "
                                 "number there, as 1 and not as 1,0, or leave the row out.")
    assert not (folder / "out").exists()


@pytest.mark.parametrize("codes", [[1, 2], ["1", "drei"]])
def test_a_field_of_numbers_refuses_it_and_one_of_text_does_not(cover, folder, codes):
    west, north = scenes.ORIGIN
    halves = [shapely.box(west, north - 960, west + 480, north), shapely.box(west + 480, north - 960, west + 960, north)]
    geopandas.GeoDataFrame({"code": codes}, geometry=halves, crs=scenes.UTM).to_file(folder / "fields.gpkg")
    asked = {"class_field": "code", "class_table": [["1", "water"], ["drei", "wood"]]}
    if codes[1] == "drei":
        assert [row[1] for row in dataset_of(folder, str(folder / "fields.gpkg"), **asked)] == ["water", "wood"]
        return
    with pytest.raises(DataError, match=r"Row 2 of “Classes” has the value “drei”, but the labels in .*fields.gpkg are whole numbers \(1, 2\)"):
        dataset_of(folder, str(folder / "fields.gpkg"), **asked)


def test_two_rasters_with_colours_and_no_names(cover, folder):
    second = scenes.write_raster(folder / "second.tif", rasterio.open(cover).read())
    for path in (cover, second):
        with rasterio.open(path, "r+") as target:
            target.write_colormap(1, {1: (0, 0, 255), 2: (0, 128, 0)})
    assert [row[2] for row in dataset_of(folder, [str(cover), str(second)])] == ["#0000ff", "#008000"]


def imported(folder, **values):
    JOBS["import_dataset"].from_values({"validation_share": 0, "test_share": 0, **values, "output": str(folder / "out")}).run(Listening())
    return Dataset.open(folder / "out")


def test_label_images_keep_their_names_and_agree_on_them(folder):
    source = scenes_import.image_pairs(folder)
    (source / "classes.csv").unlink()
    masks = sorted((source / "masks").glob("*.tif"))
    describe(masks[1], TABLE)
    assert {row.name for row in imported(folder, source=str(source)).classes if row.value < 9} == {"Wasser", "Wälder"}
    describe(masks[2], CATEGORIES)
    with pytest.raises(DataError, match=r"The value 1 is “Wasser” in .*tile_01.tif, but “water” in .*tile_02.tif. Give it the same meaning in all"):
        imported(folder / "other", source=str(source))
    with pytest.raises(DataError, match=r"Row 2 of “Classes” has the value “1.5”, but the labels in .* are whole numbers. Write such a number"):
        imported(folder / "other", source=str(source), class_table=[["1", "a"], ["1.5", "b"]])
