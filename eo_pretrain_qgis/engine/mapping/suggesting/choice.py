"""Which places are most worth labelling: unsure, unlike one another, and not labelled yet.

Uncertainty alone asks for the same thing many times over, because neighbouring pixels and similar fields are unsure together. So places
are chosen one after the other, each by its uncertainty and by its distance from those already chosen (maximal marginal relevance, Carbonell
and Goldstein, SIGIR 1998; the distance is that of k-center, Sener and Savarese, arXiv 1708.00489; for remote sensing compare Demir,
Persello and Bruzzone, IEEE TGRS 49, 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import DROPPED, SPLITS, ClassInfo, Dataset
from ...datasets.footprints import footprint, read_footprints
from ...datasets.subsets import held_ground
from ...looks.class_style import coloured
from ...rasters.grid import PIXEL_TOLERANCE, Grid, Window, tile_windows
from ...rasters.vector import VectorLayer, on_grid, repaired, write_layer
from ..squares import Squares
from .style import suggestions_qml
from .uncertainty import Places

LAYER = "suggestions"
CLASS_FIELD = "class"


@dataclass(frozen=True)
class Candidates:
    """Places that may be suggested.

    Attributes:
        shapes: outlines in the CRS of the image.
        windows: the pixels each lies in.
        masked: whether a place fills its window only in part.
        sources: number of the feature in the layer of polygons given, from 0; empty for tiles.
    """

    grid: Grid
    shapes: list[shapely.Geometry]
    windows: list[Window]
    masked: bool
    sources: tuple[int, ...] = ()

    @property
    def what(self) -> str:
        """What the places are, in the plural."""
        return "polygons" if self.masked else f"tiles of {self.windows[0].width} × {self.windows[0].height} px"

    def places(self) -> Places:
        """Empty sums, one for each candidate."""
        tree = shapely.STRtree([shapely.box(w.col, w.row, w.col + w.width, w.row + w.height) for w in self.windows])

        def find(window: Window) -> list[tuple[int, tuple[slice, slice], np.ndarray | None]]:
            hits = tree.query(shapely.box(window.col, window.row, window.col + window.width, window.row + window.height))
            found = []
            for number in np.sort(hits).tolist():
                common = self.windows[number].intersection(window)
                if common:
                    place = np.s_[common.row - window.row:common.row - window.row + common.height,
                                  common.col - window.col:common.col - window.col + common.width]
                    found.append((number, place, self._mask(number, common)))
            return found

        return Places(np.array([self._pixels(number) for number in range(len(self.windows))]), find)

    def _mask(self, number: int, window: Window) -> np.ndarray | None:
        if not self.masked:
            return None
        transform = rasterio.Affine(*self.grid.sub(window).transform)
        return rasterize([(self.shapes[number], 1)], (window.height, window.width), transform=transform, dtype="uint8").astype(bool)

    def _pixels(self, number: int) -> int:
        window = self.windows[number]
        mask = self._mask(number, window) if self.masked else None
        return window.width * window.height if mask is None else int(mask.sum())


def tile_candidates(grid: Grid, size: int, area: Window) -> Candidates:
    """The tiles that “Create training dataset” cuts without overlap and that lie in an area.

    Raises:
        DataError: when the area holds no whole tile.
    """
    windows = [window for window in tile_windows(grid.width, grid.height, size, size) if window.intersection(area) == window]
    if not windows:
        raise DataError(f"The area of {area.width} × {area.height} pixels holds no whole tile of {size} × {size}. Choose a smaller tile or a "
                        "larger extent.")
    return Candidates(grid, [footprint(grid, window, grid.crs) for window in windows], windows, masked=False)


def square_candidates(squares: Squares, area: Window) -> Candidates:
    """The squares that lie wholly in an area of the image; their windows count squares, as a map of these does.

    Raises:
        DataError: when the area holds none.
    """
    grid, side = squares.grid, squares.side
    cells = [Window(col, row, 1, 1) for row in range(area.row // side, (area.row + area.height) // side + 1)
             for col in range(area.col // side, (area.col + area.width) // side + 1)]
    inside = [cell for cell in cells if (pixels := Window(cell.col * side, cell.row * side, side, side)).intersection(area) == pixels]
    if not inside:
        raise DataError(f"The area of {area.width} × {area.height} pixels holds no whole square of {side} × {side}, which the model answers for. "
                        "Choose a larger extent.")
    return Candidates(squares.image, [footprint(grid, cell, grid.crs) for cell in inside], inside, masked=False)


def polygon_candidates(source: dict, grid: Grid, area: Window, progress: Progress = SILENT) -> Candidates:
    """The polygons of a layer that lie wholly in an area.

    Raises:
        DataError: when none does, or the layer holds no polygons.
    """
    layer = VectorLayer.open(source)
    features = repaired(layer.read([]), layer.path, progress)
    polygons = features[features.geometry.geom_type.isin(("Polygon", "MultiPolygon"))]
    if polygons.empty:
        raise DataError(f"{layer.path} holds no polygons. Choose a layer of polygons, or leave “Areas” empty to rank tiles.")
    shapes, windows, sources = [], [], []
    for number, shape in zip(polygons.index.tolist(), on_grid(polygons.geometry, grid), strict=True):
        left, top, right, bottom = grid.pixel_box(shape.bounds)
        if not np.isfinite([left, top, right, bottom]).all():
            continue
        # The border of a polygon from another CRS may lie beyond that of the image by rounding alone.
        col, row = (int(np.floor(edge + PIXEL_TOLERANCE)) for edge in (left, top))
        window = Window(col, row, *(max(int(np.ceil(end - PIXEL_TOLERANCE)) - start, 1) for end, start in ((right, col), (bottom, row))))
        if window.intersection(area) == window:
            shapes.append(shape)
            windows.append(window)
            sources.append(int(number))
    if not shapes:
        raise DataError(f"No polygon of {layer.path} lies wholly in the area to look at. Check the CRS of the layer, or choose another extent.")
    return Candidates(grid, shapes, windows, masked=True, sources=tuple(sources))


def blocked(candidates: Candidates, dataset: Dataset | None) -> np.ndarray:
    """Which candidates a dataset rules out, bool (candidate,).

    These are places it holds already, and places so near its validation and test tiles that “Create training dataset” would drop them.
    """
    result = np.zeros(len(candidates.shapes), bool)
    if dataset is None:
        return result
    tiles = read_footprints(dataset.folder).to_crs(candidates.grid.crs)
    names = held_ground(tiles)
    step = max(candidates.grid.resolution)
    reach = (dataset.description["split"].get("buffer_px") or dataset.tile_size) * step
    kept = np.isin(names, [SPLITS[0], DROPPED])
    shapes = np.asarray(candidates.shapes, object)
    for shape_set, distance in ((tiles.geometry.values[kept], -0.01 * step), (tiles.geometry.values[~kept], reach - 0.01 * step)):
        if len(shape_set):
            # Series lie at points, which a buffer below 0 would take away.
            reaches = np.where(shapely.get_dimensions(shape_set) < 2, abs(distance), distance)
            tree = shapely.STRtree(shapely.buffer(np.asarray(shape_set), reaches, cap_style="square", join_style="mitre"))
            result[np.unique(tree.query(shapes, predicate="intersects")[0])] = True
    return result


def descriptors(places: Places) -> np.ndarray:
    """What a place looks like and what the models make of it, float64 (place, feature).

    Mean class probabilities, and mean and spread of each band in units of the spread of the training pixels, each group scaled to the same
    total variance, so that many bands do not drown the classes.
    """
    means = places.mean("values")
    spreads = np.sqrt((places.mean("squares") - means**2).clip(0))
    groups = [places.mean("probabilities"), np.concatenate([means, spreads], 1)]
    return np.concatenate([(group - group.mean(0)) / max(float(np.sqrt(group.var(0).sum())), 1e-9) for group in groups], 1)


def choose(uncertainty: np.ndarray, features: np.ndarray, count: int, diversity: float, progress: Progress = SILENT) -> np.ndarray:
    """Chooses places one after the other.

    Each step takes the place with the largest (1 - diversity) · uncertainty + diversity · distance to the nearest place chosen, both scaled
    to 0 to 1 over all places; the first is the most unsure one.

    Args:
        uncertainty: of each place (n,).
        features: of each place (n, feature).
        count: places wanted.
        diversity: 0 to 1.
        progress: told how far it is.

    Returns:
        Positions of the chosen, best first.
    """
    low, high = uncertainty.min(), uncertainty.max()
    unsure = (uncertainty - low) / max(high - low, 1e-12)
    nearest, largest = np.full(len(unsure), np.inf), 0.0
    chosen: list[int] = []
    for _ in range(min(count, len(unsure))):
        progress.at(len(chosen) / count, "Choosing the places")
        far = nearest / largest if chosen and largest > 0 else np.zeros(len(unsure))
        merit = (1 - diversity) * unsure + diversity * far
        merit[chosen] = -np.inf
        best = int(np.argmax(merit)) if chosen else int(np.argmax(unsure))
        chosen.append(best)
        nearest = np.minimum(nearest, np.sqrt(((features - features[best]) ** 2).sum(1)))
        largest = largest or float(nearest.max())
    return np.array(chosen)


def write_suggestions(path: str, candidates: Candidates, chosen: np.ndarray, places: Places, measures: dict[str, np.ndarray], measure: str,
                      classes: Sequence[ClassInfo], progress: Progress = SILENT) -> None:
    """Writes the chosen places as a layer to be labelled in QGIS, with a form that lists the classes.

    `measures` holds the measures of all places by name. Fields: rank, uncertainty (the measure asked for), the other measures, valid (share
    of valid pixels), predicted (class the models see most of), share (its mean probability), class (empty, for the analyst: a value of the
    model's classes) and note (empty text); feature, for polygons, is the number of the polygon in its layer.

    Raises:
        DataError: disk full, not permitted, or open elsewhere.
    """
    shares = places.mean("probabilities")[chosen]
    columns = {"rank": np.arange(1, len(chosen) + 1), "uncertainty": measures[measure][chosen].round(4)}
    columns |= {name: values[chosen].round(4) for name, values in measures.items() if name != measure}
    columns |= {"valid": places.valid_share[chosen].round(4), "predicted": np.array([classes[top].name for top in shares.argmax(1)], object),
                "share": shares.max(1).round(4)}
    if candidates.sources:
        columns["feature"] = np.array(candidates.sources)[chosen]
    table = geopandas.GeoDataFrame(columns, geometry=[candidates.shapes[number] for number in chosen], crs=candidates.grid.crs)
    table[CLASS_FIELD] = np.full(len(chosen), np.nan)
    table[CLASS_FIELD] = table[CLASS_FIELD].astype("Int32")
    table["note"] = np.full(len(chosen), None, object)
    write_layer(path, LAYER, table, suggestions_qml([(row.value, row.name, row.color) for row in coloured(classes)], CLASS_FIELD), progress)
