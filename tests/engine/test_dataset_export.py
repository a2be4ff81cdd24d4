import json
import shutil

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import ClassInfo, Dataset, SensorInfo
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints, write_footprints
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_group import given_split
from eo_pretrain_qgis.engine.datasets.splitting.division import finish
from eo_pretrain_qgis.engine.formats.tile_files import tile_grids
from eo_pretrain_qgis.engine.rasters.sensors import name_bands
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .. import scenes, scenes_import
from ..listening import Listening
from ..scenes_fields import field_dataset


@pytest.fixture(scope="module")
def land(tmp_path_factory):
    return Dataset.open(scenes.land_dataset(tmp_path_factory.mktemp("land")))


def there_and_back(dataset, folder, written):
    JOBS["export_dataset"].from_values({"dataset": str(dataset.folder), "format": written, "output": str(folder / "files")}).run(SILENT)
    JOBS["import_dataset"].from_values({"source": str(folder / "files"), "output": str(folder / "again")}).run(SILENT)
    return Dataset.open(folder / "again")


def kept(dataset):
    return np.flatnonzero(dataset.splits != "dropped")


def assert_equal(first, second):
    mine, theirs = kept(first), np.arange(len(second))
    assert len(mine) == len(theirs)
    np.testing.assert_array_equal(first.labels(mine), second.labels(theirs))
    np.testing.assert_array_equal(first.splits[mine], second.splits)
    for one, other in zip(first.sensors, second.sensors, strict=True):
        np.testing.assert_array_equal(first.images(mine, one.name), second.images(theirs, other.name))
        assert one == other, "names, units, scales, wavelengths, nodata, type"
    assert [(row.name, row.color) for row in first.classes] == [(row.name, row.color) for row in second.classes]


@pytest.mark.parametrize("written", ["geotiff", "esri_tiles"])
def test_tiles_come_back_as_they_were(land, folder, written):
    again = there_and_back(land, folder, written)
    assert_equal(land, again)
    assert [row.value for row in again.classes] == [row.value for row in land.classes]
    for one, other in zip(np.array(tile_grids(land), object)[kept(land)], tile_grids(again), strict=True):
        assert one.same_as(other)


def test_images_with_a_class_each_come_back_as_they_were(folder):
    first = Dataset.open(scenes_import.rgb_dataset(folder))  # without a place
    again = there_and_back(first, folder, "geotiff")
    labels = first.labels(kept(first))
    order = np.argsort(labels, kind="stable")  # folders of classes come one after the other
    np.testing.assert_array_equal(labels[order], again.labels(np.arange(len(again))))
    np.testing.assert_array_equal(first.images(kept(first))[order], again.images(np.arange(len(again))))
    np.testing.assert_array_equal(first.splits[kept(first)][order], again.splits)
    assert first.classes == again.classes
    assert first.sensors == again.sensors
    assert again.description["resolution_m"] == [10.0, 10.0]


def test_two_sensors_come_back_as_they_were(folder):
    """Radar in 32-bit floats with pixels that were not measured, beside optical images with nodata."""
    rng = np.random.default_rng(1)
    optical, radar = rng.integers(1, 3000, (6, 3, 32, 32)).astype(np.uint16), rng.normal(-12, 3, (6, 2, 32, 32)).astype(np.float32)
    optical[1, :, :4], radar[1, :, :, :4] = 0, np.nan
    labels = rng.integers(0, 2, (6, 32, 32)).astype(np.uint8)
    labels[1, :4, :4] = 255
    sensors = [SensorInfo("s2", "sentinel2_l2a", "uint16", 0, tuple(name_bands("sentinel2_l2a", ["B02", "B03", "B04"]))),
               SensorInfo("s1", "sentinel1_db", "float32", None, tuple(name_bands("sentinel1_db", ["VV", "VH"])))]
    shapes = {"s2": ((3, 32, 32), "uint16"), "s1": ((2, 32, 32), "float32"), "labels": ((32, 32), "uint8")}
    with ShardWriter(folder, shapes) as writer:
        writer.add(s2=optical, s1=radar, labels=labels)
        shards = writer.close()
    x, y = scenes.ORIGIN
    boxes = [shapely.box(x + 400 * number, y - 320, x + 400 * number + 320, y) for number in range(6)]
    rows = {"tile": range(6), "scene": "s", "col": range(0, 240, 40), "row": 0, "valid": 1.0, "labelled": 1.0,
            **{f"share_{value}": (labels == value - 1).mean((1, 2)) for value in (1, 2)}}
    tiles = geopandas.GeoDataFrame(rows, geometry=boxes, crs=scenes.UTM)
    scene = {"name": "s", "path": "s", "crs": tiles.crs.to_wkt(), "transform": [10, 0, x, 0, -10, y], "width": 300, "height": 32}
    finish(folder, {"task": "segmentation", "name": "two", "sensors": sensors, "tile_size": 32, "stride": 32, "resolution_m": [10.0, 10.0],
                    "classes": [ClassInfo(1, "=cmd|'/C calc'!A0, b", "#ff0000"), ClassInfo(2, "-2 to 0", "#00ff00")], "ignore": 255,
                    "scenes": [scene], "labels": {}, "shards": shards}, tiles, given_split(["training"] * 3 + ["validation"] + ["test"] * 2))
    first = Dataset.open(folder)
    assert_equal(first, there_and_back(first, folder, "geotiff"))
    table = (folder / "files" / "classes.csv").read_text(encoding="utf-8").splitlines()
    assert table[1:] == ["1,\"'=cmd|'/C calc'!A0, b\",#ff0000", "2,'-2 to 0,#00ff00"], "no spreadsheet computes what stands there"


def test_a_label_image_opens_in_a_gis_with_its_colours_and_place(land, folder):
    JOBS["export_dataset"].from_values({"dataset": str(land.folder), "output": str(folder / "files")}).run(SILENT)
    path = sorted((folder / "files" / "labels").glob("*.tif"))[0]
    index = int(path.stem.rpartition("_")[2])
    with rasterio.open(path) as label, rasterio.open(folder / "files" / "images" / path.name) as image:
        assert label.nodata == 255
        assert label.crs == image.crs == rasterio.crs.CRS.from_epsg(32633)
        assert label.transform == image.transform
        value, color = land.classes[0].value, land.classes[0].color
        assert "#{:02x}{:02x}{:02x}".format(*label.colormap(1)[value][:3]) == color
        assert image.descriptions == ("B04", "B08")
        assert image.scales[0] == pytest.approx(1e-4)
        row = land.tiles.iloc[index]
        assert (image.transform.c, image.transform.f) == (500_000 + 10 * row["col"], 5_300_000 - 10 * row["row"])


def test_esri_files_say_what_arcgis_asks_for(land, folder):
    JOBS["export_dataset"].from_values({"dataset": str(land.folder), "format": "esri_tiles", "output": str(folder / "files")}).run(SILENT)
    definition = json.loads((folder / "files" / "esri_model_definition.emd").read_text())
    told = json.loads((folder / "files" / "esri_accumulated_stats.json").read_text())
    mine = kept(land)
    values = land.images(mine).astype(float)
    assert [row["Mean"] for row in definition["AllTilesStats"]] == pytest.approx(values.mean((0, 2, 3)).tolist())
    assert [row["StdDev"] for row in definition["AllTilesStats"]] == pytest.approx(values.std((0, 2, 3)).tolist())
    assert told["ClassPixelStats"]["NumPixelsPerClass"] == [int((land.labels(mine) == position).sum()) for position in (0, 1)]
    assert told["NumTiles"] == len((folder / "files" / "map.txt").read_text().splitlines()) == len(mine)
    assert all(row["Value"] >= 1 for row in definition["Classes"])


def test_a_class_of_value_0_gets_another_value_for_esri(land, folder):
    shutil.copytree(land.folder, folder / "zero")
    path = folder / "zero" / "dataset.json"
    path.write_text(path.read_text().replace('"value": 1,', '"value": 0,', 1))
    write_footprints(folder / "zero" / "tiles.gpkg", read_footprints(folder / "zero").rename(columns={"share_1": "share_0"}))
    first = Dataset.open(folder / "zero")
    again = there_and_back(first, folder, "esri_tiles")
    assert_equal(first, again)
    assert [row.value for row in again.classes] == [1, 2]


@pytest.mark.parametrize("written", ["geotiff", "esri_tiles"])
def test_fields_come_back_as_classes_of_pixels(folder, written):
    fields = field_dataset(folder)
    heard = Listening()
    JOBS["export_dataset"].from_values({"dataset": str(fields), "format": written, "output": str(folder / "files")}).run(heard)
    assert f"{fields} keeps distance, objects beside its labels, and the layout “{written}” does not: read back, it has classes of pixels alone." \
        in heard.texts
    JOBS["import_dataset"].from_values({"source": str(folder / "files"), "output": str(folder / "again")}).run(SILENT)
    given, again = Dataset.open(fields), Dataset.open(folder / "again")
    assert again.kind.name == "segmentation" and {row.name for row in again.classes} == {row.name for row in given.classes}
    assert len(again) == len(kept(given))
