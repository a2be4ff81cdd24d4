import re
import weakref
from itertools import pairwise

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from eo_pretrain_qgis.engine.learning.loop import training
from eo_pretrain_qgis.engine.learning.loop.optimizers import learning_rate
from eo_pretrain_qgis.engine.learning.loop.training import Plan, fit
from eo_pretrain_qgis.errors import EngineError

from ...listening import Listening


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

    score = "fit"

    def __init__(self, fits=(), largest_piece=None, broken_at=None, size=8, steps=5, additive=True):
        torch.manual_seed(1)
        self.network = torch.nn.Linear(1, 1)
        self.size, self.steps, self.additive, self.seen = size, steps, additive, []
        self.fits, self.largest_piece, self.broken_at, self.epoch = list(fits), largest_piece, broken_at, 0

    def batches(self, seed, epoch):
        self.epoch = epoch
        rng = np.random.default_rng([seed, epoch])
        for _ in range(self.steps):
            yield Numbers(torch.from_numpy(rng.normal(size=(self.size, 1))).float())

    @property
    def parts(self):
        return {"line": self.network}

    def loss(self, part, networks, batch):
        if self.largest_piece and len(batch) > self.largest_piece:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.")
        loss = ((networks[part](batch.values) - 3 * batch.values) ** 2).mean()
        return loss * float("nan") if self.broken_at == self.epoch else loss

    def validate(self, progress):
        self.seen.append(self.network.weight.item())
        return np.array([self.epoch])

    def figures(self, counts):
        return {"fit": self.fits[int(counts[0])]} if self.fits else {}


def train(method, folder, progress=None, after_epoch=lambda *facts: None, **plan):
    fabric = Fabric(accelerator="cpu", devices=1)
    return fit(method, Plan(**{"epochs": 4, "learning_rate": 0.1, **plan}), fabric, str(folder / "last" / "checkpoint.pt"), after_epoch,
               progress or Listening())


def losses(course):
    return [row["loss"] for row in course.history]


class Killed(BaseException):
    pass


@pytest.fixture(autouse=True)
def written_after_each_epoch(monkeypatch):
    monkeypatch.setattr(training, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(training, "SAVE_SHARE", float("inf"))


def test_a_loss_that_is_no_number_says_what_to_do(tmp_path):
    with pytest.raises(EngineError, match=r"The loss became nan in epoch 3 at a learning rate of 0.1. Train again in a new folder "
                                          r"with a lower learning rate, such as 0.01."):
        train(Line(broken_at=2), tmp_path)


def test_when_memory_runs_out_batches_are_worked_off_in_pieces(tmp_path):
    heard = Listening()
    split = train(Line(largest_piece=2), tmp_path / "split", heard)
    assert heard.texts[1:] == [
        "Memory ran out: batches are now worked off in 2 pieces of at most 4 tiles; the batch size stays.",
        "Memory ran out: batches are now worked off in 4 pieces of at most 2 tiles; the batch size stays."]
    assert losses(split) == pytest.approx(losses(train(Line(), tmp_path / "whole")), rel=1e-5)


class Sparse(Line):
    """Of eight numbers only the first three have a label, and of some batches none."""

    def loss(self, part, networks, batch):
        super().loss(part, networks, batch)  # may run out of memory
        known = self.known(batch)
        return (known * (networks[part](batch.values) - 3 * batch.values) ** 2).sum() / known.sum().clamp_min(1e-6)

    def weight(self, batch):
        return self.known(batch).sum()

    @staticmethod
    def known(batch):
        return (batch.values > 0.5).float()


def test_pieces_of_a_batch_weigh_as_much_as_their_labels(tmp_path):
    split = train(Sparse(largest_piece=2), tmp_path / "split")
    assert split.pieces == 4
    assert losses(split) == pytest.approx(losses(train(Sparse(), tmp_path / "whole")), rel=1e-5)


def test_memory_too_small_for_one_sample_is_an_error(tmp_path):
    with pytest.raises(EngineError, match="The memory of cpu is too small for 1 tile"):
        train(Line(largest_piece=0.5), tmp_path)


def test_training_stops_when_the_score_rises_no_more(tmp_path):
    best = []
    method = Line(fits=[0.1, 0.5, 0.4, 0.5, 0.3, 0.9])
    course = train(method, tmp_path, after_epoch=lambda course, improved, counts: best.append(improved), epochs=6, patience=3)
    assert (course.epoch, course.best, course.best_epoch) == (5, 0.5, 2)
    assert best == [True, True, False, False, False]


def test_the_last_epoch_is_kept_where_no_score_may_choose_one(tmp_path):
    kept = []
    course = train(Line(fits=[0.1, 0.5, 0.4, 0.5, 0.3, 0.9]), tmp_path, after_epoch=lambda course, improved, counts: kept.append(course.kept_epoch),
                   epochs=6, patience=3, keep="last")
    assert (course.epoch, course.best, course.best_epoch, course.kept_epoch) == (5, 0.5, 2, 5), "the score still ends training"
    assert kept == [1, 2, 3, 4, 5]


def test_without_validation_the_last_epoch_is_kept(tmp_path):
    best = []
    course = train(Line(), tmp_path, after_epoch=lambda course, improved, counts: best.append(improved))
    assert best == [True] * 4
    assert (course.best, course.epoch) == (None, 4)


def test_every_batch_is_told(tmp_path):
    heard = Listening()
    train(Line(fits=[0.1, 0.05, 0.2]), tmp_path, heard, epochs=3)
    told = [event for event in heard.events if event["event"] == "progress"]
    assert len(told) == 15
    assert all(before["fraction"] < after["fraction"] for before, after in pairwise(told))
    assert told[-1]["text"].startswith("Epoch 3 of 3, ")
    assert {"loss", "images_per_second"} <= set(told[-1]["metrics"])
    assert [(row["metrics"].get("fit"), row["metrics"].get("best_fit")) for row in told[4::5]] == [(None, None), (0.1, None), (0.05, 0.1)]


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "lars"])
def test_accumulated_batches_are_a_larger_batch(tmp_path, optimizer):
    plan = {"optimizer": optimizer, "warmup_epochs": 1, "weight_decay": 0.01}
    many, one = Line(size=8, steps=6), Line(size=24, steps=2)
    small = train(many, tmp_path / "small", accumulate=3, **plan)
    large = train(one, tmp_path / "large", **plan)
    assert losses(small) == pytest.approx(losses(large), rel=1e-5)
    assert many.network.weight.item() == pytest.approx(one.network.weight.item(), rel=1e-5)
    assert [row["learning_rate"] for row in small.history] == [row["learning_rate"] for row in large.history]


def test_a_last_group_of_fewer_batches_counts_as_what_it_is(tmp_path):
    course = train(Line(steps=5), tmp_path, accumulate=2, epochs=1)
    assert course.history[0]["learning_rate"] == learning_rate(Plan(1, 0.1), 2, 3)


def test_for_a_loss_over_the_batch_pieces_and_groups_are_no_larger_batch(tmp_path):
    heard = Listening()
    train(Line(largest_piece=4, additive=False), tmp_path, heard, accumulate=2)
    assert heard.texts[1:] == [
        "Gradients of 2 batches are added up before a step. This loss compares the tiles of a batch, so that is not the same as a larger "
        "batch; several processes make one.",
        "Memory ran out: batches are now worked off in 2 pieces of at most 4 tiles; this loss compares the tiles of a batch, so in effect the "
        "batch size is now 4."]
    with pytest.raises(EngineError, match="too small for 2 tile"):
        train(Line(largest_piece=1, additive=False), tmp_path / "least")


class Short(Line):
    """Memory runs out when the batches of these places are made, each time it is tried until so many failures."""

    def __init__(self, places, failures=1, **facts):
        super().__init__(**facts)
        self.left, self.alive, self.most = dict.fromkeys(places, failures), weakref.WeakSet(), 0

    def batches(self, seed, epoch):
        rest = super().batches(seed, epoch)
        for place in range(self.steps):
            if self.left.get(place):
                self.left[place] -= 1
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            batch = next(rest)
            self.alive.add(batch)
            self.most = max(self.most, len(self.alive))
            yield batch
            del batch


@pytest.mark.parametrize(("accumulate", "places"), [(1, [0]), (1, [2]), (2, [0, 3]), (3, [4])])
def test_when_memory_runs_out_while_a_batch_is_made_it_is_made_again(tmp_path, accumulate, places):
    heard = Listening()
    short = train(Short(places), tmp_path / "short", heard, accumulate=accumulate)
    assert len(heard.texts) == 1 + len(places)
    assert heard.texts[1].startswith("Memory ran out: batches are now worked off in 2 pieces")
    assert losses(short) == pytest.approx(losses(train(Line(), tmp_path / "whole", accumulate=accumulate)), rel=1e-5)


@pytest.mark.parametrize(("place", "sentence"), [(0, "The memory of cpu is too small to make a batch. Lower the batch size, the crop"),
                                                 (2, "The memory of cpu is too small for 1 tile")])
def test_a_batch_that_can_never_be_made_is_an_error(tmp_path, place, sentence):
    with pytest.raises(EngineError, match=sentence):
        train(Short([place], failures=99), tmp_path)


def test_an_error_of_a_method_that_is_no_want_of_memory_stays_what_it_is(tmp_path):
    method = Line()
    method.batches = lambda seed, epoch: iter([Numbers(torch.ones(2, 2))] * 5)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        train(method, tmp_path)


def test_accumulated_batches_are_there_one_at_a_time(tmp_path):
    method = Short([], steps=6)
    train(method, tmp_path, accumulate=3)
    assert method.most == 1


def test_batches_of_a_step_that_differ_in_size_weigh_by_their_tiles(tmp_path):
    class Uneven(Line):
        def batches(self, seed, epoch):
            for place, batch in enumerate(super().batches(seed, epoch)):
                yield Numbers(batch.values[:4]) if place % 2 else batch

    class Joined(Line):
        def batches(self, seed, epoch):
            pairs = Uneven(steps=4).batches(seed, epoch)
            return (Numbers(torch.cat([first.values, next(pairs).values])) for first in pairs)

    found = [train(method, tmp_path / name, **plan) for name, method, plan in
             (("uneven", Uneven(steps=4), {"accumulate": 2}), ("joined", Joined(steps=2), {}))]
    assert losses(found[0]) == pytest.approx(losses(found[1]), rel=1e-5)


class Two(Line):
    """Two parts, of which the second runs out of memory once after the first has taken its step."""

    def __init__(self):
        super().__init__()
        self.second, self.calls = torch.nn.Linear(1, 1), []

    @property
    def parts(self):
        return {"first": self.network, "second": self.second}

    def loss(self, part, networks, batch):
        self.calls.append((part, len(batch)))
        if self.calls == [("first", 8), ("second", 8)]:
            raise MemoryError
        return super().loss(part, networks, batch)


def test_a_part_that_took_its_step_takes_it_once(tmp_path):
    method = Two()
    train(method, tmp_path, epochs=1)
    assert method.calls[:6] == [("first", 8), ("second", 8), ("second", 4), ("second", 4), ("first", 4), ("first", 4)]


def test_the_average_is_validated_and_kept_while_training_goes_on_without(tmp_path):
    plain, averaged = Line(), Line()
    kept = []
    train(plain, tmp_path / "plain", epochs=3)
    course = train(averaged, tmp_path / "averaged", epochs=3, average=0.9,
                   after_epoch=lambda *facts: kept.append(averaged.network.weight.item()))
    assert losses(course) == losses(train(Line(), tmp_path / "again", epochs=3)), "the average does not touch the training"
    assert averaged.network.weight.item() == plain.network.weight.item()
    assert kept == averaged.seen
    assert averaged.seen[0] != plain.seen[0]


def test_the_progress_says_epoch_loss_speed_and_time_left(tmp_path):
    heard = Listening()
    course = train(Line(), tmp_path, heard, epochs=2)
    text = [event["text"] for event in heard.events if event["event"] == "progress"][-1]
    assert re.fullmatch(r"Epoch 2 of 2, [0-9.]+ images/s, 0 min 0[0-9] s left", text)
    assert course.history[-1]["memory_mb"] > 50
