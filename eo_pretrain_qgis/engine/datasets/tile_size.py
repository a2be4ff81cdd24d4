"""Which tile size fits images, where nobody says one."""

from __future__ import annotations

from dataclasses import replace

import geopandas
import numpy as np

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..rasters.raster import Scene
from .cutting import Cutting, windows_of
from .footprints import footprint, pixel_boxes
from .splitting.by_place import SPLITS, SplitPlan, split_by_place
from .splitting.division import ENOUGH

#: Edges of a tile that are proposed [px], the largest first.
SIZES = (256, 128, 64)
#: What is said of fewer.
FEW = f" {ENOUGH} or more are wanted: more or larger images give more, and so do smaller shares for validation and test."
#: Share of the training tiles that the gap between the splits leaves at least, where tiles are many.
LEFT = 0.5


def with_tile_size(cutting: Cutting, size: int | None, scenes: list[Scene], plan: SplitPlan, progress: Progress = SILENT) -> Cutting:
    """How tiles are cut, with the size that was asked for, or else the largest proposed that leaves enough training tiles.

    Labels and pixels without a measurement are not looked at, so there may be fewer tiles in the end.

    Args:
        cutting: all but the size.
        size: edge of a tile [px]; None proposes one.
        scenes: the images.
        plan: how the tiles will be split.
        progress: told what was proposed and why.
    """
    if size:
        return replace(cutting, tile_size=size)
    counts: dict[int, int] = {}
    for proposed in SIZES:
        if proposed >= (cutting.stride or 0):
            counts[proposed] = _training_tiles(replace(cutting, tile_size=proposed), scenes, plan)
            if counts[proposed] >= ENOUGH:
                break
    *larger, chosen = counts
    if not any(counts.values()):
        sizes = listed([str(proposed) for proposed in counts])
        progress.message(f"Tile size: {chosen} px. The images are too small for training, validation and test tiles of {sizes} px.")
        return replace(cutting, tile_size=chosen)
    why = "".join(f"; with {other} px there would be {counts[other]}" for other in larger)
    progress.message(f"Tile size: {chosen} px, which leaves about {counts[chosen]} tiles for training{why}.{FEW if counts[chosen] < ENOUGH else ''}")
    return replace(cutting, tile_size=chosen)


def _training_tiles(cutting: Cutting, scenes: list[Scene], plan: SplitPlan) -> int:
    """About how many tiles will be for training; 0 where an image is smaller than a tile, or they cannot be split."""
    crs, shapes, share = scenes[0].grid.crs, [], 1 - plan.validation_share - plan.test_share
    try:
        windows = [(scene.grid, window) for scene in scenes for window in windows_of(scene, cutting)]
        if LEFT * share * len(windows) >= ENOUGH:
            return int(share * len(windows))
        shapes = [footprint(grid, window, crs) for grid, window in windows]
        boxes = pixel_boxes(geopandas.GeoDataFrame(geometry=shapes, crs=crs), scenes[0].grid)
        return int((split_by_place(boxes, np.ones((len(boxes), 1)), cutting.tile_size, plan).names == SPLITS[0]).sum()) if shapes else 0
    except DataError:
        return 0
    finally:
        for scene in scenes:
            scene.close()
