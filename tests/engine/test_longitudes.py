"""Ground at 180°, where longitudes begin anew: labels, maps and images on both sides of it, however each file counts."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.warp import transform

from eo_pretrain_qgis.engine.datasets.alignment import align, overlap
from eo_pretrain_qgis.engine.datasets.footprints import footprint
from eo_pretrain_qgis.engine.datasets.labels import open_labels
from eo_pretrain_qgis.engine.formats.tile_files import _agrees
from eo_pretrain_qgis.engine.rasters.grid import Grid, Window, boxes_of
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.engine.themes.crops.parcels import open_parcels
from eo_pretrain_qgis.engine.themes.land_cover.cover_map import CoverMap, found_codes
from eo_pretrain_qgis.engine.themes.roads.labels import RoadDrawing, make_labels
from eo_pretrain_qgis.engine.themes.roads.ways import RoadRules, open_roads
from eo_pretrain_qgis.engine.themes.sea_ice.labels import PolygonRules, open_ice_labels
from eo_pretrain_qgis.engine.themes.sea_ice.land_mask import open_land
from eo_pretrain_qgis.errors import DataError

from ..listening import Listening
from ..scenes import write_raster

#: Images of 64 x 64 px with 180° in their middle, or on one side of it.
PLACES = {
    "utm": ("EPSG:32601", (362_620 + 960, 7_324_480, 10.0, 10.0)),
    "polar": ("EPSG:3413", (-1_860_000 - 320, 1_860_000 + 320, 10.0, 10.0)),
    "degrees to 180.008": ("EPSG:4326", (179.992, 66.0, 0.00025, 0.0001)),
    "degrees from -180.008": ("EPSG:4326", (-180.008, 66.0, 0.00025, 0.0001)),
}
EDGE = 32


def grid_of(place):
    crs, (west, north, x, y) = PLACES[place]
    return Grid(rasterio.crs.CRS.from_string(crs).to_wkt(version="WKT2_2019"), (x, 0.0, west, 0.0, -y, north), 64, 64)


def longitudes(grid):
    """Longitude of the middle of each pixel (y, x), from 0° to 360°."""
    a, _, c, _, e, f = grid.transform
    cols, rows = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5)
    found = transform(grid.crs, "OGC:CRS84", (c + a * cols).ravel(), (f + e * rows).ravel())[0]
    return np.array(found).reshape(64, 64) % 360


def turned(shapes, grid):
    """Shapes of the pixel grid (column, row) in longitude and latitude, longitudes from 0° to 360°."""
    a, _, c, _, e, f = grid.transform
    placed = shapely.transform(shapely.segmentize(shapes, 1.0), lambda points: points * (a, e) + (c, f))
    lonlat = geopandas.GeoSeries(placed, crs=grid.crs).to_crs("OGC:CRS84")
    return np.asarray(shapely.transform(lonlat.values, lambda points: np.stack([points[:, 0] % 360, points[:, 1]], 1)), object)


def layer(folder, shapes, columns, how="split"):
    """Writes shapes (n,), cut at 180° as GeoJSON asks ("split"), from 0° to 360° ("turned"), not cut ("across") or cut and in Web Mercator."""
    if how == "turned":
        pieces, rows = shapes, np.arange(len(shapes))
    elif how == "across":
        pieces, rows = shapely.transform(shapes, lambda points: np.stack([(points[:, 0] + 180) % 360 - 180, points[:, 1]], 1)), np.arange(len(shapes))
    else:
        west, east = shapely.box(0, -90, 180, 90), shapely.box(180, -90, 360, 90)
        pieces = np.concatenate([shapely.intersection(shapes, west), shapely.transform(shapely.intersection(shapes, east),
                                                                                       lambda points: points - (360, 0))])
        rows = np.tile(np.arange(len(shapes)), 2)
    kept = ~shapely.is_empty(pieces) & (shapely.get_dimensions(pieces) == shapely.get_dimensions(shapes)[rows])
    found = geopandas.GeoDataFrame({name: np.asarray(values)[rows[kept]] for name, values in columns.items()}, geometry=pieces[kept], crs=4326)
    path = folder / "layer.gpkg"
    (found.to_crs(3857) if how == "mercator" else found).to_file(path)
    return {"path": str(path)}


def quarters(grid):
    """Four areas of the classes a, b, b, a; the borders lie along rows and columns."""
    corners = [(0, 0), (EDGE, 0), (0, EDGE), (EDGE, EDGE)]
    expected = np.zeros((64, 64), np.uint8)
    expected[:EDGE, EDGE:] = expected[EDGE:, :EDGE] = 1
    return turned(np.array([shapely.box(x, y, x + EDGE, y + EDGE) for x, y in corners], object), grid), ["a", "b", "b", "a"], expected


@pytest.mark.parametrize("how", ["split", "turned", "mercator"])
@pytest.mark.parametrize("place", list(PLACES))
def test_polygons(folder, place, how):
    grid = grid_of(place)
    shapes, kinds, expected = quarters(grid)
    source = layer(folder, shapes, {"kind": kinds}, how)
    drawn = open_labels(source, [grid], class_field="kind", unlabelled="background").read(grid, grid.window)
    assert (drawn == expected + 1).mean() > 0.98
    ice = open_ice_labels(source, [grid], PolygonRules(class_field="kind")).read(grid, grid.window)
    assert (ice == expected).mean() > 0.98
    land = open_land(source, [grid]).read(grid, grid.window)
    assert land.mean() > 0.98
    parcels = open_parcels(source, grid, "kind")
    crops = np.append(parcels.crops, "")[parcels.read(grid.window)]
    assert (crops == np.where(expected, "b", "a")).mean() > 0.98


@pytest.mark.parametrize("place", ["utm", "polar"])
def test_polygons_that_are_not_cut(folder, place):
    grid = grid_of(place)
    around = turned(np.array([shapely.box(-200, -200, 264, 264), shapely.box(20, 20, 44, 44)], object), grid)
    expected = np.zeros((64, 64), np.uint8)
    expected[20:44, 20:44] = 1
    drawn = open_labels(layer(folder, around, {"kind": ["a", "b"]}, "across"), [grid], class_field="kind").read(grid, grid.window)
    assert (drawn == expected).mean() > 0.98


def test_lines_and_points_with_a_buffer(folder):
    grid = grid_of("degrees to 180.008")
    shapes = turned(np.array([shapely.LineString([(0, 10.5), (64, 10.5)]), shapely.Point(40, 40)], object), grid)
    source = layer(folder, shapes, {"kind": ["line", "point"]})
    drawn = open_labels(source, [grid], class_field="kind", buffer=12).read(grid, grid.window)
    assert (drawn[10] == 0).all() and (drawn[:, 40] == 1).any()


@pytest.mark.parametrize("how", ["split", "turned", "mercator"])
@pytest.mark.parametrize("place", list(PLACES))
def test_roads(folder, place, how):
    grid = grid_of(place)
    shapes = turned(np.array([shapely.LineString([(0, row), (64, row)]) for row in (1.5, 62.5)], object), grid)
    heard = Listening()
    roads = open_roads(layer(folder, shapes, {"highway": ["residential", "residential"]}, how), [grid], RoadRules(), progress=heard)
    drawn = make_labels(roads, RoadDrawing()).read(grid, grid.window)
    assert (drawn[[1, 62]] == 1).all() and (drawn[[5, 20, 30, 50]] == 0).all()
    assert not any("If there are roads beyond them" in text for text in heard.texts)
    assert roads.facts["drawn"]["km"] == pytest.approx(2 * 0.064 * grid.metres_per_pixel()[0], rel=0.1)


def sides(folder, name, west, columns, step, crs="EPSG:4326"):
    """A raster of 1 west and 2 east of 180°, from 65.9° to 66.2° north or over the images near the pole."""
    x = west + step * (np.arange(columns) + 0.5)
    values = np.where((x % 360) < 180, 1, 2).astype(np.uint8)[None].repeat(400, 0)
    return write_raster(folder / name, values, crs=crs, transform=rasterio.Affine(step, 0, west, 0, -0.001, 66.2))


RASTERS = {"-180 to 180": (-180, 7200, 0.05), "0 to 360": (0, 7200, 0.05), "across": (179, 40, 0.05), "fine": (-180, 90_000, 0.004)}


@pytest.mark.parametrize("name", list(RASTERS))
@pytest.mark.parametrize("place", [place for place in PLACES if place != "polar"])
def test_rasters(folder, place, name):
    grid = grid_of(place)
    raster = sides(folder, "sides.tif", *RASTERS[name])
    east = longitudes(grid) >= 180
    labels = open_labels({"path": str(raster)}, [grid])
    assert [row.value for row in labels.legend.classes] == [1, 2]
    assert (labels.read(grid, grid.window) == east).mean() > 0.98
    assert open_land({"path": str(raster)}, [grid]).read(grid, grid.window).all()
    opened = Raster(str(raster))
    assert set(found_codes(opened, [grid])) == {1, 2}
    cover = CoverMap(opened, {1: 0, 2: 1}, 2)
    assert (cover.cover(grid, grid.window).positions == east).mean() > 0.98
    shares = cover.shares(grid, grid.window)
    assert np.allclose(shares.sum(0), 1, atol=1e-5)
    far = np.abs(longitudes(grid) - 180) > RASTERS[name][2]
    assert (shares.argmax(0) == east)[far].all()


@pytest.mark.parametrize("name", ["-180 to 180", "0 to 360", "across"])
@pytest.mark.parametrize("place", [place for place in PLACES if place != "polar"])
def test_a_second_image(folder, place, name):
    grid = grid_of(place)
    raster = sides(folder, "sides.tif", *RASTERS[name])
    found = align([{"path": str(raster)}], grid, folder, "nearest")
    values, valid = found.read(grid.window)
    assert valid.all() and (values[0] == 1 + (longitudes(grid) >= 180)).mean() > 0.98
    found.close()


def test_overlap():
    west, east = Grid(grid_of("degrees to 180.008").crs, (0.001, 0, 179.9, 0, -0.001, 66.1), 200, 200), grid_of("degrees from -180.008")
    assert overlap(east, west) == 1
    assert overlap(grid_of("utm"), west) == pytest.approx(1)


def test_extents():
    world = Grid(grid_of("degrees to 180.008").crs, (0.5, 0, -180.0, 0, -0.5, 90.0), 720, 360)
    assert world.window_of({"box": [181, 10, 182, 11], "crs": "EPSG:4326"}) == Window(2, 158, 2, 2)
    turned_world = Grid(world.crs, (0.5, 0, 0.0, 0, -0.5, 90.0), 720, 360)
    assert turned_world.window_of({"box": [-10, 10, -9, 11], "crs": "EPSG:4326"}) == Window(700, 158, 2, 2)
    assert turned_world.window_of({"box": [500_000, 0, 600_000, 100_000], "crs": "EPSG:32620"}).col == 2 * (360 - 63)
    assert world.windows_of({"box": [179, 10, 181, 11], "crs": ""}) == [Window(718, 158, 2, 2), Window(0, 158, 2, 2)]
    with pytest.raises(DataError, match="crosses the meridian at which the image, .*, begins and ends. Give two extents in two runs"):
        world.window_of({"box": [179, 10, 181, 11], "crs": "EPSG:4326"})
    assert world.window_of({"box": [-180, -90, 180, 90], "crs": ""}) == world.window


def test_boxes_elsewhere_are_one():
    box = (500_000, 5_299_200, 501_000, 5_300_000)
    assert len(boxes_of(box, "EPSG:32633", "EPSG:3857")) == 1
    assert [round(one[0]) for one in boxes_of(box, "EPSG:32633", "EPSG:4326")] == [15, -345, 375]
    assert boxes_of(box, "EPSG:32633", "EPSG:4807")[1][0] == pytest.approx(boxes_of(box, "EPSG:32633", "EPSG:4807")[0][0] - 400)


def test_footprints_go_on_beyond_180_degrees():
    west, _, east, _ = footprint(grid_of("utm"), Window(0, 0, 64, 64), grid_of("degrees to 180.008").crs).bounds
    assert 179.9 < west < 180 < east < 180.1
    assert _agrees(grid_of("utm"), footprint(grid_of("utm"), Window(0, 0, 64, 64), "EPSG:4326").bounds, "EPSG:4326")
