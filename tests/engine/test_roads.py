"""Which ways are roads, and what is said of the others."""

import copy

import geopandas
import numpy as np
import pytest
import shapely

from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.engine.themes.roads import reading as road_reading
from eo_pretrain_qgis.engine.themes.roads.labels import RoadDrawing, make_labels
from eo_pretrain_qgis.engine.themes.roads.ways import RoadRules, open_roads
from eo_pretrain_qgis.engine.themes.roads.widths import WidthTable
from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.jobs.prepare_data.create_road_dataset import CreateRoadDataset
from eo_pretrain_qgis.jobs.values import read_value
from eo_pretrain_qgis.progress import SILENT

from ..listening import Cancelling, Listening
from ..scenes import land
from ..scenes_roads import UTM, line_of, osm_file, road_layer


@pytest.fixture
def grid(folder):
    return Raster(land(folder)).grid


def test_ways_are_chosen_and_counted_by_reason(folder, grid):
    heard = Listening()
    roads = open_roads({"path": str(osm_file(folder))}, [grid], RoadRules(), progress=heard)
    facts = roads.facts
    assert {name: (row["ways"], row["width_m"]) for name, row in facts["classes"].items()} == {
        "primary": (1, 20), "residential": (1, 5.5), "secondary": (1, 7), "service": (1, 4)}
    assert {reason: row["ways"] for reason, row in facts["left_out"].items()} == {
        "tunnel": 2, "covered below the ground": 1, "footway, path or cycleway": 1, "proposed": 1, "construction": 1, "abandoned": 1, "area": 1,
        "no road, or left out by the table of widths": 1}
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
    heard = Listening()
    roads = open_roads({"path": str(folder / "half.gpkg")}, [grid], RoadRules(), progress=heard)
    assert roads.facts["drawn"]["km"] == pytest.approx(1.28, rel=1e-3)
    assert heard.warnings == [f"The ways of {folder / 'half.gpkg'} reach over 0% of the images. That is right where the rest is water or has no "
                              "roads. If there are roads, they are taught as background: take ways of the whole images."]


@pytest.mark.parametrize(("crs", "told"), [
    (32633, "500400,500999,5299000,5299801 [EPSG:32633]"),
    (4326, "15.0053,15.0134,47.8443,47.8516 [EPSG:4326]"),
    ("+proj=tmerc +lon_0=15 +k=0.9995 +x_0=500000 +datum=WGS84", "15.0053,15.0134,47.8443,47.8516 [EPSG:4326]"),
])
def test_the_extent_of_a_smaller_extract_is_told_as_a_dialog_takes_it(folder, grid, crs, told):
    west, south, before, after = 500_400.4, 5_299_000.5, Listening(), Listening()
    ends = ((west, south, 501_000.6, south), (west, south, west, 5_299_800.3), (500_900, south, 500_900, 5_299_800.3))
    lines = shapely.linestrings(np.reshape(ends, (3, 2, 2)))
    geopandas.GeoDataFrame({"highway": ["primary"] * 3}, geometry=lines, crs=UTM).to_crs(crs).to_file(folder / "ways.gpkg")
    ways = {"path": str(folder / "ways.gpkg")}
    share = open_roads(ways, [grid], RoadRules(), progress=before).facts["coverage"]
    assert before.warnings == [f"The ways of {ways['path']} reach over {share:.0%} of the images. That is right where the rest is water or has no "
                               "roads. If there are roads, they are taught as background: take ways of the whole images, or give this “Extent”, "
                               f"which holds the ways: {told}."]
    within = read_value("extent", CreateRoadDataset.parameters()["extent"], told)
    facts = open_roads(ways, [grid], RoadRules(), within, after).facts
    assert share < 0.1 < 0.9 < facts["coverage"] and facts["ways"] == 3 and not after.warnings


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
    monkeypatch.setattr(road_reading, "BEAT", 0.05)
    monkeypatch.setattr(road_reading.read_lines, "__defaults__", (SILENT, 10))
    with pytest.raises(Cancelled):
        open_roads({"path": str(osm_file(folder))}, [grid], RoadRules(), progress=Cancelling(lambda heard: heard.seconds > 0.2))


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


def ways(folder, **columns):
    """Ways along the middles of rows 16, 48, …, 240 with some tags."""
    count = len(next(iter(columns.values())))
    geopandas.GeoDataFrame(columns, geometry=[line_of(("row", 16 + 32 * number)) for number in range(count)], crs=UTM).to_file(folder / "ways.gpkg")
    return {"path": str(folder / "ways.gpkg")}


@pytest.mark.parametrize("joined", ["['residential', 'unclassified']", '["residential", "unclassified"]', "unclassified;residential", "[residential"])
def test_a_way_of_several_classes_is_of_the_widest(folder, grid, joined):
    heard = Listening()
    rules = RoadRules(widths=WidthTable({"residential": 9, "unclassified": 4}))
    roads = open_roads(ways(folder, highway=["residential", joined], lanes=[None, "['2', '1']"]), [grid], rules, progress=heard)
    if joined == "[residential":
        assert roads.drawn.tolist() == [True, False]
        assert any(text.startswith("The classes “[residential” are not in the table of widths: these 1 ways are neither road nor background")
                   for text in heard.texts)
    else:
        assert roads.facts["classes"] == {
            "residential": {"ways": 2, "km": pytest.approx(5.12, rel=1e-3), "width_m": pytest.approx((9 + 5.25) / 2, abs=0.01)}}


def test_lists_in_geojson(folder, grid):
    geopandas.GeoDataFrame({"highway": ["residential", "x"], "tunnel": ["no", None]}, geometry=[line_of(("row", row)) for row in (16, 48)],
                           crs=UTM).to_crs(4326).to_file(folder / "ways.geojson")
    text = (folder / "ways.geojson").read_text(encoding="utf-8").replace('"x"', '[ "residential", "service" ]')
    (folder / "ways.geojson").write_text(text, encoding="utf-8")
    roads = open_roads({"path": str(folder / "ways.geojson")}, [grid], RoadRules())
    assert roads.facts["classes"]["residential"]["ways"] == 2


def test_what_is_not_understood_is_neither_road_nor_background(folder, grid):
    source = ways(folder, highway=["residential", "strasse", "elevator", "raceway", "strasse"], tunnel=["no", None, None, None, "yes"],
                  width=[None, "12", None, None, None])
    known = {**WidthTable().widths, "raceway": 0.0}
    roads = open_roads(source, [grid], RoadRules(widths=WidthTable(known)))
    drawn = make_labels(roads, RoadDrawing()).read(grid, grid.window)
    assert [drawn[16 + 32 * number, 100] for number in range(5)] == [1, 255, 0, 0, 0]
    assert (drawn[:, 100] == 255).sum() == 3, "its width is that of its tag"
    assert roads.facts["unknown_classes"] == {"strasse": 1} and roads.facts["ignored"]["ways"] == 1
    assert roads.facts["other_classes"] == {"elevator": 1, "raceway": 1}


def test_a_way_in_part_in_a_tunnel_is_ignored(folder, grid):
    roads = open_roads(ways(folder, highway=["residential"] * 3, tunnel=[None, "['yes', 'no']", "['yes', 'building_passage']"]), [grid], RoadRules())
    assert roads.facts["ignored"]["ways"] == 1 and roads.facts["left_out"]["tunnel"]["ways"] == 1


def test_only_unknown_classes(folder, grid):
    with pytest.raises(DataError, match="The classes “a”, “b” in .*ways.gpkg are not in the table of widths, and there is no other road. List them"):
        open_roads(ways(folder, highway=["a", "b"]), [grid], RoadRules())


def test_the_filter_in_the_path_counts(folder, grid):
    source = ways(folder, highway=["residential", "service", "residential"], year=[2019, 2020, 2020])
    path = source["path"]
    cases = {'|layername=ways|subset="year" = 2020': {"residential": 1, "service": 1}, "|layerid=0|subset=year = 2019": {"residential": 1},
             "|geometrytype=LineString|uniqueGeometryType=yes": {"residential": 2, "service": 1}}
    for part, classes in cases.items():
        facts = open_roads({"path": path + part}, [grid], RoadRules()).facts
        assert {name: row["ways"] for name, row in facts["classes"].items()} == classes
    with pytest.raises(DataError, match="The filter nothing = 1 of the layer ways of .* cannot be used"):
        open_roads({"path": f"{path}|subset=nothing = 1"}, [grid], RoadRules())
