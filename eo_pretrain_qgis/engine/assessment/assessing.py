"""From a class map and reference places to figures: what was counted, how it was drawn, and what follows for the map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import shapely

from ...errors import DataError, listed
from ...progress import SILENT, Noting, Progress
from ..cards import IGNORE, ClassInfo
from ..mapping.map_survey import ClassMap, Survey, survey
from ..measures.areas import Estimates, Places, estimate
from .designs import BY_CLASS, FEWEST, RANDOM, Design, design_of, groups_of
from .ground import Learned, on_ground, unknown_ground
from .reference import Reference, first_of_each, truths
from .translation import translated

#: Days between map and reference from which on a change between them is to be feared.
LONG = 183


@dataclass(frozen=True)
class Options:
    """How a map is assessed.

    Attributes:
        design: how places were drawn, see `designs`, or “auto”.
        whole: whether a polygon counts as a whole; otherwise one pixel of each is drawn.
        merge: whether strata with fewer than two places are put together.
        extra: whether classes that the map does not have are errors of it.
        learned: what the map was learned from.
        leave_out: whether places on training ground are left out, and that ground with them.
        seed: of the pixels drawn in polygons.
        codes: table by which the classes of the reference become those of the map, see `translation`; empty takes them as they are.
    """

    design: str = "auto"
    whole: bool = False
    merge: bool = False
    extra: bool = False
    learned: Learned = Learned()
    leave_out: bool = False
    seed: int = 1
    codes: str = ""


@dataclass(frozen=True)
class Assessment:
    """What was found.

    Attributes:
        mapped: the map.
        seen: what it shows.
        classes: those of the map, and behind them those that only the reference has.
        reference: the places that count.
        shapes: where the map was compared: the places, or the pixels drawn in polygons (n,).
        owners: number of the place that each entry of `places` is of (entry,).
        places: what both say.
        design: how they were drawn.
        found: the figures.
        warnings: what to beware of.
    """

    mapped: ClassMap
    seen: Survey
    classes: tuple[ClassInfo, ...]
    reference: Reference
    shapes: np.ndarray
    owners: np.ndarray
    places: Places
    design: Design
    found: Estimates
    warnings: tuple[str, ...]

    @property
    def hectares(self) -> float:
        """Of the ground that the figures are of."""
        counted = np.bincount(self.places.strata, minlength=len(self.design.sizes)) > 0
        return float(self.design.sizes[counted].sum())

    @property
    def right(self) -> np.ndarray:
        """The share of each place (n,) that the map shows right: 0 or 1 of a point."""
        hit = self.places.amounts * (self.places.mapped == self.places.truth)
        return np.bincount(self.owners, hit) / np.bincount(self.owners, self.places.amounts)

    @property
    def whole(self) -> bool:
        """Whether polygons count as a whole."""
        return bool(shapely.get_dimensions(self.shapes).max() == 2)


@dataclass(frozen=True)
class _Compared:
    """What the map shows at reference places: an entry for each point, or for each class in a polygon.

    Attributes:
        seen: the map.
        reference: the places that count.
        shapes: see `Assessment`.
        owners: number of the place (entry,).
        mapped: position of the class (entry,).
        amounts: see `Places`.
    """

    seen: Survey
    reference: Reference
    shapes: np.ndarray
    owners: np.ndarray
    mapped: np.ndarray
    amounts: np.ndarray


def assess(source: dict, opened: Callable[[ClassMap, Progress], Reference], options: Options, progress: Progress = SILENT) -> Assessment:
    """Compares a map with reference places.

    Args:
        source: the map, a job's raster value.
        opened: reads the reference of a map, see `open_reference` and `open_lucas`.
        options: how.
        progress: told how far it is, and what is to beware of.

    Raises:
        DataError: places that lie elsewhere, on training ground, of unknown classes or all of one, or strata that are too small.
    """
    noting = Noting(progress)
    mapped = ClassMap(source, noting)
    compared = _compare(mapped, opened(mapped, noting), options, noting)
    seen, reference = compared.seen, compared.reference
    truth, classes = truths(reference, seen.classes, mapped, options.extra, noting)
    _compare_days(mapped, reference, noting)
    design = design_of(options.design, reference, seen, noting)
    strata = compared.mapped if design.strata is None else design.strata[compared.owners]
    units = reference.units[compared.owners]
    if design.drawn:
        strata, design = groups_of(strata, units, design, options.merge, noting)
    groups = _groups(design, reference, strata, units, reference.polygons and options.whole)
    places = Places(units, strata, compared.mapped, truth[compared.owners], compared.amounts, groups)
    _tell_unseen(design, places, noting)
    found = estimate(places, design.sizes, len(classes), design.drawn)
    return Assessment(mapped, seen, classes, reference, compared.shapes, compared.owners, places, design, found, tuple(noting.warned()))


def _compare(mapped: ClassMap, reference: Reference, options: Options, progress: Progress) -> _Compared:
    """What the map shows at the places that count: off the training ground, on a pixel with a class, and with a class of their own."""
    ground, given = options.learned.ground(mapped) if options.learned.known else None, len(reference)
    if ground is None:
        progress.message(unknown_ground(mapped), level="warning")
    else:
        reference = _off_the_ground(reference, on_ground(ground, reference.shapes), options, progress)
    # A sample that was drawn here was drawn off this ground, so that its strata are without it.
    left_out = ground if options.leave_out or reference.map_id else None
    shapes, nowhere = reference.shapes, np.zeros(0, np.int64)
    if reference.polygons and options.whole:
        seen = survey(mapped, nowhere, nowhere, left_out, progress.part(0, 0.5))
        owners, positions, amounts = _of_polygons(mapped, seen, shapes, progress.part(0.5, 0.95))
    else:
        areas = np.ones(len(shapes))
        if reference.polygons:
            shapes, areas = _drawn_pixels(mapped, shapes, np.random.default_rng(options.seed), progress.part(0, 0.4))
        seen = survey(mapped, *mapped.pixels_of(shapes), left_out, progress.part(0.4, 0.95))
        owners = np.flatnonzero(seen.found != IGNORE)
        positions, amounts = seen.found[owners], areas[owners]
    if len(reference) < given and reference.map_id not in ("", seen.id):
        raise DataError(f"{given - len(reference)} places of {reference.path} lie on training ground, and the sample was drawn from another map "
                        f"({reference.map_id}), whose areas without that ground are not known. Draw a sample from this map, off its training ground.")
    counted = np.isin(np.arange(len(reference)), owners)
    _tell_elsewhere(mapped, reference, counted, progress)
    if options.codes:
        keys = reference.keys.copy()
        keys[counted] = translated(keys[counted], options.codes, seen.classes, reference.path, progress)
        reference = replace(reference, keys=keys)
        counted &= np.array([key is not None for key in keys])
    counted[np.flatnonzero(counted)[~_first_of_each(reference.only(counted), progress)]] = False
    mine = counted[owners]
    return _Compared(seen, reference.only(counted), shapes[counted], np.cumsum(counted)[owners[mine]] - 1, positions[mine], amounts[mine])


def _first_of_each(reference: Reference, progress: Progress) -> np.ndarray:
    """See `first_of_each`; also says which polygons overlap."""
    kept = first_of_each(reference.shapes, reference.keys, reference.path, progress)
    if reference.polygons:
        shapes = reference.shapes[kept]
        places, others = shapely.STRtree(shapes).query(shapes, predicate="intersects")
        places, others = places[places < others], others[places < others]
        over = ~shapely.touches(shapes[places], shapes[others])
        if over.any():
            count = len(np.unique([places[over], others[over]]))
            progress.message(f"{count} of {len(shapes)} reference polygons of {reference.path} overlap; ground in several counts several times.",
                             level="warning")
    return kept


def _off_the_ground(reference: Reference, hits: np.ndarray, options: Options, progress: Progress) -> Reference:
    if not hits.any():
        return reference
    told = (f"{hits.sum()} of {len(hits)} reference places of {reference.path} lie on training ground, {options.learned.words} that the map was "
            "learned from")
    if not options.leave_out:
        raise DataError(f"{told}, where it is better than elsewhere. Choose other places, or set “Places on training ground” to leave_out, which "
                        "leaves out this ground as a whole.")
    if hits.all():
        raise DataError(f"{told}, and none elsewhere. Choose places on other ground.")
    progress.message(f"{told}; they are left out, and the figures are of the other ground.", level="warning")
    return reference.only(~hits)


def _drawn_pixels(mapped: ClassMap, shapes: np.ndarray, rng: np.random.Generator, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """The middle of a pixel drawn in each polygon (n,), all of its pixels with a class alike; empty where the map shows none. And the area of these
    pixels [m²] (n,), by which it counts: polygons were drawn, so that a pixel of a large one was less likely to be met than that of a small one.
    """
    a, _, c, _, e, f = mapped.grid.transform
    points, areas = np.full(len(shapes), shapely.Point(), object), np.zeros(len(shapes))
    for number, shape in enumerate(shapes):
        progress.at(number / len(shapes), "Drawing a pixel in each polygon")
        total = 0
        for rows, cols, _ in mapped.within(shape):
            total += len(rows)
            areas[number] += mapped.pixel_areas.at(rows, cols).sum()
            if len(rows) and rng.random() < len(rows) / total:
                place = rng.integers(len(rows))
                points[number] = shapely.Point(c + a * (cols[place] + 0.5), f + e * (rows[place] + 0.5))
    return points, areas


def _of_polygons(mapped: ClassMap, seen: Survey, shapes: np.ndarray, progress: Progress) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of polygons, positions of the classes of the map in each, and the area of these [m²] (entry,)."""
    table = np.zeros((len(shapes), len(seen.classes)))
    for number, shape in enumerate(shapes):
        progress.at(number / len(shapes), "Reading the map in each polygon")
        for rows, cols, values in mapped.within(shape):
            table[number] += np.bincount(seen.positions(values), mapped.pixel_areas.at(rows, cols), len(seen.classes))
    owners, positions = np.nonzero(table)
    return owners, positions, table[owners, positions]


def _tell_elsewhere(mapped: ClassMap, reference: Reference, counted: np.ndarray, progress: Progress) -> None:
    if counted.all():
        return
    west, south, east, north = mapped.grid.bounds()
    what = "polygons" if reference.polygons else "points"
    if not counted.any():
        bounds = shapely.total_bounds(reference.shapes)
        raise DataError(f"No reference place of {reference.path} lies on a pixel of {mapped.path} with a class: they reach over {_box(bounds)}, and "
                        f"the map over {_box((west, south, east, north))}. Check the CRS of both layers, or choose places on this map.")
    beside = shapely.disjoint(reference.shapes, shapely.box(west, south, east, north)) & ~counted
    told = [f"{beside.sum()} lie outside it"] if beside.any() else []
    told += [f"{(~counted & ~beside).sum()} lie where it has no class"] if (~counted & ~beside).any() else []
    progress.message(f"{(~counted).sum()} of {len(counted)} reference {what} are left out, because the map “{mapped.name}” does not reach them: "
                     f"{' and '.join(told)}.", level="warning")


def _compare_days(mapped: ClassMap, reference: Reference, progress: Progress) -> None:
    """Warns of places that were seen long before or after the map's image was taken."""
    days, own = [day for day in reference.days if day], mapped.raster.acquired
    if not days or not own:
        return
    taken = date.fromisoformat(own)
    before, after = (sum(sign * (taken - day).days > LONG for day in days) for sign in (1, -1))
    told = [f"{count} of {len(days)} places were seen more than half a year {when}"
            for count, when in ((before, "before"), (after, "after")) if count]
    if told:
        progress.message(f"The map shows {own}, and {' and '.join(told)} that day ({min(days)} to {max(days)}). What has changed in between counts "
                         "as an error of the map.", level="warning")


def _groups(design: Design, reference: Reference, strata: np.ndarray, units: np.ndarray, whole: bool) -> np.ndarray:
    """In which group each unit was drawn (unit,).

    Raises:
        DataError: units that lie in several strata but were drawn in one, or a group of one unit.
    """
    count = int(units.max()) + 1
    if not design.drawn:
        return np.zeros(count, np.int64)
    clustered = whole or len(np.unique(units)) < len(units)
    if clustered and design.kind == RANDOM:
        if count < FEWEST:
            raise DataError(f"All reference places of {reference.path} belong to one polygon or group, so that nothing is known of their spread. "
                            "Give places in several, or draw single points.")
        return np.zeros(count, np.int64)
    groups = np.zeros(count, np.int64)
    groups[units] = strata
    mixed = np.unique(units[groups[units] != strata])
    if len(mixed) and design.kind == BY_CLASS:
        raise DataError(f"{len(mixed)} polygons or groups of places of {reference.path} lie in several classes of the map, so they were not drawn in "
                        "each class by itself. Set “Places were drawn” to random, or give the strata they were drawn in (field).")
    if len(mixed):
        raise DataError(f"{len(mixed)} polygons or groups of places of {reference.path} lie in several strata, and each must be drawn in one. "
                        "Correct the field of the strata or that of the groups.")
    return groups


def _tell_unseen(design: Design, places: Places, progress: Progress) -> None:
    """Says of which strata the figures are not."""
    counted = np.bincount(places.strata, minlength=len(design.sizes)) > 0
    unseen = [f"“{design.names[number]}” ({design.sizes[number]:,.1f} ha)" for number in np.flatnonzero(~counted & (design.sizes > 0))]
    if unseen:
        progress.message(f"No reference place lies in {listed(unseen)}, so the figures are of the rest of the map alone.", level="warning")


def _box(box: tuple) -> str:
    return " to ".join(f"({x:.6g}, {y:.6g})" for x, y in (box[:2], box[2:]))
