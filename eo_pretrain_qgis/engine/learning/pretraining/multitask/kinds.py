"""What a task can be: classes of pixels or of whole tiles, or hidden regions to fill; which datasets give which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lightning_fabric import Fabric

from .....errors import DataError
from ....datasets.dataset import Dataset
from ...finetuning.classification import Classification
from ...finetuning.labelled_tiles import check_labelled
from ...finetuning.segmentation import Segmentation
from ...loop.shares import Share
from ...networks.class_networks import ClassificationNetwork, SegmentationNetwork
from ..inpainting import recipe as inpainting
from ..inpainting.hidden_regions import Blocks, default_size
from ..inpainting.hidden_tiles import HidingReader
from ..inpainting.method import Filling, FillingNetwork
from ..inpainting.quality import FillingQuality
from .tasks import Task

RENEWAL_TILES = 16  # of each task
HIDDEN_SHARE = 0.3  # of a tile


def check_task(dataset: Dataset, crop: int | None) -> None:
    """Refuses a dataset no task can be made of.

    Raises:
        DataError: of another task, without training tiles, with nothing to tell apart, or with tiles smaller than the crop.
    """
    if dataset.task not in KINDS:
        raise DataError(f"The dataset {dataset.folder} is for the task “{dataset.task}”, which cannot share a network with others here. "
                        f"Choose datasets for {', '.join(KINDS)}.")
    if dataset.classes:
        check_labelled(dataset, crop)
    else:
        inpainting.check_fillable(dataset, dataset.sensor, crop)


def build_task(name: str, key: str, dataset: Dataset, bands: Sequence[Mapping[str, Any]], settings: Any, fabric: Fabric) -> Task:
    """The task of a dataset with a new network.

    Args:
        name: for people.
        key: name of its head.
        dataset: with the bands in the common order.
        bands: cards of the bands, which all tasks are scaled by.
        settings: see `multitask.Settings`.
        fabric: device and processes.
    """
    words, build = KINDS[dataset.task]
    return build(Task(name, key, words, dataset), bands, settings, fabric)


def _segmentation(task: Task, bands: Sequence[Mapping[str, Any]], settings: Any, fabric: Fabric) -> Task:
    network = SegmentationNetwork(settings.encoder, *_scaling(bands), len(task.dataset.classes))
    method = Segmentation(task.dataset, network, fabric.device, **_labelled(settings, fabric))
    task.method, task.network = method, network
    task.images = lambda: method.renewal(RENEWAL_TILES)
    return task


def _classification(task: Task, bands: Sequence[Mapping[str, Any]], settings: Any, fabric: Fabric) -> Task:
    network = ClassificationNetwork(settings.encoder, *_scaling(bands), len(task.dataset.classes))
    method = Classification(task.dataset, network, fabric.device, tiles=task.dataset.indices("training"), **_labelled(settings, fabric))
    task.method, task.network = method, network
    task.images = lambda: method.renewal(RENEWAL_TILES)
    return task


def _labelled(settings: Any, fabric: Fabric) -> dict[str, Any]:
    return {"batch_size": settings.batch_size, "crop": settings.crop, "weighting": settings.class_weights,
            "augmentation": settings.augmentation, "rank": fabric.global_rank, "processes": fabric.world_size}


def _filling(task: Task, bands: Sequence[Mapping[str, Any]], settings: Any, fabric: Fabric) -> Task:
    """Hidden regions by L1 alone: a discriminator of one task would steer layers that belong to all; “Pretrain by inpainting” has one."""
    network = FillingNetwork(settings.encoder, *_scaling(bands))
    blocks = Blocks(default_size(settings.crop or task.dataset.tile_size), HIDDEN_SHARE)
    reader = HidingReader(task.dataset, task.dataset.sensor, blocks, _scaling(bands)[0], network.stride, fabric.device)
    method = Filling(reader, FillingQuality(bands, fabric.device), network, None, settings, Share.of(fabric))
    task.method, task.network = method, network
    task.images = lambda: method.renewal(RENEWAL_TILES)
    return task


def _scaling(bands: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    return [band["centre"] for band in bands], [band["spread"] for band in bands]


#: Task of a dataset → what is learned from it, for people, and how it is built.
KINDS: dict[str, tuple[str, Callable[..., Task]]] = {
    "segmentation": ("a class for every pixel", _segmentation),
    "scene": ("a class for every image", _classification),
    "patch": ("a class for every patch", _classification),
    "multilabel": ("several classes for every image", _classification),
    "pretraining": ("hidden regions to fill", _filling),
}
