"""Starting weights of networks of series: those of runs on series, with the same bands."""

from __future__ import annotations

from typing import Any

import msgspec
import torch

from ....errors import ModelError, listed
from ....progress import SILENT, Progress
from ...cards import Input, SeriesDays
from ...datasets.dataset import Dataset
from ...datasets.dates import YEAR, season_words
from ...datasets.footprints import middle_of_places
from .encoder_files import band_names, find_weights, read_card
from .encoders import OF_SERIES, OF_TILES_IN_TIME
from .monthly import PLACE, MonthlyEncoder
from .series import PUBLISHED, START
from .starting_weights import OWN, Matched, load_weights

PART = "encoder."
#: Least share of a season that starting weights must have learned from.
OVERLAP = 0.5


def chosen_tile_encoder(start: str | None, given: str | None, bands: list[str], progress: Progress = SILENT) -> str:
    """`chosen_series_encoder` of dated tiles."""
    return chosen_series_encoder(start, given, bands, progress, OF_TILES_IN_TIME)


def chosen_series_encoder(start: str | None, given: str | None, bands: list[str], progress: Progress = SILENT,
                          names: tuple[str, ...] = OF_SERIES) -> str:
    """The encoder of a network of series: the one that was asked for, else that of the starting weights, else the usual one.

    Args:
        start: see `encoder_files.find_weights`.
        given: what the user asked for, if anything.
        bands: names of the bands of the network.
        progress: told of a download.
        names: of the encoders that fit.

    Raises:
        ModelError: it is none of these, or the weights are of another one.
    """
    what, shape = ("series of dates", "images") if names == OF_SERIES else ("dated tiles", "images or series")
    if given and given not in names:
        these = " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
        raise ModelError(f"The encoder “{given}” is for {shape}, and these are {what}. Choose {these}, or leave “Encoder” empty.")
    if not start:
        return given or names[0]
    file = find_weights(start, bands, False, progress.part(0, 0))
    card = read_card(file)
    foreign, _ = _tensors(file)
    known = foreign or card.get("encoder")
    if known not in names:
        of = f" ({known})" if known else ""
        raise ModelError(f"The starting weights {start} are of an encoder of {shape}{of}, and these are {what}. Choose the run of a dataset of "
                         f"{'series' if names == OF_SERIES else what}, or leave “Starting weights” empty.")
    if given and given != known:
        raise ModelError(f"{start} does not fit the encoder “{given}” that was asked for: its weights are of “{known}”. Leave “Encoder” empty to "
                         "take theirs, or choose other starting weights.")
    return str(known)


def stand_in_the_middle(encoder: Any, dataset: Dataset) -> None:
    """Tells an encoder that asks for it where on Earth the series of a dataset lie, if that is known."""
    if hasattr(encoder, "stand_at") and (place := middle_of_places(dataset)):
        encoder.stand_at(*place)


def start_series(network: Any, path: str, bands: list[str], progress: Progress = SILENT) -> Matched:
    """Copies the encoder of a run on series, or of published weights, whose bands are told by their names; what stands behind it begins
    anew.

    Args:
        network: has the same encoder, and `seen`.
        path: see `encoder_files.find_weights`.
        bands: names of the bands of `network`.
        progress: told of a download.

    Raises:
        ModelError: the weights are of other bands or of another part of the year, tensors are missing or of another shape, or the file cannot be
            read.
    """
    file = find_weights(path, bands, False, progress.part(0, 0))
    (foreign, found), wanted = _tensors(file), network.encoder.state_dict()
    if foreign:
        found.setdefault(PLACE, wanted[PLACE])
    elif (theirs := band_names(read_card(file))) != bands:
        raise ModelError(f"The starting weights {path} know the bands {listed(theirs, 13)}, and here are {listed(bands, 13)}. Choose a run on the "
                         "same bands in the same order.")
    first = _first_day(file, network.seen)
    found |= {name: wanted[name] if first is None else torch.tensor(first) for name in wanted if name.split(".")[-1] == START}
    wrong = next((name for name, tensor in wanted.items() if name not in found or found[name].shape != tensor.shape), None)
    if wrong:
        raise ModelError(f"{file} does not fit the encoder: its tensor “{wrong}” is missing or of another shape. Copy it again, or choose another "
                         "run.")
    network.encoder.load_state_dict({name: found[name] for name in wanted})
    if isinstance(network.encoder, MonthlyEncoder):
        progress.message(network.encoder.sentence())
    names = [PART + name for name in wanted]
    return Matched(file, names, left_new=[name for name in network.state_dict() if not name.startswith((PART, *OWN))],
                   pairs=dict(zip(names, names, strict=True)))


def _first_day(file: str, seen: Input) -> float | None:
    """The day from which starting weights count, as days are counted here; None where their card does not say.

    Raises:
        ModelError: they learned from another part of the year.
    """
    known = read_card(file).get("season")
    if not known or not seen.season:
        return None
    season = msgspec.convert(known, SeriesDays)
    later = YEAR * round((seen.season.middle - season.middle) / YEAR)
    common = min(seen.season.last, season.last + later) - max(seen.season.first, season.first + later)
    if common < OVERLAP * (seen.season.last - seen.season.first):
        raise ModelError(f"The starting weights {file} learned from dates of {season_words(season)}, and these series are of "
                         f"{season_words(seen.season)}. Choose weights of the same part of the year, or series of theirs.")
    return season.days[0] + round(later)


def _tensors(file: str) -> tuple[str, dict[str, torch.Tensor]]:
    """The encoder whose published weights a file holds, or nothing, and its tensors by their names in the encoder."""
    tensors = {name.removeprefix(PART): tensor for name, tensor in load_weights(file).items()}
    for encoder, kind in PUBLISHED.items():
        if (found := kind.of_published(tensors)) is not None:
            return encoder, found
    return "", tensors
