"""What a network said, checked before it is used: a comparison with NaN is always false, so a map of one class would come of it."""

from __future__ import annotations

import numpy as np

from ...errors import ModelError
from ..models.decided import UNSOUND
from ..models.kinds import score_range
from ..models.package import Package
from ..rasters.embeddings import NODATA
from ..rasters.grid import Grid, Window

_ADVICE = "Check that the image is one the model was made for, export the model again, or use another one."


def check_decided(decided: np.ndarray, valid: np.ndarray, window: Window, package: Package) -> None:
    """`check_scores` of what a network decided by itself, see `models.decided.DECIDED` (2, y, x) and `models.stepped.STEPPED`."""
    if package.targets:
        what = "numbers from -1 to 1"
        wrong = valid & (decided == NODATA).any(0) if decided.min() == NODATA else np.zeros_like(valid)
    else:
        what, wrong = "probabilities", valid & (decided[1] == UNSOUND)
    if wrong.any():
        row, column = (int(place[0]) for place in np.nonzero(wrong))
        raise ModelError(f"The network in {package.path} gives values that are no {what} for {wrong.sum()} of {wrong.size} pixels of a tile, "
                         f"first in column {column + window.col}, row {row + window.row} of the image. {_ADVICE}")


def check_scores(scores: np.ndarray, valid: np.ndarray, window: Window, grid: Grid, package: Package) -> None:
    """Refuses what is no number and, of classes, what is no probability, in pixels that count.

    Args:
        scores: (channel, y, x).
        valid: pixels that count, bool (y, x).
        window: where they lie in the image.
        grid: of the image.
        package: the model.

    Raises:
        ModelError: saying what is wrong and where first.
    """
    low, high = score_range(package.kind)
    if np.isfinite(least := scores.min()) and np.isfinite(most := scores.max()) and low <= least and most <= high:  # NaN comes through min
        return
    wrong = valid & ~(np.isfinite(scores) & (scores >= low) & (scores <= high)).all(0)
    if wrong.any():
        raise _refused(scores, wrong, window, grid, package)


def _refused(scores: np.ndarray, wrong: np.ndarray, window: Window, grid: Grid, package: Package) -> ModelError:
    row, column = (int(place[0]) for place in np.nonzero(wrong))
    values = scores[:, row, column]
    what = "values that are no numbers" if not np.isfinite(values).all() else "values that are no probabilities"
    shown = ", ".join(f"{value:.4g}" for value in values[:4]) + (", …" if len(values) > 4 else "")
    a, _, left, _, e, top = grid.transform
    column, row = column + window.col, row + window.row
    return ModelError(f"The network in {package.path} gives {what} for {wrong.sum()} of {wrong.size} pixels of a tile, first {shown} in column "
                      f"{column}, row {row} of the image (x {left + (column + 0.5) * a:.10g}, y {top + (row + 0.5) * e:.10g}). {_ADVICE}")
