"""Footprints of tiles: the vector layer an analyst drags into QGIS, styled by split."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import shapely

from ..outputs import explained
from . import sources
from .category_style import Category, categorized, color_option
from .dataset import DROPPED, SPLITS, TILES
from .grid import Grid, Window
from .vector import write_layer

LAYER = "tiles"
COLORS = dict(zip((*SPLITS, DROPPED), ("#1f77b4", "#ff7f0e", "#d62728", "#bbbbbb"), strict=True))
LABELS = {DROPPED: "dropped: too near another split"}


def footprint(grid: Grid, window: Window, crs: str) -> shapely.Polygon:
    """The outline of a window of a grid, in another CRS when that differs."""
    outline = shapely.box(*grid.bounds(window))
    if crs == grid.crs:
        return outline
    step = max(grid.resolution) * max(window.width, window.height) / 8
    return geopandas.GeoSeries([shapely.segmentize(outline, step)], crs=grid.crs).to_crs(crs).iloc[0]


def write_footprints(path: str | Path, tiles: geopandas.GeoDataFrame) -> None:
    """Writes tiles as a GeoPackage and their style beside it, as ``.qml``.

    Raises:
        DataError: disk full, not permitted, or open elsewhere.
    """
    write_layer(path, LAYER, tiles)
    style = Path(path).with_suffix(".qml")
    with explained(style):
        style.write_text(_style(points=set(tiles.geom_type.dropna()) == {"Point"}), encoding="utf-8")


def copy_footprints(folder: str | Path, path: str | Path) -> None:
    """Writes the footprints of a dataset folder elsewhere."""
    write_footprints(path, read_footprints(folder))


def read_footprints(folder: str | Path) -> geopandas.GeoDataFrame:
    """The tiles of a dataset folder with their outlines, in the order of the arrays."""
    with sources.vector(str(Path(folder) / TILES)) as opened:
        return geopandas.read_file(opened, layer=LAYER, engine="pyogrio").sort_values("tile", ignore_index=True)


def pixel_boxes(tiles: geopandas.GeoDataFrame, grid: Grid) -> np.ndarray:
    """Left, top, right, bottom of every tile (n, 4) in pixels of one grid."""
    return np.array([grid.pixel_box(tuple(bounds)) for bounds in tiles.geometry.bounds.to_numpy()])


def _style(points: bool) -> str:
    """The QML of a layer of outlines, or of points."""
    shape = {"name": "circle", "size": "1.6"} if points else {"outline_width": "0.4", "style": "solid"}
    opacity = 255 if points else 60
    return categorized("split", "marker" if points else "fill", [
        Category(split, LABELS.get(split, split), {"color": color_option(color, opacity), "outline_color": color_option(color), **shape})
        for split, color in COLORS.items()])
