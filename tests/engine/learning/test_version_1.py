"""What version 1 of run.json and of the model file wrote opens, goes on, measures, exports, maps and starts other runs, with the same result."""

import csv
import json
import shutil
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import rasterio
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.data import LABELS, TileReader
from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.segmentation import Segmentation
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.encoder_files import read_card
from eo_pretrain_qgis.engine.learning.pretraining.translation.export import export_translation
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import ClassMap, SyntheticImage
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.mapping.suggesting.uncertainty import Ensemble
from eo_pretrain_qgis.engine.measures.accuracy import confusion
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.runs.run_record import VERSION
from eo_pretrain_qgis.errors import DataError, JobError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ... import scenes
from ...conftest import ROOT

ENCODER = {"encoder": "tu-test_efficientnet"}
TRANSLATION = {"dataset": "pair", "generator": "residual", "generator_width": 4, "discriminator_width": 4}
#: Run → the job that wrote it and its values.
RUNS = {"finetune": ("finetune", {"dataset": "discs", "learning_rate": 0.003, **ENCODER}),
        "barlow_twins": ("pretrain_barlow_twins", {"dataset": "pair", "sensors": "pair", "projector_width": 8, "crop": 32, **ENCODER}),
        "translation": ("pretrain_translation", TRANSLATION)}
#: The same sums in another order, as on another processor.
CLOSE = {"rel": 2e-3, "abs": 2e-3}
#: Radar is shifted by up to 1.5 dB now, then 1 dB; and in the loss of Barlow Twins the last digit of a sum, another one on each processor, grows.
APART = {"translation": 2e-2, "barlow_twins": 0.1}


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A folder with what version 1 wrote, and what it knew of it; it was trained on a processor without bfloat16."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    shutil.unpack_archive(ROOT / "tests" / "fixtures" / "v1" / "written.tar.xz", tmp_path)
    return SimpleNamespace(folder=tmp_path, said=json.loads((tmp_path / "expected.json").read_text()), arrays=np.load(tmp_path / "expected.npz"))


def trained(old, job, output, values):
    """The last row of metrics.csv after a job."""
    values = {name: str(old.folder / value) if name == "dataset" else value for name, value in values.items()}
    JOBS[job].from_values({"output": str(old.folder / output), "batch_size": 4, "device": "cpu", **values}).run(SILENT)
    row = list(csv.DictReader((old.folder / output / "metrics.csv").open()))[-1]
    return {name: float(value) for name, value in row.items() if value and name not in ("seconds", "images_per_second", "memory_mb")}


@pytest.mark.parametrize(("run", "inputs"), [
    ("finetune", {"image": "B02 B03 B04"}), ("inpainting", {"image": "B02 B03 B04"}), ("multitask", {"image": "B02 B03 B04"}),
    ("barlow_twins", {"s2": "B04 B03 B02", "s1": "VV VH"}), ("translation", {"s2": "B04 B03 B02", "s1": "VV VH"})])
def test_a_card_says_what_the_network_sees_by_name(old, run, inputs):
    before = json.loads((old.folder / run / "run.json").read_text())
    found = Run.open(str(old.folder / run))
    assert (before["version"], found.card["version"]) == (1, VERSION)
    assert {name: " ".join(seen.names) for name, seen in found.inputs.items()} == inputs
    assert not {"sensor", "preset", "bands", "sensors"} & set(found.card)
    first = next(iter(found.inputs.values()))
    assert (first.sensor, first.preset, first.axes, first.optional) == (before["sensor"], before["preset"], "byx", False)
    assert first.centre == [band["centre"] for band in before["bands"]]


@pytest.mark.parametrize("run", RUNS)
def test_a_run_goes_on_as_it_would_have(old, run):
    job, values = RUNS[run]
    near = dict.fromkeys(CLOSE, APART[run]) if run in APART else CLOSE
    assert trained(old, job, run, {**values, "epochs": 3}) == pytest.approx(old.said[run], **near)
    card = json.loads((old.folder / run / "run.json").read_text())
    assert (card["version"], card["epochs_run"]) == (VERSION, 3)
    assert len(card["inputs"]) == len(Run.open(str(old.folder / run)).inputs)


@pytest.mark.parametrize(("run", "job", "values"), [
    ("inpainting", "pretrain_inpainting", {"dataset": "unlabelled", **ENCODER}), ("multitask", "pretrain_multitask", ENCODER)])
def test_a_finished_run_gives_its_result_again(old, run, job, values):
    values = {name: str(old.folder / value) if name == "dataset" else value for name, value in values.items()}
    if run == "multitask":
        values["datasets"] = [str(old.folder / name / "dataset.json") for name in ("discs", "unlabelled")]
    found = JOBS[job].from_values({"output": str(old.folder / run), "batch_size": 4, "device": "cpu", "epochs": 2, **values}).run(SILENT)
    assert found["epochs_run"] == 2


def test_a_run_is_measured_as_before(old):
    facts, _ = evaluate_run(str(old.folder / "finetune"), str(old.folder / "discs"), "test", 4, "cpu")
    said = old.said["evaluation"]
    for who in ("majority", "statistics"):
        assert facts[who]["confusion"] == said[who]["confusion"], who
        assert facts[who]["mean_iou"] == pytest.approx(said[who]["mean_iou"])
    assert facts["model"]["pixels"] == said["model"]["pixels"]
    # The model's tiles were then seen alone; now they are seen as in a map.
    network, dataset = Run.open(str(old.folder / "finetune")).load_network(torch.device("cpu")), Dataset.open(old.folder / "discs")
    reader = TileReader(dataset, network.inputs, network.stride, torch.device("cpu"), targets=[LABELS])
    alone = sum(confusion(truth, answer, 2) for _, truth, answer in Segmentation.predict(network, reader, dataset.indices("test"), 4))
    assert alone.tolist() == said["model"]["confusion"]


def test_a_run_starts_from_it_as_before(old):
    start = str(old.folder / "finetune" / "encoder.safetensors")
    found = trained(old, "finetune", "started", {"dataset": "discs", "start": start, "epochs": 1, "seed": 3})
    assert found["mean_iou"] > old.said["started"]["mean_iou"], "the new network begins as a regression"
    taken = Run.open(str(old.folder / "started")).card["start"]
    assert taken["left_new"] and not [name for name in taken["left_new"] if name.startswith("encoder.")]


def test_weights_without_a_card_of_their_own_take_that_of_their_run(old):
    for run, bands in (("finetune", ["B02", "B03", "B04"]), ("barlow_twins", ["B04", "B03", "B02"])):
        card = read_card(str(old.folder / run / "best.safetensors"))
        assert [band["name"] for band in card["bands"]] == bands
        assert card["preset"] == next(iter(Run.open(str(old.folder / run)).inputs.values())).preset


@pytest.mark.parametrize("damage", [{"bands": None}, {"sensors": [1, 2]}, {"sensors": {"s2": 1}}, {"sensor": 5}, {"version": 0}, {"version": True}])
def test_a_damaged_card_ends_in_a_sentence(old, damage):
    path = old.folder / "translation" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"bands": None, "sensors": None} | damage))
    with pytest.raises(DataError, match=r"run.json (is damaged|does not describe|was written by a newer)"):
        Run.open(str(path.parent))


def test_a_newer_card_is_refused(old):
    path = old.folder / "finetune" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": VERSION + 1}))
    for opened in (lambda: Run.open(str(path.parent)), lambda: read_card(str(path.parent / "best.safetensors"))):
        with pytest.raises(DataError, match=r"was written by a newer version of the plugin \(format 6, this one reads 5\). Update the plugin."):
            opened()


def test_a_run_exports_the_network_that_it_exported(old):
    """Of a run whose dataset lies elsewhere now."""
    export_run(str(old.folder / "finetune"), str(old.folder / "again.onnx"))
    model = package.open(old.folder / "again.onnx")
    assert (model.description["version"], list(model.inputs), model.image.sensor) == (package.VERSION, ["image"], "image")
    assert np.array_equal(mapped(old, model, "discs", ClassMap), old.arrays["segmentation"])
    assert package.open(old.folder / "segmentation.onnx").description["checksum"] == old.said["checksum"]


def test_a_translation_exports_a_model_of_its_sensor(old):
    export_translation(Run.open(str(old.folder / "translation")), str(old.folder / "again.onnx"))
    model = package.open(old.folder / "again.onnx")
    assert (list(model.inputs), model.target_sensor) == (["s2"], "s1")
    assert mapped(old, model, "s2", SyntheticImage) == pytest.approx(old.arrays["translation"], abs=1e-3, nan_ok=True)


def mapped(old, model, image, product):
    """What a model makes of one of the images, (band, y, x)."""
    path = old.folder / f"{image}.tif"
    bands = {"discs": ["B02", "B03", "B04"], "s2": ["B04", "B03", "B02"]}[image]
    scenes.write_raster(path, old.arrays[image], names=bands, nodata=0)
    target = old.folder / "synthetic map.tif"
    map_scene(model, MapRequest([{"path": str(path)}], device="cpu"), [product(str(target))])
    with rasterio.open(target) as source:
        return source.read()


@pytest.mark.parametrize(("name", "image", "product"), [("segmentation", "discs", ClassMap), ("translation", "s2", SyntheticImage)])
def test_a_model_maps_as_before(old, name, image, product):
    path = old.folder / f"{name}.onnx"
    model = package.open(path)
    [(name_of_port, seen)] = model.inputs.items()
    assert (name_of_port, seen.name, seen.axes, seen.optional) == ("image", "image", "byx", False)
    assert (seen.sensor, seen.preset) == {"discs": ("image", "sentinel2_l2a"), "s2": ("s2", "sentinel2_l1c")}[image]
    found = mapped(old, model, image, product)
    assert found == pytest.approx(old.arrays[name], abs=1e-3, nan_ok=True)
    written = package.write(path, model.description, old.folder / "again.onnx")
    assert written.description == model.description
    assert np.array_equal(mapped(old, written, image, product), found, equal_nan=True)


def test_a_model_is_asked_together_with_one_of_today(old):
    """They know the same image by the names “image” and “s2”."""
    first = package.open(old.folder / "segmentation.onnx")
    graph = onnx.load(first.path)
    for node in graph.graph.node:
        node.input[:] = ["s2" if name == "image" else name for name in node.input]
    graph.graph.input[0].name = "s2"
    renamed = {**first.description, "inputs": [{**first.description["inputs"][0], "name": "s2"}]}
    both = Ensemble.of([first, package.write(graph, renamed, old.folder / "today.onnx")])
    image = np.full((1, 3, 32, 32), 1500, np.float32)
    found = both.session("cpu").run({"image": image})
    assert np.array_equal(found[:, :2], found[:, 2:])
    moved = [{**band, "offset": -0.1} for band in first.description["inputs"][0]["bands"]]
    other = {**first.description, "inputs": [{**first.description["inputs"][0], "bands": moved}]}
    with pytest.raises(JobError, match="have different units of the bands"):
        Ensemble.of([first, package.write(first.path, other, old.folder / "other.onnx")])
