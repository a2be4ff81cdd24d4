"""Named parts of the tiles that a model is measured on: scenes, months, dates, regions, thirds by incidence angle, by completeness of the roads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

import numpy as np

from ..datasets.dataset import ALL, Dataset
from ..datasets.splitting.by_day import scene_days
from ..datasets.units import first_of_units
from ..looks import html_page as page
from ..looks.score_tables import counted
from ..measures.bootstrap import FEWEST, Resamples, draws
from ..measures.incidence_angle import angle_bands, sample_means
from ..tasks import FIGURES
from .blocks import Blocks
from .by_scene import GroupCounts

#: Fields of tiles.gpkg whose values name places or days.
FIELDS = ("region", "place", "season", "date", "month")
#: More groups than this are no table that anyone reads.
MOST_GROUPS = 60
#: Numbers that are kept of the counts of one model at most.
MOST_KEPT = 2**24
THIRDS = ("lowest third", "middle third", "highest third")


@dataclass(frozen=True)
class Grouping:
    """One way to tell tiles apart.

    Attributes:
        name: of it in the figures.
        title: in words; empty where its figures are told elsewhere than among the others.
        names: of the groups.
        of: number of the group of each tile, −1 for none (n,).
        note: what to know of it, as a sentence; may be empty.
    """

    name: str
    title: str
    names: tuple[str, ...]
    of: np.ndarray
    note: str = ""


def groupings(dataset: Dataset, tiles: np.ndarray, split: str) -> list[Grouping]:
    """All ways in which the tiles of a split (n,) are told apart that the dataset knows, each with two groups or more."""
    table = dataset.tiles.iloc[tiles]
    found = [_by_texts("scene", "Scene by scene", table["scene"])] if "scene" in table else []
    found += [_by_texts(name, f"By {name}", table[name]) for name in FIELDS if name in table]
    found += _by_scene_days(dataset, table) if "scene" in table else []
    for sensor, band in angle_bands(dataset)[:1] if not dataset.kind.dates else []:
        found.append(_thirds("incidence_angle", "By incidence angle", sample_means(dataset, sensor, tiles)[:, band], "{:.1f}° to {:.1f}°"))
    found += _by_completeness(dataset, table)
    if (note := left_out_days(dataset, tiles, split)) and found:
        found = [replace(one, note=note) if one.name in ("date", "month") else one for one in found]
    first, unit_of = first_of_units(dataset, tiles)  # what is counted once is of one group
    return [replace(one, of=one.of[first][unit_of]) for one in found if 2 <= len(one.names) <= MOST_GROUPS]


def _by_texts(name: str, title: str, values: Any) -> Grouping:
    known = ~values.isna().to_numpy()
    names, numbers = np.unique(values[known].astype(str).to_numpy(), return_inverse=True)
    of = np.full(len(values), -1)
    of[known] = numbers
    return Grouping(name, title, tuple(names.tolist()), of)


def _by_scene_days(dataset: Dataset, table: Any) -> list[Grouping]:
    """By date and month, of the days of scenes; not where tiles have several dates, or say theirs themselves."""
    if dataset.kind.dates:
        return []
    days = table["scene"].astype(str).map(scene_days(dataset))
    made = [("date", "By date", days), ("month", "By month", days.str[:7] if days.notna().any() else days)]
    found = [_by_texts(*one) for one in made if one[0] not in table]
    scenes = table["scene"].nunique()
    return [one for one in found if len(one.names) < scenes]  # else they say what the scenes say


def left_out_days(dataset: Dataset, tiles: np.ndarray, split: str) -> str:
    """Whether days were left out of training, as a sentence: only then does a figure say what a model is worth on another day."""
    days = scene_days(dataset)
    if dataset.kind.dates or "scene" not in dataset.tiles or not days:
        return ""
    each = dataset.tiles["scene"].astype(str).map(days).to_numpy()
    known = {day for day in each[dataset.indices("training")] if isinstance(day, str)}
    own = {day for day in each[tiles] if isinstance(day, str)}
    fresh = sorted(own - known)
    if split == ALL or not own:
        return ""
    if not fresh:
        return ("Training saw every one of these days, so nothing here tells what the model is worth on another day. To leave one out, divide the "
                "dataset with “Test days”, or measure on a dataset of other days.")
    kept = len(own) - len(fresh)
    return f"{len(fresh)} of {len(own)} days were left out of training: {', '.join(fresh[:8])}." + (" The others it saw." if kept else "")


def _thirds(name: str, title: str, values: np.ndarray, words: str, note: str = "") -> Grouping:
    """Three groups of equally many tiles by a number, NaN for none; fewer where the number has too few different values."""
    known, of = np.isfinite(values), np.full(len(values), -1)
    if not known.any():
        return Grouping(name, title, (), of, note)
    ends = np.quantile(values[known], (1 / 3, 2 / 3))
    of[known] = np.searchsorted(ends, values[known], side="left")
    numbers, places = np.unique(of[known], return_inverse=True)
    of[known] = places
    names = tuple(f"{THIRDS[number]}, {words.format(values[of == place].min(), values[of == place].max())}" for place, number in enumerate(numbers))
    return Grouping(name, title, names, of, note)


def _by_completeness(dataset: Dataset, table: Any) -> list[Grouping]:
    """By length of the mapped roads for the built-up ground around, where the dataset was screened for missing roads."""
    screen = dataset.facts.get("screen") if dataset.theme == "roads" else None
    if not screen or not {"road_density", "built_up"} <= set(table):
        return []
    density, built = (table[name].to_numpy(dtype=float) for name in ("road_density", "built_up"))
    judged = np.where(built >= screen["minimum_built_up_share"], density, np.nan)
    note = ("Where the map of roads lacks some, the labels are wrong and the model may be right. A model that learned roads and not the gaps of the "
            f"map finds more than is mapped in the lowest third. Tiles with less than {screen['minimum_built_up_share']:.0%} of built-up ground are "
            "not judged.")
    return [_thirds("completeness", "By completeness of the mapped roads", judged, "{:.1f} to {:.1f} km/km² of built-up ground", note)]


class Cells:
    """The finest parts that all groupings and the blocks are put together from, so that everything is counted once.

    Args:
        blocks: see there.
        found: groupings of the same tiles; those that would take too much memory are left out.
        entries: numbers in the counts of one cell.

    Attributes:
        of: number of the cell of each tile (n,).
        groupings: those that are kept.
    """

    def __init__(self, blocks: Blocks, found: Sequence[Grouping], entries: int) -> None:
        self.blocks, self.groupings, self.left_out = blocks, list[Grouping](), list[Grouping]()
        rows = blocks.of[:, None]
        for one in found:
            finer = np.column_stack([rows, one.of])
            if len(np.unique(finer, axis=0)) * entries <= MOST_KEPT:
                rows = finer
                self.groupings.append(one)
            else:
                self.left_out.append(one)
        self.rows, numbers = np.unique(rows, axis=0, return_inverse=True)
        self.of = numbers.ravel()

    def blocks_of(self, counts: GroupCounts) -> np.ndarray:
        """Counts of each block (block, …)."""
        return _sums(counts.each(len(self.rows)), self.rows[:, 0], self.blocks.count)

    def parts_of(self, counts: GroupCounts, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each group of a grouping the blocks that hold some of it (block,), and what was counted of it in each of them (block, …)."""
        each, own = counts.each(len(self.rows)), self.rows[:, 1 + number]
        for group in range(len(self.groupings[number].names)):
            mine = np.flatnonzero(own == group)
            held, numbers = np.unique(self.rows[mine, 0], return_inverse=True)
            yield held, _sums(each[mine], numbers, len(held))


def _sums(each: np.ndarray, numbers: np.ndarray, groups: int) -> np.ndarray:
    found = np.zeros((groups, *each.shape[1:]), each.dtype)
    np.add.at(found, numbers, each)
    return found


def subset_facts(cells: Cells, who: dict[str, GroupCounts], figures: Callable[[np.ndarray], dict], score: str) -> dict[str, Any]:
    """Figures of each group of each grouping.

    Args:
        cells: in which was counted.
        who: name of a model or baseline → what was counted.
        figures: see `tasks.Task.figures`.
        score: the leading one.
    """
    found, drawn = {}, draws(cells.blocks.count)
    for number, one in enumerate(cells.groupings):
        if not one.title:  # told elsewhere
            continue
        rows: list[dict[str, Any]] = [{"name": name, "tiles": int((one.of == place).sum())} for place, name in enumerate(one.names)]
        for method, counts in who.items():
            for row, (held, each) in zip(rows, cells.parts_of(counts, number), strict=True):
                mine = figures(each.sum(0))
                row[method] = {key: mine[key] for key in FIGURES if key in mine} | {"counted": counted(mine) or 0}
                if len(held) >= FEWEST:  # blocks that hold none of the group change nothing when they are drawn
                    row[method]["interval"] = Resamples.of(figures, each, drawn[:, held], method).interval(itemgetter(score))
        found[one.name] = {"title": one.title, "note": one.note, "groups": rows}
    return found


def subset_sections(facts: dict[str, Any], score: str, words: dict[str, str], unit: str) -> list[str]:
    """`subset_facts` for people; `words` are what methods are called, and `unit` what is counted."""
    sections = []
    for row in facts.get("subsets", {}).values():
        kept = [who for who in words if who in row["groups"][0]]
        head = ("", "tiles", unit, *(f"{FIGURES[score]}: {words[who]}" for who in kept))
        lines = [(group["name"], group["tiles"], group[kept[0]]["counted"],
                  *(page.with_interval(group[who][score], group[who].get("interval")) for who in kept)) for group in row["groups"]]
        sections += [page.heading(row["title"]), page.table(head, lines), *([page.paragraph(row["note"])] if row["note"] else [])]
    return sections
