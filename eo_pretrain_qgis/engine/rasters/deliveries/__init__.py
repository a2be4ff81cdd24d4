"""Scenes as their makers deliver them, a folder or archive of band files with metadata, opened as one raster of all bands.

Each maker has a file that reads its metadata into a `Delivery`; `virtual` puts the band files on one grid. Nothing is copied.
"""

from __future__ import annotations

import math
import os

from ....errors import DataError
from ....scene_names import ITEMS, METADATA, cube_parts, may_be_scene, split_day, split_grid, split_item
from . import band_files, cubes, items, landsat, sentinel1, sentinel2
from .packages import Delivery, Virtual, open_package
from .virtual import build

#: Readers in the order in which they are asked; each answers None to what is not its own.
READERS = (sentinel2.read, sentinel1.read, landsat.read, band_files.read)


def delivery_of(path: str) -> Delivery | None:
    """What a path holds; None where it is no scene of several files, so that GDAL opens it as it is.

    Raises:
        DataError: a scene whose metadata cannot be read or contradict the files.
    """
    plain, _ = split_grid(path)
    if cube_parts(plain)[0]:
        return cubes.read(*split_day(plain))
    if not may_be_scene(plain):
        if plain != path:
            raise DataError(f"{path} asks for a grid, and {plain} is no folder, archive, item file or metadata file of a scene. Leave out what "
                            "follows “|”.")
        return None
    file, item = split_item(plain)
    if file.lower().endswith(ITEMS) and not METADATA.fullmatch(os.path.basename(file)):
        return items.read(file, item)
    package = open_package(plain)
    return next((found for reader in READERS if package and (found := reader(package))), None)


def virtual_of(path: str) -> Virtual | None:
    """A scene of several files as one raster; None where `delivery_of` is.

    Raises:
        DataError: as `delivery_of` and `virtual.build`.
    """
    delivery = delivery_of(path)
    if delivery is None:
        return None
    _, resolution = split_grid(path)
    try:
        pixel = float(resolution) if resolution else None
    except ValueError:
        pixel = math.nan
    if pixel is not None and not 0 < pixel < math.inf:
        raise DataError(f"{path} asks for pixels of “{resolution}”, which is no size. Write it as |resolution=20.")
    return build(delivery, path, pixel)


def mask_of(source: dict, kind: str) -> tuple[dict, str]:
    """The raster value and kind of the mask of clouds: of a scene as delivered its own, of everything else what was given.

    Args:
        source: raster value of a job.
        kind: key of `clouds.KINDS`, of masks that are rasters.

    Raises:
        DataError: a scene that was delivered without a classification.
    """
    delivery = delivery_of(source["path"])
    if delivery is None:
        return source, kind
    if not delivery.mask:
        raise DataError(f"{source['path']} holds no scene classification, so it cannot be the cloud mask of an image. Give a mask as a raster.")
    return {"path": delivery.mask, "name": delivery.name, "date": delivery.date}, delivery.mask_kind or kind
