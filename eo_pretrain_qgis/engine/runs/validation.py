"""Three ways to test a model, each farther from what it learned: areas apart, images without training data, and independent points.

They are those by which ExtremeEarth tested its crop maps: areas spatially disjoint from training, tiles without training data, and LUCAS points.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import numpy as np
import shapely

from ...progress import SILENT, Progress
from ..datasets.dataset import SPLITS, Dataset
from ..datasets.footprints import read_footprints
from ..datasets.metres import in_metres, plane_around
from ..datasets.units import first_of_units
from ..looks import html_page as page
from ..looks.score_tables import counted
from ..measures.bootstrap import Resamples
from ..tasks import FIGURES, Task
from .answers import Answers
from .by_scene import GroupCounts
from .further import Further
from .points import NOTHING, answers_at, apart_from, blocks_of_points, open_points
from .subsets import Cells, Grouping

NAME = "apart"
AREAS, IMAGES, POINTS = "areas apart from training, in images that training saw", "images without training data", "independent points"


def apart_grouping(dataset: Dataset, source: Dataset, tiles: np.ndarray) -> Grouping:
    """Which tiles (n,) are of images that training saw, and which of images without training data."""
    if dataset.checksum != source.checksum or "scene" not in dataset.tiles:
        seen = np.full(len(tiles), dataset.checksum == source.checksum)
    else:
        scenes = dataset.tiles["scene"].astype(str).to_numpy()
        seen = np.isin(scenes[tiles], scenes[dataset.indices(SPLITS[0])])
    first, unit_of = first_of_units(dataset, tiles)
    return Grouping(NAME, "", (AREAS, IMAGES), np.where(seen, 0, 1)[first][unit_of])


def least_distance(dataset: Dataset, source: Dataset, tiles: np.ndarray) -> float | None:
    """Least distance of tiles (n,) to those that were learned from [m]; 0 where they touch, None where it is not known."""
    trained = read_footprints(source.folder).geometry.iloc[source.indices(SPLITS[0])]
    ground = in_metres(trained)
    own = None if ground is None else in_metres(read_footprints(dataset.folder).geometry.iloc[tiles], plane_around(trained))
    if own is None:
        return None
    _, distances = shapely.STRtree(ground).query_nearest(own, return_distance=True, all_matches=False)
    return round(float(distances.min()), 1)


def validation_facts(answers: Answers, source: Dataset, cells: Cells, own: GroupCounts, asked: Further, progress: Progress = SILENT
                     ) -> dict[str, Any]:
    """The figures of the three parts as plain values; None for a part that there is not.

    Args:
        answers: of the model, for the tiles that were measured.
        source: what was learned from.
        cells: in which was counted, with `apart_grouping`.
        own: what was counted of the model.
        asked: the independent points.
        progress: told how far it is.
    """
    dataset, parts = answers.dataset, {}
    number = next(place for place, one in enumerate(cells.groupings) if one.name == NAME)
    of = cells.groupings[number].of
    for place, (name, (_, each)) in enumerate(zip(("areas", "images"), cells.parts_of(own, number), strict=True)):
        mine = own.samples[of == place]
        parts[name] = {**_figures(each, dataset.kind), "distance_m": least_distance(dataset, source, mine)} if len(mine) else None
    parts["points"] = _points(answers, source, asked, progress) if asked.points or asked.lucas else None
    return {"validation": parts}


def _figures(each: np.ndarray, kind: Task) -> dict[str, Any]:
    """Figures and their intervals, of the counts of blocks (block, …)."""
    found = kind.figures(each.sum(0))
    again = Resamples.of(kind.figures, each)
    told = [figure for figure in FIGURES if figure in found]
    return {"counted": counted(found) or 0, "blocks": len(each), **{figure: found[figure] for figure in told},
            "intervals": {figure: again.interval(itemgetter(figure)) for figure in told}}


def _points(answers: Answers, source: Dataset, asked: Further, progress: Progress) -> dict[str, Any]:
    dataset = answers.dataset
    points, distance = apart_from(open_points(asked, dataset, progress), source, progress)
    found = answers_at(answers, points, progress)
    kept = found != NOTHING
    if not kept.all():
        progress.message(f"{(~kept).sum()} of {len(points)} points lie where no image shows anything, and are left out.", "warning")
    points, found = points.only(kept), found[kept]
    blocks, classes = blocks_of_points(points), len(dataset.classes)
    each = np.stack([dataset.kind.count(points.truth[blocks.of == block], found[blocks.of == block], classes) for block in range(blocks.count)])
    return {**_figures(each, dataset.kind), "path": points.path, "distance_m": None if distance is None else round(distance, 1)}


def validation_sections(facts: dict[str, Any], kind: Task) -> list[str]:
    """`validation_facts` for people."""
    parts = facts["validation"]
    rows = [(words, *_row(parts[name], kind)) for words, name in ((AREAS, "areas"), (IMAGES, "images"), (POINTS, "points"))]
    told = [FIGURES[figure] for figure in _told(kind)]
    return [page.heading("How far from training"),
            page.paragraph("Three tests, each farther from what the model learned. The least distance is that of the nearest of these tiles or "
                           "points to a training tile; of series, to a training point."),
            page.table(("tested on", kind.counted, *told, "least distance [m]"), rows), *map(page.paragraph, _warnings(parts))]


def _told(kind: Task) -> list[str]:
    return [kind.score, *(figure for figure in kind.told if figure in FIGURES and figure != kind.score)]


def _row(part: dict[str, Any] | None, kind: Task) -> tuple:
    if part is None:
        return (None,) * (2 + len(_told(kind)))
    distance = part["distance_m"]
    return (part["counted"], *(page.with_interval(part[figure], part["intervals"][figure]) for figure in _told(kind)),
            "not known" if distance is None else f"{distance:,.0f}")


def _warnings(parts: dict[str, Any]) -> list[str]:
    found = []
    if parts["areas"] and not parts["images"] and not parts["points"]:
        found.append("Only the first can be had: every image that was tested also holds training tiles, and no independent points were given. So "
                     "nothing here tells what the model is worth in another image, or by other people's labels. Divide the dataset by scene, measure "
                     "on a dataset of other images, or give points.")
    for name, what in (("areas", "The areas"), ("images", "The images")):
        if parts[name] and parts[name]["distance_m"] == 0:
            found.append(f"{what} touch ground that was learned from, so they are not disjoint from it, and the figures flatter.")
    return found
