"""Runs a job and leaves `job.json` in the folder it wrote: what was asked, with what versions, how long it took."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .. import claims
from ..errors import JobError
from ..outputs import check_sidecar, explained, new_file, settled
from ..progress import Progress
from ..version import plugin_version
from .files import PATH_KINDS
from .spec import Job

RECORDED_PACKAGES = ("numpy", "rasterio", "pyogrio", "onnxruntime", "onnxruntime-gpu", "openvino", "torch", "timm",
                     "segmentation-models-pytorch", "lightning-fabric")


def run_job(job: Job, progress: Progress, identity: str = "") -> dict[str, Any]:
    """Runs `job` while its outputs are claimed for it; when its main output is a folder, writes `job.json` there, enough to repeat it.

    Args:
        job: what to do.
        progress: told how far it is.
        identity: of the job, under which its claims are found when its process dies; empty makes one up.

    Raises:
        DataError: another job writes one of the outputs, or it cannot be written.
    """
    started = time.time()
    if os.environ.get("RANK", "0") != "0":  # under torchrun the first process claims and writes for all
        return rounded(job.run(progress))
    with explained(""), ExitStack() as stack:
        told: list[str] = []
        for path in job.output_paths():
            with explained(path):
                stack.enter_context(claims.taken(settled(path), job.name(), request_checksum(job), identity, told.append, path))
        for path in job.raster_paths():  # said before hours of work
            check_sidecar(path)
        if not any(claim.left for claim in claims.held.values()):  # else who takes it over says it
            for sentence in told:
                progress.message(sentence)
        result = rounded(job.run(progress))
        if job.output_folder():
            write_record(job, result, started, job.output_folder())
    return result


def rounded(result: dict[str, Any]) -> dict[str, Any]:
    """Results with digits that people read: four after the point, and of small numbers the first four that are not 0.

    What is no number is None, for JSON has no NaN.
    """
    known = {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in result.items()}
    return {name: value if not isinstance(value, float) else round(value, 4) if abs(value) >= 1 else float(f"{value:.4g}")
            for name, value in known.items()}


def request_checksum(job: Job) -> str:
    """SHA-256 of what is asked."""
    return hashlib.sha256(json.dumps([job.name(), job.values()], sort_keys=True, default=str).encode()).hexdigest()


def values_without_folders(job: Job) -> dict[str, Any]:
    """The parameters of a job with names of files in place of paths, for files that are given to others: folders tell who made them."""
    parameters = job.parameters()
    return {name: _named(value) if parameters[name].is_output or parameters[name].kind in PATH_KINDS else value
            for name, value in job.values().items()}


def _named(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_named(item) for item in value]
    if isinstance(value, dict):
        return {**value, "path": _named(value["path"])}
    if not isinstance(value, str):
        return value
    path, bar, layer = value.partition("|")
    return os.path.basename(path.rstrip("/" + os.sep)) + bar + layer


def write_record(job: Job, result: dict, started: float, folder: str) -> None:
    """Writes `job.json`, whole or not at all. Programs are left out: a record never says what to run.

    What is made to be given to others names no folders.
    """
    values = values_without_folders(job) if job.for_others else job.values()
    if job.for_others:
        paths = {name for name, declared in job.results.items() if declared.kind not in ("number", "text", "boolean")} | set(values)
        result = {name: _named(value) if name in paths else value for name, value in result.items()}
    record = {
        "job": job.name(), "version": plugin_version(), "result": result,
        "values": {name: value for name, value in values.items() if not job.parameters()[name].program},
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)), "seconds": round(time.time() - started, 1),
        "python": platform.python_version(), "platform": platform.platform(), "packages": _packages(),
    }
    with new_file(os.path.join(folder, "job.json")) as part:
        part.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")


def read_record(path: str) -> tuple[str, dict]:
    """The name and values of the job a `job.json` records.

    Raises:
        JobError: when the file is not such a record.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        name, values = record["job"], record["values"]
        if not (isinstance(name, str) and isinstance(values, dict)):
            raise ValueError("“job” is no name, or “values” is no object")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise JobError(f"{path} is not a job.json of this plugin ({error}). Choose the job.json of a run or dataset folder.") from None
    return name, values


def _packages() -> dict[str, str]:
    from importlib import metadata  # takes longer to import than everything else QGIS loads of us

    found = {}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
