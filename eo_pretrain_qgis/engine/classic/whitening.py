"""Whitened bands and their statistics around each pixel: what every classifier here, simple or deep, starts from.

Neighbouring bands tell nearly the same; what tells classes apart lies in small differences between them, which neither gradient descent in some
hundred steps nor trees that cut one band at a time find. Whitening gives every direction the same weight (Kessy, Lewin, Strimmer, Optimal
whitening and decorrelation, The American Statistician 72, 2018; the form is PCA whitening of standardised bands).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..rasters.embeddings import EMBEDDED

#: Units of bands that are a logarithm, an angle or bounded already; others are bent by asinh, so that clouds and corner reflectors stay within sight.
STRAIGHT = ("dB", "degree", EMBEDDED)
#: Edge of the neighbourhood of a pixel [px].
SIDE = 7
#: What its statistics need on each side of it [px].
MARGIN = SIDE // 2
#: Added to a variance before its root, so that rounding is not amplified where nothing varies.
EPSILON = 1e-3
#: The smallest eigenvalue of the bands' correlation that counts, as a share of the largest: below is noise, which would be amplified.
FLOOR = 1e-4
#: Below this share of the largest eigenvalue a direction holds nothing but rounding, as that between two equal bands: it is left out, or a classifier
#: would be given noise of 1e-6 to tell classes apart by.
SINGULAR = 1e-8
#: Percentiles that values are clipped to where mean, deviation and correlation are measured.
CLIPPED = (0.5, 99.5)


@dataclass(frozen=True)
class Whitening:
    """How the bands of a sensor are whitened.

    Attributes:
        mean: of each band, stored units (band,).
        deviation: of each band, stored units (band,).
        matrix: turns standardised bands into uncorrelated ones of variance 1 (band, band).
        bent: whether asinh is taken of these.
    """

    mean: np.ndarray
    deviation: np.ndarray
    matrix: np.ndarray
    bent: bool

    @classmethod
    def of(cls, pixels: np.ndarray, units: Sequence[str], slopes: Sequence[float] = (), angle: int = 0) -> Whitening:
        """Measures it. Numbers of embeddings are standardised and nothing else: what an encoder finds alike has little variance there, and whitening
        would make its noise as large as all it found.

        Args:
            pixels: measured training pixels (n, band), stored units.
            units: of the bands.
            slopes: of each band over the band `angle`, which are taken off first; none is taken off where there are none.
            angle: position of that band.
        """
        if any(slopes):
            middle, fall = float(np.median(pixels[:, angle])), np.asarray(slopes, float)
            level = cls.of(pixels - fall * (pixels[:, angle, None] - middle), units)
            share = fall * level.deviation[angle] / level.deviation
            matrix = level.matrix - np.outer(level.matrix @ share, np.eye(len(fall))[angle])
            return replace(level, matrix=matrix.astype(np.float32))
        low, high = np.percentile(pixels, CLIPPED, axis=0)
        values = np.clip(pixels.astype(np.float64), low, high)
        mean, deviation = values.mean(0), values.std(0)
        varies = deviation > 1e-9 * np.maximum(np.abs(mean), 1e-30)
        deviation = np.where(varies, deviation, 1.0)
        scaled = (values - mean) / deviation * varies
        matrix, measured = np.diag(varies.astype(float)), np.array([unit != EMBEDDED for unit in units])
        if measured.any():
            matrix[np.ix_(measured, measured)] = _uncorrelated(scaled[:, measured]) * varies[measured]
        return cls(mean.astype(np.float32), deviation.astype(np.float32), matrix.astype(np.float32), not set(units) <= set(STRAIGHT))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Whitened bands float32 (n, band, y, x) of images in stored units (n, band, y, x)."""
        centred = (images.astype(np.float32) - self.mean[:, None, None]) / self.deviation[:, None, None]
        white = np.einsum("ij,njyx->niyx", self.matrix, centred, optimize=True)
        return np.arcsinh(white) if self.bent else white

    def statistics(self, images: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Whitened bands, and their mean and deviation over 7 × 7 pixels of which only the valid ones count.

        Args:
            images: stored units (n, band, y, x).
            valid: bool (n, y, x).

        Returns:
            float32 (n, 3 · band, y, x); of no meaning where nothing is valid.
        """
        from scipy.ndimage import uniform_filter  # only where it is used: every job reads the table of tasks

        known, size = valid[:, None].astype(np.float32), (1, 1, SIDE, SIDE)
        white = np.where(valid[:, None], self(images), 0)
        share = np.maximum(uniform_filter(known, size, mode="constant"), 0.5 / SIDE**2)
        mean = uniform_filter(white, size, mode="constant") / share
        variance = uniform_filter(white**2, size, mode="constant") / share - mean**2
        return np.concatenate([white, mean, np.sqrt(np.maximum(variance, 0) + EPSILON)], 1)


def _uncorrelated(scaled: np.ndarray) -> np.ndarray:
    """What turns standardised bands (n, band) into uncorrelated ones of variance 1, (band, band)."""
    strengths, directions = np.linalg.eigh(scaled.T @ scaled / max(len(scaled), 1))
    floor = max(strengths.max() * FLOOR, 1e-12)
    return (directions / np.sqrt(np.maximum(strengths, floor)) * (strengths > strengths.max() * SINGULAR)).T
