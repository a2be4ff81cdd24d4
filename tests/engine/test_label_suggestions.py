"""Choosing places: unsure first, then unlike; the layer is ready to be labelled."""

import geopandas
import numpy as np
import pandas
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.mapping.suggesting.choice import choose
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests import scenes, scenes_labelling

from ..listening import Listening


def test_without_diversity_the_most_unsure_come_first():
    unsure = np.random.default_rng(1).random(50)
    chosen = choose(unsure, np.zeros((50, 2)), 10, 0.0)
    assert chosen.tolist() == np.argsort(-unsure, kind="stable")[:10].tolist()


def test_diversity_takes_from_every_group():
    """Two groups of places that look alike, one a little more unsure than the other."""
    features = np.repeat([[0.0, 0.0], [1.0, 1.0]], 20, axis=0)
    unsure = np.concatenate([np.full(20, 0.9), np.full(20, 0.8)]) + np.random.default_rng(1).random(40) * 0.01
    assert (choose(unsure, features, 6, 0.0) < 20).all()
    assert (choose(unsure, features, 2, 0.5) >= 20).any()


def test_no_place_is_chosen_twice_and_all_are_chosen_in_the_end():
    chosen = choose(np.ones(12), np.zeros((12, 3)), 50, 0.7)
    assert sorted(chosen.tolist()) == list(range(12))


def suggest(folder, progress=SILENT, **values):
    values = {"models": [str(scenes.two_halves_model(folder))], "images": [str(scenes_labelling.shades(folder))], "tile_size": 32, "count": 9,
              "device": "cpu", "output": str(folder / "places.gpkg"), **values}
    JOBS["suggest_labels"].from_values(values).run(progress)
    return geopandas.read_file(values["output"])


def test_the_layer_is_ready_to_be_labelled(folder):
    places = suggest(folder, diversity=0.0)
    assert places["rank"].tolist() == list(range(1, 10))
    assert places["uncertainty"].is_monotonic_decreasing
    assert places["class"].isna().all()
    assert pandas.api.types.is_numeric_dtype(places["class"])
    assert places["predicted"].iloc[-1] in ("water", "forest")
    style = (folder / "places.qml").read_text(encoding="utf-8")
    assert '<Option type="QString" name="water" value="1"/>' in style
    assert 'fieldName="rank"' in style
    bounds = places.total_bounds
    assert bounds.tolist() == [500_000, 5_299_040, 500_960, 5_300_000]


def test_the_same_question_gets_the_same_answer(folder):
    one, other = suggest(folder), suggest(folder, output=str(folder / "again.gpkg"))
    assert one.equals(other)


def test_it_says_that_fewer_places_are_left(folder):
    progress = Listening()
    suggest(folder, progress, count=20)
    assert progress.texts[1:] == ["Only 9 of the 9 tiles of 32 × 32 px can be suggested, and 20 were asked for; all of them are in the layer."]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_what_is_suggested_for_a_dataset_can_join_it(folder, split):
    """No suggestion touches a tile of the dataset or lies within the buffer of its validation and test tiles."""
    places = geopandas.read_file(scenes_labelling.land_suggestions(folder))
    dataset = Dataset.open(folder / "western")
    tiles = geopandas.read_file(folder / "western" / "tiles.gpkg")
    kept = tiles[tiles["split"] == split].geometry.union_all()
    assert len(places)
    assert places.distance(kept).min() >= dataset.tile_size * 10
    assert not places.geometry.buffer(-1).intersects(tiles[tiles["split"] == "training"].geometry.union_all()).any()
