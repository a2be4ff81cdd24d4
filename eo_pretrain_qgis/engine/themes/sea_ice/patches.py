"""Small patches from inside polygons, each of one class: found, divided by polygon, balanced and written.

The way of the UiT data set: square patches of 10, 20 or 32 pixels at a stride of 10 within hand-drawn polygons (ExtremeEarth; Khaleghian
et al. 2021, doi 10.3390/rs13091734). Such patches overlap, so training and test must not share a polygon.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import shapely
from numpy.lib.stride_tricks import sliding_window_view

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import IGNORE, SPLITS, SensorInfo
from ...datasets.footprints import pixel_boxes
from ...datasets.record import label_array
from ...datasets.shards import LABELS, ShardWriter
from ...datasets.splitting.by_group import split_by_group
from ...datasets.splitting.by_place import Split, SplitPlan, split_by_place
from ...rasters.grid import Grid, Window
from ...rasters.raster import Scene
from .labels import IceLabels, balancing_weights
from .sigrid3 import rows_text

#: Patches that start within this many pixels of each other are read at once.
BLOCK = 1024
#: A patch whose edge lies on the edge of its polygon is inside, but for this [px].
EDGE = 1e-3
#: Flips and rotations of a square besides the patch itself.
SYMMETRIES = 7
#: Polygons that are measured when none holds a patch.
MEASURED = 200


@dataclass(frozen=True)
class PatchPlan:
    """How patches are made: size and stride in pixels, split "polygon", "scene", "place" or
    "auto", balance "none", "augment" or "weights".
    """

    size: int = 32
    stride: int = 10
    split: str = "polygon"
    balance: str = "none"


@dataclass(frozen=True)
class Block:
    """Patches of one polygon read at once: where they start in the window."""

    scene: int
    polygon: int
    window: Window
    cols: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Found:
    """All patches, and the polygons (positions in the labels) that hold none although they lie on a scene."""

    blocks: list[Block]
    empty: list[int]

    def each(self, what: str) -> np.ndarray:
        """Per patch "scene", "polygon", "col" or "row", int64 (n,)."""
        parts = [np.full(len(block.cols), getattr(block, what)) if what in ("scene", "polygon")
                 else block.cols + block.window.col if what == "col" else block.rows + block.window.row for block in self.blocks]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def find_patches(scenes: list[Scene], labels: IceLabels, plan: PatchPlan, progress: Progress = SILENT, only: Sequence[int] | None = None,
                 wanted: np.ndarray | None = None) -> Found:
    """Looks for patches wholly inside the polygons, on measured pixels of one class only.

    Args:
        scenes: to look in.
        labels: the polygons.
        plan: size and stride.
        progress: told how far it is.
        only: numbers of the scenes to look in; None is all.
        wanted: whether a polygon may label a scene, bool (scene, polygon); None: each may.

    Raises:
        DataError: when no polygon holds a patch, or all patches are of one class.
    """
    blocks: list[Block] = []
    on_scene: set[int] = set()
    for number in range(len(scenes)) if only is None else only:
        scene = scenes[number]
        own, frame = labels.of(scene), shapely.box(*scene.grid.bounds())
        shapes = own.on(scene.grid)
        may = labels.labelled if wanted is None else labels.labelled & wanted[number]
        inside = [place for place in np.flatnonzero(may).tolist() if shapes[place].intersects(frame)]
        on_scene.update(inside)
        for done, place in enumerate(inside):
            part = progress.part((number + done / len(inside)) / len(scenes), (number + (done + 1) / len(inside)) / len(scenes))
            blocks += patches_in(scene, number, shapes[place], place, own, plan, part)
        scene.close()
    holding = {block.polygon for block in blocks}
    empty = sorted(on_scene - holding)
    if not blocks:
        raise _none(scenes, labels, sorted(on_scene), plan)
    for one in (labels, *labels.further):
        classes = sorted({int(one.positions[place]) for place in holding} - {IGNORE})
        if len(classes) < 2:
            of = f" of the target “{one.name}”" if labels.further else ""
            said = f"All patches{of} are of one class, “{one.legend.classes[classes[0]].name}”, and one class teaches nothing" if classes else (
                f"No patch has a label{of}")
            raise DataError(f"{said}. Choose a smaller patch, or draw polygons of other classes.")
    if empty:
        rows = rows_text([int(labels.rows[place]) for place in empty])
        progress.message(f"{len(empty)} of {len(on_scene)} polygons hold no patch of {plan.size} × {plan.size} px ({rows}).", level="warning")
    return Found(blocks, empty)


def divide_patches(found: Found, tiles: geopandas.GeoDataFrame, scenes: list[Scene], labels: IceLabels, plan: PatchPlan, shares: SplitPlan,
                   progress: Progress = SILENT) -> Split:
    """Gives each patch to training, validation or test: by polygon, by scene or by blocks of ground, never patch by patch.

    Args:
        found: the patches.
        tiles: their outlines, in the same order.
        scenes: the scenes.
        labels: the polygons.
        plan: says how.
        shares: of validation and test, and the seed.
        progress: told how far it is.
    """
    of, each = found.each("polygon"), (labels, *labels.further)
    names = [row.name for one in each for row in one.legend.classes]
    own = np.concatenate([one.positions[of][:, None] == np.arange(len(one.legend.classes)) for one in each], 1)
    if plan.split == "place":
        pixels = own.astype(float) * plan.size**2
        return split_by_place(pixel_boxes(tiles, scenes[0].grid), pixels, plan.size, shares, progress)
    groups = found.each("scene") if plan.split == "scene" else labels.groups()[of]
    return split_by_group(groups, own, shares, f"{plan.split}s", progress, classes=names)


def copies_of(labels: np.ndarray, training: np.ndarray, seed: int) -> np.ndarray:
    """Which flips and rotations of each patch are added so that every class has as many training patches as the largest, at most 8 times.

    Args:
        labels: position of the class of each patch (n,).
        training: which are for training, bool (n,); no other is copied.
        seed: of the choice.

    Returns:
        Bool (n, 7): symmetry 1 to 7 of each patch.
    """
    rng = np.random.default_rng(seed)
    chosen = np.zeros((len(labels), SYMMETRIES), bool)
    training = training & (labels != IGNORE)
    counts = np.bincount(labels[training])
    for label in np.flatnonzero(counts):
        mine = rng.permutation(np.flatnonzero(training & (labels == label)))
        wanted = min(int(counts.max()) - len(mine), SYMMETRIES * len(mine))
        number = np.full(len(mine), wanted // len(mine))
        number[:wanted % len(mine)] += 1
        order = rng.permuted(np.tile(np.arange(SYMMETRIES), (len(mine), 1)), axis=1)
        for column in range(SYMMETRIES):
            add = number > column
            chosen[mine[add], order[add, column]] = True
    return chosen


def symmetry(images: np.ndarray, number: int) -> np.ndarray:
    """One of the 8 symmetries of the square, of images (n, band, y, x): 0 as it is, 1 to 3 turned by 90, 180, 270 degrees, 4 to 7 flipped
    left to right and then turned likewise.
    """
    flipped = images[..., ::-1] if number >= 4 else images
    return np.rot90(flipped, number % 4, axes=(-2, -1))


def write_patches(folder: Path, found: Found, scenes: list[Scene], labels: IceLabels, sensor: SensorInfo, copies: np.ndarray, plan: PatchPlan,
                  progress: Progress = SILENT) -> tuple[list[dict], geopandas.GeoDataFrame]:
    """Writes the patches, and behind those of each block their copies.

    Returns:
        What `ShardWriter.close` gave, and a row per sample: scene, col, row, valid, labelled, label, polygon (row of the layer, from 1),
        incidence_angle (mean [degree], where there is one), augmented (symmetry, 0 for a patch itself), source (sample it is a copy
        of), origin (position in `found`), and its outline.
    """
    size = plan.size
    shapes: dict[str, tuple[tuple[int, ...], str]] = {sensor.name: ((len(sensor.bands), size, size), "float32"), LABELS: ((), "uint8"),
                                                     **{label_array(number): ((), "uint8") for number, _ in enumerate(labels.further, 1)}}
    angle = next((number for number, band in enumerate(sensor.bands) if band.unit == "degree"), None)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("origin", "augmented", "source", "incidence_angle")}
    done = written = 0
    names = [name for name in shapes if name not in (sensor.name, LABELS)]
    with ShardWriter(folder, shapes, extra=names) as writer:
        for block, images in _images(found, scenes, size):
            progress.at(done / len(copies), f"Writing patches from {scenes[block.scene].name}")
            own = np.arange(done, done + len(images))
            numbers = written + np.arange(len(images))
            own_labels = {LABELS: labels.positions[block.polygon], **{
                name: one.positions[block.polygon] for name, one in zip(names, labels.further, strict=True)}}
            for number in range(SYMMETRIES + 1):
                picked = np.ones(len(own), bool) if number == 0 else copies[own, number - 1]
                if not picked.any():
                    continue
                batch = symmetry(images[picked], number)
                writer.add(**{sensor.name: batch, **{name: np.full(len(batch), label, np.uint8) for name, label in own_labels.items()}})
                written += len(batch)
                columns["origin"].append(own[picked])
                columns["augmented"].append(np.full(len(batch), number))
                columns["source"].append(numbers[picked])
                columns["incidence_angle"].append(np.full(len(batch), np.nan) if angle is None else batch[:, angle].mean((1, 2)).round(3))
            done += len(images)
        shards = writer.close()
    table = {name: np.concatenate(parts) for name, parts in columns.items()}
    if angle is None:
        del table["incidence_angle"]
    outlines = outlines_of(found, scenes, plan, labels).iloc[table["origin"]].reset_index(drop=True)
    return shards, outlines.assign(**table)


def outlines_of(found: Found, scenes: list[Scene], plan: PatchPlan, labels: IceLabels) -> geopandas.GeoDataFrame:
    """A row and an outline per patch, in the CRS of the first scene."""
    scene, col, row, polygon = (found.each(what) for what in ("scene", "col", "row", "polygon"))
    shapes = np.empty(len(scene), object)
    for number, opened in enumerate(scenes):
        mine = scene == number
        boxes = geopandas.GeoSeries(patch_boxes(opened.grid, col[mine], row[mine], plan.size), crs=opened.grid.crs)
        shapes[mine] = boxes.to_crs(scenes[0].grid.crs).values
    return geopandas.GeoDataFrame({
        "scene": np.array([opened.name for opened in scenes], object)[scene], "col": col, "row": row, "valid": 1.0, "labelled": 1.0,
        "label": labels.positions[polygon].astype(np.int64), "polygon": labels.rows[polygon] + 1}, geometry=shapes, crs=scenes[0].grid.crs)


def weights_of(labels: np.ndarray, split: np.ndarray, plan: PatchPlan, classes: int) -> np.ndarray:
    """Weight of each sample in the loss (n,): of training samples the rarer their class the more, where the plan says so."""
    training = split == SPLITS[0]
    if plan.balance != "weights":
        return np.ones(len(labels))
    known = training & (labels != IGNORE)
    weights = balancing_weights(np.bincount(labels[known], minlength=classes).astype(float))
    return np.where(known, weights[np.where(known, labels, 0)], 1.0).round(4)


def patches_in(scene: Scene, number: int, shape: shapely.Geometry, place: int, labels: IceLabels, plan: PatchPlan,
                progress: Progress) -> Iterator[Block]:
    """The patches of one polygon on one scene, block by block."""
    grid = scene.grid
    left, top, right, bottom = grid.pixel_box(shape.bounds)
    cols = np.arange(max(int(np.ceil(left - EDGE)), 0), min(int(np.floor(right + EDGE)), grid.width) - plan.size + 1, plan.stride)
    rows = np.arange(max(int(np.ceil(top - EDGE)), 0), min(int(np.floor(bottom + EDGE)), grid.height) - plan.size + 1, plan.stride)
    shapely.prepare(shape)
    step = max(1, BLOCK // plan.stride)
    for first_row in range(0, len(rows), step):
        progress.at(first_row / len(rows), f"Looking for patches in {scene.name}")
        for first_col in range(0, len(cols), step):
            col, row = (axis.ravel() for axis in np.meshgrid(cols[first_col:first_col + step], rows[first_row:first_row + step]))
            inside = shapely.covers(shape, patch_boxes(grid, col, row, plan.size, EDGE))
            if not inside.any():
                continue
            col, row = col[inside], row[inside]
            window = Window(int(col.min()), int(row.min()), int(np.ptp(col)) + plan.size, int(np.ptp(row)) + plan.size)
            _, valid = scene.read(window)
            pure = valid
            for one in (labels, *labels.further):
                if one.positions[place] != IGNORE:
                    pure = pure & (one.read(grid, window) == one.positions[place])
            col, row = col - window.col, row - window.row
            whole = _all_in(pure, col, row, plan.size)
            if whole.any():
                yield Block(number, place, window, col[whole], row[whole])


def _all_in(pixels: np.ndarray, cols: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """Whether all pixels (y, x) of each square are true, by sums over rectangles."""
    sums = np.zeros((pixels.shape[0] + 1, pixels.shape[1] + 1), np.int64)
    sums[1:, 1:] = pixels.cumsum(0, dtype=np.int64).cumsum(1)
    return sums[rows + size, cols + size] - sums[rows, cols + size] - sums[rows + size, cols] + sums[rows, cols] == size**2


def _images(found: Found, scenes: list[Scene], size: int) -> Iterator[tuple[Block, np.ndarray]]:
    """Blocks with their patches (n, band, y, x), float32."""
    for block in found.blocks:
        values, _ = scenes[block.scene].read(block.window)
        views = sliding_window_view(values.astype(np.float32, copy=False), (size, size), axis=(1, 2))
        yield block, np.ascontiguousarray(views[:, block.rows, block.cols].swapaxes(0, 1))
    for scene in scenes:
        scene.close()


def patch_boxes(grid: Grid, cols: np.ndarray, rows: np.ndarray, size: int, less: float = 0.0) -> np.ndarray:
    """Outlines of patches in the CRS of a grid, made smaller by some pixels on each side."""
    a, _, c, _, e, f = grid.transform
    xs = np.sort(np.stack([c + a * (cols + less), c + a * (cols + size - less)]), 0)
    ys = np.sort(np.stack([f + e * (rows + less), f + e * (rows + size - less)]), 0)
    return shapely.box(xs[0], ys[0], xs[1], ys[1])


def _none(scenes: list[Scene], labels: IceLabels, places: list[int], plan: PatchPlan) -> DataError:
    """The sentence for polygons too small for any patch, with the size that would fit."""
    fitting = 0.0
    for scene in scenes:
        shapes = labels.on(scene.grid)[places]
        largest = shapes[np.argsort(-shapely.area(shapes))[:MEASURED]]
        radii = shapely.length(shapely.maximum_inscribed_circle(largest))
        fitting = max(fitting, float(radii.max()) * 2 / max(scene.grid.resolution))
    if fitting < plan.size * 1.1:
        return DataError(f"None of the {len(places)} labelled polygons holds a patch of {plan.size} × {plan.size} px; the widest "
                         f"measures about {fitting:.0f} px. Choose a smaller patch, or draw larger polygons.")
    return DataError(f"None of the {len(places)} labelled polygons holds a patch of {plan.size} × {plan.size} px of measured pixels outside land "
                     "and other polygons. Check the nodata value, the land mask and whether polygons lie on each other.")
