"""The incidence angle of a whole Sentinel-1 scene on the map, computed from the satellite's orbit; no annotation is needed.

The orbit is a circle of the mean radius over a turning earth: 175 revolutions in 12 days, inclined by 98.18°, 693 km above the equator, northwards
across the equator at 18:00 mean local time (ESA, Sentinel-1 mission guide, “Orbit”). It is sun-synchronous, so its plane turns by a whole day in a
day. The radar looks to the right, across the flight path (zero Doppler), so the angle of a place is that between its vertical on the ellipsoid and
the satellite when that was closest.

What a circle does not know, where the path lies to a few kilometres, the edges of the image tell: the near and the far edge of a mode have always
about the same angle. So the image must show the whole swath.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyproj
from scipy.optimize import brentq

from ....errors import DataError
from ....progress import SILENT, Progress
from ...rasters.grid import Grid, Window
from ...rasters.raster import Scene

INCLINATION, RADIUS_M = np.radians(98.18), 6_378_137.0 + 693_000.0
DAY_S = 86_400.0
#: Of a revolution.
PERIOD_S = 12 * DAY_S / 175
#: Mean local time at which the satellite crosses the equator northwards [h], and how far from it a path may be [degrees of longitude].
NODE_HOUR, NODE_REACH = 18.0, 4.0
#: Mode → angles at the near and the far edge [degree], as products have them: EW from 18.88 to 46.42 and IW from 30.44 to 46.23 in annotations of
#: 2022 and 2021, EW from 18.87 to 46.46 in another scene of 2022. The mission guide's 18.9 to 47.0 and 29.1 to 46.0 are wider on paper.
EDGES = {"EW": (18.9, 46.4), "IW": (30.5, 46.2)}
#: An image whose edges are off by more than this [degree] does not show the whole swath, or not it alone.
EDGE = 0.35
#: What the angle may be wrong by [degree]: `EDGE`, and what differs between products.
UNSURE = 0.5
WORDS = f"computed from the orbit, ± {UNSURE:g}°"
#: As products of Sentinel-1 and their files are called: mode, and hour, minute and second at which the scene begins.
_PRODUCT = re.compile(r"S1[A-D][-_](EW|IW)[-_]GRD.*?[-_]\d{8}T(\d\d)(\d\d)(\d\d)(?!\d)", re.IGNORECASE)
#: Rows of an image, and columns of each, that are looked at; what is left out at each end of their angles, as noise at a border.
ROWS, COLUMNS, STRAY = 48, 256, 0.1
_SEMI_MAJOR, _FLATTENING = 6_378_137.0, 1 / 298.257223563
_STEPS, _SMALL = 8, 1e-4


@dataclass(frozen=True)
class Acquisition:
    """How and when a scene was taken: mode, and the time of day at which it begins [h, UTC]."""

    mode: str
    hour: float

    @classmethod
    def of(cls, *names: str) -> Acquisition | None:
        """Of the first of some names that says it."""
        for name in names:
            if found := _PRODUCT.search(name):
                return cls(found[1].upper(), int(found[2]) + int(found[3]) / 60 + int(found[4]) / 3600)
        return None


@dataclass(frozen=True)
class Orbit:
    """A revolution: longitude at which it crosses the equator northwards [rad], and whether places are first looked for on the way north."""

    node: float
    ascending: bool

    def places(self, along: np.ndarray) -> np.ndarray:
        """Of the satellite, geocentric and turning with the earth [m] (…, 3), at angles from the node along the orbit [rad] (…)."""
        latitude = np.arcsin(np.sin(INCLINATION) * np.sin(along))
        longitude = self.node + np.arctan2(np.cos(INCLINATION) * np.sin(along), np.cos(along)) - along * PERIOD_S / DAY_S
        return RADIUS_M * _up(longitude, latitude)

    def guess(self, latitude: np.ndarray) -> np.ndarray:
        """Angle from the node along the orbit at which it is at a latitude, or nearest to it [rad] (…)."""
        along = np.arcsin(np.clip(np.sin(latitude) / np.sin(INCLINATION), -1, 1))
        return along if self.ascending else np.pi - along

    def angles(self, longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
        """Incidence angle at places on the ellipsoid [degree] (…), below 0 to the left of the flight path; places in degrees (…)."""
        longitude, latitude = np.radians(longitude), np.radians(latitude)
        vertical = _up(longitude, latitude)
        squared = _FLATTENING * (2 - _FLATTENING)
        ground = vertical * (_SEMI_MAJOR / np.sqrt(1 - squared * np.sin(latitude) ** 2))[..., None] * (1, 1, 1 - squared)
        along = self.guess(latitude)
        for _ in range(_STEPS):  # Newton: the satellite is closest where the line of sight is square to the path
            satellite, velocity = self.places(along), self._velocity(along)
            along = along + ((ground - satellite) * velocity).sum(-1) / (velocity**2).sum(-1)
        sight = self.places(along) - ground
        cosine = (sight * vertical).sum(-1) / np.linalg.norm(sight, axis=-1)
        right = np.cross(self._velocity(along), self.places(along))
        return np.degrees(np.arccos(cosine.clip(-1, 1))) * np.sign((-sight * right).sum(-1))

    def _velocity(self, along: np.ndarray) -> np.ndarray:
        """Change of place by radian (…, 3)."""
        return (self.places(along + _SMALL) - self.places(along - _SMALL)) / (2 * _SMALL)

    def on(self, grid: Grid) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """The angle as a function of column and row of a grid, from 0 in the middle of the first pixel."""
        to_degrees = pyproj.Transformer.from_crs(grid.crs, "OGC:CRS84", always_xy=True)
        a, _, c, _, e, f = grid.transform
        return lambda col, row: self.angles(*map(np.asarray, to_degrees.transform(c + a * (col + 0.5), f + e * (row + 0.5))))


def orbit_of(scene: Scene, names: Sequence[str] = (), progress: Progress = SILENT) -> Orbit:
    """The orbit from which a scene was taken.

    Args:
        scene: on the map, whose first band is measured over the whole swath.
        names: that may say mode and time, besides those of the scene.
        progress: told how far it is, and that the angle is a computed one.

    Raises:
        DataError: nothing says mode and time, or the image is not a whole scene; without what to do, which the caller knows.
    """
    taken = Acquisition.of(*names, scene.name, *(raster.path for raster in scene.rasters))
    if taken is None:
        raise DataError("It cannot be computed from the orbit: nothing says mode and time of the scene, as the name of a product does "
                        "(S1A_EW_GRDM_1SDH_20220503T074122_…).")
    longitude, latitude = _measured(scene, progress)
    found = list(fitted(taken, longitude, latitude))
    near, far = EDGES[taken.mode]
    for orbit, low, high in found:
        if max(abs(low - near), abs(high - far)) <= EDGE:
            progress.message(f"{scene.path} has no incidence angle, so it is {WORDS}: {low:.1f}° to {high:.1f}° across the {taken.mode} swath.",
                             level="warning")
            return orbit
    _, low, high = min(found, key=lambda one: abs(one[1] - near) + abs(one[2] - far))
    raise DataError(f"It cannot be computed from the orbit: a whole {taken.mode} scene, with nodata around it, goes from {near:g}° to {far:g}°, "
                    f"and on the path of that time of day this image would go from {low:.1f}° to {high:.1f}°.")


def _measured(scene: Scene, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes of measured pixels, spread over the scene [degree] (n,)."""
    grid, found = scene.grid, []
    columns = np.unique(np.linspace(0, grid.width - 1, min(COLUMNS, grid.width)).astype(int))
    for row in np.unique(np.linspace(0, grid.height - 1, min(ROWS, grid.height)).astype(int)).tolist():
        progress.at(row / grid.height, "Looking for the edges of the swath")
        valid = scene.read(Window(0, row, grid.width, 1), [0])[1][0]
        # The edges to the pixel, and what lies between from time to time.
        there = np.flatnonzero(valid)
        own = np.union1d(columns[valid[columns]], there[[0, -1]]) if len(there) else there
        found.append(np.stack([own, np.full(len(own), row)]))
    col, row = np.concatenate(found, 1)
    if not len(col):
        raise DataError(f"{scene.path} holds no measured pixel. Check its nodata value, or choose another image.")
    a, _, c, _, e, f = grid.transform
    return pyproj.Transformer.from_crs(grid.crs, "OGC:CRS84", always_xy=True).transform(c + a * (col + 0.5), f + e * (row + 0.5))


def fitted(taken: Acquisition, longitude: np.ndarray, latitude: np.ndarray) -> Iterator[tuple[Orbit, float, float]]:
    """Orbits at about the time of day, with the angles at the edges [degree]: whose middle is that of the mode where one is near enough."""
    for ascending in (True, False):
        since = float(Orbit(0.0, ascending).guess(np.radians(np.mean(latitude)))) / (2 * np.pi) * PERIOD_S / 3600
        expected = 15 * (NODE_HOUR - (taken.hour - since))
        ends = [np.radians(expected + side * NODE_REACH) for side in (-1, 1)]

        def off(node: float, ascending: bool = ascending) -> float:
            return sum(_edges(Orbit(node, ascending), longitude, latitude)) - sum(EDGES[taken.mode])

        passes = off(ends[0]) * off(ends[1]) < 0
        orbit = Orbit(float(brentq(off, *ends, xtol=1e-6)) if passes else float(np.radians(expected)), ascending)
        yield orbit, *_edges(orbit, longitude, latitude)


def _edges(orbit: Orbit, longitude: np.ndarray, latitude: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest angle of some places [degree]."""
    low, high = np.percentile(orbit.angles(longitude, latitude), (STRAY, 100 - STRAY))
    return float(low), float(high)


def _up(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Unit vectors (…, 3)."""
    return np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], -1)
