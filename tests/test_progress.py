"""What people read while a job runs."""

from eo_pretrain_qgis.progress import progress_line


def test_a_line_of_progress_names_its_numbers_and_says_no_rate_twice():
    metrics = {"loss": 1.23456, "best_validation_iou": 0.5, "images_per_second": 40.0}
    line = progress_line({"text": "Epoch 1 of 2, 40.0 images/s", "metrics": metrics})
    assert line == "Epoch 1 of 2, 40.0 images/s, loss 1.235, best validation iou 0.5"
    assert progress_line({"text": "", "metrics": {"loss": 2.0}}) == "loss 2"
    assert progress_line({"text": "Opening the images", "metrics": {}}) == "Opening the images"
