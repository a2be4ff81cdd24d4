"""What the page of a dataset says of fields."""

from __future__ import annotations

import numpy as np

from ....progress import SILENT, Progress
from ...datasets.dataset import SPLITS, Dataset
from ...looks import html_page as page
from .labels import OBJECTS

#: Below so many fields in a part of the split its figures are uncertain.
FEW = 30
#: Tiles looked at for the sizes of fields.
LOOKED_AT = 2_000


def sections(dataset: Dataset, progress: Progress = SILENT) -> list[str]:
    """The pieces of the page that only a dataset of fields has."""
    facts = dataset.facts
    progress.at(0, "Counting fields")
    dates = " and ".join(facts["dates"]) or "not stated"
    known = f"Ground without a field is background where {facts['complete']} says so, elsewhere not labelled." if facts["complete"] else \
        "All ground without a field is background."
    return [page.heading("Fields"),
            page.paragraph(f"{facts['parts']} fields from {facts['parcels']} parcels of {facts['path']}; the boundary is {facts['boundary_m']:g} m "
                           f"wide inside each, and at least one pixel. {known} Dates of the images: {dates}."),
            page.table(("", *SPLITS), [("fields seen", *(str(count) for count in _counts(dataset))),
                                       ("median size of a field within a tile [ha]", *_sizes(dataset))]),
            page.paragraph(f"{facts['repeated']} polygons were there more than once, {facts['overlapping']} fields overlap another, "
                           f"{facts['without_pixel']} hold the middle of no pixel.")]


def warnings(dataset: Dataset) -> list[str]:
    """What to beware of in a dataset of fields, in words."""
    facts, found = dataset.facts, []
    counts = dict(zip(SPLITS, _counts(dataset)))
    if counts["test"] and counts["test"] < FEW:
        found.append(f"Only {counts['test']} fields in the test tiles: figures from so few are uncertain.")
    if facts["overlapping"] > 0.1 * facts["parts"]:
        found.append(f"{facts['overlapping']} of {facts['parts']} fields overlap another, so much of their ground is not labelled. Give one layer "
                     "of one year.")
    if facts["without_pixel"] > 0.1 * facts["parts"]:
        found.append(f"{facts['without_pixel']} of {facts['parts']} fields are too small for the pixels of the images.")
    return found


def _counts(dataset: Dataset) -> list[int]:
    """Different fields of each scene in the tiles of each part of the split; those in tiles of several parts count in each."""
    found = []
    for split in SPLITS:
        tiles, seen = dataset.indices(split), set()
        for tile in tiles:
            scene = dataset.tiles["scene"].iloc[tile] if "scene" in dataset.tiles else ""
            seen |= {(scene, number) for number in np.unique(dataset.array(OBJECTS, np.array([tile]))).tolist() if number}
        found.append(len(seen))
    return found


def _sizes(dataset: Dataset) -> list[str]:
    x, y = dataset.description["resolution_m"]
    found = []
    for split in SPLITS:
        sizes = [np.unique(dataset.array(OBJECTS, np.array([tile])), return_counts=True) for tile in dataset.indices(split)[:LOOKED_AT]]
        pixels = np.concatenate([counts[numbers > 0] for numbers, counts in sizes]) if sizes else np.zeros(0)
        found.append(f"{np.median(pixels) * x * y / 1e4:.2f}" if len(pixels) else "–")
    return found
