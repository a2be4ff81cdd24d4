"""A dataset folder: samples as arrays, `dataset.json` that says what they are, `tiles.gpkg` that says where they lie."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas
import msgspec
import numpy as np
import pyogrio
from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from ...errors import DataError
from ...outputs import new_file
from ..cards import IGNORE as IGNORE
from ..cards import ClassInfo, Input, InputBand, Inputs, SensorInfo
from ..even_sample import even_sample
from ..looks.class_style import coloured
from ..rasters import sources
from ..rasters.sensors import Band
from ..records import read_json, shown
from ..tasks import TASKS, Task, task_named
from .record import ADVICE, SPLITS, DatasetRecord, read_record
from .shards import Layout, Shards

FORMAT, VERSION = "eo-pretrain dataset", 1
DESCRIPTION, TILES = "dataset.json", "tiles.gpkg"
#: Every tile, also those dropped between the splits.
ALL = "all"
#: Tiles too near to a tile of another split; they stay in the arrays, so that the dataset can be split anew.
DROPPED = "dropped"
#: Keys a dataset may lack where they would be empty.
OPTIONAL = ("theme", "facts")
#: Labels that are looked through on opening, and at once [byte]. Those of larger datasets are looked through as they are read, so that a
#: dataset of any size opens quickly.
CHECKED_BYTES, AT_ONCE_BYTES = 16 * 10**6, 2 * 10**6
#: What pyogrio says of a damaged file.
DAMAGED = (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError, CRSError, ValueError, OverflowError)


class Dataset:
    """A dataset opened for reading; nothing is loaded before it is asked for."""

    def __init__(self, folder: Path, description: dict) -> None:
        """Use `open`; this takes a description that was checked."""
        self.folder, self.description = folder, description
        self.name: str = description["name"]
        self.task: str = description["task"]
        self.theme: str = description.get("theme", "")
        self.facts: dict = description.get("facts", {})
        self.tile_size: int = description["tile_size"]
        self.ignore: int = description["ignore"]
        self.statistics: dict = description["statistics"]
        self.classes = coloured(msgspec.convert(description["classes"], list[ClassInfo]))
        self.sensors = msgspec.convert(description["sensors"], list[SensorInfo])
        self.shards = Shards(folder, description["shards"])

    @classmethod
    def open(cls, folder: str | Path) -> Dataset:
        """Opens and checks a dataset folder.

        Raises:
            DataError: naming the file and the key that is missing or wrong, or the array that is not as described.
        """
        path = Path(folder) / DESCRIPTION
        if not path.is_file():
            raise DataError(f"{folder} is not a dataset: it has no {DESCRIPTION}. Choose a folder made by “Create … dataset”.")
        dataset = cls(Path(folder), _read_description(path))
        dataset.shards.check(dataset.layouts())
        dataset._check_dates()
        dataset._check_labels()
        numbers = dataset.column("tile")
        if len(numbers) != len(dataset):
            raise DataError(f"{dataset.folder / TILES} lists {len(numbers)} tiles, but the arrays hold {len(dataset)}. {ADVICE}")
        if (numbers != np.arange(len(numbers))).any():
            raise DataError(f"{dataset.folder / TILES} does not number its tiles from 0 to {len(numbers) - 1} in the field “tile”. {ADVICE}")
        _ = dataset.splits
        return dataset

    def layouts(self) -> dict[str, Layout]:
        """How the arrays of `shards` must look; images by the name of their sensor."""
        size, count, dates = self.tile_size, len(self.classes), self.kind.dates
        layouts = {f"images of {sensor.name}": Layout((None, len(sensor.bands)) if dates else (len(sensor.bands), size, size), sensor.dtype)
                   for sensor in self.sensors}
        layouts |= {"labels": Layout(self.kind.label_shape(size, count), "uint8"), "shares": Layout((count, size, size), "uint8")}
        return layouts | {"days": Layout((None,), "int16"), "flags": Layout((None,) if dates else (size, size), "uint8")}

    def __len__(self) -> int:
        return len(self.shards)

    @property
    def kind(self) -> Task:
        """The row of its task in `TASKS`."""
        return task_named(self.task)

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

    @cached_property
    def inputs(self) -> Inputs:
        """What networks can see of the samples: the images of each sensor, by its name, with the statistics of their training pixels."""
        axes: Any = "tb" if self.kind.dates else "byx"
        return {sensor.name: Input(sensor.name, sensor.name, sensor.preset, tuple(self._input_band(sensor, band) for band in sensor.bands), axes)
                for sensor in self.sensors}

    @property
    def checksum(self) -> str:
        """SHA-256 of dataset.json, which holds the checksums of the sources, the split and the statistics."""
        return hashlib.sha256((self.folder / DESCRIPTION).read_bytes()).hexdigest()

    @cached_property
    def tiles(self) -> Any:
        """The table of tiles.gpkg without geometry, a DataFrame in the order of the arrays."""
        return read_tiles(self.folder, geometry=False)

    def column(self, name: str) -> np.ndarray:
        """The numbers in a field of tiles.gpkg (n,); see `numbers`."""
        return numbers(self.tiles, name, self.folder / TILES)

    @cached_property
    def splits(self) -> np.ndarray:
        """Per tile "training", "validation", "test", or "dropped" for tiles too near to another split."""
        path = self.folder / TILES
        if "split" not in self.tiles:
            raise DataError(f"{path} has no field “split”. {ADVICE}")
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
        weights = numbers(self.tiles.fillna({"weight": 1}), "weight", self.folder / TILES).astype(float)
        if (weights < 0).any():
            raise DataError(f"{self.folder / TILES} has a negative number in the field “weight”. Correct it.")
        return weights

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

    def read(self, what: Input, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images of the bands of an input, as `images` gives them, and where they were measured, see `SensorInfo.valid`.

        What was measured is decided by all bands of the sensor, so that it does not depend on the bands chosen.
        """
        sensor = self.sensor_named(what.sensor)
        images, places = self.images(indices, sensor.name), [[band.name for band in sensor.bands].index(name) for name in what.names]
        every = places == list(range(len(sensor.bands)))
        return images if every else images.take(places, -1 if self.kind.dates else 1), sensor.valid(images)

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """Labels, uint8: the position in `classes`, or 255 where there is none.

        Their shape depends on `kind.axes`: (n, y, x) of pixels, (n,) of whole samples, (n, class) with 0 and 1 of several classes at once.
        """
        if not self.classes:
            raise DataError(f"{self.folder} has no labels. Choose a dataset made by “Create training dataset”.")
        labels = self.shards.labels(indices)
        self._refuse_strange(labels)
        return labels

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

    def _input_band(self, sensor: SensorInfo, band: Band) -> InputBand:
        """The centre is the median, the spread the interquartile range as the standard deviation of the normal distribution that has it.

        Mean and standard deviation would follow the clouds: 5 % of them make the deviation of a blue band five times that of the land.
        """
        known = self.statistics[sensor.name][band.name]
        facts = {field.name: known[field.name] for field in fields(InputBand) if field.name in known}
        return InputBand(**asdict(band), **facts, centre=known["p50"], spread=(known["p75"] - known["p25"]) / 1.349 or known["std"])

    def _check_dates(self) -> None:
        """What is known of dates must be known of as many as the images have."""
        if not self.kind.dates:
            return
        for array in self.shards.extras():
            kind, _, sensor = array.partition("_")
            images = self.shards.shape(f"images of {sensor or self.sensor.name}")
            if kind in ("days", "flags") and images and images[0] != (self.shards.shape(array) or images)[0]:
                raise DataError(f"{self.folder} has another number of dates in its array “{array}” than in its images. {ADVICE}")

    def _check_labels(self) -> None:
        """Looks for labels of no class: in all of a small dataset, in an even sample of a large one, whose others are seen when read."""
        labelled = np.flatnonzero(np.repeat([bool(row["labels"]) for row in self.shards.shards], [row["tiles"] for row in self.shards.shards]))
        if not self.classes or not len(labelled):
            return
        each = max(1, int(np.prod(self.shards.shape("labels") or ())))
        some = even_sample(labelled, max(1, CHECKED_BYTES // each))
        for part in np.array_split(some, -(-len(some) * each // AT_ONCE_BYTES)):
            self._refuse_strange(self.shards.labels(part))
        self.shards.release()

    def _refuse_strange(self, labels: np.ndarray) -> None:
        count = 2 if self.kind.several else len(self.classes)
        beyond = int((labels + np.uint8(1)).max(initial=0))  # 255, for no label, becomes 0
        if beyond > count:
            what = "but a class is there, 1, or not, 0" if self.kind.several else f"but there are {count} classes, from position 0 on"
            raise DataError(f"The labels of {self.folder} hold {beyond - 1}, {what}. {ADVICE}")


def read_tiles(folder: str | Path, geometry: bool = True) -> Any:
    """The table of tiles.gpkg in the order of the arrays, a GeoDataFrame or, without geometry, a DataFrame.

    Raises:
        DataError: when it is missing or damaged, or does not number its tiles.
    """
    path = Path(folder) / TILES
    try:
        with sources.vector(str(path)) as opened:
            table = pyogrio.read_dataframe(opened, layer="tiles", read_geometry=geometry)
    except DAMAGED as error:
        raise DataError(f"{path} is missing or damaged ({error}). {ADVICE}") from None
    if geometry and not isinstance(table, geopandas.GeoDataFrame):
        raise DataError(f"{path} has no outlines of its tiles. {ADVICE}")
    numbers(table, "tile", path)
    return table.sort_values("tile", ignore_index=True)


def numbers(table: Any, name: str, path: str | Path) -> np.ndarray:
    """The numbers in a field of a table (n,).

    Raises:
        DataError: when there is no such field, or a row holds no number there.
    """
    if name not in table:
        raise DataError(f"{path} has no field “{name}”. {ADVICE}")
    values = table[name].to_numpy()
    if values.dtype.kind == "O" and all(isinstance(value, (int, float)) for value in values):  # a field that held nothing, filled
        values = values.astype(float)
    if values.dtype.kind not in "iufb" or not np.isfinite(values).all():
        raise DataError(f"{path} holds something other than numbers in the field “{name}”. {ADVICE}")
    return values


def write_description(folder: str | Path, description: dict) -> None:
    """Writes dataset.json, the last file of a dataset.

    Args:
        folder: the dataset's folder.
        description: the keys of `dataset_record.DatasetRecord`; dataclasses are written as their fields.

    Raises:
        DataError: when it could not be read again.
    """
    path = Path(folder) / DESCRIPTION
    said = {key: description[key] for key in DatasetRecord.__struct_fields__ if key not in OPTIONAL or description.get(key)}
    read_record(said, str(path))
    with new_file(path) as part:
        content = json.dumps({"format": FORMAT, "version": VERSION, **said}, indent=1, ensure_ascii=False, allow_nan=False, default=asdict)
        part.write_text(content, encoding="utf-8")


def _read_description(path: Path) -> dict:
    description = read_json(path, DataError, ADVICE)
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise DataError(f"{path} does not describe a dataset of this plugin. Choose a folder made by “Create … dataset”.")
    if description.get("version") != VERSION:
        raise DataError(f"{path} has version {shown(description.get('version'))}, and this plugin reads version {VERSION}. Update the plugin.")
    if isinstance(description.get("task"), str) and description["task"] not in TASKS:
        raise DataError(f"{path} is for the task {shown(description['task'])}, which this plugin does not know. Update the plugin.")
    read_record(description, str(path))
    return description
