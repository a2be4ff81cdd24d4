"""Parameters that every job which is told of clouds by masks declares alike, and the rule between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import JobError
from .spec import Result, choice, rasters

#: Kinds of masks, and what dialogs show for each.
MASKS = {
    "scl": "Sentinel-2 scene classification (SCL)",
    "qa_pixel": "Landsat quality band (QA_PIXEL)",
    "flags": "Flags: 0 clear, 1 cloud, 2 shadow, 3 snow",
    "mask": "Mask: 0 clear, any other value cloud",
}
KINDS = "What the cloud mask is; “Mask clouds” writes flags."
#: Of a dataset of tiles.
CLOUDED = Result("number", "With cloud masks: mean share of the pixels of a tile that cloud or shadow hides, 0 to 1")
DELIVERED = "A scene as it was delivered brings its own: give it here, too."


def known_from(hidden: str, more: Mapping[str, str] | None = None, advanced: bool = False) -> Any:
    """Where clouds are known from; `hidden` says what becomes of the ground under them, `more` are sources that need no mask."""
    return choice("Clouds are known from", {"none": "None: all ground counts as clear", **MASKS, **(more or {})}, default="none",
                  advanced=advanced, help=f"{KINDS} {hidden}")


def masks_of_each(advanced: bool = False) -> Any:
    return rasters("Cloud masks", optional=True, advanced=advanced, repeats=True,
                   help=f"One for each image, in the same order; any grid. {DELIVERED}")


def mask_of_one(more: str = "", advanced: bool = True) -> Any:
    return rasters("Cloud mask", optional=True, advanced=advanced, repeats=True,
                   help=f"One raster, on any grid, or the scene as it was delivered, which brings its own.{more}")


def masks_of_dates(help: str = "One for each date. What they hide is bridged; images without one count as clear.", advanced: bool = False) -> Any:
    return rasters("Cloud masks", optional=True, advanced=advanced, repeats=True, help=help)


def kind(advanced: bool = False) -> Any:
    return choice("Kind of cloud mask", MASKS, default="scl", advanced=advanced, help=KINDS)


def check(source: str, masks: list | None, scenes: int, one_scene: str = "") -> None:
    """Raises JobError unless there is a mask for each scene where clouds are known from masks, and none where not.

    Args:
        source: what clouds are known from.
        masks: those that are given.
        scenes: how many there are.
        one_scene: what to do where the rasters are the bands of one scene; said of one mask for several rasters.
    """
    given = len(masks or ())
    if source in MASKS and given != scenes:
        more = f" {one_scene}" if one_scene and given == 1 else ""
        raise JobError(f"The number of cloud masks is {given}, and that of scenes {scenes}. Give one for each scene, in the same order (a scene "
                       f"as it was delivered can be its own), or set “Clouds are known from” to another source.{more}")
    if given and source not in MASKS:
        raise JobError(f"Cloud masks are given, but “Clouds are known from” is {source}. Set it to the kind of the masks: {', '.join(MASKS)}.")


def check_scenes(job: Any) -> None:
    """Raises JobError unless a job that cuts tiles has a mask for each of its scenes, see `check`."""
    label = job.parameters()["arrangement"].label
    check(job.clouds, job.cloud_masks, scenes_of(job), f"If the images are the bands of one scene, set “{label}” (arrangement) to bands.")


def scenes_of(job: Any) -> int:
    """How many scenes the images of a job that cuts tiles are."""
    return 1 if job.arrangement == "bands" else len(job.images)
