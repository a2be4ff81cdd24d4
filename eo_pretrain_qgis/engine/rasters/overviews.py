"""Overviews of signed bytes, such as embeddings have in many bands: GDAL averages these as floats, which takes as long as all the rest of writing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import rasterio.windows


def halved(values: np.ndarray, nodata: int) -> np.ndarray:
    """Means of squares of 2 × 2 pixels of a band, int8 (y, x), halves upwards, without those that are nodata; where all are, it is nodata.

    At an odd edge the squares are half as large.
    """
    values = np.pad(values, [(0, length % 2) for length in values.shape], "edge")
    quarters = [values[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    total = np.zeros(quarters[0].shape, np.int16)
    if not (values == nodata).any():
        for quarter in quarters:
            total += quarter
        return ((total + 2) >> 2).astype(np.int8)
    count = np.zeros_like(total)
    for quarter in quarters:
        known = quarter != nodata
        total += np.where(known, quarter, 0)
        count += known
    means = (2 * total + count) // np.maximum(2 * count, 1)
    return np.where(count > 0, means, nodata).astype(np.int8)


def with_overviews(path: Path, new: Callable[[], AbstractContextManager[Path]], stack: ExitStack) -> Path:
    """A VRT of a raster of signed bytes with overviews down to one block, each of files of its own, in memory that does not grow with it.

    Args:
        path: of the raster, tiled, with a nodata value.
        new: gives the path of a file beside it.
        stack: keeps these files.
    """
    levels = [path]
    while (found := _halved_file(levels[-1], new, stack)) is not None:
        levels.append(found)
    target = stack.enter_context(new())
    rasterio.shutil.copy(path, target, driver="VRT")
    *bands, end = target.read_text(encoding="utf-8").split("</VRTRasterBand>")
    for number, text in enumerate(bands, 1):
        own = "".join(f'<Overview><SourceFilename relativeToVRT="0">{escape(str(level))}</SourceFilename><SourceBand>{number}</SourceBand></Overview>'
                      for level in levels[1:])
        bands[number - 1] = f"{text}{own}</VRTRasterBand>"
    target.write_text("".join(bands) + end, encoding="utf-8")
    return target


def _halved_file(path: Path, new: Callable[[], AbstractContextManager[Path]], stack: ExitStack) -> Path | None:
    """The raster half as large; None of one that is not larger than a block."""
    with rasterio.open(path) as source:
        profile: dict[str, Any] = source.profile
        side = int(profile["blockxsize"])
        if max(source.width, source.height) <= side:
            return None
        width, height = -(-source.width // 2), -(-source.height // 2)
        transform = source.transform @ rasterio.Affine.scale(source.width / width, source.height / height)
        target = stack.enter_context(new())
        own = {"width": width, "height": height, "transform": transform, "bigtiff": "if_safer"}
        with rasterio.open(target, "w", **{**profile, **own}) as half:
            for row in range(0, height, side):
                for column in range(0, width, side):
                    window = rasterio.windows.Window(column, row, min(side, width - column), min(side, height - row))
                    larger = rasterio.windows.Window(2 * column, 2 * row, min(2 * side, source.width - 2 * column),
                                                     min(2 * side, source.height - 2 * row))
                    for band in source.indexes:
                        half.write(halved(source.read(band, window=larger), int(profile["nodata"])), band, window=window)
    return target
