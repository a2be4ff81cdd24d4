"""From a model of series and dated images to the crops of parcels, or to a map of the pixels inside a mask."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....errors import DataError, JobError, ModelError
from ....progress import SILENT, Progress
from ...models.package import Package
from ...rasters.grid import blocks
from ...scheduling import scheduler
from ..dated_images import OpenedSeries, SeriesRequest, open_images
from ..inference import Product, require_products
from ..polygons import write_polygons
from ..products.classes import ClassMap, Confidence
from ..request import absolute
from ..series import ASKED, LARGEST_BLOCK, Asked, asker, map_series
from ..sharing import found_everywhere
from .asking import ask_parcels
from .layers import FEW_DATES, OUTSIDE, TOO_SMALL, hectares_of_map, write_hectares, write_hectares_of_map, write_parcels
from .membership import MappedParcels, Mask


@dataclass(frozen=True)
class ParcelSource:
    """Which parcels: a job's vector value; ground nearer than `inner_buffer` [m] to the border of each is left out."""

    layer: dict
    inner_buffer: float = 10.0


@dataclass(frozen=True)
class CropOutputs:
    """What is written: paths, empty for none.

    Attributes:
        layer: parcels with their crops, or areas of one crop (.gpkg).
        class_map: raster of the classes, of pixels alone.
        confidence: raster of their probabilities in percent, of pixels alone.
        table: hectares of each crop (.csv).
    """

    layer: str | None = None
    class_map: str | None = None
    confidence: str | None = None
    table: str | None = None


def map_parcels(model: Package, request: SeriesRequest, source: ParcelSource, outputs: CropOutputs, progress: Progress = SILENT) -> dict[str, Any]:
    """Asks for the crop of each parcel.

    Args:
        model: of series.
        request: the images.
        source: of the parcels.
        outputs: `layer`, and `table`.
        progress: told how far it is.

    Returns:
        ``parcels``, ``with_crop``, ``too_few_dates``, ``too_small``, ``area_ha`` of those with a crop, ``dates``, ``until``, ``device`` and
        ``seconds``.

    Raises:
        DataError: see `dated_images.open_images` and `MappedParcels.open`; or there are too few dates for any parcel.
        ModelError: the model does not take series, or says no probabilities.
    """
    started = time.monotonic()
    opened = _opened(model, request, progress.part(0, 0.1))
    parcels = MappedParcels.open(source.layer, opened.grid, source.inner_buffer, progress.part(0.1, 0.2))
    answers = ask_parcels(model, opened, parcels, request.least_dates, asker(model), progress.part(0.2, 0.9))
    hectares, notes = write_parcels(str(outputs.layer), parcels, answers, opened, tuple(model.classes), progress.part(0.9, 1))
    if outputs.table:
        write_hectares(outputs.table, tuple(model.classes), answers.first, hectares)
    counts = {note: int((notes == note).sum()) for note in (FEW_DATES, TOO_SMALL, OUTSIDE)}
    reasons = {FEW_DATES: f"have fewer than {request.least_dates} clear dates", OUTSIDE: "lie outside of the images with their inner ground",
               TOO_SMALL: f"hold no pixel whose middle lies {source.inner_buffer:g} m inside" if source.inner_buffer else
               "hold the middle of no pixel"}
    for note, why in reasons.items():
        if counts[note]:
            progress.message(f"{counts[note]} of {len(notes)} parcels {why} and get no crop.", level="warning")
    given = answers.first >= 0
    return {"parcels": len(notes), "with_crop": int(given.sum()), "too_few_dates": counts[FEW_DATES], "too_small": counts[TOO_SMALL],
            "area_ha": round(float(hectares[given].sum()), 4), **_facts(opened), "device": "cpu (CPUExecutionProvider)",
            "seconds": round(time.monotonic() - started, 2)}


def map_pixels(model: Package, request: SeriesRequest, mask: dict | None, outputs: CropOutputs, whole_image: bool = False,
               progress: Progress = SILENT) -> dict[str, Any]:
    """Maps the pixels of a mask, or all of them.

    Args:
        model: of series.
        request: the images.
        mask: a job's layer value; None for none.
        outputs: `class_map`, and the others.
        whole_image: whether all pixels may be asked for where there is no mask.
        progress: told how far it is.

    Returns:
        ``valid_share``, ``area_ha`` of what has a crop, ``dates``, ``until``, ``device`` and ``seconds``.

    Raises:
        JobError: neither a mask nor `whole_image`; says what all pixels would cost.
        DataError: see `map_series`; or the mask wants no pixel.
        ModelError: as `map_series`.
    """
    if scheduler():
        model, request, mask = found_everywhere(model), request.found_everywhere(), absolute([mask])[0] if mask else None
    opened = _opened(model, request, progress.part(0, 0.05))
    grid = opened.grid
    area = grid.window_of(request.extent) if request.extent else grid.window
    within = Mask(mask, grid, progress.part(0.05, 0.07)) if mask else None
    pixels = within.count(grid, blocks(area, LARGEST_BLOCK), progress.part(0.07, 0.1)) if within else area.width * area.height
    minutes = pixels * seconds_per_pixel(model, opened, asker(model)) / 60
    cost = f"{pixels:,} pixels, " + (f"about {minutes:,.0f} minutes with this model on this computer" if minutes >= 1 else "less than a minute")
    if within is None and not whole_image:
        raise JobError(f"There are neither “Parcels” (parcels) nor a “Mask” (mask), so every pixel of the images would be asked for: {cost}. Give "
                       "parcels, of which each is asked for once, or a mask of farmland, or switch on “Whole image” (whole_image).")
    progress.message(f"The model is asked for {cost}.")
    products: list[Product] = [ClassMap(str(outputs.class_map)), *([Confidence(outputs.confidence)] if outputs.confidence else [])]
    facts = map_series(model, replace(request, within=within), products, progress.part(0.1, 0.9), opened)
    if outputs.layer:
        write_polygons(str(outputs.class_map), model.classes, outputs.layer, 0, progress.part(0.9, 1))
    counts, hectares = hectares_of_map(str(outputs.class_map))
    if outputs.table:
        write_hectares_of_map(outputs.table, tuple(model.classes), counts, hectares)
    return {**facts, "area_ha": round(float(hectares.sum()), 4), "until": _facts(opened)["until"]}


def seconds_per_pixel(model: Package, opened: OpenedSeries, ask: Asked) -> float:
    """How long the model thinks about a pixel [s], of some made-up ones; reading the images comes on top."""
    seen, images = opened.seen, opened.images
    values = np.broadcast_to(np.asarray(seen.fill, np.float32), (ASKED, len(images), len(seen.bands)))
    days = np.broadcast_to(np.array([image.day for image in images], np.float32), (ASKED, len(images)))
    given = dict(zip(seen.ports, (np.ascontiguousarray(values), np.ascontiguousarray(days)), strict=True))
    ask(given)  # the first time takes longer
    started = time.monotonic()
    ask(given)
    return (time.monotonic() - started) / ASKED


def _opened(model: Package, request: SeriesRequest, progress: Progress) -> OpenedSeries:
    """The images, where the model takes series of pixels and there are dates enough."""
    axes: Sequence[str] = [one.axes for one in model.inputs.values()]
    if "tbyx" in axes:
        raise ModelError(f"The model {model.path} learned from dated tiles and looks at the surroundings of each pixel, so it cannot be asked for "
                         "the mean of a parcel. Use “Map a series”, or choose a model that learned from series of pixels or parcels.")
    require_products(model, [ClassMap("")])
    opened = open_images(model, request, progress)
    if len(opened.images) < request.least_dates:
        raise DataError(f"The images hold {len(opened.images)} dates of the season of the model, and “Smallest number of clear dates” (least_dates) "
                        f"is {request.least_dates}, so nothing could get a crop. Give images of more dates, or lower that number.")
    return opened


def _facts(opened: OpenedSeries) -> dict[str, Any]:
    return {"dates": len(opened.images), "until": opened.images[-1].date.isoformat()}
