"""What keeps a dataset from being learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ..datasets.dataset import SPLITS, Dataset
from ..datasets.legend import FEW, FEWEST, refuse_rare
from ..datasets.splitting.label_shares import class_totals
from ..tasks import TASKS, require

#: Labels of a class below which it is refused, and warned of: of pixels, and of tiles that have a class as a whole.
LEAST_PIXELS, LEAST_TILES = (FEWEST, FEW), (1, 2)
#: The method of a split that came with the data.
GIVEN = "given"


def check_learnable(dataset: Dataset) -> None:
    """Refuses a dataset that no model can be learned from.

    Raises:
        DataError: of a task that is not learned, without training tiles, or with a single class.
    """
    require(dataset, [name for name, task in TASKS.items() if task.learnable], "fine-tuning", "" if dataset.kind.dates else "pretrain on this one")
    where, entity = dataset.called, "pixels" if dataset.kind.pixelwise else "tiles"
    if not len(dataset.indices("training")):
        raise DataError(f"The dataset {where} has no training tiles. Split it again with a larger training share or smaller blocks.")
    present = [entry.name for entry, count in zip(dataset.classes, dataset.description["class_pixels"]["training"]) if count]
    if len(present) < (1 if dataset.kind.several else 2):
        only = f"only the class “{present[0]}”" if present else "no label"
        raise DataError(f"The training tiles of {where} hold {only}, so there is nothing to tell apart. "
                        f"Add labels of another class, or count unlabelled {entity} as background.")


def check_classes(dataset: Dataset, tiles: np.ndarray, progress: Progress = SILENT, further: bool = False) -> None:
    """Sees to it that the labels that are learned from show every class.

    Classes that the dataset names and shows nowhere are left alone. Where tiles have several classes at once, rare ones are only warned of. So are
    those that training lacks in a split that came with the data: a benchmark is kept as it was published, and its test counts them as wrong.

    Args:
        dataset: with labels.
        tiles: positions of the training tiles that are used.
        progress: warned of classes with few labels.
        further: the labels are of a target beside the main one, of which classes that training does not show are only warned of, too: a dataset is
            divided by its polygons, whose kinds nobody can choose for each target.

    Raises:
        DataError: naming a class that only validation or test shows, or of which there is a single training pixel.
    """
    kind, counts = dataset.kind, np.asarray(labelled_counts(dataset, tiles))
    anywhere = np.sum([dataset.description["class_pixels"][split] for split in SPLITS], axis=0) > 0
    rows = [(entry.name, int(count)) for entry, count, shown in zip(dataset.classes, counts, anywhere) if shown]
    least, few = LEAST_PIXELS if kind.pixelwise else LEAST_TILES
    lenient = kind.several or further or dataset.description["split"].get("method") == GIVEN
    refuse_rare([name for name, _ in rows], [count for _, count in rows], f"The training split of {dataset.called}",
                "pixels" if kind.pixelwise else kind.unit, progress, limits=(0 if lenient else least, few),
                advice="Divide the dataset anew so that training shows it, label more of it, or leave the class out when the dataset is made.")


def labelled_counts(dataset: Dataset, tiles: np.ndarray) -> Sequence[int] | np.ndarray:
    """Pixels, or samples, of each class in training tiles; where only some are used, the labels of the others are not looked at."""
    whole = len(tiles) == len(dataset.indices("training"))
    return dataset.description["class_pixels"]["training"] if whole else class_totals(dataset, tiles)
