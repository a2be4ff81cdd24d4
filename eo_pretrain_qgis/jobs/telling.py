"""What is said of a job besides its results: what these are of, and what a cancel has left."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..outputs import is_used, spoken_name
from .files import paths_of
from .spec import Job

#: Kinds of inputs, those first that results are most likely of.
_OF = (("raster",), ("layer", "vector", "folder"), ("file", "weights"))


def subject(job: Job) -> str:
    """What the results of a job are of, for the names of layers and reports: the folder it writes, or the image, dataset or run it reads.

    Empty where none of them has a name of its own.
    """
    folder = job.output_folder()
    if folder and spoken_name(folder):
        return spoken_name(folder)
    for kinds in _OF:
        for name, param in job.parameters().items():
            if param.kind in kinds and not param.program and getattr(job, name):
                value = getattr(job, name)
                items = value if isinstance(value, (list, tuple)) else [value]
                first = items[0].get("name") if isinstance(items[0], Mapping) else ""
                path = Path(os.path.abspath(paths_of(param, value)[0]))  # “.” may be a scene
                if param.kind == "folder":
                    path = path.parent if path.name == param.main_file else path
                else:
                    path = path.with_suffix("") if path.name else path
                called = first or spoken_name(path)
                if called:
                    return called if len(items) == 1 else f"{called} and {len(items) - 1} more"
    return ""


def dataset_name(job: Job) -> str:
    """What a dataset is called that a job makes, for its reports and for the models that learn from it."""
    return subject(job) or "dataset"


def after_cancel(job: Job) -> str:
    """What a cancel has left, and how to go on."""
    folder = job.output_folder()
    if job.continues and folder and is_used(folder):
        label = job.parameters()[job.main_output()].label
        return (f"Cancelled. What was done is kept in {folder}. Run the same job with the same values and that folder as “{label}”, and it goes on "
                "where it stopped.")
    return "Cancelled. Nothing half-written was left behind."
