"""Which mask of clouds belongs to which scene, and how much of a dataset lies under clouds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ...progress import SILENT, Progress
from ..rasters.clouds import open_mask
from ..rasters.raster import Scene
from .alignment import days_between, overlap
from .clear_scenes import CLOUDED, ClearScene
from .dataset import TILES, Dataset, numbers

#: A mask that covers less than this leaves ground of which nothing is known.
WHOLE = 0.99
#: A mask that covers less of its scene belongs to another.
MASK_COVERS = 0.5


@dataclass(frozen=True)
class Clouds:
    """What hides the ground: raster values of masks, of an image of two dates one for each, and their kind, a key of `clouds.KINDS`."""

    kind: str = "none"
    masks: Sequence[dict] = ()


def clear_scenes(scenes: list[Scene], masks: Sequence[dict], kind: str, progress: Progress = SILENT) -> list[Scene]:
    """Puts each scene behind the mask of its clouds; without masks they stay as they are.

    Args:
        scenes: the scenes.
        masks: raster values of a job, one for each scene, in the same order.
        kind: of the masks, a key of `clouds.KINDS`.
        progress: told when a mask is of another day.

    Raises:
        DataError: a mask does not cover its scene.
    """
    return [clear_scene(scene, [mask], kind, progress) for scene, mask in zip(scenes, masks, strict=True)] if masks else scenes


def clear_scene(scene: Scene, masks: Sequence[dict], kind: str, progress: Progress = SILENT) -> Scene:
    """The same of one scene, with any number of masks."""
    if not masks:
        return scene
    check_masks([scene] * len(masks), masks, kind, progress)
    return ClearScene(scene, [open_mask(source, kind) for source in masks])


def check_masks(scenes: list[Scene], masks: Sequence[dict], kind: str, progress: Progress = SILENT) -> None:
    """Looks whether each mask belongs to its scene.

    Raises:
        DataError: a mask covers less than half of its scene.
    """
    for scene, source in zip(scenes, masks, strict=True):
        with open_mask(source, kind).raster as mask:
            covered = overlap(scene.grid, mask.grid)
            if covered < MASK_COVERS:
                raise DataError(f"The cloud mask {mask.path} covers {covered:.0%} of {scene.path}. Give one mask for each image, in the order "
                                "of the images.")
            if covered < WHOLE:
                progress.message(f"The cloud mask {mask.path} covers {covered:.0%} of {scene.path}; of the rest nothing is known, and it "
                                 "counts as clear.", level="warning")
            dates = list(dict.fromkeys(raster.acquired for raster in scene.rasters if raster.acquired)) or [scene.date]
            if all(days_between(date, mask.date) for date in dates):
                progress.message(f"The cloud mask {mask.path} is of {mask.date} and its image {scene.path} of {' and '.join(dates)}.",
                                 level="warning")
        scene.close()


def clouded(dataset: Dataset) -> float | None:
    """Mean share of the pixels of a tile that cloud or shadow hides, over the tiles that were cut with masks; None where there is none."""
    if CLOUDED not in dataset.tiles:
        return None
    known = dataset.tiles.dropna(subset=[CLOUDED])
    return float(numbers(known, CLOUDED, dataset.folder / TILES).mean()) if len(known) else None


def clouded_share(folder: str | Path) -> dict[str, float]:
    """``clouded_share`` of a dataset in a folder, as a result of a job; see `clouded`."""
    share = clouded(Dataset.open(folder))
    return {} if share is None else {"clouded_share": round(share, 4)}
