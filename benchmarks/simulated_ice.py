"""Radar images of sea ice that are SIMULATED: HH, HV and incidence angle of a coast, an ice edge, and ice that gets older towards the pole.

Backscatter is that of `ice_patches`: four kinds with a level and a slope over the angle near those that Lohse, Doulgeris and Dierking 2020
(doi 10.1017/aog.2020.45) report; each floe has a level of its own, each scene another calibration, and there is speckle of ten looks. What is learned
from them is no skill on real ice.
Run: python -m benchmarks.simulated_ice OUTPUT [--seed 1] [--scenes 6] [--side 256]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.features import shapes
from rasterio.transform import from_origin
from scipy.ndimage import gaussian_filter

from benchmarks.ice_patches import ANGLES, KINDS, LOOKS, OF_FIELD, OF_SCENE, PIXEL

#: The names of SIGRID-3's stages, in the order of `ice_patches.KINDS`, and their colours on ice charts (WMO/TD-No. 1215).
STAGES = {"open water": "#96c8ff", "young ice": "#aa28f0", "first-year ice": "#9bd200", "old ice": "#b46432"}
#: Where one stage passes into the next, along the smooth field from open sea to old ice; widths of its large and small forms [px].
BOUNDS, LARGE, SMALL = (-0.45, -0.05, 0.55), 40, 5
BANDS = ("HH", "HV", "incidence_angle")


def simulate(folder: Path, seed: int, scenes: int, side: int) -> tuple[list[str], str]:
    """Writes some images and the polygons of their stages.

    Args:
        folder: of the files `scene<number>.tif` and `ice.gpkg`.
        seed: of all that is drawn.
        scenes: how many images.
        side: of each [px] of 40 m.

    Returns:
        The images, and the polygons with the field ``stage``.
    """
    rng, images, drawn = np.random.default_rng(seed), [], []
    theta = np.broadcast_to(np.linspace(*ANGLES, side), (side, side))
    levels = np.array(list(KINDS.values()))
    for number in range(scenes):
        stage = _stages(rng, side)
        level = levels[stage]
        own = np.stack([_smooth(rng, side, SMALL) for _ in range(2)]) * OF_FIELD
        speckle = 10 * np.log10(rng.gamma(LOOKS, 1 / LOOKS, (2, side, side)))
        bands = np.stack([level[..., band] + level[..., band + 2] * (theta - 30) for band in (0, 1)]) + own + speckle
        bands += rng.normal(0, OF_SCENE, (2, 1, 1))
        place = {"crs": "EPSG:3413", "transform": from_origin(400_000 + number * 100_000, -1_200_000, PIXEL, PIXEL)}
        path = folder / f"scene{number}.tif"
        with rasterio.open(path, "w", driver="GTiff", count=3, height=side, width=side, dtype="float32", compress="deflate", **place) as target:
            target.write(np.concatenate([bands, theta[None]]).astype(np.float32))
            target.descriptions = BANDS
            target.update_tags(SIMULATED="yes")
        images.append(str(path))
        drawn += [(shapely.geometry.shape(shape), list(STAGES)[int(value)]) for shape, value in shapes(stage.astype(np.uint8), transform=place["transform"])]
    polygons = folder / "ice.gpkg"
    geopandas.GeoDataFrame({"stage": [name for _, name in drawn]}, geometry=[shape for shape, _ in drawn], crs="EPSG:3413").to_file(polygons)
    return images, str(polygons)


def _stages(rng: np.random.Generator, side: int) -> np.ndarray:
    """The stage of each pixel (y, x): ice gets older along a direction that differs from scene to scene, with floes and leads."""
    y, x = np.mgrid[-1:1:side * 1j, -1:1:side * 1j]
    turn = rng.uniform(0, 2 * np.pi)
    field = 0.9 * (x * np.cos(turn) + y * np.sin(turn)) + 0.35 * _smooth(rng, side, LARGE) + 0.25 * _smooth(rng, side, SMALL)
    return np.digitize(field, BOUNDS)


def _smooth(rng: np.random.Generator, side: int, width: float) -> np.ndarray:
    """A smooth random field with a deviation of 1."""
    field = gaussian_filter(rng.normal(0, 1, (side, side)), width)
    return field / field.std()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("output", type=Path, help="a folder, made where there is none")
    for name, default in (("seed", 1), ("scenes", 6), ("side", 256)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    asked = arguments.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    images, polygons = simulate(asked.output, asked.seed, asked.scenes, asked.side)
    print(f"{len(images)} simulated images and {polygons}")


if __name__ == "__main__":
    main()
