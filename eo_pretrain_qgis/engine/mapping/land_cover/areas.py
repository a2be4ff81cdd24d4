"""How much ground each class of a map covers."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ....outputs import new_file
from ....progress import SILENT, Progress
from ...cards import ClassInfo
from ...rasters.lengths import PixelAreas
from ..polygons import sums_by_kind
from .regions import strips

M2_PER_HA = 10_000


@dataclass(frozen=True)
class Areas:
    """Pixels and area [ha] of each class (class,)."""

    pixels: np.ndarray
    hectares: np.ndarray

    @property
    def total(self) -> float:
        """Of all classes [ha]."""
        return float(self.hectares.sum())


def areas_of(positions: np.ndarray, classes: int, pixel_areas: PixelAreas, progress: Progress = SILENT) -> Areas:
    """The areas of classes.

    Args:
        positions: of classes, uint8 (y, x), 255 where there is none.
        classes: how many there are.
        pixel_areas: of the map.
        progress: told how far it is.
    """
    pixels, areas = np.zeros(classes, np.int64), np.zeros(classes)
    for strip in strips(*positions.shape):
        progress.at(strip.start / len(positions), "Measuring areas")
        counts, ground = sums_by_kind(np.asarray(positions[strip]), classes, pixel_areas[strip])
        pixels += counts
        areas += ground
    return Areas(pixels, areas / M2_PER_HA)


def write_areas(areas: Areas, classes: Sequence[ClassInfo], path: str) -> None:
    """Writes a table: class, value, pixels, hectares, and share of all that has a class, 0 to 1.

    Raises:
        DataError: the disk is full.
    """
    write_table(path, ({"class": row.name, "value": row.value, "pixels": int(pixels), "hectares": round(float(hectares), 4),
                        "share": round(float(hectares) / areas.total, 6)}
                       for row, pixels, hectares in zip(classes, areas.pixels, areas.hectares, strict=True)))


def write_table(path: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Writes rows with the same keys as a CSV file; None is an empty cell.

    Raises:
        DataError: the disk is full.
    """
    first, *others = rows
    with new_file(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(first))
        writer.writeheader()
        writer.writerows([first, *others])
