"""The peers of tile_export.py: started with the Python of an environment that has them; reads names, answers in JSON.

GeoAI writes a GeoTIFF of image and label per tile and a VOC annotation, as its example does. TorchGeo has no export: its grid
sampler over image and polygons is walked by a loader with no or two workers and the batches are thrown away, which spares it writing.
Raster Vision's sources give chip and label of one window after the other; they too are thrown away.
"""

import importlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

IMAGE, LABELS, FOLDER = map(Path, sys.argv[1:4])
GEOJSON = FOLDER.with_suffix(".geojson")
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


def run_raster_vision() -> int:
    from rastervision.core.data import (
        ClassConfig,
        ClassInferenceTransformer,
        GeoJSONVectorSource,
        RasterioSource,
        RasterizedSource,
        SemanticSegmentationLabelSource,
    )

    classes = ClassConfig(names=["background", *map(str, range(1, 6))], null_class="background")
    image = RasterioSource(str(IMAGE))
    vectors = GeoJSONVectorSource(str(GEOJSON), crs_transformer=image.crs_transformer,
                                  vector_transformers=[ClassInferenceTransformer(default_class_id=None, class_config=classes)])
    labels = SemanticSegmentationLabelSource(RasterizedSource(vectors, background_class_id=0, bbox=image.bbox), class_config=classes)
    count = 0
    for window in image.extent.get_windows(TILE, TILE):
        if window.ymax <= image.bbox.ymax and window.xmax <= image.bbox.xmax:
            image.get_chip(window)
            labels.get_label_arr(window)
            count += 1
    return count


def write_geojson() -> None:
    """The polygons as Raster Vision wants them: in degrees, with a class_id."""
    geopandas = importlib.import_module("geopandas")
    polygons = geopandas.read_file(LABELS).to_crs(4326)
    polygons["class_id"] = polygons["cover"]
    polygons[["class_id", "geometry"]].to_file(GEOJSON, driver="GeoJSON")


WAYS = {"geoai": run_geoai, "torchgeo": lambda: run_torchgeo(0), "torchgeo 2": lambda: run_torchgeo(2), "raster vision": run_raster_vision}
NEEDED = {"geoai": ["geoai"], "torchgeo": ["torchgeo.datasets", "torchgeo.samplers"], "raster vision": ["rastervision.core.data"]}

if __name__ == "__main__":
    for line in sys.stdin:
        for package in NEEDED[line.strip().removesuffix(" 2")]:  # before the clock starts
            importlib.import_module(package)
        if line.strip() == "raster vision" and not GEOJSON.exists():
            write_geojson()
        began, busy = time.perf_counter(), sum(os.times()[:4])
        tiles = WAYS[line.strip()]()
        ANSWERS.write(json.dumps({"tiles": tiles, "seconds": time.perf_counter() - began, "busy": sum(os.times()[:4]) - busy}) + "\n")
        ANSWERS.flush()
