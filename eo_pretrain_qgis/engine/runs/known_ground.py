"""What a model that is exported learned from, so that its maps can show where an image is like that."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx

from ...progress import SILENT, Progress
from ..cards import Input
from ..classic.ground_graph import CELL, Places, ground_graph
from ..classic.models import Labelled
from ..datasets.splitting.label_shares import training_share
from ..even_sample import even_sample
from ..measures.applicability import KnownGround
from ..models.ground import store
from ..models.kinds import block_sizes, up
from .blocks import blocks_of
from .run_folder import NETWORK, RunFolder

#: Training samples that places are compared with. With 1,000 the limit is 1 % lower, and the time of a map grows with each of them
#: (benchmarks/known_ground.py).
SAMPLES = 250
#: Said of every model without.
NO_LAYER = "Its maps cannot show the area of applicability."


def with_known_ground(run: RunFolder, graph: onnx.ModelProto, seen: Input, facts: dict[str, Any], progress: Progress = SILENT) -> dict[str, Any]:
    """Puts the area of applicability into a model, and says what is known of it; a model of series has none.

    Args:
        run: that the model was learned in.
        graph: of the model, which gets a second one.
        seen: what it sees, with the bands of two sensors behind each other, and what stands for missing pixels.
        facts: of its description so far.
        progress: told why there is no such layer.

    Returns:
        ``applicability`` of `models.record.ModelRecord`, and of a model of pixels the stride and the blocks, whose borders lie at multiples of
        `CELL`; empty where nothing is known.
    """
    if seen.dated:
        return {}
    if run.kept == NETWORK and any(one.optional for one in seen.each):
        progress.message(f"The model does without a sensor that is missing, and what is like training ground then is not known. {NO_LAYER}")
        return {}
    if not os.path.isdir(run.card["dataset"]["path"]):
        progress.message(f"The dataset {run.card['dataset']['path']} of the run is gone, so nobody knows what the model learned from. {NO_LAYER}")
        return {}
    dataset, settings = run.open_dataset(), run.card["settings"]
    labelled = Labelled(dataset, seen, training_share(dataset, settings["label_share"], settings["seed"]), settings["seed"], progress)
    known = ground_of(labelled)
    if known is None:
        progress.message(f"The training {dataset.kind.pieces} of {dataset.folder} lie in one place or look all the same, so nobody can say how "
                         f"unlike each other they are. {NO_LAYER}", "warning")
        return {}
    whole = not dataset.kind.pixelwise
    places = Places({one.name: len(one.bands) for one in seen.each}, labelled.whitening, seen.centre, whole, bool(facts.get("dense_step")))
    checksum = store(graph, ground_graph(known, places, graph))
    found = {"applicability": {"limit": known.limit, "samples": len(known.rows), "nearby": known.nearby, "sha256": checksum}}
    if whole or facts["stride"] % CELL == 0:
        return found
    return {**found, "stride": CELL, "halo": up(facts["halo"], CELL), **block_sizes(up(facts["halo"], CELL), CELL)}


def ground_of(labelled: Labelled, most: int = SAMPLES) -> KnownGround | None:
    """What labels were learned from, with so many of the samples at most, evenly over the tiles; None where these tell nothing.

    A sample is compared with those of other blocks of ground, see `blocks_of`.
    """
    rows = labelled.rows
    chosen = even_sample(np.arange(len(rows.labels)), most)
    tiles, places = np.unique(rows.tiles[chosen], return_inverse=True)
    try:
        known = KnownGround.of(rows.features[chosen], blocks_of(labelled.dataset, tiles).of[places])
    except ValueError:
        return None
    return known if known.limit > 0 else None
