"""Pretrain by inpainting: dataset with or without labels → run folder with an encoder and a decoder that know the imagery."""

from __future__ import annotations

from dataclasses import dataclass

from .. import training
from ..spec import MOST_PIXELS, Result, dataset_folder, integer, number


@dataclass(frozen=True)
class PretrainInpainting(training.TrainingJob):
    """Teaches a network imagery without labels: parts of each tile are hidden from it, and it learns to fill them.

    To fill a field, a road or a shore one has to know how they go on, in every band. What was learned so, the encoder and the decoder of
    a U-Net, starts “Fine-tune a model”: give it this run as starting weights. Labels are not needed and not looked at. The report shows
    fills of held-out places beside the truth, and what fills without a network reach: the mean, and the smoothest continuation.

    Pixels without a measurement are neither hidden nor counted, nor are clouds where the dataset knows their places.
    """

    title = "Pretrain by inpainting"
    group = "2 Pretrain"
    tags = ("self-supervised", "unlabelled", "inpainting", "U-Net", "context encoder", "adversarial", "GAN", "deep learning", "AI",
            "neural network")
    results = training.run_results(
        psnr=Result("number", "Peak signal-to-noise ratio (PSNR) of the fills on the validation tiles, in dB; higher is better"),
        ssim=Result("number", "Structural similarity (SSIM) of the fills on the validation tiles, up to 1; higher is better"),
        mean_psnr=Result("number", "PSNR of filling with the mean, in dB: the least to beat"),
        biharmonic_psnr=Result("number", "PSNR of the smoothest fill, on some of the tiles, in dB: what smoothness alone gives"))

    dataset: str = dataset_folder("Dataset", help="Made by any “Create … dataset”; labels are not used. Hundreds of tiles are worth it.")
    encoder: str = training.encoder("Take the one you will fine-tune.")
    start: str = training.start()
    epochs: int = training.epochs(100, "Fills are better than smooth ones only after hundreds of steps.")
    batch_size: int = training.batch_size(16)
    hidden_share: float = number("Hidden share of a tile", default=0.3, minimum=0.01, maximum=0.9,
                                 help="Of the pixels that were measured, from 0 to 1. More is harder; 0.2 to 0.6 is usual.")
    block_size: int = integer("Largest block [px]", default=None, minimum=4, maximum=MOST_PIXELS,
                              help="Sides of the blocks that hide lie between half of this and this. Empty: a quarter of the tile. Smaller "
                                   "blocks can be filled by smoothness alone.")
    sensor: str = training.sensor()
    bands: str = training.bands()
    learning_rate: float = number("Learning rate", default=0.001, minimum=1e-7, maximum=1, advanced=True, help="How large a step is, from 0 to 1.")
    blocks: int = integer("Most blocks in a tile", default=None, minimum=1, maximum=MOST_PIXELS, advanced=True,
                          help="Empty: as many as the share needs.")
    adversarial_weight: float = number("Weight of the adversarial loss", default=0.01, minimum=0, maximum=10, advanced=True,
                                       help="Beside the mean absolute error, whose weight is 1. A second network tells fills from truth, "
                                            "which sharpens them. 0 leaves it out and trains faster.")
    adversarial_warmup: int = integer("Epochs until this weight is full", default=10, minimum=0, maximum=100_000, advanced=True,
                                      help="The weight of the adversarial loss rises from 0 during these.")
    discriminator_layers: int = integer("Layers of the discriminator", default=None, minimum=1, maximum=5, advanced=True,
                                        help="The second network judges patches of 16, 34, 70, 142 or 286 px with 1 to 5 layers. Empty: up to 70 px, "
                                             "by the tile size.")
    discriminator_width: int = integer("Width of the discriminator", default=32, minimum=4, maximum=256, advanced=True,
                                       help="Channels of its first layer.")
    crop: int = training.crop(minimum=16)
    precision: str = training.precision()
    patience: int = training.patience(20, "Gain in PSNR on the validation tiles. With an adversarial loss, which costs PSNR, training goes on to the "
                                          "end. The last epoch is kept.")
    weight_decay: float = training.weight_decay()
    warmup_epochs: int = training.warmup_epochs()
    device: str = training.device()
    seed: int = training.seed()
    output: str = training.output()
