"""Series written as the folders of TimeSen2Crop."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from ..report import SILENT, Report
from .datasets.dataset import Dataset


def export_series(dataset: Dataset, folder: Path, sensor: str = "", split: str = "", report: Report = SILENT) -> int:
    """Writes every series of a dataset as a CSV file.

    Args:
        dataset: of the task "series".
        folder: an empty folder to fill.
        sensor: must be empty or the first sensor, of which the layout tells.
        split: must be empty: the layout knows tiles and no splits.
        report: progress.

    Returns:
        Number of series.

    Raises:
        DataError: another task, or a part of the dataset was asked for.
    """
    from .themes.crops.timesen2crop_export import write_timesen2crop_folders

    if dataset.task != "series":
        raise DataError(f"{dataset.folder} is for the task “{dataset.task}”, and TimeSen2Crop's layout holds series. Choose a dataset of "
                        "series, or another format.")
    if split or sensor not in ("", dataset.sensor.name):
        raise DataError("TimeSen2Crop's layout holds all series of the first sensor. Leave “Sensor” empty and choose the samples of “all”.")
    write_timesen2crop_folders(dataset.folder, folder, report)
    return len(dataset)
