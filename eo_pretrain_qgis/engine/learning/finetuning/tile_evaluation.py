"""Evaluation of a network for whole tiles, beside the majority class and the statistics of the image."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from ....progress import SILENT, Progress
from ...datasets.dataset import Dataset
from ...datasets.splitting.label_shares import training_share
from ...looks import html_page as page
from ...measures.accuracy import confusion
from ...measures.multilabel_accuracy import score_counts
from ..data import TileReader
from ..loop.runs import Run
from ..probes import LinearProbe, image_statistics
from .classification import predict_tiles, tile_scores
from .classification_report import class_table, sample_gallery
from .segmentation_report import confusion_table

CANDIDATES = {"model": "the model", "majority": "majority class", "statistics": "statistics of the image"}
WORDS = {"overall_accuracy": "overall accuracy", "average_precision": "average precision (micro mean)", "mean_f1": "mean F1",
         "mean_average_precision": "average precision (mean of the classes)"}


def evaluate_tiles(run: Run, dataset: Dataset, source: Dataset, split: str, tiles: np.ndarray, batch_size: int, device: torch.device,
                   progress: Progress = SILENT) -> tuple[dict[str, Any], list[str]]:
    """Figures and report sections of a run on tiles it has not trained on, see `evaluation.evaluate_run`.

    Args:
        run: of a dataset with labels of whole tiles.
        dataset: that is measured on.
        source: that run and baselines learned from.
        split: name of what is measured, for the report.
        tiles: positions in `dataset`.
        batch_size: tiles at once.
        device: of the network.
        progress: told of every batch.
    """
    network = run.load_network(device)
    reader = TileReader(dataset, network.centre.flatten().tolist(), network.stride, device)
    parts, done = [], 0
    for batch in predict_tiles(network, reader, tiles, batch_size):
        parts.append(batch[1:])
        done += len(batch[0])
        progress.at(0.6 * done / len(tiles), f"Measured {done} of {len(tiles)} tiles")
    truth, outputs = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    progress.at(0.6, "Baselines: statistics of the images")
    learned = learned_tiles(run, source)
    answers = {"model": outputs, **_baselines(source, learned, dataset, tiles, run.card["seed"])}
    several, classes = dataset.task == "multilabel", len(dataset.classes)
    counts = {who: score_counts(truth, found) if several else confusion(truth, found.argmax(1), classes, dataset.ignore)
              for who, found in answers.items()}
    facts = first_facts(run, dataset, split, len(tiles), len(learned))
    facts["score"] = "average_precision" if several else "overall_accuracy"
    for who, sums in counts.items():
        found = tile_scores(sums)
        found.pop("mean_iou", None)
        rows = [{"value": entry.value, "name": entry.name, **row} for entry, row in zip(dataset.classes, found["classes"])]
        facts[who] = {**found, "classes": rows} | ({} if several else {"confusion": sums.tolist()})
    progress.at(0.95, "Drawing samples")
    return facts, _sections(facts, dataset, counts["model"], sample_gallery(network, reader, dataset, tiles))


def learned_tiles(run: Run, source: Dataset) -> np.ndarray:
    """Positions of the tiles whose labels the run learned from: what it guessed for others is its own."""
    return training_share(source, run.card["settings"].get("label_share", 100), run.card["seed"])


def same_labels(facts: dict[str, Any]) -> str:
    """On what network and baselines learned, in words."""
    share = facts["label_share"]
    part = f", {share:g} % of those with labels, drawn with the seed of the run" if share < 100 else ""
    return f"Network and baselines learned from the labels of the same {facts['training_tiles']} training tiles{part}."


def first_facts(run: Run, dataset: Dataset, split: str, tiles: int, learned: int) -> dict[str, Any]:
    """What every evaluation says of itself; ``score`` names its leading figure."""
    return {"format": "eo-pretrain evaluation", "version": 1, "run": os.path.abspath(run.folder), "encoder": run.card["encoder"],
            "dataset": os.path.abspath(dataset.folder), "dataset_name": dataset.name, "split": split, "tiles": tiles, "score": "mean_iou",
            "weights_sha256": run.card["weights_sha256"], "training_tiles": learned,
            "label_share": run.card["settings"].get("label_share", 100)}


def _baselines(source: Dataset, known: np.ndarray, dataset: Dataset, tiles: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Scores (n, class) of the majority class, or of the share of each class, and of the statistics of the image, learned from `known`."""
    labels = source.labels(known)
    if labels.ndim == 1:
        majority = np.bincount(labels, minlength=len(dataset.classes)).astype(float)
    else:
        share = labels.mean(0).clip(1e-3, 1 - 1e-3)
        majority = np.log(share / (1 - share))
    weight, bias = LinearProbe(image_statistics(source, known), labels, seed).layer(len(dataset.classes))
    return {"majority": np.tile(majority, (len(tiles), 1)), "statistics": image_statistics(dataset, tiles) @ weight.T + bias}


def _sections(facts: dict[str, Any], dataset: Dataset, model: np.ndarray, pictures: str) -> list[str]:
    names = [entry.name for entry in dataset.classes]
    figures = [(WORDS[figure], *(facts[who][figure] for who in CANDIDATES)) for figure in WORDS if figure in facts["model"]]
    single = [(name, *(facts[who]["classes"][row]["f1"] for who in CANDIDATES)) for row, name in enumerate(names)]
    return [
        page.paragraph(_verdict(facts)),
        page.heading("Beside the baselines"), page.table(("figure", *CANDIDATES.values()), figures),
        page.heading("F1 of each class"), page.table(("class", *CANDIDATES.values()), single),
        page.heading("The model in detail"), class_table(names, facts["model"]["classes"]),
        *([confusion_table(names, model)] if model.ndim == 2 else []),
        pictures,
        page.heading("How it was measured"), page.bullets([
            f"{facts['tiles']} {facts['split']} tiles of {dataset.folder}.",
            f"Split: {dataset.description['split'].get('text', 'not stated')}",
            same_labels(facts),
            "Majority class: the class of most of these tiles, everywhere; where a tile may have several, the share of each class.",
            "Statistics of the image: logistic regression on mean, standard deviation, 5th and 95th percentile of each band, learned from "
            "these tiles.",
        ]),
    ]


def _verdict(facts: dict[str, Any]) -> str:
    score = facts["score"]
    model, statistics, majority = (facts[who][score] for who in ("model", "statistics", "majority"))
    if model is None:
        return "The tiles have no label, so nothing was measured."
    figures = f"The model reaches an {WORDS[score]} of {model:.3f}, statistics of the image {statistics:.3f}, the majority class {majority:.3f}."
    if model > statistics:
        return figures
    return figures + (" The network does not beat the statistics of the image, so it has learned nothing worth its cost. "
                      "Train longer, or with more labels.")
