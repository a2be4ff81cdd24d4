"""Labels drawn on the grid of an image, from polygons, lines, points or a class raster."""

from __future__ import annotations

import math
import re
from typing import Any

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.enums import Resampling
from rasterio.features import rasterize
from rasterio.vrt import WarpedVRT

from ..errors import DataError
from ..report import SILENT, Report
from .dataset import IGNORE
from .grid import Grid, Window, blocks
from .legend import Legend, class_key, make_legend, without_negative
from .raster import Raster
from .vector import VectorLayer, layer_names, repaired

#: Edge of the pieces in which a class raster is searched for its values [px].
SEARCH_SIZE = 2048
#: Error allowed in placing a pixel of a class raster [its pixels]; GDAL takes no 0.
LABEL_TOLERANCE = 0.01
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
    if source.get("layer") or layer_names(source["path"].partition("|layername=")[0]):
        return VectorLabels(source, grids, class_field, class_table, background, buffer, report)
    plain = {key: value for key, value in source.items() if key not in ("layer", "field")}
    return RasterLabels(Raster(**plain), grids, class_table, background, report)


class VectorLabels:
    """Polygons, buffered lines and points; where features overlap the later one in the layer counts."""

    def __init__(self, source: dict, grids: list[Grid], class_field: str | None, class_table: list[dict] | None, background: bool,
                 buffer: float | None, report: Report) -> None:
        """Takes the arguments of `open_labels`."""
        self.path, self.buffer = source["path"], buffer or 0.0
        report.progress(0, "Reading the labels")
        layer = VectorLayer.open(source)
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
        boxes = [grid.bounds_in(features.crs.to_wkt(), self._window(grid)) for grid in dict.fromkeys(grids)]
        reachable = [shapely.box(*box) for box in boxes if all(math.isfinite(value) for value in box)]
        near = features[features.intersects(shapely.union_all(reachable))]
        if near.empty:
            raise missed(self.path, tuple(features.total_bounds), boxes[0])
        return near

    def _window(self, grid: Grid) -> Window:
        """The grid and the buffer around it."""
        x, y = (math.ceil(self.buffer / metres) + 1 for metres in grid.metres_per_pixel())
        return Window(-x, -y, grid.width + 2 * x, grid.height + 2 * y)

    def _drawing(self, grid: Grid) -> Drawing:
        box = shapely.box(*grid.bounds_in(self._features.crs.to_wkt(), self._window(grid)))
        chosen = np.asarray(self._features.intersects(box))
        shapes, positions = self._features.geometry[chosen], self._positions[chosen]
        own = shapes.to_crs(grid.crs)
        thin = np.asarray(shapes.geom_type.isin(("LineString", "MultiLineString", "Point", "MultiPoint")))
        if not self.buffer or not thin.any():
            return Drawing(grid, own.values, positions)
        # Metres are true around the middle of this projection, to a thousandth over the width of a Sentinel scene.
        longitude, latitude = grid.centre_lonlat()
        local = f"+proj=aeqd +lat_0={latitude:.6f} +lon_0={longitude:.6f} +datum=WGS84 +units=m"
        wide = shapes[thin].to_crs(local).buffer(self.buffer).to_crs(grid.crs)
        # The line itself is drawn after its buffer: one narrower than a pixel would have gaps.
        order = np.argsort(np.concatenate([np.flatnonzero(thin), np.arange(len(own))]), kind="stable")
        return Drawing(grid, np.concatenate([wide.values, own.values])[order], np.concatenate([positions[thin], positions])[order])


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
    """The first band of a class raster, brought onto an image's grid by the nearest pixel."""

    def __init__(self, raster: Raster, grids: list[Grid], class_table: list[dict] | None, background: bool, report: Report) -> None:
        """Takes the arguments of `open_labels`."""
        self.raster, self.path = raster, raster.path
        if len(raster.band_names) > 1:
            report.message(f"{self.path} has {len(raster.band_names)} bands; the first one is taken for the classes.", level="warning")
        values = self._search(grids, report)
        if not class_table:
            values = without_negative(values, self.path, report)
        categories = raster.categories or {"classes": self._colormap(values)}
        found, where = {str(value) for value in values}, f"The raster {self.path}"
        self.legend: Legend = make_legend(found, where, class_table, categories, background, report)
        pairs = sorted((int(key), position) for key, position in self.legend.positions.items() if re.fullmatch(r"-?\d{1,18}", key))
        self._values, self._positions = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs], np.uint8)
        self._warped: dict[Grid, WarpedVRT] = {}
        self.facts: dict[str, Any] = {"path": self.path, "kind": "class raster", "unlabelled": "background" if background else "ignored"}

    def __getstate__(self) -> dict:
        """Open files stay behind when the labels are copied or sent to another process."""
        return {**self.__dict__, "_warped": {}}

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Labels (y, x) of a window of an image's grid: positions in the legend, 255 where there is no label."""
        if grid.same_as(self.raster.grid):
            read, valid = self.raster.read(window, [0])
            values = read[0]
        else:
            values, valid = self._read_warped(grid, window)
        place = np.minimum(np.searchsorted(self._values, values), len(self._values) - 1)
        known = valid & (self._values[place] == values)
        unlabelled = IGNORE if self.legend.unlabelled is None else self.legend.unlabelled
        return np.where(known, self._positions[place], np.uint8(unlabelled)).astype(np.uint8)

    def _read_warped(self, grid: Grid, window: Window) -> tuple[np.ndarray, np.ndarray]:
        if grid not in self._warped:
            for old in self._warped.values():
                old.close()
            self._warped = {grid: WarpedVRT(
                self.raster.dataset, src_crs=self.raster.grid.crs, crs=grid.crs, transform=rasterio.Affine(*grid.transform),
                width=grid.width, height=grid.height, resampling=Resampling.nearest, add_alpha=True, tolerance=LABEL_TOLERANCE)}
        warped, part = self._warped[grid], rasterio.windows.Window(window.col, window.row, window.width, window.height)
        values, alpha = warped.read(1, window=part), warped.read(warped.count, window=part)
        return values, (alpha > 0) & self._is_label(values)

    def _is_label(self, values: np.ndarray) -> np.ndarray:
        return np.isfinite(values) & ~np.isin(values, self.raster.nodata_of(0))

    def _search(self, grids: list[Grid], report: Report) -> list[int]:
        """Every value of the raster on the images."""
        found: set[float] = set()
        label_grid, reached = self.raster.grid, False
        for grid in dict.fromkeys(grids):
            box = grid.bounds_in(label_grid.crs)
            try:
                area = label_grid.window_of({"box": box, "crs": ""})
            except DataError:
                continue
            reached = True
            pieces = blocks(area, SEARCH_SIZE)
            for done, piece in enumerate(pieces):
                report.progress(done / len(pieces), "Looking for the classes")
                values, valid = self.raster.read(piece, [0])
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
            table = self.raster.dataset.colormap(1)
        except ValueError:
            return []
        return [{"value": str(value), "color": "#{:02x}{:02x}{:02x}".format(*table[value][:3])} for value in values if value in table]


def missed(path: str, labels: tuple, images: tuple) -> DataError:
    """The sentence for labels that lie elsewhere; both boxes are in the labels' CRS."""
    return DataError(f"The labels {path} do not overlap the images: they reach over {_box(labels)}, and the images over "
                     f"{_box(images)} in the CRS of the labels. Check the CRS of both layers, or choose labels of this place.")


def _box(box: tuple) -> str:
    return " to ".join(f"({x:.6g}, {y:.6g})" for x, y in (box[:2], box[2:]))
