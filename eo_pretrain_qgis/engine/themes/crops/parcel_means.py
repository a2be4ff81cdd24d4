"""Mean series of parcels, gathered while pixels pass block by block; only parcels that reach into later blocks are kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...datasets.dataset import SensorInfo
from ...rasters.clouds import CLEAR, FLAG_NAMES, NOT_MEASURED

#: A parcel is clear on a date when at least this share of its measured pixels is.
CLEAR_SHARE = 0.5


@dataclass
class _Sums:
    """Of one sensor and some parcels: sums over clear and over all measured pixels (parcel, date, band), and pixels of each flag
    (parcel, date, flag).
    """

    clear: np.ndarray
    measured: np.ndarray
    flags: np.ndarray

    @classmethod
    def empty(cls, parcels: int, dates: int, bands: int) -> _Sums:
        shape = (parcels, dates)
        return cls(np.zeros((*shape, bands)), np.zeros((*shape, bands)), np.zeros((*shape, len(FLAG_NAMES)), np.int64))

    def part(self, number: int) -> _Sums:
        return _Sums(self.clear[number:number + 1], self.measured[number:number + 1], self.flags[number:number + 1])

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(self.clear + other.clear, self.measured + other.measured, self.flags + other.flags)


class ParcelMeans:
    """Means of the pixels of parcels.

    Args:
        sensors: how the values of each are stored.
        dates: of each sensor, how many.
        last: number of the last block that holds a pixel of each parcel (parcel,).
    """

    def __init__(self, sensors: Sequence[SensorInfo], dates: Sequence[int], last: np.ndarray) -> None:
        self._sensors, self._last = sensors, last
        self._shapes = [(number, len(each.bands)) for each, number in zip(sensors, dates, strict=True)]
        self._waiting: dict[int, list[_Sums]] = {}
        self._linear = [np.array([band.unit == "dB" for band in each.bands]) for each in sensors]
        self._parcels = np.zeros(0, np.int64)
        self._own = np.zeros(0, np.int64)
        self._sums: list[_Sums] = []

    def begin(self, owners: np.ndarray) -> None:
        """Starts a block, of whose pixels `owners` are the parcels (pixel,)."""
        self._parcels, self._own = np.unique(owners, return_inverse=True)
        self._sums = [_Sums.empty(len(self._parcels), *shape) for shape in self._shapes]

    def add(self, sensor: int, number: int, values: np.ndarray, flags: np.ndarray) -> None:
        """Adds one date of the block.

        Args:
            sensor: its number.
            number: of the date.
            values: of the pixels, as stored (band, pixel).
            flags: of the pixels (pixel,).
        """
        count, sums = len(self._parcels), self._sums[sensor]
        sums.flags[:, number] = np.bincount(self._own * len(FLAG_NAMES) + flags, minlength=count * len(FLAG_NAMES)).reshape(count, -1)
        measured, clear = flags != NOT_MEASURED, flags == CLEAR
        for band, row in enumerate(values):
            # Backscatter is averaged as power: the mean of decibels is not the decibel of the mean.
            power = 10 ** (row.astype(np.float64) / 10) if self._linear[sensor][band] else row.astype(np.float64)
            sums.measured[:, number, band] = np.bincount(self._own[measured], power[measured], count)
            sums.clear[:, number, band] = np.bincount(self._own[clear], power[clear], count)

    def end(self, block: int) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        """Finishes a block.

        Args:
            block: its number.

        Returns:
            The parcels that are complete now (parcel,), and for each sensor their means (parcel, date, band) and flags (parcel, date).
        """
        complete, whole = [], list[list[_Sums]]()
        for position, parcel in enumerate(self._parcels.tolist()):
            sums = [each.part(position) for each in self._sums]
            if parcel in self._waiting:
                sums = [one.plus(other) for one, other in zip(self._waiting.pop(parcel), sums, strict=True)]
            if self._last[parcel] > block:
                self._waiting[parcel] = [one.plus(_Sums.empty(1, *shape)) for one, shape in zip(sums, self._shapes, strict=True)]
                continue
            complete.append(parcel)
            whole.append(sums)
        results = []
        for sensor, shape in enumerate(self._shapes):
            joined = [sums[sensor] for sums in whole] or [_Sums.empty(0, *shape)]
            results.append(self._means(sensor, _Sums(*(np.concatenate([getattr(sums, name) for sums in joined])
                                                       for name in ("clear", "measured", "flags")))))
        return np.array(complete, np.int64), results

    def _means(self, sensor: int, sums: _Sums) -> tuple[np.ndarray, np.ndarray]:
        """Over the clear pixels where a parcel is clear, else over all measured ones, with the flag most of its pixels have."""
        info = self._sensors[sensor]
        measured = sums.flags[..., :NOT_MEASURED].sum(-1)
        is_clear = (sums.flags[..., CLEAR] >= CLEAR_SHARE * measured) & (measured > 0)
        worst = sums.flags[..., CLEAR + 1:NOT_MEASURED].argmax(-1) + CLEAR + 1
        flags = np.where(measured == 0, NOT_MEASURED, np.where(is_clear, CLEAR, worst)).astype(np.uint8)
        pixels = np.where(is_clear, sums.flags[..., CLEAR], measured)[..., None]
        means = np.where(is_clear[..., None], sums.clear, sums.measured) / np.maximum(pixels, 1)
        linear = self._linear[sensor]
        means[..., linear] = 10 * np.log10(np.maximum(means[..., linear], 1e-30))
        dtype = np.dtype(info.dtype)
        stored = (means if dtype.kind == "f" else means.round()).astype(dtype)
        stored[flags == NOT_MEASURED] = np.nan if info.nodata is None else info.nodata
        return stored, flags
