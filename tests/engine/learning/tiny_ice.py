"""Small datasets of radar patches with an incidence angle: HH and HV [dB] of each class fall along a line of its own, and the angle is a band."""

from pathlib import Path

import geopandas
import numpy as np
from shapely.geometry import box

from eo_pretrain_qgis.engine.datasets.dataset import TILES, ClassInfo, SensorInfo, write_description
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SPLITS
from eo_pretrain_qgis.engine.rasters.sensors import Band

CLASSES = [ClassInfo(1, "water", "#1f77b4"), ClassInfo(2, "young", "#ff7f0e"), ClassInfo(3, "thick", "#dddddd")]
#: HH and HV at 30 degrees [dB], and their slopes [dB per degree].
KINDS = ((-18.0, -28.0, -0.6, -0.2), (-17.0, -26.0, -0.3, -0.15), (-12.0, -20.0, -0.2, -0.1))
BANDS = (Band("HH", None, "dB", 1.0, 0.0), Band("HV", None, "dB", 1.0, 0.0), Band("incidence_angle", None, "degree", 1.0, 0.0))


SPLIT = ("training", "training", "validation", "test")


def write_ice(folder, count=120, size=10, seed=0, kinds=KINDS, angles=None, noise=0.8, bands=BANDS):
    """Writes it; `angles` gives the angle [degree] of each patch from its class (n,) and a generator, by default any between 20 and 45."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % len(kinds)).astype(np.uint8)
    angle = rng.uniform(20, 45, count) if angles is None else angles(labels, rng)
    table = np.array(kinds)[labels]
    level = np.stack([table[:, band] + table[:, band + 2] * (angle - 30) for band in (0, 1)], 1)
    backscatter = level[:, :, None, None] + rng.normal(0, noise, (count, 2, size, size))
    images = np.concatenate([backscatter, np.broadcast_to(angle[:, None, None, None], (count, 1, size, size))], 1).astype(np.float32)
    images = images[:, :len(bands)]
    splits = np.array([SPLIT[number % len(SPLIT)] for number in range(count)])
    with ShardWriter(folder, {"s1": (images.shape[1:], "float32"), "labels": ((), "uint8")}) as writer:
        writer.add(s1=images, labels=labels)
        shards = writer.close()
    facts = ("mean", "std", "minimum", "maximum", "p001", "p25", "p50", "p75", "p999")
    train = images[splits == "training"].astype(float).transpose(1, 0, 2, 3)
    statistics = {band.name: dict(zip(facts, map(float, (v.mean(), v.std(), v.min(), v.max(), *np.quantile(v, (0.001, 0.25, 0.5, 0.75, 0.999))))))
                  for band, v in zip(bands, train, strict=True)}
    geopandas.GeoDataFrame({"tile": range(count), "split": splits}, geometry=[box(number, 0, number + 1, 1) for number in range(count)],
                           crs="EPSG:3413").to_file(folder / TILES, layer="tiles", driver="GPKG")
    write_description(folder, {
        "task": "patch", "name": "ice", "sensors": [SensorInfo("s1", "generic", "float32", None, tuple(bands))], "tile_size": size, "stride": size,
        "resolution_m": [40.0, 40.0], "classes": CLASSES, "ignore": 255, "scenes": [], "labels": {}, "split": {"text": "by hand"},
        "statistics": {"s1": statistics}, "shards": shards,
        "class_pixels": {name: [int((labels[splits == name] == place).sum()) for place in range(3)] for name in SPLITS}})
    return folder
