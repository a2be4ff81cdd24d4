"""Scenes whose cloudy pixels count as not measured, because a label under a cloud says nothing about what the image shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..rasters.clouds import CLOUD, SHADOW, CloudMask
from ..rasters.grid import Window
from ..rasters.raster import Scene

#: Column of tiles.gpkg: share of the pixels of a tile that were measured and lie under cloud or shadow.
CLOUDED = "clouded"


class ClearScene(Scene):
    """A scene in which pixels under cloud and shadow are not valid.

    Args:
        scene: the scene.
        masks: of its clouds, on any grid; of a scene of several dates one for each. What one of them hides is hidden.
    """

    def __init__(self, scene: Scene, masks: Sequence[CloudMask]) -> None:
        super().__init__(scene.rasters)
        self.empty, self.conversion, self.finer = scene.empty, scene.conversion, scene.finer
        self.masks = masks

    def close(self) -> None:
        """Closes all files."""
        super().close()
        for mask in self.masks:
            mask.close()

    def read(self, window: Window, bands: list[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Values (band, y, x) and valid pixels (y, x), as `Raster.read`."""
        values, measured, hidden = self.read_hidden(window, bands)
        return values, measured & ~hidden

    def read_hidden(self, window: Window, bands: list[int] | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values (band, y, x), which pixels were measured, and which lie under cloud or shadow, both bool (y, x)."""
        values, measured = super().read(window, bands)
        hidden = np.zeros_like(measured)
        for mask in self.masks:
            flags = mask.read(self.grid, window)
            hidden |= (flags == CLOUD) | (flags == SHADOW)
        return values, measured, hidden


def read_clear(scene: Scene, window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Values (band, y, x) and valid pixels (y, x), as `Scene.read`; and which of those that were measured are not valid because cloud or shadow
    hides them, bool (y, x), None of a scene without masks.
    """
    if not isinstance(scene, ClearScene):
        return (*scene.read(window), None)
    values, measured, hidden = scene.read_hidden(window)
    return values, measured & ~hidden, measured & hidden
