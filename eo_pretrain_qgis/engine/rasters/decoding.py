"""Published embeddings whose stored numbers are none to learn from until they are decoded, which no scale and offset in the file can say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DataError
from .grid import Window

if TYPE_CHECKING:
    from .raster import Raster

#: What a stored value is divided by before it is squared (AlphaEarth Foundations GCS data, developers.google.com/earth-engine/guides).
HALF_RANGE = 127.5


@dataclass(frozen=True)
class Decoding:
    """How stored values become those to learn from.

    Attributes:
        words: what is done, for people.
        stored: NumPy name of the type of the file.
        bands: number of bands of the whole.
        decode: stored values as float32 (band, y, x) and, where there is a second file, its values (1, y, x) → decoded values.
        nodata: stored value that means that nothing was embedded; None where none does.
        second: what the name of the second file ends in, before its ending; empty where none is needed.
    """

    words: str
    stored: str
    bands: int
    decode: Callable[[np.ndarray, np.ndarray], np.ndarray]
    nodata: float | None = None
    second: str = ""

    def second_of(self, path: str) -> str:
        """The second file of a raster, which lies beside it.

        Raises:
            DataError: it is not there.
        """
        plain = Path(path)
        wanted = plain.with_name(f"{plain.stem}{self.second}{plain.suffix}")
        if not wanted.is_file():
            raise DataError(f"The values of {path} are {self.words}, and the raster of the scales, {wanted}, is not there. Put it there, on the same "
                            "grid and with one band.")
        return str(wanted)

    def check(self, path: str, dtype: str) -> None:
        """Refuses a file of another type, which was decoded by somebody before.

        Raises:
            DataError: naming both types.
        """
        if dtype != self.stored:
            raise DataError(f"{path} holds {dtype} values, and the sensor says {self.stored} ones that are {self.words}. If they are decoded "
                            "already, choose the sensor “generic”; else choose the file as it was published.")


def signed_square(values: np.ndarray, _: np.ndarray) -> np.ndarray:
    """(value / 127.5)² with the sign of the value, of AlphaEarth Foundations; the numbers of a pixel then have the length 1."""
    return np.square(values / np.float32(HALF_RANGE)) * np.sign(values)


def scaled(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Value · the scale of its pixel, of TESSERA (ucam-eo/geotessera)."""
    return values * scales


#: Name in `sensors.Sensor.decoding` → decoding.
DECODINGS = {
    "signed_square": Decoding("decoded as (value / 127.5)² with the sign of the value", "int8", 64, signed_square, nodata=-128),
    "scaled": Decoding("multiplied by a scale of each pixel, which is a second file", "int8", 128, scaled, second="_scales"),
}


class Decoder:
    """Decodes what is read of a raster.

    Args:
        raster: whose values they are.
        name: a key of `DECODINGS`.

    Raises:
        DataError: the file holds other values than the decoding takes, or its second file is not there, on another grid or of several
            bands.
    """

    dtype = "float32"

    def __init__(self, raster: Raster, name: str) -> None:
        self.name, self.decoding = name, DECODINGS[name]
        self.decoding.check(raster.path, raster.stored_type)
        self.second = type(raster)(self.decoding.second_of(raster.path)) if self.decoding.second else None
        if self.second is not None and not self.second.grid.same_as(raster.grid):
            raise DataError(f"{self.second.path} lies on another grid than {raster.path}, whose scales it holds. Bring it onto that grid with “Warp "
                            "(reproject)”.")
        if self.second is not None and len(self.second.band_names) != 1:  # such as a second embedding: which band has the scales nobody says
            raise DataError(f"{self.second.path} has {len(self.second.band_names)} bands, and the scales of {raster.path} are one band. Give the "
                            "file of the scales as it was published.")
        self.close()

    @property
    def nodata(self) -> float | None:
        """See `Decoding`."""
        return self.decoding.nodata

    def close(self) -> None:
        """Closes the second file; the next use opens it again."""
        if self.second is not None:
            self.second.close()

    def __call__(self, stored: np.ndarray, shown: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Decoded values of stored ones (band, y, x), 0 where nothing is valid, and valid pixels (y, x)."""
        second, known = self.second.read(window, [0]) if self.second is not None else (stored[:1], shown)
        both = shown & known
        return np.where(both, self.decoding.decode(stored.astype(np.float32), second), np.float32(0)).astype(np.float32), both


def decoded(rasters: list[Raster], name: str) -> list[Raster]:
    """The rasters, whose values are decoded from now on; second files, which are no images of their own, are left out.

    Args:
        rasters: of one scene.
        name: a key of `DECODINGS`.

    Raises:
        DataError: bands are missing, or there are others; and see `Decoder`.
    """
    ending = DECODINGS[name].second
    kept = [raster for raster in rasters if not (ending and PurePath(raster.path).stem.endswith(ending))] or rasters
    count = sum(len(raster.indexes) for raster in kept)
    if count != DECODINGS[name].bands:
        raise DataError(f"The number of bands of {kept[0].path} is {count}, and embeddings that are {DECODINGS[name].words} have "
                        f"{DECODINGS[name].bands}. Choose the file with all bands as it was published, or the sensor of the image.")
    for raster in kept:
        raster.decoder = Decoder(raster, name)
    return kept
