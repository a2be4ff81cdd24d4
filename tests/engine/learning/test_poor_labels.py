"""Labels and bands that teach little or nothing: what is refused, what is warned of, and that the rest trains to the end."""

import json

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.datasets.dataset import ClassInfo, Dataset
from eo_pretrain_qgis.engine.learning.export import Probabilities, largest_difference, to_onnx
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.pretraining.multitask.kinds import check_task
from eo_pretrain_qgis.engine.models.session import on_processor
from eo_pretrain_qgis.errors import DataError
from tests.settings import finetuning as Settings

from ...arrays import changed_on_purpose
from ...listening import Listening
from .conftest import SMALL
from .tiny import CLASSES, write_dataset
from .tiny_scenes import write_scenes

QUICK = {"encoder": SMALL, "epochs": 1, "batch_size": 4, "device": "cpu"}
WITH_POND = [*CLASSES, ClassInfo(9, "pond", "#332288")]
ADVICE = "Divide the dataset anew so that training shows it, label more of it, or leave the class out when the dataset is made."


def edited(folder, array, change):
    """Changes the samples of a dataset, given with the split of each, and counts its classes again."""
    dataset = Dataset.open(folder)
    changed_on_purpose(folder)
    samples = np.load(next(folder.glob(f"{array}-*.npy")), mmap_mode="r+")
    change(samples, dataset.splits)
    samples.flush()
    description = json.loads((folder / "dataset.json").read_text())
    labels = np.load(next(folder.glob("labels-*.npy")))
    description["class_pixels"] = {split: [int((labels[dataset.splits == split] == number).sum()) for number in range(len(description["classes"]))]
                                   for split in ("training", "validation", "test")}
    (folder / "dataset.json").write_text(json.dumps(description))
    return folder


def ponds(folder, training, validation):
    """Discs, and a class “pond” of so many training and validation pixels."""
    def draw(labels, splits):
        for split, count in (("training", training), ("validation", validation)):
            tile = np.flatnonzero(splits == split)[0]
            labels[tile, 10, 10:10 + count] = 2

    return edited(write_dataset(folder, classes=WITH_POND), "labels", draw)


def trained(folder, run, **changed):
    heard = Listening()
    return finetune(str(folder), str(run), Settings(**{**QUICK, **changed}), heard), heard


@pytest.mark.parametrize(("training", "told"), [(0, "“pond” (0)"), (1, "“pond” (1)")])
@pytest.mark.parametrize("share", [100, 25])
def test_a_class_that_training_does_not_show_is_refused(tmp_path, training, told, share):
    folder = ponds(tmp_path / "tiles", training, 30)
    with pytest.raises(DataError) as caught:
        trained(folder, tmp_path / "run", label_share=share)
    assert str(caught.value) == f"The training split of {folder} has too few labelled pixels of {told}; a class needs at least 2. {ADVICE}"
    assert not (tmp_path / "run").exists()
    with pytest.raises(DataError, match="has too few labelled pixels of “pond”"):
        check_task(Dataset.open(folder), None)


@pytest.mark.parametrize("share", [100, 25])
def test_a_class_of_a_few_pixels_is_warned_of(tmp_path, share):
    folder = ponds(tmp_path / "tiles", 5, 0)
    result, heard = trained(folder, tmp_path / "run", label_share=share)
    assert (f"The training split of {folder} has few labelled pixels of “pond” (5); with fewer than 10 a class is hardly known. Label more of it."
            in heard.warnings)
    assert result["epochs_run"] == 1


def test_a_class_that_is_nowhere_is_left_alone(tmp_path):
    result, heard = trained(ponds(tmp_path / "tiles", 0, 0), tmp_path / "run")
    assert result["epochs_run"] == 1
    assert "pond" not in " ".join(heard.warnings)


def test_of_whole_tiles_one_of_a_class_is_warned_of_and_none_refused(tmp_path):
    def few(labels, splits):
        own = np.flatnonzero((splits == "training") & (labels == 3))
        labels[own[1:]] = 255

    folder = edited(write_scenes(tmp_path / "images"), "labels", few)
    _, heard = trained(folder, tmp_path / "run")
    assert (f"The training split of {folder} has few labelled images of “bright columns” (1); with fewer than 2 a class is hardly known. "
            "Label more of it." in heard.warnings)

    def none(labels, splits):
        labels[(splits == "training") & (labels == 3)] = 255

    edited(folder, "labels", none)
    with pytest.raises(DataError) as caught:
        trained(folder, tmp_path / "other")
    assert str(caught.value) == (f"The training split of {folder} has too few labelled images of “bright columns” (0); a class needs at least 1. "
                                 f"{ADVICE}")


def test_a_published_split_is_kept_as_it_is(tmp_path):
    """Of a benchmark nobody divides the samples anew; what training lacks is then told, and counts as wrong."""
    def none(labels, splits):
        labels[(splits == "training") & (labels == 3)] = 255

    folder = edited(write_scenes(tmp_path / "images"), "labels", none)
    path = folder / "dataset.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    description["split"]["method"] = "given"
    path.write_text(json.dumps(description), encoding="utf-8")
    result, heard = trained(folder, tmp_path / "run")
    assert result["epochs_run"] == 1
    assert (f"The training split of {folder} has few labelled images of “bright columns” (0); with fewer than 2 a class is hardly known. "
            "Label more of it." in heard.warnings)


@pytest.mark.parametrize(("fill", "sentence"), [
    (255, "hold no label, so there is nothing to tell apart. Add labels of another class, or count unlabelled pixels as background."),
    (0, "hold only the class “ground”, so there is nothing to tell apart. Add labels of another class, or count unlabelled pixels as background."),
])
def test_labels_that_tell_nothing_apart_are_refused(tmp_path, fill, sentence):
    def flatten(labels, splits):
        labels[splits == "training"] = fill

    folder = edited(write_dataset(tmp_path / "tiles"), "labels", flatten)
    with pytest.raises(DataError) as caught:
        trained(folder, tmp_path / "run")
    assert str(caught.value) == f"The training tiles of {folder} {sentence}"
    assert not (tmp_path / "run").exists()


def test_equal_and_constant_bands_train_and_export(tmp_path):
    """The covariance of the bands has one direction; what whitening makes of the others must not be infinite."""
    def flatten(images, splits):
        known = images[:, 0] > 0
        images[:, 1] = images[:, 0]
        images[:, 2] = 1234 * known

    folder = edited(write_dataset(tmp_path / "tiles"), "images", flatten)
    description = json.loads((folder / "dataset.json").read_text())
    found = description["statistics"]["image"]
    found["B03"], found["B04"] = found["B02"], {name: 0.0 if name == "std" else 1234.0 for name in found["B04"]}
    (folder / "dataset.json").write_text(json.dumps(description))
    result, _ = trained(folder, tmp_path / "run", epochs=2)
    assert np.isfinite(result["validation_iou"])
    network = Run.open(str(tmp_path / "run")).load_network(torch.device("cpu"))
    largest = max(float(weights.detach().abs().max()) for weights in network.linear.parameters())
    assert largest < 1e3, "what is constant up to rounding is given no weight"
    model, tiles = Probabilities(network).eval(), Dataset.open(folder).images(np.arange(4)).astype(np.float32)
    session = on_processor(to_onnx(model, {"image": 3}, network.stride, SMALL))
    assert np.isfinite(session.run(None, {"image": tiles})[0]).all()
    assert largest_difference(model, session, [{"image": tiles}]) <= 1e-4


def test_one_validation_tile_is_enough_to_measure_on(tmp_path):
    folder = write_dataset(tmp_path / "tiles", count=9, splits=["training"] * 8 + ["validation"])
    result, heard = trained(folder, tmp_path / "run", epochs=2)
    assert np.isfinite(result["validation_iou"])
    assert any("the last epoch kept" in text for text in heard.texts), "of one tile some epoch looks best by chance"
