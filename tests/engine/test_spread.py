"""Places to label without a model, and squares of one class each as a dataset: from no label to a model in one walk."""

import geopandas
import numpy as np
import pandas
import pytest
import rasterio
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints
from eo_pretrain_qgis.engine.mapping.suggesting.spread import typical, usual_side
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.errors import DataError, JobError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..listening import Listening
from ..scenes import ORIGIN, write_raster
from ..scenes_labelling import KINDS, kind_numbers, kind_squares, kinds_labelled, kinds_topics


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = kinds_labelled(tmp_path_factory.mktemp("kinds"))
    kinds_topics(folder)
    return folder


def suggest(place, output, progress=SILENT, **values):
    given = {"images": [str(place / "kinds.tif")], "tile_size": 32, "count": 10, "output": str(output), **values}
    result = JOBS["suggest_labels"].from_values(given).run(progress)
    return geopandas.read_file(output), result


def kind_of(places):
    """The kind of each place, by its middle."""
    col = ((places.geometry.centroid.x - ORIGIN[0]) // 320).astype(int)
    row = ((ORIGIN[1] - places.geometry.centroid.y) // 320).astype(int)
    return kind_numbers()[row, col]


@pytest.mark.parametrize("topics", [False, True])
def test_ten_places_show_every_kind(place, folder, topics):
    """By chance ten places seldom do."""
    numbers, rng = kind_numbers()[:15].ravel(), np.random.default_rng(0)
    by_chance = np.mean([len(set(rng.permutation(numbers)[:10])) == len(KINDS) for _ in range(2000)])
    assert by_chance < 0.15
    heard = Listening()
    places, result = suggest(place, folder / "p.gpkg", heard, **({"topics": str(place / "topics.tif")} if topics else {}))
    assert result == {"output": str(folder / "p.gpkg"), "suggestions": 10, "candidates": 256}
    assert set(kind_of(places)) == set(range(len(KINDS)))
    what = "the topics of topics.tif" if topics else "mean and deviation of the whitened bands"
    assert f"Places are spread over {what}." in heard.texts
    assert list(places.columns) == ["rank", "group", "group_share", "valid", "class", "note", "geometry"] and places["class"].isna().all()
    assert (places["valid"] == 1).all() and places["rank"].tolist() == list(range(1, 11))
    assert (np.diff(places["group_share"]) <= 0).all() and shapely.area(places.geometry.values) == pytest.approx(320**2)


def test_the_form_lists_the_classes_or_takes_text(place, folder):
    suggest(place, folder / "p.gpkg", classes="water, old & new town")
    style = (folder / "p.qml").read_text(encoding="utf-8")
    assert 'name="old &amp; new town" value="old &amp; new town"' in style and "ValueMap" in style
    suggest(place, folder / "q.gpkg")
    assert "UniqueValues" in (folder / "q.qml").read_text(encoding="utf-8")


def test_typical_places_of_groups():
    rng = np.random.default_rng(1)
    middles = np.array([[0, 0], [10, 0], [0, 10]])
    sizes = (60, 30, 10)
    features = np.concatenate([middle + rng.normal(0, 1, (size, 2)) for middle, size in zip(middles, sizes, strict=True)])
    chosen, groups, shares = typical(features, 3)
    assert groups.tolist() == [1, 2, 3] and shares.tolist() == [0.6, 0.3, 0.1]
    for number, (begin, size) in enumerate(zip((0, 60, 90), sizes, strict=True)):
        own = features[begin:begin + size]
        assert chosen[number] == begin + ((own - own.mean(0)) ** 2).sum(1).argmin(), "the nearest to the middle of its group"


@pytest.mark.parametrize("width, count, side", [(384, 20, 64), (384, 4, 128), (1280, 20, 256), (1280, 26, 128), (100, 20, 32), (20, 1, 32)])
def test_tiles_are_as_large_as_so_many_may_be(width, count, side):
    assert usual_side(Window(5, 7, width, width), count) == side


def test_equal_places_are_enough_for_all_that_is_asked():
    chosen, _, _ = typical(np.repeat([[0.0], [1.0]], [7, 3], axis=0), 8)
    assert len(set(chosen.tolist())) == 8 and set(chosen[:2].tolist()) & set(range(7)) and set(chosen[:2].tolist()) & {7, 8, 9}
    assert sorted(typical(np.zeros((4, 2)), 9)[0].tolist()) == [0, 1, 2, 3]


def test_what_makes_no_sense_is_refused(place, folder):
    with pytest.raises(JobError, match="Without a model nothing is uncertain."):
        suggest(place, folder / "p.gpkg", uncertainty=str(folder / "u.tif"))
    with pytest.raises(DataError, match="holds fractions, so it is no map of its topics. Choose the topics map that “Discover topics” made"):
        suggest(place, folder / "p.gpkg", topics=str(write_raster(folder / "f.tif", np.ones((1, 512, 512), np.float32))))
    with pytest.raises(DataError, match="holds values from 1000 to 1000, and topics are numbered 0 to 254."):
        suggest(place, folder / "p.gpkg", topics=str(write_raster(folder / "g.tif", np.full((1, 512, 512), 1000, np.uint16))))
    nothing = write_raster(folder / "n.tif", np.zeros((2, 64, 64), np.uint16), nodata=0)
    with pytest.raises(DataError, match="has no valid pixel in the area to look at: all are nodata."):
        suggest(place, folder / "p.gpkg", images=[str(nothing)])


def cut(place, output, progress=SILENT, labels="squares.gpkg", **values):
    given = {"images": [str(place / "kinds.tif")], "labels": str(place / labels), "class_field": "class", "one_class": "squares",
             "preset": "sentinel2_l2a", "output": str(output), "test_share": 0.2, "validation_share": 0.1, **values}
    JOBS["create_training_dataset"].from_values(given).run(progress)
    return Dataset.open(output)


def test_every_square_is_an_image_of_its_class(place, folder):
    heard = Listening()
    dataset = cut(place, folder / "ds", heard)
    assert (dataset.task, dataset.tile_size, len(dataset)) == ("scene", 32, 130)
    assert "126 of 256 places of" in " ".join(heard.texts) and "have no class yet and are left out." in " ".join(heard.texts)
    with rasterio.open(place / "kinds.tif") as source:
        whole = source.read()
    names = np.array([row.name for row in dataset.classes])[dataset.labels(np.arange(130))]
    for index, (col, row) in enumerate(zip(dataset.tiles["col"], dataset.tiles["row"], strict=True)):
        assert np.array_equal(dataset.images(np.array([index]))[0], whole[:, row:row + 32, col:col + 32])
        assert names[index] == list(KINDS)[kind_numbers()[row // 32, col // 32]]
    assert dataset.description["labels"]["features"] == 130 and dataset.description["split"]["leakage_distance_px"] >= 32


def test_squares_of_one_class_may_overlap_but_not_across_splits(place, folder):
    squares = kind_squares()
    same = squares[squares["class"] == "field"].iloc[:40].copy()
    same.geometry = same.translate(160, -160)
    both = pandas.concat([squares.iloc[:100], same.iloc[[0]]], ignore_index=True)
    overlapping = both[~((both["class"] != "field") & both.intersects(both.geometry.iloc[100].buffer(-20)))]
    overlapping.to_file(folder / "overlapping.gpkg")
    dataset = cut(folder, folder / "ds", labels="overlapping.gpkg", images=[str(place / "kinds.tif")])
    tiles = read_footprints(dataset.folder)
    used = tiles[dataset.splits != "dropped"]
    for split in ("training", "validation", "test"):
        own, others = used[used["split"] == split].geometry.union_all(), used[used["split"] != split].geometry.union_all()
        assert own.intersection(others).area < 1


def test_points_have_tiles_around_them(place, folder):
    dataset = cut(place, folder / "ds", labels="points.gpkg", tile_size=32)
    assert len(dataset) == 130 and (dataset.tiles["col"] % 32 == 0).all()
    # Without a size it is 256 px, which only points in the middle of the image have around them; they overlap.
    with pytest.raises(DataError, match="overlap as tiles of 256 × 256 px, but are of different classes. Move or delete one of them, or choose a "
                                        "smaller tile."):
        cut(place, folder / "large", labels="points.gpkg")


@pytest.mark.parametrize(("labels", "sentence"), [
    ("overlapping.gpkg", r"The places 1 \(“forest”\) and 60 \(“water”\) of .* overlap as tiles of 32 × 32 px, but are of different classes."),
    ("two_sizes.gpkg", "measure 12 to 32 px on the images, and all tiles of a dataset have one size. Give the tile size"),
    ("empty.gpkg", "The field “class” of .* is empty in all 256 places. Give some of them a class first.")])
def test_bad_squares_are_refused(place, folder, labels, sentence):
    with pytest.raises(DataError, match=sentence):
        cut(place, folder / "ds", labels=labels)
    assert list(folder.iterdir()) == []


def test_other_refusals(place, folder):
    squares = kind_squares()
    squares.geometry = squares.geometry.boundary
    squares.to_file(folder / "lines.gpkg")
    given = {"images": [str(place / "kinds.tif")], "one_class": "squares", "output": str(folder / "ds"), "class_field": "class"}
    with pytest.raises(DataError, match="holds LineString features, and places of one class are squares or points."):
        JOBS["create_training_dataset"].from_values({**given, "labels": str(folder / "lines.gpkg")}).run(SILENT)
    elsewhere = kind_squares()
    elsewhere.geometry = elsewhere.translate(1e6)
    elsewhere.to_file(folder / "elsewhere.gpkg")
    with pytest.raises(DataError, match="do not overlap the images"):
        JOBS["create_training_dataset"].from_values({**given, "labels": str(folder / "elsewhere.gpkg")}).run(SILENT)
    with pytest.raises(DataError, match="has a tile of 512 × 512 px that lies wholly on an image. Choose a smaller tile"):
        cut(place, folder / "big", tile_size=512, labels="points.gpkg")
    with pytest.raises(JobError, match="Squares make a dataset of their own, a tile each."):
        JOBS["create_training_dataset"].from_values({**given, "labels": str(place / "squares.gpkg"), "unlabelled": "background"})
    (folder / "dataset.json").touch()
    with pytest.raises(JobError, match="Squares cannot be added to a dataset so far. Join the old and the new squares with “Merge vector layers”"):
        JOBS["create_training_dataset"].from_values({**given, "labels": str(place / "squares.gpkg"), "append_to": str(folder)})
    with pytest.raises(JobError, match="Squares of one class each come from one layer and a field with their class."):
        JOBS["create_training_dataset"].from_values({**given, "labels": str(place / "squares.gpkg"), "class_field": None})


def test_from_no_label_to_a_model(place, folder):
    """Suggest, label, make a dataset, learn by the regression on statistics: the walk of an analyst who has only an image."""
    places, _ = suggest(place, folder / "p.gpkg", count=90)
    places["class"] = np.array(list(KINDS))[kind_of(places)]
    places = places[~places["class"].isin(["water", "town"])]  # too few of them for three splits
    places.to_file(folder / "labelled.gpkg")
    dataset = cut(folder, folder / "ds", labels="labelled.gpkg", images=[str(place / "kinds.tif")], block_size=64, seed=2)
    assert {row.name for row in dataset.classes} == {"field", "forest", "rough"}
    JOBS["finetune"].from_values({"dataset": str(folder / "ds"), "output": str(folder / "run"), "approach": "statistics"}).run(SILENT)
    figures = JOBS["evaluate_model"].from_values({"run_folder": str(folder / "run"), "output": str(folder / "report.html")}).run(SILENT)
    assert figures["overall_accuracy"] > 0.9
