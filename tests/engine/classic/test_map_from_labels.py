"""Maps from a few labels: right, honest about how good they are, and the same when the model is asked again."""

import os
import re
import subprocess
import sys

import geopandas
import numpy as np
import onnx
import pandas
import pytest
import rasterio

from eo_pretrain_qgis.engine.classic.samples import LEAST, Rows
from eo_pretrain_qgis.engine.datasets.building import describe_sensor, open_scenes
from eo_pretrain_qgis.engine.datasets.labels import open_labels
from eo_pretrain_qgis.engine.mapping.from_labels import page
from eo_pretrain_qgis.engine.mapping.from_labels.ground import draw, labelled_pixels, learnable_rows, measure
from eo_pretrain_qgis.engine.mapping.from_labels.judging import Judgement, judge
from eo_pretrain_qgis.engine.mapping.from_labels.page import Learned
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ... import scenes, scenes_points
from ...conftest import ROOT
from ...listening import Listening


def mapped(folder, progress=SILENT, **values):
    """What the job gives, and the map."""
    given = {"class_field": "cover", "preset": "sentinel2_l2a", "output": str(folder / "map.tif"), "model": str(folder / "model.onnx"),
             "report": str(folder / "report.html"), **values}
    given["images"], given["labels"] = [str(path) for path in given["images"]], str(given["labels"])
    result = JOBS["map_from_points"].from_values(given).run(progress)
    return result, read(folder / "map.tif")


def read(path):
    with rasterio.open(path) as source:
        return source.read(1)


def chessboard():
    row, col = np.indices((256, 256)) // 32
    return 1 + (row + col) % 2


def test_a_map_from_24_points_is_right(folder):
    result, found = mapped(folder, images=[scenes.land(folder)], labels=scenes_points.land_points(folder))
    assert (found == chessboard()).mean() > 0.97
    assert result["mean_iou"] > 0.9
    text = (folder / "report.html").read_text(encoding="utf-8")
    for words in ("All 24 labelled pixels were learned from; they lie in 23 places. The model of the map learned from all of them, those held out",
                  "In brackets: 95 % intervals of a block bootstrap, 200 resamples of the 23 places.",
                  "Boosting on statistics gave the most frequent class everywhere: each leaf of a tree needs 20 labelled pixels, and at most 20 were "
                  "learned from at a time. For trees, label more."):
        assert words in text, words
    assert re.search(r"<td>the most frequent class everywhere</td>(<td>0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)</td>){3}", text)


@pytest.mark.parametrize("approach", ["statistics", "boosting"])
def test_the_model_maps_the_same_again(approach, folder):
    _, first = mapped(folder, images=[scenes_points.land_east(folder)], labels=scenes.land_fields(folder), approach=approach)
    values = {"model": str(folder / "model.onnx"), "images": [str(folder / "east.tif")], "output": str(folder / "again.tif")}
    JOBS["predict_map"].from_values(values).run(SILENT)
    assert (first == read(folder / "again.tif")).all()
    assert (first[:, :128] == 255).all() and (first[:, 128:] == chessboard()[:, 128:]).mean() > 0.97
    with rasterio.open(folder / "map.tif") as one, rasterio.open(folder / "again.tif") as two:
        same = ("EO_PRETRAIN_MODEL", "EO_PRETRAIN_MODEL_SHA256", "EO_PRETRAIN_BLOCK", "EO_PRETRAIN_IMAGES")
        assert [one.tags()[name] for name in same] == [two.tags()[name] for name in same]
        assert one.colormap(1) == two.colormap(1)
    assert (folder / "map.qml").read_text() == (folder / "again.qml").read_text()


def test_small_blocks_change_nothing(folder):
    mapped(folder, images=[scenes.land(folder)], labels=scenes_points.land_points(folder))
    with rasterio.open(folder / "land.tif") as source:
        wide = scenes.write_raster(folder / "wide.tif", np.tile(source.read(), (1, 2, 2))[:, :300, :500], names=["B04", "B08"])
    for name, small in (("whole.tif", False), ("parts.tif", True)):
        values = {"model": str(folder / "model.onnx"), "images": [str(wide)], "output": str(folder / name), "small_blocks": small}
        JOBS["predict_map"].from_values(values).run(SILENT)
    assert (read(folder / "whole.tif") == read(folder / "parts.tif")).mean() > 0.9999


def test_the_model_says_what_it_is(folder):
    mapped(folder, images=[scenes.land(folder)], labels=scenes_points.land_points(folder), seed=5)
    model = package.open(folder / "model.onnx")
    assert (model.halo, model.stride, model.block, model.small_block) == (4, 4, 1024, 256)
    assert (model.record.architecture, model.record.encoder, model.image.names) == ("regression on statistics", None, ["B04", "B08"])
    assert model.description["scores"]["split"] == "cross-validation by place"
    assert set(model.description["scores"]["iou"]) == {"crop", "forest"}
    assert np.sum(model.record.confusion) > 0 and np.shape(model.record.confusion) == (2, 2)
    origin = model.description["provenance"]
    assert (origin["labels"], origin["image"], origin["seed"]) == ("points", "land.tif", 5)
    assert str(folder) not in str(model.description)
    values = {"model": str(folder / "model.onnx"), "output": str(folder / "model.html")}
    assert JOBS["inspect_model"].from_values(values).run(SILENT)["bands"] == "B04, B08"


def test_trees_count_in_the_checksum(folder):
    mapped(folder, images=[scenes.land(folder)], labels=scenes.land_fields(folder), approach="boosting")
    model = onnx.load(folder / "model.onnx")
    before = package.weights_checksum(model)
    node = next(node for node in model.graph.node if node.domain == "ai.onnx.ml")
    next(attribute for attribute in node.attribute if attribute.name == "nodes_values").floats[0] += 1
    assert package.weights_checksum(model) != before


def test_the_same_weights_of_another_sensor_or_of_other_bands_are_another_model(folder):
    image, points, found = scenes.land(folder), scenes_points.land_points(folder), []
    for meant in ({}, {"preset": "sentinel2_l2a_0400"}, {"preset": "generic"}, {"preset": "generic", "bands": "red,infrared"}):
        mapped(folder, images=[image], labels=points, approach="statistics", **meant)
        found.append(package.open(folder / "model.onnx"))
    assert len({model.description["checksum"] for model in found}) == 1, "only what the numbers mean differs"
    assert len({model.id for model in found}) == 4 and all(model.id.startswith("points-statistics-") for model in found)


@pytest.mark.parametrize(("shown", "values", "said"), [
    (["forest", "crop", "water"], {"forest": 1, "crop": 2}, "the order of the symbology: 1 forest, 2 crop."),
    (["forest"], {"forest": 1, "crop": 2}, "the order of the symbology: 1 forest, 2 crop."),
    ([], {"crop": 1, "forest": 2}, "alphabetical order: 1 crop, 2 forest.")])
def test_words_get_their_values_in_the_order_of_the_symbology(shown, values, said, folder):
    told, labels = Listening(), {"path": str(scenes_points.land_points(folder))}
    if shown:
        labels["categories"] = {"field": "cover", "classes": [{"value": name, "name": name, "color": ""} for name in shown]}
    scene, = open_scenes([{"path": str(scenes.land(folder))}], "bands")
    found = open_labels(labels, [scene.grid], class_field="cover", progress=told)
    assert {row.name: row.value for row in found.legend.classes} == values
    assert [text for text in told.texts if "their values in" in text] == [
        f"The field “cover” holds words, so its classes get their values in {said} List them in “Classes” for another order."]


@pytest.mark.parametrize(("codes", "table", "values", "said"), [
    ((111, 311), None, [1, 2], "holds whole numbers that a map cannot hold, which are 0 to 254, so its classes get other values: 1 111, 2 311."),
    ((111, 311), ["111", "311"], [1, 2], "so its classes get other values: 1 111, 2 311."),
    ((-1, 254), None, [1, 2], "which are 0 to 254, so its classes get other values: 1 -1, 2 254."),
    ((0, 254), None, [0, 254], ""),
    ((0.5, 1.5), None, [1, 2], "holds numbers that are not whole, so its classes get their values in alphabetical order: 1 0.5, 2 1.5."),
])
def test_numbers_that_a_map_cannot_hold_are_told(codes, table, values, said, folder):
    told, points = Listening(), geopandas.read_file(scenes_points.land_points(folder))
    points["code"] = [codes[name == "crop"] for name in points["cover"]]
    points.to_file(folder / "codes.gpkg")
    scene, = open_scenes([{"path": str(scenes.land(folder))}], "bands")
    rows = [{"value": value, "name": "", "color": ""} for value in table] if table else None
    found = open_labels({"path": str(folder / "codes.gpkg")}, [scene.grid], class_field="code", class_table=rows, progress=told)
    assert [row.value for row in found.legend.classes] == values
    assert (said in " ".join(told.texts)) if said else not any("values" in text for text in told.texts)


def rows_of(folder, labels, image=scenes.land, **facts):
    scene, = open_scenes([{"path": str(image(folder))}], "bands")
    sensor = describe_sensor([scene], "sentinel2_l2a")
    found = open_labels({"path": str(labels)}, [scene.grid], **facts)
    pixels = labelled_pixels(scene, found, 1)
    seen, whitening, _ = measure(scene, sensor)
    return scene, pixels, seen, whitening, learnable_rows(scene, whitening, pixels, 1)


def test_rows_are_the_statistics_of_the_whole_image(folder):
    scene, pixels, _, whitening, rows = rows_of(folder, scenes_points.land_points(folder), scenes_points.land_east, class_field="cover")
    values, valid = scene.read(scene.grid.window)
    whole = whitening.statistics(values[None], valid[None])[0]
    assert rows.features == pytest.approx(whole[:, pixels.rows, pixels.cols].T, abs=1e-5)


def test_what_was_never_measured_has_a_value_of_its_own(folder):
    """A model knows nodata by a value in every band, so no measured pixel may have it."""
    scene, _, seen, _, _ = rows_of(folder, scenes_points.land_points(folder), class_field="cover")
    values, _ = scene.read(scene.grid.window)
    assert not (values.astype(np.float32) == np.float32(seen.centre)[:, None, None]).any()


def test_right_labels_are_judged_well_and_shuffled_ones_as_chance(folder):
    *_, rows = rows_of(folder, scenes.land_fields(folder), class_field="cover")
    found = judge(rows, ["crop", "forest"], 1)
    assert found.folds == 5 and found.matrices["statistics"].sum() == len(rows.labels)
    assert min(found.figures(approach)["mean_iou"] for approach in ("statistics", "boosting")) > 0.97
    some = np.random.default_rng(0).permutation(len(rows.labels))[:3000]
    shuffled = judge(Rows(rows.features[some], np.random.default_rng(1).permutation(rows.labels[some]), rows.tiles[some]), ["crop", "forest"], 1)
    for approach in ("statistics", "boosting", "majority"):
        assert shuffled.figures(approach)["overall_accuracy"] == pytest.approx(0.5, abs=0.05)


def test_accuracy_has_the_interval_of_whole_places(folder):
    """Half of 20 places all right, half all wrong: the share of right places of 20 draws, of which 95 % lie within 0.5 ± 0.22."""
    right = np.arange(20) % 2 == 0
    counts = np.zeros((20, 2, 2), np.int64)
    counts[:, 0, 0], counts[:, 0, 1] = 50 * right, 50 * ~right
    low, high = Judgement({"boosting": counts}, 5, 800).intervals("boosting")["overall_accuracy"]
    assert (low, high) == pytest.approx((0.28, 0.72), abs=0.06)
    assert Judgement({"boosting": counts[:4]}, 2, 100).intervals("boosting")["overall_accuracy"] is None, "of four places nobody knows"


def test_of_many_labels_it_is_said_which_were_learned_from():
    learned = Learned("a.tif", "labels", np.array([90_000, 60]), 20_060, 30, 40, "statistics", True)
    assert page._drawn(learned) == ("20,060 of the 90,060 labelled pixels were learned from, drawn evenly over 30 places. A class has at least 100 "
                                    "among them, or all of its own where it has fewer.")
    counts = np.ones((3, 2, 2), np.int64)
    assert page._few_for_trees(2, Judgement({"boosting": counts, "majority": counts}, 3, 80)) == [], "enough for leaves of both classes"
    assert page._few_for_trees(2, Judgement({"boosting": counts, "majority": 2 * counts}, 3, 30)) == [], "not the same"
    assert page._intervals(1).startswith("No intervals: all labels lie in one place, which does not tell how far")
    assert "where n are all right, about 3 in n others may be wrong" in page._intervals(30)
    assert page._intervals(3).startswith("No intervals: the labels lie in 3 places")


def test_neighbours_are_held_out_together():
    """Ground that differs from place to place and says nothing of the class is told apart by its neighbours alone."""
    rng = np.random.default_rng(0)
    places = np.repeat(np.arange(40), 30)
    features = rng.standard_normal((40, 3))[places] + 0.01 * rng.standard_normal((len(places), 3))
    labels = rng.integers(0, 2, 40)[places].astype(np.uint8)
    found = judge(Rows(features.astype(np.float32), labels, places), ["a", "b"], 1)
    assert found.figures("boosting")["overall_accuracy"] < 0.75


def test_rows_are_drawn_evenly_over_places_and_rare_classes_are_kept():
    rng = np.random.default_rng(0)
    places = np.concatenate([np.zeros(50_000, int), np.repeat(np.arange(1, 21), 40), np.full(300, 30)])
    labels = np.concatenate([np.zeros(50_000, int), np.repeat(np.arange(1, 21) % 2, 40), np.full(300, 2)])
    labels[:150] = 3
    chosen = draw(places, labels, 2000, rng)
    counts = np.bincount(places[chosen], minlength=31)
    assert (counts[1:21] == 40).all() and counts[30] == 300  # small ones whole
    assert 900 <= counts[0] <= 900 + LEAST
    assert (labels[chosen] == 3).sum() == LEAST
    assert len(np.unique(chosen)) == len(chosen)


def test_what_is_left_out_is_said(folder):
    heard = Listening()
    mapped(folder, heard, images=[scenes_points.land_east(folder)], labels=scenes_points.land_points_beyond(folder))
    assert any("3 features of" in text and "lie beside the image and are left out" in text for text in heard.texts)
    assert any(text.startswith("12 labelled pixels of east.tif are nodata and are left out") for text in heard.warnings)
    assert any("has few labelled pixels of “crop” (4), “forest” (8); with fewer than 10 a class is hardly known" in text for text in heard.warnings)


def test_pixels_with_labels_of_two_classes_are_told(folder):
    heard, twice = Listening(), folder / "twice.gpkg"
    points = geopandas.read_file(scenes_points.land_points(folder))
    field = {"crop": "forest", "forest": "crop"}
    again = points.iloc[:5].assign(cover=[field[name] for name in points["cover"].iloc[:5]])
    pandas.concat([points, again]).to_file(twice, driver="GPKG")
    mapped(folder, heard, images=[scenes.land(folder)], labels=twice)
    assert any(text.startswith("5 pixels have labels of more than one class in") for text in heard.warnings)


def test_no_torch_is_needed(folder):
    """As in the small engine; importing torch there fails."""
    command = [sys.executable, "-m", "eo_pretrain_qgis", "map_from_points", "--images", scenes.land(folder),
               "--labels", scenes_points.land_points(folder), "--class_field", "cover", "--output", folder / "map.tif",
               "--model", folder / "model.onnx", "--report", folder / "report.html"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "shadow"), str(ROOT)])}
    ran = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert (read(folder / "map.tif") == chessboard()).mean() > 0.97


def changed_corner(folder):
    """`scenes.land` whose south-eastern quarter has another spectrum."""
    with rasterio.open(scenes.land(folder)) as source:
        values, profile, names = source.read().astype(float), source.profile, source.descriptions
    values[:, 128:, 128:] = values[::-1, 128:, 128:] * 1.6 + 900
    with rasterio.open(folder / "changed.tif", "w", **profile) as target:
        target.write(values.astype(profile["dtype"]))
        target.descriptions = names
    return folder / "changed.tif"


def test_ground_like_no_label_is_outside(folder):
    fields = geopandas.read_file(scenes.land_fields(folder))
    fields[(fields.many // 8 < 4) | (fields.many % 8 < 4)].to_file(folder / "three_quarters.gpkg")
    values = {"images": [changed_corner(folder)], "labels": folder / "three_quarters.gpkg", "applicability": str(folder / "ground.tif")}
    result, _ = mapped(folder, **values)
    ground = read(folder / "ground.tif")
    assert (ground[132:, 132:] > 100).mean() > 0.99 and (ground[:124, :124] <= 100).mean() > 0.8
    assert result["unlike_share"] == pytest.approx((ground > 100).mean()) and result["applicability"] == str(folder / "ground.tif")
    assert package.open(folder / "model.onnx").record.applicability.samples == 250


def test_labels_in_one_place_cannot_say_what_is_unlike_them(folder):
    labels = scenes_points.write_points(folder / "one_place.gpkg", [30, 31, 33, 34], [40, 41, 40, 41], ["forest", "forest", "crop", "crop"])
    with pytest.raises(DataError) as refused:
        mapped(folder, images=[scenes.land(folder)], labels=labels, applicability=str(folder / "ground.tif"))
    assert str(refused.value) == ("All labelled pixels of one_place lie in one place or look the same, so nobody can say how unlike them a place is. "
                                  "Leave “Area of applicability” (applicability) empty, or label ground in other parts of the image, too.")
    assert not (folder / "model.onnx").exists()
