"""Scenes as they are delivered whose parts do not go together, and paths that lead to none."""

import shutil
import zipfile

import numpy as np
import pytest
import rasterio
import rasterio.transform

from eo_pretrain_qgis.engine.datasets.building import describe_sensor
from eo_pretrain_qgis.engine.rasters.raster import Raster, Scene
from eo_pretrain_qgis.errors import DataError
from tests.scenes_delivered import band_folder, landsat, safe, zipped

from ..listening import Listening
from .test_deliveries import whole


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    return safe(tmp_path_factory.mktemp("sentinel2"))


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
    with pytest.raises(DataError, match="is no folder, archive, item file or metadata file of a scene"):
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


def test_what_is_no_scene_says_what_a_scene_is(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="A scene is a Sentinel-2 product with MTD_MSIL1C.xml"):
        whole(tmp_path / "empty")


def test_a_sensor_of_another_maker_is_refused(product, tmp_path):
    for root, preset in ((product, "landsat89_l2"), (landsat(tmp_path), "sentinel2_l2a")):
        with pytest.raises(DataError, match="is a scene of (Sentinel-2|Landsat), but the sensor is"):
            describe_sensor([Scene.open([{"path": str(root)}])], preset)


def test_a_scene_among_other_things_is_not_looked_for(product, tmp_path):
    shutil.copytree(product, tmp_path / product.name)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "image.tif").write_bytes(b"")
    with pytest.raises(DataError, match="A scene is a Sentinel-2 product"):
        whole(tmp_path)


@pytest.mark.parametrize("make", [safe, landsat])
def test_bands_that_are_not_there_are_warned_of(make, tmp_path):
    root, heard = make(tmp_path), Listening()
    for file in (*root.rglob("*_B04_*"), *root.glob("*_SR_B4.TIF")):
        file.unlink()
    with Scene.open([{"path": str(root)}]) as scene:
        describe_sensor([scene], "generic", progress=heard)
    band = "B04" if make is safe else "red"
    assert [text for text in heard.warnings if f"was delivered with {band}, which are not there" in text]


def test_a_folder_within_a_product_is_refused(product):
    """Alone, nobody knows what its values mean once the product has another name."""
    images = next((product / "GRANULE").iterdir()) / "IMG_DATA"
    for folder in (images, images / "R10m"):
        with pytest.raises(DataError, match=f"is a part of {product.name}, whose metadata say what the values mean. Choose .*{product.name}, with"):
            whole(folder)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.7z"])
def test_an_archive_that_must_be_unpacked_first(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x1f\x8b" + bytes(100))
    with pytest.raises(DataError, match="Unpack others and choose the folder"):
        whole(tmp_path / name)
