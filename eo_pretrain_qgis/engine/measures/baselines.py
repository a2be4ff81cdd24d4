"""What a network has to beat: the majority class, and a regression and boosting on statistics of whitened bands.

Some such numbers already reach 0.88 on EuroSAT, so a report without these rows says little (torchgeo-bench, results/all_results.csv, row
"imagestats").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..datasets.splitting.label_shares import class_totals
from .incidence_angle import angle_alone, angle_of_pixels, gaussian_angle, has_angle

if TYPE_CHECKING:
    from ..classic.models import Labelled
    from ..datasets.dataset import Dataset

#: A dataset → what answers for positions of its samples, in the form of `tasks.Task.count`.
Answer = Callable[["Dataset"], Callable[[np.ndarray], np.ndarray]]


@dataclass(frozen=True)
class Baseline:
    """A simple classifier that a network has to beat.

    Attributes:
        words: what it is called.
        method: how it answers, as a sentence.
        fit: the labels that the network learned from → what answers; see `Answer`.
        fits: whether a dataset has what it needs.
    """

    words: str
    method: str
    fit: Callable[[Labelled], Answer]
    fits: Callable[[Dataset], bool] = lambda dataset: True


def _majority(labelled: Labelled) -> Answer:
    totals, kind = class_totals(labelled.dataset, labelled.tiles).astype(float), labelled.dataset.kind
    if kind.pixelwise:
        common = int(np.argmax(totals))
        return lambda asked: lambda samples: np.full((len(samples), asked.tile_size, asked.tile_size), common, np.uint8)
    if kind.several:
        share = (totals / len(labelled.tiles)).clip(1e-3, 1 - 1e-3)
        totals = np.log(share / (1 - share))
    return lambda asked: lambda samples: np.tile(totals, (len(samples), 1))


def _statistics(labelled: Labelled) -> Answer:
    return labelled.fit("statistics").answers


def _boosting(labelled: Labelled) -> Answer:
    return labelled.fit("boosting").answers


_PIXELS = "on whitened bands, and their mean and deviation in 7 × 7 pixels, learned from at most 20,000 pixels of these tiles."
_SAMPLES = "on mean, deviation, 5th and 95th percentile of each whitened band, learned from these tiles."
#: Of a class for every pixel.
PIXEL_BASELINES = {
    "majority": Baseline("majority class", "Majority class: the class with most pixels in these tiles, everywhere.", _majority),
    "statistics": Baseline("regression on statistics", f"Regression on statistics: logistic regression {_PIXELS}", _statistics),
    "boosting": Baseline("boosting on statistics", f"Boosting on statistics: gradient-boosted trees {_PIXELS}", _boosting),
}
#: Of a class for every pixel of radar images.
RADAR_BASELINES = {**PIXEL_BASELINES, "angle": Baseline(
    "incidence angle alone", "Incidence angle alone: a regression on the angle of each pixel and its square, without its brightness. What it knows "
    "is where the classes lay in the swath.", angle_of_pixels, has_angle)}
_SERIES = "on the whitened bands of each day of the season, between clear dates on a line, learned from these series."


def _of_samples(what: str, features: str) -> dict[str, Baseline]:
    """Of whole samples of a kind, in the plural, and what is known of each."""
    return {
        "majority": Baseline("majority class", f"Majority class: the class of most of these {what}, everywhere; where one may have several, the "
                             "share of each class.", _majority),
        "statistics": Baseline("regression on statistics", f"Regression on statistics: logistic regression {features}", _statistics),
        "boosting": Baseline("boosting on statistics", f"Boosting on statistics: gradient-boosted trees {features}", _boosting),
    }


#: Of samples of one class each that come with an incidence angle.
_ANGLE = {
    "angle": Baseline("incidence angle alone", "Incidence angle alone: a regression on the mean angle of each and its square, without its "
                      "brightness. What it knows is where the classes lay in the swath.", angle_alone, has_angle),
    "gaussian_angle": Baseline("Gaussian with the incidence angle", "Gaussian with the incidence angle: in each class the mean bands are normal "
                               "about a line over the angle (Lohse, Doulgeris and Dierking 2020).", gaussian_angle, has_angle),
}
#: Of classes of whole images and patches, and of series.
SAMPLE_BASELINES, SERIES_BASELINES = {**_of_samples("tiles", _SAMPLES), **_ANGLE}, _of_samples("series", _SERIES)
_TILE_SERIES = ("on the whitened bands of each pixel on each day of the season, between its clear dates on a line, learned from at most 20,000 "
                "pixels of these tiles.")
#: Of a class for every pixel of dated tiles.
TILE_SERIES_BASELINES = {
    "majority": PIXEL_BASELINES["majority"],
    "statistics": Baseline("regression on statistics", f"Regression on statistics: logistic regression {_TILE_SERIES}", _statistics),
    "boosting": Baseline("boosting on statistics", f"Boosting on statistics: gradient-boosted trees {_TILE_SERIES}", _boosting),
}
