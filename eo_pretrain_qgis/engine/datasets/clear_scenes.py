"""Scenes whose cloudy pixels count as not measured, because a label under a cloud says nothing about what the image shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ..rasters.clouds import CLOUD, SHADOW, CloudMask, open_mask
from ..rasters.grid import Window
from ..rasters.raster import Scene
from .alignment import days_between, overlap

#: A mask that covers less than this leaves ground of which nothing is known.
WHOLE = 0.99
#: A mask that covers less of its scene belongs to another.
MASK_COVERS = 0.5


class ClearScene(Scene):
    """A scene in which pixels under cloud and shadow are not valid.

    Args:
        scene: the scene.
        mask: of its clouds, on any grid.
    """

    def __init__(self, scene: Scene, mask: CloudMask) -> None:
        super().__init__(scene.rasters)
        self.empty, self.conversion = scene.empty, scene.conversion
        self.mask = mask

    def close(self) -> None:
        """Closes all files."""
        super().close()
        self.mask.close()

    def read(self, window: Window, bands: list[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Values (band, y, x) and valid pixels (y, x), as `Raster.read`."""
        values, valid = super().read(window, bands)
        flags = self.mask.read(self.grid, window)
        return values, valid & (flags != CLOUD) & (flags != SHADOW)


def clear_scenes(scenes: list[Scene], masks: Sequence[dict], kind: str, progress: Progress = SILENT) -> list[Scene]:
    """Puts each scene behind the mask of its clouds; without masks they stay as they are.

    Args:
        scenes: the scenes.
        masks: raster values of a job, one for each scene, in the same order.
        kind: of the masks, a key of `cloud_flags.KINDS`.
        progress: told when a mask is of another day.

    Raises:
        DataError: a mask does not cover its scene.
    """
    if not masks:
        return scenes
    check_masks(scenes, masks, kind, progress)
    return [ClearScene(scene, open_mask(source, kind)) for scene, source in zip(scenes, masks, strict=True)]


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
            if days_between(scene.date, mask.date):
                progress.message(f"The cloud mask {mask.path} is of {mask.date} and its image {scene.path} of {scene.date}.", level="warning")
        scene.close()
