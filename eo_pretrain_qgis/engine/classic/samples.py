"""Labelled pixels or samples of a dataset as rows of numbers, to learn simple classifiers from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ..cards import IGNORE, Input
from ..datasets.dates import read_series
from ..datasets.units import unit_numbers
from ..even_sample import even_sample
from .series import brought, series_features
from .whitening import Whitening

if TYPE_CHECKING:
    from ..datasets.dataset import Dataset

#: Pixels that whitening is measured on, and labelled pixels that a classifier of pixels learns from.
MEASURED, LEARNED = 200_000, 20_000
#: Pixels that are looked at for that, at most.
LOOKED_AT = 50_000_000
#: So many pixels of each class are taken where the tiles show them, however rare it is.
LEAST = 100
#: The percentiles taken of a whole sample's whitened bands are as far from both ends, as a share of the values.
TAIL = 0.05
_AT_ONCE = 2**22  # values of images held at once


@dataclass(frozen=True)
class Rows:
    """What a classifier learns from.

    Attributes:
        features: float32 (n, feature).
        labels: positions of classes (n,), or 0 and 1 (n, class).
        tiles: where each comes from, positions in the dataset (n,).
        whole: each is of a whole sample, and not of a pixel.
        places: of pixels: where in its tile each is, row · tile size + column (n,).
        groups: numbers of what samples belong to that are much alike, as those of one parcel are (n,); None: each stands alone.
    """

    features: np.ndarray
    labels: np.ndarray
    tiles: np.ndarray
    whole: bool = False
    places: np.ndarray | None = None
    groups: np.ndarray | None = None

    def only(self, chosen: np.ndarray) -> Rows:
        """Some of the rows, by their numbers."""
        places, groups = (None if one is None else one[chosen] for one in (self.places, self.groups))
        return Rows(self.features[chosen], self.labels[chosen], self.tiles[chosen], self.whole, places, groups)


def measure_whitening(dataset: Dataset, what: Input, tiles: np.ndarray, progress: Progress = SILENT) -> Whitening:
    """The whitening of an input, from at most 200,000 measured pixels spread evenly over some tiles.

    Raises:
        DataError: nothing was measured.
    """
    looked = even_sample(tiles, max(1, min(MEASURED, LOOKED_AT // dataset.tile_size**2)))
    quota, found = max(1, MEASURED // max(len(looked), 1)), []
    for number, (_, images, valid) in enumerate(_read(dataset, what, looked)):
        valid = valid >= 0 if what.dated else valid
        progress.at(min(0.99, number * len(images) / max(len(looked), 1)), "Measuring the bands")
        pixels = images if images.ndim == 3 else np.moveaxis(images, -3, -1)
        found += [image[even_sample(np.flatnonzero(known.ravel()), quota)] for image, known in
                  zip(pixels.reshape(len(images), -1, len(what.bands)), valid)]
    values = np.concatenate(found)
    if not len(values):
        raise DataError(f"None of the {len(looked)} training {dataset.kind.unit} of {dataset.folder} that were looked at holds a measured pixel; "
                        f"all are {'under cloud or ' if what.dated else ''}nodata. Check the nodata value of the images.")
    return Whitening.of(values, [band.unit for band in what.bands], what.slopes, what.angle or 0)


def mapped_values(dataset: Dataset, what: Input, tiles: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
    """The values (n, band) of at most 200,000 places as a map run keeps them, see `mapping.inference.Part`, spread evenly over some tiles: of pixels
    their own, of whole samples the means over what was measured, of series those over the dates that count.
    """
    looked = even_sample(tiles, max(1, min(MEASURED, LOOKED_AT // dataset.tile_size**2)))
    quota, found = max(1, MEASURED // max(len(looked), 1)), [np.zeros((0, len(what.bands)), np.float32)]
    for number, (_, images, valid) in enumerate(_read(dataset, what, looked)):
        progress.at(min(0.99, number * len(images) / max(len(looked), 1)), "Measuring the range of the training values")
        known: Any = valid >= 0 if what.dated else valid  # (n, date, …) or (n, y, x)
        if not what.dated and dataset.kind.pixelwise:
            values = images
        else:
            over = (1,) if what.dated else (2, 3)
            counted = np.expand_dims(known, 2 if what.dated else 1)
            values = np.where(counted, images, 0).sum(over) / np.maximum(counted.sum(over), 1)
            known = known.any(over if what.dated else (1, 2))
        rows = np.moveaxis(values, 1, -1).reshape(len(images), -1, len(what.bands))
        found += [row[even_sample(np.flatnonzero(there), quota)] for row, there in zip(rows, known.reshape(len(images), -1))]
    return np.concatenate(found)


def pixel_rows(dataset: Dataset, what: Input, whitening: Whitening, tiles: np.ndarray, seed: int, progress: Progress = SILENT) -> Rows:
    """At most 20,000 labelled pixels drawn evenly over the tiles, and more of the classes these show too few of.

    Of very many tiles some are drawn, of which all statistics can be computed in about a minute. Of dated tiles a pixel is a series, see
    `series_rows`.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(tiles)[:max(1, min(LEARNED, LOOKED_AT // dataset.tile_size**2))]
    quota, classes, found = max(1, LEARNED // max(len(order), 1)), len(dataset.classes), []
    missing = np.full(classes, LEAST)
    for number, (places, images, valid) in enumerate(_read(dataset, what, order)):
        progress.at(min(0.99, number * len(places) / len(order)), "Statistics of the training pixels")
        statistics = images if what.dated else whitening.statistics(images, valid)
        for place, label, rows, days in zip(places, dataset.labels(places), statistics, valid):
            mixed = rng.permutation(np.flatnonzero((label != IGNORE) & ((days >= 0).any(0) if what.dated else days)))
            chosen, rest = mixed[:quota], mixed[quota:]
            for wanted in np.flatnonzero(missing > np.bincount(label.ravel()[chosen], minlength=256)[:classes]):
                chosen = np.concatenate([chosen, rest[label.ravel()[rest] == wanted][:missing[wanted]]])
            values = label.ravel()[chosen]
            missing = np.maximum(missing - np.bincount(values, minlength=256)[:classes], 0)
            own = rows.reshape(*rows.shape[:-2], -1)[..., chosen]
            if what.dated:
                own = brought(whitening, np.array(what.days), np.moveaxis(own, 2, 0), days.reshape(len(days), -1)[:, chosen].T).T
            found.append((own.T, values, np.full(len(chosen), place), chosen))
    features, values, origins, chosen = map(np.concatenate, zip(*found))
    return Rows(features, values, origins, places=chosen)


def sample_rows(dataset: Dataset, what: Input, whitening: Whitening, samples: np.ndarray, progress: Progress = SILENT) -> Rows:
    """Whole samples: mean, deviation, 5th and 95th percentile of each whitened band over what was measured."""
    found: list[np.ndarray] = []
    for places, images, valid in _read(dataset, what, samples):
        progress.at(min(0.99, len(found) * len(places) / len(samples)), "Statistics of whole samples")
        white = whitening(images).reshape(len(images), len(what.bands), -1)
        known = valid.reshape(len(images), -1)
        if not known.all():
            white = np.where(known[:, None], white, np.nan)
            white[~known.any(1)] = 0
        low, high = (np.nanpercentile if np.isnan(white).any() else np.percentile)(white, (100 * TAIL, 100 - 100 * TAIL), axis=2)
        found.append(np.concatenate([np.nanmean(white, 2), np.nanstd(white, 2), low, high], 1, dtype=np.float32))
    return Rows(np.concatenate(found), dataset.labels(samples), samples, whole=True)


def series_rows(dataset: Dataset, what: Input, whitening: Whitening, samples: np.ndarray, progress: Progress = SILENT) -> Rows:
    """Series that have a clear date: whitened bands on the days of the season, see `series.brought`."""
    features = series_features(dataset, what, whitening, samples, progress)
    seen = ~np.isnan(features[:, 0])
    known = samples[seen]
    return Rows(features[seen], dataset.labels(known), known, whole=True, groups=unit_numbers(dataset, known))


def tail_values(pixels: Any) -> Any:
    """How many of the lowest values of so many pixels, 2 or more, decide the lower percentile, whichever of them were measured."""
    return (pixels - 1) // round(1 / TAIL) + 2


def _read(dataset: Dataset, what: Input, tiles: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Some tiles at a time: their positions, images, and where these were measured; of series the days of the dates that are looked at, else -1."""
    at_once = max(1, _AT_ONCE // max(1, int(np.prod(dataset.read(what, tiles[:1])[0].shape)))) if len(tiles) else 1
    for first in range(0, len(tiles), at_once):
        places = tiles[first:first + at_once]
        if what.dated:
            images, days = read_series(dataset, what, places)
            yield places, images, days
        else:
            images, valid = dataset.read(what, places)
            yield places, images, valid & np.isfinite(images).all(1)
