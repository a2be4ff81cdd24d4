"""A Sentinel-1-like image of a painted block: VV and VH backscatter in decibels, as ground range detected products in
interferometric wide swath.

Mean backscatter by surface is in round numbers what C-band scenes at 35 to 40° show (Ulaby and Dobson 1989, Handbook
of Radar Scattering Statistics for Terrain; crops: Veloso et al. 2017, doi 10.1016/j.rse.2017.07.015: cereals weaken
VV while they stand, broad leaves raise VH). Houses answer by double bounce, strongest where walls face the radar.
Slopes towards the radar are brighter by the area they show (Small 2011, doi 10.1109/TGRS.2011.2120616). Powers are
mixed, blurred to the resolution of about 20 m, raised by the noise of the instrument and multiplied by speckle.

Speckle is the sum of five looks, each the power of circular Gaussian noise blurred to the same resolution (hence
neighbours are correlated, as in the 10 m product), with weights that give an equivalent number of looks of 4.4: the
one of interferometric wide swath high resolution (ESA, Sentinel-1 Product Definition). With equal weights the sum is
exactly gamma distributed; here it is very close to the gamma distribution of that number of looks.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .crops import CROPS
from .landscape import Landscape
from .objects import CODE, ROOFS, Objects, of_kinds
from .painting import PIXEL, Ground

LOOKS = 4.4
#: Weights of the looks: (4 + w)² / (4 + w²) = 4.4.
WEIGHTS = np.array([1, 1, 1, 1, (8 - np.sqrt(64 - 4 * 3.4 * 1.6)) / 6.8])
#: Direction in which an ascending Sentinel-1 looks, clockwise from north, and incidence angle in the middle of the
#: landscape.
LOOK, INCIDENCE = np.radians(78), np.radians(37)
#: Noise equivalent backscatter in dB.
NOISE = -26.0
BLUR = 0.75
NODATA = -9999.0


def backscatter(objects: Objects, day: float) -> np.ndarray:
    """Mean power (object, 2) in VV and VH on a day of the year, on flat ground at the middle incidence angle."""
    decibels = np.stack([of_kinds("vv")[objects.kind], of_kinds("vh")[objects.kind]], 1).astype(np.float64)
    fields = objects.kind == CODE["field"]
    green = objects.green_cover(day)[fields]
    upright = np.array([crop.upright for crop in CROPS])[objects.crop[fields]]
    rough = 1.2 * np.cos(2 * (objects.angle[fields] - LOOK))
    soil_vv, soil_vh = -11.2 + rough, -20.0 + 0.4 * rough
    leaf_vv, leaf_vh = np.where(upright, -14.6, -10.2), np.where(upright, -20.2, -15.6)
    meadow = objects.crop[fields] == 0
    decibels[fields, 0] = np.where(meadow, -12.6, soil_vv * (1 - green) + leaf_vv * green)
    decibels[fields, 1] = np.where(meadow, -18.8, soil_vh * (1 - green) + leaf_vh * green)
    roofs = np.isin(objects.kind, ROOFS)
    facing = np.abs(np.cos(2 * (objects.angle - LOOK)))
    decibels[roofs] += (3.0 * objects.loudness[roofs] + 4 * (facing[roofs] - 0.5))[:, None]
    decibels[~roofs] += objects.loudness[~roofs, None] * np.array([1.0, 0.9])
    return 10 ** (decibels / 10)


def area_gain(landscape: Landscape, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Factor on backscatter (y, x) from the local incidence angle: slopes that face the radar show more area per
    pixel of ground range.
    """
    east, south = landscape.terrain.gradient(x, y)
    side = landscape.image.east - landscape.image.west
    along = (x / side - 0.5)[None] * np.radians(1.2) * side / 10000
    incidence = INCIDENCE + along
    towards = np.arctan(east * np.sin(LOOK) - south * np.cos(LOOK))
    local = np.clip(incidence - towards, np.radians(8), np.radians(80))
    return (np.sin(INCIDENCE) / np.sin(local) * np.cos(local) / np.cos(INCIDENCE)).astype(np.float32)


def speckle(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Multiplicative speckle (y, x) with mean 1, LOOKS looks and a correlation of about a pixel."""
    margin = 4
    kernel = np.exp(-0.5 * (np.arange(-margin, margin + 1) / BLUR) ** 2).astype(np.float32)
    kernel /= np.sqrt((kernel**2).sum())
    total = np.zeros(shape, np.float32)
    for weight in WEIGHTS / WEIGHTS.sum():
        for _ in range(2):
            noise = rng.standard_normal((shape[0] + 2 * margin, shape[1] + 2 * margin), dtype=np.float32)
            noise = ndimage.correlate1d(ndimage.correlate1d(noise, kernel, axis=0), kernel, axis=1)
            total += np.float32(weight / 2) * noise[margin:-margin, margin:-margin] ** 2
    return total


def image(landscape: Landscape, ground: Ground, power: np.ndarray, margin: int, rng: np.random.Generator) -> np.ndarray:
    """VV and VH of a block without its margin, (2, y, x) float32 in dB.

    Args:
        landscape: what there is.
        ground: the painted block.
        power: of (object, polarisation), from `backscatter`.
        margin: pixels to leave out on every side.
        rng: for the speckle.
    """
    place = ground.place
    x, y = place.box.axes(PIXEL)
    mixed = (ground.mixture @ power).T.reshape(2, place.height, place.width)
    grain = landscape.grains[1].window(place.row, place.column, place.height, place.width)
    crowns = (ground.mixture @ of_kinds("crowns")[landscape.objects.kind]).reshape(place.height, place.width)
    texture = np.exp(1.8 * crowns * grain) * area_gain(landscape, x, y)
    result = np.empty((2, place.height - 2 * margin, place.width - 2 * margin), np.float32)
    for band in range(2):
        seen = ndimage.gaussian_filter(mixed[band] * texture, BLUR)[margin:-margin, margin:-margin]
        result[band] = 10 * np.log10((seen + 10 ** (NOISE / 10)) * speckle(seen.shape, rng))
    return result
