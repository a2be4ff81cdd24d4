"""What the report on a dataset adds for crops: the sky on each date, gaps between clear dates, and the parcels behind the samples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from ....progress import SILENT, Progress
from ...datasets.dataset import ALL, IGNORE, SPLITS, Dataset
from ...describing.pictures import drawn
from ...even_sample import even_sample
from ...looks import html_page as page
from ...rasters.clouds import CLEAR, FLAG_NAMES
from .series_facts import BATCH, SAMPLE, TILES, longest_gaps

COLORS = ("#77ab59", "#d9d9d9", "#636363", "#a6cee3", "#f7f7f7")
#: A date seen by fewer of the samples says little; a class in fewer test parcels is judged by chance; parcels nearer resemble each other.
HARDLY_CLEAR, FEW_PARCELS, NEAR_PX = 0.1, 5, 20


def sections(dataset: Dataset, progress: Progress = SILENT) -> list[str]:
    """Pieces of the page: the sky on each date, the gaps of the series, the parcels."""
    progress.at(0, "Looking at clouds and parcels")
    pieces = [page.heading("Clouds and gaps"), _gaps(dataset, progress.part(0, 0.8))]
    for sensor, flags in dataset.facts.get("clouds", {}).items():
        pieces.append(_sky(sensor, dataset.facts["dates"][sensor], np.array(flags, float)))
    if "parcel" in dataset.tiles:
        pieces += [page.heading("Parcels"), page.paragraph(_parcels_text(dataset)), _parcel_table(dataset)]
    return pieces


def warnings(dataset: Dataset) -> list[str]:
    """What to beware of in series of crops."""
    found, split = [], dataset.description["split"]
    distance = split.get("leakage_distance_px")
    metres = None if distance is None else f"{distance * max(dataset.description['resolution_m']):.0f} m"
    if distance is not None and distance < NEAR_PX and (split.get("group") or "").startswith("blocks"):
        found.append(f"Along the borders of the blocks, training and test parcels lie as near as {metres}.")
    elif distance is not None and distance < NEAR_PX and split.get("group") == "parcels":
        found.append(f"Training and test parcels lie as near as {metres}, where soil, weather and farmer are the same. A split by blocks "
                     "of ground or by region is the harder test.")
    for sensor, flags in dataset.facts.get("clouds", {}).items():
        counts = np.array(flags, float)
        days = np.array(dataset.facts["dates"][sensor])[counts[:, CLEAR] < HARDLY_CLEAR * counts.sum(1)]
        if len(days):
            found.append(f"{len(days)} of {len(counts)} dates of {sensor} are clear in fewer than {HARDLY_CLEAR:.0%} of the samples: "
                         f"{', '.join(days[:6])}.")
    if _without_masks(dataset):
        found.append("No cloud mask was given, so values under clouds count as clear.")
    if "parcel" in dataset.tiles and len(dataset.indices(SPLITS[2])):
        test = _parcels(dataset, SPLITS[2])
        few = [f"“{row.name}” ({count})" for row, count in zip(dataset.classes, test, strict=True) if 0 < count < FEW_PARCELS]
        if few:
            found.append(f"Fewer than {FEW_PARCELS} test parcels are of the class {', '.join(few)}: pixels of one parcel are alike, so the "
                         "score hangs on these few.")
    return found


def _without_masks(dataset: Dataset) -> bool:
    radar = {sensor.name for sensor in dataset.sensors if all(band.unit in ("dB", "linear") for band in sensor.bands)}
    own = [row for row in dataset.description["scenes"] if row.get("sensor") not in radar]
    return bool(own) and not any(row.get("mask") for row in own)


def _batches(dataset: Dataset, progress: Progress) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Days (n, date) and which dates are clear (n, date), from an even sample; of dated tiles in the pixel in the middle."""
    indices = even_sample(dataset.indices(ALL), TILES if dataset.kind.pixelwise else SAMPLE)
    for first in range(0, len(indices), BATCH):
        progress.at(first / len(indices), "Looking at gaps between clear dates")
        part = indices[first:first + BATCH]
        days, middle = dataset.array("days", part), (dataset.tile_size // 2,) * 2 if dataset.kind.pixelwise else ()
        yield days, (days >= 0) & (dataset.array("flags", part)[(..., *middle)] == CLEAR)


def _gaps(dataset: Dataset, progress: Progress) -> str:
    """Histograms of clear dates and of the longest time without one."""
    first, last = 2**15 - 1, 0
    for days, _ in _batches(dataset, SILENT):
        first, last = min(first, int(days[days >= 0].min(initial=first))), max(last, int(days.max()))
    gaps, clear = [], []
    for days, is_clear in _batches(dataset, progress):
        gaps.append(longest_gaps(days, is_clear, first, last))
        clear.append(is_clear.sum(1))
    figure = Figure(figsize=(8, 2.4), layout="constrained")
    for number, (values, title) in enumerate(((np.concatenate(clear), "clear dates"), (np.concatenate(gaps), "longest gap [day]")), 1):
        axes = figure.add_subplot(1, 2, number, xlabel=title, ylabel="samples")
        axes.hist(values, bins=min(30, max(int(values.max()) - int(values.min()) + 1, 2)), color="#4477aa")
    return drawn(figure, "histograms of clear dates and of the longest gap between them")


def _sky(sensor: str, days: list[str], flags: np.ndarray) -> str:
    """Shares of clear, cloud, shadow, snow and not measured samples on each date."""
    shares = flags / np.maximum(flags.sum(1, keepdims=True), 1)
    figure = Figure(figsize=(max(4.0, 0.3 * len(days) + 2), 2.6), layout="constrained")
    axes = figure.add_subplot(title=f"Sky of {sensor} on each date")
    below = np.zeros(len(days))
    for number, name in enumerate(FLAG_NAMES):
        axes.bar(np.arange(len(days)), shares[:, number], bottom=below, color=COLORS[number], edgecolor="#999999", linewidth=0.3, label=name)
        below += shares[:, number]
    axes.set_xticks(np.arange(len(days)), days, rotation=90, fontsize="x-small")
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return drawn(figure, f"sky over the samples of {sensor} on each date")


def _parcels_text(dataset: Dataset) -> str:
    labels, text = dataset.description["labels"], ""
    if {"parcels", "path", "inner_buffer_m", "parcels_without_pixel", "overlapping_parcels"} <= set(labels):
        text = (f"{labels['parcels']} parcels of {labels['path']} lie on the images. Ground nearer than {labels['inner_buffer_m']:g} m to their "
                f"border is left out; {labels['parcels_without_pixel']} hold no pixel, {labels['overlapping_parcels']} overlap one with another "
                "crop.")
    if labels.get("grouped_as_other"):
        text += f" Rare crops went to “other”: {', '.join(labels['grouped_as_other'])}."
    few, what = dataset.facts.get("too_cloudy", 0), "pixels" if dataset.kind.pixelwise else "samples"
    return text + (f" {few} {what} with fewer than {dataset.facts['minimum_clear']} clear dates were left out." if few else "")


def _parcel_table(dataset: Dataset) -> str:
    counts = [_parcels(dataset, split) for split in SPLITS]
    return page.table(("class", *(f"{split} parcels" for split in SPLITS)),
                      [(row.name, *(int(each[position]) for each in counts)) for position, row in enumerate(dataset.classes)])


def _parcels(dataset: Dataset, split: str) -> np.ndarray:
    """Parcels of each class in a split (class,)."""
    mine = dataset.indices(split)
    parcels, first = np.unique(dataset.column("parcel")[mine], return_index=True)
    labels = dataset.labels(mine[first])
    return np.bincount(labels[labels != IGNORE], minlength=len(dataset.classes)) if len(parcels) else np.zeros(len(dataset.classes), int)
