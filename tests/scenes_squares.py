"""Models of a class for images as a whole, and images of squares of which each has its class."""

import numpy as np

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .engine.learning.tiny_scenes import striped
from .networks import write_whole_model
from .scenes import write_raster
from .scenes_classes import several_labels_dataset, stripes_run
from .scenes_ice import ice_polygons, ice_scene

#: Class of the squares of 32 px of `stripes_scene`, row by row.
STRIPES = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [1, 1, 2, 2]])


def squares_model(folder):
    """A square of 32 px is forest where its mean of B02 is above 1500, else water; it is unsure around that."""
    return write_whole_model(folder / "squares_model.onnx")


def several_squares_model(folder):
    """Of squares of 32 px the chance of water is one half, and that of forest grows with the mean of B02."""
    return write_whole_model(folder / "several_squares_model.onnx", task="multilabel")


def small_squares_model(folder):
    """`squares_model` for squares of 16 px."""
    return write_whole_model(folder / "small_squares_model.onnx", side=16)


def stripes_scene(folder):
    """The images of `stripes_dataset` side by side, of the classes of `STRIPES`."""
    tiles = striped(STRIPES.ravel(), 32, 3, seed=9).reshape(*STRIPES.shape, 3, 32, 32)
    return write_raster(folder / "stripes_scene.tif", tiles.transpose(2, 0, 3, 1, 4).reshape(3, 96, 128), names=["B02", "B03", "B04"])


def stripes_model(folder):
    """What `stripes_run` kept, as a model file."""
    return _exported(stripes_run(folder), folder / "stripes_model.onnx")


def several_labels_run(folder):
    """A regression on `several_labels_dataset`."""
    JOBS["finetune"].from_values({"dataset": str(several_labels_dataset(folder)), "approach": "statistics",
                                  "output": str(folder / "several_labels_run")}).run(SILENT)
    return folder / "several_labels_run"


def ice_patches(folder):
    """Patches of 10 px of `ice_scene`, divided by polygon because there is one scene."""
    JOBS["create_sea_ice_dataset"].from_values({
        "images": [str(ice_scene(folder))], "labels": str(ice_polygons(folder)), "class_field": "ice_kind", "size": 10, "stride": 20,
        "output": str(folder / "ice_patches")}).run(SILENT)
    return folder / "ice_patches"


def ice_patches_run(folder):
    """A small network on `ice_patches`, with one slope over the incidence angle taken off."""
    JOBS["finetune"].from_values({"dataset": str(ice_patches(folder)), "encoder": "adhoc_cnn", "approach": "network", "incidence_angle": "slope",
                                  "epochs": 2, "batch_size": 16, "epoch_steps": 4, "device": "cpu", "output": str(folder / "ice_run")}).run(SILENT)
    return folder / "ice_run"


def ice_patches_model(folder):
    """The model file of `ice_patches_run`."""
    return _exported(ice_patches_run(folder), folder / "ice_model.onnx")


def _exported(run, path):
    JOBS["export_model"].from_values({"run_folder": str(run), "output": str(path)}).run(SILENT)
    return path
