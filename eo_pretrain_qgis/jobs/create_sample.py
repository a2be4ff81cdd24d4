"""Create sample: a simulated landscape with known truth, for first steps, the demo and the tests."""

from __future__ import annotations

from dataclasses import dataclass

from .spec import Job, folder_output, integer


@dataclass(frozen=True)
class CreateSample(Job):
    """Simulates a landscape with known truth: Sentinel-2 and Sentinel-1 images, land cover, roads, parcels and a season.

    Everything is drawn from a published model of how such images come about, so a network must learn texture and shape and
    cannot just look up a value. Figures obtained on it are simulated and must be called so.
    """

    title = "Create sample landscape"
    group = "1 Prepare data"
    tags = ("simulate", "synthetic", "example", "tutorial", "test data")
    results = {
        "sentinel2": "raster", "sentinel1": "raster", "land_cover": "raster", "land_cover_100m": "raster",
        "roads": "vector", "parcels": "vector", "season": "folder",
    }

    size: int = integer("Size in pixels of 10 m", default=1024, minimum=256, maximum=8192, help="Width and height of the landscape.")
    seed: int = integer("Seed", default=1, minimum=0, help="The same seed gives the same landscape.")
    output: str = folder_output("Sample folder", help="A new or empty folder.")
