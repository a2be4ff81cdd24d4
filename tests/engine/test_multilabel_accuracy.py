import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from eo_pretrain_qgis.engine.measures.multilabel_accuracy import multilabel_scores, score_counts


def test_figures_equal_those_of_scikit_learn():
    rng = np.random.default_rng(4)
    truth = (rng.random((400, 5)) < [0.5, 0.1, 0.02, 0.3, 0]).astype(int)
    logits = np.round(rng.normal(0, 2, truth.shape) + 2 * truth - 1, 1) + 0.003  # ties, and in the middle of bins
    counts = score_counts(truth[:150], logits[:150]) + score_counts(truth[150:], logits[150:])
    found = multilabel_scores(counts)
    assert found["average_precision"] == pytest.approx(average_precision_score(truth, logits, average="micro"))
    for number in range(4):
        row = found["classes"][number]
        assert row["average_precision"] == pytest.approx(average_precision_score(truth[:, number], logits[:, number]))
        assert row["f1"] == pytest.approx(f1_score(truth[:, number], logits[:, number] > 0))
        assert row["samples"] == truth[:, number].sum()
    assert found["classes"][4] == {"average_precision": None, "f1": None, "precision": None, "recall": None, "samples": 0}
    assert found["samples"] == 400
    assert found["mean_f1"] == pytest.approx(f1_score(truth[:, :4], logits[:, :4] > 0, average="macro"))


@pytest.mark.parametrize("scale", [1, 6, 15, 40])
def test_sure_scores_keep_their_order(scale):
    rng = np.random.default_rng(0)
    truth = (rng.random((2000, 9)) < 0.15).astype(int)
    logits = scale * (rng.normal(size=truth.shape) + truth - 1)
    found = multilabel_scores(score_counts(truth, logits))["average_precision"]
    assert found == pytest.approx(average_precision_score(truth, logits, average="micro"), abs=0.002)


def test_extreme_scores_stay_in_the_outer_bins():
    counts = score_counts(np.array([[1], [0]]), np.array([[1e9], [-np.inf]]))
    assert multilabel_scores(counts)["average_precision"] == 1


def test_nothing_counted_gives_no_figures():
    found = multilabel_scores(score_counts(np.zeros((0, 2), int), np.zeros((0, 2))))
    assert (found["average_precision"], found["mean_f1"], found["samples"]) == (None, None, 0)
