"""Pretrain by translation: unlabelled dataset of two sensors → generators between them, and their encoders."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import JobError
from .. import training
from ..spec import Result, choice, dataset_folder, integer, number

RANGE = {"minimum": 0, "maximum": 1000}


@dataclass(frozen=True)
class PretrainTranslation(training.TrainingJob):
    """Learns to make images of one sensor from images of another, such as Sentinel-2 from Sentinel-1 and back, without labels.

    The dataset comes from “Create pretraining dataset” with images of a second sensor. Where tiles are paired, both sensors over the same
    place at nearly the same time, the networks learn from the truth (pix2pix); where they are not, each image must come back from a way
    there and back, and a discriminator must take what lies in between for real (CycleGAN). Paired tiles are better wherever they exist.

    What comes out serves twice. “Export model” writes each direction as a map model, with which “Predict map” makes an image of the other
    sensor; it is synthetic, is marked so in its name, its tags and its style, and is no measurement. And with the generator “unet” each
    encoder is an ordinary one that “Fine-tune a model” and every other pretraining start from: encoder_<sensor>.safetensors of the sensor
    it sees, and best.safetensors with its decoder. The generator “residual”, that of CycleGAN, gives map models only.

    The report shows held-out tiles and the errors beside those of a linear regression per pixel. The same job on the same folder
    continues where it stopped.
    """

    title = "Pretrain by translation"
    group = "2 Pretrain"
    tags = ("CycleGAN", "pix2pix", "self-supervised", "unlabelled", "Sentinel-1", "Sentinel-2", "SAR to optical", "generative", "synthetic",
            "AI", "neural network", "deep learning")
    results = training.run_results(
        second_encoder=Result("file", "Weights of the encoder of the second sensor"),
        validation_error=Result("number", "Mean error of both directions on the validation tiles, in scaled units; lower is better"))

    dataset: str = dataset_folder("Pretraining dataset", help="Tiles of two sensors, made by “Create pretraining dataset”.")
    mode: str = choice("Mode", {"paired": "Paired: tiles that hold both sensors", "unpaired": "Unpaired: tiles of each, of any places and dates"},
                       default="paired", help="What the networks learn from. Paired tiles are better wherever they exist.")
    generator: str = choice("Generator", {"unet": "U-Net: its encoders start other runs", "residual": "Residual: the network of CycleGAN"},
                            default="unet",
                            help="The network that makes the images. The residual one has 6 blocks for tiles below 256 px and 9 from there on; it is "
                                 "slower, and its maps may show faint seams.")
    encoder: str = training.encoder("Only the generator “unet” has encoders.")
    start: str = training.start("Starting weights for the first sensor")
    second_start: str = training.start("Starting weights for the second sensor")
    epochs: int = training.epochs(60, "The learning rate is constant in the first half and falls to 0 in the second.")
    batch_size: int = integer("Batch size", default=4, minimum=1, maximum=1024,
                              help="Tiles of each sensor per step. Lower it when memory runs out; the U-Net needs at least 2.")
    bands: str = training.bands("Name some of each sensor.")
    crop: int = training.crop()
    learning_rate: float = number("Learning rate", default=0.0002, minimum=1e-7, maximum=1, advanced=True, help="How large a step is, from 0 to 1.")
    adversarial_weight: float = number("Weight of the discriminators", default=1, advanced=True, **RANGE,
                                       help="0 learns from pairs alone: smoother images with smaller errors.")
    paired_weight: float = number("Weight of the paired error", default=100, advanced=True, **RANGE,
                                  help="Where tiles are paired: of the mean absolute error, beside 1 for the discriminators.")
    cycle_weight: float = number("Weight of the way there and back", default=10, advanced=True, **RANGE,
                                 help="Where tiles are unpaired: an image made into the other sensor and back must be itself again. "
                                      "Beside 1 for the discriminators.")
    identity_weight: float = number("Weight of the identity", default=0.5, advanced=True, **RANGE,
                                    help="An image of the wanted sensor must stay as it is; 0 leaves this out. Times the weight of the way there and "
                                         "back; only where both sensors have the same bands.")
    history: int = integer("Images in the history", default=50, minimum=0, maximum=1000, advanced=True,
                           help="Where tiles are unpaired: made images that the discriminators are shown again.")
    generator_width: int = integer("Width of the residual generator", default=64, minimum=4, maximum=512, advanced=True,
                                   help="Channels at full resolution.")
    discriminator_width: int = integer("Width of the discriminators", default=64, minimum=4, maximum=512, advanced=True,
                                       help="Channels of their first layer.")
    augmentation: str = choice("Augmentation", {"none": "None", "flips": "Flips and quarter turns"}, default="flips", advanced=True,
                               help="How tiles are varied; the same for both tiles of a pair.")
    precision: str = training.precision()
    device: str = training.device()
    seed: int = training.seed()
    output: str = training.output()

    def check(self) -> None:
        if self.generator == "unet" and self.batch_size < 2:
            raise JobError("A batch of one tile leaves the batch normalisation of the U-Net nothing to compare. Choose a batch size of at "
                           "least 2, or the generator “residual”.")
        if self.generator == "residual" and (self.start or self.second_start):
            raise JobError("The residual generator has no encoder that starting weights fit. Choose the generator “unet”, or leave them empty.")
        if self.mode == "unpaired" and not (self.adversarial_weight and self.cycle_weight):
            raise JobError("Without pairs nothing is learned unless the discriminators and the way there and back both count. Give both a "
                           "weight above 0, or choose the mode “paired”.")
        if self.mode == "paired" and not self.paired_weight:
            raise JobError("The paired error has the weight 0, so the pairs would not be used. Give it a weight above 0, or choose the mode "
                           "“unpaired”.")
