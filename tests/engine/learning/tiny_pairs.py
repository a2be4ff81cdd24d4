"""Small datasets that two sensors see: s2 tells the brightness of an object, s1 its texture, so that either alone tells half of the classes."""

from pathlib import Path

import geopandas
import numpy as np
import rasterio
from shapely.geometry import box

from eo_pretrain_qgis.engine.datasets.dataset import TILES, ClassInfo, SensorInfo, write_description
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.rasters.sensors import Band

CLASSES = [ClassInfo(1, "dark smooth", "#8c6d31"), ClassInfo(2, "dark rough", "#1f77b4"), ClassInfo(3, "bright smooth", "#2ca02c"),
           ClassInfo(4, "bright rough", "#d62728")]
SPLIT = ("training", "training", "validation", "training", "training", "test")
S2 = SensorInfo("s2", "sentinel2_l2a", "uint16", 0, tuple(Band(name, None, "reflectance", 1e-4, 0.0) for name in ("B02", "B03", "B04")))
S1 = SensorInfo("s1", "sentinel1_db", "float32", None, tuple(Band(name, None, "dB", 1.0, 0.0) for name in ("VV", "VH")))
FACTS = ("mean", "std", "minimum", "maximum", "p001", "p25", "p50", "p75", "p999")
#: Days of the images of a place.
DATES = ("2024-06-01", "2024-06-15")


def images_of(classes, seed):
    """Images of both, uint16 (n, 3, y, x) and float32 (n, 2, y, x), of positions of classes (n, y, x)."""
    rng = np.random.default_rng(seed)
    bright, rough = classes // 2, classes % 2
    shape = (len(classes), 1, *classes.shape[1:])
    optical = 1000 + 900 * bright[:, None] + 100 * np.arange(3)[:, None, None] + rng.normal(0, 150, (shape[0], 3, *shape[2:]))
    radar = -14 + 5 * rough[:, None] - 6 * np.arange(2)[:, None, None] + rng.normal(0, 1, (shape[0], 2, *shape[2:]))
    return optical.clip(1).astype(np.uint16), radar.astype(np.float32)


def write_pairs(folder, count=24, size=32, seed=0, task="segmentation", clouds=(), silent=(), sensors=("s2", "s1"), dates=DATES):
    """Writes the dataset; of the task segmentation the left half of a tile is of one class and the right half of another.

    Args:
        folder: new.
        count: of tiles.
        size: of these [px].
        seed: of the images.
        task: segmentation, scene or multilabel (bright, rough).
        clouds: tiles that s2 did not measure; a tuple of a tile and a share hides the upper rows alone.
        silent: tiles that s1 did not measure.
        sensors: which of the two it has.
        dates: of the images of both.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(np.arange(count) % 4)
    classes = np.broadcast_to(kinds[:, None, None], (count, size, size)).copy()
    if task == "segmentation":
        classes[:, :, size // 2:] = ((kinds + rng.integers(1, 4, count)) % 4)[:, None, None]
    optical, radar = images_of(classes, seed)
    for cloud in clouds:
        tile, share = cloud if isinstance(cloud, tuple) else (cloud, 1)
        optical[tile, :, :round(share * size)] = 0
    radar[list(silent)] = np.nan
    labels = {"segmentation": classes, "scene": kinds, "multilabel": np.stack([kinds // 2, kinds % 2], 1)}[task].astype(np.uint8)
    entries = [ClassInfo(1, "bright", "#2ca02c"), ClassInfo(2, "rough", "#1f77b4")] if task == "multilabel" else CLASSES
    splits = np.array([SPLIT[number % 6] for number in range(count)])
    infos = [info for info in (S2, S1) if info.name in sensors]
    arrays = {info.name: {"s2": optical, "s1": radar}[info.name] for info in infos}
    every = {**arrays, "labels": labels}
    with ShardWriter(folder, {name: (array.shape[1:], str(array.dtype)) for name, array in every.items()}) as writer:
        writer.add(**every)
        shards = writer.close()
    table = {"tile": range(count), "split": splits, "scene": ["place"] * count, "row": [0] * count, "col": [size * n for n in range(count)]}
    geopandas.GeoDataFrame(table, geometry=[box(n, 0, n + 1, 1) for n in range(count)], crs="EPSG:32633").to_file(
        folder / TILES, layer="tiles", driver="GPKG")
    pixels = {split: [int((labels[splits == split][:, place] == 1).sum() if task == "multilabel" else (labels[splits == split] == place).sum())
                      for place in range(len(entries))] for split in ("training", "validation", "test")}
    other = {"name": "radar", "path": "gone too.tif", "files": [], "date": dates[1], "checksum": ""}
    scene = {"name": "place", "path": "gone.tif", "files": [], "crs": rasterio.crs.CRS.from_epsg(32633).to_wkt(), "width": size * count,
             "transform": [10.0, 0.0, 0.0, 0.0, -10.0, 0.0], "height": size, "date": dates[0], "checksum": "", "partners": {"s1": other}}
    write_description(folder, {
        "task": task, "name": "pairs", "sensors": infos, "tile_size": size, "stride": size, "resolution_m": [10.0, 10.0], "classes": entries,
        "ignore": 255, "scenes": [scene], "labels": {}, "split": {"text": "by hand"},
        "statistics": {info.name: _statistics(info, arrays[info.name][splits == "training"]) for info in infos},
        "class_pixels": pixels, "shards": shards})
    return folder


def _statistics(info, images):
    """Of measured pixels."""
    known = info.valid(images)
    rows = [images[:, band][known].astype(float) for band in range(len(info.bands))]
    return {band.name: dict(zip(FACTS, map(float, (v.mean(), v.std(), v.min(), v.max(), *np.quantile(v, (0.001, 0.25, 0.5, 0.75, 0.999))))))
            for band, v in zip(info.bands, rows)}
