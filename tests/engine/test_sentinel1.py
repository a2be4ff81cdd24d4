"""Sentinel-1 products as they are delivered: σ⁰, angle and place of every pixel against the ground they were made of."""

import pickle
import re
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eo_pretrain_qgis.engine.datasets.building import describe_sensor
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.raster import Raster, Scene
from eo_pretrain_qgis.engine.themes.sea_ice.sar_bands import SarImages
from eo_pretrain_qgis.engine.themes.sea_ice.sar_scenes import open_sar_scenes
from eo_pretrain_qgis.errors import DataError

from ..fuzzing import fuzzed
from ..listening import Listening
from ..scenes_delivered import GRD_ALONG, GRD_DOWN, GRD_FIRST, GRD_SIZE, grd, grd_angle, grd_power, zipped


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    return grd(tmp_path_factory.mktemp("grd"))


def ground(raster):
    """Place, line and pixel of the middle of every pixel of the map grid."""
    a, _, c, _, e, f = raster.grid.transform
    x, y = np.meshgrid(c + a * (np.arange(raster.grid.width) + 0.5), f + e * (np.arange(raster.grid.height) + 0.5))
    pixel, line = np.linalg.solve(np.array([GRD_ALONG, GRD_DOWN]).T, np.stack([x.ravel() - GRD_FIRST[0], y.ravel() - GRD_FIRST[1]]))
    return x, y, line.reshape(x.shape), pixel.reshape(x.shape)


def check(path, noise=0.0, names=("HH", "HV")):
    with Raster(str(path)) as raster:
        assert raster.band_names == [*names, "incidence_angle"] and raster.date == "2021-03-10"
        assert raster.dataset.crs == "EPSG:32633" and raster.grid.resolution == (40, 40)
        assert raster.grid.bounds()[0] % 40 == raster.grid.bounds()[3] % 40 == 0
        values, valid = raster.read(raster.grid.window)
        x, y, line, pixel = ground(raster)
    inside = (pixel > 21) & (pixel < GRD_SIZE[1] - 2) & (line > 1) & (line < GRD_SIZE[0] - 2)
    outside = (pixel < 18) | (pixel > GRD_SIZE[1]) | (line < -1) | (line > GRD_SIZE[0])
    assert valid[inside].all() and not valid[outside].any() and inside.mean() > 0.5
    for band, name in enumerate(names):
        truth = 10 * np.log10(grd_power(x, y, name))
        error = np.abs(values[band] - truth)[inside]
        assert error.max() < 0.05 + noise and np.median(error) < 0.005 + noise, name
    assert np.abs(values[-1] - grd_angle(pixel))[inside].max() < 0.01
    return values, valid


def test_every_pixel_has_the_power_of_its_ground(product):
    check(product)


def test_a_zip_is_the_same(product, tmp_path):
    copy = shutil.copytree(product, tmp_path / product.name)
    zipped(copy)
    shutil.rmtree(copy)
    ours, theirs = check(product)[0], check(tmp_path / f"{product.stem}.zip")[0]
    assert np.array_equal(ours, theirs, equal_nan=True)


def test_thermal_noise_is_taken_off_when_asked(tmp_path):
    root = grd(tmp_path, noise=True)
    with Raster(str(root)) as raster:
        assert "with thermal noise, which |noise=subtracted behind the path takes off" in raster.understood
        with_noise, _ = raster.read(raster.grid.window)
        x, y, line, pixel = ground(raster)
    without, _ = check(f"{root}|noise=subtracted", noise=0.6)
    inside = (pixel > 21) & (pixel < 500) & (line > 1) & (line < 400)
    assert (with_noise[1] - 10 * np.log10(grd_power(x, y, "HV")))[inside].min() > 0.2, "noise in HV is not small"
    # Away from the steps between sub-swaths and bursts, which tables of 16 px smooth, nothing of it is left.
    smooth = inside & (np.abs(pixel - 260) > 24) & (np.abs(line - 200) > 24)
    assert np.abs(without[1] - 10 * np.log10(grd_power(x, y, "HV")))[smooth].max() < 0.05


def test_noise_above_the_signal_stays_a_number(tmp_path):
    root = grd(tmp_path)  # without noise in the values, but with it in the annotation
    with Raster(f"{root}|noise=subtracted") as raster:
        values, valid = raster.read(raster.grid.window)
    assert np.isfinite(values[:, valid]).all() and values[1][valid].min() >= -40.001


def test_windows_copies_and_sizes(product):
    with Raster(str(product)) as raster:
        whole, _ = raster.read(raster.grid.window)
        part, valid = raster.read(Window(101, 57, 90, 70))
        assert np.array_equal(part[:, valid], whole[:, 57:127, 101:191][:, valid])
        copy = pickle.loads(pickle.dumps(raster))  # noqa: S301 - as rasters reach other processes
    with copy:
        assert np.array_equal(copy.read(Window(101, 57, 90, 70))[0][:, valid], part[:, valid])
    with Raster(f"{product}|resolution=80") as coarse:
        assert coarse.grid.resolution == (80, 80) and coarse.band_names == ["HH", "HV", "incidence_angle"]


def test_bands_come_in_the_order_of_the_sensor(tmp_path):
    root = grd(tmp_path, polarisations=("VH", "VV"))
    check(root, names=("VV", "VH"))
    scene = Scene.open([{"path": str(root)}])
    sensor = describe_sensor([scene], "sentinel1_db", None, Listening())
    assert [band.name for band in sensor.bands] == ["VV", "VH", "incidence_angle"] and sensor.bands[0].unit == "dB"


def test_sea_ice_takes_the_product_as_it_is(product, tmp_path):
    scenes, sensor, facts = open_sar_scenes(SarImages([{"path": str(product)}]), tmp_path / "warped", Listening())
    assert [(band.name, band.unit) for band in sensor.bands] == [("HH", "dB"), ("HV", "dB"), ("incidence_angle", "degree")]
    assert facts == {"unit": "dB", "incidence_angle": "band", "georeferenced": ["grid"]}
    values, valid = scenes[0].read(Window(200, 200, 64, 64))
    with Raster(str(product)) as raster:
        assert np.array_equal(values, raster.read(Window(200, 200, 64, 64))[0]) and valid.all()


@pytest.mark.parametrize(("pattern", "sentence"), [
    ("annotation/calibration/calibration-*-hv-*.xml", "lacks the calibration of HV, without which its values mean nothing."),
    ("measurement/*-hh-*.tiff", "lacks the measurement of HH"), ("annotation/*-hh-*.xml", "lacks the annotation of HH")])
def test_missing_files_are_named(product, tmp_path, pattern, sentence):
    root = shutil.copytree(product, tmp_path / product.name)
    next(root.glob(pattern)).unlink()
    with pytest.raises(DataError, match=re.escape(sentence)):
        _ = Raster(str(root)).grid


@pytest.mark.parametrize(("pattern", "old", "new", "sentence"), [
    ("annotation/s1a*-hh-*.xml", "<numberOfLines>420", "<numberOfLines>421", "has 520 × 420 pixels, but its annotation says 520 × 421."),
    ("annotation/s1a*-hh-*.xml", "<pixel>519</pixel>", "<pixel>518.5</pixel>", "which are no grid of lines and pixels."),
    ("annotation/s1a*-hh-*.xml", "<rangePixelSpacing>4.0e+01", "<rangePixelSpacing>wide", "gives “wide” as imageAnnotation/imageInformation/range"),
    ("annotation/calibration/calibration-*-hh-*.xml", "sigmaNought", "betaNought", "does not say “sigmaNought”."),
    ("annotation/calibration/calibration-*-hh-*.xml", "<pixel>0 40", "<pixel>0", "pixels and 16 values of sigmaNought in a vector."),
    ("annotation/calibration/calibration-*-hh-*.xml", "<sigmaNought>3", "<sigmaNought>-3", "has a factor of σ⁰ that is not above 0."),
    ("annotation/calibration/calibration-*-hh-*.xml", "</calibration>", "", "is damaged")])
def test_damaged_annotation_is_named(product, tmp_path, pattern, old, new, sentence):
    root = shutil.copytree(product, tmp_path / product.name)
    path = next(root.glob(pattern))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) if old != "sigmaNought" else text.replace(old, new))
    with pytest.raises(DataError, match=re.escape(sentence)):
        _ = Raster(str(root)).grid


def test_other_products_are_refused(tmp_path):
    root = grd(tmp_path, kind="slc")
    with pytest.raises(DataError, match="is a Sentinel-1 product of the type SLC, and only GRD is read. Download the GRD product"):
        _ = Raster(str(root)).grid
    root = grd(tmp_path / "other")
    for path in root.glob("annotation/calibration/noise-*"):
        path.unlink()
    check(root)
    with pytest.raises(DataError, match="lacks the noise of HH, so it cannot be taken off."):
        _ = Raster(f"{root}|noise=subtracted").grid


@fuzzed(25)
@given(st.data())
def test_fuzz_damaged_annotation(product, tmp_path_factory, data):
    """Damaged metadata give a scene or a sentence."""
    root = shutil.copytree(product, tmp_path_factory.mktemp("damaged") / product.name)
    path = sorted(root.glob("annotation/*.xml"))[0] if data.draw(st.booleans()) else sorted(root.glob("annotation/calibration/calib*.xml"))[0]
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(32, 126))
    path.write_bytes(content)
    try:
        with Raster(str(root)) as raster:
            raster.read(Window(0, 0, 8, 8))
    except DataError as error:
        assert str(root) in str(error) or "control points" in str(error)
