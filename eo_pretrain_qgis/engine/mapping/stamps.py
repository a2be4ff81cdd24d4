"""Whether images are still those that a run has read before: the size and time of change of all their files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ...scene_names import split_grid
from ..rasters.mosaic import rasters_of
from ..rasters.raster import Raster, Scene

Stamps = list[tuple[str, int, int]]
#: A scene as delivered has some hundred files; a folder with more is no scene alone, and looking at it would take long.
MOST_FILES = 20_000
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def stamps(scenes: Sequence[Scene], closed: Sequence[Raster] = (), files: Sequence[str] = (),
           made: Mapping[str, str] | None = None) -> Stamps | None:
    """Path, size and time of change [ns] of all files that images are read from; None where these cannot be known, as of images on the web.

    Args:
        scenes: open images.
        closed: rasters that are read besides, of which there may be many; none stays open.
        files: that are read besides.
        made: files that were made for this run alone → the one that each was made of, which counts in its place.
    """
    found = {os.path.abspath(file) for file in files}
    try:
        for raster in [*(raster for scene in scenes for raster in rasters_of(scene)), *closed]:
            own = _files_of(raster)
            if raster in closed:
                raster.close()
            if own is None:
                return None
            found |= {os.path.abspath((made or {}).get(file, file)) for file in own}
        return [(file, facts.st_size, facts.st_mtime_ns) for file in sorted(found) for facts in [os.stat(file)]]
    except OSError:  # it went just now; who reads it says so
        return None
    finally:
        for raster in closed:
            raster.close()


def file_of(source: dict) -> str:
    """The file of a job's layer value, without the name of a layer in it."""
    return str(source["path"]).partition("|")[0]


def changed(known: Sequence[tuple[str, int, int]]) -> str:
    """The first of these files that is another one on this computer, or is not there; empty where all are the same."""
    for file, size, changed_ns in known:
        try:
            found = os.stat(file)
        except OSError:
            return file
        if (found.st_size, found.st_mtime_ns) != (size, changed_ns):
            return file
    return ""


def _files_of(raster: Raster) -> list[str] | None:
    """The files on disk of a raster, with what it refers to and what lies beside it; None where one is not on a disk."""
    path, _ = split_grid(raster.path)
    scene = bool(raster.understood)  # all of its folder or archive counts, so that what the scene is made of in memory need not be looked into
    folder = path if os.path.isdir(path) else os.path.dirname(path) if scene and not path.lower().endswith(_ARCHIVES) else ""
    names = [os.path.join(above, name) for above, _, inside in os.walk(folder) for name in inside] if folder else [path]
    if len(names) > MOST_FILES:
        return None
    read = [name for name in raster.dataset.files if not (scene and name.startswith(("/vsimem/", "<")))]
    files = [_on_disk(name) for name in dict.fromkeys([*names, *read])]
    known = [file for file in files if file is not None]
    return known if known and len(known) == len(files) else None


def _on_disk(path: str) -> str | None:
    """The file that GDAL reads for a path, such as the archive that holds it; None where there is none."""
    for prefix in ("/vsizip/", "/vsitar/", "/vsigzip/"):
        path = path.removeprefix(prefix)
    place = path[1:].partition("}")[0] if path.startswith("{") else path
    while place and not os.path.lexists(place) and place != os.path.dirname(place):
        place = os.path.dirname(place)
    return place if os.path.isfile(place) else None
