"""Splits of samples that belong together: whole parcels, polygons, scenes or tiles go to training, validation or test.

Pixels of one field are nearly copies of each other, so a split by pixel tests memory and not skill. Groups are handed out by
iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011): the class with the fewest groups left comes first, and
each of its groups goes where that class is missing most.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix

from ....errors import DataError
from ....progress import SILENT, Progress
from ..dataset import IGNORE, SPLITS
from .by_place import Split, SplitPlan

TRAINING, VALIDATION, TEST = range(3)
#: Where a class that is nowhere yet goes first: without training it cannot be learned, without test not be judged.
FIRST = (TRAINING, TEST, VALIDATION)
#: Attempts with other orders of the groups, of which the best counts; one above `MANY_GROUPS`, where chance evens out.
ATTEMPTS, MANY_GROUPS = 20, 5000
NONE_OF_THEM = -1  # of samples that may have several classes and have none


def split_by_group(groups: np.ndarray, labels: np.ndarray, plan: SplitPlan, what: str = "parcels", progress: Progress = SILENT, *,
                   classes: Sequence[str] = ()) -> Split:
    """Gives whole groups to training, validation and test, so that every class is in every split where its groups allow it.

    Args:
        groups: of each sample, the name or number of the group it belongs to (n,).
        labels: of each sample, the position of its class (n,), 255 for none; or samples of each class (n, class).
        plan: shares of the samples and seed; block size and buffer have no meaning here.
        what: the groups, in the plural, for people.
        progress: also hears a warning for classes with fewer groups than splits.
        classes: names of the classes, for that warning.

    Raises:
        DataError: when there are fewer groups than splits asked for.
    """
    wanted = wanted_shares(plan)
    found, group_of = np.unique(np.asarray(groups), return_inverse=True)
    group_of = group_of.ravel()
    if len(found) < (wanted > 0).sum():
        asked = ", ".join(split for split, share in zip(SPLITS, wanted, strict=True) if share > 0)
        raise DataError(f"The number of {what} is {len(found)}, but each of {asked} needs one. Use more {what}, or set the share of "
                        "validation or test to 0.")
    counts = _count(group_of, labels, len(found))
    sizes = np.bincount(group_of, minlength=len(found))
    rng = np.random.default_rng(plan.seed)
    attempts = ATTEMPTS if len(found) <= MANY_GROUPS else 1
    best, best_loss = np.zeros(len(found), np.int8), np.inf
    for attempt in range(attempts if wanted[TRAINING] < 1 else 0):
        part = progress.part(attempt / attempts, (attempt + 1) / attempts)
        trial = _hand_out(counts, sizes, wanted, rng, part)
        loss = _loss(trial, counts, sizes, wanted)
        if loss < best_loss:
            best, best_loss = trial, loss
    _warn(counts, wanted, what, classes, progress)
    names = np.array(SPLITS)[best[group_of]]
    return Split(names, _group_facts(names, best, what, plan))


def given_split(names: Sequence[str] | np.ndarray, text: str = "The split is the one that came with the data.") -> Split:
    """A split that was made elsewhere.

    Args:
        names: of each sample "training", "validation" or "test" (n,).
        text: where it comes from, as a sentence.

    Raises:
        DataError: another name.
    """
    given = np.asarray(names, dtype=str)
    strange = sorted(set(given) - set(SPLITS))
    if strange:
        raise DataError(f"A sample has the split “{strange[0]}”, but a split is training, validation or test. Rename it.")
    return Split(given, _facts("given", given, None, f"{text} {_counted(given)}"))


def random_split(labels: np.ndarray, plan: SplitPlan, why: str) -> Split:
    """Draws samples at random within each class; only for samples of which nothing says where they lie.

    Args:
        labels: of each sample, the position of its class (n,), 255 for none, for training where others have one; or whether it has each
            class (n, class), where the rarest counts.
        plan: shares and seed.
        why: why no better split is possible, as a sentence.
    """
    wanted, rng = wanted_shares(plan), np.random.default_rng(plan.seed)
    labels = np.asarray(labels)
    if labels.ndim == 2:
        rarity = np.where(labels > 0, (labels > 0).sum(0), np.iinfo(np.int64).max)
        labels = np.where((labels > 0).any(1), rarity.argmin(1), NONE_OF_THEM)
    splits = np.full(len(labels), TRAINING, np.int8)
    found = np.unique(labels)
    for label in found[found != IGNORE] if len(found) > 1 else found:  # of no use in validation and test, where others have labels
        mine = rng.permutation(np.flatnonzero(labels == label))
        test = _part(len(mine), wanted[TEST], 2)
        validation = _part(len(mine) - test, wanted[VALIDATION] / max(1 - wanted[TEST], 1e-9), 2)
        splits[mine[:test]], splits[mine[test:test + validation]] = TEST, VALIDATION
    names = np.array(SPLITS)[splits]
    text = (f"{why} Samples were drawn at random within each class, so neighbouring ground may be in training and in test and scores "
            f"flatter the model. {_counted(names)}")
    return Split(names, _facts("random", names, plan.seed, text))


def wanted_shares(plan: SplitPlan) -> np.ndarray:
    """Shares of training, validation and test (3,)."""
    return np.array([1 - plan.validation_share - plan.test_share, plan.validation_share, plan.test_share])


def _part(count: int, share: float, least: int) -> int:
    """How many of `count` samples a share is: at least one where that leaves one."""
    return max(round(count * share), 1) if share > 0 and count >= least else 0


def _count(group_of: np.ndarray, labels: np.ndarray, groups: int) -> csr_matrix:
    """Samples of each class in each group (group, class)."""
    labels = np.asarray(labels)
    if labels.ndim == 2:
        sample, column = np.nonzero(labels)
        values = labels[sample, column].astype(float)
        size = labels.shape[1]
    else:
        sample = np.flatnonzero(labels != IGNORE)
        column, values = labels[sample].astype(np.int64), np.ones(len(sample))
        size = int(column.max(initial=-1)) + 1
    return coo_matrix((values, (group_of[sample], column)), (groups, max(size, 1))).tocsr()


def _hand_out(counts: csr_matrix, sizes: np.ndarray, wanted: np.ndarray, rng: np.random.Generator, progress: Progress) -> np.ndarray:
    """One round of iterative stratification: the split of each group (group,)."""
    splits = np.full(len(sizes), -1, np.int8)
    desired = np.outer(wanted, np.asarray(counts.sum(0)).ravel())
    room = wanted * sizes.sum()
    seen = np.zeros(desired.shape, bool)
    columns = csc_matrix(counts)
    # Big groups first, since small ones fill what is left; sizes alike to a factor of two come in random order.
    order = np.lexsort((rng.random(len(sizes)), -np.floor(np.log2(np.maximum(sizes, 1)))))
    rank = np.empty(len(sizes), np.int64)
    rank[order] = np.arange(len(sizes))
    held = [columns.indices[columns.indptr[label]:columns.indptr[label + 1]] for label in range(columns.shape[1])]
    done = 0
    for label in sorted(range(len(held)), key=lambda label: len(held[label])):
        for group in held[label][np.argsort(rank[held[label]])]:
            if splits[group] >= 0:
                continue
            absent = [split for split in FIRST if wanted[split] > 0 and not seen[split, label]]
            split = absent[0] if absent else _neediest(desired[:, label], room, wanted)
            begin, end = counts.indptr[group], counts.indptr[group + 1]
            own = counts.indices[begin:end]
            desired[split, own] -= counts.data[begin:end]
            seen[split, own] = True
            room[split] -= sizes[group]
            splits[group] = split
            done += 1
            if done % 2000 == 0:
                progress.at(done / len(sizes), "Dividing the groups")
    for group in order[splits[order] < 0]:  # groups without a label
        split = _neediest(room, room, wanted)
        room[split] -= sizes[group]
        splits[group] = split
    return _without_empty(splits, sizes, wanted)


def _neediest(desired: np.ndarray, room: np.ndarray, wanted: np.ndarray) -> int:
    """The split that lacks most of its share of a class; of equals the one with most room."""
    share = np.where(wanted > 0, wanted, np.inf)
    return int(np.lexsort((-room / share, -(desired / share).round(9), wanted <= 0))[0])


def _without_empty(splits: np.ndarray, sizes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Moves the smallest group of the split with most groups to each split that got none."""
    for split in np.flatnonzero(wanted > 0):
        if not (splits == split).any():
            richest = np.argmax([(splits == other).sum() for other in range(3)])
            mine = np.flatnonzero(splits == richest)
            splits[mine[np.argmin(sizes[mine])]] = split
    return splits


def _loss(splits: np.ndarray, counts: csr_matrix, sizes: np.ndarray, wanted: np.ndarray) -> float:
    """How far shares of samples and of every class are from the wanted ones; a class missing in a split costs 1."""
    chosen = (splits == np.arange(3)[:, None]).astype(float)
    shares = chosen @ sizes / max(sizes.sum(), 1)
    of_class = np.asarray((counts.T @ chosen.T).T)
    totals = of_class.sum(0)
    present = totals > 0
    own = of_class[:, present] / totals[present]
    missing = ((own == 0) & (wanted[:, None] > 0)).sum() / max(present.sum(), 1)
    uneven = np.abs(own - wanted[:, None]).mean() if present.any() else 0.0
    return float(np.abs(shares - wanted).sum() + uneven + missing)


def _warn(counts: csr_matrix, wanted: np.ndarray, what: str, classes: Sequence[str], progress: Progress) -> None:
    held = np.asarray((counts > 0).sum(0)).ravel()
    for label in np.flatnonzero((held > 0) & (held < (wanted > 0).sum())).tolist():
        name = classes[label] if label < len(classes) else str(label)
        only = f"{held[label]} of the {what}" if held[label] > 1 else f"one of the {what}"
        progress.message(f"The class “{name}” lies in {only}, so it cannot be in training, validation and test. Join it with another "
                         "class, or find more of it.", level="warning")


def _group_facts(names: np.ndarray, splits: np.ndarray, what: str, plan: SplitPlan) -> dict:
    groups = [int((splits == split).sum()) for split in range(3)]
    text = (f"Whole {what} were given to training ({groups[0]}), validation ({groups[1]}) and test ({groups[2]}), so that no {what} lie "
            f"in two splits. {_counted(names)}")
    return {**_facts("groups", names, plan.seed, "" if plan.joins else text), "group": what, "groups": dict(zip(SPLITS, groups, strict=True))}


def _counted(names: np.ndarray) -> str:
    counts = [int((names == split).sum()) for split in SPLITS]
    return f"Samples: {counts[0]} for training, {counts[1]} for validation, {counts[2]} for test."


def _facts(method: str, names: np.ndarray, seed: int | None, text: str) -> dict:
    counts = [int((names == split).sum()) for split in SPLITS]
    return {"method": method, "block_size_px": None, "buffer_px": 0, "seed": seed,
            "shares": [round(count / max(len(names), 1), 4) for count in counts], "leakage_distance_px": None, "dropped_tiles": 0,
            "text": text}
