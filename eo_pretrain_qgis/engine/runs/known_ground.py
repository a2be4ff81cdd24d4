"""What a model that is exported learned from, so that its maps can show where an image is like that."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx

from ...errors import DataError
from ...progress import SILENT, Progress
from ..cards import Input
from ..classic.ground_graph import SAMPLES, Places, put, put_of_series
from ..classic.models import Labelled
from ..datasets.splitting.label_shares import training_share
from ..even_sample import even_sample
from ..measures.applicability import KnownGround, known_ground
from .blocks import blocks_of
from .run_folder import NETWORK, RunFolder

#: Said of every model without.
NO_LAYER = "Its maps cannot show the area of applicability."


def with_known_ground(run: RunFolder, graph: onnx.ModelProto, seen: Input, facts: dict[str, Any], progress: Progress = SILENT) -> dict[str, Any]:
    """Puts the area of applicability into a model, and says what is known of it.

    Args:
        run: that the model was learned in.
        graph: of the model, which gets a second one.
        seen: what it sees, with the bands of two sensors behind each other, and what stands for missing pixels.
        facts: of its description so far.
        progress: told why there is no such layer.

    Returns:
        What `ground_graph.put` does; empty where nothing is known.
    """
    if not os.path.isdir(run.card["dataset"]["path"]):
        progress.message(f"The dataset {run.card['dataset']['path']} of the run is gone, so nobody knows what the model learned from. {NO_LAYER}")
        return {}
    dataset, settings = run.open_dataset(), run.card["settings"]
    tiles, grounds = training_share(dataset, settings["label_share"], settings["seed"]), []
    for what in (seen, *(_seen_alone(seen) if run.kept == NETWORK else ())):
        labelled = Labelled(dataset, what, tiles, settings["seed"], progress)
        try:
            known = ground_of(labelled)
        except DataError:  # a model that does without a sensor may have seen none of both
            known = None
        if known is None:
            why = "lie in one place or look all the same" + (f", or {what.sensor} measured none of them" if len(seen.each) > 1 else "")
            progress.message(f"The training {dataset.kind.pieces} of {dataset.folder} {why}, so nobody can say how unlike each other they are. "
                             f"{NO_LAYER}", "warning")
            return {}
        if seen.dated:
            return put_of_series(known, labelled.whitening, seen, graph)
        ports, whole = {one.name: len(one.bands) for one in what.each}, not dataset.kind.pixelwise
        grounds.append((known, Places(ports, labelled.whitening, what.centre, whole, bool(facts.get("dense_step")))))
    return put(grounds, graph, facts)


def _seen_alone(seen: Input) -> list[Input]:
    """The inputs that a model maps alone: it does without all others."""
    return [one for one in seen.each if len(seen.each) > 1 and all(other.optional for other in seen.each if other is not one)]


def ground_of(labelled: Labelled, most: int = SAMPLES) -> KnownGround | None:
    """What labels were learned from, with so many of the samples at most, evenly over the tiles; None where these tell nothing.

    A sample is compared with those of other blocks of ground, see `blocks_of`.
    """
    rows = labelled.rows
    chosen = even_sample(np.arange(len(rows.labels)), most)
    tiles, places = np.unique(rows.tiles[chosen], return_inverse=True)
    return known_ground(rows.features[chosen], blocks_of(labelled.dataset, tiles).of[places])
