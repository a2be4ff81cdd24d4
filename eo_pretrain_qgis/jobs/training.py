"""What every job that trains a network has: its run, and parameters that are declared alike."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from ..progress import Progress
from .spec import LARGEST_SEED, MOST_PIXELS, Job, Result, choice, folder_output, integer, number, text, weights

#: Approaches without a network; keys of `engine.classic.classifiers.CLASSIFIERS`.
SIMPLE = ("statistics", "boosting")
#: Of jobs that read a run, for the handbook.
READS_RUNS = "Needs the engine of the kind “train”, except for runs that kept a regression or boosting on statistics."
#: Of jobs that run a network.
DEVICE = Result("text", "Device that the network ran on")


@dataclass(frozen=True)
class TrainingJob(Job):
    """A job whose parameters, beside `source` and output, are the settings of a method of the engine with its name."""

    engine = "train"

    def source(self) -> Any:
        """What is learned from: the folder of a dataset."""
        return self.values()["dataset"]

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Loading torch")
        from ..engine.learning.methods import learn

        values = self.values()
        return learn(self.name(), self.source(), values["output"], values, progress)


def kept_engine(run_folder: str) -> str:
    """The environment that reads what a run kept: a network needs torch, a simple classifier does not.

    What is wrong with the folder is said by the job itself.
    """
    try:
        with open(os.path.join(run_folder, "run.json"), encoding="utf-8") as stream:
            card = json.load(stream)
    except (OSError, ValueError, RecursionError):
        return "train"
    return "predict" if isinstance(card, dict) and card.get("kept") in SIMPLE else "train"


def run_results(**figures: Result) -> dict[str, Result]:
    """What every run gives, around the figures of its own kind."""
    return {"checkpoint": Result("file", "Weights of the whole network in the epoch that is kept"),
            "encoder": Result("file", "Weights of the encoder alone"),
            "report": Result("html", "Report of the run"), **figures, "epochs_run": Result("number", "Epochs that the run has learned for"),
            "device": DEVICE}


def encoder(help_more: str = "") -> Any:
    return text("Encoder", default=None,
                help="Any encoder of segmentation-models-pytorch, or of timm with the prefix “tu-”. Empty: that of the starting weights, and "
                     f"resnet18 without such. {help_more}".strip())


def start(label: str = "Starting weights") -> Any:
    return weights(label, optional=True,
                   help="The folder of another run or its encoder.safetensors or best.safetensors, an imported encoder, “catalogue:” and a name "
                        "in models/catalog.json, or a state dict such as ImageNet's; empty starts from scratch. Weights of other bands are "
                        "adapted, and the messages say how.")


def bands(help_more: str = "") -> Any:
    return text("Bands", default=None, advanced=True,
                help=f"Names of the bands to learn from, separated by commas, such as B04,B03,B02. Empty: all. {help_more}".strip())


def batch_size(default: int | None, help_more: str = "") -> Any:
    return integer("Batch size", default=default, minimum=1, maximum=1024,
                   help=f"Tiles per step; lower it when memory runs out. {help_more}".strip())


def crop() -> Any:
    return integer("Crop [px]", default=None, minimum=32, maximum=MOST_PIXELS, advanced=True,
                   help="Train on random crops of this size; empty uses whole tiles.")


def class_weights() -> Any:
    return choice("Class weights", ("none", "balanced"), default="balanced", advanced=True,
                  help="“balanced”: rare classes count more, by the root of their rarity.")


def augmentation(of: str = "", automatic: str = "") -> Any:
    words = ("none", "flips", "full")
    return choice("Augmentation", ("auto", *words) if automatic else words, default="auto" if automatic else "full", advanced=True,
                  help=f"{of}“flips”: flips and quarter turns. “full”: also gain and offset per band, blur, a missing band, and for radar "
                       f"an offset in dB and speckle; the incidence angle stays. {automatic}".strip())


def precision(help_more: str = "") -> Any:
    return choice("Precision", ("auto", "float32", "bfloat16", "float16"), default="auto", advanced=True,
                  help="“auto”: bfloat16 where the device computes it natively, else float32; on a processor float32 for encoders with depthwise "
                       f"convolutions, such as EfficientNets. {help_more}".strip())


def patience(default: int, help_more: str = "") -> Any:
    return integer("Early stopping after epochs without gain", default=default, minimum=1, maximum=100_000, advanced=True, help=help_more)


def weight_decay(default: float = 0.01) -> Any:
    return number("Weight decay", default=default, minimum=0, maximum=1, advanced=True)


def warmup_epochs(default: int = 2) -> Any:
    return integer("Warm-up epochs", default=default, minimum=0, maximum=100_000, advanced=True)


def device() -> Any:
    return text("Device", default="auto", advanced=True,
                help="auto, cpu, cuda, cuda:0 or mps; a device named and not there is an error. “cuda:all”: all GPUs of this computer, a process "
                     "each. “cpu:2”: two processes on the processor. Each process takes the batch size.")


def seed() -> Any:
    return integer("Seed", default=1, minimum=0, maximum=LARGEST_SEED, advanced=True)


def output() -> Any:
    return folder_output("Run folder", help="A new folder, or the folder of a run to continue.")
