import errno
import hashlib
import json

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from eo_pretrain_qgis.engine.datasets import building, shards
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..listening import Cancelling, Listening
from ..scenes import ORIGIN, UTM, land, land_cover, land_fields, write_raster


def build(folder, progress=SILENT, **values):
    """Runs the job on `land` with what a case changes, and opens the result."""
    asked = {"images": [str(land(folder))], "labels": str(land_fields(folder)), "class_field": "cover", "tile_size": 32,
             "validation_share": 0, "test_share": 0, "output": str(folder / "made"), **values}
    JOBS["create_training_dataset"].from_values(asked).run(progress)
    return Dataset.open(asked["output"])


def everything(dataset):
    tiles = np.arange(len(dataset))
    return dataset.images(tiles), dataset.labels(tiles)


def test_pixels_are_those_of_the_image(folder):
    dataset = build(folder, stride=24)
    with rasterio.open(folder / "land.tif") as source:
        whole = source.read()
    for tile, image in zip(dataset.tiles.itertuples(), everything(dataset)[0], strict=True):
        assert (image == whole[:, tile.row:tile.row + 32, tile.col:tile.col + 32]).all()


def test_description(folder):
    dataset = build(folder, preset="sentinel2_l2a")
    known = dataset.description
    assert known["resolution_m"] == [10, 10] and known["scenes"][0]["name"] == "land.tif" and known["labels"]["field"] == "cover"
    assert known["scenes"][0]["checksum"].startswith("sha256:") and known["labels"]["checksum"].startswith("sha256:")
    red = dataset.statistics["image"]["B04"]
    assert red["mean"] == pytest.approx(1150, abs=20) and red["maximum"] < 2300


@pytest.mark.parametrize(("dtype", "nodata", "filled"), [("uint16", 0, 0), ("int16", -32768, -32768), ("float32", None, np.nan)])
def test_nodata_fills_all_bands_and_has_no_label(folder, dtype, nodata, filled):
    bands = np.full((2, 128, 128), 500, dtype)
    bands[1, :, 60:70] = -32768 if dtype == "int16" else 0 if dtype == "uint16" else np.nan
    path = write_raster(folder / "holes.tif", bands, nodata=nodata)
    dataset = build(folder, images=[str(path)])
    images, labels = everything(dataset)
    invalid = ~dataset.sensors[0].valid(images)
    assert invalid.sum() == 10 * 128 and (labels[invalid] == 255).all() and (labels[~invalid] != 255).all()
    assert all(np.array_equal(images[:, band][invalid], np.full(10 * 128, filled, dtype), equal_nan=True) for band in (0, 1))


def test_a_measured_zero_stays_measured(folder):
    """Without a declared nodata value 0 fills pixels of unsigned types; a measured 0 in all bands is moved to 1."""
    bands = np.zeros((1, 128, 128), np.uint8)
    bands[:, :, 64:] = 9
    dataset = build(folder, images=[str(write_raster(folder / "dark.tif", bands))])
    images, labels = everything(dataset)
    assert dataset.sensors[0].valid(images).all() and (labels != 255).all() and set(np.unique(images)) == {1, 9}


def test_border_of_zeros_is_nodata_for_sentinel2(folder):
    bands = np.full((2, 128, 128), 500, np.uint16)
    bands[:, :, :16], bands[0, :, 16:32] = 0, 0  # a border, and water that is 0 in one band only
    path = str(write_raster(folder / "border.tif", bands, names=["B08", "B11"]))
    images, _ = everything(build(folder, images=[path], preset="sentinel2_l2a"))
    assert (images == 0).all(1).sum() == 16 * 128
    images, _ = everything(build(folder, images=[path], output=str(folder / "generic")))
    assert not (images == 0).all(1).any()


def test_reflectance_as_fractions_is_not_scaled_again(folder):
    path = write_raster(folder / "fractions.tif", np.full((2, 128, 128), 0.2, np.float64), names=["B04", "B08"])
    dataset = build(folder, images=[str(path)], preset="sentinel2_l2a")
    assert (dataset.sensors[0].bands[0].scale, dataset.sensors[0].dtype, dataset.sensors[0].nodata) == (1.0, "float32", None)


def test_scale_declared_in_the_file(folder):
    path = write_raster(folder / "scaled.tif", np.full((1, 128, 128), 500, np.int16))
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = (0.01,), (-20,)
    band = build(folder, images=[str(path)]).sensors[0].bands[0]
    assert (band.scale, band.offset) == (0.01, -20)


def test_minimum_shares(folder):
    cover = str(land_cover(folder))
    assert len(build(folder, labels=cover, class_field=None, minimum_labelled=0.6, stride=16)) == 15 * 13
    west = {"box": [500_010, 5_297_440, 500_810, 5_300_000], "crs": UTM}
    with pytest.raises(DataError, match=r"No tile has at least 50% valid and 100% labelled pixels: 0 have too few valid and"):
        build(folder, labels=cover, class_field=None, minimum_labelled=1, extent=west, tile_size=64, output=str(folder / "none"))


def test_scenes_of_several_dates_share_the_split(folder):
    first = land(folder)
    second = folder / "second 2021-07-21.tif"
    second.write_bytes(first.read_bytes())
    dataset = build(folder, images=[str(first), str(second)], validation_share=0.15, test_share=0.2)
    tiles = dataset.tiles
    pairs = tiles.assign(split=dataset.splits).groupby(["col", "row"])["split"].nunique()
    assert len(dataset) == 128 and (pairs == 1).all() and dataset.description["scenes"][1]["date"] == "2021-07-21"


def test_scenes_in_two_crs_share_the_split(folder):
    first = land(folder)
    second = folder / "degrees.tif"
    with rasterio.open(first) as source:
        transform, width, height = rasterio.warp.calculate_default_transform(source.crs, "EPSG:4326", 256, 256, *source.bounds)
        warped, _ = rasterio.warp.reproject(rasterio.band(source, [1, 2]), dst_crs="EPSG:4326", dst_transform=transform,
                                            destination=np.zeros((2, height, width), np.uint16))
    write_raster(second, warped, crs="EPSG:4326", transform=transform, names=["B04", "B08"], nodata=0)
    dataset = build(folder, images=[str(first), str(second)], validation_share=0.15, test_share=0.2)
    places = geopandas.read_file(dataset.folder / "tiles.gpkg")
    training, others = (places[np.isin(dataset.splits, names)] for names in (("training",), ("validation", "test")))
    assert set(training["scene"]) == set(others["scene"]) == {"land.tif", "degrees.tif"}
    nearest = shapely.STRtree(others.geometry.values).query_nearest(training.geometry.values, return_distance=True)[1].min()
    assert nearest >= 315, "metres, of 320: footprints from degrees are a little slanted"


def test_footprints_lie_on_the_tiles(folder):
    dataset = build(folder)
    places = geopandas.read_file(dataset.folder / "tiles.gpkg")
    assert places.crs == UTM and places.geometry[9].bounds == (ORIGIN[0] + 320, ORIGIN[1] - 640, ORIGIN[0] + 640, ORIGIN[1] - 320)
    assert places["share_1"][0] == 1 and places["share_2"][1] == 1


def test_stopping_leaves_nothing(folder):
    land(folder), land_fields(folder)
    before = sorted(folder.iterdir())
    with pytest.raises(Cancelled):
        build(folder, Cancelling(lambda heard: heard.reached("Cutting", 0.2)))
    assert sorted(folder.iterdir()) == before


def test_every_tile_is_reported(folder):
    heard = Listening()
    build(folder, heard, validation_share=0.15, test_share=0.2)
    cutting = [event["fraction"] for event in heard.lines if event["text"].startswith("Cutting")]
    fractions = [event["fraction"] for event in heard.lines]
    assert len(cutting) == 64 and all(0 <= value <= 1 for value in fractions)
    assert np.diff(fractions).min() > -1e-9, "progress goes back"


def test_full_disk(folder, monkeypatch):
    def full(self, sample):
        raise OSError(errno.ENOSPC, "No space left on device")

    land(folder), land_fields(folder)
    before = sorted(folder.iterdir())
    monkeypatch.setattr(shards._GrowingArray, "append", full)
    with pytest.raises(DataError, match=r"The disk is full while writing .*made. Free some space and run again."):
        build(folder)
    assert sorted(folder.iterdir()) == before


def test_one_class_in_all_tiles(folder):
    east = {"box": [500_000, 5_299_680, 500_320, 5_300_000], "crs": UTM}
    with pytest.raises(DataError, match=r"Every labelled pixel in the tiles is of the class “crop”, and one class teaches nothing."):
        build(folder, extent=east)


def test_same_request_gives_the_same_dataset(folder):
    one = build(folder, validation_share=0.15, test_share=0.2)
    other = build(folder, validation_share=0.15, test_share=0.2, output=str(folder / "again"))
    assert (one.splits == other.splits).all() and one.statistics == other.statistics
    assert (folder / "made" / "images-000.npy").read_bytes() == (folder / "again" / "images-000.npy").read_bytes()


def test_samples_are_linked_not_copied(folder):
    dataset = build(folder)
    JOBS["split_dataset"].from_values({"dataset": str(dataset.folder), "output": str(folder / "other")}).run(SILENT)
    other = Dataset.open(folder / "other")
    assert (other.folder / "images-000.npy").samefile(dataset.folder / "images-000.npy")
    assert set(dataset.splits) == {"training"} and set(other.splits) == {"training", "validation", "test", "dropped"}
    assert json.loads((other.folder / "dataset.json").read_text(encoding="utf-8"))["scenes"] == dataset.description["scenes"]


@pytest.mark.realdata
def test_official_land_use_of_slovenia(real_data, folder):
    place = real_data / "landcover" / "slovenia_eopatch"
    dataset = build(folder, images=[str(place / "derived" / f"scene_{number}.tif") for number in range(5)], class_field="LULC_NAME",
                    labels=str(place / "vector_timeless" / "LULC.gpkg"), preset="sentinel2_l1c", stride=16)
    images, labels = everything(dataset)
    names = [row.name for row in dataset.classes]
    assert names == ["artificial surface", "cultivated land", "forest", "grassland", "schrubland"]
    ndvi = (images[:, 7] - images[:, 3]) / (images[:, 7] + images[:, 3])
    assert np.nanmean(ndvi[labels == names.index("forest")]) > np.nanmean(ndvi[labels == names.index("artificial surface")]) + 0.1


@pytest.mark.realdata
def test_hand_labelled_water(real_data, folder):
    place = real_data / "s1" / "sen1floods11_water"
    dataset = build(folder, images=[str(place / "India_900498_S1Hand.tif")], labels=str(place / "India_900498_LabelHand.tif"),
                    class_field=None, preset="sentinel1_db", tile_size=64, validation_share=0.15, test_share=0.2)
    images, labels = everything(dataset)
    assert images[:, 0][labels == 1].mean() < images[:, 0][labels == 0].mean() - 5, "water is dark"
    assert dataset.description["split"]["leakage_distance_px"] >= 64


def test_checksums_take_their_places_and_stop_with_the_work(folder):
    (folder / "a.bin").write_bytes(b"abc")
    with building.Checksums() as checksums:
        description = {"scenes": [{"checksum": checksums.begin([str(folder / "a.bin")])}], "name": "x", "size": (1, 2)}
        assert checksums.settled(description) == {
            "scenes": [{"checksum": "sha256:" + hashlib.sha256(b"abc").hexdigest()}], "name": "x", "size": (1, 2)}
    with pytest.raises(KeyError), building.Checksums() as checksums:
        large = checksums.begin([str(folder / "a.bin")] * 100_000)
        raise KeyError
    assert large.cancelled() or isinstance(large.exception(), Cancelled)
