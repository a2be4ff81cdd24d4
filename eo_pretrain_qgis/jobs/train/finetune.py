"""Fine-tune: labelled dataset (+ starting weights) → run folder with the best model."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from ...errors import JobError
from ...progress import Progress
from .. import training
from ..spec import REQUIRED, Result, boolean, choice, dataset_folder, integer, number

#: Parameters that mean something for every approach.
FOR_ALL = ("dataset", "approach", "sensor", "bands", "incidence_angle", "fusion", "label_share", "device", "seed", "output")
#: Devices that every approach runs on.
PROCESSOR = ("auto", "cpu")
#: How two sensors are joined: none, as simple classifiers can, and by networks of several encoders.
STACKED = {"none": "None: one sensor", "early": "Early: the bands of both, as if of one sensor"}
BRANCHED = {
    "feature": "Feature: an encoder for each, joined at the end",
    "all_levels": "All levels: an encoder for each, joined at every level",
    "gated": "Gated: weighs both, and maps where one is missing",
    "mean_of_heads": "Mean of heads: a network each; maps where one is missing",
}
FUSIONS = {**STACKED, **BRANCHED}
LOSSES = {
    "cross_entropy": "Cross entropy: for labels one can trust",
    "focal": "Focal: looks at what is not known yet",
    "dice": "Dice: counts each class alike",
    "lovasz": "Lovász: for the mean IoU, counts each class alike",
    "tversky": "Tversky: a miss costs more than a false alarm",
    "generalised_cross_entropy": "Generalised cross entropy: forgives wrong labels",
    "symmetric_cross_entropy": "Symmetric cross entropy: forgives wrong labels",
    "soft_labels": "Soft labels: the shares of the classes in a pixel",
    "purity_smoothing": "Purity smoothing: trusts pure pixels more",
}


@dataclass(frozen=True)
class Finetune(training.TrainingJob):
    """Trains a model on a labelled dataset, from scratch or from pretrained weights.

    A regression and boosted trees on statistics of the bands are tried first, in seconds; then a network that starts at the regression. What is
    best on the validation tiles is kept, and the report shows them beside each other; of series, whose validation parcels are few, the
    simplest is kept that none is ahead of by more than its standard error. A run that is stopped has the best so far.

    The dataset says what is learned: a class per pixel (a U-Net), one class or several per image or patch (an encoder with a linear
    layer), one class per series of dates (L-TAE, an LSTM, Presto or Galileo), or one per pixel of dated tiles (U-TAE). A dataset of several
    targets makes one network of them all, whose best epoch has the best mean of their scores; simple classifiers learn the main one. The run folder
    keeps the best model, the encoder for other runs, the curves and a report; the same job on the same folder continues where it stopped.

    Training on weak labels (roads of OpenStreetMap, a coarse land-cover map) is pretraining too: give the run as starting weights of
    the next, which takes over encoder and decoder and learns its own classes. Labels that are often wrong ask for a robust loss.

    What is left empty follows from the task, the starting weights and the number of labelled training tiles; the messages and the report
    say what was chosen. With some hundred labelled images and starting weights these are few steps of 32 images, flips, a small rate and a
    running average. With fewer, among many images without a label, the labels are spread to these, if the starting weights see well what
    is alike.
    """

    title = "Fine-tune a model"
    engine_words = ("Needs the engine of the kind “train”. With the smaller one, “statistics” and “boosting” do all, and “auto” chooses between "
                    "these two.")
    group = "3 Train"
    tags = ("train", "deep learning", "segmentation", "crop types", "time series", "LSTM", "scene classification", "U-Net", "transfer learning",
            "weak labels", "training", "train model", "classify", "semantic segmentation", "AI", "neural network", "machine learning",
            "classification")
    results = training.run_results(
        kept=Result("text", "Approach that is kept: statistics, boosting, or network, which “features” is, too"),
        validation_iou=Result("number", "Mean intersection over union (IoU) of the classes on the validation tiles, 0 to 1; of a class per pixel"),
        validation_accuracy=Result("number", "Share of the validation tiles with the right class, 0 to 1; of a class per tile"),
        validation_average_precision=Result("number", "Mean average precision on the validation tiles, 0 to 1; of several classes per tile"),
        real_label_share=Result("number", "Share of the labelled training tiles that was learned from [%]"))

    dataset: str = dataset_folder("Training dataset", help="The folder of a dataset with labels, made by “Create … dataset” or “Import dataset”.")
    approach: str = choice("Approach", {"auto": "Automatic: the best of statistics, boosting and network", **training.SIMPLE,
                                        "network": "Network: starts at the regression",
                                        "features": "Features: a regression on what starting weights see"}, default="auto",
                           help="Automatic keeps what is best on the validation tiles; with fewer than 4 of these the network. Boosting is often "
                                "the best with few labels, and slower to map with.")
    start: str = training.start()
    encoder: str = training.encoder("For series of dates “ltae”, “lstm”, “presto” or “galileo”; for dated tiles “utae”.")
    epochs: int = training.epochs(None, "Empty: 40; for images with a label each and starting weights 10; for series and dated tiles 30.")
    batch_size: int = training.batch_size(None, "Empty: 8; for images with a label each and starting weights 32; for series 256, for dated tiles 4.")
    learning_rate: float = number("Learning rate", default=None, minimum=1e-7, maximum=1,
                                  help="How large a step is. Empty: chosen by the task, the number of labels and the starting weights, between "
                                       "0.00005 and 0.003; the messages say what.")
    sensor: str = training.sensor("With “Fusion” two names, separated by a comma.")
    bands: str = training.bands("A map made with the model needs these bands only.")
    incidence_angle: str = choice("Incidence angle", {"band": "Band: seen like the other bands", "none": "None: left out, and not needed by a map",
                                                      "slope": "Slope: backscatter is brought to one angle",
                                                      "gaussian": "Gaussian: how likely each class is at this angle"}, default="band", advanced=True,
                                  help="Of radar images with a band of the angle in degrees. Slope takes the fall per degree [dB] that is found "
                                       "within the classes. Gaussian (Lohse and others 2020) is for one class for each patch or image, from scratch.")
    fusion: str = choice("Fusion", FUSIONS, default="none", advanced=True,
                         help="How a model sees two sensors, such as Sentinel-2 and Sentinel-1, of a dataset that has both. All but gated and mean "
                              "of heads need both sensors in every map. Simple approaches know none and early alone.")
    second_start: str = training.start("Starting weights of the second sensor", advanced=True)
    crop: int = training.crop()
    context: int = integer("Context [px]", default=None, minimum=0, maximum=256, advanced=True,
                           help="How many pixels around each tile the network sees, because a map sees them too; their labels are not used. Empty: "
                                "16 for a class per pixel and tiles below 128 px that say where they lie, else 0. More takes time and memory.")
    loss: str = choice("Loss", LOSSES, default="cross_entropy", advanced=True,
                       help="How mistakes are counted. Dice, Lovász and Tversky are for classes of pixels. Soft labels and purity smoothing need a "
                            "dataset created with soft labels.")
    label_share: float = number("Share of the training labels [%]", default=100, minimum=0.01, maximum=100, advanced=True,
                                help="Shows what fewer labels would give. Drawn with the seed in each class; 1 % is part of 5 %. Of each class 100 "
                                     "pixels are kept, or one tile of labels of whole tiles; the real share is told.")
    spread_labels: str = choice("Spread the labels", {"auto": "Automatic: where very few tiles have a label", "yes": "Yes", "no": "No"},
                                default="auto", advanced=True,
                                help="Training tiles without a label learn from a guess: the labels of tiles that look alike to the starting "
                                     "weights. For tiles with one class each. It helps with some ten labels for each class; with more it does harm.")
    early_season: bool = boolean("Learn for early answers", default=False, advanced=True,
                                 help="For series of dates: in each step all dates after a random day are hidden, so that one model answers on every "
                                      "day of the season. “Evaluate model” shows how good it is by the day.")
    epoch_steps: int = integer("Steps per epoch", default=None, minimum=1, maximum=100000, advanced=True,
                               help="Empty: one pass over the training tiles; for up to 4000 images with a label each and starting weights 15 to 20. "
                                    "With few tiles, more steps make an epoch worth its validation.")
    average: float = number("Averaging of the weights", default=None, minimum=0, maximum=0.9999, advanced=True,
                            help="A running average of the weights is measured and kept; this is how much of it stays in each step, and 0 makes "
                                 "none. Empty: 0.98 for classes of pixels, 0.99 for images with a label each and starting weights, else 0.")
    keep: str = choice("Weights that are kept", {"auto": "Automatic: best; last with fewer than 10 validation tiles",
                                                 "best": "Best epoch on the validation tiles",
                                                 "last": "Last epoch, so that validation tiles decide nothing"}, default="auto", advanced=True,
                       help="Of which epoch the model is. Of the last one only that epoch is measured.")
    class_weights: str = training.class_weights()
    augmentation: str = training.augmentation(automatic="flips; radar scenes full; series none")
    precision: str = training.precision()
    patience: int = training.patience(12)
    weight_decay: float = training.weight_decay()
    warmup_epochs: int = training.warmup_epochs()
    mode: str = choice("Mode", training.MODES, default="fine_tune", advanced=True,
                       help="What learns. All but the first need starting weights. Probe and nearest neighbours take no steps; these last are not "
                            "for classes of pixels.")
    device: str = training.device()
    seed: int = training.seed()
    output: str = training.output()

    def engines(self) -> tuple[str, ...]:
        """See `Job.engines`."""
        if self.approach in training.SIMPLE:
            return ("predict",)
        return ("train", "predict") if self.approach == "auto" and not self._of_networks() and self.fusion in STACKED else ("train",)

    def _of_networks(self) -> list[str]:
        """Parameters of networks alone that are not left as they are."""
        return [name for name, param in self.parameters().items()
                if (self.device not in PROCESSOR if name == "device" else name not in FOR_ALL)
                and getattr(self, name) != (None if param.default is REQUIRED else param.default)]

    def run(self, progress: Progress) -> dict:
        if self.approach not in training.SIMPLE and ("predict" not in self.engines() or importlib.util.find_spec("torch")):
            return super().run(progress)
        from ...engine.runs.simple import Settings, train_simple

        return train_simple(self.dataset, self.output, Settings(
            self.approach, self.sensor, self.bands, self.label_share, self.seed, self.incidence_angle, self.fusion,
            training.words_of(self)), progress)

    def check(self) -> None:
        if self.approach in training.SIMPLE and self._of_networks():
            name = self._of_networks()[0]
            if name == "device":
                raise JobError(f"The device “{self.device}” is for networks; the approach “{self.approach}” runs on the processor. Leave “Device” at "
                               "“auto”, or choose the approach “network”.")
            raise JobError(f"“{self.parameters()[name].label}” ({name}) is for networks, and the approach “{self.approach}” has none. Leave it as "
                           "it is, or choose the approach “network”.")
        self._check_fusion()
        if self.incidence_angle == "gaussian" and (self.start or self.approach in training.SIMPLE):
            what = "starting weights" if self.start else f"the approach “{self.approach}”"
            raise JobError(f"“Incidence angle” (incidence_angle) is gaussian, which gives the network a channel for each class, and {what} cannot "
                           "use them. Choose “band”, “none” or “slope”, or leave the other as it is.")
        if self.approach == "features" and self.mode not in ("fine_tune", "probe"):
            raise JobError(f"The approach “features” is a regression on what a frozen encoder sees, and the mode “{self.mode}” was asked for. Leave "
                           "“Mode” as it is, or choose the approach “network”.")
        if self.approach == "features" and not self.start:
            raise JobError("The approach “features” learns from what starting weights see, and there are none. Give starting weights, or choose the "
                           "approach “statistics”.")
        if self.mode != "fine_tune" and not (self.start or self.second_start):
            raise JobError(f"The mode “{self.mode}” keeps what starting weights know, and there are none. Give starting weights, or choose the mode "
                           "“fine_tune”.")
        idle = [name for name in ("epochs", "epoch_steps", "learning_rate") if getattr(self, name) is not None]
        if (self.mode in ("probe", "knn") or self.approach == "features") and (idle or self.spread_labels == "yes"):
            what = self.parameters()[idle[0] if idle else "spread_labels"].label
            asked = "approach “features”" if self.approach == "features" else f"mode “{self.mode}”"
            raise JobError(f"The {asked} takes no steps, and “{what}” was set. Leave it as it is, or choose another one.")

    def _check_fusion(self) -> None:
        """Refuses what does not go with one sensor, or with two.

        Raises:
            JobError: naming both.
        """
        if self.second_start and self.fusion not in BRANCHED:
            why = "sees one sensor" if self.fusion == "none" else "has one encoder for both sensors"
            raise JobError(f"“Starting weights of the second sensor” (second_start) was given, and with the fusion “{self.fusion}” the network {why}."
                           f" Leave it empty, or choose a fusion with two encoders: {', '.join(BRANCHED)}.")
        if self.fusion == "none":
            return
        if self.approach in training.SIMPLE and self.fusion not in STACKED:
            raise JobError(f"The approach “{self.approach}” sees the bands of both sensors together, and the fusion “{self.fusion}” was asked for. "
                           "Choose the fusion “early”, or the approach “network”.")
        if self.mode in ("probe", "knn") or self.approach == "features":
            asked = "approach “features”" if self.approach == "features" else f"mode “{self.mode}”"
            raise JobError(f"The {asked} is for one encoder of one sensor, and the fusion “{self.fusion}” joins two. Choose the mode “frozen”, or "
                           "the fusion “none”.")
        if self.incidence_angle == "gaussian":
            raise JobError(f"“Incidence angle” (incidence_angle) is gaussian, which is for one sensor, and the fusion “{self.fusion}” joins two. "
                           "Choose “band”, “none” or “slope”.")
        if self.spread_labels == "yes":
            raise JobError(f"“Spread the labels” (spread_labels) asks what one encoder finds alike, and the fusion “{self.fusion}” joins two "
                           "sensors. Choose “no”.")
