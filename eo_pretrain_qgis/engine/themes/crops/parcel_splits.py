"""Series divided by parcel, by region, by tile or by block of ground, so that no parcel is in two splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import DROPPED, SPLITS
from ...datasets.splitting.by_group import split_by_group
from ...datasets.splitting.by_place import Split, SplitPlan
from .fields import Ground

#: Edges of blocks of ground to try [m], and how many occupied ones are wanted.
BLOCKS_M = (20_000, 10_000, 5_000, 2_500, 1_000, 500, 250)
WANTED_BLOCKS = 24


@dataclass(frozen=True)
class Division:
    """How series are divided.

    Attributes:
        by: what stays whole: "parcel", "region", "tile", or "blocks" of ground, to one of which each parcel belongs by its middle.
        block_m: edge of a block [m]; None chooses the largest of which enough are occupied.
        gap_m: training parcels nearer than this to one of validation or test are dropped [m].
    """

    by: str = "blocks"
    block_m: float | None = None
    gap_m: float = 0.0


def split_parcels(ground: Ground, owners: np.ndarray, labels: np.ndarray, division: Division, plan: SplitPlan,
                  classes: Sequence[str] = (), progress: Progress = SILENT) -> Split:
    """Divides samples of parcels.

    Args:
        ground: all parcels.
        owners: parcel of each sample (n,).
        labels: class position of each sample (n,).
        division: what stays whole, and how far apart.
        plan: shares and seed.
        classes: names of the classes.
        progress: also hears classes that cannot be in all splits.

    Raises:
        DataError: parcels without a region, fewer groups than splits, or a gap that leaves no training parcel.
    """
    if division.by == "parcel":
        groups, what = owners, "parcels"
    elif division.by == "tile":
        groups, what = ground.tiles[owners].astype(str), "tiles"
    elif division.by == "region":
        empty = ground.regions[owners] == ""
        if empty.any():
            raise DataError(f"{len(np.unique(owners[empty]))} parcels have no region, so they cannot be split by region. Fill in the region "
                            "field, or split by blocks of ground.")
        groups, what = ground.regions[owners].astype(str), "regions"
    else:
        of_parcel, edge = _blocks(ground, owners, division.block_m)
        groups, what = of_parcel[owners], f"blocks of {edge:g} m"
    split = _apart(split_by_group(groups, labels, plan, what, progress, classes=classes), ground, owners, division.gap_m)
    distance = _distance(ground, owners, split.names)
    facts = {**split.facts, "leakage_distance_px": distance}
    if distance is not None:
        facts["text"] += f" The nearest training and test parcels are {distance * ground.pixel:.0f} m apart."
    return Split(split.names, facts)


def _apart(split: Split, ground: Ground, owners: np.ndarray, gap: float) -> Split:
    """Drops training parcels that lie too near to others.

    Raises:
        DataError: none is left.
    """
    training = split.names == SPLITS[0]
    if not gap or training.all():
        return split
    kept, others = np.unique(owners[training]), np.unique(owners[~training])
    near = np.unique(shapely.STRtree(ground.shapes[others]).query(ground.shapes[kept], predicate="dwithin", distance=gap)[0])
    dropped = training & np.isin(owners, kept[near])
    if dropped.sum() == training.sum():
        raise DataError(f"No training parcel lies {gap:g} m or more from all parcels of validation and test. Choose a smaller gap, or larger blocks "
                        "of ground.")
    names = np.where(dropped, DROPPED, split.names)
    counts = [int((names == part).sum()) for part in SPLITS]
    return Split(names, {**split.facts, "buffer_px": round(gap / ground.pixel, 4), "dropped_tiles": int(dropped.sum()),
                         "shares": [round(count / sum(counts), 4) for count in counts],
                         "text": f"{split.facts['text']} {int(dropped.sum())} training samples of {len(near)} parcels nearer than {gap:g} m to "
                                 "validation or test are dropped."})


def _blocks(ground: Ground, owners: np.ndarray, block_m: float | None) -> tuple[np.ndarray, float]:
    """Block of each parcel (parcel,) and the edge of the blocks [m]."""
    used = np.unique(owners)
    places = np.zeros((len(ground.shapes), 2))
    places[~shapely.is_empty(ground.shapes)] = shapely.get_coordinates(shapely.centroid(ground.shapes))
    numbered = np.zeros(len(ground.shapes), np.int64)
    edge = 0.0
    for edge in [block_m] if block_m else BLOCKS_M:
        numbered = np.unique(np.floor(places / edge).astype(np.int64), axis=0, return_inverse=True)[1].ravel()
        if len(np.unique(numbered[used])) >= WANTED_BLOCKS:
            break
    return numbered, edge


def _distance(ground: Ground, owners: np.ndarray, names: np.ndarray) -> float | None:
    """Shortest distance between the inner ground of training and of test parcels [px]."""
    training, test = (ground.shapes[np.unique(owners[names == SPLITS[number]])] for number in (0, 2))
    if not len(training) or not len(test):
        return None
    _, distances = shapely.STRtree(training).query_nearest(test, return_distance=True, all_matches=False)
    return round(float(distances.min()) / ground.pixel, 1)
