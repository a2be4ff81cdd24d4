"""An array in the run folder that a run begins with, so that it goes on with the same one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....errors import DataError
from ....outputs import new_file
from ...datasets.shards import NO_ARRAY


def keep_array(path: str, array: np.ndarray) -> None:
    """Writes the array.

    Raises:
        DataError: the disk is full.
    """
    with new_file(path) as part, open(part, "wb") as stream:
        np.save(stream, array)


def kept_array(path: str, fits: Callable[[np.ndarray], bool], instead: str) -> np.ndarray:
    """What `keep_array` left.

    Args:
        path: of the array.
        fits: whether an array is of the tiles of the run.
        instead: what can be done where it is lost, as the end of a sentence.

    Raises:
        DataError: there is nothing, or it is of other tiles.
    """
    try:
        with open(path, "rb") as stream:
            array = np.lib.format.read_array(stream, allow_pickle=False)
        if fits(array):
            return array
    except (*NO_ARRAY, IndexError):  # missing, damaged, or of another shape
        pass
    raise DataError(f"{path} is missing or of other tiles, and the run that is to be continued began with it. Put it back, or {instead}.")
