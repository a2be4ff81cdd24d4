"""Where people live: villages and a few towns on flat ground away from the river, a minimum distance apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from .noise import stream
from .terrain import Terrain
from .water import Water, blob

#: Square metres of land per settlement, about the density of villages in the lowlands of Lower Austria.
LAND_PER_SITE = 5.5e6


@dataclass
class Site:
    """A settlement."""

    x: float
    y: float
    radius: float
    outline: shapely.Polygon
    name: str


def make_sites(seed: int, terrain: Terrain, water: Water) -> list[Site]:
    """Settlements, the largest first."""
    rng = stream(seed, "sites")
    image = terrain.image
    wanted = max(2, round(image.area / LAND_PER_SITE))
    spots = np.stack([rng.uniform(image.west, image.east, 60 * wanted), rng.uniform(image.north, image.south, 60 * wanted)], 1)
    rows, columns = terrain.cells(spots)
    worth = -terrain.slope()[rows, columns] * 12 + rng.normal(0, 0.5, len(spots))
    wet = shapely.union_all([water.river, *water.lakes])
    shapely.prepare(wet)
    radii = np.sort(np.clip(rng.lognormal(5.45, 0.38, wanted), 130, 480))[::-1]
    radii[0] = min(620.0, 0.085 * (image.east - image.west))
    radii = np.minimum(radii, 0.085 * (image.east - image.west))
    sites: list[Site] = []
    taken = np.empty((0, 3))
    for x, y in spots[np.argsort(-worth)]:
        radius = float(radii[len(sites)])
        if len(taken) and (np.hypot(taken[:, 0] - x, taken[:, 1] - y) < 900 + taken[:, 2] + radius).any():
            continue
        outline = blob(rng, x, y, radius, roughness=0.2, stretch=float(rng.uniform(1.0, 1.9)))
        if shapely.dwithin(wet, outline, 60):
            continue
        sites.append(Site(float(x), float(y), radius, outline, f"{_name(rng)}"))
        taken = np.vstack([taken, [x, y, radius]])
        if len(sites) == wanted:
            break
    return sites


def _name(rng: np.random.Generator) -> str:
    """An invented place name."""
    first = ("Alm", "Birk", "Dorn", "Eich", "Feld", "Gras", "Hasel", "Kalk", "Lind", "Moos", "Ober", "Rohr", "Sand", "Stein", "Tann", "Wald")
    last = ("au", "bach", "berg", "brunn", "dorf", "egg", "feld", "hof", "kirch", "stetten", "tal", "weiler")
    return str(rng.choice(first)) + str(rng.choice(last))
