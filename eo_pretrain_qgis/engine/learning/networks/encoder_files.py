"""Files of weights: which one is meant by a run folder or a name in the catalogue, and what the JSON beside it says."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from msgspec import UNSET, Struct, UnsetType
from safetensors import SafetensorError, safe_open

from ....errors import ModelError
from ....outputs import new_file
from ....progress import SILENT, Progress
from ...cards import Input, Preset, SeriesDays
from ...models import catalog
from ...rasters.same_band import band_key
from ...records import FilledName, Finite, Name, Positive, checked, json_text, read_json
from ...runs import run_record
from ...runs.fusing import EARLY
from ...runs.run_folder import CLASSIFIER
from ..loop.checkpoints import save_tensors

RUN_CARD, NETWORK = "run.json", "best.safetensors"
#: Of the input of our encoders, see `networks.scaled`; cards of runs do not say it, those of imported encoders do.
OUR_SCALING = "asinh"
#: What networks of ImageNet take; their files do not say it.
IMAGENET = ("red", "green", "blue")


def find_weights(place: str, bands: list[str], whole: bool, progress: Progress = SILENT) -> str:
    """The file of weights that `place` means.

    Args:
        place: a file; the folder of a run or of an imported encoder; or ``catalogue:`` and a name, downloaded where needed.
        bands: of the network to start: of a folder with encoders of several sensors, the one with most of them is meant.
        whole: the network has a decoder, so a whole U-Net is preferred to its encoder.
        progress: told of a download.

    Raises:
        ModelError: there are no weights in the folder, or the catalogue has no such name, or the download failed.
    """
    if place.startswith(catalog.PREFIX):
        return catalog.fetch(catalog.find(place), progress)
    if not os.path.isdir(place):
        return place
    network = os.path.join(place, NETWORK)
    candidates = [network] if whole and has_decoder(network) else []
    candidates += sorted((str(path) for path in Path(place).glob("encoder*.safetensors")), key=lambda path: (len(path), path))
    if not candidates and os.path.isfile(network):  # an encoder is part of it
        return network
    if not candidates and os.path.isfile(os.path.join(place, CLASSIFIER)):
        raise ModelError(f"The run {place} learned a simple classifier, without an encoder to start from. Choose a run with a network.")
    if not candidates:
        raise ModelError(f"The folder {place} holds no weights: neither encoder.safetensors nor {NETWORK}. Choose the folder of a run that "
                         "has finished an epoch, or a file of weights.")
    wanted = {band_key(name) for name in bands}
    return max(candidates, key=lambda path: len(wanted & {band_key(name) for name in band_names(read_card(path))}))


class EncoderBand(Struct):
    """A band the first layer takes, as far as it is known."""

    name: FilledName | None = None
    unit: Name = "unknown"
    scale: Finite = 1.0
    offset: Finite = 0.0
    centre: Finite | None = None
    spread: Positive | None = None
    mean: Finite | None = None
    std: Positive | None = None


class EncoderRecord(Struct):
    """What is read of the JSON beside weights; foreign ones say less."""

    bands: list[EncoderBand]
    encoder: Name | UnsetType = UNSET
    preset: Preset | UnsetType = UNSET
    scaling: str | UnsetType = UNSET
    input: str | UnsetType = UNSET
    format: str | UnsetType = UNSET
    source: dict[str, str | int | float | None] | UnsetType = UNSET
    season: SeriesDays | UnsetType | None = UNSET
    resolution_m: tuple[Positive, Positive] | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        if self.scaling == "linear" and any(band.spread == 0 for band in self.bands):
            raise ValueError("the spread of a band is 0")


def read_card(path: str) -> dict[str, Any]:
    """The JSON beside a file of weights: ``encoder.json`` for encoder.safetensors, else run.json; empty where there is none.

    A file named after ImageNet is taken for one with its bands; ``guess`` is a sentence that says so.

    Raises:
        ModelError: when it is damaged: without it, bands would be taken for others.
        DataError: when it is that of a run of a newer version.
    """
    for card in (os.path.splitext(path)[0] + ".json", os.path.join(os.path.dirname(path), RUN_CARD)):
        if not os.path.isfile(card):
            continue
        advice = "Copy it again, or remove it to use the weights without it."
        content = read_json(card, ModelError, advice)
        if isinstance(content, dict) and content.get("format") == run_record.FORMAT:
            content = _of_first_input(run_record.read_card(card))
        if isinstance(content, dict) and isinstance(content.get("bands"), list):
            checked(content, EncoderRecord, card, ModelError, advice)
            return content
    if "imagenet" in os.path.basename(path).lower():
        return {"bands": [{"name": name} for name in IMAGENET], "guess": f"{path} is named after ImageNet, so its bands are taken for red, green and "
                "blue in this order. Where that is wrong, give it to “Import encoder” with the names of its bands."}
    return {}


def of_encoder(seen: Input) -> dict[str, Any]:
    """What the card of an encoder says of what it takes."""
    season = {"season": asdict(seen.season)} if seen.season else {}
    return {"sensor": seen.sensor, "preset": seen.preset, "bands": [asdict(band) for band in seen.bands], **season}


def _of_first_input(card: dict[str, Any]) -> dict[str, Any]:
    """The card of a run as that of its network, which names the first of its inputs as encoders do, and the bands of all that one encoder sees."""
    inputs = card.get("inputs")
    if card.get("fusion") == EARLY and isinstance(inputs, list):
        return {**card, **inputs[0], "bands": [band for seen in inputs for band in seen["bands"]]}
    return {**card, **inputs[0]} if isinstance(inputs, list) and inputs and isinstance(inputs[0], dict) else card


def band_names(card: Mapping[str, Any]) -> list[str]:
    """Names of the bands in the order of the first layer; empty where the card does not say."""
    names = [band.get("name") for band in card.get("bands", [])]
    return names if all(names) else []


def write_encoder(folder: str, tensors: Mapping[str, torch.Tensor], card: Mapping[str, Any], name: str = "encoder") -> str:
    """Writes an encoder and its card, and returns the SHA-256 of the weights.

    Encoders are made to be shared, so of paths in the card, which tell a user's name and folders, the last part is kept.

    Raises:
        DataError: when the disk is full; files of these names stay as they were.
    """
    sha256 = save_tensors(os.path.join(folder, f"{name}.safetensors"), tensors)
    with new_file(os.path.join(folder, f"{name}.json")) as part, open(part, "w", encoding="utf-8") as stream:
        stream.write(json_text({"format": catalog.CARD_FORMAT, "version": catalog.CARD_VERSION, **_without_folders(card)}))
    return sha256


def _without_folders(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: re.split(r"[\\/]", inner.rstrip("\\/"))[-1] if key == "path" and isinstance(inner, str) else _without_folders(inner)
                for key, inner in value.items()}
    return [_without_folders(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def has_decoder(path: str) -> bool:
    """Whether a file of weights is a network with one encoder and a decoder."""
    try:
        with safe_open(path, "pt") as content:
            names = list(content.keys())
            # Of several sensors that were joined each encoder has a file of its own.
            return any(name.startswith("decoder.") for name in names) and not any(name.startswith("encoder.encoders.") for name in names)
    except (SafetensorError, OSError):  # missing or damaged: the encoder beside it may serve
        return False
