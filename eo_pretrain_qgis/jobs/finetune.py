"""Fine-tune: labelled dataset (+ starting weights) → run folder with the best model."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import JobError
from ..report import Report
from .spec import Job, boolean, choice, file, folder, folder_output, integer, number, text


@dataclass(frozen=True)
class Finetune(Job):
    """Trains a segmentation model on a labelled dataset, from scratch or from pretrained weights.

    The dataset says what is learned. The run folder keeps the best model, the encoder for other runs, the curves and a
    report; the same job on the same folder continues where it stopped.
    """

    title = "Fine-tune a model"
    group = "3 Train"
    tags = ("train", "deep learning", "segmentation", "U-Net", "transfer learning")
    engine = "train"
    results = {"checkpoint": "file", "encoder": "file", "report": "html", "validation_iou": "number", "epochs_run": "number", "device": "text"}

    dataset: str = folder("Training dataset", help="Made by “Create … dataset”.")
    encoder: str = text("Encoder", default="resnet18", help="Any encoder of segmentation-models-pytorch, or of timm with the prefix “tu-”.")
    start: str = file("Starting weights", extension="safetensors|pth|pt", optional=True,
                      help="encoder.safetensors or best.safetensors of another run, or a state dict such as ImageNet's; empty starts from "
                           "scratch. Weights of other bands are adapted, and the messages say how.")
    epochs: int = integer("Epochs", default=40, minimum=1, maximum=10000, help="Passes over the training tiles.")
    batch_size: int = integer("Batch size", default=8, minimum=1, maximum=1024, help="Tiles per step; lower it when memory runs out.")
    learning_rate: float = number("Learning rate", default=0.001, minimum=1e-7, maximum=1)
    crop: int = integer("Crop [px]", default=None, minimum=32, advanced=True,
                        help="Train on random crops of this size; empty uses whole tiles.")
    class_weights: str = choice("Class weights", ("none", "balanced"), default="balanced",
                                help="“balanced”: rare classes count more, by the root of their rarity.", advanced=True)
    augmentation: str = choice("Augmentation", ("none", "flips", "full"), default="full", advanced=True,
                               help="“flips”: flips and quarter turns. “full”: also gain and offset per band, blur, a missing band, and "
                                    "speckle for radar.")
    precision: str = choice("Precision", ("auto", "float32", "bfloat16", "float16"), default="auto", advanced=True,
                            help="“auto”: bfloat16 where the device computes it natively, else float32.")
    patience: int = integer("Early stopping after epochs without gain", default=12, minimum=1, advanced=True)
    weight_decay: float = number("Weight decay", default=0.01, minimum=0, maximum=1, advanced=True)
    warmup_epochs: int = integer("Warm-up epochs", default=2, minimum=0, advanced=True)
    frozen_encoder: bool = boolean("Keep the encoder frozen", default=False, advanced=True)
    device: str = text("Device", default="auto", advanced=True,
                       help="auto, cpu, cuda, cuda:0 or mps; a device named and not there is an error.")
    seed: int = integer("Seed", default=1, minimum=0, advanced=True)
    output: str = folder_output("Run folder", help="A new folder, or the folder of a run to continue.")

    def check(self) -> None:
        if self.frozen_encoder and not self.start:
            raise JobError("A frozen encoder without starting weights would stay random. Give starting weights, or let the encoder learn.")

    def run(self, report: Report) -> dict:
        report.progress(0, "Loading torch")
        from ..engine.learning.finetuning import Settings, finetune

        values = self.values()
        dataset, output = values.pop("dataset"), values.pop("output")
        return finetune(dataset, output, Settings(**values), report)
