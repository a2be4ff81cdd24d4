"""Starting weights: a state dict from a file, matched to a network key by key, its first layer adapted to the bands."""

from __future__ import annotations

import pickle  # noqa: S403 - for the name of its error only  # nosec B403
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ....errors import ModelError, first_line, listed
from ....progress import SILENT, Progress
from ....tables import shortened
from ...rasters.same_band import band_places
from .encoder_files import band_names, find_weights, read_card
from .encoders import NAME, input_weight
from .same_function import refuse_other_function
from .tensor_names import COUNTER, pair_by_order, pair_names, without_bands

NESTED = ("state_dict", "model_state_dict", "model", "teacher", "student", "encoder", "backbone", "weights")
#: Tensors that mean something for the values of one dataset alone: scaling, whitening, and what was learned from whitened bands.
WHITENED = ("spectral.", "linear.", "begun.", "fine.")
OWN = ("centre", "spread", *WHITENED)
#: Layers that see the bands in full resolution, which mean nothing for other bands or another order, though their shape may fit.
AT_BANDS = "detail."
#: Files of torch are zip archives or, before 1.6, pickles.
TORCH_FILES = (b"PK", b"\x80")


@dataclass
class Matched:
    """What became of the tensors of a file: names in the network, or in the file for `unused`.

    Attributes:
        path: the file that was read.
        pairs: name in the network → name in the file, of all that were taken over.
        input_layer: what happened to the bands, in words.
        scaling: how the first layer was fitted to our scaling, in words; empty where it was not.
        by_order: the names differ, and tensors of the same number, order and shape were paired.
    """

    path: str = ""
    matched: list[str] = field(default_factory=list)
    adapted: list[str] = field(default_factory=list)
    left_new: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    pairs: dict[str, str] = field(default_factory=dict)
    input_layer: str = ""
    scaling: str = ""
    by_order: bool = False

    def sentence(self) -> str:
        """The summary for people."""
        parts = [f"{len(self.matched)} tensors taken over"]
        if self.adapted:
            parts.append(f"adapted: {', '.join(self.adapted)} ({self.input_layer})")
        elif self.input_layer:
            parts.append(self.input_layer)
        parts += [self.scaling] if self.scaling else []
        parts += [f"{words}: {listed(names, 6)}" for words, names in (("left new", self.left_new), ("not used", self.unused)) if names]
        return "Starting weights: " + "; ".join(parts) + "."

    def warn(self, named: bool, progress: Progress) -> None:
        """Says what was taken for granted; `named`: the file says which bands it takes."""
        if self.by_order:
            progress.message(f"The tensors of {self.path} have other names than those of the encoder. They agree in number, order and shape and were "
                             "paired so, which proves nothing: compare what the encoder is worth with a start from scratch.", level="warning")
        if not named:
            progress.message(f"{self.path} does not say which bands it takes: {self.input_layer}. Where that is wrong, give it to “Import encoder” "
                             "with the names of its bands, and start from what comes out.", level="warning")


def load_weights(path: str) -> dict[str, torch.Tensor]:
    """Tensor name → tensor of a safetensors file, or of a torch file that holds nothing but tensors.

    Raises:
        ModelError: when the file is damaged or of another kind, holds Python objects (which could run code when read), no tensors or values that
            are no numbers.
    """
    try:
        if path.lower().endswith(".safetensors"):
            return _of_32_bits(path, load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        with open(path, "rb") as stream:
            begin = stream.read(16)
        if not begin.startswith(TORCH_FILES):
            raise ModelError(f"{path} is no file of torch: it begins with {begin!r}. Fetch it again, and see that it is not a web page or a "
                             "pointer of Git LFS; a file of safetensors must end in .safetensors.") from None
        raise ModelError(f"{path} holds Python objects besides tensors; they are not read, because they can run any code. "
                         "Save only the tensors, as safetensors or with torch.save(model.state_dict(), …).") from None
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise ModelError(f"{path} cannot be read as weights ({first_line(error)}). Fetch or save the file again.") from None
    tensors = _tensors(content)
    if not tensors:
        raise ModelError(f"{path} holds no tensors by name. Save the state dict of the network.")
    return _of_32_bits(path, tensors)


def start_from(network: nn.Module, path: str, bands: list[str], progress: Progress = SILENT) -> Matched:
    """Copies weights into `network` wherever name and shape fit, and says what became of each.

    Args:
        network: with an `encoder`; where it has a `decoder`, a file of a whole network fills decoder and head too.
        path: safetensors, pth or pt; the folder of a run or of an imported encoder; or ``catalogue:`` and a name.
        bands: names of the bands of `network`.
        progress: told of a download.

    Raises:
        ModelError: when less than half of the encoder's tensors fit or they make another function than where they come from, or the file
            cannot be read or fetched.
    """
    # A download says how far it is in words: the fraction belongs to the training that follows.
    file = find_weights(path, bands, hasattr(network, "decoder"), progress.part(0, 0))
    tensors, card = load_weights(file), read_card(file)
    if "guess" in card:
        progress.message(card["guess"])
    matched = take_over(network, file, tensors, card, bands)
    if not is_ours(card, tensors):
        refuse_other_function(file, getattr(network.encoder, NAME, ""), tensors)
    matched.warn(bool(band_names(card)), progress)
    _tell_strange(file, tensors, band_names(card), bands, progress)
    return matched


def _tell_strange(path: str, tensors: Mapping[str, torch.Tensor], theirs: list[str], ours: list[str], progress: Progress) -> None:
    """Says what of the weights has no meaning here: they are of another sensor, or parts of them of another whitening."""
    if theirs and not any(place is not None for place in band_places(theirs, ours)):
        progress.message(f"{path} knows none of these bands: it was trained on {listed(theirs, 6)}, and here are {listed(ours, 6)}. Its first layer "
                         "begins as a mean, and the rest may know things that another sensor does not see; compare with a start from scratch.",
                         level="warning")
    own = [name.rstrip(".") for name in WHITENED if any(tensor.startswith(name) for tensor in tensors)]
    if own:
        progress.message(f"Not taken over from {path}: {', '.join(own)}. They belong to the whitening of the bands it was trained on; those here "
                         "begin from the statistics of this dataset.")


def is_ours(card: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether weights were trained or imported here, so that our encoder of their name is the one they were made for."""
    return str(card.get("format", "")).startswith("eo-pretrain") or {"centre", "spread"} <= tensors.keys()


def take_over(network: nn.Module, path: str, source: dict[str, torch.Tensor], card: Mapping[str, Any], bands: list[str],
              missing: str = "mean") -> Matched:
    """Copies the tensors of `source` into `network` wherever name and shape fit.

    The names may carry a prefix (``module.``, ``backbone.``, …). The layer the bands enter by is fitted to our scaling, see
    `standardised`, and adapted: band by band where the card names the bands, else from the mean over its channels; scaled so that the
    sum over the bands keeps its size.

    Args:
        network: with an `encoder`.
        path: of the file, for messages.
        source: its tensors.
        card: what is known of it: at least ``bands``, see `catalog.Entry.card`; may be empty.
        bands: names of the bands of `network`.
        missing: what bands start from that the file has not: “mean” of its channels, or “new” random weights.

    Raises:
        ModelError: when less than half of the encoder's tensors fit.
    """
    target = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(OWN) and not name.endswith(COUNTER)}
    pairs = pair_names(list(source), list(target))
    encoder: Any = network.encoder
    entrance = "encoder." + input_weight(encoder, len(bands))
    result, taken, fitted = Matched(path), {}, getattr(network, "fitted", ())
    inside = {name: tensor for name, tensor in target.items() if name.startswith("encoder.")}
    if not inside.keys() <= pairs.keys() and (ordered := pair_by_order(source, inside, entrance)):
        pairs, result.by_order = ordered, True
    source, result.scaling = standardised(source, pairs.get(entrance, ""), pairs.get(_behind(list(target), entrance), ""), card)
    other = bool(band_names(card)) and band_names(card) != bands
    for name, tensor in target.items():
        found = source.get(pairs.get(name, ""))
        if other and name.startswith(AT_BANDS):
            found = None
        if found is not None and (name.startswith(fitted) or not found.is_floating_point()):
            found = None
        if found is not None and name == entrance and without_bands(found) == without_bands(tensor):
            taken[name], result.input_layer = adapt_input(found, band_names(card), bands, tensor if missing == "new" else None)
            (result.matched if taken[name] is found else result.adapted).append(name)
        elif found is not None and found.shape == tensor.shape:
            taken[name] = found
            result.matched.append(name)
        else:
            result.left_new.append(name)
    result.pairs = {name: pairs[name] for name in taken}
    used = set(result.pairs.values())
    result.unused = [name for name in source if name not in used and not name.startswith(OWN) and not name.endswith(COUNTER)]
    _refuse_misfit(path, source, target, pairs, taken, str(card.get("encoder", "")))
    network.load_state_dict(taken, strict=False)
    return result


def adapt_input(weight: torch.Tensor, have: list[str], want: list[str], fresh: torch.Tensor | None = None) -> tuple[torch.Tensor, str]:
    """The kernel of the first layer for other bands.

    Args:
        weight: (out, band, y, x).
        have: names of its bands; empty when unknown.
        want: names of the bands needed.
        fresh: random weights (out, len(want), y, x) for bands the file has not; without them these start from the mean over its bands.

    Returns:
        The kernel (out, len(want), y, x), the same object where nothing had to change, and a remark for people.
    """
    count = weight.shape[1]
    known = have if len(have) == count else []
    places = band_places(known, want)
    if (not known and count == len(want)) or places == list(range(count)):
        return weight, "" if known else "its bands were taken in order, because the file does not name them"
    if sorted(place for place in places if place is not None) == list(range(count)) and len(want) == count:
        return weight[:, places], f"its bands, {', '.join(have)}, were sorted by name into {', '.join(want)}"
    mean = weight.mean(1)
    kernels = torch.stack([mean if place is None else weight[:, place] for place in places], 1) * (count / len(want))
    left = [position for position, place in enumerate(places) if place is None]
    if fresh is not None:
        kernels[:, left] = fresh[:, left].to(kernels)
    named = [name for name, place in zip(want, places) if place is not None]
    missing = ", ".join(want[position] for position in left)
    remark = "; ".join(filter(None, [
        f"{', '.join(named)} by name" if named else "",
        f"{missing} {'left new' if fresh is not None else f'from the mean of {count} channels'}" if left else "",
        "" if known else "the file does not name its bands"]))
    return kernels, remark


def standardised(source: dict[str, torch.Tensor], kernel: str, behind: str,
                 card: Mapping[str, Any]) -> tuple[dict[str, torch.Tensor], str]:
    """The weights for bands with mean 0 and deviation 1, which our networks feed, instead of the scaling they were trained with.

    With x = (value - centre) / spread, as trained, and z = (value - mean) / std, as we feed (near the centre, where asinh is linear):
    w·x = (w·std/spread)·z + w·(mean - centre)/spread. The factor goes into the kernel; the constant into the running mean of the
    normalisation layer behind it, or its bias. Exact but at the borders, where padding with 0 now means “average” instead of “dark”.

    Args:
        source: tensors of the file.
        kernel: name of the first layer's tensor in it.
        behind: name of the tensor in it that the constant goes into, see `_behind`; where it is none, the constant is left out.
        card: with ``scaling`` “linear” and, per band, ``centre``, ``spread``, ``mean`` and ``std``; else nothing changes.

    Returns:
        The tensors, the same object where nothing had to change, and a remark for people.
    """
    weight, bands = source.get(kernel), card.get("bands", [])
    keys = ("centre", "spread", "mean", "std")
    if weight is None or card.get("scaling") != "linear" or weight.shape[1] != len(bands) or not all(
            isinstance(band.get(key), (int, float)) for band in bands for key in keys):
        return source, ""
    centre, spread, mean, std = (torch.tensor([float(band[key]) for band in bands]).view(1, -1, 1, 1) for key in keys)
    if torch.equal(centre, mean) and torch.equal(spread, std):
        return source, ""
    constant = (weight * ((mean - centre) / spread)).sum((1, 2, 3))
    result = {**source, kernel: weight * (std / spread)}
    if behind in source and source[behind].shape == constant.shape:
        result[behind] = source[behind] + (constant if behind.endswith(".bias") else -constant)
    return result, (f"the first layer was fitted to bands of mean 0 and deviation 1 (it was trained on (value - {centre.flatten()[0]:g}) / "
                    f"{spread.flatten()[0]:g})")


def _behind(names: list[str], kernel: str) -> str:
    """What a constant before the first activation goes into: the bias of the layer, else the running mean of the layer behind it.

    Args:
        names: of the network's tensors, in the order of its layers.
        kernel: of the first layer.
    """
    bias = kernel.removesuffix("weight") + "bias"
    if bias in names:
        return bias
    later = names[names.index(kernel) + 1:]
    return (later[0].rpartition(".")[0] if later else "") + ".running_mean"


def _refuse_misfit(path: str, source: dict, target: dict, pairs: dict, taken: dict, made_for: str) -> None:
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
                     f"Choose the encoder these weights were made for{f', {made_for}' if made_for else ''}, or leave the starting weights empty.")


def _tensors(content: Any) -> dict[str, torch.Tensor]:
    """The tensors of the state dict inside, if there is one: others beside it, such as the best accuracy, mean something else."""
    if not isinstance(content, dict):
        return {}
    inner = next(filter(None, (_tensors(content.get(name)) for name in NESTED)), None)
    return inner or {name: value for name, value in content.items()
                     if isinstance(name, str) and isinstance(value, torch.Tensor) and value.layout == torch.strided}


def _of_32_bits(path: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of fewer or more bits as the networks have them; whole numbers stay what they are."""
    lost = next((name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.isnan().any()), None)
    if lost is not None:  # infinite ones are masks of some networks
        raise ModelError(f"{path} holds weights that are no numbers, first in {shortened(lost)}, so nothing can start from it. The training that "
                         "wrote it came apart: take weights of an earlier step, or train again with a smaller rate or in fp32.")
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
