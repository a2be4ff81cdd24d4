"""What a model of series says of parcels: one question for each, about the means of its pixels as “Create crop dataset” takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import rasterio

from ....errors import ModelError
from ....progress import SILENT, Progress
from ...datasets.dataset import SensorInfo
from ...datasets.dates import NO_DAY
from ...models.kinds import OUTSIDE
from ...models.package import Package
from ...rasters.clouds import CLEAR
from ...rasters.grid import Window
from ...themes.crops.fields import windows_of
from ...themes.crops.parcel_means import ParcelMeans
from ...themes.crops.series_building import CACHE_BYTES
from ..dated_images import DatedImage, OpenedSeries
from ..scores import divided
from ..series import Asked, ask_all
from .membership import MappedParcels


@dataclass(frozen=True)
class Answers:
    """What is known of each parcel.

    Attributes:
        pixels: far enough inside (parcel,).
        clear_dates: on which at least half of its measured pixels are clear (parcel,).
        last: number of the last of these images, -1 where there is none (parcel,).
        first: position of the most probable class, -1 where the model was not asked (parcel,).
        second: of the next one (parcel,).
        chances: probabilities of the two, 0 to 1 (parcel, 2).
    """

    pixels: np.ndarray
    clear_dates: np.ndarray
    last: np.ndarray
    first: np.ndarray
    second: np.ndarray
    chances: np.ndarray

    @classmethod
    def none(cls, pixels: np.ndarray) -> Answers:
        """Of parcels that were not asked for yet."""
        zeros, nothing = np.zeros(len(pixels), np.int64), np.full(len(pixels), -1, np.int64)
        return cls(pixels, zeros, nothing.copy(), nothing.copy(), nothing.copy(), np.zeros((len(pixels), 2)))


def ask_parcels(model: Package, opened: OpenedSeries, parcels: MappedParcels, least_dates: int, ask: Asked, progress: Progress = SILENT) -> Answers:
    """Reads every block of every image once, and asks for the crops of the parcels that it completes.

    A parcel is clear on a date where at least half of its measured pixels are, and then has the mean of the clear ones.

    Args:
        model: of series.
        opened: the images.
        parcels: on their grid.
        least_dates: parcels with fewer clear dates are not asked for.
        ask: see `series.asker`.
        progress: told of every block.

    Raises:
        ModelError: the model says no probabilities.
    """
    sensor, images = _sensor(opened.images), opened.images
    windows = windows_of(images[0].scene, len(sensor.bands) * np.dtype(sensor.dtype).itemsize)
    pixels, last = parcels.count(windows, progress.part(0, 0.2))
    means, answers = ParcelMeans([sensor], [len(images)], last), Answers.none(pixels)
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
        for number, window in enumerate(windows):
            part = progress.part(0.2 + 0.8 * number / len(windows), 0.2 + 0.8 * (number + 1) / len(windows))
            rows, cols, owners = parcels.read(window)
            if not len(owners):
                continue
            window, rows, cols = _trimmed(window, rows, cols)
            means.begin(owners)
            for date, image in enumerate(images):
                part.at(0.9 * date / len(images), f"Reading the image of {image.date}")
                stored, flags = image.stored(window)
                means.add(0, date, stored[:, rows, cols], flags[rows, cols])
            complete, [(series, flags)] = means.end(number)
            _answer(model, opened, answers, complete, (series, flags == CLEAR), least_dates, ask, part.part(0.9, 1))
    return answers


def _answer(model: Package, opened: OpenedSeries, answers: Answers, complete: np.ndarray, series: tuple[np.ndarray, np.ndarray], least_dates: int,
            ask: Asked, progress: Progress) -> None:
    """Fills in what is known of parcels that are complete (n,), of which `series` are the means (n, date, band) and the clear dates (n, date)."""
    stored, clear = series
    values = stored.astype(np.float32)
    for number, image in enumerate(opened.images):
        for band, match in enumerate(image.matches):
            match.convert(values[:, number, band])
    clear = clear & np.isfinite(values).all(2)
    values = np.where(clear[..., None], values, np.asarray(opened.seen.fill, np.float32))
    days = np.where(clear, np.array([image.day for image in opened.images]), NO_DAY).astype(np.float32)
    answers.clear_dates[complete] = clear.sum(1)
    answers.last[complete] = np.where(clear, np.arange(clear.shape[1]), -1).max(1, initial=-1)
    enough = clear.sum(1) >= least_dates
    asked = complete[enough]
    given = ask_all(model, opened.seen, values[enough], days[enough], ask, progress)
    scores = divided(given.T[:, None], model)[0][:, 0].T
    _check(scores, model)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :2]
    answers.first[asked], answers.second[asked] = order[:, 0], order[:, -1]
    answers.chances[asked] = np.take_along_axis(scores, order, 1)


def _check(scores: np.ndarray, model: Package) -> None:
    """Refuses what is no probability (n, class)."""
    low, high = model.kind.sound
    wrong = ~(np.isfinite(scores) & (scores >= low - OUTSIDE) & (scores <= high + OUTSIDE)).all(1)
    if wrong.any():
        raise ModelError(f"The network in {model.path} gives values that are no probabilities for {wrong.sum()} of {len(wrong)} parcels, such as "
                         f"{scores[wrong][0][0]:.4g}. Check that the images are ones the model was made for, export the model again, or use another "
                         "one.")


def _sensor(images: list[DatedImage]) -> SensorInfo:
    """How the images store their values, as the means are stored in a dataset of them: whole numbers stay whole."""
    dtype = np.result_type(*(image.scene.dtype for image in images))
    whole = dtype.kind != "f"
    return SensorInfo("image", "generic", dtype.name if whole else "float32", 0 if whole else None,
                      tuple(match.image for match in images[0].matches))


def _trimmed(window: Window, rows: np.ndarray, cols: np.ndarray) -> tuple[Window, np.ndarray, np.ndarray]:
    """The part of a window that holds some pixels, and where they are in it."""
    top, left = int(rows.min()), int(cols.min())
    part = Window(window.col + left, window.row + top, int(cols.max()) - left + 1, int(rows.max()) - top + 1)
    return part, rows - top, cols - left
