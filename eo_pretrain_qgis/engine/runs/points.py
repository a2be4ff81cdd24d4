"""Independent points, such as those of LUCAS, held against the map of a run: none of them on ground it has learned from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import geopandas
import numpy as np
import shapely

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..assessment.lucas import read_lucas
from ..assessment.reference import CLASS_FIELD, first_of_each
from ..assessment.translation import translated
from ..datasets.dataset import SPLITS, Dataset
from ..datasets.footprints import read_footprints
from ..datasets.legend import class_key
from ..datasets.metres import in_metres, plane_around
from ..datasets.source_images import SourceLostError, has_places
from ..mapping.inference import Part
from ..mapping.request import Canvas
from ..rasters.grid import Window
from ..rasters.vector import VectorLayer, repaired
from .answers import Answers
from .blocks import Blocks, squares_of
from .further import Further
from .map_scores import map_image
from .road_scores import grid_of

#: What a model says where it was not asked.
NOTHING = 255
#: Ground that was learned from, and by which the best epoch was chosen.
LEARNED = SPLITS[:2]
#: Side of the smallest squares in which points are drawn together for an interval [m].
SQUARE = 100.0


@dataclass(frozen=True)
class Points:
    """Points with a class of the model.

    Attributes:
        path: of their layer.
        places: where they are (n,).
        truth: position of their class (n,) uint8.
    """

    path: str
    places: geopandas.GeoSeries
    truth: np.ndarray

    def __len__(self) -> int:
        return len(self.truth)

    def only(self, kept: np.ndarray) -> Points:
        """Some of them, bool (n,)."""
        return Points(self.path, self.places[kept], self.truth[kept])


def open_points(asked: Further, dataset: Dataset, progress: Progress = SILENT) -> Points:
    """Reads points and their classes, by the name or the value of a class of the dataset, or by a code that a table makes one.

    Args:
        asked: a point layer and the field with the class, or a table of LUCAS points.
        dataset: whose classes they are held against.
        progress: told of points without a class of the model.

    Raises:
        DataError: a task without classes of pixels, no field, another layer than points, or none of them has a class of the model; or a table of
            LUCAS points that `read_lucas` refuses.
    """
    if not dataset.kind.pixelwise or dataset.kind.dates or not has_places(dataset):
        raise DataError(f"Independent points are held against a map of pixels, and {dataset.folder} has {dataset.kind.words}. Make a dataset of the "
                        "points, and choose it as “Dataset”.")
    if asked.lucas:
        grids = [grid_of(dataset, row["name"]) for row in dataset.description["scenes"]]
        corners = np.array([grid.bounds_in("EPSG:4326") for grid in grids])
        bounds = (*corners[:, :2].min(0).tolist(), *corners[:, 2:].max(0).tolist())
        features, _ = read_lucas(asked.lucas, bounds, (str(dataset.folder), "dataset"), progress)
        return _with_class(features, CLASS_FIELD, (asked.lucas, asked.class_table or "lucas"), dataset, progress)
    layer, field = VectorLayer.open(asked.points or {}), asked.point_field
    if not field:
        raise DataError(f"Nothing says which field of {layer.path} holds the class; it has {', '.join(layer.fields) or 'none'}. Choose one in “Class "
                        "field of the points”.")
    features = repaired(layer.read([field]), layer.path, progress)
    if not set(features.geom_type) <= {"Point", "MultiPoint"}:
        raise DataError(f"{layer.path} holds {listed(sorted(set(features.geom_type)))}, but independent points are points. Choose a point layer.")
    return _with_class(features.explode(ignore_index=True), field, (layer.path, asked.class_table), dataset, progress)


def _with_class(features: geopandas.GeoDataFrame, field: str, origin: tuple[str, str], dataset: Dataset, progress: Progress) -> Points:
    """Those of the features that have a class of the dataset.

    Args:
        features: points.
        field: with the class, or a code.
        origin: their path, and the table that makes codes classes, see `translated`; empty where they are classes.
        dataset: see `open_points`.
        progress: see `open_points`.
    """
    path, table = origin
    keys = np.array([class_key(value) for value in features[field]], object)
    told = np.array([key is not None for key in keys])
    if not told.any():
        raise DataError(f"No point of {path} has a class in the field “{field}”. Label the points first, or choose another field.")
    if not told.all():
        progress.message(f"{(~told).sum()} of {len(told)} points of {path} have no class in the field “{field}” and are left out.", "warning")
    features, keys = features[told], keys[told]
    if table:
        keys = translated(keys, table, dataset.classes, path, progress)
        features, keys = (part[[key is not None for key in keys]] for part in (features, keys))
    known = {row.name.casefold(): place for place, row in enumerate(dataset.classes)}
    known |= {str(row.value): place for place, row in enumerate(dataset.classes) if str(row.value) not in known}
    truth = np.array([known.get(key.casefold(), NOTHING) for key in keys], np.uint8)
    foreign = sorted({key for key, place in zip(keys, truth, strict=True) if place == NOTHING})
    if (truth == NOTHING).all():
        raise DataError(f"No point of {path} has a class of the model: “{field}” holds {listed(foreign)}, and the classes are "
                        f"{listed(f'{row.value} {row.name}' for row in dataset.classes)}. Choose another field, or write these names in it.")
    if (truth == NOTHING).any():
        progress.message(f"{(truth == NOTHING).sum()} of {len(truth)} points of {path} are left out, because the model does not have their class: "
                         f"{listed(foreign)}.", "warning")
    kept = np.flatnonzero(truth != NOTHING)
    names = np.array([row.name for row in dataset.classes], object)[truth[kept]]
    kept = kept[first_of_each(np.asarray(features.geometry.values, object)[kept], names, path, progress)]
    if len(set(names)) == 1:
        progress.message(f"All {len(kept)} points of {path} are of one class, “{names[0]}”, which says nothing of what the map confuses with it. Add "
                         "points of the other classes.", "warning")
    return Points(path, features.geometry.iloc[kept].reset_index(drop=True), truth[kept])


def apart_from(points: Points, source: Dataset, progress: Progress = SILENT) -> tuple[Points, float | None]:
    """The points that do not lie on ground that was learned from, and the least distance of one of them to training ground [m].

    Raises:
        DataError: all of them do.
    """
    tiles = read_footprints(source.folder)
    used = tiles[tiles["split"].isin(LEARNED)].geometry
    ground = in_metres(used)
    if ground is None:
        progress.message(f"Whether points lie on ground that was learned from is not known: {source.folder} does not say where its tiles lie.",
                         "warning")
        return points, None
    places = np.asarray(points.places.to_crs(plane_around(used)).values, object)
    reach = float(np.mean(source.description["resolution_m"])) / 2
    _, distances = shapely.STRtree(ground).query_nearest(places, return_distance=True, all_matches=False)
    apart = distances > (reach if shapely.get_dimensions(ground).max() == 0 else 0)
    if not apart.any():
        raise DataError(f"All {len(points)} points of {points.path} lie on ground that the model has learned from, so they test nothing. Choose "
                        "others.")
    if not apart.all():
        progress.message(f"{(~apart).sum()} of {len(points)} points of {points.path} lie on ground that the model has learned from, and are left "
                         "out.", "warning")
    return points.only(apart), float(distances[apart].min())


class AtPoints:
    """A product of a run over an image: the class that the model says at some of its pixels."""

    name: ClassVar[str] = "points"

    def __init__(self, cols: np.ndarray, rows: np.ndarray) -> None:
        """Takes the pixels, columns and rows (n,)."""
        self.cols, self.rows, self.found = cols, rows, np.full(len(cols), NOTHING, np.uint8)

    def within(self, window: Window) -> np.ndarray:
        """Which of the pixels lie in a window, bool (n,)."""
        return ((self.rows >= window.row) & (self.rows < window.row + window.height)
                & (self.cols >= window.col) & (self.cols < window.col + window.width))

    def reaches(self, window: Window) -> bool:
        """Whether one of them does."""
        return bool(self.within(window).any())

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Callable[[Part], None]]:
        """Gives what takes the parts of the image."""
        yield self._add

    def _add(self, part: Part) -> None:
        here = self.within(part.window)
        place = self.rows[here] - part.window.row, self.cols[here] - part.window.col
        self.found[here] = np.where(part.valid[place], part.winner[0][place], NOTHING)


def answers_at(answers: Answers, points: Points, progress: Progress = SILENT) -> np.ndarray:
    """What a map of the images of a dataset says at points, positions of classes (n,) uint8; 255 where no image shows them.

    Where several images show a point, the first counts.

    Raises:
        DataError: no image shows any of them.
    """
    dataset, found, reasons = answers.dataset, np.full(len(points), NOTHING, np.uint8), []
    network, scenes = answers.of_images(), dataset.tiles["scene"].to_numpy(dtype=str)
    names = list(dict.fromkeys(scenes))
    for number, name in enumerate(names):
        grid = grid_of(dataset, name)
        x, y = points.places.to_crs(grid.crs).get_coordinates().to_numpy().T
        a, _, c, _, e, f = grid.transform
        cols, rows = np.floor((x - c) / a), np.floor((y - f) / e)
        asked = np.flatnonzero((found == NOTHING) & (cols >= 0) & (cols < grid.width) & (rows >= 0) & (rows < grid.height))
        if not len(asked):
            continue
        product = AtPoints(cols[asked].astype(int), rows[asked].astype(int))
        try:
            map_image(network, answers, name, np.flatnonzero(scenes == name), product.reaches, [product],
                      progress.part(number / len(names), (number + 1) / len(names)))
        except SourceLostError as error:
            reasons.append(str(error))
            continue
        found[asked] = product.found
    if (found == NOTHING).all():
        why = f": {reasons[0]}" if reasons else ""
        raise DataError(f"None of the {len(points)} points of {points.path} lies where an image of {dataset.folder} can be mapped{why}. Choose "
                        "points of this place, or check their coordinate system.")
    return found


def blocks_of_points(points: Points) -> Blocks:
    """Squares of ground in which points are drawn together, or each point for itself."""
    shapes = in_metres(points.places)
    found = None if shapes is None else squares_of(shapes, SQUARE)
    return found or Blocks(np.arange(len(points)), len(points), f"{len(points)} points")
