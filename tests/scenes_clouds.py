"""Clouds over `scenes.land`, as masks and as scenes."""

import geopandas
import numpy as np
from rasterio.transform import from_origin

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .networks import write_threshold_model
from .scenes import ORIGIN, land_dataset, write_raster


def land_clouds(folder):
    """A mask of flags for `land` in pixels of 20 m: a cloud over the left quarter of its rows 96 to 160 and the shadow beside it, 16 px of 10 m wide;
    snow in a corner, and a place of which it knows nothing.
    """
    values = np.zeros((128, 128), np.uint8)
    values[48:80, :32], values[48:80, 32:40] = 1, 2
    values[:8, :8], values[100:104, 100:104] = 3, 255
    return write_raster(folder / "clouds.tif", values, resolution=20.0, nodata=255)


def land_clouds_in_the_south(folder):
    """The same clouds 64 rows further south."""
    values = np.zeros((128, 128), np.uint8)
    values[80:112, :32], values[80:112, 32:40] = 1, 2
    return write_raster(folder / "south.tif", values, resolution=20.0, nodata=255)


def land_overcast(folder):
    """A mask of flags for `land`: nothing but cloud."""
    return write_raster(folder / "overcast.tif", np.full((128, 128), 1, np.uint8), resolution=20.0, nodata=255)


def land_with_classification(folder):
    """Red, green and near infrared of 64 × 64 px of 10 m with their scene classification as a band: cloud in the upper quarter, snow in the next."""
    values = np.full((4, 64, 64), 900, np.uint16)
    values[3] = 4
    values[3, :16], values[3, 16:32] = 9, 11
    return write_raster(folder / "S2_20200711.tif", values, names=["B03", "B04", "B08", "SCL"])


def land_classification(folder):
    """A classification of the same ground in pixels of 20 m that no name calls so: a cloud of one pixel in its middle."""
    values = np.full((32, 32), 5, np.uint8)
    values[15, 15] = 8
    return write_raster(folder / "classes.tif", values, resolution=20.0)


def land_classification_elsewhere(folder):
    """A classification 50 km further east."""
    return write_raster(folder / "elsewhere.tif", np.full((32, 32), 5, np.uint8), transform=from_origin(ORIGIN[0] + 50_000, ORIGIN[1], 20, 20))


def cloud_model(folder):
    """Says shadow of B02 up to 1500 and cloud of more."""
    return write_threshold_model(folder / "clouds.onnx", classes=((0, "cloud shadow", ""), (1, "thick cloud", "")))


def clouded_land(folder):
    """`land_dataset` in which every fifth tile is of the subset “clouds”, named by hand and divided anew."""
    root = land_dataset(folder)
    tiles = geopandas.read_file(root / "tiles.gpkg", layer="tiles")
    tiles.assign(subset=[None if number % 5 else "clouds" for number in range(len(tiles))]).to_file(root / "tiles.gpkg", layer="tiles", driver="GPKG")
    JOBS["split_dataset"].from_values({"dataset": str(root), "output": str(folder / "clouded_land")}).run(SILENT)
    return folder / "clouded_land"


def clouded_run(folder):
    """A regression on the statistics of `clouded_land`."""
    JOBS["finetune"].from_values({"dataset": str(clouded_land(folder)), "approach": "statistics", "output": str(folder / "clouded_run")}).run(SILENT)
    return folder / "clouded_run"
