"""What of a network learns, by the mode of a run."""

from __future__ import annotations

from collections.abc import Callable

from ....errors import DataError
from ...datasets.dataset import Dataset
from ..networks.class_networks import ClassNetwork
from ..networks.stages import freeze_all_but_last, freeze_encoder, slow_down

#: These fit a simple classifier to the features of the encoder, and take no step of gradient descent.
FITTED = ("probe", "knn")
#: Mode → what it does to a network before it learns; “fine_tune” does nothing.
WAYS: dict[str, Callable[[ClassNetwork], None]] = {
    "frozen": freeze_encoder, "last_blocks": freeze_all_but_last, "discriminative": slow_down, **dict.fromkeys(FITTED, freeze_encoder)}


def check_mode(dataset: Dataset, mode: str) -> None:
    """Refuses a mode that the labels of a dataset are not made for.

    Raises:
        DataError: nearest neighbours of pixels.
    """
    if mode == "knn" and dataset.kind.pixelwise:
        raise DataError(f"The mode “knn” compares images as a whole, and in {dataset.folder} every pixel has a class. Choose “probe”, which fits a "
                        "linear layer to the features of pixels.")
