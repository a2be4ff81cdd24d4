"""What the importers of Fields of The World, DeepGlobe and PASTIS read, against the values their small copies were made with."""

import json
import re
import shutil

import numpy as np
import pytest
import rasterio
from hypothesis import given

from eo_pretrain_qgis.engine.datasets.dataset import IGNORE, Dataset
from eo_pretrain_qgis.engine.datasets.dates import clear_days
from eo_pretrain_qgis.engine.describing.page import describe
from eo_pretrain_qgis.engine.formats import Tree, detect
from eo_pretrain_qgis.engine.formats.fields_of_the_world import _split_of as split_of_chips
from eo_pretrain_qgis.engine.formats.fields_of_the_world import distances
from eo_pretrain_qgis.engine.formats.pastis_files import read_patches
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .. import scenes_published as made
from ..fuzzing import fuzzed
from ..listening import Listening
from ..mutations import damaged_json


def imported(folder, progress=SILENT, **values):
    JOBS["import_dataset"].from_values({**values, "output": str(folder / "out")}).run(progress)
    return Dataset.open(folder / "out")


def everything(dataset):
    return np.arange(len(dataset))


def test_chips_of_two_dates_with_their_fields(folder):
    heard = Listening()
    dataset = imported(folder, heard, source=str(made.fields_of_the_world(folder)))
    assert (dataset.task, len(dataset), dataset.tile_size) == ("fields", 15, 32)
    assert [band.name for band in dataset.sensors[0].bands] == ["B04", "B03", "B02", "B08", "B04 (2)", "B03 (2)", "B02 (2)", "B08 (2)"]
    assert {band.unit for band in dataset.sensors[0].bands} == {"reflectance"}
    assert "Chips of kenya that are for no split, as published, are left out: 1 of 4." in heard.texts
    images, labels, tiles = dataset.images(everything(dataset)), dataset.labels(everything(dataset)), dataset.tiles
    for number, (image, row) in enumerate(zip(images, tiles.itertuples(), strict=True)):
        chip = int(row.scene.rpartition("_")[2])
        assert image[:, 0, 0].tolist() == [1000 + 100 * chip, 1001, 1002, 1003, 3000 + 100 * chip, 3001, 3002, 3003]
        assert (row.country, row.fields) == ("austria" if number < 12 else "kenya", 2)
    assert dataset.splits.tolist() == ["training"] * 8 + ["validation"] * 2 + ["test"] * 2 + ["training"] * 3
    austria, kenya = labels[0], labels[-1]
    assert austria[20, 20] == 0 and kenya[20, 20] == IGNORE, "where only some fields are drawn, nobody knows what lies beside them"
    for label in (austria, kenya):
        assert (label[10, 15], label[6, 15], label[10, 0], label[10, 5]) == (1, 2, 1, 2)
    objects, distance = (dataset.array(name, everything(dataset)) for name in ("objects", "distance"))
    assert objects.dtype == np.uint32 and np.array_equal(np.unique(objects[0]), [0, 7, 9])
    assert distance[0, 10, 5] == round(255 / 6) and distance[0, 10, 0] == 255, "the edge of a chip is no border of a field"
    assert (distance[0] > 0).sum() == (objects[0] > 0).sum()
    assert describe(dataset)["tiles"] == 15


def test_distances_of_fields():
    objects = np.zeros((5, 7), np.uint32)
    objects[1:4, 1:6] = 3
    expected = np.zeros((5, 7), int)
    expected[1:4, 1:6], expected[2, 2:5] = 128, 255
    np.testing.assert_array_equal(distances(objects, (10, 10)), expected)
    assert (distances(np.full((4, 4), 2, np.uint32), (10, 10)) == 255).all()


def test_a_country_alone_and_in_its_archive(folder):
    root = made.fields_of_the_world(folder) / "austria"
    first = imported(folder / "a", source=str(root))
    second = imported(folder / "b", archive=shutil.make_archive(str(folder / "austria"), "zip", root))
    np.testing.assert_array_equal(first.images(everything(first)), second.images(everything(second)))
    assert first.facts["countries"] == second.facts["countries"] == {"austria": 12}
    (folder / "zips").mkdir()
    shutil.move(folder / "austria.zip", folder / "zips")
    third = imported(folder / "c", source=str(folder / "zips"))
    assert third.facts == first.facts and third.splits.tolist() == first.splits.tolist()
    assert first.description["scenes"][0]["checksum"] == second.description["scenes"][0]["checksum"]


def test_a_few_missing_images_are_as_published(folder):
    root = made.fields_of_the_world(folder)
    (root / "austria" / "s2_images" / "window_a" / "g_4.tif").unlink()
    heard = Listening()
    assert len(imported(folder, heard, source=str(root))) == 14
    assert any(re.search(r"^1 of the 12 chips of austria lack an image or a label image, such as .*window_a/g_4.tif; they are left out.", text)
               for text in heard.texts)


def test_fields_without_numbers_are_told(folder):
    root = made.fields_of_the_world(folder)
    path = root / "austria" / "label_masks" / "instance" / "g_4.tif"
    with rasterio.open(path, "r+") as image:
        image.write(np.zeros_like(image.read()))
    heard = Listening()
    dataset = imported(folder, heard, source=str(root))
    assert not dataset.array("distance", np.array([4])).any()
    assert any("fields of 1 of 15 chips have no numbers in label_masks/instance, such as austria/g_4: " in text for text in heard.warnings)


def test_dates_of_different_types_are_refused(folder):
    root = made.fields_of_the_world(folder)
    path = root / "austria" / "s2_images" / "window_b" / "g_4.tif"
    with rasterio.open(path) as image:
        profile, values = image.profile, image.read()
    with rasterio.open(path, "w", **{**profile, "dtype": "float32"}) as image:
        image.write(values.astype("float32") / 10000)
    with pytest.raises(DataError, match=r"window_a/g_4.tif holds uint16 values and .*window_b/g_4.tif float32, but both dates are stored alike."):
        imported(folder, source=str(root))


def test_masks_in_colours(folder):
    heard = Listening()
    dataset = imported(folder, heard, source=str(made.deepglobe(folder)), pixel_size=0.5, seed=2)
    assert detect(Tree(made.deepglobe(folder / "again"))) == "suffix_pairs"
    names = [row.name for row in dataset.classes]
    assert names == [name for name, _ in made.DEEPGLOBE[:-1]] and dataset.classes[4].color == "#0000ff"
    labels = dataset.labels(everything(dataset))
    for label, row in zip(labels, dataset.tiles.itertuples(), strict=True):
        number = int(row.scene)
        assert label[5, 5] == (IGNORE if number % 7 == 6 else number % 7) and label[20, 20] == 4
    assert labels[0, 0, 0] == IGNORE and labels[0, 0, 1] == 0
    texts = "\n".join(heard.texts)
    assert re.search(r"valid holds 2 images and no label image; they are left out", texts)
    assert "Only the training images of" in texts and dataset.description["split"]["method"] == "random"
    assert "“unknown” of" in texts
    assert re.search(r"have colours that are not in .*class_dict.csv; these pixels have no label: 255, 0, 0 \(1 px\), first in .*0_mask.png", texts)


def test_grey_masks_keep_the_published_split(folder):
    dataset = imported(folder, source=str(made.road_masks(folder)), pixel_size=0.5)
    assert [(row.value, row.name) for row in dataset.classes] == [(0, "background"), (1, "road")]
    assert (dataset.labels(everything(dataset))[:, :16] == 1).all() and (dataset.labels(everything(dataset))[:, 16:] == 0).all()
    assert [int((dataset.splits == split).sum()) for split in ("training", "validation", "test")] == [12, 4, 4]
    (folder / "lists").mkdir()
    for split, numbers in (("train", range(4, 20)), ("test", range(4))):
        (folder / "lists" / f"{split}.txt").write_text("".join(f"{number}_sat.jpg\n" for number in numbers))
    listed = imported(folder / "listed", source=str(folder / "roads"), split_lists=str(folder / "lists"), pixel_size=0.5)
    assert [int((listed.splits == split).sum()) for split in ("training", "validation", "test")] == [16, 0, 4]
    (folder / "roads" / "class_dict.csv").unlink()
    plain = imported(folder / "plain", source=str(folder / "roads"), pixel_size=0.5)
    assert [(row.value, row.name) for row in plain.classes] == [(0, "background"), (1, "object")]


def test_colours_of_the_jobs_table_of_classes(folder):
    table = [{"value": "3", "name": "water", "color": "#0000ff"}, {"value": "5", "name": "other", "color": "#00ffff"}]
    dataset = imported(folder, source=str(made.deepglobe_without_colors(folder)), class_table=table, pixel_size=0.5)
    assert [(row.value, row.name) for row in dataset.classes] == [(3, "water"), (5, "other")]
    first = dataset.labels(np.flatnonzero(dataset.tiles["scene"] == "7"))[0]
    assert first[5, 5] == 1 and first[20, 20] == 0


def test_dated_patches_with_their_folds(folder):
    dataset = imported(folder, source=str(made.pastis(folder)))
    assert (dataset.task, dataset.tile_size, len(dataset)) == ("tiles in time", 128, 7)
    assert [sensor.name for sensor in dataset.sensors] == ["s2", "s1a"]
    assert [band.name for band in dataset.sensors[0].bands] == ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
    assert dataset.splits.tolist() == ["training"] * 3 + ["validation"] + ["test"] * 2 + ["training"]
    images, labels = dataset.images(everything(dataset), "s2"), dataset.labels(everything(dataset))
    assert images.shape == (7, 4, 10, 128, 128) and images.dtype == np.int16
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        assert image[1, :, 5, 5].tolist() == (600 + 10 * number + np.arange(10)).tolist()
        assert (label[0, 0], label[100, 0], label[0, -1]) == (number, 0, IGNORE)
    days, flags = dataset.array("days", everything(dataset)), dataset.array("flags", everything(dataset))
    assert days[0].tolist() == [259, 269, 279, 289] and days[6].tolist() == [259, 269, 279, -1]
    assert (flags[:6] == 0).all() and (flags[6, 3] == 4).all() and (flags[6, 0, 0] == 4).all() and (flags[6, 0, 1] == 0).all()
    radar = dataset.images(everything(dataset), "s1a")
    assert radar.shape == (7, 2, 2, 128, 128) and radar[3, 0, :, 0, 0].tolist() == [-13, -17]
    assert dataset.array("days_s1a", everything(dataset))[0].tolist() == [244, 256]
    assert (clear_days(dataset, "s2", np.array([6])) == [[259, 269, 279, -1]]).all()
    assert dataset.statistics["s2"]["B02"]["minimum"] == 500, "what was not measured does not count"
    place = dataset.tiles.iloc[2]
    assert (place["fold"], place["granule"]) == (3, "t30uxv")
    assert describe(dataset)["tiles"] == 7


def test_patches_from_an_archive_and_divided_anew(folder):
    archive = shutil.make_archive(str(folder / "PASTIS"), "zip", made.pastis_optical(folder))
    dataset = imported(folder, archive=archive, split="new", validation_share=0, test_share=0)
    assert (dataset.splits == "training").all()
    assert dataset.images(np.array([2]), "s2")[0, 0, 0, 0, 0] == 520
    assert dataset.description["scenes"][0]["crs"].startswith('PROJCRS["RGF93')


@pytest.mark.parametrize(("scene", "sentence"), [
    ("ftw_other_class", "g_2.tif holds the value 4, but label images of Fields of The World hold 0 background, 1 field, 2 boundary"),
    ("pastis_pickled", "S2_10003.npy cannot be read as an array .Array can't be memory-mapped: Python objects in dtype"),
    ("deepglobe_same_colors", "gives “land” and “water” the same colour, 10, 20, 30. Give each class a colour of its own."),
])
def test_what_is_of_another_form_is_refused(folder, scene, sentence):
    with pytest.raises(DataError, match=sentence):
        imported(folder, source=str(getattr(made, scene)(folder)), pixel_size=0.5)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(("scene", "name"), [("pastis", "metadata.geojson"), ("ftw_geojson", "austria/chips_austria.geojson")])
def test_fuzz_damaged_tables_in_json(tmp_path, scene, name):
    root = getattr(made, scene)(tmp_path)
    path = root / name
    document = json.loads(path.read_text(encoding="utf-8"))

    @fuzzed(60)
    @given(damaged_json(document))
    def damage(content):
        path.write_bytes(content)
        try:
            if scene == "pastis":
                read_patches(Tree(root), "", ["s2", "s1a"])
            else:
                split_of_chips(Tree(root), "austria")
        except DataError as error:
            assert len(str(error)) < 1500, "a sentence and no table"
            assert str(error).rstrip().endswith(".")

    damage()
