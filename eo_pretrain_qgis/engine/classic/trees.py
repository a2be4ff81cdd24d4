"""scikit-learn's gradient boosting as an operator of ONNX.

skl2onnx, the library for this, does not translate boosting of scikit-learn 1.9 with protobuf 7 (docs/adr/0017); it reads the same private arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, helper


def tree_node(model: Any, rows: str, scores: str) -> NodeProto:
    """The operator that adds up what the trees say.

    Args:
        model: a fitted `HistGradientBoostingClassifier` on float32 features that are numbers.
        rows: name of its input (n, feature).
        scores: name of its output: before softmax (n, class) in the order of ``model.classes_``; of two classes only by how much the second is
            ahead (n, 1).
    """
    nodes: dict[str, list] = {name: [] for name in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")}
    target: dict[str, list] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    trees = [(place, tree.nodes) for group in model._predictors for place, tree in enumerate(group)]
    for number, (place, found) in enumerate(trees):
        leaf = found["is_leaf"].astype(bool)
        nodes["treeids"] += [number] * len(found)
        nodes["nodeids"] += range(len(found))
        nodes["featureids"] += found["feature_idx"].tolist()
        nodes["modes"] += np.where(leaf, "LEAF", "BRANCH_LEQ").tolist()
        nodes["values"] += np.where(leaf, 0, _below(found["num_threshold"])).tolist()
        nodes["truenodeids"] += np.where(leaf, 0, found["left"]).tolist()
        nodes["falsenodeids"] += np.where(leaf, 0, found["right"]).tolist()
        target["treeids"] += [number] * int(leaf.sum())
        target["nodeids"] += np.flatnonzero(leaf).tolist()
        target["ids"] += [place] * int(leaf.sum())
        target["weights"] += found["value"][leaf].tolist()
    base = model._baseline_prediction.ravel().astype(float).tolist()
    facts: dict[str, Any] = {f"{what}_{name}": values for what, table in (("nodes", nodes), ("target", target)) for name, values in table.items()}
    return helper.make_node("TreeEnsembleRegressor", [rows], [scores], domain="ai.onnx.ml", n_targets=len(base), base_values=base, **facts)


def _below(thresholds: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above each threshold, so that a float32 feature goes the same way as in float64."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
