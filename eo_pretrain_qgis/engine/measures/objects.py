"""How well objects are found: which true objects match which found ones.

Two objects match where they share more than half of the pixels that either has (IoU above .5), as in panoptic quality (Kirillov et al.,
arXiv 1801.00868, §4.1). So each has one partner at most, and no order of matching has to be chosen. Small objects are counted apart: a pixel more or
less decides whether they match.
"""

from __future__ import annotations

import numpy as np

#: Objects that share more than this match.
MATCH = 0.5
#: Objects smaller than this are counted apart [ha].
SMALL_HA = 0.25
#: Columns of counts: found and true, found only, true only; rows: large and small objects.
HITS, FALSE, MISSED = range(3)
LARGE, SMALL = range(2)


def count_objects(truth: np.ndarray, found: np.ndarray, labelled: np.ndarray, pixel_ha: float) -> np.ndarray:
    """`count_objects_of` of one image as a whole, int64 (2, 3)."""
    return count_objects_of(truth, found, labelled, pixel_ha, np.zeros(truth.shape, np.int64), 1)[0]


def count_objects_of(truth: np.ndarray, found: np.ndarray, labelled: np.ndarray, pixel_ha: float, part: np.ndarray, parts: int) -> np.ndarray:
    """Counts of the parts of an image, int64 (part, 2, 3), which add up over parts and images: see `HITS` and `LARGE`.

    A match is small where the true object is, and of its part. An object is of the part that holds most of its labelled pixels, of the first where
    several do. A found object that lies for more than half on ground without labels counts nothing.

    Args:
        truth: numbers of true objects, 0 for none (y, x).
        found: numbers of found objects, 0 for none (y, x).
        labelled: where the truth is known, bool (y, x).
        pixel_ha: area of a pixel [ha].
        part: number of the part of each pixel (y, x).
        parts: how many there are.
    """
    _, true = np.unique(np.where(labelled, truth, 0), return_inverse=True)
    _, other = np.unique(found, return_inverse=True)
    # Number 0 stands for no object also where every pixel has one.
    true, other = (numbers.ravel() + (0 if not image.all() else 1) for numbers, image in ((true, np.where(labelled, truth, 0)), (other, found)))
    known = labelled.ravel()
    whole = np.bincount(other)
    true, other = true[known], other[known]
    sizes, others = np.bincount(true), np.bincount(other, minlength=len(whole))
    judged = 2 * others >= whole
    pairs, shared = np.unique(np.stack([true, other], 1), axis=0, return_counts=True)
    both = (pairs > 0).all(1)
    pairs, shared = pairs[both], shared[both]
    share = shared / (sizes[pairs[:, 0]] + others[pairs[:, 1]] - shared)
    matched_true, matched_other = np.zeros(len(sizes), bool), np.zeros(len(others), bool)
    matched_true[pairs[share > MATCH, 0]] = matched_other[pairs[share > MATCH, 1]] = True
    owner, other_owner = (_most(numbers, part.ravel()[known], len(all_of), parts) for numbers, all_of in ((true, sizes), (other, others)))
    counts = np.zeros((parts, 2, 3), np.int64)
    for size in (LARGE, SMALL):
        true_here, found_here = (((count * pixel_ha < SMALL_HA) == (size == SMALL)) & (count > 0) for count in (sizes, others))
        true_here[:1] = found_here[:1] = False
        counted = (owner[matched_true & true_here], other_owner[found_here & ~matched_other & judged], owner[true_here & ~matched_true])
        counts[:, size] = np.stack([np.bincount(one, minlength=parts) for one in counted], 1)
    return counts


def _most(numbers: np.ndarray, part: np.ndarray, objects: int, parts: int) -> np.ndarray:
    """The part that holds most pixels of each object (object,).

    Args:
        numbers: object of each pixel (n,).
        part: of each pixel (n,).
        objects: how many there are.
        parts: how many there are.
    """
    pairs, pixels = np.unique(numbers * parts + part, return_counts=True)
    whose, where = np.divmod(pairs, parts)
    order = np.lexsort((where, -pixels, whose))
    first, at = np.unique(whose[order], return_index=True)
    found = np.zeros(objects, np.int64)
    found[first] = where[order][at]
    return found


def object_scores(counts: np.ndarray) -> dict:
    """Figures of such counts: ``objects``, ``found``, ``precision``, ``recall`` and ``f1`` of large objects, and under ``small`` of small ones;
    None where there is nothing to count.
    """
    large, small = (_scores(*row.tolist()) for row in counts)
    return {**large, "small": small}


def _scores(hits: int, false: int, missed: int) -> dict:
    true, found = hits + missed, hits + false
    return {"objects": true, "found": found, "precision": hits / found if found else None, "recall": hits / true if true else None,
            "f1": 2 * hits / (true + found) if true + found else None}
