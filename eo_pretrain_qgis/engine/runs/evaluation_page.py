"""The page of an evaluation: what was measured, beside what, with which intervals, and how."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import listed
from ..datasets.dataset import ALL, Dataset
from ..datasets.units import scored_kind, unit_sentences
from ..looks import html_page as page
from ..looks.score_tables import CLASS_FIGURES, class_table, confusion_table, hardly_measured
from ..measures.bootstrap import FEWEST, RESAMPLES
from ..tasks import FIGURES, Task, with_article
from .approaches import NAMES
from .limits import LABELS_ARE_TRUTH
from .object_scores import object_sections
from .road_page import road_sections
from .run_folder import NETWORK
from .subsets import subset_sections
from .validation import validation_sections

MODEL = "model"


def target_sections(row: dict[str, Any], dataset: Dataset) -> list[str]:
    """What was measured of a target beside the main one."""
    kind, names = scored_kind(dataset), [entry.name for entry in dataset.classes]
    title = page.heading(f"Target “{dataset.target}”")
    if row[MODEL][kind.score] is None:
        return [title, page.paragraph("The tiles have no label of it, so nothing was measured.")]
    words = {MODEL: "the model", **{who: baseline.words for who, baseline in kind.baselines.items() if who in row}}
    return [title, page.table(("figure", *words.values()), _figures(row, words)), class_table(names, row[MODEL], kind),
            confusion_table(names, np.array(row[MODEL]["confusion"]))]


def _figures(facts: dict[str, Any], words: dict[str, str]) -> list[tuple]:
    """A row for each figure, with the intervals of the model and each baseline."""
    return [(FIGURES[figure], *(page.with_interval(facts[who][figure], facts[who]["intervals"][figure]) for who in words))
            for figure in FIGURES if figure in facts[MODEL]]


def sections(facts: dict[str, Any], dataset: Dataset, counts: np.ndarray, more: list[str], seen: str) -> list[str]:
    """The pieces of the page.

    Args:
        facts: what was measured.
        dataset: on what.
        counts: of the model (class, class).
        more: pieces that stand before the method.
        seen: how the model saw the tiles; may be empty.
    """
    kind, names = scored_kind(dataset), [entry.name for entry in dataset.classes]
    words = {MODEL: "the model", **{who: baseline.words for who, baseline in kind.baselines.items() if who in facts}}
    leading = kind.of_class[0]
    classes = {who: facts[who]["classes"] for who in words}
    single = [(name, *(page.with_interval(rows[number][leading], rows[number]["interval"]) for rows in classes.values()))
              for number, name in enumerate(names)]
    return [
        page.paragraph(_verdict(facts, kind)),
        page.heading("Beside the baselines"), page.table(("figure", *words.values()), _figures(facts, words)),
        page.paragraph(_intervals(facts["blocks"])),
        *object_sections(facts, words), *road_sections(facts, words),
        page.heading(f"{CLASS_FIGURES[leading]} of each class"), page.table(("class", *words.values()), single),
        page.heading("The model in detail"), class_table(names, facts[MODEL], kind),
        *([] if kind.several else [confusion_table(names, counts)]),
        *validation_sections(facts, kind), *subset_sections(facts, kind.score, words, kind.counted),
        *more,
        page.heading("How it was measured"), page.bullets([*filter(None, [seen]), *_method(facts, dataset)]),
        page.heading("Limits"), page.bullets([
            *_same_scenes(dataset, facts["split"]), *hardly_measured(names, facts[MODEL]["classes"], kind, facts["split"]), LABELS_ARE_TRUTH]),
    ]


def _intervals(blocks: dict[str, Any]) -> str:
    """What the intervals are of, as a sentence."""
    if blocks["count"] < FEWEST:
        return (f"No intervals: the tiles fall into {blocks['words']}, and with fewer than {FEWEST} blocks nobody knows how far the figures would be "
                "from others of the same kind. Label more tiles, in more places.")
    return (f"In brackets: 95 % intervals of a block bootstrap, {RESAMPLES} resamples of {blocks['words']}. They say how far the figures may be off "
            "because these places were tested and not others like them; not how they change with other training.")


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
    ahead, words, ends = facts[MODEL][score] - facts[best][score], kind.baselines[best].words, facts["difference"]["interval"]
    if ahead > 0:
        told = page.with_interval(ahead, ends)
        chance = " The interval of this difference reaches 0, so it may be chance." if ends and ends[0] <= 0 else ""
        return f"{figures} So the network adds {told} to the best simple classifier, {words}, which learned from the same labels.{chance}"
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
