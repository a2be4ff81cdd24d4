"""What the importers read, against the values the small copies of each data set were made with."""

import json
import re
import shutil
import zipfile

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.datasets.dataset import IGNORE, SPLITS, Dataset
from eo_pretrain_qgis.engine.describing.page import describe, write_report
from eo_pretrain_qgis.engine.formats import FORMATS, Tree, detect
from eo_pretrain_qgis.engine.formats.bigearthnet import enlarged
from eo_pretrain_qgis.engine.formats.bigearthnet_classes import CORINE, NINETEEN
from eo_pretrain_qgis.engine.formats.eurosat import BANDS
from eo_pretrain_qgis.engine.formats.geotiff_pairs import export as export_geotiff
from eo_pretrain_qgis.engine.formats.samples import long_crs, short_crs
from eo_pretrain_qgis.engine.formats.split_lists import chosen, read_lists
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.prepare_data.import_dataset import FORMATS as OFFERED
from eo_pretrain_qgis.progress import SILENT

from .. import scenes, scenes_import
from ..listening import Listening

ALL_TRAINING = {"validation_share": 0, "test_share": 0}


def imported(folder, progress=SILENT, **values):
    JOBS["import_dataset"].from_values({**values, "output": str(folder / "out")}).run(progress)
    return Dataset.open(folder / "out")


def everything(dataset):
    return np.arange(len(dataset))


def test_the_job_offers_every_format():
    assert set(OFFERED) == {"auto", *FORMATS}


def test_eurosat_bands_keep_their_order_and_values(folder):
    dataset = imported(folder, source=str(scenes_import.eurosat_ms(folder)), **ALL_TRAINING)
    assert tuple(band.name for band in dataset.sensors[0].bands) == BANDS
    assert dataset.sensors[0].preset == "sentinel2_l1c"
    images, labels = dataset.images(everything(dataset)), dataset.labels(everything(dataset))
    for image, label, row in zip(images, labels, dataset.tiles.itertuples(), strict=True):
        assert row.scene.startswith(scenes_import.EUROSAT_CLASSES[label])
        number = int(row.scene.rpartition("_")[2])
        assert (image == (1000 * int(label) + 10 * np.arange(13) + number)[:, None, None]).all()
    assert [row.name for row in dataset.classes] == ["annual crop", "forest", "sea or lake"]


def test_an_archive_gives_the_same_as_its_folder(folder):
    root = scenes_import.eurosat_ms(folder)
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*.tif")):
            archive.write(path, f"EuroSAT_MS/{path.relative_to(root).as_posix()}")
    first = imported(folder / "a", source=str(root), **ALL_TRAINING)
    second = imported(folder / "b", archive=str(folder / "all.zip"), **ALL_TRAINING)
    np.testing.assert_array_equal(first.images(everything(first)), second.images(everything(second)))
    assert first.description["labels"]["checksum"] == second.description["labels"]["checksum"]


def test_eurosat_jpeg_have_no_place_and_say_so(folder):
    heard = Listening()
    dataset = imported(folder, heard, archive=str(scenes_import.eurosat_rgb_zip(folder)))
    assert any("They were divided at random: neighbours may lie in training and in test, and scores flatter a model." in text
               for text in heard.texts)
    assert dataset.description["split"]["method"] == "random"
    red = dataset.images(everything(dataset))[:, 0].mean((1, 2))
    assert (np.abs(red - (60.0 * dataset.labels(everything(dataset)) + 40)) < 12).all()
    assert dataset.description["resolution_m"] == [10.0, 10.0]


def test_images_without_a_class_are_for_training(folder):
    """They come from a folder of that name, go back into one, and keep the split they came with, if any."""
    with zipfile.ZipFile(scenes_import.eurosat_rgb_zip(folder)) as archive:
        archive.extractall(folder / "all")
    root = folder / "all" / "2750"
    (root / "unlabelled").mkdir()
    for number in range(7):
        (root / "Forest" / f"Forest_{number}.jpg").rename(root / "unlabelled" / f"Forest_{number}.jpg")
    heard = Listening()
    dataset = imported(folder, heard, source=str(root))
    assert "23 images in 3 class folders. 7 more have no class." in heard.texts
    assert [row.name for row in dataset.classes] == ["annual crop", "forest", "sea or lake"]
    loose = np.flatnonzero(dataset.labels(everything(dataset)) == IGNORE)
    assert len(loose) == 7 and set(dataset.splits[loose]) == {"training"} and set(dataset.splits) == set(SPLITS)
    assert (dataset.tiles["labelled"].to_numpy() == 0).nonzero()[0].tolist() == loose.tolist()
    write_report(folder / "report.html", dataset, describe(dataset))
    assert "23% of them have no label" in (folder / "report.html").read_text()
    (folder / "files").mkdir()
    export_geotiff(dataset, folder / "files")
    assert len(list((folder / "files" / "unlabelled").iterdir())) == 7
    again = imported(folder / "again", source=str(folder / "files"))
    np.testing.assert_array_equal(np.sort(again.labels(everything(again))), np.sort(dataset.labels(everything(dataset))))
    listed = imported(folder / "listed", source=str(root), split_lists=str(scenes_import.eurosat_lists(folder)))
    loose = np.flatnonzero(listed.labels(everything(listed)) == IGNORE)
    named = dict(zip(listed.tiles["scene"].iloc[loose], listed.splits[loose], strict=True))
    assert named == {**{f"Forest_{number}": "training" for number in range(6)}, "Forest_6": "validation"}


def test_bigearthnet_pairs_sensors_and_groups_labels(folder):
    heard = Listening()
    dataset = imported(folder, heard, source=str(scenes_import.ben_patches(folder)), **ALL_TRAINING)
    assert any("1 patches have no partner of the other sensor and are left out; 5 pairs are kept." in text for text in heard.texts)
    assert any("1 of 5 patches have no label of the 19 classes and were left out, as its makers advise." in text for text in heard.texts)
    numbers = [int(patch.split("_")[-2]) for patch in dataset.tiles["patch"]]
    assert numbers == [0, 1, 2, 3]
    s2, s1 = (dataset.images(everything(dataset), name) for name in ("s2", "s1"))
    names = [band.name for band in dataset.sensors[0].bands]
    for number, optical, radar in zip(numbers, s2, s1, strict=True):
        assert (optical[names.index("B04")] == 100 + number).all()
        assert (radar[0] == -10 - number).all()
        assert (radar[1] == -17.5 - number).all()
    # A band of 20 m, 60 px wide, rises by 1 from pixel to pixel: repeated, each value stands in two columns.
    assert s2[0, names.index("B05"), 0].tolist() == np.repeat(np.arange(1, 61), 2).tolist()
    assert s2[0, names.index("B09"), 0].tolist() == np.repeat(np.arange(1, 21), 6).tolist()
    labels = dataset.labels(everything(dataset))
    found = [{dataset.classes[position].name for position in np.flatnonzero(row)} for row in labels]
    assert found == [{"Pastures", "Inland wetlands"}, {"Marine waters"}, {"Pastures"}, {"Permanent crops"}]


def test_bigearthnet_with_43_classes_keeps_every_label(folder):
    dataset = imported(folder, source=str(scenes_import.ben_patches(folder) / "s2"), nomenclature="43", **ALL_TRAINING)
    found = [{dataset.classes[position].name for position in np.flatnonzero(row)} for row in dataset.labels(everything(dataset))]
    assert found == [set(labels) for labels in scenes_import.CORINE_LABELS]


def test_the_nomenclature():
    assert len(CORINE) == 43
    assert len(NINETEEN) == 19
    assert {group for _, group in CORINE.values()} - {""} == set(NINETEEN)
    assert sum(not group for _, group in CORINE.values()) == 11


def test_bilinear_enlarging_interpolates_between_the_middles_of_pixels():
    values = np.tile(np.arange(0, 600, 10, dtype=np.float32), (60, 1))
    fine = enlarged(values, 2, "bilinear")
    expected = (np.arange(120) + 0.5) / 2 * 10 - 5
    np.testing.assert_allclose(fine[30, 2:-2], expected[2:-2], atol=1e-3)


@pytest.mark.parametrize("scene", ["image_pairs", "esri_export"])
def test_pairs_keep_labels_and_ignore_what_is_no_class(folder, scene):
    heard = Listening()
    source = getattr(scenes_import, scene)(folder)
    dataset = imported(folder, heard, source=str(source), **ALL_TRAINING)
    image, label = dataset.images(np.array([3]))[0], dataset.labels(np.array([3]))[0]
    assert (image[0] == 400).all()
    assert (image[1] == 401).all()
    assert (label[:, 0] == IGNORE).all()
    assert (label[:, -1] == IGNORE).all()
    assert (label[:16, 1:-1] == 0).all()
    assert (label[16:, 1:-1] == 1).all()
    assert [(row.value, row.name, row.color) for row in dataset.classes] == [(1, "field", "#ffcc00"), (2, "forest", "#007700")]
    assert scene == "esri_export" or any("they are ignored: 9 (512 px)." in text for text in heard.texts)


def test_large_images_are_cut_where_they_lie(folder):
    dataset = imported(folder, source=str(scenes_import.image_pairs_large(folder)), tile_size=32, **ALL_TRAINING)
    row = dataset.tiles.iloc[7]
    assert (row["col"], row["row"]) == (64, 32)
    assert (row["left"], row["top"]) == (scenes.ORIGIN[0] + 640, scenes.ORIGIN[1] - 320)
    assert [entry.name for entry in dataset.classes] == ["1", "2"]


@pytest.mark.parametrize(("crs", "text"), [("EPSG:32633", "EPSG:32633"), ("+proj=laea +lat_0=50 +lon_0=12 +datum=WGS84", "PROJCRS")])
def test_each_sample_keeps_its_own_crs_in_few_letters(crs, text):
    wkt = rasterio.crs.CRS.from_user_input(crs).to_wkt(version="WKT2_2019")
    assert short_crs(wkt).startswith(text)
    assert rasterio.crs.CRS.from_wkt(long_crs(short_crs(wkt))) == rasterio.crs.CRS.from_wkt(wkt)


def test_folders_named_after_splits_are_kept(folder):
    source = scenes_import.image_pairs(folder)
    for number, split in enumerate(("train", "train", "train", "val", "test")):
        for part in ("images", "masks"):
            target = folder / "split" / split / part
            target.mkdir(parents=True, exist_ok=True)
            (source / part / f"tile_{number:02d}.tif").rename(target / f"tile_{number:02d}.tif")
    dataset = imported(folder, source=str(folder / "split"))
    assert sorted(dataset.splits) == ["test", "training", "training", "training", "validation"]
    assert dataset.description["split"]["leakage_distance_px"] == 32


def test_lists_name_samples_with_or_without_folders_and_endings(folder):
    (folder / "train.csv").write_text("patch\nS2A_MSIL2A_1_2,S1A_IW_3\n")
    (folder / "val.txt").write_text("Forest/Forest_1.jpg\n\n")
    assert read_lists(Tree(folder)) == {"patch": "training", "S2A_MSIL2A_1_2": "training", "S1A_IW_3": "training", "Forest_1": "validation"}
    (folder / "test.txt").write_text("Forest_1\n")
    with pytest.raises(DataError, match="val.txt lists Forest_1 for validation, but another list for test. Correct the lists."):
        read_lists(Tree(folder))


def test_archives_named_after_splits_stand_for_folders(folder):
    source = scenes_import.eurosat_rgb_zip(folder)
    (folder / "parts").mkdir()
    for name in ("train.zip", "val.zip"):
        shutil.copy(source, folder / "parts" / name)
    dataset = imported(folder, source=str(folder / "parts"))
    assert [(dataset.splits == split).sum() for split in ("training", "validation", "test")] == [30, 30, 0]


def test_pictures_of_other_classes_are_no_sentinel_2(folder):
    """Names of Sentinel-2's bands would make aerial photographs fit models of another sensor."""
    source = str(scenes_import.aerial_classes(folder))
    assert detect(Tree(source)) == "class_folders"
    dataset = imported(folder, source=source, pixel_size=0.5)
    assert [band.name for band in dataset.sensors[0].bands] == ["red", "green", "blue"]
    assert (dataset.sensors[0].preset, dataset.facts["format"], dataset.description["resolution_m"]) == ("generic", "class_folders", [0.5, 0.5])
    assert [row.name for row in dataset.classes] == ["airplane", "forest"]
    with pytest.raises(DataError, match="are not EuroSAT's. Choose the format “class_folders”."):
        imported(folder / "asked", source=source, format="eurosat")


def test_eurosat_is_told_by_more_than_its_classes(folder):
    """“Forest” and “River” are classes of aerial photographs too; and 13 bands of other classes may be in another order."""
    with zipfile.ZipFile(scenes_import.eurosat_rgb_zip(folder)) as archive:
        archive.extractall(folder / "all")
    root = folder / "all" / "2750"
    assert detect(Tree(root)) == "eurosat"
    for number, path in enumerate(sorted(root.rglob("*.jpg"))):
        path.rename(path.with_name(f"{number}.jpg"))
    assert detect(Tree(root)) == "class_folders"
    others = scenes_import.eurosat_ms(folder)
    (others / "Forest").rename(others / "Orchard")
    heard = Listening()
    dataset = imported(folder, heard, source=str(others), **ALL_TRAINING)
    assert dataset.sensors[0].bands[8].name == "band 9" and dataset.sensors[0].preset == "generic"
    assert any("The images do not say what their 13 bands are" in text for text in heard.texts)


@pytest.mark.parametrize(("scene", "sentence"), [
    ("loveda", "Train/Rural holds LoveDA, a layout that is not read: .* Copy images_png as images/"),
    ("geonrw", "aachen holds GeoNRW, a layout that is not read"),
    ("bright", "holds BRIGHT, a layout that is not read"),
])
@pytest.mark.parametrize("asked", ["auto", "class_folders"])
def test_layouts_that_only_look_like_classes_have_names(folder, scene, sentence, asked):
    source = getattr(scenes_import, scene)(folder)
    if scene == "loveda" and asked != "auto":
        source = source / "Train" / "Rural"
    with pytest.raises(DataError, match=sentence) as refused:
        imported(folder, source=str(source), format=asked)
    assert not re.search("remove|delete", str(refused.value), re.IGNORECASE)


@pytest.mark.parametrize(("folders", "sentence"), [
    ({"optical": (3, "uint8", 32), "sar": (3, "uint8", 32)}, "has the folders optical, sar, which are named after kinds of images"),
    ({"s2-l2a": (3, "uint8", 32), "label_2": (3, "uint8", 32), "dem_tif": (3, "uint8", 32)},
     "has the folders dem_tif, label_2, s2-l2a, which are named"),
    ({"here": (3, "uint8", 32), "there": (1, "uint8", 32)}, r"here 3 band\(s\) of uint8 with 32 × 32 px and there 1 band\(s\)"),
    ({"here": (2, "uint16", 32), "there": (2, "float32", 32)}, r"here 2 band\(s\) of uint16 .* and there 2 band\(s\) of float32"),
    ({"here": (1, "uint8", 32), "there": (1, "uint8", 64)}, r"there 1 band\(s\) of uint8 with 64 × 64 px, so they are no classes"),
])
def test_folders_of_different_things_are_no_classes(folder, folders, sentence):
    for name, (bands, dtype, size) in folders.items():
        (folder / "all" / name).mkdir(parents=True)
        for number in range(3):
            scenes.write_raster(folder / "all" / name / f"{number}.tif", np.ones((bands, size, size), dtype))
    with pytest.raises(DataError, match=sentence) as refused:
        imported(folder, source=str(folder / "all"))
    assert not re.search("remove|delete", str(refused.value), re.IGNORECASE)


def test_files_of_one_place_side_by_side_are_no_class(folder):
    for name in ("one", "two"):
        (folder / "all" / name).mkdir(parents=True)
        for end in ("B02", "B03", "B04"):
            scenes.write_raster(folder / "all" / name / f"patch_{end}.tif", np.ones((1, 32, 32), np.uint8))
    with pytest.raises(DataError, match=r"one holds several files of one place \(b02, b03, b04\), so it is no class"):
        imported(folder, source=str(folder / "all"))


def test_masks_of_0_and_255_are_background_and_object(folder):
    heard = Listening()
    dataset = imported(folder, heard, source=str(scenes_import.binary_masks(folder)), **ALL_TRAINING)
    assert [(row.value, row.name) for row in dataset.classes] == [(0, "background"), (1, "object")]
    labels = dataset.labels(everything(dataset))
    assert (labels[:, :16] == 1).all() and (labels[:, 16:] == 0).all()
    assert any("hold 0 and 255 only, as masks of one kind of object do" in text for text in heard.texts)


def test_labels_below_0_and_declared_nodata_are_no_class(folder):
    heard = Listening()
    dataset = imported(folder, heard, source=str(scenes_import.negative_labels(folder)), **ALL_TRAINING)
    assert [(row.value, row.name) for row in dataset.classes] == [(1, "1"), (2, "2")]
    label = dataset.labels(np.array([3]))[0]
    assert (label[:, [0, -1]] == IGNORE).all() and (label[:16, 1:-1] == 0).all() and (label[16:, 1:-1] == 1).all()
    assert any("has the values -1; below 0 is no class and is ignored. List it in “Classes” to use it." in text for text in heard.texts)
    table = [{"value": str(value), "name": f"class {value}"} for value in (-1, 1, 2)]
    listed = imported(folder / "listed", source=str(folder / "negative"), class_table=table, **ALL_TRAINING)
    assert [row.name for row in listed.classes] == ["class -1", "class 1", "class 2"]
    assert (listed.labels(np.array([3]))[0][:, 0] == 0).all()


def test_the_highest_value_of_label_images_of_16_bits_is_no_label(folder):
    source = scenes_import.negative_labels(folder)
    for path in sorted((source / "labels").iterdir()):
        with rasterio.open(path) as opened:
            values, profile = opened.read(), opened.profile
        with rasterio.open(path, "w", **{**profile, "dtype": "uint16", "nodata": None}) as opened:
            opened.write(np.where(values < 0, 65535, values).astype(np.uint16))
    heard = Listening()
    dataset = imported(folder, heard, source=str(source), **ALL_TRAINING)
    assert [(row.value, row.name) for row in dataset.classes] == [(1, "1"), (2, "2")]
    assert (dataset.labels(np.array([3]))[0][:, [0, -1]] == IGNORE).all()
    assert any("have pixels of 65535, which is no label; they are ignored." in text for text in heard.texts)


def test_folders_are_found_in_their_table_whatever_system_wrote_their_names(folder):
    """Some systems write ä as two characters; a name may end with a blank."""
    source = scenes_import.aerial_classes(folder)
    for name, other in (("airplane", "Gela\u0308nde"), ("forest", "W\u00e4lder ")):
        (source / name).rename(source / other)
    (source / "classes.csv").write_text("folder,value,name,color\nGel\u00e4nde,7,ground,#111111\nWa\u0308lder,3,wood,#222222\n", encoding="utf-8")
    heard = Listening()
    dataset = imported(folder, heard, source=str(source), pixel_size=0.5)
    assert {(row.value, row.name, row.color) for row in dataset.classes} == {(7, "ground", "#111111"), (3, "wood", "#222222")}
    assert "not in the table of classes" not in "".join(heard.texts) and len(dataset) == len(list(source.glob("*/*")))


def test_labels_in_jpeg_are_refused(folder):
    source = scenes_import.binary_masks(folder)
    values = np.random.default_rng(1).integers(0, 4, (1, 32, 32)).astype(np.uint8)
    with rasterio.open(source / "gt" / "tile_0.tif") as label:
        place = {"crs": label.crs, "transform": label.transform}
    with rasterio.open(source / "gt" / "tile_0.jpg", "w", driver="JPEG", count=1, height=32, width=32, dtype="uint8", **place) as target:
        target.write(values)
    (source / "gt" / "tile_0.tif").unlink()
    with pytest.raises(DataError, match="tile_0.jpg is a JPEG, whose compression changes the numbers of the classes"):
        imported(folder, source=str(source))


def test_bigearthnet_without_a_place_takes_the_size_of_pixels(folder):
    source = scenes_import.ben_patches(folder) / "s2"
    for path in source.rglob("*.tif"):
        with rasterio.open(path) as band:
            values = band.read()
        path.unlink()
        with rasterio.open(path, "w", driver="GTiff", count=1, height=values.shape[1], width=values.shape[2], dtype=values.dtype) as target:
            target.write(values)
    with pytest.raises(DataError, match="Give it in “Pixel size”"):
        imported(folder / "without", source=str(source), **ALL_TRAINING)
    dataset = imported(folder / "with", source=str(source), pixel_size=10, **ALL_TRAINING)
    assert dataset.description["resolution_m"] == [10.0, 10.0]


def test_lists_whose_names_begin_alike(folder):
    """As TorchGeo names them; a file that only ends so is no list."""
    (folder / "notes-test.txt").write_text("hello\n")
    assert read_lists(Tree(folder)) is None
    for split, name in (("train", "Forest_1"), ("val", "Forest_2"), ("test", "River_1")):
        (folder / f"eurosat-{split}.txt").write_text(f"{name}.jpg\n")
    assert read_lists(Tree(folder)) == {"Forest_1": "training", "Forest_2": "validation", "River_1": "test"}
    (folder / "eurosat-spatial-train.txt").write_text("Forest_2.jpg\n")
    with pytest.raises(DataError, match="holds split lists of several sets: eurosat, eurosat-spatial. Copy those that are meant into a folder"):
        read_lists(Tree(folder))
    (folder / "train.txt").write_text("Forest_2.jpg\n")
    assert read_lists(Tree(folder)) == {"Forest_2": "training"}


def test_a_list_of_other_samples_is_said():
    heard = Listening()
    assert chosen(["a", "b"], {"a": "training", "b": "training", "x": "test", "y": "dropped"}, "data", heard) == {"a": "training", "b": "training"}
    assert heard.warnings == ["The split list of test names none of the 2 samples, so there are none for test."]


def test_nothing_is_left_of_an_import_that_fails(folder):
    source = scenes_import.eurosat_cut_short(folder)
    with pytest.raises(DataError):
        imported(folder, source=str(source))
    assert not (folder / "out").exists()
    assert list(folder.glob("*.part")) == []


@pytest.mark.realdata
def test_real_eurosat_and_bigearthnet(real_data, folder):
    patches = real_data / "patches"
    assert detect(Tree(patches / "eurosat_rgb_full")) == "eurosat"
    ms = imported(folder / "ms", archive=str(patches / "eurosat_ms.zip"), **ALL_TRAINING)
    assert len(ms) == 127
    assert ms.statistics["image"]["B10"]["mean"] < 30, "the cirrus band is nearly black"
    ben = imported(folder / "ben", source=str(patches / "bigearthnet"), **ALL_TRAINING)
    name = ben.tiles["patch"][0]
    with rasterio.open(patches / "bigearthnet" / "s2-tiny" / name / f"{name}_B03.tif") as source:
        np.testing.assert_array_equal(source.read(1), ben.images(np.array([0]), "s2")[0, 2])
    known = json.loads((patches / "bigearthnet" / "s2-tiny" / name / f"{name}_labels_metadata.json").read_text())
    assert ben.labels(np.array([0])).sum() == len({CORINE[label][1] for label in known["labels"]} - {""})
