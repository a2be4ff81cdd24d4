"""Whether a band that GDAL calls alpha is a mask of the others or a measurement, and which pixels masks show."""

from __future__ import annotations

import re

import numpy as np
import rasterio
import rasterio.windows
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioIOError

from .same_band import is_unnamed

#: Edge of the squares that are looked at [px], and the share of values that are nothing or all.
MASK_SQUARE, MASK_SHARE = 128, 0.98


def can_mask(opened: rasterio.DatasetReader, index: int) -> bool:
    """Whether a band that GDAL calls alpha is a mask: without another name, and with hardly any value between 0 and its largest.

    GDAL calls the fourth Byte band alpha where nobody said otherwise, which is most often the near infrared.
    """
    name = (opened.descriptions[index] or "").strip().lower()
    if name and not is_unnamed(name) and not re.search("alpha|mask|opacity|transparen", name):
        return False
    values = []
    for row in range(3):
        for col in range(3):
            width, height = min(MASK_SQUARE, opened.width), min(MASK_SQUARE, opened.height)
            place = rasterio.windows.Window((opened.width - width) * col // 2, (opened.height - height) * row // 2, width, height)
            try:
                values.append(opened.read(index + 1, window=place).ravel())
            except RasterioIOError:  # said where the image is read
                return True
    found = np.concatenate(values)
    return bool(((found == 0) | (found == found.max())).mean() >= MASK_SHARE)


def mask_positions(opened: rasterio.DatasetReader) -> list[int]:
    """Positions (0-based) of the bands that are masks of the others."""
    return [index for index, kind in enumerate(opened.colorinterp) if kind == ColorInterp.alpha and opened.count > 1 and can_mask(opened, index)]


def has_own_mask(opened: rasterio.DatasetReader) -> bool:
    """Whether the file has a mask that is no band of it. Of an alpha band, which may be a measurement, GDAL's flags say that it is a band."""
    return any(MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags for flags in opened.mask_flag_enums)


def shown_by_masks(opened: rasterio.DatasetReader, masks: list[int], own: bool, window: rasterio.windows.Window | None) -> np.ndarray | None:
    """Which pixels the masks of a file show.

    The alpha bands are read here, because GDAL makes a mask of one only in files of two or four bands: four bands with an alpha band would not be
    masked at all.

    Args:
        opened: the file.
        masks: see `mask_positions`.
        own: see `has_own_mask`.
        window: what to read; None is all.

    Returns:
        bool (y, x), or None where nothing masks.
    """
    found = opened.dataset_mask(window=window) > 0 if own else None
    for index in masks:
        opaque = opened.read(index + 1, window=window) > 0
        found = opaque if found is None else found & opaque
    return found
