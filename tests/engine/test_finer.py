"""A grid finer than the image: what is read on it, and a dataset, a model and a map of roads as fine."""

import json

import numpy as np
import pytest
import rasterio
import scipy.ndimage

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.source_images import open_again
from eo_pretrain_qgis.engine.rasters.finer import finer_grid, read_finer
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.raster import Raster, Scene
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .. import scenes, scenes_roads
from ..listening import Listening


def scene_of(folder, values, factor, **facts):
    scene = Scene.open([{"path": str(scenes.write_raster(folder / "image.tif", values, **facts))}])
    scene.finer = factor
    return scene


@pytest.mark.parametrize("factor", [2, 4])
def test_values_are_bilinear_between_the_middles_of_pixels(folder, factor):
    values = np.random.default_rng(1).uniform(0, 1, (2, 9, 7)).astype(np.float32)
    scene = scene_of(folder, values, factor)
    found, valid = scene.read(scene.grid.window)
    assert found.shape == (2, 9 * factor, 7 * factor) and valid.all() and found.dtype == np.float32
    expected = [scipy.ndimage.zoom(band, factor, order=1, mode="nearest", grid_mode=True) for band in values]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.reshape(2, 9, factor, 7, factor).mean((2, 4))[:, 1:-1, 1:-1].mean(), values[:, 1:-1, 1:-1].mean(), atol=0.02)


def test_every_window_gives_the_same_numbers(folder):
    rng = np.random.default_rng(2)
    values = rng.integers(0, 3000, (3, 20, 23)).astype(np.uint16)
    values[:, rng.random((20, 23)) < 0.2] = 0
    scene = scene_of(folder, values, 4, nodata=0)
    whole, valid = scene.read(scene.grid.window)
    for _ in range(40):
        row, col = rng.integers(-3, 70), rng.integers(-3, 80)
        window = Window(int(col), int(row), int(rng.integers(1, 30)), int(rng.integers(1, 30)))
        part, shown = scene.read(window, [2, 0])
        inside = window.intersection(scene.grid.window)
        place = np.s_[inside.row - row:inside.row - row + inside.height, inside.col - col:inside.col - col + inside.width]
        own = np.s_[inside.row:inside.row + inside.height, inside.col:inside.col + inside.width]
        assert shown.sum() == valid[own].sum()
        np.testing.assert_array_equal(shown[place], valid[own])
        np.testing.assert_array_equal(part[(slice(None), *place)][:, valid[own]], whole[[2, 0]][(slice(None), *own)][:, valid[own]])


def test_what_was_not_measured_does_not_count():
    values, valid = np.array([[[100, 0, 300]]], np.uint16), np.array([[True, False, True]])

    def read(window):
        full, known = np.zeros((1, window.height, window.width), np.uint16), np.zeros((window.height, window.width), bool)
        for y in range(window.height):
            for x in range(window.width):
                if window.row + y == 0 and 0 <= window.col + x < 3:
                    full[0, y, x], known[y, x] = values[0, 0, window.col + x], valid[0, window.col + x]
        return full, known

    found, shown = read_finer(read, Window(0, 0, 6, 2), 2)
    assert found[0, 0].tolist() == [100, 100, 0, 0, 300, 300] and found.dtype == np.uint16
    assert shown.tolist() == [[True, True, False, False, True, True]] * 2


def test_the_finer_grid_covers_the_same_ground(folder):
    with Raster(str(scenes.land(folder))) as raster:
        grid = finer_grid(raster.grid, 4)
        assert grid.bounds() == raster.grid.bounds() and grid.metres_per_pixel() == (2.5, 2.5) and (grid.width, grid.height) == (1024, 1024)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset on a grid finer by 2, boosted trees that learned it, and their model."""
    folder = tmp_path_factory.mktemp("finer")
    place = scenes_roads.road_sample(folder)
    values = {"images": [str(place / "sentinel2.tif")], "roads": str(place / "roads.gpkg"), "preset": "sentinel2_l2a", "tile_size": 64,
              "finer": "2", "test_share": 0.3, "incomplete": "keep", "output": str(folder / "dataset")}
    JOBS["create_road_dataset"].from_values(values).run(SILENT)
    JOBS["finetune"].from_values({"dataset": values["output"], "approach": "boosting", "output": str(folder / "run")}).run(SILENT)
    JOBS["export_model"].from_values({"run_folder": str(folder / "run"), "output": str(folder / "roads.onnx")}).run(SILENT)
    return folder


def test_dataset_and_model_say_how_fine_they_are(made):
    dataset = json.loads((made / "dataset" / "dataset.json").read_text(encoding="utf-8"))
    assert dataset["resolution_m"] == [5.0, 5.0] and dataset["sensors"][0]["finer"] == 2
    assert (dataset["scenes"][0]["width"], dataset["scenes"][0]["transform"][0]) == (512, 5.0)
    kept = Dataset.open(made / "dataset")
    again = open_again(kept, dataset["scenes"][0]["name"], np.arange(len(kept)))  # its pixels are compared with those of the tiles
    assert (again.grid.width, again.finer) == (512, 2)
    assert json.loads((made / "run" / "run.json").read_text(encoding="utf-8"))["inputs"][0]["finer"] == 2
    JOBS["inspect_model"].from_values({"model": str(made / "roads.onnx"), "output": str(made / "page.html")}).run(SILENT)
    assert "resampled bilinearly to pixels whose edge is theirs by 2" in (made / "page.html").read_text(encoding="utf-8")


def test_the_labels_are_drawn_on_the_finer_grid(made, folder):
    """They are those of a dataset of an image that had such pixels from the start."""
    with rasterio.open(made / "sample" / "sentinel2.tif") as source:
        profile, names, scales = source.profile, source.descriptions, (source.scales, source.offsets)
        values = source.read()
    profile.update(width=512, height=512, transform=source.transform * source.transform.scale(0.5))
    with rasterio.open(folder / "fine.tif", "w", **profile) as fine:
        fine.write(values.repeat(2, 1).repeat(2, 2))
        fine.descriptions, fine.scales, fine.offsets = names, *scales
    JOBS["create_road_dataset"].from_values({
        "images": [str(folder / "fine.tif")], "roads": str(made / "sample" / "roads.gpkg"), "preset": "sentinel2_l2a", "tile_size": 64,
        "test_share": 0.3, "incomplete": "keep", "output": str(folder / "dataset")}).run(SILENT)
    mine, theirs = (np.load(place / "dataset" / "labels-000.npy") for place in (made, folder))
    np.testing.assert_array_equal(mine, theirs)


def test_the_map_is_as_fine_and_the_same_from_every_extent(made, folder):
    image, model = str(made / "sample" / "sentinel2.tif"), str(made / "roads.onnx")
    heard = Listening()
    result = JOBS["map_roads"].from_values({"images": [image], "model": model, "probability": str(folder / "all.tif"),
                                            "reference": str(made / "sample" / "roads_truth.gpkg"), "output": str(folder / "roads.gpkg")}).run(heard)
    with rasterio.open(image) as source, rasterio.open(folder / "all.tif") as whole:
        assert whole.res == (5.0, 5.0) and whole.bounds == source.bounds
        every = whole.read(1)
        west, north = source.bounds.left, source.bounds.top
        crs = source.crs.to_string()
    assert any("resampled to pixels of 5 × 5 m, finer by 2" in text for text in heard.texts)
    assert result["f1"] > 0.3 and not [text for text in heard.warnings if "pixel" in text.lower() and "size" in text.lower()]
    box = f"{west + 405},{west + 1205},{north - 1505},{north - 705} [{crs}]"
    JOBS["predict_map"].from_values({"images": [image], "model": model, "extent": box, "output": str(folder / "part.tif")}).run(SILENT)
    JOBS["predict_map"].from_values({"images": [image], "model": model, "output": str(folder / "map.tif")}).run(SILENT)
    with rasterio.open(folder / "part.tif") as part, rasterio.open(folder / "map.tif") as whole:
        np.testing.assert_array_equal(part.read(1), whole.read(1)[141:301, 81:241])
    assert every.shape == (512, 512)
