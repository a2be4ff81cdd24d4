from itertools import pairwise

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from eo_pretrain_qgis.engine.learning.training import Plan, fit, learning_rate
from eo_pretrain_qgis.errors import DataError, EngineError
from eo_pretrain_qgis.report import Report


class Numbers:
    """A batch of numbers to fit a line to."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def split(self, pieces):
        return [Numbers(part) for part in self.values.chunk(pieces)]


class Line:
    """The smallest method: y = 3 x."""

    score, steps = "fit", 5

    def __init__(self, fits=(), largest_piece=None, broken_at=None):
        torch.manual_seed(1)
        self.network = torch.nn.Linear(1, 1)
        self.fits, self.largest_piece, self.broken_at, self.epoch = list(fits), largest_piece, broken_at, 0

    def batches(self, seed, epoch):
        self.epoch = epoch
        rng = np.random.default_rng([seed, epoch])
        for _ in range(self.steps):
            yield Numbers(torch.from_numpy(rng.normal(size=(8, 1))).float())

    @property
    def parts(self):
        return {"line": self.network}

    def loss(self, part, networks, batch):
        if self.largest_piece and len(batch) > self.largest_piece:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.")
        loss = ((networks[part](batch.values) - 3 * batch.values) ** 2).mean()
        return loss * float("nan") if self.broken_at == self.epoch else loss

    def validate(self, report):
        return np.array([self.epoch])

    def figures(self, counts):
        return {"fit": self.fits[int(counts[0])]} if self.fits else {}


class Heard(Report):
    def __init__(self):
        self.events = []

    def emit(self, event):
        self.events.append(event)

    @property
    def sentences(self):
        return [event["text"] for event in self.events if event["event"] == "message"]


def train(method, folder, report=None, after_epoch=lambda *facts: None, **plan):
    fabric = Fabric(accelerator="cpu", devices=1)
    return fit(method, Plan(**{"epochs": 4, "learning_rate": 0.1, **plan}), fabric, str(folder / "last" / "checkpoint.pt"), after_epoch,
               report or Heard())


def losses(progress):
    return [row["loss"] for row in progress.history]


class Killed(BaseException):
    pass


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path):
    whole = train(Line(), tmp_path / "whole")

    def kill(progress, improved, counts):
        if progress.epoch == 3:  # after the third epoch, before its checkpoint
            raise Killed

    with pytest.raises(Killed):
        train(Line(), tmp_path / "cut", after_epoch=kill)
    heard = Heard()
    rest = train(Line(), tmp_path / "cut", heard)
    assert losses(rest) == losses(whole)
    assert heard.sentences == ["Continuing after epoch 2 of 4."]


def test_rate_rises_linearly_and_falls_as_a_cosine():
    plan = Plan(epochs=10, learning_rate=1.0, warmup_epochs=2)
    rates = [learning_rate(plan, step, 5) for step in range(50)]
    assert rates[:10] == pytest.approx([0.1 * number for number in range(1, 11)])
    assert rates[30] == pytest.approx(0.5, abs=1e-6)
    assert rates[49] < 0.01
    assert learning_rate(Plan(epochs=1, learning_rate=1.0, warmup_epochs=9), 0, 1) == 1.0


def test_a_loss_that_is_no_number_says_what_to_do(tmp_path):
    with pytest.raises(EngineError, match=r"The loss became nan in epoch 3 at a learning rate of 0.1. Train again in a new folder "
                                          r"with a lower learning rate, such as 0.01."):
        train(Line(broken_at=2), tmp_path)


def test_when_memory_runs_out_batches_are_worked_off_in_pieces(tmp_path):
    heard = Heard()
    split = train(Line(largest_piece=2), tmp_path / "split", heard)
    assert heard.sentences == [
        "Memory ran out: batches are now worked off in 2 pieces of at most 4 tiles; the batch size stays.",
        "Memory ran out: batches are now worked off in 4 pieces of at most 2 tiles; the batch size stays."]
    assert losses(split) == pytest.approx(losses(train(Line(), tmp_path / "whole")), rel=1e-5)


def test_memory_too_small_for_one_sample_is_an_error(tmp_path):
    with pytest.raises(EngineError, match="The memory of cpu is too small for 1 tile"):
        train(Line(largest_piece=0.5), tmp_path)


def test_training_stops_when_the_score_rises_no_more(tmp_path):
    best = []
    method = Line(fits=[0.1, 0.5, 0.4, 0.5, 0.3, 0.9])
    progress = train(method, tmp_path, after_epoch=lambda progress, improved, counts: best.append(improved), epochs=6, patience=3)
    assert (progress.epoch, progress.best, progress.best_epoch) == (5, 0.5, 2)
    assert best == [True, True, False, False, False]


def test_without_validation_the_last_epoch_is_kept(tmp_path):
    best = []
    progress = train(Line(), tmp_path, after_epoch=lambda progress, improved, counts: best.append(improved))
    assert best == [True] * 4
    assert (progress.best, progress.epoch) == (None, 4)


def test_every_batch_is_told(tmp_path):
    heard = Heard()
    train(Line(fits=[0.1, 0.2]), tmp_path, heard, epochs=2)
    told = [event for event in heard.events if event["event"] == "progress"]
    assert len(told) == 10
    assert all(before["fraction"] < after["fraction"] for before, after in pairwise(told))
    assert told[-1]["text"].startswith("Epoch 2 of 2, ")
    assert told[-1]["metrics"]["fit"] == 0.1
    assert {"loss", "images_per_second", "best_fit"} <= set(told[-1]["metrics"])


def test_a_damaged_checkpoint_is_named(tmp_path):
    train(Line(), tmp_path, epochs=1)
    path = tmp_path / "last" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"The checkpoint .*checkpoint.pt is damaged .* Delete it to start this run from the beginning"):
        train(Line(), tmp_path)
