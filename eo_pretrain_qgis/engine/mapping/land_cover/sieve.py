"""Takes areas below a minimum mapping unit out of a class map, by what the model says of them and not by majority.

The rule: of all regions (pixels of one class that are connected by their edges) below the minimum the smallest comes first; of several as small,
that whose first pixel comes first from left to right and top to bottom. It takes that class of the regions beside it to which its own mean
probabilities give most; of several as probable, that with the longest border (in edges of pixels); then the first in the model. It is one region
then with its neighbours of that class, and if that is below the minimum still, its turn comes again. A region without a neighbour, between pixels
that have no class, stays. Pixels without a class never get one, and none has its class from beyond them.

What becomes of a region depends on small regions that lie beside each other, and on the classes of large ones around them. So groups of these are
solved one by one, wherever strips of the map end, and the result is that of the whole map at once.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ....progress import SILENT, Progress
from ...rasters.lengths import PixelAreas
from ..scratch import scratch_array
from .layers import LandCoverLayers
from .regions import PARTS_PER_M2, SmallRegions, measure_small, number_small, strips

#: Of a map, with the minimum put in.
WORDS = ("areas below {0:g} m² took, the smallest first, the class beside them to which the mean probabilities of their own pixels give most; of "
         "equal ones that with the longest border")
#: The minimum in it.
_SMALLEST = re.compile(r"areas below (\S+) m²")
#: Regions between two looks at whether to stop.
_OFTEN = 4096


def smallest_of(words: str) -> str:
    """The smallest area [m²] that a map says of itself with `WORDS`: 0 where it says nothing, and what it says where nobody understands it."""
    told = _SMALLEST.match(words)
    return told[1] if told else words or "0"


def sieve(layers: LandCoverLayers, pixel_areas: PixelAreas, minimum_m2: float, output: str, rows: int | None = None, progress: Progress = SILENT
          ) -> int:
    """Gives regions below a minimum area another class, in place.

    Args:
        layers: of a run; `positions` change.
        pixel_areas: of the map.
        minimum_m2: the smallest area that stays [m²].
        output: beside which temporary files are kept.
        rows: read at once; never changes a pixel.
        progress: told how far it is.

    Returns:
        How many pixels have another class.

    Raises:
        DataError: the disk is full.
    """
    size, changed = layers.positions.shape, 0
    if not minimum_m2:
        return changed
    with scratch_array(output, "int32", size) as numbers:
        known = number_small(layers.positions, pixel_areas, minimum_m2 * PARTS_PER_M2, numbers, rows, progress.part(0, 0.3))
        with scratch_array(output, "float64", (len(known[0]), len(layers.percent))) as sums:
            regions = measure_small(layers.positions, layers.percent, numbers, sums, known, rows, progress.part(0.3, 0.6))
            classes = sieved(regions, sums, minimum_m2 * PARTS_PER_M2, progress.part(0.6, 0.9))
        for strip in strips(size[0], size[1], rows):
            progress.at(0.9 + 0.1 * strip.start / size[0], "Filling small areas")
            before, own = np.asarray(layers.positions[strip]), np.asarray(numbers[strip])
            after = np.where(own > 0, classes[own], before)
            changed += int((after != before).sum())
            layers.positions[strip] = after
    return changed


def sieved(regions: SmallRegions, sums: np.ndarray, minimum: float, progress: Progress = SILENT) -> np.ndarray:
    """Position of the class that each number has in the end, uint8 (number,).

    Args:
        regions: see there.
        sums: of the percentages in the pixels of each, float64 (number, class).
        minimum: see `regions.number_small`.
        progress: told how far it is.
    """
    classes, count = regions.classes.copy(), regions.count
    inner = regions.other < count
    ends = regions.one[inner], regions.other[inner]
    groups, group = connected_components(coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(count,) * 2), directed=False)
    alone = (np.bincount(group, minlength=groups) == 1)[group[regions.one]]
    _solve_alone(regions, sums, alone, classes)
    order = np.flatnonzero(~alone)
    order = order[np.argsort(group[regions.one[order]], kind="stable")]
    done = 0
    for contacts in np.split(order, np.flatnonzero(np.diff(group[regions.one[order]])) + 1) if len(order) else ():
        several = _Group.of(regions, contacts, sums, minimum)
        for _ in several.steps():
            done += 1
            if done % _OFTEN == 0:
                progress.at(min(1.0, done / count), "Joining small areas")
        for number, own in several.result():
            classes[number] = own
    return classes


def _solve_alone(regions: SmallRegions, sums: np.ndarray, alone: np.ndarray, classes: np.ndarray) -> None:
    """Fills in the classes of regions that have only large neighbours; `alone` says which contacts are theirs (contact,)."""
    one, kind, edges = regions.one[alone], regions.other[alone] - regions.count, regions.edges[alone]
    order = np.lexsort((-kind, edges, sums[one, kind], one))
    last = order[np.append(np.diff(one[order]) > 0, True)] if len(order) else order
    classes[one[last]] = kind[last]


@dataclass
class _Group:
    """Small regions that lie beside each other, as they are joined one by one; what is large is known by its class alone.

    Attributes:
        count: numbers of regions are below it, and `count` + class is a large neighbour.
        minimum: see `regions.number_small`.
        classes: number → position of its class.
        areas: number → area.
        sums: number → sums of percentages (class,).
        beside: number → neighbour → edges; of the regions that are not yet large.
        members: number → the numbers that were joined to it, and its own.
    """

    count: int
    minimum: float
    classes: dict[int, int]
    areas: dict[int, float]
    sums: dict[int, list[float]]
    beside: dict[int, dict[int, int]]
    members: dict[int, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, regions: SmallRegions, contacts: np.ndarray, sums: np.ndarray, minimum: float) -> _Group:
        """The regions that have these contacts (contact,)."""
        beside: dict[int, dict[int, int]] = {}
        count = regions.count
        rows = zip(regions.one[contacts].tolist(), regions.other[contacts].tolist(), regions.edges[contacts].tolist(), strict=True)
        for one, other, edges in rows:
            beside.setdefault(one, {})[other] = edges
            if other < count:
                beside.setdefault(other, {})[one] = edges
        numbers = list(beside)
        kinds, areas, rows_of = (array[numbers].tolist() for array in (regions.classes, regions.areas, sums))  # single numbers of arrays are slow
        return cls(count, minimum, dict(zip(numbers, kinds, strict=True)), dict(zip(numbers, areas, strict=True)),
                   dict(zip(numbers, rows_of, strict=True)), beside, {one: [one] for one in numbers})

    def steps(self) -> Iterator[None]:
        """Joins the regions, one after the other."""
        queue = [(area, one, one) for one, area in self.areas.items()]
        heapq.heapify(queue)
        while queue:
            area, _, one = heapq.heappop(queue)
            if one not in self.beside or self.areas[one] != area or not self.beside[one]:
                continue
            if self._join(one):
                heapq.heappush(queue, (self.areas[one], min(self.members[one]), one))
            yield

    def _join(self, one: int) -> bool:
        """Gives a region another class; says whether it is small still."""
        borders: dict[int, int] = {}
        for other, edges in self.beside[one].items():
            kind = self._class_of(other)
            borders[kind] = borders.get(kind, 0) + edges
        best = max(borders, key=lambda kind: (self.sums[one][kind], borders[kind], -kind))
        self.classes[one] = best
        large = self.beside[one].pop(self.count + best, 0) > 0
        for other in [near for near in self.beside[one] if near < self.count and self.classes[near] == best]:
            self._absorb(one, other)
        if not large and self.areas[one] < self.minimum:
            return True
        for near, edges in self.beside.pop(one).items():
            if near < self.count:
                self._move(near, one, self.count + best, edges)
        return False

    def _absorb(self, one: int, other: int) -> None:
        """Makes another region of the same class a part of one."""
        for near, edges in self.beside.pop(other).items():
            if near == one:
                continue
            self.beside[one][near] = self.beside[one].get(near, 0) + edges
            if near < self.count:
                self._move(near, other, one, edges)
        del self.beside[one][other]
        self.areas[one] += self.areas[other]
        self.sums[one] = [own + more for own, more in zip(self.sums[one], self.sums[other], strict=True)]
        self.members[one] += self.members.pop(other)

    def _move(self, near: int, old: int, new: int, edges: int) -> None:
        """Makes so many edges of a region with `old` such with `new`."""
        del self.beside[near][old]
        self.beside[near][new] = self.beside[near].get(new, 0) + edges

    def _class_of(self, other: int) -> int:
        return self.classes[other] if other < self.count else other - self.count

    def result(self) -> Iterator[tuple[int, int]]:
        """Every number and the position of its class."""
        for one, numbers in self.members.items():
            for number in numbers:
                yield number, self.classes[one]
