"""Scenes from a STAC API on this machine that fails in the ways servers do, and from item files."""

import contextlib
import http.server
import json
import re
import shutil
import threading
import time
from datetime import UTC, datetime

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import event, given
from hypothesis import strategies as st

from eo_pretrain_qgis.engine.rasters.deliveries.items import bands_of, item_of, stored_of
from eo_pretrain_qgis.engine.scenes import areas
from eo_pretrain_qgis.engine.scenes.asking import Query
from eo_pretrain_qgis.engine.scenes.searching import Catalogue
from eo_pretrain_qgis.errors import Cancelled, DataError, EOPretrainError
from eo_pretrain_qgis.jobs import JOBS
from tests import scenes_catalogue

from ..fuzzing import fuzzed
from ..listening import Cancelling, Listening, promised
from ..mutations import damaged_json

AREA = "14.999,15.009,47.84,47.86 [EPSG:4326]"
CORE = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search", "https://api.stacspec.org/v1.0.0/item-search#query"]


class Handler(http.server.BaseHTTPRequestHandler):
    """A STAC API with two items a page below /ok; below other names it fails as they say. /files are images."""

    def do_GET(self):
        kind, _, rest = self.path.strip("/").partition("/")
        if kind == "files":
            return self._file(rest)
        if kind in ("missing", "busy", "forbidden"):
            return self.send_error({"missing": 404, "busy": 503, "forbidden": 403}[kind])
        if kind == "page":
            return self._json(b"<html>Please log in</html>")
        if kind == "slow":
            time.sleep(8)
        root = f"http://127.0.0.1:{self.server.server_port}/{kind}"
        conforms = CORE if kind != "static" else CORE[:1]
        return self._json({"type": "Catalog", "id": "fake", "stac_version": "1.0.0", "description": "fake", "conformsTo": conforms,
                           "links": [{"rel": "self", "href": root}, {"rel": "root", "href": root},
                                     {"rel": "search", "href": f"{root}/search", "method": "POST", "type": "application/geo+json"}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        kind = self.path.strip("/").partition("/")[0]
        if kind == "breaking" and asked.get("token"):
            return self.send_error(500)
        if kind == "strange":
            return self._json({"type": "FeatureCollection", "features": [{"id": 5}], "links": []})
        limit = asked.get("query", {}).get("eo:cloud_cover", {}).get("lte", 100)
        area = shapely.geometry.shape(asked["intersects"]) if "intersects" in asked else areas.WORLD
        begin, end = (datetime.fromisoformat(text) for text in asked["datetime"].split("/"))
        found = [one for one in self.server.items if begin <= datetime.fromisoformat(one["properties"]["datetime"]) <= end
                 and one["properties"]["eo:cloud_cover"] <= limit and shapely.geometry.shape(one["geometry"]).intersects(area)
                 and one["collection"] in asked["collections"]]
        first = asked.get("token", 0)
        links = [] if first + 2 >= len(found) else [{"rel": "next", "method": "POST", "href": f"http://127.0.0.1:{self.server.server_port}{self.path}",
                                                     "body": {**asked, "token": first + 2}}]
        return self._json({"type": "FeatureCollection", "features": found[first:first + 2], "links": links})

    def do_HEAD(self):
        return self._file(self.path.strip("/").partition("/")[2])

    def _file(self, name):
        content = (self.server.folder / name).read_bytes() if (self.server.folder / name).is_file() else None
        if content is None:
            return self.send_error(404)
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        begin, end = (int(part[1]), min(int(part[2]), len(content) - 1)) if part else (0, len(content) - 1)
        self.send_response(206 if part else 200)
        if part:
            self.send_header("Content-Range", f"bytes {begin}-{end}/{len(content)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - begin + 1))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[begin:end + 1])
        return None

    def _json(self, content):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(folder, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    running.folder, running.asked = folder, []
    running.items = json.loads(scenes_catalogue.item_file(folder).read_text())["features"]
    for one in running.items:
        for asset in one["assets"].values():
            asset["href"] = f"http://127.0.0.1:{running.server_port}/files/{asset['href']}"
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def address(server, kind="ok"):
    return f"http://127.0.0.1:{server.server_port}/{kind}"


def asked(place, **values):
    return JOBS["find_scenes"].from_values({"first_day": "2023-06-01", "last_day": "2023-08-31", "cloud_limit": 100,
                                            "area": AREA, "output": str(place / "out" / "scenes.gpkg"), **values})


def rows(path):
    return geopandas.read_file(path, layer="scenes")


def test_a_search_online_takes_all_pages(server, folder):
    result = asked(folder, address=address(server), items_output=str(folder / "found.json")).run(Listening())
    assert (result["scenes"], result["days"], result["images"]) == (4, 3, 0)
    assert len(server.asked) == 2 and server.asked[0]["collections"] == ["sentinel-2-c1-l2a"]
    assert rows(result["output"])["id"].tolist() == ["S2A_33UVP_20230605", "S2A_33UVQ_20230605", "S2B_33UVP_20230610", "S2B_33UVP_20230820"]
    again = asked(folder, items=str(folder / "found.json"), cloud_limit=20, months="6", output=str(folder / "again.gpkg")).run(Listening())
    assert again["scenes"] == 2, "what was found is searched once more without the network"


def test_clouds_and_months_are_asked_for(server, folder):
    result = asked(folder, address=address(server), cloud_limit=10, months="6,7").run(Listening())
    assert server.asked[0]["query"] == {"eo:cloud_cover": {"lte": 10.0}}
    assert set(rows(result["output"])["cloud_share"]) == {0.05, 0.1} and result["days"] == 1


def test_images_are_fetched_from_the_network(server, folder):
    result = asked(folder, address=address(server), folder=str(folder / "images"), bands="B04,B02", area="500100,500500,5299700,5300200 [EPSG:32633]",
                   last_day="2023-06-08").run(Listening())
    assert result["images"] == 1
    with rasterio.open(folder / "images" / "S2_2023-06-05.tif") as image, rasterio.open(folder / "images" / "masks" / "S2_2023-06-05.tif") as mask:
        values = image.read()
        assert (image.shape, image.descriptions, image.bounds[0], image.bounds[3]) == ((50, 40), ("B04", "B02"), 500100, 5300200)
        assert (image.scales, image.offsets, image.nodata, image.tags()["ACQUISITION_DATE"]) == ((1e-4, 1e-4), (-0.1, -0.1), 0, "2023-06-05")
        assert (values[1, :20] == 3000).all() and (values[1, 20:] == 1000).all(), "where both show the ground, the one with fewer clouds"
        assert (values[0] == values[1] + 500).all() and (mask.read(1)[20:35] == 9).all() and (mask.read(1)[35:] == 4).all()


@pytest.mark.parametrize(("kind", "sentence"), [
    ("missing", "answers 404"), ("forbidden", "answers 403"), ("busy", "cannot serve now, also when asked 4 times"),
    ("page", "gives no answer of a STAC API"), ("static", "is a catalogue that cannot be searched. Give the address of a STAC API"),
    ("breaking", "cannot serve now, also when asked 4 times"), ("strange", "item 1 is no STAC item: it has no id, properties or assets."),
])
def test_a_server_that_fails_is_a_sentence(kind, sentence, server, folder, monkeypatch):
    monkeypatch.setattr("urllib3.util.Retry.sleep", lambda *_: None)
    with pytest.raises(DataError) as refused:
        asked(folder, address=address(server, kind)).run(Listening())
    assert sentence in str(refused.value)
    assert not (folder / "out" / "scenes.gpkg").exists()


def test_no_network_is_a_sentence(folder):
    with pytest.raises(DataError, match=r"127.0.0.1:9 cannot be reached. Check the address and the network"):
        asked(folder, address="http://127.0.0.1:9/v1").run(Listening())
    with pytest.raises(DataError, match="“ftp://a.b” is no address of a STAC API"):
        asked(folder, address="ftp://a.b").run(Listening())


def test_a_cancel_is_answered_while_a_server_is_silent(server, folder):
    began = time.monotonic()
    with pytest.raises(Cancelled):
        asked(folder, address=address(server, "slow"), folder=str(folder / "images")).run(Cancelling(lambda heard: heard.reached("Asking")))
    assert time.monotonic() - began < promised(2) and not (folder / "images").exists()


def test_an_image_that_is_gone_leaves_nothing(server, folder):
    (folder / "S2B_33UVP_20230820_red.tif").unlink()
    with pytest.raises(DataError, match="S2B_33UVP_20230820 cannot be read"):
        asked(folder, address=address(server), folder=str(folder / "images")).run(Listening())
    assert not (folder / "images").exists() and not (folder / "out" / "scenes.gpkg").exists()


@pytest.mark.parametrize(("href", "sentence"), [
    ("s3://bucket/a.tif", "which needs an account"), ("/etc/hostname", "a file on this computer, though it is from the network"),
    ("https://example.com/a.vrt", "which only refers to other files"),
])
def test_what_a_server_must_not_ask_for_is_refused(href, sentence, server, folder):
    for one in server.items:
        one["assets"]["blue"]["href"] = href
    with pytest.raises(DataError) as refused:
        asked(folder, address=address(server), folder=str(folder / "images"), bands="B02").run(Listening())
    assert sentence in str(refused.value)


def test_places_are_drawn_over_land_with_a_seed():
    one, again, other = (areas.places_on_land(200, None, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == again).all() and (one != other).any()
    assert shapely.contains_xy(areas.land(), one[:, 0], one[:, 1]).all()
    southern = (areas.places_on_land(4000, None, np.random.default_rng(3))[:, 1] < 0).mean()
    assert 0.20 < southern < 0.28, "about a quarter of the land but Antarctica lies south of the equator"
    with pytest.raises(DataError, match="There is no land in the area"):
        areas.places_on_land(5, shapely.box(-40, 30, -38, 32), np.random.default_rng(1))


def test_images_at_random_places_are_squares_of_the_size_asked_for(folder):
    values = {"items": str(scenes_catalogue.item_file(folder)), "area": None, "count": 2, "size": 200, "folder": str(folder / "images")}
    result = asked(folder, **values).run(Listening())
    with rasterio.open(folder / "images" / rows(result["output"])["image"][0]) as image:
        assert image.shape == (20, 20) and image.crs.to_epsg() == 32633
    heard = Listening()
    assert asked(folder, **{**values, "count": 9, "folder": None, "output": str(folder / "few.gpkg")}).run(heard)["scenes"] <= 4
    assert any("places drawn, only" in text for text in heard.warnings)


def test_a_radar_scene_gets_its_optical_partners(folder):
    values = {"items": str(scenes_catalogue.item_file(folder)), "radar": str(scenes_catalogue.radar_scene(folder)), "area": None}
    result = asked(folder, **values, hours=6, look=True).run(Listening())
    found = rows(result["output"])
    assert found["id"].tolist() == ["S2A_33UVP_20230605", "S2A_33UVQ_20230605"] and result["covered"] == 1
    assert np.allclose(found["hours"], [5, 5 + 12 / 3600]) and np.allclose(found["overlap"], [1, 0.5], atol=0.01)
    assert found["clear_share"][0] == pytest.approx(1 - 15 / 60, abs=0.1) and found["clear_share"][1] == 1
    with pytest.raises(DataError, match="2 scenes were found, and the best of them shows 50.0% of the ground, less than 90.0%"):
        asked(folder, **{**values, "items": str(without_first(folder))}, hours=200, least_overlap=0.9).run(Listening())


def without_first(folder):
    """The scene of the north alone, and it again on another day."""
    items = [one for one in json.loads((folder / "items.json").read_text())["features"] if "UVQ" in one["id"]]
    twice = {**items[0], "id": "again", "properties": {**items[0]["properties"], "datetime": "2023-06-06T10:15:00Z"}}
    return scenes_catalogue.written(folder, [*items, twice], "north.json")


def test_an_area_over_180_degrees_is_cut_there():
    shape = areas.area_of({"box": [178, -20, 182, -10], "crs": "EPSG:4326"}, None)
    assert sorted(part.bounds for part in shapely.get_parts(shape)) == [(-180, -20, -178, -10), (178, -20, 180, -10)]
    wide = {"type": "Polygon", "coordinates": [[[179, 0], [-179, 0], [-179, 1], [179, 1], [179, 0]]]}
    footprint = areas.footprint_of(wide, None, "here")
    assert footprint.area == pytest.approx(2) and footprint.bounds == (-180, 0, 180, 1)
    assert areas.share(footprint, shape.union(shapely.box(179, 0, 180, 1))) > 0


def test_an_area_over_180_degrees_needs_a_system_that_holds_it(folder):
    one = scenes_catalogue.item("fiji", "2023-06-05T10:15:00Z", 0, folder=folder)
    one["geometry"] = json.loads(shapely.to_geojson(shapely.MultiPolygon([shapely.box(179, -18, 180, -17), shapely.box(-180, -18, -179, -17)])))
    values = {"items": str(scenes_catalogue.written(folder, [one], "fiji.json")), "area": "179.5,180.5,-17.6,-17.5 [EPSG:4326]",
              "folder": str(folder / "images"), "crs": "EPSG:4326", "resolution": 0.001}
    with pytest.raises(DataError, match="The area reaches over 180° or beyond EPSG:4326, so that no image holds it."):
        asked(folder, **values).run(Listening())
    with pytest.raises(DataError, match="No scene measured anything of the area"):
        asked(folder, **{**values, "crs": "EPSG:32760", "resolution": 100}).run(Listening())


def test_what_items_say_of_their_values():
    one = scenes_catalogue.item("a", "2023-06-05T10:15:00Z", 5)
    found = item_of(one, "here")
    assert bands_of(found) == {"B02": "blue", "B04": "red"} and stored_of(found, "blue").offset == -0.1
    one["properties"]["earthsearch:boa_offset_applied"] = True
    assert stored_of(item_of(one, "here"), "blue").offset == 0, "Earth Search has taken the offset off already"
    assert found.when == datetime(2023, 6, 5, 10, 15, tzinfo=UTC) and found.cloud_share == 0.05
    with pytest.raises(DataError, match="was acquired at “yesterday”, which is no date and time"):
        item_of({**one, "properties": {"datetime": "yesterday"}}, "here")


def test_a_file_takes_no_network(folder, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it went online"))
    catalogue = Catalogue("https://example.com", str(scenes_catalogue.item_file(folder)))
    assert len(catalogue.search(Query("sentinel2_l2a", datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)))) == 4


@given(st.data())
@fuzzed(20)
def test_fuzz_item_files(tmp_path_factory, data):
    place = tmp_path_factory.getbasetemp() / "items"
    if not place.exists():
        place.mkdir()
        scenes_catalogue.item_file(place)
    content = json.loads((place / "items.json").read_text())
    (place / "damaged.json").write_bytes(data.draw(damaged_json(content)))
    for output in (place / "scenes.gpkg", place / "found.json"):
        output.unlink(missing_ok=True)
    shutil.rmtree(place / "images", ignore_errors=True)
    values = {"items": str(place / "damaged.json"), "cloud_limit": 100, "area": AREA, "output": str(place / "scenes.gpkg"),
              "items_output": str(place / "found.json"), "folder": str(place / "images")}
    job = JOBS["find_scenes"].from_values(values)
    try:
        job.run(Listening())
    except EOPretrainError as error:
        event("ended in a sentence")
        assert len(str(error)) < 2000 and str(error).strip()
        assert not (place / "images").exists()
