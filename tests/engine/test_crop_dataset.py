"""Crop datasets: every value, flag and day is that of its pixel; means follow a formula; priors, overlaps and small parcels."""

import geopandas
import numpy as np
import pandas
import pytest
import rasterio
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints
from eo_pretrain_qgis.engine.themes.crops.sampling import Draw, SamplingPlan, allocate
from eo_pretrain_qgis.jobs import JOBS

from ..listening import Listening
from ..scenes_crops import BANDS, CROPS, DAYS, ORIGIN, crop_season, crop_value


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    return crop_season(tmp_path_factory.mktemp("season"))


def create(season, folder, name="dataset", progress=None, **values):
    """Makes a dataset of the season with all masks."""
    images, masks = ([str(season / f"{kind}_{day}.tif") for day in DAYS] for kind in ("S2", "SCL"))
    given = {"images": images, "masks": masks, "parcels": str(season / "parcels.gpkg"), "crop_field": "crop", "minimum_clear": 1,
             "split_by": "parcel", "sample_count": None, "minimum_parcels": 0, "output": str(folder / name), **values}
    JOBS["create_crop_dataset"].from_values({key: value for key, value in given.items() if value != "none"}).run(progress or Listening())
    return Dataset.open(folder / name)


def pixels_of(dataset):
    """Row and column of each sample."""
    points = read_footprints(dataset.folder).geometry
    return ((ORIGIN[1] - points.y.to_numpy()) // 10).astype(int), ((points.x.to_numpy() - ORIGIN[0]) // 10).astype(int)


def test_every_pixel_inside_the_buffer_with_its_values_flags_and_days(season, folder):
    dataset = create(season, folder)
    everything = np.arange(len(dataset))
    row, col = pixels_of(dataset)
    # 18 x 18 pixels of 36 parcels have their middle at least 10 m inside.
    assert len(dataset) == 36 * 18 * 18
    assert ((row % 20 >= 1) & (row % 20 <= 18) & (col % 20 >= 1) & (col % 20 <= 18)).all()
    crop = (row // 20 + col // 20) % 3
    images, flags = dataset.images(everything), dataset.array("flags", everything)
    for day in range(4):
        measured = flags[:, day] != 4
        for band in range(len(BANDS)):
            assert np.array_equal(images[measured, day, band], crop_value(crop, day, band)[measured])
        assert (images[~measured, day] == 0).all()
    expected = np.zeros((len(dataset), 4), int)
    expected[:, 0], expected[:, 1], expected[:, 2] = 3 * (col >= 100), row < 60, 2 * (col < 20)
    assert np.array_equal(flags, expected)
    assert (dataset.array("days", everything) == [90, 120, 151, 181]).all()
    names = np.array([each.name for each in dataset.classes])[dataset.labels(everything)]
    flax = (row >= 100) & (col >= 100)
    assert np.array_equal(names, np.where(flax, "flax", np.array(CROPS)[crop]))
    assert np.array_equal(names, dataset.tiles["crop"])


def test_without_a_buffer_what_was_not_measured_is_flagged(season, folder):
    dataset = create(season, folder, inner_buffer=0)
    row, _ = pixels_of(dataset)
    assert len(dataset) == 120 * 120
    flags = dataset.array("flags", np.arange(len(dataset)))
    assert np.array_equal(flags[:, 3] == 4, row == 119)
    assert dataset.tiles["valid"].min() == 0.75


def test_parcels_stay_in_one_split_and_statistics_are_of_clear_training(season, folder):
    dataset = create(season, folder, test_share=0.2)
    assert dataset.tiles.groupby("parcel")["split"].nunique().max() == 1
    training = dataset.indices("training")
    clear = dataset.array("flags", training) == 0
    assert dataset.statistics["image"]["B02"]["mean"] == pytest.approx(dataset.images(training)[..., 0][clear].mean())
    assert dataset.description["split"]["leakage_distance_px"] == pytest.approx(2.0, abs=0.1)


def test_parcel_means_are_those_of_the_clear_pixels(season, folder):
    """Against a straightforward mean over the rasters, for optical values, and over power for decibels."""
    radar = []
    rng = np.random.default_rng(2)
    for day in ("20230410", "20230520"):
        values = rng.normal(-12, 4, (2, 120, 120)).astype(np.float32)
        path = folder / f"S1_{day}.tif"
        with rasterio.open(season / "S2_20230401.tif") as like, rasterio.open(path, "w", **{**like.profile, "count": 2, "dtype": "float32",
                                                                                          "nodata": None}) as target:
            target.write(values)
            target.descriptions = ("VV", "VH")
        radar.append((str(path), values))
    dataset = create(season, folder, kind="parcels", radar=[path for path, _ in radar])
    assert [sensor.name for sensor in dataset.sensors] == ["s2", "s1"]
    everything = np.arange(len(dataset))
    assert len(dataset) == 36
    tiles = dataset.tiles
    number = tiles["parcel"].to_numpy() - 1
    row, col = number // 6, number % 6
    flags = dataset.array("flags", everything)
    assert np.array_equal(flags[:, 1], (row < 3).astype(int))
    assert np.array_equal(flags[:, 0] == 3, col == 5)
    crop = (row + col) % 3
    assert np.array_equal(dataset.images(everything, "s2")[:, 2, 4], crop_value(crop, 2, 4))
    means = dataset.images(everything, "s1")
    assert means.shape == (36, 2, 2)
    for position in (0, 7, 35):
        inside = np.s_[:, 20 * row[position] + 1:20 * row[position] + 19, 20 * col[position] + 1:20 * col[position] + 19]
        for date, (_, values) in enumerate(radar):
            expected = 10 * np.log10((10 ** (values[inside].astype(float) / 10)).mean((1, 2)))
            assert means[position, date] == pytest.approx(expected, abs=1e-4)
    assert (dataset.array("days_s1", everything) == [99, 139]).all()
    assert (dataset.array("flags_s1", everything) == 0).all()


def test_means_do_not_depend_on_the_blocks(season, folder, monkeypatch):
    from eo_pretrain_qgis.engine.rasters.grid import blocks
    from eo_pretrain_qgis.engine.themes.crops import fields

    whole = create(season, folder, "whole", kind="parcels")
    monkeypatch.setattr(fields, "block_windows", lambda place: blocks(place.grid.window, 32))
    cut = create(season, folder, "cut", kind="parcels")
    ours, theirs = (each.images(np.argsort(each.tiles["parcel"].to_numpy(), kind="stable")) for each in (whole, cut))
    assert np.array_equal(ours, theirs)


def test_two_runs_are_the_same_and_another_seed_is_not(season, folder):
    first, again, other = (create(season, folder, name, sample_count=500, minimum_samples=0, seed=seed)
                           for name, seed in (("a", 3), ("b", 3), ("c", 4)))
    everything = np.arange(500)
    assert np.array_equal(first.images(everything), again.images(everything))
    assert (first.splits == again.splits).all()
    assert not np.array_equal(pixels_of(first), pixels_of(other))


def test_samples_follow_the_priors_of_the_map(season, folder):
    dataset = create(season, folder, sample_count=1000, minimum_samples=0)
    for row in dataset.facts["sampling"]["classes"]:
        assert row["sampled"] == pytest.approx(row["prior"], abs=0.001)
    parcels = create(season, folder, "parcels", sample_count=1000, minimum_samples=0, prior="parcels", sampling="equal")
    assert [row["samples"] for row in parcels.facts["sampling"]["classes"]] == [250, 250, 250, 250]


def test_radar_on_another_grid_is_brought_onto_the_grid(season, folder):
    dataset = create(season, folder, kind="parcels", radar=[str(season / f"S1_{day}.tif") for day in ("20230410", "20230520", "20230630")])
    assert dataset.images(np.arange(36), "s1")[:, :, 0] == pytest.approx(np.tile([-10.0, -11.0, -12.0], (36, 1)), abs=1e-4)
    assert [path for path in dataset.folder.iterdir() if "aligned" in path.name] == []
    assert all(row["path"].startswith(str(season)) for row in dataset.description["scenes"])


def test_what_is_left_out_is_said(season, folder):
    heard = Listening()
    dataset = create(season, folder, progress=heard, parcels=str(season / "overlapping.gpkg"), inner_buffer=0, masks="none",
                     images=[str(season / f"S2_{day}.tif") for day in DAYS[:2]])
    assert any(text.startswith("2 of 37 parcels overlap a parcel with another crop, such as “grass” and “wheat”; the ground they share is "
                               "left out.") for text in heard.texts)
    row, col = pixels_of(dataset)
    assert not ((row < 20) & (col < 10)).any()
    assert ((row < 20) & (col >= 10)).sum() == 20 * 30 + 20 * 80
    assert any("The class “flax” has one parcel, so it cannot be learned in one place and tested in another." in text for text in heard.texts)


def test_rare_crops_go_to_other(season, folder):
    heard = Listening()
    dataset = create(season, folder, progress=heard, minimum_parcels=2, sample_count=100)
    assert [row.name for row in dataset.classes] == ["grass", "maize", "wheat", "other"]
    assert "1 crop with fewer than 2 parcels go to “other”: flax. Lower the smallest number of parcels to keep them." in heard.texts


def test_small_parcels_are_counted(season, folder):
    parcels = geopandas.read_file(season / "parcels.gpkg").to_crs(32633)
    parcels.loc[3, "geometry"] = shapely.box(ORIGIN[0] + 601, ORIGIN[1] - 4, ORIGIN[0] + 604, ORIGIN[1] - 1)
    parcels.to_file(folder / "one_small.gpkg")
    heard = Listening()
    dataset = create(season, folder, progress=heard, parcels=str(folder / "one_small.gpkg"), inner_buffer=0, sample_count=100)
    assert "1 of 36 parcels are smaller than a pixel of 10 m and are left out." in heard.texts
    assert dataset.description["labels"]["parcels_without_pixel"] == 1


def test_copies_of_parcels_are_not_called_small(season, folder):
    parcels = geopandas.read_file(season / "parcels.gpkg")
    pandas.concat([parcels, parcels.iloc[:3]]).to_file(folder / "copies.gpkg")
    heard = Listening()
    dataset = create(season, folder, progress=heard, parcels=str(folder / "copies.gpkg"), sample_count=100)
    told = [text for text in heard.texts if "are left out" in text and "parcels" in text]
    assert told == [f"3 of {len(parcels) + 3} parcels lie under others of the same crop, as copies do, and are left out."]
    assert dataset.description["labels"]["parcels_without_pixel"] == 3


@pytest.mark.parametrize("strategy", ["prior", "square_root", "equal"])
def test_allocation(strategy):
    available = np.array([90_000, 9_000, 900, 30])
    priors = available / available.sum()
    counts = allocate(available, priors, SamplingPlan(5000, strategy, minimum=50))
    assert counts.sum() == 5000
    assert (counts <= available).all()
    assert counts[3] == 30
    free = counts[:2] / {"prior": priors, "square_root": np.sqrt(priors), "equal": np.ones(4)}[strategy][:2]
    assert free[0] == pytest.approx(free[1], rel=0.01)


def test_draw_is_uniform_within_a_class():
    classes = np.random.default_rng(0).integers(0, 3, 4000)
    hits = np.zeros(4000)
    for seed in range(300):
        draw = Draw(np.bincount(classes), np.array([40, 100, 0]), seed)
        chosen = np.concatenate([begin + draw.take(classes[begin:begin + 500]) for begin in range(0, 4000, 500)])
        assert np.array_equal(np.bincount(classes[chosen], minlength=3), [40, 100, 0])
        hits[chosen] += 1
    blocks = [hits[begin:begin + 500][classes[begin:begin + 500] == 1].mean() for begin in range(0, 4000, 500)]
    assert blocks == pytest.approx(np.full(8, 300 * 100 / (classes == 1).sum()), rel=0.08)


def test_layers_of_one_band_are_put_together_by_date(season, folder):
    from ..scenes import write_raster

    images = []
    for day in DAYS[:2]:
        for band in (6, 2):
            with rasterio.open(season / f"S2_{day}.tif") as source:
                images.append(str(write_raster(folder / f"T33_{day}T101010_{BANDS[band]}_10m.tif", source.read(band + 1), nodata=0)))
    dataset = create(season, folder, images=images, masks="none", arrangement="bands", kind="parcels")
    assert [band.name for band in dataset.sensors[0].bands] == ["B04", "B08"]
    crop = (np.arange(36) // 6 + np.arange(36) % 6) % 3
    by_parcel = np.argsort(dataset.tiles["parcel"].to_numpy())
    assert np.array_equal(dataset.images(by_parcel)[:, 1, 0], crop_value(crop, 1, 2))
    assert np.array_equal(dataset.images(by_parcel)[:, 1, 1], crop_value(crop, 1, 6))
