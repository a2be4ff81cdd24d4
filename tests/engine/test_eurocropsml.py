"""EuroCropsML: values, dates, crops and splits arrive as they were published, and what is wrong is named."""

import json
import zipfile

import numpy as np
import pytest
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.engine.formats import ImportOptions, Tree, detect, eurocropsml, write_dataset
from eo_pretrain_qgis.engine.formats.eurocropsml_files import read_parcels
from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..listening import Cancelling, Listening
from ..scenes_eurocropsml import (
    CROPS,
    LAVENDER,
    eurocropsml_half_copied,
    parcel_dates,
    parcel_values,
    write_parcel,
)
from ..scenes_eurocropsml import eurocropsml as published

BANDS = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"]


def imported(root, folder, progress=SILENT, **options):
    folder.mkdir()
    write_dataset("eurocropsml", Tree(root), folder, ImportOptions(folder.name, SplitPlan(0.2, 0.2), **options), progress)
    return Dataset.open(folder)


def test_every_value_arrives(folder):
    root = published(folder)
    assert detect(Tree(root)) == "eurocropsml"
    dataset = imported(root, folder / "out")
    names = dataset.tiles["name"].tolist()
    lists = json.loads((root / "split" / "latvia_vs_estonia" / "finetune" / "region_split_20.json").read_text())
    assert [f"{name}.npz" for name in names] == lists["train"] + lists["val"] + lists["test"]
    assert dataset.splits.tolist() == ["training"] * 18 + ["validation"] * 6 + ["test"] * 13
    assert (dataset.task, dataset.theme, dataset.sensors[0].preset, dataset.facts["first_year"]) == ("series", "crops", "sentinel2_l1c", 2021)
    assert [band.name for band in dataset.sensors[0].bands] == BANDS
    assert {(band.unit, band.scale, band.offset) for band in dataset.sensors[0].bands} == {("reflectance", 0.0001, 0.0)}
    everything = np.arange(37)
    images, labels = dataset.images(everything), dataset.labels(everything)
    days, flags = dataset.array("days", everything), dataset.array("flags", everything)
    assert images.shape == (37, 9, 13)
    for position, name in enumerate(names):
        _, number, crop = name.split("_")
        number = int(number) - 21000000
        values, own = parcel_values(crop, number), parcel_dates(number)
        assert np.array_equal(images[position, :len(own)], values) and np.array_equal(days[position, :len(own)], own)
        assert (flags[position, :len(own)] == 0).all() and (flags[position, len(own):] == 4).all() and (days[position, len(own):] == -1).all()
        assert dataset.facts["codes"][str(dataset.classes[labels[position]].value)] == crop
    assert [row.name for row in dataset.classes] == ["winter common soft wheat", "winter rapeseed rape", "lavender lavandula",
                                                     "pasture meadow grassland grass"]
    assert dataset.description["class_pixels"] == {"training": [6, 6, 0, 6], "validation": [2, 2, 0, 2], "test": [4, 4, 1, 4]}


def test_parcels_lie_where_their_centres_are(folder):
    dataset = imported(published(folder), folder / "out")
    tiles = read_footprints(dataset.folder)
    assert tiles.crs == "EPSG:4326"
    assert np.allclose(shapely.get_coordinates(tiles.geometry)[0], (25.0 + 0.02 * (54 % 12), 58.5))
    assert set(tiles["scene"]) == {"EE004", "EE008"} and tiles["parcel"].tolist() == list(range(1, 38))
    # Neighbours of a crop are 0.05 degrees of latitude and 0.02 of longitude apart; those of two crops lie nearer to each other.
    assert "The middles of the nearest training and test parcels are" in dataset.description["split"]["text"]
    assert dataset.description["split"]["method"] == "given"


def test_shots_change_nothing_but_the_training(folder):
    root = published(folder)
    few, many = (imported(root, folder / f"out_{shots}", shots=shots) for shots in ("1", "all"))
    assert (few.splits == "training").sum() == 3 and (many.splits == "training").sum() == 18
    assert [row.name for row in few.classes] == [row.name for row in many.classes]
    for part in ("validation", "test"):
        assert few.tiles["name"][few.splits == part].tolist() == many.tiles["name"][many.splits == part].tolist()


def test_countries_of_the_pretraining_are_datasets_of_their_own(folder):
    root = published(folder)
    asked = {"use_case": "latvia_portugal_vs_estonia", "part": "pretrain"}
    both, latvia, portugal = (imported(root, folder / f"out{number}", **asked, regions=regions)
                              for number, regions in enumerate(("", "LV", "pt16; PT18")))
    assert (len(both), len(latvia), len(portugal)) == (54, 30, 24)
    assert set(latvia.tiles["region"]) == {"LV003", "LV005"} and set(portugal.tiles["region"]) == {"PT16", "PT18"}
    assert set(both.splits) == {"training", "validation"}
    assert "shots" not in both.facts and both.facts["use_case"] == "latvia_portugal_vs_estonia"


def test_a_new_split_keeps_blocks_of_ground_together(folder):
    dataset = imported(published(folder), folder / "out", keep_split=False, regions="EE")
    assert len(dataset) == 37 and set(dataset.splits) == {"training", "validation", "test"}
    assert "blocks of 2500 m" in dataset.description["split"]["text"] or "blocks of 1000 m" in dataset.description["split"]["text"]
    assert dataset.description["split"]["leakage_distance_px"] > 0


def test_clouds_are_those_of_the_makers(folder):
    """The makers leave out dates whose B04 is above 1609; where they are still there they are marked, and so is what was not measured."""
    root = published(folder)
    first = root / "preprocess" / "EE004_21000054_3301010101.npz"
    values = np.full((4, 13), 1500.0)
    values[1, 3], values[2, 3], values[3] = 1609.4, 1610, 0
    write_parcel(first, values, [100, 110, 120, 130], (25, 58.5))
    heard = Listening()
    dataset = imported(root, folder / "out", heard)
    assert dataset.array("flags", [0])[0, :5].tolist() == [0, 0, 1, 4, 4]
    assert dataset.column("clear")[0] == 2 and dataset.column("valid")[0] == 0.75
    assert heard.warnings[0] == ("1 of 254 dates are cloudy by the rule of the makers (B04 above 1609), who leave such dates out. They are marked "
                                 "as cloud.")


def test_an_offset_of_new_baselines_is_told_and_can_be_said(folder):
    root = published(folder)
    for path in (root / "preprocess").glob("*.npz"):
        with np.load(path) as old:
            held = {name: old[name] for name in old.files}
        np.savez(path, **{**held, "data": (held["data"] + 1000).astype(np.float32)})
    heard = Listening()
    imported(root, folder / "out", heard)
    assert any("most values of B10 are 1000 or more" in text for text in heard.warnings)
    said = Listening()
    dataset = imported(root, folder / "said", said, preset="sentinel2_l1c_0400")
    assert {band.offset for band in dataset.sensors[0].bands} == {-0.1} and not any("B10" in text for text in said.warnings)
    with pytest.raises(DataError, match="EuroCropsML is of Sentinel-2 L1C, and the sensor “sentinel2_l2a” was asked for."):
        imported(root, folder / "no", preset="sentinel2_l2a")


def test_dates_come_in_order_once_and_centres_may_repeat_or_be_unknown(folder):
    root = published(folder)
    first = root / "preprocess" / "EE004_21000054_3301010101.npz"
    values = np.arange(3)[:, None] * 100 + np.ones((3, 13))
    write_parcel(first, values, [120, 90, 120], (25.5, 58.5, 25.5, 58.5))
    write_parcel(root / "preprocess" / "EE008_21000055_3301010101.npz", values, [90, 100, 110], (np.nan, np.nan))
    heard = Listening()
    dataset = imported(root, folder / "out", heard)
    assert dataset.array("days", [0])[0, :3].tolist() == [90, 120, -1] and dataset.images([0])[0, :2, 0].tolist() == [101, 1]
    assert read_footprints(dataset.folder).geometry.isna().tolist() == [False, True, *[False] * 35]
    assert "1 of 37 parcels do not say where they lie." in heard.warnings


def test_processes_read_the_same(folder, monkeypatch):
    root = published(folder)
    alone = imported(root, folder / "alone")
    monkeypatch.setattr("eo_pretrain_qgis.engine.formats.eurocropsml.PIECE", 10)
    monkeypatch.setattr("eo_pretrain_qgis.engine.formats.pieces.FEW", 5)
    monkeypatch.setattr("eo_pretrain_qgis.engine.formats.eurocropsml.WRITTEN", 7)
    monkeypatch.setattr("eo_pretrain_qgis.engine.formats.pieces.WORKERS", 2)
    together = imported(root, folder / "together")
    everything = np.arange(37)
    assert np.array_equal(alone.images(everything), together.images(everything))
    assert np.array_equal(alone.array("days", everything), together.array("days", everything))


def test_folders_of_newer_packages_are_found(folder):
    root = published(folder)
    (root / "new" / "S2" / "preprocess").mkdir(parents=True)
    (root / "preprocess").rename(root / "new" / "S2" / "preprocess" / "2021")
    (root / "split").rename(root / "new" / "split")
    assert len(imported(root / "new", folder / "out")) == 37


def test_missing_parcels_are_counted(folder):
    root = eurocropsml_half_copied(folder)
    with pytest.raises(DataError) as caught:
        imported(root, folder / "out")
    assert "19 of the 37 parcels that" in str(caught.value)
    assert str(root / "preprocess") + ", the first is EE004_21000054_3301010101.npz." in str(caught.value)


def test_a_cancelled_import_leaves_nothing(folder):
    root = published(folder)
    cancelling = Cancelling(lambda heard: heard.reached("Writing the series"))
    with pytest.raises(Cancelled):
        JOBS["import_dataset"].from_values({"source": str(root), "output": str(folder / "out")}).run(cancelling)
    assert not (folder / "out").exists() and not [path for path in folder.iterdir() if path.name.startswith("out")]


@pytest.mark.parametrize(("arrays", "sentence"), [
    ({"data": np.full((2, 13), -1.0)}, "holds a value outside 0 to 65535. Unpack it again."),
    ({"data": np.full((2, 13), np.nan)}, "holds a value outside 0 to 65535. Unpack it again."),
    ({"dates": np.array(["2021-05-01", "NaT"], "datetime64[D]")}, "holds a date outside of the years 2015 to 2100. Unpack it again."),
    ({"dates": np.array(["2021-05-01"], "datetime64[D]")}, "has a date for each of the 2 rows of “data”."),
    ({"dates": np.array(["20210501", "20210601"])}, "holds “dates” of <U8 (2)"),
    ({"data": np.zeros((0, 13)), "dates": np.array([], "datetime64[D]")}, "holds no date. Unpack it again."),
    ({"center": np.array([500000.0, 6500000.0])}, "has the centre 500000, 6.5e+06, which is no longitude and latitude."),
    ({"center": np.array(25.0)}, "holds “center” of float64 (one number)"),
])
def test_damaged_parcels_are_named(folder, arrays, sentence):
    right = {"data": np.ones((2, 13)), "dates": np.array(["2021-05-01", "2021-06-01"], "datetime64[D]"), "center": np.array([25.0, 58.0])}
    np.savez(folder / "EE004_1_3301010101.npz", **{**right, **arrays})
    with pytest.raises(DataError) as caught:
        read_parcels(str(folder), ["EE004_1_3301010101.npz"])
    assert str(folder / "EE004_1_3301010101.npz") in str(caught.value) and sentence in str(caught.value)


def test_a_header_that_lies_costs_nothing(folder):
    """An array that says it is of a terabyte, in a file of some bytes."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000, 13), }"
    content = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n"
    with zipfile.ZipFile(folder / "EE004_1_3301010101.npz", "w") as archive:
        for name in ("data", "dates", "center"):
            archive.writestr(f"{name}.npy", content)
    with pytest.raises(DataError, match="EE004_1_3301010101.npz cannot be read"):
        read_parcels(str(folder), ["EE004_1_3301010101.npz"])


def test_names_of_crops_are_those_of_hcat():
    assert eurocropsml._legend([f"EE004_1_{code}.npz" for code in (*CROPS, LAVENDER, "3309999999")], "file", SILENT).classes[-1].name == "3309999999"
