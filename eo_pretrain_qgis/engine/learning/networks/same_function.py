"""Whether an encoder computes from some weights what the network they come from computes: tried on a random image, with timm's of that name.

Padding, strides and the constants of normalisation layers are no tensors: all weights of tf_efficientnet_lite0 fit the encoder
timm-tf_efficientnet_lite0 of segmentation-models-pytorch, which pads otherwise and computes something else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from ....errors import ModelError
from .encoders import TIMM, BareEncoder, build_encoder, input_weight
from .patch_encoders import weights_of
from .tensor_names import COUNTER, pair_by_order, pair_names

#: Features that are the same but for rounding have at least this correlation.
SAME = 0.999
#: Edge of the image that is tried [px].
SIDE = 96
ANY_BANDS = 3


@torch.no_grad()
def refuse_other_function(path: str, encoder: str, tensors: Mapping[str, torch.Tensor]) -> None:
    """Refuses an encoder that makes another function of some weights than timm's network of that name, where timm has one they fit.

    Args:
        path: of the file; its name may tell the network.
        encoder: whose tensors fit.
        tensors: of the file.

    Raises:
        ModelError: with the encoder to take instead.
    """
    encoder = weights_of(encoder)
    if encoder.startswith(TIMM):
        return
    bands, names = _bands(tensors, encoder), timm_names(path, encoder)
    network = _loaded(BareEncoder(build_encoder(encoder, bands)), tensors, True) if names else None
    if network is None:
        return
    ours = network.eval().encoder(_image(bands))
    found = {name: value for name in names if (value := _likeness_to_timm(ours, name, bands, tensors)) is not None}
    other = next((name for name, value in found.items() if value < SAME), None)
    if other:
        choices = " or ".join(TIMM + name for name in found)
        raise ModelError(f"The tensors of {path} fit the encoder {encoder}, but it computes something else from them than timm's {other}: on a "
                         f"random image the correlation is {found[other]:.2f}. Choose the encoder {choices}"
                         f"{', whichever they were trained in' if len(found) > 1 else ''}.")


def timm_names(path: str, encoder: str = "") -> list[str]:
    """Networks of timm that weights may be of: the one the file is named after, else those an encoder is named after."""
    text = re.sub("[^a-z0-9]", "_", Path(path).stem.lower())
    named = [name for name in timm.list_models() if re.search(rf"(?<![a-z0-9]){re.escape(name.lower())}(?![a-z0-9])", text)]
    if named:
        return [max(named, key=len)]
    plain = encoder.removeprefix("timm-").replace("-", "_")
    return [name for name in (plain, f"tf_{plain}") if plain and timm.is_model(name)]


def likeness(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float | None:
    """The correlation of the deepest features of an encoder with those of another network; None where none have the same shape.

    Differences add up with depth. Libraries take a level before or behind its last activation, which makes no other function.
    """
    for level in ours[:0:-1]:
        same = [other for other in theirs if other.shape == level.shape]
        found = [float(torch.corrcoef(torch.stack([form.flatten(), other.flatten()]))[0, 1]) for other in same for form in (level, level.relu())]
        known = [value for value in found if value == value]
        if known:
            return max(known)
    return None


def _likeness_to_timm(ours: list[torch.Tensor], name: str, bands: int, tensors: Mapping[str, torch.Tensor]) -> float | None:
    """`likeness` to the levels of timm's network, else to what it makes at its end; None where the tensors are not its own."""
    try:
        levels = _loaded(BareEncoder(build_encoder(TIMM + name, bands)), tensors, False)
    except ModelError:
        levels = None
    made = levels.eval().encoder(_image(bands)) if levels is not None else []
    value = likeness(ours, made)
    if value is not None and value >= SAME:
        return value
    whole = _loaded(timm.create_model(name, pretrained=False, num_classes=0, in_chans=bands), tensors, False)
    return value if whole is None else likeness(ours, [*made, whole.eval().forward_features(_image(bands))])


def _image(bands: int) -> torch.Tensor:
    return torch.randn(1, bands, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def _bands(tensors: Mapping[str, torch.Tensor], encoder: str) -> int:
    """How many bands the tensors take, if they are of this encoder."""
    network = BareEncoder(build_encoder(encoder, ANY_BANDS))
    entrance, target = "encoder." + input_weight(network.encoder, ANY_BANDS), _wanted(network)
    first = tensors.get((pair_names(list(tensors), list(target)) or pair_by_order(tensors, target, entrance)).get(entrance, ""))
    return first.shape[1] if first is not None and first.ndim == 4 else ANY_BANDS


def _wanted(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}


def _loaded(network: Any, tensors: Mapping[str, torch.Tensor], by_order: bool) -> Any:
    """A network with these weights, by name or also by order; None where one of its tensors is not among them."""
    target = _wanted(network)
    pairs = pair_names(list(tensors), list(target))
    if by_order and not target.keys() <= pairs.keys():
        pairs = pair_by_order(tensors, target, "")
    if not target.keys() <= pairs.keys() or any(tensors[pairs[name]].shape != tensor.shape for name, tensor in target.items()):
        return None
    network.load_state_dict({name: tensors[pairs[name]] for name in target}, strict=False)
    return network
