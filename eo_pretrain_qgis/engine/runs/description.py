"""What a model file says of the run that it comes from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ..models import package
from ..tasks import task_named
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
    fusion = {"fusion": card["fusion"]} if card.get("fusion") and run.kept == NETWORK else {}
    return {
        **targets, **fusion, **{key: card[key] for key in ("task", "resolution_m", "classes", "tile_size")},
        "inputs": [package.taken(seen) for seen in run.inputs.values()],
        "id": package.id_of(name, run.model_sha256), "name": name, "licence": licence, "scores": scores,
        "provenance": {"dataset": card["dataset"]["name"], "dataset_checksum": card["dataset"]["checksum"], "run": Path(run.folder).name,
                       "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "plugin_version": plugin_version,
                       "seed": card["seed"], "start": card["start"]["summary"] if card["start"] else "scratch"}, **facts,
    }
