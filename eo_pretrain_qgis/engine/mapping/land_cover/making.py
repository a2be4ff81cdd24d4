"""From a model and an image to a map of land cover, its areas and outlines, and its change since an earlier map."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....errors import JobError
from ....progress import SILENT, Progress
from ...models.package import Package
from ...rasters.grid import Grid, Window
from ...rasters.lengths import PixelAreas
from ..inference import map_scene
from ..polygons import write_polygons
from ..products.alternatives import margin_drawing, require_other_class, runner_up_drawing
from ..products.classes import class_drawing, class_values, confidence_drawing, shares_drawing
from ..products.drawing import NO_VALUE
from ..products.out_of_range import OutOfRange
from ..request import Canvas, MapRequest
from ..scores import next_probable
from .areas import areas_of, write_areas
from .change import SIEVE, EarlierMap, compare, write_change, write_change_table
from .layers import LandCoverLayers, require_land_cover
from .regions import strips
from .sieve import WORDS, sieve, smallest_of


@dataclass(frozen=True)
class CoverRecipe:
    """How a map is generalised.

    Attributes:
        minimum_m2: minimum mapping unit [m²], see `sieve`; 0 keeps all.
        simplify_m: of outlines, see `polygons.write_polygons`.
    """

    minimum_m2: float = 5000.0
    simplify_m: float = 20.0


@dataclass(frozen=True)
class CoverOutputs:
    """What is written: paths, of which only `class_map` is needed; for `change` and `change_table` also an earlier map.

    Attributes:
        class_map: raster of classes.
        confidence: raster of the probability of the mapped class, after the sieve.
        class_shares: raster of the probability of every class, as the model gives them.
        runner_up: raster of the most probable class besides the mapped one, after the sieve.
        margin: raster of by how much that is less probable, after the sieve.
        out_of_range: raster of where values lie outside the training values.
        polygons: outlines of the map (.gpkg).
        areas: table of areas (.csv).
        change: raster of what changed.
        change_table: table of what changed (.csv).
    """

    class_map: str
    confidence: str | None = None
    class_shares: str | None = None
    polygons: str | None = None
    areas: str | None = None
    change: str | None = None
    change_table: str | None = None
    runner_up: str | None = None
    margin: str | None = None
    out_of_range: str | None = None


def map_land_cover(model: Package, request: MapRequest, outputs: CoverOutputs, how: CoverRecipe, earlier: dict | None = None,
                   progress: Progress = SILENT) -> dict[str, Any]:
    """Maps the land cover of an image.

    Args:
        model: that gives a class for each pixel or square.
        request: the image.
        outputs: what to write.
        how: the map is generalised.
        earlier: a job's raster value: the map to compare with.
        progress: told of every block.

    Returns:
        ``classes``, that the map shows, ``sieved_share``, ``out_of_range_share``, ``valid_share``, ``device`` and ``seconds``; with polygons
        ``polygon_count``; with an out-of-range layer ``outside_share``; with an earlier map ``changed_ha`` and ``expected_ha``, where that is known.

    Raises:
        JobError: the minimum mapping unit is larger than the map.
        ModelError: the model gives no land cover.
        DataError: see `EarlierMap.open` and `map_scene`.
    """
    started = time.monotonic()
    require_land_cover(model)
    if outputs.runner_up or outputs.margin:
        require_other_class(model, "Runner-up" if outputs.runner_up else "Margin")
    spread = OutOfRange(outputs.out_of_range) if outputs.out_of_range else None
    with request.images(model) as images:
        canvas = Canvas.of(model, request, images)
    grid = canvas.grid.sub(canvas.area)
    pixel_areas = PixelAreas(grid)
    _require_smaller(how, pixel_areas.total, grid)
    before = EarlierMap.open(earlier, model, grid, canvas.tags.get("ACQUISITION_DATE", ""), canvas.image) if earlier else None
    with LandCoverLayers.beside(outputs.class_map, len(model.classes), (grid.height, grid.width)) as layers:
        outcome = map_scene(model, request, [layers, *([spread] if spread else [])], progress.part(0, 0.6))
        changed = sieve(layers, pixel_areas, how.minimum_m2, outputs.class_map, progress=progress.part(0.6, 0.75))
        if how.minimum_m2:
            layers.tags[SIEVE] = WORDS.format(how.minimum_m2)
        areas = areas_of(layers.positions, len(model.classes), pixel_areas, progress.part(0.75, 0.77))
        facts: dict[str, Any] = {"classes": int(np.count_nonzero(areas.pixels)), "sieved_share": round(changed / int(areas.pixels.sum()), 6)}
        facts |= {"outside_share": spread.outside} if spread else {}
        if before:
            facts |= _write_changes(before, layers, model, (grid, pixel_areas), outputs, progress.part(0.77, 0.85))
        _write_rasters(layers, model, grid, outputs, progress.part(0.85, 0.9))
    if outputs.areas:
        write_areas(areas, model.classes, outputs.areas)
    if outputs.polygons:
        facts["polygon_count"] = write_polygons(outputs.class_map, model.classes, outputs.polygons, progress=progress.part(0.9, 1),
                                                simplify_m=how.simplify_m)
    return {**facts, "out_of_range_share": outcome.out_of_range_share, "valid_share": outcome.valid_share, "device": outcome.device,
            "seconds": round(time.monotonic() - started, 2)}


def _require_smaller(how: CoverRecipe, total_m2: float, grid: Grid) -> None:
    if how.minimum_m2 > total_m2:
        raise JobError(f"“Smallest area [m²]” (minimum_area) is {how.minimum_m2:g}, and the whole map ({grid.width} × {grid.height} pixels) has "
                       f"{total_m2:.6g} m². Choose a smaller one.")


def _write_rasters(layers: LandCoverLayers, model: Package, grid: Grid, outputs: CoverOutputs, progress: Progress) -> None:
    """Writes the class map, and of the other rasters those that are wanted."""
    values = class_values(model.classes)
    wanted = [(class_drawing(outputs.class_map, model.classes), lambda strip: values[layers.positions[strip]])]
    if outputs.confidence:
        wanted.append((confidence_drawing(outputs.confidence), lambda strip: _of_class(layers, strip)))
    if outputs.runner_up:
        wanted.append((runner_up_drawing(outputs.runner_up, model.classes), lambda strip: values[_other(layers, strip)[0]]))
    if outputs.margin:
        wanted.append((margin_drawing(outputs.margin), lambda strip: _margin(layers, strip)))
    if outputs.class_shares:
        wanted.append((shares_drawing(outputs.class_shares, model.classes), lambda strip: _shares(layers, strip)))
    for done, (drawing, values_of) in enumerate(wanted):
        part = progress.part(done / len(wanted), (done + 1) / len(wanted))
        with drawing.written(grid, layers.tags, part) as write:
            for strip in strips(grid.height, grid.width):
                part.at(strip.start / grid.height, "Writing the map")
                write(values_of(strip), Window(0, strip.start, grid.width, strip.stop - strip.start))


def _of_class(layers: LandCoverLayers, strip: slice) -> np.ndarray:
    """Probability of the mapped class in percent, uint8 (y, x)."""
    positions = np.asarray(layers.positions[strip])
    known = np.where(positions == NO_VALUE, 0, positions)
    return np.where(positions == NO_VALUE, NO_VALUE, np.take_along_axis(layers.percent[:, strip], known[None], 0)[0])


def _other(layers: LandCoverLayers, strip: slice) -> tuple[np.ndarray, np.ndarray]:
    """Position of the most probable class besides the mapped one, uint8 (y, x), 255 where there is none, and its probability in percent."""
    positions = np.asarray(layers.positions[strip])
    other, percent = next_probable(layers.percent[:, strip], positions)
    return np.where(positions == NO_VALUE, NO_VALUE, other), percent


def _margin(layers: LandCoverLayers, strip: slice) -> np.ndarray:
    """By how many percent that is less probable, uint8 (y, x): 0 where it is more so, as in areas that got the class of a neighbour."""
    mapped = _of_class(layers, strip)
    return np.where(mapped == NO_VALUE, NO_VALUE, mapped - np.minimum(_other(layers, strip)[1], mapped))


def _shares(layers: LandCoverLayers, strip: slice) -> np.ndarray:
    """Probability of every class in percent, uint8 (class, y, x)."""
    return np.where(layers.positions[strip] == NO_VALUE, NO_VALUE, layers.percent[:, strip])


def _write_changes(earlier: EarlierMap, layers: LandCoverLayers, model: Package, ground: tuple[Grid, PixelAreas], outputs: CoverOutputs,
                   progress: Progress) -> dict[str, Any]:
    """Writes what changed on a grid with the areas of its pixels, and says how much."""
    grid, pixel_areas = ground
    if earlier.sieve != layers.tags.get(SIEVE, ""):
        before, now = smallest_of(earlier.sieve), smallest_of(layers.tags.get(SIEVE, ""))
        progress.message(f"“Smallest area [m²]” is {now} for this map and was {before} for the earlier map {earlier.raster.path}, so some "
                         "differences come from that alone. Map the earlier image again with the same.", level="warning")
    change = compare(earlier, layers, model, pixel_areas, progress.part(0, 0.5))
    if outputs.change:
        write_change(earlier, layers, change, (grid, model.classes), outputs.change, progress.part(0.5, 1))
    if outputs.change_table:
        write_change_table(change, model.classes, outputs.change_table)
    known = model.record.confusion is not None
    expected = change.expected_ha
    told = (f"Mistakes of the model alone would show {expected:.1f} ha if those of the two dates had nothing to do with each other, which is often "
            "too much" if expected is not None else
            f"The model file {model.path} has no confusion matrix, so nobody knows how much of it are mistakes" if not known else
            "What mistakes alone would show is not known of all classes, because the model's confusion matrix lacks some")
    progress.message(f"The class differs on {change.changed_ha:.1f} ha of {change.found.total:.1f} ha. {told}. These are differences of two maps and "
                     "no areas of change: for those draw a sample on both dates and use “Assess map”.", level="warning")
    return {"changed_ha": round(change.changed_ha, 4), **({} if expected is None or math.isnan(expected) else {"expected_ha": round(expected, 4)})}
