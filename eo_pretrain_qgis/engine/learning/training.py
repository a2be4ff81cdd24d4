"""The one loop: epochs of batches, warm-up and cosine, mixed precision, clipping, early stopping, exact resumption.

What is trained is a `Method`: it hands out batches, turns one into a loss for each of its parts and measures itself. All randomness of
an epoch follows from (seed, epoch, rank), so a run that was killed and continued gives the losses of one that was not, and no state of
a random generator has to be kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from ...errors import EngineError
from ...report import SILENT, Report
from .checkpoints import load_state, save_state

OPTIMIZERS, SCHEDULES = ("adamw", "adam", "lars"), ("cosine", "linear")
VALIDATION_SHARE = 0.1  # of an epoch's time, for the progress bar


class Splittable(Protocol):
    """A batch that can be worked off in pieces when memory is short."""

    def __len__(self) -> int: ...

    def split(self, pieces: int) -> list[Any]:
        """The same samples in at most `pieces` batches."""


class Method(Protocol):
    """Something to train."""

    #: Name of the figure that decides which epoch was best; higher is better.
    score: str

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

    def validate(self, report: Report) -> np.ndarray:
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
        optimizer: one of `OPTIMIZERS`.
        betas: of Adam and AdamW.
        schedule: after the warm-up; ``cosine``, or ``linear``: constant for the first half, then a line.
        final_rate: share of the highest rate that the schedule ends at.
        clip_norm: largest norm of the gradient of a part; None leaves it as it is.
        accumulate: batches per step of the optimizers.
        average: decay per step of the running average of the weights that is validated and kept; 0 keeps the weights themselves.
        compile: whether torch compiles the parts.
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
    compile: bool = False


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        epoch: epochs done.
        best: highest score so far, None without validation.
        best_epoch: the epoch it was reached in, counted from 1.
        pieces: parts each batch is worked off in, more than 1 after memory ran out.
        history: a row of figures per epoch.
    """

    epoch: int = 0
    best: float | None = None
    best_epoch: int = 0
    pieces: int = 1
    history: list[dict[str, float]] = field(default_factory=list)

    def stopped_early(self, plan: Plan) -> bool:
        """Whether the score has not risen for too long."""
        return self.best is not None and self.epoch - self.best_epoch >= plan.patience

    def finished(self, plan: Plan) -> bool:
        """Whether there is nothing left to do."""
        return self.epoch >= plan.epochs or self.stopped_early(plan)


def fit(method: Method, plan: Plan, fabric: Fabric, checkpoint: str, after_epoch: Callable[[Progress, bool, np.ndarray], None],
        report: Report = SILENT) -> Progress:
    """Trains from the checkpoint, or from the start, to the end of the plan.

    Args:
        method: what is trained.
        plan: how.
        fabric: device, precision and processes.
        checkpoint: file of the training state, written after each epoch.
        after_epoch: called in the first process with the progress, whether this epoch is the best, and the counts of `validate`.
        report: told of every batch.

    Raises:
        EngineError: when the loss is no longer finite, or a single sample does not fit into memory.
        DataError: when the checkpoint is damaged or the disk full.
    """
    loop = _Loop(method, plan, fabric, report if fabric.is_global_zero else SILENT)
    loop.resume(load_state(checkpoint))
    while not loop.progress.finished(plan):
        row = loop.train_epoch()
        counts = loop.validate()
        row.update(method.figures(counts))
        improved = loop.record(row)
        if fabric.is_global_zero:
            after_epoch(loop.progress, improved, counts)
            save_state(checkpoint, loop.state())
    return loop.progress


def learning_rate(plan: Plan, step: int, steps_per_epoch: int) -> float:
    """Linear warm-up, then a cosine (Loshchilov and Hutter, SGDR, arXiv 1608.03983, without restarts), or as CycleGAN has it.

    ``linear`` is constant for the first half and falls along a line (Zhu et al., arXiv 1703.10593, §7.1).
    """
    total = plan.epochs * steps_per_epoch
    warm = min(plan.warmup_epochs * steps_per_epoch, total // 2)
    if step < warm:
        return plan.learning_rate * (step + 1) / warm
    done = (step - warm) / max(1, total - warm)
    share = 0.5 * (1 + math.cos(math.pi * done)) if plan.schedule == "cosine" else min(1.0, 2 * (1 - done))
    return plan.learning_rate * (plan.final_rate + (1 - plan.final_rate) * share)


class _Loop:
    def __init__(self, method: Method, plan: Plan, fabric: Fabric, report: Report) -> None:
        self.method, self.plan, self.fabric, self.report = method, plan, fabric, report
        self.progress = Progress()
        self.networks: dict[str, Any] = {}
        self.optimizers: dict[str, Any] = {}
        for name, part in method.parts.items():
            self.networks[name], self.optimizers[name] = fabric.setup(part.to(memory_format=torch.channels_last), self._optimizer(part))

    def _optimizer(self, part: nn.Module) -> torch.optim.Optimizer:
        plan, groups = self.plan, _parameter_groups(part, self.plan.weight_decay)
        if plan.optimizer == "lars":
            from lightly.utils.lars import LARS  # takes seconds to load

            return LARS(groups, lr=plan.learning_rate, momentum=0.9)
        kind = torch.optim.AdamW if plan.optimizer == "adamw" else torch.optim.Adam
        # The fused form takes half the time; only with the loss scaling of float16 it cannot be clipped (Fabric refuses it).
        fused = self.fabric.device.type in ("cpu", "cuda") and self.fabric.strategy.precision.precision != "16-mixed"
        return kind(groups, lr=plan.learning_rate, betas=plan.betas, fused=fused)

    def state(self) -> dict[str, Any]:
        return {"parts": {name: part.state_dict() for name, part in self.method.parts.items()},
                "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
                "progress": asdict(self.progress)}

    def resume(self, state: dict[str, Any] | None) -> None:
        if state is None:
            return
        for name, part in self.method.parts.items():
            part.load_state_dict(state["parts"][name])
            self.optimizers[name].load_state_dict(state["optimizers"][name])
        self.progress = Progress(**state["progress"])
        self.report.message(f"Continuing after epoch {self.progress.epoch} of {self.plan.epochs}.")

    def train_epoch(self) -> dict[str, float]:
        """One pass; returns the row for the history."""
        epoch, steps = self.progress.epoch, self.method.steps
        torch.manual_seed(int(np.random.default_rng([self.plan.seed, epoch, self.fabric.global_rank]).integers(2**62)))
        for network in self.networks.values():
            network.train()
        started, samples, rate = time.monotonic(), 0, 0.0
        total = torch.zeros((), device=self.fabric.device)
        for step, batch in enumerate(self.method.batches(self.plan.seed, epoch)):
            rate = learning_rate(self.plan, epoch * steps + step, steps)
            for group in (group for optimizer in self.optimizers.values() for group in optimizer.param_groups):
                group["lr"] = rate
            total += self._step(batch)
            samples += len(batch)
            # Reading the loss makes a GPU wait, so there it is looked at only now and then.
            if step % 10 == 0 or step == steps - 1 or self.fabric.device.type == "cpu":
                mean = float(total) / (step + 1)
                self._refuse_divergence(mean)
            self._tell((step + 1) / steps, mean, samples / (time.monotonic() - started), started)
        seconds = time.monotonic() - started
        mean = float(self._over_processes(total / steps, "mean"))
        return {"epoch": epoch + 1, "loss": mean, "learning_rate": rate, "seconds": seconds,
                "images_per_second": samples * self.fabric.world_size / seconds}

    def validate(self) -> np.ndarray:
        """Sums of all processes."""
        for buffer in (buffer for part in self.method.parts.values() for buffer in part.buffers()):
            if self.fabric.world_size > 1 and buffer.is_floating_point():  # running statistics differ a little between processes
                buffer.copy_(self._over_processes(buffer, "mean"))
        epochs, epoch = self.plan.epochs, self.progress.epoch
        with self.fabric.autocast():
            counts = self.method.validate(self.report.part((epoch + 1 - VALIDATION_SHARE) / epochs, (epoch + 1) / epochs))
        return self._over_processes(torch.from_numpy(counts).to(self.fabric.device), "sum").cpu().numpy()

    def record(self, row: dict[str, float]) -> bool:
        """Adds the row to the history and says whether this epoch is the best; without validation the last one is."""
        progress, score = self.progress, row.get(self.method.score)
        progress.epoch += 1
        progress.history.append(row)
        improved = score is None or progress.best is None or score > progress.best
        if improved:
            progress.best, progress.best_epoch = score, progress.epoch
        return improved

    def _over_processes(self, value: torch.Tensor, how: str) -> torch.Tensor:
        return torch.as_tensor(self.fabric.all_reduce(value, reduce_op=how))

    def _step(self, batch: Splittable) -> torch.Tensor:
        """One step of the optimizer; when memory runs out, the batch is worked off in more and smaller pieces."""
        while True:
            try:
                return self._try_step(batch)
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
            for optimizer in self.optimizers.values():
                optimizer.zero_grad(set_to_none=True)
            self._shrink(len(batch))

    def _try_step(self, batch: Splittable) -> torch.Tensor:
        pieces, total = batch.split(self.progress.pieces), torch.zeros((), device=self.fabric.device)
        for name, network in self.networks.items():
            optimizer = self.optimizers[name]
            optimizer.zero_grad(set_to_none=True)
            for number, piece in enumerate(pieces, 1):
                with self.fabric.no_backward_sync(network, enabled=number < len(pieces)):
                    loss = self.method.loss(name, self.networks, piece) * (len(piece) / len(batch))
                    self.fabric.backward(loss)
                total += loss.detach()
            if self.plan.clip_norm is not None:
                self.fabric.clip_gradients(network, optimizer, max_norm=self.plan.clip_norm, error_if_nonfinite=False)
            optimizer.step()
        return total

    def _shrink(self, size: int) -> None:
        if self.fabric.world_size > 1 or self.progress.pieces >= size:
            fitting = max(1, size // self.progress.pieces)
            raise EngineError(f"The memory of {self.fabric.device} is too small for {fitting} tile(s) at once. "
                              "Lower the batch size, the crop or the size of the encoder.")
        if self.fabric.device.type == "cuda":
            torch.cuda.empty_cache()
        self.progress.pieces *= 2
        self.report.message(f"Memory ran out: batches are now worked off in {self.progress.pieces} pieces of at most "
                            f"{-(-size // self.progress.pieces)} tiles; the batch size stays.", "warning")

    def _refuse_divergence(self, loss: float) -> None:
        if not math.isfinite(loss):
            rate = self.plan.learning_rate
            raise EngineError(f"The loss became {loss} in epoch {self.progress.epoch + 1} at a learning rate of {rate:g}. "
                              f"Train again in a new folder with a lower learning rate, such as {rate / 10:g}.")

    def _tell(self, share: float, loss: float, rate: float, started: float) -> None:
        progress, epochs = self.progress, self.plan.epochs
        elapsed = (time.monotonic() - started) / share
        mean = float(np.mean([row["seconds"] for row in progress.history] or [elapsed]))
        left = elapsed * (1 - share) + mean * (epochs - progress.epoch - 1)
        best = {} if progress.best is None else {"best_" + self.method.score: progress.best}
        last = progress.history[-1].get(self.method.score) if progress.history else None
        now = {} if last is None else {self.method.score: last}
        self.report.progress((progress.epoch + share * (1 - VALIDATION_SHARE)) / epochs,
                             f"Epoch {progress.epoch + 1} of {epochs}, {rate:.1f} images/s, {_duration(left)} left",
                             loss=loss, **now, **best, images_per_second=rate)


def _parameter_groups(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Kernels and matrices decay; biases and normalisation do not."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [{"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0}]


def _out_of_memory(error: Exception) -> bool:
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(text in str(error) for text in words)


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {int(seconds % 60):02} s"
