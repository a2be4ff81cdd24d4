"""A Sentinel-2-like image of a painted block.

The chain, in this order: objects' spectra of the day mixed by area; shading of crowns, rows of fields, patches of
    vigour; slope against the sun; cloud shadow; clouds; haze; blur of the instrument (point spread close to the MTF
    at Nyquist of 0.15 to 0.3 that ESA gives; 20 m bands are recorded at 20 m and interpolated); noise
    (signal-to-noise about 100 to 150 at mid reflectance); rounding to whole numbers. Values are reflectance × 10000
    without the offset of processing baseline 04.00; 0 is nodata.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .landscape import Landscape
from .painting import PIXEL, Ground, Place
from .sky import CLOUD, PARTICLES, RAYLEIGH, SKYLIGHT, Sky, Sun, scene_classes
from .spectra import BANDS, COARSE, VIGOUR

#: Pixels beyond a block that blur and interpolation need; even, so that 20 m cells stay where they are.
MARGIN = 6
#: Standard deviation in pixels of the point spread of 10 m bands, and of 20 m bands before they are recorded.
BLUR, COARSE_BLUR = 0.50, 0.85
#: Values are multiples of this: below the noise, and a third smaller on disk.
STEP = 4


class OpticalView:
    """Textures and light of one block, the same on every date."""

    def __init__(self, landscape: Landscape, ground: Ground) -> None:
        self.landscape, self.ground = landscape, ground
        place = ground.place
        objects = landscape.objects
        self.x, self.y = place.box.axes(PIXEL)
        amplitudes = (ground.mixture @ objects.texture()).reshape(place.height, place.width, 3)
        grain, second = (each.window(place.row, place.column, place.height, place.width) for each in landscape.grains)
        crowns = ndimage.gaussian_filter(grain, 0.55)
        crowns = crowns / 0.62
        self.shading = np.exp(amplitudes[..., 0] * crowns - amplitudes[..., 0] ** 2 / 2)
        self.vigour = amplitudes[..., 1] * landscape.patches.grid(self.x, self.y) + amplitudes[..., 2] * self._rows(second)
        self.water = ground.land_cover == 1
        east, south = landscape.terrain.gradient(self.x, self.y)
        flat = self.water
        self.east, self.south = np.where(flat, 0, east), np.where(flat, 0, south)

    def _rows(self, grain: np.ndarray) -> np.ndarray:
        """Stripes along each field: the traces of machines that work it in lanes of 24 to 48 m, never quite straight
        or even.
        """
        objects, main = self.landscape.objects, self.ground.main
        angle, period = objects.angle[main], objects.period[main]
        across = np.cos(angle) * self.y[:, None].astype(np.float32) - np.sin(angle) * self.x[None].astype(np.float32)
        wave = np.sin(np.float32(2 * np.pi) * across / period + 7 * objects.paleness[main])
        return 1.1 * wave + 0.5 * grain

    def light(self, sun: Sun) -> np.ndarray:
        """Brightness of the ground by its slope against the sun, with a share of sky light (C correction turned
        round: Teillet et al. 1982).
        """
        flat = np.cos(sun.zenith)
        facing = self.east * np.sin(sun.azimuth) - self.south * np.cos(sun.azimuth)
        lit = (flat - np.sin(sun.zenith) * facing) / np.sqrt(1 + self.east**2 + self.south**2)
        return ((np.maximum(lit, 0) + 0.3) / (flat + 0.3)).astype(np.float32)

    def image(self, spectra: np.ndarray, sky: Sky, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The block without its margin.

        Args:
            spectra: reflectance × 10000 of (object, band) on the day.
            sky: of the date.
            rng: for the noise.

        Returns:
            image (band, y, x) uint16 and scene classes (y, x) uint8.
        """
        place = self.ground.place
        pure = (self.ground.mixture @ spectra).T.reshape(len(BANDS), place.height, place.width)
        cloud, shadow = sky.cover(self.x, self.y)
        light, haze = self.light(sky.sun) * self.shading, sky.haze_at(self.x, self.y)
        inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        result = np.empty((len(BANDS), place.height - 2 * MARGIN, place.width - 2 * MARGIN), np.float32)
        for band in range(len(BANDS)):
            values = np.maximum(pure[band] + VIGOUR[band] * self.vigour, np.float32(0.35) * pure[band])
            values *= light
            if shadow is not None:
                values *= 1 - shadow * np.float32(1 - SKYLIGHT[band])
            values += PARTICLES[band] * haze + 35 * RAYLEIGH[band]
            if cloud is not None:
                values += (CLOUD[band] * (0.75 + 0.4 * cloud) - values) * cloud
            values = record(values, bool(COARSE[band]))[inner]
            noise = rng.standard_normal(values.shape, dtype=np.float32)
            np.multiply(noise, 6 + np.float32(0.006) * values, out=noise)
            np.add(values, noise, out=result[band])
        seen = sky.seen(self.x, self.y)[inner]
        nothing = np.zeros(seen.shape, np.float32)
        classes = scene_classes(
            nothing if cloud is None else cloud[inner], nothing if shadow is None else shadow[inner], seen, result, self.water[inner]
        )
        result *= np.float32(1 / STEP)
        np.rint(result, out=result)
        whole = np.clip(result, 1, 16000 / STEP, out=result).astype(np.uint16) * np.uint16(STEP)
        whole[:, ~seen] = 0
        return whole, classes


def record(values: np.ndarray, coarse: bool) -> np.ndarray:
    """What the instrument makes of a band (y, x): blurred, and for 20 m bands averaged over two by two pixels and
    interpolated back.
    """
    if not coarse:
        return ndimage.gaussian_filter(values, BLUR, truncate=3)
    blurred = ndimage.gaussian_filter(values, COARSE_BLUR, truncate=3)
    cells = (blurred[0::2, 0::2] + blurred[1::2, 0::2] + blurred[0::2, 1::2] + blurred[1::2, 1::2]) / 4
    return _double(_double(cells).T).T


def _double(cells: np.ndarray) -> np.ndarray:
    """Twice as many rows by linear interpolation, cell centres kept."""
    padded = np.pad(cells, ((1, 1), (0, 0)), mode="edge")
    result = np.empty((2 * len(cells), cells.shape[1]), np.float32)
    result[0::2] = 0.75 * padded[1:-1] + 0.25 * padded[:-2]
    result[1::2] = 0.75 * padded[1:-1] + 0.25 * padded[2:]
    return result


def with_margin(place: Place) -> Place:
    """The block to paint for an image of `place`: with a margin, and of even size since 20 m cells must be whole."""
    return Place(place.row, place.column, place.height + place.height % 2, place.width + place.width % 2).grown(MARGIN)
