"""Several layers of labels as one: a scene may have a class raster of its own, and all of them share their classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ..rasters.grid import Grid, Window
from ..records import one_spelling
from .dataset import IGNORE
from .legend import MORE_CLASSES, Legend, class_key, make_legend, tell_values


class LabelLayer(Protocol):
    """One layer of labels, see `labels.VectorLabels` and `labels.RasterLabels`."""

    path: str
    where: str
    found: set[str]
    categories: dict | None
    facts: dict[str, Any]
    everywhere: bool

    def reaches(self, grid: Grid) -> bool: ...
    def distance(self, grid: Grid) -> str: ...
    def drawn(self, grid: Grid, window: Window) -> np.ndarray: ...


class JoinedLabels:
    """Layers of labels that share a legend; where several lie on an image, the first that knows a pixel counts."""

    def __init__(self, layers: Sequence[LabelLayer], legend: Legend) -> None:
        """Takes layers that use the legend."""
        self.layers, self.legend = layers, legend
        self.path, self.paths = layers[0].path, [layer.path for layer in layers]
        self.everywhere = any(layer.everywhere for layer in layers)
        self.facts: dict[str, Any] = {"path": self.path, "kind": "several layers", "layers": [layer.facts for layer in layers]}

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """Labels (y, x) of a window of an image's grid: positions in the legend, 255 where there is no label."""
        drawn = np.full((window.height, window.width), IGNORE, np.uint8)
        for layer in self.layers:
            if layer.reaches(grid) and (drawn == IGNORE).any():
                drawn = np.where(drawn == IGNORE, layer.drawn(grid, window), drawn)
        return filled(drawn, self.legend)

    def reaches(self, grid: Grid) -> bool:
        """Whether a label lies on an image."""
        return any(layer.reaches(grid) for layer in self.layers)

    def distance(self, grid: Grid) -> str:
        """Where the labels and an image lie, in words."""
        more = len(self.layers) - 2
        return "; ".join(layer.distance(grid) for layer in self.layers[:2]) + (f"; and {more} more" if more > 0 else "")


def filled(drawn: np.ndarray, legend: Legend) -> np.ndarray:
    """Labels (y, x) in which ground without a label has the class the legend has for it, if any."""
    return drawn if legend.unlabelled is None else np.where(drawn == IGNORE, np.uint8(legend.unlabelled), drawn)


def joined_legend(layers: Sequence[LabelLayer], table: list[dict] | None, background: bool, progress: Progress = SILENT,
                  advice: str = MORE_CLASSES) -> Legend:
    """The classes of all layers together.

    Args:
        layers: one or more.
        table: rows value, name, color of the classes wanted; decides what a value means. None takes those of the layers.
        background: whether pixels without a label are a class.
        progress: told which values are ignored.
        advice: what to do where there is one class only.

    Raises:
        DataError: layers that mean different classes by one value or give one class different values, and what `make_legend` refuses.
    """
    if len(layers) == 1:
        where, found, categories = layers[0].where, layers[0].found, layers[0].categories
    else:
        if not table:
            _refuse_conflicts(layers)
        where, found = f"The legend of the {len(layers)} label layers", set().union(*(layer.found for layer in layers))
        rows = [row for layer in layers for row in _rows(layer).values()]
        styles = {class_key(row["value"]): row for row in rows}  # in the order of the layers
        styles |= {class_key(row["value"]): row for row in sorted(rows, key=lambda row: bool(row.get("name")))}
        categories = {"classes": list(styles.values())}
    legend = make_legend(found, where, table, categories, background, progress, advice)
    tell_values(legend, where, table, categories, progress)
    return legend


def _rows(layer: LabelLayer) -> dict[str, dict]:
    """What the symbology of a layer says of its values; a name that only repeats the value is none."""
    rows = {}
    for row in (layer.categories or {}).get("classes", ()):
        key = class_key(row["value"])
        if key in layer.found:
            name = one_spelling(row.get("name") or "")
            rows[key] = {**row, "name": "" if class_key(name) == key else name}
    return rows


def _refuse_conflicts(layers: Sequence[LabelLayer]) -> None:
    advice = "Give values and names the same meaning in all layers, or say in “Classes” what the values mean."
    names: dict[str, tuple[str, str]] = {}
    values: dict[str, tuple[str, str]] = {}
    for layer in layers:
        own = {key: row["name"] for key, row in _rows(layer).items() if row["name"]}
        for key, name in own.items():
            other, path = names.setdefault(key, (name, layer.path))
            if other.casefold() != name.casefold():
                raise DataError(f"The value {key} is “{other}” in {path}, but “{name}” in {layer.path}. {advice}")
            value, path = values.setdefault(name.casefold(), (key, layer.path))
            if value != key and path != layer.path:
                raise DataError(f"“{name}” is the value {value} in {path}, but {key} in {layer.path}. {advice}")
