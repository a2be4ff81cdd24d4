"""What a model file says of the run that it comes from."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ...outputs import spoken_name
from ..datasets.dataset import Dataset
from ..models import package
from ..models.identity import identified
from ..tasks import Task, task_named
from .run_folder import NETWORK, RunFolder


def describe(run: RunFolder, name: str, licence: str, plugin_version: str, facts: dict[str, Any]) -> dict[str, Any]:
    """What the model wants, gives and comes from; see `package.write`.

    Args:
        run: that it was learned in.
        name: of the model.
        licence: of the model.
        plugin_version: for the provenance.
        facts: ``architecture``, ``encoder``, ``parameters``, ``stride``, ``halo`` and sizes of blocks; they go before what the run says.
    """
    card = run.card
    metrics = card["metrics"]
    kind = task_named(card["task"])
    scores = {"split": "validation", **{key: metrics[key] for key in kind.told if key in metrics}}
    leading = kind.of_class[0]
    scores[leading] = {entry: metrics[f"{leading}_{entry}"] for entry in run.class_names if f"{leading}_{entry}" in metrics}
    targets = {"target_name": card["target"], "further": [{"name": row["name"], "classes": row["classes"]} for row in card["targets"]]
               } if run.target_names else {}
    scores |= {"targets": {row["name"]: {key: row["metrics"][key] for key in kind.told if key in row.get("metrics", {})} for row in card["targets"]}
               } if targets else {}
    confusion = {"confusion": card["confusion"]} if np.any(card.get("confusion", 0)) else {}
    fusion = {"fusion": card["fusion"]} if card.get("fusion") and run.kept == NETWORK else {}
    return identified({
        **targets, **fusion, **confusion, **{key: card[key] for key in ("task", "resolution_m", "classes", "tile_size")},
        "inputs": [package.taken(seen) for seen in run.inputs.values()],
        "name": name, "licence": licence, "scores": scores,
        "provenance": {"dataset": card["dataset"]["name"], "dataset_checksum": card["dataset"]["checksum"], "run": spoken_name(run.folder) or "run",
                       "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "plugin_version": plugin_version,
                       "seed": card["seed"], "start": card["start"]["summary"] if card["start"] else "scratch", **simulated(card),
                       **learned(card)}, **facts,
    }, run.model_sha256)


def model_title(dataset: Dataset) -> str:
    """What a run is, as the title of its report."""
    what = dataset.theme if dataset.theme else f"{len(dataset.classes)} classes"
    return f"A model of {what}, learned from {dataset.name}"


def right_in_words(metrics: dict[str, Any], kind: Task) -> str:
    """How often a model is right on the validation tiles, as a first sentence; empty where a sample may have several classes."""
    share = metrics.get("overall_accuracy")
    return f"Of 100 {kind.counted} of the validation tiles the model names {100 * share:.0f} right. " if share is not None else ""


def learned(card: dict[str, Any]) -> dict[str, Any]:
    """What the origin of a model says of the place and the dates of its training images; nothing of runs that do not know it."""
    return {"learned_from": card["learned_from"]} if "learned_from" in card else {}


def simulated(card: dict[str, Any]) -> dict[str, str]:
    """What the origin of a model says where its run learned from simulated images; nothing else."""
    return {"simulated": "yes"} if any(source.get("simulated") for source in card.get("datasets", [card["dataset"]])) else {}
