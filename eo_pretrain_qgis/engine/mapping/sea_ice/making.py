"""From a model and a radar image to a map of sea ice, its concentration, its edge and a chart."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from geopandas import GeoDataFrame

from ....errors import DataError
from ....progress import SILENT, Progress
from ...looks.class_style import ramp_qml
from ...models.package import Package
from ...rasters.grid import Grid, Window
from ...rasters.shapefiles import check_free, write_shapefile
from ...rasters.vector import write_layer
from ...themes.sea_ice.classes import CONCENTRATION
from ...themes.sea_ice.land_mask import LandMask, open_land
from ..inference import Outcome, Product, map_scene
from ..products.classes import ClassMap, Confidence
from ..products.drawing import NO_VALUE, Drawing, percent
from ..request import Canvas, MapRequest
from ..stamps import file_of, stamps
from .cells import AtSea, Cells, CellSums, LastRead
from .chart import chart_metadata, chart_qml, draw_chart
from .edge import edge_lines, write_edge
from .images import readable
from .knowing import IceTargets

#: Concentration from which a cell counts for the extent of the ice, as of NSIDC and OSI SAF.
EXTENT = 0.15


@dataclass(frozen=True)
class IceRecipe:
    """How ice is mapped.

    Attributes:
        cell_km: edge of the cells of the concentration [km].
        edge_percent: concentration along the edge [%].
        open_water: see `IceTargets.of`.
        angle_table: see `images.readable`.
        smallest_km2: of the polygons of the chart, see `chart.joined`.
    """

    cell_km: float = 5.0
    edge_percent: float = 15.0
    open_water: str = ""
    angle_table: str = ""
    smallest_km2: float = 0.0


@dataclass(frozen=True)
class IceOutputs:
    """What is written: paths, of which only `class_map` is needed.

    Attributes:
        class_map: raster of classes.
        confidence: raster of the probability of the mapped class.
        concentration: raster of the share of ice in each cell [%].
        edge: layer of lines (.gpkg).
        chart: layer of polygons with SIGRID-3 codes (.gpkg).
        shapefile: the same (.shp).
    """

    class_map: str
    confidence: str | None = None
    concentration: str | None = None
    edge: str | None = None
    chart: str | None = None
    shapefile: str | None = None


def map_sea_ice(model: Package, request: MapRequest, outputs: IceOutputs, how: IceRecipe, land: dict | None = None, progress: Progress = SILENT
                ) -> dict[str, Any]:
    """Maps the ice in an image.

    Args:
        model: that gives a class for each pixel or square.
        request: the image.
        outputs: what to write.
        how: ice is mapped.
        land: a job's layer value, polygons or a raster; land gets no class and counts in no cell.
        progress: told of every block.

    Returns:
        ``ice_km2``, ``extent_km2``, ``edge_km`` and ``chart_polygons`` where these are written, ``out_of_range_share``, ``valid_share``, ``device``
        and ``seconds``.

    Raises:
        DataError: see `check_free`, `Cells.of`, `images.readable`, `CellSums.open` and `map_scene`; or the land mask lies elsewhere.
        JobError: see `Cells.of`, `IceTargets.of` and `images.readable`.
        ModelError: the model does not tell ice from water.
    """
    started = time.monotonic()
    targets = IceTargets.of(model, how.open_water)
    if outputs.shapefile:
        check_free(outputs.shapefile)
    with readable(model, request, how.angle_table, outputs.class_map, progress.part(0, 0.05)) as given:
        with given.images(model) as images:
            canvas = Canvas.of(model, given, images)
        cells = Cells.of(canvas.grid.sub(canvas.area), how.cell_km, canvas.image)
        mask = _land(land, canvas.grid, progress) if land else None
        sums = {target.name: CellSums.empty(cells, target.name, len(target.classes)) for target in (targets.amount, targets.stages)}
        outcome = map_scene(model, given, _products(outputs, sums, mask, land), progress.part(0.05, 0.9))
    amount = sums[targets.amount.name]
    concentration = amount.concentration(targets.amount.shares)
    facts = _areas(concentration, amount)
    if outputs.concentration:
        _write_concentration(outputs.concentration, concentration, cells.grid, canvas.tags, progress.part(0.9, 0.93))
    if outputs.edge:
        lines = edge_lines(concentration, how.edge_percent / 100, cells.grid)
        facts["edge_km"] = round(write_edge(outputs.edge, lines, how.edge_percent, cells.grid, progress.part(0.93, 0.95), canvas.tags), 3)
        _tell_of_no_edge(concentration, len(lines), how, progress)
    if outputs.chart or outputs.shapefile:
        chart = draw_chart(concentration, sums[targets.stages.name], targets.stages, how.smallest_km2, progress.part(0.95, 0.99))
        facts["chart_polygons"] = len(chart)
        _write_chart(outputs, chart, canvas, progress.part(0.99, 1))
    return {**facts, **_told(outcome), "seconds": round(time.monotonic() - started, 2)}


def _products(outputs: IceOutputs, sums: dict[str, CellSums], mask: LandMask | None, land: dict | None) -> list[Product]:
    """What the run makes; what may find that there is no sea comes last, so that nothing is written then."""
    products: list[Product] = [ClassMap(outputs.class_map), *([Confidence(outputs.confidence)] if outputs.confidence else []), *sums.values()]
    if not mask or not land:
        return products
    read, files = LastRead(mask), stamps([], files=[file_of(land)])
    return [AtSea(product, read, files) for product in products]


def _land(source: dict, grid: Grid, progress: Progress) -> LandMask:
    """The mask of land on a grid.

    Raises:
        DataError: it lies elsewhere.
    """
    mask = open_land(source, [grid], progress)
    if not mask.reaches(grid):
        raise DataError(f"The land mask {source['path']} lies elsewhere: nothing of it is on the image. Choose that of this coast, or leave “Land "
                        "mask” (land) empty where there is no land.")
    return mask


def _areas(concentration: np.ndarray, sums: CellSums) -> dict[str, Any]:
    """Ice, and the measured sea of all cells with enough of it, on the ground."""
    measured = sums.cells.ground_km2() * (sums.counts / sums.cells.full)
    return {"ice_km2": round(float(np.nansum(concentration * measured)), 3),
            "extent_km2": round(float(measured[concentration >= EXTENT].sum()), 3)}


def _write_concentration(path: str, concentration: np.ndarray, grid: Grid, tags: dict[str, str], progress: Progress) -> None:
    """Writes whole percent: Byte, 255 = nodata."""
    colours = {row.value: (row.color, f"{row.value} %") for row in CONCENTRATION}
    drawing = Drawing(path, ["sea ice concentration [%]"], lambda: ramp_qml(colours, "INTERPOLATED"))
    known = ~np.isnan(concentration)
    with drawing.written(grid, tags, progress) as write:
        write(np.where(known, percent(np.where(known, concentration, 0)), NO_VALUE).astype(np.uint8), Window(0, 0, grid.width, grid.height))


def _write_chart(outputs: IceOutputs, chart: GeoDataFrame, canvas: Canvas, progress: Progress) -> None:
    if outputs.chart:
        write_layer(outputs.chart, Path(outputs.chart).stem, chart, chart_qml(), progress, canvas.tags)
    if outputs.shapefile:
        told = {".xml": chart_metadata(chart, f"Ice chart of {canvas.image}", canvas.tags)}
        write_shapefile(outputs.shapefile, chart, chart_qml(), told, progress)


def _tell_of_no_edge(concentration: np.ndarray, lines: int, how: IceRecipe, progress: Progress) -> None:
    if lines:
        return
    highest, lowest = np.nanmax(concentration), np.nanmin(concentration)
    why = (f"no cell has {how.edge_percent:g} % of ice or more; the most is {highest:.1%}" if 100 * highest < how.edge_percent else
           f"every cell has {how.edge_percent:g} % of ice or more; the least is {lowest:.1%}" if 100 * lowest >= how.edge_percent else
           "cells with more and with less ice do not lie beside each other")
    progress.message(f"There is no ice edge on this image: {why}. The layer is empty.", level="warning")


def _told(outcome: Outcome) -> dict[str, Any]:
    return {"out_of_range_share": outcome.out_of_range_share, "valid_share": outcome.valid_share, "device": outcome.device}
