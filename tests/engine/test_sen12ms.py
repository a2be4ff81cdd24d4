"""SEN12MS as it is handed out: values, schemes of classes, the makers' split, scenes that stay whole, and what is refused."""

import shutil

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.datasets.dataset import IGNORE, Dataset
from eo_pretrain_qgis.engine.datasets.surroundings import Surroundings
from eo_pretrain_qgis.engine.formats import Tree, detect
from eo_pretrain_qgis.engine.formats.sen12ms import IGBP
from eo_pretrain_qgis.engine.formats.split_lists import read_lists
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .. import scenes_sen12ms as made
from ..listening import Listening
from ..scenes import write_raster

ALL_TRAINING = {"validation_share": 0, "test_share": 0}


def imported(folder, progress=SILENT, **values):
    JOBS["import_dataset"].from_values({**values, "output": str(folder / "out")}).run(progress)
    return Dataset.open(folder / "out")


def test_values_places_and_simplified_classes(folder):
    root = made.sen12ms(folder)
    assert detect(Tree(root)) == detect(Tree(root / "ROIs1868_summer")) == "sen12ms"
    dataset = imported(folder, source=str(root), **ALL_TRAINING)
    assert [(sensor.name, sensor.preset) for sensor in dataset.sensors] == [("s2", "sentinel2_l1c"), ("s1", "sentinel1_db")]
    assert [band.name for band in dataset.sensors[0].bands][7:11] == ["B08", "B8A", "B09", "B10"] and len(dataset) == 15
    assert [(row.value, row.name) for row in dataset.classes][::4] == [(1, "forest"), (5, "wetland"), (9, "barren")] and len(dataset.classes) == 10
    tiles = dataset.tiles
    assert tiles["patch"][:4].tolist() == ["ROIs1158_spring_s2_1_p30", "ROIs1158_spring_s2_1_p31", "ROIs1158_spring_s2_1_p102",
                                           "ROIs1158_spring_s2_7_p30"]
    assert tiles["season"].tolist() == ["spring"] * 9 + ["summer"] * 6 and dataset.facts["seasons"] == ["spring", "summer"]
    optical, radar, labels = (dataset.images(np.arange(15), "s2"), dataset.images(np.arange(15), "s1"), dataset.labels(np.arange(15)))
    assert optical[0, :, 5, 5].tolist() == [100 * band + 1 for band in range(1, 14)] and optical[3, 0, 0, 0] == 107
    assert radar[4, :, 0, 0].tolist() == [-10, -17]
    # Left and right half, of the first patch of each scene: 1 and 12, 5 and 14, 17 and 12, 8 and 13, 16 and 10 of IGBP.
    assert labels[::3, 0, [0, -1]].tolist() == [[0, 5], [0, 5], [9, 5], [2, 6], [8, 3]]
    assert dataset.description["stride"] == made.SIDE // 2 and tiles["crs"][0] == "EPSG:32633" and tiles["crs"][14] == "EPSG:32755"


def test_all_classes_of_igbp(folder):
    dataset = imported(folder, source=str(made.sen12ms(folder)), igbp="17", **ALL_TRAINING)
    labels = dataset.labels(np.arange(15))
    assert [(row.value, row.name, row.color) for row in dataset.classes] == [(value, name, color) for value, (name, color, _) in IGBP.items()]
    assert labels[::3, 0, [0, -1]].tolist() == [[0, 11], [4, 13], [16, 11], [7, 12], [15, 9]]


def test_patches_of_a_scene_stay_together_and_know_each_other(folder):
    dataset = imported(folder, source=str(made.sen12ms(folder)), validation_share=0.2, test_share=0.2)
    splits = dataset.splits.reshape(5, 3)
    assert all(len(set(row)) == 1 for row in splits) and set(splits[:, 0]) == {"training", "validation", "test"}
    assert dataset.description["split"]["text"].startswith("Whole scenes were given to training (3), validation (1) and test (1)")
    table = dataset.tiles
    assert np.diff(table["col"][:3]).tolist() == [made.SIDE // 2] * 2 and np.ptp(table["row"][:3]) == 0 and (table["row"] >= 0).all()
    seen = dataset.choose(["s2"])["s2"]
    wide, _ = Surroundings(dataset, seen, 8).read(np.array([0]))
    assert wide.shape[-1] == made.SIDE + 16 and (wide[0, 0] == 101).all()


def test_the_makers_lists_are_the_test_and_validation_is_drawn_by_scene(folder):
    root, heard = made.sen12ms_with_lists(folder), Listening()
    dataset = imported(folder, heard, source=str(root), validation_share=0.3)
    by_scene = dict(zip(dataset.tiles["scene"], dataset.splits, strict=True))
    assert len(dataset) == 14 and "1 of 15 samples are in no split list and are left out." in heard.warnings
    assert [scene for scene, split in by_scene.items() if split == "test"] == ["ROIs1158_spring_124"]
    assert list(by_scene.values()).count("validation") == 1 and list(by_scene.values()).count("training") == 3
    assert dataset.description["split"]["text"].startswith("The test is the one that came with the data; validation was drawn from whole scenes")
    assert read_lists(Tree(root / "splits"))["ROIs1158_spring_s2_124_p30"] == "test"
    anew = imported(folder / "anew", source=str(root), split="new", validation_share=0.2, test_share=0.2)
    assert len(anew) == 15 and set(anew.splits) == {"training", "validation", "test"}


def test_scenes_that_are_held_out_are_the_test(folder):
    root = made.sen12ms(folder)
    (root / "SEN12MS_holdOutScenes.txt").write_text("ROIs1868_summer/s1_3\nROIs2017_winter/s1_64\n")
    dataset = imported(folder, source=str(root), validation_share=0)
    assert sorted({scene for scene, split in zip(dataset.tiles["scene"], dataset.splits) if split == "test"}) == ["ROIs1868_summer_3"]
    assert dataset.indices("training").tolist() == [*range(9), *range(12, 15)]


def test_one_sensor_and_scenes_of_which_a_sensor_is_not_there(folder):
    root, heard = made.sen12ms(folder), Listening()
    shutil.rmtree(root / "ROIs1158_spring" / "s1_1")
    dataset = imported(folder, heard, source=str(root), **ALL_TRAINING)
    assert len(dataset) == 12 and "3 patches are of scenes that are not there in all of s2, s1, lc, and are left out." in heard.warnings
    for place in root.glob("*/s1_*"):
        shutil.rmtree(place)
    alone = imported(folder / "alone", source=str(root), **ALL_TRAINING)
    assert [sensor.name for sensor in alone.sensors] == ["s2"] and len(alone) == 15


def test_values_that_are_no_class_are_ignored_and_said(folder):
    root, heard = made.sen12ms(folder), Listening()
    path = root / "ROIs1158_spring" / "lc_1" / "ROIs1158_spring_lc_1_p30.tif"
    with rasterio.open(path) as source:
        cover, place = source.read(), {"crs": source.crs, "transform": source.transform}
    cover[0, 0], cover[0, 1], cover[0, 2] = 42, 0, 255
    write_raster(path, cover, **place)
    dataset = imported(folder, heard, source=str(root), **ALL_TRAINING)
    assert (dataset.labels(np.array([0]))[0, :3] == IGNORE).all()
    assert "The land cover has values that are none of IGBP; they are ignored: 42 (32 px)." in heard.warnings


@pytest.mark.parametrize(("maker", "sentence"), [
    (made.sen12ms_half_copied, "is half copied: 2 files are missing from folders that are there, the first is ROIs1158_spring_s1_7_p30.tif. Copy"),
    (made.sen12ms_without_cover, "holds patches of s2 and s1 of SEN12MS without land cover .*, which has the labels. Copy these folders beside them"),
    (made.sen12ms_other_bands, "_s2_7_p31.tif has 10 bands, but s2 of SEN12MS has 13. Copy it again; other sets with such names, as SEN12MS-CR"),
])
def test_what_is_refused(folder, maker, sentence):
    with pytest.raises(DataError, match=sentence):
        imported(folder, source=str(maker(folder)), **ALL_TRAINING)
    assert not (folder / "out").exists()


@pytest.mark.realdata
def test_real_patches_of_both_sensors(real_data, folder):
    """A pair of SEN12MS-CR, whose images are those of SEN12MS but under clouds, with a land cover that is made."""
    source = real_data / "s1" / "sen12ms_cr_pair"
    name = "ROIs1868_summer_{}_19_p30.tif"
    for kind, file in (("s1", name.format("s1")), ("s2", name.format("s2_cloudy"))):
        (folder / "real" / "ROIs1868_summer" / f"{kind}_19").mkdir(parents=True)
        shutil.copyfile(source / file, folder / "real" / "ROIs1868_summer" / f"{kind}_19" / name.format(kind))
    with rasterio.open(source / name.format("s1")) as opened:
        radar, place = opened.read(), {"crs": opened.crs, "transform": opened.transform}
    (folder / "real" / "ROIs1868_summer" / "lc_19").mkdir()
    cover = np.full((4, 256, 256), 9, np.uint8)
    cover[0, 100:] = 12
    write_raster(folder / "real" / "ROIs1868_summer" / "lc_19" / name.format("lc"), cover, **place)
    dataset = imported(folder, source=str(folder / "real"), **ALL_TRAINING)
    np.testing.assert_array_equal(dataset.images(np.array([0]), "s1")[0], radar)
    assert dataset.tile_size == 256 and dataset.description["resolution_m"] == [10.0, 10.0] and dataset.tiles["season"][0] == "summer"
    labels = dataset.labels(np.array([0]))[0]
    assert (labels[:100] == 2).all() and (labels[100:] == 5).all()
    assert 1000 < dataset.statistics["s2"]["B02"]["mean"] < 6000 and -20 < dataset.statistics["s1"]["VV"]["mean"] < -5
