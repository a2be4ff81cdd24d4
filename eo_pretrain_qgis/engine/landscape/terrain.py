"""Height of the ground: hills from a self-similar random field, a valley along the river, gentle plains where the
field is low.

Heights lie on a 40 m lattice and are read through cubic B-splines, so slopes are smooth at 10 m.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .noise import Box, Field, spline_matrix, stream

STEP = 40.0
MARGIN = 400.0


class Terrain:
    """Heights in metres over a landscape and its margin.

    Args:
        seed: of the landscape.
        side: width and height of the image in metres.
    """

    def __init__(self, seed: int, side: float) -> None:
        rng = stream(seed, "terrain")
        self.image = Box(0, 0, side, side)
        self.box = self.image.grown(MARGIN)
        self.x, self.y = self.box.axes(STEP)
        hills = Field(rng, self.box, 5200, octaves=5, persistence=0.42).grid(self.x, self.y)
        self.river = river_course(stream(seed, "river"), self.box)
        distance = self.distance_to(self.river)
        valley = 1 - np.exp(-((distance / 1300) ** 1.5))
        relief = 55 * np.logaddexp(0, 1.6 * (hills + 0.35)) / 1.6
        downstream = (self.x / side)[None] * -18
        self.heights = (212 + downstream + valley * (12 + relief) + 6 * hills * valley).astype(np.float32)
        self.heights = ndimage.gaussian_filter(self.heights, 1.2)

    def distance_to(self, line: np.ndarray) -> np.ndarray:
        """Metres from each lattice cell to a line of points (n, 2) that are close to each other."""
        away = np.ones((len(self.y), len(self.x)), bool)
        rows, columns = self.cells(line)
        away[rows, columns] = False
        return ndimage.distance_transform_edt(away) * STEP

    def cells(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of the lattice cells of points (n, 2), moved inside where they lie outside."""
        columns = np.clip(((points[:, 0] - self.box.west) / STEP).astype(int), 0, len(self.x) - 1)
        rows = np.clip(((points[:, 1] - self.box.north) / STEP).astype(int), 0, len(self.y) - 1)
        return rows, columns

    def slope(self) -> np.ndarray:
        """Gradient of each lattice cell, as rise over run."""
        down, across = np.gradient(self.heights, STEP)
        return np.hypot(down, across)

    def height_at(self, points: np.ndarray) -> np.ndarray:
        """Heights of points (n, 2) in metres."""
        rows = (points[:, 1] - self.y[0]) / STEP
        columns = (points[:, 0] - self.x[0]) / STEP
        return ndimage.map_coordinates(self.heights, [rows, columns], order=1, mode="nearest")

    def gradient(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rise per metre to the east and to the south at the crossings of x and y, each (y, x) float32."""
        padded = np.pad(self.heights, 3, mode="edge")
        columns, first_column, last_column = spline_matrix(np.concatenate([x - 5, x + 5]), self.x[0] - 3 * STEP, STEP)
        rows, first_row, last_row = spline_matrix(np.concatenate([y - 5, y + 5]), self.y[0] - 3 * STEP, STEP)
        part = padded[first_row:last_row, first_column:last_column]
        west, east = columns[: len(x)], columns[len(x) :]
        north, south = rows[: len(y)], rows[len(y) :]
        middle_rows, middle_columns = (north + south) / 2, (west + east) / 2
        across, down = (east - west) / 10, (south - north) / 10
        return (across @ (middle_rows @ part).T).T, (middle_columns @ (down @ part).T).T


def river_course(rng: np.random.Generator, box: Box) -> np.ndarray:
    """A winding line (n, 2) from the western to the eastern edge, a point every 20 m."""
    length = box.east - box.west
    along = np.arange(-60, length + 80, 20.0)
    middle = box.north + (box.south - box.north) * rng.uniform(0.3, 0.7)
    line = Field(rng, Box(-100, 0, length + 100, 1), 5200).grid(along, np.array([0.5]))[0] * 0.09 * min(length, 14000)
    meanders = Field(rng, Box(-100, 0, length + 100, 1), 1500, octaves=2, persistence=0.4).grid(along, np.array([0.5]))[0] * 190
    points = np.stack([box.west + along, middle + line + meanders], 1)
    steps = np.hypot(*np.diff(points, axis=0).T)
    place = np.concatenate([[0], np.cumsum(steps)])
    even = np.arange(0, place[-1], 20.0)
    return np.stack([np.interp(even, place, points[:, 0]), np.interp(even, place, points[:, 1])], 1)
