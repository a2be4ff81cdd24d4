"""What is judged whole and not by the pixel: fields, and roads as lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ..classic.models import Labelled
from ..datasets.dataset import Dataset
from ..themes.roads.reference_lines import ReferenceLines
from .blocks import Blocks
from .found_roads import judged_facts, unmapped_facts, write_places
from .further import Further
from .mosaics import Mosaics
from .object_scores import GRADIENTS, Regions, can_count, object_facts
from .road_scores import LABELS, RoadMosaics, can_count_roads, road_facts
from .subsets import Grouping

MODEL = "model"


def mosaics_of(dataset: Dataset, tiles: np.ndarray, further: Further, progress: Progress = SILENT) -> Mosaics | None:
    """What hears of fields or roads while images are mapped; None where the dataset has neither.

    Raises:
        DataError: something is asked of roads, and the dataset has none, or the other source of roads does not fit.
    """
    if can_count_roads(dataset):
        return RoadMosaics(dataset, tiles, ReferenceLines.open(further.reference_lines, progress) if further.reference_lines else None)
    if further.of_roads:
        raise DataError(f"{dataset.folder} is no dataset of roads that says where its tiles lie, so no roads can be compared. Leave “Reference "
                        "lines”, “Places where the map may lack a road” and “Judged places” empty, or choose a dataset made by “Create road "
                        "dataset”.")
    return Regions(dataset, tiles) if can_count(dataset) else None


def whole_facts(mosaics: Mosaics | None, labelled: Labelled, parts: tuple[Blocks, list[Grouping]], model: str, further: Further,
                progress: Progress = SILENT) -> dict[str, Any]:
    """The figures of fields or roads as plain values, and the layer of places that is asked for.

    Args:
        mosaics: have heard the model.
        labelled: what baselines learn from.
        parts: blocks and groupings of the tiles.
        model: its checksum.
        further: what is asked beside.
        progress: told how far it is.
    """
    if isinstance(mosaics, Regions):
        counts = {MODEL: mosaics.counted(), **_of_baselines(mosaics, labelled, progress)}
        counts[GRADIENTS] = mosaics.of_gradients(mosaics.dataset.sensor_of(labelled.what).name, progress.part(1, 1))
        return object_facts(counts, parts[0])
    if not isinstance(mosaics, RoadMosaics):
        return {}
    lines = {MODEL: mosaics.counted(), **_of_baselines(mosaics, labelled, progress)}
    pixel_m, reference = float(np.mean(mosaics.dataset.description["resolution_m"])), mosaics.reference
    facts = road_facts(lines, mosaics.of_labels() if reference else None, *parts, pixel_m)
    if reference:
        facts["roads"]["reference"]["path"] = reference.path
    found = mosaics.unmapped()
    facts["roads"]["unmapped"] = unmapped_facts(found, int(lines[MODEL][:, LABELS, 0, 0].sum()), pixel_m, further.seed)
    if further.judged:
        facts["roads"]["unmapped"]["judged"] = judged_facts(further.judged, model, facts["roads"]["unmapped"]["km"])
    if further.places:
        write_places(further.places, mosaics.dataset, found, model, further.seed, progress)
    return facts


def _of_baselines(mosaics: Any, labelled: Labelled, progress: Progress) -> dict[str, np.ndarray]:
    baselines = mosaics.dataset.kind.baselines_of(labelled.dataset, mosaics.dataset)
    return {who: mosaics.of_answers(baseline.fit(labelled)(mosaics.dataset), progress.part(at / len(baselines), (at + 1) / len(baselines)))
            for at, (who, baseline) in enumerate(baselines.items())}
