"""From layers of a model to fields: block by block as at once, borders shared, holes kept."""

import geopandas
import numpy as np
import pytest
import shapely
from rasterio.crs import CRS
from scipy import ndimage

from eo_pretrain_qgis.engine.mapping.fields import making
from eo_pretrain_qgis.engine.mapping.fields.decoding import Decoding, fields, from_gradients, middle, positions
from eo_pretrain_qgis.engine.mapping.fields.outlines import Shaping, simplified, write_fields
from eo_pretrain_qgis.engine.mapping.fields.seams import Found, _number, decode
from eo_pretrain_qgis.engine.mapping.scratch import scratch_array
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.grid import Grid
from eo_pretrain_qgis.errors import ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..listening import Listening
from ..networks import description, threshold_network, write_threshold_model
from ..scenes import write_raster

GRID = Grid(CRS.from_epsg(32633).to_wkt(), (10.0, 0, 500_000.0, 0, -10.0, 5_300_000.0), 300, 200)


def voronoi(height=200, width=300, count=60, seed=0):
    """Fields around random points, with ground between some of them, and what a perfect model says: layers (2, y, x) in percent, truth (y, x)."""
    rng = np.random.default_rng(seed)
    places = rng.uniform((0, 0), (height, width), (count, 2))
    rows, columns = np.mgrid[:height, :width]
    truth = np.argmin((rows[..., None] - places[:, 0])**2 + (columns[..., None] - places[:, 1])**2, -1) + 1
    truth[(rows // 40 + columns // 60) % 5 == 0] = 0
    inner = np.zeros(truth.shape)
    for number in range(1, count + 1):
        far = ndimage.distance_transform_edt(np.pad(truth == number, 1))[1:-1, 1:-1]
        inner = np.maximum(inner, np.minimum(far / 4, 1))
    return np.stack([100 * inner, 100 * (truth > 0)]).astype(np.uint8), truth


def found_of(layers, numbers=None, **how):
    numbers = np.zeros(layers.shape[1:], np.int32) if numbers is None else numbers
    return decode(layers, numbers, Decoding(), SILENT, **how)


def same_division(one, other):
    """Whether two images of numbers divide the ground in the same way, whatever the numbers are."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()], 1), axis=0)
    return len(pairs) == len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1]))


def test_fields_are_those_of_the_truth():
    layers, truth = voronoi()
    found = fields(*(layers / 100).astype(np.float32), Decoding())
    assert ((found > 0) == (truth > 0)).all(), "the boundary belongs to the fields on both sides"
    wrong = sum((truth[found == number] != np.bincount(truth[found == number]).argmax()).sum() for number in range(1, found.max() + 1))
    assert wrong < 0.02 * (truth > 0).sum()


@pytest.mark.parametrize(("block", "margin"), [(64, 96), (100, 80), (256, 64)])
def test_blocks_leave_no_trace(block, margin):
    layers, _ = voronoi()
    whole, parts = found_of(layers), found_of(layers, block=block, margin=margin)
    assert same_division(whole.numbers, parts.numbers)
    assert sorted(whole.pixels.tolist()) == sorted(parts.pixels.tolist())
    assert same_division(whole.numbers, fields(*(layers / 100).astype(np.float32), Decoding()))


def test_seeds_that_cross_strips_have_one_number(monkeypatch):
    monkeypatch.setattr("eo_pretrain_qgis.engine.mapping.fields.seams.STRIP", 3)
    begun = (np.random.default_rng(1).random((50, 40)) < 0.4).astype(np.int32)
    expected, count = ndimage.label(begun, np.ones((3, 3)))
    assert _number(begun, SILENT) == count and same_division(begun, expected)


def test_neighbours_share_their_border_and_holes_stay(tmp_path):
    layers, _ = voronoi()
    layers[:, 20:30, 100:112] = 0  # a pond
    found = found_of(layers)
    count, area = write_fields(found, GRID, str(tmp_path / "fields.gpkg"), Shaping(0, 15), SILENT)
    layer = geopandas.read_file(tmp_path / "fields.gpkg", layer="fields")
    shapes = np.array(layer.geometry.values, object)
    assert count == len(layer) == (np.bincount(found.numbers.ravel())[1:] > 0).sum()
    assert shapely.coverage_is_valid(shapes) and shapely.is_valid(shapes).all()
    assert shapely.area(shapely.union_all(shapes)) == pytest.approx(shapely.area(shapes).sum(), rel=1e-9), "no overlaps"
    assert area == pytest.approx(1e-2 * (found.numbers > 0).sum(), rel=0.01) and layer.area_ha.sum() == pytest.approx(area, abs=0.01)
    assert shapely.get_num_interior_rings(shapes).sum() >= 1
    assert shapely.get_num_coordinates(shapes).sum() < 0.5 * shapely.get_num_coordinates(simplified_at(found, 0)).sum()
    assert layer.confidence.between(99, 100).all()
    assert (tmp_path / "fields.qml").exists()


def simplified_at(found, tolerance):
    from eo_pretrain_qgis.engine.mapping.fields.outlines import _largest_parts

    return simplified(_largest_parts(found, GRID, SILENT)[1], tolerance)


def test_simplification_leaves_no_gap_between_fields():
    layers, _ = voronoi()
    shapes = simplified_at(found_of(layers), 2.0)
    around = shapely.union_all(shapes)
    pixels = simplified_at(found_of(layers), 0)
    rings = shapely.area(shapely.polygons(shapely.get_rings(shapely.get_parts(around))))
    assert not (rings < 20).any(), "no slivers between fields"
    assert shapely.area(around) == pytest.approx(shapely.area(pixels).sum(), rel=0.02)


def test_small_fields_are_left_out(tmp_path):
    numbers = np.zeros((200, 300), np.int32)
    numbers[10:20, 10:20], numbers[50:52, 50:52] = 1, 2
    found = Found(numbers, np.bincount(numbers.ravel()), np.array([0, 0.9, 0.8]))
    assert write_fields(found, GRID, str(tmp_path / "fields.gpkg"), Shaping(0.05, 0), SILENT) == (1, 1.0)
    assert write_fields(Found(0 * numbers, np.zeros(1), np.zeros(1)), GRID, str(tmp_path / "none.gpkg"), Shaping(), SILENT) == (0, 0.0)


def test_a_scratch_array_is_gone_afterwards(tmp_path):
    with scratch_array(str(tmp_path / "fields.gpkg"), "int32", (30, 20)) as array:
        assert not array.any() and array.shape == (30, 20)
        array[3, 4] = 5
        assert len([path for path in tmp_path.iterdir() if path.is_file() and path.stat().st_size == 2400]) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_middle_is_the_interior_alone_where_a_model_gives_no_distance():
    interior, distance = np.float32([[0.2, 0.8]]), np.float32([[0.4, 0.6]])
    assert middle(interior, None) is interior
    assert middle(interior, distance) == pytest.approx(np.float32([[0.3, 0.7]]))


def test_a_model_of_other_classes_is_refused(tmp_path):
    model = package.open(write_threshold_model(tmp_path / "other.onnx"))
    with pytest.raises(ModelError, match="has the classes water, forest, and fields are drawn from “field interior” and “field boundary”."):
        positions(model)


def test_gradients_find_squares_without_learning():
    image = np.full((2, 60, 60), 100.0)
    for number in range(9):
        row, column = divmod(number, 3)
        image[:, 20 * row:20 * row + 20, 20 * column:20 * column + 20] = [[[100 + 40 * number]], [[300 - 25 * number]]]
    image += np.random.default_rng(0).normal(0, 1, image.shape)
    valid = np.ones((60, 60), bool)
    valid[:, :2] = False
    segments = from_gradients(image, valid)
    assert not segments[:, :2].any() and segments[:, 2:].all()
    middles = [segments[20 * row + 10, 20 * column + 10] for row in range(3) for column in range(3)]
    assert len(set(middles)) == 9
    assert (segments[2:18, 24:36] == middles[1]).mean() > 0.9


@pytest.mark.parametrize(("days", "told"), [(("20230401", "20230701"), False), (("20230701", "20230401"), True)])
def test_dates_in_another_order_are_told(days, told, tmp_path):
    path = tmp_path / "fields.onnx"
    package.write(threshold_network(bands=2), description(("B04", "B04 (2)"), ((1, "field interior", ""), (2, "field boundary", "")), task="fields"),
                  path)
    images = [str(write_raster(tmp_path / f"S2_{day}.tif", np.full((1, 40, 40), 1000, np.uint16), names=["B04"])) for day in days]
    heard = Listening()
    asked = {"model": str(path), "images": images, "output": str(tmp_path / "fields.gpkg"), "device": "cpu"}
    JOBS["map_field_boundaries"].from_values(asked).run(heard)
    assert any("given in the order 2023-07-01, 2023-04-01. A model of two dates" in text for text in heard.warnings) == told


def test_that_there_is_no_field_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(making, "map_fields", lambda *given: {"fields": 0, "area_ha": 0.0, "device": "cpu", "seconds": 1.0})
    monkeypatch.setattr(package, "open", lambda path: None)
    for name in ("fields.onnx", "image.tif"):
        (tmp_path / name).touch()
    heard = Listening()
    JOBS["map_field_boundaries"](model=str(tmp_path / "fields.onnx"), images=[{"path": str(tmp_path / "image.tif")}], minimum_size=50.0,
                                 output=str(tmp_path / "fields.gpkg")).run(heard)
    assert heard.said[0] == ("warning", f"No field of 50 ha or more was found, so {tmp_path / 'fields.gpkg'} is empty. Choose a smaller "
                                        "“Smallest field”, a smaller “Least probability of field”, or an image like those the model learned from.")
