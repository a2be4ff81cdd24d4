"""From probabilities to lines of roads: the same wherever blocks lie, with clean topology, and gaps bridged where they may be."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.crs import CRS
from scipy import ndimage

from eo_pretrain_qgis.engine.mapping.roads import skeleton
from eo_pretrain_qgis.engine.mapping.roads.bridging import Bridging, bridge
from eo_pretrain_qgis.engine.mapping.roads.cleaning import TaggedThreshold, Threshold, decide
from eo_pretrain_qgis.engine.mapping.roads.graph import graph_of
from eo_pretrain_qgis.engine.mapping.roads.known import KNOWN, TRUTH, Comparing, KnownRoads, differences, near_shares, write_candidates
from eo_pretrain_qgis.engine.mapping.roads.layers import NOT_MEASURED, RoadLayers, read_percent
from eo_pretrain_qgis.engine.mapping.roads.lines import Tidying, write_roads
from eo_pretrain_qgis.engine.mapping.roads.making import RoadRecipe, road_lines
from eo_pretrain_qgis.engine.models.record import RoadThresholdRecord
from eo_pretrain_qgis.engine.rasters.grid import Grid
from eo_pretrain_qgis.engine.rasters.lengths import lengths_m
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.errors import Cancelled, DataError, JobError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT, Progress

from .. import networks, scenes
from ..listening import Listening

TEN = (10.0, 10.0)
GRID = Grid(CRS.from_epsg(32633).to_wkt(), (10.0, 0, 500_000.0, 0, -10.0, 5_300_000.0), 120, 100)
DEGREES = Grid(CRS.from_epsg(4326).to_wkt(), (0.0001, 0, 15.0, 0, -0.0001, 60.0), 120, 100)


def town(height=300, width=400, seed=3, roads=12):
    """Wavy roads of different widths through noise, in percent."""
    rng = np.random.default_rng(seed)
    percent = np.zeros((height, width))
    along = np.linspace(0, 1, 8 * width)
    for _ in range(roads):
        (x, y), (u, v) = rng.uniform(0, (width, height), (2, 2))
        cols = (x + (u - x) * along + 6 * np.sin(9 * along)).clip(0, width - 1).astype(int)
        rows = (y + (v - y) * along + 6 * np.cos(7 * along)).clip(0, height - 1).astype(int)
        percent[rows, cols] = 1
    blurred = 3 * ndimage.gaussian_filter(percent, 1.2) + rng.normal(0, 0.08, percent.shape)
    return (100 * blurred.clip(0, 1)).astype(np.uint8)


def drawn(percent, pixel_m=TEN, block=skeleton.BLOCK, progress=SILENT, **how):
    """The lines of probabilities, and how many gaps were bridged."""
    return road_lines(RoadLayers(percent.copy(), np.zeros_like(percent)), pixel_m, RoadRecipe(**how), progress, block)


def band(shape=(60, 100), rows=slice(29, 32), cols=slice(0, 100), value=90):
    """One road along a row, nothing around it."""
    percent = np.zeros(shape, np.uint8)
    percent[rows, cols] = value
    return percent


@pytest.mark.parametrize("block", [64, 97, 256])
def test_blocks_leave_no_trace(block):
    percent = town()
    whole, bridged = drawn(percent)
    parts, again = drawn(percent, block=block)
    assert bridged == again and [line.wkb for line in whole.shapes] == [line.wkb for line in parts.shapes]
    assert (whole.widths == parts.widths).all() and (whole.confidence == parts.confidence).all()


@pytest.mark.parametrize("strip", [1, 7, 512])
def test_strips_leave_no_trace(strip):
    percent = town()
    once, again = np.zeros_like(percent), np.zeros_like(percent)
    assert decide(percent, once, Threshold(), strip=300) == decide(percent, again, Threshold(), strip=strip) == once.sum()
    assert (once == again).all()


def test_what_is_less_sure_counts_where_it_leads_on_from_a_road():
    percent = band(value=35)
    percent[29:32, :10] = 90
    percent[5:8, 50:90] = 35  # by itself
    percent[50, 50:53] = 90  # a speck of three pixels
    percent[40:45, 20:30] = NOT_MEASURED
    road = np.zeros_like(percent)
    assert decide(percent, road, Threshold(0.5, 0.3)) == 300 and road[29:32].all()
    assert decide(percent, road, Threshold(0.5, 0.4)) == 30


def test_thresholds_are_those_asked_for_or_the_models_or_usual_ones():
    known = RoadThresholdRecord(0.4, 0.24, 0.7, 0.6, 20)
    assert Threshold.of(None, None, None) == Threshold(0.5, 0.3) and Threshold.of(known, None, None) == Threshold(0.4, 0.24)
    assert Threshold.of(known, 0.6, None) == Threshold(0.6, 0.36) and Threshold.of(known, None, 0.1) == Threshold(0.4, 0.1)
    with pytest.raises(JobError, match="is 0.45, above “Least probability to begin” .high., 0.4. Choose a smaller one"):
        Threshold.of(known, None, 0.45)


def test_the_threshold_of_a_model_goes_with_its_probabilities(folder):
    threshold = {"high": 0.35, "low": 0.2, "f1": 0.7, "usual_f1": 0.6, "tiles": 20}
    classes = ((0, "no road", ""), (1, "road", ""))
    model = networks.write_threshold_model(folder / "roads.onnx", classes=classes, road_threshold=threshold)
    shares, lines = str(folder / "shares.tif"), str(folder / "roads.gpkg")
    job = {"model": str(model), "images": [str(scenes.two_halves(folder))], "output": str(folder / "map.tif"), "class_shares": shares}
    run_job(JOBS["predict_map"].from_values(job), SILENT)
    heard = Listening()
    run_job(JOBS["map_roads"].from_values({"model": "none", "images": [shares], "output": lines}), heard)
    assert "Roads begin at a probability of 0.35 and go on down to 0.2." in heard.texts
    assert TaggedThreshold.of({"path": shares}) == TaggedThreshold(0.35, 0.2)
    with rasterio.open(shares, "r+", IGNORE_COG_LAYOUT_BREAK=True) as raster:
        raster.update_tags(EO_PRETRAIN_ROAD_THRESHOLD='{"high": 0, "low": 0.2}')
    with pytest.raises(DataError, match="The tag EO_PRETRAIN_ROAD_THRESHOLD of .* is damaged: .*high.*Give “Least probability to begin” .high."):
        run_job(JOBS["map_roads"].from_values({"model": "none", "images": [shares], "output": str(folder / "again.gpkg")}), SILENT)


def test_lines_meet_in_shared_points_and_nowhere_else():
    lines, _ = drawn(town())
    shapes = lines.shapes
    ends = [shapely.get_coordinates(line)[[0, -1]] for line in shapes]
    assert len(shapes) > 20 and shapely.is_simple(shapes).all() and len({line.normalize().wkb for line in shapes}) == len(shapes)
    tree = shapely.STRtree(shapes)
    for first, second in tree.query(shapes, predicate="intersects").T:
        if first < second:
            shared = {tuple(place) for place in ends[first]} & {tuple(place) for place in ends[second]}
            met = shapely.get_coordinates(shapely.intersection(shapes[first], shapes[second]))
            assert {tuple(place) for place in met} == shared, "two roads meet where neither ends"
    corners, counts = np.unique(np.concatenate(ends), axis=0, return_counts=True)
    assert not (counts == 2).any(), "two lines that follow each other are one"
    dead = {tuple(place) for place in corners[counts == 1]}
    lengths = [line.length for line, (start, end) in zip(shapes, ends, strict=True) if tuple(start) in dead or tuple(end) in dead]
    assert min(lengths) >= 95, "dead ends are left out; simplifying shortens a little"


@pytest.mark.parametrize("pixel", [(20.0, 5.0), (5.0, 20.0), (11.2, 5.6)])
def test_widths_where_pixels_are_no_squares(pixel):
    road = np.zeros((120, 120), np.uint8)
    road[28:31, 10:110] = 1
    road[60:115, 50:55] = 1
    found = skeleton.thinned(road, pixel)
    east_west, north_south = found.widths[found.rows < 40], found.widths[found.rows > 70]
    assert np.median(east_west) == pytest.approx(3 * pixel[1]) and np.median(north_south) == pytest.approx(5 * pixel[0])


@pytest.mark.parametrize("width", [1, 3, 5, 7])
def test_a_straight_road_is_one_straight_line_with_its_width(width):
    half = width // 2
    lines, _ = drawn(band(rows=slice(30 - half, 31 + half)))
    assert len(lines.shapes) == 1
    assert shapely.get_coordinates(lines.shapes[0])[:, 1].tolist() == [305, 305]
    assert lines.shapes[0].length >= 10 * (99 - width) and lines.widths[0] == 10 * width and lines.confidence[0] == 0.9


def test_a_crossing_has_four_arms_that_share_its_middle():
    percent = band((101, 101), slice(49, 52), slice(0, 101))
    percent[:, 49:52] = 90
    lines, _ = drawn(percent)
    assert len(lines.shapes) == 4
    assert all((505, 505) in {tuple(place) for place in line.coords} for line in lines.shapes)


def test_a_ring_and_a_small_hole():
    rows, cols = np.mgrid[:100, :100]
    distance = np.hypot(rows - 50, cols - 50)
    percent = np.where(np.abs(distance - 30) < 2, 90, 0).astype(np.uint8)
    percent[50, 80] = 0  # a hole of one pixel in the road
    (ring,), _ = drawn(percent)[0].shapes, None
    assert ring.is_ring and ring.length == pytest.approx(2 * np.pi * 300, rel=0.03)
    assert not len(drawn(percent, tidying=Tidying(least_m=2500))[0].shapes)


def test_spurs_are_no_roads_and_the_longer_tip_of_a_fork_stays():
    percent = band((60, 200), cols=slice(0, 200))
    percent[20:30, 100:103] = 90  # a stub of 100 m from the middle of the road
    straight, _ = drawn(percent, tidying=Tidying(least_m=150))
    assert len(straight.shapes) == 1 and straight.shapes[0].length > 1900
    assert len(drawn(percent, tidying=Tidying(least_m=50))[0].shapes) == 3


def test_what_is_wider_than_a_road_is_none():
    percent = band((300, 300), slice(100, 200), slice(100, 200))
    assert not len(drawn(percent)[0].shapes)


def gap(missing, shift=0):
    """A road along row 30 with so many pixels missing from column 50 on, behind which it goes on some rows lower."""
    percent = band()
    percent[:, 50:] = 0
    percent[29 + shift:32 + shift, 50 + missing:] = 90
    return percent


@pytest.mark.parametrize(("missing", "shift", "how", "found"), [
    (4, 0, Bridging(50), 1), (8, 0, Bridging(50), 0), (8, 0, Bridging(90), 1), (4, 0, Bridging(0), 0), (4, 2, Bridging(50, 30), 1),
    (4, 6, Bridging(90, 30), 0), (4, 6, Bridging(90, 60), 1)])
def test_gaps_are_bridged_by_length_and_angle(missing, shift, how, found):
    lines, bridged = drawn(gap(missing, shift), bridging=how)
    assert bridged == found and len(lines.shapes) == 2 - found
    if found:
        assert lines.bridged[0] == pytest.approx(10 * np.hypot(missing + 3, shift), abs=15), "from one centre line to the other"
        assert lines.confidence[0] < 0.9, "a gap counts in the confidence"


def test_a_side_road_reaches_the_road_it_looks_at():
    percent = band((100, 100), slice(79, 82))
    percent[:76, 49:52] = 90
    lines, bridged = drawn(percent)
    assert bridged == 1 and len(lines.shapes) == 3
    assert all((505, 805) in {tuple(place) for place in line.coords} for line in lines.shapes), "the road is cut where the side road meets it"


def test_a_bridge_crosses_no_road():
    percent = band((100, 100), slice(49, 52))
    percent[49:52, 44:57] = 0
    percent[:, 49:52] = 90
    lines, bridged = drawn(percent, bridging=Bridging(150))
    assert bridged == 2 and len(lines.shapes) == 4, "each side is led to the road between them"


def test_bridging_takes_the_nearest_end_and_each_once():
    percent = gap(4)
    percent[10:13, 56:] = 90
    graph = graph_of(skeleton.thinned((percent > 50).astype(np.uint8), TEN), TEN)
    assert bridge(graph, Bridging(300, 30)) == 1 and len(graph.edges) == 2


def test_pixels_that_are_not_square_and_degrees(tmp_path):
    x, y = DEGREES.metres_per_pixel()
    assert x == pytest.approx(5.58, abs=0.01) and y == pytest.approx(11.14, abs=0.01)
    percent = band((100, 120), slice(49, 52), slice(0, 120))
    percent[:, 58:63] = 90
    lines, _ = drawn(percent, pixel_m=(x, y), tidying=Tidying(50, 5))
    kilometres = write_roads(lines, DEGREES, str(tmp_path / "roads.gpkg"), {})
    layer = geopandas.read_file(tmp_path / "roads.gpkg", layer="roads")
    assert len(layer) == 4 and layer.crs.to_epsg() == 4326
    assert layer.length_m.sum() == pytest.approx(1000 * kilometres, abs=0.5)
    assert layer.length_m.sum() == pytest.approx(120 * x + 100 * y, rel=0.08)
    across = layer[layer.width_m > 29]  # three rows of 11.1 m; the others are five columns of 5.6 m
    assert len(across) == 2 and np.ptp(across.geometry.iloc[0].xy[1]) < 1e-9
    assert (tmp_path / "roads.qml").exists()


def test_lengths_are_those_on_the_ground():
    degree = np.array([shapely.LineString([(0, 0), (1, 0)]), shapely.MultiLineString([[(0, 60), (1, 60)], [(5, 60), (6, 60)]])])
    assert lengths_m(degree, "EPSG:4326") == pytest.approx([111_319.5, 2 * 55_800.2], rel=2e-5)
    assert lengths_m(np.array([shapely.LineString([(500_000, 5_300_000), (500_000, 5_301_000)])]), "EPSG:32633") == pytest.approx([1000.4], abs=0.05)
    assert lengths_m(np.zeros(0, object), "EPSG:4326").tolist() == []


def known(*places):
    lines = np.array([shapely.LineString(one) for one in places], object)
    return KnownRoads(lines, np.ones(len(lines), bool))


def test_new_and_unseen_roads(tmp_path):
    found = np.array([shapely.LineString([(0, 500), (1000, 500)]), shapely.LineString([(0, 515), (300, 515)])])
    roads = known([(400, 500), (1000, 500)], [(0, 100), (1000, 100)])
    percent = np.full((100, 120), 10, np.uint8)
    percent[:, 50:70] = NOT_MEASURED
    kilometres = write_candidates(differences(found, roads, percent, TEN, Comparing(20, 100)), GRID, str(tmp_path / "new.gpkg"))
    layer = geopandas.read_file(tmp_path / "new.gpkg", layer="new")
    assert layer.status.tolist() == ["new", "new", "not seen", "not seen"], "where nothing was measured, nothing is missing"
    assert layer.length_m.tolist() == pytest.approx([380, 300, 500, 300], abs=6)
    assert layer.probability.tolist()[2:] == [10, 10] and kilometres["not seen"] == pytest.approx(0.8, abs=0.01)
    assert near_shares(found, roads.lines, 20, 5) == pytest.approx([0.62, 0], abs=0.01)
    assert near_shares(found, np.zeros(0, object), 20, 5).tolist() == [0, 0]


def test_paths_are_known_and_not_looked_for(tmp_path):
    lines = [shapely.LineString([(500_000, y), (501_200, y)]) for y in (5_299_900, 5_299_500)]
    geopandas.GeoDataFrame({"highway": ["primary", "track"]}, geometry=lines, crs=32633).to_file(tmp_path / "osm.gpkg")
    roads = KnownRoads.open({"path": str(tmp_path / "osm.gpkg")}, GRID, KNOWN)
    assert roads.expected.tolist() == [True, False]
    assert KnownRoads.open({"path": str(tmp_path / "osm.gpkg")}, GRID, TRUTH).expected.all(), "a track is true where it is mapped"
    assert shapely.get_coordinates(roads.lines[0]).tolist() == [[0, 100], [1200, 100]]


def test_tracks_alone_are_known(tmp_path):
    line = shapely.LineString([(500_000, 5_299_500), (501_200, 5_299_500)])
    geopandas.GeoDataFrame({"highway": ["track"]}, geometry=[line], crs=32633).to_file(tmp_path / "osm.gpkg")
    roads = KnownRoads.open({"path": str(tmp_path / "osm.gpkg")}, GRID, KNOWN)
    assert len(roads.lines) == 1 and not roads.expected.any()
    found = differences(np.array([shapely.LineString([(0, 505), (1000, 505)])]), roads, np.zeros((100, 120), np.uint8), TEN, Comparing(20, 100))
    assert not len(found.lines), "it is not new, and nobody looks for it"


@pytest.mark.parametrize(("places", "kind"), [([(480_000, 5_290_000), (480_000, 5_310_000), (520_000, 5_310_000)], "primary"),
                                              ([(500_000, 5_299_500), (501_200, 5_299_500)], "proposed")])
def test_where_nothing_is_known_all_is_new(places, kind, tmp_path):
    """Roads around the image, and one that is not built; a reference without a road tells nothing."""
    geopandas.GeoDataFrame({"highway": [kind]}, geometry=[shapely.LineString(places)], crs=32633).to_file(tmp_path / "osm.gpkg")
    source, heard = {"path": str(tmp_path / "osm.gpkg")}, Listening()
    assert not len(KnownRoads.open(source, GRID, KNOWN, heard).lines)
    assert heard.warnings == [f"None of the roads of {source['path']} that count lies on the image, so each road of the image counts as new."]
    with pytest.raises(DataError, match="holds no road on the images|are left out: proposed: 1"):
        KnownRoads.open(source, GRID, TRUTH)


def test_known_roads_of_a_smaller_extract_are_told(tmp_path):
    line = shapely.LineString([(500_000, 5_299_900), (500_300, 5_299_500)])
    geopandas.GeoDataFrame({"highway": ["primary"]}, geometry=[line], crs=32633).to_file(tmp_path / "osm.gpkg")
    heard = Listening()
    KnownRoads.open({"path": str(tmp_path / "osm.gpkg")}, GRID, KNOWN, heard)
    assert heard.said == [("warning", f"The roads of {tmp_path / 'osm.gpkg'} reach over 10% of the image. Beyond them nothing is known, and "
                                      "each road of the image counts as new, or as false. Water and ground without roads are no reason to "
                                      "worry; if there are more roads, choose a larger extract.")]


def raster_of(path, values, scale=1.0, offset=0.0):
    """A raster on `GRID` with a scale and an offset in its file."""
    with rasterio.open(path, "w", driver="GTiff", width=GRID.width, height=GRID.height, count=1, dtype=values.dtype, crs=GRID.crs,
                       transform=rasterio.Affine(*GRID.transform)) as target:
        target.write(values, 1)
        target.scales, target.offsets = (scale,), (offset,)
    return Raster(str(path))


@pytest.mark.parametrize(("value", "dtype", "scale", "offset", "percent"), [
    (90, "uint8", 1, 0, 90), (0.9, "float32", 1, 0, 90), (9000, "uint16", 0.0001, 0, 90), (51, "uint8", 1 / 255, 0, 20),
    (40, "int16", 0.01, 0.5, 90)])
def test_a_probability_is_what_the_file_says(value, dtype, scale, offset, percent, tmp_path):
    layers = RoadLayers(np.zeros((100, 120), np.uint8), np.zeros((100, 120), np.uint8))
    read_percent(raster_of(tmp_path / "p.tif", np.full((100, 120), value, dtype), scale, offset), GRID.window, layers)
    assert (layers.percent == percent).all()


def test_what_is_no_probability_by_the_scale_of_its_file_is_refused(tmp_path):
    layers = RoadLayers(np.zeros((100, 120), np.uint8), np.zeros((100, 120), np.uint8))
    with pytest.raises(DataError, match="holds 90 in column 0, row 0, but a probability stored as uint16 with the scale 0.01 and the offset 0 is a "
                                        "share, so from 0 to 1"):
        read_percent(raster_of(tmp_path / "p.tif", np.full((100, 120), 9000, np.uint16), 0.01), GRID.window, layers)


def test_a_raster_of_0_and_1_is_told(tmp_path):
    layers, heard = RoadLayers(np.zeros((100, 120), np.uint8), np.zeros((100, 120), np.uint8)), Listening()
    read_percent(raster_of(tmp_path / "p.tif", np.eye(100, 120, dtype=np.uint8)), GRID.window, layers, heard)
    assert any("holds only 0 and 1, which are percent" in text for text in heard.warnings)


def test_lines_can_be_cancelled():
    class Stopped(Progress):
        def cancelled(self):
            return True

    with pytest.raises(Cancelled):
        drawn(town(), progress=Stopped())
