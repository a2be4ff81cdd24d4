"""A dataset folder: samples as arrays, `dataset.json` that says what they are, `tiles.gpkg` that says where they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas
import msgspec
import numpy as np
import pyogrio
from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from ...errors import DataError, listed
from ..cards import IGNORE as IGNORE
from ..cards import ClassInfo, Input, InputBand, Inputs, SensorInfo
from ..even_sample import even_sample
from ..looks.class_style import coloured
from ..rasters import sources
from ..rasters.clouds import CLEAR
from ..rasters.sensors import Band
from ..tasks import Task, task_named
from .dates import series_days
from .record import ADVICE, DESCRIPTION, SPLITS, label_array, read_description
from .record import write_description as write_description
from .shards import Layout, Shards
from .subsets import members, set_aside
from .visible import visible

TILES = "tiles.gpkg"
#: Every tile, also those dropped between the splits.
ALL = "all"
#: Tiles too near to a tile of another split; they stay in the arrays, so that the dataset can be split anew.
DROPPED = "dropped"
#: Labels that are looked through on opening, and at once [byte]. Those of larger datasets are looked through as they are read, so that a
#: dataset of any size opens quickly.
CHECKED_BYTES, AT_ONCE_BYTES = 16 * 10**6, 2 * 10**6
#: What pyogrio says of a damaged file.
DAMAGED = (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError, CRSError, ValueError, OverflowError)


class Dataset:
    """A dataset opened for reading; nothing is loaded before it is asked for.

    Attributes:
        target: name of what its classes and labels are of, where it has or is of several targets.
        targets: names of further targets, of whose labels the dataset itself says nothing; see `each_target`.
        either: pixels have labels that one of its sensors alone has measured; see `visible`.
    """

    def __init__(self, folder: Path, description: dict) -> None:
        """Use `open`; this takes a description that was checked."""
        self.folder, self.description = folder, description
        self.name, self.task = str(description["name"]), str(description["task"])
        self.theme: str = description.get("theme", "")
        self.simulated: bool = any(scene.get("simulated") for scene in description["scenes"])
        self.facts: dict = description.get("facts", {})
        self.tile_size: int = description["tile_size"]
        self.ignore: int = description["ignore"]
        self.statistics: dict = description["statistics"]
        self.target, self.either = str(description.get("target", "")), bool(description.get("either"))
        self.asked: tuple[Input, ...] = ()
        self.targets: list[str] = [row["name"] for row in description.get("targets", ())]
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
        dataset = cls(Path(folder), read_description(path))
        dataset.shards.check(dataset.layouts())
        dataset._check_dates()
        for one in dataset.each_target():
            one._check_labels()
        numbers = dataset.column("tile")
        if len(numbers) != len(dataset):
            raise DataError(f"{dataset.folder / TILES} lists {len(numbers)} tiles, but the arrays hold {len(dataset)}. {ADVICE}")
        if (numbers != np.arange(len(numbers))).any():
            raise DataError(f"{dataset.folder / TILES} does not number its tiles from 0 to {len(numbers) - 1} in the field “tile”. {ADVICE}")
        _ = dataset.splits
        return dataset

    def layouts(self) -> dict[str, Layout]:
        """How the arrays of `shards` must look; images by the name of their sensor."""
        size, count, axes = self.tile_size, len(self.classes), self.kind.sample_axes
        free = {"t": None, "y": size, "x": size}
        layouts = {f"images of {sensor.name}": Layout(tuple({**free, "b": len(sensor.bands)}[axis] for axis in axes), sensor.dtype)
                   for sensor in self.sensors}
        layouts |= {"labels": Layout(self.kind.label_shape(size, count), "uint8"), "shares": Layout((count, size, size), "uint8"),
                    "distance": Layout((size, size), "uint8"), "objects": Layout((size, size), "uint32")}
        return layouts | {"days": Layout((None,), "int16"), "flags": Layout(tuple(free[axis] for axis in axes if axis != "b"), "uint8")}

    def __len__(self) -> int:
        return len(self.shards)

    def each_target(self) -> list[Dataset]:
        """The same samples with the labels of one target alone, for each target, the main one first."""
        found, said = [], self.description
        for number, row in enumerate([{}, *said.get("targets", ())]):
            own = {"target": row["name"], "classes": row["classes"], "class_pixels": row["class_pixels"], "shards": [
                {**shard, "labels": shard["extra"][label_array(number)]} for shard in said["shards"]]} if row else {}
            found.append(Dataset(self.folder, {**said, **own, "targets": []}))
            found[-1].__dict__.update({name: self.__dict__[name] for name in ("asked", "tiles", "splits", "weights") if name in self.__dict__})
        return found

    @property
    def called(self) -> str:
        """Its folder and, where its labels are of a target with a name, that name, for sentences about labels."""
        return f"{self.folder} (target “{self.target}”)" if self.target else str(self.folder)

    @property
    def kind(self) -> Task:
        """The row of its task in `TASKS`."""
        return task_named(self.task)

    def sensor_named(self, name: str = "") -> SensorInfo:
        """The sensor of that name; for an empty name the only one.

        Raises:
            DataError: there is no such sensor, or there are several and none was named.
        """
        names = [sensor.name for sensor in self.sensors]
        if not name and len(names) > 1:
            raise DataError(f"{self.folder} has images of {listed(names)}, and those of one sensor are needed. Choose one of them.")
        if name and name not in names:
            raise DataError(f"{self.folder} has no sensor “{name}”; it has {', '.join(names)}. Choose one of them.")
        return self.sensors[names.index(name) if name else 0]

    @cached_property
    def inputs(self) -> Inputs:
        """What networks can see of the samples: the images of each sensor, by its name, with the statistics of their training pixels."""
        return {sensor.name: Input(sensor.name, sensor.name, sensor.preset, tuple(self._input_band(sensor, band) for band in sensor.bands),
                                   self.kind.sample_axes, finer=sensor.finer,
                                   season=series_days(self, sensor.name) if self.kind.dates else None) for sensor in self.sensors}

    def choose(self, sensors: Sequence[str], bands: str | None = None) -> Inputs:
        """The inputs of some sensors.

        Args:
            sensors: their names.
            bands: names of the bands to take, separated by commas, of each sensor those that it has; all bands for none.

        Raises:
            DataError: a band is named twice, or is none of theirs, or none is of one of them.
        """
        named = [name.strip() for name in (bands or "").split(",") if name.strip()]
        chosen = [self.inputs[self.sensor_named(sensor).name] for sensor in sensors]
        known = {name for seen in chosen for name in seen.names}
        own = [[name for name in named if name in seen.names or name not in known] for seen in chosen]
        empty = next((seen.sensor for seen, mine in zip(chosen, own) if named and not mine), None)
        if empty is not None:
            raise DataError(f"None of the bands {listed(named)} is of {empty}, whose bands are {listed(self.inputs[empty].names)}. Name some of each "
                            "sensor, or none to take all.")
        return {seen.name: seen.only(mine) for seen, mine in zip(chosen, own)}

    def find(self, seen: Input) -> SensorInfo | None:
        """The sensor that an input, also one of another dataset, is taken from: that of its name or, where it lacks its bands, the first
        that has them in their units; None where none has.
        """
        wanted = {(band.name, band.unit) for band in seen.bands}
        fitting = [sensor for sensor in self.sensors if wanted <= {(band.name, band.unit) for band in sensor.bands}]
        return next((sensor for sensor in fitting if sensor.name == seen.sensor), fitting[0] if fitting else None)

    def sensor_of(self, seen: Input) -> SensorInfo:
        """What `find` finds.

        Raises:
            DataError: no sensor has the bands of the input, or not in their units.
        """
        sensor = self.find(seen)
        if sensor is not None:
            return sensor
        own = next((sensor for sensor in self.sensors if {band.name for band in sensor.bands}.issuperset(seen.names)), None)
        if own is None:
            theirs = "; ".join(listed((band.name for band in sensor.bands), 13) for sensor in self.sensors)
            raise DataError(f"The bands of the dataset {self.folder} are {theirs}, and {listed(seen.names, 13)} are needed. "
                            "Choose a dataset made with the same sensor.")
        units = {band.name: band.unit for band in own.bands}
        theirs, ours = (listed((f"{name} {unit}" for name, unit in pairs), 13) for pairs in (
            [(name, units[name]) for name in seen.names], [(band.name, band.unit) for band in seen.bands]))
        raise DataError(f"The units of the bands of the dataset {self.folder} are {theirs}, and {ours} are needed. "
                        "Choose a dataset made with the same sensor.")

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
        """Per tile "training", "validation", "test", or "dropped" for tiles too near to another split and those of named subsets."""
        path = self.folder / TILES
        if "split" not in self.tiles:
            raise DataError(f"{path} has no field “split”. {ADVICE}")
        splits = self.tiles["split"].to_numpy(dtype=str)
        strange = sorted(set(splits) - {*SPLITS, DROPPED})
        if strange:
            raise DataError(f"{path} has the split “{strange[0]}”, but a tile is training, validation, test or dropped. "
                            "Correct the field “split”.")
        return np.where(set_aside(self.tiles), DROPPED, splits)

    @cached_property
    def weights(self) -> np.ndarray:
        """Per sample the weight of its loss, float64 (n,); 1 where nothing was said."""
        if "weight" not in self.tiles:
            return np.ones(len(self))
        weights = numbers(self.tiles.fillna({"weight": 1}), "weight", self.folder / TILES).astype(float)
        if (weights < 0).any():
            raise DataError(f"{self.folder / TILES} has a negative number in the field “weight”. Correct it.")
        return weights

    def indices(self, split: str, *sensors: str, subset: str = "") -> np.ndarray:
        """Indices of the tiles of a split, int64; ``all`` also counts those dropped between the splits.

        Args:
            split: "training", "validation", "test", "dropped" or "all".
            sensors: only tiles with images of all of these, by name; matters where the sensors are not paired.
            subset: the tiles of this named subset at places of the split; empty takes those of none.

        Raises:
            DataError: there is no such subset.
        """
        if subset:
            chosen = members(self.tiles, subset, split, str(self.folder))
        else:
            chosen = ~set_aside(self.tiles) & ((self.splits == split) | (split == ALL))
        return np.flatnonzero(np.logical_and.reduce([chosen, *map(self.shards.holding, sensors)]))

    def showing(self, split: str, seen: Input) -> np.ndarray:
        """Indices of the tiles of a split that show an input, see `indices`."""
        return self.indices(split, *(self.sensor_of(one).name for one in seen.each))

    def images(self, indices: np.ndarray, sensor: str = "") -> np.ndarray:
        """Images (n, band, y, x), of series (n, date, band), of dated tiles (n, date, band, y, x), in stored units and the type of the source;
        see `sensor_named`.
        """
        return self.shards.images(indices, self.sensor_named(sensor).name)

    def read(self, seen: Input, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images of the bands of an input, as `images` gives them, and where they were measured, see `SensorInfo.valid`; of dated tiles
        where they were measured and clear, bool (n, date, y, x).

        What was measured is decided by all bands of the sensor, so that it does not depend on the bands chosen. Where a band is stored with
        another scale or offset than the input has, as in Sentinel-2 products before and since baseline 04.00, values become float32 in the
        stored units of the input.

        Raises:
            DataError: see `sensor_of`.
        """
        if len(seen.each) > 1:
            images, valid = zip(*(self.read(one, indices) for one in seen.each))
            return np.concatenate([one.astype(np.float32) for one in images], 1), np.logical_and.reduce(valid)
        sensor = self.sensor_of(seen)
        images, names, axes = self.shards.images(indices, sensor.name), [band.name for band in sensor.bands], self.kind.sample_axes
        axis = axes.index("b") - len(axes)
        valid, own = sensor.valid(images), [sensor.bands[names.index(name)] for name in seen.names]
        if axes == "tbyx" and (flags := self.array_of(sensor.name, "flags", indices)) is not None:
            valid &= flags == CLEAR
        if seen.names != names:
            images = images.take([names.index(name) for name in seen.names], axis)
        if any((ours.scale, ours.offset) != (theirs.scale, theirs.offset) for ours, theirs in zip(own, seen.bands)):
            # stored · scale + offset is the physical value on both sides
            factor, shift = (np.array(values, np.float32).reshape((-1, *[1] * (-1 - axis))) for values in zip(*(
                (ours.scale / theirs.scale, (ours.offset - theirs.offset) / theirs.scale) for ours, theirs in zip(own, seen.bands))))
            images = images.astype(np.float32) * factor + shift
        return images, valid

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """Labels, uint8: the position in `classes`, or 255 where there is none.

        Their shape depends on `kind.axes`: (n, y, x) of pixels, (n,) of whole samples, (n, class) with 0 and 1 of several classes at once.
        """
        if not self.classes:
            raise DataError(f"{self.folder} has no labels. Choose a dataset made by “Create training dataset”.")
        labels = self.shards.labels(indices)
        self._refuse_strange(labels)
        return np.where(visible(self, indices), labels, np.uint8(IGNORE)) if self.either and self.asked and self.kind.pixelwise else labels

    def array(self, name: str, indices: np.ndarray) -> np.ndarray:
        """What else is known of samples.

        Args:
            name: "shares", uint8 (n, class, y, x), 255 · share of the class in the pixel; "distance", uint8 (n, y, x), 255 · distance from the
                border of the object a pixel belongs to, over the largest in that object; "objects", uint32 (n, y, x), the number of that
                object, 0 where there is none; "days", int16 (n, date), days since
                1 January of ``facts["first_year"]``, -1 for padding; "flags", uint8 (n, date), of dated tiles (n, date, y, x), 0 clear, 1 cloud,
                2 shadow, 3 snow, 4 not measured.
            indices: of the samples.
        """
        return self.shards.array(name, indices)

    def array_of(self, sensor: str, name: str, indices: np.ndarray) -> np.ndarray | None:
        """Such an array of the dates of a sensor: that of the first has no other name, those of others end in theirs; None where there is none."""
        full = name if sensor == self.sensors[0].name else f"{name}_{sensor}"
        return self.array(full, indices) if full in self.shards.extras() else None

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
            images = self.shards.shape(f"images of {sensor or self.sensors[0].name}")
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
