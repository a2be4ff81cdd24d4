"""A small labelled dataset with known truth: a bright disc (class 7) on dark ground (class 3), and a strip nobody measured."""

from pathlib import Path

import geopandas
import numpy as np
from shapely.geometry import box

from eo_pretrain_qgis.engine.datasets.dataset import TILES, ClassInfo, SensorInfo, write_description
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.rasters.sensors import Band

CLASSES = [ClassInfo(3, "ground", "#8c6d31"), ClassInfo(7, "disc", "#1f77b4")]


def tiles(count, size, bands, seed, dtype="uint16"):
    """Images (n, band, y, x) and labels (n, y, x); the upper two rows are nodata."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    centre = rng.uniform(size * 0.3, size * 0.7, (count, 2, 1, 1))
    disc = np.hypot(y - centre[:, 0], x - centre[:, 1]) < size * 0.3
    level = np.where(disc[:, None], 2200, 1000) + 100 * np.arange(bands)[:, None, None]
    images = (level + rng.normal(0, 150, (count, bands, size, size))).clip(1)
    labels = disc.astype(np.uint8)
    images[:, :, :2], labels[:, :2] = 0, 255
    return images.astype(dtype), labels


def write_dataset(folder, count=12, size=64, bands=3, seed=0, splits=None, classes=CLASSES, unit="reflectance", one_class=False,
                  shares=None):
    """Writes the dataset: by default two thirds of the tiles train, the rest is validation and test in turn.

    With `shares` the label's class has that share of each labelled pixel, and the other class of two the rest.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = tiles(count, size, bands, seed)
    if one_class:
        labels[labels == 1] = 0
    if splits is None:
        splits = [("training", "training", "validation", "training", "training", "test")[number % 6] for number in range(count)]
    names = [f"B{number + 2:02}" for number in range(bands)]
    arrays = {"image": images, "labels": labels}
    if shares is not None:
        own = np.stack([labels == number for number in range(2)], 1)
        arrays["shares"] = (np.where(own, shares, 1 - shares) * 255 * (labels != 255)[:, None]).astype(np.uint8)
    kinds = {name: (array.shape[1:], str(array.dtype)) for name, array in arrays.items()}
    with ShardWriter(folder, kinds, extra=["shares"] if shares is not None else ()) as writer:
        writer.add(**arrays)
        shards = writer.close()
    train = np.array(splits) == "training"
    known = images[train].transpose(1, 0, 2, 3)[:, labels[train] != 255].astype(float)
    facts = ("mean", "std", "minimum", "maximum", "p001", "p25", "p50", "p75", "p999")
    statistics = {name: dict(zip(facts, map(float, (v.mean(), v.std(), v.min(), v.max(), *np.quantile(v, (0.001, 0.25, 0.5, 0.75, 0.999))))))
                  for name, v in zip(names, known)} if known.size else {name: dict.fromkeys(facts, 1.0) for name in names}
    places = [box(number, 0, number + 1, 1) for number in range(count)]
    table = geopandas.GeoDataFrame({"tile": range(count), "split": splits}, geometry=places, crs="EPSG:32633")
    table.to_file(folder / TILES, layer="tiles", driver="GPKG")
    pixels = {split: [int((labels[np.array(splits) == split] == number).sum()) for number in range(len(classes))]
              for split in ("training", "validation", "test")}
    sensor = SensorInfo("image", "sentinel2_l2a", "uint16", 0, tuple(Band(name, None, unit, 1e-4, 0.0) for name in names))
    write_description(folder, {
        "task": "segmentation", "name": "discs", "sensors": [sensor], "tile_size": size, "stride": size,
        "resolution_m": [10.0, 10.0], "classes": list(classes), "ignore": 255, "scenes": [], "labels": {},
        "split": {"text": "by hand"}, "statistics": {"image": statistics}, "class_pixels": pixels, "shards": shards})
    return folder
