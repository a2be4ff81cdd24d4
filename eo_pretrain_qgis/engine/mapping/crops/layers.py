"""The layer of parcels with their crops, its style, and the table of hectares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely

from ....outputs import new_file
from ....progress import SILENT, Progress
from ....tables import write_table
from ...cards import ClassInfo
from ...looks.category_style import Category, categorized, color_option
from ...looks.class_style import coloured
from ...rasters.grid import Window
from ...rasters.lengths import PixelAreas, areas_m2
from ...rasters.raster import Raster
from ...rasters.vector import write_layer
from ..dated_images import OpenedSeries
from ..polygons import STRIP_ROWS, sums_by_kind
from ..products.drawing import NO_VALUE
from .asking import Answers
from .membership import MappedParcels

FEW_DATES, TOO_SMALL, OUTSIDE = "not enough dates", "too small", "outside the images"
#: Fields that the map adds to a layer of parcels.
FIELDS = ("crop", "crop_value", "confidence", "runner_up", "margin", "clear_dates", "last_clear", "pixels", "area_ha", "note")
#: What is added to a name that the layer has already.
AGAIN = "_map"
NO_CROP = "no crop"
TABLE = ("value", "crop", "parcels", "area_ha", "share")
#: Drawn for parcels without a crop.
_EMPTY = {"color": color_option("#ffffff", 0), "style": "no", "outline_color": color_option("#888888"), "outline_style": "solid",
          "outline_width": "0.2"}


def write_parcels(path: str, parcels: MappedParcels, answers: Answers, opened: OpenedSeries, classes: tuple[ClassInfo, ...],
                  progress: Progress = SILENT) -> tuple[np.ndarray, np.ndarray]:
    """Writes the parcels with all their fields and those of the map, in the CRS of their layer, with a style.

    Args:
        path: the .gpkg to write.
        parcels: that were asked for.
        answers: what is known of them.
        opened: the images.
        classes: of the model.
        progress: hears which fields got another name.

    Returns:
        Area of each parcel [ha] and its note, an empty text where it has a crop (parcel,).

    Raises:
        DataError: the disk is full.
    """
    features = parcels.features
    taken = {str(name).lower() for name in features.columns} | {"fid"}
    names = {name: _free(name, taken) for name in FIELDS}
    if renamed := [f"“{name}” is {own}" for name, own in names.items() if own != name]:
        progress.message(f"{parcels.path} has fields with names of the map, which stay as they are; in the new layer {', '.join(renamed)}.")
    asked, notes = answers.first >= 0, notes_of(parcels, answers)
    hectares = areas_m2(np.asarray(features.geometry.values, object), features.crs.to_wkt()) / 1e4
    words, values = np.array([row.name for row in classes], object), np.array([row.value for row in classes], float)
    dates = np.array([*(image.date.isoformat() for image in opened.images), None], object)
    columns = {"crop": np.where(asked, words[answers.first], None), "crop_value": np.where(asked, values[answers.first], np.nan),
               "confidence": _percent(answers.chances[:, 0], asked), "runner_up": np.where(asked, words[answers.second], None),
               "margin": _percent(answers.chances[:, 0] - answers.chances[:, 1], asked), "clear_dates": answers.clear_dates,
               "last_clear": dates[answers.last], "pixels": answers.pixels, "area_ha": np.round(hectares, 4), "note": notes}
    told = features.assign(**{names[name]: column for name, column in columns.items()})
    told[names["crop_value"]] = told[names["crop_value"]].astype("Int32")
    progress.at(0.9, "Writing the parcels")
    write_layer(path, Path(path).stem, told.reset_index(drop=True), parcels_qml(classes, names["crop_value"]), progress, opened.tags)
    return hectares, notes


def notes_of(parcels: MappedParcels, answers: Answers) -> np.ndarray:
    """Why a parcel has no crop, or an empty text (parcel,)."""
    around = shapely.box(*parcels.grid.bounds())
    beyond = ~shapely.is_empty(parcels.shapes) & ~shapely.intersects(parcels.shapes, around)
    notes = np.where(answers.first >= 0, "", FEW_DATES).astype(object)
    notes[answers.pixels == 0] = TOO_SMALL
    notes[(answers.pixels == 0) & beyond] = OUTSIDE
    return notes


def parcels_qml(classes: tuple[ClassInfo, ...], field: str) -> str:
    """Style: a colour for each crop, and an outline alone for parcels without one; QGIS takes an empty value for all the rest."""
    rows = [Category(row.value, row.name, {"color": color_option(row.color), "style": "solid", "outline_color": color_option("#555555"),
                                           "outline_style": "solid", "outline_width": "0.1"}) for row in coloured(classes)]
    return categorized(field, "fill", [*rows, Category("", NO_CROP, _EMPTY)])


def write_hectares(path: str, classes: tuple[ClassInfo, ...], first: np.ndarray, hectares: np.ndarray) -> None:
    """Writes a table of the crops: their value, name, number of parcels or pixels, area, and share of the whole area that has a crop.

    Args:
        path: the .csv to write.
        classes: of the model.
        first: position of the class, -1 for none (n,).
        hectares: of each (n,).
    """
    whole = hectares[first >= 0].sum()
    rows: list[tuple] = [TABLE]
    for position, row in enumerate(classes):
        own = hectares[first == position].sum()
        rows.append((row.value, row.name, int((first == position).sum()), round(float(own), 4), round(float(own / whole), 4) if whole else ""))
    if (first < 0).any():
        rows.append(("", NO_CROP, int((first < 0).sum()), round(float(hectares[first < 0].sum()), 4), ""))
    with new_file(path) as part:
        write_table(part, rows)


def hectares_of_map(class_map: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and hectares of each value of a class map (value,); nodata has none."""
    pixels, areas = np.zeros(NO_VALUE, np.int64), np.zeros(NO_VALUE)
    with Raster(class_map) as raster:
        grid = raster.grid
        ground = PixelAreas(grid)
        for row in range(0, grid.height, STRIP_ROWS):
            values, valid = raster.read(Window(0, row, grid.width, min(STRIP_ROWS, grid.height - row)), [0])
            counts, own = sums_by_kind(np.where(valid, values[0], NO_VALUE), NO_VALUE, ground[row:row + STRIP_ROWS])
            pixels += counts
            areas += own
    return pixels, areas / 1e4


def write_hectares_of_map(path: str, classes: tuple[ClassInfo, ...], pixels: np.ndarray, hectares: np.ndarray) -> None:
    """As `write_hectares`, of the pixels of a class map: what `hectares_of_map` gives."""
    whole = hectares.sum() or 1
    rows: list[tuple] = [tuple("pixels" if name == "parcels" else name for name in TABLE)]
    rows += [(row.value, row.name, int(pixels[row.value]), round(float(hectares[row.value]), 4), round(float(hectares[row.value] / whole), 4))
             for row in classes]
    with new_file(path) as part:
        write_table(part, rows)


def _free(name: str, taken: set[str]) -> str:
    """A name that a layer does not have."""
    found = name
    while found.lower() in taken:
        found += AGAIN
    taken.add(found.lower())
    return found


def _percent(chances: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Percent with one decimal; NaN where a parcel was not asked for."""
    return np.where(asked, np.round(100 * chances, 1), np.nan)
