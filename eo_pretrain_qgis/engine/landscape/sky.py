"""The sky over one acquisition: sun, haze, clouds and their shadows, and the edge of the swath.

Clouds are the high parts of a self-similar field whose level gives exactly the wanted cover; they thicken towards
their middle. Shadows are the same field seen from the side of the sun. The mask uses the codes of Sentinel-2's scene
classification (SCL).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..datasets.dataset import ClassInfo
from .noise import Box, Field, stream
from .spectra import WAVELENGTHS

#: Codes of the scene classification layer of Sentinel-2 level 2A that occur here.
SCL_CLASSES = [
    ClassInfo(3, "Cloud shadow", "#643200"),
    ClassInfo(4, "Vegetation", "#00a000"),
    ClassInfo(5, "Not vegetated", "#ffe65a"),
    ClassInfo(6, "Water", "#0000ff"),
    ClassInfo(8, "Cloud, medium probability", "#c0c0c0"),
    ClassInfo(9, "Cloud, high probability", "#ffffff"),
    ClassInfo(10, "Thin cirrus", "#64c8ff"),
]
LATITUDE = 48.7
#: Reflectance × 10000 of a thick cloud; lower in the short-wave infrared, where ice and water absorb.
CLOUD = np.array([6900, 6700, 6800, 6900, 7000, 7050, 7100, 7100, 4300, 3300], np.float32)
#: Share of the light in a shadow that comes from the sky: more in the blue.
SKYLIGHT = 0.16 + 0.16 * (WAVELENGTHS / 0.49) ** -1.6
#: Scattering of the air (Rayleigh, wavelength to the −4) and of particles (Ångström exponent 1.3), relative to 0.49 µm.
RAYLEIGH, PARTICLES = (WAVELENGTHS / 0.49) ** -4, (WAVELENGTHS / 0.49) ** -1.3


@dataclass(frozen=True)
class Sun:
    """Where the sun stands: zenith and azimuth (clockwise from north) in radians."""

    zenith: float
    azimuth: float

    @classmethod
    def on(cls, day: float) -> Sun:
        """The sun at about 10:00 solar time, when Sentinel-2 passes (declination after Cooper 1969)."""
        declination = np.radians(23.45) * np.sin(2 * np.pi * (284 + day) / 365)
        latitude, hour = np.radians(LATITUDE), np.radians(-26)
        height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour)
        zenith = np.arccos(height)
        east = -np.cos(declination) * np.sin(hour)
        north = np.cos(latitude) * np.sin(declination) - np.sin(latitude) * np.cos(declination) * np.cos(hour)
        return cls(float(zenith), float(np.arctan2(east, north) % (2 * np.pi)))


class Sky:
    """The sky of one date.

    Args:
        seed: of the landscape.
        name: of the date; every date has its own clouds.
        day: day of the year.
        image: the image's rectangle in metres.
        cover: wanted share of clouds, 0 to 1.
        edge: share of the image that a slanted edge of the swath cuts off.
        haze: mean reflectance × 10000 that particles add at 0.49 µm.
    """

    def __init__(self, seed: int, name: str, day: float, image: Box, cover: float, edge: float = 0.0, haze: float = 60.0) -> None:
        rng = stream(seed, "sky", name)
        self.sun = Sun.on(day)
        self.image, self.edge = image, edge
        height = rng.uniform(900, 2200)
        reach = height * np.tan(self.sun.zenith)
        self.shift = (reach * np.sin(self.sun.azimuth), -reach * np.cos(self.sun.azimuth))
        self.clouds = Field(rng, image.grown(max(abs(self.shift[0]), abs(self.shift[1])) + 600), 2300, octaves=6, persistence=0.55)
        step = (image.east - image.west) / 128
        sample = self.clouds.grid(*image.axes(step))
        self.level = float(np.quantile(sample, 1 - cover)) if cover > 0 else np.inf
        self.haze_field, self.haze = Field(rng, image.grown(200), 4200, octaves=3), haze

    def thickness(self, x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
        """Share of the light that clouds hide, 0 to 1, at the crossings of x and y; None where there is no cloud at
        all.
        """
        if not np.isfinite(self.level):
            return None
        above = self.clouds.grid(x, y) - np.float32(self.level - 0.12)
        cloudy = above > 0
        if not cloudy.any():
            return None
        hidden = np.zeros(above.shape, np.float32)
        hidden[cloudy] = 1 - np.exp(-3.2 * above[cloudy] ** 1.2)
        return hidden

    def cover(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Opacity of the clouds above and of the shadow on the ground, each (y, x) or None."""
        return self.thickness(x, y), self.thickness(x + self.shift[0], y + self.shift[1])

    def haze_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Reflectance × 10000 (y, x) that particles in the air add at 0.49 µm: what atmospheric correction leaves
        behind.
        """
        return np.float32(self.haze) * np.exp(np.float32(0.55) * self.haze_field.grid(x, y))

    def seen(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether the swath covers a place, bool (y, x): the edge slants as an orbit at this latitude does."""
        width = self.image.east - self.image.west
        slant = 0.22
        start = self.image.east - self.edge * width - slant * width / 2
        if self.edge <= 0:
            return np.ones((len(y), len(x)), bool)
        return x[None] <= start + slant * (width - y[:, None])


def scene_classes(cloud: np.ndarray, shadow: np.ndarray, seen: np.ndarray, image: np.ndarray, water: np.ndarray) -> np.ndarray:
    """A scene classification layer (y, x) uint8 as a processor would make it: by thresholds, with its typical margins.

    Args:
        cloud: opacity of the clouds (y, x).
        shadow: of their shadows (y, x).
        seen: covered by the swath (y, x).
        image: reflectance × 10000 (band, y, x).
        water: truth for water (y, x), bool.
    """
    red, infrared = image[2], image[6]
    greenness = (infrared - red) / np.maximum(infrared + red, 1)
    classes = np.where(greenness > 0.35, 4, 5).astype(np.uint8)
    classes[water] = 6
    classes[ndimage.binary_dilation(shadow > 0.25)] = 3
    classes[cloud > 0.04] = 10
    classes[cloud > 0.18] = 8
    classes[cloud > 0.50] = 9
    classes[~seen] = 0
    return classes
