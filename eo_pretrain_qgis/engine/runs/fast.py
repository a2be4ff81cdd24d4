"""What computing in bfloat16 changes in a model that is exported, on its own validation ground."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx

from ...progress import SILENT, Progress
from ..cards import Input
from ..even_sample import even_sample
from ..models.openvino_session import OpenVinoSession, UnknownOperatorError, has_bfloat16
from .calibrating import as_given
from .run_folder import RunFolder

#: Tiles looked at.
TILES = 32


def fast_changes(run: RunFolder, graph: onnx.ModelProto, seen: Input, stride: int, progress: Progress = SILENT) -> dict[str, Any]:
    """In how many places of its validation tiles a model says another class when it is computed in bfloat16.

    Args:
        run: that the model was learned in.
        graph: of the model.
        seen: see `calibrating.calibrated`.
        stride: of the model [px].
        progress: told of every few tiles.

    Returns:
        ``fast`` of `models.record.ModelRecord`; empty where this processor or OpenVINO cannot tell, where the dataset is gone, and of models that
        are never computed so, see `Canvas.fast`.
    """
    if "t" in seen.axes or not has_bfloat16() or not os.path.isdir(run.card["dataset"]["path"]):
        return {}
    dataset = run.open_dataset()
    if not dataset.kind.pixelwise or len(graph.graph.output[0].type.tensor_type.shape.dim) != 4:
        return {}
    try:
        exact, fast = (OpenVinoSession("the exported network", quick, output=graph.graph.output[0].name, content=graph.SerializeToString())
                       for quick in (False, True))
    except UnknownOperatorError:
        return {}
    chosen = even_sample(dataset.showing("validation", seen), TILES)
    changed = places = 0
    for done, (some, given, cut) in enumerate(as_given(dataset, seen, stride, chosen)):
        progress.at(min(1.0, done * len(some) / len(chosen)), "Checking what the speed “Fast (bfloat16)” changes")
        one, other = (_classes(session.run(given), cut) for session in (exact, fast))
        changed, places = changed + int((one != other).sum()), places + one.size
    return {"fast": {"changed": changed / places, "places": places, "runtime": fast.runtime}} if places else {}


def _classes(chances: Any, cut: tuple[slice, ...]) -> np.ndarray:
    """The class of each pixel, from probabilities (n, class, y, x) of which a part counts."""
    return chances[(..., *cut)].argmax(1)
