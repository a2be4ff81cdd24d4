"""Which tensor of a file is which of a network: by name, under whatever prefix, else by number, order and shape."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import torch

COUNTER = "num_batches_tracked"
#: Layers of a ResNet by their number in nn.Sequential(*resnet.children()), as the examples of lightly build backbones.
CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
#: Last parts of names that say what a tensor is for; the shapes of these are often the same.
ROLES = ("weight", "bias", "running_mean", "running_var")
#: The classifier or projection head behind the encoder has at most so many tensors.
LARGEST_HEAD = 8


def pair_names(source: list[str], target: list[str]) -> dict[str, str]:
    """Name in the network → name in the file, as they are or with the layers of a ResNet numbered, whichever fits more."""
    renamed = {_numbered(name): name for name in source}
    numbered = {name: renamed[found] for name, found in _pair_by_prefix(list(renamed), target).items()}
    return max(_pair_by_prefix(source, target), numbered, key=len)


def _numbered(name: str) -> str:
    """``backbone.4.0.conv1.weight`` as ``backbone.layer1.0.conv1.weight``."""
    parts = name.split(".")
    place = next((position for position, part in enumerate(parts) if part.isdigit()), None)
    if place is not None:
        parts[place] = CHILDREN.get(parts[place], parts[place])
    return ".".join(parts)


def _pair_by_prefix(source: list[str], target: list[str]) -> dict[str, str]:
    """Name in the network → name in the file, for the one prefix that makes most names meet.

    timm writes ``stages.0`` in files and ``stages_0`` in networks that return features, so dots and underscores count the same.
    """
    places = {_plain(name): name for name in target}
    leads = ("", "encoder.", "encoder.model.")
    votes: Counter = Counter()
    for name in source:
        parts = name.split(".")
        for cut in range(len(parts)):
            votes.update((".".join(parts[:cut]), lead) for lead in leads if _plain(lead + ".".join(parts[cut:])) in places)
    if not votes:
        return {}
    (prefix, lead), _ = max(votes.items(), key=lambda item: (item[1], -leads.index(item[0][1])))
    skip = len(prefix) + 1 if prefix else 0
    inside = [name for name in source if not prefix or name.startswith(prefix + ".")]
    return {places[_plain(lead + name[skip:])]: name for name in inside if _plain(lead + name[skip:]) in places}


def pair_by_order(source: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor], entrance: str) -> dict[str, str]:
    """Name in the network → name in the file, where the tensors agree in number, order and shape; empty where they do not.

    Args:
        source: of the file; a classifier may come last.
        target: of the encoder.
        entrance: name in `target` of the first layer, whose bands may differ.
    """
    names = [name for name, tensor in source.items() if tensor.is_floating_point() and not name.endswith(COUNTER)]
    wanted = [(name, tensor) for name, tensor in target.items() if not name.endswith(COUNTER)]
    if not 0 <= len(names) - len(wanted) <= LARGEST_HEAD:
        return {}
    for order in (names, sorted(names, key=_numbers_last)):  # safetensors sorts: layer 10 comes before layer 2
        pairs = {name: found for (name, _), found in zip(wanted, order)}
        if all(_alike(source[pairs[name]], tensor, name == entrance) and _role(pairs[name]) in (_role(name), "") for name, tensor in wanted):
            return pairs
    return {}


def without_bands(kernel: torch.Tensor) -> tuple:
    """Shape of a kernel but for its number of bands."""
    return kernel.ndim, kernel.shape[:1], kernel.shape[2:]


def _alike(found: torch.Tensor, wanted: torch.Tensor, is_entrance: bool) -> bool:
    return without_bands(found) == without_bands(wanted) if is_entrance else found.shape == wanted.shape


def _role(name: str) -> str:
    """What a tensor is for, where its name says it."""
    last = name.rpartition(".")[2]
    return last if last in ROLES else ""


def _numbers_last(name: str) -> list:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _plain(name: str) -> str:
    return name.replace("_", ".")
