"""Scenes with known truth, made by code. A public function here takes the folder to write into and returns the path it made;
`tests/jobs/*.yaml` names these functions. Keep each readable as the statement of what is true in it.
"""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

UTM = "EPSG:32633"
ORIGIN = (500_000, 5_300_000)


def write_raster(path: Path, bands: np.ndarray, *, crs: str | None = UTM, nodata=None, names=(), transform=None, resolution=10.0, **profile) -> Path:
    """Writes (band, y, x) as a GeoTIFF whose upper left corner is ORIGIN."""
    bands = np.atleast_3d(bands) if bands.ndim == 3 else bands[None]
    count, height, width = bands.shape
    transform = transform or from_origin(*ORIGIN, resolution, resolution)
    with rasterio.open(path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype, crs=crs,
                       transform=transform, nodata=nodata, **profile) as target:
        target.write(bands)
        for index, name in enumerate(names, 1):
            target.set_band_description(index, name)
    return path
