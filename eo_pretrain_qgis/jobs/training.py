"""What every job that trains a network has: its run, and parameters that are declared alike."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from ..progress import Progress
from .spec import LARGEST_SEED, MOST_PIXELS, Job, Result, choice, folder_output, integer, number, text, weights
from .suggestions import DEVICES, ENCODERS, sensor_of

#: Approaches without a network; keys of `engine.classic.classifiers.CLASSIFIERS`, and what dialogs show for each.
SIMPLE = {"statistics": "Statistics: a regression on them, in seconds", "boosting": "Boosting: boosted trees on statistics"}
#: Parts of a dataset that are measured on.
VALIDATION, TEST = {"validation": "Validation tiles"}, {"test": "Test tiles"}
#: Ways to learn, modes of “Fine-tune a model”.
MODES = {
    "fine_tune": "Fine-tune: all of the network learns",
    "frozen": "Frozen: all but the encoder",
    "last_blocks": "Last blocks: of the encoder only the last stage",
    "discriminative": "Discriminative: the encoder learns slower",
    "probe": "Probe: a linear classifier on the features",
    "knn": "Nearest neighbours: as the five most alike images",
}
#: What is said while torch is loaded, during which nothing else can be said.
LOADING = "Loading PyTorch (the first time up to half a minute)"
#: Of jobs that read a run, for the handbook.
READS_RUNS = "Needs the engine of the kind “train”, except for runs that kept a regression or boosting on statistics."
#: Of jobs that run a network.
DEVICE = Result("text", "Device that the network ran on")


@dataclass(frozen=True)
class TrainingJob(Job):
    """A job whose parameters, beside `source` and output, are the settings of a method of the engine with its name."""

    engine = "train"
    continues = True

    def source(self) -> Any:
        """What is learned from: the folder of a dataset."""
        return self.values()["dataset"]

    def run(self, progress: Progress) -> dict:
        progress.at(0, LOADING)
        from ..engine.learning.methods import learn

        values = self.values()
        return learn(self.name(), self.source(), values["output"], {**values, "labels": words_of(self)}, progress)


def words_of(job: Job | type[Job]) -> dict[str, Any]:
    """Name of each parameter of a job → its ``label`` and, of a choice, the ``options``: each word with its label; for the report of a run."""
    return {name: {"label": param.label, "options": dict(zip(param.options, param.labels))} for name, param in job.parameters().items()}


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
    return text("Encoder", default=None, **ENCODERS,
                help="Such as resnet18: any encoder of segmentation-models-pytorch, or of timm with “tu-” in front. Empty: that of the starting "
                     f"weights, else resnet18. {help_more}".strip())


def start(label: str = "Starting weights", advanced: bool = False) -> Any:
    return weights(label, optional=True, advanced=advanced,
                   help="What the encoder knows at the start: the folder of another run or of an imported encoder, a file of weights, or "
                        "“catalogue:” and a name in models/catalog.json. Empty: nothing. Weights of other bands are adapted.")


def sensor(help_more: str = "") -> Any:
    return text("Sensor", default=None, advanced=True, **sensor_of("dataset"),
                help=f"Which of its sensors, where the dataset has several. Empty: the first. {help_more}".strip())


def bands(help_more: str = "") -> Any:
    return text("Bands", default=None, advanced=True,
                help=f"Names of the bands to learn from, separated by commas, such as B04,B03,B02. Empty: all. {help_more}".strip())


def epochs(default: int | None, help_more: str = "") -> Any:
    return integer("Epochs", default=default, minimum=1, maximum=10000, help=f"Passes over the training tiles. {help_more}".strip())


def batch_size(default: int | None, help_more: str = "", advanced: bool = False) -> Any:
    return integer("Batch size", default=default, minimum=1, maximum=1024, advanced=advanced,
                   help=f"Tiles per step. Lower it when memory runs out. {help_more}".strip())


def crop(minimum: int = 32) -> Any:
    return integer("Crop [px]", default=None, minimum=minimum, maximum=MOST_PIXELS, advanced=True,
                   help="Trains on random squares of this size, cut from the tiles. Empty: whole tiles.")


def class_weights() -> Any:
    return choice("Class weights", {"none": "None: all labels count alike", "balanced": "Balanced: rare classes count more"}, default="balanced",
                  advanced=True, help="Balanced weighs each class by the root of its rarity.")


def augmentation(of: str = "", automatic: str = "") -> Any:
    words = {"none": "None", "flips": "Flips and quarter turns", "full": "Full: also brightness, blur, missing bands and speckle"}
    chosen = {"auto": f"Automatic: {automatic}"} if automatic else {}
    return choice("Augmentation", {**chosen, **words}, default="auto" if automatic else "full", advanced=True,
                  help=f"How tiles are varied{of}, so that a small dataset shows more. For radar, full means an offset in dB and speckle; the "
                       "incidence angle stays.")


def precision(help_more: str = "") -> Any:
    return choice("Precision", {"auto": "Automatic: fast where the device can", "float32": "32 bit (float32)", "bfloat16": "16 bit (bfloat16)",
                                "float16": "16 bit (float16)"}, default="auto", advanced=True,
                  help="Digits that the network computes with. Automatic is bfloat16 where the device has it, else float32; on a processor float32 "
                       f"for encoders with depthwise convolutions, such as EfficientNets. {help_more}".strip())


def patience(default: int, help_more: str = "Training stops then. Gain is that of the score on the validation tiles.") -> Any:
    return integer("Early stopping after epochs without gain", default=default, minimum=1, maximum=100_000, advanced=True, help=help_more)


def weight_decay(default: float = 0.01) -> Any:
    return number("Weight decay", default=default, minimum=0, maximum=1, advanced=True,
                  help="Pulls the weights towards 0 in each step, which holds against learning by heart. 0 does not.")


def warmup_epochs(default: int = 2) -> Any:
    return integer("Warm-up epochs", default=default, minimum=0, maximum=100_000, advanced=True,
                   help="The learning rate rises from 0 during these.")


def device() -> Any:
    return text("Device", default="auto", advanced=True, **DEVICES,
                help="auto, cpu, cuda, cuda:0 or mps; a device that is named and not there is an error. “cuda:all” takes all GPUs of this computer, "
                     "“cpu:2” two processes on the processor, each with the batch size.")


def seed(of: str = "the order of the tiles and of the first weights") -> Any:
    return integer("Seed", default=1, minimum=0, maximum=LARGEST_SEED, advanced=True,
                   help=f"A number that stands for chance: {of}. With another one the result differs a little.")


def output() -> Any:
    return folder_output("Run folder", help="A new folder, or the folder of a run to continue.", main_file="run.json")
