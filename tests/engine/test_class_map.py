"""Class maps: their pixels, their style in QGIS and GDAL, where they came from, and that nothing half-written stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import PRODUCTS
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters import cog
from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests import networks, scenes

from ..listening import Cancelling, Listening, promised

ROOT = Path(__file__).parents[2]


@pytest.fixture
def image(folder):
    return str(scenes.two_halves(folder))


@pytest.fixture
def model(folder):
    classes = ((3, "Wasser & Eis", "#1f77b4"), (9, "Wald", ""))
    return package.open(networks.write_threshold_model(folder / "model.onnx", classes=classes))


def map_it(model, *images, folder, progress=SILENT, confidence=None, class_shares=None, **facts):
    """The path of the class map, and what was found."""
    paths = {"class_map": str(folder / "map.tif"), "confidence": confidence, "class_shares": class_shares}
    request = MapRequest([{"path": str(image)} for image in images], device="cpu", **facts)
    return paths["class_map"], map_scene(model, request, [PRODUCTS[name](path) for name, path in paths.items() if path], progress)


def test_pixels_hold_the_values_of_the_classes(model, image, folder):
    output, _ = map_it(model, image, folder=folder)
    with rasterio.open(output) as written:
        assert (written.dtypes, written.nodata, written.descriptions) == (("uint8",), 255, ("class",))
        assert written.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        values = written.read(1)
        assert written.colormap(1)[3] == (0x1F, 0x77, 0xB4, 255)
    assert np.unique(values[:, :48]).tolist() == [3]
    assert np.unique(values[:, 48:]).tolist() == [9]


def test_confidence_is_the_probability_in_percent(model, folder):
    ramp = np.linspace(1, 3000, 96 * 96).reshape(1, 96, 96).astype(np.float32)
    ramp[0, 0, :5] = np.nan
    path = str(scenes.write_raster(folder / "ramp.tif", ramp, names=["B02"]))
    map_it(model, path, folder=folder, confidence=str(folder / "sure.tif"))
    with rasterio.open(folder / "sure.tif") as written:
        percent = written.read(1)
        assert written.nodata == 255
    margin = np.abs(0.01 * (ramp[0] - 1500))  # the network's score of one class over the other
    expected = np.rint(100 / (1 + np.exp(-margin)))
    assert np.array_equal(percent[1:], expected[1:].astype(np.uint8))
    assert (percent[0, :5] == 255).all()


def test_the_share_of_every_class_is_a_band_with_its_name(model, folder):
    ramp = np.linspace(1, 3000, 96 * 96).reshape(1, 96, 96).astype(np.float32)
    ramp[0, 0, :5] = np.nan
    path = scenes.write_raster(folder / "ramp.tif", ramp, names=["B02"])
    map_it(model, path, folder=folder, confidence=str(folder / "sure.tif"), class_shares=str(folder / "shares.tif"))
    with rasterio.open(folder / "shares.tif") as written, rasterio.open(folder / "sure.tif") as sure:
        shares = written.read()
        assert (written.descriptions, written.nodata, set(written.dtypes)) == (("Wasser & Eis", "Wald"), 255, {"uint8"})
        assert written.tags()["EO_PRETRAIN_MODEL"] == "halves-0123abcd"
        assert np.array_equal(shares.max(0), sure.read(1))
    assert (shares[:, 0, :5] == 255).all()
    assert np.abs(shares[:, 1:].astype(int).sum(0) - 100).max() <= 1
    assert "singlebandpseudocolor" in (folder / "shares.qml").read_text()


def test_where_it_came_from_stands_in_the_tags(model, image, folder):
    output, _ = map_it(model, image, folder=folder, provenance={"job": "predict_map", "version": "0.1.0"})
    with rasterio.open(output) as written:
        tags = written.tags()
    assert tags["EO_PRETRAIN_MODEL"] == "halves-0123abcd"
    assert tags["EO_PRETRAIN_MODEL_SHA256"] == model.sha256
    assert json.loads(tags["EO_PRETRAIN_PARAMETERS"]) == {"job": "predict_map", "version": "0.1.0"}
    assert json.loads(tags["EO_PRETRAIN_IMAGES"]) == ["two_halves.tif"]
    assert tags["EO_PRETRAIN_BLOCK"] == "1024 px, halo 0 px"


def test_gdal_reads_names_and_the_attribute_table(model, image, folder):
    if not os.access("/usr/bin/gdalinfo", os.X_OK):
        pytest.skip("GDAL's programs are not installed.")
    output, _ = map_it(model, image, folder=folder)
    said = subprocess.run(["/usr/bin/gdalinfo", output], capture_output=True, text=True, check=True).stdout
    assert "Categories:\n      0: \n      1: \n      2: \n      3: Wasser & Eis\n" in said
    assert "<F>3</F>\n    <F>Wasser &amp; Eis</F>\n    <F>31</F>\n    <F>119</F>\n    <F>180</F>" in said


IN_QGIS = """
import json, sys
from qgis.core import QgsApplication, QgsRasterLayer, QgsVectorLayer

def look(class_map, areas):
    raster, vector = QgsRasterLayer(class_map, "map"), QgsVectorLayer(areas, "areas", "ogr")
    raster.loadDefaultStyle(), vector.loadDefaultStyle()
    style, symbols = raster.renderer(), vector.renderer()
    return [style.type(), [[c.value, c.label, c.color.name()] for c in style.classes()],
            symbols.type(), symbols.classAttribute(), [[c.value(), c.label(), c.symbol().color().name()] for c in symbols.categories()]]

application = QgsApplication([], False)
application.initQgis()
print("said", json.dumps(look(*sys.argv[1:])))
application.exitQgis()
"""


def test_qgis_shows_names_and_colours(model, image, folder):
    if not os.access("/usr/bin/qgis_process", os.X_OK):
        pytest.skip("QGIS is not installed.")
    from eo_pretrain_qgis.engine.mapping.polygons import write_polygons

    output, _ = map_it(model, image, folder=folder)
    write_polygons(output, model.classes, str(folder / "areas.gpkg"))
    environment = {"PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen", "HOME": str(folder)}
    ran = subprocess.run(["/usr/bin/python3", "-c", IN_QGIS, output, str(folder / "areas.gpkg")], env=environment,
                         capture_output=True, text=True, check=True)
    said = json.loads(ran.stdout.split("said ", 1)[1])
    rows = [[3, "Wasser & Eis", "#1f77b4"], [9, "Wald", "#ee6677"]]
    assert said == ["paletted", rows, "categorizedSymbol", "class", rows]


def test_another_pixel_size_is_warned_of(model, folder):
    heard = Listening()
    coarse = scenes.write_raster(folder / "coarse.tif", np.full((1, 32, 32), 1000, np.uint16), names=["B02"], resolution=30.0)
    map_it(model, str(coarse), folder=folder, progress=heard)
    assert heard.warnings == ["The pixels of coarse.tif measure 30 x 30 m, but the model was trained on 10 x 10 m; the map may be poor. "
                              "Resample the image to that size with “Warp (reproject)”."]


def test_an_image_that_hardly_varies_beside_the_training_images_is_warned_of(model, folder):
    values = np.random.default_rng(0).uniform(500, 2900, (1, 128, 128)).astype(np.float32)
    for name, scale, warned in (("own", 1, False), ("dark", 1e-2, True)):
        heard = Listening()
        image = scenes.write_raster(folder / f"{name}.tif", (values * scale).astype(np.uint16), names=["B02"])
        map_it(model, str(image), folder=folder, progress=heard)
        assert any("dark.tif hardly vary beside those of the training images" in text and "B02 (5 to 28" in text
                   for text in heard.warnings) == warned, heard.warnings


def test_values_far_from_the_training_images_are_warned_of(model, folder):
    heard = Listening()
    bright = scenes.write_raster(folder / "bright.tif", np.full((1, 32, 32), 9000, np.uint16), names=["B02"])
    _, outcome = map_it(model, str(bright), folder=folder, progress=heard)
    assert outcome.out_of_range_share == 1
    assert heard.warnings == ["Values of bright.tif lie outside the range of the training images: 100% of B02 (9000 to 9000, learned 1 to "
                              "3000). Check “Sensor” and “Nodata value”, give an image that stores the same quantity (reflectance, or 8-bit "
                              "colours), or train with images like this one."]


def test_radar_far_from_the_training_images_is_asked_for_in_decibels(folder):
    seen = networks.taken(("VV",))
    seen = {**seen, "bands": [{**band, "unit": "dB"} for band in seen["bands"]]}
    model = package.open(networks.write_threshold_model(folder / "radar.onnx", bands=("VV",), inputs=[seen]))
    heard = Listening()
    image = scenes.write_raster(folder / "linear.tif", np.full((1, 32, 32), -60_000, np.float32), names=["VV"])
    map_it(model, str(image), folder=folder, progress=heard)
    assert any("give an image that stores the same quantity (backscatter σ⁰ in dB), or train" in text for text in heard.warnings), heard.warnings


def test_bands_in_several_files_are_one_image(folder):
    model = package.open(networks.write_threshold_model(folder / "model.onnx", bands=("B02", "B08")))
    files = [scenes.write_raster(folder / f"T33UUU_{name}_10m.tif", np.full((1, 64, 64), value, np.uint16))
             for name, value in (("B08", 9), ("B02", 2000))]
    map_it(model, *files, folder=folder)
    with rasterio.open(folder / "map.tif") as written:
        assert np.unique(written.read(1)).tolist() == [2]


def test_a_cancelled_map_leaves_nothing(model, folder):
    values = np.full((1, 600, 600), 1000, np.uint16)
    image = str(scenes.write_raster(folder / "large.tif", values, names=["B02"]))
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(Cancelled):
        map_it(model, image, folder=folder, confidence=str(folder / "sure.tif"), tile_size=128, progress=Cancelling(lambda heard: heard.asked > 1))
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_full_disk_leaves_nothing_and_keeps_the_old_map(model, image, folder, monkeypatch):
    output, _ = map_it(model, image, folder=folder)
    old = Path(output).read_bytes()
    before = sorted(path.name for path in folder.iterdir())

    def full(self, values, window):
        raise cog.disk_full(self.path)

    monkeypatch.setattr(cog.TiledWriter, "write", full)
    with pytest.raises(DataError, match=r"The disk is full while writing .*map.tif. Free some space and run again."):
        map_it(model, image, folder=folder)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert Path(output).read_bytes() == old


def test_it_maps_without_torch_and_says_something_within_a_second(model, image, folder):
    """In a process where `import torch` fails, as in the small environment."""
    values = {"images": [image], "model": model.path, "device": "cpu",
              "output": str(folder / "map.tif"), "polygons": str(folder / "areas.gpkg")}
    JOBS["predict_map"].from_values(values)
    program = """
import json, sys, time
started = time.monotonic()
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import Progress
class Timing(Progress):
    first = None
    def emit(self, event):
        if Timing.first is None:
            Timing.first = time.monotonic() - started
JOBS["predict_map"].from_values(json.loads(sys.argv[1])).run(Timing())
try:
    import torch
except ModuleNotFoundError:
    print(Timing.first)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "shadow"), str(ROOT)])}
    ran = subprocess.run([sys.executable, "-c", program, json.dumps(values)], env=environment, capture_output=True, text=True, check=True)
    assert float(ran.stdout) < promised(1)
    assert (folder / "areas.gpkg").exists()


def test_memory_does_not_grow_with_the_raster(model, folder):
    """The peak of a process that maps six times the pixels: their probabilities alone would be 168 MB more."""
    peaks = []
    for size in (2000, 5000):
        path = folder / f"image{size}.tif"
        with rasterio.open(path, "w", driver="GTiff", width=size, height=size, count=1, dtype="uint16", crs=scenes.UTM, tiled=True,
                           transform=rasterio.transform.from_origin(*scenes.ORIGIN, 10, 10), sparse_ok=True, compress="deflate") as target:
            target.write(np.full((1, 256, size), 1000, np.uint16), window=rasterio.windows.Window(0, 0, size, 256))
            target.set_band_description(1, "B02")
        program = ("import resource, sys;"
                   "from eo_pretrain_qgis.engine.models import package; from eo_pretrain_qgis.engine.mapping.inference import map_scene;"
                   "from eo_pretrain_qgis.engine.mapping.products import PRODUCTS;"
                   "from eo_pretrain_qgis.engine.mapping.request import MapRequest;"
                   "map_scene(package.open(sys.argv[1]), MapRequest([{'path': sys.argv[2]}], device='cpu', tile_size=512),"
                   "[PRODUCTS['class_map'](sys.argv[3])]);"
                   "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "GDAL_CACHEMAX": "32"}
        ran = subprocess.run([sys.executable, "-c", program, model.path, str(path), str(folder / "map.tif")], env=environment,
                             capture_output=True, text=True, check=True)
        peaks.append(float(ran.stdout))
    assert peaks[1] - peaks[0] < 150


def test_zeros_that_the_model_s_sensor_calls_empty_stay_empty(folder):
    """A model of Sentinel-2, and an image whose file declares no nodata."""
    model = package.open(networks.write_threshold_model(folder / "model.onnx"))
    values = np.full((1, 64, 64), 1000, np.uint16)
    values[:, :, :40] = 0
    path = scenes.write_raster(folder / "zeros.tif", values, names=["B02"])
    for preset in ("as_model", "sentinel2_l2a"):
        _, outcome = map_it(model, path, folder=folder, preset=preset)
        with rasterio.open(folder / "map.tif") as written:
            assert (written.read(1)[:, :40] == 255).all() and (written.read(1)[:, 40:] != 255).all()
        assert outcome.valid_share == 24 / 64
