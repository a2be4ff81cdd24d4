"""Runs a job and leaves `job.json` in the folder it wrote: what was asked, with what versions, how long it took."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from ..errors import JobError
from ..report import Report
from .spec import Job

RECORDED_PACKAGES = ("numpy", "rasterio", "pyogrio", "onnxruntime", "onnxruntime-gpu", "torch", "timm",
                     "segmentation-models-pytorch", "lightning-fabric")


def plugin_version() -> str:
    """The version in metadata.txt, which lies in the plugin folder or, in a checkout, beside it."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package, package.parent):
        card = folder / "metadata.txt"
        if card.is_file():
            for line in card.read_text(encoding="utf-8").splitlines():
                if line.startswith("version="):
                    return line.partition("=")[2].strip()
    return "unknown"


def run_job(job: Job, report: Report) -> dict[str, Any]:
    """Runs `job`; when its main output is a folder, writes `job.json` there, enough to repeat it."""
    started = time.time()
    result = job.run(report)
    name = job.main_output()
    folder = getattr(job, name) if name and job.parameters()[name].kind == "folder_output" else None
    if folder and os.environ.get("RANK", "0") == "0":  # under torchrun the first process writes for all
        write_record(job, result, started, folder)
    return result


def write_record(job: Job, result: dict, started: float, folder: str) -> None:
    """Writes `job.json` aside and renames it, so that it is whole or absent."""
    record = {
        "job": job.name(), "version": plugin_version(), "values": job.values(), "result": result,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)), "seconds": round(time.time() - started, 1),
        "python": platform.python_version(), "platform": platform.platform(), "packages": _packages(),
    }
    path = os.path.join(folder, "job.json")
    with open(path + ".part", "w", encoding="utf-8") as stream:
        json.dump(record, stream, indent=1, ensure_ascii=False)
    os.replace(path + ".part", path)


def read_record(path: str) -> tuple[str, dict]:
    """The name and values of the job a `job.json` records.

    Raises:
        JobError: when the file is not such a record.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        return record["job"], record["values"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path} is not a job.json of this plugin ({error}). Choose the job.json of a run or dataset folder.") from None


def _packages() -> dict[str, str]:
    from importlib import metadata  # takes longer to import than everything else QGIS loads of us

    found = {}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
