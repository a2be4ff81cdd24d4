"""The page of an evaluation: what was measured, beside what, with which intervals, and how."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import listed
from ..datasets.dataset import ALL, Dataset
from ..datasets.subsets import subset_names
from ..datasets.units import scored_kind, unit_sentences
from ..datasets.whereabouts import whereabouts
from ..looks import html_page as page
from ..looks.place import place_section
from ..looks.score_tables import CLASS_FIGURES, class_table, confusion_table, hardly_measured
from ..measures.bootstrap import FEWEST, RESAMPLES, UNSEEN_WORDS
from ..rasters.meaning import SIMULATED_WORDS
from ..tasks import FIGURES, Task, with_article
from .approaches import NAMES
from .ice_scores import combined_sections
from .limits import LABELS_ARE_TRUTH
from .object_scores import object_sections
from .road_page import road_sections
from .run_folder import NETWORK
from .subsets import subset_sections
from .validation import validation_sections

MODEL = "model"
OF_TILES = ("The figures are of the labelled tiles of a dataset. How right a map of another place is, and how many hectares each class has there, "
            "“Assess map” tells from places drawn by chance.")
#: A baseline that the run kept is the model itself, up to how blocks of images round; so far apart its figures are, at most, to be shown once.
SAME = 0.005


def target_sections(row: dict[str, Any], dataset: Dataset) -> list[str]:
    """What was measured of a target beside the main one."""
    kind, names = scored_kind(dataset), [entry.name for entry in dataset.classes]
    title = page.heading(f"Target “{dataset.target}”")
    if row[MODEL][kind.score] is None:
        return [title, page.paragraph("The tiles have no label of it, so nothing was measured.")]
    words = _columns(row, kind)
    return [title, page.table(("figure", *words.values()), _figures(row, words)), class_table(names, row[MODEL], kind),
            confusion_table(names, np.array(row[MODEL]["confusion"]))]


def _columns(facts: dict[str, Any], kind: Task, kept: str = NETWORK) -> dict[str, str]:
    """Whose figures stand beside each other, in words; a baseline that is the model itself has no column of its own."""
    same = kept in kind.baselines and kept in facts and all(
        abs((facts[MODEL][figure] or 0) - (facts[kept][figure] or 0)) < SAME for figure in FIGURES if figure in facts[MODEL])
    model = f"the model ({kind.baselines[kept].words})" if same else "the model"
    return {MODEL: model, **{who: baseline.words for who, baseline in kind.baselines.items() if who in facts and not (same and who == kept)}}


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
    words = _columns(facts, kind, facts["kept"])
    leading = kind.of_class[0]
    classes = {who: facts[who]["classes"] for who in words}
    single = [(name, *(page.with_interval(rows[number][leading], rows[number]["interval"]) for rows in classes.values()))
              for number, name in enumerate(names)]
    return [
        page.lead(f"{_in_words(facts, kind)} {_verdict(facts, kind)}".strip()), *place_section(whereabouts(dataset), "Place and data of the dataset"),
        page.heading("Beside the baselines"), page.table(("figure", *words.values()), _figures(facts, words)),
        page.paragraph(_intervals(facts["blocks"])), *combined_sections(facts.get("combined", {}), words), *_beside_others(facts, kind, words),
        *object_sections(facts, words), *road_sections(facts, words),
        page.heading(f"{CLASS_FIGURES[leading]} of each class"), page.table(("class", *words.values()), single),
        page.heading("The model in detail"), class_table(names, facts[MODEL], kind),
        *([] if kind.several else [confusion_table(names, counts)]),
        *validation_sections(facts, kind), *subset_sections(facts, kind.score, words, kind.counted),
        *more,
        page.heading("How it was measured"), page.bullets([*filter(None, [seen]), *_method(facts, dataset)]),
        *page.not_shown([
            *([SIMULATED_WORDS] if dataset.simulated else []), *_same_scenes(dataset, facts["split"], facts.get("subset", "")),
            *hardly_measured(names, facts[MODEL]["classes"], kind, facts["split"]), LABELS_ARE_TRUTH, OF_TILES]),
    ]


def _intervals(blocks: dict[str, Any]) -> str:
    """What the intervals are of, as sentences."""
    if blocks["count"] == 1:
        return ("No intervals: all that was measured lies in one place, which does not tell how far the figures would be from others of its kind. "
                "Label more tiles, in more places.")
    if blocks["count"] < FEWEST:
        return (f"No intervals: the tiles fall into {blocks['words']}, and with fewer than {FEWEST} blocks nobody knows how far the figures would be "
                "from others of the same kind. Label more tiles, in more places.")
    return (f"In brackets: 95 % intervals of a block bootstrap, {RESAMPLES} resamples of {blocks['words']}. They say how far the figures may be off "
            f"because these places were tested and not others like them; not how they change with other training. {UNSEEN_WORDS}")


def _beside_others(facts: dict[str, Any], kind: Task, words: dict[str, str]) -> list[str]:
    """The leading figure of a subset beside that of the tiles of none."""
    others, score = facts.get("others"), kind.score
    if not others:
        return []
    rows = []
    for who, name in words.items():
        plain, own = others[who][score], facts[who][score]
        rows.append((name, *(page.with_interval(one[score], one["intervals"][score]) for one in (others[who], facts[who])),
                     None if None in (plain, own) else f"{own - plain:+.3f}"))
    head = (FIGURES[score], f"{others['tiles']} {others['split']} {kind.pieces} of no subset", f"{facts['tiles']} of “{facts['subset']}”",
            "difference")
    return [page.heading(f"The subset “{facts['subset']}” beside the others"), page.table(head, rows)]


def _same_scenes(dataset: Dataset, split: str, subset: str) -> list[str]:
    """That radar figures are of scenes that were learned from, as a sentence; none where they are not."""
    radar = any(band.unit in ("dB", "linear") for sensor in dataset.sensors for band in sensor.bands)
    if not radar or "scene" not in dataset.tiles or split == ALL:
        return []
    scenes = dataset.tiles["scene"].to_numpy()
    if not set(scenes[dataset.indices("training")]) & set(scenes[dataset.indices(split, subset=subset)]):
        return []
    return [f"The {split} {dataset.kind.unit} are of scenes that were learned from too, with their noise, wind and date: the figures say nothing of "
            "another scene. Divide the dataset by scene before you claim anything of others."]


def _in_words(facts: dict[str, Any], kind: Task) -> str:
    """How many of a hundred have the right class, and which class is the weakest; empty where nothing was measured, or several are right at once."""
    share = facts[MODEL].get("overall_accuracy")
    if share is None or kind.several:
        return ""
    leading, where = kind.of_class[0], "" if facts["split"] == ALL else f"{facts['split']} "
    right = "nearly all" if 0.995 <= share < 1 else f"{100 * share:.0f}"
    told = f"Of 100 {kind.counted} of the {where}{kind.pieces} {right} have the right class"
    known = [row for row in facts[MODEL]["classes"] if row[leading] is not None]
    if len(known) < 2 or share == 1:
        return f"{told}."
    weakest = min(known, key=lambda row: row[leading])
    return f"{told}; {weakest['name']} is the weakest, with {CLASS_FIGURES[leading]} {weakest[leading]:.2f}."


def _verdict(facts: dict[str, Any], kind: Task) -> str:
    score = facts["score"]
    if facts[MODEL][score] is None:
        return "The tiles have no label, so nothing was measured."
    shown = _columns(facts, kind, facts["kept"])
    beside = "".join(f", {baseline.words} {facts[who][score]:.3f}" for who, baseline in kind.baselines.items() if who in shown)
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


def _not_measured(facts: dict[str, Any], dataset: Dataset) -> list[str]:
    """Which subsets the dataset has that were not measured, as a sentence."""
    left = [name for name in subset_names(dataset.tiles) if name != facts.get("subset")]
    return [f"Not measured: the subset{'s' if len(left) > 1 else ''} {listed(left)}, which “Subset” measures."] if left else []


def _method(facts: dict[str, Any], dataset: Dataset) -> list[str]:
    model, share, kind = facts[MODEL], facts["label_share"], scored_kind(dataset)
    real = f"{facts['real_label_share']:.3g} % of those with labels ({share:g} % were asked for)"
    part = f", {real}, drawn with the seed of the run" if share < 100 else ""
    alone = (f", and nothing of {listed(facts['missing'])}. These figures are of the ground that it saw alone; do not compare them with those of all "
             "sensors, which are of more ground." if facts.get("missing") else ".")
    shown = [f"The model saw {' and '.join(facts['sensors'])}{alone}"] if "missing" in facts else []
    of_subset = f" of the subset “{facts['subset']}”, which nothing learned from" if "subset" in facts else ""
    return [
        *shown,
        f"{facts['tiles']} {facts['split']} {dataset.kind.pieces}{of_subset}, "
        f"{model.get('samples', model.get('pixels')):,} labelled {kind.counted} of {dataset.folder}.",
        f"Split: {dataset.description['split'].get('text', 'not stated')}",
        f"All figures count {kind.counted}; the means give each class that occurs the same weight.", *unit_sentences(dataset),
        f"Model and baselines learned from the labels of the same {facts['training_tiles']} training tiles{part}.",
        *_not_measured(facts, dataset),
        *(baseline.method for who, baseline in kind.baselines.items() if who in facts),
    ]
