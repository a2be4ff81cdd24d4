"""The catalogue that comes with the plugin is whole, and names become files as it says."""

import hashlib
import http.server
import json
import re
import threading
from pathlib import Path

import pytest

from eo_pretrain_qgis.engine.models import catalog
from eo_pretrain_qgis.engine.rasters.same_band import band_key, band_places
from eo_pretrain_qgis.errors import Cancelled, ModelError
from eo_pretrain_qgis.progress import Progress

from ..listening import Cancelling

MODELS = Path(__file__).parents[2] / "models"
CONTENT = b"weights" * 1000
MAY_BE_USED = ("CC-BY-4.0", "Apache-2.0", "MIT", "BSD-3-Clause")
ENTRY = {"name": "mine", "title": "Mine", "encoder": "resnet18", "preset": "sentinel1_db", "bands": ["VV", "VH"], "licence": "MIT",
         "paper": "https://papers.invalid/1", "address": "https://weights.invalid/mine-12345678.pth", "sha256": "12345678" * 8,
         "expects": {"centre": [-12.5, -20], "spread": 5}}


@pytest.fixture(autouse=True)
def models(folder, monkeypatch):
    """An empty folder of models."""
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(folder / "models"))
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    (folder / "models").mkdir()
    return folder / "models"


def write_catalogue(models, *entries, **facts):
    content = {"format": "eo-pretrain catalogue", "version": 1, "weights": list(entries), **facts}
    (models / "catalog.json").write_text(json.dumps(content), encoding="utf-8")


def shipped(file="catalog.json"):
    return json.loads((MODELS / file).read_text(encoding="utf-8"))["weights"]


def test_the_plugin_knows_open_weights():
    names = set(catalog.read_catalogue())
    assert names == {entry["name"] for entry in shipped()}
    assert {"ssl4eo_s12_resnet18_s2_moco", "ssl4eo_s12_resnet50_s2_moco", "ssl4eo_s12_resnet50_s2_dino", "ssl4eo_s12_resnet50_s1_moco"} <= names


@pytest.mark.parametrize("found", shipped(), ids=lambda found: found["name"])
def test_every_entry_is_whole(found):
    entry = catalog.find(found["name"])
    assert entry.address.startswith("https://")
    assert "/main/" not in entry.address, "an address that names no version may change its file"
    assert entry.licence.split(" ")[0] in MAY_BE_USED
    assert re.match("https://(arxiv.org/abs/|doi.org/10)", entry.paper)
    assert len(entry.sha256) == 64 and entry.bytes > 1_000_000
    digits = re.search(r"-([0-9a-f]{8})\.pth$", entry.address)
    assert not digits or entry.sha256.startswith(digits[1])
    card = entry.card()
    assert [band["name"] for band in card["bands"]] == list(entry.bands)
    assert all(band_key(band["name"]).startswith(("B", "V")) for band in card["bands"])
    if entry.preset != "generic":
        assert all(band["unit"] in ("reflectance", "dB") for band in card["bands"])
    text = (MODELS / "cards" / f"{entry.name}.md").read_text(encoding="utf-8")
    assert all(said in text for said in (entry.licence, entry.paper, entry.name, entry.address, entry.sha256, *entry.bands))


@pytest.mark.parametrize("found", shipped("candidates.json"), ids=lambda found: found["name"])
def test_what_waits_says_what_is_missing_and_is_not_offered(found):
    missing = found["missing"]
    assert missing and set(missing) <= {"address", "sha256", "bytes", "network"}
    assert {key for key in ("address", "sha256", "bytes") if not found[key]} == set(missing) - {"network"}
    assert not (found["sha256"] and found["bytes"]) or missing == ["network"], "it belongs in the catalogue"
    assert found["about"].endswith(".")
    given = {"address": "https://weights.invalid/a", "sha256": "0" * 64, **{key: found[key] for key in found if found[key]}}
    entry = catalog._entry(MODELS / "candidates.json", 0, given, catalog._content(MODELS / "catalog.json").statistics)
    assert entry.name == found["name"] and "/main/" not in entry.address
    assert found["name"] not in catalog.read_catalogue()
    assert not (MODELS / "cards" / f"{found['name']}.md").exists()
    with pytest.raises(ModelError, match=f"The catalogue of weights has no “{found['name']}”"):
        catalog.find(f"catalogue:{found['name']}")


def test_candidates_have_names_of_their_own():
    names = [found["name"] for file in ("catalog.json", "candidates.json") for found in shipped(file)]
    assert len(names) == len(set(names))


def test_statistics_cover_every_band_of_entries_that_name_them():
    for entry in catalog.read_catalogue().values():
        assert not entry.statistics or set(entry.bands) <= set(entry.statistics), entry.name
    assert catalog.statistics("ssl4eo_s12_l1c")["B10"] == [22.0, 47.5]


def test_a_name_that_is_nearly_right():
    with pytest.raises(ModelError, match="has no “ssl4eo_s12_resnet18_moco”. Did you mean “catalogue:ssl4eo_s12_resnet18_s2_moco”?"):
        catalog.find("catalogue:ssl4eo_s12_resnet18_moco")
    with pytest.raises(ModelError, match="has no “xyzxyz”. It has: ssl4eo_s12_resnet18_s2_moco, "):
        catalog.find("xyzxyz")


def test_the_users_own_catalogue_comes_first(models):
    write_catalogue(models, ENTRY, {**ENTRY, "name": "imagenet_resnet18", "title": "Ours"})
    assert catalog.find("catalogue:imagenet_resnet18").title == "Ours"
    card = catalog.find("mine").card()
    assert [(band["unit"], band["centre"], band["spread"]) for band in card["bands"]] == [("dB", -12.5, 5.0), ("dB", -20.0, 5.0)]
    assert card["source"]["licence"] == "MIT" and card["scaling"] == "linear"


@pytest.mark.parametrize(("change", "words"), [
    ({"licence": ""}, "“licence” is “”, but must be a text, not empty"), ({"name": "My weights"}, "“name” is “My weights”, but must be a name of"),
    ({"name": None}, "“name” is None"), ({"sha256": "12"}, "“sha256” is “12”, but must be 64 hexadecimal digits"),
    ({"sha256": ""}, "“sha256” is “”, but must be 64 hexadecimal digits"), ({"sha256": None}, "“sha256” is None"),
    ({"bands": ["VV", "VV"]}, "the band “VV” stands twice"),
    ({"bands": []}, "“bands” is a list, but must be a list of length at least 1"), ({"preset": "landsat"}, "“landsat”, but must be one of"),
    ({"expects": {"centre": [1], "spread": 1}}, "“expects” has 1 numbers as centre for 2 bands"),
    ({"expects": {"centre": 1}}, "it lacks the key “expects.spread”"), ({"expects": {"centre": 1, "spread": 0}}, "a spread that is not above 0"),
    ({"address": -1}, "“address” is -1"), ({"address": "file:///etc/passwd"}, "must be an address that begins with https://"),
    ({"address": "http://[::1"}, "which is none"), ({"statistics": "unheard"}, "there are no statistics “unheard”"),
    ({"bytes": "many"}, "“bytes” is “many”"),
])
def test_a_damaged_entry_is_named(models, change, words):
    write_catalogue(models, {**ENTRY, **change})
    with pytest.raises(ModelError) as caught:
        catalog.find("mine")
    name = change.get("name", "mine")
    assert words in str(caught.value) and str(caught.value).startswith(f"The entry {f'“{name}”' if name else 1} of the catalogue {models}")


def test_a_newer_catalogue_is_refused(models):
    write_catalogue(models, ENTRY, version=2)
    with pytest.raises(ModelError, match="it is of the format “eo-pretrain catalogue” 2, this plugin reads eo-pretrain catalogue 1"):
        catalog.read_catalogue()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *words):
        pass


@pytest.fixture
def address(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/a.pth"
    server.shutdown()


def test_a_name_becomes_a_file_with_its_card_beside(models, address):
    write_catalogue(models, {**ENTRY, "address": address, "sha256": hashlib.sha256(CONTENT).hexdigest()})
    path = Path(catalog.fetch(catalog.find("catalogue:mine")))
    assert path == models / "mine.pth"
    assert path.read_bytes() == CONTENT
    assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["source"]["address"] == address
    assert sorted(item.name for item in models.iterdir()) == ["catalog.json", "mine.json", "mine.pth"]


def test_a_folder_of_models_that_is_complete_is_only_read(models, address, monkeypatch):
    write_catalogue(models, {**ENTRY, "address": address, "sha256": hashlib.sha256(CONTENT).hexdigest()})
    path = catalog.fetch(catalog.find("mine"))
    monkeypatch.setattr(catalog, "new_file", None)
    assert catalog.fetch(catalog.find("mine")) == path


def test_a_file_with_another_checksum_is_not_kept(models, address):
    write_catalogue(models, {**ENTRY, "address": address})
    with pytest.raises(ModelError, match=f"should be {'12345678' * 8}. It was thrown away"):
        catalog.fetch(catalog.find("mine"))
    assert [item.name for item in models.iterdir()] == ["catalog.json"]


def test_an_entry_without_a_checksum_is_refused(models):
    write_catalogue(models, {key: value for key, value in ENTRY.items() if key != "sha256"} | {"sha256_prefix": "12345678"})
    with pytest.raises(ModelError, match=r"The entry “mine” of the catalogue .*catalog.json is damaged: it lacks the key “sha256”\. Correct it"):
        catalog.find("mine")


def test_a_file_that_was_put_there_by_hand_is_checked_too(models):
    write_catalogue(models, {**ENTRY, "sha256": hashlib.sha256(CONTENT).hexdigest()})
    (models / "mine.pth").write_bytes(CONTENT)
    assert catalog.fetch(catalog.find("mine")) == str(models / "mine.pth")
    (models / "mine.pth").write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match=r"mine.pth is not the file from https://weights.invalid/mine-12345678.pth: .* Delete it"):
        catalog.fetch(catalog.find("mine"))


def test_other_processes_of_a_machine_wait_for_the_first(models, monkeypatch):
    write_catalogue(models, ENTRY)
    monkeypatch.setenv("LOCAL_RANK", "1")

    class Later(Progress):
        asked = 0

        def cancelled(self):
            self.asked += 1
            for name in ("mine.pth", "mine.json"):
                (models / name).write_bytes(CONTENT)
            return self.asked > 3

    assert catalog.fetch(catalog.find("mine"), Later()) == str(models / "mine.pth")
    (models / "mine.json").unlink()

    with pytest.raises(Cancelled):
        catalog.fetch(catalog.find("mine"), Cancelling(lambda heard: True))


@pytest.mark.parametrize(("names", "key"), [
    (("B1", "b01", "B01", "Coastal aerosol", "coastal", "T33UUU_20230601_B01_60m"), "B01"), (("red", "R", "B4", "SR_B4", "B4 - red"), "B04"),
    (("B8a", "B8A", "b08a", "nir_narrow"), "B8A"), (("nir", "B08", "B8"), "B08"), (("vv", "VV", "sigma0_VV_db"), "VV"),
    (("Red Edge 1", "rededge1", "B05"), "B05"), (("B02 (2)", "blue (2)"), "B02 (2)"), (("red edge",), "RED EDGE"), (("NDVI",), "NDVI"),
])
def test_names_of_the_same_band(names, key):
    assert {band_key(name) for name in names} == {key}


@pytest.mark.parametrize(("have", "want", "places"), [
    (["B04", "B03"], ["green", "B08", "red"], [1, None, 0]), (["VV_asc", "VV_desc"], ["VV_asc", "VV_desc"], [0, 1]),
    (["VV_asc", "VV_desc"], ["VV_desc", "VV_asc"], [1, 0]), (["VV_t1", "VV_t2"], ["VV_may", "VV_june"], [0, 1]),
    (["VV_t1", "VV"], ["VV_t2", "VV"], [0, 1]), (["VV", "VH"], ["VV_asc", "VV_desc"], [0, 0]), ([], ["VV"], [None]),
])
def test_where_bands_stand(have, want, places):
    assert band_places(have, want) == places


def test_checksums_in_groups_are_digits(models):
    digits = hashlib.sha256(CONTENT).hexdigest()
    write_catalogue(models, {**ENTRY, "sha256": " ".join(digits[at:at + 8] for at in range(0, 64, 8)).upper()})
    assert catalog.find("mine").sha256 == digits
