"""Evaluation of the network of a run, see `runs.evaluation`."""

from __future__ import annotations

from typing import Any

from ....progress import SILENT, Progress
from ...runs.evaluation import NOTHING, measure_classifier, measure_run
from ...runs.further import Further
from ...runs.fusing import ALL_SENSORS, hidden_inputs
from ...runs.run_folder import NETWORK
from ..loop.device import describe_device, pick_device, use_all_cores
from ..loop.runs import Run
from .answers import NetworkAnswers


def evaluate_run(run_folder: str, dataset_folder: str | None, split: str, batch_size: int, device_name: str,
                 progress: Progress = SILENT, sensors: str = ALL_SENSORS, further: Further = NOTHING) -> tuple[dict[str, Any], list[str]]:
    """Measures what a run kept, and the baselines of its task.

    Args:
        run_folder: from “Fine-tune a model”.
        dataset_folder: see `measure_run`.
        split: see `measure_run`.
        batch_size: samples at once, where each has a class as a whole.
        device_name: see `pick_device`.
        progress: told of every batch.
        sensors: “all”, or the name of one of two, of which the other is hidden.
        further: what is asked beside.

    Returns:
        See `measure_run`, which also says what is raised.

    Raises:
        EngineError: the device is not there.
    """
    run, device = Run.open(run_folder), pick_device(device_name)
    hidden = hidden_inputs(run, sensors)
    if run.kept != NETWORK:
        return measure_classifier(run_folder, dataset_folder, split, progress, further)
    use_all_cores()
    progress.message(f"Measuring with {describe_device(device)}.")
    return measure_run(run, lambda dataset: NetworkAnswers.of(run, dataset, device, hidden), dataset_folder, split, batch_size, progress, further)
