"""Fields from what a model says of pixels: seeds in the middle of fields, grown by a watershed until they meet.

Seeds are the maxima of how surely a pixel lies in the middle of a field, and two maxima are two fields where the way from one to the other dips by
enough (dynamics of h-maxima; Soille 2003, Morphological Image Analysis, §6.3). So no single threshold has to be right for sure and for doubtful
fields. Growing seeds over the boundary closes every field, and neighbours share their border (as in the watershed of ResUNet-a's outputs, Waldner and
Diakogiannis, arXiv 1910.12023, §3.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.morphology import h_maxima, h_minima
from skimage.segmentation import watershed

from ....errors import ModelError
from ...models.package import Package

#: Names of the classes, as “Create field dataset” calls them.
INTERIOR, BOUNDARY, DISTANCE = "field interior", "field boundary", "distance"
#: Farthest that a pixel may lie from a seed [px], so that a field does not depend on what lies far away.
REACH = 128
#: Deviation of the Gaussian that smooths the middle of fields before seeds are looked for [px].
SMOOTH = 1.0
#: Seeds touch at corners, too.
AROUND = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Decoding:
    """How fields are told apart; all are shares from 0 to 1.

    Attributes:
        threshold: least probability of field, interior or boundary, of a pixel that belongs to one.
        depth: by how much `middle` dips between two fields at least. With a smaller one more fields are told apart, also such as are one.
    """

    threshold: float = 0.5
    depth: float = 0.1


def positions(model: Package) -> tuple[int, int]:
    """Where interior and boundary of fields stand among the classes of a model.

    Raises:
        ModelError: it has no such classes.
    """
    names = [row.name for row in model.classes]
    if INTERIOR not in names or BOUNDARY not in names:
        raise ModelError(f"The model {model.path} has the classes {', '.join(names)}, and fields are drawn from “{INTERIOR}” and “{BOUNDARY}”. "
                         "Choose a model of a dataset made by “Create field dataset”.")
    return names.index(INTERIOR), names.index(BOUNDARY)


def middle(interior: np.ndarray, distance: np.ndarray | None) -> np.ndarray:
    """How surely a pixel lies in the middle of a field, float32 (y, x), 0 to 1: the mean of interior and distance, or the interior alone."""
    return interior if distance is None else (interior + distance) / 2


def seeds(inner: np.ndarray, field: np.ndarray, how: Decoding) -> np.ndarray:
    """Where fields begin, bool (y, x); arguments as of `fields`."""
    return h_maxima(np.where(field >= how.threshold, ndimage.gaussian_filter(inner, SMOOTH), 0), how.depth, AROUND) > 0


def grown(numbers: np.ndarray, inner: np.ndarray, field: np.ndarray, how: Decoding) -> np.ndarray:
    """Numbered seeds (y, x) int32 grown over all that is field and near to one; 0 elsewhere. Arguments else as of `fields`."""
    near = ndimage.distance_transform_edt(numbers == 0) <= REACH if numbers.any() else np.zeros(numbers.shape, bool)
    return watershed(1 - inner, numbers, mask=(field >= how.threshold) & near)


def fields(inner: np.ndarray, field: np.ndarray, how: Decoding) -> np.ndarray:
    """Numbers of fields from 1, int32 (y, x), 0 where there is none; of an image that memory holds.

    Args:
        inner: see `middle`.
        field: probability of interior or boundary, float32 (y, x); 0 where nothing was measured.
        how: see there.
    """
    numbers = ndimage.label(seeds(inner, field, how), AROUND)[0]
    return grown(numbers, inner, field, how)


def from_gradients(image: np.ndarray, valid: np.ndarray, sigma: float = 1.0, depth: float = 0.2) -> np.ndarray:
    """Segments of an image without any learning, int32 (y, x), 0 where it was not measured: a watershed on its gradients.

    The bands are scaled to a standard deviation of 1 and smoothed, and their gradients added up. Basins shallower than `depth` of the range from the
    5th to the 95th percentile of the gradient are not told apart (h-minima, Soille 2003, Morphological Image Analysis, §6.3). A fifth was best on the
    validation tiles of three simulated landscapes; at a twentieth it finds half as well.

    Args:
        image: (band, y, x).
        valid: where it was measured, bool (y, x).
        sigma: of the smoothing [px].
        depth: see above.
    """
    total = np.zeros(valid.shape)
    for band in image.astype(float):
        values = np.where(valid, band, band[valid].mean() if valid.any() else 0.0)
        smooth = ndimage.gaussian_filter(values / (values.std() or 1.0), sigma)
        total += np.hypot(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1))
    low, high = np.percentile(total, (5, 95))
    minima = h_minima(total, max(depth * (high - low), 1e-9))
    return watershed(total, ndimage.label(minima)[0], mask=valid)
