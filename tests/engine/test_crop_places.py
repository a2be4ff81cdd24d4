"""Crop datasets of several tiles in two UTM zones: each sample has the values, days and flags of its tile, each parcel is taken once."""

import shutil
from datetime import date

import numpy as np
import pytest
import rasterio.transform
import shapely
from rasterio.features import rasterize

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints
from eo_pretrain_qgis.engine.datasets.season import Season
from eo_pretrain_qgis.engine.themes.crops.places import tile_named
from eo_pretrain_qgis.engine.themes.crops.report import sections
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS

from ..listening import Listening
from ..scenes import write_raster
from ..scenes_crops import BANDS, CROPS, ZONE_SIZE, ZONES, crop_zones, zone_parcels, zone_value


@pytest.fixture(scope="module")
def zones(tmp_path_factory):
    return crop_zones(tmp_path_factory.mktemp("zones"))


def images(zones, prefix="", tiles=ZONES):
    return [str(zones / f"{prefix}T{tile}_{day}{'' if prefix else 'T101021'}.tif") for tile in tiles for day in ZONES[tile][2]]


def create(zones, output, progress=None, **values):
    given = {"images": images(zones), "parcels": str(zones / "parcels.gpkg"), "crop_field": "crop", "minimum_clear": 1, "split_by": "parcel",
             "sample_count": None, "minimum_parcels": 0, "inner_buffer": 0, "output": str(output), **values}
    JOBS["create_crop_dataset"].from_values(given).run(progress or Listening())
    return Dataset.open(output)


def truth():
    """The tile from which each parcel must be taken: by its share there, of equals that with more dates; None where it lies in none."""
    found = []
    for number in range(len(zone_parcels())):
        shares = {}
        for tile, (crs, (west, north), days) in ZONES.items():
            shape = zone_parcels().to_crs(crs).geometry.iloc[number]
            box = shapely.box(west, north - 10 * ZONE_SIZE, west + 10 * ZONE_SIZE, north)
            shares[tile] = (round(shape.intersection(box).area / shape.area, 5), len(days))
        best = max(shares, key=shares.get)
        found.append(best if shares[best][0] else None)
    return found


@pytest.fixture(scope="module")
def dataset(zones, tmp_path_factory):
    return create(zones, tmp_path_factory.mktemp("made") / "dataset", masks=images(zones, "SCL_"))


def test_every_sample_is_of_its_tile(dataset):
    assert len(dataset) > 5000 and set(dataset.tiles["scene"]) == set(ZONES)
    everything, crops = np.arange(len(dataset)), dataset.tiles["crop"].map(CROPS.index).to_numpy()
    values, days, flags = dataset.images(everything), dataset.array("days", everything), dataset.array("flags", everything)
    assert values.shape[1:] == (4, len(BANDS)), "as long as the longest series"
    for tile, (_, _, taken) in ZONES.items():
        mine = (dataset.tiles["scene"] == tile).to_numpy()
        for number, day in enumerate(taken):
            expected = np.stack([zone_value(tile, crops[mine], number, band) for band in range(len(BANDS))], 1)
            assert (values[mine, number] == expected).all()
            assert (days[mine, number] == (date.fromisoformat(day) - date(2018, 1, 1)).days).all()
            assert (flags[mine, number] == (0 if number else 1)).all(), "the mask of its own tile"
    shorter = (dataset.tiles["scene"] == "32UQU").to_numpy()
    assert (days[shorter, 3] == -1).all() and (flags[shorter, 3] == 4).all() and (values[shorter, 3] == 0).all()
    assert (dataset.tiles["valid"] == 1).all(), "padding is no date that was missed"


def test_a_parcel_is_taken_once_where_most_of_it_lies(dataset):
    by_parcel = dataset.tiles.groupby("parcel")["scene"]
    assert (by_parcel.nunique() == 1).all()
    expected = truth()
    found = by_parcel.first()
    assert dict(found.items()) == {number: tile for number, tile in enumerate(expected, 1) if tile is not None and number in found.index}
    assert len(found) == sum(tile is not None for tile in expected)
    west, east = (zone_parcels().to_crs(crs).within(shapely.box(x, y - 10 * ZONE_SIZE, x + 10 * ZONE_SIZE, y)).to_numpy()
                  for crs, (x, y), _ in ZONES.values())
    both = np.flatnonzero(west & east)
    assert len(both) >= 6 and all(found[number + 1] == "33UUP" for number in both), "of equals from the tile with more dates"


def test_places_are_in_degrees_and_lie_in_their_parcels(dataset):
    points = read_footprints(dataset.folder)
    assert points.crs == "EPSG:4326"
    parcels = zone_parcels().geometry.iloc[points["parcel"] - 1].reset_index(drop=True)
    # A pixel's middle may lie a rounding of the projection outside.
    assert points.geometry.to_crs(32633).distance(parcels.to_crs(32633)).max() < 0.01


def test_one_zone_keeps_its_crs(zones, folder):
    assert read_footprints(create(zones, folder / "one", images=images(zones, tiles=["32UQU"])).folder).crs == "EPSG:32632"


def test_the_unseen_tile_is_a_split(zones, folder):
    dataset = create(zones, folder / "ds", split_by="tile", validation_share=0)
    assert dataset.tiles.groupby("scene")["split"].nunique().max() == 1 and set(dataset.splits) == {"training", "test"}
    assert dataset.description["split"]["group"] == "tiles"
    JOBS["split_dataset"].from_values({"dataset": str(folder / "ds"), "way": "scene", "validation_share": 0, "test_share": 0.4, "seed": 3,
                                       "output": str(folder / "again")}).run(Listening())
    again = Dataset.open(folder / "again")
    assert again.tiles.groupby("scene")["split"].nunique().max() == 1 and set(again.splits) == {"training", "test"}
    with pytest.raises(DataError, match="The number of tiles is 2, but each of training, validation, test needs one."):
        create(zones, folder / "three", split_by="tile")


def test_a_gap_when_a_dataset_is_divided_again(zones, folder):
    """In pixels, between samples of two zones."""
    create(zones, folder / "ds", kind="parcels")
    values = {"dataset": str(folder / "ds"), "way": "parcel", "buffer": 25, "output": str(folder / "again")}
    JOBS["split_dataset"].from_values(values).run(Listening())
    again = Dataset.open(folder / "again")
    points = read_footprints(again.folder).to_crs("+proj=laea +lat_0=48 +lon_0=12").geometry
    training, others = points[again.splits == "training"], points[np.isin(again.splits, ["validation", "test"])]
    assert len(training) and min(others.distance(point).min() for point in training) > 249
    dropped = points[again.splits == "dropped"]
    assert len(dropped) and max(others.distance(point).min() for point in dropped) < 251
    with pytest.raises(DataError, match="No training sample of .* lies 5000 px or more from all of validation and test. Choose a smaller buffer."):
        JOBS["split_dataset"].from_values({**values, "buffer": 5000, "output": str(folder / "none")}).run(Listening())


@pytest.mark.parametrize("gap", [60, 300])
def test_the_gap_is_kept(zones, folder, gap):
    """Against the distances of all pairs of parcels; also between parcels of two zones."""
    dataset = create(zones, folder / "ds", gap=gap, split_by="blocks", block_size=700)
    shapes = zone_parcels().to_crs("+proj=laea +lat_0=48 +lon_0=12").geometry
    kept, others = ({int(parcel) for parcel in dataset.tiles["parcel"][np.isin(dataset.splits, names)]}
                    for names in (["training"], ["validation", "test"]))
    assert kept and others and not kept & others
    distances = [shapes[one - 1].distance(shapes[two - 1]) for one in kept for two in others]
    assert min(distances) > gap - 1
    dropped = {int(parcel) for parcel in dataset.tiles["parcel"][dataset.splits == "dropped"]}
    assert dropped and all(min(shapes[one - 1].distance(shapes[two - 1]) for two in others) < gap + 1 for one in dropped)
    assert f"nearer than {gap} m to validation or test are dropped" in dataset.description["split"]["text"]


def test_a_gap_that_leaves_nothing(zones, folder):
    with pytest.raises(DataError, match="No training parcel lies 50000 m or more from all parcels of validation and test. Choose a smaller gap"):
        create(zones, folder / "ds", gap=50_000)


def test_radar_of_two_zones_lies_on_the_tile_it_covers(zones, folder):
    radar = [str(zones / f"S1_{crs[-5:]}_{day}.tif") for crs, _, days in ZONES.values() for day in days[1:3]]
    dataset = create(zones, folder / "ds", radar=radar, kind="parcels")
    everything = np.arange(len(dataset))
    values, days = dataset.images(everything, "s1")[..., 0], dataset.array("days_s1", everything)
    own = np.where(dataset.tiles["scene"] == "33UUP", 3, 2)
    start = date(2018, 1, 1)
    for tile, (_, _, taken) in ZONES.items():
        mine = (dataset.tiles["scene"] == tile).to_numpy()
        expected = [(date.fromisoformat(day) - start).days for day in taken[1:3]]
        for number, day in enumerate(expected):
            column = (days[mine] == day).argmax(1)
            assert (days[mine] == day).any(1).all()
            found = values[mine][np.arange(mine.sum()), column]
            assert np.allclose(found[np.isfinite(found)], -10 * (number + 1) - own[mine][0], atol=1e-4)


def test_a_crop_year_leaves_other_days_out(zones, folder):
    heard = Listening()
    dataset = create(zones, folder / "ds", heard, first_day="11-01", last_day="05-31")
    assert dataset.facts["dates"] == {"33UUP": ["2019-04-01", "2019-05-01"], "32UQU": ["2018-11-05", "2019-04-20"]}
    assert (dataset.facts["first_day"], dataset.facts["last_day"], dataset.facts["first_year"]) == ("11-01", "05-31", 2018)
    assert "3 of 7 images are of days outside 11-01 to 05-31 and are left out." in heard.texts
    with pytest.raises(DataError, match=r"None of the images is of a day from 01-01 to 02-28: they are of 2018-10-15 to 2019-07-01."):
        create(zones, folder / "none", first_day="01-01", last_day="02-28")


def test_images_of_two_seasons_are_refused(zones, folder):
    with pytest.raises(DataError, match="The images of 33UUP are of 2 seasons, 2018-01-01 to 2018-12-31, 2019-01-01 to 2019-12-31, and a series is "
                                        "of one. Choose the images of one, or write the year before the first and the last day."):
        create(zones, folder / "ds", first_day="01-01", last_day="12-31")
    with_year = create(zones, folder / "one", first_day="2019-01-01", last_day="2019-12-31")
    assert len(with_year.facts["dates"]["33UUP"]) == 3


def test_with_a_season_tiles_of_different_years_compare(zones, folder):
    """The eastern tile is said to be of the next year: its days are those of its season all the same, and without a season a year later."""
    table = folder / "dates.csv"
    later = {day: f"{int(day[:4]) + 1}{day[4:]}" for day in ZONES["32UQU"][2]}
    rows = [f"T{tile}_{day}T101021.tif,{later[day] if tile == '32UQU' else day}" for tile in ZONES for day in ZONES[tile][2]]
    table.write_text("\n".join(["file,date", *rows]))
    for name, values, first in (("season", {"first_day": "09-01", "last_day": "08-31"}, 2019), ("none", {}, 2018)):
        dataset = create(zones, folder / name, kind="parcels", date_table=str(table), **values)
        days = dataset.array("days", np.arange(len(dataset)))
        for tile, (_, _, taken) in ZONES.items():
            start = date(first if tile == "32UQU" else 2018, 1, 1)
            expected = [(date.fromisoformat(later[day] if tile == "32UQU" else day) - start).days for day in taken]
            assert (days[(dataset.tiles["scene"] == tile).to_numpy(), :len(taken)] == expected).all()
        assert dataset.facts["dates"]["32UQU"][0] == "2019-11-05"


@pytest.mark.parametrize(("first", "last", "day", "season"), [
    ("09-01", "08-31", "2019-08-31", ("2018-09-01", "2019-08-31")), ("09-01", "08-31", "2019-09-01", ("2019-09-01", "2020-08-31")),
    ("11-01", "05-31", "2019-06-01", None), ("02-29", "03-31", "2019-02-28", ("2019-02-28", "2019-03-31")),
    ("2018-09-01", "2019-08-31", "2018-08-31", None), ("2018-09-01", "2019-08-31", "2018-09-01", ("2018-09-01", "2019-08-31"))])
def test_seasons(first, last, day, season):
    found = Season.read(first, last).around(date.fromisoformat(day))
    assert (found and tuple(map(str, found))) == season


@pytest.mark.parametrize(("first", "last", "sentence"), [
    ("09-01", None, "only one was given: “09-01”. Give both, or none."),
    ("1 Sep", "08-31", "“First day” .first_day. is “1 Sep”, which is no day of a year. Write the month and then the "
                       "day, MM-DD"),
    ("02-30", "08-31", "“02-30”, which is no day"), ("01-01", "13-01", "“Last day” .last_day. is “13-01”, which is no day of a year."),
    ("13-01", None, "“First day” .first_day. is “13-01”, which is no day of a year."), ("2018-09-01", "08-31", "only one day has a year"),
    ("2019-09-01", "2019-08-31", "ends before it begins")])
def test_bad_seasons(first, last, sentence):
    with pytest.raises(DataError, match=sentence):
        Season.read(first, last)


def test_a_tile_in_two_places_is_refused(zones, folder):
    with pytest.raises(DataError, match="are of the tile 33UUP by their names, but lie on different ground. Correct the name of one of them"):
        create(zones, folder / "ds", images=[*images(zones), str(zones / "T33UUP_20190605T101021.tif")])


def test_two_images_of_a_tile_and_day_are_refused(zones, folder):
    again = folder / "again_T33UUP_20190401T101021.tif"
    shutil.copy(images(zones)[1], again)
    with pytest.raises(DataError, match="are both of 2019-04-01, but a series holds each date once."):
        create(zones, folder / "ds", images=[*images(zones), str(again)])


def test_a_tile_with_one_date_is_refused(zones, folder):
    with pytest.raises(DataError, match="The images of 32UQU hold 1 date, and a series needs at least 2. Choose images of 32UQU of more dates."):
        create(zones, folder / "ds", images=images(zones)[:5])


def test_tiles_without_parcels_or_common_dates_are_told(zones, folder):
    heard = Listening()
    west = zone_parcels().iloc[[0, 1, 2, 14, 15, 16]]
    west.to_file(folder / "west.gpkg")
    dataset = create(zones, folder / "ds", heard, parcels=str(folder / "west.gpkg"))
    assert set(dataset.tiles["scene"]) == {"33UUP"} and "33UUP" not in dataset.facts["dates"]
    assert "No parcel lies on the images of 32UQU, so they are not used." in heard.warnings
    heard = Listening()
    create(zones, folder / "apart", heard, images=images(zones)[:2] + images(zones)[5:])
    assert "The images are of 2 tiles: 33UUP, 32UQU, in EPSG:32632, EPSG:32633." in heard.texts
    assert ("The dates of 33UUP (2018-10-15 to 2019-04-01) and 32UQU (2019-04-20 to 2019-06-10) do not overlap, so a model sees other parts of the "
            "year there. Check the dates.") in heard.warnings


def test_the_report_shows_the_dates_of_each_tile(dataset):
    text = "".join(sections(dataset))
    assert "sky over the samples of 33UUP on each date" in text and "sky over the samples of 32UQU on each date" in text


def test_names_of_tiles():
    assert tile_named("S2A_MSIL2A_20190405T103021_N0211_R108_T32ULB_20190406T134536.SAFE") == "32ULB"
    assert tile_named("33UVP_20190405.tif") == "33UVP" and tile_named("LC08_L2SP_191027_20200621_20200823_02_T1") == "191027"
    assert tile_named("S2_20190405.tif") == "" and tile_named("X33UVPQ.tif") == ""


def test_parcels_in_degrees_on_images_in_degrees(zones, folder):
    """One place in EPSG:4326: distances are in metres all the same."""
    parcels = zone_parcels()
    west, south, east, north = parcels.total_bounds
    transform = rasterio.transform.from_origin(west, north, 1e-4, 1e-4)
    size = (int((north - south) / 1e-4) + 1, int((east - west) / 1e-4) + 1)
    drawn = [(shape, CROPS.index(crop) + 1) for shape, crop in zip(parcels.geometry, parcels["crop"], strict=True)]
    crops = rasterize(drawn, size, transform=transform)
    for day in ("20190401", "20190501"):
        write_raster(folder / f"S2_{day}.tif", np.stack([crops * 1000] * 10).astype(np.uint16), names=BANDS, nodata=0, crs="EPSG:4326",
                     transform=transform)
    dataset = create(zones, folder / "ds", images=[str(folder / f"S2_{day}.tif") for day in ("20190401", "20190501")])
    # Neighbours are 50 m apart; a pixel is 7.4 m wide and 11.1 m high, and distances are told in its longer edge.
    assert dataset.description["split"]["leakage_distance_px"] == pytest.approx(50 / 11.1, abs=0.1)


def test_cloud_masks_of_two_tiles_are_told_tile_by_tile(zones, folder):
    heard = Listening()
    create(zones, folder / "ds", heard, masks=images(zones, "SCL_"))
    said = [text for text in heard.texts if "cloud masks" in text]
    assert said == ["4 dates of the cloud masks of 33UUP, from 2018-10-15 to 2019-07-01, read from the file names.",
                    "3 dates of the cloud masks of 32UQU, from 2018-11-05 to 2019-06-10, read from the file names."]
