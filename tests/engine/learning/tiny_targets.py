"""A further target for small datasets that have one: labels of the same samples, of which some are not known."""

import json

import numpy as np

from eo_pretrain_qgis.engine.datasets.dataset import DESCRIPTION, Dataset
from eo_pretrain_qgis.engine.datasets.record import SPLITS, label_array

CLASSES = [{"value": 0, "name": "smooth", "color": "#1f77b4"}, {"value": 1, "name": "rough", "color": "#ff7f0e"}]


def add_target(folder, labels, name="form", classes=CLASSES):
    """Adds it; `labels` are positions, 255 for none. The main target is called “stage”. Returns the dataset, of one shard."""
    path = folder / DESCRIPTION
    said = json.loads(path.read_text(encoding="utf-8"))
    dataset, targets = Dataset.open(folder), said.get("targets", [])
    array = label_array(len(targets) + 1)
    np.save(folder / f"{array}-000.npy", labels.astype(np.uint8))
    said["shards"][0].setdefault("extra", {})[array] = f"{array}-000.npy"
    counts = dataset.kind.class_counts(labels.astype(np.uint8), len(classes))
    pixels = {split: counts[dataset.splits == split].sum(0).astype(int).tolist() for split in SPLITS}
    said |= {"target": "stage", "targets": [*targets, {"name": name, "classes": classes, "class_pixels": pixels}]}
    path.write_text(json.dumps(said), encoding="utf-8")
    return Dataset.open(folder)
