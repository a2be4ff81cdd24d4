"""Adds newly labelled tiles to a dataset: a new folder that holds both, with the validation and test tiles as they were."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pandas
import shapely

from ...errors import DataError
from ...outputs import move
from ...progress import SILENT, Progress
from ..rasters.grid import Grid
from ..rasters.raster import Scene
from ..rasters.vector import VectorLayer, is_vector
from ..tasks import require
from .block_sums import sums_file
from .building import About, Imagery, build_dataset
from .cutting import Cutting, Labels
from .dataset import DROPPED, SPLITS, Dataset, SensorInfo
from .footprints import pixel_boxes, read_footprints
from .joined_labels import JoinedLabels
from .labels import RasterLabels, VectorLabels, open_labels
from .legend import BACKGROUND, class_key
from .likeness import check_like
from .splitting.by_place import TOLERANCE, Split, SplitPlan, gap
from .splitting.division import finish, link_samples
from .subsets import held_ground

#: Where the new tiles lie until they are moved beside the old ones.
ADDED = "added"


def open_extended(folder: str) -> Dataset:
    """Opens the dataset to be extended.

    Raises:
        DataError: when tiles cannot be added to such a dataset.
    """
    dataset = Dataset.open(folder)
    reason = ""
    require(dataset, ["segmentation"], "adding tiles")
    if len(dataset.sensors) > 1:
        reason = f"holds images of {len(dataset.sensors)} sensors"
    elif dataset.shards.extras():
        reason = f"keeps {', '.join(dataset.shards.extras())} beside its labels"
    elif not dataset.description["scenes"]:
        reason = "does not say where its tiles lie"
    if reason:
        raise DataError(f"{folder} {reason}, and tiles can be added only to a dataset of one sensor with a class per pixel. Choose one made by "
                        "“Create training dataset”.")
    if read_footprints(folder, [f"share_{row.value}" for row in dataset.classes]).geometry.isna().any():
        raise DataError(f"{folder} has tiles that do not say where they lie, so none can be added. Choose a dataset made by “Create training "
                        "dataset”.")
    return dataset


def open_labels_for(dataset: Dataset, sources: list[dict], grids: list[Grid], *, class_field: str | None = None, unlabelled: str = "ignored",
                    buffer: float | None = None,
                    progress: Progress = SILENT) -> VectorLabels | RasterLabels | JoinedLabels:
    """Reads labels as classes of a dataset; a class may be given by its value or by its name.

    Args:
        dataset: whose classes count.
        sources: a job's layer values, rasters or vectors.
        grids: of the images to be labelled.
        class_field: field with the class.
        unlabelled: "ignored", or "background" where the dataset has that class.
        buffer: half the width of lines, radius of points [m].
        progress: told how far it is; told which values are no class of the dataset.

    Raises:
        DataError: when no value in the labels is a class of the dataset.
    """
    classes = dataset.classes
    if unlabelled == "background":
        if classes[0].value != BACKGROUND.value or classes[0].name != BACKGROUND.name:
            raise DataError(f"{dataset.folder} has no class “{BACKGROUND.name}”. Set “Pixels without a label are” to ignored.")
        classes = classes[1:]
    by_name = _by_name(dataset, sources, class_field)
    table = [{"value": row.name if by_name else str(row.value), "name": row.name, "color": row.color} for row in classes]
    labels = open_labels(sources, grids, class_field=class_field, class_table=table, unlabelled=unlabelled, buffer=buffer, progress=progress)
    labels.legend = replace(labels.legend, classes=tuple(dataset.classes))
    return labels


def extend_dataset(folder: Path, dataset: Dataset, scenes: list[Scene], sensor: SensorInfo, labels: Labels, cutting: Cutting, name: str,
                   progress: Progress = SILENT) -> Split:
    """Cuts new tiles and writes them together with those of a dataset, which stays as it is.

    Old tiles keep their split. New tiles are for training, except those nearer to a validation or test tile than the dataset's buffer, which
    are dropped. The arrays of the dataset are linked where the disk allows, else copied.

    Args:
        folder: an empty folder to fill.
        dataset: what `open_extended` gave.
        scenes: of the new tiles.
        sensor: what `describe_sensor` said of them, with this dataset as `like`.
        labels: what `open_labels_for` gave.
        cutting: how the new tiles are cut.
        name: of the new dataset.
        progress: told how far it is.

    Raises:
        DataError: when bands, types or tile size differ, or nothing can be cut.
    """
    _check(dataset, scenes, sensor, cutting, progress)
    place = folder / ADDED  # no array is called so: their names end in .npy
    place.mkdir()
    build_dataset(place, Imagery(scenes, dataset.sensor_named()), labels, replace(cutting, minimum_classes=1), SplitPlan(0, 0, joins=True),
                  About(name), progress.part(0, 0.7))
    added = Dataset.open(place)
    old, new, count = dataset.description, added.description, len(added)
    tiles, names, dropped, buffer = _tiles(dataset, added)
    del added  # Windows moves no file that is mapped
    shards = [*old["shards"], *moved(new["shards"], place, folder, linked(dataset, folder, progress.part(0.7, 0.75)))]
    shutil.rmtree(place)
    text = (f"{old['split'].get('text', '')} Then {count} tiles were added: {count - dropped} for training, {dropped} dropped because they lie "
            f"nearer than {buffer:g} px to a validation or test tile.").strip()
    if dropped == count:
        progress.message("All new tiles lie too near to validation or test tiles, so none of them is used in training.", level="warning")
    split = Split(names, {**old["split"], **_facts(dataset, tiles, names), "text": text})
    scenes_facts = [*old["scenes"], *(scene for scene in new["scenes"] if scene not in old["scenes"])]
    description = {**old, "name": name, "classes": dataset.classes, "sensors": dataset.sensors, "shards": shards, "scenes": scenes_facts,
                   "labels": {**old["labels"], "added": [*old["labels"].get("added", []), new["labels"]]}}
    return finish(folder, description, tiles, split, progress.part(0.75, 1))


def _by_name(dataset: Dataset, sources: list[dict], class_field: str | None) -> bool:
    """Whether the labels give classes by name and not by value."""
    vectors = [source for source in sources if is_vector(source)]
    if not class_field or not vectors:
        return False
    layers = [VectorLayer.open(source) for source in vectors]
    found = {key for layer in layers for key in map(class_key, layer.read([class_field])[class_field]) if key is not None}
    values, names = {str(row.value) for row in dataset.classes}, {row.name for row in dataset.classes}
    if found and not found & (values | names):
        some = ", ".join(sorted(found)[:8])
        raise DataError(f"The field “{class_field}” of {layers[0].path} holds {some}, but the classes of {dataset.folder} are "
                        f"{', '.join(f'{row.value} ({row.name})' for row in dataset.classes[:20])}. Give these values or names.")
    return len(found & names) > len(found & values)


def _check(dataset: Dataset, scenes: list[Scene], sensor: SensorInfo, cutting: Cutting, progress: Progress) -> None:
    if cutting.tile_size != dataset.tile_size:
        raise DataError(f"The tiles of {dataset.folder} have {dataset.tile_size} px, but {cutting.tile_size} px were asked for. Set the tile size to "
                        f"{dataset.tile_size}.")
    check_like(dataset, scenes[0], sensor, progress)


def linked(dataset: Dataset, folder: Path, progress: Progress = SILENT) -> int:
    """Links or copies the arrays of a dataset; returns the first number that is free for others."""
    link_samples(dataset, folder, progress)
    return free_number(dataset)


def free_number(dataset: Dataset) -> int:
    """The first number that no array file of a dataset has."""
    return 1 + max((int(found[1]) for name in dataset.shards.files() if (found := re.search(r"-(\d{1,9})\.npy$", name))), default=-1)


def moved(shards: list[dict], place: Path, folder: Path, first: int) -> list[dict]:
    """Moves the new arrays into the folder under free numbers; returns their shards."""
    renamed = []
    for number, shard in enumerate(shards, first):
        old = {"images": shard["images"], "labels": {"": shard["labels"]}, "extra": shard.get("extra", {})}
        new = {kind: {name: _renumbered(file, number) for name, file in files.items()} for kind, files in old.items()}
        for kind, files in old.items():
            for name, file in files.items():
                move(place / file, folder / new[kind][name])
                move(sums_file(place / file), sums_file(folder / new[kind][name]))
        extra = {"extra": new["extra"]} if new["extra"] else {}
        renamed.append({**shard, "images": new["images"], "labels": new["labels"][""], **extra})
    return renamed


def _renumbered(name: str, number: int) -> str:
    return f"{Path(name).stem.rpartition('-')[0]}-{number:03d}.npy"


def _tiles(dataset: Dataset, added: Dataset) -> tuple[geopandas.GeoDataFrame, np.ndarray, int, float]:
    """All tiles in the CRS of the dataset, their splits, how many new ones were dropped, and the buffer [px]."""
    old, new = read_footprints(dataset.folder), read_footprints(added.folder)
    new = new.to_crs(old.crs)
    buffer = float(dataset.description["split"].get("buffer_px") or dataset.tile_size)
    grid, names = _grid(dataset), dataset.splits
    kept = np.isin(held_ground(old), SPLITS[1:])
    near = np.zeros(len(new), bool)
    if kept.any():
        reach = buffer - 2 * TOLERANCE
        tree = shapely.STRtree(_shapes(pixel_boxes(old[kept], grid), reach))
        near[np.unique(tree.query(_shapes(pixel_boxes(new, grid), 0), predicate="intersects")[0])] = True
    together = geopandas.GeoDataFrame(pandas.concat([old, new], ignore_index=True), crs=old.crs)
    return together, np.concatenate([names, np.where(near, DROPPED, SPLITS[0])]), int(near.sum()), buffer


def _facts(dataset: Dataset, tiles: geopandas.GeoDataFrame, names: np.ndarray) -> dict:
    """What changes in the facts of the split."""
    counts = [int((names == split).sum()) for split in SPLITS]
    boxes = pixel_boxes(tiles, _grid(dataset))
    return {"shares": [round(count / sum(counts), 4) for count in counts], "dropped_tiles": int((names == DROPPED).sum()),
            "leakage_distance_px": gap(boxes, names, SPLITS[0], SPLITS[2])}


def _grid(dataset: Dataset) -> Grid:
    first = dataset.description["scenes"][0]
    return Grid(first["crs"], tuple(first["transform"]), first["width"], first["height"])


def _shapes(boxes: np.ndarray, reach: float) -> np.ndarray:
    return shapely.box(boxes[:, 0] - reach, boxes[:, 1] - reach, boxes[:, 2] + reach, boxes[:, 3] + reach)
