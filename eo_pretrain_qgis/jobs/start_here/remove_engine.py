"""Remove engine: gives back the disk space that engines take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import places
from ...errors import JobError
from ...progress import Progress
from ..spec import Job, Result, boolean, choice, folder


@dataclass(frozen=True)
class RemoveEngine(Job):
    """Removes engines that “Install the engine” built, and says how much disk space that freed.

    Only what it built is removed: never an interpreter of your own, and no data, models or results. The algorithms that need an engine ask
    for a new one when you open them. Choose “Engines of earlier versions” after an update of the plugin.
    """

    title = "Remove the engine"
    group = "0 Start here"
    tags = ("uninstall", "delete", "disk space", "clean up", "old versions", "environment")
    engine = "none"
    results = {"removed": Result("number", "Engines that were removed"),
               "freed_gb": Result("number", "Disk space that was freed, in GB (billions of bytes)")}

    what: str = choice("What to remove", {
        "old": "Engines of earlier versions", "predict": "Make maps", "predict_gpu": "Make maps with an NVIDIA GPU", "train": "Train and make maps",
        "all": "All engines",
    }, default="old", help="The list of “Install the engine” has the same names.")
    downloads: bool = boolean("Also the downloads", default=True, advanced=True,
                              help="uv, which installs the engine, keeps what it downloaded, and the engine shares these files. While they are kept, "
                                   "removing the engine frees little, and the next installation needs no network.")
    location: str = folder("Only engines in", optional=True, advanced=True,
                           help="A folder given as “Where to build” when they were installed. Empty: all places where “Install the engine” built "
                                "some.")

    @classmethod
    def situation(cls) -> list[str]:
        """See `Job.situation`."""
        from ...worker import environment

        found = environment.installed()
        told = [f"Installed: {engine.folder}, {engine.size()}, of {'this' if engine.current else 'an earlier'} version"
                f"{', used now' if environment.is_used(engine.folder) else ''}." for engine in found]
        return told or ["No engine is installed that could be removed."]

    def run(self, progress: Progress) -> dict[str, Any]:
        from ...worker import disk, environment, removal

        found = environment.installed(self.location or "")
        chosen = [engine for engine in found if self.what in ("all", engine.kind) or (self.what == "old" and not engine.current)]
        ours = {environment.python_in(engine.folder) for engine in found}
        foreign = {kind: python for kind in environment.MODULES
                   if not self.location and (python := environment.named(kind)) and python not in ours}
        set_to = places.setting(environment.VARIABLE)
        dangling = [engine for engine in chosen if set_to and environment.holds(engine.folder, set_to)]
        if self.what in foreign and not chosen:
            raise JobError(f"The engine of the kind “{self.what}” is {foreign[self.what]}, which “Install the engine” did not build. It is not "
                           "removed. Remove it with the program that made it; to use another engine, run “Install the engine”.")
        for kind, python in foreign.items() if self.what == "all" else ():
            progress.message(f"{python}, the engine of the kind “{kind}”, was not built by “Install the engine” and stays.", "warning")
        freed = removal.remove(chosen, self.downloads, self.location or "", progress) / disk.GB
        for engine in chosen:
            progress.message(f"Removed {engine.folder} ({engine.size()}).")
        for engine in dangling:
            progress.message(f"{set_to} was in {engine.folder}, and is still named as the Python of the engine, on QGIS's options page or in "
                             f"{environment.VARIABLE}. Leave that empty, or name another one.", "warning")
        told = f"{freed:.1f} GB are free again." if chosen or freed else "There was nothing to remove."
        progress.message(told if self.downloads or not chosen else f"{told} What uv keeps in {disk.uv_cache()} stays.")
        return {"removed": len(chosen), "freed_gb": round(freed, 2)}
