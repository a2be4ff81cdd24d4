"""The range of training values is measured on what maps look at, and goes into every model file."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.samples import mapped_values
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.dates import read_series
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models import report as model_report
from eo_pretrain_qgis.engine.runs.run_folder import RunFolder
from eo_pretrain_qgis.engine.runs.simple import Settings, export_simple, train_simple
from eo_pretrain_qgis.engine.runs.training_range import training_ranges
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT
from tests import scenes
from tests.engine.learning.tiny import tiles, write_dataset
from tests.engine.learning.tiny_scenes import write_scenes
from tests.scenes_series import dated_tiles, season_dataset

ASKED = {"sensor": None, "bands": None, "label_share": 100, "seed": 1}


def learned(dataset, folder):
    train_simple(str(dataset), str(folder / "run"), Settings(approach="statistics", **ASKED))
    return RunFolder.open(str(folder / "run"))


def rows_of(folder, tiles=None):
    dataset = Dataset.open(folder)
    what = single(dataset.inputs)
    return dataset, what, mapped_values(dataset, what, np.arange(len(dataset)) if tiles is None else tiles)


def test_of_pixels_their_values_count(tmp_path):
    dataset, what, rows = rows_of(write_dataset(tmp_path / "dataset", count=3, size=16))
    images, valid = dataset.read(what, np.arange(3))
    assert np.array_equal(rows, np.moveaxis(images, 1, -1)[valid])


def test_of_whole_images_their_means_count(tmp_path):
    dataset, what, rows = rows_of(write_scenes(tmp_path / "dataset", count=7, size=16))
    images, valid = dataset.read(what, np.arange(7))
    assert valid.all() and rows == pytest.approx(images.mean((2, 3)), rel=1e-6)


@pytest.mark.parametrize("written", [season_dataset, dated_tiles])
def test_of_series_the_means_over_clear_dates_count(tmp_path, written):
    dataset, what, rows = rows_of(written(tmp_path), np.arange(3))
    values, days = read_series(dataset, what, np.arange(3))
    clear = np.where((days >= 0)[:, :, None], values, np.nan)
    expected = np.moveaxis(np.nanmean(clear, 1), 1, -1).reshape(-1, len(what.bands))
    assert rows == pytest.approx(expected[np.isfinite(expected).all(1)], rel=1e-6)


def test_an_exported_model_shows_where_an_image_lies_outside(tmp_path):
    dataset = write_dataset(tmp_path / "dataset", count=18)
    export_simple(learned(dataset, tmp_path), str(tmp_path / "model.onnx"))
    model = package.open(str(tmp_path / "model.onnx"))
    known = model.record.ranges[model.image.name]
    assert len(known.centre) == len(model.image.bands) == 3 and known.places > 10_000
    image, odd = tiles(1, 64, 3, seed=3)[0][0].astype(np.uint16), {}
    for name, values in (("like", image), ("swapped", image[[2, 1, 0]])):  # each band stays within what it had, and they no longer go together
        path = scenes.write_raster(tmp_path / f"{name}.tif", values, names=model.image.names)
        found = run_job(JOBS["predict_map"].from_values({"model": model.path, "images": [str(path)], "output": str(tmp_path / f"{name}_map.tif"),
                                                         "out_of_range": str(tmp_path / f"{name}_odd.tif")}), SILENT)
        with rasterio.open(tmp_path / f"{name}_odd.tif") as raster:
            stored = raster.read(1)
        odd[name] = (stored[stored != 255] > 100).mean()
        assert found["outside_share"] == pytest.approx(odd[name], abs=1e-4)
    assert odd["like"] < 0.03 < 0.1 < odd["swapped"]
    model_report.write_html(model, str(tmp_path / "model.html"))
    assert f"the values of {known.places:,} training places" in (tmp_path / "model.html").read_text(encoding="utf-8")


def test_without_the_dataset_or_with_few_images_nothing_is_known(tmp_path):
    run = learned(write_scenes(tmp_path / "few", count=24, size=16), tmp_path)
    seen = single(run.inputs)
    assert training_ranges(run, seen) == {}  # 16 training images of 3 bands
    (tmp_path / "few").rename(tmp_path / "gone")
    assert training_ranges(run, seen) == {}
