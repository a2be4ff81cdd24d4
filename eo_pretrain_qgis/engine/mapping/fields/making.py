"""From a model and an image to a layer of fields."""

from __future__ import annotations

import time
from typing import Any

from ....errors import listed
from ....progress import SILENT, Progress
from ...models.package import Package
from ..inference import Product, map_scene
from ..products.classes import ClassMap
from ..request import MapRequest
from ..scratch import scratch_array
from .decoding import Decoding, positions
from .outlines import Shaping, write_fields
from .seams import FieldLayers, decode


def map_fields(model: Package, request: MapRequest, output: str, class_map: str | None, decoding: Decoding, shaping: Shaping,
               progress: Progress = SILENT) -> dict[str, Any]:
    """Maps an image and draws the fields in it.

    Args:
        model: of a dataset of fields.
        request: the image.
        output: the .gpkg to write, see `outlines.write_fields`.
        class_map: raster of the classes to write; None writes none.
        decoding: how fields are told apart.
        shaping: how their outlines are drawn.
        progress: told of every block.

    Returns:
        ``fields``, ``area_ha``, ``out_of_range_share``, ``valid_share``, ``device`` and ``seconds``.

    Raises:
        ModelError: the model does not know fields; and see `map_scene`, as for all others.
    """
    started = time.monotonic()
    positions(model)
    with request.scene(model, progress) as scene:
        grid, days = scene.grid, [raster.acquired for raster in scene.rasters if raster.acquired]
    if days != sorted(days):
        progress.message(f"The images are given in the order {listed(days, 6)}. A model of two dates takes them in the order in which they are "
                         "given, and mostly learned the earlier one first: check it.", level="warning")
    area = request.area(grid)
    with FieldLayers.beside(output, (area.height, area.width)) as layers, scratch_array(output, "int32", (area.height, area.width)) as numbers:
        products: list[Product] = [layers, *([ClassMap(class_map)] if class_map else [])]
        outcome = map_scene(model, request, products, progress.part(0, 0.6))
        found = decode(layers.layers, numbers, decoding, progress.part(0.6, 0.85))
        fields, hectares = write_fields(found, grid.sub(area), output, shaping, progress.part(0.85, 1), layers.tags)
    return {"fields": fields, "area_ha": round(hectares, 2), "out_of_range_share": outcome.out_of_range_share, "valid_share": outcome.valid_share,
            "device": outcome.device, "seconds": round(time.monotonic() - started, 2)}
