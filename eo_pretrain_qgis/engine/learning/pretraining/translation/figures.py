"""Figures of a translation between two sensors, and the regression they are held against.

Everything is summed over pixels first, so that the sums of several processes can be added. Errors are given twice: in scaled units,
in which bands of any unit can be averaged, and per band in physical units (reflectance, dB).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .....progress import SILENT, Progress
from ....cards import InputBand
from ....even_sample import even_sample
from .sensor_tiles import PairReader

#: Histograms of scaled values.
BINS, REACH = 320, 8.0
BASELINE_TILES = 400  # a regression of 13 by 2 numbers is known long before


class Sums:
    """Sums over pixels for both directions; direction 0 makes the second sensor from the first, direction 1 the other way.

    Args:
        bands: of the two sensors.
        content: what `flat` gave before; None begins at 0.
    """

    def __init__(self, bands: Sequence[Sequence[InputBand]], content: np.ndarray | None = None) -> None:
        self.bands, self.arrays = bands, {}
        self.rows = [_rows(side) for side in bands]
        start = 0
        for way in (0, 1):
            source, target = len(bands[way]), len(bands[1 - way])
            for name, shape in (("cycle", (source,)), ("cycle_pixels", (1,)), ("scaled", (target,)), ("absolute", (target,)),
                                ("square", (target,)), ("pixels", (1,)), ("made", (target, BINS)), ("real", (target, BINS))):
                size = int(np.prod(shape))
                values = np.zeros(shape) if content is None else np.asarray(content[start:start + size], float).reshape(shape)
                self.arrays[name, way] = values
                start += size

    def flat(self) -> np.ndarray:
        """All sums in one row, float64."""
        return np.concatenate([values.ravel() for values in self.arrays.values()])

    def add_cycle(self, way: int, image: np.ndarray, back: np.ndarray, seen: np.ndarray) -> None:
        """What a way there and back lost: scaled units (n, band, y, x), and measured pixels (n, y, x)."""
        self.arrays["cycle", way] += (np.abs(image - back) * seen[:, None]).sum((0, 2, 3))
        self.arrays["cycle_pixels", way] += seen.sum()

    def add_error(self, way: int, made: np.ndarray, truth: np.ndarray, known: np.ndarray) -> None:
        """What differs from the truth: stored units (n, band, y, x), and pixels measured by both (n, y, x)."""
        row = self.rows[1 - way]
        difference = np.where(known[:, None], made.astype(float) - truth, 0) * row["scale"]
        apart = np.where(known[:, None], _scaled(made, row) - _scaled(truth, row), 0)
        self.arrays["scaled", way] += np.abs(apart).sum((0, 2, 3))
        self.arrays["absolute", way] += np.abs(difference).sum((0, 2, 3))
        self.arrays["square", way] += (difference**2).sum((0, 2, 3))
        self.arrays["pixels", way] += known.sum()

    def add_values(self, kind: str, way: int, image: np.ndarray, seen: np.ndarray) -> None:
        """Counts scaled values (n, band, y, x) of the target sensor, ``made`` or ``real``."""
        places = ((image + REACH) * (BINS / (2 * REACH))).clip(0, BINS - 1).astype(np.int64)
        for band in range(image.shape[1]):
            self.arrays[kind, way][band] += np.bincount(places[:, band][seen], minlength=BINS)

    def cycle(self, way: int) -> float | None:
        """Mean absolute loss of a way there and back, scaled units; None without tiles."""
        return _mean(self.arrays["cycle", way], self.arrays["cycle_pixels", way])

    def error(self, way: int) -> float | None:
        """Mean absolute error, scaled units; None without pairs."""
        return _mean(self.arrays["scaled", way], self.arrays["pixels", way])

    def distance(self, way: int) -> float | None:
        """Mean over the bands of the distance of the distributions of made and real values, scaled units (Wasserstein, of order 1)."""
        made, real = self.arrays["made", way], self.arrays["real", way]
        if not made.sum() or not real.sum():
            return None
        shares = [np.cumsum(counts, 1) / counts.sum(1, keepdims=True) for counts in (made, real)]
        return float(np.abs(shares[0] - shares[1]).sum(1).mean() * 2 * REACH / BINS)

    def per_band(self, way: int) -> list[dict[str, Any]]:
        """Name, unit, mean absolute error (physical units) and PSNR [dB] of each target band; none without pairs.

        The peak of the PSNR is the range between the 0.1 and 99.9 percentiles of the training pixels.
        """
        pixels = float(self.arrays["pixels", way][0])
        if not pixels:
            return []
        rows = []
        for band, absolute, square in zip(self.bands[1 - way], self.arrays["absolute", way], self.arrays["square", way]):
            peak = (band.p999 - band.p001) * band.scale
            psnr = 10 * np.log10(peak**2 / (square / pixels)) if square and peak else None
            rows.append({"name": band.name, "unit": band.unit, "error": absolute / pixels,
                         "psnr": None if psnr is None else float(psnr)})
        return rows

    def psnr(self, way: int) -> float | None:
        """Mean PSNR over the bands [dB]."""
        found = [row["psnr"] for row in self.per_band(way) if row["psnr"] is not None]
        return float(np.mean(found)) if found else None


class LinearBaseline:
    """Each band of one sensor as a linear function of all bands of the other at the same pixel, by least squares on training tiles.

    Args:
        reader: of paired tiles.
        bands: of the two sensors.
        progress: told of every tile.
    """

    def __init__(self, reader: PairReader, bands: Sequence[Sequence[InputBand]], progress: Progress = SILENT) -> None:
        self.reader, self.bands, self.rows = reader, bands, [_rows(side) for side in bands]
        tiles = even_sample(reader.common("training"), BASELINE_TILES)
        size = len(bands[0]) + len(bands[1]) + 1
        moments = np.zeros((size, size))
        for done, tile in enumerate(tiles, 1):
            values, known = self._pixels(tile)
            whole = np.concatenate([*(side[:, known] for side in values), np.ones((1, int(known.sum())))])
            moments += whole @ whole.T
            progress.at(0.7 * done / len(tiles), "Fitting the regression that the networks are held against")
        first = [*range(len(bands[0])), size - 1]
        second = [*range(len(bands[0]), size)]
        self.weights = [_solve(moments, first, second[:-1]), _solve(moments, second, first[:-1])]

    def sums(self, split: str, progress: Progress = SILENT) -> Sums:
        """Its errors on the paired tiles of a split."""
        sums, tiles = Sums(self.bands), self.reader.common(split)
        for done, tile in enumerate(tiles, 1):
            values, known = self._pixels(tile)
            for way in (0, 1):
                source, row = values[way], self.rows[1 - way]
                made = np.tensordot(self.weights[way][:-1].T, source, 1) + self.weights[way][-1][:, None, None]
                stored = (made[None] * row["spread"] + row["centre"]).clip(row["minimum"], row["maximum"])
                truth = values[1 - way][None] * row["spread"] + row["centre"]
                sums.add_error(way, stored, truth, known[None])
            progress.at(0.7 + 0.3 * done / len(tiles), "Measuring the regression")
        return sums

    def _pixels(self, tile: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Values of both sensors (band, y, x), shifted and scaled but not bent, 0 where not measured, and where both were (y, x)."""
        found = [self.reader.stored(way, np.array([tile])) for way in (0, 1)]
        known = found[0][1][0] & found[1][1][0]
        return [np.where(known, (images[0].astype(float) - row["centre"][0]) / row["spread"][0], 0)
                for (images, _), row in zip(found, self.rows)], known


def _solve(moments: np.ndarray, given: list[int], wanted: list[int]) -> np.ndarray:
    """Weights (given, wanted) from the sums of products; bands that never change get none."""
    return np.linalg.lstsq(moments[np.ix_(given, given)], moments[np.ix_(given, wanted)], rcond=1e-10)[0]


def _rows(bands: Sequence[InputBand]) -> dict[str, np.ndarray]:
    """Facts of the bands, each (1, band, 1, 1)."""
    rows = {name: np.array([getattr(band, name) for band in bands], float)[None, :, None, None]
            for name in ("centre", "spread", "minimum", "maximum", "scale")}
    rows["spread"][rows["spread"] == 0] = 1
    return rows


def _scaled(stored: np.ndarray, row: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.arcsinh((stored - row["centre"]) / row["spread"])


def _mean(sums: np.ndarray, pixels: np.ndarray) -> float | None:
    return float(sums.mean() / pixels[0]) if pixels[0] else None
