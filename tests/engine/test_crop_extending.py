"""Series added to a crop dataset: old samples stay as they were, new ones have their own dates, and none is like an old test series."""

from datetime import date, timedelta

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints
from eo_pretrain_qgis.engine.themes.crops.report import sections
from eo_pretrain_qgis.errors import DataError, JobError

from ..listening import Listening
from ..scenes_crops import BANDS, CROPS, ZONES, crop_zones, zone_parcels, zone_value
from .test_crop_places import create, images


@pytest.fixture(scope="module")
def zones(tmp_path_factory):
    return crop_zones(tmp_path_factory.mktemp("zones"))


def calendar(dataset, indices):
    """ISO days of each date, empty for padding (n, date)."""
    start = date(dataset.facts["first_year"], 1, 1)
    return [[(start + timedelta(int(day))).strftime("%Y%m%d") if day >= 0 else "" for day in row] for row in dataset.array("days", indices)]


def assert_true(dataset, indices=None):
    """Every value is that of its tile, crop and day."""
    indices = np.arange(len(dataset)) if indices is None else indices
    values, days = dataset.images(indices), calendar(dataset, indices)
    flags = dataset.array("flags", indices)
    for row, sample in zip(indices, range(len(indices)), strict=True):
        tile, crop = dataset.tiles["scene"][row], CROPS.index(dataset.tiles["crop"][row])
        for number, day in enumerate(days[sample]):
            if day:
                expected = [zone_value(tile, crop, ZONES[tile][2].index(day), band) for band in range(len(BANDS))]
                assert values[sample, number].tolist() == expected and flags[sample, number] == 0
            else:
                assert not values[sample, number].any() and flags[sample, number] == 4


@pytest.mark.parametrize(("base", "first"), [("33UUP", 0), ("32UQU", 0), ("32UQU", 1)])
def test_another_tile_joins(zones, folder, base, first):
    """Longer than the dataset and shorter, and older than its first year."""
    other = next(tile for tile in ZONES if tile != base)
    old = create(zones, folder / "old", images=images(zones, tiles=[base])[first:], kind="parcels")
    heard = Listening()
    both = create(zones, folder / "both", heard, images=images(zones, tiles=[other]), kind="parcels", append_to=str(folder / "old"))
    assert not any(text.startswith("Whole parcels were given to training") and " Then " not in text for text in heard.texts)
    assert set(both.tiles["scene"]) == set(ZONES) and both.facts["first_year"] == 2018
    assert_true(both)
    assert both.shards.compare(), "old and new arrays have checksums, which fit"
    assert list(both.splits[:len(old)]) == list(old.splits) and (both.labels(np.arange(len(old))) == old.labels(np.arange(len(old)))).all()
    assert [row.name for row in both.classes] == [row.name for row in old.classes]
    assert set(both.splits[len(old):]) <= {"training", "dropped"}
    assert set(both.facts["dates"]) == set(ZONES) and read_footprints(both.folder).crs == "EPSG:4326"
    assert "sky over the samples of 33UUP" in "".join(sections(both))
    assert "Then " in both.description["split"]["text"] and both.description["labels"]["added"][0]["field"] == "crop"


def test_parcels_at_old_test_parcels_are_dropped(zones, folder):
    old = create(zones, folder / "old", images=images(zones, tiles=["33UUP"])[:2], kind="parcels")
    # The same tile on other dates: the same parcels.
    heard = Listening()
    both = create(zones, folder / "both", heard, images=images(zones, tiles=["33UUP"])[2:], kind="pixels", append_to=str(folder / "old"))
    assert f"The samples of {folder / 'old'} are parcels, and the new ones are pixels. A model learns both alike." in heard.warnings
    new = both.tiles[len(old):]
    split_of = dict(zip(old.tiles["parcel"], old.splits, strict=True))
    for parcel, split in zip(new["parcel"], new["split"], strict=True):
        assert split == ("training" if split_of[parcel] == "training" else "dropped")
    assert set(both.tiles["scene"]) == {"33UUP"} and len(both.facts["dates"]) == 2
    gap = create(zones, folder / "gap", images=images(zones, tiles=["33UUP"])[2:], kind="parcels", append_to=str(folder / "old"), gap=60)
    shapes = zone_parcels().to_crs(32633).geometry
    held = [parcel for parcel, split in split_of.items() if split != "training"]
    for parcel, split in zip(gap.tiles["parcel"][len(old):], gap.splits[len(old):], strict=True):
        near = min(shapes[parcel - 1].distance(shapes[other - 1].centroid) for other in held)
        assert abs(near - 60) < 20 or split == ("dropped" if near <= 60 else "training")


def test_another_layer_has_other_parcels(zones, folder):
    old = create(zones, folder / "old", images=images(zones, tiles=["33UUP"]), kind="parcels")
    parcels = zone_parcels()
    parcels["crop"] = parcels["crop"].replace({"wheat": "rye"})
    parcels.to_file(folder / "others.gpkg")
    heard = Listening()
    both = create(zones, folder / "both", heard, images=images(zones, tiles=["32UQU"]), kind="parcels", append_to=str(folder / "old"),
                  parcels=str(folder / "others.gpkg"))
    assert set(both.tiles["parcel"][:len(old)]).isdisjoint(both.tiles["parcel"][len(old):])
    assert any(text.startswith("1 crops are no class of") and text.endswith("and are left out: rye.") for text in heard.warnings)
    parcels["crop"] = "rye"
    parcels.to_file(folder / "rye.gpkg")
    with pytest.raises(DataError, match="The field “crop” holds rye, and none of them is a class of .*, which has grass, maize, wheat"):
        create(zones, folder / "rye", images=images(zones, tiles=["32UQU"]), append_to=str(folder / "old"), parcels=str(folder / "rye.gpkg"))


def test_what_cannot_join(zones, folder):
    create(zones, folder / "old", images=images(zones, tiles=["33UUP"]), kind="parcels", first_day="09-01", last_day="08-31")
    other = {"images": images(zones, tiles=["32UQU"]), "append_to": str(folder / "old")}
    with pytest.raises(DataError, match="holds days from 09-01 to 08-31, and 10-01 to 09-30 was asked for. Leave the first and the last day empty"):
        create(zones, folder / "season", **other, first_day="10-01", last_day="09-30")
    assert Dataset.open(folder / "old").facts["first_day"] == "09-01"
    with pytest.raises(JobError, match="Series of two sensors cannot be added to a dataset."):
        create(zones, folder / "radar", **other, radar=images(zones))
    with pytest.raises(DataError, match="has the bands X0, X1, .*, but .* has B02, B03, .* Choose images of the same sensor"):
        create(zones, folder / "bands", **other, preset="generic", bands=",".join(f"X{number}" for number in range(10)))
    create(zones, folder / "two", images=images(zones, tiles=["33UUP"]), kind="parcels",
           radar=[str(zones / f"S1_32633_{day}.tif") for day in ZONES["33UUP"][2][1:3]])
    with pytest.raises(DataError, match="holds series of 2 sensors, and series can be added only to a dataset of one sensor with parcels."):
        create(zones, folder / "sensors", images=images(zones), append_to=str(folder / "two"))


def test_crops_may_be_given_by_the_values_of_the_classes(zones, folder):
    """As the form of “Suggest labels” fills them in."""
    old = create(zones, folder / "old", images=images(zones, tiles=["33UUP"]), kind="parcels")
    value = {row.name: row.value for row in old.classes}
    parcels = zone_parcels()
    parcels["class"] = parcels["crop"].map(value)
    parcels.to_file(folder / "labelled.gpkg")
    heard = Listening()
    both = create(zones, folder / "both", heard, images=images(zones, tiles=["32UQU"]), kind="parcels", append_to=str(folder / "old"),
                  parcels=str(folder / "labelled.gpkg"), crop_field="class")
    new = np.arange(len(old), len(both))
    assert len(new) and [both.classes[label].value for label in both.labels(new)] == [int(crop) for crop in both.tiles["crop"][new]]
    assert f"The field “class” holds the values of the classes of {folder / 'old'}: 1 grass, 2 maize, 3 wheat." in heard.texts
