"""What keeps a dataset from being learned from."""

from __future__ import annotations

from ...errors import DataError
from ..datasets.dataset import Dataset
from ..tasks import TASKS, require


def check_learnable(dataset: Dataset) -> None:
    """Refuses a dataset that no model can be learned from.

    Raises:
        DataError: of a task that is not learned, without training tiles, or with a single class.
    """
    require(dataset, [name for name, task in TASKS.items() if task.learnable], "fine-tuning", "" if dataset.kind.dates else "pretrain on this one")
    where, entity = dataset.folder, "pixels" if dataset.kind.pixelwise else "tiles"
    if not len(dataset.indices("training")):
        raise DataError(f"The dataset {where} has no training tiles. Split it again with a larger training share or smaller blocks.")
    present = [entry.name for entry, count in zip(dataset.classes, dataset.description["class_pixels"]["training"]) if count]
    if len(present) < (1 if dataset.kind.several else 2):
        only = f"only the class “{present[0]}”" if present else f"no labelled {entity}"
        raise DataError(f"The training tiles of {where} hold {only}, so there is nothing to tell apart. "
                        f"Add labels of another class, or count unlabelled {entity} as background.")
