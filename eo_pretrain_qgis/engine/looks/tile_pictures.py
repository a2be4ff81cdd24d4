"""Pictures of tiles: images in natural colours where the bands allow it, labels in the colours of their classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..datasets.dataset import IGNORE, ClassInfo, Dataset
from ..even_sample import even_sample
from ..rasters.clouds import CLEAR
from .stretching import limits, shades

TRUE_COLOUR = ("B04", "B03", "B02")
#: Bands that are no picture.
NO_PICTURE = ("incidence_angle",)
#: Grey of pixels without a measurement or a label.
BLANK = 235
BLANK_COLOUR = f"#{BLANK:02x}{BLANK:02x}{BLANK:02x}"


def look(dataset: Dataset, tiles: np.ndarray, sensor: str) -> np.ndarray:
    """Tiles in red, green and blue where these bands exist, else in the first three bands, or grey; of dated tiles the date with most clear pixels.

    Args:
        dataset: whose tiles.
        tiles: indices (n,).
        sensor: whose images.

    Returns:
        uint8 (n, y, x, 3); each colour stretched alike in all tiles, see `stretching.limits`.
    """
    info = dataset.sensor_named(sensor)
    images = dataset.images(tiles, info.name)
    valid = info.valid(images)
    if images.ndim == 5:
        flags = dataset.array_of(info.name, "flags", tiles)
        best = np.arange(len(tiles)), (valid if flags is None else valid & (flags == CLEAR)).sum((2, 3)).argmax(1)
        images, valid = images[best], valid[best]
    result = np.full((*valid.shape, 3), BLANK, np.uint8)
    if valid.any():
        chosen = pictured_bands([band.name for band in info.bands])
        values = np.stack([images[:, band][valid] for band in chosen])
        low, high = limits(values, [info.bands[band] for band in chosen])
        result[valid] = shades(values.T, low, high)
    return result


def pictured_bands(names: Sequence[str]) -> list[int]:
    """Positions of the bands to show as red, green and blue: these where they exist, else the first three bands, or one thrice."""
    if set(TRUE_COLOUR) <= set(names):
        return [names.index(name) for name in TRUE_COLOUR]
    chosen = [number for number, name in enumerate(names) if name not in NO_PICTURE][:3] or [0]
    return chosen if len(chosen) == 3 else [chosen[0]] * 3


def beside(*pictures: np.ndarray, side: int) -> np.ndarray:
    """Pictures (y, x, 3) in a row with white gaps, small ones enlarged to about `side` [px]."""
    zoom = max(1, side // pictures[0].shape[0])
    framed = [np.pad(picture.repeat(zoom, 0).repeat(zoom, 1), [(0, 6), (0, 6), (0, 0)], constant_values=255) for picture in pictures]
    return np.concatenate(framed, 1)


def paint(labels: np.ndarray, classes: list[ClassInfo]) -> np.ndarray:
    """Labels (…, y, x), positions in `classes`, as uint8 (…, y, x, 3); what is not labelled is grey."""
    palette = np.full((256, 3), BLANK, np.uint8)
    for position, row in enumerate(classes):
        palette[position] = [int(row.color[at:at + 2], 16) for at in (1, 3, 5)]
    return palette[labels]


def telling_tiles(dataset: Dataset, tiles: np.ndarray, count: int) -> np.ndarray:
    """Those of some tiles (n,) that show most classes, out of an even sample, in their order."""
    sample = even_sample(tiles, 60)
    if not len(sample):
        return sample
    variety = [len(np.setdiff1d(labels, IGNORE)) for labels in dataset.labels(sample)]
    return np.sort(sample[np.argsort(np.negative(variety), kind="stable")[:count]])


def tiles_of_class(dataset: Dataset, position: int, split: str, count: int) -> np.ndarray:
    """Samples of one class from one end of a split to the other, of datasets whose samples have labels as a whole."""
    tiles = dataset.indices(split)
    if not len(tiles):
        return tiles
    labels = dataset.labels(tiles)
    mine = tiles[labels[:, position] == 1 if labels.ndim == 2 else labels == position]
    return even_sample(mine, count)


def strip(pictures: np.ndarray, height: int) -> np.ndarray:
    """Pictures (n, y, x, 3) beside each other with white between them, thinned or enlarged to about `height` [px]."""
    step, zoom = -(-pictures.shape[1] // height), max(1, height // pictures.shape[1])
    framed = [np.pad(one[::step, ::step].repeat(zoom, 0).repeat(zoom, 1), ((1, 1), (2, 2), (0, 0)), constant_values=255) for one in pictures]
    return np.concatenate(framed, 1)
