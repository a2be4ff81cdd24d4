"""Whether images are like those of a dataset that they shall join: bands, size of the pixels, brightness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ..even_sample import even_sample
from ..rasters.plausibility import Brightness
from ..rasters.raster import Scene
from ..rasters.sensors import Band
from .dataset import Dataset, SensorInfo

#: Pixels that differ in size by more than this share are told.
RESOLUTION_TOLERANCE = 0.05
#: Tiles of a dataset that say how bright it is.
LOOKED_AT = 40


def sensor_to_join(dataset: Dataset, path: str, bands: Sequence[Band]) -> SensorInfo:
    """The sensor of a dataset, whose bands those of an image are.

    Raises:
        DataError: they differ in number, name or order.
    """
    own = dataset.sensor_named()
    if [band.name for band in bands] != [band.name for band in own.bands]:
        raise DataError(f"{path} has the bands {_names(bands)}, but {dataset.folder} has {_names(own.bands)}. Choose images of the same sensor, or "
                        "name the bands in “Bands”.")
    return own


def check_like(dataset: Dataset, scene: Scene, sensor: SensorInfo, progress: Progress = SILENT) -> None:
    """Holds an image against a dataset.

    Raises:
        DataError: other bands.
    """
    sensor_to_join(dataset, scene.path, sensor.bands)
    sizes = zip(scene.grid.metres_per_pixel(), dataset.description["resolution_m"], strict=True)
    apart = max(abs(ours / theirs - 1) for ours, theirs in sizes)
    if apart > RESOLUTION_TOLERANCE:
        progress.message(f"The pixels of {scene.path} differ in size from those of {dataset.folder} by {apart:.0%}.", level="warning")


def brightness_of(dataset: Dataset) -> Brightness | None:
    """That of some tiles of a dataset."""
    info = dataset.sensor_named()
    images = dataset.images(even_sample(np.arange(len(dataset)), LOOKED_AT), info.name)
    return Brightness.of(str(dataset.folder), info.dtype, np.moveaxis(images, -1 if images.ndim == 3 else -3, 0)[:, info.valid(images)],
                         info.bands)


def _names(bands: Sequence[Band]) -> str:
    return ", ".join(band.name for band in bands)
