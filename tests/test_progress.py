"""What people read while a job runs."""

import itertools
import time

import pytest

from eo_pretrain_qgis.engine.waiting import HALFWAY_SECONDS, in_background
from eo_pretrain_qgis.jobs.record import rounded
from eo_pretrain_qgis.progress import Pace, progress_line

from .listening import Listening


def test_a_line_of_progress_names_its_numbers_and_says_no_rate_twice():
    metrics = {"loss": 1.23456, "best_validation_iou": 0.5, "images_per_second": 40.0}
    line = progress_line({"text": "Epoch 1 of 2, 40.0 images/s", "metrics": metrics})
    assert line == "Epoch 1 of 2, 40.0 images/s, loss 1.23, best validation IoU 0.5"
    assert progress_line({"text": "", "metrics": {"loss": 2.0}}) == "loss 2"
    assert progress_line({"text": "Opening the images", "metrics": {}}) == "Opening the images"


def test_a_log_has_few_lines_of_one_step_and_one_of_each(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace, said = Pace(), []
    for second in range(3600):
        now[0] = float(second)
        line = {0: "Opening the images", 3599: "Writing the report"}.get(second, f"Epoch {second // 90 + 1} of 40, loss {second / 3600:.3g}")
        said += [second] if pace.due(line) else []
    assert said[:5] == [0, 1, 11, 21, 31] and said[-1] == 3599
    assert 60 <= len(said) <= 110
    assert all(10 <= later - earlier <= 60 for earlier, later in itertools.pairwise(said[1:-1]))


def test_two_steps_that_take_turns_do_not_fill_a_log(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace()
    said = 0
    for second in range(100):
        now[0] = float(second)
        said += pace.due(f"Epoch {second}" if second % 2 else f"Measuring {second} of 100 tiles")
    assert said == 20


def test_a_call_that_tells_nothing_lets_the_bar_creep():
    heard = Listening()
    assert in_background(lambda: time.sleep(1.2) or "done", heard, 0.2, "Translating the network", reach=0.5) == "done"
    shares = [event["fraction"] for event in heard.events]
    assert len(shares) >= 2 and shares == sorted(set(shares)), "it moves at every beat"
    assert shares[0] > 0.2 and shares[-1] < 0.2 + 0.5 * (1 - 0.5 ** (5 / HALFWAY_SECONDS))


@pytest.mark.parametrize(("value", "told"), [
    (0.4058259918402895, 0.4058), (123456.789123, 123456.7891), (1.23456e-6, 1.235e-6), (-0.25, -0.25), (3, 3), (True, True), ("a", "a"),
    (None, None), (0.0, 0.0)])
def test_results_have_digits_that_people_read(value, told):
    assert rounded({"result": value}) == {"result": told}
    assert type(rounded({"result": value})["result"]) is type(told)
