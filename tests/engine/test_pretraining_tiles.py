"""Tiles without labels: what is recorded of pairs, what clouds and near-duplicates are found, and that runs are equal."""

import numpy as np
import pytest
import rasterio
from scipy import ndimage

from eo_pretrain_qgis.engine.datasets.dataset import Dataset, SensorInfo
from eo_pretrain_qgis.engine.rasters.sensors import Band
from eo_pretrain_qgis.engine.themes.unlabelled.near_duplicates import Fingerprint, SeenTiles, joined
from eo_pretrain_qgis.engine.themes.unlabelled.tiles import bright
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..scenes_landcover import cloudy, cloudy_classes, wild, wild_overlapping, wild_radar


def build(folder, name="made", **values):
    asked = {"preset": "sentinel2_l2a", "tile_size": 32, "validation_share": 0, "output": str(folder / name), **values}
    JOBS["create_pretraining_dataset"].from_values(asked).run(SILENT)
    return Dataset.open(folder / name)


def tiles_of(path, made, sensor):
    """The windows of a raster that tiles.gpkg says the samples are."""
    with rasterio.open(path) as source:
        whole = source.read()
    return np.stack([whole[:, row.row:row.row + 32, row.col:row.col + 32] for row in made.tiles.itertuples() if sensor in row.sensor.split("+")])


def test_pairs_lie_on_one_grid_and_say_their_days(folder):
    optical, radar = wild(folder), wild_radar(folder)
    made = build(folder, images=[str(optical)], second_images=[str(radar)], second_preset="sentinel1_db")
    everything = np.arange(len(made))
    assert made.task == made.theme == "pretraining" and made.facts["mode"] == "paired" and not made.classes
    assert (made.tiles["days_apart"] == -4).all() and (made.tiles["date"] == "2020-07-01").all() and (made.tiles["sensor"] == "s2+s1").all()
    assert (made.images(everything, "s2") == tiles_of(optical, made, "s2")).all()
    aligned = made.images(everything, "s1")
    with rasterio.open(radar) as source:  # the value of GDAL's own warper at the middle of each tile
        from rasterio.vrt import WarpedVRT
        with rasterio.open(optical) as grid, WarpedVRT(source, crs=grid.crs, transform=grid.transform, width=256, height=256,
                                                       resampling=rasterio.enums.Resampling.bilinear) as warped:
            expected = warped.read()
    for row, tile in zip(made.tiles.itertuples(), aligned, strict=True):
        assert np.abs(tile - expected[:, row.row:row.row + 32, row.col:row.col + 32]).max() < 0.05


def test_unpaired_sensors_have_shards_of_their_own(folder):
    optical, radar = wild(folder), wild_radar(folder)
    made = build(folder, images=[str(optical)], second_images=[str(radar)], second_preset="sentinel1_db", pairing="unpaired")
    first, second = made.indices("all", "s2"), made.indices("all", "s1")
    assert len(first) == 56 and len(second) == 49 and not set(first) & set(second)
    assert (made.images(first, "s2") == tiles_of(optical, made, "s2")).all()
    assert (made.images(second, "s1") == tiles_of(radar, made, "s1")).all()
    assert set(made.tiles["sensor"]) == {"s1", "s2"} and set(made.statistics) == {"s1", "s2"}
    assert made.statistics["s1"]["VV"]["mean"] == pytest.approx(made.images(made.indices("training", "s1"), "s1")[:, 0].mean(), abs=0.01)


def test_runs_are_equal_and_the_same_ground_is_taken_once(folder):
    images = [str(wild(folder)), str(wild_overlapping(folder))]
    one, other = build(folder, images=images), build(folder, "again", images=images)
    everything = np.arange(len(one))
    assert (one.images(everything) == other.images(everything)).all() and one.tiles.equals(other.tiles)
    east = one.tiles[one.tiles["scene"] == "S2_20200701_east.tif"]
    assert set(east["col"][east["row"] < 224]) == {128, 160, 192, 224} and set(east["col"][east["row"] == 224]) == set(range(0, 256, 32))
    assert one.facts["rejected"] == {"considered": 128, "nodata": 8, "cloudy": 0, "near_duplicates": 28, "kept": 92}


def test_cloud_shares_are_those_of_the_mask(folder):
    made = build(folder, images=[str(cloudy(folder))], clouds="scl", cloud_masks=[str(cloudy_classes(folder))], most_cloud=1, near_duplicates=0)
    with rasterio.open(cloudy_classes(folder)) as source:
        covered = np.isin(source.read(1), (3, 8, 9, 10)).repeat(2, 0).repeat(2, 1)
    for row in made.tiles.itertuples():
        assert row.cloud == pytest.approx(covered[row.row:row.row + 32, row.col:row.col + 32].mean(), abs=1e-4)
    assert made.facts["clouds"][0]["text"].startswith("Scene classes 8, 9 and 10 count as cloud")


def test_brightness_knows_cloud_from_snow_and_vegetation():
    names = ("B03", "B04", "B10", "B11")
    sensor = SensorInfo("image", "sentinel2_l1c", "uint16", 0, tuple(Band(name, None, "reflectance", 1e-4) for name in names))
    spectra = {"cloud": (5000, 5200, 20, 3500), "thin, bluish cloud": (2000, 1800, 20, 2500), "snow": (8000, 7900, 20, 800),
               "meadow": (900, 300, 10, 2000), "desert": (2500, 3500, 10, 4500), "cirrus": (900, 300, 150, 2000)}
    images = np.array(list(spectra.values()), np.uint16)[:, :, None, None]
    assert dict(zip(spectra, bright(images, sensor)[:, 0, 0].tolist(), strict=True)) == {
        "cloud": True, "thin, bluish cloud": True, "snow": False, "meadow": False, "desert": False, "cirrus": True}


def test_sorted_search_misses_no_near_duplicate():
    rng = np.random.default_rng(1)
    descriptions = rng.normal(0, 0.1, (300, 20)).astype(np.float32) * rng.uniform(0, 1, 20).astype(np.float32)
    for threshold in (0.15, 0.2, 0.3):
        seen, kept = SeenTiles(threshold, descriptions[:50]), []
        for description in descriptions:
            alike = any(np.linalg.norm(description - other) <= threshold for other in kept)
            assert seen.is_new(description) == (not alike)
            if not alike:
                kept.append(description)
        assert 1 < len(kept) < 300 and seen.found == 300 - len(kept)


def test_distance_is_in_spreads_of_the_bands():
    rng = np.random.default_rng(2)
    ground = ndimage.gaussian_filter(rng.normal(size=(40, 2, 64, 64)), (0, 0, 6, 6))
    images = (1000 + 300 * ground / ground.std() * np.array([1, 4])[:, None, None]).astype(np.float32)
    valid = np.ones((40, 64, 64), bool)
    prints = Fingerprint.of(images, valid)
    assert prints.spread == pytest.approx([300, 1200], rel=0.15)
    own = prints.describe(images, valid)

    def distance(changed, shown=valid):
        return np.linalg.norm(prints.describe(changed, shown) - own, axis=1)

    assert distance(images + np.array([30, 120])[:, None, None]) == pytest.approx(np.full(40, 0.1), rel=0.2)  # a tenth of the spread, brighter
    assert distance(images + rng.normal(0, 15, images.shape)).max() < 0.05  # noise of the sensor
    moved = np.roll(images, 16, -1)
    assert distance(moved).min() > 0.2 and distance(images[::-1]).mean() > 0.5
    holes = valid.copy()
    holes[:, :6, :6] = False
    assert distance(images, holes).max() < 0.15
    assert np.linalg.norm(joined([own, own])[0] - joined([own, own])[1]) == pytest.approx(np.linalg.norm(own[0] - own[1]), rel=1e-5)
