"""Several networks as one model file: it gives the mean of theirs, and how much they disagree."""

import json
import shutil

import numpy as np
import onnx
import pytest
import rasterio
import torch
from scipy.special import softmax
from scipy.stats import entropy

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.ensembles import export_members
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.fixed_tile import write_fixed_tile
from eo_pretrain_qgis.engine.runs.members import Asked, runs_of
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests import scenes
from tests.settings import finetuning as Settings

from .conftest import SMALL
from .tiny_ice import write_ice
from .tiny_targets import add_target


@pytest.fixture(scope="module")
def other(tmp_path_factory, dataset_folder):
    """A run as `run_folder` of another seed."""
    folder = tmp_path_factory.mktemp("others") / "run2"
    finetune(str(dataset_folder), str(folder), Settings(encoder=SMALL, epochs=1, batch_size=4, learning_rate=0.003, device="cpu", seed=2))
    return folder


@pytest.fixture(scope="module")
def exported(run_folder, other, tmp_path_factory):
    """The file, its facts and the runs."""
    path = tmp_path_factory.mktemp("export") / "discs.onnx"
    runs = runs_of(str(run_folder), [str(other / "run.json")])
    return path, export_members(runs, Asked(str(path), licence="CC-BY-4.0")), runs


def test_the_file_gives_the_mean_of_torch_and_the_disagreement(exported, dataset_folder):
    path, facts, runs = exported
    dataset = Dataset.open(dataset_folder)
    tiles = dataset.images(dataset.indices("test")).astype(np.float32)
    with torch.no_grad():
        each = np.stack([Run.open(run.folder).load_network(torch.device("cpu"))({"image": torch.from_numpy(tiles)}).softmax(1).numpy()
                         for run in runs])
    model = package.open(path)
    expected = softmax(np.log(each.mean(0) + 1e-12) / model.record.calibration["probabilities"].kept, 1)
    found = model.session("cpu").run({"image": tiles})
    assert facts["largest_difference"] <= 1e-4 and np.abs(found[:, :2] - expected).max() < 1e-4
    doubt = (entropy(each.mean(0), axis=1) - entropy(each, axis=2).mean(0)) / np.log(2)
    assert np.abs(found[:, 2] - doubt).max() < 1e-4 and doubt.max() > 1e-3
    assert model.beside == ("disagreement",)


def test_the_file_and_its_page_know_the_members(exported, tmp_path):
    path, facts, runs = exported
    model = package.open(path)
    assert [(one.run, one.seed, one.sha256) for one in model.record.members] == [
        ("run", 1, runs[0].model_sha256), ("run2", 2, runs[1].model_sha256)]
    assert model.record.members[0].scores["mean_iou"] == runs[0].card["metrics"]["mean_iou"] and model.record.scores is None
    assert model.record.architecture.startswith("mean of 2 members: ") and model.record.name == f"discs {SMALL}, 2 members"
    assert model.id == facts["model_id"] and model.id.startswith("discs-tu-test-resnet-2-members-")
    assert model.record.parameters == sum(run.card["parameters"] for run in runs)
    assert model.description["provenance"]["seed"] == [1, 2] and model.record.applicability is not None
    result = JOBS["inspect_model"].from_values({"model": str(path), "output": str(tmp_path / "model.html")}).run(SILENT)
    assert (result["members"], result["seeds"]) == (2, "1, 2")
    page = (tmp_path / "model.html").read_text(encoding="utf-8")
    assert "The mean of 2 members" in page and "run2" in page and "mutual information" in page
    output = json.loads({row.key: row.value for row in onnx.load(path).metadata_props}["stac_mlm"])["properties"]["mlm:output"]
    assert [row["name"] for row in output] == ["probabilities", "disagreement"]


def test_the_map_of_a_part_is_that_part_of_the_map(exported, dataset_folder, tmp_path):
    """Across the borders of blocks, whatever the extent and the memory; the layer says what it is."""
    dataset = Dataset.open(dataset_folder)
    tiles = dataset.images(np.resize(dataset.indices("all"), 17 * 17))
    values = np.concatenate([np.concatenate(list(tiles[row * 17:(row + 1) * 17]), 2) for row in range(17)], 1)[:, :1060, 3:1080]
    image = scenes.write_raster(tmp_path / "image.tif", values.astype(np.uint16), names=("B02", "B03", "B04"), nodata=0)
    left, top = scenes.ORIGIN

    def mapped(name, box=None, **asked):
        extent = {"extent": {"box": [left + 10 * box[0], top - 10 * box[3], left + 10 * box[2], top - 10 * box[1]], "crs": ""}} if box else {}
        values = {"images": [str(image)], "model": str(exported[0]), "output": str(tmp_path / f"map_{name}.tif"), "device": "cpu",
                  "disagreement": str(tmp_path / f"{name}.tif"), **extent, **asked}
        assert JOBS["predict_map"].from_values(values).run(SILENT)["disagreement"] == values["disagreement"]
        with rasterio.open(tmp_path / f"{name}.tif") as source:
            return source.read(1), source.tags(), source.descriptions

    whole, tags, names = mapped("whole", tile_size=1024)
    assert names == ("disagreement [% of ln(2 classes)]",)
    assert tags["EO_PRETRAIN_DISAGREEMENT"].startswith("mutual information of class and member, of 2 members") and "EO_PRETRAIN_MODEL_SHA256" in tags
    assert (whole == 255).sum() == (values == 0).any(0).sum() and 0 < whole[whole != 255].max() <= 100
    assert (tmp_path / "whole.qml").exists()
    part, _, _ = mapped("part", (500, 990, 1077, 1060), tile_size=128)
    assert np.array_equal(part, whole[990:1060, 500:1077])


def test_a_fixed_tile_gives_the_same(exported, tmp_path):
    model = write_fixed_tile(package.open(exported[0]), 128, str(tmp_path / "fixed.onnx"))
    assert model.fixed_tile == 128 and model.beside == ("disagreement",) and len(model.record.members) == 2


def test_patches_of_two_targets_have_a_disagreement_on_each(tmp_path):
    folder = write_ice(tmp_path / "patches")
    add_target(folder, np.load(folder / "labels-000.npy") > 0)
    for seed in (1, 2):
        finetune(str(folder), str(tmp_path / f"run{seed}"), Settings(encoder="adhoc_cnn", epochs=1, epoch_steps=2, batch_size=8, device="cpu",
                                                                            seed=seed))
    path = tmp_path / "model.onnx"
    assert export_members(runs_of(str(tmp_path / "run1"), [str(tmp_path / "run2" / "run.json")]), Asked(str(path)))["largest_difference"] <= 1e-4
    model = package.open(path)
    assert model.beside == ("disagreement", "disagreement_form") and model.record.dense_step and list(model.further) == ["form"]
    dataset = Dataset.open(folder)
    patches = dataset.images(dataset.indices("all")[:5]).astype(np.float32)
    image = scenes.write_raster(tmp_path / "image.tif", np.concatenate(list(patches), 2), names=[band.name for band in dataset.sensors[0].bands])
    for target, step in (("", None), ("form", model.record.dense_step)):
        values = {"model": str(path), "images": [str(image)], "output": str(tmp_path / f"map{target}.tif"), "target": target or None, "step": step,
                  "disagreement": str(tmp_path / f"doubt{target}.tif"), "class_shares": str(tmp_path / f"shares{target}.tif")}
        JOBS["predict_map"].from_values(values).run(SILENT)
        with rasterio.open(tmp_path / f"doubt{target}.tif") as source:
            found = source.read(1)
        if step is None:
            said = model.session("cpu").run({model.image.name: patches})
            place = model.channels + len(model.further["form"])
            assert np.array_equal(found[0], np.rint(100 * said[:, place].reshape(-1)).astype(np.uint8))
        assert found[found != 255].max() <= 100


def test_what_cannot_be_members_is_refused(run_folder, other, tmp_path):
    def refused(match, *cards):
        with pytest.raises(DataError, match=match):
            runs_of(str(run_folder), [str(card) for card in cards])

    def changed(name, **facts):
        shutil.copytree(other, tmp_path / name)
        card = json.loads((tmp_path / name / "run.json").read_text(encoding="utf-8"))
        (tmp_path / name / "run.json").write_text(json.dumps({**card, **facts}), encoding="utf-8")
        return tmp_path / name / "run.json"

    card = json.loads((other / "run.json").read_text(encoding="utf-8"))
    refused("hold the same model, which cannot disagree with itself. Leave one out, or train with another seed.", run_folder / "run.json")
    refused("hold the same model, which cannot disagree", other / "run.json", changed("again"))
    refused("is not finished, so it can be no member of a model. Let “Fine-tune a model” continue it, or leave it out.",
            changed("early", state="training"))
    moved = changed("elsewhere", dataset={**card["dataset"], "checksum": "0123456789"})
    refused(r"have different datasets \(discs with the checksum [0-9a-f]{8}; discs with the checksum 01234567\), so they cannot be members of "
            "one model. Choose runs of the same training.", moved)
    renamed = changed("classes", classes=[{**card["classes"][0], "name": "soil"}, card["classes"][1]])
    refused(r"have different classes \(3 ground, 7 disc; 3 soil, 7 disc\), so they cannot be members", renamed)
    refused(r"have different tasks \(segmentation; fields\), so they cannot be members", changed("task", task="fields"))
    refused(r"have different inputs \(image: B02, B03, B04; image: B02, B03\), so they cannot be members",
            changed("bands", inputs=[{**card["inputs"][0], "bands": card["inputs"][0]["bands"][:2]}]))
    first, *rest = card["inputs"][0]["bands"]
    refused("scale their inputs or count their dates differently, so they cannot be members of one model.",
            changed("scaled", inputs=[{**card["inputs"][0], "bands": [{**first, "centre": 1.0}, *rest]}]))
    refused("does not describe a run. Choose the run.json in the folder of a run of “Fine-tune a model”.", other / "job.json")


def test_networks_and_simple_classifiers_are_not_mixed(run_folder, dataset_folder, tmp_path):
    values = {"dataset": str(dataset_folder), "approach": "statistics", "output": str(tmp_path / "simple")}
    JOBS["finetune"].from_values(values).run(SILENT)
    asked = {"run_folder": str(run_folder), "more_runs": [str(tmp_path / "simple" / "run.json")], "output": str(tmp_path / "model.onnx")}
    said = ("kept the network started from the regression and the run .* the regression on statistics. Networks and simple classifiers cannot be in "
            "one file, because they see missing values differently. Choose runs of one approach, or "
            "train again with the approach network.")
    with pytest.raises(DataError, match=said):
        JOBS["export_model"].from_values(asked).run(SILENT)
    assert not (tmp_path / "model.onnx").exists()
