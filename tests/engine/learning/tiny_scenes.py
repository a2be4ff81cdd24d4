"""Small datasets with a label per image: four classes that differ in brightness and in the direction of their stripes."""

from pathlib import Path

import geopandas
import numpy as np
from shapely.geometry import box

from eo_pretrain_qgis.engine.datasets.dataset import TILES, ClassInfo, SensorInfo, write_description
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SPLITS
from eo_pretrain_qgis.engine.rasters.sensors import Band

CLASSES = [ClassInfo(1, "dark rows", "#8c6d31"), ClassInfo(2, "dark columns", "#1f77b4"),
           ClassInfo(5, "bright rows", "#2ca02c"), ClassInfo(9, "bright columns", "#d62728")]
SPLIT = ("training", "training", "validation", "training", "training", "test")


def striped(labels, size, bands, seed):
    """Images uint16 (n, band, y, x): class // 2 is the brightness, class % 2 the direction of stripes four pixels wide."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    shift = rng.integers(0, 8, (len(labels), 1, 1))
    wave = np.where(labels[:, None, None] % 2, x, y) + shift
    level = 1000 + 800 * (labels[:, None, None] // 2) + 300 * (wave // 4 % 2)
    images = level[:, None] + 100 * np.arange(bands)[:, None, None] + rng.normal(0, 60, (len(labels), bands, size, size))
    return images.clip(1).astype(np.uint16)


def write_scenes(folder, count=48, size=32, bands=3, seed=0, task="scene", splits=None, noise=0.0, weights=None, classes=4):
    """Writes the dataset; of the task multilabel it has the classes “bright” and “columns”, of which any may occur.

    `noise` is the share of training labels that are replaced by another class, drawn at random.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(count) % classes)
    images = striped(truth, size, bands, seed)
    splits = np.array([SPLIT[number % 6] for number in range(count)] if splits is None else splits)
    flipped = (rng.random(count) < noise) & (splits == "training")
    labels = np.where(flipped, (truth + rng.integers(1, max(2, classes), count)) % classes, truth).astype(np.uint8)
    entries = CLASSES[:classes]
    if task == "multilabel":
        labels, entries = np.stack([labels // 2, labels % 2], 1), [ClassInfo(1, "bright", "#2ca02c"), ClassInfo(2, "columns", "#1f77b4")]
    with ShardWriter(folder, {"image": (images.shape[1:], "uint16"), "labels": (labels.shape[1:], "uint8")}) as writer:
        writer.add(image=images, labels=labels)
        shards = writer.close()
    facts = ("mean", "std", "minimum", "maximum", "p001", "p25", "p50", "p75", "p999")
    names = [f"B{number + 2:02}" for number in range(bands)]
    train = images[splits == "training" if "training" in splits else slice(None)].astype(float)
    statistics = {name: dict(zip(facts, map(float, (v.mean(), v.std(), v.min(), v.max(), *np.quantile(v, (0.001, 0.25, 0.5, 0.75, 0.999))))))
                  for name, v in zip(names, train.transpose(1, 0, 2, 3))}
    columns = {"tile": range(count), "split": splits} | ({} if weights is None else {"weight": weights})
    geopandas.GeoDataFrame(columns, geometry=[box(number, 0, number + 1, 1) for number in range(count)],
                           crs="EPSG:32633").to_file(folder / TILES, layer="tiles", driver="GPKG")
    pixels = {split: [int((labels[splits == split][:, place] == 1).sum() if labels.ndim == 2 else (labels[splits == split] == place).sum())
                      for place in range(len(entries))] for split in SPLITS}
    sensor = SensorInfo("image", "sentinel2_l2a", "uint16", 0, tuple(Band(name, None, "reflectance", 1e-4, 0.0) for name in names))
    write_description(folder, {
        "task": task, "name": "stripes", "sensors": [sensor], "tile_size": size, "stride": size,
        "resolution_m": [10.0, 10.0], "classes": entries, "ignore": 255, "scenes": [], "labels": {},
        "split": {"text": "by hand"}, "statistics": {"image": statistics}, "class_pixels": pixels, "shards": shards})
    return folder
