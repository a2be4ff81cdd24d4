"""What a regression makes of random filters: the worth of features that nobody learned, beside which a network that learned must show more.

Images are convolved with filters drawn at random, and what is above zero is kept (random convolutional features; Rolf et al. 2021, A generalizable
and accessible approach to machine learning with global satellite imagery, Nature Communications 12, 4392, who average them over the image as it is
done here with whole images). A series has filters as long as its season.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from ....progress import SILENT, Progress
from ...classic.classifiers import Regression, fit, joint_regression
from ...classic.models import Labelled, as_tiles
from ...classic.samples import sample_rows
from ...classic.series import series_features
from ...classic.whitening import MARGIN, SIDE
from ...datasets.surroundings import Surroundings

#: Filters, and pixels that are convolved at once.
FILTERS, AT_ONCE = 64, 2**17


class RandomFeatures:
    """A regression on the usual statistics and on random features.

    Args:
        labelled: what is learned from, of one target.
        progress: told of the regression.
    """

    def __init__(self, labelled: Labelled, progress: Progress = SILENT) -> None:
        self.what, self.whitening, self.dataset = labelled.what, labelled.whitening, labelled.dataset
        self.of_pixels = self.dataset.kind.pixelwise and not self.what.dated
        self.at_once = max(1, AT_ONCE // self.dataset.tile_size**2) if not self.what.dated else 1
        rows = labelled.rows
        width = rows.features.shape[1] if self.what.dated else len(self.what.bands) * SIDE * SIDE
        # Scaled so that what a filter gives of whitened values has a deviation of about 1.
        self.filters = torch.from_numpy(np.random.default_rng(0).standard_normal((FILTERS, width), np.float32) / np.float32(np.sqrt(width)))
        if self.of_pixels:
            order = np.argsort(rows.tiles, kind="stable")
            places = np.asarray(rows.places)[order]
            rows = replace(rows, features=rows.features[order], labels=rows.labels[order], tiles=rows.tiles[order], places=places)
            tiles, starts = np.unique(rows.tiles, return_index=True)
            found = np.concatenate([maps.reshape(FILTERS, -1)[:, own].T for maps, own in zip(
                self._of_tiles(tiles, progress), np.split(places, starts[1:]), strict=True)])
        else:
            found = self._of_rows(rows.features) if self.what.dated else self._of_images(rows.tiles, progress)
        kind = partial(joint_regression, first=rows.features.shape[1]) if self.of_pixels else Regression.fit
        joint = replace(rows, features=np.concatenate([rows.features, found], 1))
        self.regression: Regression = fit(kind, joint, len(self.dataset.classes), labelled.seed, progress, progress)

    def scores(self, samples: np.ndarray) -> np.ndarray:
        """Scores of samples of the dataset: (n, class) or, of pixels, (n, class, y, x); NaN of series without a date that counts."""
        if self.what.dated:
            features = series_features(self.dataset, self.what, self.whitening, samples)
            return as_tiles(self.dataset, self.regression.scores(np.concatenate([features, self._of_rows(features)], 1)))
        if not self.of_pixels:
            statistics = sample_rows(self.dataset, self.what, self.whitening, samples).features
            return self.regression.scores(np.concatenate([statistics, self._of_images(samples)], 1))
        around, inner, found = Surroundings(self.dataset, self.what, MARGIN), slice(MARGIN, -MARGIN), []
        for start in range(0, len(samples), self.at_once):
            images, valid = around.read(samples[start:start + self.at_once])
            valid = valid & np.isfinite(images).all(1)
            statistics = self.whitening.statistics(images, valid)[..., inner, inner]
            rows = np.moveaxis(np.concatenate([statistics, self._maps(images, valid, 0).numpy()], 1), 1, -1)
            found.append(np.moveaxis(self.regression.scores(rows), -1, 1))
        return np.concatenate(found)

    def _of_tiles(self, tiles: np.ndarray, progress: Progress) -> Iterator[np.ndarray]:
        """Of each tile (filter, y, x), with what lies around it."""
        around = Surroundings(self.dataset, self.what, MARGIN)
        for start in range(0, len(tiles), self.at_once):
            progress.at(start / len(tiles), "Random features")
            images, valid = around.read(tiles[start:start + self.at_once])
            yield from self._maps(images, valid & np.isfinite(images).all(1), 0).numpy()

    def _of_images(self, samples: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """Means over what was measured of whole images (n, filter)."""
        found = []
        for start in range(0, len(samples), self.at_once):
            progress.at(start / len(samples), "Random features")
            images, valid = self.dataset.read(self.what, samples[start:start + self.at_once])
            known = valid & np.isfinite(images).all(1)
            maps, share = self._maps(images, known, MARGIN), torch.from_numpy(known[:, None].astype(np.float32))
            found.append(((maps * share).sum((2, 3)) / share.sum((2, 3)).clamp_min(1)).numpy())
        return np.concatenate(found)

    def _maps(self, images: np.ndarray, valid: np.ndarray, margin: int) -> torch.Tensor:
        """What the filters find (n, filter, y, x); pixels that nothing is known of are average."""
        white = torch.from_numpy(np.where(valid[:, None], self.whitening(images), 0).astype(np.float32))
        return functional.conv2d(white, self.filters.view(FILTERS, len(self.what.bands), SIDE, SIDE), padding=margin).relu_()

    def _of_rows(self, rows: np.ndarray) -> np.ndarray:
        return np.maximum(rows.astype(np.float32) @ self.filters.numpy().T, 0)

