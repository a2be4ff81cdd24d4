"""Esri's “classified tiles”, as “Export Training Data For Deep Learning” of ArcGIS writes them.

images/ and labels/ with tiles of the same names; map.txt pairs them; esri_model_definition.emd (JSON) names the classes and bands;
esri_accumulated_stats.json says in which of Esri's layouts the labels are. Class values are 1 to n, and 0 is nodata
(Esri/arcgis-python-api, issue 574).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...errors import DataError
from ...markup import writable
from ...report import SILENT, Report
from ..datasets.splitting.by_place import Split
from .geotiff_pairs import paired
from .pairs import Pair, write_pairs
from .pictures import Picture, is_image
from .samples import ImportOptions
from .split_lists import chosen
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


def write(tree: Tree, folder: Path, options: ImportOptions, report: Report = SILENT) -> Split:
    """Writes a dataset of the task "segmentation"; pixels of value 0 have no label.

    Args:
        tree: Esri's files at the root or in the only folder.
        folder: an empty folder to fill.
        options: tile size, preset, bands, split.
        report: progress and warnings.

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
    taken = chosen([pair.name for pair in pairs], options.lists, str(tree.path), report)
    pairs = [replace(pair, split=taken[pair.name]) for pair in pairs if taken.get(pair.name, "dropped") != "dropped"]
    report.message(f"{len(pairs)} tiles with labels.")
    facts = {"format": "esri_tiles", "pairs": len(pairs)}
    options = replace(options, bands=options.bands or _bands(tree, definition, pairs))
    return write_pairs(tree, folder, pairs, (NODATA,), _classes(tree, root, definition), options, facts, report)


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
