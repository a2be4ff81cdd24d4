"""Runs of simple classifiers: labelled dataset → run folder, in seconds and without torch."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from ...errors import ModelError
from ...progress import SILENT, Progress
from ..cards import Input, Inputs, stacked
from ..classic.classifiers import CLASSIFIERS, WORDS
from ..classic.models import Labelled
from ..datasets.dataset import Dataset
from ..datasets.splitting.label_shares import real_share, training_share
from ..datasets.units import scored_kind, unit_sentences
from ..datasets.visible import for_inputs
from ..datasets.whereabouts import whereabouts
from ..looks import html_page as page
from ..looks.place import place_section
from ..looks.score_tables import class_table, confusion_table, hardly_measured
from ..measures.incidence_angle import with_slopes
from ..models import package
from ..rasters.meaning import SIMULATED_WORDS
from ..tasks import Task, task_named, with_article
from .answers import KeptClassifier, classifier_facts, classifier_input, read_classifier
from .approaches import approaches_table, candidates, compared, keep
from .calibrating import calibrated
from .description import describe, model_title, right_in_words
from .fast import fast_changes
from .field_scores import field_score
from .fusing import ALONE, BAND, SLOPE, chosen_inputs, said_of_days
from .known_ground import with_known_ground
from .learnable import check_classes, check_learnable
from .limits import CHOSEN, LABELS_ARE_TRUTH, knows
from .pictures import pictures, shown
from .road_thresholds import road_threshold
from .run_folder import REPORT, RunFolder, first_card
from .settings_table import setting_rows
from .training_range import training_ranges

AUTO, NO_NETWORK = "auto", "simple classifier"
#: The score of a task → its name among the results of the job.
RESULTS = {"mean_iou": "validation_iou", "overall_accuracy": "validation_accuracy", "average_precision": "validation_average_precision"}
#: Said where a network would be tried, too.
MORE = ("This engine has no torch, so only simple classifiers were tried. With the engine for training (“Install the engine”, train) a network that "
        "starts at the regression is tried, too.")


@dataclass(frozen=True)
class Settings:
    """What can be chosen; see the job `finetune`."""

    approach: str
    sensor: str | None
    bands: str | None
    label_share: float
    seed: int
    incidence_angle: str = BAND
    fusion: str = ALONE
    labels: dict[str, Any] = field(default_factory=dict, compare=False)  # what the job calls them, see `settings_table`


def levelled(seen: Input, dataset: Dataset, incidence_angle: str, tiles: np.ndarray, progress: Progress = SILENT) -> Input:
    """The input with the slopes over the incidence angle that labelled training tiles show, where these are to be taken off."""
    return with_slopes(seen, dataset, tiles, progress) if incidence_angle == SLOPE and seen.angle is not None else seen


def main_target(dataset: Dataset, progress: Progress) -> Dataset:
    """The dataset with its main target alone, of which simple classifiers learn; says so where it has others."""
    if dataset.targets:
        progress.message(f"A simple classifier learns one target, “{dataset.target}”. Not learned: {', '.join(dataset.targets)}. The approach "
                         "“network” learns all together.", "warning")
    return dataset.each_target()[0]


def tell_sensors(dataset: Dataset, inputs: Inputs, asked: str | None, progress: Progress) -> None:
    """Says that a model sees the first of several sensors where nobody chose one, or how far apart the images of two are that it joins."""
    if len(inputs) == 1 and len(dataset.sensors) > 1 and not asked:
        names = ", ".join(sensor.name for sensor in dataset.sensors)
        progress.message(f"The dataset has images of several sensors ({names}); the model learns from those of the first. Choose another as “Sensor” "
                         "or join two by “Fusion”.", "warning")
    told, warns = said_of_days(dataset, inputs)
    if told:
        progress.message(told, "warning" if warns else "info")


def train_simple(dataset_folder: str, output: str, settings: Settings, progress: Progress = SILENT) -> dict[str, Any]:
    """Learns a regression or boosting on statistics, or both and keeps the better one; a finished run is given again.

    Returns:
        ``output``, ``report``, ``epochs_run``, ``device``, ``kept`` and, where there are validation tiles, the score of the task.

    Raises:
        DataError: the dataset cannot be learned from, or `output` holds something else.
    """
    started, dataset = time.monotonic(), main_target(Dataset.open(dataset_folder), progress)
    check_learnable(dataset)
    inputs = chosen_inputs(dataset, settings.sensor, settings.bands, settings.incidence_angle, settings.fusion)
    dataset, tiles = for_inputs(dataset, inputs), training_share(dataset, settings.label_share, settings.seed)
    inputs = {name: levelled(seen, dataset, settings.incidence_angle, tiles, progress) for name, seen in inputs.items()}
    asked = {"approach": settings.approach, "sensor": settings.sensor, "bands": settings.bands, "incidence_angle": settings.incidence_angle,
             "fusion": settings.fusion, "label_share": settings.label_share,
             "seed": settings.seed, "epochs": 0, "keep": ""}
    joined = {"fusion": settings.fusion} if settings.fusion != ALONE else {}
    run = RunFolder.begin(output, {**first_card("finetune", [dataset], inputs, asked), "architecture": NO_NETWORK, "encoder": "", **joined},
                          settings.labels)
    if run.finished:
        read_classifier(run)
        progress.message(f"The run in {output} is finished; its result is given again. Choose a new folder to train anew.")
        return result(run)
    progress.message(f"Learning from the labels of {len(tiles)} training {dataset.kind.unit}.")
    check_classes(dataset, tiles, progress)
    tell_sensors(dataset, inputs, settings.sensor, progress)
    labelled = Labelled(dataset, stacked(inputs.values()), tiles, settings.seed, progress.part(0, 0.5))
    tried = list(CLASSIFIERS) if settings.approach == AUTO else [settings.approach]
    keep(run, candidates(labelled, tried, progress.part(0.5, 0.9)), labelled)
    run.update(state="finished", labels=settings.labels, parameters=run.card["classifier_parameters"], training_tiles=len(tiles),
               real_label_share=round(real_share(dataset, tiles), 2), device="cpu", precision="float32",
               training_seconds=round(time.monotonic() - started, 1))
    if settings.approach == AUTO:
        progress.message(f"{compared(run.card)} {MORE}", "warning")
    progress.at(0.95, "Writing the report")
    page.write_page(run.path(REPORT), model_title(dataset), sections(run, dataset))
    return result(run)


def result(run: RunFolder) -> dict[str, Any]:
    """Outputs of the job for a run that kept a simple classifier."""
    return {"output": run.folder, "report": run.path(REPORT), "epochs_run": run.card["epochs_run"], "device": run.card["device"],
            **learned_of(run)}


def learned_of(run: RunFolder) -> dict[str, Any]:
    """Outputs of the job for every run: what was kept, the real share of the labels, and the validation score where one was measured."""
    metrics, score = run.card["metrics"], task_named(run.card["task"]).score
    told = {"kept": run.kept, **{name: run.card[name] for name in ("real_label_share",) if name in run.card}}
    return told | ({RESULTS[score]: metrics[score]} if score in metrics and score in RESULTS else {})


def sections(run: RunFolder, dataset: Dataset) -> list[str]:
    """The report of a run of simple classifiers."""
    card, kind = run.card, scored_kind(dataset)
    return [
        page.lead(_verdict(card, kind)), *place_section(whereabouts(dataset), "Place and data it learned from"), *approaches_table(card),
        *_accuracy(run, kind),
        page.heading(f"Validation {dataset.kind.pieces}"), pictures(KeptClassifier(run, dataset), shown(dataset, dataset.indices("validation"))),
        page.heading("Settings"), page.facts_table([
            *setting_rows(card["settings"], card.get("labels", {}), ("approach", "sensor", "bands", "fusion", "label_share", "seed")),
            ("Dataset", card["dataset"]["path"]),
            ("Bands learned from", ", ".join(band["name"] for seen in card["inputs"] for band in seen["bands"])),
            ("Training tiles", f"{card['training_tiles']:,}"), ("Numbers in the model", f"{card['parameters']:,}"),
            ("Seconds", f"{card['training_seconds']:g}")]),
        *page.not_shown([
            *([SIMULATED_WORDS] if dataset.simulated else []),
            *unit_sentences(dataset), *filter(None, [said_of_days(dataset, run.inputs)[0]]), *([CHOSEN] if len(card["approaches"]) > 1 else []),
            knows(card), LABELS_ARE_TRUTH, *_hardly(run, kind)]),
    ]


def _accuracy(run: RunFolder, kind: Task) -> list[str]:
    card = run.card
    if not card["metrics"]:
        return []
    found = {**card["metrics"], "classes": card["class_scores"]} if kind.several else kind.figures(np.array(card["confusion"]))
    return [page.heading("Accuracy on the validation tiles"), class_table(run.class_names, found, kind),
            *([] if kind.several else [confusion_table(run.class_names, np.array(card["confusion"]))])]


def _hardly(run: RunFolder, kind: Task) -> list[str]:
    card = run.card
    rows = card["class_scores"] if kind.several else kind.figures(np.array(card["confusion"]))["classes"] if "confusion" in card else []
    return hardly_measured(run.class_names, rows, kind, "validation") if rows else []


def _verdict(card: dict[str, Any], kind: Task) -> str:
    words = f"Finished: {WORDS[card['kept']]}, learned in {card['training_seconds']:.0f} s without a network."
    if kind.score not in card["metrics"]:
        return f"{words} No validation tile has a label, so nothing was measured."
    reached = f"{with_article(kind.score)} of {card['metrics'][kind.score]:.3f} on the validation tiles"
    return f"{right_in_words(card['metrics'], kind)}{words} It has {reached}."


def export_simple(run: RunFolder, target: str, *, name: str | None = None, licence: str = "not stated", tolerance: float = 1e-4,
                  plugin_version: str = "", progress: Progress = SILENT) -> dict[str, Any]:
    """Writes the simple classifier of a run as a model file.

    Args:
        run: that kept one.
        target: the .onnx file to write.
        name: of the model; None makes one from dataset and approach.
        licence: of the model, for those it is given to.
        tolerance: largest difference allowed between a probability of the file and of what was learned.
        plugin_version: for the provenance.
        progress: told how sure the model may be, and what it knows of the ground that it learned from.

    Returns:
        ``largest_difference``, found when it was learned, and ``model_id``.

    Raises:
        ModelError: the run learned no classes, or the file of the classifier is gone or damaged.
    """
    run.refuse_without_classes()
    content, difference = read_classifier(run), run.card["classifier_difference"]
    if not difference <= tolerance:
        raise ModelError(f"The file of the {WORDS[run.kept]} differs from what was learned by up to {difference:.2g} in a probability, more than the "
                         f"{tolerance:g} allowed. Allow a larger difference.")
    graph, facts = onnx.load_model_from_string(content), classifier_facts(run)
    seen = classifier_input(run)
    facts |= calibrated(run, graph, seen, 1, progress) | road_threshold(run, graph, seen, 1, progress)
    facts |= field_score(run, graph, seen, 1, progress) | fast_changes(run, graph, seen, 1, progress)
    facts |= with_known_ground(run, graph, seen, facts, progress) | training_ranges(run, seen, progress)
    description = describe(run, name or f"{run.card['dataset']['name']} {run.kept}", licence, plugin_version, facts)
    kind = task_named(run.card["task"])
    if not (kind.pixelwise or kind.dates):
        package.fix_tile(graph, run.card["tile_size"])
    package.write(graph, description, target)
    return {"largest_difference": difference, "model_id": description["id"]}
