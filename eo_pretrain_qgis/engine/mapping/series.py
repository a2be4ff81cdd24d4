"""A map of a model of series: the dates of each pixel are asked for together, in blocks that memory holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ..classic.ground_graph import CELL
from ..datasets.dates import NO_DAY
from ..models import ground
from ..models.kinds import APPLICABILITY
from ..models.package import Package
from ..models.record import ModelInput
from ..models.session import on_processor
from ..rasters.grid import Grid, Window, blocks
from ..scheduling import scheduler
from .blocks import Tile, anchored_tiles
from .dated_images import RUNTIME_OF_SERIES, DatedImage, OpenedSeries, SeriesRequest, Within, open_images, series_of
from .inference import Part, Product, require_products
from .journal import Block
from .map_run import Course, Outcome, carry_out
from .pipeline import Pace
from .request import Canvas
from .scores import divided
from .series_ground import SeriesGround, kept_of, whole_cells
from .sharing import found_everywhere
from .stamps import Stamps

#: Numbers of images held at once, and pixels that the network is asked for at once: of more, an encoder with attention, such as Presto, would need
#: gigabytes and be slower, and a cancel would wait for it.
HELD, ASKED = 2**25, 2**9
LARGEST_BLOCK = 512
#: Share of a run in which images are opened, and blocks that wait to be drawn.
OPENING, BEHIND = 0.1, 1
Asked = Callable[[dict[str, np.ndarray]], np.ndarray]


def asker(model: Package, threads: int = 0) -> Asked:
    """What a model says of its ports, in so many threads (0 leaves it to the runtime): name → values becomes its scores and what it gives besides,
    one after the other (n, channel, …).
    """
    session, outputs = on_processor(Path(model.path).read_bytes(), model.path, threads), [model.kind.output, *model.beside]
    return lambda given: np.concatenate(session.run(outputs, given), 1)


def map_series(model: Package, request: SeriesRequest, products: Sequence[Product], progress: Progress = SILENT, opened: OpenedSeries | None = None
               ) -> dict[str, Any]:
    """Maps the classes of a model of series over dated images on one grid; a pixel without a clear date stays nodata.

    Args:
        model: of series.
        request: what is asked.
        products: to be made.
        progress: told about each block.
        opened: the images of the request, where they are open already; for workers by paths that mean the same in every folder.

    Returns:
        ``valid_share``, ``dates`` that the model looked at, ``device`` and ``seconds``.

    Raises:
        DataError: images on different grids, of another season than the model's, of several years of the season asked for, without the model's
            bands, or without a clear pixel.
        ModelError: the model does not take one series, cannot give a product, or says no probabilities.
        EngineError: see `scheduling.on_workers`.
    """
    started = time.monotonic()
    series_of(model)
    require_products(model, products)
    if scheduler():
        model, request = found_everywhere(model), request.found_everywhere()
    opened = opened or open_images(model, request, progress.part(0, OPENING), products)
    grid = opened.grid
    area = grid.window_of(request.extent) if request.extent else grid.window
    shown = any(product.name == APPLICABILITY for product in products)
    several = f"{len(opened.images)} dates from " if len(opened.images) > 1 else ""
    canvas = Canvas(model, f"{several}{opened.images[0].scene.name}", grid, area, opened.tags, known=shown)
    tiles = _laid(model, opened.seen, grid, area, len(opened.images))
    maker = SeriesMaker(canvas, opened, tiles, request.within, request.least_dates, request.stamps(opened))
    told = progress.part(OPENING, 1)

    def here(left: Sequence[int], pace: Pace) -> Generator[tuple[Block, Part], None, None]:
        bench = maker.opened(0, 1)
        for number in left:
            yield bench.ask(number, None, _Named(told.part(pace.share, pace.share_with(number)), pace.text(pace.blocks + 1)))

    def nothing(outcome: Outcome) -> DataError:
        few = "a clear date" if request.least_dates == 1 else f"{request.least_dates} clear dates"
        return DataError(f"No pixel of the area has {few}, so there is nothing to map. Choose another extent, or check the cloud masks and the "
                         "nodata value.")

    outcome = carry_out(Course(canvas, tiles, area, 0, maker.stamps, here, BEHIND, nothing, maker), products, told)
    return {"valid_share": outcome.valid_share, "dates": len(opened.images), "device": "cpu (CPUExecutionProvider)",
            "seconds": round(time.monotonic() - started, 2)}


class _Named(Progress):
    """The channel of a block: how far it is in its run stands before what is done with it."""

    def __init__(self, whole: Progress, name: str) -> None:
        self.whole, self.name = whole, name

    def cancelled(self) -> bool:
        return self.whole.cancelled()

    def emit(self, event: dict) -> None:
        self.whole.emit({**event, "text": f"{self.name}: {event['text']}"} if event["event"] == "progress" else event)


@dataclass(frozen=True)
class SeriesMaker:
    """A run over dated images, as it is sent to who computes its blocks.

    Attributes:
        canvas: of the run.
        series: the images.
        tiles: the blocks.
        within: see `SeriesRequest`.
        least_dates: see `SeriesRequest`.
        stamps: see `sharing.Maker`.
    """

    canvas: Canvas
    series: OpenedSeries
    tiles: list[Tile]
    within: Within | None
    least_dates: int
    stamps: Stamps | None

    def opened(self, threads: int, together: int) -> SeriesBench:
        """See `sharing.Maker`; files are opened when they are read."""
        model, seen = self.canvas.model, self.series.seen
        if not self.canvas.known:
            return SeriesBench(self, asker(model, threads), None)
        second = on_processor(ground.alone(model.path, model.applicability.sha256), model.path, threads)
        return SeriesBench(self, asker(model, threads), SeriesGround(second, seen.ports))


@dataclass
class SeriesBench:
    """See `sharing.Bench`."""

    maker: SeriesMaker
    asked: Asked
    known: SeriesGround | None
    runtime: str = RUNTIME_OF_SERIES

    def read(self, number: int) -> None:
        """The dates are read one after the other, while the model is asked."""

    def ask(self, number: int, read: None, progress: Progress) -> tuple[Block, Part]:
        """See `sharing.Bench`."""
        maker, tile = self.maker, self.maker.tiles[number]
        if maker.series.seen.axes == "tb":
            part = _answered(maker, self.known, tile, self.asked, progress)
        else:
            part = _answered_tile(maker.canvas.model, maker.series.seen, maker.series.images, self.known, tile, self.asked, progress)
        return Block(number, int(part.valid.sum()), [], [], [], [], []), part


def _laid(model: Package, seen: ModelInput, grid: Grid, area: Window, dates: int) -> list[Tile]:
    """The blocks of a map: of series any that memory holds, for each pixel is asked for alone; of dated tiles those of the model, see `blocks`."""
    if seen.axes == "tb":
        side = min(LARGEST_BLOCK, max(16, int((HELD / (dates * (len(seen.bands) + 1))) ** 0.5) // CELL * CELL))
        return [Tile(core, window) for window in blocks(whole_cells(area, grid.window), side) if (core := window.intersection(area))]
    found = anchored_tiles(grid.width, grid.height, block=model.block, halo=model.halo, stride=model.stride, area=area)
    return [Tile(core, tile.seen) for tile in found if (core := tile.core.intersection(area))]


def _answered_tile(model: Package, seen: ModelInput, images: list[DatedImage], known_ground: SeriesGround | None, tile: Tile, ask: Asked,
                   progress: Progress) -> Part:
    """What the model says of the core of a block of dated tiles, all of whose dates it is given at once, and the mean of each band;
    beyond the image nothing was seen.
    """
    around, core = tile.seen, tile.core
    fill = np.asarray(seen.fill, np.float32)[:, None, None]
    values = np.tile(fill, (1, len(images), 1, around.height, around.width))
    known = np.zeros((len(images), around.height, around.width), bool)
    inside = around.intersection(images[0].scene.grid.window) or core
    rows, columns = (slice(first - start, first - start + length) for first, start, length in (
        (inside.row, around.row, inside.height), (inside.col, around.col, inside.width)))
    for number, image in enumerate(images):
        progress.at(0.7 * number / len(images), "Reading the dates of a block")
        stored, known[number, rows, columns] = image.read(inside)
        values[0, number, :, rows, columns] = np.where(known[number, rows, columns], stored, fill)
    days = np.array([[image.day if clear.any() else NO_DAY for image, clear in zip(images, known)]], np.float32)
    progress.at(0.7, "Asking the model")
    kept = kept_of(tile)
    valid = np.logical_or.reduce(known[kept])
    scores = np.zeros((model.channels + len(model.beside), core.height, core.width), np.float32)
    if valid.any():
        scores = np.where(valid, ask(dict(zip(seen.ports, (values, days), strict=True)))[0][kept], 0)
    means = np.einsum("dbyx,dyx->byx", values[0][kept], known[kept].astype(np.float32)) / np.maximum(known[kept].sum(0), 1)
    part = _part(model, core, scores, means, valid)
    if known_ground is None:
        return part
    flat, clear, dates = values[0].reshape(*values.shape[1:3], -1), known.reshape(len(known), -1), days[0][:, None]

    def pick(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.moveaxis(flat[..., places], 2, 0), np.where(clear[:, places], dates, np.float32(NO_DAY)).T

    return replace(part, ground=known_ground.of(tile, np.logical_or.reduce(known), pick))


def _answered(maker: SeriesMaker, known_ground: SeriesGround | None, tile: Tile, ask: Asked, progress: Progress) -> Part:
    """What the model says of the pixels of a block, each for itself, and beside it the mean of each band over the clear dates."""
    model, seen, images, window, kept = maker.canvas.model, maker.series.seen, maker.series.images, tile.seen, kept_of(tile)
    wanted = maker.within.read(maker.series.grid, window) if maker.within else np.ones((window.height, window.width), bool)
    pixels = window.width * window.height
    values = np.empty((pixels, len(images), len(seen.bands)), np.float32)
    days = np.full((pixels, len(images)), NO_DAY, np.float32)
    values[:] = fill = np.asarray(seen.fill, np.float32)
    for number, image in enumerate(images if wanted.any() else []):
        progress.at(0.7 * number / len(images), "Reading the dates of a block")
        stored, clear = image.read(window)
        values[:, number] = np.where(clear.ravel()[:, None], stored.reshape(len(stored), -1).T, fill)
        days[clear.ravel(), number] = image.day
    dated = (days >= 0).astype(np.float32)
    means = np.einsum("pdb,pd->bp", values, dated) / np.maximum(dated.sum(1), 1)
    shape, inside = (window.height, window.width), np.zeros((window.height, window.width), bool)
    inside[kept] = True
    valid, scores = wanted.ravel() & (dated.sum(1) >= maker.least_dates), np.zeros((pixels, model.channels + len(model.beside)), np.float32)
    places = np.flatnonzero(valid & inside.ravel())
    scores[places] = ask_all(model, seen, values[places], days[places], ask, progress.part(0.7, 1))
    clear = np.reshape(valid, shape)
    found = _part(model, tile.core, np.moveaxis(scores.reshape(*shape, -1), -1, 0)[kept], means.reshape(-1, *shape)[kept], clear[kept])
    if known_ground is None:
        return found
    return replace(found, ground=known_ground.of(tile, clear, lambda chosen: (values[chosen], days[chosen])))


def _part(model: Package, window: Window, scores: np.ndarray, means: np.ndarray, valid: np.ndarray) -> Part:
    """Scores (channel, y, x), with what the model gives besides behind those of its classes, as a part of the map."""
    scores, further, beside = divided(scores, model)
    return Part(window, scores, means, valid, dict(zip(model.beside, beside, strict=True)), further)


def ask_all(model: Package, seen: ModelInput, values: np.ndarray, days: np.ndarray, ask: Asked, progress: Progress = SILENT) -> np.ndarray:
    """Scores of series, and behind them what the model gives besides, float32 (n, channel), asked for some at a time.

    Args:
        model: of series.
        seen: its input.
        values: of the model, filled where a date does not count, float32 (n, date, band).
        days: as the model counts, `NO_DAY` where a date does not count, float32 (n, date).
        ask: see `asker`.
        progress: told how far it is.
    """
    scores = np.zeros((len(values), model.channels + len(model.beside)), np.float32)
    for first in range(0, len(values), ASKED):
        progress.at(first / len(values), "Asking the model")
        some = slice(first, first + ASKED)
        scores[some] = ask(dict(zip(seen.ports, (values[some], days[some]), strict=True)))
    return scores
