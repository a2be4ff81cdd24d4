import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from eo_pretrain_qgis.engine.measures.accuracy import confusion, scores


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 4, (2, 3, 20, 20), dtype=np.uint8)
    matrix = confusion(truth, found, 4)
    figures = scores(matrix)
    assert (matrix == confusion_matrix(truth.ravel(), found.ravel())).all()
    assert figures["mean_iou"] == pytest.approx(jaccard_score(truth.ravel(), found.ravel(), average="macro"))
    assert figures["mean_f1"] == pytest.approx(f1_score(truth.ravel(), found.ravel(), average="macro"))
    assert figures["overall_accuracy"] == pytest.approx((truth == found).mean())


def test_leaves_out_what_is_not_labelled():
    truth, found = np.array([0, 255, 1, 255], np.uint8), np.array([0, 1, 1, 0], np.uint8)
    assert confusion(truth, found, 2).tolist() == [[1, 0], [0, 1]]


def test_a_class_without_truth_does_not_count_in_the_means():
    figures = scores(np.array([[8, 0, 2], [0, 10, 0], [0, 0, 0]]))
    assert figures["classes"][2] == {"iou": None, "f1": None, "precision": None, "recall": None, "pixels": 0}
    assert figures["mean_iou"] == pytest.approx((0.8 + 1) / 2)


def test_a_class_never_found_has_no_precision():
    assert scores(np.array([[5, 0], [5, 0]]))["classes"][1] == {"iou": 0.0, "f1": 0.0, "precision": 0.0, "recall": 0.0, "pixels": 5}


def test_nothing_counted_gives_no_figures():
    figures = scores(np.zeros((2, 2), int))
    assert (figures["mean_iou"], figures["overall_accuracy"], figures["pixels"]) == (None, None, 0)
