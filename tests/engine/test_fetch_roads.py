"""Roads from an Overpass server on this machine: what is asked, what is written, and what is not taken."""

import json
import socket

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely

from eo_pretrain_qgis.engine.network import overpass
from eo_pretrain_qgis.engine.themes.roads import fetching
from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .. import scenes, scenes_overpass, scenes_roads
from ..listening import Cancelling, Listening

LAND = {"box": [500_000, 5_297_440, 502_560, 5_300_000], "crs": "EPSG:32633"}


@pytest.fixture
def server(folder, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "EOPRETRAIN_OVERPASS"):
        monkeypatch.delenv(name, raising=False)
    place = folder / "server"
    place.mkdir()
    serving = scenes_overpass.serve(place)
    place.rmdir()
    yield serving
    serving.shutdown()


@pytest.fixture
def waits(monkeypatch):
    """The seconds that were waited, without waiting."""
    found = []
    monkeypatch.setattr(overpass, "wait", lambda seconds, progress, text: found.append(seconds))
    return found


def fetch(server, name, folder, progress=SILENT, extent=LAND):
    return fetching.fetch_roads({}, extent, f"{server.address}/{name}", str(folder / "roads.gpkg"), progress)


def test_the_layer_holds_ways_tags_licence_and_time(server, folder):
    progress = Listening()
    result = fetch(server, "good", folder, progress)
    roads = geopandas.read_file(folder / "roads.gpkg", layer="roads").set_index("osm_id").replace({np.nan: None})
    assert result == {"roads": 13, "length_km": pytest.approx(13 * 2.56, rel=1e-3), "data_of": scenes_overpass.BASE, "requests": 1}
    assert len(roads) == 13 and roads.crs.to_epsg() == 4326  # the river is no road
    assert roads.loc["1", ["highway", "width", "lanes"]].tolist() == ["primary", "20 m", None]
    assert roads.loc["4", ["highway", "covered", "layer", "tunnel"]].tolist() == ["secondary", "yes", "-1", None]
    assert roads.loc["6", "name"] == 'Zum "Anker", hinten\\vorn'
    assert roads.loc["8", "other_tags"] == '"proposed"=>"primary"'
    expected = geopandas.GeoSeries([scenes_roads.line_of(("row", 40))], crs=32633).to_crs(4326)[0]
    assert shapely.hausdorff_distance(roads.loc["1"].geometry, expected) < 1e-6
    told = pyogrio.read_info(folder / "roads.gpkg", layer="roads")["layer_metadata"]
    assert told["LICENCE"] == "© OpenStreetMap contributors, ODbL 1.0" and told["OSM_BASE"] == scenes_overpass.BASE
    assert told["SERVER"] == server.address + "/good" and told["QUERY"] == server.queries[0]
    assert server.queries[0].startswith('[out:xml][timeout:180];way["highway"](47.8')
    assert progress.texts[0].endswith("(https://www.openstreetmap.org/copyright). Who shows or passes on what is made of them names it.")
    assert sorted(path.name for path in folder.iterdir()) == ["roads.gpkg", "roads.qml"]


def test_several_requests_give_each_way_once(server, folder, monkeypatch):
    monkeypatch.setattr(fetching, "PIECE_KM", 1.5)
    result = fetch(server, "good", folder)
    assert (result["roads"], result["requests"], len(set(server.queries))) == (13, 4, 4)
    told = pyogrio.read_info(folder / "roads.gpkg", layer="roads")["layer_metadata"]
    assert told["QUERY"].split("\n") == server.queries


@pytest.mark.parametrize(("name", "waited", "said"), [
    ("busy", [7.0], "The Overpass server answered 429 (Too Many Requests); it is asked again in 7 s."),
    ("hurried", [5.0], "The Overpass server answered 504 (Gateway Timeout); it is asked again in 5 s."),
    ("page_busy", [5.0], "The Overpass server is too busy; it is asked again in 5 s."),
    ("cut", [5.0], "The Overpass server broke off; it is asked again in 5 s.")])
def test_a_server_in_trouble_is_asked_again(server, folder, waits, name, waited, said):
    progress = Listening()
    assert fetch(server, name, folder, progress)["roads"] == 13
    assert waits == waited and progress.warnings == [said]


@pytest.mark.parametrize(("name", "asked", "said"), [
    ("always_busy", 5, r"was asked 5 times, and at last it answered 429 \(Too Many Requests\)\. Choose a smaller extent, run again later, or give"),
    ("forbidden", 1, r"answered 403 \(Forbidden\), as one does that is no Overpass server or does not let you in\. Check its address"),
    ("timeout", 1, r"gave up: “runtime error: Query timed out .*”, so that ways are missing\. Choose a smaller extent"),
    ("page", 1, r"is no OpenStreetMap data: “Please log in\.”\. Check the address of the server"),
    ("timeless", 1, "does not say of which time its data is"),
    ("damaged", 1, r"^The answer of http://127.0.0.1:\d+/damaged cannot be read to its end \(.*\)\. It may be damaged or cut short"),
    ("late", 1, r"gave up: “runtime error: Query timed out .*”, so that ways are missing"),
    ("packed", 1, "is no OpenStreetMap data: “bytes that are no text”"),
    ("nothing", 5, r"was asked 5 times, and at last it answered nothing\."),
    ("moved301", 1, r"/moved301 sends on to https://b\.example/x, and a query is asked at one place alone\. Give that address as “Server”"),
    ("moved307", 1, r"/moved307 sends on to https://b\.example/x, and"),
    ("empty", 1, r"OpenStreetMap has no road between \(14\.9986., 47\.8[0-9]*\) and \(15\.0")])
def test_what_is_not_whole_leaves_nothing(server, folder, waits, name, asked, said):
    with pytest.raises(DataError, match=said):
        fetch(server, name, folder)
    assert server.asked[name] == asked
    assert list(folder.iterdir()) == []


def test_a_hint_of_the_server_is_handed_on(server, folder):
    progress = Listening()
    assert fetch(server, "hint", folder, progress)["roads"] == 13
    assert progress.warnings == ["The Overpass server says: runtime remark: a hint"]


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_remark_is_seen_wherever_the_answer_is_cut_into_pieces(folder, monkeypatch, cut):
    path = folder / "answer.osm"
    path.write_bytes(scenes_overpass.HEAD.format(base="2026-03-01T12:00:00Z").encode() + b"<node/>" * cut + scenes_overpass.TIMEOUT.encode()
                     + b"<!--" + b"x" * 9000 + b"--></osm>")
    monkeypatch.setattr(overpass, "PIECE", path.read_bytes().find(b"<remark") + cut % 11 - 2)
    with pytest.raises(DataError, match=r"gave up: “runtime error: Query timed out in \"query\" at line 1 after 182 seconds\.”"):
        overpass._checked("https://a.example", path, SILENT)


def test_a_server_that_is_not_there(folder, waits):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/api/interpreter"
    with pytest.raises(DataError, match=r"was asked 3 times, and at last it could not be reached \(.*refused\)"):
        fetching.fetch_roads({}, LAND, address, str(folder / "roads.gpkg"))
    assert waits == [1.0, 3.0] and list(folder.iterdir()) == []


def test_cancelling_does_not_wait_for_the_server(server, folder):
    progress = Cancelling(lambda heard: heard.reached("Asking the Overpass server"))
    with pytest.raises(Cancelled):
        fetch(server, "slow", folder, progress)
    assert progress.seconds < 5 and list(folder.iterdir()) == []


def test_the_settings_name_a_server(server, folder, monkeypatch):
    monkeypatch.setenv("EOPRETRAIN_OVERPASS", server.address + "/good")
    assert fetching.fetch_roads({}, LAND, None, str(folder / "roads.gpkg"))["roads"] == 13
    monkeypatch.setenv("EOPRETRAIN_OVERPASS", "localhost")
    with pytest.raises(DataError, match="The Overpass server “localhost” is no address. Give one that begins with https://"):
        overpass.server_address(None)
    assert overpass.server_address("https://a.example/x") == "https://a.example/x"


@pytest.mark.parametrize(("box", "crs", "expected"), [
    ([13, 52, 13.1, 52.1], "EPSG:4326", [(13, 52, 13.1, 52.1)]),
    ([179.9, -17, 180.1, -16.9], "EPSG:4326", [(179.9, -17, 180, -16.9), (-180, -17, -179.9, -16.9)]),
    ([-180.2, 66, -180.1, 66.1], "EPSG:4326", [(179.8, 66, 179.9, 66.1)]),
    ([700_000, 7_300_000, 800_000, 7_310_000], "EPSG:32660", [(-178.67, 65.7, -176.5, 65.9)]),
    ([0, 89.9, 1, 90], "EPSG:4326", [(-0.1, 89.9, 1.1, 90)])])
def test_where_a_place_is(box, crs, expected):
    found = fetching.boxes({}, {"box": box, "crs": crs})
    np.testing.assert_allclose(found, expected, atol=0.11)
    assert all(-180 <= west < east <= 180 and -90 <= south < north <= 90 for west, south, east, north in found)


def test_pieces_cover_a_place_once():
    scene = (10.0, 47.0, 11.45, 47.99)  # 110 × 110 km
    pieces = fetching.cut([scene])
    assert len(pieces) == 25
    assert shapely.union_all([shapely.box(*piece) for piece in pieces]).equals(shapely.box(*scene))
    assert sum(shapely.box(*piece).area for piece in pieces) == pytest.approx(shapely.box(*scene).area)
    with pytest.raises(DataError, match=r"The place needs \d+ requests of 25 × 25 km, and at most 100 are sent to a server"):
        fetching.cut([(5.0, 47.0, 15.0, 55.0)])


def test_an_extent_without_a_crs_is_in_that_of_the_image(folder):
    image = {"path": str(scenes.land(folder))}
    named, unnamed = fetching.boxes({}, LAND), fetching.boxes(image, {"box": LAND["box"]})
    np.testing.assert_allclose(named, unnamed, atol=1e-9)
    np.testing.assert_allclose(named, fetching.boxes(image, None), atol=1e-9)


def test_the_roads_go_straight_into_a_dataset_and_a_map(server, folder):
    """The labels are those of the .osm file itself, and “Map roads” takes the layer as known roads."""
    image = str(scenes.land(folder))
    fetch(server, "good", folder)
    osm = scenes_roads.write_osm(folder / "same.osm")
    for name, roads in (("fetched", folder / "roads.gpkg"), ("direct", osm)):
        JOBS["create_road_dataset"].from_values({"images": [image], "roads": str(roads), "tile_size": 32, "validation_share": 0, "test_share": 0,
                                                 "output": str(folder / name)}).run(SILENT)
    labels = [np.load(folder / name / "labels-000.npy") for name in ("fetched", "direct")]
    assert (labels[0] == 1).sum() > 1000
    np.testing.assert_array_equal(*labels)
    facts = json.loads((folder / "fetched" / "dataset.json").read_text(encoding="utf-8"))["facts"]
    assert (facts["licence"], facts["data_of"]) == (fetching.LICENCE, scenes_overpass.BASE)
    page = folder / "page.html"
    JOBS["describe_dataset"].from_values({"dataset": str(folder / "fetched"), "output": str(page)}).run(SILENT)
    assert "© OpenStreetMap contributors, ODbL 1.0" in page.read_text(encoding="utf-8")
    probability = np.zeros((256, 256), np.uint8)
    probability[40], probability[100] = 99, 99  # the primary road, and one that the map lacks
    raster = scenes.write_raster(folder / "probability.tif", probability)
    result = JOBS["map_roads"].from_values({"model": "none", "images": [str(raster)], "known": str(folder / "roads.gpkg"),
                                            "output": str(folder / "lines.gpkg"), "candidates": str(folder / "new.gpkg")}).run(SILENT)
    assert result["roads"] == 2 and result["new_km"] == pytest.approx(2.55, abs=0.06)
