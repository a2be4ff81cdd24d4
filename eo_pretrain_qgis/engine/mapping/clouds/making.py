"""From what tells the clouds of a scene to a mask: a raster of flags that every job reads which takes cloud masks."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ....errors import DataError
from ....progress import SILENT, Progress
from ...cards import ClassInfo
from ...rasters.clouds import CLEAR, CLOUD, NOT_MEASURED, SHADOW, SNOW
from ...rasters.grid import Window, blocks
from ...rasters.raster import Scene
from ..products.classes import class_drawing
from ..products.drawing import NO_VALUE
from ..request import MapRequest
from ..scratch import scratch_array
from .growing import BLOCK, grow
from .sources import CloudSource

CLASSES = (ClassInfo(CLEAR, "clear", "#e8f1e4"), ClassInfo(CLOUD, "cloud", "#f28e2b"), ClassInfo(SHADOW, "shadow", "#2b4c7e"),
           ClassInfo(SNOW, "snow", "#9edae5"))
#: Tag of a mask: what was taken for cloud.
TAKEN = "EO_PRETRAIN_CLOUDS"


def write_mask(source: CloudSource, request: MapRequest, output: str, grow_m: float = 0.0, progress: Progress = SILENT) -> dict[str, Any]:
    """Writes the mask of a scene as a Byte COG, 255 = nodata, with its style.

    Args:
        source: tells the clouds.
        request: the scene and the part that is wanted.
        output: the .tif to write.
        grow_m: how much wider clouds and shadows are made, see `growing.grow` [m].
        progress: told how far it is.

    Returns:
        ``cloud_share``, ``shadow_share``, ``snow_share`` and ``clear_share`` of the measured pixels, 0 to 1, and ``valid_share``, theirs of all.

    Raises:
        DataError: nothing was measured; and see `CloudSource.fill`, as for all others.
    """
    with Scene.open(list(request.sources), request.nodata) as scene:
        grid, name, acquired = scene.grid, scene.name, scene.acquired
    area = request.area(grid)
    part, shape = grid.sub(area), (area.height, area.width)
    tags = {"EO_PRETRAIN_IMAGES": json.dumps([name], ensure_ascii=False), TAKEN: source.words,
            "EO_PRETRAIN_PARAMETERS": json.dumps(request.provenance, ensure_ascii=False)} | ({"ACQUISITION_DATE": acquired} if acquired else {})
    with scratch_array(output, "uint8", shape) as flags, scratch_array(output, "uint8", shape if grow_m else (1, 1)) as grown:
        flags[:] = NOT_MEASURED
        source.fill(grid, area, flags, progress.part(0, 0.85))
        if grow_m:
            grow(flags, grown, grow_m, part.metres_per_pixel(), progress.part(0.85, 0.95))
        found, counts = grown if grow_m else flags, np.zeros(NOT_MEASURED + 1, np.int64)
        pieces = [(piece, np.s_[piece.row:piece.row + piece.height, piece.col:piece.col + piece.width])
                  for piece in blocks(Window(0, 0, area.width, area.height), BLOCK)]
        for _, place in pieces:
            counts += np.bincount(found[place].ravel(), minlength=len(counts))
        measured = int(counts[:NOT_MEASURED].sum())
        if not measured:
            raise DataError(f"Of {name} no pixel in the area was measured; all are nodata. Choose another extent, or check the nodata value.")
        with class_drawing(output, CLASSES).written(part, tags, progress.part(0.95, 1)) as write:
            for piece, place in pieces:
                write(np.where(found[place] == NOT_MEASURED, np.uint8(NO_VALUE), found[place]), piece)
    shares = {f"{row.name}_share": round(float(counts[row.value] / measured), 6) for row in CLASSES}
    return {**shares, "valid_share": round(measured / (shape[0] * shape[1]), 6)}
