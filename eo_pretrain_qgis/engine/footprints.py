"""Footprints of tiles: the vector layer an analyst drags into QGIS, styled by split."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import shapely

from .dataset import DROPPED, SPLITS, TILES
from .grid import Grid, Window
from .outputs import explained
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
    return geopandas.read_file(Path(folder) / TILES, layer=LAYER, engine="pyogrio").sort_values("tile", ignore_index=True)


def pixel_boxes(tiles: geopandas.GeoDataFrame, grid: Grid) -> np.ndarray:
    """Left, top, right, bottom of every tile (n, 4) in pixels of one grid."""
    return np.array([grid.pixel_box(tuple(bounds)) for bounds in tiles.geometry.bounds.to_numpy()])


def _style(points: bool) -> str:
    """The QML of a layer of outlines, or of points."""
    categories, symbols = [], []
    for number, (split, color) in enumerate(COLORS.items()):
        label = LABELS.get(split, split)
        categories.append(f'<category type="string" value="{split}" symbol="{number}" label="{label}" render="true"/>')
        red, green, blue = (int(color[at:at + 2], 16) for at in (1, 3, 5))
        options = {"color": f"{red},{green},{blue},{255 if points else 60}", "outline_color": f"{red},{green},{blue},255"}
        options |= {"name": "circle", "size": "1.6"} if points else {"outline_width": "0.4", "style": "solid"}
        told = "".join(f'<Option type="QString" name="{key}" value="{value}"/>' for key, value in options.items())
        kind, layer = ("marker", "SimpleMarker") if points else ("fill", "SimpleFill")
        symbols.append(
            f'<symbol type="{kind}" name="{number}" alpha="1" clip_to_extent="1" force_rhr="0">'
            f'<layer class="{layer}" enabled="1" pass="0" locked="0"><Option type="Map">{told}</Option></layer></symbol>')
    return ("<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
            '<qgis version="3.40" styleCategories="Symbology">\n'
            '<renderer-v2 type="categorizedSymbol" attr="split" symbollevels="0" enableorderby="0">\n'
            f"<categories>{''.join(categories)}</categories>\n<symbols>{''.join(symbols)}</symbols>\n</renderer-v2>\n</qgis>\n")
