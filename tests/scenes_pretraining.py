"""Small datasets without labels, in which every band follows the same fields, so that one band or place tells of the others."""

import geopandas
import numpy as np
from shapely.geometry import box

from eo_pretrain_qgis.engine.datasets.dataset import SensorInfo
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_place import Split
from eo_pretrain_qgis.engine.datasets.splitting.division import finish
from eo_pretrain_qgis.engine.rasters.sensors import PRESETS, Band

SIDE = 32  # pixels of a tile
ALL_BANDS = tuple(band.name for band in PRESETS["sentinel2_l1c"].bands)


def fields(count, side=SIDE, seed=0):
    """Brightness 0 to 1 of `count` tiles (n, y, x): two fields with a straight border, in one of them furrows."""
    rng = np.random.default_rng(seed)
    angle, shift, wave, phase, *levels = rng.uniform(0, 1, (7, count, 1, 1))
    y, x = np.mgrid[:side, :side] / side - 0.5
    across = x * np.cos(2 * np.pi * angle) + y * np.sin(2 * np.pi * angle) + 0.4 * (shift - 0.5)
    furrows = 0.15 * np.sin(2 * np.pi * ((3 + 3 * wave) * across + phase))
    return np.where(across > 0, 0.2 + 0.3 * levels[0] + furrows, 0.7 + 0.3 * levels[1] + 0.2 * x * levels[2]).clip(0, 1)


def optical(count, bands, side=SIDE, seed=0, nodata_rows=2):
    """Stored reflectance uint16 (n, band, y, x) of `fields`; the upper rows of every third tile were not measured (0)."""
    noise = np.random.default_rng([seed, 1]).normal(0, 40, (count, bands, side, side))
    gain = 800 + 3000 * np.linspace(0.2, 1, bands)[:, None, None] ** 2
    images = (500 + gain * fields(count, side, seed)[:, None] + noise).clip(1, 60000).astype(np.uint16)
    images[::3, :, :nodata_rows] = 0
    return images


def backscatter(count, bands, side=SIDE, seed=0, nodata_rows=2):
    """Backscatter in dB, float32 (n, band, y, x), of the same `fields`, with speckle; the upper rows of every third tile are NaN."""
    speckle = np.random.default_rng([seed, 2]).normal(0, 0.7, (count, bands, side, side))
    images = (-18 + 12 * fields(count, side, seed)[:, None] - 6 * np.arange(bands)[:, None, None] + speckle).astype(np.float32)
    images[::3, :, :nodata_rows] = np.nan
    return images


def optical_sensor(names, name="image"):
    """Sentinel-2 with some of its bands."""
    return SensorInfo(name, "sentinel2_l1c", "uint16", 0, tuple(Band(band, None, "reflectance", 1e-4) for band in names))


def radar_sensor(names=("VV", "VH"), name="image"):
    """Sentinel-1 in dB."""
    return SensorInfo(name, "sentinel1_db", "float32", None, tuple(Band(band, None, "dB") for band in names))


def usual_splits(count):
    """Two thirds of the tiles train, the others are validation and test in turn."""
    return [("training", "training", "validation", "training", "training", "test")[number % 6] for number in range(count)]


def write_unlabelled(folder, groups, splits=None, mode="single", **facts):
    """Writes a dataset without labels and returns its folder.

    Args:
        folder: the dataset's own folder.
        groups: for each group of tiles a list of (sensor, images (n, band, y, x)); several sensors in one group are paired.
        splits: of all tiles in order; by default `usual_splits` within each group.
        mode: ``single``, ``paired`` or ``unpaired``, as `build_pretraining_dataset` writes it.
        facts: more of dataset.json's facts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sensors = [sensor for group in groups for sensor, _ in group]
    counts, side = [len(group[0][1]) for group in groups], groups[0][0][1].shape[-1]
    arrays = {sensor.name: (images.shape[1:], sensor.dtype) for group in groups for sensor, images in group}
    with ShardWriter(folder, arrays) as writer:
        for group in groups:
            writer.add(**{sensor.name: images for sensor, images in group})
        shards = writer.close()
    total = sum(counts)
    names = np.array(splits or [split for count in counts for split in usual_splits(count)])
    tiles = geopandas.GeoDataFrame({"scene": "made", "valid": 1.0, "cloud": facts.pop("cloud", None)}, index=range(total), crs="EPSG:32633",
                                   geometry=[box(side * 10 * at, 0, side * 10 * (at + 1), side * 10) for at in range(total)])
    finish(folder, {
        "task": "pretraining", "name": folder.name, "sensors": sensors, "tile_size": side, "stride": side, "resolution_m": [10.0, 10.0],
        "classes": [], "ignore": 255, "scenes": [], "labels": {}, "shards": shards, "theme": "pretraining",
        "facts": {"mode": mode, "pairs": [], **facts}}, tiles, Split(names, {"text": "by hand"}))
    return folder


def unlabelled(folder):
    """24 tiles of 32 px with the bands B04, B03, B02: 16 train, 4 are validation, 4 test."""
    return write_unlabelled(folder / "unlabelled", [[(optical_sensor(("B04", "B03", "B02")), optical(24, 3))]])


def unlabelled_one_band(folder):
    """12 tiles of one band, VV in dB."""
    return write_unlabelled(folder / "one_band", [[(radar_sensor(("VV",)), backscatter(12, 1))]])


def unlabelled_radar(folder):
    """24 tiles of VV and VH in dB; missing pixels are NaN."""
    return write_unlabelled(folder / "radar", [[(radar_sensor(), backscatter(24, 2))]])


def unlabelled_all_bands(folder):
    """24 tiles of all 13 bands."""
    return write_unlabelled(folder / "all_bands", [[(optical_sensor(ALL_BANDS), optical(24, 13))]])


def unlabelled_odd(folder):
    """12 tiles of 45 px, which is no multiple of what networks divide by."""
    return write_unlabelled(folder / "odd", [[(optical_sensor(("B04", "B03", "B02")), optical(12, 3, side=45))]])


def unlabelled_paired(folder):
    """24 tiles that hold s2 (B04, B03, B02) and s1 (VV, VH) of the same fields."""
    group = [(optical_sensor(("B04", "B03", "B02"), "s2"), optical(24, 3)), (radar_sensor(name="s1"), backscatter(24, 2))]
    return write_unlabelled(folder / "paired", [group], mode="paired")


def unlabelled_unpaired(folder):
    """18 tiles of s2 and 12 of s1, of different fields."""
    groups = [[(optical_sensor(("B04", "B03", "B02"), "s2"), optical(18, 3))], [(radar_sensor(name="s1"), backscatter(12, 2, seed=1))]]
    return write_unlabelled(folder / "unpaired", groups, mode="unpaired")


def unlabelled_other_order(folder):
    """The tiles of `unlabelled` with their bands in another order: B02, B03, B04."""
    return write_unlabelled(folder / "other_order", [[(optical_sensor(("B02", "B03", "B04")), optical(24, 3)[:, ::-1])]])


def unlabelled_two_tiles(folder):
    """Two tiles, one of them held out."""
    return write_unlabelled(folder / "two_tiles", [[(optical_sensor(("B04", "B03", "B02")), optical(2, 3))]], ["training", "validation"])


def unlabelled_constant(folder):
    """12 tiles that hold 1000 in every pixel of every band."""
    return write_unlabelled(folder / "constant", [[(optical_sensor(("B04", "B03", "B02")), np.full((12, 3, SIDE, SIDE), 1000, np.uint16))]])


def unlabelled_without_validation(folder):
    """12 tiles that all train."""
    return write_unlabelled(folder / "all_train", [[(optical_sensor(("B04", "B03", "B02")), optical(12, 3))]], ["training"] * 12)


def unlabelled_without_training(folder):
    """6 tiles, none of which trains."""
    return write_unlabelled(folder / "none_trains", [[(optical_sensor(("B04", "B03", "B02")), optical(6, 3))]], ["validation"] * 6)


def unlabelled_cloudy(folder):
    """24 tiles, in each of which the lower right quarter is a cloud as bright as 0.6; clouds are known from their brightness."""
    images = optical(24, 3)
    images[:, :, SIDE // 2:, SIDE // 2:] = 6000
    clouds = [{"sensor": "image", "source": "brightness", "most": 0.5, "text": "estimated"}]
    return write_unlabelled(folder / "cloudy_tiles", [[(optical_sensor(("B04", "B03", "B02")), images)]], clouds=clouds, cloud=0.25)
