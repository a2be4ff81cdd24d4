"""Which values of an image become black and which white in a picture, the same wherever one is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..rasters.plausibility import LARGEST_REFLECTANCE
from ..rasters.sensors import SENTINEL2_WAVELENGTHS, Band

#: Percentiles of what is measured that become black and white.
PERCENTILES = (2, 98)
#: Visible light ends here [µm].
VISIBLE = 0.7
#: What reflects more in all visible bands that are shown is cloud, snow or white sand: soils, roofs and dry plants are darker in blue. Without these
#: pixels one cloud does not make the land black.
BRIGHTEST_LAND = 0.25
#: Thin cloud and the edge of a thick one are darker, and white: what reflects more than this in all visible bands, and in the darkest of them nearly
#: as much as in the brightest. Sand and bare soil reflect half as much in blue as in red.
THIN_CLOUD, WHITE = 0.15, 0.75
#: Below this share of land the picture is one of snow or clouds, and shows these.
LEAST_LAND = 0.02


def limits(values: np.ndarray, bands: Sequence[Band] = ()) -> tuple[np.ndarray, np.ndarray]:
    """The values (band,) that become black and white.

    Args:
        values: what was measured in the pictured bands, in stored units (band, n); NaN counts as not measured.
        bands: of the values; empty where nobody knows.

    Returns:
        2nd and 98th percentile of each band; of reflectances without clouds and snow, where there is land besides.
    """
    values = values.astype(np.float64)
    values = values[:, np.isfinite(values).all(0)]
    bands = [_meant(band, row) for band, row in zip(bands, values)]
    visible = [number for number, band in enumerate(bands) if band.unit == "reflectance" and (band.wavelength_um or VISIBLE) < VISIBLE]
    if visible:
        scale, offset = (np.array([[getattr(bands[number], name)] for number in visible]) for name in ("scale", "offset"))
        seen = values[visible] * scale + offset
        darkest, white = seen.min(0), (seen.min(0) >= WHITE * seen.max(0)) & (len(visible) > 1)
        land = darkest <= np.where(white, THIN_CLOUD, BRIGHTEST_LAND)
        values = values[:, land] if land.sum() >= LEAST_LAND * len(land) else values
    if not values.shape[1]:
        return np.zeros(len(values)), np.ones(len(values))
    low, high = np.percentile(values, PERCENTILES, axis=1)
    return low, high


def _meant(band: Band, values: np.ndarray) -> Band:
    """What a band of unknown unit is taken for, in a picture alone: one with a name of Sentinel-2's for its reflectance, as fraction or × 10000."""
    wavelength = SENTINEL2_WAVELENGTHS.get(band.name)
    if band.unit != "unknown" or wavelength is None or not len(values):
        return band
    return Band(band.name, wavelength, "reflectance", 1.0 if np.median(values) <= LARGEST_REFLECTANCE else 1e-4)


def shades(values: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """Values as uint8: 0 from the low one down, 255 from the high one up; 0 for NaN."""
    grey = (np.asarray(values, np.float64) - low) / np.maximum(np.subtract(high, low), 1e-9)
    return (np.nan_to_num(grey).clip(0, 1) * 255).astype(np.uint8)
