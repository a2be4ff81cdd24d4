"""Data cubes open as scenes and series: their values, days, bands and masks are those that were written; what says no day is refused."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.rasters.clouds import CLEAR, CLOUD, open_mask
from eo_pretrain_qgis.engine.rasters.deliveries.cubes import cube_days
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.engine.rasters.series_dates import days_of
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.scene_names import cube_parts, may_be_scene, scene_name

from ..conftest import ROOT
from ..fuzzing import fuzzed
from ..listening import Listening
from ..scenes_crops import BANDS, DAYS, SIZE, crop_value
from ..scenes_cubes import UNITS, crop_cube, season_values, write_netcdf, write_plain_netcdf, write_zarr

WHOLE_DAYS = [date.fromisoformat(day) for day in DAYS]


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    return crop_cube(tmp_path_factory.mktemp("cubes"))


@pytest.mark.parametrize("name", ["cube.nc", "cube.zarr"])
def test_every_day_is_a_scene(cubes, name):
    path = str(cubes / name)
    assert cube_days(path) == WHOLE_DAYS
    for number, day in enumerate(WHOLE_DAYS):
        with Raster(f"{path}|date={day}") as raster:
            assert raster.band_names == list(BANDS) and raster.date == str(day) and raster.grid.bounds() == (500_000, 5_298_800, 501_200, 5_300_000)
            values, valid = raster.read(raster.grid.window)
        assert valid.all() and all((values[band] == season_values(band)[number]).all() for band in range(len(BANDS)))


def test_one_variable(cubes):
    path = f'NETCDF:"{cubes / "cube.nc"}":B04'
    with Raster(f"{path}|date=2023-05-01") as raster:
        assert raster.band_names == ["B04"] and (raster.read(raster.grid.window)[0][0] == season_values(2)[1]).all()
        assert raster.name == "cube.nc B04 2023-05-01" and raster.dataset.crs == "EPSG:32633"


def test_its_own_mask(cubes):
    for path in (str(cubes / "cube.nc"), f'NETCDF:"{cubes / "cube.nc"}":SCL'):
        with open_mask({"path": f"{path}|date=2023-05-01"}, "scl") as mask, Raster(f"{cubes / 'cube.nc'}|date=2023-05-01") as raster:
            flags = mask.read(raster.grid, raster.grid.window)
        assert (flags[:60] == CLOUD).all() and (flags[60:] == CLEAR).all()


@pytest.mark.parametrize("name", ["cube.nc", "cube.zarr"])
def test_a_cube_is_a_series(cubes, folder, name):
    heard = Listening()
    values = {"images": [str(cubes / name)], "parcels": str(cubes / "parcels.gpkg"), "crop_field": "crop", "kind": "parcels", "split_by": "parcel",
              "minimum_clear": 1, "output": str(folder / "ds"), **({"masks": [str(cubes / name)]} if name == "cube.nc" else {})}
    JOBS["create_crop_dataset"].from_values(values).run(heard)
    dataset = Dataset.open(folder / "ds")
    assert dataset.facts["dates"]["image"] == list(map(str, WHOLE_DAYS)) and len(dataset) == 36
    assert any(text.startswith("4 dates of the images, from 2023-04-01 to 2023-07-01, read from the data cube.") for text in heard.texts)
    number = dataset.tiles["parcel"].to_numpy() - 1
    crop = (number // 6 + number % 6) % 3
    expected = np.stack([np.stack([crop_value(crop, day, band) for band in range(len(BANDS))], 1) for day in range(4)], 1)
    assert (dataset.images(np.arange(36)) == expected).all()
    flags = dataset.array("flags", np.arange(36))
    assert (flags[:, 1] == ((number // 6 < 3) & (name == "cube.nc"))).all()


def test_bands_with_numbers(tmp_path):
    write_netcdf(tmp_path / "c.nc", {"reflectance": np.arange(2 * 2 * 12, dtype=np.int16).reshape(2, 2, 3, 4)}, times=(0, 10), bands=(4, 8))
    with Raster(f"{tmp_path / 'c.nc'}|date=2023-03-11") as raster:
        assert raster.band_names == ["reflectance 4", "reflectance 8"]
        assert (raster.read(raster.grid.window)[0] == np.arange(24, 48).reshape(2, 3, 4)).all()


@pytest.mark.parametrize(("units", "times", "days"), [
    ("hours since 2023-03-01T12:00:00Z", (0, 11, 13), ["2023-03-01", "2023-03-01", "2023-03-02"]),
    ("seconds since 1970-01-01", (1_677_628_800, 1_677_715_200, 1_680_307_200), ["2023-03-01", "2023-03-02", "2023-04-01"]),
    ("days since 2022-12-31 23:59:59.5", (0, 1, 60), ["2022-12-31", "2023-01-01", "2023-03-01"])])
def test_times_as_cf_writes_them(tmp_path, units, times, days):
    write_netcdf(tmp_path / "c.nc", {"B04": np.ones((3, 4, 5), np.int16)}, units=units, times=times)
    if len(set(days)) < 3:
        with pytest.raises(DataError, match="holds 2 layers of 2023-03-01, and a series holds each date once. Join them first"):
            cube_days(str(tmp_path / "c.nc"))
    else:
        assert list(map(str, cube_days(str(tmp_path / "c.nc")))) == days


def test_what_says_no_day_is_refused(cubes, tmp_path):
    with pytest.raises(DataError, match="is a data cube, but “B04” does not say of which days its 4 layers along “time” are. Write its times"):
        days_of([{"path": str(cubes / "without_dates.nc")}])
    with pytest.raises(DataError, match="counts its times in the calendar “360_day”, whose days are not those of any image."):
        days_of([{"path": str(cubes / "model_days.nc")}])
    write_netcdf(tmp_path / "months.nc", {"B04": np.ones((2, 4, 5), np.int16)}, units="months since 2023-01-01", times=(0, 1))
    with pytest.raises(DataError, match="writes a time as 0 “months since 2023-01-01”, which is no day."):
        cube_days(str(tmp_path / "months.nc"))
    with pytest.raises(DataError, match="does not say of which days"):
        cube_days(str(write_zarr(tmp_path / "silent.zarr", {"B04": np.ones((2, 4, 5), np.int16)}, units="")))


def test_one_image_is_of_one_date(cubes):
    with pytest.raises(DataError, match=r"is a data cube of 4 dates, 2023-04-01 to 2023-07-01, and one image is of one. Write a date behind it, as .*"
                                        r"cube.nc\|date=2023-04-01, or make a series of it"):
        _ = Raster(str(cubes / "cube.nc")).grid
    with pytest.raises(DataError, match="holds no layer of 2023-04-02; its dates are 2023-04-01, 2023-05-01, "):
        _ = Raster(f"{cubes / 'cube.nc'}|date=2023-04-02").grid


def test_axes_without_attributes_are_places(tmp_path):
    """As in the files of WorldCereal: x and y are just called so."""
    values = np.arange(40, dtype=np.int16).reshape(2, 4, 5)
    write_netcdf(tmp_path / "c.nc", {"B04": values}, times=(0, 1), plain=True)
    with Raster(f"{tmp_path / 'c.nc'}|date=2023-03-02") as raster:
        assert raster.grid.bounds() == (500_000, 5_299_960, 500_050, 5_300_000)
        assert (raster.read(raster.grid.window)[0][0] == values[1]).all()
    write_netcdf(tmp_path / "t.nc", {"B04": values.transpose(0, 2, 1)}, times=(0, 1), plain=True, order="xy")
    with pytest.raises(DataError, match="The variable “B04” of .* has its axes in another order than time, y and x."):
        cube_days(str(tmp_path / "t.nc"))


def test_a_cube_without_crs_or_whole_is_refused(tmp_path):
    write_netcdf(tmp_path / "c.nc", {"B04": np.ones((2, 4, 5), np.int16)}, times=(0, 1), crs="")
    with pytest.raises(DataError, match="has no coordinate reference system. Set it"):
        _ = Raster(f"{tmp_path / 'c.nc'}|date=2023-03-01").grid
    with Raster(f"{tmp_path / 'c.nc'}|date=2023-03-01", crs="EPSG:32633") as raster:
        assert raster.grid.resolution == (10, 10)
    (tmp_path / "d.nc").write_bytes((tmp_path / "c.nc").read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be opened as a data cube"):
        cube_days(str(tmp_path / "d.nc"))


def test_a_file_without_times_stays_an_image(tmp_path):
    write_plain_netcdf(tmp_path / "plain_20230405.nc")
    assert cube_days(str(tmp_path / "plain_20230405.nc")) == []
    assert [str(each.day) for each in days_of([{"path": str(tmp_path / "plain_20230405.nc")}])] == ["2023-04-05"]
    with Raster(str(tmp_path / "plain_20230405.nc")) as raster:
        assert raster.grid.width == 8


def test_a_cube_that_refers_to_the_network_stays_offline(tmp_path):
    """An address in a name is none of a file: it is opened by nobody but the user who gives it."""
    assert cube_days("/vsicurl/https://example.org/a.nc") == []


def test_names(tmp_path):
    assert cube_parts('NETCDF:"C:\\a b\\c.nc":B04') == ("C:\\a b\\c.nc", "B04") and cube_parts("x.zarr/") == ("x.zarr/", "")
    assert cube_parts('ZARR:"/a/c.zarr":/B04|date=2020-01-01') == ("/a/c.zarr", "B04") and cube_parts("a.tif") == ("", "")
    (tmp_path / "c.nc").touch()
    assert may_be_scene(f"{tmp_path / 'c.nc'}|date=2020-01-01") and not may_be_scene(str(tmp_path / "c.nc"))
    assert scene_name("/a/c.nc|date=2020-01-01|resolution=20") == "c.nc 2020-01-01"


WORLDCEREAL = ROOT.parent / "shared/data/crops/worldcereal_00002806639B424A"


@pytest.mark.realdata
@pytest.mark.skipif(not WORLDCEREAL.is_dir(), reason="The data are not beside this checkout.")
def test_a_real_cube():
    path = next(WORLDCEREAL.glob("S2_L2A_10m*.nc"))
    days = cube_days(str(path))
    assert (len(days), str(days[0]), str(days[-1])) == (118, "2017-08-04", "2018-11-27")
    with Raster(f"{path}|date={days[50]}") as raster:
        assert raster.band_names == ["B02", "B03", "B04", "B08"] and raster.grid.bounds() == (501_360, 5_629_040, 502_000, 5_629_680)
        assert raster.scales == [1e-4] * 4


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "c.nc"
    write_netcdf(path, {"B04": np.ones((2, 4, 5), np.int16)}, times=(0, 1), units=UNITS)
    return path


@fuzzed(30)
@given(st.data())
def test_fuzz_damaged_cubes(small, data):
    """Damaged bytes give a cube or a sentence."""
    content = bytearray(small.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = small.with_name("damaged.nc")
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    try:
        for day in cube_days(str(path)):
            with Raster(f"{path}|date={day}") as raster:
                assert raster.grid.width * raster.grid.height < SIZE**4
    except DataError as error:
        assert str(path) in str(error)


@pytest.mark.filterwarnings("error::rasterio.errors.NotGeoreferencedWarning")
def test_coordinates_that_lie_nowhere_are_not_warned_of(tmp_path):
    write_netcdf(tmp_path / "quiet.nc", {"B04": season_values(2)})
    write_zarr(tmp_path / "quiet.zarr", {"B04": season_values(2)[:, None]}, bands=["B04"])
    assert cube_days(str(tmp_path / "quiet.nc")) == cube_days(str(tmp_path / "quiet.zarr")) == WHOLE_DAYS
