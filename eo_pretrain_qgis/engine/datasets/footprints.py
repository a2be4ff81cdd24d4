"""Footprints of tiles: the vector layer an analyst drags into QGIS, styled by split."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import geopandas
import numpy as np
import shapely

from ...errors import DataError
from ..looks.category_style import Category, categorized, color_option
from ..rasters.grid import Grid, Window, full_turn
from ..rasters.vector import write_layer
from .dataset import ADVICE, DROPPED, SPLITS, TILES, Dataset, numbers, read_tiles

LAYER = "tiles"
COLORS = dict(zip((*SPLITS, DROPPED), ("#1f77b4", "#ff7f0e", "#d62728", "#bbbbbb"), strict=True))
LABELS = {DROPPED: "dropped: too near another split, or of a named subset"}


def footprint(grid: Grid, window: Window, crs: str) -> shapely.Polygon:
    """The outline of a window of a grid, in another CRS when that differs; in longitudes it goes on beyond 180°."""
    outline = shapely.box(*grid.bounds(window))
    if crs == grid.crs:
        return outline
    step = max(grid.resolution) * max(window.width, window.height) / 8
    moved = geopandas.GeoSeries([shapely.segmentize(outline, step)], crs=grid.crs).to_crs(crs).iloc[0]
    turn = full_turn(crs)
    if turn and moved.bounds[2] - moved.bounds[0] > turn / 2:
        return shapely.transform(moved, lambda points: np.stack([points[:, 0] % turn, points[:, 1]], 1))
    return moved


def write_footprints(path: str | Path, tiles: geopandas.GeoDataFrame) -> None:
    """Writes tiles as a GeoPackage with their style.

    Raises:
        DataError: disk full, not permitted, or open elsewhere.
    """
    write_layer(path, LAYER, tiles, _style(points=set(tiles.geom_type.dropna()) == {"Point"}))


def copy_footprints(folder: str | Path, path: str | None) -> dict[str, str]:
    """Writes the footprints of a dataset folder elsewhere, where that is wanted, and gives the path as a result of a job."""
    if not path:
        return {}
    write_footprints(path, read_footprints(folder))
    return {"footprints": path}


def read_footprints(folder: str | Path, fields: Iterable[str] = ()) -> geopandas.GeoDataFrame:
    """The tiles of a dataset folder with their outlines, in the order of the arrays.

    Args:
        folder: of the dataset.
        fields: that must hold numbers.

    Raises:
        DataError: when the file is missing or damaged, lacks one of the fields, or has outlines that are no squares or points.
    """
    path, tiles = Path(folder) / TILES, read_tiles(folder)
    for name in fields:
        numbers(tiles, name, path)
    known = tiles.geometry[~tiles.geometry.isna()]
    if not known.geom_type.isin(("Polygon", "Point")).all() or known.is_empty.any() or not np.isfinite(known.bounds.to_numpy()).all():
        raise DataError(f"{path} has outlines that are no squares or points. {ADVICE}")
    if len(known) and tiles.crs is None:
        raise DataError(f"{path} does not say in which coordinate system its tiles lie. {ADVICE}")
    return tiles


def middle_of_places(dataset: Dataset) -> tuple[float, float] | None:
    """Longitude and latitude of the middle of the tiles of a dataset, degrees; None where it does not know their places."""
    places = read_footprints(dataset.folder).geometry.dropna()
    if not len(places):
        return None
    longitude, latitude = places.representative_point().to_crs("EPSG:4326").get_coordinates().median()
    return float(longitude), float(latitude)


def pixel_boxes(tiles: geopandas.GeoDataFrame, grid: Grid) -> np.ndarray:
    """Left, top, right, bottom of every tile (n, 4) in pixels of one grid, in whose CRS they are brought."""
    if tiles.crs is not None and not tiles.crs.equals(grid.crs, ignore_axis_order=True):
        tiles = tiles.to_crs(grid.crs)
    return np.array([grid.pixel_box(tuple(bounds)) for bounds in tiles.geometry.bounds.to_numpy()])


def _style(points: bool) -> str:
    """The QML of a layer of outlines, or of points."""
    shape = {"name": "circle", "size": "1.6"} if points else {"outline_width": "0.4", "style": "solid"}
    opacity = 255 if points else 60
    return categorized("split", "marker" if points else "fill", [
        Category(split, LABELS.get(split, split), {"color": color_option(color, opacity), "outline_color": color_option(color), **shape})
        for split, color in COLORS.items()])
