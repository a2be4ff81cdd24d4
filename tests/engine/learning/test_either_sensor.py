"""Datasets in which ground keeps its labels that one of two sensors alone has measured: each model learns from what it sees."""

import json
from dataclasses import replace

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.visible import for_inputs
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.runs.fusing import chosen_inputs

from ...settings import finetuning
from .tiny_pairs import write_pairs

BRIEF = {"encoder": "tu-test_resnet", "epochs": 1, "epoch_steps": 2, "device": "cpu", "approach": "network"}


@pytest.fixture(scope="module")
def cloudy(tmp_path_factory):
    """Tiles 0, 2 and 5, one of each split, under clouds: whole, whole, and in their upper half."""
    folder = write_pairs(tmp_path_factory.mktemp("either") / "pairs", clouds=(0, 2, (5, 0.5)))
    description = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**description, "either": True}))
    return folder


def known(dataset: Dataset, tiles: list[int]) -> list[float]:
    return (dataset.labels(np.array(tiles)) != 255).mean((1, 2)).tolist()


def test_labels_are_those_of_what_the_inputs_show(cloudy):
    dataset, tiles = Dataset.open(cloudy), [0, 1, 5]
    assert known(dataset, tiles) == [1, 1, 1]
    inputs = chosen_inputs(dataset, None, None, fusion="early")
    assert known(for_inputs(dataset, inputs), tiles) == [0, 1, 0.5]
    assert known(for_inputs(dataset, {"s2": inputs["s2"]}), tiles) == [0, 1, 0.5]
    assert known(for_inputs(dataset, {"s1": inputs["s1"]}), tiles) == [1, 1, 1]
    assert known(for_inputs(dataset, {name: replace(seen, optional=True) for name, seen in inputs.items()}), tiles) == [1, 1, 1]


@pytest.mark.parametrize(("asked", "share"), [({"fusion": "early"}, 0.875), ({"sensor": "s2"}, 0.875), ({"sensor": "s1"}, 1.0),
                                              ({"fusion": "gated"}, 1.0)])
def test_a_model_is_judged_where_it_sees(cloudy, tmp_path, asked, share):
    """Four test tiles, of one of which half is under a cloud."""
    finetune(str(cloudy), str(tmp_path / "run"), finetuning(**{**BRIEF, **asked}))
    facts, _ = evaluate_run(str(tmp_path / "run"), None, "test", 8, "cpu")
    for who in ("model", "majority", "statistics", "boosting"):
        assert np.sum(facts[who]["confusion"]) == share * 4 * 32 * 32, who


def test_simple_classifiers_of_both_learn_where_both_saw(cloudy, tmp_path):
    finetune(str(cloudy), str(tmp_path / "run"), finetuning(approach="statistics", fusion="early"))
    facts, _ = evaluate_run(str(tmp_path / "run"), None, "test", 8, "cpu")
    assert np.sum(facts["model"]["confusion"]) == 0.875 * 4 * 32 * 32 and facts["model"]["overall_accuracy"] > 0.9
