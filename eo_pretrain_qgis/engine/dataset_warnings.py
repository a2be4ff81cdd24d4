"""What to beware of in a dataset, in words, from its own figures."""

from __future__ import annotations

import numpy as np

from .dataset import DROPPED, SPLITS, Dataset

FEW_TILES = {"training": 50, "validation": 5, "test": 10}
RARE_CLASS, FEW_PIXELS = 0.01, 1000
UNLIKE = 3.0
SAMPLE = 40


def warnings_of(dataset: Dataset) -> list[str]:
    """One sentence for each thing to beware of; none for a dataset without fault."""
    return [*_tiles(dataset), *_classes(dataset), *_distance(dataset), *_pixels(dataset), *_bands(dataset)]


def class_shares(dataset: Dataset) -> np.ndarray:
    """Share of each class among the labelled pixels of training, validation and test: (3, class)."""
    pixels = np.array([dataset.description["class_pixels"][split] for split in SPLITS], float)
    return pixels / np.maximum(pixels.sum(1, keepdims=True), 1)


def _tiles(dataset: Dataset) -> list[str]:
    found = [f"Only {count} {split} tiles: figures from so few are uncertain." for split, enough in FEW_TILES.items()
             if 0 < (count := len(dataset.indices(split))) < enough]
    found += [f"There are no {split} tiles." for split in SPLITS if not len(dataset.indices(split))]
    dropped = float((dataset.splits == DROPPED).mean())
    if dropped > 0.4:
        found.append(f"{dropped:.0%} of the tiles were dropped to keep training and test apart. Smaller tiles lose fewer.")
    if dataset.description["stride"] < dataset.tile_size:
        stride = dataset.description["stride"]
        found.append(f"Tiles overlap (stride {stride} px, tile {dataset.tile_size} px): there is less ground than tiles.")
    return found


def _classes(dataset: Dataset) -> list[str]:
    found, shares = [], class_shares(dataset)
    pixels = np.array([dataset.description["class_pixels"][split] for split in SPLITS])
    for position, row in enumerate(dataset.classes):
        missing = [split for number, split in enumerate(SPLITS) if not pixels[number, position] and pixels[number].sum()]
        if missing:
            found.append(f"The class “{row.name}” has no pixel in {' and '.join(missing)}.")
            continue
        if shares[0, position] < RARE_CLASS:
            found.append(f"The class “{row.name}” is rare: {shares[0, position]:.2%} of the labelled training pixels.")
        if pixels[2].sum() and pixels[2, position] < FEW_PIXELS:
            found.append(f"The class “{row.name}” has only {pixels[2, position]} test pixels, so its score will be uncertain.")
        elif pixels[2].sum() and not 1 / UNLIKE <= shares[2, position] / shares[0, position] <= UNLIKE:
            found.append(f"The class “{row.name}” takes {shares[0, position]:.1%} of the training and {shares[2, position]:.1%} of the "
                         "test pixels.")
    return found


def _distance(dataset: Dataset) -> list[str]:
    distance = dataset.description["split"].get("leakage_distance_px")
    if distance is None or distance >= dataset.tile_size:
        return []
    return [f"Training and test pixels are as near as {distance:g} px, less than a tile ({dataset.tile_size} px), so the test "
            "flatters the model."]


def _pixels(dataset: Dataset) -> list[str]:
    valid, labelled = (float(dataset.tiles[name].mean()) for name in ("valid", "labelled"))
    found = []
    if valid < 0.8:
        found.append(f"{1 - valid:.0%} of the pixels in the tiles are nodata.")
    if labelled < 0.1:
        found.append(f"Only {labelled:.1%} of the pixels in the tiles are labelled.")
    sample = np.linspace(0, len(dataset) - 1, min(len(dataset), SAMPLE)).astype(int)
    images = dataset.images(sample)
    zero = float(((images == 0).all(axis=1) & dataset.valid(images)).mean())
    if zero > 0.01 and len(dataset.bands) > 1:
        found.append(f"About {zero:.0%} of the pixels are 0 in all bands but count as measured. If that is nodata, declare it.")
    return found


def _bands(dataset: Dataset) -> list[str]:
    statistics = dataset.statistics[dataset.sensor.name]
    flat = [name for name, row in statistics.items() if row["std"] == 0]
    return [f"The band {name} has the same value everywhere and teaches nothing." for name in flat]
