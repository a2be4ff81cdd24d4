"""Several simple classifiers as one model file, of every kind of sample: pixels, images, several classes at once, and series."""


import json

import numpy as np
import onnx
import pytest
import rasterio
from scipy.special import expit, logit, softmax

from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.session import on_processor
from eo_pretrain_qgis.engine.runs.answers import classifier_input, read_classifier
from eo_pretrain_qgis.engine.runs.members import Member, noise, together
from eo_pretrain_qgis.engine.runs.run_folder import RunFolder
from eo_pretrain_qgis.errors import DataError, JobError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests import scenes
from tests.engine.learning.tiny import write_dataset
from tests.engine.learning.tiny_scenes import write_scenes
from tests.listening import Listening
from tests.scenes_crops import crop_season
from tests.scenes_series import fields_model

DATASETS = {"segmentation": write_dataset, "scene": write_scenes, "multilabel": lambda folder: write_scenes(folder, task="multilabel")}


def learned(dataset, folder, *asked):
    """Runs on a dataset, in folders named by their numbers."""
    for number, values in enumerate(asked):
        JOBS["finetune"].from_values({"dataset": str(dataset), "output": str(folder / f"run{number}"), **values}).run(SILENT)
    return [folder / f"run{number}" for number in range(len(asked))]


def exported(runs, path, progress=SILENT, **asked):
    values = {"run_folder": str(runs[0]), "more_runs": [str(run / "run.json") for run in runs[1:]], "output": str(path), **asked}
    return JOBS["export_model"].from_values(values).run(progress)


@pytest.fixture(scope="module", params=DATASETS)
def made(request, tmp_path_factory):
    """Runs of a regression and of boosted trees of two seeds, and the model of all."""
    folder = tmp_path_factory.mktemp("members")
    asked = [{"approach": "statistics"}, {"approach": "boosting"}, {"approach": "statistics", "seed": 5, "label_share": 50}]
    runs = learned(DATASETS[request.param](folder / "dataset"), folder, *asked)
    heard = Listening()
    return request.param, runs, folder / "model.onnx", exported(runs, folder / "model.onnx", heard), heard


def said(run, given):
    return on_processor(read_classifier(run)).run(None, given)[0]


def test_it_gives_their_mean_and_their_mutual_information(made):
    task, folders, path, facts, _ = made
    runs, model = [RunFolder.open(str(folder)) for folder in folders], package.open(path)
    given = noise(classifier_input(runs[0]), runs[0].card["tile_size"])
    each = np.stack([said(run, given) for run in runs])
    mean = each.mean(0)
    found = model.session("cpu").run(given)
    chances, doubt = found[:, :mean.shape[1]], found[:, mean.shape[1]]
    several = task == "multilabel"
    kept = model.record.calibration["probabilities"].kept
    np.testing.assert_allclose(chances, expit(logit(mean) / kept) if several else softmax(np.log(mean + 1e-12) / kept, 1), atol=1e-4)

    def information(chance):
        chance = np.stack([chance, 1 - chance]) if several else chance[None]
        return -(chance * np.log(chance.clip(1e-12))).sum(0)

    most = np.log(2) * mean.shape[1] if several else np.log(mean.shape[1])
    expected = (information(mean).sum(1) - np.mean([information(one).sum(1) for one in each], axis=0)) / most
    np.testing.assert_allclose(doubt, expected, atol=1e-4)
    assert expected.max() > 0.01 and facts["largest_difference"] <= 1e-4


def test_the_area_of_applicability_is_that_of_the_first(made, tmp_path):
    _, runs, path, _, heard = made
    exported_alone = JOBS["export_model"].from_values({"run_folder": str(runs[0]), "output": str(tmp_path / "alone.onnx")}).run(SILENT)
    alone, model = package.open(tmp_path / "alone.onnx"), package.open(path)
    assert exported_alone and model.record.applicability.limit == pytest.approx(alone.record.applicability.limit)
    assert model.record.applicability.samples == alone.record.applicability.samples
    assert f"Not every member learned from all labels. The area of applicability is that of the first, {runs[0]}." in heard.warnings
    given = noise(classifier_input(RunFolder.open(str(runs[0]))), 32)
    ours, theirs = (one.knowing_session("cpu").run(given) for one in (model, alone))
    np.testing.assert_allclose(ours[:, -2:], theirs[:, -2:], rtol=1e-3, atol=1e-4)


def test_a_map_shows_the_disagreement(made, tmp_path):
    task, _, path, _, _ = made
    side = 96
    values = np.random.default_rng(0).normal(1500, 500, (3, side, side)).clip(1).astype(np.uint16)
    values[:, :32, :32] = 0
    image = scenes.write_raster(tmp_path / "image.tif", values, names=("B02", "B03", "B04"), nodata=0)
    asked = {"model": str(path), "images": [str(image)], "output": str(tmp_path / "map.tif"), "disagreement": str(tmp_path / "doubt.tif"),
             "applicability": str(tmp_path / "ground.tif")}
    JOBS["predict_map"].from_values(asked).run(SILENT)
    with rasterio.open(tmp_path / "doubt.tif") as source:
        found, tags, names = source.read(1), source.tags(), source.descriptions
    step = 1 if task == "segmentation" else 32
    assert found.shape == (side // step, side // step) and (found[:32 // step, :32 // step] == 255).all()
    assert 0 < found[found != 255].max() <= 100 and (found == 255).mean() == pytest.approx(1 / 9)
    assert names[0] == f"disagreement [% of {'ln(2), mean of the classes' if task == 'multilabel' else f'ln({2 if step == 1 else 4} classes)'}]"
    assert "of 3 members" in tags["EO_PRETRAIN_DISAGREEMENT"]


def test_identical_members_do_not_disagree(made):
    _, folders, _, _, _ = made
    run = RunFolder.open(str(folders[0]))
    one = Member(run, onnx.load_model_from_string(read_classifier(run)), 0.0, {"stride": 1})
    graph, difference = together([one, one, one], classifier_input(run), 1e-4)
    given = noise(classifier_input(run), run.card["tile_size"])
    mean, doubt = on_processor(graph.SerializeToString()).run(None, given)
    assert np.abs(doubt).max() < 1e-5 and difference < 1e-6
    np.testing.assert_allclose(mean, said(run, given), atol=1e-6)


def test_a_file_that_says_something_else_than_its_members_is_refused(made, tmp_path):
    with pytest.raises(ModelError, match=r"What the file of 3 members gives differs from the mean of what they learned by up to .* in a probability, "
                                         "more than the 1e-07 allowed. Allow a larger difference."):
        exported(made[1], tmp_path / "model.onnx", tolerance=1e-7)
    assert not list(tmp_path.iterdir())


def test_a_single_model_has_no_disagreement(made, tmp_path):
    JOBS["export_model"].from_values({"run_folder": str(made[1][0]), "output": str(tmp_path / "alone.onnx")}).run(SILENT)
    image = scenes.write_raster(tmp_path / "image.tif", np.full((3, 64, 64), 900, np.uint16), names=("B02", "B03", "B04"))
    with pytest.raises(ModelError, match="is a single one, so nothing can disagree with it. Leave “Disagreement” \\(disagreement\\) empty, or give "
                                         "“Export model” several runs of the same training."):
        JOBS["predict_map"].from_values({"model": str(tmp_path / "alone.onnx"), "images": [str(image)], "output": str(tmp_path / "map.tif"),
                                         "disagreement": str(tmp_path / "doubt.tif")}).run(SILENT)
    assert not list(tmp_path.glob("*map*")) and not list(tmp_path.glob("*doubt*"))


def test_series_are_mapped_with_their_disagreement(tmp_path):
    fields_model(tmp_path)
    runs = [tmp_path / "fields_run", *learned(tmp_path / "fields", tmp_path, {"approach": "boosting"})]
    exported(runs, tmp_path / "members.onnx")
    (tmp_path / "season").mkdir()
    season = crop_season(tmp_path / "season")
    asked = {"images": sorted(map(str, season.glob("S2_2023*.tif")))}
    found = JOBS["map_series"].from_values({**asked, "model": str(tmp_path / "members.onnx"), "output": str(tmp_path / "map.tif"),
                                            "disagreement": str(tmp_path / "doubt.tif")}).run(SILENT)
    with rasterio.open(tmp_path / "doubt.tif") as doubt, rasterio.open(tmp_path / "map.tif") as classes:
        values, mapped = doubt.read(1), classes.read(1)
        assert doubt.descriptions[0].startswith("disagreement [% of ln(")
    assert found["disagreement"] == str(tmp_path / "doubt.tif") and 0 < values[values != 255].max() <= 100
    assert ((values == 255) == (mapped == 255)).all()
    with pytest.raises(ModelError, match="is a single one, so nothing can disagree with it."):
        JOBS["map_series"].from_values({**asked, "model": str(tmp_path / "fields.onnx"), "output": str(tmp_path / "again.tif"),
                                        "disagreement": str(tmp_path / "none.tif")}).run(SILENT)


def test_a_file_is_measured_as_its_members_are(made, tmp_path):
    """A file of one regression and two that are nearly the same is nearly as good as these; what a run is that is none of its members is said."""
    task, runs, path, _, _ = made
    figure = {"segmentation": "mean_iou", "scene": "overall_accuracy", "multilabel": "average_precision"}[task]
    values = {"run_folder": str(runs[0]), "output": str(tmp_path / "page.html"), "facts": str(tmp_path / "facts.json")}
    alone = JOBS["evaluate_model"].from_values(values).run(SILENT)
    found = JOBS["evaluate_model"].from_values({**values, "model": str(path)}).run(SILENT)
    facts = json.loads((tmp_path / "facts.json").read_text(encoding="utf-8"))
    assert facts["members"] == 3 and facts["weights_sha256"] == package.open(path).sha256
    assert found[figure] > 0.6 and (task == "scene" or found[figure] == pytest.approx(alone[figure], abs=0.15))
    if task == "scene":
        dataset, model = RunFolder.open(str(runs[0])).open_dataset(), package.open(path)
        tiles = dataset.indices("test")
        answers = model.session("cpu").run({"image": dataset.images(tiles).astype(np.float32)})[:, :4].argmax(1)
        assert found[figure] == (answers == dataset.labels(tiles)).mean()
    assert {name: value for name, value in found.items() if "_" in name and name.startswith(("statistics", "majority"))} == {
        name: value for name, value in alone.items() if "_" in name and name.startswith(("statistics", "majority"))}
    assert "the mean of 3 members" in (tmp_path / "page.html").read_text(encoding="utf-8")
    dataset = DATASETS[task](tmp_path / "dataset")
    other, = learned(dataset, tmp_path, {"approach": "boosting", "seed": 77})
    if RunFolder.open(str(other)).model_sha256 not in [one.sha256 for one in package.open(path).record.members]:
        with pytest.raises(DataError, match="is no member of the model .*; these are run0, run1, run2. Choose the folder of a member, or leave"):
            JOBS["evaluate_model"].from_values({**values, "run_folder": str(other), "model": str(path)}).run(SILENT)
    with pytest.raises(JobError, match=r"“Sensors” \(sensors\) is s1, and a model of several runs is measured with all that it takes."):
        JOBS["evaluate_model"].from_values({**values, "model": str(path), "sensors": "s1"}).check()


def test_a_file_of_series_is_measured(tmp_path):
    fields_model(tmp_path)
    runs = [tmp_path / "fields_run", *learned(tmp_path / "fields", tmp_path, {"approach": "boosting"})]
    exported(runs, tmp_path / "members.onnx")
    found = JOBS["evaluate_model"].from_values({"run_folder": str(runs[0]), "model": str(tmp_path / "members.onnx"),
                                                "output": str(tmp_path / "page.html")}).run(SILENT)
    assert found["overall_accuracy"] > 0.5


def test_a_model_of_members_must_give_a_disagreement(made):
    description = {**package.open(made[2]).description, "beside": []}
    with pytest.raises(ModelError, match="it has 3 “members”, and “beside” lacks “disagreement”"):
        package.check_description(description, "model.onnx")
