import csv

import numpy as np
import pyproj
import pytest
import rasterio

from eo_pretrain_qgis.engine.rasters.grid import Grid
from eo_pretrain_qgis.engine.themes.sea_ice.incidence_angle import check_angles, read_tables, write_angles
from eo_pretrain_qgis.errors import DataError

from ..scenes_ice import ICE_ORIGIN, ICE_PIXEL, ICE_SIZE, POLAR, ice_angle_of, ice_tables

GRID = Grid(rasterio.crs.CRS.from_string(POLAR).to_wkt(), (ICE_PIXEL, 0.0, ICE_ORIGIN[0], 0.0, -ICE_PIXEL, ICE_ORIGIN[1]), ICE_SIZE[1], ICE_SIZE[0])


def written(folder, angle_at, grid=GRID, width=ICE_SIZE[1], height=ICE_SIZE[0]):
    write_angles(folder / "angle.tif", width, height, angle_at, grid)
    with rasterio.open(folder / "angle.tif") as source:
        return source.read(1)


@pytest.mark.parametrize("name", ["places", "all", "pixels"])
def test_every_pixel_has_the_angle_of_the_formula(folder, name):
    table = read_tables(str(ice_tables(folder) / f"{name}.csv"))[""]
    at = table.by_pixel(ICE_SIZE[1], ICE_SIZE[0]) if name == "pixels" else table.by_place(GRID)
    np.testing.assert_allclose(written(folder, at), np.broadcast_to(ice_angle_of(np.arange(ICE_SIZE[1])), ICE_SIZE), atol=1e-4)


def test_curved_angles_are_linear_between_the_points(folder):
    """A swath of 400 km with points every 20 km, as Sentinel-1 EW has them: the angle of the geometry is met to 0.02 degrees."""
    ground = np.arange(0, 420_000, 20_000) + 240_000  # ground range from the nadir [m], height 700 km, flat earth
    with (folder / "swath.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["pixel", "line", "incidenceAngle"], *[
            (x / 400 - 600, line, np.degrees(np.arctan(x / 700_000))) for line in (0, 50, 100) for x in ground]])
    table = read_tables(str(folder / "swath.csv"))[""]
    truth = np.degrees(np.arctan((np.arange(1000) + 600) * 400 / 700_000))
    assert np.abs(written(folder, table.by_pixel(1000, 101), None, 1000, 101) - truth).max() < 0.02


def test_across_the_date_line_and_the_pole(folder):
    """Points on all sides of the pole: longitudes jump from 180 to -180, the angle does not."""
    grid = Grid(rasterio.crs.CRS.from_epsg(3995).to_wkt(), (1000.0, 0.0, -100_000.0, 0.0, -1000.0, 100_000.0), 200, 200)
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(-120_000, 120_001, 20_000), np.arange(-120_000, 120_001, 20_000)))
    lon, lat = pyproj.Transformer.from_crs("EPSG:3995", "OGC:CRS84", always_xy=True).transform(x, y)
    with (folder / "pole.csv").open("w", newline="") as stream:
        csv.writer(stream, delimiter=";").writerows([["Lon", "Lat", "Incidence_Angle"], *zip(lon, lat, 30 + x / 20_000, strict=True)])
    at = read_tables(str(folder / "pole.csv"))[""].by_place(grid)
    truth = np.broadcast_to(30 + (np.arange(200) * 1000 - 99_500) / 20_000, (200, 200))
    np.testing.assert_allclose(written(folder, at, grid, 200, 200), truth, atol=1e-3)


def test_pixels_far_from_the_points_have_no_angle(folder):
    wide = Grid(GRID.crs, GRID.transform, 800, 300)
    angles = written(folder, read_tables(str(ice_tables(folder) / "places.csv"))[""].by_place(wide), wide, 800)
    assert np.isnan(angles[:, 420:]).all() and not np.isnan(angles[:, :400]).any()


def test_scenes_have_their_own_points(folder):
    assert set(read_tables(str(ice_tables(folder) / "scenes.csv"))) == {"S1A_EW_20220503", "other"}


@pytest.mark.parametrize(("text", "sentence"), [
    ("pixel,incidenceAngle\n1,30\n", "does not say where its angles lie. Add the columns pixel and line, or longitude and latitude."),
    ("pixel,line,incidenceAngle\n0,0,30\n1,0,x\n0,1,32\n1,1,33\n", "has “x” in the column angle, which is no number."),
    ("pixel,line,incidenceAngle\n0,0,30\n", "has 1 points for a scene, and 4 are the least to interpolate."),
    ("", "has no column incidenceAngle; it has no heading."), ("pixel,line,incidenceAngle\n", "has no row below its heading"),
    ("pixel,line,incidenceAngle\n0,0,nan\n0,1,30\n1,0,31\n1,1,32\n", "Line 2 of"),
    ("pixel,line,incidenceAngle\n0,0,30,5\n0,1,30,5\n", "Put text that holds “,” in double quotes"),
    ("pixel;line;incidenceAngle\n0;0;1.030,5\n", "so that the comma may stand before a fraction or between thousands")])
def test_bad_tables_are_named(folder, text, sentence):
    (folder / "bad.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        read_tables(str(folder / "bad.csv"))
    assert sentence in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_a_german_table_is_read(folder, encoding):
    rows = "".join(f"{col};{row};{str(30 + col / 8).replace('.', ',')}\n" for row in (0, 4) for col in (0, 4))
    (folder / "german.csv").write_bytes(("Pixel;Line;Incidence angle\n" + rows).encode(encoding))
    assert read_tables(str(folder / "german.csv"))[""].angle.tolist() == [30, 30.5, 30, 30.5]


def test_points_given_twice_are_no_grid(folder):
    (folder / "twice.csv").write_text("pixel,line,angle\n0,0,30\n0,0,30\n9,9,33\n9,9,33\n")
    with pytest.raises(DataError, match="lie on one line"):
        read_tables(str(folder / "twice.csv"))[""].by_pixel(10, 10)


def test_points_on_one_line_are_refused(folder):
    (folder / "line.csv").write_text("longitude,latitude,incidenceAngle\n" + "".join(f"-26,{78 + step / 10},{30 + step}\n" for step in range(6)))
    with pytest.raises(DataError, match="lie on one line, so nothing can be interpolated between them"):
        read_tables(str(folder / "line.csv"))[""].by_place(GRID)


@pytest.mark.parametrize(("values", "sentence"), [
    (np.zeros(0), "has no value on the image"), (np.full(9, 33.0), "is 33 everywhere"), (np.linspace(0.3, 0.8, 9), "They look like radians"),
    (np.linspace(-20, 20, 9), "no angles in degrees between 5 and 80")])
def test_what_is_no_angle_is_refused(values, sentence):
    with pytest.raises(DataError) as caught:
        check_angles(values, "IA.tif")
    assert sentence in str(caught.value)


def test_the_greenland_scene_from_points_20_km_apart(folder, real_data):
    """The product's own angle, thinned to points every 24 km and interpolated, is met to 0.04 degrees everywhere."""
    angle = np.fromfile(real_data / "seaice" / "glia_s1_ew_20220503" / "IA.img", "<f4").reshape(714, 700)
    with (folder / "points.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["line", "pixel", "incidenceAngle"], *[
            (row, col, angle[row, col]) for row in (*range(0, 713, 42), 713) for col in (*range(0, 699, 42), 699)]])
    at = read_tables(str(folder / "points.csv"))[""].by_pixel(700, 714)
    difference = np.abs(written(folder, at, None, 700, 714) - angle)
    assert difference.max() < 0.04 and difference.mean() < 0.01
