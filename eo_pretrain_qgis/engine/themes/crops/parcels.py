"""Parcels with a crop: which of them count, which ground inside them is pure, and which crops become which classes."""

from __future__ import annotations

import re
from dataclasses import dataclass

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize

from ....errors import DataError, listed
from ....progress import SILENT, Progress
from ....tables import COLOR, read_table, shortened
from ...datasets.dataset import Dataset
from ...datasets.labels import missed
from ...datasets.legend import Legend, as_styled, class_key, make_legend
from ...rasters.grid import Grid, Window
from ...rasters.vector import VectorLayer, on_grid, polygons_of, repaired, touching

OTHER = "other"
#: Colour of the class of all rare crops.
OTHER_COLOR = "#999999"
NOTHING = -1
#: Parcels worked on between two signs of life.
BATCH = 10_000
#: Ground smaller than this share of a pixel is rounding along a common border and no overlap.
SLIVER = 0.01


@dataclass(frozen=True)
class CropRules:
    """How crops become classes.

    Attributes:
        table: CSV file with the columns crop and class, optionally color; an empty class leaves the crop out, a crop that is not
            listed goes to “other”. None: every crop is a class.
        minimum_parcels: classes in fewer parcels go to “other”; 0 keeps all.
        minimum_samples: classes with fewer pixels go to “other”; 0 keeps all.
    """

    table: str | None = None
    minimum_parcels: int = 0
    minimum_samples: int = 0


class Parcels:
    """The parcels on a grid, shrunk by the inner buffer.

    Attributes:
        shapes: polygons in the CRS of the grid (parcel,).
        crops: crop of each parcel, as in the layer (parcel,).
        regions: region of each parcel, or empty texts (parcel,).
        numbers: which feature of the layer each parcel is, from 1 (parcel,).
        overlaps: ground that parcels with different crops share, in the CRS of the grid.
        overlapping: numbers of the parcels that share ground with another crop (n,).
        facts: what was left out, for the record.
    """

    def __init__(self, grid: Grid, shapes: np.ndarray, crops: np.ndarray, regions: np.ndarray, numbers: np.ndarray, facts: dict) -> None:
        """Use `open_parcels`."""
        self.grid, self.shapes, self.crops, self.regions, self.numbers, self.facts = grid, shapes, crops, regions, numbers, facts
        self.overlaps, self.overlapping = np.array([], object), np.zeros(0, np.int64)
        self._tree = shapely.STRtree(shapes)
        self._shared = shapely.STRtree(self.overlaps)

    def __len__(self) -> int:
        return len(self.shapes)

    def read(self, window: Window) -> np.ndarray:
        """The parcel whose inner ground holds the middle of each pixel, int32 (y, x); -1 where there is none or more than one crop."""
        size, around = (window.height, window.width), shapely.box(*self.grid.bounds(window))
        hits = np.sort(self._tree.query(around))
        if not len(hits):
            return np.full(size, NOTHING, np.int32)
        drawn = [*zip(self.shapes[hits], hits.tolist(), strict=True),
                 *((self.overlaps[shared], NOTHING) for shared in self._shared.query(around))]
        return rasterize(drawn, size, fill=NOTHING, transform=rasterio.Affine(*self.grid.sub(window).transform), dtype="int32")

    def hidden(self, pixels: np.ndarray) -> np.ndarray:
        """Which parcels hold no pixel because later ones with the same crop lie on most of their ground: bool (parcel,).

        Args:
            pixels: that each parcel holds (parcel,).
        """
        empty = np.flatnonzero((pixels == 0) & (shapely.area(self.shapes) > 0))
        own, other = self._tree.query(self.shapes[empty], predicate="intersects")
        own = empty[own]
        later = (other > own) & (self.crops[own] == self.crops[other])
        own, other = own[later], other[later]
        most = shapely.area(shapely.intersection(self.shapes[own], self.shapes[other])) > shapely.area(self.shapes[own]) / 2
        found = np.zeros(len(self), bool)
        found[own[most]] = True
        return found

    def leave_out_overlaps(self, progress: Progress = SILENT) -> None:
        """Takes ground out that parcels with different crops claim, and says how much it is."""
        both, grounds = shared_ground(self.shapes, self._tree, self.grid, self.crops, progress)
        parcels = np.unique(both)
        self.overlapping = self.numbers[parcels]
        if not len(parcels):
            return
        self.overlaps = grounds
        self._shared = shapely.STRtree(self.overlaps)
        one, other = self.crops[both[0]]
        progress.message(f"{len(parcels)} of {len(self)} parcels overlap a parcel with another crop, such as “{one}” and “{other}”; the ground "
                         "they share is left out.", level="warning")


def open_parcels(source: dict, grid: Grid, crop_field: str, region_field: str | None = None, inner_buffer: float = 0.0,
                 progress: Progress = SILENT) -> Parcels:
    """Reads the parcels that lie on a grid.

    Args:
        source: a job's vector value.
        grid: of the images.
        crop_field: field with the crop.
        region_field: field with a region, such as a district; None where regions do not matter.
        inner_buffer: ground nearer than this to the border is left out [m].
        progress: also hears messages about what was left out.

    Raises:
        DataError: no polygons, no crop in any, or parcels that lie elsewhere.
    """
    layer, near, _ = near_polygons(source, grid, list(dict.fromkeys([crop_field, *([region_field] if region_field else [])])), progress)
    keys = np.array([class_key(value) or "" for value in near[crop_field]], dtype=object)
    if not (keys != "").any():
        raise DataError(f"The field “{crop_field}” of {layer.path} has no value in any parcel on the images. Choose another field.")
    if (keys == "").any():
        progress.message(f"{(keys == '').sum()} of {len(keys)} parcels have no crop in the field “{crop_field}” and are left out.",
                         level="warning")
    near, keys = near[keys != ""], keys[keys != ""]
    regions = np.array([class_key(value) or "" for value in near[region_field]] if region_field else [""] * len(near), dtype=object)
    shapes = shrunk(near, grid, inner_buffer, progress.part(0.3, 0.8))
    facts = {"path": layer.path, "layer": layer.name, "field": crop_field, "region_field": region_field or "", "parcels": len(near),
             "inner_buffer_m": inner_buffer}
    parcels = Parcels(grid, shapes, keys, regions, near.index.to_numpy() + 1, facts)
    parcels.leave_out_overlaps(progress.part(0.8, 1))
    return parcels


def near_polygons(source: dict, grid: Grid, columns: list[str] | None = None, progress: Progress = SILENT, what: str = "parcels are polygons",
                  called: str = "parcels") -> tuple[VectorLayer, geopandas.GeoDataFrame, int]:
    """The polygons of a layer that touch a grid, repaired, in its CRS, and how many do not; the index says which feature each is, from 0.

    Args:
        source: a job's vector value.
        grid: of the images.
        columns: fields to read; None takes all.
        progress: also hears messages about what was left out.
        what: is to be said of a layer without polygons.
        called: what they are, for a layer that lies elsewhere.

    Raises:
        DataError: no polygons, or only polygons that lie elsewhere.
    """
    progress.at(0, "Reading the polygons")
    layer = VectorLayer.open(source)
    features = repaired(layer.read(list(layer.fields) if columns is None else columns), layer.path, progress)
    features = polygons_of(features, layer.path, what, progress)
    crs = features.crs.to_wkt()
    near = features[touching(features, grid.boxes_in(crs))]
    if near.empty:
        raise missed(layer.path, tuple(features.total_bounds), grid.bounds_in(crs), called)
    return layer, near, len(features) - len(near)


def shared_ground(shapes: np.ndarray, tree: shapely.STRtree, grid: Grid, crops: np.ndarray | None = None, progress: Progress = SILENT
                  ) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of parcels that overlap, int64 (n, 2) with the smaller number first, and the ground they share (n,).

    Args:
        shapes: of the parcels, in the CRS of the grid (parcel,).
        tree: of these.
        grid: whose pixels say which ground is too small to count.
        crops: only parcels with different ones count (parcel,); None takes all.
        progress: told how far it is.
    """
    grounds, pairs = [np.array([], object)], [np.zeros((0, 2), np.int64)]
    for begin in range(0, len(shapes), BATCH):
        progress.at(begin / len(shapes), "Looking for parcels that overlap")
        first, second = tree.query(shapes[begin:begin + BATCH], predicate="intersects")
        first += begin
        wanted = first < second if crops is None else (first < second) & (crops[first] != crops[second])
        first, second = first[wanted], second[wanted]
        ground = shapely.intersection(shapes[first], shapes[second])
        real = shapely.area(ground) > SLIVER * np.prod(grid.resolution)
        grounds.append(ground[real])
        pairs.append(np.stack([first[real], second[real]], 1))
    return np.concatenate(pairs), np.concatenate(grounds)


def group_crops(crops: np.ndarray, pixels: np.ndarray, rules: CropRules, source: dict, crop_field: str,
                progress: Progress = SILENT) -> tuple[Legend, np.ndarray, list[str]]:
    """Decides the classes.

    Args:
        crops: of the parcels on the images, as in the layer (parcel,).
        pixels: usable pixels of each parcel (parcel,); parcels without any do not count.
        rules: how crops become classes.
        source: the job's vector value, whose symbology has names and colours.
        crop_field: field with the crop.
        progress: told what went to “other” and what was left out.

    Returns:
        The legend, the class position of each parcel, -1 for those left out (parcel,), and the crops that went to “other”.
    """
    table, colors = _read_table(rules.table) if rules.table else ({}, {})
    names = crops.copy()
    usable = pixels > 0
    if rules.table:
        names = np.array([table.get(crop, OTHER) for crop in crops], dtype=object)
        unlisted = sorted(set(crops[usable]) - set(table))
        if unlisted:
            progress.message(f"{len(unlisted)} crops are not in {rules.table} and go to “{OTHER}”: {listed(unlisted)}.", level="warning")
    usable &= names != ""
    rare = [name for name in sorted(set(names[usable]) - {OTHER})
            if (usable & (names == name)).sum() < rules.minimum_parcels or pixels[usable & (names == name)].sum() < rules.minimum_samples]
    if rare:
        names[np.isin(names, rare)] = OTHER
        few = f" or {rules.minimum_samples} pixels" if rules.minimum_samples else ""
        progress.message(f"{len(rare)} crop{'s' if len(rare) > 1 else ''} with fewer than {rules.minimum_parcels} parcels{few} go to “{OTHER}”: "
                         f"{listed(rare)}. Lower the smallest number of parcels to keep them.")
    categories = source.get("categories")
    styled = None if rules.table or (categories or {}).get("field", crop_field) != crop_field else categories
    found = as_styled(sorted(set(names[usable]) - {OTHER}, key=_number_first), styled)
    rows = [{"value": name, "name": "", "color": colors.get(name, "")} for name in found]
    if OTHER in names[usable]:
        rows.append({"value": OTHER, "name": OTHER, "color": colors.get(OTHER, OTHER_COLOR)})
    if len(rows) < 2:
        raise DataError(f"All parcels are of one class, “{rows[0]['value'] if rows else OTHER}”, and one class teaches nothing. Lower the "
                        "smallest number of parcels of a class, or choose another crop field.")
    legend = make_legend({row["value"] for row in rows}, f"The field “{crop_field}”", rows, styled, False, progress)
    positions = np.array([legend.positions.get(name, NOTHING) for name in names])
    positions[~usable] = NOTHING
    for position, row in enumerate(legend.classes):
        if (positions == position).sum() == 1:
            progress.message(f"The class “{row.name}” has one parcel, so it cannot be learned in one place and tested in another. Raise the "
                             "smallest number of parcels of a class, or give more parcels.", level="warning")
    return legend, positions, rare


def known_crops(crops: np.ndarray, pixels: np.ndarray, rules: CropRules, dataset: Dataset, crop_field: str,
                progress: Progress = SILENT) -> tuple[Legend, np.ndarray, list[str]]:
    """As `group_crops`, with the classes of a dataset; a crop is known by the name or value of its class or as the crop of a sample there.

    Crops that are neither go to “other” where the dataset has it, else their parcels are left out.

    Raises:
        DataError: no crop is a class of the dataset.
    """
    table, _ = _read_table(rules.table) if rules.table else ({}, {})
    names = np.array([table.get(crop, OTHER) for crop in crops], dtype=object) if rules.table else crops
    first = dataset.tiles.drop_duplicates("crop").index
    there = [class_key(crop) or "" for crop in dataset.tiles["crop"][first]]
    known: dict[str, int] = dict(zip(there, dataset.labels(first.to_numpy()).tolist(), strict=True))
    known |= {row.name: position for position, row in enumerate(dataset.classes)}
    usable = (pixels > 0) & (names != "")
    values = {str(row.value): position for position, row in enumerate(dataset.classes)}
    if usable.any() and not set(names[usable]) & set(known) and set(names[usable]) <= set(values):  # as “Suggest labels” has its form filled in
        progress.message(f"The field “{crop_field}” holds the values of the classes of {dataset.folder}: "
                         f"{listed(f'{row.value} {row.name}' for row in dataset.classes)}.")
        known = values
    foreign = sorted(set(names[usable]) - set(known))
    if len(foreign) == len(set(names[usable])):
        classes = listed(row.name for row in dataset.classes)
        raise DataError(f"The field “{crop_field}” holds {listed(foreign)}, and none of them is a class of {dataset.folder}, which has {classes}. "
                        "Choose another field, or join crops to these classes in a table of crops.")
    other = known.get(OTHER, NOTHING)
    if foreign:
        end = f"go to “{OTHER}”" if other != NOTHING else "are left out"
        progress.message(f"{len(foreign)} crops are no class of {dataset.folder} and {end}: {listed(foreign)}.", level="warning")
    positions = np.array([known.get(name, other) for name in names])
    positions[~usable] = NOTHING
    return Legend(tuple(dataset.classes), {}, None), positions, foreign if other != NOTHING else []


def too_small(pixels: np.ndarray, hidden: np.ndarray, grid: Grid, facts: dict, progress: Progress = SILENT) -> int:
    """Counts parcels that hold no pixel, and says how many they are, and why.

    Args:
        pixels: of each parcel (parcel,).
        hidden: whether it lies under others of its crop, see `Parcels.hidden` (parcel,).
        grid: of the images.
        facts: of the parcels.
        progress: hears a warning.

    Raises:
        DataError: when none holds any.
    """
    empty = int((pixels == 0).sum())
    size = max(grid.metres_per_pixel())
    inside = f" with their inner buffer of {facts['inner_buffer_m']:g} m" if facts["inner_buffer_m"] else ""
    if empty == len(pixels):
        raise DataError(f"No parcel of {facts['path']} holds the middle of a pixel of {size:g} m{inside}. Lower the inner buffer, or "
                        "choose images with smaller pixels.")
    under = int(((pixels == 0) & hidden).sum())
    if under:
        progress.message(f"{under} of {len(pixels)} parcels lie under others of the same crop, as copies do, and are left out.", level="warning")
    if empty > under:
        progress.message(f"{empty - under} of {len(pixels)} parcels are smaller than a pixel of {size:g} m{inside} and are left out.",
                         level="warning")
    return empty


def shrunk(features: geopandas.GeoDataFrame, grid: Grid, inner_buffer: float, progress: Progress = SILENT) -> np.ndarray:
    """Polygons less a margin [m], in the CRS of a grid (n,); what is narrower becomes empty.

    What is left are the places at least that far from the border: around a corner that points inwards the margin is round.
    """
    if not inner_buffer:
        return on_grid(features.geometry, grid)
    # Metres are true around the middle of this projection, to a thousandth over the width of a Sentinel scene.
    longitude, latitude = grid.centre_lonlat()
    local = f"+proj=aeqd +lat_0={latitude:.6f} +lon_0={longitude:.6f} +datum=WGS84 +units=m"
    found = []
    for begin in range(0, len(features), BATCH):
        progress.at(begin / len(features), "Shrinking the parcels")
        found.append(on_grid(features.geometry.iloc[begin:begin + BATCH].to_crs(local).buffer(-inner_buffer, join_style="round"), grid))
    return np.concatenate(found)


def _read_table(path: str) -> tuple[dict[str, str], dict[str, str]]:
    """Crop → class and class → colour."""
    rows = read_table(path, ("crop", "class", "color"))
    rows.require(("crop", "class"), "Name its columns crop and class.")
    table: dict[str, str] = {}
    colors: dict[str, str] = {}
    for row in rows.rows:
        crop, name, color = class_key(row["crop"]), class_key(row["class"]) or "", row["color"]
        if color and not COLOR.fullmatch(color):
            raise DataError(f"Line {row.line} of {path} has the color “{shortened(color)}”, which is none. Write it as #1f77b4.")
        if crop and table.setdefault(crop, name) != name:
            raise DataError(f"Line {row.line} of {path} gives the crop “{shortened(crop)}” another class. Keep one of the lines.")
        if crop and color:
            colors.setdefault(name, color)
    return table, colors


def _number_first(name: str) -> tuple:
    return (0, int(name), "") if re.fullmatch(r"-?\d{1,18}", name) else (1, 0, name)
