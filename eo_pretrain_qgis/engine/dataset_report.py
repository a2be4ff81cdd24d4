"""The report on a dataset: what is in it, how it is split, what to beware of, as a page and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..report import SILENT, Report
from . import html_page as page
from .dataset import DROPPED, SPLITS, Dataset
from .dataset_warnings import class_shares, warnings_of
from .footprints import COLORS, read_footprints
from .outputs import new_file
from .tile_pictures import look, paint, telling_tiles

MEASURES = ("mean", "std", "minimum", "p001", "p999", "maximum")
SAMPLES = {"training": 6, "validation": 3, "test": 3}
#: Tiles are pictured about this wide [px]: larger ones are thinned out, smaller ones enlarged.
THUMBNAIL = 160


def describe(dataset: Dataset) -> dict:
    """The facts of a dataset as plain values."""
    shares, description = class_shares(dataset), dataset.description
    classes = [{"value": row.value, "name": row.name, "color": row.color,
                **{f"{split}_share": round(float(shares[number, position]), 6) for number, split in enumerate(SPLITS)},
                **{f"{split}_pixels": description["class_pixels"][split][position] for split in SPLITS}}
               for position, row in enumerate(dataset.classes)]
    return {
        "name": dataset.name, "folder": str(dataset.folder), "task": dataset.task, "tiles": len(dataset), "tile_size": dataset.tile_size,
        "stride": description["stride"], "resolution_m": description["resolution_m"],
        "tiles_by_split": {split: int((dataset.splits == split).sum()) for split in (*SPLITS, DROPPED)},
        "valid_share": round(float(dataset.tiles["valid"].mean()), 4), "labelled_share": round(float(dataset.tiles["labelled"].mean()), 4),
        "classes": classes, "split": description["split"], "scenes": description["scenes"], "labels": description["labels"],
        "bands": [{"name": band.name, "unit": band.unit, "scale": band.scale, "offset": band.offset,
                   **{key: dataset.statistics[dataset.sensor.name][band.name][key] for key in MEASURES}}
                  for band in dataset.bands],
        "warnings": warnings_of(dataset),
    }


def write_facts(path: str | Path, facts: dict) -> None:
    """Writes the facts as JSON."""
    with new_file(path) as part:
        part.write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")


def write_report(path: str | Path, dataset: Dataset, facts: dict, report: Report = SILENT) -> None:
    """Writes the page.

    Args:
        path: an .html file.
        dataset: the dataset.
        facts: what `describe` said of it.
        report: progress.
    """
    width, height = facts["resolution_m"]
    counts = facts["tiles_by_split"]
    sections = [
        page.paragraph(f"{facts['tiles']} tiles of {facts['tile_size']} × {facts['tile_size']} px of {width:g} × {height:g} m from "
                       f"{len(facts['scenes'])} scene{'s' if len(facts['scenes']) > 1 else ''}: {counts['training']} for training, "
                       f"{counts['validation']} for validation, {counts['test']} for test, {counts[DROPPED]} dropped. "
                       f"{facts['valid_share']:.0%} of their pixels are valid, {facts['labelled_share']:.0%} are labelled."),
        page.heading("Beware"), page.bullets(facts["warnings"]) if facts["warnings"] else page.paragraph("Nothing stands out."),
        page.heading("Split"), page.paragraph(facts["split"]["text"]), _footprints(dataset),
    ]
    report.progress(0.3, "Drawing")
    sections += [page.heading("Classes"), _class_table(facts), page.legend(*_names_and_colors(dataset))]
    for number, (split, count) in enumerate(SAMPLES.items()):
        report.progress(0.4 + 0.1 * number, "Drawing")
        sections.append(_samples(dataset, split, count))
    report.progress(0.8, "Drawing")
    sections += [page.heading("Bands of the training tiles"), page.paragraph("In stored units, from the 0.1 to the 99.9 percentile."),
                 _histograms(dataset), _band_table(facts), page.heading("Sources"), _scene_table(facts),
                 page.paragraph(f"Labels: {facts['labels'].get('path', '')}")]
    page.write_page(str(path), f"Dataset {dataset.name}", sections)


def _class_table(facts: dict) -> str:
    head = ("class", "value", *(f"{split} share" for split in SPLITS), *(f"{split} pixels" for split in SPLITS))
    return page.table(head, [(row["name"], str(row["value"]), *(f"{row[f'{split}_share']:.2%}" for split in SPLITS),
                              *(row[f"{split}_pixels"] for split in SPLITS)) for row in facts["classes"]])


def _band_table(facts: dict) -> str:
    head = ("band", "unit", "scale", "offset", *MEASURES[:3], "0.1 %", "99.9 %", "maximum")
    return page.table(head, [(row["name"], row["unit"], f"{row['scale']:g}", f"{row['offset']:g}",
                              *(f"{row[key]:.5g}" for key in MEASURES)) for row in facts["bands"]])


def _scene_table(facts: dict) -> str:
    return page.table(("scene", "date", "size", "file"), [
        (row["name"], row["date"] or None, f"{row['width']} × {row['height']}", row["path"]) for row in facts["scenes"]])


def _names_and_colors(dataset: Dataset) -> tuple[list[str], list[str]]:
    return [row.name for row in dataset.classes], [row.color for row in dataset.classes]


def _samples(dataset: Dataset, split: str, count: int) -> str:
    """Images above their labels, tile beside tile."""
    tiles = telling_tiles(dataset, split, count)
    if not len(tiles):
        return ""
    step, zoom = -(-dataset.tile_size // THUMBNAIL), max(1, THUMBNAIL // dataset.tile_size)
    pairs = [np.concatenate([image[::step, ::step], label[::step, ::step]])
             for image, label in zip(look(dataset, tiles), paint(dataset.labels(tiles), dataset.classes), strict=True)]
    framed = [np.pad(pair.repeat(zoom, 0).repeat(zoom, 1), ((0, 0), (2, 2), (0, 0)), constant_values=255) for pair in pairs]
    return page.heading(f"Samples for {split}") + page.picture(np.concatenate(framed, 1), f"image and labels of {len(tiles)} {split} tiles")


def _footprints(dataset: Dataset) -> str:
    """A map of the tiles by split; tiles of several dates on the same ground lie on each other."""
    tiles = read_footprints(dataset.folder)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot(aspect="equal")
    outlines = [np.asarray(shape.exterior.coords) for shape in tiles.geometry]
    colors = [COLORS[split] for split in tiles["split"]]
    axes.add_collection(PolyCollection(outlines, facecolors=colors, edgecolors="white", linewidths=0.3, alpha=0.75))
    axes.autoscale_view()
    axes.set_xticks([])
    axes.set_yticks([])
    handles = [Patch(color=color, label=split) for split, color in COLORS.items()]
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    if tiles.crs is not None and tiles.crs.is_geographic:
        south, north = tiles.total_bounds[[1, 3]]
        axes.set_aspect(1 / max(np.cos(np.radians((south + north) / 2)), 0.01))
    return _picture(figure, "map of the tiles by split")


def _histograms(dataset: Dataset) -> str:
    """Small histograms of all bands."""
    statistics = dataset.statistics[dataset.sensor.name]
    columns = min(4, len(statistics))
    rows = -(-len(statistics) // columns)
    figure = Figure(figsize=(2.6 * columns, 1.7 * rows), layout="constrained")
    for number, (name, row) in enumerate(statistics.items(), 1):
        axes = figure.add_subplot(rows, columns, number)
        axes.stairs(row["histogram"], row["edges"], fill=True, color="#4477aa")
        axes.set_title(name, fontsize="small")
        axes.set_yticks([])
        axes.tick_params(labelsize="x-small")
    return _picture(figure, "histograms of the bands")


def _picture(figure: Figure, text: str) -> str:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return page.picture(np.asarray(canvas.buffer_rgba())[..., :3], text)
