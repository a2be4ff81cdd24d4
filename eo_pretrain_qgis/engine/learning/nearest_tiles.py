"""Which tiles look most alike to an encoder."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

from ...progress import SILENT, Progress

CHUNK = 1024  # tiles whose neighbours are looked for at once


def nearest_tiles(features: np.ndarray, count: int, progress: Progress = SILENT) -> tuple[np.ndarray, np.ndarray]:
    """The tiles nearest to each tile, without itself; every dimension counts alike, and distances are angles.

    Args:
        features: (n, channel), of two tiles or more.
        count: how many; all others, where there are fewer.
        progress: told of every some tiles.

    Returns:
        Rows of `features`, in no order, and the cosines of the angles to them, both (n, count).
    """
    rows = (features - features.mean(0)) / np.maximum(features.std(0), 1e-9)
    search = NearestNeighbors(n_neighbors=min(count + 1, len(rows)), metric="cosine", algorithm="brute").fit(rows)
    own, places, cosines = np.arange(len(rows))[:, None], [], []
    for start in range(0, len(rows), CHUNK):
        progress.at(start / len(rows), f"Neighbours of {start} of {len(rows)} tiles")
        distances, found = search.kneighbors(rows[start:start + CHUNK])
        # Without itself or, where copies crowded it out, without the farthest.
        others = np.argsort(found == own[start:start + CHUNK], axis=1, kind="stable")[:, :-1]
        places.append(np.take_along_axis(found, others, 1))
        cosines.append(1 - np.take_along_axis(distances, others, 1))
    return np.concatenate(places), np.concatenate(cosines)
