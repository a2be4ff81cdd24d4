"""What dataset.json may say: types, ranges and names, and how its parts must go together."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import rasterio
from msgspec import UNSET, Meta, Struct, UnsetType
from rasterio.crs import CRS
from rasterio.errors import CRSError

from ...errors import DataError
from ...outputs import new_file
from ..cards import ClassInfo, SensorInfo
from ..records import ArrayFile, Count, Finite, Metres, Name, Pixels, Positive, TargetName, checked, differ, read_json, shown
from ..tasks import TASKS, Task, task_named
from .theme_facts import FACTS, Facts

SPLITS = ("training", "validation", "test")
DESCRIPTION = "dataset.json"
FORMAT, VERSION = "eo-pretrain dataset", 1
#: Keys a dataset may lack where they would be empty.
OPTIONAL = ("theme", "facts", "target", "targets", "either")
ADVICE = "Restore the file or make the dataset again."
Coefficient = Annotated[float, Meta(ge=-1e12, le=1e12)]


class PartnerRecord(Struct):
    """The image of another sensor on the grid of a scene."""

    path: str = ""
    files: list[str] = []
    date: str | None = ""
    dates: list[str] = []


class SceneRecord(Struct):
    """Where samples were cut from. Its grid has no pixels, and its CRS is empty, where nothing is known of the place.

    `dates`: all days on which its files were taken, where these are several. `partners`: by sensor.
    """

    name: str
    crs: str
    transform: tuple[Coefficient, Coefficient, Coefficient, Coefficient, Coefficient, Coefficient]
    width: Count
    height: Count
    path: str = ""
    files: list[str] = []
    date: str | None = ""
    dates: list[str] = []
    partners: dict[str, PartnerRecord] = {}
    checksum: str = ""
    sensor: str = ""
    mask: str = ""
    tile: str = ""
    simulated: str = ""

    def __post_init__(self) -> None:
        if min(abs(self.transform[0]), abs(self.transform[4])) < 1e-12:
            raise ValueError("the transform has pixels without a size")


class LabelsRecord(Struct, omit_defaults=True):
    """Where labels came from; what there is depends on their kind."""

    path: str | None = None
    field: str | None = None
    features: Count | None = None
    dominant_share: Finite | None = None
    polygons: dict[str, Count] | None = None
    without_class: dict[str, Count] | None = None
    parcels: Count | UnsetType = UNSET
    inner_buffer_m: Finite | UnsetType = UNSET
    parcels_without_pixel: Count | UnsetType = UNSET
    overlapping_parcels: Count | UnsetType = UNSET
    grouped_as_other: list[str] | None = None
    added: list[dict[str, Any]] | UnsetType = UNSET


class TargetRecord(Struct):
    """A target beside the main one: labels of the same samples, which may lack them, in an array of their own, see `label_array`."""

    name: TargetName
    classes: Annotated[list[ClassInfo], Meta(min_length=1, max_length=255)]
    class_pixels: dict[str, list[Count]]
    labels: LabelsRecord = msgspec.field(default_factory=LabelsRecord)


class SplitRecord(Struct):
    """How samples were divided."""

    text: str | UnsetType = UNSET
    method: str = ""
    group: str | UnsetType = UNSET
    buffer_px: Positive | None = None
    leakage_distance_px: Positive | None = None


class BandStatistics(Struct):
    """Of the measured training pixels of a band, in stored units."""

    mean: Finite
    std: Positive
    minimum: Finite
    maximum: Finite
    p001: Finite
    p25: Finite
    p50: Finite
    p75: Finite
    p999: Finite
    histogram: Annotated[list[Count], Meta(max_length=65536)] | UnsetType = UNSET
    edges: list[Finite] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not (self.p25 <= self.p50 <= self.p75 and self.p001 <= self.p999):
            raise ValueError("the percentiles of a band do not rise")
        if self.histogram is UNSET and self.edges is UNSET:
            return
        if self.histogram is UNSET or self.edges is UNSET or len(self.edges) != len(self.histogram) + 1:
            raise ValueError("a histogram needs edges, one more than it has bins")
        if any(low > high for low, high in pairwise(self.edges)):
            raise ValueError("the edges of a histogram do not rise")


class ShardRecord(Struct):
    """A file of each array with so many samples."""

    tiles: Count
    images: Annotated[dict[str, ArrayFile], Meta(min_length=1)]
    labels: ArrayFile | None
    extra: dict[str, ArrayFile] = {}

    @property
    def files(self) -> list[str]:
        """Names of all its files."""
        return [*self.images.values(), *([self.labels] if self.labels else []), *self.extra.values()]


class DatasetRecord(Struct):
    """All of dataset.json that anything reads."""

    task: str
    name: Name
    sensors: Annotated[list[SensorInfo], Meta(min_length=1, max_length=100)]
    tile_size: Pixels
    stride: Pixels
    resolution_m: tuple[Metres, Metres]
    classes: Annotated[list[ClassInfo], Meta(max_length=255)]
    ignore: Literal[255]
    scenes: list[SceneRecord]
    labels: LabelsRecord
    split: SplitRecord
    statistics: dict[str, dict[str, BandStatistics]]
    class_pixels: dict[str, list[Count]]
    shards: list[ShardRecord]
    theme: str = ""
    facts: dict[str, Any] = {}
    target: TargetName | Literal[""] = ""
    targets: list[TargetRecord] = []
    either: bool = False

    def __post_init__(self) -> None:
        kind = task_named(self.task)
        self._check_classes(kind, self.classes, self.class_pixels)
        self._check_targets(kind)
        self._check_sensors()
        self._check_shards()
        if self.theme in FACTS and self.theme not in kind.themes:
            raise ValueError(f"the theme {shown(self.theme)} has no datasets for the task “{self.task}”")
        with rasterio.Env():  # else what GDAL says of a CRS goes to the terminal
            for crs in {scene.crs for scene in self.scenes if scene.crs}:
                try:
                    CRS.from_wkt(crs)
                except CRSError:
                    raise ValueError(f"a scene has the CRS {shown(crs)}, which is none") from None

    def _check_classes(self, kind: Task, classes: list[ClassInfo], pixels: dict[str, list[Count]]) -> None:
        differ([str(row.value) for row in classes], "the value of a class")
        if bool(classes) != kind.labelled:
            raise ValueError("it has no classes" if not classes else f"it has classes, but is for the task “{self.task}”")
        for split in SPLITS:
            if len(pixels.get(split, ())) != len(classes) or split not in pixels:
                raise ValueError(f"“class_pixels” must have, for {split}, one number for each of the {len(classes)} classes")

    def _check_targets(self, kind: Task) -> None:
        """Each sample has one label of each target, or each of its pixels."""
        if self.targets and (kind.axes not in ("", "yx") or kind.dates):
            raise ValueError(f"it has several targets, and datasets for the task “{self.task}” have one")
        differ([self.target.casefold(), *(row.name.casefold() for row in self.targets)], "the target")
        for number, row in enumerate(self.targets, 1):
            self._check_classes(kind, row.classes, row.class_pixels)
            if not all(label_array(number) in shard.extra for shard in self.shards):
                raise ValueError(f"“shards” has no labels of the target {shown(row.name)}")

    def _check_sensors(self) -> None:
        differ([sensor.name.casefold() for sensor in self.sensors], "the sensor")
        for sensor in self.sensors:
            sensor.check()
            lacking = [band.name for band in sensor.bands if band.name not in self.statistics.get(sensor.name, {})]
            if lacking:
                raise ValueError(f"“statistics” says nothing of the band {shown(lacking[0])} of the sensor {shown(sensor.name)}")

    def _check_shards(self) -> None:
        known = {sensor.name for sensor in self.sensors}
        foreign = next((name for shard in self.shards for name in shard.images if name not in known), None)
        if foreign is not None:
            raise ValueError(f"“shards” has images of {shown(foreign)}, which is none of its sensors")
        differ([name.casefold() for shard in self.shards for name in shard.files], "the file")
        if not sum(shard.tiles for shard in self.shards):
            raise ValueError("it has no samples")


def label_array(number: int) -> str:
    """The array with the labels of a target beside the main one, counted from 1."""
    return f"labels_{number}"


def read_record(description: Any, where: str) -> DatasetRecord:
    """Checks a whole description, and the facts it has by the theme they belong to.

    Raises:
        DataError: naming the first key that is missing or wrong.
    """
    record = checked(description, DatasetRecord, where, DataError, ADVICE)
    for field in msgspec.structs.fields(FACTS.get(record.theme, Facts)):
        if field.encode_name in record.facts:
            checked(record.facts[field.encode_name], field.type, f"{where}, in “facts.{field.encode_name}”,", DataError, ADVICE)
    return record


def read_description(path: Path) -> dict:
    """What a dataset.json says.

    Raises:
        DataError: it is damaged, or of something else, or of a newer version.
    """
    description = read_json(path, DataError, ADVICE)
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise DataError(f"{path} does not describe a dataset of this plugin. Choose a folder made by “Create … dataset”.")
    if description.get("version") != VERSION:
        raise DataError(f"{path} has version {shown(description.get('version'))}, and this plugin reads version {VERSION}. Update the plugin.")
    if isinstance(description.get("task"), str) and description["task"] not in TASKS:
        raise DataError(f"{path} is for the task {shown(description['task'])}, which this plugin does not know. Update the plugin.")
    read_record(description, str(path))
    return description


def write_description(folder: str | Path, description: dict) -> None:
    """Writes dataset.json, the last file of a dataset.

    Args:
        folder: the dataset's folder.
        description: the keys of `DatasetRecord`; dataclasses are written as their fields.

    Raises:
        DataError: when it could not be read again.
    """
    path = Path(folder) / DESCRIPTION
    said = {key: description[key] for key in DatasetRecord.__struct_fields__ if key not in OPTIONAL or description.get(key)}
    read_record(said, str(path))
    with new_file(path) as part:
        content = json.dumps({"format": FORMAT, "version": VERSION, **said}, indent=1, ensure_ascii=False, allow_nan=False, default=asdict)
        part.write_text(content, encoding="utf-8")


def require_facts(facts: dict, theme: str, where: str) -> None:
    """Checks that the facts are all that a report of their theme tells of.

    Raises:
        DataError: naming the first that is missing or contradicts another.
    """
    checked(facts, FACTS.get(theme, Facts), f"{where}, in “facts”,", DataError, ADVICE)
