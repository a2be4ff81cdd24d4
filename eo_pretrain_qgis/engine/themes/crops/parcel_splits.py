"""Series divided by parcel, by region or by block of ground, so that no parcel is in two splits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import SPLITS
from ...datasets.splitting.by_group import split_by_group
from ...datasets.splitting.by_place import Split, SplitPlan
from .parcels import Parcels

#: Edges of blocks of ground to try [m], and how many occupied ones are wanted.
BLOCKS_M = (20_000, 10_000, 5_000, 2_500, 1_000, 500, 250)
WANTED_BLOCKS = 24


def split_parcels(parcels: Parcels, owners: np.ndarray, labels: np.ndarray, splitting: str, block_m: float | None, plan: SplitPlan,
                  classes: Sequence[str] = (), progress: Progress = SILENT) -> Split:
    """Divides samples of parcels.

    Args:
        parcels: all of them.
        owners: parcel of each sample (n,).
        labels: class position of each sample (n,).
        splitting: what stays whole: "parcel", "region", or "blocks" of ground, to one of which each parcel belongs by its middle.
        block_m: edge of a block [m]; None chooses the largest of which enough are occupied.
        plan: shares and seed.
        classes: names of the classes.
        progress: also hears classes that cannot be in all splits.

    Raises:
        DataError: parcels without a region, or fewer groups than splits.
    """
    if splitting == "parcel":
        groups, what = owners, "parcels"
    elif splitting == "region":
        empty = parcels.regions[owners] == ""
        if empty.any():
            raise DataError(f"{len(np.unique(owners[empty]))} parcels have no region, so they cannot be split by region. Fill in the region "
                            "field, or split by blocks of ground.")
        groups, what = parcels.regions[owners].astype(str), "regions"
    else:
        of_parcel, edge = _blocks(parcels, owners, block_m)
        groups, what = of_parcel[owners], f"blocks of {edge:g} m"
    split = split_by_group(groups, labels, plan, what, progress, classes=classes)
    distance = _distance(parcels, owners, split.names)
    facts = {**split.facts, "leakage_distance_px": distance}
    if distance is not None:
        facts["text"] += f" The nearest training and test parcels are {distance:g} px apart."
    return Split(split.names, facts)


def _blocks(parcels: Parcels, owners: np.ndarray, block_m: float | None) -> tuple[np.ndarray, float]:
    """Block of each parcel (parcel,) and the edge of the blocks [m]."""
    middles = shapely.get_coordinates(shapely.centroid(parcels.shapes))
    metres = np.array(parcels.grid.metres_per_pixel()) / np.array(parcels.grid.resolution)
    used = np.unique(owners)
    places = np.zeros((len(parcels), 2))
    places[~shapely.is_empty(parcels.shapes)] = middles * metres
    numbered = np.zeros(len(parcels), np.int64)
    edge = 0.0
    for edge in [block_m] if block_m else BLOCKS_M:
        numbered = np.unique(np.floor(places / edge).astype(np.int64), axis=0, return_inverse=True)[1].ravel()
        if len(np.unique(numbered[used])) >= WANTED_BLOCKS:
            break
    return numbered, edge


def _distance(parcels: Parcels, owners: np.ndarray, names: np.ndarray) -> float | None:
    """Shortest distance between the inner ground of training and of test parcels [px]."""
    training, test = (parcels.shapes[np.unique(owners[names == SPLITS[number]])] for number in (0, 2))
    if not len(training) or not len(test):
        return None
    _, distances = shapely.STRtree(training).query_nearest(test, return_distance=True, all_matches=False)
    return round(float(distances.min()) / max(parcels.grid.resolution), 1)
