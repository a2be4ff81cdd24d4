"""Export of several runs that kept networks as one model file, see `runs.members`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import onnx
import torch

from ...progress import SILENT, Progress
from ..runs.members import Asked, Member, together, write
from ..runs.run_folder import RunFolder
from .export import borders, translated_run
from .loop.runs import Run


def export_members(runs: Sequence[RunFolder], asked: Asked, progress: Progress = SILENT) -> dict[str, Any]:
    """Writes runs that kept networks, see `runs.members.runs_of`, as one model file.

    Args:
        runs: see above.
        asked: of the file.
        progress: told of every step.

    Returns:
        ``largest_difference`` and ``model_id``.

    Raises:
        DataError: networks that cannot be in one file.
        ModelError: a run has no weights, its network cannot be exported, or the file differs by more than is allowed.
    """
    members, facts = [], {}
    for number, folder in enumerate(runs):
        run = Run.open(folder.folder)
        network = run.load_network(torch.device("cpu"))
        written = translated_run(run, network, asked.tolerance, progress.part(0.5 * number / len(runs), 0.5 * (number + 1) / len(runs)))
        of_it = {**{key: run.card[key] for key in ("architecture", "encoder", "parameters")}, "stride": network.stride,
                 "beside": list(network.beside), **written.facts}
        members.append(Member(run, onnx.load_model_from_string(written.content), written.difference, of_it))
        facts, seen = written.facts, network.seen
    graph, difference = together(members, seen, asked.tolerance)
    stride = math.lcm(*(one.facts["stride"] for one in members))
    facts = {**facts, **borders(members[0].run, seen, stride, graph.SerializeToString(), progress.part(0.5, 0.8))}
    return write(members, graph, seen, facts, asked, progress.part(0.8, 1)) | {"largest_difference": difference}
