"""Images and series that a network in torch and the same network as ONNX are compared on."""

from __future__ import annotations

import os

import numpy as np

from ..cards import Input
from ..datasets.dataset import Dataset
from ..datasets.dates import NO_DAY, read_series
from ..even_sample import even_sample
from .networks.class_networks import ClassNetwork

#: Series, and dated tiles, of the dataset.
SERIES, TILES = 500, 4


def series_probes(folder: str, seen: Input, stride: int = 0) -> list[dict[str, np.ndarray]]:
    """Several numbers and lengths of series by port: some of the dataset where it is still there, others drawn at random; with padding anywhere.

    Args:
        folder: of the dataset.
        seen: what the network sees.
        stride: of a network of dated tiles; 0: it is of series.
    """
    rng, found, tiles = np.random.default_rng(0), [], seen.axes == "tbyx"
    if os.path.isdir(folder):
        dataset = Dataset.open(folder)
        values, days = read_series(dataset, seen, even_sample(dataset.indices("all"), TILES if tiles else SERIES))
        side = dataset.tile_size // stride * stride if tiles else 0
        values, days = (part[..., :side, :side] for part in (values, days)) if tiles else (values, days)
        found.append((np.ascontiguousarray(values), days.max(tuple(range(2, days.ndim)))))
    for number, (count, dates) in enumerate(((1, 1), (2, 7), (3, 12)) if tiles else ((1, 1), (5, 12), (40, 60))):
        days = rng.uniform(seen.days[0], seen.days[-1] + 1, (count, dates)).astype(np.float32)
        axes = (stride * (number + 1), stride * 2) if tiles else ()
        centre, spread = (np.array(values).reshape(-1, *[1] * len(axes)) for values in (seen.centre, seen.spread))
        values = centre + spread * rng.standard_normal((count, dates, len(seen.bands), *axes))
        if tiles:  # pixels that do not count on some dates, and some on none
            values = np.where(rng.random((count, dates, 1, *axes)) < (0.3 if number else 0), centre, values)
            values[:, :, :, :1, :2] = centre
        found.append((values.astype(np.float32), np.where(rng.random(days.shape) < 0.4, np.float32(NO_DAY), days)))
    return [dict(zip((seen.name, seen.days_port), pair, strict=True)) for pair in found]


def with_gaps(images: list[dict[str, np.ndarray]], network: ClassNetwork) -> list[dict[str, np.ndarray]]:
    """Images by input and, for a network that does without some of these, the first of them without each, and without the left half of it."""
    found = []
    for seen in network.inputs.values():
        fill, whole = np.array(seen.centre, np.float32)[:, None, None], images[0][seen.name]
        half = np.where(np.arange(whole.shape[3]) < whole.shape[3] // 2, fill, whole)
        found += [{**images[0], seen.name: gone} for gone in (np.broadcast_to(fill, whole.shape).copy(), half)] if seen.optional else []
    return [*found, *images]


def probes(scene: np.ndarray, stride: int) -> list[np.ndarray]:
    """Several numbers and sizes of images: parts of the scene, and noise about its mean."""
    rng = np.random.default_rng(0)
    centre, spread = scene.mean((1, 2), keepdims=True), scene.std((1, 2), keepdims=True)
    noise = (centre + spread * rng.standard_normal((2, len(scene), 2 * stride, 4 * stride))).astype(np.float32)
    return [noise, *(scene[None, :, :side * stride, :(side + 1) * stride] for side in (2, 5, 8))]
