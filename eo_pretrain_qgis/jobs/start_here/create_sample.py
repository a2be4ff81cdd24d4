"""Create sample: a simulated landscape with known truth, for first steps, the demo and the tests."""

from __future__ import annotations

from dataclasses import dataclass

from ...progress import Progress
from ..spec import LARGEST_SEED, Job, Result, folder_output, integer


@dataclass(frozen=True)
class CreateSample(Job):
    """Simulates a landscape with known truth: Sentinel-2 and Sentinel-1 images, land cover, roads, parcels and a season.

    Fields, meadows and forest share their spectra, villages are mixtures and most roads are thinner than a pixel, so a network must
    learn texture and shape and cannot just look up a value. The folder also holds polygons to train from, the true roads beside the
    incomplete map, masks of clouds and a README that names the model and its sources. Figures obtained on it are simulated and must be
    called so.
    """

    title = "Create sample landscape"
    group = "0 Start here"
    tags = ("simulate", "synthetic", "example", "tutorial", "test data")
    results = {
        # Those of QGIS's layers from the lowest up: nothing hides the image, and outlines lie above it. The image and what to train from are shown.
        "land_cover_100m": Result("raster", "Land-cover map of 100 m", view="off"), "land_cover": Result("raster", "True land cover", view="off"),
        "sentinel1": Result("raster", "Sentinel-1", view="off"), "sentinel2": Result("raster", "Sentinel-2", view="zoomed"),
        "parcels": Result("vector", "Parcels with crops", view="off"), "roads": Result("vector", "Roads of an incomplete map", view="off"),
        "training_polygons": Result("vector", "Polygons to train from"),
        "season": Result("folder", "Folder with the images of a growing season"),
    }

    size: int = integer("Size [px]", default=1024, minimum=256, maximum=8192, help="Width and height of the landscape; a pixel has 10 m.")
    seed: int = integer("Seed", default=1, minimum=0, maximum=LARGEST_SEED, help="The same seed gives the same landscape.")
    output: str = folder_output("Sample folder", fresh=True, help="A new or empty folder.")

    def run(self, progress: Progress) -> dict:
        progress.at(0, "Drawing the landscape")
        from ...engine.landscape import create

        made = create(self.output, self.size, self.seed, progress)
        return {"output": self.output, **{name: made[name] for name in self.results}}
