"""Imported images that store their values in different ways: each is brought to the first, or refused."""

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS

from .. import scenes
from ..listening import Listening
from .test_formats import imported

#: Digital numbers of four bands, 64 x 64 px: dark and bright squares of 8 px.
NUMBERS = (np.add.outer(np.arange(64) // 8, np.arange(64) // 8) % 2 * 800 + np.array([400, 600, 900, 2000])[:, None, None]).astype(np.uint16)
NAMES = ("B02", "B03", "B04", "B08")


def test_images_that_store_their_values_otherwise_are_brought_to_the_first(tmp_path):
    def imported_pairs(place, images, preset):
        root = pairs_with_scales(tmp_path / place, images)
        return imported(tmp_path / place / "made", source=str(root), preset=preset, validation_share=0, test_share=0)

    dataset = imported_pairs("alike", [(1e-4, 0.0, 1200), (1e-4, -0.1, 2200), (2e-4, 0.0, 600)], "sentinel2_l2a")
    assert {int(value) for value in np.unique(dataset.images(dataset.indices("all")))} == {1200}
    with pytest.raises(DataError, match="a.tif declares that the values of B04 are .* and .*b.tif declares nothing"):
        imported_pairs("mixed", [(1e-4, -0.1, 2200), (1.0, 0.0, 1200)], "generic")
    with pytest.raises(DataError, match="declares that values of its band 1 are"):
        imported_pairs("wrong", [(float("nan"), 0.0, 1200)], "generic")


def written(folder, images, names=NAMES):
    """GeoTIFF pairs of these images (name → array), in rows of places, with the classes 1 and 2 on the squares; `names` may be a row for each."""
    for kind in ("images", "labels"):
        (folder / "pairs" / kind).mkdir(parents=True)
    for number, (name, values) in enumerate(images.items()):
        place = {"transform": rasterio.transform.from_origin(500_000 + 2000 * number, 5_300_000, 10, 10)}
        own = names[number] if names and not isinstance(names[0], str) else names
        scenes.write_raster(folder / "pairs/images" / f"{name}.tif", values, names=own, **place)
        scenes.write_raster(folder / "pairs/labels" / f"{name}.tif", (NUMBERS[0] > 800).astype(np.uint8) + 1, **place)
    return folder / "pairs"


def taken(folder, source, preset="generic"):
    """What the job makes of pairs, and what it says."""
    heard = Listening()
    values = {"source": str(source), "preset": preset, "validation_share": 0, "test_share": 0, "output": str(folder / "made")}
    JOBS["import_dataset"].from_values(values).run(heard)
    return Dataset.open(folder / "made"), heard


def test_fractions_beside_digital_numbers(tmp_path):
    images = {"a": NUMBERS, "b": NUMBERS, "c": (NUMBERS * 1e-4).astype(np.float32)}
    dataset, heard = taken(tmp_path, written(tmp_path, images), "sentinel2_l2a")
    assert all((image == NUMBERS).all() for image in dataset.images(dataset.indices("all"))) and dataset.sensors[0].dtype == "uint16"
    assert any("1 images store their values in another way" in text for text in heard.texts)
    images = {name: values.astype(np.float32) for name, values in images.items()}
    with pytest.raises(DataError, match="as fractions and digital numbers do"):
        taken(tmp_path / "floats", written(tmp_path / "floats", images))


def test_the_baseline_in_the_name_of_each_image_counts(tmp_path):
    images = {f"S2B_MSIL2A_20230615T10203{number}_{baseline}_R065_T33UUU": NUMBERS + np.uint16(add)
              for number, (baseline, add) in enumerate((("N0214", 0), ("N0509", 1000), ("N0510", 1000)))}
    source = written(tmp_path, images)
    dataset, _ = taken(tmp_path, source, "sentinel2_l2a")
    assert all((image == NUMBERS).all() for image in dataset.images(dataset.indices("all"))) and dataset.sensors[0].bands[0].offset == 0
    (tmp_path / "generic").mkdir()
    with pytest.raises(DataError, match="is of processing baseline 02.14 and .* of 05.09"):
        taken(tmp_path / "generic", source)


@pytest.mark.parametrize("names", [("blue", "green", "red", "nir"), NAMES[::-1], ()])
def test_bands_are_told_by_their_names(names, tmp_path):
    source = written(tmp_path, {"a": NUMBERS, "b": NUMBERS}, [NAMES, names])
    if "red" in names:
        assert [band.name for band in taken(tmp_path, source)[0].sensors[0].bands] == list(NAMES)
        return
    numbers = ("Band 2", "Band 3", "Band 4", "Band 8")
    numbered = written(tmp_path / "numbered", {"a": NUMBERS, "b": NUMBERS}, [numbers, numbers[::-1]])
    with pytest.raises(DataError, match="b.tif has the bands Band 8, Band 4, Band 3, Band 2, but"):
        taken(tmp_path / "numbered", numbered)
    with pytest.raises(DataError, match=r"b.tif has the bands (B08, B04, B03, B02|band 1, .*), but .*a.tif B02, B03, B04, B08"):
        taken(tmp_path, source)


def test_a_sensor_that_the_values_contradict_is_refused(tmp_path):
    power = (NUMBERS[:2] * 1e-4).astype(np.float32)
    with pytest.raises(DataError, match="backscatter in dB is negative nearly everywhere"):
        taken(tmp_path, written(tmp_path, {"a": power, "b": power}, ("VV", "VH")), "sentinel1_db")


@pytest.mark.parametrize(("alpha", "count"), [(NUMBERS[3] // 20, 4), (np.where(np.arange(64) < 16, 0, 255)[None].repeat(64, 0), 3)])
def test_a_near_infrared_that_is_called_alpha_is_a_band(alpha, count, tmp_path):
    values = np.concatenate([NUMBERS[:3] // 20, alpha[None]]).astype(np.uint8)
    source = written(tmp_path, {"a": values, "b": values}, ())
    for path in (source / "images").iterdir():
        with rasterio.open(path, "r+") as file:
            file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    dataset, _ = taken(tmp_path, source)
    labels = dataset.labels(dataset.indices("all"))
    assert len(dataset.sensors[0].bands) == count
    assert (labels[:, :, :16] == 255).all() == (count == 3) and (labels[:, :, 16:] < 2).all()


def test_a_picture_with_a_colour_table_is_no_image(tmp_path):
    source = written(tmp_path, {"a": NUMBERS[:1].astype(np.uint8)}, ())
    with rasterio.open(source / "images" / "a.tif", "r+") as file:
        file.write_colormap(1, {1: (255, 0, 0)})
    with pytest.raises(DataError, match="numbers of colours in a table"):
        taken(tmp_path, source)


def test_what_was_not_measured_is_found_as_elsewhere(tmp_path):
    """Nodata that was rounded when it was written as text, and zeros that the sensor calls empty."""
    left = np.arange(64) < 16
    rounded = np.where(left, np.float32(-3.4028235e38), NUMBERS.astype(np.float32))
    source = written(tmp_path, {"a": rounded})
    with rasterio.open(source / "images" / "a.tif", "r+") as file:
        file.nodata = -3.40282e38
    empty = written(tmp_path / "empty", {"a": np.where(left, 0, NUMBERS).astype(np.float32)})
    for place, folder, preset in ((source, tmp_path, "generic"), (empty, tmp_path / "empty", "sentinel2_l2a")):
        dataset, _ = taken(folder, place, preset)
        image, labels = dataset.images(np.array([0]))[0], dataset.labels(np.array([0]))[0]
        assert np.isnan(image[:, :, left]).all() and (image[:, :, ~left] == NUMBERS[:, :, ~left]).all() and (labels[:, left] == 255).all()


def pairs_with_scales(folder, images):
    """GeoTIFF pairs of one band B04 with (scale, offset, value) in the files."""
    for name, (scale, offset, value) in zip("abc", images, strict=False):
        for kind, array, names in (("images", np.full((1, 32, 32), value, np.uint16), ["B04"]), ("labels", np.eye(32, dtype=np.uint8)[None], ())):
            (folder / "pairs" / kind).mkdir(parents=True, exist_ok=True)
            scenes.write_raster(folder / "pairs" / kind / f"{name}.tif", array, names=names)
        with rasterio.open(folder / "pairs" / "images" / f"{name}.tif", "r+") as file:
            file.scales, file.offsets = [scale], [offset]
    return folder / "pairs"
