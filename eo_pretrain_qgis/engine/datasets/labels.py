"""Labels drawn on the grid of an image, from polygons, lines, points or a class raster."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize

from ...errors import DataError
from ...progress import SILENT, Progress
from ..rasters.class_names import classes_of_layer
from ..rasters.grid import Grid, Window, blocks
from ..rasters.nearest import NearestPixels, class_band
from ..rasters.raster import Raster, Scene
from ..rasters.vector import VectorLayer, is_vector, on_grid, repaired, touching
from .dataset import IGNORE
from .joined_labels import JoinedLabels, filled, joined_legend
from .legend import MORE_CLASSES, WHOLE, Legend, check_whole, class_key, without_negative, without_unlabelled

#: Edge of the pieces in which a class raster is searched for its values [px].
SEARCH_SIZE = 2048
#: With more values than this a raster holds measurements and no classes; the search stops.
TOO_MANY_VALUES = 5000


def open_labels(sources: dict | list[dict], grids: list[Grid], *, class_field: str | None = None, class_table: list[dict] | None = None,
                unlabelled: str = "ignored", buffer: float | None = None, progress: Progress = SILENT,
                advice: str = MORE_CLASSES) -> VectorLabels | RasterLabels | JoinedLabels:
    """Reads what the labels are, as far as they matter for some images.

    Args:
        sources: a job's layer values, rasters or vectors; the classes are those of all of them.
        grids: of the images to be labelled.
        class_field: field with the class; None makes all features one class.
        class_table: rows value, name, color of the classes wanted; None takes all values.
        unlabelled: "ignored" or "background".
        buffer: half the width of lines, radius of points [m]; None leaves a point the pixel it lies in.
        progress: also hears messages about what was ignored or repaired.
        advice: what to do where there is one class only.

    Raises:
        DataError: labels that miss the images or cannot make at least two classes, or layers that name one class differently.
    """
    sources = [sources] if isinstance(sources, dict) else sources
    layers: list[VectorLabels | RasterLabels] = []
    missed_all: Missed | None = None
    for number, source in enumerate(sources):
        part = progress.part(number / len(sources), (number + 1) / len(sources))
        try:
            layers.append(_open_layer(source, grids, class_field, buffer, bool(class_table), part))
        except Missed as error:
            missed_all = missed_all or error
            if len(sources) > 1:
                progress.message(f"{error} It is left out.", level="warning")
    if missed_all and not layers:
        raise missed_all
    if class_table and all(layer.whole for layer in layers):
        check_whole(class_table, layers[0].path, set().union(*(layer.found for layer in layers)))
    legend = joined_legend(layers, class_table, unlabelled == "background", progress, advice)
    for layer in layers:
        layer.use(legend)
    return layers[0] if len(layers) == 1 else JoinedLabels(layers, legend)


def labelled_scenes(labels: VectorLabels | RasterLabels | JoinedLabels, scenes: list[Scene], progress: Progress = SILENT) -> list[Scene]:
    """The scenes that labels reach; of others it is said why they are left out, or that they are all background.

    Where a layer of features has none on an image, this may well be empty ground; where a class raster ends, nothing is known.
    """
    kept = []
    for scene in scenes:
        if not labels.reaches(scene.grid):
            empty = labels.legend.unlabelled is not None and labels.everywhere
            what = f"no label lies on {scene.name}: {labels.distance(scene.grid)}."
            if not empty:
                progress.message(f"The image {scene.path} is left out, because {what} Check the CRS of both, or add labels of this place.",
                                 level="warning")
                continue
            progress.message(f"All of {scene.path} is taken for background, because {what}", level="warning")
        kept.append(scene)
    return kept


def _open_layer(source: dict, grids: list[Grid], class_field: str | None, buffer: float | None, listed: bool,
                progress: Progress) -> VectorLabels | RasterLabels:
    if is_vector(source):
        return VectorLabels(source, grids, class_field, buffer, progress)
    plain = {key: value for key, value in source.items() if key not in ("layer", "field")}
    return RasterLabels(Raster(**plain), grids, listed, progress)


class VectorLabels:
    """Polygons, buffered lines and points; where features overlap the later one in the layer counts."""

    #: Whether all ground without a label is known to have none.
    everywhere = True
    #: Whether a value of it is always a whole number.
    whole: bool
    #: Features that lie on none of the images.
    outside: int
    legend: Legend
    categories: dict | None

    def __init__(self, source: dict, grids: list[Grid], class_field: str | None, buffer: float | None, progress: Progress) -> None:
        """Takes the arguments of `open_labels`."""
        progress.at(0, "Reading the labels")
        layer = VectorLayer.open(source)
        self.path, self.buffer = layer.path, buffer or 0.0
        features = repaired(layer.read([class_field] if class_field else []), self.path, progress)
        progress.at(0.5, "Looking for the labels on the images")
        near = self._near(features, grids)
        self.outside, features = len(features) - len(near), near
        if (features.geometry.geom_type.isin(("LineString", "MultiLineString"))).any() and not buffer:
            raise DataError(f"{self.path} holds lines, and a line has no area to label. Give half its width in “Buffer around lines "
                            "and points”.")
        keys = [class_key(value) for value in features[class_field]] if class_field else ["labelled"] * len(features)
        missing = sum(key is None for key in keys)
        if missing:
            progress.message(f"{missing} of {len(keys)} features have no value in the field “{class_field}” and are ignored.",
                             level="warning")
        categories = source.get("categories") or {}
        self.categories = categories if categories.get("field", class_field) == class_field else None
        self.where = f"The field “{class_field}”" if class_field else f"The layer {layer.name}"
        self.found: set[str] = {key for key in keys if key is not None}
        if not self.found:
            raise DataError(f"{self.where} of {self.path} has no value in any feature on the images. Choose another field.")
        self._features, self._keys = features, keys
        self.whole = bool(class_field) and features[class_field].dtype.kind in "iu"
        self._drawn: dict[Grid, Drawing] = {}
        self.facts: dict[str, Any] = {"path": self.path, "layer": layer.name, "field": class_field, "buffer_m": buffer}

    def use(self, legend: Legend) -> None:
        """Takes the classes that were decided on."""
        self.legend = legend
        positions = np.array([IGNORE if key is None else legend.positions.get(key, IGNORE) for key in self._keys], np.uint8)
        self._features, self._positions = self._features[positions != IGNORE], positions[positions != IGNORE]
        self.facts.update(features=len(self._features), unlabelled="ignored" if legend.unlabelled is None else "background")

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Labels (y, x) of a window of an image's grid: positions in the legend, 255 where there is no label."""
        return filled(self.drawn(grid, window), self.legend)

    def drawn(self, grid: Grid, window: Window) -> np.ndarray:
        """As `read`, 255 also where the legend has a class for ground without a label."""
        if grid not in self._drawn:
            self._drawn = {grid: self._drawing(grid)}
        return self._drawn[grid].read(window, IGNORE)

    def contradicted(self, grid: Grid, window: Window) -> np.ndarray:
        """Where features of more than one class lie, of which the last one counts: bool (y, x)."""
        return self.drawn(grid, window) != self._drawn[grid].read(window, IGNORE, first=True)

    def reaches(self, grid: Grid) -> bool:
        """Whether a feature lies on an image."""
        return grid in self._reached

    def distance(self, grid: Grid) -> str:
        """Where the labels and an image lie, in words."""
        return apart(self.path, self._bounds, grid.bounds_in(self._features.crs.to_wkt()))

    def _near(self, features: geopandas.GeoDataFrame, grids: list[Grid]) -> geopandas.GeoDataFrame:
        crs, self._bounds = features.crs.to_wkt(), tuple(features.total_bounds)
        touched = {grid: touching(features, grid.boxes_in(crs, self._window(grid))) for grid in dict.fromkeys(grids)}
        self._reached = {grid for grid, near in touched.items() if near.any()}
        if not self._reached:
            raise missed(self.path, self._bounds, grids[0].bounds_in(crs))
        return features[np.any(list(touched.values()), axis=0)]

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

    def read(self, window: Window, unlabelled: int, first: bool = False) -> np.ndarray:
        """What is drawn in a window, uint8 (y, x), and `unlabelled` where nothing is; where shapes overlap the last one, or the `first`."""
        size = (window.height, window.width)
        around = self.grid.bounds(Window(window.col - 2, window.row - 2, window.width + 4, window.height + 4))
        hits = np.sort(self._tree.query(shapely.box(*around)))
        clipped = shapely.clip_by_rect(self.shapes[hits], *around)  # a coast of a million vertices is not walked for every tile
        shapes = [(shape, int(position)) for shape, position in zip(clipped, self.positions[hits], strict=True) if not shape.is_empty]
        if not shapes:
            return np.full(size, unlabelled, np.uint8)
        ordered = shapes[::-1] if first else shapes
        return rasterize(ordered, size, fill=unlabelled, transform=rasterio.Affine(*self.grid.sub(window).transform), dtype="uint8")


class RasterLabels:
    """The band of a class raster that its symbology shows, or the first, brought onto an image's grid by the nearest pixel."""

    everywhere = False
    whole = True
    legend: Legend
    categories: dict | None

    def __init__(self, raster: Raster, grids: list[Grid], listed: bool, progress: Progress) -> None:
        """Takes arguments of `open_labels`; `listed`: a table says which values are classes."""
        self.raster, self.path, self.where = raster, raster.path, f"The raster {raster.path}"
        self._pixels = NearestPixels(raster, class_band(raster, progress))
        counts, self._reached = values_on(raster, self._pixels.band, grids, "classes, numbered 0 to 254", progress)
        if not counts:
            raise Missed(f"{self.path} has no labelled pixel on the images; all are nodata. Choose another raster or extent.")
        values = sorted(counts)
        known = classes_of_layer(raster, self._pixels.band, progress)
        if not listed:
            named = {value for value, told in known.items() if told.name}
            values = without_unlabelled(without_negative(values, self.path, progress), self.path, raster.dtype, named, progress)
        self.found = {str(value) for value in values}
        self.categories = {"classes": [{"value": str(value), "name": told.name, "color": told.color} for value, told in known.items()]}
        self.facts: dict[str, Any] = {"path": self.path, "kind": "class raster"}

    def use(self, legend: Legend) -> None:
        """Takes the classes that were decided on."""
        self.legend = legend
        pairs = sorted((int(key), position) for key, position in legend.positions.items() if WHOLE.fullmatch(key))
        if not pairs:
            raise DataError(f"The classes are {', '.join(list(legend.positions)[:8])}, but the labels in {self.path} are whole numbers. Leave this "
                            "layer out, or give the other labels the same numbers.")
        self._values, self._positions = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs], np.uint8)
        self.facts["unlabelled"] = "ignored" if legend.unlabelled is None else "background"

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Labels (y, x) of a window of an image's grid: positions in the legend, 255 where there is no label."""
        return filled(self.drawn(grid, window), self.legend)

    def reaches(self, grid: Grid) -> bool:
        """Whether a pixel with a class lies on an image."""
        return grid in self._reached

    def distance(self, grid: Grid) -> str:
        """Where the labels and an image lie, in words."""
        own = self.raster.grid
        return apart(self.path, own.bounds(), grid.bounds_in(own.crs))

    def drawn(self, grid: Grid, window: Window) -> np.ndarray:
        """As `read`, 255 also where the legend has a class for ground without a label."""
        values, valid = self._pixels.read(grid, window)
        place = np.minimum(np.searchsorted(self._values, values), len(self._values) - 1)
        known = valid & (self._values[place] == values)
        return np.where(known, self._positions[place], np.uint8(IGNORE)).astype(np.uint8)


def values_on(raster: Raster, band: int, grids: list[Grid], wanted: str, progress: Progress) -> tuple[Counter[int], set[Grid]]:
    """Value → pixels of a raster around the outlines of images, and the images on which it has any; nodata is left out.

    Args:
        raster: of classes.
        band: that holds them.
        grids: of the images.
        wanted: what the raster should hold, for people.
        progress: told of every piece that is read.

    Raises:
        Missed: the raster lies beside the images.
        DataError: it holds measurements.
    """
    found: Counter[float] = Counter()
    reached: set[Grid] = set()
    own, near = raster.grid, False
    for grid in dict.fromkeys(grids):
        # What is turned against the other may meet in one CRS only.
        areas = [area for area in own.windows_on(grid) if any(not _disjoint(box, grid.bounds()) for box in own.boxes_in(grid.crs, area))]
        near |= bool(areas)
        pieces = [piece for area in areas for piece in blocks(area, SEARCH_SIZE)]
        for done, piece in enumerate(pieces):
            progress.at(done / len(pieces), "Looking for the classes")
            values, valid = raster.read(piece, [band])
            if valid.any():
                reached.add(grid)
            found.update(dict(zip(*(part.tolist() for part in np.unique(values[0][valid], return_counts=True)), strict=True)))
            if len(found) > TOO_MANY_VALUES or any(value != int(value) for value in found):
                example = next((value for value in found if value != int(value)), max(found))
                raise DataError(f"{raster.path} holds measurements and no classes, such as {example:.6g}. Choose a raster of {wanted}.")
    if not near:
        raise missed(raster.path, own.bounds(), grids[0].bounds_in(own.crs))
    return Counter({int(value): pixels for value, pixels in found.items()}), reached


def _disjoint(box: tuple, other: tuple) -> bool:
    return all(map(math.isfinite, box)) and (box[0] >= other[2] or box[2] <= other[0] or box[1] >= other[3] or box[3] <= other[1])


class Missed(DataError):
    """Labels that lie on none of the images."""


def missed(path: str, labels: tuple, images: tuple, what: str = "labels") -> Missed:
    """The sentence for labels, or what else they are called, that lie elsewhere; both boxes are in the labels' CRS."""
    return Missed(f"The {what} {path} do not overlap the images: they reach over {_box(labels)}, and the images over "
                  f"{_box(images)} in the CRS of the {what}. Check the CRS of both layers, or choose {what} of this place.")


def apart(path: str, labels: tuple, image: tuple) -> str:
    """Where labels and an image lie, both boxes in the labels' CRS."""
    return f"{path} reaches over {_box(labels)}, and the image over {_box(image)} in the same CRS"


def _box(box: tuple) -> str:
    return " to ".join(f"({x:.6g}, {y:.6g})" for x, y in (box[:2], box[2:]))
