"""Whether a band that GDAL calls alpha is a mask of the others or a measurement."""

from __future__ import annotations

import re

import numpy as np
import rasterio
import rasterio.windows
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
