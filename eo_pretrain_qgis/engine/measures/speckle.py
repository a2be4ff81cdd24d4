"""How strong the speckle of radar images is: the equivalent number of looks, mean² / variance of intensity where nothing but speckle varies."""

from __future__ import annotations

import numpy as np

from ..cards import Input
from ..datasets.dataset import Dataset
from ..even_sample import even_sample

#: Edge of the windows that it is measured in [px], tiles looked at, and the limits of what is believed.
SIDE, TILES, LIMITS = 7, 200, (1.0, 1000.0)


def measured_looks(dataset: Dataset, seen: Input, tiles: np.ndarray) -> float | None:
    """The equivalent number of looks of an input's radar bands: the median over windows of each tile, and of these over tiles.

    Texture counts as speckle here, so of rough ground the true number is higher.

    Args:
        dataset: of the tiles.
        seen: the input.
        tiles: positions of training tiles.

    Returns:
        None where there is no radar band, or no window was measured wholly.
    """
    from scipy.ndimage import uniform_filter  # only where it is used: every job reads the table of tasks

    places = [place for place, band in enumerate(seen.bands) if band.unit in ("dB", "linear")]
    if not places or dataset.kind.dates or dataset.tile_size < SIDE:
        return None
    found, size, edge = [], (1, 1, SIDE, SIDE), SIDE // 2
    for chosen in np.array_split(even_sample(tiles, TILES), -(-min(len(tiles), TILES) // 20) or 1):
        if not len(chosen):
            continue
        images, valid = dataset.read(seen, chosen)
        physical = np.stack([images[:, place] * seen.bands[place].scale + seen.bands[place].offset for place in places], 1).astype(np.float64)
        decibel = np.array([seen.bands[place].unit == "dB" for place in places])[None, :, None, None]
        power = np.where(decibel, 10 ** (np.where(decibel, physical, 0) / 10), physical)
        power = np.where(valid[:, None] & np.isfinite(power), power, 0)
        mean = uniform_filter(power, size)
        variance = uniform_filter(power**2, size) - mean**2
        whole = uniform_filter(valid[:, None].astype(float), size) > 1 - 1e-6
        usable = whole & (variance > 1e-12 * mean**2)
        looks = np.where(usable, mean**2 / np.where(usable, variance, 1), np.nan)[..., edge:-edge, edge:-edge]
        found += [float(np.nanmedian(tile)) for tile in looks if np.isfinite(tile).any()]
    return float(np.clip(np.median(found), *LIMITS)) if found else None
