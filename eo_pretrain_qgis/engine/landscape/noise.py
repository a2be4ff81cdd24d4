"""Random fields that can be asked for any window, at any resolution, in any order, and always give the same values.

A smooth field is a lattice of independent normal numbers under cubic B-splines (a Gaussian process with a short
range), summed over octaves. Its values are functions of the place, so blocks of a large landscape fit together
without a seam.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

#: Variance of a sum of unit normals under cubic B-splines in two dimensions: the square of the integral of B(t)²,
#: 151/315.
SPLINE_VARIANCE = (151 / 315) ** 2


def stream(seed: int, *names: object) -> np.random.Generator:
    """A generator of its own for each purpose, so that a change in one part of the landscape leaves the others as
    they were.
    """
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


@dataclass(frozen=True)
class Box:
    """A rectangle in landscape metres: x to the east, y to the south, the image's upper left corner at (0, 0)."""

    west: float
    north: float
    east: float
    south: float

    def grown(self, metres: float) -> Box:
        """The box with a margin on every side."""
        return Box(self.west - metres, self.north - metres, self.east + metres, self.south + metres)

    @property
    def area(self) -> float:
        """Square metres."""
        return (self.east - self.west) * (self.south - self.north)

    def axes(self, step: float) -> tuple[np.ndarray, np.ndarray]:
        """Centres of cells of `step` metres: x (columns) and y (rows)."""
        columns, rows = round((self.east - self.west) / step), round((self.south - self.north) / step)
        return self.west + (np.arange(columns) + 0.5) * step, self.north + (np.arange(rows) + 0.5) * step


class Field:
    """A smooth random field with mean 0 and variance 1.

    Args:
        rng: where its numbers come from.
        box: where it will be asked for, in metres.
        wavelength: length in metres of its coarsest octave, two lattice cells.
        octaves: how many; each has half the wavelength of the one before.
        persistence: amplitude of an octave relative to the one before.
    """

    def __init__(self, rng: np.random.Generator, box: Box, wavelength: float, octaves: int = 1, persistence: float = 0.5) -> None:
        self.layers: list[tuple[float, float, float, np.ndarray]] = []
        weights = persistence ** np.arange(octaves)
        weights = weights / np.sqrt((weights**2).sum() * SPLINE_VARIANCE)
        for octave, weight in enumerate(weights):
            step = wavelength / 2 / 2**octave
            shape = (int((box.south - box.north) / step) + 6, int((box.east - box.west) / step) + 6)
            lattice = rng.standard_normal(shape, dtype=np.float32) * np.float32(weight)
            self.layers.append((step, box.west - 2 * step, box.north - 2 * step, lattice))

    def grid(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Values at the crossings of the ascending coordinates x and y, as (y, x) float32."""
        total = np.zeros((len(y), len(x)), np.float32)
        for step, west, north, lattice in self.layers:
            columns, first_column, last_column = spline_matrix(x, west, step)
            rows, first_row, last_row = spline_matrix(y, north, step)
            part = rows @ lattice[first_row:last_row, first_column:last_column]
            total += (columns @ np.ascontiguousarray(part.T)).T
        return total

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Values at points."""
        total = np.zeros(len(x), np.float32)
        for step, west, north, lattice in self.layers:
            column, across = spline_weights(x, west, step)
            row, down = spline_weights(y, north, step)
            near = lattice[(row[:, None] + np.arange(4))[:, :, None], (column[:, None] + np.arange(4))[:, None, :]]
            total += np.einsum("nij,ni,nj->n", near, down, across)
        return total


def spline_weights(positions: np.ndarray, start: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    """First lattice index (n,) and the four cubic B-spline weights (n, 4) of each position."""
    place = (np.asarray(positions, np.float64) - start) / step
    index = np.floor(place).astype(np.int64)
    t = (place - index).astype(np.float32)
    squared, rest = t * t, 1 - t
    cubed = squared * t  # not t**3, whose last digit differs between processors
    weights = np.stack([rest * rest * rest, 3 * cubed - 6 * squared + 4, -3 * cubed + 3 * squared + 3 * t + 1, cubed], axis=1) / 6
    return index - 1, weights


def spline_matrix(positions: np.ndarray, start: float, step: float) -> tuple[csr_matrix, int, int]:
    """Sparse matrix (position, lattice cell) of B-spline weights and the slice of lattice cells that its columns
    stand for.

    Sparse products run on one thread in one order, so a landscape is the same to the last bit whatever the number of
    processors.
    """
    index, weights = spline_weights(positions, start, step)
    first, last = int(index.min()), int(index.max()) + 4
    columns = (index[:, None] - first + np.arange(4)).ravel()
    return (csr_matrix((weights.ravel(), columns, np.arange(len(positions) + 1) * 4), shape=(len(positions), last - first)), first, last)


class Grain:
    """White noise of one pixel's size. Two tori of coprime sides are added, so that it repeats only after 785 000
    pixels.
    """

    SIDES = (1021, 769)

    def __init__(self, rng: np.random.Generator) -> None:
        self.tori = [rng.standard_normal((side, side), dtype=np.float32) * np.float32(0.5**0.5) for side in self.SIDES]

    def window(self, row: int, column: int, height: int, width: int) -> np.ndarray:
        """Values of the pixels from (row, column) on, as (height, width) float32 with variance 1."""
        parts = [
            torus[np.ix_((row + np.arange(height)) % side, (column + np.arange(width)) % side)]
            for torus, side in zip(self.tori, self.SIDES, strict=True)
        ]
        return parts[0] + parts[1]
