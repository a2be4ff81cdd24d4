"""Cloud, shadow and snow of each date, as flags on the grid of the images."""

from __future__ import annotations

from types import TracebackType

import numpy as np

from ...errors import DataError
from .deliveries import mask_of
from .grid import Grid, Window
from .nearest import NearestPixels
from .raster import Raster

CLEAR, CLOUD, SHADOW, SNOW, NOT_MEASURED = range(5)
FLAG_NAMES = ("clear", "cloud", "shadow", "snow", "not measured")
#: Sentinel-2 scene classification (ESA, Sentinel-2 L2A ATBD, table of scene classes): 0 no data and 1 defective are not measured;
#: 3 cloud shadow; 8 and 9 cloud, 10 cirrus; 11 snow. 2 (dark or in the shade of a slope) and 7 (unclassified) still show the ground.
SCL_FLAGS = np.array([4, 4, 0, 2, 0, 0, 0, 0, 1, 1, 1, 3], np.uint8)
#: Landsat's QA_PIXEL (USGS, LSDS-1619, Collection 2): bit 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 shadow, 5 snow. Cloud goes first.
QA_PIXEL_BITS = ((0b100000, SNOW), (0b10000, SHADOW), (0b1110, CLOUD), (0b1, NOT_MEASURED))


def _qa_pixel_flags() -> np.ndarray:
    values, flags = np.arange(2**16), np.full(2**16, CLEAR, np.uint8)
    for bits, flag in QA_PIXEL_BITS:
        flags[values & bits > 0] = flag
    return flags


#: Kind of mask → table from its values to flags; None: every value but 0 is cloud.
KINDS = {"scl": SCL_FLAGS, "flags": np.array([0, 1, 2, 3, 4], np.uint8), "mask": None, "qa_pixel": _qa_pixel_flags()}
NAMES = {"scl": "the Sentinel-2 scene classification holds 0 to 11", "flags": "flags are 0 clear, 1 cloud, 2 shadow and 3 snow",
         "qa_pixel": "QA_PIXEL of Landsat holds 0 to 65535"}


def open_mask(source: dict, kind: str) -> CloudMask:
    """The mask that a raster value names; a scene as it was delivered is asked for its own classification, whatever kind was chosen.

    Raises:
        DataError: a scene without a classification.
    """
    source, kind = mask_of(source, kind)
    return CloudMask(Raster(**source), kind)


class CloudMask:
    """The mask of one date; a mask on another grid is brought onto that of the image by the nearest pixel.

    Args:
        raster: that holds the mask.
        kind: key of `KINDS`.
        band: which of its bands is the mask, 0-based.
    """

    def __init__(self, raster: Raster, kind: str, band: int = 0) -> None:
        self.raster, self.kind = raster, kind
        self._pixels = NearestPixels(raster, band)

    def __enter__(self) -> CloudMask:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._pixels.close()

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Flags uint8 (y, x) of a window of the image's grid.

        Raises:
            DataError: a value that masks of this kind do not have.
        """
        values, valid = self._pixels.read(grid, window)
        table = KINDS[self.kind]
        if table is None:
            return np.where(valid, (values != 0).astype(np.uint8), np.uint8(NOT_MEASURED))
        strange = valid & ((values < 0) | (values >= len(table)))
        if strange.any():
            raise DataError(f"The cloud mask {self.raster.path} holds the value {values[strange][0]:g}, but {NAMES[self.kind]}. "
                            "Choose another kind of mask.")
        return np.where(valid, table[np.where(valid, values, 0).astype(np.intp)], np.uint8(NOT_MEASURED))


def table_text(kind: str) -> str:
    """What was taken for cloud, shadow and snow, as a sentence for the record."""
    if kind == "mask":
        return "Every value of the mask but 0 counts as cloud."
    if kind == "qa_pixel":
        return "Of Landsat's QA_PIXEL, cloud, dilated cloud and cirrus count as cloud, cloud shadow as shadow, snow as snow, all others as clear."
    if kind == "flags":
        return "The mask holds 0 clear, 1 cloud, 2 shadow, 3 snow."
    return "Scene classes 8, 9 and 10 count as cloud, 3 as shadow, 11 as snow, 0 and 1 as not measured, all others as clear."
