"""Pretrain on many tasks: datasets of one sensor → run folder with an encoder that knows all of them."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..report import Report
from .spec import Job, boolean, choice, files, folder_output, integer, number, text, weights


@dataclass(frozen=True)
class PretrainMultitask(Job):
    """Trains one network for several datasets at once, so that what is learned for one task serves the others, and later a new one.

    The tasks follow from the datasets: classes for pixels where there are labels (roads, land cover, anything), hidden regions to
    fill where there are none. They share the encoder and the decoder; each has a last layer of its own. The datasets must have the same
    bands of the same sensor; the order may differ.

    With Reptile each step takes some steps of plain gradient descent on one task and then moves the shared weights the way these led. It
    looks for weights from which few steps suffice, also for a task that was not among them. With one inner step it is joint training.

    The run folder keeps encoder, decoder and all last layers for “Fine-tune a model”, and a report of each task beside simple methods and,
    if asked for, beside the same task trained alone. The same job on the same folder continues where it stopped.
    """

    title = "Pretrain on many tasks"
    group = "2 Pretrain"
    tags = ("pretrain", "multi-task", "meta-learning", "Reptile", "weak labels", "deep learning")
    engine = "train"
    results = {"checkpoint": "file", "encoder": "file", "report": "html", "score": "number", "epochs_run": "number", "device": "text"}

    datasets: list = files("Datasets", extension="json",
                           help="dataset.json of two or more dataset folders, made by “Create … dataset” from the same bands of one sensor.")
    encoder: str = text("Encoder", default="resnet18", help="Any encoder of segmentation-models-pytorch, or of timm with the prefix “tu-”.")
    start: str = weights("Starting weights", optional=True, help="Weights or the run folder of another run; empty starts from scratch.")
    mode: str = choice("Training", ("reptile", "joint"), default="reptile",
                       help="“reptile”: several inner steps on one task for each outer step. “joint”: ordinary steps, each on one task.")
    inner_steps: int = integer("Inner steps", default=4, minimum=1, maximum=100, help="Of Reptile, on one task. With 1 it is joint training.")
    inner_rate: float = number("Inner learning rate", default=0.02, minimum=1e-7, maximum=1, help="Of the plain gradient descent inside.")
    learning_rate: float = number("Outer learning rate", default=0.001, minimum=1e-7, maximum=1,
                                  help="Of the optimizer (AdamW) that the way of the inner steps is given to as a gradient.")
    sampling: str = choice("Tasks are drawn", ("size", "root", "equal"), default="root",
                           help="“size”: as often as a dataset has training tiles. “equal”: all alike. “root”: by the root of the number, "
                                "between the two.")
    epochs: int = integer("Epochs", default=40, minimum=1, maximum=10000,
                          help="An epoch shows as many tiles as all datasets have for training, drawn as said above.")
    batch_size: int = integer("Batch size", default=8, minimum=1, maximum=1024, help="Tiles per inner step; lower it when memory runs out.")
    crop: int = integer("Crop [px]", default=None, minimum=32, advanced=True,
                        help="Train on random crops of this size; empty uses whole tiles.")
    compare_single: bool = boolean("Compare with each task alone", default=False, advanced=True,
                                   help="Trains each task alone with as many batches as all have together. The time grows by a training for "
                                        "each task.")
    class_weights: str = choice("Class weights", ("none", "balanced"), default="balanced",
                                help="“balanced”: rare classes count more, by the root of their rarity.", advanced=True)
    augmentation: str = choice("Augmentation", ("none", "flips", "full"), default="full", advanced=True,
                               help="Of labelled tiles. “flips”: flips and quarter turns. “full”: also gain and offset per band, blur, a "
                                    "missing band, and speckle for radar.")
    precision: str = choice("Precision", ("auto", "float32", "bfloat16", "float16"), default="auto", advanced=True,
                            help="“auto”: bfloat16 where the device computes it natively, else float32. float16 only for joint training.")
    patience: int = integer("Early stopping after epochs without gain", default=12, minimum=1, advanced=True)
    weight_decay: float = number("Weight decay", default=0.01, minimum=0, maximum=1, advanced=True)
    warmup_epochs: int = integer("Warm-up epochs", default=2, minimum=0, advanced=True)
    device: str = text("Device", default="auto", advanced=True,
                       help="auto, cpu, cuda, cuda:0 or mps; a device named and not there is an error.")
    seed: int = integer("Seed", default=1, minimum=0, advanced=True)
    output: str = folder_output("Run folder", help="A new folder, or the folder of a run to continue.")

    def run(self, report: Report) -> dict:
        report.progress(0, "Loading torch")
        from ..engine.learning.multitask.recipe import Settings, pretrain_multitask

        values = self.values()
        datasets, output = values.pop("datasets"), values.pop("output")
        return pretrain_multitask([os.path.dirname(os.path.abspath(path)) for path in datasets], output, Settings(**values), report)
