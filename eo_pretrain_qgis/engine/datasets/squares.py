"""Images of one class each, cut where a layer of squares or points says which class a place is of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import geopandas
import numpy as np
import shapely

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..rasters.grid import Window
from ..rasters.raster import Scene
from ..rasters.vector import VectorLayer, on_grid, repaired, touching
from .building import About, Checksums, Imagery, scene_facts
from .clear_scenes import CLOUDED, read_clear
from .cutting import filled_image
from .dataset import IGNORE
from .footprints import footprint
from .labels import missed
from .legend import Legend, class_key, make_legend, tell_values
from .shards import LABELS, ShardWriter
from .splitting.by_place import Split, SplitPlan
from .splitting.division import divide

#: Edge of a tile around a point [px]: that of scene labelling in the literature, 2.56 km at 10 m.
TILE = 256
#: Squares whose edges differ by more than this have different sizes; an edge turned against the grid is longer by less [px].
ROUNDING = 2
#: Tiles of different classes may share a border of so many pixels, as squares drawn side by side do.
BORDER = 1


@dataclass(frozen=True)
class Squares:
    """Labelled places.

    Attributes:
        path: of the layer.
        name: of the layer.
        class_field: field with the class.
        features: with a class, in the CRS of the layer.
        keys: class of each, as `class_key` writes it (n,).
        numbers: which feature of the layer each is, from 1 (n,).
        categories: of the layer's symbology.
    """

    path: str
    name: str
    class_field: str
    features: geopandas.GeoDataFrame
    keys: np.ndarray
    numbers: np.ndarray
    categories: dict | None = None


@dataclass
class _Cut:
    """Tiles found: of each the scene, the window and the square."""

    scenes: list[int] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    squares: list[int] = field(default_factory=list)


def open_squares(source: dict, class_field: str, progress: Progress = SILENT) -> Squares:
    """Reads squares, or points in the middle of them; those without a class are left out.

    Raises:
        DataError: lines, or no place has a class.
    """
    layer = VectorLayer.open(source)
    features = repaired(layer.read([class_field]), layer.path, progress)
    kinds = features.geom_type
    wrong = ~kinds.isin(("Polygon", "MultiPolygon", "Point"))
    if wrong.any():
        raise DataError(f"{layer.path} holds {kinds[wrong].iloc[0]} features, and places of one class are squares or points. Choose such a layer.")
    keys = np.array([class_key(value) or "" for value in features[class_field]], dtype=object)
    known = keys != ""
    if not known.any():
        raise DataError(f"The field “{class_field}” of {layer.path} is empty in all {len(features)} places. Give some of them a class first.")
    if not known.all():
        progress.message(f"{int((~known).sum())} of {len(features)} places of {layer.path} have no class yet and are left out.")
    return Squares(layer.path, layer.name, class_field, features[known], keys[known], features.index.to_numpy()[known] + 1,
                   source.get("categories"))


def size_of(squares: Squares, scenes: list[Scene], asked: int | None) -> int:
    """Edge of the tiles [px]: as asked, that of the squares, or 256 around points.

    Raises:
        DataError: squares of several sizes.
    """
    if asked:
        return asked
    if (squares.features.geom_type == "Point").all():
        return TILE
    found: list[np.ndarray] = []
    for scene in scenes:
        near = touching(squares.features, scene.grid.boxes_in(squares.features.crs.to_wkt()))
        shapes = on_grid(squares.features.geometry[near & (squares.features.geom_type != "Point").to_numpy()], scene.grid)
        # The box of a square that is turned against the grid would be too wide.
        found.append(np.sqrt(shapely.area(shapes) / np.prod(scene.grid.resolution)))
    edges = np.concatenate(found)
    if not len(edges):
        return TILE
    low, high = float(edges.min()), float(edges.max())
    if high - low > max(ROUNDING, 0.02 * high):
        raise DataError(f"The squares of {squares.path} measure {low:.0f} to {high:.0f} px on the images, and all tiles of a dataset have one size. "
                        "Give the tile size: each place then gives the tile around its middle.")
    return max(round(float(np.median(edges))), 1)


def build_scene_dataset(folder: Path, images: Imagery, squares: Squares, size: int, options: tuple[float, list[dict] | None], plan: SplitPlan,
                        about: About, progress: Progress = SILENT) -> Split:
    """Cuts a tile for each place and image, writes and splits.

    Args:
        folder: an empty folder to fill.
        images: of one sensor.
        squares: labelled places.
        size: edge of a tile [px].
        options: least share of valid pixels, and rows value, name, color of the classes or None.
        plan: how tiles are split.
        about: name of the dataset.
        progress: told how far it is.

    Raises:
        DataError: no place lies wholly on an image, places of different classes overlap, or all are of one class.
    """
    minimum_valid, table = options
    cut = _find(images.scenes, squares, size, progress)
    _check_overlaps(cut, images.scenes, squares, size)
    used = {squares.keys[number] for number in cut.squares}
    where = f"The field “{squares.class_field}”"
    legend = make_legend(used, where, table, squares.categories, False, progress)
    tell_values(legend, where, table, squares.categories, progress)
    rows: list[dict] = []
    shapes, lacking = [], 0
    sensor = images.sensor
    arrays = {sensor.name: ((len(sensor.bands), size, size), sensor.dtype), LABELS: ((), "uint8")}
    with ShardWriter(folder, arrays) as writer:
        for number, window, square, image, valid, hidden in _read(images, cut, progress.part(0.05, 0.7)):
            position = legend.positions.get(squares.keys[square])
            if position is None or valid.mean() < minimum_valid or not valid.any():
                lacking += position is not None
                continue
            writer.add(**{sensor.name: filled_image(image, valid, sensor)[None], LABELS: np.array([position], np.uint8)})
            scene = images.scenes[number]
            rows.append({"tile": len(rows), "scene": scene.name, "col": window.col, "row": window.row, "valid": round(float(valid.mean()), 4),
                         "labelled": 1.0, "weight": 1.0, "label": position, "feature": int(squares.numbers[square]),
                         **({} if hidden is None else {CLOUDED: round(float(hidden.mean()), 4)})})
            shapes.append(footprint(scene.grid, window, images.scenes[0].grid.crs))
        shards = writer.close()
    _check_kept(rows, lacking, legend, squares, minimum_valid, progress)
    tiles = geopandas.GeoDataFrame(rows, geometry=shapes, crs=images.scenes[0].grid.crs)
    with Checksums() as checksums:
        description = {
            "task": "scene", "name": about.name, "theme": "", "facts": {}, "sensors": [sensor], "tile_size": size, "stride": size,
            "resolution_m": [round(metres, 4) for metres in images.scenes[0].grid.metres_per_pixel()], "classes": list(legend.classes),
            "ignore": IGNORE, "scenes": [scene_facts([scene], [sensor], checksum_of=checksums.begin) for scene in images.scenes], "shards": shards,
            "labels": {"path": squares.path, "layer": squares.name, "field": squares.class_field, "features": len(set(cut.squares)),
                       "checksum": checksums.begin([squares.path])}}
        return divide(folder, description, tiles, plan, progress.part(0.7, 1), checksums.settled)


def _find(scenes: list[Scene], squares: Squares, size: int, progress: Progress) -> _Cut:
    """The tile around the middle of each place on every image that holds it whole.

    Raises:
        Missed: no place lies on an image.
        DataError: none lies wholly on one.
    """
    cut, reached = _Cut(), np.zeros(len(squares.keys), bool)
    crs = squares.features.crs.to_wkt()
    for number, scene in enumerate(scenes):
        progress.at(0, "Looking for the places")
        grid = scene.grid
        near = np.flatnonzero(touching(squares.features, grid.boxes_in(crs)))
        reached[near] = True
        bounds = shapely.bounds(on_grid(squares.features.geometry.iloc[near], grid))
        for square, (west, south, east, north) in zip(near.tolist(), bounds, strict=True):
            left, top, right, bottom = grid.pixel_box((west, south, east, north))
            window = Window(round((left + right - size) / 2), round((top + bottom - size) / 2), size, size)
            if window.intersection(grid.window) == window:
                cut.scenes.append(number)
                cut.windows.append(window)
                cut.squares.append(square)
        scene.close()
    if not reached.any():
        raise missed(squares.path, tuple(squares.features.total_bounds), scenes[0].grid.bounds_in(crs))
    outside = int(len(squares.keys) - len(set(cut.squares)))
    if not cut.squares:
        raise DataError(f"No place of {squares.path} has a tile of {size} × {size} px that lies wholly on an image. Choose a smaller tile, or places "
                        "farther from the edges.")
    if outside:
        progress.message(f"{outside} of {len(squares.keys)} places have no tile of {size} × {size} px wholly on an image and are left out.",
                         level="warning")
    return cut


def _check_overlaps(cut: _Cut, scenes: list[Scene], squares: Squares, size: int) -> None:
    """Refuses tiles that overlap and are of different classes: their common ground would be both."""
    for number in range(len(scenes)):
        mine = [index for index, scene in enumerate(cut.scenes) if scene == number]
        boxes = np.array([shapely.box(window.col, window.row, window.col + size, window.row + size)
                          for window in (cut.windows[index] for index in mine)], object)
        inner = shapely.buffer(boxes, -BORDER, join_style="mitre") if len(boxes) else boxes
        first, second = shapely.STRtree(inner).query(inner, predicate="intersects") if len(boxes) else (np.zeros(0, int),) * 2
        for one, other in sorted((a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True) if a < b):
            square, twin = cut.squares[mine[one]], cut.squares[mine[other]]
            if squares.keys[square] != squares.keys[twin]:
                both = " and ".join(f"{squares.numbers[each]} (“{squares.keys[each]}”)" for each in (square, twin))
                raise DataError(f"The places {both} of {squares.path} overlap as tiles of {size} × {size} px, but are of different classes. Move or "
                                "delete one of them, or choose a smaller tile.")


def _read(images: Imagery, cut: _Cut, progress: Progress) -> Iterator[tuple[int, Window, int, np.ndarray, np.ndarray, np.ndarray | None]]:
    """Scene, window, square, and of each tile what `read_clear` gives."""
    for done, (number, window, square) in enumerate(zip(cut.scenes, cut.windows, cut.squares, strict=True)):
        scene = images.scenes[number]
        progress.at(done / len(cut.windows), f"Cutting tiles from {scene.name}")
        yield (number, window, square, *read_clear(scene, window))
    for scene in images.scenes:
        scene.close()


def _check_kept(rows: list[dict], lacking: int, legend: Legend, squares: Squares, minimum_valid: float, progress: Progress) -> None:
    if not rows:
        raise DataError(f"No tile at the places of {squares.path} has at least {minimum_valid:.0%} valid pixels. Lower this share, or choose other "
                        "places.")
    if lacking:
        progress.message(f"{lacking} tiles have less than {minimum_valid:.0%} valid pixels and are left out.", level="warning")
    seen = {row["label"] for row in rows}
    if len(seen) < 2:
        only = legend.classes[seen.pop()].name
        raise DataError(f"All tiles are of the class “{only}”, and one class teaches nothing. Label places of other classes.")
    absent = [row.name for position, row in enumerate(legend.classes) if position not in seen]
    if absent:
        progress.message(f"No tile is of the class {listed(absent)}.", level="warning")
