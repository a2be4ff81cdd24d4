"""Fields drawn as labels, against what can be said of squares by hand."""

import geopandas
import numpy as np
import pytest
import shapely
from rasterio.crs import CRS

from eo_pretrain_qgis.engine.rasters.grid import Grid, Window
from eo_pretrain_qgis.engine.themes.fields.labels import BACKGROUND, BOUNDARY, INTERIOR, FieldLabels
from eo_pretrain_qgis.engine.themes.fields.parcels import open_parcels
from eo_pretrain_qgis.errors import DataError

from ..listening import Listening

UTM = CRS.from_epsg(32633).to_wkt()
GRID = Grid(UTM, (10.0, 0, 500_000.0, 0, -10.0, 5_300_000.0), 40, 40)


def box(col, row, width, height):
    """A rectangle of pixels of `GRID`, in metres."""
    return shapely.box(500_000 + 10 * col, 5_300_000 - 10 * (row + height), 500_000 + 10 * (col + width), 5_300_000 - 10 * row)


def layer(folder, *shapes, name="parcels"):
    path = folder / f"{name}.gpkg"
    geopandas.GeoDataFrame({"number": range(len(shapes))}, geometry=list(shapes), crs="EPSG:32633").to_file(path, layer=name)
    return {"path": str(path)}


@pytest.fixture
def drawn(tmp_path):
    """Labels of some polygons."""

    def draw(*shapes, boundary=10.0, complete=None, progress=None, grid=GRID):
        progress = progress or Listening()
        parcels = open_parcels(layer(tmp_path, *shapes), [grid], progress)
        return FieldLabels(parcels, [grid], boundary, layer(tmp_path, *complete, name="complete") if complete else None, progress)

    return draw


def everything(labels, window=GRID.window):
    return labels.read(GRID, window), labels.layer("distance", GRID, window), labels.layer("objects", GRID, window)


def test_a_square_has_a_boundary_of_one_pixel_and_a_distance_that_rises_to_its_middle(drawn):
    classes, distance, objects = everything(drawn(box(10, 5, 7, 7)))
    field = np.zeros((40, 40), bool)
    field[5:12, 10:17] = True
    inner = np.zeros_like(field)
    inner[6:11, 11:16] = True
    assert (classes == np.where(inner, INTERIOR, np.where(field, BOUNDARY, BACKGROUND))).all()
    assert (objects == field).all()
    rings = np.minimum.reduce([*np.mgrid[1:8, 1:8], *(8 - np.mgrid[1:8, 1:8])])  # 1 at the border, 4 in the middle
    assert (distance[5:12, 10:17] == np.rint(255 * rings / 4)).all() and not distance[~field].any()


def test_fields_that_touch_have_a_boundary_of_two_pixels_between_them_and_a_hole_has_one_around_it(drawn):
    ring = shapely.difference(box(2, 20, 15, 15), box(7, 25, 5, 5))
    classes, _, objects = everything(drawn(box(2, 2, 8, 8), box(10, 2, 8, 8), ring))
    assert classes[5, 2:18].tolist() == [2, 1, 1, 1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1, 2]
    assert objects[5, 2:18].tolist() == [1] * 8 + [2] * 8
    assert classes[27, 2:17].tolist() == [2, 1, 1, 1, 2, 0, 0, 0, 0, 0, 2, 1, 1, 1, 2]


def test_a_wider_boundary_is_measured_in_metres(drawn):
    classes, *_ = everything(drawn(box(5, 5, 9, 9), boundary=25))
    assert classes[9, 5:14].tolist() == [2, 2, 1, 1, 1, 1, 1, 2, 2]


def test_what_is_known_of_a_pixel_does_not_depend_on_the_window_nor_on_the_border_of_the_image(drawn):
    labels = drawn(box(3, 3, 20, 9), box(-4, 20, 12, 10), box(25, 25, 30, 30))
    whole = everything(labels)
    for window in (Window(0, 0, 16, 16), Window(10, 5, 8, 8), Window(0, 18, 40, 22)):
        labels._last = None
        for part, all_of_it in zip(everything(labels, window), whole):
            assert (part == all_of_it[window.row:window.row + window.height, window.col:window.col + window.width]).all()
    assert whole[0][24, 0] == INTERIOR, "the border of the image is no boundary of the field"
    assert whole[0][26, 39] == INTERIOR


def test_ground_that_two_fields_claim_has_no_label(drawn):
    heard = Listening()
    classes, distance, objects = everything(drawn(box(5, 5, 10, 10), box(12, 5, 10, 10), progress=heard))
    contested = np.zeros((40, 40), bool)
    contested[5:15, 12:15] = True
    assert ((classes == 255) == contested).all()
    assert not distance[contested].any() and not objects[contested].any()
    assert "2 of 2 fields overlap another; the ground they share is not labelled." in heard.texts


def test_parts_copies_invalid_and_tiny_parcels(drawn):
    heard = Listening()
    bow = shapely.Polygon([(x + 500_000, 5_300_000 - y) for x, y in ((200, 200), (300, 300), (300, 200), (200, 300))])
    both = shapely.MultiPolygon([box(2, 2, 5, 5), box(10, 2, 5, 5)])
    tiny = shapely.box(500_001, 5_299_601, 500_003, 5_299_603)
    labels = drawn(both, box(30, 30, 5, 5), box(30, 30, 5, 5), bow, tiny, progress=heard)
    _, _, objects = everything(labels)
    assert len(np.unique(objects)) - 1 == 5, "two parts, one of two copies, two triangles"
    assert labels.theme_facts | {"path": ""} == {"path": "", "parcels": 5, "parts": 6, "repeated": 1, "overlapping": 0, "without_pixel": 1,
                                                  "boundary_m": 10.0, "complete": None}
    assert "1 of 6 fields hold the middle of no pixel and are not drawn." in heard.texts
    assert any("1 of 5 geometries of" in text and "were invalid and have been repaired." in text for text in heard.texts)
    assert any(text.startswith("1 of 7 polygons of") and text.endswith("are there more than once; each counts once.") for text in heard.texts)


def test_ground_without_a_field_is_background_only_where_all_fields_are_known(drawn):
    classes, *_ = everything(drawn(box(2, 2, 6, 6), box(30, 30, 6, 6), complete=[box(0, 0, 20, 40)]))
    assert (classes[10:, :20] == BACKGROUND).all()
    outside = classes[:, 20:]
    assert set(np.unique(outside).tolist()) == {INTERIOR, BOUNDARY, 255} and (outside == 255).sum() == 800 - 36


def test_what_is_no_field_is_refused(drawn, tmp_path):
    with pytest.raises(DataError, match="holds a polygon 5000 pixels long, which is no field. Leave out what is longer than 3000 pixels"):
        drawn(box(0, 0, 5000, 10))
    with pytest.raises(DataError, match="holds other features than polygons, and the ground where all fields are known is given as polygons."):
        drawn(box(0, 0, 10, 10), complete=[shapely.LineString([(500_000, 5_299_900), (500_100, 5_299_900)])])


def test_ground_where_all_fields_are_known_that_lies_elsewhere_is_refused(drawn):
    with pytest.raises(DataError, match="The labels .*complete.gpkg do not overlap the images: they reach over"):
        drawn(box(10, 5, 7, 7), complete=[box(20_000, 0, 40, 40)])


def test_fields_without_a_pixel_are_counted_on_all_images(tmp_path):
    """One lies on each of two images, and holds the middle of no pixel of it."""
    east = Grid(UTM, (10.0, 0, 510_000.0, 0, -10.0, 5_300_000.0), 40, 40)
    heard = Listening()
    parcels = open_parcels(layer(tmp_path, box(10, 5, 7, 7), box(20.1, 5.1, 0.3, 0.3), box(1010, 5, 7, 7), box(1020.1, 5.1, 0.3, 0.3)),
                           [GRID, east], heard)
    assert FieldLabels(parcels, [GRID, east], 10.0, None, heard).facts["parcels_without_pixel"] == 2
    assert "2 of 4 fields hold the middle of no pixel and are not drawn." in heard.texts
