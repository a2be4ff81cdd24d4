"""Import encoder: weights from elsewhere → a folder from which any run can start."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import JobError
from ...progress import Progress
from .. import training
from ..spec import Job, Result, choice, folder_output, text, weights
from ..suggestions import ENCODERS, LICENCES
from ..tiling import PRESETS


@dataclass(frozen=True)
class ImportEncoder(Job):
    """Takes weights that others trained and makes them an encoder that any training here can start from.

    Read are state dicts of torchvision, timm, TorchGeo, SSL4EO-S12 and lightly: safetensors, or files of torch that hold tensors and nothing
    else. “catalogue:” and a name downloads open weights that models/catalog.json lists, such as catalogue:ssl4eo_s12_resnet18_s2_moco. Every
    tensor is accounted for in a table; a file that does not fit the encoder is refused with the reason.

    The first layer is fitted to your bands by their names: a band the weights know is copied, others start from the mean of all, or new.
    Weights expect the scaling they were trained with: ImageNet's have mean and deviation 1 in each band, those of SSL4EO-S12 take reflectance
    times 10000 divided by 10000. Networks here see each band with mean 0 and deviation 1, so that weights for reflectance would weigh dark
    bands up to 25 times too much. Where scaling and statistics of the bands are known, as for Sentinel-2 L1C, the difference is folded into
    the first layer and the report says so; where they are not, the layer is left as it is.
    """

    title = "Import encoder"
    group = "2 Pretrain"
    tags = ("pretrained", "foundation model", "weights", "ImageNet", "SSL4EO-S12", "TorchGeo", "timm", "torchvision", "lightly", "download",
            "AI", "neural network", "deep learning")
    engine = "train"
    results = {"weights": Result("file", "Weights of the encoder"), "mapping": Result("file", "Table of what became of each tensor"),
               "report": Result("html", "Report of the import"), "encoder_name": Result("text", "Architecture of the encoder"),
               "matched": Result("number", "Tensors of the file that were taken"),
               "adapted": Result("number", "Tensors that were adapted to other bands"),
               "unused": Result("number", "Tensors of the file that were not used")}

    source: str = weights("Weights", help="A file, or “catalogue:” and a name in models/catalog.json.")
    encoder: str = text("Encoder", default=None, **ENCODERS,
                        help="As in “Fine-tune a model”: resnet18, or tu-convnext_atto for one of timm. Empty: taken "
                                                      "from the catalogue or recognised by the tensors.")
    bands: str = text("Bands of the weights", default=None,
                      help="In their order, such as B04,B03,B02 or red,green,blue. Empty: from the catalogue or the JSON beside the file.")
    preset: str = choice("Sensor of the weights", PRESETS, default="generic", help="How the images they were trained on stored values.")
    scaling: str = choice("The weights expect", {"unknown": "Unknown: the first layer is left as it is",
                                                 "standardised": "Standardised: mean 0 and deviation 1 in each band",
                                                 "reflectance": "Reflectance from 0 to 1, of Sentinel-2"}, default="unknown",
                          help="How bands were scaled where the weights were trained; ImageNet's are standardised. The first layer is adapted.")
    for_bands: str = text("Bands of your images", default=None,
                          help="Fit the first layer to these now. Empty: keep the weights' bands; each training fits them to its own.")
    missing_bands: str = choice("Bands the weights do not have", {"mean": "Mean: that of the weights' bands", "new": "New: at random"},
                                default="mean", advanced=True, help="Where the first layer starts for them.")
    licence: str = text("Licence", default=None, **LICENCES, advanced=True,
                                help="What may be done with the weights, where the catalogue does not say.")
    paper: str = text("Paper", default=None, advanced=True, help="Where the weights are described.")
    output: str = folder_output("Encoder folder", fresh=True, help="A new folder; give it as starting weights.")

    def check(self) -> None:
        if self.scaling == "reflectance" and not self.preset.startswith("sentinel2"):
            raise JobError(f"The weights are said to expect reflectance, but their sensor is {self.preset}. Choose a Sentinel-2 sensor, or "
                           "another word for what they expect.")
        for label, given in (("Bands of the weights", self.bands), ("Bands of your images", self.for_bands)):
            names = [name.strip() for name in (given or "").split(",") if name.strip()]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise JobError(f"“{label}” names {', '.join(twice)} twice. Give each band its own name.")

    def run(self, progress: Progress) -> dict:
        progress.at(0, training.LOADING)
        from ...engine.learning.networks.encoder_import import Wishes, import_encoder

        values = self.values()
        source, output = values.pop("source"), values.pop("output")
        return import_encoder(source, output, Wishes(**values), progress)
