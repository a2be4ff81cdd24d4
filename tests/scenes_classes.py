"""Datasets with classes of whole tiles, and with shares of classes, for fine-tuning."""

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .engine.learning.tiny import write_dataset
from .engine.learning.tiny_pairs import write_pairs
from .engine.learning.tiny_scenes import write_scenes


def stripes_dataset(folder):
    """48 tiles of 32 px in four classes, bright or dark and striped in rows or columns; a third validates and tests."""
    return write_scenes(folder / "stripes_dataset")


def several_labels_dataset(folder):
    """The tiles of `stripes_dataset` with the labels “bright” and “columns”, of which any may occur."""
    return write_scenes(folder / "several_labels_dataset", task="multilabel")


def stripes_run(folder):
    """A run on `stripes_dataset`."""
    values = {"dataset": str(stripes_dataset(folder)), "encoder": "tu-test_resnet", "epochs": 2, "batch_size": 8, "epoch_steps": 8,
              "learning_rate": 0.003, "device": "cpu", "output": str(folder / "stripes_run")}
    JOBS["finetune"].from_values(values).run(SILENT)
    return folder / "stripes_run"


def soft_dataset(folder):
    """12 tiles of pixels with a disc, and the shares of both classes: 0.75 for that of the label."""
    return write_dataset(folder / "soft_dataset", shares=0.75)


def two_sensors(folder):
    """24 tiles of one class each that s2 (B02, B03, B04) and s1 (VV, VH) see, a week apart; each sensor tells two of four classes from two."""
    return write_pairs(folder / "two_sensors", task="scene", dates=("2024-06-01", "2024-06-08"))


def two_sensors_run(folder):
    """A run on both of which either may be missing."""
    return _of_two(folder, "two_sensors_run", approach="network", fusion="gated", encoder="tu-test_resnet", epochs=1, batch_size=8, device="cpu")


def two_sensors_statistics(folder):
    """A regression on statistics of both."""
    return _of_two(folder, "two_sensors_statistics", approach="statistics", fusion="early")


def _of_two(folder, name, **values):
    JOBS["finetune"].from_values({"dataset": str(two_sensors(folder)), "output": str(folder / name), **values}).run(SILENT)
    return folder / name
