"""The image of a dataset, opened again: it gives the pixels that were kept, or why it does not."""

import json
import shutil

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.datasets.cutting import filled_image
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.source_images import SourceLostError, open_again, window_of
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..arrays import changed_on_purpose
from ..scenes import land_fields, write_raster
from ..scenes_delivered import safe, zipped


def made(folder, images, **values):
    asked = {"images": [str(image) for image in images], "labels": str(land_fields(folder)), "class_field": "cover", "tile_size": 32,
             "validation_share": 0, "test_share": 0, "output": str(folder / "made"), **values}
    JOBS["create_training_dataset"].from_values(asked).run(SILENT)
    return Dataset.open(asked["output"])


def noise(bands, dtype="uint16", seed=1):
    return np.random.default_rng(seed).integers(1, 3000, (bands, 256, 256)).astype(dtype)


def holes(values, filled):
    values[0, 40:80, 100:170] = filled
    return values


def several_files(folder):
    return made(folder, [write_raster(folder / f"B0{number}.tif", noise(1, seed=number)) for number in (2, 3, 4)], arrangement="bands",
                preset="sentinel2_l2a")


def of_another_scale(folder):
    first = write_raster(folder / "first.tif", noise(1))
    second = write_raster(folder / "second.tif", noise(1, seed=2))
    with rasterio.open(second, "r+") as file:
        file.scales, file.offsets = (0.5,), (-100.0,)
    with rasterio.open(first, "r+") as file:
        file.scales, file.offsets = (0.25,), (10.0,)
    return made(folder, [first, second])


MAKERS = {
    "one file": lambda folder: made(folder, [write_raster(folder / "a.tif", noise(3))]),
    "several files": several_files,
    "a scene of another scale": of_another_scale,
    "nodata in the file": lambda folder: made(folder, [write_raster(folder / "a.tif", holes(noise(2), 0), nodata=0)]),
    "declared nodata": lambda folder: made(folder, [write_raster(folder / "a.tif", holes(noise(2), 0))], nodata=0),
    "no numbers": lambda folder: made(folder, [write_raster(folder / "a.tif", holes(noise(2, "float32"), np.nan))]),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_every_tile_is_read_as_it_was_kept(folder, maker):
    dataset = MAKERS[maker](folder)
    seen = 0
    for name in dict.fromkeys(dataset.tiles["scene"]):
        tiles = np.flatnonzero(dataset.tiles["scene"] == name)
        with open_again(dataset, name, tiles) as scene:
            for tile in tiles:
                found = filled_image(*scene.read(window_of(dataset, tile)), dataset.sensors[0])
                np.testing.assert_array_equal(found, dataset.images(np.array([tile]))[0])
                seen += 1
    assert seen == len(dataset)


@pytest.mark.parametrize("packed", [False, True])
def test_a_product_as_it_was_delivered_is_read_again(folder, packed):
    product = safe(folder)
    product = zipped(product) if packed else product
    values = {"images": [str(product)], "tile_size": 32, "preset": "sentinel2_l2a_0400", "output": str(folder / "made"), "near_duplicates": 0,
              "validation_share": 0}
    JOBS["create_pretraining_dataset"].from_values(values).run(SILENT)
    dataset = Dataset.open(folder / "made")
    with open_again(dataset, dataset.tiles["scene"].iloc[0], dataset.indices("all")) as scene:
        assert len(scene.band_names) == len(dataset.sensors[0].bands)


def lost(dataset):
    with pytest.raises(SourceLostError) as caught:
        open_again(dataset, "a.tif", dataset.indices("all"))
    return str(caught.value)


def test_an_image_that_is_gone_is_named(folder):
    dataset = MAKERS["one file"](folder)
    (folder / "a.tif").rename(folder / "b.tif")
    assert lost(dataset) == f"{folder / 'a.tif'} is no longer there"


def test_an_image_that_has_changed_is_named(folder):
    dataset = MAKERS["one file"](folder)
    with rasterio.open(folder / "a.tif", "r+") as file:
        file.write(file.read(1) + 1, 1)
    assert lost(dataset) == f"{folder / 'a.tif'} has changed"


def test_pixels_that_were_masked_are_no_image(folder):
    dataset = MAKERS["one file"](folder)
    changed_on_purpose(folder / "made")
    images = np.load(folder / "made" / "images-000.npy", mmap_mode="r+")
    images[:, :, :4] = dataset.sensors[0].nodata
    images.flush()
    assert "gives other pixels than were kept" in lost(Dataset.open(folder / "made"))


def test_a_record_never_makes_the_plugin_go_online(folder):
    MAKERS["one file"](folder)
    shutil.copytree(folder / "made", folder / "sent")
    known = json.loads((folder / "sent" / "dataset.json").read_text())
    known["scenes"][0]["files"] = ["https://example.org/a.tif"]
    (folder / "sent" / "dataset.json").write_text(json.dumps(known))
    assert lost(Dataset.open(folder / "sent")) == "https://example.org/a.tif is no longer there"


def test_two_images_of_one_name_are_not_told_apart(folder):
    MAKERS["one file"](folder)
    known = json.loads((folder / "made" / "dataset.json").read_text())
    known["scenes"] *= 2
    (folder / "made" / "dataset.json").write_text(json.dumps(known))
    assert lost(Dataset.open(folder / "made")) == "the dataset describes 2 images called a.tif"
