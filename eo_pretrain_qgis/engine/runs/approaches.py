"""The approaches of a run beside each other: simple classifiers are tried on the validation tiles, and the best of all is kept."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from scipy.special import expit, softmax

from ...errors import ModelError
from ...outputs import new_file
from ...progress import SILENT, Progress
from ..classic.classifiers import WORDS
from ..classic.folds import left_out
from ..classic.graph import ROWS, count_numbers
from ..classic.models import Labelled, SimpleModel, as_tiles, fed, filled
from ..classic.whitening import MARGIN
from ..datasets.surroundings import Surroundings
from ..even_sample import even_sample
from ..looks import html_page as page
from ..models.session import on_processor
from ..tasks import FIGURES, Task, task_named
from .by_scene import Counts, SceneCounts, Tried, share_error
from .run_folder import CLASSIFIER, NETWORK, RunFolder

#: All approaches in words, in the order in which the first of equals is kept.
NAMES = {**WORDS, NETWORK: "network started from the regression"}
#: Largest difference allowed between a probability of the file and of the classifier for the same statistics, which are computed in another order
#: there; so a tree may send a pixel another way, and a small share of classes may change.
TOLERANCE, CHANGED = 1e-4, 1e-3
COMPARED, LOOKED_AT = 2_000, 4  # rows, or samples, and tiles
AT_ONCE, WHOLE_AT_ONCE = 8, 256  # tiles with classes of pixels, and samples


class Candidate(NamedTuple):
    """A simple classifier, what it reached on the validation tiles, None where there are none with a label, and what it is chosen by: that, or,
    of few series, the same and what it says of training series that it was not shown.
    """

    approach: str
    model: SimpleModel
    tried: Tried | None
    chosen_by: Tried | None = None


def candidates(labelled: Labelled, approaches: Sequence[str], progress: Progress = SILENT) -> list[Candidate]:
    """Learns simple classifiers and asks them for the validation tiles, which are seen as in a map."""
    dataset, found = labelled.dataset, []
    tiles = dataset.showing("validation", labelled.what)
    for number, approach in enumerate(approaches):
        part = progress.part(number / len(approaches), (number + 1) / len(approaches))
        model = labelled.fit(approach)
        counts, answers = SceneCounts(dataset, tiles), model.answers(dataset)
        at_once = AT_ONCE if dataset.kind.pixelwise else WHOLE_AT_ONCE
        for start in range(0, len(tiles), at_once):
            part.at(start / len(tiles), f"Checking the {WORDS[approach]}")
            chosen = tiles[start:start + at_once]
            counts.add(chosen, dataset.labels(chosen), answers(chosen))
        tried = counts.tried() if len(tiles) else None
        found.append(Candidate(approach, model, tried, _chosen_by(labelled, approach, tried, len(approaches), part)))
        if tried:
            progress.message(f"{WORDS[approach].capitalize()}: {FIGURES[dataset.kind.score]} on the validation tiles {tried.score:.3f}.")
    return found


def _chosen_by(labelled: Labelled, approach: str, tried: Tried | None, several: int, progress: Progress) -> Tried | None:
    """See `Candidate`."""
    kind = labelled.dataset.kind
    if not kind.scored_by or several < 2 or (scores := left_out(labelled, approach, progress)) is None:
        return tried
    counts = Counts(labelled.dataset, labelled.rows.tiles)
    counts.add(labelled.rows.tiles, labelled.rows.labels, scores)
    sums = counts.total() + (tried.counts if tried else 0)
    score = kind.figures(sums)[kind.score]
    return Tried(score, sums, share_error(score, sums))


def figures_of(kind: Task, names: Sequence[str], tried: Tried | None) -> dict[str, Any]:
    """What run.json says of an approach: its score, the figures of all validation tiles, and what it takes for what."""
    score, sums, doubt = tried or (None, kind.nothing(len(names)), 0.0)
    counts = {"class_scores": kind.figures(sums)["classes"]} if kind.several else {"confusion": sums.tolist()}
    return {"score": score, **({"doubt": doubt} if doubt else {}), "metrics": kind.told_figures(sums, names), **counts}


def best_of(approaches: dict[str, dict[str, Any]]) -> str:
    """The approach with the best score, the simplest of equals; the first where nothing was measured.

    Of series, whose validation parcels are few, one is better that is ahead by more than its standard error, as Breiman et al. choose trees
    (Classification and regression trees, 1984, §3.4.3).
    """
    best, *others = [name for name in NAMES if name in approaches]
    for name in others:
        reached, before = approaches[name]["score"], approaches[best]["score"]
        if reached is not None and (before is None or reached - before > approaches[name].get("doubt", 0.0)):
            best = name
    return best


def keep(run: RunFolder, found: list[Candidate], labelled: Labelled) -> None:
    """Writes the best of the simple classifiers into the run folder, and of all what they reached into its card, which is not written yet.

    Raises:
        ModelError: the file of none of them says what the classifier says.
    """
    dataset = labelled.dataset
    kind, names = dataset.kind, run.class_names
    approaches = {one.approach: figures_of(kind, names, one.tried) for one in found}
    refused: list[str] = []
    left = {one.approach: {"score": one.chosen_by.score, "doubt": one.chosen_by.doubt} if one.chosen_by else {"score": None} for one in found}
    while left:
        best = best_of(left)
        del left[best]
        model = next(one.model for one in found if one.approach == best)
        graph = model.graph()
        content = graph.SerializeToString(deterministic=True)
        difference, changed = _difference(model, labelled), _changed(content, model, labelled)
        if difference <= TOLERANCE and changed <= CHANGED:
            _write(run, best, graph, content, difference)
            run.card["approaches"] = approaches
            take(run.card, best)
            return
        refused.append(f"The {WORDS[best]} as a file differs from what was learned by up to {difference:.2g} in a probability, of {TOLERANCE:g} "
                       f"allowed, and in {changed:.2%} of the classes, of {CHANGED:.2%} allowed.")
    raise ModelError(f"{' '.join(refused)} Choose the approach “network”.")


def _write(run: RunFolder, approach: str, graph: onnx.ModelProto, content: bytes, difference: float) -> None:
    os.makedirs(run.folder, exist_ok=True)
    with new_file(run.path(CLASSIFIER)) as part:
        part.write_bytes(content)
    run.card.update(simple=approach, classifier_sha256=hashlib.sha256(content).hexdigest(), classifier_parameters=count_numbers(graph),
                    classifier_difference=difference)


def take(card: dict[str, Any], approach: str) -> None:
    """Makes an approach the one that is kept; figures of the card are its figures."""
    card["kept"] = approach
    card.update(copy.deepcopy({name: value for name, value in card["approaches"][approach].items() if name not in ("score", "doubt")}))


def _difference(model: SimpleModel, labelled: Labelled) -> float:
    """Largest difference between a probability of the graph of rows and of the classifier, on some of the rows that were learned from."""
    rows = even_sample(labelled.rows.features, COMPARED)
    scores = model.classifier.scores(rows)
    found = on_processor(model.classifier.graph().SerializeToString()).run(None, {ROWS: rows})[0]
    return float(np.abs(found - (expit(scores) if labelled.dataset.kind.several else softmax(scores, 1))).max())


def _changed(content: bytes, model: SimpleModel, labelled: Labelled) -> float:
    """Share of classes that the graph of images answers otherwise than the classifier, on some tiles that were learned from."""
    dataset = labelled.dataset
    pixels = dataset.kind.pixelwise
    tiles = even_sample(np.unique(labelled.rows.tiles), LOOKED_AT if pixels else COMPARED)
    scores = model.answers(dataset)(tiles)
    if pixels and not model.what.dated:
        image, known = filled(model.what, *Surroundings(dataset, model.what, MARGIN).read(tiles))
        found = on_processor(content).run(None, model.what.divided(image))[0]
    else:
        found = as_tiles(dataset, on_processor(content).run(None, fed(dataset, model.what, tiles))[0])
        if pixels:
            answered = ~np.isnan(scores).any(1)
            return float((found.argmax(1) != scores.argmax(1))[answered].mean())
        return float(((found > 0.5) != (scores > 0)).mean() if dataset.kind.several else (found.argmax(1) != scores.argmax(1)).mean())
    other = found[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN].argmax(1) != scores.argmax(1)
    return float(other[known[:, MARGIN:-MARGIN, MARGIN:-MARGIN]].mean())


def compared(card: dict[str, Any]) -> str:
    """What each approach reached on the validation tiles and which is kept, as a sentence; empty where only one was tried."""
    tried = {name: card["approaches"][name]["score"] for name in NAMES if name in card.get("approaches", {})}
    if len(tried) < 2:
        return ""
    scores = ", ".join(f"{NAMES[name]} {'–' if score is None else f'{score:.3f}'}" for name, score in tried.items())
    doubt = any(card["approaches"][name].get("doubt") for name in tried)
    why = " The simplest is kept unless another is ahead by more than its standard error; where series are few, simple ones are also asked for " \
        "training series that they were not shown." if doubt else ""
    figure = FIGURES[task_named(card["task"]).score]
    return f"Kept is the {NAMES[card['kept']]}. {figure[0].upper()}{figure[1:]} on the validation tiles: {scores}.{why}"


def approaches_table(card: dict[str, Any]) -> list[str]:
    """What each approach reached on the validation tiles, as sections of a report; none where only a network was tried."""
    if not card.get("approaches"):
        return []
    kind = task_named(card["task"])
    rows = [(NAMES[name] + (" (kept)" if name == card["kept"] else ""), *(card["approaches"][name]["metrics"].get(figure) for figure in kind.told))
            for name in NAMES if name in card["approaches"]]
    return [page.heading("Approaches on the validation tiles"), page.table(("approach", *(FIGURES[figure] for figure in kind.told)), rows)]
