"""Evaluation of a run on tiles it has not trained on, beside the baselines of its task on the same tiles."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..cards import Input
from ..classic.models import Labelled
from ..datasets.dataset import ALL, SPLITS, Dataset
from ..datasets.dates import check_season
from ..datasets.splitting.label_shares import real_share, training_share
from ..datasets.visible import for_inputs
from ..even_sample import even_sample
from ..looks import html_page as page
from ..measures.bootstrap import FEWEST, Resamples, together
from ..tasks import FIGURES
from .answers import Answers, KeptClassifier
from .approaches import NAMES
from .blocks import MOST, blocks_of
from .by_day import LOOKED_AT, by_day, day_sections
from .by_scene import GroupCounts
from .error_layer import refuse_unknown_places, write_errors
from .evaluation_page import MODEL, sections, target_sections
from .further import Further, tiles_words
from .ice_scores import combined_facts
from .learnable import check_learnable
from .map_scores import count_groups, count_maps
from .mosaics import Mosaics
from .pictures import pictures, shown
from .run_folder import NETWORK, RunFolder, write_json
from .subsets import MOST_KEPT, Cells, groupings, subset_facts
from .validation import apart_grouping, validation_facts
from .wholes import mosaics_of, whole_facts

#: Nothing but figures.
NOTHING = Further()
#: Tiles that baselines answer for at once, with classes of pixels, and of their own.
AT_ONCE, WHOLE_AT_ONCE = 8, 256
OF_DATED_TILES = ("The model saw each dated tile with some pixels of its neighbours in the dataset, or of its own mirror image where there are "
                  "none. A map is computed in larger blocks, so its figures may differ a little. A pixel that no date shows is not counted.")


def measure_run(run: RunFolder, opened: Callable[[Dataset], Answers], dataset_folder: str | None, split: str, at_once: int = AT_ONCE,
                progress: Progress = SILENT, further: Further = NOTHING) -> tuple[dict[str, Any], list[str]]:
    """Measures a run and the baselines of its task.

    Args:
        run: from “Fine-tune a model”.
        opened: gives what the run answers for a dataset.
        dataset_folder: another dataset with the same bands and classes; None takes that of the run.
        split: ``test``, ``validation`` or, for another dataset, ``all``.
        at_once: samples at once, where each has a class as a whole.
        progress: told of every batch.
        further: what is asked beside.

    Returns:
        The figures as plain values, of the main target and in ``targets`` of each other, with ``model``, ``majority`` and ``statistics`` (each the
        figures of the task, and a confusion matrix where a sample has one class), and the sections of an HTML report.

    Raises:
        DataError: the split is empty, the dataset does not fit the run, or it shows scenes or tiles the run learned from.
        ModelError: the run has no model.
    """
    dataset, source = _open(run, dataset_folder, (split, further.subset), progress)
    tiles, kind = dataset.indices(split, subset=further.subset), dataset.kind
    if further.errors:
        refuse_unknown_places(dataset, tiles)
    answers = opened(dataset)
    dataset, source = answers.dataset, for_inputs(source, {one.name: one for one in answers.seen.each})
    which = "" if split == ALL else f"{split} "
    _tell_measured(run, answers.seen, f"{len(tiles)} {which}{kind.pieces}{_of(further.subset)}", progress)
    if kind.dates and (left_out := check_season(dataset, answers.seen, tiles)):
        progress.message(left_out, "warning")
    share, seed = run.card["settings"].get("label_share", 100), run.card["seed"]
    learned = training_share(source, share, seed)  # what the run guessed for other tiles is its own
    mosaics, cells = mosaics_of(dataset, tiles, further, progress), _cells(dataset, source, tiles, split, progress)
    own, seen = _count_model(answers, tiles, cells.of, at_once, mosaics, progress.part(0, 0.6))
    labelled = Labelled(source, answers.seen, learned, seed, progress.part(0.6, 0.7))
    views = dataset.each_target()
    each = [{MODEL: model, **_count_baselines(view, rows, tiles, cells.of, progress.part(0.7, 0.9))}
            for model, view, rows in zip(own, views, labelled.each, strict=True)]
    wholes = whole_facts(mosaics, labelled, (cells.blocks, cells.groupings), run.model_sha256, further, progress.part(0.9, 0.95))
    facts = _facts(run, dataset, (split, further.subset), answers.seen) | _measured(dataset, each[0], cells) | wholes | {
        "blocks": cells.blocks.facts(), "subsets": subset_facts(cells, each[0], kind.figures, kind.score),
        "tiles": len(tiles), "training_tiles": len(learned), "label_share": share, "real_label_share": real_share(source, learned)}
    facts |= {"targets": [{"name": view.target, **_measured(view, found, cells)} for view, found in list(zip(views, each, strict=True))[1:]]
              } if dataset.targets else {}
    facts |= {"combined": combined} if (combined := combined_facts(views, each, cells)) else {}
    if further.subset:
        facts["others"] = _others(answers, source, labelled, split, at_once, progress.part(0.95, 0.95))
    facts |= validation_facts(answers, source, cells, own[0], further, progress)
    more = _as_days_go(facts, answers, labelled, tiles, progress.part(0.95, 0.98)) if kind.dates else []
    progress.at(0.98, "Drawing samples")
    more += [page.heading(kind.pieces.capitalize()), pictures(answers, shown(dataset, tiles))]
    more += [piece for view, row in zip(views[1:], facts.get("targets", ())) for piece in target_sections(row, view)]
    if further.errors:
        write_errors(further.errors, dataset, each[0], progress)
    return facts, sections(facts, dataset, own[0].total(), more, seen)


def _open(run: RunFolder, folder: str | None, asked: tuple[str, str], progress: Progress) -> tuple[Dataset, Dataset]:
    """The dataset that is measured on, its split and subset asked for, and the one that was learned from; the former where the latter is gone."""
    split, subset = asked
    dataset = run.open_dataset(folder)
    # The baselines learn from what the model learned from, also when it is measured elsewhere.
    home = run.card["dataset"]
    source = run.open_dataset() if os.path.isdir(home["path"]) else dataset
    check_learnable(source)
    if dataset.checksum != source.checksum:
        _refuse_known_scenes(dataset, source)
    elif source is not dataset or dataset.checksum == home["checksum"]:
        _check_own_tiles(dataset, asked, home["checksum"], progress)
    if not len(dataset.indices(split, subset=subset)):
        advice = "Choose “all”, which takes all of the subset" if subset else "Choose another split"
        raise DataError(f"The dataset {dataset.folder} has no {split} tiles{_of(subset)}. {advice}, or divide the dataset anew.")
    return dataset, source


def _as_days_go(facts: dict[str, Any], answers: Answers, labelled: Labelled, tiles: np.ndarray, progress: Progress) -> list[str]:
    """Puts the figures of some days of the season to the others, and gives the sections of a report on them."""
    dataset = answers.dataset
    looked, together = (LOOKED_AT // dataset.tile_size**2 + 1, AT_ONCE) if dataset.kind.pixelwise else (LOOKED_AT, WHOLE_AT_ONCE)
    facts["by_day"] = by_day(answers, labelled, even_sample(tiles, looked), together, progress)
    return day_sections(facts["by_day"], answers)


def measure_classifier(run_folder: str, dataset_folder: str | None, split: str, progress: Progress = SILENT,
                       further: Further = NOTHING) -> tuple[dict[str, Any], list[str]]:
    """`measure_run` of a run that kept a simple classifier."""
    run = RunFolder.open(run_folder)
    return measure_run(run, partial(KeptClassifier, run), dataset_folder, split, AT_ONCE, progress, further)


def _others(answers: Answers, source: Dataset, labelled: Labelled, split: str, at_once: int, progress: Progress) -> dict[str, Any] | None:
    """The figures of the tiles that are of no subset, to hold those of a subset against; None where there are none."""
    dataset = answers.dataset
    split = SPLITS[2] if split == ALL and dataset.checksum == source.checksum else split  # all of them were learned from
    tiles = dataset.indices(split)
    if not len(tiles):
        return None
    cells = _cells(dataset, source, tiles, split, progress)
    own, _ = _count_model(answers, tiles, cells.of, at_once, None, progress)
    counted = {MODEL: own[0], **_count_baselines(dataset, labelled.each[0], tiles, cells.of, progress)}
    return {"split": split, "tiles": len(tiles), "blocks": cells.blocks.facts(), **_measured(dataset, counted, cells)}


def _of(subset: str) -> str:
    return f" of the subset “{subset}”" if subset else ""


def _cells(dataset: Dataset, source: Dataset, tiles: np.ndarray, split: str, progress: Progress) -> Cells:
    """The parts of tiles of a split (n,) in which is counted; `source` is what was learned from."""
    entries = dataset.kind.nothing(len(dataset.classes)).size
    blocks = blocks_of(dataset, tiles, max(FEWEST, min(MOST, MOST_KEPT // (2 * entries))))
    cells = Cells(blocks, [apart_grouping(dataset, source, tiles), *groupings(dataset, tiles, split)], entries)
    if cells.left_out:
        progress.message(f"Figures are not told {listed(one.title[0].lower() + one.title[1:] for one in cells.left_out)}: with so many classes their "
                         "counts would take too much memory.", "warning")
    return cells


def _count_model(answers: Answers, tiles: np.ndarray, groups: np.ndarray, at_once: int, mosaics: Mosaics | None, progress: Progress
                 ) -> tuple[list[GroupCounts], str]:
    """Counts of what the model says of each target, and how it saw the tiles, in words; empty where it saw them alone."""
    kind = answers.dataset.kind
    if kind.pixelwise and not kind.dates:
        own, seen = count_maps(answers, tiles, groups, progress, mosaics)
        progress.message(seen)
        return own, seen
    together, seen = (AT_ONCE, OF_DATED_TILES) if kind.pixelwise else (at_once, "")
    return [count_groups(one, tiles, groups, together, progress) for one in answers.each_target()], seen


def _count_baselines(dataset: Dataset, labelled: Labelled, tiles: np.ndarray, groups: np.ndarray, progress: Progress) -> dict[str, GroupCounts]:
    """Counts of what each baseline, learned from the labels that the run learned from, says of the tiles."""
    kind, found, at_once = dataset.kind, {}, AT_ONCE if dataset.kind.pixelwise else WHOLE_AT_ONCE
    fitting = kind.baselines_of(labelled.dataset, dataset)
    for at, (who, baseline) in enumerate(fitting.items()):
        part = progress.part(at / len(fitting), (at + 1) / len(fitting))
        ask, counts = baseline.fit(labelled)(dataset), GroupCounts(dataset, tiles, groups)
        for chosen in np.array_split(tiles, -(-len(tiles) // at_once)):
            counts.add(chosen, dataset.labels(chosen), ask(chosen))
            part.at(0.5, f"Measuring {baseline.words}")
        found[who] = counts
    return found


def _refuse_known_scenes(dataset: Dataset, source: Dataset) -> None:
    """Another dataset on the same images has another split: its test tiles may be training tiles of the run."""
    known = {scene.get("checksum") for scene in source.description["scenes"]} - {"", None}
    seen = [scene.get("path") or scene["name"] for scene in dataset.description["scenes"] if scene.get("checksum") in known]
    if seen:
        raise DataError(f"The dataset {dataset.folder} shows {seen[0]}, from which the run has learned, so its tiles are no test. "
                        "Leave “Dataset” empty to use the run's own test tiles, or choose a dataset on other scenes.")


def _check_own_tiles(dataset: Dataset, asked: tuple[str, str], checksum: str, progress: Progress) -> None:
    """The dataset the run learned from has tiles that test nothing; if it was changed since, nobody knows which. Subsets are never learned from."""
    split, subset = asked
    if split == ALL and not subset:
        raise DataError(f"The run has learned from tiles of {dataset.folder}, so all of them together are no test. "
                        "Choose the test split, or a dataset on other scenes.")
    if dataset.checksum != checksum:
        progress.message(f"The dataset {dataset.folder} has changed since the run learned from it. If it was divided anew, its {split} tiles "
                         "may be training tiles of the run, and the figures flatter.", "warning")


def write_evaluation(facts: dict[str, Any], pieces: list[str], page_path: str, facts_path: str | None) -> None:
    """Writes the HTML report and, if asked for, the figures as JSON."""
    if facts_path:
        write_json(facts_path, facts)
    model = f"the network with {facts['encoder']}" if facts["kept"] == NETWORK else f"the {NAMES[facts['kept']]}"
    model = f"the mean of {facts['members']} members ({model})" if "members" in facts else model
    page.write_page(page_path, f"How good {model} is on {tiles_words(facts['split'], facts.get('subset', ''))} of {facts['dataset_name']}", pieces)


def _missing(run: RunFolder, seen: Input) -> list[str]:
    """Names of the inputs of a run that are not seen."""
    return [name for name in run.inputs if name not in [one.name for one in seen.each]]


def _tell_measured(run: RunFolder, seen: Input, what: str, progress: Progress) -> None:
    progress.message(f"Measuring on {what}.")
    if missing := _missing(run, seen):
        progress.message(f"Measured without {listed(missing)}: the model and the simple classifiers see {seen.sensor} alone.")


def _facts(run: RunFolder, dataset: Dataset, asked: tuple[str, str], seen: Input) -> dict[str, Any]:
    """What was measured on; ``score`` names the leading figure."""
    split, subset = asked
    return {"format": "eo-pretrain evaluation", "version": 1, "run": os.path.abspath(run.folder), "encoder": run.card["encoder"],
            "dataset": os.path.abspath(dataset.folder), "dataset_name": dataset.name, "split": split, "score": dataset.kind.score,
            "weights_sha256": run.model_sha256, "kept": run.kept, "sensors": [one.sensor for one in seen.each],
            **({"missing": _missing(run, seen)} if len(run.inputs) > 1 else {}),
            **({"target": dataset.target} if dataset.targets else {}), **({"subset": subset} if subset else {})}


def _measured(dataset: Dataset, counts: dict[str, GroupCounts], cells: Cells) -> dict[str, Any]:
    """The figures of the model and of each baseline, with intervals, and how far the model is from the best of these."""
    kind, facts, each = dataset.kind, {}, {}
    leading = kind.of_class[0]
    for who, rows in counts.items():
        sums = rows.total()
        found = kind.figures(sums)
        each[who] = again = Resamples.of(kind.figures, cells.blocks_of(rows), who=who)
        classes = [{"value": entry.value, "name": entry.name, **row, "interval": again.interval(partial(_of_class, number, leading))}
                   for number, (entry, row) in enumerate(zip(dataset.classes, found["classes"], strict=True))]
        facts[who] = {**found, "classes": classes, "intervals": {
            figure: again.interval(itemgetter(figure)) for figure in FIGURES if figure in found}}
        facts[who] |= {} if kind.several else {"confusion": sums.tolist()}
    return facts | _difference(facts, each, kind.score)


def _of_class(number: int, figure: str, figures: dict[str, Any]) -> float | None:
    value: float | None = figures["classes"][number][figure]
    return value


def _difference(facts: dict[str, Any], each: dict[str, Resamples[dict]], score: str) -> dict[str, Any]:
    """How far the model is ahead of the best baseline, in the same resamples of both; nothing where either has no score."""
    others = {who: row[score] for who, row in facts.items() if who != MODEL and row[score] is not None}
    if not others or facts[MODEL][score] is None:
        return {}
    best = max(others, key=lambda who: others[who])

    def apart(both: tuple[dict, ...]) -> float | None:
        ours, theirs = (one[score] for one in both)
        return None if ours is None or theirs is None else ours - theirs

    return {"difference": {"from": best, "value": facts[MODEL][score] - others[best],
                           "interval": together((each[MODEL], each[best])).interval(apart, lowest=-1)}}
