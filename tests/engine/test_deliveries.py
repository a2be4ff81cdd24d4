"""Scenes as they are delivered: one raster of all bands, which says what its numbers mean."""

import json
import shutil
import tarfile

import numpy as np
import pytest
import rasterio
import rasterio.transform

from eo_pretrain_qgis.engine.datasets.building import describe_sensor
from eo_pretrain_qgis.engine.datasets.cloud_masks import clear_scenes
from eo_pretrain_qgis.engine.rasters.clouds import CLEAR, CLOUD, NOT_MEASURED, open_mask
from eo_pretrain_qgis.engine.rasters.deliveries import delivery_of
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.meaning import as_stored
from eo_pretrain_qgis.engine.rasters.raster import Raster, Scene
from eo_pretrain_qgis.engine.rasters.sensors import name_bands
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.scenes import write_raster
from tests.scenes_delivered import BANDS, band_folder, landsat, plane, safe, zipped

from ..listening import Listening

L2A = [band for band in BANDS if band != "B10"]


def whole(path):
    with Raster(str(path)) as raster:
        return raster.read(raster.grid.window)


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    return safe(tmp_path_factory.mktemp("sentinel2"), empty=600)


def test_a_product_opens_as_one_scene_of_all_bands(product):
    with Raster(str(product)) as raster:
        assert raster.band_names == L2A
        assert (raster.grid.width, raster.grid.height, raster.grid.resolution) == (360, 360, (10, 10))
        assert raster.scales == [1e-4] * 12 and raster.offsets == [-0.1] * 12
        assert (raster.date, raster.name, raster.tag("PROCESSING_BASELINE")) == ("2022-10-05", product.name, "04.00")
        values, valid = raster.read(raster.grid.window)
    assert not valid[:, :60].any() and valid[:, 66:].all()
    for place, band in enumerate(L2A):
        # Where the kernel of 60 m has all its pixels, a plane stays a plane but for rounding.
        truth = plane(BANDS.index(band), 10)[30:-30, 120:-30]
        assert np.abs(values[place, 30:-30, 120:-30] - truth).max() <= 1, band


@pytest.mark.parametrize("way", ["metadata", "zip", "granule", "granule metadata", "below", "zip below"])
def test_every_way_to_name_a_product_reads_the_same(product, tmp_path, way):
    shutil.copytree(product, tmp_path / "in" / product.name)
    copy = tmp_path / "in" / product.name
    granule = next((copy / "GRANULE").iterdir())
    path = {"metadata": copy / "MTD_MSIL2A.xml", "granule": granule, "granule metadata": granule / "MTD_TL.xml", "below": copy.parent}.get(way)
    path = path or zipped(copy)
    if way == "zip":
        shutil.rmtree(copy)
    for one, other in zip(whole(path), whole(product), strict=True):
        assert np.array_equal(one, other)
    assert Raster(str(path)).date == "2022-10-05"


@pytest.mark.parametrize("pixel", [20, 60, 30, 90])
def test_bands_come_on_the_grid_that_was_chosen(product, pixel):
    with Raster(f"{product}|resolution={pixel}") as raster:
        assert raster.grid.resolution == (pixel, pixel) and raster.band_names == L2A
        values, valid = raster.read(raster.grid.window)
    edge = -(-180 // pixel)
    for place, band in enumerate(L2A):
        truth = plane(BANDS.index(band), pixel)[edge:-edge, 1200 // pixel:-edge]
        assert np.abs(values[place, edge:-edge, 1200 // pixel:-edge] - truth).max() <= 1.5, band
    assert not valid[:, :600 // pixel - 1].any()  # the kernel reaches half a pixel out


@pytest.mark.parametrize("resolution", ["", "|resolution=20", "|resolution=60"])
def test_what_is_read_does_not_depend_on_the_window(product, resolution):
    values, valid = whole(str(product) + resolution)
    rng = np.random.default_rng(0)
    with Raster(str(product) + resolution) as raster:
        for _ in range(60):
            width, height = rng.integers(1, 50, 2)
            col, row = rng.integers(0, raster.grid.width - width), rng.integers(0, raster.grid.height - height)
            part, shown = raster.read(Window(col, row, width, height))
            assert np.array_equal(part, values[:, row:row + height, col:col + width])
            assert np.array_equal(shown, valid[row:row + height, col:col + width])


def test_pixels_that_were_not_measured_do_not_bleed_into_their_neighbours(product):
    values, valid = whole(product)
    assert values[:, valid].min() >= 2000


@pytest.mark.parametrize(("baseline", "level", "offset", "names"), [("02.14", "L2A", 0, L2A), ("05.09", "L1C", -0.1, list(BANDS)),
                                                                    ("03.01", "L1C", 0, list(BANDS))])
def test_scale_and_offset_are_those_of_the_metadata(tmp_path, baseline, level, offset, names):
    root = safe(tmp_path, baseline=baseline, level=level)
    with Raster(str(root)) as raster:
        assert raster.offsets == [offset] * len(raster.band_names) and raster.scales == [1e-4] * len(raster.band_names)
        assert raster.band_names == [name for name in names if name != "B10"]


def test_what_was_understood_is_one_sentence(product):
    heard = Listening()
    with Scene.open([{"path": str(product)}]) as scene:
        bands = as_stored(scene, name_bands("sentinel2_l2a_0400", scene.band_names), heard)
    assert [(band.unit, band.scale, band.offset) for band in bands] == [("reflectance", 1e-4, -0.1)] * 12
    assert [level for level, _ in heard.said] == ["info"]
    assert heard.texts[0] == (
        f"{product}: Sentinel-2 L2A, tile T33UUU, baseline 04.00 of 2022-10-05; bands {', '.join(L2A)} on a grid of 10 m; B05, B06, B07, B8A, B11, "
        "B12 resampled from 20 m; B01, B09 resampled from 60 m; values × 0.0001 - 0.1; its cloud mask is T33UUU_20221005T101031_SCL_20m.tif.")


def test_a_product_brings_the_mask_of_its_clouds(product):
    with Raster(str(product)) as raster, open_mask({"path": str(product)}, "mask") as mask:
        flags = mask.read(raster.grid, raster.grid.window)
    assert (flags[:120, 240:] == CLOUD).all() and (flags[:, :60] == NOT_MEASURED).all() and (flags[120:, 60:] == CLEAR).all()


@pytest.mark.parametrize("ending", ["txt", "xml", "json"])
def test_a_landsat_scene_of_level_2(tmp_path, ending):
    root = landsat(tmp_path, ending=ending)
    with Raster(str(root)) as raster:
        assert raster.band_names == ["coastal", "blue", "green", "red", "nir08", "swir16", "swir22"]
        assert raster.scales == [2.75e-5] * 7 and raster.offsets == [-0.2] * 7 and raster.date == "2020-06-21"
        values, valid = raster.read(raster.grid.window)
        assert values[:, 50, 50].tolist() == [8500, 9000, 9500, 10000, 10500, 11000, 11500]
        assert not valid[:, :10].any() and valid[:, 10:].all()
        with open_mask({"path": str(root)}, "scl") as mask:
            flags = mask.read(raster.grid, raster.grid.window)
    assert (flags[:40, 10:] == CLOUD).all() and (flags[:, :10] == NOT_MEASURED).all() and (flags[40:, 10:] == CLEAR).all()
    bands = as_stored(Scene([raster]), name_bands("landsat89_l2", raster.band_names), heard := Listening())
    assert {(band.unit, band.scale, band.offset) for band in bands} == {("reflectance", 2.75e-5, -0.2)} and len(heard.texts) == 1


def test_a_landsat_scene_in_its_tar_and_by_its_metadata_file(tmp_path):
    root = landsat(tmp_path)
    with tarfile.open(f"{root}.tar", "w") as packed:
        for file in sorted(root.iterdir()):
            packed.add(file, file.name)
    for path in (f"{root}.tar", root / f"{root.name}_MTL.txt"):
        assert np.array_equal(whole(path)[0], whole(root)[0])


def test_a_landsat_scene_of_level_1_is_divided_by_the_sine_of_the_sun(tmp_path):
    with Raster(str(landsat(tmp_path, "L1TP", sun=30))) as raster:
        assert np.allclose(raster.scales, 4e-5) and np.allclose(raster.offsets, -0.2)


def test_a_folder_of_band_files(tmp_path):
    root = band_folder(tmp_path)
    with Raster(str(root)) as raster:
        assert raster.band_names == ["B02", "B03", "B04", "B8A"] and raster.date == "2021-07-01" and raster.scales == [1] * 4
        values, valid = raster.read(raster.grid.window)
    assert np.abs(values[3, 3:-3, 3:-3] - plane(8, 10)[3:-3, 3:-3]).max() <= 1 and valid.all()
    assert delivery_of(str(root)).mask.endswith("SCL.tif")


@pytest.mark.realdata
def test_a_product_of_esa(real_data):
    root = next((real_data / "s2").glob("S2A_MSIL2A_20221005*.SAFE"))
    with Raster(str(root)) as raster, open_mask({"path": str(root)}, "scl") as mask:
        assert (raster.band_names, raster.grid.resolution, raster.grid.width) == (["B02", "B8A"], (60, 60), 1830)
        assert (raster.scales, raster.offsets, raster.date) == ([1e-4] * 2, [-0.1] * 2, "2022-10-05")
        window = Window(600, 600, 200, 200)
        (values, valid), flags = raster.read(window), mask.read(raster.grid, window)
    assert valid.all() and values[0][flags == CLOUD].mean() > values[0][flags == CLEAR].mean() + 1000, "clouds are bright"


def run(job, folder, **values):
    return JOBS[job].from_values({**values, "output": str(folder)}).run(Listening())


def test_a_dataset_of_a_product_is_that_of_its_bands(tmp_path):
    root = safe(tmp_path, empty=600)
    asked = {"preset": "sentinel2_l2a_0400", "tile_size": 32, "clouds": "scl", "cloud_masks": [str(root)], "most_cloud": 0.1,
             "near_duplicates": 0, "validation_share": 0}
    made = run("create_pretraining_dataset", tmp_path / "made", images=[str(root)], **asked)
    assert made["tiles"] > 60 and made["cloudy_tiles"] > 10
    card = json.loads((tmp_path / "made" / "dataset.json").read_text())
    assert {(band["name"], band["scale"], band["offset"]) for band in card["sensors"][0]["bands"]} == {(name, 1e-4, -0.1) for name in L2A}


def test_a_season_across_the_change_of_the_baseline_is_one(tmp_path):
    old, new = safe(tmp_path, "20220105", "03.01"), safe(tmp_path, "20220205", "04.00", add=1000)
    scenes = [Scene.open([{"path": str(root)}]) for root in (old, new)]
    describe_sensor(scenes, "sentinel2_l2a", progress=Listening())
    first, second = (scene.read(Window(100, 100, 20, 20))[0] for scene in scenes)
    assert np.array_equal(first, second)


def test_what_lies_beside_bands_of_known_names_is_no_band(tmp_path):
    root = band_folder(tmp_path)
    for name in ("dem", "labels", "._B02"):
        shutil.copy(root / "B04.tif", root / f"{name}.tif")
    with Raster(str(root)) as raster:
        assert raster.band_names == ["B02", "B03", "B04", "B8A"]
        assert "not used: dem.tif, labels.tif" in raster.understood


def test_the_day_of_the_metadata_goes_before_that_of_the_folder(product, tmp_path):
    shutil.copytree(product, tmp_path / "download 2023-05-01")
    assert Raster(str(tmp_path / "download 2023-05-01")).date == "2022-10-05"


@pytest.mark.parametrize("name", ["a}b.SAFE", "x&y <1>.SAFE", "Größe 'é'.SAFE"])
def test_odd_names(product, tmp_path, name):
    shutil.copytree(product, tmp_path / name)
    archive = zipped(tmp_path / name)
    for path in (tmp_path / name, archive):
        assert np.array_equal(whole(path)[0], whole(product)[0])


def test_the_mask_must_cover_its_scene(product, tmp_path):
    far = safe(tmp_path)
    for file in far.rglob("*SCL*.tif"):
        with rasterio.open(file, "r+") as opened:
            opened.transform = rasterio.Affine(20, 0, 700_000, 0, -20, 5_000_000)
    scenes = [Scene.open([{"path": str(product)}])]
    with pytest.raises(DataError, match="covers 0%"):
        clear_scenes(scenes, [{"path": str(far)}], "scl")
    _, valid = clear_scenes(scenes, [{"path": str(product)}], "scl")[0].read(Window(200, 0, 160, 130))
    assert not valid[:120, 40:].any() and valid[:, :40].all()


def test_a_scene_and_a_plain_file_of_the_same_ground(product, tmp_path):
    with Raster(str(product)) as raster:
        values, _ = raster.read(raster.grid.window)
        names = raster.band_names
    plain = write_raster(tmp_path / "plain.tif", (values.clip(1000) - 1000).astype(np.uint16), names=names, nodata=0,
                         transform=rasterio.transform.from_origin(600_000, 5_000_000, 10, 10))
    sources = [[{"path": str(product)}], [{"path": str(plain)}]]
    for order in (sources, sources[::-1]):
        scenes = [Scene.open(source) for source in order]
        with pytest.raises(DataError, match="declares that the values of B01 are × 0.0001 - 0.1"):
            describe_sensor(scenes, "generic")
        describe_sensor(scenes, "sentinel2_l2a", progress=Listening())
        one, other = (scene.read(Window(100, 100, 40, 40))[0].astype(int) for scene in scenes)
        assert np.array_equal(one, other)


def test_a_level_that_the_sensor_is_not_is_warned_of(tmp_path):
    root = safe(tmp_path, level="L1C", baseline="05.09")
    heard = Listening()
    describe_sensor([Scene.open([{"path": str(root)}])], "sentinel2_l2a_0400", progress=heard)
    assert any(level == "warning" and "is of level L1C, but the sensor is Sentinel-2 L2A" in text for level, text in heard.said)


def test_a_mask_of_clouds_is_made_of_the_scene_as_it_was_delivered(product, tmp_path):
    facts = JOBS["mask_clouds"].from_values({"images": [str(product)], "output": str(tmp_path / "mask.tif")}).run(SILENT)
    with rasterio.open(tmp_path / "mask.tif") as written, Raster(str(product)) as raster, open_mask({"path": str(product)}, "mask") as mask:
        flags = mask.read(raster.grid, raster.grid.window)
        assert np.array_equal(written.read(1), np.where(flags == NOT_MEASURED, 255, flags))
    assert facts["source"] == "scl" and facts["cloud_share"] > 0
