"""Pretrain on many tasks: datasets of one sensor → run folder with an encoder that knows all of them."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .. import training
from ..spec import Result, boolean, choice, files, integer, number


@dataclass(frozen=True)
class PretrainMultitask(training.TrainingJob):
    """Trains one network for several datasets at once, so that what is learned for one task serves the others, and later a new one.

    The tasks follow from the datasets: classes for pixels where there are labels (roads, land cover, anything), hidden regions to
    fill where there are none. They share the encoder and the decoder; each has a last layer of its own. The datasets must have the same
    bands of the same sensor; the order may differ. Series of dates, such as the crops of two countries, share an encoder of series.

    With Reptile each step takes some steps of plain gradient descent on one task and then moves the shared weights the way these led. It
    looks for weights from which few steps suffice, also for a task that was not among them. With one inner step it is joint training.

    The run folder keeps encoder, decoder and all last layers for “Fine-tune a model”, and a report of each task beside simple methods and,
    if asked for, beside the same task trained alone. The same job on the same folder continues where it stopped.
    """

    title = "Pretrain on many tasks"
    group = "2 Pretrain"
    tags = ("pretrain", "multi-task", "meta-learning", "Reptile", "weak labels", "deep learning", "AI", "neural network")
    results = training.run_results(
        score=Result("number", "Mean score of the tasks on their validation tiles; 1 where nothing is left to gain"))

    datasets: list = files("Datasets", extension="json", main_file="dataset.json",
                           help="dataset.json of two or more dataset folders, made by “Create … dataset” from the same bands of one sensor. In a "
                                "model: the “dataset.json” of the steps that make them.")
    encoder: str = training.encoder("For series of dates “ltae” or “lstm”.")
    start: str = training.start()
    mode: str = choice("Training", {"reptile": "Reptile: several steps on one task at a time", "joint": "Joint: ordinary steps, each on one task"},
                       default="reptile", help="Reptile looks for weights from which few steps suffice, also for a new task.")
    epochs: int = integer("Epochs", default=40, minimum=1, maximum=10000,
                          help="An epoch shows as many tiles as all datasets have for training.")
    batch_size: int = integer("Batch size", default=None, minimum=1, maximum=1024,
                              help="Tiles per inner step. Lower it when memory runs out. Empty: 8; of series 256.")
    bands: str = training.bands("Every dataset must have them.")
    sampling: str = choice("Tasks are drawn", {"size": "By size: as often as a dataset has training tiles",
                                               "root": "By the root of the size: between the two", "equal": "Equal: all alike"}, default="root",
                           advanced=True, help="How often each dataset is learned from.")
    inner_steps: int = integer("Inner steps", default=4, minimum=1, maximum=100, advanced=True,
                               help="Of Reptile, on one task. With 1 it is joint training.")
    inner_rate: float = number("Inner learning rate", default=0.02, minimum=1e-7, maximum=1, advanced=True,
                               help="Of Reptile: how large an inner step is, from 0 to 1 (plain gradient descent).")
    learning_rate: float = number("Outer learning rate", default=0.001, minimum=1e-7, maximum=1, advanced=True,
                                  help="How large a step is, from 0 to 1, that AdamW takes with what the inner steps found.")
    crop: int = training.crop()
    compare_single: bool = boolean("Compare with each task alone", default=False, advanced=True,
                                   help="Trains each task alone with as many batches as all have together. The time grows by a training for "
                                        "each task.")
    class_weights: str = training.class_weights()
    augmentation: str = training.augmentation(" that have labels", automatic="full; series none")
    precision: str = training.precision("float16 only for joint training.")
    patience: int = training.patience(12, "Gain in the mean score of the tasks with labels, whose best epoch is kept. Without labels: in that of all "
                                          "tasks, and the last epoch is kept.")
    weight_decay: float = training.weight_decay()
    warmup_epochs: int = training.warmup_epochs()
    device: str = training.device()
    seed: int = training.seed()
    output: str = training.output()

    def source(self) -> list[str]:
        """The folders of the datasets."""
        return [os.path.dirname(os.path.abspath(path)) for path in self.datasets]
