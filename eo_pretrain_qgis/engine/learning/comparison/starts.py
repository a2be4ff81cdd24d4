"""The starting weights of a comparison: what they are called, of which encoder they are, and whether they fit the bands of the dataset."""

from __future__ import annotations

import os

from ....errors import DataError, ModelError, listed
from ....progress import SILENT, Progress
from ...cards import stacked
from ...datasets.dataset import Dataset
from ...models.catalog import PREFIX
from ...models.downloads import file_sha256
from ...rasters.same_band import band_places
from ..finetuning.heads import heads_of
from ..finetuning.recipe import seen_by
from ..loop.training_runs import USUAL_ENCODER
from ..networks.encoder_files import IMAGENET, band_names, find_weights, read_card
from ..networks.encoder_import import chosen_encoder
from ..tasks import learner_of
from .asking import FINE_TUNE, SCRATCH, SIMPLE, Options, Start

#: Bands that a sentence names.
NAMED = 6


def starts_of(options: Options, dataset: Dataset, progress: Progress) -> list[Start]:
    """The weights that are compared: from scratch once for each encoder, then those that were given.

    All are taken over once, so that nothing is computed before one of them does not fit.

    Raises:
        DataError: two are the same.
        ModelError: weights cannot be read, do not fit their encoder, or know none of the bands.
    """
    own, bands = learner_of(dataset).encoder, stacked(seen_by(options.training, dataset).values()).names
    asked, given, known = options.training.encoder, list[Start](), dict[str, list[str]]()
    for name, path in zip(names_of(options.starts), options.starts, strict=True):
        encoder = own(path, asked, bands, progress) if own else chosen_encoder(path, asked, bands, progress)
        file = find_weights(path, bands, True, progress.part(0, 0))
        given.append(Start(name, path, encoder, sha256=file_sha256(file)))
        known[path] = band_names(read_card(file))
    _refuse_same(given)
    if own is None:
        _refuse_other_bands(dataset, bands, known)
    for start in given:
        progress.at(0, f"Reading “{start.name}”")
        _take_over(options, dataset, start)
    _tell_bands(given, known, progress)
    encoders = list(dict.fromkeys(one.encoder for one in given)) or [own(None, asked, bands, progress) if own else asked or USUAL_ENCODER]
    scratch = [Start(SCRATCH if len(encoders) == 1 else f"{SCRATCH} {encoder}", None, encoder, own is None) for encoder in encoders]
    if len(encoders) > 1:
        progress.message(f"The starting weights are of {len(encoders)} encoders ({', '.join(encoders)}), so each is compared with its own encoder "
                         "from scratch.")
    return [*scratch, *given]


def names_of(paths: tuple[str, ...]) -> list[str]:
    """Names of weights in tables: that of the folder or file, with a number before it where two would be alike.

    Raises:
        DataError: two are the same.
    """
    if len(set(map(os.path.realpath, paths))) < len(paths):
        raise DataError(f"Starting weights are named twice: {', '.join(paths)}. Name each once.")
    names = [_short(path) for path in paths]
    if len(set(names)) == len(names) and SCRATCH not in names and SIMPLE not in names:
        return names
    return [f"{number}: {name}" for number, name in enumerate(names, 1)]


def _short(path: str) -> str:
    if path.startswith(PREFIX):
        return path.partition(":")[2]
    path = path.rstrip("/" + os.sep)
    name = os.path.basename(path)
    return os.path.basename(os.path.dirname(path)) or name if name in ("encoder.safetensors", "best.safetensors") else name


def _refuse_same(given: list[Start]) -> None:
    paths: dict[str, str | None] = {}
    for start in given:
        if start.content in paths:
            raise DataError(f"{paths[start.content]} and {start.path} hold the same weights, so there is nothing to compare between them. Name one "
                            "of them.")
        paths[start.content] = start.path


def _refuse_other_bands(dataset: Dataset, bands: list[str], known: dict[str, list[str]]) -> None:
    """Those of ImageNet are for all, and those that do not say are taken as they are."""
    strange = [f"{path} ({listed(theirs, NAMED)})" for path, theirs in known.items()
               if theirs and tuple(theirs) != IMAGENET and not any(place is not None for place in band_places(theirs, bands))]
    if strange:
        raise ModelError(f"The dataset {dataset.folder} has the bands {listed(bands, NAMED)}, and none of them is known to the starting weights "
                         f"{' and '.join(strange)}. Give weights of its sensor, or other “Bands” of the dataset.")


def _take_over(options: Options, dataset: Dataset, start: Start) -> None:
    """Refuses what the first training would refuse, hours later."""
    learner, inputs = learner_of(dataset), seen_by(options.training, dataset)
    kind = learner.kind(FINE_TUNE, start.encoder, options.training.incidence_angle)
    network = learner.networks[kind](start.encoder, inputs, sum(head.classes for head in heads_of(dataset)))
    learner.start(network, start.path, stacked(inputs.values()).names, SILENT)


def _tell_bands(given: list[Start], known: dict[str, list[str]], progress: Progress) -> None:
    theirs = {start.name: known[str(start.path)] for start in given if known[str(start.path)]}
    if len({frozenset(names) for names in theirs.values()}) > 1:
        told = "; ".join(f"“{name}” {listed(names, NAMED)}" for name, names in theirs.items())
        progress.message(f"The starting weights know different bands: {told}. Each brings what it knows of the bands of the dataset, and the others "
                         "begin as the mean of its bands: what is compared is weights and bands together.", "warning")
