"""One run of a model over a scene, for any number of products: blocks are read, computed and written at the same time.

Blocks lie as `blocks.anchored_tiles` has them and each is computed by itself, so that what is computed beside it cannot change its rounding.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Protocol

import numpy as np
import rasterio

from ...errors import DataError, EngineError, ModelError, listed
from ...progress import SILENT, Progress
from ..models.ensemble import disagreement_output
from ..models.ground import OUTPUTS
from ..models.kinds import APPLICABILITY, DISAGREEMENT
from ..models.network import LoadedNetwork, MemoryRanOutError
from ..models.package import Package
from ..rasters.grid import Window
from ..rasters.raster import Raster
from ..scheduling import scheduler
from ..waiting import patiently
from .band_matching import Match
from .blocks import Tile
from .journal import Block
from .map_run import Course, Outcome, carry_out
from .pipeline import Pace, ahead, in_flight
from .reading import Piece, Reader, Source, all_matches
from .request import MASKS, Canvas, MapRequest, compare_resolution, tell_of_no_mask
from .scores import apart, divided, most_probable, next_probable
from .sharing import Maker, found_everywhere
from .squares import BLOCK
from .stamps import Stamps, stamps

#: An image of at least so many valid pixels whose band varies less than this share of that range is foreign, too: of reflectance from 0 to 1, say,
#: where digital numbers were learned, no value is too low, because that range ends below 0.
ENOUGH_PIXELS, LEAST_VARIED = 10_000, 0.02
#: Share of a band's pixels outside the training range from which on the user is warned.
WARNED_OUT_OF_RANGE = 0.05
#: What an image must store for a band of a unit, where that is neither reflectance nor unknown.
STORED = {"dB": "backscatter σ⁰ in dB", "linear": "linear backscatter σ⁰", "degree": "incidence angle in degrees", "radiance": "radiance",
          "embedding": "embedding"}
#: What GDAL may keep of the files it reads and writes: a row of blocks of an image in strips, and not a twentieth of the memory.
CACHE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Part:
    """What the network said of a part of the area.

    Attributes:
        window: in pixels of the image, or in squares, as the canvas has them.
        scores: (class, y, x), or (band, y, x) of another sensor, float32.
        beside: what the model gives besides, by name: float32 (y, x) from 0 to 1.
        further: scores of further targets, by name: float32 (class, y, x).
        values: what the network saw there (band, y, x) float32, in stored units of the model, of its inputs one after the other.
        valid: where what the model needs was measured (y, x); elsewhere the scores mean nothing.
        sensors: of a model of several inputs, which were measured, see `reading.Piece`.
        ground: `models.ground.OUTPUTS` (2, y, x) float32; of no channels where no product shows them.
        decided: see `models.decided.DECIDED` (2, y, x) or `models.stepped.STEPPED`; then there are no scores.
    """

    window: Window
    scores: np.ndarray
    values: np.ndarray
    valid: np.ndarray
    beside: dict[str, np.ndarray] = field(default_factory=dict)
    further: dict[str, np.ndarray] = field(default_factory=dict)
    sensors: np.ndarray | None = None
    ground: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    decided: np.ndarray | None = None

    def of(self, target: str) -> Part:
        """The same with the scores of a further target, and how much members disagree on it; of an empty name the part itself."""
        if not target:
            return self
        doubt = self.beside.get(disagreement_output(target))
        return replace(self, scores=self.further[target], further={}, beside={} if doubt is None else {DISAGREEMENT: doubt})

    @cached_property
    def winner(self) -> tuple[np.ndarray, np.ndarray]:
        """Position of the most probable class (y, x) uint8, and its probability (y, x) float32."""
        if self.decided is not None:
            return self.decided[0], self.decided[1] * np.float32(0.01)
        position, probability = most_probable(self.scores)
        return position, np.minimum(probability, 1, out=probability)

    @cached_property
    def runner_up(self) -> tuple[np.ndarray, np.ndarray]:
        """The same of the most probable other class."""
        return next_probable(self.scores, self.winner[0])


class Product(Protocol):
    """Something that is made of a model's answers.

    Attributes:
        name: in `models.kinds.Kind.products`.
        decision: whether it needs no more than `Part.decided`; not where it lacks that.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], object]]:
        """Gives what takes the parts of the area, from one thread; the product is finished when the context closes without an error."""


class Network(Protocol):
    """What computes blocks, as `models.network.LoadedNetwork` does.

    Attributes:
        device: that it computes on, in words.
        flights: how many threads may call `run` at once.
    """

    @property
    def device(self) -> str: ...  # noqa: D102

    flights: int

    def run(self, images: dict[str, np.ndarray]) -> np.ndarray:
        """Scores float32 (n, channel, y, x) of images (n, band, y, x) by input, in stored units of the model."""

    def stop(self) -> None:
        """Makes a run under way fail soon; may be called from any thread."""


@dataclass(frozen=True)
class Work:
    """What is to be computed, and from what.

    Attributes:
        sources: the image of each input of the model that has one, in the order of the model.
        tiles: in the order in which they are computed.
        block: largest edge of what the network sees at once [px].
        memory: as many pixels are held as a few tiles of this edge have.
        stamps: of the files that are read, see `stamps.stamps`; without them nothing of a killed run is taken over.
    """

    sources: Mapping[str, Source]
    tiles: list[Tile]
    block: int
    memory: int
    stamps: Stamps | None = None

    def pixels(self, canvas: Canvas) -> Window:
        """What is to be mapped [px of the image]."""
        return canvas.squares.pixels(canvas.area) if canvas.squares else canvas.area


def map_scene(model: Package, request: MapRequest, products: Sequence[Product], progress: Progress = SILENT) -> Outcome:
    """Runs a model once over an image, in memory that does not grow with it, and makes all products of what it says.

    Args:
        model: a model, or an ensemble.
        request: what is asked.
        products: to be made.
        progress: told about each block, asked twice a second whether to stop, and warned about the image.

    Raises:
        DataError: the image does not fit the model, holds no valid pixel in the area, is damaged, or the disk is full.
        EngineError: the device cannot be used, or memory ran out; then it says which smaller blocks the model has.
        JobError: a halo leaves nothing of a block, or the model has no smaller blocks.
        ModelError: it cannot give a product, or needs an image more; or the network gives another shape, no numbers or no probabilities,
            saying where.
    """
    require_products(model, products)
    model, request = (found_everywhere(model), request.found_everywhere()) if scheduler() else (model, request)
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), request.images(model, progress) as images:
        canvas = Canvas.of(model, request, images)
        canvas = canvas.knowing() if any(product.name == APPLICABILITY for product in products) else canvas
        compare_resolution(model, images.grid, images.first.name, progress)
        tell_of_no_mask(canvas.tags, progress, products)
        tiles = request.tiles(model, images.grid, canvas.squares)
        read = stamps(list(images.scenes.values()), [Raster(**mask) for mask in request.cloud_masks], made=request.made)
    block = BLOCK if canvas.squares else request.block(model)
    work = Work(images.sources, tiles, block, request.tile_size, read)
    progress.at(0, f"Loading the model {model.id}")
    try:
        decide = all(getattr(product, "decision", False) for product in products)
        maker = SceneMaker(canvas, work, request.device, canvas.fast(request.fast, progress), decide)
        network = maker.network(progress=progress)
        canvas = canvas.computed_by(network.runtime)
        _tell_of_fast(model, network.runtime, progress)
        maker = replace(maker, canvas=canvas, device=network.device.split()[0].split(":")[0])
        outcome = compute(network, canvas, work, products, progress, maker)
    except (MemoryError, MemoryRanOutError) as error:
        raise _no_memory(model, request, error) from None
    _warn_out_of_range(all_matches(work.sources), outcome, canvas.image, progress)
    return outcome


def _tell_of_fast(model: Package, runtime: str, progress: Progress) -> None:
    """Says what bfloat16 costs, where the map is computed in it."""
    if "bfloat16" in runtime:
        known = model.record.fast
        progress.message(f"The map is computed in bfloat16. On validation ground this gave another class to {100 * known.changed:.2f} % of "
                         f"{known.places:,} places." if known else
                         f"The map is computed in bfloat16. Nobody measured what this changes in the model {model.path}; export it again to know.")


def require_products(model: Package, products: Sequence[Product]) -> None:
    """Raises ModelError where a model cannot give one of the products, or has no members that could disagree."""
    for product in products:
        if product.name not in model.kind.products:
            raise ModelError(f"The model {model.path} gives {model.gives}, of which no {product.name.replace('_', ' ')} can be made. "
                             "Choose another model.")
        if product.name == DISAGREEMENT:
            model.require_members()


def _no_memory(model: Package, request: MapRequest, error: Exception) -> EngineError:
    """The sentence for a block that memory does not hold."""
    block = request.block(model)
    if request.small_blocks or model.small_block is None:
        return EngineError(str(error) if isinstance(error, MemoryRanOutError) else
                           f"Memory ran out while mapping in blocks of {block} px. Close other programs, or use a computer with more memory.")
    return EngineError(f"Memory ran out with a block of {block} px, in which the model {model.path} maps. Close other programs, or switch on "
                       f"“Small blocks” (small_blocks): blocks of {model.small_block} px need {(model.small_block / block) ** 2:.0%} of the memory. "
                       "A few pixels may differ then, and the tags of the map say so.")


def compute(network: Network, canvas: Canvas, work: Work, products: Sequence[Product], progress: Progress = SILENT, maker: Maker | None = None
            ) -> Outcome:
    """Computes blocks one by one and hands what lies in the area of the canvas to the products.

    Args:
        network: of the canvas's model.
        canvas: on which the products are drawn.
        work: what is computed.
        products: to be made.
        progress: told of every block.
        maker: computes the same elsewhere, where a setting says so; None does it here.

    Raises:
        DataError: no pixel of the area is valid, or the image is damaged, or the disk is full.
        EngineError: see `scheduling.on_workers`.
        MemoryRanOutError: memory does not hold a block.
        ModelError: the network gives another shape, no numbers or no probabilities, saying where.
    """
    started = time.monotonic()
    readers, spare, behind = in_flight(1 if network.device.startswith("cpu") else min(4, os.cpu_count() or 1), work.memory, work.block)

    def here(left: Sequence[int], pace: Pace) -> Generator[tuple[Block, Part | None], None, None]:
        with ExitStack() as stack:
            handles = [[stack.enter_context(source.scene()) for source in work.sources.values()] for _ in range(readers)]
            reader = Reader(canvas.model.images, work.sources, handles, work.pixels(canvas))
            pieces = stack.enter_context(closing(ahead(reader.read, [work.tiles[number] for number in left], readers, spare)))
            asked, waited = partial(_asked, network, canvas), partial(_waited, network, progress, pace)
            yield from stack.enter_context(closing(ahead(asked, zip(left, pieces, strict=True), network.flights, 0, waited)))

    course = Course(canvas, work.tiles, work.pixels(canvas), len(all_matches(work.sources)), work.stamps, here, behind,
                    partial(_nothing_valid, canvas), maker)
    outcome = carry_out(course, products, progress)
    outcome.device, outcome.seconds = network.device, time.monotonic() - started
    return outcome


@dataclass(frozen=True)
class SceneMaker:
    """A run over images, as it is sent to who computes its blocks.

    Attributes:
        canvas: of the run.
        work: see `compute`.
        device: that was asked for; elsewhere the kind of the one that was taken.
        fast: see `runtimes.loaded`.
        decide: see `Package.session`.
    """

    canvas: Canvas
    work: Work
    device: str
    fast: bool
    decide: bool

    @property
    def stamps(self) -> Stamps | None:
        """See `Work`."""
        return self.work.stamps

    def network(self, threads: int = 0, progress: Progress = SILENT) -> LoadedNetwork:
        """The network, loaded; see `runtimes.loaded`."""
        if self.canvas.known:
            return self.canvas.model.knowing_session(self.device, threads, self.fast, progress)
        return self.canvas.model.session(self.device, threads, self.fast, progress, self.decide)

    def opened(self, threads: int, together: int) -> SceneBench:
        """See `sharing.Maker`."""
        model, work, network = self.canvas.model, self.work, self.network(threads)
        with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
            handles = [[source.scene() for source in work.sources.values()] for _ in range(together)]
        reader = Reader(model.images, work.sources, handles, work.pixels(self.canvas))
        return SceneBench(self, network, reader, network.runtime)


@dataclass
class SceneBench:
    """See `sharing.Bench`."""

    maker: SceneMaker
    network: LoadedNetwork
    reader: Reader
    runtime: str

    def read(self, number: int) -> Piece:
        """See `sharing.Bench`."""
        with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
            return self.reader.read(self.maker.work.tiles[number])

    def ask(self, number: int, read: Piece, progress: Progress) -> tuple[Block, Part | None]:
        """See `sharing.Bench`."""
        canvas = self.maker.canvas
        return block_of(number, read, canvas, lambda images: self.network.run(by_input(canvas.model, images)))


def block_of(number: int, piece: Piece, canvas: Canvas, ask: Callable[[np.ndarray], np.ndarray]) -> tuple[Block, Part | None]:
    """A block: its counts, and what the network, which `ask` asks for images (n, band, y, x), says of it; None where nothing is known."""
    part = _answered(piece, canvas, ask) if piece.valid.any() else None
    counts = [each.tolist() for each in (*piece.counts, *piece.limits)]
    return Block(number, int(part.valid.sum()) if part else 0, *counts), part


def _nothing_valid(canvas: Canvas, outcome: Outcome) -> DataError:
    """The sentence for an area without a result."""
    if outcome.measured.any() and canvas.squares:
        return DataError(f"{canvas.image} has no square of {canvas.squares.side} px in the area to map of which {canvas.squares.least:.0%} were "
                         "measured. Choose another extent, or check the nodata value.")
    hidden = ", or under clouds by their mask" if canvas.tags.get(MASKS, "[]") != "[]" else ""
    return DataError(f"{canvas.image} has no valid pixel in the area to map: all are nodata{hidden}. Choose another extent, or check the nodata "
                     "value.")


def by_input(model: Package, images: np.ndarray) -> dict[str, np.ndarray]:
    """Images (n, band, y, x) with the bands of all inputs one after the other, as the network takes them."""
    ends = np.cumsum([len(seen.bands) for seen in model.images.values()])[:-1]
    return dict(zip(model.images, np.split(images, ends, axis=1), strict=True))


def _asked(network: Network, canvas: Canvas, numbered: tuple[int, Piece]) -> tuple[Block, Part | None]:
    """`block_of` a piece that was read."""
    return block_of(*numbered, canvas, lambda images: network.run(by_input(canvas.model, images)))


def _waited(network: Network, progress: Progress, pace: Pace, answer: Future[tuple[Block, Part | None]]) -> tuple[Block, Part | None]:
    """What comes of a block, while progress hears of it."""
    return patiently(answer.result, network.stop, progress, pace.share, pace.text(pace.blocks + 1))


def _answered(piece: Piece, canvas: Canvas, ask: Callable[[np.ndarray], np.ndarray]) -> Part:
    """What the network, which `ask` asks for images (n, band, y, x), says of what lies in the area."""
    model, last = canvas.model, len(OUTPUTS) if canvas.known else 0
    if not canvas.squares:
        inner = (slice(None), *piece.inner)
        answer = ask(piece.values[None])[0][inner]
        sensors = None if piece.sensors is None else piece.sensors[piece.inner]
        if answer.dtype != np.float32:
            return Part(piece.target, answer[:0], piece.values[inner], piece.valid, sensors=sensors, decided=answer)
        scores, ground = apart(answer, last)
        scores, further, beside = divided(scores, model)
        more = dict(zip(model.beside, beside, strict=True))
        return Part(piece.target, scores, piece.values[inner], piece.valid, more, further, sensors, ground)
    cells, *layers = canvas.squares.answers(piece.tile, piece.values, piece.known, ask)
    inside = cells.intersection(canvas.area) or cells
    top, left = inside.row - cells.row, inside.col - cells.col
    if piece.sensors is not None:
        layers.append(canvas.squares.seen_in(piece.tile, piece.sensors))
    scores, values, valid, *seen = (layer[..., top:top + inside.height, left:left + inside.width] for layer in layers)
    scores, ground = apart(scores, last)
    scores, further, beside = divided(scores, model)
    more = dict(zip(model.beside, beside, strict=True))
    return Part(inside, scores, values, valid, more, further, sensors=seen[0] if seen else None, ground=ground)


def _warn_out_of_range(matches: list[Match], outcome: Outcome, name: str, progress: Progress) -> None:
    """Warns when many values of an image lie outside the range of the training images."""
    outside = [match.model for match, share in zip(matches, outcome.out_of_range_shares, strict=True) if share > WARNED_OUT_OF_RANGE]
    stored = next((STORED[band.unit] for band in outside if band.unit in STORED), "reflectance, or 8-bit colours")
    odd = [f"{share:.0%} of {match.model.name} ({low:.4g} to {high:.4g}, learned {match.model.p001:.4g} to {match.model.p999:.4g})"
           for match, share, low, high in zip(matches, outcome.out_of_range_shares, outcome.lowest, outcome.highest, strict=True)
           if share > WARNED_OUT_OF_RANGE]
    if odd:
        progress.message(f"Values of {name} lie outside the range of the training images: {', '.join(odd)}. "
                         "Check “Sensor” and “Nodata value”, give an image that stores the same quantity "
                         f"({stored}), or train with images like this one.", level="warning")
    flat = [f"{match.model.name} ({low:.4g} to {high:.4g}, learned {match.model.p001:.4g} to {match.model.p999:.4g})"
            for match, low, high, measured in zip(matches, outcome.lowest, outcome.highest, outcome.measured, strict=True)
            if measured >= ENOUGH_PIXELS and high - low < LEAST_VARIED * (match.model.p999 - match.model.p001)]
    if flat:
        progress.message(f"Values of {name} hardly vary beside those of the training images, so the map may be wrong everywhere: {listed(flat, 3)}. "
                         "Check “Sensor”, and whether the image holds reflectance where digital numbers were learned.", level="warning")
