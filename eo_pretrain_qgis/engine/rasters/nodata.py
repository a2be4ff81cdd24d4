"""Which values stand for "nothing measured"."""

from __future__ import annotations

import numpy as np

#: Relative difference from a floating-point nodata value: six digits, as many as programs write.
NODATA_TOLERANCE = 5e-6


def is_nodata(values: np.ndarray, nodata: float) -> np.ndarray:
    """Which values are nodata, bool; as in GDAL's mask a floating-point number need not be met to its last digit.

    Programs write -3.4028235e38 as the text -3.40282e+38, which is another number.
    """
    if values.dtype.kind != "f":
        limits = np.iinfo(values.dtype)
        fits = nodata == int(nodata) and limits.min <= nodata <= limits.max
        return values == values.dtype.type(nodata) if fits else np.zeros(values.shape, bool)
    return np.abs(values - nodata) <= NODATA_TOLERANCE * abs(nodata)
