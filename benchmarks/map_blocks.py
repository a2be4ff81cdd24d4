"""Whether anything but image and model changes a pixel of a map: extents, memory settings, and, on purpose, other blocks.

Run: python -m benchmarks.map_blocks model.onnx image.tif [--extents 20] [--csv docs/evidence/data/tile_size.csv]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import ClassMap
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.raster import Raster

MEMORY = (128, 1024, 8192)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model")
    arguments.add_argument("image")
    arguments.add_argument("--extents", type=int, default=20)
    arguments.add_argument("--csv", type=Path)
    asked = arguments.parse_args()
    model, found = package.open(asked.model), Figures("what differs", "figure")
    with Raster(asked.image) as raster:
        grid = raster.grid
    generator, whole = np.random.default_rng(0), {}
    with tempfile.TemporaryDirectory() as folder:
        def mapped(**facts) -> np.ndarray:
            map_scene(model, MapRequest([{"path": asked.image}], **facts), [ClassMap(f"{folder}/map.tif")])
            with rasterio.open(f"{folder}/map.tif") as source:
                return source.read(1)

        for small, blocks in ((False, f"blocks of {model.block} px"), (True, f"small blocks of {model.small_block} px")):
            whole[small] = mapped(small_blocks=small)
            differ = compared = 0
            for number in range(asked.extents):
                left, right = np.sort(generator.choice(grid.width + 1, 2, replace=False)).tolist()
                top, bottom = np.sort(generator.choice(grid.height + 1, 2, replace=False)).tolist()
                box = grid.bounds(Window(left, top, right - left, bottom - top))
                part = mapped(small_blocks=small, extent={"box": list(box), "crs": ""}, tile_size=MEMORY[number % len(MEMORY)])
                differ, compared = differ + int((part != whole[small][top:bottom, left:right]).sum()), compared + part.size
            found.add(f"{asked.extents} extents, three memory settings in turn, {blocks}", "pixels that differ [%]", value=100 * differ / compared)
        for size in MEMORY:
            found.add(f"the whole image, memory setting {size}", "pixels that differ [%]",
                      value=100 * float((mapped(tile_size=size) != whole[False]).mean()))
        found.add(f"“Small blocks”: {model.small_block} px in place of {model.block} px, border {model.halo} px", "pixels that differ [%]",
                  value=100 * float((whole[True] != whole[False]).mean()))
    print(*found.rows, sep="\n")
    if asked.csv:
        found.write(asked.csv)


if __name__ == "__main__":
    main()
