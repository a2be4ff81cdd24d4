"""Scenes as they are delivered: one raster of all bands, which says what its numbers mean."""

import json
import shutil
import tarfile
import zipfile

import numpy as np
import pytest
import rasterio
import rasterio.transform

from eo_pretrain_qgis.engine.datasets.building import describe_sensor
from eo_pretrain_qgis.engine.datasets.clear_scenes import clear_scenes
from eo_pretrain_qgis.engine.rasters.clouds import CLEAR, CLOUD, NOT_MEASURED, open_mask
from eo_pretrain_qgis.engine.rasters.deliveries import delivery_of
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.meaning import as_stored
from eo_pretrain_qgis.engine.rasters.raster import Raster, Scene
from eo_pretrain_qgis.engine.rasters.sensors import name_bands
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
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


def _several(root):
    granule = next((root / "GRANULE").iterdir())
    shutil.copytree(granule, granule.with_name("L2A_T33UUV_A000001_20221005T101031"))


def _without(*patterns):
    def change(root):
        for pattern in patterns:
            for file in root.rglob(pattern):
                file.unlink()
    return change


def _rewritten(old, new):
    def change(root):
        file = next(root.glob("*MTD_MSI*")) if list(root.glob("*MTD_MSI*")) else next(root.glob("*_MTL.*"))
        file.write_text(file.read_text().replace(old, new))
    return change


@pytest.mark.parametrize(("make", "change", "told"), [
    (safe, _several, "holds 2 granules"),
    (safe, _without("*.tif"), "none of its images"),
    (safe, _rewritten("</n1:General_Info>", ""), "is damaged"),
    (safe, _rewritten("<BOA_QUANTIFICATION_VALUE>10000", "<BOA_QUANTIFICATION_VALUE>many"), "“many” as QUANTIFICATION_VALUE"),
    (safe, _rewritten("<BOA_QUANTIFICATION_VALUE>10000", "<BOA_QUANTIFICATION_VALUE>0"), "do not say for all bands"),
    (safe, _rewritten('band_id="7"', 'band_id="6"'), "do not say for all bands"),
    (landsat, _rewritten('COLLECTION_NUMBER = "02"', 'COLLECTION_NUMBER = "01"'), "collection 01"),
    (landsat, _rewritten("OLI_TIRS", "MSS"), "sensor MSS"),
    (landsat, _rewritten("REFLECTANCE_MULT_BAND_3 = 2.75e-05", "REFLECTANCE_MULT_BAND_3 = x"), "“x” as REFLECTANCE_MULT_BAND_3"),
    (landsat, _without("*_B?.TIF"), "none of its reflective bands"),
])
def test_a_product_that_contradicts_itself_is_refused(tmp_path, make, change, told):
    root = make(tmp_path)
    change(root)
    with pytest.raises(DataError, match=told):
        whole(root)


def test_files_that_are_no_bands_of_one_scene_are_refused(tmp_path):
    root = band_folder(tmp_path)
    shutil.copy(root / "B02.tif", root / "B02_2021-07-02.tif")
    shutil.copy(root / "B03.tif", root / "B05_2021-07-03.tif")
    with pytest.raises(DataError, match="are of 2 days"):
        whole(root)
    (root / "B05_2021-07-03.tif").unlink()
    with pytest.raises(DataError, match="holds the band B02 more than once"):
        whole(root)
    (root / "B02_2021-07-02.tif").unlink()
    shutil.copy(landsat(tmp_path) / "LC08_L2SP_193024_20200621_20200823_02_T1_ST_B10.TIF", root / "B10.tif")
    with Raster(str(root)) as raster:
        assert raster.grid.resolution == (10, 10)


@pytest.mark.parametrize("size", ["7", "0", "-20", "nan", "4000", "1.2.3", "ten"])
def test_a_grid_that_cannot_be_is_refused(product, size):
    with pytest.raises(DataError):
        whole(f"{product}|resolution={size}")


def test_a_grid_for_a_plain_file_is_refused(product):
    file = next(product.rglob("*_B02_10m.tif"))
    with pytest.raises(DataError, match="is no folder, archive or metadata file of a scene"):
        whole(f"{file}|resolution=20")


def test_an_archive_cannot_reach_outside_itself_nor_the_network(tmp_path):
    root = safe(tmp_path)
    evil = next(root.rglob("*_B02_10m.tif"))
    evil.write_text('<VRTDataset rasterXSize="360" rasterYSize="360"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
                    "<SourceFilename>/vsicurl/http://127.0.0.1:9/x.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>")
    for path in (root, zipped(root)):
        with pytest.raises(DataError, match="is a VRT although"):
            whole(path)
    with zipfile.ZipFile(tmp_path / "up.zip", "w") as archive:
        archive.writestr("../MTD_MSIL2A.xml", "<a/>")
    with pytest.raises(DataError):
        whole(tmp_path / "up.zip")


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


def test_the_metadata_file_that_was_given_counts(tmp_path):
    one, other = landsat(tmp_path / "one"), landsat(tmp_path / "two", "L1TP")
    together = tmp_path / "together"
    shutil.copytree(one, together)
    shutil.copytree(other, together, dirs_exist_ok=True)
    with pytest.raises(DataError, match="2 Landsat scenes"):
        whole(together)
    for root in (one, other):
        with Raster(str(together / f"{root.name}_MTL.txt")) as raster, Raster(str(root)) as alone:
            assert raster.scales == alone.scales and "ST_B10" not in raster.understood
    (one / "old").mkdir()
    shutil.copy(one / f"{one.name}_SR_B2.TIF", one / "old" / f"{one.name}_SR_B1.TIF")
    assert whole(one)[0][0, 50, 50] == 8500, "the file beside the metadata"


@pytest.mark.parametrize(("make", "change", "told"), [
    (safe, _rewritten("2022-10-05", "2020-01-01"), "are of 2020-01-01, but its band"),
    (safe, _rewritten(">04.00<", ">02.14<"), "have the offsets that came with 04.00"),
    (safe, _rewritten("BOA_ADD_OFFSET", "OTHER"), "lack the offsets"),
    (safe, _rewritten("<BOA_QUANTIFICATION_VALUE>10000", "<BOA_QUANTIFICATION_VALUE>inf"), "“inf” as QUANTIFICATION_VALUE"),
    (safe, _rewritten(">-1000<", ">nan<"), "“nan” as ADD_OFFSET"),
    (safe, _rewritten("<n1:Product", "<?xml version='1.0' encoding='bogus'?><n1:Product"), "is damaged"),
    (safe, _rewritten("BOA_QUANTIFICATION_VALUE", "SOMETHING"), "do not say how values become reflectance"),
    (safe, _without("MTD_MSIL2A.xml"), "but not their metadata"),
    (landsat, _rewritten('COLLECTION_NUMBER = "02"', 'COLLECTION_NUMBER = "²"'), "collection ²"),
    (landsat, _rewritten("DATE_ACQUIRED = 2020-06-21", "DATE_ACQUIRED = 2019-01-01"), "of 2019-01-01, name the file"),
    (landsat, _rewritten('_SR_B3.TIF"', '_SR_B4.TIF"'), "of another band or day"),
    (landsat, _rewritten("_QA_PIXEL.TIF", "_SR_B4.TIF"), "of another band or day"),
    (landsat, _rewritten("MULT_BAND_3 = 2.75e-05", "MULT_BAND_3 = 0"), "give 0 as the factor of band 3"),
    (landsat, _without("*_MTL.txt"), "but not their metadata"),
    (band_folder, lambda root: shutil.copy(root / "B02.tif", root / "B02.jp2"), "more than once"),
    (band_folder, lambda root: declare(root / "B02.tif", 1e-4, -0.1), "declares a scale or an offset and"),
    (band_folder, lambda root: mask(root / "B02.tif"), "has a mask of its own"),
    (band_folder, lambda root: paint(root / "B02.tif"), "numbers of colours in a table"),
])
def test_parts_that_do_not_go_together_are_refused(tmp_path, make, change, told):
    root = make(tmp_path)
    change(root)
    with pytest.raises(DataError, match=told):
        whole(root)


def declare(path, scale, offset):
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = [scale], [offset]


def mask(path):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.full(file.shape, 255, np.uint8))


def paint(path):
    with rasterio.open(path) as file:
        values, profile = file.read().astype(np.uint8), {**file.profile, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile) as file:
        file.write(values)
        file.write_colormap(1, {0: (0, 0, 0), 1: (9, 9, 9)})


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


def test_what_is_no_scene_says_what_a_scene_is(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="A scene is a Sentinel-2 product with MTD_MSIL1C.xml"):
        whole(tmp_path / "empty")


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


def test_a_sensor_of_another_maker_is_refused(product, tmp_path):
    for root, preset in ((product, "landsat89_l2"), (landsat(tmp_path), "sentinel2_l2a")):
        with pytest.raises(DataError, match="is a scene of (Sentinel2|Landsat), but the sensor is"):
            describe_sensor([Scene.open([{"path": str(root)}])], preset)


def test_a_scene_among_other_things_is_not_looked_for(product, tmp_path):
    shutil.copytree(product, tmp_path / product.name)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "image.tif").write_bytes(b"")
    with pytest.raises(DataError, match="A scene is a Sentinel-2 product"):
        whole(tmp_path)
