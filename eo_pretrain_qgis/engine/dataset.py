"""A dataset folder: samples as arrays, `dataset.json` that says what they are, `tiles.gpkg` that says where they lie."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from ..errors import DataError
from ..outputs import new_file
from . import sources
from .sensors import Band
from .shards import Shards

FORMAT, VERSION = "eo-pretrain dataset", 1
DESCRIPTION, TILES = "dataset.json", "tiles.gpkg"
IGNORE = 255
SPLITS = ("training", "validation", "test")
#: Every tile, also those dropped between the splits.
ALL = "all"
#: Tiles too near to a tile of another split; they stay in the arrays, so that the dataset can be split anew.
DROPPED = "dropped"
KEYS = {
    "task": str, "name": str, "sensors": list, "tile_size": int, "stride": int, "resolution_m": list, "classes": list, "ignore": int,
    "scenes": list, "labels": dict, "split": dict, "statistics": dict, "class_pixels": dict, "shards": list,
}
#: Keys a dataset may lack, with what stands for them then.
OPTIONAL: dict[str, Any] = {"theme": "", "facts": {}}
#: What a sample is and how it is labelled: every pixel; one class per image; one class per small patch; several classes per image;
#: one class per series of dates; not at all.
TASKS = ("segmentation", "scene", "patch", "multilabel", "series", "pretraining")


@dataclass(frozen=True)
class ClassInfo:
    """A class: the value maps will hold (0 to 254), its name and its colour as ``#rrggbb``."""

    value: int
    name: str
    color: str


@dataclass(frozen=True)
class SensorInfo:
    """The images of one sensor: `nodata` fills every band of a pixel without a measurement; None stands for NaN."""

    name: str
    preset: str
    dtype: str
    nodata: float | None
    bands: tuple[Band, ...]

    def valid(self, images: np.ndarray) -> np.ndarray:
        """Which pixels of images (n, band, y, x) were measured: bool (n, y, x); of series (n, date, band): bool (n, date)."""
        axis = 1 if images.ndim == 4 else -1
        return ~np.isnan(images.take(0, axis)) if self.nodata is None else (images != self.nodata).any(axis)


class Dataset:
    """A dataset opened for reading; nothing is loaded before it is asked for."""

    def __init__(self, folder: Path, description: dict) -> None:
        """Use `open`; this takes a description that was checked."""
        self.folder, self.description = folder, description
        self.name: str = description["name"]
        self.task: str = description["task"]
        self.theme: str = description["theme"]
        self.facts: dict = description["facts"]
        self.tile_size: int = description["tile_size"]
        self.ignore: int = description["ignore"]
        self.statistics: dict = description["statistics"]
        self.classes = [ClassInfo(**row) for row in description["classes"]]
        self.sensors = [SensorInfo(**{**row, "bands": tuple(Band(**band) for band in row["bands"])}) for row in description["sensors"]]
        self.shards = Shards(folder, description["shards"])

    @classmethod
    def open(cls, folder: str | Path) -> Dataset:
        """Opens and checks a dataset folder.

        Raises:
            DataError: naming the file and the key that is missing or wrong.
        """
        path = Path(folder) / DESCRIPTION
        if not path.is_file():
            raise DataError(f"{folder} is not a dataset: it has no {DESCRIPTION}. Choose a folder made by “Create … dataset”.")
        description = _read_description(path)
        try:
            dataset = cls(Path(folder), description)
        except (KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged in its list of classes, sensors or shards ({error}). "
                            "Restore it or make the dataset again.") from None
        dataset.shards.check()
        if len(dataset.splits) != len(dataset.shards):
            raise DataError(f"{dataset.folder / TILES} lists {len(dataset.splits)} tiles, but the arrays hold {len(dataset.shards)}. "
                            "Restore the file or make the dataset again.")
        return dataset

    def __len__(self) -> int:
        return len(self.shards)

    @property
    def sensor(self) -> SensorInfo:
        """The only, or the first, sensor."""
        return self.sensors[0]

    def sensor_named(self, name: str) -> SensorInfo:
        """The sensor of that name; the first for an empty name.

        Raises:
            DataError: there is no such sensor.
        """
        found = next((sensor for sensor in self.sensors if sensor.name == name), None) if name else self.sensor
        if found is None:
            raise DataError(f"{self.folder} has no sensor “{name}”; it has {', '.join(sensor.name for sensor in self.sensors)}. "
                            "Choose one of them.")
        return found

    @property
    def bands(self) -> list[Band]:
        """Bands of the only, or the first, sensor."""
        return list(self.sensor.bands)

    @property
    def checksum(self) -> str:
        """SHA-256 of dataset.json, which holds the checksums of the sources, the split and the statistics."""
        return hashlib.sha256((self.folder / DESCRIPTION).read_bytes()).hexdigest()

    @cached_property
    def tiles(self) -> Any:
        """The table of tiles.gpkg without geometry, a DataFrame in the order of the arrays."""
        path = self.folder / TILES
        try:
            with sources.vector(str(path)) as opened:
                table = pyogrio.read_dataframe(opened, layer="tiles", read_geometry=False)
            return table.sort_values("tile", ignore_index=True)
        except (DataSourceError, DataLayerError, KeyError) as error:
            raise DataError(f"{path} is missing or damaged ({error}). Restore it or make the dataset again.") from None

    @cached_property
    def splits(self) -> np.ndarray:
        """Per tile "training", "validation", "test", or "dropped" for tiles too near to another split."""
        path = self.folder / TILES
        if "split" not in self.tiles:
            raise DataError(f"{path} has no field “split”. Restore it or make the dataset again.")
        splits = self.tiles["split"].to_numpy(dtype=str)
        strange = sorted(set(splits) - {*SPLITS, DROPPED})
        if strange:
            raise DataError(f"{path} has the split “{strange[0]}”, but a tile is training, validation, test or dropped. "
                            "Correct the field “split”.")
        return splits

    @cached_property
    def weights(self) -> np.ndarray:
        """Per sample the weight of its loss, float64 (n,); 1 where nothing was said."""
        if "weight" not in self.tiles:
            return np.ones(len(self))
        return self.tiles["weight"].fillna(1).to_numpy(dtype=float)

    def indices(self, split: str, sensor: str = "") -> np.ndarray:
        """Indices of the tiles of a split, int64; ``all`` also counts those dropped between the splits.

        Args:
            split: "training", "validation", "test", "dropped" or "all".
            sensor: only tiles with images of this sensor; matters where the sensors are not paired.
        """
        chosen = np.ones(len(self), bool) if split == ALL else self.splits == split
        return np.flatnonzero(chosen & self.shards.holding(sensor) if sensor else chosen)

    def images(self, indices: np.ndarray, sensor: str = "") -> np.ndarray:
        """Images (n, band, y, x), of series (n, date, band), in stored units and the type of the source."""
        return self.shards.images(indices, sensor or self.sensor.name)

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """Labels, uint8: the position in `classes`, or 255 where there is none.

        Their shape depends on `task`: (n, y, x) of "segmentation", (n,) of "scene", "patch" and "series", (n, class) with 0 and 1 of
        "multilabel".
        """
        if not self.classes:
            raise DataError(f"{self.folder} has no labels. Choose a dataset made by “Create training dataset”.")
        return self.shards.labels(indices)

    def array(self, name: str, indices: np.ndarray) -> np.ndarray:
        """What else is known of samples.

        Args:
            name: "shares", uint8 (n, class, y, x), 255 · share of the class in the pixel; "days", int16 (n, date), days since
                1 January of ``facts["first_year"]``, -1 for padding; "flags", uint8 (n, date), 0 clear, 1 cloud, 2 shadow, 3 snow,
                4 not measured.
            indices: of the samples.
        """
        return self.shards.array(name, indices)

    def valid(self, images: np.ndarray) -> np.ndarray:
        """Which pixels of images (n, band, y, x) of the first sensor were measured: bool (n, y, x)."""
        return self.sensor.valid(images)


def write_description(folder: str | Path, description: dict) -> None:
    """Writes dataset.json, the last file of a dataset.

    Args:
        folder: the dataset's folder.
        description: the keys of `KEYS`, and those of `OPTIONAL` it has; dataclasses are written as their fields.
    """
    said = {key: description[key] for key in OPTIONAL if description.get(key)}
    whole = {"format": FORMAT, "version": VERSION, **{key: description[key] for key in KEYS}, **said}
    with new_file(Path(folder) / DESCRIPTION) as part:
        part.write_text(json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False, default=asdict), encoding="utf-8")


def _read_description(path: Path) -> dict:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} cannot be read ({error}). Restore it or make the dataset again.") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise DataError(f"{path} does not describe a dataset of this plugin. Choose a folder made by “Create … dataset”.")
    if description.get("version") != VERSION:
        raise DataError(f"{path} has version {description.get('version')}, and this plugin reads version {VERSION}. Update the plugin.")
    for key, kind in KEYS.items():
        if not isinstance(description.get(key), kind):
            raise DataError(f"{path}: the key “{key}” is missing or not as it should be. Restore the file or make the dataset again.")
    for key, default in OPTIONAL.items():
        if not isinstance(description.setdefault(key, default), type(default)):
            raise DataError(f"{path}: the key “{key}” is not as it should be. Restore the file or make the dataset again.")
    if description["task"] not in TASKS:
        raise DataError(f"{path} is for the task “{description['task']}”, which this plugin does not know. Update the plugin.")
    return description
