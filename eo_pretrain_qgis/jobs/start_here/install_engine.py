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

    “Make maps” is enough for all maps and for simple classifiers. “Train and make maps” also trains and pretrains networks, with a GPU where there
    is one; where there is none, it takes the build of torch for processors, which is smaller, if PyTorch's package index can be reached. The
    build for NVIDIA GPUs needs a driver of version 580 or newer. Packages come from the Python package index with their checksums, or from a
    folder, without a network.

    Before anything is downloaded it looks whether the disk has room. A broken installation is never repaired in place: it is built anew beside
    and then takes over. “Remove the engine” takes an engine away again.
    """

    title = "Install the engine"
    group = "0 Start here"
    tags = ("setup", "set up", "dependencies", "requirements", "torch", "PyTorch", "onnxruntime", "offline", "GPU", "CUDA", "update", "deep learning")
    engine = "none"
    results = {"python": Result("text", "Path of the engine's Python"),
               "kind_installed": Result("text", "Kind of engine: predict, predict_gpu or train"),
               "seconds": Result("number", "Duration of the installation, in seconds")}

    kind: str = choice("What for", {
        "predict": "Make maps (0.3 GB to download, 1.1 GB on disk)",
        "predict_gpu": "Make maps with an NVIDIA GPU (1.9 GB to download, 3.5 GB on disk)",
        "train": "Train and make maps (up to 3.6 GB to download, 7.3 GB on disk)",
    }, default="predict", help="Start with the first. An algorithm that needs another kind says so.")
    source: str = choice("Take the packages from", {
        "package_index": "The Python package index (needs a network)", "folder_of_wheels": "A folder of wheels (needs no network)",
        "existing_python": "Nowhere: use a Python that already has them",
    }, default="package_index", advanced=True, help="Without a network, take a folder of wheels that was filled on another computer.")
    wheels: str = folder("Folder of wheels", optional=True, advanced=True, help="Only for “A folder of wheels”: a folder with the .whl files of all "
                         "packages for this system.")
    python: str = program("Existing Python", optional=True, advanced=True, help="Only for “Use a Python that already has them”: an interpreter such "
                          "as bin/python of an environment of your own.")
    location: str = text("Where to build", default=None, advanced=True, program=True,  # what lies there is run
                         help="A folder on a disk with room. Empty: the user's data folder, or .engine in a checkout.")

    def check(self) -> None:
        if self.source == "folder_of_wheels" and not self.wheels:
            raise JobError("“Folder of wheels” is empty. Choose the folder that holds the wheels.")
        if self.source == "existing_python" and not self.python:
            raise JobError("“Existing Python” is empty. Choose the interpreter that has the packages.")
        for label, name, given, needed in (("Folder of wheels", "wheels", self.wheels, "folder_of_wheels"),
                                           ("Existing Python", "python", self.python, "existing_python")):
            if given and self.source != needed:
                raise JobError(f"“{label}” ({name}) is given, and “Take the packages from” (source) is {self.source}, which does not use it. "
                               f"Set source to {needed}, or leave “{label}” empty.")

    @classmethod
    def situation(cls) -> list[str]:
        """See `Job.situation`."""
        from ...worker import disk, environment, uv

        driver, place = uv.nvidia_driver(), environment.locations()[0]
        if driver is None:
            gpu = ("This machine has no NVIDIA driver, so all is computed on the processor. “Make maps” is enough for maps; “Train and "
                   "make maps” makes them, too, and trains.")
        elif 0 < driver < uv.OLDEST_LINUX_DRIVER:
            gpu = (f"Its NVIDIA driver is of version {driver}. With {uv.OLDEST_LINUX_DRIVER} or newer, “Make maps with an NVIDIA GPU” would use the "
                   "GPU.")
        else:
            gpu = "This machine has an NVIDIA driver: “Make maps with an NVIDIA GPU” uses the GPU."
        there = [f"Installed: “{environment.NAMES[engine.kind]}”, {engine.size()}, in {engine.folder}; "
                 f"{cls._state(engine.current, environment.is_used(engine.folder))}." for engine in environment.installed()]
        return [f"{disk.free_gb(place):.1f} GB are free where it will be built, {place}.", gpu, *there]

    @staticmethod
    def _state(current: bool, used: bool) -> str:
        if current:
            return "used now" if used else "ready, and not used now"
        return ("used now, though of an earlier version" if used else "of an earlier version, and no longer used") + (
            ": install its kind again" if used else ": “Remove the engine” takes it away")

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
            progress.message("This machine has an NVIDIA driver, and “Make maps” computes on processors only. “Make maps with an NVIDIA GPU” "
                             "(predict_gpu, 3.5 GB) uses the GPU.")
        elif self.kind == "predict_gpu" and driver is None:
            progress.message("This machine has no NVIDIA driver, so mapping falls back to the processor here. “Make maps” (predict) does the "
                             "same in 1.1 GB.", "warning")
        elif self.kind != "predict" and driver and driver < oldest:
            progress.message(f"The NVIDIA driver {driver} is too old for the CUDA 13 that mapping needs ({oldest} or newer), so maps are made on the "
                             "processor. Update the driver.", "warning")
