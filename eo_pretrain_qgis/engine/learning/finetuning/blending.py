"""How much of what a network learned above its regression is worth keeping, by the validation tiles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ....progress import SILENT, Progress
from ...datasets.dataset import Dataset
from ...tasks import FIGURES, Task
from ..data import AROUND, LABELS, TileReader
from ..networks.spectral import AboveRegression

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
#: From so many scenes on each counts alike, however many tiles of it there are: what helps one place may harm another.
SCENES = 3
#: Where samples have a class as a whole, a scene has so many on average, or it has no score of its own.
FEWEST = 10
AT_ONCE, WHOLE_AT_ONCE = 2, 32  # tiles with classes of pixels, and of their own


class Tried(NamedTuple):
    """The score of a share, the mean over scenes where there are three or more, and its counts over all tiles."""

    score: float
    counts: np.ndarray


@torch.no_grad()
def tried_shares(network: AboveRegression, tiles: np.ndarray, reader: TileReader, progress: Progress = SILENT) -> dict[float, Tried]:
    """What class scores(share) = regression + share · (network - regression) give on validation tiles.

    Tiles with classes of pixels are seen with what lies around them, as in a map: a network that has learned from borders, which a map has none of,
    adds nothing there.

    Args:
        network: with its best weights.
        tiles: positions of the validation tiles.
        reader: that the network was trained with.
        progress: told of every batch.

    Returns:
        By share; empty where no tile has a label.
    """
    network.eval()
    kind, classes, side, done = reader.dataset.kind, len(reader.dataset.classes), reader.dataset.tile_size, 0
    context, at_once = (max(reader.context, AROUND), AT_ONCE) if kind.pixelwise else (0, WHOLE_AT_ONCE)
    wide = TileReader(reader.dataset, reader.inputs, reader.stride, reader.device, targets=[LABELS], context=context)
    scenes = _scenes(reader.dataset, tiles)
    counts = {(share, scene): kind.nothing(classes) for share in SHARES for scene in np.unique(scenes)}
    inner = (..., slice(context, context + side), slice(context, context + side)) if kind.pixelwise else ...
    for batch in wide.in_order(tiles, at_once):
        begun, whole = (scores[inner].float() for scores in network.both(batch.images))
        truth, of = batch.targets[LABELS][inner].to(torch.uint8).cpu().numpy(), scenes[done:done + len(batch)]
        for share in SHARES:
            mixed = torch.lerp(begun, whole, share)
            found = (mixed.argmax(1).to(torch.uint8) if kind.pixelwise else mixed).cpu().numpy()
            for scene in np.unique(of):
                counts[share, scene] += kind.count(truth[of == scene], found[of == scene], classes)
        done += len(batch)
        progress.at(done / len(tiles), f"Comparing network and regression on {done} of {len(tiles)} tiles")
    tried = {}
    for share in SHARES:
        each = [counts[share, scene] for scene in np.unique(scenes)]
        scores = [score for one in each if (score := kind.figures(one)[kind.score]) is not None]
        if scores:
            tried[share] = Tried(float(np.mean(scores)), np.sum(each, axis=0))
    return tried


def best_share(tried: dict[float, Tried]) -> float:
    """The share with the best score, the smallest of equals; all of the network where nothing was measured."""
    return max(tried, key=lambda share: (tried[share].score, -share)) if tried else 1.0


def blended(share: float, tried: dict[float, Tried], kind: Task) -> str:
    """What was chosen, as a sentence."""
    if not tried:
        return "The validation tiles have no label, so the network is kept as it is."
    scores = {one: found.score for one, found in tried.items()}
    seen = ", seen as in a map," if kind.pixelwise else ""
    told = f"{FIGURES[kind.score]} on the validation tiles{seen} {scores[0.0]:.3f} for the regression, {scores[1.0]:.3f} for the network"
    if not share:
        return f"The network adds nothing to the regression on statistics, which is kept alone: {told}."
    return f"{'All' if share == 1 else f'{share:.0%}'} of what the network adds to the regression is kept: {told}" + (
        "." if share == 1 else f", {scores[share]:.3f} for what is kept.")


def _scenes(dataset: Dataset, tiles: np.ndarray) -> np.ndarray:
    """A number for each tile: that of its scene, or 0 for all where there are too few scenes to tell, or a scene is a sample with its one label."""
    known = dataset.tiles["scene"].to_numpy()[tiles] if "scene" in dataset.tiles else np.zeros(len(tiles), int)
    number = len(np.unique(known))
    return known if number >= SCENES and (dataset.kind.pixelwise or number <= len(tiles) / FEWEST) else np.zeros(len(tiles), int)
