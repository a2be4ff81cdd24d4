"""Embeddings of other makers are read decoded wherever images are read."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.rasters.decoding import DECODINGS
from eo_pretrain_qgis.engine.rasters.raster import Scene
from eo_pretrain_qgis.engine.rasters.sensors import PRESETS
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.scenes import land_fields, write_raster
from tests.scenes_embeddings import alphaearth_of_land, land_embedding, of_land, tessera_of_land, tessera_without_scales
from tests.scenes_points import land_points


def job(name, **values):
    return JOBS[name].from_values({key: str(value) if not isinstance(value, (list, int)) else value for key, value in values.items()}).run(SILENT)


@pytest.mark.parametrize(("make", "preset", "expected"), [
    (alphaearth_of_land, "alphaearth_v1", lambda stored: (stored / 127.5) ** 2 * np.sign(stored)),
    (tessera_of_land, "tessera_v1", lambda stored: stored * 0.05),
])
def test_datasets_and_maps_see_decoded_values(make, preset, expected, folder):
    image = make(folder)
    job("create_training_dataset", images=[str(image)], labels=land_fields(folder), class_field="cover", preset=preset, tile_size=32,
        output=folder / "data")
    dataset = Dataset.open(folder / "data")
    sensor, first = dataset.sensor_named(), dataset.images(np.array([0]), "image")[0]
    with rasterio.open(image) as source:
        stored = source.read()[:, :32, :32].astype(np.float64)
    assert (sensor.dtype, sensor.preset, sensor.bands[1].name) == ("float32", preset, "A01" if preset == "alphaearth_v1" else "T001")
    assert np.isnan(first[:, 0]).all() and np.allclose(first[:, 1:], expected(stored)[:, 1:], atol=1e-6)

    found = job("map_from_points", images=[str(image)], labels=land_fields(folder), class_field="cover", approach="statistics", preset=preset,
                output=folder / "map.tif", model=folder / "m.onnx", report=folder / "m.html")
    assert found["mean_iou"] > 0.95
    job("predict_map", model=folder / "m.onnx", images=[str(image)], output=folder / "again.tif")
    with rasterio.open(folder / "map.tif") as one, rasterio.open(folder / "again.tif") as other:
        assert (one.read() == other.read()).all() and (one.read(1)[0] == 255).all()


def test_the_length_of_an_alphaearth_pixel_is_kept(folder):
    """Numbers that have the length 1 before they are stored have it, but for rounding, when they are read."""
    rng = np.random.default_rng(0)
    unit = rng.standard_normal((64, 16, 16))
    unit /= np.linalg.norm(unit, axis=0)
    stored = np.rint(np.sign(unit) * np.sqrt(np.abs(unit)) * 127.5).clip(-127, 127).astype(np.int8)
    path = write_raster(folder / "a.tif", stored, names=[f"A{number:02d}" for number in range(64)])
    with Scene.open([{"path": str(path)}], preset="alphaearth_v1") as scene:
        values, valid = scene.read(scene.grid.window)
    assert valid.all() and np.abs(np.linalg.norm(values, axis=0) - 1).max() < 0.02 and np.abs(values - unit).max() < 0.01


def test_the_scales_may_be_given_as_a_second_image(folder):
    image = tessera_of_land(folder)
    with Scene.open([{"path": str(image)}, {"path": str(folder / "tessera_scales.tif")}], preset="tessera_v1") as scene:
        assert len(scene.band_names) == 128 and scene.dtype == "float32"


@pytest.mark.parametrize(("make", "preset", "sentence"), [
    (tessera_without_scales, "tessera_v1",
     "lonely.tif are multiplied by a scale of each pixel, which is a second file, and the raster of the scales, .*lonely_scales.tif, is not there. "
     "Put it there, on the same grid and with one band."),
    (lambda folder: write_raster(folder / "lonely.tif", of_land(folder, 64, "float32")), "alphaearth_v1",
     "lonely.tif holds float32 values, and the sensor says int8 ones that are decoded as .*If they are decoded already, choose the sensor “generic”"),
])
def test_what_cannot_be_decoded_is_refused(make, preset, sentence, folder):
    image = make(folder)
    with pytest.raises(DataError, match=sentence):
        job("create_pretraining_dataset", images=[str(image)], preset=preset, tile_size=64, output=folder / "data")
    with pytest.raises(DataError, match=sentence):
        job("map_from_points", images=[str(image)], labels=land_points(folder), class_field="cover", preset=preset, output=folder / "map.tif",
            model=folder / "m.onnx", report=folder / "m.html")
    assert not (folder / "map.tif").exists()


@pytest.mark.parametrize(("count", "whole", "preset"), [(63, 64, "alphaearth_v1"), (65, 64, "alphaearth_v1"), (64, 128, "tessera_v1")])
@pytest.mark.parametrize("named", [True, False])
def test_an_embedding_without_all_its_bands_is_refused(count, whole, preset, named, folder):
    image = write_raster(folder / "part.tif", of_land(folder, count), names=[f"A{number:02d}" for number in range(count)] if named else ())
    write_raster(folder / "part_scales.tif", np.ones((1, 256, 256), np.float32))
    sentence = (rf"^The number of bands of .*part.tif is {count}, and embeddings that are .* have {whole}. Choose the file with all bands as it was "
                "published, or the sensor of the image.$")
    with pytest.raises(DataError, match=sentence):
        job("create_pretraining_dataset", images=[str(image)], preset=preset, tile_size=64, output=folder / "data")
    assert not (folder / "data").exists()


def test_as_many_bands_are_decoded_as_their_sensor_has():
    for sensor in PRESETS.values():
        assert not sensor.decoding or DECODINGS[sensor.decoding].bands == len(sensor.bands)


def test_a_model_of_embeddings_goes_from_tiles_to_a_map(folder):
    """Numbers that this plugin made, whose unit is embedding, through dataset, regression, model file and map."""
    image = land_embedding(folder)
    job("create_training_dataset", images=[str(image)], labels=land_fields(folder), class_field="cover", tile_size=32, output=folder / "data")
    sensor = Dataset.open(folder / "data").sensor_named()
    assert {band.unit for band in sensor.bands} == {"embedding"} and sensor.bands[0].scale == pytest.approx(1 / 127)
    assert sensor.bands[0].name.endswith("_001") and (sensor.dtype, sensor.nodata) == ("int8", -128)
    job("finetune", dataset=folder / "data", approach="statistics", output=folder / "run")
    job("export_model", run_folder=folder / "run", output=folder / "m.onnx")
    found = job("predict_map", model=folder / "m.onnx", images=[str(image)], device="cpu", output=folder / "map.tif")
    with rasterio.open(folder / "map.tif") as mapped, rasterio.open(folder / "land.tif") as source:
        crop = source.read(1) > 1000
        value = {entry.name: entry.value for entry in Dataset.open(folder / "data").classes}
        right = mapped.read(1) == np.where(crop, value["crop"], value["forest"])
    assert found["valid_share"] == 1 and right.mean() > 0.95
    facts = job("evaluate_model", run_folder=folder / "run", output=folder / "report.html")
    assert facts["mean_iou"] > 0.9
    with pytest.raises(DataError, match="has no band emb_.*_001, which the model needs."):
        job("predict_map", model=folder / "m.onnx", images=[str(folder / "land.tif")], device="cpu", output=folder / "other.tif")


def test_scales_of_several_bands_are_refused(folder):
    image = tessera_of_land(folder)
    with rasterio.open(folder / "tessera_scales.tif") as source:
        pixels, transform, crs = source.read(1), source.transform, source.crs
    with rasterio.open(folder / "tessera_scales.tif", "w", driver="GTiff", width=pixels.shape[1], height=pixels.shape[0], count=2, dtype="float32",
                       crs=crs, transform=transform) as target:
        target.write(np.stack([pixels, pixels + 1]))
    with pytest.raises(DataError, match=r"tessera_scales.tif has 2 bands, and the scales of .*tessera.tif are one band."):
        job("create_pretraining_dataset", images=[str(image)], preset="tessera_v1", tile_size=64, output=folder / "data")
    assert not (folder / "data").exists()


def test_scales_on_another_grid_are_refused(folder):
    image = tessera_of_land(folder)
    write_raster(folder / "tessera_scales.tif", np.ones((1, 128, 128), np.float32))
    with pytest.raises(DataError, match="tessera_scales.tif lies on another grid than .*tessera.tif, whose scales it holds."):
        Scene.open([{"path": str(image)}], preset="tessera_v1")
