"""What results are called after, and what a cancel has left."""

import pytest

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.telling import after_cancel, subject

MAP = {"model": "/models/cover.onnx", "output": "/maps/OUTPUT.tif"}


@pytest.mark.parametrize(("job", "values", "of"), [
    ("map_land_cover", {**MAP, "images": ["/data/s2.tif"]}, "s2"),
    ("map_land_cover", {**MAP, "images": [{"path": "/data/s2.tif", "name": "June"}]}, "June"),
    ("map_land_cover", {**MAP, "images": ["."]}, "scene"),
    ("map_land_cover", {**MAP, "images": ["/"]}, "cover"),
    ("map_land_cover", {**MAP, "images": [f"/data/B0{band}.tif" for band in (2, 3, 4)]}, "B02 and 2 more"),
    ("create_sample", {"output": "/data/village"}, "village"),
    ("create_sample", {"output": "/tmp/processing_x/7f/OUTPUT"}, ""),
    ("finetune", {"dataset": "/data/fields.v2", "output": "/runs/first"}, "first"),
    ("finetune", {"dataset": "/data/fields.v2", "output": "/tmp/processing_x/7f/OUTPUT"}, "fields.v2"),
    ("describe_dataset", {"dataset": "/data/fields.v2", "output": "/tmp/OUTPUT.html"}, "fields.v2"),
    ("describe_dataset", {"dataset": "/data/fields/dataset.json", "output": "/tmp/r.html"}, "fields"),
    ("check_engine", {"python": "/envs/mine/bin/python", "output": "/tmp/r.html"}, ""),
    ("inspect_model", {"model": "/models/cover.onnx", "output": "/tmp/OUTPUT.html"}, "cover")])
def test_results_are_called_after_what_they_are_of(job, values, of, monkeypatch, tmp_path):
    kind = JOBS[job]
    monkeypatch.setattr("eo_pretrain_qgis.jobs.spec.read_value", lambda name, param, value: [
        item if isinstance(item, dict) else {"path": item} for item in value] if param.kind == "raster" else value)
    monkeypatch.setattr(kind, "check", lambda self: None)
    (tmp_path / "scene").mkdir()
    monkeypatch.chdir(tmp_path / "scene")
    assert subject(kind.from_values(values)) == of


def test_what_a_cancel_has_left(tmp_path):
    (tmp_path / "dataset.json").touch()
    run, nothing = tmp_path / "run", "Cancelled. Nothing half-written was left behind."
    learning = JOBS["finetune"].from_values({"dataset": str(tmp_path), "output": str(run)})
    assert after_cancel(learning) == nothing
    run.mkdir()
    (run / "worker.log").touch()
    assert after_cancel(learning) == nothing, "a log is nothing to go on from"
    (run / "run.json").touch()
    assert after_cancel(learning) == (f"Cancelled. What was done is kept in {run}. Run the same job with the same values and that folder as “Run "
                                      "folder”, and it goes on where it stopped.")
    assert after_cancel(JOBS["split_dataset"].from_values({"dataset": str(tmp_path), "output": str(tmp_path / "new")})) == nothing
    assert {name for name, kind in JOBS.items() if kind.continues} == {
        "finetune", "compare_pretraining", *(f"pretrain_{how}" for how in ("inpainting", "barlow_twins", "translation", "multitask"))}
