"""Ground that a model has learned from: reference places on it would flatter the map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from ...errors import DataError
from ..datasets.dataset import SPLITS
from ..datasets.footprints import read_footprints
from ..datasets.labels import Drawing
from ..mapping.map_survey import ClassMap
from ..rasters.vector import VectorLayer, on_grid, repaired, valid_areas

MODEL = "EO_PRETRAIN_MODEL"
#: Training tiles, and validation tiles, by which the best epoch was chosen.
LEARNED = SPLITS[:2]


@dataclass(frozen=True)
class Learned:
    """What the model of a map has learned from.

    Attributes:
        dataset: folder of a dataset; empty where it is not known.
        labels: a job's vector value, of labels that were learned from without a dataset; None where it is not known.
    """

    dataset: str = ""
    labels: dict | None = None

    @property
    def known(self) -> bool:
        """Whether anything is known."""
        return bool(self.dataset or self.labels)

    @property
    def words(self) -> str:
        """What it is, for messages."""
        told = ([f"tiles of {self.dataset}"] if self.dataset else []) + ([f"labels of {self.labels['path']}"] if self.labels else [])
        return " or ".join(told)

    def ground(self, mapped: ClassMap) -> Drawing:
        """Training and validation tiles, and the pixels that labels touch, on a map.

        Raises:
            DataError: the dataset does not know where its tiles lie.
        """
        parts = []
        if self.dataset:
            tiles = read_footprints(self.dataset)
            tiles = tiles[tiles["split"].isin(LEARNED) & ~tiles.geometry.isna()]
            if not len(tiles):
                raise DataError(f"The dataset {self.dataset} does not know where its training tiles lie, so training ground cannot be checked. "
                                "Leave “Training dataset” empty, or choose the dataset that the map was learned from.")
            parts.append(on_grid(tiles.geometry, mapped.grid))
        if self.labels:
            layer = VectorLayer.open(self.labels)
            parts.append(on_grid(repaired(layer.read([]), layer.path).geometry, mapped.grid))
        shapes = np.concatenate(parts)
        # Of a point or a line the pixel was learned from, and so was a series, which lies at a point.
        thin = shapely.get_dimensions(shapes) < 2
        shapes[thin] = shapely.buffer(shapes[thin], max(mapped.grid.resolution) / 2, cap_style="square")
        return Drawing(mapped.grid, valid_areas(shapes), np.ones(len(shapes), np.uint8))


def unknown_ground(mapped: ClassMap) -> str:
    """The sentence for a map of which nobody told what it was learned from."""
    model = mapped.tags.get(MODEL, "")
    which = (f"which ground its model {model} has learned from. Give its dataset in “Training dataset”, or its labels in “Training labels”" if model
             else "which model made it. If it was learned from labels on this ground, give them or their dataset, or see that no place lies there")
    return f"Training ground cannot be checked, because the map “{mapped.name}” does not say {which}."


def on_ground(ground: Drawing, shapes: np.ndarray) -> np.ndarray:
    """Which points or polygons (n,) touch it, bool (n,); a border alone does not count."""
    hits = np.zeros(len(shapes), bool)
    places, tiles = shapely.STRtree(ground.shapes).query(shapes, predicate="intersects")
    inside = ~shapely.touches(shapes[places], ground.shapes[tiles])
    hits[places[inside]] = True
    return hits
