"""Several targets from one network: each has its regression, its loss, its figures, its output and its map; a label that lacks counts for none."""

import json

import numpy as np
import onnxruntime
import pytest
import rasterio
import torch

from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import DESCRIPTION, Dataset
from eo_pretrain_qgis.engine.datasets.splitting.label_shares import training_share
from eo_pretrain_qgis.engine.describing.page import describe
from eo_pretrain_qgis.engine.learning.data import LABELS
from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.labelled_tiles import Choices
from eo_pretrain_qgis.engine.learning.finetuning.losses import class_losses
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.spectral import SpectralUNet
from eo_pretrain_qgis.engine.learning.tasks import learner_of
from eo_pretrain_qgis.engine.mapping.suggesting.uncertainty import Ensemble
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.report import write_html
from eo_pretrain_qgis.engine.runs.simple import Settings as Simple
from eo_pretrain_qgis.engine.runs.simple import train_simple
from eo_pretrain_qgis.errors import DataError, JobError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from tests.arrays import changed_on_purpose
from tests.listening import Listening
from tests.settings import finetuning as Settings

from .conftest import SMALL
from .tiny import write_dataset
from .tiny_ice import write_ice
from .tiny_targets import CLASSES, add_target

CPU = torch.device("cpu")
BRIEF = {"epochs": 2, "epoch_steps": 2, "batch_size": 8, "device": "cpu"}


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    """Patches of three kinds of ice; water is smooth, the rest rough; every fifth has no form, and every seventh no stage."""
    folder = write_ice(tmp_path_factory.mktemp("ice") / "patches")
    labels = np.load(folder / "labels-000.npy")
    numbers = np.arange(len(labels))
    form = np.where(numbers % 5 == 4, 255, labels > 0)
    labels[numbers % 7 == 6] = 255
    changed_on_purpose(folder)
    np.save(folder / "labels-000.npy", labels)
    return add_target(folder, form)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Tiles with a second target that is the first one turned upside down, of whose upper half nothing is known."""
    folder = write_dataset(tmp_path_factory.mktemp("ice") / "tiles", 8, 32, 3)
    labels = np.load(folder / "labels-000.npy")
    form = (labels == 0).astype(np.uint8)
    form[:, :16] = 255
    return add_target(folder, form)


@pytest.fixture(scope="module")
def patch_run(patches, tmp_path_factory):
    folder, heard = str(tmp_path_factory.mktemp("runs") / "patches"), Listening()
    finetune(str(patches.folder), folder, Settings(approach="auto", encoder="adhoc_cnn", **BRIEF), heard)
    assert any("One network learns stage (3 classes), form (2 classes); each begins as its own regression. Boosting" in told for told in heard.texts)
    return Run.open(folder)


@pytest.fixture(scope="module")
def tile_run(tiles, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("runs") / "tiles")
    finetune(str(tiles.folder), folder, Settings(encoder=SMALL, **{**BRIEF, "batch_size": 2}))
    return Run.open(folder)


def method_of(dataset, encoder="adhoc_cnn"):
    learner = learner_of(dataset)
    network = learner.networks[learner.kind("fine_tune", encoder)](
        encoder, dataset.choose([dataset.sensors[0].name]), sum(len(one.classes) for one in dataset.each_target()))
    return learner.method(dataset, network, CPU, Choices(8, augmentation="none", weighting="none"))


def test_a_dataset_is_seen_as_one_of_each_target(patches):
    main, form = patches.each_target()
    assert (main.target, form.target, main.targets, [row.name for row in form.classes]) == ("stage", "form", [], ["smooth", "rough"])
    some = np.arange(35)
    assert (main.labels(some) == patches.labels(some)).all()
    lacking = (main.labels(some) == 255, form.labels(some) == 255)
    assert np.flatnonzero(lacking[0]).tolist() == [6, 13, 20, 27, 34] and np.flatnonzero(lacking[1]).tolist() == list(range(4, 35, 5))
    learned = training_share(patches, 100, 0)
    assert not np.isin([6, 13, 4, 9], learned[np.isin(learned, [34])]).any() and 34 not in learned, "neither stage nor form is known"
    assert {4, 6, 9, 13} & set(patches.indices("training")) <= set(learned)


def test_a_missing_label_counts_for_its_target_alone(patches):
    method = method_of(patches)
    batch = next(method.reader.in_order(patches.indices("training")[:24], 24))
    scores = torch.randn(len(batch), 5, requires_grad=True)
    loss = method.loss("network", {"network": lambda given: scores}, batch)
    loss.backward()
    stage, form = batch.targets[LABELS], batch.targets["labels_1"]
    expected = [class_losses("cross_entropy", part, labels, torch.ones(part.shape[1]), 255)[0][labels != 255].mean()
                for part, labels in ((scores[:, :3], stage), (scores[:, 3:], form))]
    assert float(loss) == pytest.approx(float(sum(expected) / 2), rel=1e-5)
    assert (stage == 255).any() and (form == 255).any()
    assert not scores.grad[stage == 255, :3].any() and scores.grad[stage == 255, 3:].any(1)[form[stage == 255] != 255].all()
    assert not scores.grad[form == 255, 3:].any()


@pytest.mark.parametrize("kind", ["patches", "tiles"])
def test_each_target_begins_as_its_regression(request, kind):
    dataset = request.getfixturevalue(kind)
    method = method_of(dataset, "adhoc_cnn" if kind == "patches" else SMALL)
    labelled = Labelled(dataset, method.network.seen, dataset.indices("training"), 1)
    method.begin(["classification_head.weight"], labelled, CPU)
    for head, one in zip(method.heads, labelled.each, strict=True):
        answers = one.fit("statistics").answers(head.dataset)
        some = dataset.indices("training")[:4]
        _, _, found = next(method.predict(method.network, method.reader, some, 4, method.heads.index(head)))
        expected = answers(some)
        if kind == "patches":
            np.testing.assert_allclose(found, expected, atol=1e-3)
        else:
            inner = np.s_[:, 8:-8, 8:-8]  # the regression sees what lies around a tile
            assert (found[inner] == expected.argmax(1)[inner]).mean() > 0.995


def test_a_run_tells_the_figures_of_each_target(patch_run, patches):
    card = patch_run.card
    assert (card["target"], [row["name"] for row in card["targets"]], patch_run.kept) == ("stage", ["form"], "network")
    form = card["targets"][0]
    validation = patches.indices("validation")
    known = patches.each_target()[1].labels(validation) != 255
    assert np.sum(form["confusion"]) == known.sum() and np.sum(card["confusion"]) == (patches.labels(validation) != 255).sum()
    assert card["metrics"]["mean_of_targets"] == pytest.approx((card["metrics"]["overall_accuracy"] + form["metrics"]["overall_accuracy"]) / 2)
    assert card["metrics"]["overall_accuracy_of_form"] == form["metrics"]["overall_accuracy"] > 0.9
    with open(patch_run.path("report.html"), encoding="utf-8") as stream:
        text = stream.read()
    assert "Target “form” on the validation tiles" in text
    for name, row in (("stage", card), ("form", form)):
        share = row["blend"]["share"]
        assert f"Of the target “{name}” " + (f"{100 * share:.0f} % of what" if share else "the regression is kept alone") in text


@pytest.mark.parametrize("kind", ["patch_run", "tile_run"])
def test_each_target_is_evaluated_beside_its_baselines(request, kind):
    run = request.getfixturevalue(kind)
    facts, sections = evaluate_run(run.folder, None, "test", 8, "cpu")
    form, score = facts["targets"][0], facts["score"]
    assert (facts["target"], form["name"]) == ("stage", "form")
    assert form["model"][score] is not None and {"majority", "statistics", "boosting"} <= set(form)
    form_dataset = run.open_dataset().each_target()[1]
    labels = form_dataset.labels(form_dataset.indices("test"))
    assert np.sum(form["model"]["confusion"]) == (labels != 255).sum()
    assert any("Target “form”" in piece for piece in sections)


@pytest.mark.parametrize("kind", ["patch_run", "tile_run"])
def test_a_model_gives_each_target_and_maps_it(request, kind, tmp_path):
    run = request.getfixturevalue(kind)
    path = str(tmp_path / "model.onnx")
    assert export_run(run.folder, path)["largest_difference"] < 1e-4
    model = package.open(path)
    assert list(model.further) == ["form"] and model.record.target_name == "stage" and [row.name for row in model.of_target("form").classes] == [
        "smooth", "rough"]
    with pytest.raises(ModelError, match="has no target “thickness”; besides stage it has form. Choose one of these."):
        model.of_target("thickness")
    assert not Ensemble.of([model]).further and not Ensemble.of([model, model]).further, "labels are suggested for the main target"
    write_html(model, str(tmp_path / "model.html"))
    assert "Classes it gives of the target “form”" in (tmp_path / "model.html").read_text(encoding="utf-8")
    dataset, side = run.open_dataset(), run.card["tile_size"]
    sensor = dataset.sensors[0]
    image = dataset.images(dataset.indices("test")[:1], sensor.name)[0]
    image = np.concatenate([image, image], 2)
    place = {"crs": "EPSG:3413", "transform": rasterio.transform.from_origin(0, 0, 40, 40)}
    with rasterio.open(tmp_path / "image.tif", "w", driver="GTiff", count=len(image), height=side, width=2 * side, dtype=image.dtype,
                       nodata=sensor.nodata, **place) as target:
        target.write(image)
        for number, band in enumerate(sensor.bands, 1):
            target.set_band_description(number, band.name)
    values = {"model": path, "images": [str(tmp_path / "image.tif")], "output": str(tmp_path / "map.tif"), "target_maps": str(tmp_path / "maps")}
    JOBS["predict_map"].from_values(values).run(Listening())
    again = {**values, "output": str(tmp_path / "form.tif"), "target": "form", "target_maps": None}
    JOBS["predict_map"].from_values(again).run(Listening())
    session = onnxruntime.InferenceSession(path)
    assert [port.name for port in session.get_outputs()] == ["probabilities", "probabilities_form"]
    stage, form, chosen = (rasterio.open(tmp_path / name).read(1) for name in ("map.tif", "maps/form.tif", "form.tif"))
    assert set(np.unique(form)) <= {*(row["value"] for row in CLASSES), 255} and (form == chosen).all() and stage.shape == form.shape
    if kind == "patch_run":
        scores = session.run(["probabilities", "probabilities_form"], {sensor.name: image[None, :, :, :side].astype(np.float32)})
        assert [stage[0, 0], form[0, 0]] == [dataset.classes[scores[0].ravel().argmax()].value, scores[1].ravel().argmax()]


def test_what_is_for_one_target_is_refused(patches, tmp_path, patch_run):
    run = str(tmp_path / "run")
    start = {"start": patch_run.folder}
    for given, sentence in (({"mode": "knn", **start}, "“Mode” (mode) is knn, which is for one target, and"),
                            ({"incidence_angle": "gaussian"}, "“Incidence angle” (incidence_angle) is gaussian, which is for one target, and"),
                            ({"spread_labels": "yes", **start}, "“Spread the labels” (spread_labels) is yes, which is for one target")):
        with pytest.raises((DataError, JobError)) as refused:
            finetune(str(patches.folder), run, Settings(encoder="adhoc_cnn", **BRIEF, **given))
        assert sentence in str(refused.value) and "has “stage” and “form”. Choose" in str(refused.value)


def test_simple_classifiers_learn_the_main_target_and_say_so(patches, tmp_path):
    heard = Listening()
    train_simple(str(patches.folder), str(tmp_path / "run"), Simple("statistics", None, None, 100, 1), heard)
    said = "A simple classifier learns one target, “stage”. Not learned: form. The approach “network” learns all together."
    assert said in heard.texts
    facts, _ = evaluate_run(str(tmp_path / "run"), None, "test", 8, "cpu")
    assert "targets" not in facts and facts["model"]["overall_accuracy"] > 0.8


def test_a_start_from_other_targets_says_what_is_taken_over(patch_run, tmp_path):
    folder = write_ice(tmp_path / "other")
    other = add_target(folder, np.load(folder / "labels-000.npy") == 2, "age")
    heard = Listening()
    finetune(str(other.folder), str(tmp_path / "run"), Settings(encoder="adhoc_cnn", start=patch_run.folder, **BRIEF), heard)
    assert any("The starting weights learned other targets (stage, form), of which only what they see is taken over." in told for told in heard.texts)
    refused = r"The targets of the dataset .*other are stage, age, but the run .* learned stage, form\. Choose a dataset made with the same targets"
    with pytest.raises(DataError, match=refused):
        evaluate_run(patch_run.folder, str(other.folder), "test", 8, "cpu")


def test_a_run_goes_on_with_its_targets(patches, tmp_path):
    folder = str(tmp_path / "run")
    brief = Settings(encoder="adhoc_cnn", **{**BRIEF, "epochs": 1})
    finetune(str(patches.folder), folder, brief)
    finetune(str(patches.folder), folder, Settings(encoder="adhoc_cnn", **BRIEF))
    assert Run.open(folder).card["epochs_run"] == 2 and "confusion" in Run.open(folder).card["targets"][0]


def test_a_target_without_labels_in_training_is_refused(tmp_path):
    folder = write_ice(tmp_path / "ice", count=40)
    labels = np.full(40, 255)
    dataset = Dataset.open(folder)
    labels[dataset.indices("test")] = 1
    add_target(folder, labels)
    with pytest.raises(DataError, match=r"The training tiles of .*ice \(target “form”\) hold no label, so there is nothing to tell apart"):
        finetune(str(folder), str(tmp_path / "run"), Settings(encoder="adhoc_cnn", **BRIEF))


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda said: said["targets"][0].update(name="a/b"), "letters, digits, _ and -"),
    (lambda said: said["targets"][0].update(name="Stage"), "the target “stage” stands twice"),
    (lambda said: said["shards"][0].pop("extra"), "has no labels of the target “form”"),
    (lambda said: said["targets"][0]["class_pixels"].update(training=[1]), "one number for each of the 2 classes"),
    (lambda said: said["targets"][0]["classes"].pop(), "one number for each of the 1 classes")])
def test_a_damaged_description_is_refused(tmp_path, change, sentence):
    folder = write_ice(tmp_path / "ice", count=12)
    add_target(folder, np.arange(12) % 2)
    said = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    change(said)
    (folder / DESCRIPTION).write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(DataError) as refused:
        Dataset.open(folder)
    assert sentence in str(refused.value)


def test_labels_of_no_class_of_a_target_are_refused(tmp_path):
    folder = write_ice(tmp_path / "ice", count=12)
    with pytest.raises(DataError, match="hold 4, but there are 2 classes"):
        add_target(folder, np.full(12, 4))


def test_a_description_tells_each_target(patches):
    facts = describe(patches)
    assert facts["target"] == "stage" and [row["name"] for row in facts["targets"][0]["classes"]] == ["smooth", "rough"]
    assert facts["targets"][0]["classes"][1]["training_samples"] == patches.description["targets"][0]["class_pixels"]["training"][1]


def test_a_unet_has_the_scores_of_all_targets(tiles, tile_run):
    network = tile_run.load_network(CPU)
    assert isinstance(network, SpectralUNet) and network.heads == (len(tiles.classes), 2) and network.linear.out_channels == len(tiles.classes) + 2
