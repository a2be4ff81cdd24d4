"""Esri's “classified tiles”, as “Export Training Data For Deep Learning” of ArcGIS writes them.

images/ and labels/ with tiles of the same names; map.txt pairs them; esri_model_definition.emd (JSON) names the classes and bands;
esri_accumulated_stats.json says in which of Esri's layouts the labels are. Class values are 1 to n, and 0 is nodata
(Esri/arcgis-python-api, issue 574).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from rasterio.crs import CRS

from ...errors import DataError
from ...markup import writable
from ...progress import SILENT, Progress
from ...tables import defused
from ..datasets.dataset import ClassInfo, Dataset, SensorInfo
from ..datasets.splitting.by_place import Split
from ..looks.class_style import coloured, rgb
from ..rasters.grid import Grid
from .geotiff_pairs import paired
from .pairs import Pair, write_pairs
from .pictures import Picture, is_image
from .samples import ImportOptions
from .split_lists import TABLE, chosen
from .tile_files import IMAGES, LABELS, chosen_tiles, tiles_of, write_split_table, write_tile
from .tree import Tree, joined, stem

TITLE = "Esri classified tiles"
LOOKED_FOR = "images/, labels/, map.txt and esri_model_definition.emd (Esri classified tiles)"
DEFINITION, STATISTICS, MAP, SUMMARY = "esri_model_definition.emd", "esri_accumulated_stats.json", "map.txt", "stats.txt"
LAYOUT = "Classified_Tiles"
#: Value of pixels without a class.
NODATA = 0


def recognise(tree: Tree) -> bool:
    """Whether the folder, or one folder in it, holds the files of Esri's export."""
    return _root(tree) is not None


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "segmentation"; pixels of value 0 have no label.

    Args:
        tree: Esri's files at the root or in the only folder.
        folder: an empty folder to fill.
        options: tile size, preset, bands, split.
        progress: also hears warnings.

    Raises:
        DataError: another of Esri's layouts, damaged descriptions, and what `pairs.write_pairs` refuses.
    """
    root = _root(tree)
    if root is None:
        raise DataError(f"{tree.path} holds no {LOOKED_FOR}. Choose the folder that holds these.")
    definition = tree.json(joined(root, DEFINITION), "Copy the folder again.") if tree.has(joined(root, DEFINITION)) else {}
    told = tree.json(joined(root, STATISTICS), "Copy the folder again.") if tree.has(joined(root, STATISTICS)) else {}
    layout = definition.get("MetaDataMode") or told.get("MetaDataMode") or LAYOUT
    if layout != LAYOUT:
        raise DataError(f"{tree.path} holds training data in Esri's layout “{layout}”. Export them from ArcGIS as “Classified Tiles”.")
    pairs = _pairs(tree, root)
    taken = chosen([pair.name for pair in pairs], options.lists, str(tree.path), progress)
    pairs = [replace(pair, split=taken[pair.name]) for pair in pairs if pair.name in taken]
    progress.message(f"{len(pairs)} tiles with labels.")
    facts = {"format": "esri_tiles", "pairs": len(pairs)}
    options = replace(options, bands=options.bands or _bands(tree, definition, pairs))
    return write_pairs(tree, folder, pairs, (NODATA,), _classes(tree, root, definition), options, facts, progress)


def _root(tree: Tree) -> str | None:
    folders = tree.children()[0]
    for root in ("", *folders) if len(folders) == 1 else ("",):
        names = tree.children(root)
        if {"images", "labels"} <= set(names[0]) and {DEFINITION, STATISTICS} & set(names[1]):
            return root
    return None


def _pairs(tree: Tree, root: str) -> list[Pair]:
    if tree.has(joined(root, MAP)):
        rows = [line.replace("\\", "/").split("\t") for line in tree.text(joined(root, MAP)).splitlines() if line.strip()]
        rows = [[cell.strip() for cell in (row if len(row) > 1 else row[0].split())] for row in rows]
        for row in rows:
            missing = next((cell for cell in row if not tree.has(joined(root, cell))), None)
            if missing or len(row) < 2:
                raise DataError(f"{tree.full(joined(root, MAP))} names “{missing or ' '.join(row)}”, which is not there as an image and its "
                                "labels. Copy the folder again, or remove the line.")
        pairs = [Pair(stem(row[0]), joined(root, row[0]), joined(root, row[-1])) for row in rows]
    else:
        images, labels = ({stem(path): path for path in tree.walk(joined(root, part)) if is_image(path)} for part in ("images", "labels"))
        pairs = [Pair(name, images[name], labels[name]) for name in paired(tree, images, labels, joined(root, "labels"))]
    if not pairs:
        raise DataError(f"{tree.path} names no tile. Choose another folder.")
    return pairs


def _classes(tree: Tree, root: str, definition: dict) -> list[dict] | None:
    try:
        return [{"value": str(int(row["Value"])), "name": writable(str(row["Name"])), "color": _color(row.get("Color"))}
                for row in definition.get("Classes", ())] or None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise DataError(f"{tree.full(joined(root, DEFINITION))} has a class without a value, name or colour ({error}). "
                        "Correct its “Classes”.") from None


def _color(parts: list | None) -> str:
    """Red, green and blue as ``#rrggbb``; empty where there is no colour.

    Raises:
        ValueError: parts that are no bytes.
    """
    return "#" + bytes(parts[:3]).hex() if parts and len(parts) >= 3 else ""


def _bands(tree: Tree, definition: dict, pairs: list[Pair]) -> str:
    """Names of the bands in the definition, where they fit and the files do not name theirs."""
    properties = definition.get("InputRastersProps")
    names = properties.get("BandNames") if isinstance(properties, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return ""
    with Picture(tree, pairs[0].image) as opened:
        header = opened.header
    fits = len(names) == len(header.bands) and len(set(names)) == len(names) and not any("," in name for name in names)
    return ",".join(names) if fits and not any(band.name for band in header.bands) else ""


def export(dataset: Dataset, folder: Path, sensor: str = "", split: str = "", progress: Progress = SILENT) -> int:
    """Writes classified tiles; split.csv beside them keeps the split, which ArcGIS does not know.

    Args:
        dataset: of the task "segmentation".
        folder: an empty folder to fill.
        sensor: whose images; empty is the first.
        split: only tiles of this one; empty is all but those dropped between the splits.
        progress: also hears messages.

    Returns:
        Number of tiles written.

    Raises:
        DataError: a sensor or split the dataset does not have, or a full disk.
    """
    info = dataset.sensor_named(sensor or dataset.sensors[0].name)
    if len(dataset.sensors) > 1:
        progress.message(f"Classified tiles hold the images of one sensor; those of {info.name} are written.", level="warning")
    indices, _ = chosen_tiles(dataset, split, progress)
    names = [f"{number:012d}" for number in range(len(indices))]
    classes = _written_classes(dataset, progress)
    palette = np.zeros(256, np.uint8)
    palette[:len(classes)] = [row.value for row in classes]
    for part in (IMAGES, LABELS):
        (folder / part).mkdir()
    counts, bands, cell = _Counts(len(classes)), _Bands(len(info.bands)), None
    for name, grid, images, label in tiles_of(dataset, indices, names, [info], progress):
        write_tile(folder / IMAGES / f"{name}.tif", images[0], grid, info, pixel_size=dataset.description["resolution_m"][0])
        write_tile(folder / LABELS / f"{name}.tif", palette[label][None], grid, nodata=NODATA, classes=classes)
        bands.add(images[0], info)
        counts.add(label)
        cell = cell or grid
    (folder / MAP).write_text("".join(f"{IMAGES}\\{name}.tif\t{LABELS}\\{name}.tif\n" for name in names), encoding="utf-8")
    _write_json(folder / DEFINITION, _definition(dataset, info, classes, bands))
    _write_json(folder / STATISTICS, _statistics(dataset, info, classes, len(names), counts, bands, cell))
    (folder / SUMMARY).write_text(_summary(dataset, info, classes, len(names), counts), encoding="utf-8")
    write_split_table(folder / TABLE, names, dataset.splits[indices])
    return len(indices)


class _Counts:
    """Pixels and images of each class."""

    def __init__(self, classes: int) -> None:
        self.pixels, self.images = np.zeros(classes, np.int64), np.zeros(classes, np.int64)

    def add(self, label: np.ndarray) -> None:
        found = np.bincount(label.ravel(), minlength=256)[:len(self.pixels)]
        self.pixels += found
        self.images += found > 0


class _Bands:
    """Range, mean and sum of squared deviations of each band over the measured pixels."""

    def __init__(self, bands: int) -> None:
        self.count = 0
        self.mean, self.squares = np.zeros(bands), np.zeros(bands)
        self.minimum, self.maximum = np.full(bands, np.inf), np.full(bands, -np.inf)

    def add(self, image: np.ndarray, info: SensorInfo) -> None:
        values = image[:, info.valid(image[None])[0]].astype(np.float64)
        if not values.shape[1]:
            return
        # Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances, 1979.
        new, total = values.mean(1), self.count + values.shape[1]
        self.squares += ((values - new[:, None]) ** 2).sum(1) + (new - self.mean) ** 2 * self.count * values.shape[1] / total
        self.mean += (new - self.mean) * values.shape[1] / total
        self.minimum, self.maximum = np.minimum(self.minimum, values.min(1)), np.maximum(self.maximum, values.max(1))
        self.count = total

    def rows(self) -> list[tuple[float, float, float, float]]:
        """Minimum, maximum, mean and sum of squares of each band; zeros where nothing was measured."""
        low, high = (np.where(np.isfinite(ends), ends, 0.0) for ends in (self.minimum, self.maximum))
        return list(zip(low.tolist(), high.tolist(), self.mean.tolist(), self.squares.tolist(), strict=True))


def _written_classes(dataset: Dataset, progress: Progress) -> list[ClassInfo]:
    """The classes with values that Esri's layout allows."""
    rows = coloured(dataset.classes)
    if all(row.value > 0 for row in rows):
        return rows
    progress.message("Esri's layout keeps the value 0 for pixels without a class, so the classes get the values 1 to "
                     f"{len(rows)}: {', '.join(f'{row.name} {number}' for number, row in enumerate(rows[:8], 1))}.")
    return [ClassInfo(number, row.name, row.color) for number, row in enumerate(rows, 1)]


def _definition(dataset: Dataset, info: SensorInfo, classes: list[ClassInfo], bands: _Bands) -> dict:
    tiles = [{"BandName": band.name, "Min": low, "Max": high, "Mean": mean, "StdDev": (squares / max(bands.count, 1)) ** 0.5}
             for band, (low, high, mean, squares) in zip(info.bands, bands.rows(), strict=True)]
    return {"Framework": "", "ModelConfiguration": "", "ModelFile": "", "ModelType": "ImageClassification", "MetaDataMode": LAYOUT,
            "ImageHeight": dataset.tile_size, "ImageWidth": dataset.tile_size, "ImageSpaceUsed": "MAP_SPACE",
            "ExtractBands": list(range(len(info.bands))), "CropSizeFixed": 0, "BlackenAroundFeature": 0,
            "Classes": [{"Value": row.value, "Name": row.name, "Color": list(rgb(row.color))} for row in classes],
            "InputRastersProps": {"RasterCount": 1, "SensorName": info.preset, "BandNames": [band.name for band in info.bands]},
            "AllTilesStats": tiles}


def _statistics(dataset: Dataset, info: SensorInfo, classes: list[ClassInfo], tiles: int, counts: _Counts, bands: _Bands,
                grid: Grid | None) -> dict:
    x, y = grid.resolution if grid else dataset.description["resolution_m"]
    code = _authority_code(grid)
    cell = {"x": x, "y": y, "spatialReference": {"wkid": code, "latestWkid": code} if code else {}}
    return {"Version": 1, "NumBands": len(info.bands), "TileSizeX": dataset.tile_size, "TileSizeY": dataset.tile_size,
            "NumClasses": len(classes), "NumTiles": tiles, "OutputFeatures": True, "MetaDataMode": LAYOUT, "MinCellSize": cell,
            "MaxCellSize": cell,
            "BandStatsState": [{"Min": low, "Max": high, "M1": mean, "M2": squares, "Num": bands.count}
                               for low, high, mean, squares in bands.rows()],
            "ClassPixelStats": {"NumImagesTotal": tiles, "NumClasses": len(classes), "NumImagesPerClass": counts.images.tolist(),
                                "NumPixelsPerClass": counts.pixels.tolist()}}


def _summary(dataset: Dataset, info: SensorInfo, classes: list[ClassInfo], tiles: int, counts: _Counts) -> str:
    rows = "".join(f"{defused(' '.join(row.name.split()))}\t{row.value}\t{images}\t{pixels}\n"
                   for row, images, pixels in zip(classes, counts.images.tolist(), counts.pixels.tolist(), strict=True))
    return (f"images = {tiles} * {len(info.bands)} * {dataset.tile_size} * {dataset.tile_size}\nclasses = {len(classes)}\n"
            f"cls name\tcls value\timages\tpixels\n{rows}")


def _authority_code(grid: Grid | None) -> int | None:
    """EPSG code of a grid's CRS, where it has one."""
    return CRS.from_wkt(grid.crs).to_epsg() if grid else None


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
