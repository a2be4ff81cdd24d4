"""Embeddings of images and series: what stands in them, that blocks and extents do not show, and what is refused."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from safetensors.torch import save_file

from eo_pretrain_qgis.engine.cards import Input, SeriesDays
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.embedding import export, networks
from eo_pretrain_qgis.engine.learning.embedding.encoders import Known, image_embedding, read_encoder
from eo_pretrain_qgis.engine.learning.embedding.export import version_of
from eo_pretrain_qgis.engine.learning.embedding.networks import ImageEmbedding, noise_like, orthogonal
from eo_pretrain_qgis.engine.learning.networks.presto import OF_PLACE, Presto
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products.embedding import ROWS, Embedding, stored
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.kinds import LARGEST_EMBEDDED
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.inputs import input_band
from tests.scenes import land, land_fields, write_raster
from tests.scenes_crops import crop_season
from tests.scenes_embeddings import land_embedding_model
from tests.scenes_series import season_run

OPTICAL = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
DAYS = ("20230401", "20230501", "20230601", "20230701")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """`land`, its encoder, its embedding with 16 numbers and the model file."""
    folder = tmp_path_factory.mktemp("embedding")
    land_embedding_model(folder)
    return folder


def read(path):
    with rasterio.open(path) as raster:
        return raster.read()


def job(name, **values):
    return JOBS[name].from_values({key: str(value) if not isinstance(value, (list, int)) else value for key, value in values.items()}).run(SILENT)


def test_every_reader_can_decode_it(made):
    with rasterio.open(made / "embedding.tif") as raster:
        stored, names, tags = raster.read(), raster.descriptions, raster.tags()
        assert (raster.dtypes[0], raster.nodata, raster.scales, raster.offsets) == ("int8", -128, (1 / 127,) * 16, (0,) * 16)
    version = package.open(made / "embedding.onnx").target_sensor
    assert (names[0], names[15], tags["EO_PRETRAIN_EMBEDDING"]) == (f"{version}_001", f"{version}_016", version)
    assert np.abs(stored).max() <= 127 and stored.std((1, 2)).min() > 5


def test_the_covers_of_the_land_are_told_apart(made):
    """A half of the variance of some numbers at least is between crop and forest, of a network of random weights."""
    row, col = np.indices((256, 256))
    crop = (row // 32 + col // 32) % 2 == 0
    numbers = read(made / "embedding.tif").astype(float)
    between = (numbers[:, crop].mean(1) - numbers[:, ~crop].mean(1)) ** 2 / 4 / numbers.var((1, 2))
    assert (between > 0.5).sum() >= 3


def test_a_part_is_that_part_of_the_whole_and_blocks_do_not_show(made, tmp_path):
    model = package.open(made / "embedding.onnx")
    noise = noise_like(Input("image", "image", "generic", tuple(input_band(name, 1000.0, 250.0) for name in ("B04", "B08"))), 1, 640, 3)[0, :, :500]
    image = write_raster(tmp_path / "noise.tif", noise.clip(1, 5000).astype(np.uint16), names=["B04", "B08"])

    def mapped(**facts):
        map_scene(model, MapRequest([{"path": str(image)}], **facts), [Embedding(str(tmp_path / "out.tif"))])
        return read(tmp_path / "out.tif")

    small = mapped(small_blocks=True)
    part = mapped(small_blocks=True, tile_size=128, extent={"box": [501000, 5296000, 505500, 5299000], "crs": ""})
    assert (part == small[:, 100:400, 100:550]).all()
    whole = mapped()
    apart = np.abs(whole.astype(int) - small).max(0)
    assert model.small_block < 500 and (apart > 2).mean() < 0.0005 and apart.max() <= 6


def test_the_order_of_the_bands_makes_no_difference(made, tmp_path):
    with rasterio.open(land(made)) as source:
        turned = write_raster(tmp_path / "turned.tif", source.read()[::-1], names=["B08", "B04"])
    job("compute_embeddings", encoder=made / "embedding.onnx", images=[str(turned)], output=tmp_path / "turned_embedding.tif")
    assert (read(tmp_path / "turned_embedding.tif") == read(made / "embedding.tif")).all()


def test_datasets_and_maps_take_it_and_another_version_is_refused(made, tmp_path):
    asked = {"labels": land_fields(tmp_path), "class_field": "cover", "approach": "statistics", "model": tmp_path / "m.onnx",
             "report": tmp_path / "m.html"}
    found = job("map_from_points", images=[str(made / "embedding.tif")], output=tmp_path / "map.tif", **asked)
    assert found["mean_iou"] > 0.9
    cut = {"labels": land_fields(tmp_path), "class_field": "cover", "tile_size": 32}
    job("create_training_dataset", images=[str(made / "embedding.tif")], output=tmp_path / "data", **cut)
    sensor = Dataset.open(tmp_path / "data").sensor_named()
    assert (sensor.dtype, sensor.nodata, len(sensor.bands)) == ("int8", -128, 16)
    assert {round(band.scale * 127, 6) for band in sensor.bands} == {1.0}

    other, version = tmp_path / "other.tif", package.open(made / "embedding.onnx").target_sensor[4:]
    shutil.copy(made / "embedding.tif", other)
    with rasterio.open(other, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as raster:
        raster.descriptions = [f"emb_0123abcd_{number:03d}" for number in range(1, 17)]
    with pytest.raises(DataError, match="other.tif is an embedding of the version 0123abcd, and what the model learned from is of the version "
                                        f"{version}. Numbers of different versions have nothing to do with each other."):
        job("predict_map", model=tmp_path / "m.onnx", images=[str(other)], output=tmp_path / "refused.tif")
    with pytest.raises(DataError, match=f"other.tif is an embedding of the version 0123abcd, and .*embedding.tif is of the version {version}"):
        job("create_training_dataset", images=[str(made / "embedding.tif"), str(other)], output=tmp_path / "both", **cut)
    assert not (tmp_path / "refused.tif").exists()


def test_the_version_is_that_of_encoder_bands_and_number(made):
    known = read_encoder(str(made / "land_encoder"), [])
    again, other = (version_of(image_embedding(known, count), known) for count in (16, 17))
    assert again == package.open(made / "embedding.onnx").target_sensor[4:] != other
    assert version_of(image_embedding(replace(known, card={**known.card, "bands": known.card["bands"][::-1]}), 16), known) not in (again, other)


def test_a_part_of_a_series_is_that_part_of_the_whole(tmp_path):
    run, season = season_run(tmp_path), crop_season(tmp_path)
    asked = {"encoder": run, "images": [str(season / f"S2_{day}.tif") for day in DAYS], "numbers": 16,
             "masks": [str(season / f"SCL_{day}.tif") for day in DAYS]}
    whole = job("compute_embeddings", **asked, output=tmp_path / "whole.tif")
    part = job("compute_embeddings", **asked, extent="500200,500700,5299300,5299800 [EPSG:32633]", output=tmp_path / "part.tif")
    assert whole["version"] == part["version"]
    assert (read(tmp_path / "part.tif") == read(tmp_path / "whole.tif")[:, 20:70, 20:70]).all()


def presto_file(folder):
    """Presto with random weights, as the published ones are named."""
    torch.manual_seed(0)
    bands = [input_band(name, -14.0, 4.0, unit="dB") for name in ("VV", "VH")]
    bands += [input_band(name, 1500.0, 900.0, unit="reflectance", scale=1e-4) for name in OPTICAL]
    tensors = Presto(Input("image", "image", "generic", tuple(bands), axes="tb", season=SeriesDays((0.0, 364.0)))).state_dict()
    assert tensors["channel_embed.weight"].shape[1] == OF_PLACE // 2
    save_file({f"encoder.{name}": tensor for name, tensor in tensors.items() if name != "place"}, folder / "presto.safetensors")
    return folder / "presto.safetensors"


def test_presto_embeds_the_months_of_the_images(tmp_path):
    season = crop_season(tmp_path)
    asked = {"encoder": presto_file(tmp_path), "images": [str(season / f"S2_{day}.tif") for day in DAYS[:2]], "preset": "sentinel2_l2a",
             "extent": "500200,500700,5299300,5299800 [EPSG:32633]"}
    found = job("compute_embeddings", **asked, output=tmp_path / "e.tif", model=tmp_path / "e.onnx")
    seen = package.open(tmp_path / "e.onnx").inputs["image"]
    assert (found["numbers"], seen.season.window, seen.names) == (128, (90.0, 150.0), list(OPTICAL))
    year = job("compute_embeddings", **asked, first_day="01-01", last_day="12-31", output=tmp_path / "year.tif")
    assert year["version"] != found["version"]  # other months are another embedding


@pytest.mark.parametrize(("values", "names", "sentence"), [
    ({}, OPTICAL, "presto.safetensors wants reflectance and decibels, and nobody says how the images store them. Choose their sensor."),
    ({"preset": "sentinel2_l2a"}, ("red edge 9", "thermal"), "Presto knows the bands of Sentinel-2, .* and the images have red edge 9, thermal."),
    ({"preset": "sentinel1_db"}, ("VV", "slope"), "Presto knows the bands of Sentinel-2"),
    ({"preset": "sentinel1_linear"}, ("VV", "VH"), r"^Presto takes the band VV as dB, and by the sensor “Sentinel-1, linear” "
     r"\(sentinel1_linear\) its unit is linear. Choose in “Sensor” \(preset\) the sensor that the images come from, "
     "one of sentinel1_db, sar_db; convert images that hold other values "
     "first.$"),
    ({"preset": "landsat89_l2"}, ("B02", "B03", "B04"),
     "Presto takes the band B02 as reflectance, and by the sensor “Landsat 8 and 9, Level 2” \\(landsat89_l2\\) its unit is unknown."),
    ({"preset": "sentinel2_l2a", "first_day": "13-01"}, ("B02", "B03", "B04"),
     r"^“First day” \(first_day\) is “13-01”, which is no day of a year. Write the month and then the day, MM-DD, such as 09-01 for 1 September, or "
     "with the year, YYYY-MM-DD.$"),
    ({"preset": "sentinel2_l2a", "first_day": "2023-01-01", "last_day": "2025-06-30"}, ("B02", "B03", "B04"),
     "Presto reads 24 months at most, and these series span 30."),
])
def test_series_that_presto_cannot_read_are_refused(values, names, sentence, tmp_path):
    image = write_raster(tmp_path / "S2_20230401.tif", np.full((len(names), 16, 16), 1000, np.uint16), names=names)
    with pytest.raises(DataError, match=sentence):
        job("compute_embeddings", encoder=presto_file(tmp_path), images=[str(image)], output=tmp_path / "e.tif", **values)
    assert not (tmp_path / "e.tif").exists()


class Halving(torch.nn.Module):
    """An encoder whose levels are means of 2 × 2 and 4 × 4 pixels, a little of each band in every channel."""

    out_channels, output_stride = (2, 5, 7), 4

    def forward(self, image):
        levels = [torch.nn.functional.avg_pool2d(image, side) for side in (2, 4)]
        mixed = (torch.linspace(-1, 1, 2 * width).reshape(width, 2, 1, 1) for width in self.out_channels[1:])
        return [image, *(torch.nn.functional.conv2d(level, weight).sin() for level, weight in zip(levels, mixed, strict=True))]


def halving_embedding(count):
    seen = Input("image", "image", "generic", tuple(input_band(name, 1000.0, 250.0) for name in ("B04", "B08")))
    return ImageEmbedding(Halving(), seen, False, count).eval()


@pytest.mark.parametrize("count", [16, 40, 128])
def test_numbers_in_groups_are_those_of_all_at_once(count, monkeypatch):
    network, image = halving_embedding(count), torch.from_numpy(np.random.default_rng(4).normal(1000, 250, (1, 2, 24, 32)).astype(np.float32))
    grouped, enlarged, enlarge = network(image), [], networks.functional.interpolate
    assert grouped.shape == (1, count, 24, 32) and grouped.std((0, 2, 3)).min() > 0.05
    monkeypatch.setattr(networks.functional, "interpolate",
                        lambda level, *more, **how: enlarged.append(level.shape[1]) or enlarge(level, *more, **how))
    assert torch.equal(network(image), grouped) and max(enlarged) <= networks.GROUP and sum(enlarged) == 2 * count
    monkeypatch.setattr(networks, "GROUP", count)
    assert torch.allclose(network(image), grouped, atol=1e-6)


def test_an_encoder_that_embeds_asks_for_large_blocks(monkeypatch):
    for name, given in (("to_onnx", b""), ("on_processor", None), ("largest_difference", 0.0), ("probes", []), ("noise_like", [None])):
        monkeypatch.setattr(export, name, lambda *asked, given=given: given)
    monkeypatch.setattr(export, "measured", lambda *asked: asked[-1])
    assert export._of_images(halving_embedding(16), Known("", "", {}, "halving"), SILENT) == (b"", 0.0, LARGEST_EMBEDDED)


@pytest.mark.parametrize(("width", "count"), [(96, 16), (3, 16), (64, 64)])
def test_directions_stand_at_right_angles_where_there_is_room(width, count):
    found = orthogonal(np.random.default_rng(1), width, count)
    assert found.shape == (width, count) and np.allclose(np.linalg.norm(found, axis=0), 1, atol=1e-6)
    if width >= count:
        assert np.allclose(found.T @ found, np.eye(count), atol=1e-5)


def test_numbers_are_stored_as_the_nearest_step():
    scores = np.random.default_rng(0).uniform(-1, 1, (3, ROWS + 5, 7)).astype(np.float32)
    scores[:, 0, 0], scores[0, -1, -1] = [-1, 0, 1], 2.5 / 127
    seen = np.pad(scores, [(0, 0), (2, 2), (2, 2)])[:, 2:-2, 2:-2]  # lies in a block with a border
    assert stored(seen).dtype == np.int8 and (stored(seen) == np.rint(scores * 127)).all()
