"""OmniCloudMask's networks with random weights of the published names and shapes: read strictly, deterministic, without seams."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from rasterio.crs import CRS
from safetensors.torch import load_file, save_file

from eo_pretrain_qgis.engine.learning.omnicloudmask import FLAGS, OmniCloudMask, Patches, build_network, normalised, read_network
from eo_pretrain_qgis.engine.mapping.clouds.red_green_infrared import find_bands
from eo_pretrain_qgis.engine.models import catalog
from eo_pretrain_qgis.engine.rasters.clouds import NOT_MEASURED
from eo_pretrain_qgis.engine.rasters.grid import Grid, Window
from eo_pretrain_qgis.engine.rasters.raster import Scene
from eo_pretrain_qgis.errors import DataError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ...listening import Listening
from ...scenes import write_raster

BANDS = ("B02", "B03", "B04", "B08", "B8A")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder of models with random weights, and a catalogue that knows their checksums."""
    folder, rows = tmp_path_factory.mktemp("models"), []
    for number, name in enumerate(catalog.CLOUD_NETWORKS):
        entry = catalog.find(name)
        torch.manual_seed(number)
        save_file(build_network(entry.encoder).state_dict(), folder / entry.file_name)
        digest = hashlib.sha256((folder / entry.file_name).read_bytes()).hexdigest()
        rows.append({"name": name, "title": entry.title, "encoder": entry.encoder, "preset": entry.preset, "bands": entry.bands,
                     "address": entry.address, "sha256": digest, "licence": entry.licence, "paper": entry.paper})
    (folder / "catalog.json").write_text(json.dumps({"format": catalog.FORMAT, "version": 1, "weights": rows}), encoding="utf-8")
    return folder


@pytest.fixture
def here(models, monkeypatch):
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(models))
    return models


def image(folder, size=(150, 170), names=BANDS, nodata_rows=3):
    """Noise and a bright square, 0 in its first rows: an image of Sentinel-2 in pixels of 10 m."""
    rng = np.random.default_rng(0)
    values = rng.integers(300, 900, (len(names), *size)).astype(np.uint16)
    values[:, 40:90, 60:120] += 5000
    values[:, :nodata_rows] = 0
    return str(write_raster(folder / "S2.tif", values, names=names, nodata=0))


def test_weights_must_be_all_of_the_network_and_no_others(models, tmp_path):
    entry = catalog.find(catalog.CLOUD_NETWORKS[0])
    tensors = load_file(models / entry.file_name)
    network = read_network(str(models / entry.file_name), entry.encoder)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in network.state_dict().items()) and not network.training
    tensors.pop("segmentation_head.0.bias")
    save_file(tensors, tmp_path / "less.safetensors")
    with pytest.raises(ModelError, match="less.safetensors does not hold the weights of a U-Net with tu-regnety_004, 3 bands and 4 classes"):
        read_network(str(tmp_path / "less.safetensors"), entry.encoder)


def test_each_band_of_a_patch_has_mean_0_and_deviation_1():
    rng = np.random.default_rng(0)
    values, measured = rng.normal((5, 100, 3), (1, 20, 0), (40, 30, 3)).transpose(2, 0, 1).astype(np.float32), rng.random((40, 30)) > 0.3
    found = normalised(values, measured)
    assert np.allclose(found[:2, measured].mean(1), 0, atol=1e-5) and np.allclose(found[:2, measured].std(1), 1, atol=1e-5)
    assert not found[2].any() and not found[:, ~measured].any()
    assert not normalised(values, np.zeros_like(measured)).any()


def test_patches_cover_an_area_once_and_lie_in_the_image():
    grid = Grid(CRS.from_epsg(32633).to_wkt(), (10.0, 0, 0.0, 0, -10.0, 0.0), 2000, 1500)
    for area in (grid.window, Window(333, 500, 900, 41)):
        seen_times, patches = np.zeros((1500, 2000), int), list(Patches().over(grid, area))
        for seen, kept in patches:
            assert seen.intersection(grid.window) == seen and kept.intersection(seen) == kept and (seen.width, seen.height) == (1024, 1024)
            margins = (kept.col - seen.col, kept.row - seen.row, seen.col + seen.width - kept.col - kept.width,
                       seen.row + seen.height - kept.row - kept.height)
            at_edge = (seen.col == 0, seen.row == 0, seen.col + seen.width == 2000, seen.row + seen.height == 1500)
            assert all(margin >= 160 or edge for margin, edge in zip(margins, at_edge, strict=True))
            seen_times[kept.row:kept.row + kept.height, kept.col:kept.col + kept.width] += 1
        assert (seen_times[area.row:area.row + area.height, area.col:area.col + area.width] == 1).all()
        assert seen_times.sum() == area.width * area.height


def test_a_part_is_a_part_of_the_whole_and_runs_agree(here, folder):
    source = replace(OmniCloudMask.of([{"path": image(folder)}], "sentinel2_l2a", "", None, "cpu"), patches=Patches(96, 32))
    assert source.bands == (2, 1, 4)
    with Scene.open([{"path": image(folder)}]) as scene:
        grid = scene.grid
    found = {}
    for name, area in {"whole": grid.window, "again": grid.window, "part": Window(45, 20, 77, 100)}.items():
        found[name] = np.full((area.height, area.width), NOT_MEASURED, np.uint8)
        source.fill(grid, area, found[name], SILENT)
    assert np.array_equal(found["whole"], found["again"])
    assert np.array_equal(found["whole"][20:120, 45:122], found["part"])
    assert (found["whole"][:3] == NOT_MEASURED).all() and (found["whole"][3:] != NOT_MEASURED).all()
    assert len(np.unique(found["whole"])) > 2


def test_outputs_of_both_networks_are_averaged(here, folder):
    source = OmniCloudMask.of([{"path": image(folder, (64, 96))}], "sentinel2_l2a", "", None, "cpu")
    with Scene.open([{"path": image(folder, (64, 96))}]) as scene:
        values, measured = scene.read(scene.grid.window, list(source.bands))
    given = torch.from_numpy(normalised(values, measured))[None]
    with torch.no_grad():
        expected = (sum(network(given) for network in source.networks) / 2)[0].argmax(0).numpy()
    flags = np.full((64, 96), NOT_MEASURED, np.uint8)
    source.fill(scene.grid, scene.grid.window, flags, SILENT)
    assert np.array_equal(flags, np.where(measured, FLAGS[expected], NOT_MEASURED))


def test_auto_takes_the_networks_where_their_weights_are_on_this_computer(here, folder):
    heard = Listening()
    facts = JOBS["mask_clouds"].from_values({"images": [image(folder, (70, 90))], "device": "cpu", "output": str(folder / "mask.tif")}).run(heard)
    assert facts["source"] == "OmniCloudMask 4" and facts["valid_share"] == pytest.approx(67 / 70, abs=1e-6)
    with rasterio.open(folder / "mask.tif") as written:
        assert set(np.unique(written.read(1))) <= {0, 1, 2, 255} and "OmniCloudMask 4" in written.tags()["EO_PRETRAIN_CLOUDS"]
    assert any("It does not tell snow." in text for _, text in heard.said)


def test_auto_falls_back_on_the_classification_of_an_image_that_the_networks_cannot_look_at(here, folder):
    heard, bits = Listening(), np.full((8, 8), 0b1000, np.uint16)
    quality = str(write_raster(folder / "LC09_QA_PIXEL.TIF", bits))
    facts = JOBS["mask_clouds"].from_values({"images": [quality], "output": str(folder / "mask.tif")}).run(heard)
    assert facts["source"] == "qa_pixel" and facts["cloud_share"] == 1
    assert any("LC09_QA_PIXEL" in text and "So the clouds are those that the maker of the scene found." in text for _, text in heard.said)


@pytest.mark.parametrize(("preset", "names", "expected"), [
    ("sentinel2_l2a", ["B02", "B03", "B04", "B08"], (2, 1, 3)), ("landsat89_l2", ["B2", "B3", "B4", "B5"], (2, 1, 3)),
    ("generic", ["nir", "green", "red"], (2, 1, 0))])
def test_bands_are_found_by_wavelength(folder, preset, names, expected):
    with Scene.open([{"path": image(folder, names=names)}]) as scene:
        assert find_bands(scene, preset) == expected


def test_what_the_networks_cannot_look_at_is_refused(here, folder):
    with pytest.raises(DataError, match="S2.tif has no band of near infrared among B02, B03, B04, and OmniCloudMask needs red, green and"):
        OmniCloudMask.of([{"path": image(folder, names=["B02", "B03", "B04"])}], "sentinel2_l2a", "", None, "cpu")
    fine = str(write_raster(folder / "fine.tif", np.ones((3, 32, 32), np.uint16), names=["B03", "B04", "B08"], resolution=3.0))
    with pytest.raises(DataError, match="fine.tif measure 3 m, and OmniCloudMask learned from 9 to 50 m. Resample the image"):
        OmniCloudMask.of([{"path": fine}], "sentinel2_l2a", "", None, "cpu")
