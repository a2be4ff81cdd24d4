"""Labels drawn on the grid of an image, from polygons, lines, points or a class raster."""

from __future__ import annotations

import math
import re
from typing import Any

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize

from ..errors import DataError
from ..report import SILENT, Report
from .dataset import IGNORE
from .grid import Grid, Window, blocks
from .legend import Legend, class_key, make_legend
from .nearest import NearestPixels, class_band
from .raster import Raster
from .vector import VectorLayer, is_vector, on_grid, repaired, touching

#: Edge of the pieces in which a class raster is searched for its values [px].
SEARCH_SIZE = 2048
#: With more values than this a raster holds measurements and no classes; the search stops.
TOO_MANY_VALUES = 5000


def open_labels(source: dict, grids: list[Grid], *, class_field: str | None = None, class_table: list[dict] | None = None,
                unlabelled: str = "ignored", buffer: float | None = None, report: Report = SILENT) -> VectorLabels | RasterLabels:
    """Reads what the labels are, as far as they matter for some images.

    Args:
        source: a job's layer value, raster or vector.
        grids: of the images to be labelled.
        class_field: field with the class; None makes all features one class.
        class_table: rows value, name, color of the classes wanted; None takes all values.
        unlabelled: "ignored" or "background".
        buffer: half the width of lines, radius of points [m]; None leaves a point the pixel it lies in.
        report: progress, and messages about what was ignored or repaired.

    Raises:
        DataError: labels that miss the images or cannot make at least two classes.
    """
    background = unlabelled == "background"
    if is_vector(source):
        return VectorLabels(source, grids, class_field, class_table, background, buffer, report)
    plain = {key: value for key, value in source.items() if key not in ("layer", "field")}
    return RasterLabels(Raster(**plain), grids, class_table, background, report)


class VectorLabels:
    """Polygons, buffered lines and points; where features overlap the later one in the layer counts."""

    def __init__(self, source: dict, grids: list[Grid], class_field: str | None, class_table: list[dict] | None, background: bool,
                 buffer: float | None, report: Report) -> None:
        """Takes the arguments of `open_labels`."""
        report.progress(0, "Reading the labels")
        layer = VectorLayer.open(source)
        self.path, self.buffer = layer.path, buffer or 0.0
        features = repaired(layer.read([class_field] if class_field else []), self.path, report)
        report.progress(0.5, "Looking for the labels on the images")
        features = self._near(features, grids)
        if (features.geometry.geom_type.isin(("LineString", "MultiLineString"))).any() and not buffer:
            raise DataError(f"{self.path} holds lines, and a line has no area to label. Give half its width in “Buffer around lines "
                            "and points”.")
        keys = [class_key(value) for value in features[class_field]] if class_field else ["labelled"] * len(features)
        missing = sum(key is None for key in keys)
        if missing:
            report.message(f"{missing} of {len(keys)} features have no value in the field “{class_field}” and are ignored.",
                           level="warning")
        categories = source.get("categories") or {}
        styled = categories if categories.get("field", class_field) == class_field else None
        where = f"The field “{class_field}”" if class_field else f"The layer {layer.name}"
        found = {key for key in keys if key is not None}
        if not found:
            raise DataError(f"{where} of {self.path} has no value in any feature on the images. Choose another field.")
        self.legend: Legend = make_legend(found, where, class_table, styled, background, report)
        positions = np.array([self.legend.positions.get(key, IGNORE) if key is not None else IGNORE for key in keys], np.uint8)
        self._features, self._positions = features[positions != IGNORE], positions[positions != IGNORE]
        self._drawn: dict[Grid, Drawing] = {}
        self.facts: dict[str, Any] = {"path": self.path, "layer": layer.name, "field": class_field, "features": len(self._features),
                                      "buffer_m": buffer, "unlabelled": "background" if background else "ignored"}

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Labels (y, x) of a window of an image's grid: positions in the legend, 255 where there is no label."""
        if grid not in self._drawn:
            self._drawn = {grid: self._drawing(grid)}
        return self._drawn[grid].read(window, IGNORE if self.legend.unlabelled is None else self.legend.unlabelled)

    def _near(self, features: geopandas.GeoDataFrame, grids: list[Grid]) -> geopandas.GeoDataFrame:
        crs = features.crs.to_wkt()
        near = features[touching(features, [box for grid in dict.fromkeys(grids) for box in grid.boxes_in(crs, self._window(grid))])]
        if near.empty:
            raise missed(self.path, tuple(features.total_bounds), grids[0].bounds_in(crs))
        return near

    def _window(self, grid: Grid) -> Window:
        """The grid and the buffer around it."""
        x, y = (math.ceil(self.buffer / metres) + 1 for metres in grid.metres_per_pixel())
        return Window(-x, -y, grid.width + 2 * x, grid.height + 2 * y)

    def _drawing(self, grid: Grid) -> Drawing:
        chosen = touching(self._features, grid.boxes_in(self._features.crs.to_wkt(), self._window(grid)))
        shapes, positions = self._features.geometry[chosen], self._positions[chosen]
        own = on_grid(shapes, grid)
        thin = np.asarray(shapes.geom_type.isin(("LineString", "MultiLineString", "Point", "MultiPoint")))
        if not self.buffer or not thin.any():
            return Drawing(grid, own, positions)
        # Metres are true around the middle of this projection, to a thousandth over the width of a Sentinel scene.
        longitude, latitude = grid.centre_lonlat()
        local = f"+proj=aeqd +lat_0={latitude:.6f} +lon_0={longitude:.6f} +datum=WGS84 +units=m"
        wide = on_grid(shapes[thin].to_crs(local).buffer(self.buffer), grid)
        # The line itself is drawn after its buffer: one narrower than a pixel would have gaps.
        order = np.argsort(np.concatenate([np.flatnonzero(thin), np.arange(len(own))]), kind="stable")
        return Drawing(grid, np.concatenate([wide, own])[order], np.concatenate([positions[thin], positions])[order])


class Drawing:
    """Geometries in the CRS of one grid, ready to be drawn window by window."""

    def __init__(self, grid: Grid, shapes: np.ndarray, positions: np.ndarray) -> None:
        """Takes shapes (n,) in the CRS of the grid and what is drawn for each, uint8 (n,); where they overlap the later one counts."""
        self.grid, self.shapes, self.positions = grid, np.asarray(shapes, object), positions
        self._tree = shapely.STRtree(self.shapes)

    def read(self, window: Window, unlabelled: int) -> np.ndarray:
        """What is drawn in a window, uint8 (y, x), and `unlabelled` where nothing is."""
        size = (window.height, window.width)
        around = self.grid.bounds(Window(window.col - 2, window.row - 2, window.width + 4, window.height + 4))
        hits = np.sort(self._tree.query(shapely.box(*around)))
        clipped = shapely.clip_by_rect(self.shapes[hits], *around)  # a coast of a million vertices is not walked for every tile
        shapes = [(shape, int(position)) for shape, position in zip(clipped, self.positions[hits], strict=True) if not shape.is_empty]
        if not shapes:
            return np.full(size, unlabelled, np.uint8)
        return rasterize(shapes, size, fill=unlabelled, transform=rasterio.Affine(*self.grid.sub(window).transform), dtype="uint8")


class RasterLabels:
    """The band of a class raster that its symbology shows, or the first, brought onto an image's grid by the nearest pixel."""

    def __init__(self, raster: Raster, grids: list[Grid], class_table: list[dict] | None, background: bool, report: Report) -> None:
        """Takes the arguments of `open_labels`."""
        self.raster, self.path = raster, raster.path
        self._pixels = NearestPixels(raster, class_band(raster, report))
        values = self._search(grids, report)
        negative = [value for value in values if value < 0]
        if negative and not class_table:
            report.message(f"{self.path} has the values {', '.join(map(str, negative[:8]))}; below 0 is no class and is ignored. "
                           "List it in “Classes” to use it.", level="warning")
            values = [value for value in values if value >= 0]
        categories = raster.categories or {}
        if not categories.get("classes"):
            categories = {"classes": self._colormap(values)}
        found, where = {str(value) for value in values}, f"The raster {self.path}"
        self.legend: Legend = make_legend(found, where, class_table, categories, background, report)
        pairs = sorted((int(key), position) for key, position in self.legend.positions.items() if re.fullmatch(r"-?\d{1,18}", key))
        self._values, self._positions = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs], np.uint8)
        self.facts: dict[str, Any] = {"path": self.path, "kind": "class raster", "unlabelled": "background" if background else "ignored"}

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Labels (y, x) of a window of an image's grid: positions in the legend, 255 where there is no label."""
        values, valid = self._pixels.read(grid, window)
        place = np.minimum(np.searchsorted(self._values, values), len(self._values) - 1)
        known = valid & (self._values[place] == values)
        unlabelled = IGNORE if self.legend.unlabelled is None else self.legend.unlabelled
        return np.where(known, self._positions[place], np.uint8(unlabelled)).astype(np.uint8)

    def _search(self, grids: list[Grid], report: Report) -> list[int]:
        """Every value of the raster on the images."""
        found: set[float] = set()
        label_grid, reached = self.raster.grid, False
        for grid in dict.fromkeys(grids):
            areas = label_grid.windows_on(grid)
            reached |= bool(areas)
            pieces = [piece for area in areas for piece in blocks(area, SEARCH_SIZE)]
            for done, piece in enumerate(pieces):
                report.progress(done / len(pieces), "Looking for the classes")
                values, valid = self.raster.read(piece, [self._pixels.band])
                found.update(np.unique(values[0][valid]).tolist())
                if len(found) > TOO_MANY_VALUES or any(value != int(value) for value in found):
                    example = next((value for value in found if value != int(value)), max(found))
                    raise DataError(f"{self.path} holds measurements and no classes, such as {example:.6g}. Choose a raster of classes, "
                                    "numbered 0 to 254.")
        if not reached:
            raise missed(self.path, label_grid.bounds(), grids[0].bounds_in(label_grid.crs))
        if not found:
            raise DataError(f"{self.path} has no labelled pixel on the images; all are nodata. Choose another raster or extent.")
        return sorted(int(value) for value in found)

    def _colormap(self, values: list[int]) -> list[dict]:
        """Colours from the colour table in the file, where there is one."""
        try:
            table = self.raster.dataset.colormap(self.raster.indexes[self._pixels.band])
        except ValueError:
            return []
        return [{"value": str(value), "color": "#{:02x}{:02x}{:02x}".format(*table[value][:3])} for value in values if value in table]


def missed(path: str, labels: tuple, images: tuple) -> DataError:
    """The sentence for labels that lie elsewhere; both boxes are in the labels' CRS."""
    return DataError(f"The labels {path} do not overlap the images: they reach over {_box(labels)}, and the images over "
                     f"{_box(images)} in the CRS of the labels. Check the CRS of both layers, or choose labels of this place.")


def _box(box: tuple) -> str:
    return " to ".join(f"({x:.6g}, {y:.6g})" for x, y in (box[:2], box[2:]))
