"""From scenes of AI4Arctic to the challenge's score: of the validation tiles in the run's report, of the test scenes in the evaluation."""

from pathlib import Path

import numpy as np
import pytest

from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.measures.ice_score import NAME
from eo_pretrain_qgis.engine.runs.ice_scores import kept_score
from tests import scenes_benchmarks
from tests.engine.test_formats import imported
from tests.settings import finetuning as Settings

from .conftest import SMALL


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("challenge")
    dataset = imported(folder, source=str(scenes_benchmarks.ai4arctic(folder)), tile_size=32, validation_share=0.25)
    finetune(str(dataset.folder), str(folder / "run"), Settings(encoder=SMALL, epochs=2, epoch_steps=2, batch_size=4, device="cpu"))
    return Run.open(str(folder / "run"))


def by_hand(stage, concentration, form):
    """The score of three confusion matrices, of which the second is of 0, 10, …, 100 percent."""
    def f1(matrix):
        true, found = matrix.sum(1), matrix.sum(0)
        return sum(true[at] * 2 * matrix[at, at] / (true[at] + found[at]) for at in range(len(matrix)) if true[at]) / true.sum()

    true, found = (np.repeat(axis.ravel(), concentration.ravel()) for axis in np.indices((11, 11)))
    r2 = 1 - ((true - found) ** 2).sum() / ((true - true.mean()) ** 2).sum()
    return (2 * r2 + 2 * f1(stage) + f1(form)) / 5


def test_an_evaluation_tells_the_score_of_the_test_scenes(run):
    facts, pieces = evaluate_run(run.folder, None, "test", 8, "cpu")
    sums = {"stage": facts["model"]["confusion"], **{row["name"]: row["model"]["confusion"] for row in facts["targets"]}}
    found = facts["combined"]["model"]
    assert found["score"] == pytest.approx(by_hand(**{name: np.array(matrix) for name, matrix in sums.items()}))
    assert set(facts["combined"]) >= {"model", "majority", "statistics"}
    assert facts["combined"]["majority"]["parts"]["concentration"] <= 0  # one concentration for all explains nothing
    assert found["score"] > facts["combined"]["majority"]["score"]
    assert np.sum(sums["concentration"]) == 2 * 79 * 96 and np.sum(sums["stage"]) == 2 * 79 * 95  # of the two scenes, each pixel once
    page = "".join(pieces)
    assert "Combined score of the AutoICE challenge" in page and f"{found['score']:.3f}" in page
    assert page.index("R² of the concentration (weight 2)") < page.index("weighted F1 of the form (weight 1)")


def test_a_run_tells_the_score_of_its_validation_tiles(run):
    card = run.card
    sums = {"stage": card["confusion"], **{row["name"]: row["confusion"] for row in card["targets"]}}
    score = kept_score(card)["score"]
    assert score == pytest.approx(by_hand(**{name: np.array(matrix) for name, matrix in sums.items()}))
    text = (Path(run.folder) / "report.html").read_text(encoding="utf-8")
    assert NAME[1:] in text and f"{score:.3f}" in text
