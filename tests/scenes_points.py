"""Points on `land`, and images that are hard to learn from."""

import geopandas
import numpy as np
import rasterio
import shapely

from .scenes import ORIGIN, UTM, land, write_raster

#: Fields of `land` with a point somewhere in each: a knight's moves apart, of both covers all over the image.
FIELDS = tuple((row, (3 * row + step) % 8) for row in range(8) for step in (0, 3, 5))


def cover_of(row, col):
    """What the field of that row and column is."""
    return ("crop", "forest")[(row + col) % 2]


def write_points(path, rows, cols, covers):
    """Writes points in the middle of pixels of `land`, in degrees."""
    middles = shapely.points(ORIGIN[0] + 10 * np.asarray(cols) + 5, ORIGIN[1] - 10 * np.asarray(rows) - 5)
    geopandas.GeoDataFrame({"cover": list(covers)}, geometry=middles, crs=UTM).to_crs(4326).to_file(path)
    return path


def _points(path, fields):
    rows, cols = 32 * np.array(fields).T + np.random.default_rng(0).integers(0, 32, (2, len(fields)))
    return write_points(path, rows, cols, [cover_of(*field) for field in fields])


def land_points(folder):
    """24 points on `land`, three in each row of fields."""
    return _points(folder / "points.gpkg", FIELDS)


def land_points_beyond(folder):
    """`land_points`, and three to the east of `land`."""
    return _points(folder / "beyond.gpkg", [*FIELDS, (0, 9), (3, 9), (4, 12)])


def land_points_one_forest(folder):
    """`land_points` of which one only is of the forest."""
    crops = [field for field in FIELDS if cover_of(*field) == "crop"]
    return _points(folder / "one_forest.gpkg", [*crops, (0, 1)])


def land_points_of_crop(folder):
    """`land_points` of the crop alone."""
    return _points(folder / "crop.gpkg", [field for field in FIELDS if cover_of(*field) == "crop"])


def land_points_in_one_place(folder):
    """Points on `land` of which those of the forest lie in one field."""
    crops = [field for field in FIELDS if cover_of(*field) == "crop"]
    rows = [*(32 * row + 16 for row, _ in crops), *range(4, 20)]
    return write_points(folder / "one_place.gpkg", rows, [*(32 * col + 16 for _, col in crops), *[40] * 16],
                        [*["crop"] * len(crops), *["forest"] * 16])


def land_east(folder):
    """`land` whose western half was not measured."""
    with rasterio.open(land(folder)) as source:
        values = source.read()
    values[:, :, :128] = 0
    return write_raster(folder / "east.tif", values, nodata=0, names=["B04", "B08"])


def land_points_of_the_west(folder):
    """`land_points` of the western half."""
    return _points(folder / "west.gpkg", [field for field in FIELDS if field[1] < 4])


def land_constant(folder):
    """As large as `land`, with one value in each of two bands."""
    return write_raster(folder / "constant.tif", np.array([500, 900], np.uint16)[:, None, None].repeat(256, 1).repeat(256, 2), names=["B04", "B08"])


def land_five_bands(folder):
    """`land` with its first band twice, and a band of one value."""
    with rasterio.open(land(folder)) as source:
        red, infrared = source.read()
    bands = np.stack([red, infrared, red, np.full_like(red, 7), infrared])
    return write_raster(folder / "five.tif", bands, names=["B04", "B08", "B05", "B06", "B8A"])
