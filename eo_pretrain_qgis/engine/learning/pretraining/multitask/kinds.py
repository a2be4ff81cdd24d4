"""What a task can be: classes of pixels or of whole tiles, or hidden regions to fill; which datasets give which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lightning_fabric import Fabric

from .....errors import DataError
from .....progress import SILENT, Progress
from ....cards import Input
from ....datasets.dataset import Dataset
from ....runs.learnable import check_classes, check_learnable
from ....tasks import TASKS, require
from ...finetuning.defaults import Defaults
from ...finetuning.labelled_tiles import Choices
from ...loop.shares import Share, refuse_crop
from ...tasks import LEARNERS, Learner, learner_of
from ..inpainting.hidden_regions import Blocks, default_size
from ..inpainting.hidden_tiles import HidingReader
from ..inpainting.method import Filling, FillingNetwork
from ..inpainting.quality import FillingQuality
from .tasks import Task

RENEWAL_TILES = 16  # of each task without labels
#: What tiles are trained with where nothing is asked for.
USUAL, AUTO = Defaults(batch_size=8, augmentation="full"), "auto"
HIDDEN_SHARE = 0.3  # of a tile


def check_task(dataset: Dataset, crop: int | None, progress: Progress = SILENT) -> None:
    """Refuses a dataset no task can be made of, and warns of classes with few labels.

    Raises:
        DataError: of another task or, with labels, without training tiles, with nothing to tell apart, or with tiles smaller than the crop.
    """
    shared = [name for name, row in TASKS.items() if not row.labelled or (name in LEARNERS and LEARNERS[name].shared)]
    require(dataset, shared, "sharing a network with other tasks")
    if dataset.classes:
        check_learnable(dataset)
        refuse_crop(dataset, crop)
        check_classes(dataset, dataset.indices("training"), progress)


def learner_of_series(datasets: Sequence[Dataset]) -> Learner | None:
    """What learns datasets of series; None for tiles, of which tasks with labels of several kinds, and without any, may share a network.

    Raises:
        DataError: some hold series and others tiles.
    """
    dated = [dataset for dataset in datasets if dataset.kind.dates]
    other = next((dataset for dataset in datasets if not dataset.kind.dates), None)
    if dated and other:
        raise DataError(f"{dated[0].folder} has {dated[0].kind.words}, and {other.folder} has {other.kind.words}; no network sees both series and "
                        "single images. Give datasets of one kind.")
    return learner_of(dated[0]) if dated else None


def completed(settings: Any, learner: Learner | None) -> Any:
    """The settings with what is usual in place of what was left open.

    Args:
        settings: see `multitask.Settings`.
        learner: of series; None for tiles.
    """
    usual = (learner and learner.usual) or USUAL
    return replace(settings, batch_size=settings.batch_size or usual.batch_size,
                   augmentation=usual.augmentation if settings.augmentation == AUTO else settings.augmentation)


def learned(dataset: Dataset) -> str:
    """What is learned from a dataset, for people."""
    return dataset.kind.words if dataset.classes else "hidden regions to fill"


def build_task(name: str, key: str, dataset: Dataset, seen: Input, settings: Any, fabric: Fabric) -> Task:
    """The task of a dataset with a new network.

    Args:
        name: for people.
        key: name of its head.
        dataset: what is learned from.
        seen: of it, scaled as in all tasks.
        settings: see `multitask.Settings`.
        fabric: device and processes.
    """
    dataset = dataset.each_target()[0]
    task = Task(name, key, learned(dataset), dataset)
    return (_labelled if dataset.classes else _filling)(task, seen, settings, fabric)


def _labelled(task: Task, seen: Input, settings: Any, fabric: Fabric) -> Task:
    learner = learner_of(task.dataset)
    network = learner.networks[learner.shared](settings.encoder, {seen.name: seen}, len(task.dataset.classes))
    method = learner.method(task.dataset, network, fabric.device, Choices(
        settings.batch_size, None, settings.crop, settings.class_weights, settings.augmentation, share=Share.of(fabric)))
    task.method, task.network = method, network
    task.images = lambda: method.renewal(method.renewal_tiles)
    return task


def _filling(task: Task, seen: Input, settings: Any, fabric: Fabric) -> Task:
    """Hidden regions by L1 alone: a discriminator of one task would steer layers that belong to all; “Pretrain by inpainting” has one."""
    network = FillingNetwork(settings.encoder, {seen.name: seen})
    blocks = Blocks(default_size(settings.crop or task.dataset.tile_size), HIDDEN_SHARE)
    reader = HidingReader(task.dataset, seen, blocks, network.stride, fabric.device)
    method = Filling(reader, FillingQuality(seen.bands, fabric.device), network, None, settings, Share.of(fabric))
    task.method, task.network = method, network
    task.images = lambda: method.renewal(RENEWAL_TILES)
    return task
