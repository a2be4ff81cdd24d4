"""TimeSen2Crop folders: what is written is read again, tiles stay whole, and the one wrong file is named."""

import json
from datetime import date, timedelta

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.engine.formats.timesen2crop import find_tiles, read_timesen2crop, write_timesen2crop_dataset, write_timesen2crop_folders
from eo_pretrain_qgis.engine.formats.timesen2crop_files import CLASS_NAMES, HEADS, official_number
from eo_pretrain_qgis.errors import DataError

from ..listening import Listening

HEAD = ",".join((*HEADS, "Flag"))


def write_tile(folder, name, dates=5, labels=(0, 1, 12), samples=4, seed=0):
    """A tile with random values; returns what each file holds."""
    rng = np.random.default_rng(seed)
    place = folder / name
    place.mkdir(parents=True)
    days = [date(2017, 9, 3) + timedelta(40 * number) for number in range(dates)]
    (place / "dates.csv").write_text("acquisition_date\n" + "".join(f"{day:%Y%m%d}\n" for day in days))
    held = {}
    for label in labels:
        (place / str(label)).mkdir()
        for number in range(samples):
            rows = np.column_stack([rng.integers(100, 6000, (dates, 9)), rng.integers(0, 4, dates)])
            write_file(place / str(label) / f"{number}.csv", rows)
            held[label, number] = rows
    return held


def write_file(path, rows, head=HEAD):
    path.write_text(head + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))


def test_every_value_arrives_in_order(folder):
    held = {name: write_tile(folder / "all", name, dates, samples=12, seed=dates)
            for name, dates in (("33UVP", 5), ("33UWP", 7), ("33TWN", 4))}
    (folder / "out").mkdir()
    split = write_timesen2crop_dataset(folder / "all", folder / "out", SplitPlan(0.2, 0.2))
    dataset = Dataset.open(folder / "out")
    assert (len(dataset), dataset.task, dataset.theme, dataset.facts["first_year"]) == (108, "series", "crops", 2017)
    assert [row.name for row in dataset.classes] == ["Legumes", "Grassland", "Winter wheat"]
    assert [row.value for row in dataset.classes] == [0, 1, 12]
    everything = np.arange(108)
    images, labels = dataset.images(everything), dataset.labels(everything)
    days, flags = dataset.array("days", everything), dataset.array("flags", everything)
    assert images.shape == (108, 7, 9)
    position = 0
    for name in sorted(held):
        for (label, _), rows in held[name].items():
            dates = len(rows)
            assert np.array_equal(images[position, :dates], rows[:, :9])
            assert np.array_equal(flags[position, :dates], rows[:, 9])
            assert (images[position, dates:] == 0).all() and (days[position, dates:] == -1).all() and (flags[position, dates:] == 4).all()
            assert days[position, 1] == 245 + 40
            assert dataset.classes[labels[position]].value == label
            position += 1
    assert {len(set(split.names[dataset.tiles["scene"] == name])) for name in held} == {1}
    assert set(split.names) == {"training", "validation", "test"}
    assert "Whole tiles were given to training" in split.facts["text"]
    assert 0 < dataset.statistics["image"]["B02"]["mean"] < 6000


def test_processes_read_the_same(folder):
    write_tile(folder, "33UVP", samples=9)
    tiles = find_tiles(folder)
    alone, together = ([batch.values for batch in read_timesen2crop(tiles, workers=workers)] for workers in (0, 2))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_two_years_of_a_tile_stay_together(folder):
    for name in ("33UVP", "2019_33UVP", "33UWP", "33TWN"):
        write_tile(folder / "all", name)
    (folder / "out").mkdir()
    split = write_timesen2crop_dataset(folder / "all", folder / "out", SplitPlan(0.2, 0.2))
    scenes = Dataset.open(folder / "out").tiles["scene"].to_numpy()
    assert set(split.names[scenes == "33UVP"]) == set(split.names[scenes == "2019_33UVP"])


def test_one_tile_is_split_at_random_and_said(folder):
    write_tile(folder / "all", "33UVP", samples=20)
    (folder / "out").mkdir()
    split = write_timesen2crop_dataset(folder / "all", folder / "out", SplitPlan(0.2, 0.2))
    assert split.facts["text"].startswith("The samples have no coordinates, and all lie in one tile.")


def test_written_folders_keep_samples_and_split(folder):
    for name in ("33UVP", "33UWP", "33TWN"):
        write_tile(folder / "all", name, 5)
    for place in ("first", "second", "csv"):
        (folder / place).mkdir()
    split = write_timesen2crop_dataset(folder / "all", folder / "first", SplitPlan(0.2, 0.2))
    write_timesen2crop_folders(folder / "first", folder / "csv")
    again = write_timesen2crop_dataset(folder / "csv", folder / "second", SplitPlan())
    first, second = Dataset.open(folder / "first"), Dataset.open(folder / "second")
    assert again.counts == split.counts
    assert [row.name for row in second.classes] == [row.name for row in first.classes]
    for part in ("training", "validation", "test"):
        ours, theirs = (np.sort(each.images(each.indices(part)).reshape(-1, 45), axis=0) for each in (first, second))
        assert np.array_equal(ours, theirs)


#: doi 10.1109/JSTARS.2021.3073965, table II.
OFFICIAL = {0: "Legumes", 1: "Grassland", 2: "Maize", 3: "Potato", 4: "Sunflower", 5: "Soy", 6: "Winter barley", 7: "Winter caraway", 8: "Rye",
            9: "Rapeseed", 10: "Beet", 11: "Spring cereals", 12: "Winter wheat", 13: "Winter triticale", 14: "Permanent plantation",
            15: "Other crops"}


def test_numbers_are_those_of_the_official_list():
    assert dict(enumerate(CLASS_NAMES)) == OFFICIAL
    assert [official_number(name) for name in ("winter_wheat", "MAIZE", "Permanent plantations", "Legume", "Other crops")] == [12, 2, 14, 0, 15]
    assert [official_number(name) for name in ("Wheat", "class 2", "", "2")] == [None] * 4


def test_readers_without_our_table_get_the_right_classes(folder):
    """Every value of a sample is the number of its crop, so that folders and samples can be compared."""
    labels = (3, 14, 10, 0, 12)
    for tile in ("33UVP", "33UWP", "33TWN"):
        write_tile(folder / "all", tile, labels=labels)
        for label in labels:
            for number in range(4):
                write_file(folder / "all" / tile / str(label) / f"{number}.csv", np.array([[100 + label] * 9 + [0]] * 5))
    for place in ("first", "second", "csv"):
        (folder / place).mkdir()
    write_timesen2crop_dataset(folder / "all", folder / "first", SplitPlan(0.2, 0.2))
    # A dataset of our own orders its classes by name or by value as its legend has them.
    described = json.loads((folder / "first" / "dataset.json").read_text())
    for value, row in enumerate(described["classes"], 40):
        row["value"] = value
    described["classes"][1]["name"] = "flax"
    (folder / "first" / "dataset.json").write_text(json.dumps(described))
    heard = Listening()
    write_timesen2crop_folders(folder / "first", folder / "csv", heard)
    assert any("TimeSen2Crop's list has no flax; their samples are written as its class 15, “Other crops”." in text for text in heard.texts)
    names = {int(path.name): {int(file.read_text().splitlines()[1].split(",")[0]) - 100 for file in path.iterdir()}
             for path in (folder / "csv").glob("*_training/*") if path.is_dir()}
    assert names == {0: {0}, 10: {10}, 12: {12}, 14: {14}, 15: {3}}
    (folder / "csv" / "classes.csv").unlink()
    write_timesen2crop_dataset(folder / "csv", folder / "second", SplitPlan())
    again = Dataset.open(folder / "second")
    assert [(row.value, row.name) for row in again.classes] == [(number, OFFICIAL[number]) for number in (0, 10, 12, 14, 15)]
    values = again.images(np.arange(len(again)))[:, 0, 0] - 100
    expected = np.where(values == 3, 15, values)
    assert [again.classes[label].value for label in again.labels(np.arange(len(again)))] == expected.tolist()


def test_crops_of_which_none_is_in_the_list_are_refused(folder):
    for tile in ("33UVP", "33UWP", "33TWN"):
        write_tile(folder / "all", tile)
    (folder / "all" / "classes.csv").write_text("class,name\n0,flax\n1,hemp\n12,hops\n")
    for place in ("first", "csv"):
        (folder / place).mkdir()
    write_timesen2crop_dataset(folder / "all", folder / "first", SplitPlan(0.2, 0.2))
    with pytest.raises(DataError, match=r"None of the classes of .* \(flax, hemp, hops\) has a name of TimeSen2Crop's list"):
        write_timesen2crop_folders(folder / "first", folder / "csv")


@pytest.mark.parametrize(("spoil", "sentence"), [
    (lambda rows: (np.delete(rows, 4, 1), HEAD.replace("B5,", "")), r"1/2.csv lacks the column B5; it has B1, B2, B3, B4, B6"),
    (lambda rows: (rows[:, :9], HEAD.replace(",Flag", "")), r"1/2.csv lacks the column Flag; it has B1"),
    (lambda rows: ([*rows[:2].tolist(), rows[2, :9].tolist(), *rows[3:].tolist()], HEAD),
     r"Line 4 of .*1/2.csv holds 9 values, but its heading names 10"),
    (lambda rows: (rows[:3], HEAD), r"1/2.csv has 3 dates, but dates.csv of its tile has 5"),
    (lambda rows: ([["x", *rows[0, 1:].tolist()], *rows[1:].tolist()], HEAD), r"Line 2 of .*1/2.csv holds “x”, which is no number"),
    (lambda rows: ([["", *rows[0, 1:].tolist()], *rows[1:].tolist()], HEAD), r"Line 2 of .*1/2.csv holds “”, which is no number"),
    (lambda rows: (rows + np.array([0] * 9 + [7]), HEAD), r"1/2.csv holds a value outside 0 to 65535, or a flag other than 0 to 3"),
])
def test_the_wrong_file_is_named(folder, spoil, sentence):
    held = write_tile(folder, "33UVP")
    write_file(folder / "33UVP" / "1" / "2.csv", *spoil(held[1, 2]))
    with pytest.raises(DataError, match=sentence):
        list(read_timesen2crop(find_tiles(folder), workers=0))


def test_columns_in_another_order_and_under_their_own_names(folder):
    held = write_tile(folder, "33UVP", labels=(1,))
    names = ["B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12", "Flag"]
    write_file(folder / "33UVP" / "1" / "2.csv", held[1, 2][:, ::-1], ",".join(names[::-1]))
    batch = next(read_timesen2crop(find_tiles(folder), workers=0))
    assert np.array_equal(batch.values[2], held[1, 2][:, :9])
    assert np.array_equal(batch.values[3], held[1, 3][:, :9])


@pytest.mark.parametrize(("dates", "sentence"), [
    ("20180101\n20180101\n", "Line 3 of .*dates.csv repeats the date 2018-01-01"),
    ("20180301\n20180101\n", "Line 3 of .*dates.csv goes back to 2018-01-01"),
    ("20180301\nsoon\n", "Line 3 of .*dates.csv holds “soon”, which is no date"),
    ("", "dates.csv holds no dates"),
])
def test_dates_that_cannot_be(folder, dates, sentence):
    write_tile(folder, "33UVP")
    (folder / "33UVP" / "dates.csv").write_text("acquisition_date\n" + dates)
    with pytest.raises(DataError, match=sentence):
        find_tiles(folder)


def test_a_folder_without_tiles(folder):
    with pytest.raises(DataError, match="holds no TimeSen2Crop tile"):
        find_tiles(folder)
