"""From a model and an image, or probabilities that are there already, to a layer of roads."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....progress import SILENT, Progress
from ...cards import ClassInfo
from ...looks.class_style import beside, class_map_qml, colormap, raster_attributes
from ...measures.networks import Network, apls, relaxed, topo
from ...models.package import Package
from ...rasters.cog import Contents, TiledWriter
from ...rasters.grid import Grid, Window, blocks
from ...rasters.raster import Raster
from ...themes.roads.labels import ROAD
from ...waiting import in_background
from ..inference import Product, map_scene
from ..products.drawing import NO_VALUE
from ..request import MapRequest
from .bridging import Bridging, bridge
from .cleaning import Threshold, decide
from .graph import graph_of
from .known import KNOWN, STEP, TRUTH, Comparing, KnownRoads, differences, near_shares, write_candidates
from .layers import NOT_MEASURED, RoadLayers, RoadProbability, position, read_percent
from .lines import RoadLines, Tidying, tidied, write_roads
from .skeleton import BLOCK, thinned

#: Classes of the mask.
CLASSES = (ClassInfo(0, "no road", "#ffffff"), ROAD)
COMPARING = "Comparing with known roads"


@dataclass(frozen=True)
class RoadRecipe:
    """How roads are drawn, see there."""

    threshold: Threshold = field(default_factory=Threshold)
    bridging: Bridging = field(default_factory=Bridging)
    tidying: Tidying = field(default_factory=Tidying)
    comparing: Comparing = field(default_factory=Comparing)


@dataclass(frozen=True)
class RoadOutputs:
    """What is written: paths, of which only `roads` is needed.

    Attributes:
        roads: layer of lines (.gpkg).
        candidates: layer of what known roads and the image do not have in common (.gpkg).
        mask: raster of the pixels that are road.
        probability: raster of the probability of road in percent, of a model alone.
    """

    roads: str
    candidates: str | None = None
    mask: str | None = None
    probability: str | None = None


@dataclass(frozen=True)
class OtherRoads:
    """Layers to compare with, as a job's vector values: roads that are known, and those taken as the truth."""

    known: dict | None = None
    reference: dict | None = None


def map_roads(model: Package, request: MapRequest, outputs: RoadOutputs, others: OtherRoads, how: RoadRecipe, progress: Progress = SILENT
              ) -> dict[str, Any]:
    """Maps an image and draws the roads in it.

    Args:
        model: of a dataset of roads.
        request: the image.
        outputs: what to write.
        others: what to compare with.
        how: roads are drawn.
        progress: told of every block.

    Returns:
        What `draw_roads` does, ``out_of_range_share``, ``valid_share``, ``device`` and ``seconds``.

    Raises:
        ModelError: the model does not know roads; and see `map_scene` and `draw_roads`, as for all others.
    """
    started = time.monotonic()
    position(model)
    with request.scene(model, progress) as scene:
        grid = scene.grid
    area = request.area(grid)
    compared = _opened(others, grid.sub(area), progress.part(0, 0.1))  # what cannot be compared is said before an hour of mapping
    with RoadLayers.beside(outputs.roads, (area.height, area.width)) as layers:
        products: list[Product] = [layers, *([RoadProbability(outputs.probability)] if outputs.probability else [])]
        outcome = map_scene(model, request, products, progress.part(0.1, 0.7))
        facts = draw_roads(layers, grid.sub(area), outputs, compared, how, progress.part(0.7, 1))
    return {**facts, "out_of_range_share": outcome.out_of_range_share, "valid_share": outcome.valid_share, "device": outcome.device,
            "seconds": round(time.monotonic() - started, 2)}


@dataclass(frozen=True)
class Probabilities:
    """A raster of the probability of road: a job's raster value, one more nodata value, and the part that is wanted; None for none and all."""

    source: dict
    nodata: float | None = None
    extent: dict | None = None


def roads_of_raster(given: Probabilities, outputs: RoadOutputs, others: OtherRoads, how: RoadRecipe, provenance: dict[str, Any],
                    progress: Progress = SILENT) -> dict[str, Any]:
    """Draws the roads of a raster that holds their probability, see `layers.read_percent`.

    Args:
        given: see there.
        outputs: what to write.
        others: what to compare with.
        how: roads are drawn.
        provenance: what was asked and with which version, for the tags of the mask.
        progress: told how far it is.

    Returns:
        What `draw_roads` does, ``valid_share`` and ``seconds``.

    Raises:
        DataError: see `layers.read_percent` and `draw_roads`.
    """
    started = time.monotonic()
    with Raster(**given.source) as raster:
        raster.declared_nodata = given.nodata
        grid = raster.grid
        area = grid.window_of(given.extent) if given.extent else grid.window
        compared = _opened(others, grid.sub(area), progress.part(0, 0.1))
        with RoadLayers.beside(outputs.roads, (area.height, area.width)) as layers:
            layers.tags |= {"EO_PRETRAIN_IMAGES": json.dumps([raster.name], ensure_ascii=False),
                            "EO_PRETRAIN_PARAMETERS": json.dumps(provenance, ensure_ascii=False)}
            read_percent(raster, area, layers, progress.part(0.1, 0.3))
            valid = float(np.mean([np.mean(layers.percent[row:row + BLOCK] != NOT_MEASURED) for row in range(0, area.height, BLOCK)]))
            facts = draw_roads(layers, grid.sub(area), outputs, compared, how, progress.part(0.3, 1))
    return {**facts, "valid_share": valid, "seconds": round(time.monotonic() - started, 2)}


def road_lines(layers: RoadLayers, pixel_m: tuple[float, float], how: RoadRecipe, progress: Progress = SILENT, block: int = BLOCK
               ) -> tuple[RoadLines, int]:
    """The centre lines of what a model says, and how many gaps in them were bridged; `layers.road` is filled.

    Args:
        layers: see there.
        pixel_m: size of a pixel (x, y) [m].
        how: roads are drawn.
        progress: told of every block.
        block: edge of a block [px]; never changes a line.
    """
    decide(layers.percent, layers.road, how.threshold, progress.part(0, 0.3))
    pixels = thinned(layers.road, pixel_m, progress.part(0.3, 0.8), block)

    def joined() -> tuple[RoadLines, int]:
        graph = graph_of(pixels, pixel_m)
        graph.prune_spurs()
        bridged = bridge(graph, how.bridging)
        return tidied(graph, layers.percent, pixel_m, how.tidying), bridged

    return in_background(joined, progress, 0.8, "Joining roads")


def draw_roads(layers: RoadLayers, grid: Grid, outputs: RoadOutputs, compared: dict[str, KnownRoads], how: RoadRecipe, progress: Progress = SILENT
               ) -> dict[str, Any]:
    """Writes the roads of what a model says, and how they agree with other roads.

    Args:
        layers: see there.
        grid: of their pixels.
        outputs: what to write.
        compared: ``known`` and ``reference``, where there are any.
        how: roads are drawn.
        progress: told how far it is.

    Returns:
        ``roads``, ``length_km``, ``bridged``; with known roads ``new_km`` and ``not_seen_km``; with a reference ``precision``, ``recall``, ``f1``,
        ``apls`` and ``topo_f1``.

    Raises:
        DataError: the disk is full.
    """
    pixel_m = grid.metres_per_pixel()
    lines, bridged = road_lines(layers, pixel_m, how, progress.part(0, 0.7))
    more: dict[str, np.ndarray] = {}
    facts: dict[str, Any] = {"roads": len(lines.shapes), "bridged": bridged}
    with _mask(layers, grid, outputs.mask, progress.part(0.7, 0.75)):
        if "known" in compared:
            known = compared["known"]
            shares, apart = in_background(lambda: (near_shares(lines.shapes, known.lines, how.comparing.tolerance_m, STEP * min(pixel_m)),
                                                   differences(lines.shapes, known, layers.percent, pixel_m, how.comparing)),
                                          progress, 0.75, COMPARING)
            more["known"] = np.round(100 * shares, 1)
            kilometres = write_candidates(apart, grid, outputs.candidates, progress, layers.tags)
            facts |= {f"{status.replace(' ', '_')}_km": round(length, 3) for status, length in kilometres.items()}
        if reference := compared.get("reference"):
            facts |= agreement(reference.lines[reference.expected], lines.shapes, how.comparing.tolerance_m, progress.part(0.75, 0.95))
        progress.at(0.95, "Writing roads")
        length = write_roads(lines, grid, outputs.roads, more, progress, layers.tags)
    return {**facts, "length_km": round(length, 3)}


def agreement(true: np.ndarray, mapped: np.ndarray, tolerance_m: float, progress: Progress = SILENT) -> dict[str, float | None]:
    """How well mapped lines agree with the true ones, both on a plane in metres (n,): see `measures.networks`."""
    truth, found = Network.of(true), Network.of(mapped)
    figures = in_background(lambda: relaxed(truth, found, tolerance_m), progress, 0, "Comparing with the reference")
    similarity = apls(truth, found, tolerance_m, progress.part(0, 0.5))
    return {**figures, "apls": similarity, "topo_f1": topo(truth, found, tolerance_m, progress.part(0.5, 1))["f1"]}


def _opened(others: OtherRoads, grid: Grid, progress: Progress) -> dict[str, KnownRoads]:
    """The layers that were given, where the grid is."""
    given = (("known", others.known, KNOWN), ("reference", others.reference, TRUTH))
    return {name: KnownRoads.open(source, grid, rules, progress) for name, source, rules in given if source}


@contextmanager
def _mask(layers: RoadLayers, grid: Grid, path: str | None, progress: Progress) -> Iterator[None]:
    """Writes the pixels that are road as a Byte COG, 255 = nodata, with its style, when the block ends without an error."""
    if path is None:
        yield
        return
    contents = Contents("uint8", NO_VALUE, ["road"], colormap(CLASSES), layers.tags)
    looks = {"qml": lambda: class_map_qml(CLASSES), "aux_xml": lambda: raster_attributes(CLASSES)}
    with beside(path, progress, **looks), TiledWriter(path, grid, contents, progress) as writer:
        for window in blocks(Window(0, 0, grid.width, grid.height), BLOCK):
            place = np.s_[window.row:window.row + window.height, window.col:window.col + window.width]
            writer.write(np.where(layers.percent[place] == NOT_MEASURED, NO_VALUE, layers.road[place]), window)
        yield
