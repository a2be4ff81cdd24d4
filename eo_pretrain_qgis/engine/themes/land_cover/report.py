"""What a report says of a dataset labelled from a land-cover map: its codes, which labels were left out and why, years, pairs."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from ....progress import SILENT, Progress
from ...datasets.dataset import SPLITS, Dataset
from ...looks import html_page as page
from ...looks.sensor_pairs import pair_sections, pair_warnings

#: Columns of tiles.gpkg with the share of pixels that have no label, and what that means.
REASONS = {"unknown": "the map has no class there", "mixed": "the cell is mixed", "disagree": "the second map says something else",
           "border": "near the border of two classes"}
#: A cell of the map larger than this many pixels holds labels that nobody has looked at pixel by pixel.
COARSE = 1.5
#: Share of pixels left out that is much, and the factor by which a class shrinks that deserves a word.
MUCH, SHRUNK = 0.6, 3.0


def sections(dataset: Dataset, progress: Progress = SILENT) -> list[str]:
    """The pieces of the page that only a dataset from a land-cover map has.

    Args:
        dataset: of the theme "land cover".
        progress: told how far it is.
    """
    facts = dataset.facts
    progress.at(0, "Counting labels")
    rows = [(row["value"], row["name"] or None, f"{row['share']:.2%}", row["class"]) for row in facts["codes"]]
    pieces = [page.heading("Land-cover map"), page.paragraph(_map_text(dataset)),
              page.table(("code", "name", "share on the images", "class"), rows),
              page.heading("Pixels without a label"), page.paragraph(_filter_text(facts)), _reason_table(dataset)]
    return pieces + pair_sections(facts["pairs"])


def warnings(dataset: Dataset) -> list[str]:
    """What to beware of in a dataset from a land-cover map, in words."""
    facts, found = dataset.facts, []
    cell = _cell_px(dataset)
    filtered = facts["purity"] or facts["border"] or facts["second_map"]
    if cell > COARSE and not filtered:
        found.append(f"One cell of the map holds about {cell:.0f} × {cell:.0f} pixels, and no filter leaves out mixed cells: many labels are wrong. "
                     "Set a least purity or a distance from borders.")
    if facts["map_year"] is None:
        found.append("The year of the map is unknown, so it was not compared with the images.")
    elif facts["years_apart"] is None:
        found.append(f"The map shows {facts['map_year']}, and the dates of the images are unknown.")
    elif facts["years_apart"] > facts["most_years"]:
        found.append(f"Map ({facts['map_year']}) and images ({', '.join(map(str, facts['image_years']))}) are up to {facts['years_apart']} years "
                     "apart; land cover may have changed.")
    left_out = 1 - float(dataset.column("labelled").mean())
    if left_out > MUCH:
        found.append(f"{left_out:.0%} of the pixels in the tiles have no label.")
    return found + _shrunk(dataset) + pair_warnings(facts["pairs"])


def _cell_px(dataset: Dataset) -> float:
    """Edge of a cell of the map in pixels of the image."""
    return max(cell / pixel for cell, pixel in zip(dataset.facts["cell_m"], dataset.description["resolution_m"], strict=True))


def _map_text(dataset: Dataset) -> str:
    facts, (width, height) = dataset.facts, dataset.facts["cell_m"]
    year = "of an unknown year" if facts["map_year"] is None else f"of {facts['map_year']} ({facts['map_year_from']})"
    legend = "its own legend" if facts["legend"] == "own" else f"the legend {facts['legend']}"
    table = f" with the table {facts['legend_table']}" if facts["legend_table"] else ""
    cells = _cell_px(dataset)
    (one, other), times = (("cell", "pixels"), cells) if cells >= 1 else (("pixel", "cells"), 1 / cells)
    size = f"one {one} holds about {times:.1f} × {times:.1f} {other}"
    kind = "Labels are shares of classes." if facts["soft"] else "Each pixel has one class."
    return (f"{facts['path']}, {year}, read with {legend}{table}; cells of {width:g} × {height:g} m, so {size}. "
            f"Codes are {'put together to groups' if facts['grouped'] else 'classes of their own'}. {kind}")


def _filter_text(facts: dict) -> str:
    said = []
    if facts["purity"]:
        said.append(f"cells of a purity below {facts['purity']:.0%}")
    if facts["border"]:
        said.append(f"pixels nearer than {facts['border']:g} m to a border of classes")
    if facts["second_map"] and facts["agreement"] == "pixel":
        said.append(f"pixels for which {facts['second_map']} says something else")
    return f"Left out were {', '.join(said)}." if said else "No label was left out by a filter."


def _reason_table(dataset: Dataset) -> str:
    splits = [split for split in SPLITS if (dataset.splits == split).any()]
    known = {**{name: text for name, text in REASONS.items() if name in dataset.tiles}, "labelled": "labelled"}
    rows = [(text, *(f"{float(dataset.column(name)[dataset.splits == split].mean()):.1%}" for split in splits)) for name, text in known.items()]
    return page.table(("share of pixels", *splits), rows)


def _shrunk(dataset: Dataset) -> list[str]:
    """Classes of which the filters leave much less than of the others."""
    wanted: dict[str, float] = defaultdict(float)
    for row in dataset.facts["codes"]:
        if row["class"]:
            wanted[row["class"]] += row["share"]
    pixels = np.array([dataset.column(f"share_{row.value}").sum() for row in dataset.classes])
    total, known = max(float(pixels.sum()), 1e-9), max(sum(wanted.values()), 1e-9)
    return [f"The class “{row.name}” is {wanted[row.name] / known:.1%} of the map and {count / total:.1%} of the labels: the filters take most of "
            "it away." for row, count in zip(dataset.classes, pixels, strict=True)
            if wanted[row.name] / known > SHRUNK * count / total]
