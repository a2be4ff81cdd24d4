"""The models that come with the plugin are whole, small, and say what they are; an empty choice of model takes them."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from eo_pretrain_qgis import places
from eo_pretrain_qgis.engine.models import bundled, package
from eo_pretrain_qgis.errors import ModelError
from eo_pretrain_qgis.jobs import JOBS, mapping

from ..listening import Listening

MODELS = Path(__file__).parents[2] / "models"
#: Largest file [byte], what its card must name, and what it maps.
THEMES = {"roads": (7_000_000, ("© OpenStreetMap contributors", "ODbL"), "road"), "land_cover": (7_000_000, ("RABA", "CC-BY-4.0"), "forest"),
          "sea_ice": (3_000_000, ("simulated", "demonstration"), "old ice"), "crops": (1_000_000, ("USDA", "Cropland Data Layer"), "rice")}
JOB_OF = {"roads": "map_roads", "land_cover": "map_land_cover", "sea_ice": "map_sea_ice", "crops": "map_crop_types"}
#: Data whose licences do not allow it.
NOT_LEARNED_FROM = ("TerraMesh", "leipzig", "sits_", "WorldCereal")


@pytest.mark.parametrize("theme", THEMES)
def test_each_theme_has_a_model_that_says_what_it_is(theme):
    most, named, known = THEMES[theme]
    listed = bundled.read_list()[theme]
    path = MODELS / "ready" / listed.file
    assert path.stat().st_size <= most
    model = package.open(str(path))
    assert known in [row.name for row in model.classes] and model.record.name.startswith("bundled ")
    card = (MODELS / "cards" / listed.card).read_text(encoding="utf-8")
    assert all(word in card for word in (*named, "Trained", "Must not be used", "interval", listed.file))
    assert theme == "sea_ice" or ("Copernicus Sentinel data" in card and "Copernicus Sentinel data" in model.record.licence)
    assert not any(word in card for word in NOT_LEARNED_FROM)


def test_all_together_are_small():
    assert set(bundled.read_list()) == set(THEMES) == set(mapping.THEMES)
    files = sorted((MODELS / "ready").iterdir())
    assert [path.name for path in files] == sorted([*(f"{theme}.onnx" for theme in THEMES), "ready.json"])
    assert sum(path.stat().st_size for path in files) <= 18_000_000


def test_the_demonstration_says_so_in_every_map():
    """The tag EO_PRETRAIN_MODEL of a map is the id of its model."""
    model = package.open(str(MODELS / "ready" / "sea_ice.onnx"))
    assert model.id.startswith("bundled-sea-ice-a-demonstration-on-simulated-data-")


@pytest.mark.parametrize("theme", THEMES)
def test_the_jobs_take_it_by_default(theme):
    param = JOBS[JOB_OF[theme]].parameters()["model"]
    assert (param.default, param.required) == (mapping.BUNDLED, False) and mapping.BUNDLED in param.words
    assert bundled.WORD == mapping.BUNDLED
    heard = Listening()
    assert bundled.opened(param.default, theme, heard).path == str(MODELS / "ready" / f"{theme}.onnx")
    card = MODELS / "cards" / bundled.read_list()[theme].card
    assert len(heard.texts) == 1 and "learned from" in heard.texts[0] and str(card) in heard.texts[0]


def test_a_model_of_ones_own_is_opened_without_a_word():
    heard, path = Listening(), str(MODELS / "ready" / "crops.onnx")
    assert bundled.opened(path, "roads", heard).path == path and heard.texts == []


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    """As in an installation that lacks files: the folder of the plugin is another."""
    monkeypatch.setattr(places, "__file__", str(tmp_path / "plugin" / "places.py"))
    with pytest.raises(ModelError, match="has no ready.json, so there is no bundled model. Install the plugin again, or give a model of your own."):
        bundled.opened("bundled", "roads")
    folder = tmp_path / "plugin" / "models" / "ready"
    folder.mkdir(parents=True)
    listed = json.loads((MODELS / "ready" / "ready.json").read_text(encoding="utf-8"))
    (folder / "ready.json").write_text(json.dumps(listed), encoding="utf-8")
    with pytest.raises(ModelError, match="models/ready has no model for sea ice. Install the plugin again"):
        bundled.opened("bundled", "sea_ice")
    heard = Listening()
    shutil.copy(MODELS / "ready" / "crops.onnx", folder)
    bundled.opened("bundled", "crops", heard)
    assert heard.texts == [f"The bundled model {bundled.read_list()['crops'].learned}"], "without a card no path of one is told"
    (folder / "ready.json").write_text(json.dumps({**listed, "version": 2}), encoding="utf-8")
    with pytest.raises(ModelError, match="this plugin reads eo-pretrain ready models 1"):
        bundled.opened("bundled", "sea_ice")
    (folder / "ready.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="ready.json"):
        bundled.opened("bundled", "sea_ice")



def test_the_list_has_the_test_figures_of_the_evidence():
    with (MODELS.parent / "docs" / "evidence" / "data" / "bundled_models.csv").open(encoding="utf-8", newline="") as opened:
        rows = [row for row in csv.DictReader(opened) if row["method"] == "bundled model" and not row["figure"].startswith("ahead")]
    wanted = {theme: [(float(row["value"]), (float(row["lowest"]), float(row["highest"])) if row["lowest"] else None)
                      for row in rows if row["theme"] == theme] for theme in THEMES}
    assert {theme: [(row.value, row.interval) for row in found.tested.figures] for theme, found in bundled.read_list().items()} == wanted
    assert {theme: found.tested.figures[0].figure for theme, found in bundled.read_list().items()} == {
        "roads": "mean IoU", "land_cover": "mean IoU", "sea_ice": "mean IoU", "crops": "overall accuracy"}
