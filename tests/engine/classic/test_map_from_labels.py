"""Maps from a few labels: right, honest about how good they are, and the same when the model is asked again."""

import os
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
from eo_pretrain_qgis.engine.mapping.from_labels.ground import draw, labelled_pixels, learnable_rows, measure
from eo_pretrain_qgis.engine.mapping.from_labels.judging import judge
from eo_pretrain_qgis.engine.models import package
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
    assert (model.halo, model.stride, model.block, model.small_block) == (3, 1, 1024, 256)
    assert (model.record.architecture, model.record.encoder, model.image.names) == ("regression on statistics", None, ["B04", "B08"])
    assert model.description["scores"]["split"] == "cross-validation by place"
    assert set(model.description["scores"]["iou"]) == {"crop", "forest"}
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


def rows_of(folder, labels, image=scenes.land, **facts):
    scene, = open_scenes([{"path": str(image(folder))}], "bands")
    sensor = describe_sensor([scene], "sentinel2_l2a")
    found = open_labels({"path": str(labels)}, [scene.grid], **facts)
    pixels = labelled_pixels(scene, found, 1)
    seen, whitening = measure(scene, sensor)
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
