"""The peers of tile_export.py: started with the Python of an environment that has torchgeo and geoai-py; reads names, answers in JSON.

GeoAI writes a GeoTIFF of image and label per tile and a VOC annotation, as its example does. TorchGeo has no export: its grid
sampler over image and polygons is walked by a loader with no or two workers and the batches are thrown away, which spares it writing.
"""

import importlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

IMAGE, LABELS, FOLDER = map(Path, sys.argv[1:4])
TILE = 256
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the libraries print


def run_geoai() -> int:
    from geoai import export_geotiff_tiles

    shutil.rmtree(FOLDER, ignore_errors=True)
    export_geotiff_tiles(str(IMAGE), str(FOLDER), str(LABELS), tile_size=TILE, stride=TILE, class_value_field="cover", quiet=True)
    return len(list((FOLDER / "images").glob("*.tif")))


def run_torchgeo(workers: int) -> int:
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, VectorDataset, stack_samples
    from torchgeo.samplers import GridGeoSampler

    images = RasterDataset(paths=[str(IMAGE)])
    labels = VectorDataset(paths=[str(LABELS)], crs=images.crs, res=images.res, label_name="cover")
    both = images & labels
    sampler = GridGeoSampler(images, size=TILE, stride=TILE)
    return sum(len(batch["image"]) for batch in DataLoader(both, batch_size=16, sampler=sampler, num_workers=workers, collate_fn=stack_samples))


WAYS = {"geoai": run_geoai, "torchgeo": lambda: run_torchgeo(0), "torchgeo 2": lambda: run_torchgeo(2)}

if __name__ == "__main__":
    for package in ("geoai", "torchgeo.datasets", "torchgeo.samplers"):
        importlib.import_module(package)
    for line in sys.stdin:
        began, busy = time.perf_counter(), sum(os.times()[:4])
        tiles = WAYS[line.strip()]()
        ANSWERS.write(json.dumps({"tiles": tiles, "seconds": time.perf_counter() - began, "busy": sum(os.times()[:4]) - busy}) + "\n")
        ANSWERS.flush()
