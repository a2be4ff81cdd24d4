"""The image that tiles were cut from, opened again as it was, so that one can see what lies around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import EOPretrainError
from ...progress import SILENT, Progress
from ..cards import SensorInfo
from ..even_sample import even_sample
from ..rasters import sources
from ..rasters.grid import Window
from ..rasters.meaning import as_stored, conversion
from ..rasters.raster import Scene
from ..rasters.sensors import name_bands
from .building import checksum
from .cutting import filled_image
from .dataset import Dataset

#: Tiles of an image whose pixels are compared with it: so many of those with pixels that were not measured, and of the others.
COMPARED = 16


class SourceLostError(Exception):
    """Why the image cannot be seen again as it was, as the second half of a sentence."""


def has_places(dataset: Dataset) -> bool:
    """Whether the dataset says from which image, and from where in it, each tile was cut."""
    return {"scene", "row", "col"} <= set(dataset.tiles)


def window_of(dataset: Dataset, tile: int) -> Window:
    """Where a tile lies in its image; see `has_places`."""
    row = dataset.tiles.iloc[tile]
    return Window(int(row["col"]), int(row["row"]), dataset.tile_size, dataset.tile_size)


def open_again(dataset: Dataset, name: str, tiles: np.ndarray, sensor: str = "", progress: Progress = SILENT) -> Scene:
    """The image of that name; it gives stored values of the dataset.

    Clouds that were masked, or values that were declared as nodata, are not in dataset.json. So pixels of some tiles must be those that were
    kept.

    Args:
        dataset: see there.
        name: of the image, in the field “scene” of tiles.gpkg.
        tiles: cut from it, positions (n,).
        sensor: whose image; empty is the only one.
        progress: told of the checksum.

    Raises:
        SourceLostError: it is not known, is gone, has changed, or gives other pixels.
    """
    if not has_places(dataset):
        raise SourceLostError("the dataset does not say where they were cut")
    info = dataset.sensor_named(sensor)
    facts = _facts(dataset, name, info)
    files = facts.get("files") or [facts.get("path") or name]
    for file in files:
        # A record never makes this plugin go online.
        if sources.is_address(file) or not _on_disk(file).exists():
            raise SourceLostError(_why_gone(dataset, name, info, file))
    known = facts.get("checksum")
    if known and checksum(files, progress) != known:
        raise SourceLostError(f"{files[0]} has changed")
    for declared in (None, info.nodata):
        try:
            scene = _scene(files, declared, info, str(dataset.folder))
            if (scene.grid.width, scene.grid.height) == (facts["width"], facts["height"]) and _same_pixels(scene, dataset, tiles, info):
                return scene
        except EOPretrainError:
            continue
    raise SourceLostError(f"{files[0]} gives other pixels than were kept, as after a mask of clouds")


def _facts(dataset: Dataset, name: str, info: SensorInfo) -> dict[str, Any]:
    """What is known of the image of a sensor."""
    found = [facts for facts in dataset.description["scenes"] if facts["name"] == name]
    if len(found) != 1:
        raise SourceLostError(f"the dataset describes {len(found)} images called {name}")
    facts = found[0]
    if info.name == dataset.sensors[0].name or facts.get("sensor") == info.name:
        return facts
    return {**facts, "files": [], "path": "", "checksum": "", **facts.get("partners", {}).get(info.name, {})}


def _why_gone(dataset: Dataset, name: str, info: SensorInfo, file: str) -> str:
    """Why a file of the image of a sensor is not there: one that was brought onto the pixels of another image was kept for the tiles alone."""
    pairs = dataset.facts.get("pairs") or () if info.name != dataset.sensors[0].name else ()
    aligned = any(pair["scene"] == name and pair["aligned"] for pair in pairs)
    return f"the image of {info.name} was resampled to its pixels when the dataset was made" if aligned else f"{file} is no longer there"


def _on_disk(path: str) -> Path:
    """The file or folder that a path of GDAL leads to; of a file in an archive the archive."""
    plain = Path(path.removeprefix("/vsizip/").removeprefix("/vsitar/"))
    return next((part for part in (plain, *plain.parents) if part.is_file()), plain)


def _scene(files: list[str], declared: float | None, info: SensorInfo, where: str) -> Scene:
    """The image with its values brought to those of the dataset."""
    scene = Scene.open([{"path": file} for file in files], declared, info.preset)
    scene.finer = info.finer or 1
    named = name_bands(info.preset, scene.band_names, ",".join(band.name for band in info.bands))
    scene.conversion = conversion(scene, as_stored(scene, named), where, list(info.bands), info.dtype)
    return scene


def _same_pixels(scene: Scene, dataset: Dataset, tiles: np.ndarray, info: SensorInfo) -> bool:
    whole = dataset.tiles["valid"].to_numpy()[tiles] == 1 if "valid" in dataset.tiles else np.ones(len(tiles), bool)
    for tile in (*even_sample(tiles[~whole], COMPARED), *even_sample(tiles[whole], COMPARED)):
        image, valid = scene.read(window_of(dataset, tile))
        kept = dataset.images(np.array([tile]), info.name)[0]
        if not np.array_equal(filled_image(image, valid, info), kept, equal_nan=kept.dtype.kind == "f"):
            return False
    return True
