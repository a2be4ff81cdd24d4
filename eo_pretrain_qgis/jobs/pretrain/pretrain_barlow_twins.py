"""Pretrain with Barlow Twins: tiles or series of one sensor or of a pair, without their labels → run folder with an encoder for each."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import JobError
from .. import training
from ..spec import Result, choice, dataset_folder, integer, number, text
from ..suggestions import sensor_of


@dataclass(frozen=True)
class PretrainBarlowTwins(training.TrainingJob):
    """Trains an encoder on tiles without labels: two views of a place shall give the same features, and no feature repeats another.

    Views are parts of a tile in any of its eight orientations, with other illumination, calibration, haze and focus for optical images, and
    with speckle, gain and a slope as of the incidence angle for radar; bands with known units are never mixed.

    Of a dataset with two paired sensors one can be a view of the other. Then an encoder for each sensor comes out, for maps from both.

    Of series of dates, as “Create crop dataset” makes them, a view is what some of the clear dates show, drawn at random; nothing else differs.
    The training series of the dataset are learned from, and their labels are not looked at.

    The loss compares dimensions over a batch. A batch of 128 tiles and more is usual, and adding up the gradients of small batches is not
    the same as a large one. Let several processes share a batch instead (device “cuda:all”).

    The run folder keeps encoder.safetensors, from which “Fine-tune a model” starts, the curves and a report; the same job on the same folder
    continues where it stopped. Method: Zbontar et al. 2021, arXiv 2103.03230; of series, Feng et al. 2025 (TESSERA), arXiv 2506.20380.
    """

    title = "Pretrain with Barlow Twins"
    group = "2 Pretrain"
    tags = ("self-supervised", "unlabelled", "Barlow Twins", "encoder", "foundation", "fusion", "time series", "crops", "Sentinel-1",
            "Sentinel-2", "AI", "neural network", "deep learning")
    results = training.run_results(
        validation_loss=Result("number", "Loss on tiles held out from the training; lower is better"),
        feature_rank=Result("number", "Effective rank of the features: how many directions tell tiles apart; near 1 they have collapsed"),
        probe_accuracy=Result("number", "Accuracy of a linear classifier on the frozen features, 0 to 1; where the tiles have classes"))

    dataset: str = dataset_folder("Dataset",
                                  help="Made by “Create pretraining dataset”, or series of “Create crop dataset”. Labels are not looked at.")
    sensors: str = choice("Learn from", {"one": "One sensor", "pair": "A pair of sensors, with an encoder for each"}, default="one",
                          help="A pair needs a dataset in which two sensors see the same tiles.")
    encoder: str = training.encoder("For series of dates “ltae”, “lstm”, “presto” or “galileo”.")
    start: str = training.start()
    probe: str = dataset_folder("Labelled dataset to probe with", optional=True,
                        help="A small dataset with a class per image and the same bands. Every few epochs a linear classifier on the features says "
                             "what the encoder knows, and decides which epoch is kept. The encoder learns nothing from it.")
    epochs: int = training.epochs(100, "A night on a GPU does 1000 of small tiles.")
    batch_size: int = integer("Batch size", default=256, minimum=1, maximum=65536,
                              help="Tiles per step and process. Small batches make a poor loss.")
    crop: int = integer("Size of a view [px]", default=None, minimum=8, maximum=4096,
                        help="What the network sees at once. Empty: the tile's size. Half of it takes a quarter of the time. Not for series.")
    sensor: str = text("Sensor", default=None, advanced=True, **sensor_of("dataset"),
                       help="Its name, where the dataset has several and one is learned from.")
    bands: str = training.bands("Of a pair name some of each sensor.")
    learning_rate: float = number("Learning rate", default=None, minimum=1e-7, maximum=100, advanced=True,
                                  help="How large a step is. Empty: 0.001, and 0.2 for LARS with batches of 256.")
    smallest: float = number("Least share of a tile in a view", default=None, minimum=0.01, maximum=1, advanced=True,
                             help="Of its area, or of the clear dates of series, from 0 to 1. Empty: 0.25, which is half the side, or of smaller "
                                  "views so much that pixels about keep their size.")
    largest: float = number("Largest share of a tile in a view", default=None, minimum=0.01, maximum=1, advanced=True,
                            help="From 0 to 1. Empty: all of it, or of smaller views so much that pixels about keep their size; of series 0.75 of "
                                 "the dates.")
    gain: float = number("Gain of all bands", default=0.06, minimum=0, maximum=1, advanced=True,
                         help="Standard deviation of the factor (about 1) that all bands of a view share, and of the contrast of optical images.")
    band_gain: float = number("Gain of each band", default=0.04, minimum=0, maximum=1, advanced=True,
                              help="Standard deviation of the factor (about 1) that each band of a view has besides.")
    offset: float = number("Offset of optical bands", default=0.04, minimum=0, maximum=2, advanced=True,
                           help="Haze and single bands [standard deviations of the band].")
    blur: float = number("Share of blurred views", default=0.2, minimum=0, maximum=1, advanced=True, help="From 0 to 1.")
    band_drop: float = number("Share of views without some bands", default=0.05, minimum=0, maximum=1, advanced=True,
                              help="From 0 to 1. Up to a third of three and more bands is missing in them. In pictures of unknown units, such as "
                                   "JPEGs, one mixture takes the place of all bands instead.")
    looks: float = number("Looks of added speckle", default=10.0, minimum=1, maximum=10000, advanced=True,
                           help="Radar only. 1 is the roughest, more are smoother.")
    trend: float = number("Slope across radar views [dB]", default=1.0, minimum=0, maximum=20, advanced=True,
                          help="Standard deviation of the fall of backscatter from edge to edge of a view, as between near and far range.")
    projector_width: int = integer("Width of the projector", default=2048, minimum=8, maximum=16384, advanced=True,
                                   help="Of each of its three layers; the paper has 8192 for a million pictures.")
    redundancy_weight: float = number("Weight of redundancy (λ)", default=0.005, minimum=0, maximum=1, advanced=True,
                                      help="How much it counts that no feature repeats another, beside 1 for the agreement of two views.")
    neighbours: int = integer("Neighbours to learn from", default=0, minimum=0, maximum=1000, advanced=True,
                              help="For a second run that starts from a first: a second view may also be of one of so many tiles with the most "
                                   "similar features. 0: both views are of one tile. The time for it grows with the square of the number of tiles.")
    shared: float = number("Share of dimensions two sensors share", default=0.875, minimum=0.01, maximum=1, advanced=True,
                           help="Of a pair, from 0 to 1. The other dimensions are for what one sensor alone sees.")
    optimizer: str = choice("Optimizer", {"adam": "Adam", "adamw": "AdamW", "lars": "LARS, for batches of 1024 and more"}, default="adam",
                            advanced=True, help="How steps are taken. LARS is that of the paper.")
    weight_decay: float = training.weight_decay(1e-6)
    warmup_epochs: int = training.warmup_epochs(10)
    probe_share: float = number("Share of the probe's labels [%]", default=100.0, minimum=0.01, maximum=100, advanced=True,
                                help="How many of the labels of the dataset to probe with are used.")
    probe_every: int = integer("Probe every [epochs]", default=5, minimum=1, maximum=100_000, advanced=True,
                               help="How often the labelled dataset says what the encoder knows.")
    precision: str = training.precision()
    device: str = training.device()
    seed: int = training.seed()
    output: str = training.output()

    def check(self) -> None:
        if self.sensors == "pair" and self.sensor:
            raise JobError(f"A pair of sensors is to be learned from, but the sensor “{self.sensor}” is named. Leave it empty, or choose “one”.")
