"""How much of what a network learned above its regression is worth keeping, by the validation tiles."""

from __future__ import annotations

import numpy as np
import torch

from ....progress import SILENT, Progress
from ...runs.by_scene import SceneCounts, Tried
from ...tasks import FIGURES, Task
from ..data import TileReader, around
from ..networks.spectral import AboveRegression
from .heads import heads_of

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
AT_ONCE, WHOLE_AT_ONCE = 2, 32  # tiles with classes of pixels, and of their own


@torch.no_grad()
def tried_shares(network: AboveRegression, tiles: np.ndarray, reader: TileReader, progress: Progress = SILENT,
                 target: int = 0) -> dict[float, Tried]:
    """What class scores(share) = regression + share · (network - regression) give on validation tiles.

    Tiles with classes of pixels are seen with what lies around them, as in a map: a network that has learned from borders, which a map has none of,
    adds nothing there.

    Args:
        network: with its best weights.
        tiles: positions of the validation tiles.
        reader: that the network was trained with.
        progress: told of every batch.
        target: number of that whose classes are looked at.

    Returns:
        By share; empty where no tile has a label.
    """
    network.eval()
    kind, side, done = reader.dataset.kind, reader.dataset.tile_size, 0
    context, at_once = max(reader.context, around(reader.dataset)), AT_ONCE if kind.pixelwise else WHOLE_AT_ONCE
    head = heads_of(reader.dataset)[target]
    wide = TileReader(reader.dataset, reader.inputs, reader.stride, reader.device, targets=[head.labels], context=context)
    counts = {share: SceneCounts(head.dataset, tiles) for share in SHARES}
    inner = (..., slice(context, context + side), slice(context, context + side)) if kind.pixelwise else ...
    for batch in wide.in_order(tiles, at_once):
        begun, whole = (scores[:, head.scores][inner].float() for scores in network.both(batch.given))
        truth = batch.targets[head.labels][inner].to(torch.uint8).cpu().numpy()
        for share in SHARES:
            mixed = torch.lerp(begun, whole, share)
            found = (mixed.argmax(1).to(torch.uint8) if kind.pixelwise and not kind.dates else mixed).cpu().numpy()
            counts[share].add(batch.samples, truth, found)
        done += len(batch)
        progress.at(done / len(tiles), f"Comparing network and regression on {done} of {len(tiles)} tiles")
    return {share: tried for share, one in counts.items() if (tried := one.tried())}


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
