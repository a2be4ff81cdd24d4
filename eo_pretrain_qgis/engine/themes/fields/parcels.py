"""Parcels as a layer has them, and what of them is a field."""

from __future__ import annotations

from typing import Any

import geopandas
import numpy as np
import shapely

from ....progress import SILENT, Progress
from ...datasets.labels import missed
from ...rasters.grid import Grid
from ...rasters.vector import VectorLayer, on_grid, polygons_of, repaired, touching, valid_areas

#: Ground smaller than this share of a pixel is rounding along a common border and no overlap.
SLIVER = 0.01
#: Fields compared between two signs of life.
BATCH = 10_000


class Parcels:
    """The fields of a layer near some images: single polygons, each once.

    Attributes:
        path: of the layer.
        shapes: polygons in `crs`, in the order of the layer; a parcel of several parts is that many fields (field,).
        crs: of the layer.
        facts: what was found and left out, for the record.
    """

    def __init__(self, path: str, shapes: np.ndarray, crs: str, facts: dict[str, Any]) -> None:
        """Use `open_parcels`."""
        self.path, self.shapes, self.crs, self.facts = path, shapes, crs, facts

    def on(self, grid: Grid) -> np.ndarray:
        """The fields in the CRS of a grid, valid polygons or empty (field,)."""
        return valid_areas(on_grid(geopandas.GeoSeries(self.shapes, crs=self.crs), grid))


def open_parcels(source: dict, grids: list[Grid], progress: Progress = SILENT) -> Parcels:
    """Reads the parcels that lie on some images.

    Invalid polygons are repaired; parcels of several parts become a field for each part; a polygon that is there more than once, such as for two
    crops of one year, counts once.

    Args:
        source: a job's vector value.
        grids: of the images.
        progress: also hears what was left out.

    Raises:
        DataError: no polygons, or parcels that lie elsewhere.
    """
    progress.at(0, "Reading the parcels")
    layer = VectorLayer.open(source)
    features = polygons_of(repaired(layer.read([]), layer.path, progress), layer.path, "parcels are polygons", progress)
    crs = features.crs.to_wkt()
    progress.at(0.3, "Looking for the parcels on the images")
    near = features[np.any([touching(features, grid.boxes_in(crs)) for grid in dict.fromkeys(grids)], axis=0)]
    if near.empty:
        raise missed(layer.path, tuple(features.total_bounds), grids[0].bounds_in(crs), "parcels")
    shapes = shapely.get_parts(np.asarray(near.geometry.values, object))
    _, first = np.unique(shapely.to_wkb(shapely.normalize(shapes)), return_index=True)
    repeated = len(shapes) - len(first)
    if repeated:
        progress.message(f"{repeated} of {len(shapes)} polygons of {layer.path} are there more than once; each counts once.")
    shapes = shapes[np.sort(first)]
    facts = {"path": layer.path, "parcels": len(near), "parts": len(shapes), "repeated": repeated}
    return Parcels(layer.path, shapes, crs, facts)


def count_overlapping(shapes: np.ndarray, pixel_area: float, progress: Progress = SILENT) -> int:
    """How many polygons (n,) share ground with another, of more than rounding; `pixel_area` is in the units of their CRS."""
    tree, found = shapely.STRtree(shapes), [np.zeros(0, np.int64)]
    for begin in range(0, len(shapes), BATCH):
        progress.at(begin / len(shapes), "Looking for parcels that overlap")
        one, other = tree.query(shapes[begin:begin + BATCH], predicate="intersects")
        one += begin
        one, other = one[one < other], other[one < other]
        real = shapely.area(shapely.intersection(shapes[one], shapes[other])) > SLIVER * pixel_area
        found += [one[real], other[real]]
    return len(np.unique(np.concatenate(found)))
