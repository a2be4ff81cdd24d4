"""The tiles that a model was measured on as a layer that shows where it is wrong."""

from __future__ import annotations

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ..datasets.dataset import Dataset
from ..datasets.footprints import read_footprints
from ..looks.category_style import Step, color_option, graduated
from ..rasters.vector import write_layer
from .by_scene import GroupCounts

LAYER, MODEL = "errors", "model"
#: Upper ends of the shares in the legend, and their colours, from right to wrong.
ENDS = (0.02, 0.05, 0.1, 0.2, 0.4, 1.0)
COLORS = ("#1a9850", "#91cf60", "#d9ef8b", "#fee08b", "#fc8d59", "#d73027")
#: Fields of tiles.gpkg that are kept.
KEPT = ("scene", "region", "parcel", "split")


def refuse_unknown_places(dataset: Dataset, tiles: np.ndarray) -> None:
    """Refuses tiles that cannot be drawn, before anything is measured.

    Raises:
        DataError: one of the tiles (n,) does not say where it lies.
    """
    lost = int(read_footprints(dataset.folder).geometry.iloc[tiles].isna().sum())
    if lost:
        raise DataError(f"{lost} of {len(tiles)} {dataset.kind.pieces} of {dataset.folder} do not say where they lie, so no layer of errors can be "
                        "drawn. Leave “Errors of each tile” empty.")


def write_errors(path: str, dataset: Dataset, counted: dict[str, GroupCounts], progress: Progress = SILENT) -> None:
    """Writes the outlines of the tiles with the share of their labels that is answered wrong.

    Fields: tile, scene, split and others that the dataset has; labels (how many were counted), wrong (share of them that the model gets wrong),
    wrong_majority and so on of each baseline, and worse, the share of the model less that of the best baseline on all tiles.

    Args:
        path: to write.
        dataset: of the tiles.
        counted: of the model and each baseline, of the same tiles.
        progress: told when a style of the user's is kept.

    Raises:
        DataError: disk full, not permitted, or open elsewhere.
    """
    own = counted[MODEL]
    table = read_footprints(dataset.folder).iloc[own.samples]
    table = table[["tile", *(name for name in KEPT if name in table), "geometry"]].assign(labels=own.known)
    shares = {who: np.where(rows.known > 0, 1 - rows.right / np.maximum(rows.known, 1), np.nan) for who, rows in counted.items()}
    others = {who: rows.right.sum() for who, rows in counted.items() if who != MODEL}
    table["wrong"] = shares[MODEL].round(4)
    for who in others:
        table[f"wrong_{who}"] = shares[who].round(4)
    if others:
        table["worse"] = (shares[MODEL] - shares[max(others, key=lambda who: others[who])]).round(4)
    points = set(table.geom_type) == {"Point"}
    write_layer(path, LAYER, table, errors_qml("marker" if points else "fill"), progress)


def errors_qml(kind: str) -> str:
    """QGIS style of tiles by the share that is wrong, green to red."""
    shape = {"name": "circle", "size": "2", "outline_style": "no"} if kind == "marker" else {"style": "solid", "outline_width": "0.2"}
    begins = (0.0, *ENDS)
    return graduated("wrong", kind, [
        Step(low, high, f"{low:.0%} to {high:.0%} wrong", {"color": color_option(color, 170), "outline_color": color_option(color), **shape})
        for low, high, color in zip(begins, ENDS, COLORS)])
