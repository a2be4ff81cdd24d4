"""Images of one or two dates as scenes: the bands of the second date follow those of the first, under names such as “B02 (2)”.

So a model of two dates takes one input, and a map is made by giving both images, the first date first, as the bands of one scene. Weights of Fields
of the World name their bands in the same way (models/catalog.json).
"""

from __future__ import annotations

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.building import open_scenes
from ...rasters.raster import Scene
from ...rasters.sensors import name_bands


def dated_scenes(images: list[dict], second: list[dict], arrangement: str, nodata: float | None = None, progress: Progress = SILENT) -> list[Scene]:
    """Opens the images of one date, or of two.

    Args:
        images: raster values of a job.
        second: those of the second date, each on the grid of one of `images`; none for one date.
        arrangement: see `open_scenes`.
        nodata: declared nodata value.
        progress: told when the resolutions differ.

    Raises:
        DataError: the images of the two dates do not go together.
    """
    scenes = open_scenes(images, arrangement, nodata, progress)
    if not second:
        return scenes
    later = open_scenes(second, arrangement, nodata, progress)
    if len(later) != len(scenes):
        raise DataError(f"{len(scenes)} images of the first date and {len(later)} of the second were given. Give one of each date for each place.")
    return [Scene([*scene.rasters, *_partner(scene, later).rasters]) for scene in scenes]


def two_date_bands(scenes: list[Scene], preset: str, bands: str | None, progress: Progress = SILENT) -> str:
    """The names of all bands of scenes of two dates, separated by commas; `bands` are those of one date, empty for those of the files.

    Raises:
        DataError: the names do not fit the image, or the two dates have other bands.
    """
    scene = scenes[0]
    names = scene.band_names
    first, later = names[:len(names) // 2], names[len(names) // 2:]
    told = SILENT if bands else progress  # where names are given, `describe_sensor` says what is to be said of them
    known = [[band.name.replace(",", " ") for band in name_bands(preset, part, bands or "", told)] for part in (first, later)]
    if known[0] != known[1]:
        raise DataError(f"The first date of {scene.name} has the bands {', '.join(known[0])}, and the second {', '.join(known[1])}. Give images with "
                        "the same bands in the same order.")
    return ",".join([*known[0], *(f"{name} (2)" for name in known[1])])


def acquired(scene: Scene) -> list[str]:
    """The days on which the images of a scene were taken, in order, each once; “unknown” where a file does not tell."""
    return list(dict.fromkeys(raster.acquired or "unknown" for raster in scene.rasters))


def _partner(scene: Scene, later: list[Scene]) -> Scene:
    """The first image of the second date that lies on the grid of a scene; it is taken out of the list."""
    for number, other in enumerate(later):
        if other.grid.same_as(scene.grid) and len(other.band_names) == len(scene.band_names):
            return later.pop(number)
    raise DataError(f"No image of the second date lies on the grid of {scene.path} with as many bands. Bring it there with “Warp (reproject)”, or "
                    "leave the second date empty.")
