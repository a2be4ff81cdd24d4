"""An ice chart: regions of cells with like concentration, and what SIGRID-3 says of each.

Codes as in `themes.sea_ice.sigrid3`. The concentration is written in tenths, rounded: 1/10 from 10 %, 9+/10 (91) from 95 %, 10/10 (92) from 99.5 %;
less than 10 % is open water (01). Beside 9+/10 the partial concentrations add up to ten, as ice services write it.

Polygons below a smallest area become part of what lies beside them, the smallest first: of the regions with that code CT with which it shares the
longest border. It has their code then; the other fields count all cells of the new polygon.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import geopandas
import numpy as np
import shapely
from skimage.measure import label

from ....markup import escaped
from ....progress import SILENT, Progress
from ...looks.category_style import Category, categorized, color_option
from ...rasters.grid import Grid
from ...rasters.lengths import PixelAreas, areas_m2, lengths_m
from ...rasters.meaning import SIMULATED
from ...themes.sea_ice.classes import CONCENTRATION
from ...themes.sea_ice.sigrid3 import ICE, KIND, NOT_FILLED, PARTS, TOTAL, TRACES, UNDETERMINED, WATER
from ..land_cover.regions import PARTS_PER_M2, measure_small, number_small
from ..land_cover.sieve import sieved
from ..polygons import outlines, to_map
from ..products.drawing import NO_VALUE
from .cells import CellSums
from .knowing import IceTarget

OPEN_WATER, NINE_PLUS, ALL = 1, 91, 92
#: Least concentration of open water's neighbour, of 9+/10 and of 10/10.
LEAST_ICE, LEAST_NINE_PLUS, LEAST_ALL = 0.1, 0.95, 0.995
#: Of the form that dominates; a field of SIGRID-3 that no image of radar tells.
_DOMINANT_FORM = "CF"
_COLOURS = {OPEN_WATER: ("open water, below 1/10", CONCENTRATION[0].color), **{row.value: (row.name, row.color) for row in CONCENTRATION[1:10]},
            NINE_PLUS: ("9+/10", CONCENTRATION[10].color), ALL: ("10/10", CONCENTRATION[10].color)}


@dataclass(frozen=True)
class IcePart:
    """One kind of ice in a region: tenths, and SIGRID-3 code of its stage."""

    tenths: int
    stage: int


def total_codes(concentration: np.ndarray) -> np.ndarray:
    """The code CT of concentrations from 0 to 1, uint8 of the same shape; 0 where they are not known."""
    known = np.where(np.isnan(concentration), 0, concentration)
    codes = 10 * np.clip(np.floor(10 * known + 0.5), 1, 9)
    codes = np.select([known < LEAST_ICE, known >= LEAST_ALL, known >= LEAST_NINE_PLUS], [OPEN_WATER, ALL, NINE_PLUS], codes)
    return np.where(np.isnan(concentration), 0, codes).astype(np.uint8)


def tenths_of(code: int) -> int:
    """Of a code CT; none of open water, ten of 9+/10."""
    return {OPEN_WATER: 0, NINE_PLUS: 10, ALL: 10}.get(code, code // 10)


def parts_of(tenths: int, amounts: np.ndarray, target: IceTarget) -> list[IcePart]:
    """The up to three kinds of ice of which a region has most, thickest first; their tenths add up to the total.

    Tenths are rounded by largest remainders. Kinds that would get none are left out.

    Args:
        tenths: of all ice.
        amounts: of each class of a target, in any unit (class,).
        target: that tells the stages.
    """
    found: dict[int, float] = defaultdict(float)
    thickness: dict[int, int] = defaultdict(int)
    for amount, row in zip(amounts, target.classes, strict=True):
        if row.share:
            found[row.stage] += float(amount) * row.share
            thickness[row.stage] = max(thickness[row.stage], row.thickness)
    most = sorted(found, key=lambda stage: (-found[stage], -thickness[stage]))[:len(PARTS)]
    total = sum(found[stage] for stage in most)
    if not tenths:
        return []
    if not total:  # another target says that there is ice
        return [IcePart(tenths, UNDETERMINED)]
    exact = {stage: tenths * found[stage] / total for stage in most}
    given = {stage: int(exact[stage]) for stage in most}
    for stage in sorted(most, key=lambda stage: given[stage] - exact[stage])[:tenths - sum(given.values())]:
        given[stage] += 1
    return [IcePart(given[stage], stage) for stage in sorted(most, key=lambda stage: -thickness[stage]) if given[stage]]


def codes_of(total: int, parts: list[IcePart]) -> dict[str, str]:
    """The SIGRID-3 fields of a region, as texts of two characters."""
    fields = {TOTAL: f"{total:02d}"}
    for number, names in enumerate(PARTS):
        part = parts[number] if number < len(parts) else None
        alone = total if len(parts) == 1 else 10 * part.tenths if part else NOT_FILLED
        codes = (alone, part.stage, UNDETERMINED) if part else (NOT_FILLED,) * len(names)
        fields |= dict(zip(names, (f"{code:02d}" for code in codes), strict=True))
    return fields | dict.fromkeys((*TRACES, _DOMINANT_FORM), f"{NOT_FILLED}") | {KIND: ICE if parts else WATER}


def joined(codes: np.ndarray, grid: Grid, smallest_km2: float, progress: Progress = SILENT) -> np.ndarray:
    """Codes CT of cells (row, col) in which regions below an area have the code beside them; one between cells without a code keeps its own.

    Args:
        codes: 0 where they are not known (row, col).
        grid: of the cells.
        smallest_km2: the smallest area on the ground that stays [km²].
        progress: told how far it is.
    """
    found = np.unique(codes[codes > 0])
    positions = np.where(codes > 0, np.searchsorted(found, codes), NO_VALUE).astype(np.uint8)
    minimum = smallest_km2 * 1e6 * PARTS_PER_M2
    numbers = np.zeros(codes.shape, np.int32)
    known = number_small(positions, PixelAreas(grid), minimum, numbers)
    # Where all classes are as probable, the length of the border decides.
    nothing, sums = np.broadcast_to(np.uint8(0), (len(found), *codes.shape)), np.zeros((len(known[0]), len(found)))
    regions = measure_small(positions, nothing, numbers, sums, known)
    classes = sieved(regions, sums, minimum, progress)
    after = np.where(numbers > 0, classes[numbers], positions)
    return np.where(after == NO_VALUE, 0, found[np.where(after == NO_VALUE, 0, after)]).astype(np.uint8) if len(found) else codes


def draw_chart(concentration: np.ndarray, stages: CellSums, target: IceTarget, smallest_km2: float = 0, progress: Progress = SILENT
               ) -> geopandas.GeoDataFrame:
    """The regions as polygons; every name of a field has at most 10 characters, as shapefiles need.

    Fields: ``AREA`` [m²] and ``PERIMETER`` [m] on the ground, those of `codes_of`, and ``ice_pct``, the mean concentration [%].

    Args:
        concentration: 0 to 1, NaN where not known (row, col).
        stages: sums of the target that tells the stages.
        target: that one.
        smallest_km2: see `joined`; 0 keeps all.
        progress: told how far it is.
    """
    codes, grid = total_codes(concentration), stages.cells.grid
    if smallest_km2:
        codes = joined(codes, grid, smallest_km2, progress)
    regions = label(codes, background=0, connectivity=1).astype(np.int32)
    count = int(regions.max())
    amounts = np.stack([np.bincount(regions.ravel(), layer.ravel(), count + 1) for layer in stages.sums])
    means = np.bincount(regions.ravel(), np.nan_to_num(concentration).ravel(), count + 1) / np.bincount(regions.ravel(), minlength=count + 1).clip(1)
    first = np.zeros(count + 1, np.uint8)
    first[regions.ravel()] = codes.ravel()
    drawn = sorted(outlines(iter([(regions, regions > 0)]), grid, progress))
    numbers = [number for number, _ in drawn]
    shapes = shapely.transform(np.array([shape for _, shape in drawn], object), to_map(grid))
    rows = [codes_of(int(first[number]), parts_of(tenths_of(int(first[number])), amounts[:, number], target)) for number in numbers]
    table = {"AREA": np.round(areas_m2(shapes, grid.crs), 1), "PERIMETER": np.round(lengths_m(shapely.boundary(shapes), grid.crs), 1),
             **{name: [row[name] for row in rows] for name in rows[0]}, "ice_pct": np.round(100 * means[numbers], 1)}
    return geopandas.GeoDataFrame(table, geometry=geopandas.GeoSeries(shapes, crs=grid.crs))


def chart_metadata(chart: geopandas.GeoDataFrame, title: str, tags: dict[str, str]) -> str:
    """The metadata beside a chart as ice services write them (FGDC-STD-001-1998), in short: what it is, its day and where it lies.

    Args:
        chart: of `draw_chart`.
        title: of the image.
        tags: of the map: the day of the image, the model and its licence.
    """
    day = tags.get("ACQUISITION_DATE", "")
    made = f"by the model “{tags.get('EO_PRETRAIN_MODEL', '')}” ({tags.get('EO_PRETRAIN_MODEL_LICENCE', '')})"
    west, south, east, north = shapely.total_bounds(chart.to_crs("OGC:CRS84").geometry.values)
    when = f"<timeperd><timeinfo><sngdate><caldate>{day.replace('-', '')}</caldate></sngdate></timeinfo></timeperd>" if day else ""
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<metadata><idinfo><citation><citeinfo><title>{escaped(title)}</title></citeinfo>'
            "</citation><descript><abstract>Ice chart with codes of SIGRID-3, computed "
            f"{escaped(made)} from a radar image{', which is simulated' if tags.get(SIMULATED) else ''}. No analyst has looked at it; "
            f"not for navigation.</abstract></descript>{when}<spdom><bounding><westbc>{west:.4f}</westbc><eastbc>{east:.4f}</eastbc>"
            f"<northbc>{north:.4f}</northbc><southbc>{south:.4f}</southbc></bounding></spdom></idinfo></metadata>\n")


def chart_qml() -> str:
    """Style: the colours of the WMO for each concentration."""
    return categorized(TOTAL, "fill", [
        Category(f"{code:02d}", words, {"color": color_option(color), "style": "solid", "outline_color": color_option("#333333"),
                                        "outline_style": "solid", "outline_width": "0.1"}) for code, (words, color) in _COLOURS.items()])
