"""What the incidence angle of radar images does to backscatter, and what it tells alone.

Backscatter falls with the angle, in each class at a rate of its own (Lohse, Doulgeris and Dierking, Mapping sea-ice types from Sentinel-1 considering
the surface-type dependent effect of incidence angle, Annals of Glaciology 61(83), 2020, doi 10.1017/aog.2020.45).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ..cards import IGNORE, Input
from ..even_sample import even_sample

if TYPE_CHECKING:
    from ..classic.models import Labelled
    from ..datasets.dataset import Dataset

#: Tiles that slopes are measured on at most, and how many are held at once.
MEASURED, AT_ONCE = 2_000, 50
#: Pixels that likelihoods are fitted to, and a regression on the angle alone, about.
PIXELS, ROWS = 500_000, 20_000
#: What is known of an angle below which a deviation is none [degree].
VARIES = 1e-3
#: Added to a variance [dB²], so that a class of two patches has one.
LEAST_VARIANCE = 1e-3


def angle_bands(dataset: Dataset) -> list[tuple[str, int]]:
    """The sensors that have a band in degrees, each with the place of that band."""
    return [(sensor.name, place) for sensor in dataset.sensors for place, band in enumerate(sensor.bands) if band.unit == "degree"]


def without_angle(seen: Input, folder: str) -> Input:
    """An input but for its bands in degrees.

    Raises:
        DataError: it has none, or nothing else.
    """
    position_of_angle(seen, folder, "none")
    rest = [band.name for band in seen.bands if band.unit != "degree"]
    if not rest:
        raise DataError(f"The only band chosen of {folder} is the incidence angle, and “Incidence angle” (incidence_angle) is none. Choose bands "
                        "beside it.")
    return seen.only(rest)


def position_of_angle(seen: Input, folder: str, way: str) -> int:
    """Where the angle stands among the bands of an input.

    Raises:
        DataError: nowhere; `way` is what was asked for.
    """
    if seen.angle is None:
        refuse_no_angle([seen], folder, way)
    return seen.angle


def refuse_no_angle(inputs: Iterable[Input], folder: str, way: str) -> NoReturn:
    """Says that no band of any input is an angle; `way` is what was asked for.

    Raises:
        DataError: naming the bands of all.
    """
    names = ", ".join(name for seen in inputs for name in seen.names)
    raise DataError(f"“Incidence angle” (incidence_angle) is {way}, and the chosen bands of {folder} ({names}) have none in degrees. Leave it at "
                    "“band”, or choose a dataset made with the incidence angle.")


def with_slopes(seen: Input, dataset: Dataset, tiles: np.ndarray, progress: Progress = SILENT) -> Input:
    """The input with the fall of each band over the incidence angle, which is taken off before anything is learned: one slope for all classes.

    Analysis of covariance: an intercept for each class and one slope, fitted to the labelled pixels of training tiles. So a class that was seen far
    from the radar only does not bend the slope.

    Args:
        seen: with the angle among its bands.
        dataset: of the tiles, each pixel or sample with one class.
        tiles: positions of labelled training tiles.
        progress: told how far it is, and the slopes.

    Raises:
        DataError: the bands have no angle, or within no class does it vary.
    """
    angle, classes, folder = position_of_angle(seen, str(dataset.folder), "slope"), len(dataset.classes), dataset.folder
    if dataset.kind.several:
        raise DataError(f"“Incidence angle” (incidence_angle) is slope, which is fitted within classes, and in {folder} an image may have several. "
                        "Choose “band” or “none”.")
    count, sums = np.zeros(classes), np.zeros((classes, len(seen.bands)))
    squares, products = np.zeros(classes), np.zeros((classes, len(seen.bands)))
    middle = np.array(seen.centre)
    chosen = even_sample(tiles, MEASURED)
    for first in range(0, len(chosen), AT_ONCE):
        progress.at(0, "Measuring the slope over the incidence angle")
        part = chosen[first:first + AT_ONCE]
        images, valid = dataset.read(seen, part)
        labels = dataset.labels(part)
        drawn = labels if labels.ndim == 3 else np.broadcast_to(labels[:, None, None], valid.shape)
        known = valid & np.isfinite(images).all(1) & (drawn != IGNORE)
        pixels, own = np.moveaxis(images, 1, -1)[known] - middle, drawn[known].astype(int)
        count += np.bincount(own, minlength=classes)[:classes]
        squares += np.bincount(own, pixels[:, angle] ** 2, classes)[:classes]
        for band in range(len(seen.bands)):
            sums[:, band] += np.bincount(own, pixels[:, band], classes)[:classes]
            products[:, band] += np.bincount(own, pixels[:, band] * pixels[:, angle], classes)[:classes]
    each = np.maximum(count, 1)
    spread = float((squares - sums[:, angle] ** 2 / each).sum())
    if not spread > VARIES**2 * count.sum():
        raise DataError(f"“Incidence angle” (incidence_angle) is slope, and within no class of {folder} does the angle vary, so no slope can be "
                        "measured. Choose “band” or “none”.")
    slopes = (products - sums * sums[:, angle, None] / each[:, None]).sum(0) / spread
    bands = tuple(replace(band, slope=1.0 if place == angle else float(slope)) for place, (band, slope) in enumerate(zip(seen.bands, slopes)))
    told = ", ".join(f"{band.name} {band.slope:+.3g}" for band in bands if band.unit != "degree")
    progress.message(f"Taken off over the incidence angle, per degree: {told}.")
    return replace(seen, bands=bands)


def sample_means(dataset: Dataset, sensor: str, samples: np.ndarray) -> np.ndarray:
    """Means of the bands of whole samples over what was measured, in physical units (n, band)."""
    info = next(one for one in dataset.sensors if one.name == sensor)
    scale, offset = (np.array([getattr(band, fact) for band in info.bands]) for fact in ("scale", "offset"))
    found = []
    for first in range(0, len(samples), AT_ONCE):
        images = dataset.images(samples[first:first + AT_ONCE], sensor).astype(np.float64)
        known = info.valid(images) & np.isfinite(images).all(1)
        total = np.where(known[:, None], images, 0).sum((2, 3)) / np.maximum(known.sum((1, 2)), 1)[:, None]
        found.append(total * scale + offset)
    return np.concatenate(found) if found else np.zeros((0, len(info.bands)))


@dataclass(frozen=True)
class GaussianAngle:
    """Lohse's classifier: in each class bands are normal about a line over the incidence angle, log p(x | c, θ) = N(a_c + b_c θ, Σ_c).

    Attributes:
        intercepts: a of each class and band (class, band), at the angle 0.
        slopes: b of each (class, band), per degree.
        precisions: inverses of Σ (class, band, band).
        constants: what else is added, with the log of the share of the class; of classes that were not seen −infinity (class,).
    """

    intercepts: np.ndarray
    slopes: np.ndarray
    precisions: np.ndarray
    constants: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, angles: np.ndarray, labels: np.ndarray, classes: int) -> GaussianAngle:
        """Learns it.

        Args:
            values: bands (n, band), dB.
            angles: (n,) [degree].
            labels: positions of classes (n,).
            classes: how many there are.
        """
        bands = values.shape[1]
        a, b = np.zeros((classes, bands)), np.zeros((classes, bands))
        precisions, constants = np.tile(np.eye(bands), (classes, 1, 1)), np.full(classes, -np.inf)
        for label in np.unique(labels):
            own, angle = values[labels == label], angles[labels == label]
            apart = angle - angle.mean()
            varies = len(own) > 2 and float((apart**2).mean()) > VARIES**2
            b[label] = apart @ own / (apart @ apart) if varies else 0.0
            a[label] = own.mean(0) - b[label] * angle.mean()
            left = own - a[label] - angle[:, None] * b[label]
            covariance = left.T @ left / len(own) + LEAST_VARIANCE * np.eye(bands)
            precisions[label] = np.linalg.inv(covariance)
            constants[label] = np.log(len(own) / len(labels)) - 0.5 * np.linalg.slogdet(covariance)[1]
        return cls(a, b, precisions, constants)

    def scores(self, values: np.ndarray, angles: np.ndarray) -> np.ndarray:
        """Logarithms of how probable each class is, but for a constant (n, class)."""
        apart = values[:, None] - self.intercepts - angles[:, None, None] * self.slopes
        return self.constants - 0.5 * np.einsum("nci,cij,ncj->nc", apart, self.precisions, apart)


def gaussian_of_pixels(seen: Input, dataset: Dataset, tiles: np.ndarray) -> GaussianAngle:
    """`GaussianAngle` of the pixels of labelled training tiles, in stored units; each tile has one class.

    Raises:
        DataError: the bands have no angle.
    """
    angle = position_of_angle(seen, str(dataset.folder), "gaussian")
    chosen = even_sample(tiles, MEASURED)
    every = max(1, len(chosen) * dataset.tile_size**2 // PIXELS)
    pixels, labels = [], []
    for first in range(0, len(chosen), AT_ONCE):
        part = chosen[first:first + AT_ONCE]
        images, valid = dataset.read(seen, part)
        own = np.broadcast_to(dataset.labels(part)[:, None, None], valid.shape)
        known = valid & np.isfinite(images).all(1) & (own != IGNORE)
        pixels.append(np.moveaxis(images, 1, -1)[known][::every])
        labels.append(own[known][::every])
    values = np.concatenate(pixels).astype(np.float64)
    return GaussianAngle.fit(np.delete(values, angle, 1), values[:, angle], np.concatenate(labels), len(dataset.classes))


def has_angle(dataset: Dataset) -> bool:
    """Whether samples or pixels of one class each come with an incidence angle."""
    return bool(angle_bands(dataset)) and not dataset.kind.several


def angle_alone(labelled: Labelled) -> Callable[[Dataset], Callable[[np.ndarray], np.ndarray]]:
    """A regression on the mean incidence angle of a sample and its square, and nothing of its brightness; see `baselines.Baseline.fit`."""
    from .linear_probe import LinearProbe  # only where it is used: every job reads the table of tasks

    def features(dataset: Dataset, samples: np.ndarray) -> np.ndarray:
        sensor, place = angle_bands(dataset)[0]
        angle = (sample_means(dataset, sensor, samples)[:, place] - 30) / 10
        return np.stack([angle, angle**2], 1).astype(np.float32)

    tiles = _labelled(labelled)
    probe = LinearProbe(features(labelled.dataset, tiles), labelled.dataset.labels(tiles), labelled.seed, (1.0,))
    weight, bias = probe.layer(len(labelled.dataset.classes))
    return lambda asked: lambda samples: features(asked, samples) @ weight.T + bias


def angle_of_pixels(labelled: Labelled) -> Callable[[Dataset], Callable[[np.ndarray], np.ndarray]]:
    """A regression on the incidence angle of a pixel and its square, and nothing of its brightness; see `baselines.Baseline.fit`."""
    def angles(dataset: Dataset, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Angles [10 degrees from 30] and which were measured, (n, y, x)."""
        sensor, place = angle_bands(dataset)[0]
        info, images = dataset.sensor_named(sensor), dataset.images(samples, sensor)
        angle = (images[:, place] * info.bands[place].scale + info.bands[place].offset - 30) / 10
        known = info.valid(images) & np.isfinite(angle)
        return np.where(known, angle, 0), known

    from .linear_probe import LinearProbe

    dataset, features, labels = labelled.dataset, [], []
    tiles = even_sample(labelled.tiles, MEASURED)
    for first in range(0, len(tiles), AT_ONCE):
        part = tiles[first:first + AT_ONCE]
        drawn, (angle, known) = dataset.labels(part), angles(dataset, part)
        for own, label, counted in zip(angle, drawn, known & (drawn != IGNORE), strict=True):
            chosen = even_sample(np.flatnonzero(counted), max(1, ROWS // len(tiles)))
            features.append(own.ravel()[chosen])
            labels.append(label.ravel()[chosen])
    rows = np.concatenate(features)
    weight, bias = LinearProbe(np.stack([rows, rows**2], 1).astype(np.float32), np.concatenate(labels), labelled.seed, (1.0,)).layer(
        len(dataset.classes))

    def answer(asked: Dataset, samples: np.ndarray) -> np.ndarray:
        angle = angles(asked, samples)[0][:, None]
        first, second, constant = (values[None, :, None, None] for values in (*weight.T, bias))
        return (first * angle + second * angle**2 + constant).argmax(1).astype(np.uint8)

    return lambda asked: lambda samples: answer(asked, samples)


def gaussian_angle(labelled: Labelled) -> Callable[[Dataset], Callable[[np.ndarray], np.ndarray]]:
    """`GaussianAngle` of the means of samples; see `baselines.Baseline.fit`."""
    def parts(dataset: Dataset, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sensor, place = angle_bands(dataset)[0]
        means = sample_means(dataset, sensor, samples)
        return np.delete(means, place, 1), means[:, place]

    tiles = _labelled(labelled)
    model = GaussianAngle.fit(*parts(labelled.dataset, tiles), labelled.dataset.labels(tiles), len(labelled.dataset.classes))
    return lambda asked: lambda samples: model.scores(*parts(asked, samples))


def _labelled(labelled: Labelled) -> np.ndarray:
    labels = labelled.dataset.labels(labelled.tiles)
    return labelled.tiles[labels != IGNORE]
