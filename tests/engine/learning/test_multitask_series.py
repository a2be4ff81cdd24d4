"""Tasks of series share an encoder: what they see, what is learned, and that a fine-tuning starts from it. pretrain_multitask.yaml has refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from eo_pretrain_qgis.engine.cards import SeriesDays
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.series import SeriesClassifier, SeriesNetwork
from eo_pretrain_qgis.engine.learning.networks.series_start import start_series
from eo_pretrain_qgis.engine.learning.pretraining.multitask.recipe import pretrain_multitask
from eo_pretrain_qgis.engine.learning.pretraining.multitask.tasks import pooled_season
from tests.scenes_series import write_crop_series
from tests.settings import multitask as Settings


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Series of two places, of which everything is 20 days later in the second."""
    folder = tmp_path_factory.mktemp("places")
    return write_crop_series(folder / "south"), write_crop_series(folder / "north", shift=20, seed=3)


@pytest.fixture(scope="module")
def learned(places, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    found = pretrain_multitask([str(place) for place in places], str(folder),
                               Settings(epochs=30, batch_size=64, inner_steps=2, warmup_epochs=0, device="cpu"))
    return folder, found


def test_the_crops_of_both_places_are_learned(learned):
    folder, found = learned
    card = Run.open(str(folder)).card
    assert (card["architecture"], card["encoder"], card["settings"]["batch_size"]) == ("series classifier", "ltae", 64)
    assert min(task["figures"]["overall_accuracy"] for task in card["tasks"]) > 0.8
    assert found["score"] == pytest.approx(np.mean([task["figures"]["overall_accuracy"] for task in card["tasks"]]))
    assert {name.split(".")[0] for name in load_file(folder / "best.safetensors")} == {"encoder", "heads"}


def test_the_season_holds_those_of_all_places(places, learned):
    datasets = [Dataset.open(place) for place in places]
    own = [dataset.inputs["image"].season for dataset in datasets]
    [seen] = Run.open(str(learned[0])).inputs.values()
    assert (seen.season.first, seen.season.last) == (own[0].first, own[1].last) and own[1].last > own[0].last
    inputs = [dataset.inputs["image"] for dataset in datasets]
    assert pooled_season([datasets[0]] * 2, [inputs[0]] * 2) == own[0]
    next_year = replace(own[0], days=tuple(day + 365.25 for day in own[0].days))
    assert pooled_season([datasets[0]] * 2, [inputs[0], replace(inputs[0], season=next_year)]).first == own[0].first
    assert pooled_season(datasets[:1], [replace(inputs[0], season=SeriesDays((100.0,)))]) == SeriesDays((100.0,))


def test_a_fine_tuning_starts_from_the_shared_encoder(places, learned):
    seen = Dataset.open(places[1]).inputs["image"]
    network = SeriesNetwork("ltae", {"image": seen}, 3)
    matched = start_series(network, str(learned[0]), seen.names)
    shared = load_file(learned[0] / "encoder.safetensors")
    assert len(matched.pairs) == len(shared)
    assert torch.equal(network.encoder.query, shared["query"])


def test_a_series_without_a_date_gets_no_scores(places):
    seen = Dataset.open(places[0]).inputs["image"]
    network = SeriesClassifier("ltae", {"image": seen}, 3).eval()
    days = torch.tensor([[100.0, 120.0], [-1.0, -1.0]])
    scores = network({"image": torch.full((2, 2, 2), 1000.0), seen.days_port: days})
    assert scores.shape == (2, 3) and scores[0].isfinite().all() and scores[1].isnan().all()
    assert network.train()({"image": torch.full((2, 2, 2), 1000.0), seen.days_port: days}).isfinite().all()
