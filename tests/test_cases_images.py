"""Images whose files say what their numbers mean, or contradict what was asked; inputs that once went wrong, with their truth."""

import json
from pathlib import Path

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS

from .conftest import ROOT
from .listening import Listening

CASES = ROOT.parent / "shared" / "cases"
pytestmark = [pytest.mark.realdata, pytest.mark.skipif(not CASES.is_dir(), reason="The cases are not beside this checkout.")]


def run(job, output, **values):
    heard = Listening()
    JOBS[job].from_values({**values, "output": str(output)}).run(heard)
    return Dataset.open(output), heard.texts


def tiles(case, output, images, preset="generic", labels="labels.gpkg", **more):
    place = CASES / case
    return run("create_training_dataset", output, images=[str(place / image) for image in images], labels=str(place / labels), class_field="class",
               tile_size=32, preset=preset, **more)


def physical(dataset, band, indices):
    info = next(each for each in dataset.sensors[0].bands if each.name == band)
    values = dataset.images(indices)[:, [each.name for each in dataset.sensors[0].bands].index(band)].astype(float)
    return values * info.scale + info.offset


@pytest.mark.parametrize("preset", ["generic", "sentinel2_l2a"])
def test_a_season_across_a_change_of_the_offset(preset, folder):
    place = CASES / "offset_changes_between_scenes"
    dataset, _ = run("create_crop_dataset", folder / "ds", images=sorted(map(str, place.glob("S2A_*.tif"))), parcels=str(place / "parcels.gpkg"),
                     crop_field="crop", kind="parcels", preset=preset, split_by="parcel")
    values = dataset.images(np.arange(len(dataset))).astype(float)
    red = [band.name for band in dataset.sensors[0].bands].index("B04") if "B04" in [band.name for band in dataset.sensors[0].bands] else 0
    band = dataset.sensors[0].bands[red]
    seen = values[..., red] * band.scale + band.offset
    assert np.allclose(seen, seen[:, :1], atol=1e-6), "the ground does not change"
    assert np.isclose(seen, 0.12, atol=1e-6).any()


def test_two_scenes_with_different_offsets(folder):
    dataset, said = tiles("offset_changes_between_scenes", folder / "ds", ["old.tif", "new.tif"], labels="both.gpkg")
    labels, name = dataset.labels(np.arange(len(dataset))), dataset.sensors[0].bands[0].name
    first = next(position for position, row in enumerate(dataset.classes) if row.name == "1" or row.value == 1)
    assert np.allclose(physical(dataset, name, np.arange(len(dataset)))[labels == first], 0.12, atol=1e-6)
    assert any("brought to its scale and offset" in text for text in said)


def test_a_file_that_contradicts_its_sensor_is_believed(folder):
    name = next(path.name for path in (CASES / "file_contradicts_sensor").glob("new_baseline*.tif"))
    dataset, said = tiles("file_contradicts_sensor", folder / "ds", [name], "sentinel2_l2a")
    assert {(band.scale, round(band.offset, 6)) for band in dataset.sensors[0].bands} == {(1e-4, -0.1)}
    assert any("They are read as the file says" in text for text in said)


def test_fractions_beside_whole_numbers(folder):
    dataset, _ = tiles("file_contradicts_sensor", folder / "ds", ["fractions.tif", "dn.tif"], "sentinel2_l2a", labels="both.gpkg")
    values = physical(dataset, dataset.sensors[0].bands[0].name, np.arange(len(dataset)))
    assert values.max() < 1.5


def test_linear_values_under_a_sensor_in_decibel(folder):
    place = CASES / "file_contradicts_sensor"
    if not (place / "linear_backscatter.tif").exists():
        pytest.skip("The image is not among the cases.")
    with pytest.raises(DataError, match="backscatter in dB is negative nearly everywhere"):
        tiles("file_contradicts_sensor", folder / "ds", ["linear_backscatter.tif"], "sentinel1_db")


@pytest.mark.parametrize(("image", "preset", "expected"), [("planet.tif", "sentinel2_l2a", ["B04", "B03", "B02", "B08"]),
                                                           ("bgr.tif", "sentinel2_l2a", ["B02", "B03", "B04"])])
def test_bands_with_common_names(image, preset, expected, folder):
    dataset, _ = tiles("named_bands_taken_by_number", folder / "ds", [image], preset)
    assert [band.name for band in dataset.sensors[0].bands] == expected


@pytest.mark.parametrize("image", ["bright.tif", "dark.tif"])
def test_a_near_infrared_called_alpha_is_a_band(image, folder):
    dataset, _ = tiles("near_infrared_called_alpha", folder / "ds", [image])
    assert [band.name for band in dataset.sensors[0].bands] == ["red", "green", "blue", "nir"]
    assert len(dataset.classes) == 2


def test_a_class_raster_with_an_alpha_band(folder):
    place = CASES / "alpha_band_on_a_class_raster"
    dataset, _ = run("create_training_dataset", folder / "ds", images=[str(place / "image.tif")], labels=str(place / "classes_alpha.tif"),
                     tile_size=32)
    table = dataset.tiles
    assert (table["labelled"] > 0).all()


def test_cloud_masks_with_an_alpha_band(folder):
    place = CASES / "alpha_band_on_a_class_raster"
    dataset, _ = run("create_crop_dataset", folder / "ds", images=sorted(map(str, place.glob("S2_*.tif"))),
                     masks=sorted(map(str, place.glob("cloud_*.tif"))), mask_kind="mask",
                     parcels=str(place / "parcels.gpkg"), crop_field="crop", kind="parcels", split_by="parcel")
    assert len(dataset)


def test_a_picture_with_a_colour_table_is_no_image(folder):
    with pytest.raises(DataError, match=r"palette.tif holds numbers of colours in a table, and no measurements. .*“PCT to RGB”"):
        tiles("paletted_picture_as_image", folder / "ds", ["palette.tif"])
    assert not (folder / "ds").exists()


def test_the_day_of_writing_is_not_the_day_of_the_image(folder):
    place = CASES / "date_of_writing_taken_for_acquisition"
    radar = sorted(map(str, [*place.glob("S1A*2019*.tif"), *place.glob("S1A*2024*.tif")]))
    output = folder / "ds"
    JOBS["create_pretraining_dataset"].from_values({
        "images": [str(next(place.glob("S2A*.tif")))], "second_images": radar, "preset": "sentinel2_l2a", "second_preset": "sentinel1_db",
        "tile_size": 32, "output": str(output)}).run(Listening())
    scene = json.loads((Path(output) / "dataset.json").read_text(encoding="utf-8"))["scenes"][0]
    assert scene["date"] == "2019-06-21"
    assert [partner["date"] for partner in scene["partners"].values()] == ["2019-06-22"]
