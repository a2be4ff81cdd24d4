"""Ways to treat the incidence angle: slopes are found within classes and taken off everywhere alike, and what the angle tells alone is shown."""

import json
from dataclasses import replace

import geopandas
import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.classic.whitening import Whitening
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.describing.page import describe
from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.gaussian import GaussianClassifier
from eo_pretrain_qgis.engine.learning.networks.spectral import SpectralClassifier
from eo_pretrain_qgis.engine.measures.incidence_angle import GaussianAngle, gaussian_of_pixels, with_slopes
from eo_pretrain_qgis.engine.measures.speckle import measured_looks
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.runs.fusing import chosen_input
from eo_pretrain_qgis.engine.runs.run_folder import RunFolder
from eo_pretrain_qgis.engine.runs.simple import Settings as Simple
from eo_pretrain_qgis.engine.runs.simple import export_simple, levelled, train_simple
from eo_pretrain_qgis.errors import DataError, JobError
from eo_pretrain_qgis.jobs import JOBS
from tests.arrays import changed_on_purpose
from tests.settings import finetuning as Settings

from .tiny import write_dataset
from .tiny_ice import BANDS, write_ice
from .tiny_scenes import write_scenes

#: One slope for all classes, and brightness that hides it: the dark class lies far from the radar.
ALIKE = tuple((hh, hv, -0.4, -0.2) for hh, hv, _, _ in ((-18.0, -28.0, 0, 0), (-17.0, -26.0, 0, 0), (-12.0, -20.0, 0, 0)))


def apart(labels, rng):
    """The thick ice near, the water far from the radar."""
    return np.array([37.0, 32.0, 24.0])[labels] + rng.uniform(-6, 6, len(labels))


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    return Dataset.open(write_ice(tmp_path_factory.mktemp("ice") / "alike", kinds=ALIKE, angles=apart))


@pytest.fixture(scope="module")
def ice(tmp_path_factory):
    return Dataset.open(write_ice(tmp_path_factory.mktemp("ice") / "ice"))


def test_slopes_are_those_within_the_classes(alike):
    found = with_slopes(chosen_input(alike, None, None), alike, alike.indices("training"))
    np.testing.assert_allclose(found.slopes, [-0.4, -0.2, 1], atol=0.01)
    images = alike.images(alike.indices("training"), "s1")
    over_all = np.polyfit(images[:, 2, 0, 0], images[:, 0].mean((1, 2)), 1)[0]
    assert over_all < -0.7, "a line through all classes would be far steeper"


def test_the_whitening_takes_the_slopes_off_and_does_not_see_the_angle():
    rng = np.random.default_rng(0)
    angle = rng.uniform(20, 45, 5000)
    pixels = np.stack([-15 + rng.normal(0, 2, 5000) - 0.5 * angle, -25 + rng.normal(0, 1, 5000) - 0.1 * angle, angle], 1)
    found = Whitening.of(pixels, ("dB", "dB", "degree"), [-0.5, -0.1, 1.0], 2)
    level = pixels + np.outer(angle - np.median(angle), [0.5, 0.1, 0]) - np.outer(angle - np.median(angle), [0, 0, 1])
    expected = Whitening.of(level, ("dB", "dB", "degree"))
    np.testing.assert_allclose(found(pixels.T[None, :, :, None]), expected(level.T[None, :, :, None]), atol=1e-4)
    moved = pixels + np.outer(np.full(5000, 7.0), [-0.5, -0.1, 1])  # the same ground seen 7 degrees farther
    np.testing.assert_allclose(found(moved.T[None, :, :, None]), found(pixels.T[None, :, :, None]), atol=1e-4)


def test_the_network_sees_one_angle_only(alike):
    seen = levelled(chosen_input(alike, None, None, "slope"), alike, "slope", alike.indices("training"))
    network = SpectralClassifier("adhoc_cnn", {"s1": seen}, 3).eval()
    labelled = Labelled(alike, seen, alike.indices("training"), 1)
    network.begin(labelled.whitening, labelled.regression)
    image = torch.from_numpy(alike.images(np.arange(4), "s1"))
    farther = image + 7 * torch.tensor(seen.slopes).view(1, -1, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(network({"s1": image}), network({"s1": farther.float()}), atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(network.scaled(image)[:, 2], torch.zeros_like(image[:, 2]))


def simple(folder, output, **asked):
    facts = {"approach": "statistics", "sensor": None, "bands": None, "incidence_angle": "band", "label_share": 100, "seed": 1} | asked
    train_simple(str(folder), str(output), Simple(**facts))
    return RunFolder.open(str(output))


@pytest.mark.parametrize(("way", "bands"), [("band", 3), ("none", 2), ("slope", 3)])
def test_every_way_is_trained_measured_and_exported(alike, tmp_path, way, bands):
    run = simple(alike.folder, tmp_path / "run", incidence_angle=way)
    assert len(run.card["inputs"][0]["bands"]) == bands
    facts, _ = evaluate_run(run.folder, None, "test", 8, "cpu")
    assert facts["model"]["overall_accuracy"] > 0.9
    assert {"angle", "gaussian_angle"} <= set(facts)
    export_simple(run, str(tmp_path / "model.onnx"))
    assert len(package.open(tmp_path / "model.onnx").image.names) == bands


def test_a_network_with_slopes_is_continued_and_exported(alike, tmp_path):
    values = {"encoder": "adhoc_cnn", "incidence_angle": "slope", "batch_size": 16, "epoch_steps": 2, "device": "cpu"}
    finetune(str(alike.folder), str(tmp_path / "run"), Settings(epochs=1, **values))
    finetune(str(alike.folder), str(tmp_path / "run"), Settings(epochs=2, **values))
    run = Run.open(str(tmp_path / "run"))
    assert run.card["epochs_run"] == 2 and [band["slope"] for band in run.card["inputs"][0]["bands"]][2] == 1
    assert export_run(run.folder, str(tmp_path / "model.onnx"))["largest_difference"] <= 1e-4


def test_lohses_classifier_finds_the_lines_it_was_drawn_from(ice):
    rng = np.random.default_rng(3)
    labels, angles = rng.integers(0, 2, 4000), rng.uniform(20, 45, 4000)
    intercepts, slopes = np.array([[-6.0, -20], [-10, -24]]), np.array([[-0.6, -0.2], [-0.2, -0.1]])
    values = intercepts[labels] + angles[:, None] * slopes[labels] + rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 2]], 4000)
    found = GaussianAngle.fit(values, angles, labels, 3)
    np.testing.assert_allclose(found.slopes[:2], slopes, atol=0.02)
    np.testing.assert_allclose(np.linalg.inv(found.precisions[0]), [[1, 0.5], [0.5, 2]], atol=0.2)
    chances = np.exp(found.scores(values, angles))
    assert not chances[:, 2].any(), "a class that nobody saw"
    best = np.stack([np.exp(-0.5 * np.einsum("ni,ij,nj->n", apart, np.linalg.inv([[1, 0.5], [0.5, 2]]), apart))
                     for apart in (values - intercepts[number] - angles[:, None] * slopes[number] for number in range(2))], 1).argmax(1)
    assert (found.scores(values, angles).argmax(1) == best).mean() > 0.98


def test_the_angle_alone_knows_where_the_classes_lay(ice, tmp_path):
    """Each class at angles of its own: the angle alone is right, and the description warns."""
    told = Dataset.open(write_ice(tmp_path / "told", angles=lambda labels, rng: 22 + 8 * labels + rng.uniform(0, 5, len(labels))))
    run = simple(told.folder, tmp_path / "run")
    facts, sections = evaluate_run(run.folder, None, "test", 8, "cpu")
    assert facts["angle"]["overall_accuracy"] == 1 and "incidence angle alone 1.000" in "".join(sections)
    warned = describe(told)["warnings"]
    expected = "The incidence angle alone tells the class of 100% of what is for validation and test, where the most frequent class has "
    assert any(text.startswith(expected) for text in warned)
    assert not any("incidence angle alone" in text for text in describe(ice)["warnings"])
    facts, _ = evaluate_run(simple(ice.folder, tmp_path / "other").folder, None, "test", 8, "cpu")
    assert facts["angle"]["overall_accuracy"] < 0.6 < facts["gaussian_angle"]["overall_accuracy"]


@pytest.mark.parametrize("way", ["none", "slope"])
def test_without_an_angle_nothing_can_be_done_about_it(tmp_path, way):
    folder = write_ice(tmp_path / "plain", bands=BANDS[:2])
    with pytest.raises(DataError, match=f"“Incidence angle” \\(incidence_angle\\) is {way}, and the chosen bands of .* \\(HH, HV\\) have none in "
                                        "degrees. Leave it at “band”, or choose a dataset made with the incidence angle."):
        simple(folder, tmp_path / "run", incidence_angle=way)
    assert not (tmp_path / "run").exists()


def test_an_angle_that_does_not_vary_has_no_slope(tmp_path):
    folder = write_ice(tmp_path / "flat", angles=lambda labels, rng: np.full(len(labels), 33.0))
    with pytest.raises(DataError, match="is slope, and within no class of .* does the angle vary, so no slope can be measured. Choose “band”"):
        simple(folder, tmp_path / "run", incidence_angle="slope")


def test_only_the_angle_cannot_be_left_out(alike, tmp_path):
    with pytest.raises(DataError, match="The only band chosen of .* is the incidence angle, and “Incidence angle” \\(incidence_angle\\) is none."):
        simple(alike.folder, tmp_path / "run", incidence_angle="none", bands="incidence_angle")


def test_a_dataset_of_another_polarisation_is_refused(ice, tmp_path):
    run = simple(ice.folder, tmp_path / "run")
    other = write_ice(tmp_path / "other", bands=(replace(BANDS[0], name="VV"), replace(BANDS[1], name="VH"), BANDS[2]))
    with pytest.raises(DataError, match="The bands of the dataset .* are VV, VH, incidence_angle, and HH, HV, incidence_angle are needed. Choose a "):
        evaluate_run(run.folder, str(other), "test", 8, "cpu")


def test_the_looks_of_the_data_are_found(tmp_path):
    """Speckle of 8 looks, in dB."""
    folder = write_ice(tmp_path / "speckled", count=60, size=32, noise=0.0)
    changed_on_purpose(folder)
    images = np.load(next(folder.glob("*s1*.npy")), mmap_mode="r+")
    images[:, :2] += 10 * np.log10(np.random.default_rng(1).gamma(8, 1 / 8, (60, 2, 32, 32)))
    images.flush()
    dataset = Dataset.open(folder)
    looks = measured_looks(dataset, chosen_input(dataset, None, None), dataset.indices("training"))
    assert looks == pytest.approx(8, rel=0.1)
    plain = Dataset.open(write_scenes(tmp_path / "plain", size=16))
    assert measured_looks(plain, chosen_input(plain, None, None), plain.indices("training")) is None


def test_figures_of_scenes_that_were_learned_from_say_so(ice, tmp_path):
    folder = write_ice(tmp_path / "scenes")
    table = geopandas.read_file(folder / "tiles.gpkg")
    run = None
    for name, scene in (("apart", table["split"]), ("same", ["one"] * len(table))):
        table.assign(scene=scene).to_file(folder / "tiles.gpkg", layer="tiles", driver="GPKG")
        run = run or simple(folder, tmp_path / "run")
        _, sections = evaluate_run(run.folder, None, "test", 8, "cpu")
        said = "The test patches are of scenes that were learned from too, with their noise, wind and date" in "".join(sections)
        assert said == (name == "same")


def test_a_network_that_sees_likelihoods(ice, tmp_path):
    finetune(str(ice.folder), str(tmp_path / "run"), Settings(
        encoder="adhoc_cnn", incidence_angle="gaussian", epochs=2, batch_size=16, epoch_steps=2, device="cpu"))
    run = Run.open(str(tmp_path / "run"))
    network = run.load_network(torch.device("cpu"))
    assert isinstance(network, GaussianClassifier)
    image = torch.from_numpy(ice.images(np.arange(6), "s1"))
    labels, fitted = ice.labels(np.arange(6)), gaussian_of_pixels(network.seen, ice, ice.indices("training"))
    channels = network.scaled(image)[:, 3:].detach()
    values = np.moveaxis(image.numpy(), 1, -1).reshape(-1, 3)
    apart = values[:, None, :2] - fitted.intercepts - values[:, 2, None, None] * fitted.slopes
    expected = (-0.5 * np.einsum("nci,cij,ncj->nc", apart, fitted.precisions, apart)).clip(-50) / 10
    np.testing.assert_allclose(np.moveaxis(channels.numpy(), 1, -1).reshape(-1, 3), expected, atol=1e-3)
    best = channels.mean((2, 3)).argmax(1).numpy()
    assert (best == labels).mean() >= 0.5
    nothing = torch.tensor(network.seen.centre).view(1, -1, 1, 1).expand(1, 3, 10, 10)
    assert not network.scaled(nothing).any(), "what was not measured"
    assert export_run(run.folder, str(tmp_path / "model.onnx"))["largest_difference"] <= 1e-4
    names = [band["name"] for band in json.loads((tmp_path / "run" / "encoder.json").read_text(encoding="utf-8"))["bands"]]
    assert names == ["HH", "HV", "incidence_angle", "likelihood of water", "likelihood of young", "likelihood of thick"]
    again = finetune(str(ice.folder), str(tmp_path / "again"), Settings(start=run.folder, epochs=1, batch_size=16, epoch_steps=1, device="cpu"))
    assert again["epochs_run"] == 1


def test_likelihoods_are_for_one_class_each(tmp_path):
    folder = write_scenes(tmp_path / "labels", task="multilabel")
    with pytest.raises(DataError, match="have none in degrees"):
        finetune(str(folder), str(tmp_path / "run"), Settings(incidence_angle="gaussian", device="cpu"))


@pytest.mark.parametrize("also", ["start", "approach"])
def test_likelihoods_are_for_networks_from_scratch(ice, tmp_path, also):
    given = {"start": str(ice.folder), "approach": "statistics"}[also]
    with pytest.raises(JobError, match="is gaussian, which gives the network a channel for each class, and .* cannot use them. Choose “band”"):
        JOBS["finetune"].from_values({"dataset": str(ice.folder), "incidence_angle": "gaussian", "output": str(tmp_path / "run"), also: given})


def test_the_angle_alone_stands_beside_a_class_for_every_pixel(tmp_path):
    far = lambda labels, rng: np.array([38.0, 30.0, 22.0])[labels] + rng.uniform(-3, 3, len(labels))  # noqa: E731
    folder = write_ice(tmp_path / "tiles", count=40, angles=far)
    labels = np.load(folder / "labels-000.npy")
    drawn = np.repeat(np.repeat(labels[:, None, None], 10, 1), 10, 2)
    drawn[:, 0] = 255
    changed_on_purpose(folder)
    np.save(folder / "labels-000.npy", drawn)
    path = folder / "dataset.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**said, "task": "segmentation"}), encoding="utf-8")
    dataset = Dataset.open(folder)
    labelled = Labelled(dataset, chosen_input(dataset, None, None), dataset.indices("training"), 1)
    test = dataset.indices("test")
    answer = dataset.kind.baselines_of(dataset)["angle"].fit(labelled)(dataset)(test)
    assert answer.shape == (len(test), 10, 10) and (answer == labels[test][:, None, None]).all()
    assert "angle" not in dataset.kind.baselines_of(Dataset.open(write_dataset(tmp_path / "optical", 6, 16)))
