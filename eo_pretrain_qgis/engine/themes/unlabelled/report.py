"""What a report says of a dataset for pretraining: which tiles were left out, how clouds were known, pairs of sensors."""

from __future__ import annotations

from ....progress import SILENT, Progress
from ...datasets.dataset import Dataset
from ...looks import html_page as page
from ...looks.sensor_pairs import pair_sections, pair_warnings

#: Share of near-duplicates among the tiles that were not left out otherwise, above which more images would be better than more tiles.
REPETITIVE = 0.5
WHY = {"nodata": "too few valid pixels", "cloudy": "too cloudy", "near_duplicates": "near-duplicate of another tile", "kept": "kept"}


def sections(dataset: Dataset, progress: Progress = SILENT) -> list[str]:
    """The pieces of the page that only a dataset for pretraining has.

    Args:
        dataset: of the theme "pretraining".
        progress: told how far it is.
    """
    progress.at(0, "Counting tiles")
    facts, counts = dataset.facts, dataset.facts["rejected"]
    of = max(counts["considered"], 1)
    mode = {"single": "One sensor.", "paired": "Two sensors on one grid.", "unpaired": "Two sensors that are not paired."}[facts["mode"]]
    pieces = [page.heading("Tiles considered"), page.paragraph(mode),
              page.table(("", "tiles", "share"), [(text, counts[key], f"{counts[key] / of:.1%}") for key, text in WHY.items()]),
              page.paragraph(f"Tiles are alike up to a distance of {facts['near_duplicates']['threshold']:g} spreads of the bands.")]
    pieces += [page.paragraph(f"{row['sensor']}: {row['text']} At most {row['most']:.0%} of a tile.") for row in facts["clouds"]]
    return pieces + pair_sections(facts["pairs"])


def warnings(dataset: Dataset) -> list[str]:
    """What to beware of in a dataset for pretraining, in words."""
    facts, counts, found = dataset.facts, dataset.facts["rejected"], []
    optical = {sensor.name for sensor in dataset.sensors if any(band.unit == "reflectance" for band in sensor.bands)}
    for row in facts["clouds"]:
        if row["sensor"] in optical and row["source"] == "none":
            found.append(f"No cloud mask was given for the images of {row['sensor']}: cloudy tiles may be among them.")
        if row["source"] == "brightness":
            found.append("Clouds were estimated from the brightness alone: thin cloud and shadow remain.")
    unlike = counts["kept"] + counts["near_duplicates"]
    if counts["near_duplicates"] > REPETITIVE * max(unlike, 1):
        found.append(f"{counts['near_duplicates']} of {unlike} clear tiles are near-duplicates: the images show much the same ground.")
    return found + pair_warnings(facts["pairs"])
