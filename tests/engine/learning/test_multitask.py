"""Reptile against its formula and joint training, and what a run on many tasks keeps. The files it refuses are in pretrain_multitask.yaml."""

import copy
import csv
import json
from types import SimpleNamespace

import geopandas
import numpy as np
import pytest
import shapely
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file

from eo_pretrain_qgis.engine.datasets.dataset import ClassInfo, Dataset, SensorInfo
from eo_pretrain_qgis.engine.datasets.shards import ShardWriter
from eo_pretrain_qgis.engine.datasets.splitting.by_place import Split
from eo_pretrain_qgis.engine.datasets.splitting.division import finish
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.loop.training_runs import Session
from eo_pretrain_qgis.engine.learning.networks.class_networks import SegmentationNetwork
from eo_pretrain_qgis.engine.learning.networks.starting_weights import start_from
from eo_pretrain_qgis.engine.learning.pretraining.multitask import recipe as multitask
from eo_pretrain_qgis.engine.learning.pretraining.multitask.recipe import Multitask, Multitasking, draw_tasks, pretrain_multitask
from eo_pretrain_qgis.engine.learning.pretraining.multitask.report import comparison
from eo_pretrain_qgis.engine.learning.pretraining.multitask.reptile import inner_steps, with_gradients
from eo_pretrain_qgis.engine.learning.pretraining.multitask.tasks import common_inputs, pooled_input, same_scenes, task_names
from eo_pretrain_qgis.engine.rasters.sensors import Band
from eo_pretrain_qgis.errors import DataError, EngineError
from tests.inputs import inputs
from tests.scenes_multitask import sharing
from tests.settings import finetuning
from tests.settings import multitask as Settings

from ...listening import Listening
from .conftest import SMALL

QUICK = {"encoder": SMALL, "epochs": 2, "batch_size": 4, "inner_steps": 2, "warmup_epochs": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The folder of `scenes_multitask.sharing`."""
    return sharing(tmp_path_factory.mktemp("sharing"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, shared):
    """A run on discs and on tiles without labels whose bands are in another order; tests must not write into it."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    pretrain_multitask([str(shared / "discs"), str(shared / "turned")], str(folder), Settings(**QUICK))
    return folder


def recipe_of(shared, names, **settings):
    datasets = [Dataset.open(shared / name) for name in names]
    return Multitasking(datasets, common_inputs(datasets), Settings(**{**QUICK, **settings}))


def method_of(shared, **settings):
    """A method on discs and unlabelled tiles, its weights drawn from one seed."""
    torch.manual_seed(3)
    recipe = recipe_of(shared, ("discs", "unlabelled"), **settings)
    run = SimpleNamespace(card=recipe.card(), inputs=recipe.inputs, path=lambda name: name)
    fabric = Fabric(accelerator="cpu", devices=1)
    recipe._compare = lambda *facts: None  # baselines are no part of the method
    return recipe.build(Session(run, fabric, Listening()))


def step(method, seed=1):
    """The weights after two steps of Adam, and the losses."""
    optimizer, losses = torch.optim.Adam(method.network.parameters(), 1e-2), []
    for batch in list(method.batches(seed, 0))[:2]:
        optimizer.zero_grad()
        loss = method.loss("network", method.parts, batch)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses, {name: value.detach().clone() for name, value in method.network.named_parameters()}


def test_one_inner_step_is_joint_training(shared):
    (single, reptile), (joint, ordinary) = (step(method_of(shared, **mode)) for mode in ({"inner_steps": 1}, {"mode": "joint"}))
    assert single == pytest.approx(joint, abs=1e-6)
    assert max(float((reptile[name] - ordinary[name]).abs().max()) for name in ordinary) < 1e-6


def test_the_gradient_is_the_way_of_plain_descent():
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    batches = [torch.randn(5, 3) for _ in range(4)]

    def loss(forward, batch):
        return ((forward(batch) - batch.sum(1, keepdim=True)) ** 2).mean()

    walker = copy.deepcopy(network)
    optimizer, losses = torch.optim.SGD(walker.parameters(), 0.05), []
    for batch in batches:
        optimizer.zero_grad()
        losses.append(loss(walker, batch))
        losses[-1].backward()
        optimizer.step()
    way, mean = inner_steps(network, batches, loss, 0.05)
    assert float(mean) == pytest.approx(float(torch.stack(losses).mean().detach()), rel=1e-5)
    for (name, before), after in zip(network.named_parameters(), walker.parameters()):
        assert torch.allclose(way[name], (before - after) / 0.05, atol=1e-4)
    given = with_gradients(mean, network, way)
    given.backward()
    assert float(given.detach()) == pytest.approx(float(mean))
    assert all(torch.equal(parameter.grad, way[name]) for name, parameter in network.named_parameters())


def sine(rng):
    """A task of the paper's first experiment (§6.1): amplitude and phase of a sine; gives batches of points."""
    height, phase = rng.uniform(0.5, 5), rng.uniform(0, 2 * np.pi)

    def points(count):
        x = torch.from_numpy(rng.uniform(-5, 5, (count, 1))).float()
        return x, height * torch.sin(x + phase)

    return points


def test_weights_of_reptile_adapt_faster_than_those_of_joint_training():
    def loss(forward, batch):
        return ((forward(batch[0]) - batch[1]) ** 2).mean()

    def adapted(steps):
        """Error after eight steps on ten points of tasks never seen, from weights trained with the same number of gradients."""
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(1, 32), torch.nn.Tanh(), torch.nn.Linear(32, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
        rng, optimizer = np.random.default_rng(0), torch.optim.Adam(network.parameters(), 3e-3, betas=(0.0, 0.999))
        for _ in range(1200 // steps):
            task = sine(rng)
            way, mean = inner_steps(network, [task(10) for _ in range(steps)], loss, 0.02)
            optimizer.zero_grad()
            with_gradients(mean, network, way).backward()
            optimizer.step()
        errors = []
        for _ in range(20):
            task, learner = sine(rng), copy.deepcopy(network)
            points = task(10)
            for _ in range(8):
                gradients = torch.autograd.grad(loss(learner, points), list(learner.parameters()))
                with torch.no_grad():
                    for parameter, gradient in zip(learner.parameters(), gradients):
                        parameter -= 0.02 * gradient
            errors.append(float(loss(learner, task(100)).detach()))
        return np.mean(errors)

    assert adapted(8) < 0.9 * adapted(1)


def test_inner_steps_that_diverge_are_a_sentence():
    network = torch.nn.Linear(1, 1)
    batches = [torch.ones(2, 1)] * 50
    with pytest.raises(EngineError, match=r"within 50 inner steps at an inner rate of 1e\+30. Train again .* such as 1e\+29"):
        inner_steps(network, batches, lambda forward, batch: (forward(batch) ** 2).mean(), 1e30)


def test_tasks_get_their_share_of_even_a_short_epoch():
    rng = np.random.default_rng(1)
    counts = np.bincount(draw_tasks([0.6, 0.3, 0.1], 10, rng), minlength=3)
    assert counts.tolist() == [6, 3, 1]
    assert draw_tasks([0.5, 0.5], 1, rng).shape == (1,)


@pytest.mark.parametrize(("sampling", "share"), [("size", 2 / 3), ("root", 2**0.5 / (1 + 2**0.5)), ("equal", 1 / 2)])
def test_drawing_by_size_root_or_equally(sampling, share):
    facts = {"method": SimpleNamespace(steps=3), "dataset": SimpleNamespace(classes=[])}
    tasks = [SimpleNamespace(key=key, size=size, **facts) for key, size in (("a", 8), ("b", 4))]
    method = Multitask(tasks, None, None, Settings(sampling=sampling, inner_steps=4))
    assert method.shares["a"] == pytest.approx(share)
    assert method.steps == 2  # six batches in steps of four


def test_bands_are_read_by_name(shared):
    turned, plain = Dataset.open(shared / "turned"), Dataset.open(shared / "unlabelled")
    heard = Listening()
    first, second = common_inputs([plain, turned], None, heard)
    assert first.names == second.names == ["B02", "B03", "B04"]
    assert np.array_equal(turned.read(second, np.arange(4))[0], plain.images(np.arange(4)))
    assert second.bands[0] == turned.inputs["image"].only(["B02"]).bands[0]
    assert heard.texts == [f"The bands of {shared / 'turned'} are in another order (B04, B03, B02); they are read as B02, B03, B04, by name."]
    assert pooled_input([plain, turned], [first, second]).names == ["B02", "B03", "B04"]


def test_some_bands_are_shared_where_others_differ(shared):
    datasets = [Dataset.open(shared / name) for name in ("discs", "four_bands")]
    with pytest.raises(DataError, match="The bands of .*four_bands are B02, B03, B04, B05, but those of"):
        common_inputs(datasets)
    assert [seen.names for seen in common_inputs(datasets, "B04,B02")] == [["B04", "B02"]] * 2


def test_values_stored_otherwise_are_converted(shared):
    plain, offset = (Dataset.open(shared / name) for name in ("unlabelled", "offset"))
    heard = Listening()
    _, seen = common_inputs([Dataset.open(shared / "discs"), offset], None, heard)
    stored, (found, known) = plain.images(np.arange(4)), offset.read(seen, np.arange(4))
    valid = plain.sensors[0].valid(stored)
    assert not valid.all()
    assert np.array_equal(known, valid)
    assert np.allclose(np.moveaxis(found, 1, -1)[valid], np.moveaxis(stored, 1, -1)[valid], atol=0.01)
    for theirs, ours in zip(plain.inputs["image"].bands, seen.bands):
        assert all(getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=0.01)
                   for name in ("mean", "std", "minimum", "maximum", "p001", "p999", "centre", "spread"))
    assert "are stored with another scale or offset; they are converted to those of" in heard.texts[0]


def test_scaling_is_that_of_the_mixture(shared):
    datasets = [Dataset.open(shared / name) for name in ("discs", "more_discs")]
    own = common_inputs(datasets)
    one, other = (seen.bands[0] for seen in own)
    both = pooled_input(datasets, own).bands[0]
    assert both.centre == pytest.approx((one.centre + other.centre) / 2)
    mixture = (one.std ** 2 + other.std ** 2) / 2 + ((one.mean - other.mean) / 2) ** 2
    assert both.std == pytest.approx(mixture**0.5)
    assert both.minimum == min(one.minimum, other.minimum)


def test_images_of_several_datasets_are_named():
    first, second = ([{"checksum": "a", "path": "a.tif"}, {"checksum": "b", "path": "b.tif"}], [{"checksum": "b", "path": "copy.tif"}])
    assert same_scenes([SimpleNamespace(description={"scenes": scenes}) for scenes in (first, second)]) == ["copy.tif"]


def test_a_task_alone_is_scaled_as_in_company(shared):
    datasets = [Dataset.open(shared / name) for name in ("discs", "unlabelled")]
    own = common_inputs(datasets)
    both = Multitasking(datasets, own, Settings(**QUICK))
    alone = Multitasking(datasets[:1], own[:1], Settings(**QUICK), seen=both.inputs["image"])
    assert alone.inputs == both.inputs != Multitasking(datasets[:1], own[:1], Settings(**QUICK)).inputs


def test_equal_names_get_a_number(shared):
    dataset = Dataset.open(shared / "discs")
    assert task_names([dataset, dataset]) == [("discs", "discs"), ("discs 2", "discs_2")]


def test_a_run_keeps_each_tensor_once_and_figures_per_task(finished):
    tensors = load_file(finished / "best.safetensors")
    assert {name.split(".")[0] for name in tensors} == {"encoder", "decoder", "detail", "heads"}
    assert {name.split(".")[1] for name in tensors if name.startswith("heads")} == {"discs", "turned"}
    card = json.loads((finished / "run.json").read_text())
    assert (card["method"], card["task"], card["classes"], len(card["datasets"])) == ("multitask", "multitask", [], 2)
    labelled, unlabelled = card["tasks"]
    assert {"mean_iou", "score"} <= set(labelled["figures"])
    assert {"statistics", "boosting", "majority"} == set(labelled["baselines"])
    assert {"l1", "psnr", "l1_of_mean_fill"} <= set(unlabelled["figures"])
    rows = comparison(card["tasks"])
    assert [row[:2] for row in rows] == [("discs", "mean IoU"), ("discs", "overall accuracy"), ("turned", "L1 on hidden pixels, scaled units"),
                                         ("turned", "PSNR on hidden pixels [dB]")]
    assert all(row[4] is not None for row in rows)
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert "Place and data it learned from" in page and " ha under the tiles of turned" in page
    assert "of discs" not in page, "whose tiles measure a metre"
    history = list(csv.DictReader((finished / "metrics.csv").open()))
    assert float(history[1]["task_score"]) == pytest.approx((float(history[1]["discs score"]) + float(history[1]["turned score"])) / 2)


def test_the_tasks_with_labels_choose_the_epoch(shared, finished):
    assert recipe_of(shared, ("discs", "unlabelled")).plan().keep == "best"
    assert recipe_of(shared, ("unlabelled", "turned")).plan().keep == "last"
    history = list(csv.DictReader((finished / "metrics.csv").open()))
    assert [row["labelled_score"] for row in history] == [row["discs score"] for row in history]
    best = max(history, key=lambda row: float(row["discs score"]))
    assert json.loads((finished / "run.json").read_text())["metrics"]["epoch"] == int(best["epoch"])


def test_a_fine_tuning_starts_from_encoder_decoder_and_detail(finished):
    network = SegmentationNetwork(SMALL, inputs(3, 1000.0, 300.0), 5)
    matched = start_from(network, str(finished / "best.safetensors"), ["B02", "B03", "B04"])
    assert {name.split(".")[0] for name in matched.left_new} == {"segmentation_head"}
    tensors = load_file(finished / "best.safetensors")
    assert torch.equal(network.decoder.state_dict()["blocks.0.conv1.0.weight"], tensors["decoder.blocks.0.conv1.0.weight"])
    assert torch.equal(load_file(finished / "encoder.safetensors")["model.conv1.0.weight"], tensors["encoder.model.conv1.0.weight"])


def test_a_run_without_classes_says_what_to_do_with_it(finished):
    with pytest.raises(Exception, match="Fine-tune a model"):
        Run.open(str(finished)).build_network()


class Killed(BaseException):
    pass


def test_a_killed_run_goes_on_with_the_same_losses(tmp_path, shared, finished, monkeypatch):
    facts, calls = multitask.Multitasking.facts, []

    def kill(self, run, method, sums):
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        return facts(self, run, method, sums)

    folders = [str(shared / "discs"), str(shared / "turned")]
    monkeypatch.setattr(multitask.Multitasking, "facts", kill)
    with pytest.raises(Killed):
        pretrain_multitask(folders, str(tmp_path / "run"), Settings(**QUICK))
    monkeypatch.undo()
    pretrain_multitask(folders, str(tmp_path / "run"), Settings(**QUICK))
    cut, whole = (list(csv.DictReader((folder / "metrics.csv").open())) for folder in (tmp_path / "run", finished))
    assert [(row["loss"], row["task_score"]) for row in cut] == [(row["loss"], row["task_score"]) for row in whole]


def test_a_run_on_more_datasets_is_another_run(finished, shared):
    folders = [str(shared / name) for name in ("discs", "turned", "more_discs")]
    with pytest.raises(DataError, match=r"holds a run on 2 dataset\(s\), not on 3. Choose a new folder."):
        pretrain_multitask(folders, str(finished), Settings(**QUICK))


def test_what_one_process_or_float32_can_only_do_is_refused(tmp_path, shared, monkeypatch):
    folders = [str(shared / "discs"), str(shared / "unlabelled")]
    monkeypatch.setattr(multitask, "pick_precision", lambda asked, device, half=True: "float16")
    with pytest.raises(EngineError, match="float16 loses the small gradients of the inner steps"):
        pretrain_multitask(folders, str(tmp_path / "run"), Settings(**QUICK))
    monkeypatch.undo()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(EngineError, match="Tasks are trained alone in one process only. Choose one device and start without torchrun"):
        pretrain_multitask(folders, str(tmp_path / "run"), Settings(**QUICK, compare_single=True))


def test_in_several_processes_the_gradients_are_averaged(shared):
    method = method_of(shared, mode="joint")
    batch = next(method.batches(1, 0))
    own = _gradients(method, batch)
    several = SimpleNamespace(world_size=2, autocast=method.fabric.autocast, all_reduce=lambda value, reduce_op: value * 0.5)
    method.fabric = several  # as if the other process had met gradients of 0
    assert all(torch.allclose(gradient, 0.5 * own[name], atol=1e-7) for name, gradient in _gradients(method, batch).items())


def _gradients(method, batch):
    method.network.zero_grad()
    method.loss("network", method.parts, batch).backward()
    return {name: parameter.grad.clone() for name, parameter in method.network.named_parameters() if parameter.grad is not None}


def test_a_batch_in_pieces_holds_the_same_tiles(shared):
    batch = next(method_of(shared).batches(1, 0))
    pieces = batch.split(2)
    assert [len(piece.batches) for piece in pieces] == [2, 2]
    assert sum(map(len, pieces)) == len(batch)


def test_another_run_starts_this_one_whatever_its_heads(shared, finished):
    torch.manual_seed(3)
    recipe = recipe_of(shared, ("more_discs", "unlabelled"), start=str(finished))
    recipe._compare = lambda *facts: None
    heard = Listening()
    run = SimpleNamespace(card=recipe.card(), inputs=recipe.inputs, path=lambda name: name)
    method = recipe.build(Session(run, Fabric(accelerator="cpu", devices=1), heard))
    tensors = load_file(finished / "best.safetensors")
    assert all(torch.equal(value, tensors[name]) for name, value in method.network.shared().state_dict().items() if "num_batches" not in name)
    assert "not used: heads.discs." in heard.texts[0] and "heads.discs.segmentation_head.0" in heard.texts[0]


def table(folder, turned, seed):
    """Samples of a table as patches of one pixel, two features of which tell the classes, the other way round where they are turned."""
    rng = np.random.default_rng(seed)
    labels = np.arange(60, dtype=np.uint8) % 2
    values = rng.normal(size=(60, 3)) + np.where(labels == turned, 3, 0)[:, None] * [1, -1, 0]
    folder.mkdir()
    with ShardWriter(folder, {"labels": ((), "uint8"), "image": ((3, 1, 1), "float32")}) as writer:
        writer.add(labels=labels, image=values.astype(np.float32)[:, :, None, None])
        shards = writer.close()
    tiles = geopandas.GeoDataFrame({"scene": "s", "label": labels, "col": 0, "row": 0}, geometry=[shapely.Point(0, 0)] * 60, crs="EPSG:32633")
    finish(folder, {"task": "patch", "theme": "", "name": folder.name, "sensors": [SensorInfo("image", "generic", "float32", None,
                                                                                              tuple(map(Band, "abc")))],
                    "tile_size": 1, "stride": 1, "resolution_m": [10.0, 10.0], "classes": [ClassInfo(1, "no", ""), ClassInfo(2, "yes", "")],
                    "ignore": 255, "labels": {"path": "made"}, "shards": shards, "facts": {},
                    "scenes": [{"name": "s", "path": folder.name, "crs": tiles.crs.to_wkt(), "transform": [10, 0, 0, 0, -10, 0], "width": 1,
                                "height": 1, "date": ""}]},
           tiles, Split(np.resize(np.array(["training", "training", "training", "training", "validation", "validation"], object), 60),
                        {"text": "made"}))
    return folder


@pytest.mark.parametrize("mode", ["reptile", "joint"])
def test_tables_of_samples_are_tasks_too(tmp_path, mode):
    """Two regions whose classes are the other way round share the layers below their heads, and a third starts from these."""
    regions = [table(tmp_path / name, turned, number) for number, (name, turned) in enumerate((("north", 0), ("south", 1), ("west", 1)))]
    quick = {"encoder": "pixel_layers", "device": "cpu", "batch_size": 8, "augmentation": "none"}
    pretrain_multitask(list(map(str, regions[:2])), str(tmp_path / "run"), Settings(mode=mode, epochs=3, **quick))
    figures = [entry["figures"]["overall_accuracy"] for entry in Run.open(str(tmp_path / "run")).card["tasks"]]
    assert min(figures) > 0.8
    finetune(str(regions[2]), str(tmp_path / "west_run"), finetuning(start=str(tmp_path / "run"), epochs=1, **quick))
    assert "taken over" in Run.open(str(tmp_path / "west_run")).card["start"]["summary"]
