"""Install engine: builds the environment in which jobs run."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...progress import Progress
from ..spec import Job, Result, choice, folder, program, text


@dataclass(frozen=True)
class InstallEngine(Job):
    """Builds the environment in which the other algorithms run, outside the plugin and outside QGIS's own Python.

    “predict” (about 350 MB) maps with ready models; “predict_gpu” (about 3 GB) does so with an NVIDIA GPU, whose driver must be of version 580
    or newer; “train” (several GB) also trains, with a GPU where there is one. A broken installation is never
    repaired in place: it is built anew beside and then takes over.
    """

    title = "Install the engine"
    group = "0 Start here"
    tags = ("setup", "dependencies", "torch", "onnxruntime", "offline", "GPU")
    engine = "none"
    results = {"python": Result("text", "Path of the engine's Python"),
               "kind_installed": Result("text", "Kind of engine: predict, predict_gpu or train"),
               "seconds": Result("number", "Duration of the installation, in seconds")}

    kind: str = choice("What for", ("predict", "predict_gpu", "train"), default="train")
    source: str = choice("Source", ("package_index", "folder_of_wheels", "existing_python"), default="package_index",
                         help="“folder_of_wheels” needs no network. “existing_python” takes an interpreter that already has the packages.")
    wheels: str = folder("Folder of wheels", optional=True)
    python: str = program("Existing Python", optional=True)
    location: str = text("Where to build", default=None, advanced=True, program=True,  # what lies there is run
                         help="Empty: the user's data folder, or .engine in a checkout.")

    def check(self) -> None:
        if self.source == "folder_of_wheels" and not self.wheels:
            raise JobError("“Folder of wheels” is empty. Choose the folder that holds the wheels.")
        if self.source == "existing_python" and not self.python:
            raise JobError("“Existing Python” is empty. Choose the interpreter that has the packages.")

    def run(self, progress: Progress) -> dict[str, Any]:
        from ...worker import environment, uv

        started = time.monotonic()
        progress.at(0, "Looking for what is there already")
        self._compare_with_the_driver(uv.nvidia_driver(), uv.OLDEST_LINUX_DRIVER, progress)
        location = os.path.expanduser(self.location) if self.location else ""
        if self.source == "existing_python":
            python = environment.adopt(self.kind, self.python, location, progress)
        else:
            wheels = self.wheels if self.source == "folder_of_wheels" else ""
            python = environment.build(self.kind, location, os.path.abspath(wheels) if wheels else "", progress=progress)
        progress.message(f"The engine is ready: {python}")
        return {"python": python, "kind_installed": self.kind, "seconds": round(time.monotonic() - started, 1)}

    def _compare_with_the_driver(self, driver: int | None, oldest: int, progress: Progress) -> None:
        """Says what of a GPU the engine asked for will use; `driver` is its version, 0 when it does not say, None without one."""
        if self.kind == "predict" and driver is not None:
            progress.message("This machine has an NVIDIA driver, and “predict” computes on processors only. “predict_gpu” (about 3 GB) maps with "
                             "the GPU.")
        elif self.kind == "predict_gpu" and driver is None:
            progress.message("This machine has no NVIDIA driver, so mapping falls back to the processor here. “predict” does the same in 350 MB.",
                             "warning")
        elif self.kind != "predict" and driver and driver < oldest:
            progress.message(f"The NVIDIA driver {driver} is too old for the CUDA 13 that mapping needs ({oldest} or newer), so maps are made on the "
                             "processor. Update the driver.", "warning")
