"""Stratified random sampling: how many samples of each class, and which pixels.

The default is that of the TimeSen2Crop samples (ExtremeEarth, “Training Datasets”; Weikmann, Paris and Bruzzone 2021, doi
10.1109/JSTARS.2021.3073965): the prior probability of each crop is taken from the parcel map, and a stratified random sample has a
number of samples of each crop in proportion to it. The training set is then statistically representative, but not class-balanced.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SamplingPlan:
    """What is asked for.

    Attributes:
        samples: pixels in all; None takes every pixel.
        strategy: "prior", in proportion to the priors of the parcel map; "square_root" of them; "equal" for every class.
        prior: what the priors count: "area" or "parcels" of each class.
        minimum: samples of each class, as far as it has pixels.
        seed: of the draw.
    """

    samples: int | None = None
    strategy: str = "prior"
    prior: str = "area"
    minimum: int = 0
    seed: int = 1


def allocate(available: np.ndarray, priors: np.ndarray, plan: SamplingPlan) -> np.ndarray:
    """How many samples of each class to draw.

    What a class cannot give, because it has too few pixels, is given by the others in proportion, so that the number asked for is
    reached wherever there are pixels enough.

    Args:
        available: pixels of each class (class,).
        priors: share of each class in the parcel map (class,).
        plan: what is asked for.

    Returns:
        Samples of each class, int64 (class,); at most what is available.
    """
    available = np.asarray(available, np.int64)
    total = int(available.sum())
    if plan.samples is None and plan.strategy == "prior" and plan.prior == "area":
        return available.copy()
    wanted = min(plan.samples if plan.samples is not None else total, total)
    weights = {"prior": np.asarray(priors, float), "square_root": np.sqrt(priors), "equal": np.ones(len(available))}[plan.strategy]
    weights = np.where(available > 0, np.maximum(weights, 1e-12), 0)
    floor = np.minimum(plan.minimum, available)
    shares = _filled(wanted, weights, floor, available)
    counts = np.floor(shares).astype(np.int64)
    left = int(min(wanted, total) - counts.sum())  # the largest remainders get what rounding left over
    order = np.argsort(-(shares - counts), kind="stable")
    for position in [position for position in order if counts[position] < available[position]][:max(left, 0)]:
        counts[position] += 1
    return counts


def _filled(wanted: int, weights: np.ndarray, floor: np.ndarray, ceiling: np.ndarray) -> np.ndarray:
    """Real numbers in proportion to `weights`, each at least its floor and at most its ceiling, with the sum wanted where possible."""
    if floor.sum() >= wanted:
        return floor.astype(float)
    # The sum grows with the factor, so bisection finds it; the limits then hold exactly.
    low, high = 0.0, float(wanted / weights[weights > 0].min())
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.clip(middle * weights, floor, ceiling).sum() < wanted else (low, middle)
    return np.clip(high * weights, floor, ceiling)


class Draw:
    """Draws the allotted samples of each class while pixels pass block by block: every pixel of a class is equally likely.

    Args:
        available: pixels of each class in all blocks together (class,).
        counts: how many to draw (class,).
        seed: of the draw.
    """

    def __init__(self, available: np.ndarray, counts: np.ndarray, seed: int) -> None:
        self._left, self._needed = np.array(available, np.int64), np.array(counts, np.int64)
        self._rng = np.random.default_rng(seed)

    def take(self, classes: np.ndarray) -> np.ndarray:
        """Which pixels of the next block are samples.

        Args:
            classes: class of every pixel of the block, 0 … (pixel,).

        Returns:
            Their positions, ascending, int64 (sample,).
        """
        order = np.argsort(classes, kind="stable")
        ends = np.cumsum(np.bincount(classes, minlength=len(self._left)))
        chosen, begin = [], 0
        for position, end in enumerate(ends.tolist()):
            here = end - begin
            if here:
                # How many of the samples still needed fall into this block follows the hypergeometric distribution.
                count = int(self._rng.hypergeometric(self._needed[position], self._left[position] - self._needed[position], here))
                self._left[position] -= here
                self._needed[position] -= count
                chosen.append(order[begin + self._rng.choice(here, count, replace=False, shuffle=False)])
            begin = end
        return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)


def sampling_facts(names: list[str], priors: np.ndarray, available: np.ndarray, counts: np.ndarray, plan: SamplingPlan) -> dict:
    """Prior against sampled share of each class, for dataset.json."""
    total = max(int(counts.sum()), 1)
    return {"strategy": plan.strategy, "prior_of": plan.prior, "asked": plan.samples, "minimum": plan.minimum, "seed": plan.seed,
            "classes": [{"name": name, "prior": round(float(prior), 6), "pixels": int(pixels), "samples": int(count),
                         "sampled": round(int(count) / total, 6)}
                        for name, prior, pixels, count in zip(names, priors, available, counts, strict=True)]}
