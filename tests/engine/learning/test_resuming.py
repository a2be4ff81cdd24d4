"""A run that was killed, cancelled or stopped by a full disk goes on as if nothing had happened."""

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.learning.loop import training
from eo_pretrain_qgis.errors import Cancelled, DataError

from .test_training import Heard, Killed, Line, losses, train

ROOT = Path(__file__).parents[3]
KILLED = """
import sys
from pathlib import Path
import torch
from eo_pretrain_qgis.engine.learning.loop import training
from tests.engine.learning.test_training import Line, train
torch.set_num_threads(1)
training.SAVE_SECONDS, training.SAVE_SHARE = 0.0, float("inf")
train(Line(), Path(sys.argv[1]), epochs=5000, average=0.9, after_epoch=lambda *facts: print("epoch", flush=True))
"""


@pytest.fixture
def often(monkeypatch):
    """The folder is written after every epoch."""
    monkeypatch.setattr(training, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(training, "SAVE_SHARE", float("inf"))


@pytest.mark.parametrize("plan", [{}, {"average": 0.9, "optimizer": "adam", "schedule": "linear", "accumulate": 2}, {"optimizer": "lars"}],
                         ids=["default", "average", "lars"])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path, often, plan):
    reference = Line()
    whole = train(reference, tmp_path / "whole", **plan)

    def kill(course, improved, counts):
        if course.epoch == 3:  # after the third epoch, before its checkpoint
            raise Killed

    with pytest.raises(Killed):
        train(Line(), tmp_path / "cut", after_epoch=kill, **plan)
    heard, continued = Heard(), Line()
    rest = train(continued, tmp_path / "cut", heard, **plan)
    assert losses(rest) == losses(whole)
    assert continued.seen == reference.seen[2:]
    assert heard.sentences == ["Continuing after epoch 2 of 4."]


def test_a_process_killed_at_any_moment_loses_nothing_but_time(tmp_path, often):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for _ in range(2):  # the second epoch is heard of after the first one's checkpoint
        process.stdout.readline()
    time.sleep(float(np.random.default_rng().uniform(0, 0.2)))
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = torch.load(tmp_path / "last" / "checkpoint.pt", weights_only=True)
    done = state["progress"]["epoch"]
    assert 0 < done < 4990
    heard = Heard()
    rest = _stopped_after(tmp_path, heard, done + 2)
    assert heard.sentences == [f"Continuing after epoch {done} of 5000."]
    assert losses(rest) == losses(_stopped_after(tmp_path / "whole", Heard(), done + 2))
    assert list((tmp_path / "last").glob("*.part")) in ([], [tmp_path / "last" / "checkpoint.pt.part"])


def _stopped_after(folder, heard, epochs):
    """The progress of a run of 5000 epochs that is left after some."""
    found = []

    def leave(course, improved, counts):
        if course.epoch == epochs:
            found.append(course)
            raise Killed

    with pytest.raises(Killed):
        train(Line(), folder, heard, epochs=5000, average=0.9, after_epoch=leave)
    return found[0]


def test_a_cancelled_run_goes_on(tmp_path, often):
    class Impatient(Heard):
        def cancelled(self):
            return len(self.events) > 13  # in the third epoch

    with pytest.raises(Cancelled):
        train(Line(), tmp_path / "cut", Impatient())
    assert losses(train(Line(), tmp_path / "cut")) == losses(train(Line(), tmp_path / "whole"))


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, often):
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def fill(course, improved, counts):
        if course.epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))

    try:
        with pytest.raises(DataError, match=r"The disk is full while writing .*checkpoint.pt. Free some space and run again."):
            train(Line(), tmp_path / "cut", after_epoch=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert [path.name for path in (tmp_path / "cut" / "last").iterdir()] == ["checkpoint.pt"]
    heard = Heard()
    assert losses(train(Line(), tmp_path / "cut", heard)) == losses(train(Line(), tmp_path / "whole"))
    assert heard.sentences == ["Continuing after epoch 1 of 4."]


def test_the_folder_is_written_at_the_first_and_the_last_epoch_and_seldom_between(tmp_path):
    method, calls = Line(fits=[0.1, 0.5, 0.4, 0.3]), []

    def note(course, improved, sums):
        calls.append((course.epoch, improved, int(sums[0]), method.network.weight.item()))

    train(method, tmp_path, after_epoch=note)
    assert [call[:3] for call in calls] == [(1, True, 0), (4, True, 1)], "the best epoch between them is the second, numbered 1"
    assert calls[1][3] == method.seen[1], "its weights are in place"
    assert method.network.weight.item() == method.seen[3], "and those in training come back"
    assert torch.load(tmp_path / "last" / "checkpoint.pt", weights_only=True)["parts"]["line"]["weight"] == method.seen[3]


def test_a_slow_disk_is_written_to_less_often(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_SECONDS", 0.0)
    epochs = []

    def slowly(course, improved, sums):
        epochs.append(course.epoch)
        time.sleep(0.2)  # of the time, a twentieth may go into writing

    train(Line(), tmp_path, after_epoch=slowly)
    assert epochs == [1, 4]


def test_a_damaged_checkpoint_is_named(tmp_path):
    train(Line(), tmp_path, epochs=1)
    path = tmp_path / "last" / "checkpoint.pt"
    for left in (path.read_bytes()[:200], b""):
        path.write_bytes(left)
        with pytest.raises(DataError, match=r"The checkpoint .*checkpoint.pt is damaged .* Delete it to start this run from the beginning"):
            train(Line(), tmp_path)


def test_a_checkpoint_of_another_version_is_named(tmp_path):
    (tmp_path / "last").mkdir()
    torch.save({"network": {}, "optimizer": {}}, tmp_path / "last" / "checkpoint.pt")
    with pytest.raises(DataError, match=r"The checkpoint .*checkpoint.pt was written by another version of the plugin. Delete it"):
        train(Line(), tmp_path)
