"""Which ways are roads, and what is said of the others."""

import copy
import time

import geopandas
import pytest
import shapely

from eo_pretrain_qgis.engine.raster import Raster
from eo_pretrain_qgis.engine.roads import reading as road_reading
from eo_pretrain_qgis.engine.roads.ways import RoadRules, open_roads
from eo_pretrain_qgis.engine.roads.widths import WidthTable
from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.report import SILENT, Report

from ..scenes import land
from ..scenes_roads import UTM, line_of, osm_file, road_layer


class Heard(Report):
    def __init__(self):
        self.texts = []

    def emit(self, event):
        if event["event"] == "message":
            self.texts.append(event["text"])


@pytest.fixture
def grid(folder):
    return Raster(land(folder)).grid


def test_ways_are_chosen_and_counted_by_reason(folder, grid):
    heard = Heard()
    roads = open_roads({"path": str(osm_file(folder))}, [grid], RoadRules(), report=heard)
    facts = roads.facts
    assert {name: (row["ways"], row["width_m"]) for name, row in facts["classes"].items()} == {
        "primary": (1, 20), "residential": (1, 5.5), "secondary": (1, 7), "service": (1, 4)}
    assert {reason: row["ways"] for reason, row in facts["left_out"].items()} == {
        "tunnel": 2, "covered below the ground": 1, "footway, path or cycleway": 1, "proposed": 1, "construction": 1, "abandoned": 1, "area": 1,
        "class without a width or no road": 1}
    assert facts["left_out"]["tunnel"]["for_vehicles"] == 1
    assert facts["width_from"] == {"width": 1, "lanes": 1, "table": 2}
    assert facts["drawn"]["km"] == pytest.approx(4 * 2.56, rel=1e-3)
    assert roads.tunnels == 3
    assert facts["ways"] == 13  # the river is no way
    assert roads.ways["became"].value_counts()[["roads", "tunnel", "proposed"]].tolist() == [4, 2, 1]
    assert copy.deepcopy(roads).ways is None
    assert any("Left out: tunnel: 2 (1 for vehicles); " in text for text in heard.texts)


def test_layer_and_file_give_the_same_roads(folder, grid):
    layer, file = (open_roads({"path": str(make(folder))}, [grid], RoadRules()) for make in (road_layer, osm_file))
    assert layer.facts["left_out"] == file.facts["left_out"]
    assert sorted(layer.widths) == sorted(file.widths)


def test_groups_of_ways_can_be_roads_ignored_or_background(folder, grid):
    rules = RoadRules(service="ignored", footways="roads")
    roads = open_roads({"path": str(osm_file(folder))}, [grid], rules)
    assert set(roads.facts["classes"]) == {"primary", "secondary", "residential", "footway"}
    assert (roads.facts["ignored"]["ways"], (~roads.drawn).sum()) == (1, 1)


def test_a_general_width_makes_no_road_of_an_elevator(folder, grid):
    roads = open_roads({"path": str(osm_file(folder))}, [grid], RoadRules(widths=WidthTable({"primary": 9}, other=6)))
    assert {name: row["width_m"] for name, row in roads.facts["classes"].items()} == {"primary": 20, "residential": 6, "secondary": 7, "service": 6}
    assert roads.facts["other_classes"] == {"elevator": 1}


def test_ways_are_cut_at_the_images_only_in_their_length(folder, grid):
    line = shapely.transform(line_of(("row", 40)), lambda points: points * 1 + [1280, 0])
    geopandas.GeoDataFrame({"highway": ["primary"]}, geometry=[line], crs=UTM).to_file(folder / "half.gpkg")
    heard = Heard()
    roads = open_roads({"path": str(folder / "half.gpkg")}, [grid], RoadRules(), report=heard)
    assert roads.facts["drawn"]["km"] == pytest.approx(1.28, rel=1e-3)
    assert any("reach over 0% of the images. If there are roads beyond them" in text for text in heard.texts)


def test_the_extent_limits_what_is_read(folder, grid):
    extent = {"box": [500_000, 5_298_900, 502_560, 5_300_000], "crs": UTM}  # rows 0 to 110
    roads = open_roads({"path": str(osm_file(folder))}, [grid], RoadRules(), extent)
    assert set(roads.facts["classes"]) == {"primary", "secondary", "service"}
    assert roads.facts["classes"]["service"]["km"] == pytest.approx(1.1, rel=1e-2)


def test_a_file_with_several_layers_gives_its_lines(folder, grid):
    path = road_layer(folder)
    geopandas.GeoDataFrame({"name": ["x"]}, geometry=[shapely.Point(15, 47)], crs=4326).to_file(path, layer="points")
    assert open_roads({"path": str(path)}, [grid], RoadRules()).facts["layer"] == "lines"
    assert open_roads({"path": str(osm_file(folder)), "layer": "points"}, [grid], RoadRules()).facts["layer"] == "lines"


def test_classes_of_another_map_need_a_width(folder, grid):
    geopandas.GeoDataFrame({"art": ["Weg", None]}, geometry=[line_of(("row", 40)), line_of(("row", 80))], crs=UTM).to_file(folder / "art.gpkg")
    roads = open_roads({"path": str(folder / "art.gpkg")}, [grid], RoadRules(class_field="art", widths=WidthTable(other=4)))
    assert roads.widths.tolist() == [4]


def test_a_large_file_is_read_in_another_process_alike(folder, grid, monkeypatch):
    path = {"path": str(osm_file(folder))}
    direct = open_roads(path, [grid], RoadRules())
    monkeypatch.setattr(road_reading.read_lines, "__defaults__", (SILENT, 10))
    aside = open_roads(path, [grid], RoadRules())
    assert (aside.facts, shapely.to_wkb(aside.lines).tolist()) == (direct.facts, shapely.to_wkb(direct.lines).tolist())


def test_reading_in_another_process_can_be_cancelled(folder, grid, monkeypatch):
    class Impatient(Report):
        def cancelled(self):
            return time.monotonic() > self.end

    impatient = Impatient()
    impatient.end = time.monotonic() + 0.2
    monkeypatch.setattr(road_reading, "BEAT", 0.05)
    monkeypatch.setattr(road_reading.read_lines, "__defaults__", (SILENT, 10))
    with pytest.raises(Cancelled):
        open_roads({"path": str(osm_file(folder))}, [grid], RoadRules(), report=impatient)


def test_chicago_loses_its_tunnels(real_data):
    grid = Raster(real_data / "s2" / "chicago" / "s2.tif").grid
    roads = open_roads({"path": str(real_data / "osm" / "chicago_loop.osm.pbf")}, [grid], RoadRules(service="background"))
    assert roads.facts["ways"] == 8960
    assert roads.facts["left_out"]["tunnel"]["ways"] == 977
    assert roads.facts["drawn"]["ways"] > 1200


def test_a_pbf_that_breaks_off_is_named(real_data, folder, grid):
    whole = (real_data / "osm" / "chicago_loop.osm.pbf").read_bytes()
    (folder / "cut.osm.pbf").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.osm\.pbf cannot be read to its end .*copy or download it again"):
        open_roads({"path": str(folder / "cut.osm.pbf")}, [grid], RoadRules())
