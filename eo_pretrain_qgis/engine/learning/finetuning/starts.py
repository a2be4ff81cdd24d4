"""Starting weights of a fine-tuning: of one encoder, or of one for each sensor."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ....errors import ModelError, listed
from ....progress import SILENT, Progress
from ...cards import Input, Inputs
from ...rasters.same_band import POLARISATIONS, band_key, band_places
from ...runs.fusing import ALONE, EARLY
from ..loop.training_runs import Session
from ..networks.class_networks import ClassNetwork
from ..networks.encoder_files import IMAGENET, OUR_SCALING, band_names, find_weights, read_card
from ..networks.patch_encoders import weights_of
from ..networks.starting_weights import Matched

#: Names of the parameters by which they are given, in the order of the sensors.
KEYS = ("start", "second_start")


def starts_of(settings: Any, inputs: Inputs, progress: Progress = SILENT) -> dict[str, str | None]:
    """Place of the starting weights of each input by its name; of the folder of a run with an encoder of each sensor both take theirs.

    Raises:
        ModelError: the weights are of another sensor or of another encoder.
    """
    if settings.fusion in (ALONE, EARLY):
        return dict.fromkeys(inputs, settings.start)
    first, second = inputs.values()
    given = [settings.start, settings.second_start]
    if given[0] and not given[1] and _knows(given[0], second, progress):
        given[1] = given[0]
    for path, key, own, other in ((given[0], KEYS[0], first, second), (given[1], KEYS[1], second, first)):
        if path:
            refuse_other_sensor(path, key, own, other, progress)
            _refuse_other_encoder(path, key, own, settings.encoder, progress)
    return dict(zip(inputs, given, strict=True))


def start_branches(session: Session, network: ClassNetwork, starts: Mapping[str, str | None], way: Callable[..., Matched]) -> list[str]:
    """Copies starting weights into the encoders of a network of a run that begins, see `Session.start`.

    Returns:
        Names of the tensors that nothing was found for; of several sensors those behind the encoders, where one of them was given weights.
    """
    branches = network.branches
    if len(branches) == 1:
        return session.start(network, network.seen.names, next(iter(starts.values())), way=way)
    for key, (branch, seen) in zip(KEYS, branches, strict=True):
        if starts[seen.name] is None and any(starts.values()):
            session.progress.message(f"The encoder of {seen.name} begins from scratch: no starting weights were given for it.")
        session.start(branch, seen.names, starts[seen.name], key, way)
    new = [name for name in network.state_dict() if ".encoder" not in name and not name.startswith("encoder.")]
    return new if session.begins and any(starts.values()) else []


def _knows(place: str, seen: Input, progress: Progress) -> bool:
    """Whether the folder of a run holds encoders of several sensors, and one that knows bands of an input."""
    if not os.path.isdir(place) or len(list(Path(place).glob("encoder_*.safetensors"))) < 2:
        return False
    theirs = band_names(read_card(find_weights(place, seen.names, False, progress.part(0, 0))))
    return any(found is not None for found in band_places(theirs, seen.names))


def refuse_other_sensor(place: str, key: str, own: Input, other: Input, progress: Progress = SILENT) -> None:
    """Refuses weights that know none of the bands of a sensor, and bands of the other or of another kind of sensor. Those of ImageNet are for all.

    Args:
        place: see `encoder_files.find_weights`.
        key: name of the parameter.
        own: what the encoder is to see.
        other: what the other one sees.
        progress: told of a download.

    Raises:
        ModelError: naming both.
    """
    card = read_card(find_weights(place, own.names, False, progress.part(0, 0)))
    theirs = band_names(card)
    if not theirs or tuple(theirs) == IMAGENET or any(found is not None for found in band_places(theirs, own.names)):
        return
    swapped = any(found is not None for found in band_places(theirs, other.names))
    if swapped or _radar(theirs) != _radar(own.names):
        label = "“Starting weights of the second sensor” (second_start)" if key == KEYS[0] else "“Starting weights” (start)"
        advice = f"Give them as {label}" if swapped else f"Give weights of {own.name}"
        raise ModelError(f"The starting weights {place} know {listed(theirs, 6)}, and the encoder of {own.name} sees {listed(own.names, 6)}. "
                         f"{advice}, or leave “{key}” empty.")


def _radar(names: list[str]) -> bool:
    return any(band_key(name) in POLARISATIONS for name in names)


def _refuse_other_encoder(place: str, key: str, seen: Input, encoder: str, progress: Progress) -> None:
    known = read_card(find_weights(place, seen.names, False, progress.part(0, 0))).get("encoder")
    if known and weights_of(known) != weights_of(encoder):
        raise ModelError(f"The starting weights {place} of {seen.name} ({key}) are of the encoder “{known}”, and both sensors have “{encoder}” here. "
                         "Give weights of one encoder for both.")


def adopt_scaling(seen: Input, start: str | None, progress: Progress = SILENT) -> Input:
    """The input scaled as the starting weights know its bands, where these are of a run of ours with the same bands in the same units.

    The encoder then sees the values it was trained on, whatever the statistics of the new tiles are.

    Args:
        seen: of the new run.
        start: see `encoder_files.find_weights`; None: there are none.
        progress: told of a download.

    Returns:
        The input as it was where they do not fit.
    """
    if not start:
        return seen
    card = read_card(find_weights(start, seen.names, True, progress.part(0, 0)))
    theirs = {band.get("name"): band for band in card.get("bands", [])}
    facts = ("unit", "scale", "offset")
    fits = card.get("scaling", OUR_SCALING) == OUR_SCALING and all(
        band.name in theirs and all(theirs[band.name].get(fact) == getattr(band, fact) for fact in facts)
        and all(isinstance(theirs[band.name].get(fact), (int, float)) for fact in ("centre", "spread")) for band in seen.bands)
    if not fits:
        return seen
    return replace(seen, bands=tuple(replace(band, **{fact: theirs[band.name][fact] for fact in ("centre", "spread")}) for band in seen.bands))
