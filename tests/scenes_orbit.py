"""Whole scenes of Sentinel-1 on a coarse map, with the outlines and angles of real products but simulated backscatter.

Tie points (longitude, latitude, incidence angle) are of the annotations of two products, evenly picked: rows along the flight, near range first
(Copernicus Sentinel data 2021 and 2022, kept by stactools-packages/sentinel1).
"""

import geopandas
import numpy as np
import pyproj
import rasterio
import shapely
from rasterio.control import GroundControlPoint
from rasterio.features import geometry_mask
from rasterio.transform import from_origin

from .scenes import write_raster
from .scenes_ice import POLAR
from .scenes_ice_maps import OLD, WATER

EW_NAME = "S1A_EW_GRDM_1SDH_20221130T014342_20221130T014446_046117_058549_BB15"
IW_NAME = "s1a-iw-grd-hh-20210809t173953-20210809t174018-039156-049f13-002"
EW_TIES = np.array([
    ((102.7865, 80.1140, 18.883), (98.3059, 80.6851, 27.073), (93.2798, 81.1932, 34.387), (87.6914, 81.6269, 40.805), (81.5954, 81.9724, 46.360)),
    ((98.9822, 79.2557, 19.009), (94.7263, 79.7769, 27.125), (90.0144, 80.2401, 34.424), (84.8670, 80.6329, 40.841), (79.3528, 80.9440, 46.394)),
    ((96.3203, 78.5007, 18.919), (92.2135, 78.9930, 27.109), (87.7516, 79.4253, 34.421), (82.9451, 79.7898, 40.835), (77.8526, 80.0778, 46.388)),
    ((93.9329, 77.7313, 18.939), (90.0066, 78.1941, 27.127), (85.7856, 78.5988, 34.437), (81.2837, 78.9390, 40.850), (76.5561, 79.2076, 46.401)),
    ((91.6516, 76.8791, 18.962), (87.9162, 77.3136, 27.149), (83.9379, 77.6923, 34.457), (79.7318, 78.0101, 40.868), (75.3484, 78.2609, 46.417)),
])
IW_TIES = np.array([
    ((1.9299, 44.5353, 30.475), (3.0789, 44.6887, 36.704), (4.0536, 44.8093, 41.387), (5.1910, 44.9389, 46.230)),
    ((1.7843, 45.0756, 30.489), (2.9393, 45.2286, 36.683), (3.9223, 45.3491, 41.358), (5.0678, 45.4782, 46.180)),
    ((1.6337, 45.6154, 30.479), (2.7941, 45.7679, 36.634), (3.7876, 45.8885, 41.319), (4.9454, 46.0176, 46.153)),
    ((1.5133, 46.0340, 30.454), (2.6768, 46.1861, 36.572), (3.6774, 46.3067, 41.258), (4.8482, 46.4362, 46.125)),
])


def write_swath(path, ties=EW_TIES, crs=POLAR, pixel=2000.0, columns=slice(None)):
    """HH and HV [dB]: ice in the first half of the rows, then water, and -99 outside the outline, or that of some columns of its tie points."""
    ties = ties[:, columns]
    x, y = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(ties[..., 0], ties[..., 1])
    ring = [np.concatenate([axis[0], axis[1:, -1], axis[-1, -2::-1], axis[-2:0:-1, 0]]) for axis in (x, y)]
    west, north = (x.min() // pixel - 2) * pixel, (y.max() // pixel + 3) * pixel
    shape = tuple(int(np.ptp(axis) / pixel) + 6 for axis in (y, x))
    transform = from_origin(west, north, pixel, pixel)
    outside = geometry_mask([shapely.Polygon(np.column_stack(ring))], shape, transform)
    hh = np.where(np.arange(shape[0])[:, None] < shape[0] // 2, OLD, WATER) + np.zeros(shape)
    bands = np.where(outside, -99, np.stack([hh, hh - 8])).astype(np.float32)
    return write_raster(path, bands, crs=crs, nodata=-99, transform=transform, names=["HH", "HV"])


def ice_swath(folder):
    """A whole EW scene with the name of its product."""
    return write_swath(folder / f"{EW_NAME}.tif")


def ice_swath_unnamed(folder):
    """The same under a name that says nothing."""
    return write_swath(folder / "swath.tif")


def ice_swath_part(folder):
    """Its half far from the satellite."""
    return write_swath(folder / f"{EW_NAME}.tif", columns=slice(2, None))


def ice_swath_polygons(folder):
    """Three polygons of ice and three of water on `ice_swath`, side by side along the middle of the swath, in “cover”."""
    middle = EW_TIES[:, 1:4]
    x, y = pyproj.Transformer.from_crs("OGC:CRS84", POLAR, always_xy=True).transform(middle[..., 0], middle[..., 1])
    half = (y.max() // 2000 + 3) * 2000 - 2000 * ((int(np.ptp(y) / 2000) + 6) // 2)
    places = [(cover, east, half + (40_000 if cover == "ice" else -100_000)) for cover in ("ice", "water") for east in (-70_000, 0, 70_000)]
    shapes = [shapely.box(x.mean() + east, low, x.mean() + east + 60_000, low + 60_000) for _, east, low in places]
    geopandas.GeoDataFrame({"cover": [cover for cover, *_ in places]}, geometry=shapes, crs=POLAR).to_file(folder / "polygons.gpkg")
    return folder / "polygons.gpkg"


def ice_swath_points(folder):
    """Water as the radar sees it, 420 x 430 px placed by the tie points of the whole EW scene."""
    path, (lines, pixels) = folder / f"{EW_NAME}.tif", EW_TIES.shape[:2]
    bands = np.random.default_rng(6).normal([[[WATER]], [[WATER - 8]]], 0.5, (2, 430, 420)).astype(np.float32)
    points = [GroundControlPoint(430 * row / (lines - 1), 420 * col / (pixels - 1), *EW_TIES[row, col, :2])
              for row in range(lines) for col in range(pixels)]
    with rasterio.open(path, "w", driver="GTiff", count=2, height=430, width=420, dtype="float32", gcps=points, crs="EPSG:4326") as target:
        target.write(bands)
        for number, name in enumerate(("HH", "HV"), 1):
            target.set_band_description(number, name)
    return path
