"""BigEarthNet of both versions: tables and lists of patches, clouds and snow as named subsets, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.datasets.dataset import DROPPED, Dataset
from eo_pretrain_qgis.engine.formats import Tree
from eo_pretrain_qgis.engine.formats.bigearthnet_2 import COLUMNS
from eo_pretrain_qgis.engine.formats.bigearthnet_classes import CORINE
from eo_pretrain_qgis.engine.formats.parquet import read_columns
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .. import scenes_bigearthnet as ben
from ..listening import Listening
from ..scenes_import import ben_patches_with_lists


def imported(folder, progress=SILENT, **values):
    JOBS["import_dataset"].from_values({**values, "output": str(folder / "out")}).run(progress)
    return Dataset.open(folder / "out")


def names_of(dataset, row):
    return {dataset.classes[position].name for position in np.flatnonzero(dataset.labels(np.array([row]))[0])}


def test_version_2_keeps_split_labels_and_subsets(folder):
    heard = Listening()
    dataset = imported(folder, heard, source=str(ben.ben_2(folder)))
    assert "BigEarthNet, version 2, pairs of Sentinel-2 and Sentinel-1: 8." in heard.texts
    tiles = dataset.tiles
    assert [sensor.name for sensor in dataset.sensors] == ["s2", "s1"] and len(dataset) == 8
    order = [int(name.split("_")[-2]) for name in tiles["patch"]]
    assert order == [0, 1, 2, 3, 4, 5, 6, 7]
    assert dataset.splits.tolist() == ["training", "training", "validation", "test", "training", DROPPED, DROPPED, DROPPED]
    assert tiles["subset"].fillna("").tolist() == ["", "", "", "", "", "clouds", "snow", "clouds,snow"]
    assert dataset.indices("test", subset="clouds").tolist() == [5] and dataset.indices("all", subset="clouds").tolist() == [5, 7]
    assert dataset.indices("training", subset="snow").tolist() == [6] and dataset.indices("validation", subset="snow").tolist() == [7]
    assert names_of(dataset, 0) == names_of(dataset, 4) == {"Pastures", "Inland wetlands"} and names_of(dataset, 5) == {"Marine waters"}
    optical, radar = dataset.images(np.arange(8), "s2"), dataset.images(np.arange(8), "s1")
    assert optical[:, 3, 0, 0].tolist() == [100 + number for number in range(8)]
    assert radar[:, 0, 0, 0].tolist() == [-10 - number for number in range(8)] and radar[5, 1, 9, 9] == -22.5
    assert tiles["scene"].tolist() == [ben.SCENES[0]] * 4 + [ben.SCENES[1]] * 4
    assert tiles["date"].tolist() == ["2017-06-13"] * 4 + ["2018-04-22"] * 4 and tiles["country"][7] == "Finland"
    assert dataset.statistics["s2"]["B04"]["maximum"] == 104 and dataset.statistics["s1"]["VV"]["minimum"] == -14, "of patches 0, 1 and 4"
    split = dataset.description["split"]
    assert split["method"] == "given" and split["shares"] == [0.6, 0.2, 0.2]
    assert "Without the 3 samples of the named subsets clouds, snow, which are measured by name alone, that leaves 3 for training" in split["text"]


def test_version_2_of_one_sensor(folder):
    root = ben.ben_2(folder)
    dataset = imported(folder / "s1", source=str(root / "BigEarthNet-S1"))  # the tables lie one folder up
    assert [sensor.name for sensor in dataset.sensors] == ["s1"] and dataset.tiles["scene"][0] == ben.RADAR[0]
    assert dataset.splits.tolist()[:4] == ["training", "training", "validation", "test"] and names_of(dataset, 3) == {"Permanent crops"}
    assert dataset.tiles["patch"][3] == ben.patch_of(3)[1] and dataset.indices("all", subset="snow").tolist() == [6, 7]


def test_version_2_is_divided_anew_with_places_of_its_subsets(folder):
    dataset = imported(folder, source=str(ben.ben_2(folder)), split="new", validation_share=0.2, test_share=0.3, block_size=120)
    assert set(dataset.splits[5:]) == {DROPPED} and dataset.description["split"]["method"] == "blocks"
    assert set(dataset.tiles["subset_split"][5:].dropna()) <= {"training", "validation", "test"} and len(dataset.tiles["subset_split"].dropna())


def test_without_the_second_table_its_patches_are_left_out_and_said(folder):
    root, heard = ben.ben_2(folder), Listening()
    (root / ben.APART).unlink()
    dataset = imported(folder, heard, source=str(root))
    assert len(dataset) == 5 and "subset" not in dataset.tiles
    assert heard.warnings[0] == (f"3 patches are not in metadata.parquet and are left out, such as {ben.patch_of(5)[0]}. Those with clouds or snow "
                                 f"stand in {ben.APART}: copy it beside metadata.parquet to keep them as named subsets.")


def test_scenes_that_were_not_copied_are_left_out(folder):
    root, heard = ben.ben_2(folder), Listening()
    for part, scenes in (("S2", ben.SCENES), ("S1", ben.RADAR)):
        shutil.rmtree(root / f"BigEarthNet-{part}" / scenes[1])
    dataset = imported(folder, heard, source=str(root))
    assert len(dataset) == 4
    assert "4 of 8 listed patches are of scenes that are not there, or not of both sensors, and are left out." in heard.warnings


def test_patches_missing_from_a_scene_are_refused_unless_lists_name_the_others(folder):
    root = ben.ben_2_half_copied(folder)
    with pytest.raises(DataError, match="is half copied: 2 patches that metadata.parquet lists are missing from scenes that are there, the first is "
                                        f"{ben.patch_of(1)[0]}. Copy the rest, or name the patches to take in train, val and test"):
        imported(folder, source=str(root))
    assert not (folder / "out").exists()
    lists = folder / "lists"
    lists.mkdir()
    for split, numbers in (("train", (0, 4)), ("test", (2,))):
        (lists / f"{split}.txt").write_text("".join(f"{ben.patch_of(number)[0]}\n" for number in numbers))
    dataset = imported(folder, source=str(root), split_lists=str(lists))
    assert dict(zip(dataset.tiles["patch"], dataset.splits)) == {ben.patch_of(0)[0]: "training", ben.patch_of(2)[0]: "test",
                                                                 ben.patch_of(4)[0]: "training"}


@pytest.mark.parametrize(("maker", "sentence"), [
    (ben.ben_2_without_table, "holds BigEarthNet of version 2 without metadata.parquet, which has the labels of all patches. Copy it from"),
    (ben.ben_1_with_new_table, "is of version 2 of BigEarthNet, but the patches of .*, such as S2A_MSIL2A_20170613T101031_0_7, are of version 1."),
    (ben.ben_2_with_old_list, "patches_with_cloud_and_shadow.csv is of version 1 of BigEarthNet, but the patches, such as S2A_MSIL2A_.*_57, are"),
    (ben.ben_2_without_band, "_02_57_B8A.tif is missing from the patch. Copy the patch again, or remove its folder."),
    (ben.ben_2_cut_short, "metadata.parquet cannot be read as a table in Parquet .*. Copy it again from bigearth.net"),
    (ben.ben_2_other_table, "metadata.parquet has no column patch_id, labels, .*; it has name, split. Copy it again from bigearth.net; tables of"),
])
def test_what_does_not_belong_together_is_refused(folder, maker, sentence):
    with pytest.raises(DataError, match=sentence):
        imported(folder, source=str(maker(folder)))
    assert not (folder / "out").exists()


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda row: row.update(labels=["Moon"]), "Row 1 of .*metadata.parquet has the label “Moon”, which is none of the 19 classes. Copy it again"),
    (lambda row: row.update(split="holdout"), "Row 1 of .*metadata.parquet has the split “holdout”, which is none of train, validation and test."),
    (lambda row: row.update(patch_id=ben.patch_of(1)[0]), f"Row 2 of .*metadata.parquet lists {ben.patch_of(1)[0]} again. Copy it again"),
])
def test_rows_of_the_table_are_checked(folder, change, sentence):
    def first(rows):
        change(rows[0])
        return rows

    with pytest.raises(DataError, match=sentence):
        imported(folder, source=str(ben.changed_rows(ben.ben_2(folder), first)))


def test_a_column_of_other_values_is_refused(folder):
    root = ben.changed_rows(ben.ben_2(folder), lambda rows: [{**row, "contains_seasonal_snow": "no"} for row in rows])
    sentence = "Row 1 of .*metadata.parquet has 'no' in the column “contains_seasonal_snow”, which should hold true or false."
    with pytest.raises(DataError, match=sentence):
        imported(folder, source=str(root))


def test_a_damaged_table_ends_in_a_sentence(folder):
    """Bytes changed or cut off anywhere: the table is read or refused, and nothing else happens."""
    path, rng, refused = ben.ben_2(folder) / ben.TABLE, np.random.default_rng(1), 0
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for number in range(60):
        damaged = whole.copy()
        damaged[rng.integers(0, len(whole), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged[:rng.integers(1, len(whole))].tobytes() if number % 5 == 0 else damaged.tobytes())
        try:
            found = read_columns(Tree(path.parent), ben.TABLE, COLUMNS, "Copy it again.")
            assert set(found) == set(COLUMNS)
        except DataError as error:
            refused += 1
            assert str(error).endswith("Copy it again.")
    assert refused > 20


def test_43_classes_are_of_version_1(folder):
    with pytest.raises(DataError, match="is version 2 of BigEarthNet, whose patches have the 19 classes alone. Choose 19 in “BigEarthNet classes”."):
        imported(folder, source=str(ben.ben_2(folder)), nomenclature="43")


def test_version_2_needs_the_engine_that_trains(folder):
    values = {"source": str(ben.ben_2(folder)), "output": str(folder / "out")}
    assert JOBS["import_dataset"].from_values(values).engines() == ("train",)
    assert JOBS["import_dataset"].from_values({**values, "source": str(folder / "ben_2" / "BigEarthNet-S2")}).engines() == ("train",)
    assert JOBS["import_dataset"].from_values({**values, "source": str(folder)}).engines() == ("predict",)


def test_the_lists_of_version_1_are_subsets_too(folder):
    heard = Listening()
    dataset = imported(folder, heard, source=str(ben_patches_with_lists(folder) / "."), format="bigearthnet")
    assert "BigEarthNet, version 1, pairs of Sentinel-2 and Sentinel-1: 5." in heard.texts
    numbers = [int(name.split("_")[-2]) for name in dataset.tiles["patch"]]
    assert numbers == [0, 1, 2, 3]  # 4 has no class, 5 no Sentinel-1
    assert dataset.splits.tolist() == [DROPPED, "test", "training", DROPPED]
    assert dataset.tiles["subset"].fillna("").tolist() == ["clouds,snow", "", "", "snow"]
    assert dataset.tiles["subset_split"].isna().all(), "the published split does not know them"
    assert dataset.indices("all", subset="snow").tolist() == [0, 3] and dataset.indices("test", subset="snow").tolist() == []


@pytest.mark.realdata
def test_real_patches_as_version_2(real_data, folder):
    """Real bands of version 1 under names of version 2, with a table made of their labels."""
    source, rows = real_data / "patches" / "bigearthnet", []
    for number, radar in enumerate(sorted((source / "s1-tiny").iterdir())):
        known = json.loads((radar / f"{radar.name}_labels_metadata.json").read_text())
        old = known["corresponding_s2_patch"]
        new = "_".join([*old.split("_")[:3], "N9999", "R000", f"T{radar.name.split('_')[-3]}", *old.split("_")[3:]])
        for sensor, name, target in (("s2-tiny", old, f"BigEarthNet-S2/{'_'.join(new.split('_')[:-2])}/{new}"),
                                     ("s1-tiny", radar.name, f"BigEarthNet-S1/{'_'.join(radar.name.split('_')[:-3])}/{radar.name}")):
            (folder / "v2" / target).mkdir(parents=True)
            for path in (source / sensor / name).glob("*.tif"):
                shutil.copyfile(path, folder / "v2" / target / path.name.replace(name, target.rpartition("/")[2]))
        labels = sorted({CORINE[label][1] for label in known["labels"]} - {""})
        rows.append({"patch_id": new, "labels": labels, "split": ("train", "train", "test")[number], "country": "x", "s1_name": radar.name,
                     "s2v1_name": old, "contains_seasonal_snow": False, "contains_cloud_or_shadow": number == 1})
    ben.write_tables(folder / "v2", rows)
    dataset = imported(folder, source=str(folder / "v2"))
    assert dataset.splits.tolist() == ["training", "test", DROPPED] and dataset.indices("all", subset="clouds").tolist() == [2]
    for tile, row in enumerate((rows[0], rows[2], rows[1])):
        assert names_of(dataset, tile) == set(row["labels"])
        with rasterio.open(source / "s2-tiny" / row["s2v1_name"] / f"{row['s2v1_name']}_B08.tif") as band:
            np.testing.assert_array_equal(band.read(1), dataset.images(np.array([tile]), "s2")[0, 7])
        with rasterio.open(source / "s1-tiny" / row["s1_name"] / f"{row['s1_name']}_VH.tif") as band:
            np.testing.assert_array_equal(band.read(1), dataset.images(np.array([tile]), "s1")[0, 1])
