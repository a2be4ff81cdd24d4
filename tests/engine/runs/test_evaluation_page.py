"""The first sentence of an evaluation, and whose figures stand beside each other."""

import pytest

from eo_pretrain_qgis.engine.runs.evaluation_page import _columns, _in_words
from eo_pretrain_qgis.engine.tasks import TASKS

KIND = TASKS["segmentation"]
SCORES = {"mean_iou": 0.6, "overall_accuracy": 0.853, "mean_f1": 0.7}
CLASSES = [{"name": "Water", "iou": 0.9}, {"name": "Bare", "iou": 0.312}, {"name": "Ice", "iou": None}]


@pytest.mark.parametrize(("accuracy", "split", "rows", "told"), [
    (0.853, "test", CLASSES, "Of 100 pixels of the test tiles 85 have the right class; Bare is the weakest, with IoU 0.31."),
    (0.998, "all", CLASSES[:1], "Of 100 pixels of the tiles nearly all have the right class."),
    (1.0, "validation", CLASSES, "Of 100 pixels of the validation tiles 100 have the right class."),
    (None, "test", CLASSES, "")])
def test_the_lead_is_in_words(accuracy, split, rows, told):
    assert _in_words({"model": {**SCORES, "overall_accuracy": accuracy, "classes": rows}, "split": split}, KIND) == told


def test_the_classifier_that_was_kept_is_the_model():
    facts = {"model": SCORES, "boosting": {**SCORES, "mean_iou": 0.601}, "statistics": SCORES, "majority": {**SCORES, "mean_iou": 0.1}}
    words = {who: baseline.words for who, baseline in KIND.baselines.items()}
    assert _columns(facts, KIND, "boosting") == {"model": f"the model ({words['boosting']})", "statistics": words["statistics"],
                                                 "majority": words["majority"]}
    assert set(_columns(facts, KIND, "network")) == set(facts)
    apart = {**facts, "boosting": {**SCORES, "mean_iou": 0.59}}
    assert set(_columns(apart, KIND, "boosting")) == set(facts), "what differs is shown"
