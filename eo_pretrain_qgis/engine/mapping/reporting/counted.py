"""What a map file shows: how much of each class, a small picture, and the tags that say where it comes from.

Files are read piece by piece, so memory holds a picture and not the map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import geopandas
import numpy as np
import pyogrio
import shapely
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.features import rasterize
from scipy.ndimage import binary_dilation, minimum_filter

from ....progress import SILENT, Progress
from ...cards import IGNORE, ClassInfo
from ...looks.class_style import coloured, rgb
from ...looks.tile_pictures import paint
from ...rasters.grid import Grid
from ...rasters.lengths import areas_m2, lengths_m
from ...themes.roads.labels import ROAD
from ..land_cover.areas import M2_PER_HA
from ..map_survey import ClassMap, survey

#: Longest edge of the picture of a layer [px], and its room around the features.
PICTURE, ROOM = 900, 1.04
#: Features that are read at once.
AT_ONCE = 20_000
#: Features are drawn with their outlines where they have at least so many pixels of the picture on average.
OUTLINED = 40
#: Position of an outline in the picture.
EDGE = 254
EDGE_COLOUR = (70, 70, 70)
#: Lines over an image are so wide [px], and areas hide so much of it.
LINE_WIDTH, OPACITY = 2, 0.25
#: The same of areas of several classes, whose colours must be told apart; the image under them is grey.
OPACITY_OF_CLASSES = 0.6
M_PER_KM = 1000


@dataclass(frozen=True)
class Row:
    """A class: how many pixels or features have it, and how much ground [ha] or length [km] that is."""

    name: str
    color: str
    count: int
    amount: float


@dataclass(frozen=True)
class Counted:
    """What a map shows.

    Attributes:
        rows: each class that it knows, in its order; what is not there has 0.
        unit: of the amounts: ha or km.
        counted: what the counts are of, in the plural.
        unknown: the part of the ground without a class: of pixels their share, of features how many.
        grid: that the picture covers; None where there is nothing.
        picture: uint8 (y, x, 3).
        tags: that the file has.
    """

    rows: tuple[Row, ...]
    unit: str
    counted: str
    unknown: float
    grid: Grid | None
    picture: np.ndarray
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Of all classes [ha] or [km]."""
        return sum(row.amount for row in self.rows)


@dataclass(frozen=True)
class LayerLook:
    """How a layer of features is counted.

    Attributes:
        counted: what its features are called, in the plural.
        classes: that they may have.
        column: begins the name of the field with the value of the class, the last of that name; empty: all are of the first class.
        lines: whether they are lines, which have a length.
        whole: what a figure would have to be of to say how right its features are; empty where figures of a model are of them.
    """

    counted: str
    classes: Sequence[ClassInfo]
    column: str = ""
    lines: bool = False
    whole: str = ""


#: What a layer holds → how it is counted; the classes are those of the model where none are named.
LAYERS = {
    "roads": LayerLook("lines", (ROAD,), lines=True, whole="lines"),
    "fields": LayerLook("fields", (ClassInfo(1, "field", "#ffd400"),), whole="whole fields"),
    "parcels": LayerLook("parcels", (), "crop_value"),
}


def counted_raster(path: str, progress: Progress = SILENT) -> Counted:
    """Counts a class raster.

    Raises:
        DataError: see `map_survey.survey`.
    """
    mapped, nothing = ClassMap({"path": path}, progress), np.zeros(0, np.int64)
    seen = survey(mapped, nothing, nothing, progress=progress)
    rows = tuple(Row(row.name, row.color, int(pixels), float(area) / M2_PER_HA)
                 for row, pixels, area in zip(seen.classes, seen.pixels, seen.areas, strict=True))
    unknown = 1 - seen.pixels.sum() / (mapped.grid.width * mapped.grid.height)
    return Counted(rows, "ha", "pixels", float(unknown), mapped.grid, paint(seen.picture, list(seen.classes)), mapped.tags)


def counted_layer(path: str, look: LayerLook, progress: Progress = SILENT, ground: Callable[[Grid], np.ndarray] | None = None) -> Counted:
    """Counts the features of a GeoPackage with one layer, on the ground.

    Args:
        path: of the GeoPackage.
        look: how its features are counted.
        progress: told how far it is.
        ground: draws an image, uint8 (y, x, 3), on a grid, over which the features are drawn; None leaves it white.
    """
    layer = str(pyogrio.list_layers(path)[0][0])  # behind it lies that of the style
    known = pyogrio.read_info(path, layer=layer, force_total_bounds=True)
    classes, tags = coloured(look.classes), {str(key): str(text) for key, text in (known.get("layer_metadata") or {}).items()}
    counts, amounts = np.zeros(len(classes) + 1, np.int64), np.zeros(len(classes) + 1)
    total, unit = int(known["features"]), "km" if look.lines else "ha"
    if not total or known["total_bounds"] is None:
        rows = tuple(Row(row.name, row.color, 0, 0.0) for row in classes)
        return Counted(rows, unit, look.counted, 0, None, np.zeros((0, 0, 3), np.uint8), tags)
    grid = picture_grid(known["total_bounds"], str(known["crs"]), PICTURE // 2 if look.lines and not ground else PICTURE)
    picture = np.full((grid.height, grid.width), IGNORE, np.uint8)
    column = next((name for name in reversed(list(known["fields"])) if look.column and name.startswith(look.column)), "")
    for done, features in enumerate(_pieces(path, layer, column, total)):
        progress.at(done * AT_ONCE / total, "Counting what was mapped")
        shapes = np.asarray(features.geometry.values, object)
        positions = _positions(features[column].to_numpy(float, na_value=np.nan), classes) if column else np.zeros(len(shapes), int)
        sizes = lengths_m(shapes, grid.crs) / M_PER_KM if look.lines else areas_m2(shapes, grid.crs) / M2_PER_HA
        counts += np.bincount(positions, minlength=len(counts))
        amounts += np.bincount(positions, sizes, len(amounts))
        _draw(picture, grid, shapes, np.where(positions < len(classes), positions, IGNORE), look.lines)
    rows = tuple(Row(row.name, row.color, int(count), float(amount)) for row, count, amount in zip(classes, counts, amounts))
    painted = _over(ground(grid), picture, classes, look.lines) if ground else _on_white(picture, classes)
    return Counted(rows, unit, look.counted, float(counts[-1]), grid, painted, tags)


def _on_white(picture: np.ndarray, classes: Sequence[ClassInfo]) -> np.ndarray:
    """Positions of classes (y, x) as uint8 (y, x, 3), white where there is none."""
    painted = paint(picture, list(classes))
    painted[picture == IGNORE] = 255
    painted[picture == EDGE] = EDGE_COLOUR
    return painted


def _over(image: np.ndarray, picture: np.ndarray, classes: Sequence[ClassInfo], lines: bool) -> np.ndarray:
    """Features over an image (y, x, 3): lines and the edges of areas in the colour of their class, their inside so that the image is seen."""
    if lines:
        picture = minimum_filter(picture, LINE_WIDTH)  # no class is the largest number
    edge = rgb(classes[0].color) if len(classes) == 1 else EDGE_COLOUR
    colours = paint(np.where(picture == EDGE, IGNORE, picture), list(classes))
    painted = image.copy()
    known = picture < EDGE
    under, opacity = image[known].astype(np.float32), OPACITY
    if len(classes) > 1:
        under, opacity = under.mean(1, keepdims=True), OPACITY_OF_CLASSES
    painted[known] = colours[known] if lines else (opacity * colours[known] + (1 - opacity) * under).round().astype(np.uint8)
    painted[binary_dilation(picture == EDGE, structure=np.ones((LINE_WIDTH, LINE_WIDTH)))] = edge
    return painted


def picture_grid(bounds: Sequence[float], crs: str, edge: int = PICTURE) -> Grid:
    """The pixels of a picture of what lies within bounds (west, south, east, north); its longest edge is about `edge` [px]."""
    west, south, east, north = bounds
    side = ROOM * max(east - west, north - south) or 1.0
    step = side / edge
    width, height = (max(1, round((high - low) / step + (ROOM - 1) * edge)) for low, high in ((west, east), (south, north)))
    left, top = (west + east - width * step) / 2, (south + north + height * step) / 2
    return Grid(CRS.from_user_input(crs).to_wkt(version="WKT2_2019"), (step, 0.0, left, 0.0, -step, top), width, height)


def _pieces(path: str, layer: str, column: str, total: int) -> Iterator[geopandas.GeoDataFrame]:
    for first in range(0, total, AT_ONCE):
        found: Any = pyogrio.read_dataframe(path, layer=layer, columns=[column] if column else [], skip_features=first, max_features=AT_ONCE)
        yield found[~(found.geometry.isna() | found.geometry.is_empty)]


def _positions(values: np.ndarray, classes: Sequence[ClassInfo]) -> np.ndarray:
    """Positions of the classes of some values (n,); behind the last of those without one."""
    places = {row.value: position for position, row in enumerate(classes)}
    return np.array([places.get(value, len(classes)) for value in values.tolist()], np.int64)


def _draw(picture: np.ndarray, grid: Grid, shapes: np.ndarray, positions: np.ndarray, lines: bool) -> None:
    """Draws features (n,) into a picture of positions (y, x)."""
    if not len(shapes):
        return
    place = Affine(*grid.transform)
    rasterize(zip(shapes, positions.tolist()), out=picture, transform=place, all_touched=lines)
    if not lines and np.median(shapely.area(shapes)) >= OUTLINED * grid.resolution[0] ** 2:
        rasterize([(edge, EDGE) for edge in shapely.boundary(shapes)], out=picture, transform=place, all_touched=True)

