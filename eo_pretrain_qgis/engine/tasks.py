"""The tasks: how a sample is labelled, and all that follows from it for datasets, reports and evaluation.

A new task is a row here and, where a network learns it, a row in `learning.tasks.LEARNERS`. Nobody else asks for a task by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError
from .measures.accuracy import count_classes, sample_scores, scores
from .measures.baselines import (
    PIXEL_BASELINES,
    RADAR_BASELINES,
    SAMPLE_BASELINES,
    SERIES_BASELINES,
    TILE_SERIES_BASELINES,
    Baseline,
)
from .measures.multilabel_accuracy import count_scores, multilabel_scores
from .records import shown

if TYPE_CHECKING:
    from .cards import Axes
    from .datasets.dataset import Dataset

#: Figures in words.
FIGURES = {"mean_iou": "mean IoU", "overall_accuracy": "overall accuracy", "average_precision": "average precision (micro mean)",
           "mean_f1": "mean F1", "mean_average_precision": "average precision (mean of the classes)"}


@dataclass(frozen=True)
class Task:
    """What a sample is and how it is labelled; the defaults are those of one class per sample.

    Attributes:
        name: in dataset.json and run.json.
        words: for people: what a dataset of the task has.
        made_by: jobs that make one, for people.
        unit: what samples are called, in the plural.
        axes: of the labels of a sample: "yx" for a class per pixel, "" for one per sample, "c" for 0 or 1 of each class, None for none.
        dates: samples are series: (date, band) of one place, or with a class per pixel (date, band, y, x); not images (band, y, x).
        scored_by: field of tiles.gpkg of what figures are of, where a dataset has it: what samples of one value say together, and not each.
        split_by: ways to divide a dataset, the best first; the last is taken where none can be.
        themes: of datasets of the task, beside none and foreign ones.
        formats: names in `formats.WRITERS` that hold such labels.
        count: truth, answer and number of classes → counts that add up over batches. An answer is of the shape of the truth, or
            scores of the classes in axis 1.
        figures: counts → figures; ``classes`` are those of each class.
        score: the figure that decides.
        told: figures that every epoch tells.
        of_class: figures told of each class, the leading one first.
        baselines: what a network has to beat.
        beside: arrays of a dataset that a network learns beside the classes where there are any, each 255 · a share of 1.
        objects: the array that numbers the objects that pixels make, whose figures stand beside those of pixels; empty where they make none.
    """

    name: str
    words: str
    made_by: tuple[str, ...]
    unit: str = "images"
    axes: str | None = ""
    dates: bool = False
    scored_by: str = ""
    split_by: tuple[str, ...] = ("place", "scene", "random")
    themes: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    count: Callable[[np.ndarray, np.ndarray, int], np.ndarray] = count_classes
    figures: Callable[[np.ndarray], dict] = sample_scores
    score: str = "overall_accuracy"
    told: tuple[str, ...] = ("overall_accuracy", "mean_f1")
    of_class: tuple[str, ...] = ("f1", "precision", "recall")
    baselines: dict[str, Baseline] = field(default_factory=lambda: SAMPLE_BASELINES)
    beside: tuple[str, ...] = ()
    objects: str = ""

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return self.axes is not None

    @property
    def learnable(self) -> bool:
        """Whether “Fine-tune a model” learns it."""
        return self.labelled

    @property
    def pixelwise(self) -> bool:
        """Whether pixels have a class each."""
        return self.axes == "yx"

    @property
    def sample_axes(self) -> Axes:
        """Axes of a sample, see `cards.Axes`."""
        return ("tbyx" if self.pixelwise else "tb") if self.dates else "byx"

    @property
    def joins(self) -> bool:
        """Whether two sensors can be joined in one network."""
        return self.labelled and not (self.dates or self.beside)

    @property
    def several(self) -> bool:
        """Whether a sample may have several classes at once."""
        return self.axes == "c"

    @property
    def pieces(self) -> str:
        """What samples are called beside each other, in the plural: tiles, also where these are images or patches, or series."""
        return self.unit if self.sample_axes == "tb" else "tiles"

    @property
    def lose_fewer(self) -> str:
        """What keeps more samples, where many are dropped between training and test."""
        return "a smaller gap" if self.dates else "a smaller buffer" if self.unit == "images" else f"smaller {self.unit}"

    @property
    def counted(self) -> str:
        """What is counted of each class, in the plural."""
        return "pixels" if self.pixelwise else self.unit

    @property
    def enough(self) -> int:
        """How many of these a figure needs to be certain."""
        return 1000 if self.pixelwise else 30

    def label_shape(self, side: int, classes: int) -> tuple[int, ...]:
        """Shape of the labels of a sample with tiles of that side [px]."""
        return tuple({"y": side, "x": side, "c": classes}[axis] for axis in self.axes or "")

    def class_counts(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Pixels, or samples, of each class in each sample: (n, class)."""
        if self.several:
            return labels == 1
        if labels.ndim == 1:
            return labels[:, None] == np.arange(classes)
        flat = labels.reshape(len(labels), -1).astype(np.int64) + 256 * np.arange(len(labels))[:, None]
        return np.bincount(flat.ravel(), minlength=256 * len(labels)).reshape(-1, 256)[:, :classes]

    def told_figures(self, counts: np.ndarray, names: Sequence[str]) -> dict[str, float]:
        """Figures that are told, with the leading one of each class as ``iou_water``; empty where nothing was counted.

        Args:
            counts: see `count`.
            names: of the classes.
        """
        found, leading = self.figures(counts), self.of_class[0]
        if found[self.score] is None:
            return {}
        single = {f"{leading}_{name}": row[leading] for name, row in zip(names, found["classes"], strict=True) if row[leading] is not None}
        return {**{figure: found[figure] for figure in self.told}, **single}

    def baselines_of(self, *datasets: Dataset) -> dict[str, Baseline]:
        """The baselines that datasets of the task have all for."""
        return {who: baseline for who, baseline in self.baselines.items() if all(map(baseline.fits, datasets))}

    def nothing(self, classes: int) -> np.ndarray:
        """The counts of no samples."""
        return self.count(np.zeros((0, classes) if self.several else 0, np.int64), np.zeros((0, classes)), classes)


TASKS: dict[str, Task] = {row.name: row for row in (
    Task("segmentation", "a class for every pixel", ("Create training dataset", "Create road dataset", "Create land cover dataset"), "tiles", "yx",
         themes=("land cover", "roads", "sea ice"), formats=("geotiff", "esri_tiles"), figures=scores, score="mean_iou",
         told=("mean_iou", "overall_accuracy"), of_class=("iou", "f1", "precision", "recall"), baselines=RADAR_BASELINES),
    Task("fields", "fields with their boundaries", ("Create field dataset", "Import dataset"), "tiles", "yx", themes=("fields",),
         formats=("geotiff", "esri_tiles"), figures=scores, score="mean_iou", told=("mean_iou", "overall_accuracy"),
         of_class=("iou", "f1", "precision", "recall"), baselines=PIXEL_BASELINES, beside=("distance",), objects="objects"),
    Task("scene", "a class for every image", ("Create training dataset", "Import dataset"), formats=("geotiff",)),
    Task("patch", "a class for every patch", ("Create sea ice dataset",), "patches", split_by=("polygon", "place", "scene", "random"),
         themes=("sea ice",), formats=("geotiff",)),
    Task("multilabel", "several classes for every image", ("Import dataset",), axes="c", count=count_scores, figures=multilabel_scores,
         score="average_precision", told=("average_precision", "mean_f1"), of_class=("f1", "precision", "recall", "average_precision")),
    Task("series", "a class for every series of dates", ("Create crop dataset", "Import dataset"), "series", dates=True,
         scored_by="parcel", split_by=("parcel", "scene"), themes=("crops",), formats=("timesen2crop",), baselines=SERIES_BASELINES),
    Task("tiles in time", "a class for every pixel of dated tiles", ("Create crop dataset", "Import dataset"), "tiles", "yx", dates=True,
         themes=("crops",), figures=scores, score="mean_iou", told=("mean_iou", "overall_accuracy", "mean_f1"),
         of_class=("iou", "f1", "precision", "recall"), baselines=TILE_SERIES_BASELINES),
    Task("pretraining", "no labels", ("Create pretraining dataset",), "tiles", None, themes=("pretraining",), score="", told=(),
         of_class=(), baselines={}),
)}


def task_named(name: str) -> Task:
    """The row of a task.

    Raises:
        ValueError: there is none, in the words of a record's rules.
    """
    if name not in TASKS:
        raise ValueError(f"the task {shown(name)} is none that this plugin knows")
    return TASKS[name]


def require(dataset: Dataset, tasks: Collection[str], what: str, otherwise: str = "") -> Task:
    """The task of a dataset, where it is one of `tasks`.

    Args:
        dataset: that was chosen.
        tasks: names of those that will do.
        what: needs them; begins the second half of the sentence.
        otherwise: what else can be done.

    Raises:
        DataError: another task.
    """
    if dataset.task in tasks:
        return dataset.kind
    wanted = [TASKS[name] for name in tasks]
    made_by = either([f"“{job}”" for job in dict.fromkeys(job for row in wanted for job in row.made_by)])
    raise DataError(f"The dataset {dataset.folder} is for the task “{dataset.task}” ({dataset.kind.words}), and {what} needs "
                    f"{either([row.words for row in wanted])}. Choose a dataset made by {made_by}{', or ' + otherwise if otherwise else ''}.")


def either(words: list[str]) -> str:
    """Words joined by commas and “or”."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def with_article(figure: str) -> str:
    """A figure in words behind “a” or “an”."""
    return f"{'an' if FIGURES[figure][0] in 'aeiou' else 'a'} {FIGURES[figure]}"
