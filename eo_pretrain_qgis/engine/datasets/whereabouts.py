"""Where the samples of datasets lie and what they were cut from, for pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from ...errors import DataError, listed
from ..even_sample import even_sample
from ..looks.place import LONLAT, Place, crs_words, dates_words, files_words, outline_of, quantity, sensor_words
from ..rasters.dates import day_in
from ..rasters.grid import Grid
from ..rasters.lengths import areas_m2
from .dataset import Dataset
from .footprints import read_footprints

#: Scenes, or tiles, of which the outlines are drawn.
DRAWN = 300
#: Outlines that are laid on each other to count the ground under them once; of more, those that are not the same are added up.
LAID = 20_000
#: Coordinate systems that are named.
TOLD = 4


def whereabouts(*datasets: Dataset) -> Place:
    """Place, ground, sensors, dates, coordinate systems and source files of datasets together; nothing of what they do not know."""
    scenes = [row for dataset in datasets for row in dataset.description["scenes"]]
    systems = list(dict.fromkeys(row["crs"] for row in scenes if _placed(row)))
    hectares = [_hectares(dataset.folder, dataset.checksum) for dataset in datasets]
    return Place([outline for dataset in datasets for outline in _outlines(dataset, len(datasets))], [
        ("Ground", listed(f"{quantity(size)} ha under the {dataset.kind.unit}{f' of {dataset.name}' if len(datasets) > 1 else ''}"
                          for dataset, size in zip(datasets, hectares, strict=True) if round(size, 2))),
        ("Dates", dates_words(day for dataset in datasets for day in _days_of(dataset))),
        ("Sensors", listed(sensor_names(*datasets)) or ""),
        ("Coordinate system", listed([*map(crs_words, systems[:TOLD]), *systems[TOLD:]], TOLD)),
        ("Source files", files_words(_files(scenes))),
        ("Labels", files_words(dataset.description["labels"].get("path") or "" for dataset in datasets))])


def learned_from(*datasets: Dataset) -> dict[str, Any]:
    """The same in few numbers, for the cards of runs and models, see `cards.LearnedFrom`; no names of files."""
    outlines = [outline for dataset in datasets for outline in _outlines(dataset, len(datasets))]
    days = sorted({day for dataset in datasets for day in _days_of(dataset)})
    return as_learned_from(outlines, days, sensor_names(*datasets), sum(_hectares(dataset.folder, dataset.checksum) for dataset in datasets))


def as_learned_from(outlines: Sequence[shapely.Geometry], days: Sequence[str], sensors: Sequence[str], hectares: float = 0.0) -> dict[str, Any]:
    """Outlines in longitude and latitude, days, sensors and ground as `cards.LearnedFrom`, with boxes in place of outlines."""
    boxes = [[round(edge, 4) for edge in outline.bounds] for outline in outlines]
    return {"boxes": boxes, "dates": list(days), "sensors": list(sensors), "hectares": round(hectares, 2)}


def sensor_names(*datasets: Dataset) -> list[str]:
    """What the sensors of datasets are called, those that are known."""
    names = dict.fromkeys(sensor_words(sensor.name, sensor.preset) for dataset in datasets for sensor in dataset.sensors)
    return [name for name in names if name]


def _images(scenes: Iterable[dict]) -> Iterator[dict]:
    """What is known of the images of scenes, those of further sensors included."""
    for row in scenes:
        yield row
        yield from row.get("partners", {}).values()


def _days_of(dataset: Dataset) -> list[str]:
    """The days of all images. Scenes of older datasets of fields tell one day of two; those of the first stand in the facts of the theme."""
    scenes = dataset.description["scenes"]
    older = dataset.theme == "fields" and not any(row.get("dates") for row in scenes)
    more = [day.isoformat() for text in dataset.facts.get("dates", ()) if (day := day_in(text))] if older else []
    return list(dict.fromkeys([*_days(scenes), *more]))


def _days(scenes: Iterable[dict]) -> list[str]:
    return [day for image in _images(scenes) for day in (image.get("dates") or [image.get("date")]) if day]


def _files(scenes: Iterable[dict]) -> list[str]:
    return [file for image in _images(scenes) for file in (image.get("files") or [image.get("path") or image.get("name") or ""])]


def _placed(scene: dict) -> bool:
    return bool(scene.get("crs") and scene.get("width") and scene.get("height"))


def _outlines(dataset: Dataset, several: int) -> list[shapely.Geometry]:
    """Outlines of the scenes, or of the tiles where no scene says where it lies, in longitude and latitude [degree]."""
    scenes, drawn = [row for row in dataset.description["scenes"] if _placed(row)], max(1, DRAWN // several)
    chosen = even_sample(np.arange(len(scenes)), drawn)
    grids = [Grid(row["crs"], tuple(row["transform"]), row["width"], row["height"]) for row in (scenes[number] for number in chosen)]
    if found := [outline for grid in grids if (outline := outline_of(grid)) is not None]:
        return found
    try:
        tiles = read_footprints(dataset.folder).geometry.dropna()
    except DataError:  # the report tells of the tiles elsewhere
        return []
    if not len(tiles):
        return []
    return list(tiles.iloc[even_sample(np.arange(len(tiles)), drawn)].to_crs(LONLAT))


@lru_cache(32)
def _hectares(folder: Path, checksum: str) -> float:
    """The ground under the tiles of a dataset, each piece counted once [ha]; 0 of points and where nothing says where they lie.

    `checksum` tells a dataset from what was in its folder before: reports are written again and again.
    """
    try:
        tiles = read_footprints(folder).geometry.dropna()
    except DataError:
        return 0.0
    outlines = shapely.normalize(np.asarray(tiles[tiles.geom_type == "Polygon"], object))
    shapes = shapely.from_wkb(np.unique(shapely.to_wkb(outlines)))
    if not len(shapes):
        return 0.0
    if len(shapes) <= LAID:
        shapes = shapely.get_parts(shapely.union_all(shapes))
    return float(areas_m2(shapes, tiles.crs.to_wkt()).sum()) / 1e4
