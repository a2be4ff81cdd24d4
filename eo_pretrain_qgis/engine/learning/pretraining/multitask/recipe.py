"""Pretraining on many tasks: datasets of one sensor → run folder with an encoder, a decoder and a head for each task."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from .....errors import DataError, EngineError, ModelError
from .....progress import SILENT, Progress
from ....cards import Input
from ....datasets.dataset import Dataset
from ...loop import training_runs
from ...loop.device import pick_device, pick_precision
from ...loop.runs import Run
from ...loop.training import Course, Plan
from ...loop.training_runs import Kept, Session, equipped, plan_of, train
from ...networks.class_networks import renew_statistics
from ...networks.series import PUBLISHED
from ..inpainting.recipe import check_fillable
from .kinds import build_task, check_task, completed, learned, learner_of_series
from .report import baseline_scores, report_sections, task_pictures
from .reptile import inner_steps, with_gradients
from .tasks import SharedNetwork, Task, common_inputs, pooled_input, same_scenes, task_names

#: Mean scores on the validation tiles, of all tasks and of those with labels.
TASK_SCORE, LABELLED_SCORE = "task_score", "labelled_score"
SAMPLING = {"size": 1.0, "root": 0.5, "equal": 0.0}  # exponents of the number of training tiles


@dataclass(frozen=True)
class Settings(training_runs.Settings):
    """What can be chosen, see the job `pretrain_multitask`."""

    mode: str
    bands: str | None
    inner_steps: int
    inner_rate: float
    sampling: str
    crop: int | None
    compare_single: bool
    class_weights: str
    augmentation: str
    patience: int
    weight_decay: float
    warmup_epochs: int


def pretrain_multitask(dataset_folders: Sequence[str], output: str, settings: Settings, progress: Progress = SILENT) -> dict[str, Any]:
    """Trains one network for the tasks of several datasets, or continues the run in `output`, or says that it is finished.

    Under ``torchrun`` all processes work on the same task with different tiles, and the first one writes.

    Args:
        dataset_folders: two or more, of the same bands of the same sensor.
        output: run folder.
        settings: see `Settings`.
        progress: told of every batch.

    Returns:
        What `training_runs.train` gives, and ``score``, the mean over the tasks, where there are validation tiles.

    Raises:
        DataError: the datasets do not go together or cannot be learned from; and see `training_runs.train`.
    """
    _check_machine(settings)
    opened = [Dataset.open(folder) for folder in dataset_folders]
    for dataset in opened:
        check_task(dataset, settings.crop, progress)
    learner = learner_of_series(opened)
    inputs = common_inputs(opened, settings.bands, progress)
    for dataset, seen in zip(opened, inputs):
        if not dataset.classes:
            check_fillable(dataset, seen, settings.crop)
    _refuse_other_number(output, opened)
    settings = equipped(settings, output, settings.start, inputs[0].names, progress, learner.encoder if learner else None)
    if settings.encoder in PUBLISHED:
        raise ModelError(f"The encoder “{settings.encoder}” is told where on Earth series lie, and those of several tasks lie in several places. "
                         "Choose ltae or lstm, or leave “Encoder” empty.")
    before = len(opened) / (len(opened) + 1) if settings.compare_single else 0.0  # of the time
    return train(output, Multitasking(opened, inputs, settings, progress.part(0, before)), progress.part(before, 1))


class TaskBatches:
    """Batches of the task with a key, one for each inner step."""

    def __init__(self, key: str, batches: Sequence[Any]) -> None:
        self.key, self.batches = key, batches

    def __len__(self) -> int:
        return sum(map(len, self.batches))

    def split(self, pieces: int) -> list[TaskBatches]:
        """The same steps in at most `pieces` smaller batches each; the gradients of the pieces are averaged over their ways."""
        count = min(pieces, *map(len, self.batches))
        return [TaskBatches(self.key, list(parts)) for parts in zip(*(batch.split(count) for batch in self.batches))]


class Multitask:
    """Several tasks through one network: Reptile, or joint training.

    A step belongs to one task. For Reptile it is k steps of gradient descent on that task, whose way is the gradient; for joint
    training it is the ordinary gradient of one batch.

    Args:
        tasks: what is trained.
        network: of all tasks.
        fabric: precision and processes.
        settings: see `Settings`.
        steps: per epoch; None takes as many as show as many tiles as the datasets have.
    """

    def __init__(self, tasks: Sequence[Task], network: SharedNetwork, fabric: Fabric, settings: Settings, steps: int | None = None) -> None:
        self.tasks, self.network, self.fabric = {task.key: task for task in tasks}, network, fabric
        # Classes say what the shared layers are worth; how well hidden regions are filled does not, and prefers blur.
        self.labelled = {task.key for task in tasks if task.dataset.classes}
        self.score = LABELLED_SCORE if self.labelled else TASK_SCORE
        self.joint = settings.mode == "joint"
        self.inner_steps = 1 if self.joint else settings.inner_steps
        self.inner_rate = settings.inner_rate
        self.steps = steps or -(-sum(task.method.steps for task in tasks) // self.inner_steps)
        sizes = np.array([task.size for task in tasks], float) ** SAMPLING[settings.sampling]
        self.shares = dict(zip(self.tasks, sizes / sizes.sum()))
        self.sizes: dict[str, tuple[int, ...]] = {}

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The shared network with all heads."""
        return {"network": self.network}

    def batches(self, seed: int, epoch: int) -> Iterator[TaskBatches]:
        """The steps of an epoch; each task has its share of them to the nearest whole number, in random order."""
        order = draw_tasks(list(self.shares.values()), self.steps, np.random.default_rng([seed, epoch, len(self.tasks)]))
        streams = {key: task.batches(seed, epoch) for key, task in self.tasks.items()}
        keys = list(self.tasks)
        for place in order:
            yield TaskBatches(keys[place], list(itertools.islice(streams[keys[place]], self.inner_steps)))

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: TaskBatches) -> torch.Tensor:
        """The mean loss of the steps; its gradient is the way they went, see `reptile`.

        In several processes the loop's own exchange would wait for the heads of the other tasks, so the gradients are averaged here.
        """
        task, several = self.tasks[batch.key], self.fabric.world_size > 1
        if self.joint and not several:
            return task.loss(lambda images: networks[part](images, task.key), batch.batches[0])
        way, mean = inner_steps(task.network, batch.batches, self._loss_of(task), self.inner_rate)
        if several:
            way = self._averaged(way)
        return with_gradients(mean, task.network, way)

    def weight(self, batch: TaskBatches) -> Any:
        """As the method of the task has it."""
        return sum(self.tasks[batch.key].method.weight(part) for part in batch.batches)

    def _loss_of(self, task: Task) -> Callable[[Any, Any], torch.Tensor]:
        def loss(forward: Any, batch: Any) -> torch.Tensor:
            with self.fabric.autocast():
                return task.loss(forward, batch)

        return loss

    def _averaged(self, way: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The mean over the processes, exchanged as one tensor."""
        flat = torch.cat([gradient.flatten() for gradient in way.values()])
        parts = torch.as_tensor(self.fabric.all_reduce(flat, reduce_op="mean")).split([gradient.numel() for gradient in way.values()])
        return {name: part.view_as(gradient) for (name, gradient), part in zip(way.items(), parts)}

    def validate(self, progress: Progress = SILENT) -> np.ndarray:
        """The sums of all tasks behind each other, float64.

        Each task is measured with normalisation statistics of its own images, as it was trained and as a fine-tuned network will have
        them; afterwards the statistics are those of all tasks together.
        """
        found = []
        for number, task in enumerate(self.tasks.values()):
            sums = task.method.validate(progress.part(number / len(self.tasks), (number + 1) / len(self.tasks)))
            self.sizes[task.key] = sums.shape
            found.append(sums.astype(np.float64).ravel())
        self.renew()
        return np.concatenate(found)

    def renew(self) -> None:
        """Measures the normalisation layers on images of all tasks."""
        renew_statistics(self.network.dense, (images for task in self.tasks.values() for images in task.images()))

    def sums_of(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """The sums of each task, in the shape its method gave them."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.sizes.values()])
        return {key: part.reshape(shape) for (key, shape), part in zip(self.sizes.items(), np.split(sums, ends[:-1]))}

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        """The figures of each task behind its key, and the mean scores of the tasks that have one, and of those with labels."""
        row: dict[str, float] = {}
        scores: dict[str, float] = {}
        for key, part in self.sums_of(sums).items():
            figures = self.tasks[key].figures(part)
            row.update({f"{key} {name}": value for name, value in figures.items()})
            scores |= {key: figures["score"]} if figures else {}
        labelled = [score for key, score in scores.items() if key in self.labelled]
        means = {TASK_SCORE: list(scores.values()), LABELLED_SCORE: labelled}
        return {**{name: float(np.mean(values)) for name, values in means.items() if values}, **row}


def draw_tasks(shares: Sequence[float], steps: int, rng: np.random.Generator) -> np.ndarray:
    """Which task each step belongs to, int64 (step,).

    Systematic sampling: each task is drawn as often as its share asks, to less than one step, which draws apart from each other do not
    give in a short epoch.
    """
    places = (rng.random() + np.arange(steps)) / steps
    return rng.permutation(np.minimum(np.searchsorted(np.cumsum(shares), places, side="right"), len(shares) - 1))


class Multitasking:
    """The recipe: datasets of one sensor make a network that is good to start from.

    Args:
        datasets: what is learned from; a single one trains its task alone.
        own: what is seen of each, see `common_inputs`.
        settings: see `Settings`.
        progress: told of what comes before the loop: baselines, and tasks trained alone.
        steps: per epoch; None counts the tiles.
        seen: by which images are scaled; None pools those of the datasets.
    """

    method_name = "multitask"

    def __init__(self, datasets: Sequence[Dataset], own: Sequence[Input], settings: Settings, progress: Progress = SILENT,
                 steps: int | None = None, seen: Input | None = None) -> None:
        self.datasets, self.own, self.progress, self.steps, self.learner = datasets, own, progress, steps, learner_of_series(datasets)
        self.settings: Settings = completed(settings, self.learner)
        seen = seen or pooled_input(datasets, own)
        self.inputs = {seen.name: seen}
        self.names = task_names(datasets)
        self.half = settings.mode != "reptile"  # no loss scaling protects the inner steps
        self.pictures: dict[str, str] = {}

    def card(self) -> dict[str, Any]:
        """The network and its tasks; no classes, which are those of the heads."""
        tasks = [{"name": name, "key": key, "task": dataset.task, "kind": learned(dataset), "dataset": os.path.abspath(dataset.folder),
                  "classes": [asdict(entry) for entry in dataset.classes], "training_tiles": len(dataset.indices("training", seen.sensor)),
                  "validation_tiles": len(dataset.indices("validation", seen.sensor))}
                 for (name, key), dataset, seen in zip(self.names, self.datasets, self.own)]
        return {"architecture": self.learner.shared if self.learner else "unet", "encoder": self.settings.encoder, "task": "multitask", "classes": [],
                "tasks": tasks, "same_scenes": same_scenes(self.datasets)}

    def plan(self) -> Plan:
        """AdamW with warm-up and a cosine; the gradient is a sum over the inner steps, and so is the norm it is cut to.

        The tasks with labels choose the epoch; without any the last is kept.
        """
        labelled = any(dataset.classes for dataset in self.datasets)
        return plan_of(self.settings, keep="best" if labelled else "last",
                       clip_norm=1.0 if self.settings.mode == "joint" else float(self.settings.inner_steps))

    def build(self, session: Session) -> Multitask:
        """The network with its starting weights, as a method to train."""
        chosen, card, fabric = self.settings, session.run.card, session.fabric
        [seen] = session.run.inputs.values()
        tasks = [build_task(name, key, dataset, replace(seen, sensor=own.sensor), chosen, fabric)
                 for (name, key), dataset, own in zip(self.names, self.datasets, self.own)]
        network = SharedNetwork({task.key: task.network for task in tasks})
        if self.learner:
            session.start(network.dense, seen.names, chosen.start, way=self.learner.start)
        else:
            session.start(network.shared(), seen.names, chosen.start)
        unmeasured = [entry["name"] for entry in card["tasks"] if not entry["validation_tiles"]]
        if unmeasured:
            session.progress.message(f"Without validation tiles, and so without figures: {', '.join(unmeasured)}.", "warning")
        method = Multitask(tasks, network, fabric, chosen, self.steps)
        for entry in card["tasks"]:
            entry["share"] = float(method.shares[entry["key"]])
        if fabric.is_global_zero and len(tasks) > 1:
            self._compare(session.run, method)
        return method

    def kept(self, method: Multitask) -> Kept:
        """The network with each tensor once, and its encoder."""
        named = method.network.named()
        return Kept(named, {"encoder": (named["encoder"], next(iter(self.inputs)))})

    def facts(self, run: Run, method: Multitask, sums: np.ndarray) -> dict[str, Any]:
        """The figures of each task."""
        parts = method.sums_of(sums)
        return {"tasks": [{**entry, "figures": method.tasks[entry["key"]].figures(parts[entry["key"]]), "sums": parts[entry["key"]].tolist()}
                          for entry in run.card["tasks"]]}

    def sections(self, run: Run, method: Multitask, course: Course, redraw: bool) -> tuple[str, list[str]]:
        """The report."""
        if redraw:
            for key, task in method.tasks.items():
                task.renew()
                self.pictures[key] = task_pictures(task)
            method.renew()
        return report_sections(run, self.datasets, course, self.pictures)

    def result(self, run: Run) -> dict[str, Any]:
        """The mean score."""
        metrics = run.card["metrics"]
        return {"score": metrics[TASK_SCORE]} if TASK_SCORE in metrics else {}

    def _compare(self, run: Run, method: Multitask) -> None:
        """What the tasks are measured against: baselines, and each task trained alone with as many batches as all have together."""
        for entry in run.card["tasks"]:
            if "baselines" not in entry and entry["validation_tiles"]:
                entry["baselines"] = baseline_scores(method.tasks[entry["key"]], self.settings.seed, self.progress.part(0, 0.01))
        if not self.settings.compare_single:
            return
        run.update(state="training")  # from here on the folder is that of a run, in which the single ones lie
        alone = replace(self.settings, mode="joint", inner_steps=1, compare_single=False)
        for number, (entry, dataset, own) in enumerate(zip(run.card["tasks"], self.datasets, self.own)):
            if "single" in entry:
                continue
            self.progress.message(f"Training “{entry['name']}” alone, to compare with.")
            part = self.progress.part(number / len(self.datasets), (number + 1) / len(self.datasets))
            folder = run.path(os.path.join("single", entry["key"]))
            # The same scaling, or errors in scaled units would not compare.
            train(folder, Multitasking([dataset], [own], alone, SILENT, method.steps * method.inner_steps, *run.inputs.values()), part)
            found = Run.open(folder).card
            entry["single"] = found["tasks"][0].get("figures", {})
            entry["single_epochs"] = found["epochs_run"]
            run.update(state="training")


def _check_machine(settings: Settings) -> None:
    precision = pick_precision(settings.precision, pick_device(settings.device), half=settings.mode != "reptile")
    if precision == "float16" and settings.mode == "reptile":
        raise EngineError("float16 loses the small gradients of the inner steps, which no loss scaling protects. "
                          "Choose the precision auto, float32 or bfloat16.")
    if settings.compare_single and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise EngineError("Tasks are trained alone in one process only. Choose one device and start without torchrun, or switch “Compare with "
                          "each task alone” off.")


def _refuse_other_number(output: str, datasets: Sequence[Dataset]) -> None:
    """A folder with a run on fewer or more datasets; which they are is compared when the run is opened."""
    if (Path(output) / "run.json").exists():
        run = Run.open(output)
        if len(run.datasets) != len(datasets):
            raise DataError(f"The folder {output} holds a run on {len(run.datasets)} dataset(s), not on {len(datasets)}. "
                            "Choose a new folder.")
