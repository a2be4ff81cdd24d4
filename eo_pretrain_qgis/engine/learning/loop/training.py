"""The one loop: epochs of batches, warm-up, mixed precision, clipping, averaging, early stopping, exact resumption.

What is trained is a `Method`: it hands out batches, turns one into a loss for each of its parts and measures itself. All randomness of
an epoch follows from (seed, epoch, rank), so a run that was killed and continued gives the losses of one that was not, and no state of
a random generator has to be kept. The run folder is written every few seconds at most, and all its files tell of the same epoch.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from ....errors import DataError, EngineError
from ....progress import SILENT, Progress
from .checkpoints import fitting, load_state, save_state
from .device import memory_megabytes
from .kept_weights import AveragedWeights, KeptWeights, running_statistics
from .optimizers import explain_rate, learning_rate, load_optimizer, make_optimizer, set_rate
from .small_maps import pays_here, quicken
from .step_batches import EpochBatches, Splittable, StepBatches, shares_of

VALIDATION_SHARE = 0.1  # of an epoch's time, for the progress bar
#: Least time between two writings of the run folder. A state of 170 MB after each epoch took a third of the time of small datasets.
SAVE_SECONDS = 10.0
SAVE_SHARE = 0.05  # of the time may go into writing, on slow disks
LONGEST_PAUSE = 120.0  # seconds without a checkpoint, however slow the disk was
STATE_VERSION = 2


class Method(Protocol):
    """Something to train."""

    #: Name of the figure that decides which epoch was best, and when training stops; higher is better.
    score: str
    # A loss that compares the tiles of a batch with each other is not the mean over its tiles: such a method says `additive = False`. One that is
    # a mean over something else, such as labelled pixels, says in `weight(batch)` how much of that there is.

    @property
    def parts(self) -> dict[str, nn.Module]:
        """What is trained; each part has an optimizer of its own and takes a step per batch, in this order."""

    @property
    def steps(self) -> int:
        """Batches per epoch and process, the same in all processes."""

    def batches(self, seed: int, epoch: int) -> Iterator[Splittable]:
        """The batches of an epoch; they follow from the arguments and the rank alone."""

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: Any) -> torch.Tensor:
        """The mean loss of a batch for one part; `networks` are the parts as Fabric wrapped them.

        The loss of the epoch is the sum over the parts.
        """

    def validate(self, progress: Progress) -> np.ndarray:
        """Sums over this process's share of the validation samples; those of all processes are added up."""

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        """The figures of an epoch from the sums; empty when there was nothing to validate on."""


@dataclass(frozen=True)
class Plan:
    """How to train, whatever the method.

    Attributes:
        epochs: passes over the training samples.
        learning_rate: highest rate of the optimizer.
        weight_decay: on kernels and matrices only.
        warmup_epochs: during which the rate rises linearly.
        patience: epochs without a better score after which training stops.
        seed: decides everything random.
        optimizer: one of `optimizers.OPTIMIZERS`.
        betas: of Adam and AdamW.
        schedule: after the warm-up; ``cosine``, or ``linear``: constant for the first half, then a line.
        final_rate: share of the highest rate that the schedule ends at.
        clip_norm: largest norm of the gradient of a part; None leaves it as it is.
        accumulate: batches per step of the optimizers.
        average: decay per step of the running average of the weights that is validated and kept; 0 keeps the weights themselves.
        keep: weights that are kept: ``best``, of the epoch with the highest score, or ``last``, where no figure says how good an epoch is.
    """

    epochs: int
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_epochs: int = 2
    patience: int = 12
    seed: int = 1
    optimizer: str = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: str = "cosine"
    final_rate: float = 0.0
    clip_norm: float | None = 1.0
    accumulate: int = 1
    average: float = 0.0
    keep: str = "best"


@dataclass
class Course:
    """How far a run is.

    Attributes:
        epoch: epochs done.
        best: highest score so far, None without validation.
        best_epoch: the epoch it was reached in, counted from 1.
        kept_epoch: the epoch whose weights are kept, counted from 1.
        pieces: parts each batch is worked off in, more than 1 after memory ran out.
        history: a row of figures per epoch.
    """

    epoch: int = 0
    best: float | None = None
    best_epoch: int = 0
    kept_epoch: int = 0
    pieces: int = 1
    history: list[dict[str, float]] = field(default_factory=list)

    def stopped_early(self, plan: Plan) -> bool:
        """Whether the score has not risen for too long."""
        return self.best is not None and self.epoch - self.best_epoch >= plan.patience

    def finished(self, plan: Plan) -> bool:
        """Whether there is nothing left to do."""
        return self.epoch >= plan.epochs or self.stopped_early(plan)


def fit(method: Method, plan: Plan, fabric: Fabric, checkpoint: str, after_epoch: Callable[[Course, bool, np.ndarray], None],
        progress: Progress = SILENT) -> Course:
    """Trains from the checkpoint, or from the start, to the end of the plan.

    Args:
        method: what is trained.
        plan: how.
        fabric: device, precision and processes.
        checkpoint: file of the training state, written after `after_epoch`.
        after_epoch: writes the run folder. Called in the first process after the first and the last epoch, and between them when enough
            time has passed, with the progress, whether there is a new epoch to keep since the last call, and the sums of `Method.validate`.
            If there is, the sums are those of that epoch and the parts have its weights while the call lasts.
        progress: told of every batch.

    Raises:
        EngineError: when the loss is no longer finite, or a single sample does not fit into memory.
        DataError: when the checkpoint is damaged, or the disk is full; then the checkpoint before stays.
    """
    loop = _Loop(method, plan, fabric, progress if fabric.is_global_zero else SILENT)
    with fitting(checkpoint):
        loop.resume(load_state(checkpoint), checkpoint)
    writer = _Writer(method, after_epoch, lambda: save_state(checkpoint, loop.state()))
    while not loop.at.finished(plan):
        row = loop.train_epoch()
        with loop.average.in_place() if loop.average else contextlib.nullcontext():
            sums = loop.validate()
            row.update(method.figures(sums))
            improved = loop.record(row)
            if fabric.is_global_zero:
                writer.epoch(loop.at, improved, sums, loop.at.finished(plan))
        if fabric.is_global_zero:
            writer.state()
    return loop.at


class _Writer:
    """Decides when the run folder is written, and keeps the best weights until then.

    What is not written when a run is killed is trained again: the checkpoint comes last, so nothing it knows of is missing.
    """

    def __init__(self, method: Method, after_epoch: Callable[[Course, bool, np.ndarray], None], save: Callable[[], None]) -> None:
        self.method, self.after_epoch, self.save = method, after_epoch, save
        self.best: KeptWeights | None = None
        self.sums, self.kept, self.due = np.zeros(0), False, False
        self.written, self.pause, self.began = -math.inf, SAVE_SECONDS, 0.0

    def epoch(self, course: Course, improved: bool, sums: np.ndarray, last: bool) -> None:
        """Writes the folder, or keeps what is new; the weights that were validated are in place."""
        self.began = time.monotonic()
        self.due = last or self.began - self.written >= self.pause
        if improved and not self.due:
            self.sums, self.kept = sums, True
            if self.best is None:
                self.best = KeptWeights(list(self.method.parts.values()))
            else:
                self.best.take()
        if not self.due:
            return
        if self.best is not None and self.kept and not improved:
            with self.best.in_place():
                self.after_epoch(course, True, self.sums)
        else:
            self.after_epoch(course, improved, sums)
        self.kept = False

    def state(self) -> None:
        """Writes the checkpoint if the folder was written; the weights in training are in place."""
        if self.due:
            self.save()
            self.written = time.monotonic()
            self.pause = min(LONGEST_PAUSE, max(SAVE_SECONDS, (self.written - self.began) / SAVE_SHARE))


class _Loop:
    def __init__(self, method: Method, plan: Plan, fabric: Fabric, progress: Progress) -> None:
        self.method, self.plan, self.fabric, self.progress = method, plan, fabric, progress
        self.at, self.largest = Course(), 0  # tiles of the largest batch so far
        self.networks: dict[str, Any] = {}
        self.optimizers: dict[str, Any] = {}
        # The fused form takes half the time; only with the loss scaling of float16 it cannot be clipped (Fabric refuses it).
        fused = fabric.device.type in ("cpu", "cuda") and fabric.strategy.precision.precision != "16-mixed"
        for name, part in method.parts.items():
            part.to(memory_format=torch.channels_last)
            if fabric.device.type == "cpu" and pays_here():
                quicken(part)
            optimizer = make_optimizer(part, plan, fused)
            self.networks[name], self.optimizers[name] = fabric.setup(part, optimizer)
        self.average = AveragedWeights(list(method.parts.values()), plan.average) if plan.average else None
        self.started, self.first_epoch = time.monotonic(), 0

    @property
    def steps(self) -> int:
        """Steps of the optimizers per epoch."""
        return -(-self.method.steps // self.plan.accumulate)

    def state(self) -> dict[str, Any]:
        return {"version": STATE_VERSION, "parts": {name: part.state_dict() for name, part in self.method.parts.items()},
                "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
                "average": self.average.state_dict() if self.average else None,
                "precision": self.fabric.strategy.precision.state_dict(),  # the loss scale of float16
                "progress": asdict(self.at)}

    def resume(self, state: dict[str, Any] | None, path: str) -> None:
        if state is None:
            self.progress.message(explain_rate(self.plan, self.steps))
            if self.plan.accumulate > 1 and not self._additive:
                self.progress.message(f"Gradients of {self.plan.accumulate} batches are added up before a step. This loss compares the tiles of a "
                                      "batch, so that is not the same as a larger batch; several processes make one.", "warning")
            return
        if state.get("version") != STATE_VERSION:
            raise DataError(f"The checkpoint {path} was written by another version of the plugin. "
                            "Delete it to start this run from the beginning, or choose a new run folder.")
        for name, part in self.method.parts.items():
            part.load_state_dict(state["parts"][name])
            load_optimizer(self.optimizers[name], state["optimizers"][name])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        self.at = Course(**state["progress"])
        self.first_epoch = self.at.epoch
        self.progress.message(f"Continuing after epoch {self.at.epoch} of {self.plan.epochs}.")

    def train_epoch(self) -> dict[str, float]:
        """One pass; returns the row for the history."""
        epoch, steps = self.at.epoch, self.steps
        torch.manual_seed(int(np.random.default_rng([self.plan.seed, epoch, self.fabric.global_rank]).integers(2**62)))
        for network in self.networks.values():
            network.train()
        started, samples, rate = time.monotonic(), 0, 0.0
        total = torch.zeros((), device=self.fabric.device)
        stream, group = EpochBatches(lambda: self.method.batches(self.plan.seed, epoch)), self.plan.accumulate
        for step in range(steps):
            rate = learning_rate(self.plan, epoch * steps + step, steps)
            batches = StepBatches(stream, step * group, min(group, self.method.steps - step * group), kept=group == 1 or len(self.networks) > 1)
            total += self._step(batches, rate)
            samples += batches.samples
            # Reading the loss makes a GPU wait, so there it is looked at only now and then.
            if step % 10 == 0 or step == steps - 1 or self.fabric.device.type == "cpu":
                mean = float(total) / (step + 1)
                self._refuse_divergence(mean)
            self._tell((step + 1) / steps, mean, samples / (time.monotonic() - started))
        seconds = time.monotonic() - started
        losses = {"loss": float(self._over_processes(total / steps, "mean"))} if steps else {}
        return {"epoch": epoch + 1, **losses, "learning_rate": rate, "seconds": seconds,
                "images_per_second": samples * self.fabric.world_size / seconds, "memory_mb": memory_megabytes(self.fabric.device)}

    def validate(self) -> np.ndarray:
        """Sums of all processes."""
        for part in self.method.parts.values() if self.fabric.world_size > 1 else ():
            for buffer in running_statistics(part):  # they differ a little between processes
                buffer.copy_(self._over_processes(buffer, "mean"))
        epochs, epoch = self.plan.epochs, self.at.epoch
        with self.fabric.autocast():
            sums = self.method.validate(self.progress.part((epoch + 1 - VALIDATION_SHARE) / epochs, (epoch + 1) / epochs))
        if self.fabric.world_size == 1:  # not by the device: Apple's GPUs know no float64
            return sums
        return self._over_processes(torch.from_numpy(sums).to(self.fabric.device), "sum").cpu().numpy()

    def record(self, row: dict[str, float]) -> bool:
        """Adds the row to the history and says whether this epoch is the one to keep; without validation the last one is."""
        course, score = self.at, row.get(self.method.score)
        course.epoch += 1
        course.history.append(row)
        risen = score is None or course.best is None or score > course.best
        if risen:
            course.best, course.best_epoch = score, course.epoch
        kept = risen or self.plan.keep == "last"
        if kept:
            course.kept_epoch = course.epoch
        return kept

    def _over_processes(self, value: torch.Tensor, how: str) -> torch.Tensor:
        return torch.as_tensor(self.fabric.all_reduce(value, reduce_op=how))

    def _step(self, batches: StepBatches | Sequence[Splittable], rate: float) -> torch.Tensor:
        """One step of each part; when memory runs out, its batches are made again and worked off in more and smaller pieces."""
        total = torch.zeros((), device=self.fabric.device)
        for name in self.networks:
            set_rate(self.optimizers[name], rate)
            while True:
                try:
                    total += self._step_part(name, batches)
                    break
                except (RuntimeError, MemoryError) as error:
                    if not out_of_memory(error):
                        raise
                self.optimizers[name].zero_grad(set_to_none=True)
                self._shrink(self.largest)
        if self.average:
            self.average.update()
        return total

    def _step_part(self, name: str, batches: StepBatches | Sequence[Splittable]) -> torch.Tensor:
        network, optimizer = self.networks[name], self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        left, samples, supposed, total = len(batches), 0, 0, torch.zeros((), device=self.fabric.device)
        for batch in batches:  # not enumerated, which would hold a batch while the next one is made
            left -= 1
            supposed = supposed or len(batch) * len(batches)  # the sizes of those to come are not known
            samples, self.largest = samples + len(batch), max(self.largest, len(batch))
            pieces = batch.split(self.at.pieces)
            for place, (piece, share) in enumerate(zip(pieces, shares_of(pieces, self.method)), 1):
                with self.fabric.no_backward_sync(network, enabled=left > 0 or place < len(pieces)):
                    loss = self.method.loss(name, self.networks, piece) * (share * len(batch) / supposed)
                    self.fabric.backward(loss)
                total += loss.detach()
            del batch, pieces, piece, loss  # before the next one is made
        if samples != supposed:
            for parameter in network.parameters():
                if parameter.grad is not None:
                    parameter.grad *= supposed / samples
            total *= supposed / samples
        if self.plan.clip_norm is not None:
            self.fabric.clip_gradients(network, optimizer, max_norm=self.plan.clip_norm, error_if_nonfinite=False)
        optimizer.step()
        return total

    def _shrink(self, size: int) -> None:
        """Batches of up to `size` tiles are worked off in twice as many pieces; 0 where none was made so far."""
        smallest = self.at.pieces >= (size or 4) if self._additive else (size or 16) // self.at.pieces < 4  # two tiles at least, to compare
        if self.fabric.world_size > 1 or smallest:
            what = f"for {max(1, size // self.at.pieces)} tile(s) at once" if size else "to make a batch"
            raise EngineError(f"The memory of {self.fabric.device} is too small {what}. Lower the batch size, the crop or the size of the encoder.")
        if self.fabric.device.type == "cuda":
            torch.cuda.empty_cache()
        self.at.pieces *= 2
        largest = -(-size // self.at.pieces)
        pieces = f"{self.at.pieces} pieces" + (f" of at most {largest} tiles" if size else "")
        rest = ("the batch size stays." if self._additive else
                f"this loss compares the tiles of a batch, so in effect the batch size is now {largest or 'smaller'}.")
        self.progress.message(f"Memory ran out: batches are now worked off in {pieces}; {rest}", "warning")

    @property
    def _additive(self) -> bool:
        return getattr(self.method, "additive", True)

    def _refuse_divergence(self, loss: float) -> None:
        if not math.isfinite(loss):
            rate = self.plan.learning_rate
            raise EngineError(f"The loss became {loss} in epoch {self.at.epoch + 1} at a learning rate of {rate:g}. "
                              f"Train again in a new folder with a lower learning rate, such as {rate / 10:g}.")

    def _tell(self, share: float, loss: float, rate: float) -> None:
        course, epochs = self.at, self.plan.epochs
        done = course.epoch + share * (1 - VALIDATION_SHARE)
        left = (time.monotonic() - self.started) * (epochs - done) / (done - self.first_epoch)
        last = course.history[-1].get(self.method.score) if course.history else None
        best = {} if course.best in (None, last) else {"best_" + self.method.score: course.best}
        now = {} if last is None else {self.method.score: last}
        self.progress.at(done / epochs, f"Epoch {course.epoch + 1} of {epochs}, {rate:.1f} images/s, {_duration(left)} left",
                         loss=loss, **now, **best, images_per_second=rate)


def out_of_memory(error: Exception) -> bool:
    """Whether an error of torch says that memory ran out."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(text in str(error) for text in words)


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {int(seconds % 60):02} s"
