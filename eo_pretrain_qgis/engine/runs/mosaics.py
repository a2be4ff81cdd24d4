"""Tiles that touch, put together, so that fields and roads are judged whole and not cut at the border of each tile."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ...progress import Progress
from ..datasets.dataset import Dataset
from ..datasets.source_images import window_of
from ..mapping.inference import Part
from ..mapping.request import Canvas
from ..rasters.grid import Window


@dataclass
class Mosaic:
    """Tiles of one image that touch.

    Attributes:
        scene: name of the image.
        window: around them, in pixels of the image.
        tiles: positions in the dataset (n,).
    """

    scene: str
    window: Window
    tiles: np.ndarray

    def place(self, window: Window) -> tuple[slice, slice]:
        """Rows and columns of a window of the image, which lies inside."""
        top, left = window.row - self.window.row, window.col - self.window.col
        return slice(top, top + window.height), slice(left, left + window.width)


class Mosaics(ABC):
    """The mosaics of some tiles, which hear what a model says of their images: a product of a run over the image called `scene`.

    Args:
        dataset: of the tiles.
        regions: put together from them.
    """

    name: ClassVar[str] = "mosaics"

    def __init__(self, dataset: Dataset, regions: list[Any]) -> None:
        self.dataset, self.regions, self.scene = dataset, regions, ""

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Callable[[Part], None]]:
        """Gives what takes the parts of the image."""
        yield self._add

    def _add(self, part: Part) -> None:
        for region in self.regions:
            both = region.window.intersection(part.window) if region.scene == self.scene else None
            if both:
                top, left = both.row - part.window.row, both.col - part.window.col
                self.hear(region, both, part, np.s_[top:top + both.height, left:left + both.width])

    @abstractmethod
    def hear(self, region: Any, window: Window, part: Part, inside: tuple[slice, slice]) -> None:
        """Keeps what is said of a window of a region, which is the place `inside` of a part."""

    def lose(self, scene: str) -> None:
        """Leaves out an image that cannot be seen again as it was."""
        self.regions = [region for region in self.regions if region.scene != scene]


def touching(dataset: Dataset, tiles: np.ndarray) -> list[Mosaic]:
    """The mosaics of tiles (n,) that say where they lie."""
    windows = [window_of(dataset, int(tile)) for tile in tiles]
    scenes = dataset.tiles["scene"].to_numpy(dtype=str)[tiles]
    found = []
    for scene in dict.fromkeys(scenes):
        mine = np.flatnonzero(scenes == scene)
        boxes = shapely.box(*np.array([(w.col, w.row, w.col + w.width, w.row + w.height) for w in (windows[number] for number in mine)]).T)
        pairs = shapely.STRtree(boxes).query(boxes, predicate="intersects")
        _, groups = connected_components(coo_array((np.ones(pairs.shape[1]), pairs), shape=(len(mine),) * 2), directed=False)
        for group in range(groups.max() + 1):
            own = mine[groups == group]
            left, top, right, bottom = shapely.bounds(boxes[groups == group]).T
            col, row = int(left.min()), int(top.min())
            found.append(Mosaic(scene, Window(col, row, int(right.max()) - col, int(bottom.max()) - row), tiles[own]))
    return found
