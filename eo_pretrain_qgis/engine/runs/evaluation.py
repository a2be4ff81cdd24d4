"""Evaluation of a run on tiles it has not trained on, beside the baselines of its task on the same tiles."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..cards import Input
from ..classic.models import Labelled
from ..datasets.dataset import ALL, Dataset
from ..datasets.dates import check_season
from ..datasets.splitting.label_shares import real_share, training_share
from ..datasets.units import scored_kind, unit_sentences
from ..even_sample import even_sample
from ..looks import html_page as page
from ..looks.score_tables import CLASS_FIGURES, class_table, confusion_table, hardly_measured
from ..tasks import FIGURES, Task, with_article
from .answers import Answers, KeptClassifier
from .approaches import NAMES
from .by_day import LOOKED_AT, by_day, day_sections
from .by_scene import Counts
from .learnable import check_learnable
from .limits import LABELS_ARE_TRUTH
from .map_scores import count_maps, count_tiles
from .object_scores import GRADIENTS, Regions, can_count, object_facts, object_sections
from .pictures import pictures, shown
from .run_folder import NETWORK, RunFolder, write_json

MODEL = "model"
#: Tiles that baselines answer for at once, with classes of pixels, and of their own.
AT_ONCE, WHOLE_AT_ONCE = 8, 256
OF_DATED_TILES = ("The model saw each dated tile with some pixels of its neighbours in the dataset, or of its own mirror image where there are "
                  "none. A map is computed in larger blocks, so its figures may differ a little. A pixel that no date shows is not counted.")


def measure_run(run: RunFolder, opened: Callable[[Dataset], Answers], dataset_folder: str | None, split: str, at_once: int = AT_ONCE,
                progress: Progress = SILENT) -> tuple[dict[str, Any], list[str]]:
    """Measures a run and the baselines of its task.

    Args:
        run: from “Fine-tune a model”.
        opened: gives what the run answers for a dataset.
        dataset_folder: another dataset with the same bands and classes; None takes that of the run.
        split: ``test``, ``validation`` or, for another dataset, ``all``.
        at_once: samples at once, where each has a class as a whole.
        progress: told of every batch.

    Returns:
        The figures as plain values, of the main target and in ``targets`` of each other, with ``model``, ``majority`` and ``statistics`` (each the
        figures of the task, and a confusion matrix where a sample has one class), and the sections of an HTML report.

    Raises:
        DataError: the split is empty, the dataset does not fit the run, or it shows scenes or tiles the run learned from.
        ModelError: the run has no model.
    """
    dataset = run.open_dataset(dataset_folder)
    # The baselines learn from what the model learned from, also when it is measured elsewhere.
    home = run.card["dataset"]
    source = run.open_dataset() if os.path.isdir(home["path"]) else dataset
    check_learnable(source)
    if dataset.checksum != source.checksum:
        _refuse_known_scenes(dataset, source)
    elif source is not dataset or dataset.checksum == home["checksum"]:
        _check_own_tiles(dataset, split, home["checksum"], progress)
    tiles = dataset.indices(split)
    if not len(tiles):
        raise DataError(f"The dataset {dataset.folder} has no {split} tiles. Choose another split, or divide the dataset anew.")
    answers = opened(dataset)
    _tell_measured(run, answers.seen, f"{len(tiles)} {split} {dataset.kind.pieces}", progress)
    if dataset.kind.dates and (left_out := check_season(dataset, answers.seen, tiles)):
        progress.message(left_out, "warning")
    share, seed = run.card["settings"].get("label_share", 100), run.card["seed"]
    learned = training_share(source, share, seed)  # what the run guessed for other tiles is its own
    regions = Regions(dataset, tiles) if can_count(dataset) else None
    own, seen = _count_model(answers, tiles, at_once, regions, progress.part(0, 0.6))
    labelled = Labelled(source, answers.seen, learned, seed, progress.part(0.6, 0.7))
    objects = {MODEL: regions.counted()} if regions else {}
    views = dataset.each_target()
    each = [{MODEL: model, **_count_baselines(view, rows, tiles, progress.part(0.7, 0.9))}
            for model, view, rows in zip(own, views, labelled.each, strict=True)]
    if regions:
        objects |= _count_objects(regions, labelled, answers.seen.sensor, progress.part(0.9, 0.95))
    facts = _facts(run, dataset, split, answers.seen) | _measured(dataset, each[0]) | object_facts(objects) | {
        "tiles": len(tiles), "training_tiles": len(learned), "label_share": share, "real_label_share": real_share(source, learned)}
    facts |= {"targets": [{"name": view.target, **_measured(view, found)} for view, found in list(zip(views, each, strict=True))[1:]]
              } if dataset.targets else {}
    more: list[str] = []
    if dataset.kind.dates:
        looked, together = (LOOKED_AT // dataset.tile_size**2 + 1, AT_ONCE) if dataset.kind.pixelwise else (LOOKED_AT, WHOLE_AT_ONCE)
        facts["by_day"] = by_day(answers, labelled, even_sample(tiles, looked), together, progress.part(0.95, 0.98))
        more = day_sections(facts["by_day"], answers)
    progress.at(0.98, "Drawing samples")
    more += [page.heading(dataset.kind.pieces.capitalize()), pictures(answers, shown(dataset, split))]
    more += [piece for view, row in zip(views[1:], facts.get("targets", ())) for piece in _target_sections(row, view)]
    return facts, _sections(facts, dataset, own[0], more, seen)


def measure_classifier(run_folder: str, dataset_folder: str | None, split: str, progress: Progress = SILENT) -> tuple[dict[str, Any], list[str]]:
    """`measure_run` of a run that kept a simple classifier."""
    run = RunFolder.open(run_folder)
    return measure_run(run, partial(KeptClassifier, run), dataset_folder, split, AT_ONCE, progress)


def _count_model(answers: Answers, tiles: np.ndarray, at_once: int, regions: Regions | None, progress: Progress) -> tuple[list[np.ndarray], str]:
    """Counts of what the model says of each target, and how it saw the tiles, in words; empty where it saw them alone."""
    kind = answers.dataset.kind
    if kind.pixelwise and not kind.dates:
        own, seen = count_maps(answers, tiles, progress, regions)
        progress.message(seen)
        return own, seen
    together, seen = (AT_ONCE, OF_DATED_TILES) if kind.pixelwise else (at_once, "")
    return [count_tiles(one, tiles, together, progress) for one in answers.each_target()], seen


def _count_baselines(dataset: Dataset, labelled: Labelled, tiles: np.ndarray, progress: Progress) -> dict[str, np.ndarray]:
    """Counts of what each baseline, learned from the labels that the run learned from, says of the tiles."""
    kind, found, at_once = dataset.kind, {}, AT_ONCE if dataset.kind.pixelwise else WHOLE_AT_ONCE
    fitting = kind.baselines_of(labelled.dataset, dataset)
    for at, (who, baseline) in enumerate(fitting.items()):
        part = progress.part(at / len(fitting), (at + 1) / len(fitting))
        ask, counts = baseline.fit(labelled)(dataset), Counts(dataset, tiles)
        for chosen in np.array_split(tiles, -(-len(tiles) // at_once)):
            counts.add(chosen, dataset.labels(chosen), ask(chosen))
            part.at(0.5, f"Measuring {baseline.words}")
        found[who] = counts.total()
    return found


def _count_objects(regions: Regions, labelled: Labelled, sensor: str, progress: Progress) -> dict[str, np.ndarray]:
    """Counts of the objects that each baseline finds, and of what needs no learning."""
    baselines, found = regions.dataset.kind.baselines, {}
    for at, (who, baseline) in enumerate(baselines.items()):
        found[who] = regions.of_answers(baseline.fit(labelled)(regions.dataset), progress.part(at / len(baselines), (at + 1) / len(baselines)))
    return found | {GRADIENTS: regions.of_gradients(regions.dataset.sensor_of(labelled.what).name, progress.part(1, 1))}


def _refuse_known_scenes(dataset: Dataset, source: Dataset) -> None:
    """Another dataset on the same images has another split: its test tiles may be training tiles of the run."""
    known = {scene.get("checksum") for scene in source.description["scenes"]} - {"", None}
    seen = [scene.get("path") or scene["name"] for scene in dataset.description["scenes"] if scene.get("checksum") in known]
    if seen:
        raise DataError(f"The dataset {dataset.folder} shows {seen[0]}, from which the run has learned, so its tiles are no test. "
                        "Leave “Dataset” empty to use the run's own test tiles, or choose a dataset on other scenes.")


def _check_own_tiles(dataset: Dataset, split: str, checksum: str, progress: Progress) -> None:
    """The dataset the run learned from has tiles that test nothing; if it was changed since, nobody knows which."""
    if split == ALL:
        raise DataError(f"The run has learned from tiles of {dataset.folder}, so all of them together are no test. "
                        "Choose the test split, or a dataset on other scenes.")
    if dataset.checksum != checksum:
        progress.message(f"The dataset {dataset.folder} has changed since the run learned from it. If it was divided anew, its {split} tiles "
                         "may be training tiles of the run, and the figures flatter.", "warning")


def write_evaluation(facts: dict[str, Any], sections: list[str], page_path: str, facts_path: str | None) -> None:
    """Writes the HTML report and, if asked for, the figures as JSON."""
    if facts_path:
        write_json(facts_path, facts)
    model = facts["encoder"] if facts["kept"] == NETWORK else NAMES[facts["kept"]].capitalize()
    page.write_page(page_path, f"{model} on the {facts['split']} tiles of {facts['dataset_name']}", sections)


def _missing(run: RunFolder, seen: Input) -> list[str]:
    """Names of the inputs of a run that are not seen."""
    return [name for name in run.inputs if name not in [one.name for one in seen.each]]


def _tell_measured(run: RunFolder, seen: Input, what: str, progress: Progress) -> None:
    progress.message(f"Measuring on {what}.")
    if missing := _missing(run, seen):
        progress.message(f"Measured without {listed(missing)}: the model and the simple classifiers see {seen.sensor} alone.")


def _facts(run: RunFolder, dataset: Dataset, split: str, seen: Input) -> dict[str, Any]:
    """What was measured on; ``score`` names the leading figure."""
    return {"format": "eo-pretrain evaluation", "version": 1, "run": os.path.abspath(run.folder), "encoder": run.card["encoder"],
            "dataset": os.path.abspath(dataset.folder), "dataset_name": dataset.name, "split": split, "score": dataset.kind.score,
            "weights_sha256": run.model_sha256, "kept": run.kept, "sensors": [one.sensor for one in seen.each],
            **({"missing": _missing(run, seen)} if len(run.inputs) > 1 else {}),
            **({"target": dataset.target} if dataset.targets else {})}


def _measured(dataset: Dataset, counts: dict[str, np.ndarray]) -> dict[str, Any]:
    """The figures of the model and of each baseline."""
    kind, facts = dataset.kind, {}
    for who, sums in counts.items():
        found = kind.figures(sums)
        rows = [{"value": entry.value, "name": entry.name, **row} for entry, row in zip(dataset.classes, found["classes"])]
        facts[who] = {**found, "classes": rows} | ({} if kind.several else {"confusion": sums.tolist()})
    return facts


def _target_sections(row: dict[str, Any], dataset: Dataset) -> list[str]:
    """What was measured of a target beside the main one."""
    kind, names = scored_kind(dataset), [entry.name for entry in dataset.classes]
    title = page.heading(f"Target “{dataset.target}”")
    if row[MODEL][kind.score] is None:
        return [title, page.paragraph("The tiles have no label of it, so nothing was measured.")]
    words = {MODEL: "the model", **{who: baseline.words for who, baseline in kind.baselines.items() if who in row}}
    figures = [(FIGURES[figure], *(row[who][figure] for who in words)) for figure in FIGURES if figure in row[MODEL]]
    return [title, page.table(("figure", *words.values()), figures), class_table(names, row[MODEL], kind),
            confusion_table(names, np.array(row[MODEL]["confusion"]))]


def _sections(facts: dict[str, Any], dataset: Dataset, counts: np.ndarray, more: list[str], seen: str) -> list[str]:
    kind, names = scored_kind(dataset), [entry.name for entry in dataset.classes]
    words = {MODEL: "the model", **{who: baseline.words for who, baseline in kind.baselines.items() if who in facts}}
    figures = [(FIGURES[figure], *(facts[who][figure] for who in words)) for figure in FIGURES if figure in facts[MODEL]]
    leading = kind.of_class[0]
    single = [(name, *(facts[who]["classes"][row][leading] for who in words)) for row, name in enumerate(names)]
    return [
        page.paragraph(_verdict(facts, kind)),
        page.heading("Beside the baselines"), page.table(("figure", *words.values()), figures),
        *object_sections(facts, words),
        page.heading(f"{CLASS_FIGURES[leading]} of each class"), page.table(("class", *words.values()), single),
        page.heading("The model in detail"), class_table(names, facts[MODEL], kind),
        *([] if kind.several else [confusion_table(names, counts)]),
        *more,
        page.heading("How it was measured"), page.bullets([*filter(None, [seen]), *_method(facts, dataset)]),
        page.heading("Limits"), page.bullets([
            *_same_scenes(dataset, facts["split"]), *hardly_measured(names, facts[MODEL]["classes"], kind, facts["split"]), LABELS_ARE_TRUTH]),
    ]


def _same_scenes(dataset: Dataset, split: str) -> list[str]:
    """That radar figures are of scenes that were learned from, as a sentence; none where they are not."""
    radar = any(band.unit in ("dB", "linear") for sensor in dataset.sensors for band in sensor.bands)
    if not radar or "scene" not in dataset.tiles or split == ALL:
        return []
    scenes = dataset.tiles["scene"].to_numpy()
    if not set(scenes[dataset.indices("training")]) & set(scenes[dataset.indices(split)]):
        return []
    return [f"The {split} {dataset.kind.unit} are of scenes that were learned from too, with their noise, wind and date: the figures say nothing of "
            "another scene. Divide the dataset by scene before you claim anything of others."]


def _verdict(facts: dict[str, Any], kind: Task) -> str:
    score = facts["score"]
    if facts[MODEL][score] is None:
        return "The tiles have no label, so nothing was measured."
    beside = "".join(f", {baseline.words} {facts[who][score]:.3f}" for who, baseline in kind.baselines.items() if who in facts)
    figures = f"The model reaches {with_article(score)} of {facts[MODEL][score]:.3f}{beside}."
    kept, best = facts["kept"], max((who for who in kind.baselines if who in facts), key=lambda who: facts[who][score], default=MODEL)
    if kept != NETWORK:
        better = "" if best == kept else (f" On these tiles {kind.baselines[best].words} is ahead; the run chose on the validation tiles, where it "
                                          "was not.")
        rounded = "; blocks of images round its numbers a little otherwise" if kind.pixelwise and not kind.dates else ""
        return f"{figures} The model is the {NAMES[kept]} that the run kept{rounded}.{better}"
    if best == MODEL:
        return figures
    ahead, words = facts[MODEL][score] - facts[best][score], kind.baselines[best].words
    if ahead > 0:
        return f"{figures} So the network adds {ahead:.3f} to the best simple classifier, {words}, which learned from the same labels."
    return (f"{figures} The network does not beat {words}, which learned from the same labels in seconds. With the approach “auto” the run "
            "keeps what is best on the validation tiles.")


def _method(facts: dict[str, Any], dataset: Dataset) -> list[str]:
    model, share, kind = facts[MODEL], facts["label_share"], scored_kind(dataset)
    real = f"{facts['real_label_share']:.3g} % of those with labels ({share:g} % were asked for)"
    part = f", {real}, drawn with the seed of the run" if share < 100 else ""
    shown = [f"The model saw {' and '.join(facts['sensors'])}" + (f", and nothing of {listed(facts['missing'])}." if facts["missing"] else ".")
             ] if "missing" in facts else []
    return [
        *shown,
        f"{facts['tiles']} {facts['split']} {dataset.kind.pieces}, "
        f"{model.get('samples', model.get('pixels')):,} labelled {kind.counted} of {dataset.folder}.",
        f"Split: {dataset.description['split'].get('text', 'not stated')}",
        f"All figures count {kind.counted}; the means give each class that occurs the same weight.", *unit_sentences(dataset),
        f"Model and baselines learned from the labels of the same {facts['training_tiles']} training tiles{part}.",
        *(baseline.method for who, baseline in kind.baselines.items() if who in facts),
    ]
