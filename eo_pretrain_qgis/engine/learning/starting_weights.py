"""Starting weights: a state dict from a file, matched to a network key by key, its first layer adapted to the bands."""

from __future__ import annotations

import json
import os
import pickle  # noqa: S403 - for the name of its error only  # nosec B403
from collections import Counter
from dataclasses import dataclass, field

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ...errors import ModelError
from .encoders import input_weight
from .networks import SegmentationNetwork

NESTED = ("state_dict", "model_state_dict", "model", "teacher", "student", "encoder", "backbone", "weights")
OWN = ("centre", "spread")


@dataclass
class Matched:
    """What became of the tensors of a file: names in the network, or in the file for `unused`."""

    matched: list[str] = field(default_factory=list)
    adapted: list[str] = field(default_factory=list)
    left_new: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    input_layer: str = ""

    def sentence(self) -> str:
        """The summary for people."""
        parts = [f"{len(self.matched)} tensors taken over"]
        if self.adapted:
            parts.append(f"adapted: {', '.join(self.adapted)} ({self.input_layer})")
        elif self.input_layer:
            parts.append(self.input_layer)
        parts += [f"{words}: {_some(names)}" for words, names in (("left new", self.left_new), ("not used", self.unused)) if names]
        return "Starting weights: " + "; ".join(parts) + "."


def load_weights(path: str) -> dict[str, torch.Tensor]:
    """Tensor name → tensor of a safetensors file, or of a torch file that holds nothing but tensors.

    Raises:
        ModelError: when the file is damaged, holds Python objects (which could run code when read) or no tensors.
    """
    try:
        if path.lower().endswith(".safetensors"):
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ModelError(f"{path} holds Python objects besides tensors; they are not read, because they can run any code. "
                         "Save only the tensors, as safetensors or with torch.save(model.state_dict(), …).") from None
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise ModelError(f"{path} cannot be read as weights ({str(error).splitlines()[0]}). Fetch or save the file again.") from None
    while isinstance(content, dict) and not _tensors(content):
        inner = next((content[name] for name in NESTED if isinstance(content.get(name), dict)), None)
        if inner is None:
            break
        content = inner
    tensors = _tensors(content) if isinstance(content, dict) else {}
    if not tensors:
        raise ModelError(f"{path} holds no tensors by name. Save the state dict of the network.")
    return tensors


def start_from(network: SegmentationNetwork, path: str, bands: list[str]) -> Matched:
    """Copies the weights in `path` into `network` wherever name and shape fit, and says what became of each.

    The names may carry a prefix (``module.``, ``backbone.``, …); a file of a whole network fills the decoder and head too. The
    layer the bands enter by is adapted: band by band where the JSON beside the file names its bands, else from the mean over
    its channels; scaled so that the sum over the bands keeps its size.

    Args:
        network: with an `encoder`.
        path: safetensors, pth or pt.
        bands: names of the bands of `network`.

    Raises:
        ModelError: when less than half of the encoder's tensors fit, or the file cannot be read.
    """
    source = load_weights(path)
    target = {name: tensor for name, tensor in network.state_dict().items() if name not in OWN and not name.endswith("num_batches_tracked")}
    pairs = _pair(list(source), list(target))
    entrance = "encoder." + input_weight(network.encoder, len(bands))
    result, taken = Matched(), {}
    for name, tensor in target.items():
        found = source.get(pairs.get(name, ""))
        if found is not None and name == entrance and _without_bands(found) == _without_bands(tensor):
            taken[name], result.input_layer = adapt_input(found, _band_names(path), bands)
            (result.matched if taken[name] is found else result.adapted).append(name)
        elif found is not None and found.shape == tensor.shape:
            taken[name] = found
            result.matched.append(name)
        else:
            result.left_new.append(name)
    used = {pairs[name] for name in taken}
    result.unused = [name for name in source if name not in used and not name.endswith("num_batches_tracked")]
    _refuse_misfit(path, source, target, pairs, taken)
    network.load_state_dict(taken, strict=False)
    return result


def adapt_input(weight: torch.Tensor, have: list[str], want: list[str]) -> tuple[torch.Tensor, str]:
    """The kernel of the first layer for other bands.

    Args:
        weight: (out, band, y, x).
        have: names of its bands; empty when unknown.
        want: names of the bands needed.

    Returns:
        The kernel (out, len(want), y, x), the same object where nothing had to change, and a remark for people.
    """
    known = [name.casefold() for name in have] if len(have) == weight.shape[1] else []
    places = [known.index(name.casefold()) if name.casefold() in known else None for name in want]
    if (not known and weight.shape[1] == len(want)) or places == list(range(weight.shape[1])):
        return weight, "" if known else "its bands were taken in order, because the file does not name them"
    mean = weight.mean(1)
    kernels = [mean if place is None else weight[:, place] for place in places]
    adapted = torch.stack(kernels, 1) * (weight.shape[1] / len(want))
    named = [name for name, place in zip(want, places) if place is not None]
    missing = [name for name, place in zip(want, places) if place is None]
    remark = "; ".join(filter(None, [f"{', '.join(named)} by name" if named else "",
                                     f"{', '.join(missing)} from the mean of {weight.shape[1]} channels" if missing else ""]))
    return adapted, remark


def _pair(source: list[str], target: list[str]) -> dict[str, str]:
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


def _refuse_misfit(path: str, source: dict, target: dict, pairs: dict, taken: dict) -> None:
    wanted = [name for name in target if name.startswith("encoder.")]
    fitting = [name for name in wanted if name in taken]
    if len(fitting) * 2 >= len(wanted):
        return
    clash = next((name for name in wanted if name in pairs and name not in taken), None)
    if clash:
        theirs, ours = (" × ".join(map(str, tensors[name].shape)) for tensors, name in ((source, pairs[clash]), (target, clash)))
        reason = f"the first that differs is {pairs[clash]}, {theirs} in the file and {ours} here"
    else:
        reason = f"the file starts with {next(iter(source))}, the network with {wanted[0].removeprefix('encoder.')}"
    raise ModelError(f"{path} does not fit the encoder: {len(fitting)} of {len(wanted)} tensors match; {reason}. "
                     "Choose the encoder these weights were made for, or leave the starting weights empty.")


def _band_names(path: str) -> list[str]:
    """Band names from the JSON beside a file of weights: ``encoder.json``, or ``run.json`` for a run's best.safetensors."""
    for card in (os.path.splitext(path)[0] + ".json", os.path.join(os.path.dirname(path), "run.json")):
        try:
            with open(card, encoding="utf-8") as stream:
                return [band["name"] for band in json.load(stream)["bands"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return []


def _tensors(content: dict) -> dict[str, torch.Tensor]:
    return {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}


def _plain(name: str) -> str:
    return name.replace("_", ".")


def _without_bands(kernel: torch.Tensor) -> tuple:
    return kernel.ndim, kernel.shape[:1], kernel.shape[2:]


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
