"""How reference places were drawn, and so what can be said from them: strata, their areas, and whether there are intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..mapping.map_survey import Survey
from .reference import Reference

#: Ways in which places may have been drawn; “auto” is not among them.
BY_CLASS, RANDOM, BY_FIELD, UNKNOWN = "map_classes", "random", "field", "not_random"
#: Units of a stratum without which its spread is not known.
FEWEST = 2
M2_PER_HA = 10_000


@dataclass(frozen=True)
class Design:
    """Strata of some reference places.

    Attributes:
        kind: how they were drawn.
        strata: number of the stratum of each place (n,); None where it is the class of the map.
        names: of the strata.
        sizes: their areas [ha].
        words: what was taken, in sentences.
        mapped: area of each class of the map [ha] on the ground that the figures are of; None where that is all that the map shows.
    """

    kind: str
    strata: np.ndarray | None
    names: tuple[str, ...]
    sizes: np.ndarray
    words: str
    mapped: np.ndarray | None = None

    @property
    def drawn(self) -> bool:
        """Whether the places were drawn by chance, so that there are intervals."""
        return self.kind != UNKNOWN


def design_of(kind: str, reference: Reference, seen: Survey, progress: Progress = SILENT) -> Design:
    """What is known of how a reference was drawn.

    Args:
        kind: what the analyst says: one of the ways above, or “auto”.
        reference: the places.
        seen: the map.
        progress: told what is taken.

    Raises:
        DataError: strata of which the areas are not known.
    """
    areas, names = seen.areas / M2_PER_HA, tuple(row.name for row in seen.classes)
    if kind == BY_FIELD and reference.strata is None:
        raise DataError(f"Nothing says in which stratum each place of {reference.path} was drawn. Choose “Stratum field”, or another way in “Places "
                        "were drawn”.")
    if reference.strata is not None and kind in ("auto", BY_FIELD):
        return _by_field(reference.strata, reference, seen, areas, progress)
    if kind == BY_CLASS:
        return Design(kind, None, names, areas, "Places were drawn by chance in each class of this map (Olofsson et al. 2014).")
    if kind == RANDOM:
        return Design(kind, None, names, areas, "Places were drawn by chance over the whole map, all alike; the figures are weighted by the areas of "
                      "its classes afterwards.")
    told = (f"Nothing says how the places of {reference.path} were drawn" if kind == "auto" else f"The places of {reference.path} were not drawn by "
            "chance")
    progress.message(f"{told}, so the figures have no intervals: they are true of these places, and of the map only if these stand for all of it. If "
                     "they were drawn by chance, say so in “Places were drawn”; “Draw an assessment sample” draws such.", level="warning")
    return Design(UNKNOWN, None, names, areas, f"{told}. The figures are weighted by the areas of the classes of the map and have no intervals.")


def _by_field(strata: np.ndarray, reference: Reference, seen: Survey, areas: np.ndarray, progress: Progress) -> Design:
    keys, numbers = np.unique(strata.astype(str), return_inverse=True)
    of_map = {str(row.value): position for position, row in enumerate(seen.classes)}
    names = tuple(seen.classes[of_map[key]].name if key in of_map and reference.map_id in ("", seen.id) else key for key in keys)
    if reference.sizes is None:
        by_name = {row.name.casefold(): position for position, row in enumerate(seen.classes)}
        places = [by_name.get(key.casefold(), of_map.get(key)) for key in keys]
        foreign = [f"“{key}”" for key, place in zip(keys, places) if place is None]
        if foreign:
            raise DataError(f"{reference.path} has the strata {listed(foreign)}, which are no classes of the map, and nothing says how large they "
                            "are. Give the field with the area of each place's stratum in “Stratum size field”.")
        sizes = areas[[place for place in places if place is not None]]
        return Design(BY_FIELD, numbers, names, sizes, "Places were drawn by chance in strata, which are classes of this map.")
    sizes = np.zeros(len(keys))
    for number, key in enumerate(keys):
        found = np.unique(reference.sizes[numbers == number])
        if len(found) > 1:
            raise DataError(f"The stratum “{key}” of {reference.path} has several areas ({listed(f'{size:g}' for size in found)}). Give each of its "
                            "places the same.")
        sizes[number] = found[0]
    if reference.map_id == seen.id:
        own = [of_map[key] for key in keys]
        sizes = np.minimum(sizes, areas[own])  # drawn off training ground that nobody names now, or on ground that is left out
        mapped = areas.copy()
        mapped[own] = sizes
        unseen = [position for position, row in enumerate(seen.classes) if seen.pixels[position] and str(row.value) not in keys]
        names, sizes = (*names, *(seen.classes[position].name for position in unseen)), np.append(sizes, areas[unseen])
        return Design(BY_FIELD, numbers, names, sizes, "The sample was drawn from this map, by chance in each of its classes (Olofsson et al. 2014).",
                      mapped)
    if not reference.map_id:
        return Design(BY_FIELD, numbers, names, sizes / sizes.sum() * areas.sum(), "Places were drawn by chance in strata that are not the classes "
                      "of this map (Stehman 2014).")
    progress.message(f"The sample {reference.path} was drawn from another map ({reference.map_id}, and this one is {seen.id}). Its strata are those "
                     "of that map, so the estimator of Stehman (2014) is used; both maps must show the same ground.", level="warning")
    return Design(BY_FIELD, numbers, names, sizes, f"The sample was drawn from another map ({reference.map_id}), by chance in each of its classes; "
                  "the estimator is that of Stehman (2014).")


def groups_of(strata: np.ndarray, units: np.ndarray, design: Design, merge: bool, progress: Progress = SILENT) -> tuple[np.ndarray, Design]:
    """Strata (n,) with those of fewer than two units put together, and the design with their areas.

    Args:
        strata: of the places (n,).
        units: of the places (n,).
        design: how they were drawn.
        merge: whether small strata are put together; otherwise they are refused.
        progress: told which.

    Raises:
        DataError: a stratum is too small.
    """
    sizes, names = design.sizes, design.names
    counts = np.array([len(np.unique(units[strata == number])) for number in range(len(sizes))])
    small = [number for number in range(len(sizes)) if counts[number] < FEWEST and sizes[number] > 0]
    if not small:
        return strata, design
    told = listed(f"“{names[number]}” ({counts[number]})" for number in small)
    if not merge:
        raise DataError(f"Some strata have fewer than {FEWEST} reference places, so that nothing is known of their spread: {told}. Add places there, "
                        "or set “Small strata” to merge.")
    rest = [int(number) for number in np.lexsort((sizes, counts)) if number not in small and sizes[number] > 0]
    while counts[small].sum() < FEWEST and rest:
        small.append(rest.pop(0))
    target, merged = small[0], sizes.copy()
    merged[small] = 0
    merged[target] = sizes[small].sum()
    progress.message(f"Some strata have fewer than {FEWEST} reference places: {told}. They are put together, as if places had been drawn alike in "
                     f"{listed(f'“{names[number]}”' for number in small)}.", level="warning")
    return np.where(np.isin(strata, small), target, strata), replace(design, sizes=merged)
