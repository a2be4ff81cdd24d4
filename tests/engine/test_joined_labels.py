"""Several images and several layers of labels: each image takes those that lie on it, and all share their classes."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin
from rasterio.warp import transform

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.labels import open_labels
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS

from ..listening import Listening
from ..scenes import write_raster

#: The upper left corner of an image in each zone, hundreds of kilometres apart.
ZONES = {"EPSG:32632": (400_000, 5_300_000), "EPSG:32633": (500_000, 5_300_000)}


@pytest.fixture
def zones(folder):
    """An image of 64 × 96 px in each of two zones, and a class raster for each: 3 left and 5 right, in the other zone 5 left and 8 right."""
    sources = []
    for (crs, (west, north)), (left, right) in zip(ZONES.items(), ((3, 5), (5, 8)), strict=True):
        place = {"crs": crs, "transform": from_origin(west, north, 10, 10)}
        label = np.full((1, 64, 96), left, np.uint8)
        label[:, :, 48:] = right
        number = crs[-2:]
        image = np.stack([label[0] * np.uint16(100), label[0]])
        sources.append((str(write_raster(folder / f"image_{number}.tif", image, names=["B04", "B08"], **place)),
                        str(write_raster(folder / f"labels_{number}.tif", label, **place))))
    return sources


def made(folder, progress, **values):
    JOBS["create_training_dataset"].from_values({"tile_size": 32, "validation_share": 0, "test_share": 0, **values, "output": str(folder / "out")}
                                                ).run(progress)
    return Dataset.open(folder / "out")


def labelled_right(dataset):
    """Every pixel's class is the hundredth of its value."""
    everything = np.arange(len(dataset))
    values = np.array([row.value for row in dataset.classes])
    return (values[dataset.labels(everything)] * 100 == dataset.images(everything)[:, 0]).all()


def test_scenes_of_two_zones_take_each_its_own_raster(folder, zones):
    (first, first_labels), (second, second_labels) = zones
    heard = Listening()
    dataset = made(folder, heard, images=[first, second], labels=[second_labels, first_labels])
    assert [row.value for row in dataset.classes] == [3, 5, 8]
    assert set(dataset.tiles["scene"]) == {"image_32.tif", "image_33.tif"} and len(dataset) == 12
    assert labelled_right(dataset)
    assert not any("left out" in text for text in heard.texts)
    assert dataset.description["labels"]["checksum"].startswith("sha256:")


def test_an_image_that_no_label_reaches_is_left_out_with_the_reason(folder, zones):
    (first, first_labels), (second, _) = zones
    heard = Listening()
    dataset = made(folder, heard, images=[second, first], labels=first_labels)
    assert set(dataset.tiles["scene"]) == {"image_32.tif"} and len(dataset.description["scenes"]) == 1
    told = next(text for text in heard.texts if "is left out, because no label lies on image_33.tif" in text)
    assert f"{first_labels} reaches over (400000, 5.29936e+06) to (400960, 5.3e+06), and the image over" in told
    assert any("6 of 6 tiles kept; 0 have too few valid pixels, 0 too few labelled ones." in text for text in heard.texts)
    with pytest.raises(DataError, match="do not overlap the images"):
        made(folder / "alone", heard, images=[second], labels=[first_labels])


def test_a_layer_that_reaches_no_image_is_named(folder, zones):
    (first, first_labels), (_, second_labels) = zones
    heard = Listening()
    dataset = made(folder, heard, images=[first], labels=[first_labels, second_labels])
    assert [row.value for row in dataset.classes] == [3, 5]
    assert any(f"The labels {second_labels} do not overlap the images" in text and text.endswith("It is left out.") for text in heard.texts)


@pytest.mark.parametrize("unlabelled", ["ignored", "background"])
def test_an_image_without_features_may_be_empty_ground(folder, zones, unlabelled):
    (first, _), (second, _) = zones
    west, north = ZONES["EPSG:32632"]
    fields = geopandas.GeoDataFrame({"kind": ["a", "b"]}, crs="EPSG:32632", geometry=[
        shapely.box(west, north - 640, west + 320, north), shapely.box(west + 640, north - 640, west + 960, north)])
    fields.to_file(folder / "fields.gpkg")
    heard = Listening()
    dataset = made(folder, heard, images=[first, second], labels=str(folder / "fields.gpkg"), class_field="kind", unlabelled=unlabelled)
    empty = dataset.tiles["scene"].to_numpy() == "image_33.tif"
    if unlabelled == "ignored":
        assert not empty.any() and any("image_33.tif is left out, because no label lies on" in text for text in heard.texts)
    else:
        assert empty.sum() == 6 and (dataset.labels(np.flatnonzero(empty)) == 0).all()
        assert any("image_33.tif is taken for background, because no label lies on" in text for text in heard.texts)


def test_a_class_raster_that_ends_makes_no_background(folder, zones):
    (first, first_labels), (second, _) = zones
    dataset = made(folder, Listening(), images=[first, second], labels=[first_labels], unlabelled="background")
    assert set(dataset.tiles["scene"]) == {"image_32.tif"}


def test_the_first_layer_that_knows_a_pixel_counts(folder, zones):
    image, labels = zones[0]
    with rasterio.open(labels) as source:
        place = {"crs": source.crs, "transform": source.transform}
    corrections = np.zeros((1, 64, 96), np.uint8)
    corrections[:, :8] = 9
    write_raster(folder / "corrections.tif", corrections, nodata=0, **place)
    grid = Raster(image).grid
    joined = open_labels([{"path": str(folder / "corrections.tif")}, {"path": labels}], [grid])
    values = np.array([row.value for row in joined.legend.classes])[joined.read(grid, grid.window)]
    assert (values[:8] == 9).all() and (values[8:, :48] == 3).all() and (values[8:, 48:] == 5).all()


def named(path, **names):
    return {"path": path, "categories": {"classes": [{"value": key[1:], "name": name, "color": "#123456"} for key, name in names.items()]}}


def test_names_are_joined_and_conflicts_refused(folder, zones):
    (first, first_labels), (second, second_labels) = zones
    grids = [Raster(first).grid, Raster(second).grid]
    joined = open_labels([named(first_labels, _3="meadow", _5="5"), named(second_labels, _5="forest", _8="water")], grids)
    assert [(row.value, row.name) for row in joined.legend.classes] == [(3, "meadow"), (5, "forest"), (8, "water")]
    pair = [named(first_labels, _3="meadow", _5="forest"), named(second_labels, _5="water", _8="sand")]
    with pytest.raises(DataError, match="The value 5 is “forest” in .*labels_32.tif, but “water” in .*labels_33.tif. Give values and names the same"):
        open_labels(pair, grids)
    with pytest.raises(DataError, match="“Forest” is the value 3 in .*labels_32.tif, but 8 in .*labels_33.tif"):
        open_labels([named(first_labels, _3="forest"), named(second_labels, _8="Forest")], grids)
    table = [{"value": value, "name": name, "color": ""} for value, name in (("3", "meadow"), ("5", "wood"), ("8", "water"))]
    assert [row.name for row in open_labels(pair, grids, class_table=table).legend.classes] == ["meadow", "wood", "water"]


def test_new_labels_of_several_rasters_join_a_dataset(folder, zones):
    (first, first_labels), (second, second_labels) = zones
    made(folder / "old", Listening(), images=[first, second], labels=[first_labels, second_labels])
    west, north = transform("EPSG:32633", "EPSG:32632", [ZONES["EPSG:32633"][0] + 20_000], [ZONES["EPSG:32633"][1]])
    label = np.full((1, 64, 64), 8, np.uint8)
    label[:, :, 32:] = 3
    place = {"crs": "EPSG:32632", "transform": from_origin(round(west[0]), round(north[0]), 10, 10)}
    image = write_raster(folder / "new.tif", np.stack([label[0] * np.uint16(100), label[0]]), names=["B04", "B08"], **place)
    write_raster(folder / "new_labels.tif", label, **place)
    dataset = made(folder, Listening(), images=[str(image)], labels=[first_labels, str(folder / "new_labels.tif")],
                   append_to=str(folder / "old" / "out"))
    assert len(dataset) == 16 and labelled_right(dataset)


def test_classes_by_name_do_not_fit_a_raster_of_numbers(folder, zones):
    image, labels = zones[0]
    table = [{"value": name, "name": name, "color": ""} for name in ("meadow", "forest")]
    with pytest.raises(DataError, match=r"Row 1 of “Classes” has the value “meadow”, but the labels in .*labels_32.tif are whole numbers \(3, 5\)."):
        open_labels({"path": labels}, [Raster(image).grid], class_table=table)
