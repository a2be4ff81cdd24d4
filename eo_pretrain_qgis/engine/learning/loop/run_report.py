"""What the reports of all kinds of runs have in common: how far the run is, its settings, its limits and its machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...datasets.dataset import Dataset
from ...datasets.whereabouts import whereabouts
from ...looks import html_page as page
from ...looks.place import place_section
from ...rasters.meaning import SIMULATED_WORDS
from ...runs.description import simulated
from ...runs.settings_table import setting_rows
from .training import Course

#: Settings that name starting weights.
STARTS = ("start", "second_start")


def run_report(card: dict[str, Any], course: Course, datasets: Sequence[Dataset], verdict: str, body: Sequence[str], limits: Sequence[str],
               rows: Sequence[tuple[str, Any]] = ()) -> list[str]:
    """The sections of report.html, in the order that all methods have.

    Args:
        card: of the run.
        course: how far it is.
        datasets: what it learns from.
        verdict: what it reached, in words; empty where nothing was measured.
        body: figures and pictures.
        limits: what the figures do not say.
        rows: name and value of what was found out, beside the settings.
    """
    state = "Finished" if card["state"] == "finished" else "Training"
    labels = card.get("labels", {})
    starts = setting_rows({key: card[key]["summary"] if card.get(key) else "from scratch" for key in STARTS}, labels, [
        key for key in STARTS if key in card["settings"]])
    settings = setting_rows(card["settings"], labels, [
        name for name in card["settings"] if name not in ("bands", *STARTS)])  # what became of these has rows of its own
    how = ("fitted without steps of training" if card["settings"].get("epoch_steps") == 0 else
           f"{course.epoch} of {card['settings']['epochs']} epochs")
    sources = [source["path"] for source in card.get("datasets", [card["dataset"]])]
    return [
        page.lead(verdict or "Without validation tiles the last epoch is kept. Nothing was measured."),
        page.paragraph(f"{state}: {how} on {card['device']} in {card['precision']}."),
        *place_section(whereabouts(*datasets), "Place and data it learned from"), *body,
        page.heading("Settings"), page.facts_table([
            *settings, *rows, ("Datasets" if len(sources) > 1 else "Dataset", "; ".join(sources)), *_bands(card), *starts,
            ("Numbers in the network", f"{card['parameters']:,}")]),
        *page.not_shown([*([SIMULATED_WORDS] if simulated(card) else []), *limits])]


def _bands(card: dict[str, Any]) -> list[tuple[str, str]]:
    """Names of the bands, of each input where there are several."""
    several = len(card["inputs"]) > 1
    return [(f"Bands of {row['name']}" if several else "Bands learned from", ", ".join(band["name"] for band in row["bands"]))
            for row in card["inputs"]]


def machine(card: dict[str, Any]) -> list[str]:
    """What it ran on and how fast, for the end of the report."""
    kind = "GPU memory of tensors, highest" if card["device"].startswith("cuda") else "memory of the process, highest"
    rows = [("device", card["device"]), ("precision", card["precision"]), ("images per second in training", f"{card['images_per_second']:.1f}"),
            ("time spent in training", f"{card['training_seconds'] / 60:.1f} min"), (kind, f"{card['memory_mb']:.0f} MB")]
    return [page.heading("Machine"), page.table(("what", "value"), rows)]
