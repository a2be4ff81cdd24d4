"""Cuts tiles: a piece of a scene and its labels become samples, and what is known of each.

A piece holds several tiles and is read and labelled once, so that every block of a compressed file is decoded once and not for
each tile it touches. Pieces know nothing of each other: they are cut in threads, or by workers on other machines, in any number.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ...errors import DataError
from ..rasters.grid import Grid, Window, tile_windows
from ..rasters.raster import Scene
from .clear_scenes import CLOUDED, ClearScene, read_clear
from .dataset import IGNORE, SensorInfo
from .footprints import footprint
from .legend import Legend
from .record import label_array
from .shards import LABELS

SHARES = "shares"
#: Edge of a piece [px]: a multiple of the blocks of most files.
PIECE_SIZE = 1024
#: Samples of one piece hold at most this much, unless one tile does [byte]; several pieces are in memory at a time.
PIECE_BYTES = 16 * 2**20
MANY_CLASSES = 24


class Labels(Protocol):
    """What labels must offer to be cut. They are copied and sent to other processes: they open files when they are first read.

    Three more attributes and four methods are used where they exist:
        paths: of all files, where there are several.
        beside: names of arrays that are kept beside the labels → NumPy type.
        further: labels of further targets of the same samples, each with a name; a tile may lack those of some, also those of the main target.
        layer(name, grid, window): one of these arrays (y, x); 0 where nothing is known.
        shares(grid, window): uint8 (class, y, x), 255 · share of each class in the pixel, for labels that are not hard.
        weight(grid, window, drawn, image): weight of the tile's loss, given its labels (y, x) and the image (band, y, x) as it is
            stored; 0 leaves the tile out.
        columns(grid, window, drawn): more columns of tiles.gpkg, name → value.
    A legend without classes makes tiles without labels, of which `weight` and `columns` can still judge.
    """

    legend: Legend
    path: str
    facts: dict

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Labels uint8 (y, x) of a window of an image's grid: positions in the legend, 255 where there is no label."""
        ...


@dataclass(frozen=True)
class Cutting:
    """How tiles are cut: sizes in pixels, shares of the pixels of a tile, how many classes all tiles together must show, and whether a pixel counts
    that either sensor has measured, or only one that all have.
    """

    tile_size: int = 256
    stride: int | None = None
    extent: dict | None = None
    minimum_valid: float = 0.5
    minimum_labelled: float = 0.01
    minimum_classes: int = 2
    either: bool = False


@dataclass(frozen=True)
class Piece:
    """Tiles cut together: the number of their scene and where they lie on it, row by row."""

    scene: int
    windows: tuple[Window, ...]


@dataclass
class Cut:
    """What a piece gave: samples by name of array, a row and an outline for each, how many were left out and why, and how many pixels of all tiles,
    also of these, cloud or shadow hides.
    """

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    rows: list[dict] = field(default_factory=list)
    shapes: list = field(default_factory=list)
    too_few_valid: int = 0
    too_few_labelled: int = 0
    left_out: int = 0
    hidden: int = 0
    any_valid: bool = False


class Cutter:
    """Cuts pieces; it can be sent to other processes, and each thread that cuts has files of its own.

    Args:
        scenes: for each place, the scenes of all sensors on one grid, in the order of `sensors`.
        sensors: what is stored of each.
        labels: None makes tiles without labels.
        cutting: how tiles are cut.
        crs: of the footprints.
    """

    def __init__(self, scenes: list[list[Scene]], sensors: list[SensorInfo], labels: Labels | None, cutting: Cutting, crs: str) -> None:
        self.scenes, self.sensors, self.labels, self.cutting, self.crs = scenes, sensors, labels, cutting, crs
        self.classes = labels.legend.classes if labels else ()
        self._idle: list[tuple[list[list[Scene]], Labels | None]] = []

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_idle": []}

    @property
    def samples(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Name of array → (shape of one sample, NumPy type), as `ShardWriter` wants them."""
        size = (self.cutting.tile_size, self.cutting.tile_size)
        arrays: dict[str, tuple[tuple[int, ...], str]]
        arrays = {sensor.name: ((len(sensor.bands), *size), sensor.dtype) for sensor in self.sensors}
        if self.classes:
            arrays[LABELS] = (size, "uint8")
            if hasattr(self.labels, SHARES):
                arrays[SHARES] = ((len(self.classes), *size), "uint8")
        return arrays | {name: (size, dtype) for name, dtype in self.beside.items()} | dict.fromkeys(self.further, (size, "uint8"))

    @property
    def further(self) -> list[str]:
        """Names of the arrays with labels of further targets, in the order of `Labels.further`."""
        return [label_array(number) for number, _ in enumerate(getattr(self.labels, "further", ()), 1)]

    @property
    def beside(self) -> dict[str, str]:
        """What labels keep beside themselves, see `Labels`."""
        return getattr(self.labels, "beside", {})

    @property
    def extra(self) -> list[str]:
        """Names in `samples` that are neither images nor labels."""
        return [name for name in (SHARES, *self.beside, *self.further) if name in self.samples]

    def pieces(self, scene: int) -> list[Piece]:
        """The pieces of a scene; none where the extent misses it. They depend on the file and the tiles alone.

        Raises:
            DataError: when the scene, or what the extent covers of it, is smaller than a tile.
        """
        source = self.scenes[scene][0]
        windows = windows_of(source, self.cutting)
        tile = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in self.samples.values())
        width, height = _piece_size(source, self.cutting, max(1, PIECE_BYTES // tile))
        groups: dict[tuple[int, int], list[Window]] = {}
        for window in windows:
            groups.setdefault((window.row // height, window.col // width), []).append(window)
        return [Piece(scene, tuple(group)) for _, group in sorted(groups.items())]

    def cut(self, piece: Piece) -> Cut:
        """Cuts a piece; may be called by several threads at once."""
        try:
            scenes, labels = self._idle.pop()  # asking first whether there is one would let another thread take it in between
        except IndexError:
            scenes, labels = copy.deepcopy(self.scenes), copy.deepcopy(self.labels)
        try:
            return self._cut(scenes[piece.scene], labels, piece.windows)
        finally:
            for number, group in enumerate(scenes):
                for scene in group if number != piece.scene else ():
                    scene.close()
            self._idle.append((scenes, labels))

    def close(self) -> None:
        """Closes all files."""
        while self._idle:
            for group in self._idle.pop()[0]:
                for scene in group:
                    scene.close()

    def _cut(self, scenes: list[Scene], labels: Labels | None, windows: tuple[Window, ...]) -> Cut:
        area, grid, result = _around(windows), scenes[0].grid, Cut()
        images, valid, hidden = self._read(scenes, area)
        inner = [np.s_[..., w.row - area.row:w.row - area.row + w.height, w.col - area.col:w.col - area.col + w.width] for w in windows]
        counts = [np.count_nonzero(valid[part]) for part in inner]
        least = self.cutting.minimum_valid * self.cutting.tile_size**2
        result.any_valid = any(counts)
        clouded = [int(np.count_nonzero(hidden[part])) for part in inner]
        result.hidden, has_masks = sum(clouded), any(isinstance(scene, ClearScene) for scene in scenes)
        further: dict[str, np.ndarray] = {}
        drawn = np.full(valid.shape, IGNORE, np.uint8)
        if labels and self.classes and any(count and count >= least for count in counts):
            drawn, *more = (np.where(valid, one.read(grid, area), np.uint8(IGNORE)) for one in (labels, *getattr(labels, "further", ())))
            further = dict(zip(self.further, more, strict=True))
        samples: dict[str, list[np.ndarray]] = {name: [] for name in self.samples}
        for window, part, count, under in zip(windows, inner, counts, clouded, strict=True):
            if not count or count < least:
                result.too_few_valid += 1
                continue
            own = {name: image[part] for name, image in images.items()}
            others = {name: layer[part] for name, layer in further.items()}
            known = np.any([layer != IGNORE for layer in (drawn[part], *others.values())], axis=0).mean() if others else None
            row = self._judge(labels, grid, window, np.ascontiguousarray(drawn[part]), next(iter(own.values())), result, known)
            if row is None:
                continue
            if self.classes:
                own[LABELS] = drawn[part]
            own |= others
            if SHARES in samples:
                own[SHARES] = labels.shares(grid, window) * valid[part]  # type: ignore[union-attr]
            for name in self.beside:
                own[name] = labels.layer(name, grid, window) * valid[part]  # type: ignore[union-attr]
            for name, array in own.items():
                samples[name].append(array)
            result.rows.append({"scene": scenes[0].name, "col": window.col, "row": window.row,
                                "valid": round(count / self.cutting.tile_size**2, 4),
                                **({CLOUDED: round(under / self.cutting.tile_size**2, 4)} if has_masks else {}), **row})
            result.shapes.append(footprint(grid, window, self.crs))
        result.arrays = {name: np.stack(arrays) for name, arrays in samples.items() if arrays}
        return result

    def _read(self, scenes: list[Scene], area: Window) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Images (band, y, x) of every sensor as they are stored, which pixels count (y, x), see `Cutting`, and which lie under clouds (y, x)."""
        images, measured, hidden = {}, [], np.zeros((area.height, area.width), bool)
        for scene, sensor in zip(scenes, self.sensors, strict=True):
            image, valid, under = read_clear(scene, area)
            images[sensor.name] = filled_image(image, valid, sensor)
            measured.append(valid)
            if under is not None:
                hidden |= under
        return images, (np.logical_or if self.cutting.either else np.logical_and).reduce(measured), hidden

    def _judge(self, labels: Labels | None, grid: Grid, window: Window, drawn: np.ndarray, image: np.ndarray, result: Cut,
               known: float | None) -> dict | None:
        """What tiles.gpkg says of the labels of a tile, of whose pixels a share is `known` for any target; None when it is left out."""
        counts = _counts(drawn, len(self.classes))
        labelled = sum(counts) / drawn.size if known is None else known
        if self.classes and (labelled < self.cutting.minimum_labelled or not labelled):
            result.too_few_labelled += 1
            return None
        weight = float(labels.weight(grid, window, drawn, image)) if labels and hasattr(labels, "weight") else 1.0
        if not weight:
            result.left_out += 1
            return None
        shares = {f"share_{row.value}": counts[position] / drawn.size for position, row in enumerate(self.classes)}
        more: dict[str, Any] = labels.columns(grid, window, drawn) if labels and hasattr(labels, "columns") else {}
        return {"labelled": round(float(labelled), 4), "weight": weight, **shares, **more}


def filled_image(image: np.ndarray, valid: np.ndarray, sensor: SensorInfo) -> np.ndarray:
    """The image (band, y, x) in the dataset's type, pixels without a measurement filled in all bands."""
    stored = image.astype(sensor.dtype, copy=False)
    whole = bool(valid.all())
    if sensor.nodata is None:
        if not whole:
            stored[:, ~valid] = np.nan
        return stored
    # A measured pixel must not look like the filling: its first band is moved by one, as GDAL's warper does.
    clash = valid & (stored[0] == sensor.nodata)
    if clash.any():
        clash &= (stored == sensor.nodata).all(0)
        stored[0, clash] = sensor.nodata + 1 if sensor.nodata < np.iinfo(stored.dtype).max else sensor.nodata - 1
    if not whole:
        stored[:, ~valid] = sensor.nodata
    return stored


def _counts(drawn: np.ndarray, classes: int) -> list[int]:
    """Pixels of each class; comparing is ten times as fast as counting all values at once, while classes are few."""
    if classes > MANY_CLASSES:
        return np.bincount(drawn.ravel(), minlength=256)[:classes].tolist()
    return [int(np.count_nonzero(drawn == position)) for position in range(classes)]


def windows_of(scene: Scene, cutting: Cutting) -> list[Window]:
    grid, size = scene.grid, cutting.tile_size
    area = grid.window
    if cutting.extent:
        try:
            area = grid.window_of(cutting.extent)
        except DataError:
            return []
    windows = tile_windows(grid.width, grid.height, size, cutting.stride or size, area)
    if not windows:
        what = f"The extent covers {area.width} × {area.height} pixels of" if cutting.extent else "The image"
        is_small = "which is" if cutting.extent else f"is {area.width} × {area.height} pixels,"
        fitting = min(area.width, area.height)
        advice = f"Choose a tile size of at most {fitting}." if fitting >= 32 else "Choose a larger image or extent."
        raise DataError(f"{what} {scene.path}{',' if cutting.extent else ''} {is_small} smaller than a tile of {size} × {size}. {advice}")
    return windows


def _piece_size(scene: Scene, cutting: Cutting, tiles: int) -> tuple[int, int]:
    """Width and height [px] in which at most `tiles` tiles start: whole rows of a file stored in strips, else squares."""
    stride = cutting.stride or cutting.tile_size
    row = -(-scene.grid.width // stride)
    if scene.block_size[0] >= scene.grid.width and row <= tiles:
        return scene.grid.width, max(1, min(tiles // row, PIECE_SIZE // stride)) * stride
    size = PIECE_SIZE
    while size > stride and (-(-size // stride))**2 > tiles:
        size //= 2
    return size, size


def _around(windows: tuple[Window, ...]) -> Window:
    col, row = min(window.col for window in windows), min(window.row for window in windows)
    right, bottom = max(window.col + window.width for window in windows), max(window.row + window.height for window in windows)
    return Window(col, row, right - col, bottom - row)
