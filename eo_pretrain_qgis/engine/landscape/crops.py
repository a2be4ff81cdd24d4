"""Crops: how common they are, and how their green and dry cover runs through the year.

Shares follow the number of samples per class in TimeSen2Crop (Weikmann, Paris and Bruzzone 2021, doi
10.1109/JSTARS.2021.3073965), which are drawn in proportion to the Austrian parcel map; codes are that data set's.
Legumes stand for its rarest field crop; caraway (1 472 of 1 212 224 samples) and the left-over class are not
simulated.

Green cover is a double logistic of the day of the year (Zhang et al. 2003, doi 10.1016/S0034-4257(02)00135-9; Beck et
al. 2006, doi 10.1016/j.rse.2005.10.021). What turns from green stays as dry cover until harvest, then a share stays
as stubble until it is worked in; autumn-sown or catch crops follow. Calendars are those of lowland Austria in round
numbers, set by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Crop:
    """One crop. Days are days of the year; covers are shares of the ground."""

    code: int
    name: str
    samples: int
    start_cover: float
    peak_cover: float
    green_up: float
    green_rate: float
    turn: float
    turn_rate: float
    harvest: float
    stubble: float
    regrowth: float
    upright: bool
    bloom: float = 0.0
    row_contrast: float = 0.06


CROPS = (
    #    code name                  samples  start peak  up   rate  turn rate  harvest stubble regrowth upright
    Crop(1, "Grassland", 283263, 0.45, 0.84, 88, 0.090, 300, 0.040, 400, 0.0, 0.0, False, row_contrast=0.02),
    Crop(2, "Maize", 164316, 0.03, 0.86, 168, 0.120, 258, 0.080, 272, 0.35, 0.10, False, row_contrast=0.07),
    Crop(12, "Winter wheat", 132327, 0.30, 0.90, 98, 0.100, 178, 0.140, 200, 0.55, 0.45, True),
    Crop(6, "Winter barley", 94061, 0.38, 0.88, 88, 0.100, 160, 0.150, 181, 0.55, 0.50, True),
    Crop(11, "Spring cereals", 85353, 0.03, 0.84, 122, 0.120, 182, 0.130, 205, 0.55, 0.40, True),
    Crop(5, "Soy", 70884, 0.02, 0.82, 176, 0.110, 248, 0.120, 265, 0.30, 0.25, False),
    Crop(13, "Winter triticale", 66448, 0.30, 0.88, 96, 0.095, 182, 0.120, 204, 0.55, 0.45, True),
    Crop(8, "Rye", 53694, 0.34, 0.86, 90, 0.100, 176, 0.110, 202, 0.60, 0.40, True),
    Crop(14, "Permanent plantation", 46312, 0.22, 0.60, 122, 0.080, 290, 0.060, 400, 0, 0, False, row_contrast=0.16),
    Crop(9, "Rapeseed", 41901, 0.45, 0.92, 80, 0.110, 172, 0.110, 198, 0.45, 0.50, False, bloom=122),
    Crop(10, "Beet", 34064, 0.02, 0.92, 158, 0.130, 310, 0.060, 292, 0.05, 0.20, False),
    Crop(3, "Potato", 30678, 0.02, 0.86, 156, 0.140, 232, 0.110, 256, 0.05, 0.35, False, row_contrast=0.08),
    Crop(4, "Sunflower", 22787, 0.02, 0.84, 160, 0.130, 225, 0.110, 260, 0.25, 0.30, False, bloom=192),
    Crop(0, "Legumes", 7951, 0.05, 0.86, 118, 0.110, 178, 0.120, 198, 0.30, 0.45, False),
)
PERMANENT = next(i for i, crop in enumerate(CROPS) if crop.name == "Permanent plantation")
GRASSLAND = 0


def shares() -> np.ndarray:
    """Prior of each crop of `CROPS`, grassland left out (it is placed by slope and water), sum 1."""
    counts = np.array([crop.samples for crop in CROPS], float)
    counts[GRASSLAND] = 0
    return counts / counts.sum()


def _logistic(value: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(value, -40, 40)))


def cover(crop: np.ndarray, shift: np.ndarray, vigour: np.ndarray, day: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cover of the ground on a day.

    Args:
        crop: index into `CROPS` per parcel.
        shift: days by which the parcel is late.
        vigour: factor on its green cover, about 1.
        day: day of the year.

    Returns:
        green, dry and blooming cover per parcel, each 0 to 1, together at most 1.
    """

    def column(name: str) -> np.ndarray:
        return np.array([getattr(each, name) for each in CROPS], np.float64)[crop]

    late = day - shift
    start, peak = column("start_cover"), column("peak_cover") * vigour
    rise = _logistic(column("green_rate") * (late - column("green_up")))
    fall = _logistic(column("turn_rate") * (late - column("turn")))
    standing = start + np.maximum(peak - start, 0) * rise
    green, dry = standing * (1 - fall), 0.85 * standing * fall
    harvested = late > column("harvest")
    weeks = (late - column("harvest")) / 7
    stubble = column("stubble") * _logistic(2.0 * (4 + 3 * np.sin(17 * vigour) - weeks))
    regrowth = column("regrowth") * _logistic(0.8 * (weeks - 7)) * vigour
    green = np.where(harvested, regrowth, green)
    dry = np.where(harvested, stubble * (1 - regrowth), dry)
    flowers = column("bloom")
    bloom = np.where(flowers > 0, 0.75 * np.exp(-(((late - flowers) / 9) ** 2)), 0) * green
    green, dry = np.clip(green, 0, 0.97), np.clip(dry, 0, 0.95)
    return green - bloom, np.minimum(dry, 1 - green), bloom
