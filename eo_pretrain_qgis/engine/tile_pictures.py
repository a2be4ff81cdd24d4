"""Pictures of tiles: images in natural colours where the bands allow it, labels in the colours of their classes."""

from __future__ import annotations

import numpy as np

from .dataset import IGNORE, ClassInfo, Dataset

TRUE_COLOUR = ("B04", "B03", "B02")
#: Grey of pixels without a measurement or a label.
BLANK = 235
#: Percentiles of the pictured tiles that become black and white.
STRETCH = (2, 98)


def look(dataset: Dataset, tiles: np.ndarray) -> np.ndarray:
    """Tiles in red, green and blue where these bands exist, else in the first three bands, or grey.

    Args:
        dataset: whose tiles.
        tiles: indices (n,).

    Returns:
        uint8 (n, y, x, 3); each colour stretched alike in all tiles, from their 2nd to their 98th percentile.
    """
    names = [band.name for band in dataset.bands]
    chosen = [names.index(name) for name in TRUE_COLOUR] if set(TRUE_COLOUR) <= set(names) else list(range(len(names)))[:3]
    shown = chosen if len(chosen) == 3 else [chosen[0]] * 3
    images = dataset.images(tiles)
    valid = dataset.valid(images)
    result = np.full((*valid.shape, 3), BLANK, np.uint8)
    if valid.any():
        for colour, band in enumerate(shown):
            values = images[:, band][valid].astype(np.float64)
            low, high = np.percentile(values, STRETCH)
            result[..., colour][valid] = ((values - low) / max(high - low, 1e-9)).clip(0, 1) * 255
    return result


def paint(labels: np.ndarray, classes: list[ClassInfo]) -> np.ndarray:
    """Labels (…, y, x), positions in `classes`, as uint8 (…, y, x, 3); what is not labelled is grey."""
    palette = np.full((256, 3), BLANK, np.uint8)
    for position, row in enumerate(classes):
        palette[position] = [int(row.color[at:at + 2], 16) for at in (1, 3, 5)]
    return palette[labels]


def telling_tiles(dataset: Dataset, split: str, count: int) -> np.ndarray:
    """Tiles of a split that show most classes, out of an even sample of it, in their order."""
    tiles = dataset.indices(split)
    if not len(tiles):
        return tiles
    sample = tiles[np.linspace(0, len(tiles) - 1, min(len(tiles), 60)).astype(int)]
    variety = [len(np.setdiff1d(labels, IGNORE)) for labels in dataset.labels(sample)]
    return np.sort(sample[np.argsort(np.negative(variety), kind="stable")[:count]])
