"""Ground that a model has learned from: reference places on it would flatter the map."""

from __future__ import annotations

import numpy as np
import shapely

from ...errors import DataError
from ..datasets.dataset import SPLITS
from ..datasets.footprints import read_footprints
from ..datasets.labels import Drawing
from ..rasters.vector import on_grid, valid_areas
from .survey import ClassMap

MODEL = "EO_PRETRAIN_MODEL"
#: Training tiles, and validation tiles, by which the best epoch was chosen.
LEARNED = SPLITS[:2]


def unknown_ground(mapped: ClassMap) -> str:
    """The sentence for a map of which nobody told what it was learned from."""
    model = mapped.tags.get(MODEL, "")
    which = (f"which tiles its model {model} has learned from. Give its dataset in “Training dataset”" if model else "which model made it. If it was "
             "learned from labels on this ground, give their dataset in “Training dataset”, or see to it that no place lies there")
    return f"Training ground cannot be checked, because the map {mapped.name} does not say {which}."


def training_ground(folder: str, mapped: ClassMap) -> Drawing:
    """The training and validation tiles of a dataset on a map.

    Args:
        folder: of the dataset.
        mapped: the map.

    Raises:
        DataError: the dataset does not know where its tiles lie.
    """
    tiles = read_footprints(folder)
    tiles = tiles[tiles["split"].isin(LEARNED) & ~tiles.geometry.isna()]
    if not len(tiles):
        raise DataError(f"The dataset {folder} does not know where its training tiles lie, so that training ground cannot be checked. Leave "
                        "“Training dataset” empty, or choose the dataset that the map was learned from.")
    shapes = on_grid(tiles.geometry, mapped.grid)
    # A series lies at a point, and was read from the pixel there.
    points = shapely.get_dimensions(shapes) == 0
    shapes[points] = shapely.buffer(shapes[points], max(mapped.grid.resolution) / 2, cap_style="square")
    return Drawing(mapped.grid, valid_areas(shapes), np.ones(len(shapes), np.uint8))


def on_ground(ground: Drawing, shapes: np.ndarray) -> np.ndarray:
    """Which points or polygons (n,) touch it, bool (n,); a border alone does not count."""
    hits = np.zeros(len(shapes), bool)
    places, tiles = shapely.STRtree(ground.shapes).query(shapes, predicate="intersects")
    inside = ~shapely.touches(shapes[places], ground.shapes[tiles])
    hits[places[inside]] = True
    return hits
