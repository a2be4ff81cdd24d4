"""What an image shows at its labelled pixels, as rows to learn from; read from the image itself, no dataset is written."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ....errors import DataError
from ....progress import SILENT, Progress
from ...cards import IGNORE, Input, InputBand, SensorInfo
from ...classic.samples import LEARNED, LEAST, MEASURED, Rows
from ...classic.value_range import ValueRange
from ...classic.whitening import MARGIN, SIDE, Whitening
from ...datasets.clear_scenes import read_clear
from ...datasets.cutting import Labels
from ...datasets.labels import VectorLabels
from ...even_sample import even_sample
from ...rasters.grid import Window, blocks
from ...rasters.raster import Scene

#: Edge of the windows in which bands are measured [px], how many there are, and pixels from which on no more are asked for.
WINDOW, WINDOWS, SURE = 128, 64, 10_000
#: Edge of the pieces in which labels are drawn and images are read [px].
PIECE = 512
#: A place is a cell whose edge is this part of the labelled ground's, and at least so many pixels.
CELLS, LEAST_CELL = 8, 8
_HELD = 8_000_000  # labelled pixels kept to draw from
_AT_ONCE = 2**20  # values of neighbourhoods held at once


@dataclass(frozen=True)
class Pixels:
    """Labelled pixels of an image that were measured.

    Attributes:
        rows: of the image (n,).
        cols: of the image (n,).
        labels: positions of their classes (n,).
        counts: how many there are of each class (class,), of which the above may be a sample.
        unmeasured: how many more have a label and no measurement.
        clouded: how many more have a label and lie under cloud or shadow.
        contradicted: how many have labels of more than one class.
    """

    rows: np.ndarray
    cols: np.ndarray
    labels: np.ndarray
    counts: np.ndarray
    unmeasured: int = 0
    contradicted: int = 0
    clouded: int = 0

    def edge(self) -> int:
        """Edge of a place [px]."""
        return max(LEAST_CELL, math.ceil((max(np.ptp(self.rows), np.ptp(self.cols)) + 1) / CELLS))

    def places(self) -> np.ndarray:
        """Number of the place each lies in (n,)."""
        down, right = (np.asarray(axis - axis.min(), np.int64) // self.edge() for axis in (self.rows, self.cols))
        return down * (CELLS + 1) + right


def measure(scene: Scene, sensor: SensorInfo, progress: Progress = SILENT) -> tuple[Input, Whitening, ValueRange | None]:
    """What a model sees of an image: its bands with statistics, whitening and range of at most 200,000 pixels spread evenly over it.

    Raises:
        DataError: nothing was measured.
    """
    windows = blocks(scene.grid.window, WINDOW)
    first = even_sample(np.arange(len(windows)), WINDOWS)
    found: list[np.ndarray] = []
    for done, number in enumerate([*first, *np.setdiff1d(np.arange(len(windows)), first)]):
        if done >= len(first) and sum(map(len, found)) >= SURE:
            break
        progress.at(min(0.99, done / len(first)), "Measuring the bands")
        values, valid = scene.read(windows[number])
        found.append(even_sample(values[:, valid].T, MEASURED // len(first)))
    pixels = np.concatenate(found).astype(np.float32)
    if not len(pixels):
        raise DataError(f"{scene.path} holds no valid pixel; all are nodata. Check the nodata value of the layer, or choose another image.")
    units = [band.unit for band in sensor.bands]
    whitening = Whitening.of(pixels, units)
    p001, p25, p75, p999 = np.percentile(pixels, (0.1, 25, 75, 99.9), axis=0)
    mean, deviation = pixels.mean(0, dtype=np.float64), pixels.std(0, dtype=np.float64)
    spread = np.where(p75 > p25, (p75 - p25) / 1.349, deviation)
    # Beside the mean by the least step: a pixel that has it in every band was measured all the same.
    facts = {"mean": mean, "std": deviation, "minimum": pixels.min(0), "maximum": pixels.max(0), "p001": p001, "p999": p999,
             "centre": np.nextafter(whitening.mean, np.float32(np.inf)), "spread": spread}
    each: list[dict[str, Any]] = [{name: float(values[place]) for name, values in facts.items()} for place in range(len(sensor.bands))]
    bands = tuple(InputBand(**asdict(band), **own) for band, own in zip(sensor.bands, each, strict=True))
    return Input(sensor.name, sensor.name, sensor.preset, bands), whitening, ValueRange.of(pixels, units)


def labelled_pixels(scene: Scene, labels: Labels, seed: int, progress: Progress = SILENT) -> Pixels:
    """The labelled pixels of an image, or of very many a sample of each piece."""
    rng, grid, counts = np.random.default_rng(seed), scene.grid, np.zeros(len(labels.legend.classes), np.int64)
    unmeasured = contradicted = clouded = 0
    pieces = blocks(grid.window, PIECE)
    most = max(LEAST, min(LEARNED, _HELD // len(pieces)))
    found = [(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.uint8))]
    for done, piece in enumerate(pieces):
        progress.at(done / len(pieces), "Reading the labels")
        drawn = labels.read(grid, piece)
        down, right = np.nonzero(drawn != IGNORE)
        if not len(down):
            continue
        if isinstance(labels, VectorLabels):
            contradicted += int(labels.contradicted(grid, piece).sum())
        top, left = down.min(), right.min()
        around = Window(piece.col + int(left), piece.row + int(top), int(np.ptp(right)) + 1, int(np.ptp(down)) + 1)
        _, valid, hidden = read_clear(scene, around)
        measured = valid[down - top, right - left]
        under = 0 if hidden is None else int(hidden[down - top, right - left].sum())
        clouded, unmeasured = clouded + under, unmeasured + int((~measured).sum()) - under
        down, right = down[measured], right[measured]
        values = drawn[down, right]
        counts += np.bincount(values, minlength=len(counts))
        kept = draw(np.zeros(len(values), int), values, most, rng)
        found.append((np.asarray(piece.row + down[kept], np.int32), np.asarray(piece.col + right[kept], np.int32), values[kept]))
    rows, cols, values = map(np.concatenate, zip(*found))
    return Pixels(rows, cols, values, counts, unmeasured, contradicted, clouded)


def learnable_rows(scene: Scene, whitening: Whitening, pixels: Pixels, seed: int, progress: Progress = SILENT) -> Rows:
    """The statistics of at most 20,000 labelled pixels, evenly over the places, and more of the classes that these show too few of.

    Each is computed from the 7 × 7 pixels around it, as it will be in the map.
    """
    places = pixels.places()
    chosen = draw(places, pixels.labels, LEARNED, np.random.default_rng(seed))
    rows, cols = pixels.rows[chosen].astype(np.int64), pixels.cols[chosen].astype(np.int64)
    features = np.zeros((len(chosen), 3 * len(whitening.mean)), np.float32)
    at_once = max(1, _AT_ONCE // (SIDE**2 * len(whitening.mean)))
    pieces = rows // PIECE * scene.grid.width + cols // PIECE
    known = np.unique(pieces)
    for done, piece in enumerate(known):
        members = np.flatnonzero(pieces == piece)
        top, left = rows[members].min() - MARGIN, cols[members].min() - MARGIN
        values, valid = scene.read(Window(int(left), int(top), int(cols[members].max() - left) + MARGIN + 1,
                                          int(rows[members].max() - top) + MARGIN + 1))
        around, measured = sliding_window_view(values, (SIDE, SIDE), (1, 2)), sliding_window_view(valid, (SIDE, SIDE))
        for part in np.array_split(members, -(-len(members) // at_once)):
            progress.at(done / len(known), "Statistics of the labelled pixels")
            place = rows[part] - top - MARGIN, cols[part] - left - MARGIN
            images = np.moveaxis(around[(slice(None), *place)], 1, 0)
            features[part] = whitening.statistics(images, measured[place])[:, :, MARGIN, MARGIN]
    return Rows(features, pixels.labels[chosen], places[chosen])


def draw(places: np.ndarray, labels: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of at most `most` pixels drawn evenly over places, and of more where a class would have fewer than 100.

    Args:
        places: of the pixels (n,).
        labels: of the pixels (n,).
        most: see above.
        rng: decides which.
    """
    order, chosen = rng.permutation(len(labels)), np.zeros(len(labels), bool)
    chosen[order] = _ranks(places[order]) < _level(np.unique(places, return_counts=True)[1], most)
    for one in np.unique(labels):
        missing = LEAST - int((chosen & (labels == one)).sum())
        if missing > 0:
            rest = order[(labels[order] == one) & ~chosen[order]]
            chosen[rest[np.argsort(_ranks(places[rest]), kind="stable")[:missing]]] = True
    return np.flatnonzero(chosen)


def _ranks(groups: np.ndarray) -> np.ndarray:
    """How many of its group stand before each (n,)."""
    order = np.argsort(groups, kind="stable")
    counts = np.unique(groups, return_counts=True)[1]
    starts = np.cumsum(counts) - counts
    ranks = np.zeros(len(groups), np.int64)
    ranks[order] = np.arange(len(groups)) - np.repeat(starts, counts)
    return ranks


def _level(counts: np.ndarray, most: int) -> int:
    """How many may be taken of each group so that no more than `most` are taken of all; at least one."""
    ordered = np.sort(counts)
    left = most - (np.cumsum(ordered) - ordered)
    share = left // np.arange(len(ordered), 0, -1)
    short = np.flatnonzero(share < ordered)
    return max(1, int(share[short[0]])) if len(short) else most
