"""A map of a model of series: the dates of each pixel are asked for together, in blocks that memory holds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError, ModelError
from ...progress import SILENT, Progress
from ..cards import SeriesDays
from ..datasets.dates import NO_DAY, YEAR, season_sentence
from ..datasets.season import Season
from ..models.package import Package
from ..models.record import ModelInput
from ..models.session import VERSION, on_processor
from ..rasters.clouds import CLEAR, CloudMask, open_mask
from ..rasters.grid import Grid, Window, blocks
from ..rasters.raster import Raster, Scene
from ..rasters.series_dates import Dated, days_of, days_since, in_order
from .band_matching import AS_MODEL, Match, match_bands, preset_of
from .blocks import Tile, anchored_tiles
from .inference import Part, Product, require_products
from .request import Canvas, compare_resolution
from .score_checks import check_scores

#: Numbers of images held at once, and pixels that the network is asked for at once: of more, an encoder with attention, such as Presto, would need
#: gigabytes and be slower, and a cancel would wait for it.
HELD, ASKED = 2**25, 2**9
LARGEST_BLOCK = 512


@dataclass(frozen=True)
class SeriesRequest:
    """Dated images, and how they are to be mapped.

    Attributes:
        images: raster values of a job; a data cube gives as many as it has days.
        masks: of clouds, of the days of images.
        mask_kind: key of `clouds.KINDS`.
        pattern: of the dates in file names, see `series_dates.days_of`.
        table: CSV file with the dates.
        together: whether several rasters of one day are its bands.
        season: images of other days are left out; None takes all.
        preset: how the stored values are scaled, see `band_matching.match_bands`.
        bands: names of the images' bands in order, separated by commas; empty takes those in the files.
        extent: part to map; None is all.
        nodata: a nodata value besides those in the files.
        provenance: what was asked and with which version, kept in the tags.
    """

    images: Sequence[dict]
    masks: Sequence[dict] = ()
    mask_kind: str = "scl"
    pattern: str | None = None
    table: str | None = None
    together: bool = False
    season: Season | None = None
    preset: str = AS_MODEL
    bands: str = ""
    extent: dict | None = None
    nodata: float | None = None
    provenance: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Image:
    """The image of a date: its day as the model counts, its scene, bands and mask."""

    day: float
    scene: Scene
    matches: list[Match]
    mask: CloudMask | None

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Values of the model (band, y, x) and clear pixels (y, x) of a window; the files are closed again, for there may be many."""
        stored, valid = self.scene.read(window, [match.position for match in self.matches])
        values = stored.astype(np.float32)
        for band, match in zip(values, self.matches, strict=True):
            match.convert(band)
        clear = valid & np.isfinite(values).all(0)
        if self.mask is not None:
            clear &= self.mask.read(self.scene.grid, window) == CLEAR
            self.mask.close()
        self.scene.close()
        return values, clear


def map_series(model: Package, request: SeriesRequest, products: Sequence[Product], progress: Progress = SILENT) -> dict[str, Any]:
    """Maps the classes of a model of series over dated images on one grid; a pixel without a clear date stays nodata.

    Args:
        model: of series.
        request: what is asked.
        products: to be made.
        progress: told about each block.

    Returns:
        ``valid_share``, ``dates`` that the model looked at, ``device`` and ``seconds``.

    Raises:
        DataError: images on different grids, of another season than the model's, of several years of the season asked for, without the model's
            bands, or without a clear pixel.
        ModelError: the model does not take one series, cannot give a product, or says no probabilities.
    """
    started, (seen, season) = time.monotonic(), _series_of(model)
    require_products(model, products)
    progress.at(0, "Reading the dates")
    ordered = in_order(_dated(request, progress), together=request.together, least=1, progress=progress)
    days = _in_season(season, ordered, progress)
    images = _opened(model, seen, request, ordered, days, progress.part(0, 0.1))
    grid = images[0].scene.grid
    compare_resolution(model, grid, images[0].scene.name, progress)
    area = grid.window_of(request.extent) if request.extent else grid.window
    tags = {"EO_PRETRAIN_MODEL": model.id, "EO_PRETRAIN_MODEL_SHA256": model.sha256, "EO_PRETRAIN_MODEL_LICENCE": model.description["licence"],
            "EO_PRETRAIN_IMAGES": json.dumps([each.scene.name for each in images], ensure_ascii=False),
            "EO_PRETRAIN_DATES": ", ".join(each.day.isoformat() for each, day in zip(ordered, days, strict=True) if day >= 0),
            "EO_PRETRAIN_PARAMETERS": json.dumps(request.provenance, ensure_ascii=False), "EO_PRETRAIN_RUNTIME": f"onnxruntime {VERSION}"}
    canvas = Canvas(model, images[0].scene.name, grid, area, tags)
    session = on_processor(Path(model.path).read_bytes(), model.path)
    valid = 0
    with ExitStack() as stack:
        takers = [stack.enter_context(product.open(canvas, progress)) for product in products]
        tiles = _laid(model, seen, grid, area, len(images))
        for number, tile in enumerate(tiles):
            part = progress.part(0.1 + 0.9 * number / len(tiles), 0.1 + 0.9 * (number + 1) / len(tiles))
            answered = _answered if seen.axes == "tb" else _answered_tile
            found = answered(model, seen, images, tile, lambda given: session.run([model.kind.output], given)[0], part)
            valid += int(found.valid.sum())
            check_scores(found.scores, found.valid, found.window, grid, model)
            for take in takers:
                take(found)
        if not valid:
            raise DataError("No pixel of the area has a clear date, so there is nothing to map. Choose another extent, or check the cloud masks and "
                            "the nodata value.")
    return {"valid_share": valid / (area.width * area.height), "dates": sum(each.day >= 0 for each in images), "device": "cpu (CPUExecutionProvider)",
            "seconds": round(time.monotonic() - started, 2)}


def first_image(request: SeriesRequest) -> tuple[Grid, str]:
    """The grid on which all images of a series must lie, and the name of the first."""
    first = days_of(list(request.images), request.pattern, request.table)[0]
    with Raster(**first.sources[0]) as raster:
        return raster.grid, raster.name


def _series_of(model: Package) -> tuple[ModelInput, SeriesDays]:
    """The one series that a model takes, and its season."""
    first, *others = model.inputs.values()
    if others or first.season is None:
        raise ModelError(f"The model {model.path} is for {model.task} and takes no series of dates. Use “Predict map”, or choose a model that "
                         "learned from series.")
    return first, first.season


def _dated(request: SeriesRequest, progress: Progress) -> list[Dated]:
    """The images with their days, of one season where one was asked for."""
    found = days_of(list(request.images), request.pattern, request.table)
    if request.season:
        found = request.season.within(found, progress=progress)
        request.season.check_one(found, "The images")
    return found


def _in_season(season: SeriesDays, ordered: list[Dated], progress: Progress) -> list[float]:
    """Days of the images as the model counts them, by whole years nearest to its season; `NO_DAY` outside of it."""
    counted = np.array(days_since([each.day for each in ordered], ordered[0].day.year), np.float64)
    moved = counted - round(YEAR * round(((counted[0] + counted[-1]) / 2 - season.middle) / YEAR))
    inside = season.seen(moved)
    told = season_sentence(season, counted, 1 - float(inside.mean()), "The images")
    if told:
        progress.message(told.replace("clear dates", "dates"), "warning")
    return np.where(inside, moved, NO_DAY).tolist()


def _opened(model: Package, seen: ModelInput, request: SeriesRequest, ordered: list[Dated], days: list[float], progress: Progress) -> list[_Image]:
    """The images that the model looks at, all on one grid."""
    found: list[_Image] = []
    masks = {each.day: each for each in days_of(list(request.masks), request.pattern, request.table, lenient=True)}
    kept = [(each, day) for each, day in zip(ordered, days, strict=True) if day >= 0]
    without = [each.day.isoformat() for each, _ in kept if request.masks and each.day not in masks]
    if without and len(without) == len(kept):
        raise DataError(f"No cloud mask is of the day of an image: the masks are of {', '.join(map(str, sorted(masks)))[:200]}. Choose the masks of "
                        "the images, or correct their dates.")
    if without:
        progress.message(f"{len(without)} images have no cloud mask and count as clear: {', '.join(without[:8])}.", "warning")
    for number, (each, day) in enumerate(kept):
        progress.at(number / len(kept), "Opening the images")
        scene = Scene.open(sorted(each.sources, key=lambda source: Path(source["path"]).name), request.nodata,
                           preset_of(request.preset, seen.preset))
        if found and not found[0].scene.grid.same_as(scene.grid):
            raise DataError(f"{found[0].scene.path} and {scene.path} lie on different grids, but a series is read pixel by pixel. Bring one onto the "
                            "grid of the other with “Warp (reproject)”; of several tiles, map each by itself.")
        matches = match_bands(seen.bands, scene.band_names, image=scene.name, scene=scene, preset=request.preset, model_preset=seen.preset,
                              bands_text=request.bands, progress=SILENT if found else progress)
        scene.close()
        found.append(_Image(day, scene, matches, open_mask(masks[each.day].sources[0], request.mask_kind) if each.day in masks else None))
    return found


def _laid(model: Package, seen: ModelInput, grid: Grid, area: Window, dates: int) -> list[Tile]:
    """The blocks of a map: of series any that memory holds, for each pixel is asked for alone; of dated tiles those of the model, see `blocks`."""
    if seen.axes == "tb":
        side = min(LARGEST_BLOCK, max(16, int((HELD / (dates * (len(seen.bands) + 1))) ** 0.5)))
        return [Tile(window, window) for window in blocks(area, side)]
    found = anchored_tiles(grid.width, grid.height, block=model.block, halo=model.halo, stride=model.stride, area=area)
    return [Tile(core, tile.seen) for tile in found if (core := tile.core.intersection(area))]


def _answered_tile(model: Package, seen: ModelInput, images: list[_Image], tile: Tile, ask: Callable[[dict[str, np.ndarray]], np.ndarray],
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
    kept = (..., slice(core.row - around.row, core.row - around.row + core.height), slice(core.col - around.col, core.col - around.col + core.width))
    valid = np.logical_or.reduce(known[kept])
    scores = np.zeros((model.channels, core.height, core.width), np.float32)
    if valid.any():
        scores = np.where(valid, ask(dict(zip(seen.ports, (values, days), strict=True)))[0][kept], 0)
    means = np.einsum("dbyx,dyx->byx", values[0][kept], known[kept].astype(np.float32)) / np.maximum(known[kept].sum(0), 1)
    return Part(core, scores, means, valid)


def _answered(model: Package, seen: ModelInput, images: list[_Image], tile: Tile, ask: Callable[[dict[str, np.ndarray]], np.ndarray],
              progress: Progress) -> Part:
    """What the model says of the pixels of a block, each for itself, and beside it the mean of each band over the clear dates."""
    window = tile.core
    pixels = window.width * window.height
    values = np.empty((pixels, len(images), len(seen.bands)), np.float32)
    days = np.full((pixels, len(images)), NO_DAY, np.float32)
    fill = np.asarray(seen.fill, np.float32)
    for number, image in enumerate(images):
        progress.at(0.7 * number / len(images), "Reading the dates of a block")
        stored, clear = image.read(window)
        values[:, number] = np.where(clear.ravel()[:, None], stored.reshape(len(stored), -1).T, fill)
        days[clear.ravel(), number] = image.day
    dated = (days >= 0).astype(np.float32)
    means = np.einsum("pdb,pd->bp", values, dated) / np.maximum(dated.sum(1), 1)
    valid, scores = (days >= 0).any(1), np.zeros((pixels, model.channels), np.float32)
    places = np.flatnonzero(valid)
    for first in range(0, len(places), ASKED):
        progress.at(0.7 + 0.3 * first / len(places), "Asking the model")
        some = places[first:first + ASKED]
        scores[some] = ask(dict(zip(seen.ports, (values[some], days[some]), strict=True)))
    shape = (window.height, window.width)
    return Part(window, np.moveaxis(scores.reshape(*shape, -1), -1, 0), means.reshape(-1, *shape), valid.reshape(shape))
