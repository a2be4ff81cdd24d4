"""Images of one or two dates as scenes: the bands of the second date follow those of the first, under names such as “B02 (2)”.

So a model of two dates takes one input, and a map is made by giving both images, the first date first, as the bands of one scene. Weights of Fields
of the World name their bands in the same way (models/catalog.json).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.building import open_scenes
from ...datasets.cloud_masks import clear_scene
from ...rasters.raster import Scene
from ...rasters.sensors import Called, name_bands


@dataclass(frozen=True)
class DatedScenes:
    """Scenes of one date or two, and of two which image of the second date each has, by its number.

    Attributes:
        scenes: with the bands of both dates.
        partners: numbers of the images of the second date (n,); empty for one date.
    """

    scenes: list[Scene]
    partners: tuple[int, ...] = ()

    def clear(self, masks: Sequence[dict], second: Sequence[dict], kind: str, progress: Progress = SILENT) -> list[Scene]:
        """The scenes, in which what is under clouds on any date counts as not measured.

        Args:
            masks: raster values of a job, one for each image of the first date, or none.
            second: the same of the second date.
            kind: of all of them, a key of `clouds.KINDS`.
            progress: told when a mask is of another day.

        Raises:
            DataError: a mask does not cover its scene.
        """
        of_each = [[*masks[number:number + 1], *([second[self.partners[number]]] if second else [])] for number, _ in enumerate(self.scenes)]
        return [clear_scene(scene, own, kind, progress) for scene, own in zip(self.scenes, of_each, strict=True)]


def open_dates(images: list[dict], second: list[dict], arrangement: str, nodata: float | None = None, progress: Progress = SILENT) -> DatedScenes:
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
        return DatedScenes(scenes)
    later = open_scenes(second, arrangement, nodata, progress)
    if len(later) != len(scenes):
        raise DataError(f"{len(scenes)} images of the first date and {len(later)} of the second were given. Give one of each date for each place.")
    partners: list[int] = []
    for scene in scenes:
        partners.append(_partner(scene, later, partners))
    return DatedScenes([Scene([*scene.rasters, *later[number].rasters]) for scene, number in zip(scenes, partners, strict=True)], tuple(partners))


def two_date_bands(scenes: list[Scene], preset: str, bands: str | None, progress: Progress = SILENT) -> str:
    """The names of all bands of scenes of two dates, separated by commas; `bands` are those of one date, empty for those of the files.

    Raises:
        DataError: the names do not fit the image, or the two dates have other bands.
    """
    scene = scenes[0]
    names = scene.band_names
    first, later = names[:len(names) // 2], names[len(names) // 2:]
    told = SILENT if bands else progress  # where names are given, `describe_sensor` says what is to be said of them
    known = [[band.name.replace(",", " ") for band in name_bands(preset, part, bands or "", told, Called(scene.path))]
             for part in (first, later)]
    if known[0] != known[1]:
        raise DataError(f"The first date of {scene.name} has the bands {', '.join(known[0])}, and the second {', '.join(known[1])}. Give images with "
                        "the same bands in the same order.")
    return ",".join([*known[0], *(f"{name} (2)" for name in known[1])])


def acquired(scene: Scene) -> list[str]:
    """The days on which the images of a scene were taken, in order, each once; “unknown” where a file does not tell."""
    return list(dict.fromkeys(raster.acquired or "unknown" for raster in scene.rasters))


def _partner(scene: Scene, later: list[Scene], taken: Sequence[int]) -> int:
    """The number of the first image of the second date that lies on the grid of a scene and is not taken."""
    for number, other in enumerate(later):
        if number not in taken and other.grid.same_as(scene.grid) and len(other.band_names) == len(scene.band_names):
            return number
    raise DataError(f"No image of the second date lies on the grid of {scene.path} with as many bands. Bring it there with “Warp (reproject)”, or "
                    "leave the second date empty.")
