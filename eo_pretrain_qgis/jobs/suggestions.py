"""What a dialog offers for free texts whose usual values are known beforehand, and what is known to be wrong with others.

Nothing here needs an engine. A fact of a parameter names a function: `suggests` gives values with what each means, in one part or several, and
`wrong` a sentence.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..places import models_folder, shipped
from ..tables import shortened
from .files import CATALOGUE

Suggestions = list[tuple[str, ...]]
#: File of a catalogue of weights, and how many near names are told.
CATALOG, NEAR = "catalog.json", 3
#: Encoders that a dialog offers.
OFFERED = {
    "resnet18": "ResNet-18, 11 million weights: quick, and enough for most maps",
    "resnet34": "ResNet-34, 21 million weights",
    "resnet50": "ResNet-50, 24 million weights: most open weights are of it",
    "efficientnet-b0": "EfficientNet-B0, 4 million weights: small, and slow on processors",
    "efficientnet-b3": "EfficientNet-B3, 11 million weights",
    "mobilenet_v2": "MobileNet-V2, 2 million weights: the smallest",
    "mit_b0": "Mix Vision Transformer B0, 3 million weights",
    "tu-convnext_atto": "ConvNeXt Atto of timm, 3 million weights",
    "adhoc_cnn": "Three layers, for patches of a few pixels",
    "pixel_layers": "Each pixel alone, without its neighbours",
    "ltae": "For series of dates: L-TAE, the usual one",
    "lstm": "For series of dates: LSTM",
    "presto": "For monthly series: Presto, with its weights",
    "galileo": "For monthly series: Galileo, with its weights",
    "utae": "For tiles of many dates: U-TAE",
}
#: Devices that a dialog offers where they are.
DEVICES_OFFERED = {
    "auto": "The GPU if there is one, else the processor", "cpu": "The processor", "mps": "The GPU of a Mac", "cuda": "The first GPU",
    "cuda:1": "The second GPU", "cuda:all": "All GPUs of this computer; training only",
}
#: Usual licences of weights, as SPDX writes them.
LICENCES_OFFERED = {
    "CC-BY-4.0": "Free, with the names of the makers", "CC-BY-NC-4.0": "As CC-BY, not for business",
    "CC-BY-SA-4.0": "As CC-BY, changed copies under the same terms", "CC0-1.0": "Free of all terms", "MIT": "Free, as much software is",
    "Apache-2.0": "Free, with a grant of patents", "internal use only": "Not to be given to others",
}
#: Further ones that are there; with the prefix “tu-” also those of timm, which only the engine knows.
#: (segmentation-models-pytorch, encoders; `engine.learning.networks.patch_encoders`)
OTHERS = [
    "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x4d", "resnext101_32x8d", "resnext101_32x16d", "resnext101_32x32d",
    "resnext101_32x48d", "dpn68", "dpn68b", "dpn92", "dpn98", "dpn107", "dpn131", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn",
    "vgg19", "vgg19_bn", "senet154", "se_resnet50", "se_resnet101", "se_resnet152", "se_resnext50_32x4d", "se_resnext101_32x4d", "densenet121",
    "densenet169", "densenet201", "densenet161", "inceptionresnetv2", "inceptionv4", "xception", "efficientnet-b1", "efficientnet-b2",
    "efficientnet-b4", "efficientnet-b5", "efficientnet-b6", "efficientnet-b7", "timm-efficientnet-b0", "timm-efficientnet-b1",
    "timm-efficientnet-b2", "timm-efficientnet-b3", "timm-efficientnet-b4", "timm-efficientnet-b5", "timm-efficientnet-b6", "timm-efficientnet-b7",
    "timm-efficientnet-b8", "timm-efficientnet-l2", "timm-tf_efficientnet_lite0", "timm-tf_efficientnet_lite1", "timm-tf_efficientnet_lite2",
    "timm-tf_efficientnet_lite3", "timm-tf_efficientnet_lite4", "timm-skresnet18", "timm-skresnet34", "timm-skresnext50_32x4d", "mit_b1", "mit_b2",
    "mit_b3", "mit_b4", "mit_b5", "mobileone_s0", "mobileone_s1", "mobileone_s2", "mobileone_s3", "mobileone_s4", "vgg16_0pools", "vgg16_1pool",
    "vgg16_2pools", "vgg16_3pools", "vgg16_4pools", "vgg16_bn_0pools", "vgg16_bn_1pool", "vgg16_bn_2pools", "vgg16_bn_3pools", "vgg16_bn_4pools",
]
TIMM = "tu-"
_DEVICE = re.compile("auto|mps|cpu(:[1-9][0-9]?)?|cuda(:[0-9]{1,4}|:all)?")


def near_name(name: str, known: Iterable[str], *, otherwise: str, before: str = "") -> str:
    """The end of a sentence that refuses a name: which was probably meant, or, where none is near, what stands in `otherwise`.

    Args:
        name: what was given.
        known: the names there are, in lower case.
        otherwise: said where none is near.
        before: what stands before the names, such as ``--``.
    """
    near = difflib.get_close_matches(name[:100].lower(), list(known), 1)
    return f"did you mean “{before}{near[0]}”?" if near else otherwise


def encoders(_: str = "") -> Suggestions:
    """Encoders by name, each in a few words."""
    return list(OFFERED.items())


def wrong_encoder(name: str) -> str:
    """What is wrong with the name of an encoder; nothing of those of timm, which the engine looks up."""
    known = [*OFFERED, *OTHERS]
    if name in known or name.startswith(TIMM):
        return ""
    otherwise = f"choose one such as resnet18, efficientnet-b0 or tu-convnext_atto; those of timm begin with “{TIMM}”."
    hint = near_name(name, known, otherwise=otherwise)
    return f"There is no encoder “{name}”. {hint[0].upper()}{hint[1:]}"


def devices(_: str = "") -> Suggestions:
    """Devices to compute on; those with an NVIDIA GPU only where its driver is."""
    gpus = ["mps"] if sys.platform == "darwin" else ["cuda", "cuda:1", "cuda:all"] if _may_have_cuda() else []
    return [(device, DEVICES_OFFERED[device]) for device in ("auto", "cpu", *gpus)]


def wrong_device(name: str) -> str:
    """What is wrong with a device, as far as it is known without the engine."""
    plain = name.strip().lower()
    if not _DEVICE.fullmatch(plain):
        return f"“{name}” is no device. Choose auto, cpu, cpu:2, cuda, cuda:0, cuda:all or mps."
    if plain.startswith("cuda") and not _may_have_cuda():
        return f"The device “{name}” is not there: this computer has no driver of a GPU. Choose auto or cpu, or look at “Check the engine”."
    return ""


def _may_have_cuda() -> bool:
    """Whether a driver of NVIDIA is there, one inside Windows's Linux, or one of AMD, whose GPUs torch calls cuda, too."""
    if sys.platform == "win32":
        return os.path.isfile(os.path.join(os.environ.get("SYSTEMROOT", ""), "System32", "nvcuda.dll"))
    signs = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
    return any(map(os.path.exists, signs)) or shutil.which("nvidia-smi") is not None


def catalogued(_: str = "") -> Suggestions:
    """Open weights that can be downloaded by name, with size and licence, and those in the user's folder of models."""
    found: dict[str, tuple[str, ...]] = {}
    for path in _catalogues():
        for row in _records(_read(path), "weights"):
            size = [f"{row['bytes'] / 1e6:.0f} MB"] if isinstance(row.get("bytes"), int) else []
            found.setdefault(f"{CATALOGUE}{row.get('name')}", (str(row.get("title")), *size, str(row.get("licence")).partition(";")[0]))
    return [(value, *meaning) for value, meaning in found.items()]


def wrong_weights(value: str) -> str:
    """What is wrong with a name in the catalogue; nothing where a catalogue cannot be read, which the engine says by itself."""
    name, read = value.removeprefix(CATALOGUE).strip(), [_read(path) for path in _catalogues()]
    known = [str(row.get("name")) for card in read for row in _records(card, "weights")]
    if name in known or not all(isinstance(card, dict) for card in read):
        return ""
    near = [f"“{CATALOGUE}{one}”" for one in difflib.get_close_matches(name[:100], dict.fromkeys(known), NEAR, 0.4)]
    meant = " or ".join(filter(None, (", ".join(near[:-1]), *near[-1:])))
    hint = f"Did you mean {meant}?" if near else f"It has: {', '.join(dict.fromkeys(known)) or 'nothing'}."
    return (f"The catalogue of weights has no “{shortened(name)}”. {hint} It knows the weights that come with the plugin, and those in the folder of "
            f"models, {models_folder()}, and the folders in it.")


def _catalogues() -> list[Path]:
    """The catalogue that comes with the plugin, and those of the user."""
    mine = models_folder()
    return [path for path in (shipped(CATALOG), mine / CATALOG, *sorted(mine.glob(f"*/{CATALOG}"))) if path is not None and path.is_file()]


def sensors_of(folder: str) -> Suggestions:
    """Names of the inputs of a dataset or run, with their bands."""
    found: dict[str, str] = {}
    for name, key in (("dataset.json", "sensors"), ("run.json", "inputs")):
        for row in _records(_read(Path(folder, name)), key) if folder else ():
            bands = [str(band.get("name")) for band in _records(row, "bands")]
            found.setdefault(str(row.get("name")), ", ".join(bands[:6]) + (", …" if len(bands) > 6 else ""))
    return list(found.items())


def licences(_: str = "") -> Suggestions:
    """Usual licences of weights, as SPDX writes them."""
    return list(LICENCES_OFFERED.items())


def meanings() -> list[str]:
    """All that values which come with the plugin mean, for translators."""
    titles = [str(row.get("title")) for row in _records(_read(shipped(CATALOG)), "weights")]
    return [*OFFERED.values(), *DEVICES_OFFERED.values(), *LICENCES_OFFERED.values(), *titles]


def _read(path: Path | None) -> Any:
    """What a JSON file says; nothing where it cannot be read, which the job says by itself."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path is not None else None
    except (OSError, ValueError, RecursionError):
        return None


def _records(card: Any, key: str) -> list[dict[str, Any]]:
    rows = card.get(key) if isinstance(card, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


#: Facts of parameters that are declared in several jobs.
ENCODERS: dict[str, Any] = {"suggests": encoders, "wrong": wrong_encoder}
WEIGHTS: dict[str, Any] = {"suggests": catalogued, "wrong": wrong_weights}
DEVICES: dict[str, Any] = {"suggests": devices, "wrong": wrong_device}
LICENCES: dict[str, Any] = {"suggests": licences}


def sensor_of(parent: str) -> dict[str, Any]:
    """Facts of the name of a sensor in the dataset or run that `parent` names."""
    return {"suggests": sensors_of, "parent": parent}
