"""The image that a map was made from, as the ground of the picture of its lines or outlines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyproj

from ....progress import SILENT, Progress
from ...looks.stretching import limits, shades
from ...looks.tile_pictures import BLANK, pictured_bands
from ...models.package import Package
from ...rasters.clouds import CLEAR
from ...rasters.grid import Grid, Window, blocks
from ...rasters.raster import Scene
from ...rasters.sensors import Band
from ..dated_images import DatedImage, SeriesRequest, open_images
from ..request import MapRequest

#: Edge of the pieces in which an image is read [px].
PIECE = 2048
#: Where images of several dates are looked at for clouds: squares along each edge of the image, and their edge [px].
LOOKS, LOOKED_AT = 3, 64


def backdrop(request: MapRequest, model: Package | None, grid: Grid, progress: Progress = SILENT) -> np.ndarray:
    """The first image of a map run in natural colours where its bands allow it, each pixel from the one of the image under its middle.

    Args:
        request: that was mapped.
        model: that mapped it; None where the image itself holds probabilities.
        grid: of the picture, in any CRS.
        progress: told how far it is.

    Returns:
        uint8 (y, x, 3), stretched without clouds, see `stretching.limits`; grey where nothing was measured.
    """
    if model is None:
        with Scene.open(list(request.sources), request.nodata) as scene:
            return _drawn(scene, [Band(name) for name in scene.band_names], list(range(len(scene.band_names))), grid, progress)
    with request.images(model) as images:
        matches = next(iter(images.sources.values())).matches
        return _drawn(images.first, [match.image for match in matches], [match.position for match in matches], grid, progress)


def dated_backdrop(request: SeriesRequest, model: Package, grid: Grid, progress: Progress = SILENT) -> np.ndarray:
    """As `backdrop`, of the clearest of the dated images that a model of series looked at."""
    image = clearest(open_images(model, request).images)
    drawn = _drawn(image.scene, [match.image for match in image.matches], [match.position for match in image.matches], grid, progress)
    image.scene.close()
    return drawn


def clearest(images: Sequence[DatedImage]) -> DatedImage:
    """The image that shows most, by its mask and its nodata at some places; of several the one nearest to the middle of all."""
    middle, window = (len(images) - 1) / 2, images[0].scene.grid.window
    edges = [np.linspace(0, max(0, side - LOOKED_AT), LOOKS).astype(int).tolist() for side in (window.width, window.height)]
    looks = [Window(col, row, min(LOOKED_AT, window.width), min(LOOKED_AT, window.height)) for row in edges[1] for col in edges[0]]
    shown = [sum(int((image.stored(look)[1] == CLEAR).sum()) for look in looks) for image in images]
    return images[max(range(len(images)), key=lambda number: (shown[number], -abs(number - middle)))]


def _drawn(scene: Scene, bands: Sequence[Band], positions: Sequence[int], grid: Grid, progress: Progress) -> np.ndarray:
    """A scene on another grid; `positions` are those of the bands in it."""
    chosen = pictured_bands([band.name for band in bands])
    values, seen = _sampled(scene, [positions[number] for number in chosen], grid, progress)
    drawn = np.full((*seen.shape, 3), BLANK, np.uint8)
    if seen.any():
        drawn[seen] = shades(values[:, seen].T, *limits(values[:, seen], [bands[number] for number in chosen]))
    return drawn


def _sampled(scene: Scene, positions: list[int], grid: Grid, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Values float32 (band, y, x) of the bands at these positions under the middles of the pixels of a grid, and where there are any, bool (y, x)."""
    down, across = np.indices((grid.height, grid.width)) + 0.5
    a, _, c, _, e, f = grid.transform
    to_scene = pyproj.Transformer.from_crs(grid.crs, scene.grid.crs, always_xy=True)
    x, y = to_scene.transform(c + across * a, f + down * e)
    a, _, c, _, e, f = scene.grid.transform
    with np.errstate(invalid="ignore"):
        rows, cols = np.floor((y - f) / e), np.floor((x - c) / a)
        inside = (rows >= 0) & (rows < scene.grid.height) & (cols >= 0) & (cols < scene.grid.width)
    rows, cols = (np.where(inside, places, -1).astype(np.int64) for places in (rows, cols))
    values, seen = np.zeros((len(positions), *inside.shape), np.float32), np.zeros(inside.shape, bool)
    if not inside.any():
        return values, seen
    top, left = int(rows[inside].min()), int(cols[inside].min())
    pieces = blocks(Window(left, top, int(cols.max()) - left + 1, int(rows.max()) - top + 1), PIECE)
    for done, piece in enumerate(pieces):
        progress.at(done / len(pieces), "Drawing the image")
        here = (rows >= piece.row) & (rows < piece.row + piece.height) & (cols >= piece.col) & (cols < piece.col + piece.width)
        if not here.any():
            continue
        found, valid = scene.read(piece, positions)
        row, col = rows[here] - piece.row, cols[here] - piece.col
        values[:, here], seen[here] = found[:, row, col], valid[row, col]
    return values, seen
