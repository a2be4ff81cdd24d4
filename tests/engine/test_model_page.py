import pytest

from eo_pretrain_qgis.engine.models.told import origin_section, score_sections


@pytest.mark.parametrize(("scores", "shown"), [
    ({"split": "validation", "mean_iou": 0.30820769, "iou": {"Water": 0.9223798, "Built-up": None}},
     ["Measured on the validation tiles. They also chose what was kept", "<td>mean IoU</td><td>0.3082</td>", "<th>Class</th><th>IoU</th>",
      "<td>Water</td><td>0.9224</td>", "<td>Built-up</td><td>–</td>"]),
    ({"split": "cross-validation by place", "overall_accuracy": 0.5},
     ["Measured on: cross-validation by place.", "<td>overall accuracy</td><td>0.5</td>"]),
    ({"targets": {"stage": {"mean_f1": 0.25, "f1": {"old ice": 1.0}}}}, ["The target “stage”:", "<td>mean F1</td><td>0.25</td>", "<th>F1</th>"]),
    ({"psnr_db": 31.25}, ["<td>Psnr db</td><td>31.25</td>"]), (None, ["No scores."])])
def test_scores_are_told_in_words(scores, shown):
    page = "".join(score_sections(scores, "No scores."))
    assert all(piece in page for piece in shown), page
    assert "mean_iou" not in page and "iou." not in page


def test_the_origin_is_told_in_words():
    page = origin_section({"dataset": "fields", "dataset_checksum": "ab12", "start": "scratch", "members_used": [1, 2]}, "Nothing.")
    assert "<td>Checksum of the dataset (SHA-256)</td><td>ab12</td>" in page and "<td>Weights it started from</td><td>scratch</td>" in page
    assert "<td>Members used</td><td>1, 2</td>" in page and "dataset_checksum" not in page
    assert origin_section(None, "Nothing.") == "<p>Nothing.</p>"
