"""What a comparison of starting weights asks: one training for each start, way, share of the labels and draw of these."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ....errors import DataError
from ...datasets.dataset import Dataset
from ...datasets.splitting.label_shares import training_share
from ...runs.learnable import check_classes, check_learnable
from ..finetuning.defaults import MANY_LABELS, Defaults
from ..finetuning.modes import FITTED, check_mode
from ..finetuning.recipe import Settings as Training
from ..finetuning.recipe import completed
from ..tasks import learner_of

SCRATCH = "scratch"
#: Stands where no weights start anything.
SIMPLE = "no network"
#: A regression on what random filters find, see `random_features`.
RANDOM_FEATURES = "random_features"
#: Ways to learn without a network, in the order of the table; “majority” is the most frequent class.
BASELINES = ("majority", "statistics", "boosting", RANDOM_FEATURES)
FINE_TUNE = "fine_tune"
#: Epochs of a training, after each of which it could go on; the rate rises during the first. The last is kept.
EPOCHS = 4
#: Passes over the labelled samples, and the bounds of the steps that these make.
PASSES, LEAST_STEPS, MOST_STEPS = 10, 60, 240
#: The second budget, in times of the first: a short schedule flatters pretraining.
LONGER = 4
#: Of the name of a start, in the name of a file.
LONGEST_NAME = 60


@dataclass(frozen=True)
class Options:
    """What was chosen, see the job `compare_pretraining`.

    Attributes:
        dataset: its folder.
        starts: starting weights, as they were given.
        ways: of learning from them, modes of “Fine-tune a model”.
        shares: of the training labels [%], rising.
        draws: how many seeds, each of a draw of labels, an initialisation and an order.
        seed: of the first.
        split: that is scored.
        steps: of a training; None: as many as the labels ask for.
        longer: trainings with four times the steps, too.
        rates: choose one of three rates for each start, see `rates.with_rates`.
        training: the other settings of each training.
    """

    dataset: str
    starts: tuple[str, ...]
    ways: tuple[str, ...]
    shares: tuple[float, ...]
    draws: int
    seed: int
    split: str
    steps: int | None
    longer: bool
    rates: bool
    training: Training

    @property
    def seeds(self) -> range:
        """Of the draws."""
        return range(self.seed, self.seed + self.draws)

    def fixed(self) -> dict[str, Any]:
        """What a comparison that goes on may not change, as plain values: all but what makes more cells of the same kind."""
        free = ("starts", "ways", "shares", "draws", "longer")
        training = {name: value for name, value in self.training.chosen().items() if name not in ("device", "seed", "label_share", "start", "mode")}
        # The rates were chosen by the labels of the smallest share: a smaller one would know more labels than it has.
        chosen = {"smallest_share": self.shares[0]} if self.rates else {}
        own = {name: value for name, value in asdict(self).items() if name not in (*free, "training", "dataset")}
        return {**own, **chosen, "training": training}


@dataclass(frozen=True)
class Start:
    """Weights that a network starts from.

    Attributes:
        name: in tables.
        path: of the weights; None: from scratch.
        encoder: that they are of.
        random: of a start from scratch, whether classifiers are fitted to features of weights that never learned, too; what they reach is what any
            weights give.
        factor: times which the usual rate is taken.
        sha256: of the file with the weights; None: from scratch.
    """

    name: str
    path: str | None
    encoder: str
    random: bool = False
    factor: float = 1.0
    sha256: str | None = None

    @property
    def content(self) -> str:
        """What its figures are kept by, whatever it is called: the encoder and the weights."""
        return content_of(self.encoder, self.sha256)


@dataclass(frozen=True)
class Cell:
    """One training, or one simple classifier.

    Attributes:
        start: its name, or `SIMPLE`.
        way: a mode of “Fine-tune a model”, or one of `BASELINES`.
        share: of the labels [%].
        seed: of the draw.
        budget: times the steps.
        of: `Start.content`; empty of a simple classifier.
    """

    start: str
    way: str
    share: float
    seed: int
    budget: int = 1
    of: str = ""

    @property
    def key(self) -> str:
        """A name for its file, of letters and a length that every file system takes; each cell has its own, whatever its start is called."""
        of = self.of or self.start
        plain = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in of)[:LONGEST_NAME]
        return f"{plain}_{self.way}_{hashlib.sha256(of.encode()).hexdigest()[:8]}_{self.share!r}_{self.seed}_{self.budget}"


def content_of(encoder: str, sha256: str | None) -> str:
    """See `Start.content`."""
    return f"{encoder} {sha256 or SCRATCH}"


def with_batch_size(options: Options) -> Options:
    """With the usual batch size of the task where none was asked for: the same for all, or the starts would see different numbers of samples."""
    if options.training.batch_size:
        return options
    dataset = Dataset.open(options.dataset)
    usual = learner_of(dataset).usual or (Defaults() if dataset.kind.pixelwise else MANY_LABELS)
    return replace(options, training=replace(options.training, batch_size=usual.batch_size))


def check(options: Options, dataset: Dataset) -> None:
    """Refuses what cannot be compared.

    Raises:
        DataError: nothing can be learned, a draw of the smallest share has no label of a class, a split is empty, or the task does not know a way.
    """
    for number, one in enumerate(dataset.each_target()):
        check_learnable(one)
        for seed in options.seeds:
            check_classes(one, training_share(dataset, options.shares[0], seed), further=number > 0)
    if not len(dataset.indices(options.split)):
        raise DataError(f"The dataset {dataset.folder} has no {options.split} {dataset.kind.pieces}, on which the trainings are compared. Divide it "
                        "anew with “Split dataset”, or choose the other split.")
    for way in options.ways:
        check_mode(dataset, way)


def cells_of(options: Options, starts: list[Start]) -> list[Cell]:
    """All that is computed: small shares first, and of each share the simple classifiers before the networks."""
    found = []
    for share in options.shares:
        for seed in options.seeds:
            found += [Cell(SIMPLE, way, share, seed) for way in BASELINES]
            for way in options.ways:
                for start in starts:
                    if way == FINE_TUNE or start.path or (start.random and way in FITTED):
                        found.append(Cell(start.name, way, share, seed, of=start.content))
                        if options.longer and way not in FITTED:
                            found.append(Cell(start.name, way, share, seed, LONGER, start.content))
    return found


def training_of(options: Options, dataset: Dataset, cell: Cell, start: Start) -> Training:
    """The settings of the training of a cell: the same number of steps from every start, and the last epoch, so that no other label chooses."""
    labels = len(training_share(dataset, cell.share, cell.seed))
    chosen = replace(options.training, start=start.path, encoder=start.encoder, label_share=cell.share, seed=cell.seed, mode=cell.way, keep="last",
                     spread_labels="no", approach="network")
    if cell.way in FITTED:
        return chosen
    if start.factor != 1:
        chosen = replace(chosen, learning_rate=start.factor * completed(chosen, dataset)[0].learning_rate)
    steps = cell.budget * (options.steps or steps_for(labels, chosen.batch_size))
    return replace(chosen, epochs=EPOCHS, epoch_steps=-(-steps // EPOCHS), warmup_epochs=1, patience=EPOCHS)


def steps_for(labels: int, batch_size: int) -> int:
    """Steps of a training with so many labelled samples."""
    return int(np.clip(PASSES * labels / batch_size, LEAST_STEPS, MOST_STEPS))
