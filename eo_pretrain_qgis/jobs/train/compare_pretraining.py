"""Compare pretraining: dataset + starting weights → what each is worth with few and with many labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...progress import Progress
from .. import training
from ..spec import REQUIRED, Job, Result, boolean, choice, dataset_folder, folder_output, integer, number, text, weights
from .finetune import Finetune

#: Ways of learning, modes of “Fine-tune a model”.
WAYS = tuple(training.MODES)
MOST_SHARES, MOST_DRAWS, MOST_PROCESSES = 12, 50, 64


@dataclass(frozen=True)
class ComparePretraining(Job):
    """Tells what pretraining is worth for your dataset: how much better a network gets from starting weights than from scratch, with few labels and
    with many, and how many labels that saves.

    Each start is trained on several shares of the training labels, and each share several times: with other labels, another initialisation and
    another order. The same draws stand for all starts, so that differences are paired. From scratch each encoder is trained too, and beside
    the networks stand the majority class, a regression and boosted trees on statistics of the bands, and a regression on random filters, learned
    from the same labels. A network that is below these is not worth its cost, however it started.

    Every training has the same number of steps from all starts and keeps its last epoch, so that no label is used that is not counted. The tiles
    that are scored are yours to choose: validation tiles while you try things out, test tiles once at the end.

    The report has curves with intervals, the differences from scratch with the probability that chance makes them, over draws and over ground, a
    verdict in words, how far the probabilities are off before and after a temperature, and what each row costs. Tables lie beside it as CSV. What
    was computed is kept, for the weights and not for their name: the same job on the same folder goes on where it was stopped, and more starts,
    shares and draws may be added.
    """

    title = "Compare pretraining"
    group = "3 Train"
    engine = "train"
    continues = True
    tags = ("label efficiency", "transfer learning", "few labels", "self-supervised", "ImageNet", "scratch", "benchmark", "significance",
            "learning curve")
    results = {"report": Result("html", "Report of the comparison"),
               "verdict": Result("text", "A sentence for each start, and where no network is above the simple classifiers"),
               "figures": Result("number", "Figures of the comparison: a training or a simple classifier each"),
               "trainings": Result("number", "Of these, how many are trainings of a network"),
               "computed": Result("number", "Of these, how many this run computed"),
               "minutes": Result("number", "Estimated duration of what was missing, in minutes; empty where to estimate it takes as long")}

    dataset: str = dataset_folder("Training dataset", help="Made by “Create … dataset” or “Import dataset”, of any task.")
    start: str = weights("Starting weights", help="The folder of another run, or what “Fine-tune a model” takes besides. Each start is compared with "
                                                  "its own encoder from scratch.")
    second_start: str = training.start("Second starting weights")
    third_start: str = training.start("Third starting weights", advanced=True)
    fourth_start: str = training.start("Fourth starting weights", advanced=True)
    shares: str = text("Shares of the training labels [%]", default="5, 25, 100",
                       help="Separated by commas, such as 1, 2, 5, 10, 20, 50, 100. Of each class a minimum is kept; the report tells what a share "
                            "really was.")
    draws: int = integer("Draws", default=5, minimum=1, maximum=MOST_DRAWS,
                         help="How often each share is drawn anew. One or two tell nothing about chance; five are usual.")
    split: str = choice("Scored tiles", {**training.VALIDATION, **training.TEST}, default="validation",
                        help="Test tiles once, at the end: who chooses by them has none left to test with.")
    ways: str = text("Ways of learning", default="fine_tune", advanced=True,
                     help="Modes of “Fine-tune a model”, separated by commas: fine_tune, frozen, last_blocks, discriminative, probe and knn.")
    encoder: str = training.encoder()
    steps: int = integer("Steps of a training", default=None, minimum=1, maximum=1_000_000, advanced=True,
                         help="Empty: ten passes over the labelled tiles, but at least 60 steps and at most 240.")
    longer: bool = boolean("Longer trainings", default=False, advanced=True,
                           help="Each training once more with four times the steps. A short training flatters pretraining.")
    rates: bool = boolean("Choose the rates", default=False, advanced=True,
                          help="Of three rates the best for each start, by folds of the labelled tiles of the smallest share.")
    sensor: str = training.sensor()
    bands: str = training.bands()
    batch_size: int = training.batch_size(None, "Empty: 8; for images with a label each 32; for series 256, for dated tiles 4.", advanced=True)
    learning_rate: float = number("Learning rate", default=None, minimum=1e-7, maximum=1, advanced=True,
                                  help="How large a step is, from 0 to 1. Empty: what “Fine-tune a model” takes for so many labels, with and without "
                                       "starting weights.")
    processes: int = integer("Processes", default=None, minimum=1, maximum=MOST_PROCESSES, advanced=True,
                             help="Trainings at once, each with its own memory. Empty: one for each core of the processor, at most four; one on "
                                  "a GPU.")
    dry_run: bool = boolean("Only tell what would be done", default=False, advanced=True,
                            help="Tries a few steps of each kind, tells how long all would take, and stops.")
    device: str = training.device()
    seed: int = training.seed("which labels are drawn, and the order")
    output: str = folder_output("Folder of the comparison", help="A new folder, or that of a comparison to continue.", main_file="comparison.json")

    def check(self) -> None:
        self._shares()
        self._ways()

    def _shares(self) -> tuple[float, ...]:
        """Rising, without repeats."""
        words = [word.strip() for word in self.shares.replace(";", ",").split(",") if word.strip()]
        found = set()
        for word in words:
            try:
                share = float(word.rstrip("% "))
            except ValueError:
                raise JobError(f"“Shares of the training labels” (shares) holds “{word[:40]}”, which is no number. Give numbers such as 5, 25, 100."
                               ) from None
            if not 0.01 <= share <= 100:
                raise JobError(f"“Shares of the training labels” (shares) holds {word[:40]}, but a share is from 0.01 to 100 percent.")
            found.add(share)
        if not 1 <= len(found) <= MOST_SHARES:
            raise JobError(f"“Shares of the training labels” (shares) names {len(found)} shares. Give 1 to {MOST_SHARES}, such as 5, 25, 100.")
        return tuple(sorted(found))

    def _ways(self) -> tuple[str, ...]:
        words = tuple(dict.fromkeys(word.strip() for word in self.ways.split(",") if word.strip()))
        unknown = [word for word in words if word not in WAYS]
        if unknown or not words:
            raise JobError(f"“Ways of learning” (ways) names “{unknown[0][:40] if unknown else ''}”, which is none of {', '.join(WAYS)}.")
        # What is held against scratch needs it.
        return ("fine_tune", *(word for word in words if word != "fine_tune"))

    def run(self, progress: Progress) -> dict[str, Any]:
        progress.at(0, training.LOADING)
        from ...engine.learning.comparison.asking import Options
        from ...engine.learning.comparison.page import compare
        from ...engine.learning.finetuning.recipe import Settings

        usual = {name: None if param.default is REQUIRED else param.default for name, param in Finetune.parameters().items()}
        own = {name: getattr(self, name) for name in ("encoder", "sensor", "bands", "batch_size", "learning_rate", "device")}
        values = {**usual, **own}
        starts = tuple(start for start in (self.start, self.second_start, self.third_start, self.fourth_start) if start)
        options = Options(self.dataset, starts, self._ways(), self._shares(), self.draws, self.seed, self.split, self.steps, self.longer, self.rates,
                          Settings(**{name: values[name] for name in Settings.__dataclass_fields__ if name in values}))
        return {"output": self.output, **compare(self.output, options, self.processes, self.dry_run, progress)}
