"""From the samples a format reads one by one to a dataset: written as they come, placed, split and described."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import geopandas
import numpy as np
import rasterio
import shapely

from ...errors import DataError
from ...progress import SILENT, Progress
from ..datasets.dataset import DROPPED, IGNORE, SPLITS, ClassInfo, SensorInfo
from ..datasets.footprints import pixel_boxes
from ..datasets.shards import LABELS, ShardWriter
from ..datasets.splitting.by_group import given_split, random_split
from ..datasets.splitting.by_place import Split, SplitPlan, gap, split_by_place
from ..datasets.splitting.division import finish
from ..datasets.subsets import PLACE, set_aside
from ..rasters.grid import Grid
from ..scheduling import ahead
from ..tasks import Task, task_named

#: Files are read this far ahead, by so many threads: GDAL decodes without Python's lock.
AHEAD, THREADS = 32, 4
#: Where patches of several UTM zones are placed when all lie here [degree]: the European grid, else an equal-area plane around them.
#: Patches without a place have empty outlines, in some CRS.
EUROPE, EUROPEAN_GRID, NOWHERE = (-31.6, 32.9, 44.8, 84.7), "EPSG:3035", "EPSG:4326"
NO_PLACE = "The images do not say where they lie, so they cannot be divided by place."

Item = TypeVar("Item")


@dataclass(frozen=True)
class ImportOptions:
    """What the analyst chose.

    Attributes:
        name: of the dataset.
        plan: the split, where none came with the data.
        keep_split: whether a split that came with the data counts.
        lists: name of a sample → its split, from lists; None where there are none.
        nomenclature: of BigEarthNet, 19 or 43 classes.
        resampling: of bands with larger pixels: "nearest", "bilinear" or "cubic".
        tile_size: tiles cut from pairs of images and labels [px]; None keeps the images whole.
        class_table: rows value, name, color for pairs; None takes those that came with them.
        preset: sensor of pictures and pairs; "generic" takes what the files say.
        bands: names of their bands, separated by commas.
        pixel_size: [m], for images that do not say where they lie.
        igbp: classes of SEN12MS, 10 or 17.
        use_case: of EuroCropsML, which countries pretrain and which are learned.
        part: of it, "pretrain" or "finetune".
        shots: training parcels of each class, of "finetune".
        regions: beginnings of NUTS codes, separated by commas; empty takes all.
    """

    name: str
    plan: SplitPlan = field(default_factory=SplitPlan)
    keep_split: bool = True
    lists: dict[str, str] | None = None
    nomenclature: int = 19
    resampling: str = "nearest"
    tile_size: int | None = None
    class_table: list[dict] | None = None
    preset: str = "generic"
    bands: str = ""
    pixel_size: float | None = None
    igbp: int = 10
    use_case: str = "latvia_vs_estonia"
    part: str = "finetune"
    shots: str = "20"
    regions: str = ""


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        images: (band, y, x) by sensor.
        label: (y, x), (class,) or a single number, by the task.
        grid: where it lies, or None.
        split: it came with, or empty.
        columns: further ones of tiles.gpkg.
        checksum: SHA-256 of its files.
        beside: what else is known of its pixels, see `Content.beside`.
    """

    images: dict[str, np.ndarray]
    label: np.ndarray
    grid: Grid | None
    split: str
    columns: dict[str, Any]
    checksum: bytes
    beside: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """What a format holds: the parts of dataset.json it decides, and its samples in order.

    `beside`: name → type of arrays (y, x) beside the labels, see `Dataset.array`. Where there are several targets, `target` is the name of the main
    one and `further` those of the others with their classes; their labels are such arrays. `divide` splits the rows of tiles.gpkg, whose column
    ``given`` is the split each sample came with; None divides by place or, where there is none, at random. `stride` is the
    step between tiles that overlap [px].
    """

    task: str
    sensors: tuple[SensorInfo, ...]
    classes: tuple[ClassInfo, ...]
    tile_size: int
    count: int
    samples: Iterable[Sample]
    source: Path
    facts: dict
    pixel_size: float | None = None
    beside: dict[str, str] = field(default_factory=dict)
    theme: str = ""
    target: str = ""
    further: tuple[tuple[str, tuple[ClassInfo, ...]], ...] = ()
    divide: Callable[[geopandas.GeoDataFrame, ImportOptions, Progress], Split] | None = None
    stride: int | None = None

    @property
    def kind(self) -> Task:
        """The row of its task in `TASKS`."""
        return task_named(self.task)


def write_samples(folder: Path, content: Content, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes every sample, splits and describes them.

    Args:
        folder: an empty folder to fill.
        content: what the format found.
        options: name and split.
        progress: told how far it is.

    Raises:
        DataError: samples that cannot be read or differ in size or bands, or too few for the split.
    """
    label_shape = content.kind.label_shape(content.tile_size, len(content.classes))
    shapes: dict[str, tuple] = {sensor.name: ((len(sensor.bands), content.tile_size, content.tile_size), sensor.dtype)
                                for sensor in content.sensors}
    rows, grids, digest = [], [], hashlib.sha256()
    beside = {name: ((content.tile_size, content.tile_size), dtype) for name, dtype in content.beside.items()}
    with ShardWriter(folder, {**shapes, LABELS: (label_shape, "uint8"), **beside}, extra=list(beside)) as writer:
        for done, sample in enumerate(content.samples):
            if done % 16 == 0:
                progress.at(0.6 * done / max(content.count, 1), f"Reading {content.source.name}")
            sample = replace(sample, images={sensor.name: _measured(sample.images[sensor.name], sensor) for sensor in content.sensors})
            writer.add(**{name: array[None] for name, array in (*sample.images.items(), (LABELS, sample.label), *sample.beside.items())})
            rows.append({"tile": done, **_columns(sample, content)})
            grids.append(sample.grid)
            digest.update(sample.checksum)
        shards = writer.close()
    if not rows:
        raise DataError(f"{content.source} holds no sample that can be used. Choose another folder, or other split lists.")
    base, shapes_on_map = place(grids, content)
    tiles = geopandas.GeoDataFrame(rows, geometry=shapes_on_map, crs=base.crs if base else NOWHERE)
    split = _split(tiles, base, content, options, progress.part(0.6, 0.8))
    checksum = "sha256:" + digest.hexdigest()
    description = {
        "task": content.task, "name": options.name, "sensors": list(content.sensors), "tile_size": content.tile_size,
        "stride": content.stride or content.tile_size, "resolution_m": _resolution(grids, content), "classes": list(content.classes),
        "ignore": IGNORE,
        "scenes": [_scene(content, base, checksum)], "labels": {"path": str(content.source), "checksum": checksum},
        "shards": shards, "theme": content.theme, "facts": content.facts, "target": content.target,
        "targets": [{"name": name, "classes": list(classes), "labels": {}} for name, classes in content.further],
    }
    finish(folder, description, tiles.drop(columns="given"), split, progress.part(0.8, 1))
    return split


def _measured(image: np.ndarray, sensor: SensorInfo) -> np.ndarray:
    """An image (band, y, x) in which a pixel with a value that is no number, as log(0) in one band, was not measured in any."""
    if image.dtype.kind != "f":
        return image
    gone = ~np.isfinite(image).all(0)
    return np.where(gone, np.nan if sensor.nodata is None else sensor.nodata, image).astype(image.dtype) if gone.any() else image


def read_ahead(items: Iterable[Item], read: Callable[[Item], Sample | None]) -> Iterator[Sample]:
    """Samples in the order of their items, read by a few threads; items that give None are passed over."""
    with ThreadPoolExecutor(THREADS) as pool, closing(ahead(lambda item: pool.submit(read, item), items, AHEAD + 1)) as samples:
        yield from (sample for sample in samples if sample is not None)


def place(grids: list[Grid | None], content: Content) -> tuple[Grid | None, np.ndarray]:
    """One grid for all samples and their outlines in its CRS; None and no outlines where one does not say where it lies."""
    known = [grid for grid in grids if grid is not None]
    if len(known) < len(grids):
        return None, np.full(len(grids), None)
    outlines = np.array([shapely.box(*grid.bounds()) for grid in known])
    systems = np.array([grid.crs for grid in known])
    distinct = list(dict.fromkeys(systems.tolist()))
    if len(distinct) == 1:
        box = shapely.total_bounds(outlines)
        first, (x, y) = known[0], known[0].resolution
        return Grid(first.crs, (x, 0.0, float(box[0]), 0.0, -y, float(box[3])), *_size(box, x, y)), outlines
    lonlat = _moved(outlines, systems, distinct, "OGC:CRS84")
    west, south, east, north = shapely.total_bounds(lonlat)
    inside = west > EUROPE[0] and south > EUROPE[1] and east < EUROPE[2] and north < EUROPE[3]
    plane = f"+proj=laea +lat_0={(south + north) / 2:.4f} +lon_0={(west + east) / 2:.4f} +datum=WGS84 +units=m"
    crs = geopandas.GeoSeries([], crs=EUROPEAN_GRID if inside else plane).crs.to_wkt()
    moved = _moved(outlines, systems, distinct, crs)
    box, step = shapely.total_bounds(moved), float(np.median([grid.metres_per_pixel()[0] for grid in known[:20]]))
    return Grid(crs, (step, 0.0, float(box[0]), 0.0, -step, float(box[3])), *_size(box, step, step)), moved


def _size(box: np.ndarray, x: float, y: float) -> tuple[int, int]:
    return round((box[2] - box[0]) / x), round((box[3] - box[1]) / y)


def _moved(outlines: np.ndarray, systems: np.ndarray, distinct: list[str], crs: str) -> np.ndarray:
    result = outlines.copy()
    for system in distinct:
        mine = systems == system
        result[mine] = geopandas.GeoSeries(outlines[mine], crs=system).to_crs(crs).to_numpy()
    return result


def _columns(sample: Sample, content: Content) -> dict:
    """A row of tiles.gpkg: `crs`, `left`, `top`, `pixel_x` and `pixel_y` keep the sample's own grid, to the last digit."""
    sensor = content.sensors[0]
    valid = float(sensor.valid(sample.images[sensor.name][None]).mean())
    row = {"col": 0, "row": 0, "valid": round(valid, 4), "labelled": 1.0, "weight": 1.0, **sample.columns, "given": sample.split}
    if content.kind.pixelwise:
        shares = np.bincount(sample.label.ravel(), minlength=256) / sample.label.size
        row.update(labelled=round(1 - shares[IGNORE], 4),
                   **{f"share_{info.value}": shares[position] for position, info in enumerate(content.classes)})
    elif not content.kind.several:
        row.update(label=int(sample.label), labelled=float(sample.label != IGNORE))
    if sample.grid is not None:
        a, _, c, _, e, f = sample.grid.transform
        row.update(crs=short_crs(sample.grid.crs), left=c, top=f, pixel_x=a, pixel_y=e)
    return row


@lru_cache
def short_crs(wkt: str) -> str:
    """``EPSG:32633`` where that says the same as the WKT: half a million rows of WKT would outweigh the labels."""
    crs = rasterio.crs.CRS.from_wkt(wkt)
    code = crs.to_epsg()
    return f"EPSG:{code}" if code and rasterio.crs.CRS.from_epsg(code) == crs else wkt


@lru_cache
def long_crs(text: str) -> str:
    """The WKT of what `short_crs` gave."""
    return rasterio.crs.CRS.from_user_input(text).to_wkt(version="WKT2_2019") if text.startswith("EPSG:") else text


def _split(tiles: geopandas.GeoDataFrame, base: Grid | None, content: Content, options: ImportOptions, progress: Progress) -> Split:
    if content.divide:
        return content.divide(tiles, options, progress)
    given, apart = tiles["given"].to_numpy(str), set_aside(tiles)
    boxes = pixel_boxes(tiles, base) if base else None
    if options.keep_split and given[~apart].all() and not apart.all():
        split, names = given_split(given[~apart]), np.full(len(given), DROPPED, object)
        names[~apart] = split.names
        split = replace(split, names=names.astype(str))
        if apart.any():
            tiles[PLACE] = np.where(apart & (given != ""), given, None)
        if boxes is not None:
            split.facts["leakage_distance_px"] = gap(boxes, split.names, SPLITS[0], SPLITS[2])
        return split
    counts = _counts(tiles, content)
    if boxes is None:
        progress.message(f"{NO_PLACE} They were divided at random: neighbours may lie in training and in test, and scores flatter a model.",
                         level="warning")
        return random_split(tiles["label"].to_numpy() if "label" in tiles else counts > 0, options.plan, NO_PLACE)
    return split_by_place(boxes, counts, content.tile_size, options.plan, progress)


def _counts(tiles: geopandas.GeoDataFrame, content: Content) -> np.ndarray:
    """Pixels, or samples, of each class in each tile (n, class)."""
    if content.kind.pixelwise:
        return tiles[[f"share_{info.value}" for info in content.classes]].to_numpy() * content.tile_size**2
    if content.kind.several:
        return tiles[[f"has_{info.value}" for info in content.classes]].to_numpy(float)
    return content.kind.class_counts(tiles["label"].to_numpy(), len(content.classes)).astype(float)


def _resolution(grids: list[Grid | None], content: Content) -> list[float]:
    if content.pixel_size is not None:
        return [content.pixel_size] * 2
    known = [grid.metres_per_pixel() for grid in grids[:20] if grid is not None]
    if not known:
        raise DataError(f"The images of {content.source} do not say where they lie, so the size of their pixels is not known. Give it in "
                        "“Pixel size”.")
    return np.median(known, axis=0).round(2).tolist()


def _scene(content: Content, base: Grid | None, checksum: str) -> dict:
    """The data set as one scene; without a place its CRS is empty."""
    grid = base or Grid("", (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), 0, 0)
    return {"name": content.source.name, "path": str(content.source), "files": [], "crs": grid.crs, "transform": list(grid.transform),
            "width": grid.width, "height": grid.height, "date": "", "checksum": checksum}
