"""Evaluation of a run on tiles it has not trained on, beside two baselines on the same pixels."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import ALL, Dataset
from ...looks import html_page as page
from ...looks.class_style import coloured
from ...looks.tile_pictures import telling_tiles
from ...measures.accuracy import confusion, scores
from ...measures.baselines import StatisticsBaseline, majority_class
from ..data import TileReader
from ..loop.device import describe_device, pick_device, use_all_cores
from ..loop.runs import Run, write_json
from .classification import TASKS
from .recipe import check_learnable
from .segmentation import predict
from .segmentation_report import SAMPLES, accuracy_table, confusion_table, sample_pictures
from .tile_evaluation import evaluate_tiles, first_facts, learned_tiles, same_labels

CANDIDATES = {"model": "the model", "majority": "majority class", "statistics": "per-band statistics"}


def evaluate_run(run_folder: str, dataset_folder: str | None, split: str, batch_size: int, device_name: str,
                 progress: Progress = SILENT) -> tuple[dict[str, Any], list[str]]:
    """Measures a run and both baselines.

    Args:
        run_folder: from “Fine-tune a model”.
        dataset_folder: another dataset with the same bands and classes; None takes that of the run.
        split: ``test``, ``validation`` or, for another dataset, ``all``.
        batch_size: tiles at once.
        device_name: see `pick_device`.
        progress: told of every batch.

    Returns:
        The figures as plain values, with ``model``, ``majority`` and ``statistics`` (each as `accuracy.scores` plus the confusion
        matrix, or `multilabel_scores`), and the sections of an HTML report.

    Raises:
        DataError: the split is empty, the dataset does not fit the run, or it shows scenes or tiles the run learned from.
        ModelError: the run has no weights.
        EngineError: the device is not there.
    """
    run = Run.open(run_folder)
    device = pick_device(device_name)
    dataset = run.open_dataset(dataset_folder)
    # The baselines learn from what the network learned from, also when it is measured elsewhere.
    home = run.card["dataset"]
    source = run.open_dataset() if os.path.isdir(home["path"]) else dataset
    check_learnable(source, None)
    if dataset.checksum != source.checksum:
        _refuse_known_scenes(dataset, source)
    elif source is not dataset or dataset.checksum == home["checksum"]:
        _check_own_tiles(dataset, split, home["checksum"], progress)
    tiles = dataset.indices(split)
    if not len(tiles):
        raise DataError(f"The dataset {dataset.folder} has no {split} tiles. Choose another split, or divide the dataset anew.")
    use_all_cores()
    progress.message(f"Measuring on {len(tiles)} {split} tiles with {describe_device(device)}.")
    if dataset.task in TASKS:
        return evaluate_tiles(run, dataset, source, split, tiles, batch_size, device, progress)
    learned = learned_tiles(run, source)
    baseline = StatisticsBaseline.fit(source, run.card["seed"], progress=progress.part(0, 0.4), tiles=learned)
    network = run.load_network(device)
    reader = TileReader(dataset, network.centre.flatten().tolist(), network.stride, device)
    counts = {name: np.zeros((len(dataset.classes),) * 2, np.int64) for name in CANDIDATES}
    common, done = majority_class(source, learned), 0
    for chosen, truth, found in predict(network, reader, tiles, batch_size):
        images = dataset.images(chosen)
        guesses = {"model": found, "majority": np.full_like(truth, common), "statistics": baseline.predict(images, dataset.valid(images))}
        for name, guess in guesses.items():
            counts[name] += confusion(truth, guess, len(dataset.classes), dataset.ignore)
        done += len(chosen)
        progress.at(0.4 + 0.6 * done / len(tiles), f"Measured {done} of {len(tiles)} tiles")
    facts = _facts(first_facts(run, dataset, split, len(tiles), len(learned)), dataset, counts)
    return facts, _sections(facts, dataset, counts, sample_pictures(network, reader, dataset, telling_tiles(dataset, split, SAMPLES)))


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
    page.write_page(page_path, f"{facts['encoder']} on the {facts['split']} tiles of {facts['dataset_name']}", sections)


def _facts(facts: dict[str, Any], dataset: Dataset, counts: dict[str, np.ndarray]) -> dict[str, Any]:
    for name, matrix in counts.items():
        found = scores(matrix)
        rows = [{"value": entry.value, "name": entry.name, **row} for entry, row in zip(dataset.classes, found["classes"])]
        facts[name] = {**found, "classes": rows, "confusion": matrix.tolist()}
    return facts


def _sections(facts: dict[str, Any], dataset: Dataset, counts: dict[str, np.ndarray], pictures: str) -> list[str]:
    names = [entry.name for entry in dataset.classes]
    ious = [(name, *(facts[who]["classes"][row]["iou"] for who in CANDIDATES), facts["model"]["classes"][row]["pixels"])
            for row, name in enumerate(names)]
    summary = [(words, *(facts[who][key] for who in CANDIDATES), None)
               for words, key in (("mean IoU", "mean_iou"), ("mean F1", "mean_f1"), ("overall accuracy", "overall_accuracy"))]
    return [
        page.paragraph(_verdict(facts)),
        page.heading("IoU of each class"), page.table(("class", *CANDIDATES.values(), "true pixels"), [*ious, *summary]),
        page.heading("The model in detail"), accuracy_table(names, counts["model"]), confusion_table(names, counts["model"]),
        page.heading("Tiles"), page.paragraph("Image, truth and prediction; grey is not labelled."), pictures,
        page.legend(names, [entry.color for entry in coloured(dataset.classes)]),
        page.heading("How it was measured"), page.bullets(_method(facts, dataset)),
    ]


def _verdict(facts: dict[str, Any]) -> str:
    model, statistics, majority = (facts[who]["mean_iou"] for who in ("model", "statistics", "majority"))
    if model is None:
        return "The tiles hold no labelled pixel, so nothing was measured."
    figures = f"The model reaches a mean IoU of {model:.3f}, per-band statistics {statistics:.3f}, the majority class {majority:.3f}."
    if model > statistics:
        return figures
    return figures + (" The network does not beat the statistics of single bands, so it has learned nothing worth its cost. "
                      "Train longer, or with more labels.")


def _method(facts: dict[str, Any], dataset: Dataset) -> list[str]:
    return [
        f"{facts['tiles']} {facts['split']} tiles, {facts['model']['pixels']:,} labelled pixels of {dataset.folder}.",
        f"Split: {dataset.description['split'].get('text', 'not stated')}",
        "IoU, F1 and the confusion count pixels; the means give each class that occurs the same weight.",
        same_labels(facts),
        "Majority class: the class with most pixels in these tiles, everywhere.",
        "Per-band statistics: logistic regression on value, mean and standard deviation of each band in 7 × 7 pixels, "
        "learned from at most 50,000 pixels of these tiles.",
    ]
