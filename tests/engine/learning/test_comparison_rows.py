"""What stands in the rows of a comparison: starting weights, frozen features, random features, how sure the probabilities may be, what it costs."""

import json
import os
import shutil

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.cards import stacked
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.splitting.label_shares import training_share
from eo_pretrain_qgis.engine.datasets.visible import for_inputs
from eo_pretrain_qgis.engine.learning.comparison import estimating, frozen
from eo_pretrain_qgis.engine.learning.comparison.asking import SIMPLE, Cell, Start
from eo_pretrain_qgis.engine.learning.comparison.comparing import Comparison
from eo_pretrain_qgis.engine.learning.comparison.measuring import SURENESS, _counted, _trained, measured, scored
from eo_pretrain_qgis.engine.learning.comparison.page import compare
from eo_pretrain_qgis.engine.learning.comparison.random_features import FILTERS, RandomFeatures
from eo_pretrain_qgis.engine.learning.comparison.starts import starts_of
from eo_pretrain_qgis.engine.learning.finetuning.recipe import seen_by
from eo_pretrain_qgis.engine.learning.networks.encoder_files import write_encoder
from eo_pretrain_qgis.engine.learning.networks.encoders import build_encoder
from eo_pretrain_qgis.errors import DataError, ModelError
from eo_pretrain_qgis.progress import SILENT

from ...arrays import changed_on_purpose
from ...listening import Listening
from ...scenes_series import write_crop_series
from .test_comparison import SMALL, options
from .tiny import write_dataset
from .tiny_scenes import write_scenes

OTHER = "mobilenet_v2"


def weights(folder, encoder=SMALL, bands=("B02", "B03", "B04"), seed=0):
    """A folder with an encoder as a run leaves it."""
    folder.mkdir()
    torch.manual_seed(seed)
    write_encoder(str(folder), build_encoder(encoder, len(bands)).state_dict(), {"encoder": encoder, "bands": [{"name": name} for name in bands]})
    return str(folder)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "stripes", count=96)


# --- starting weights

def test_weights_of_other_bands_are_refused_before_anything_is_computed(scenes, tmp_path):
    """Each with its file and its bands, both in one sentence."""
    radar, thermal = weights(tmp_path / "radar", bands=("VV", "VH")), weights(tmp_path / "thermal", bands=("ST_B10",))
    with pytest.raises(ModelError) as refused:
        Comparison(str(tmp_path / "compared"), options(scenes, starts=(radar, thermal)))
    assert str(refused.value) == (f"The dataset {scenes} has the bands B02, B03, B04, and none of them is known to the starting weights {radar} "
                                  f"(VV, VH) and {thermal} (ST_B10). Give weights of its sensor, or other “Bands” of the dataset.")
    assert not (tmp_path / "compared").exists()


def test_weights_that_know_different_bands_are_told(scenes, tmp_path):
    heard, dataset = Listening(), Dataset.open(scenes)
    three, two = weights(tmp_path / "three"), weights(tmp_path / "two", bands=("B04", "B08"), seed=1)
    starts_of(options(scenes, starts=(three, two)), dataset, heard)
    assert heard.warnings == ["The starting weights know different bands: “three” B02, B03, B04; “two” B04, B08. Each brings what it knows of the "
                              "bands of the dataset, and the others begin as the mean of its bands: what is compared is weights and bands together."]


def test_each_encoder_has_its_own_scratch(scenes, tmp_path):
    heard = Listening()
    asked = options(scenes, starts=(weights(tmp_path / "small"), weights(tmp_path / "other", OTHER)),
                    training=options(scenes).training.__class__(**{**options(scenes).training.__dict__, "encoder": None}))
    starts = starts_of(asked, Dataset.open(scenes), heard)
    assert [(one.name, one.encoder, one.random) for one in starts] == [
        (f"scratch {SMALL}", SMALL, True), (f"scratch {OTHER}", OTHER, True), ("small", SMALL, False), ("other", OTHER, False)]
    assert heard.texts[-1] == (f"The starting weights are of 2 encoders ({SMALL}, {OTHER}), so each is compared with its own encoder from scratch.")


def test_copies_of_one_file_are_refused(scenes, tmp_path):
    first = weights(tmp_path / "first")
    shutil.copytree(first, tmp_path / "second")
    with pytest.raises(DataError, match="hold the same weights, so there is nothing to compare between them. Name one of them"):
        Comparison(str(tmp_path / "compared"), options(scenes, starts=(first, str(tmp_path / "second"))))


def test_damaged_weights_are_refused_before_anything_is_computed(scenes, tmp_path):
    first = weights(tmp_path / "first")
    with open(os.path.join(first, "encoder.safetensors"), "r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(ModelError, match="cannot be read as weights"):
        Comparison(str(tmp_path / "compared"), options(scenes, starts=(first,)))


# --- classifiers on frozen and on random features

@pytest.mark.parametrize("way", ["probe", "knn"])
def test_frozen_features_are_computed_once_and_say_the_same(scenes, tmp_path, monkeypatch, way):
    """As “Fine-tune a model” with that mode says, though each image is looked at once for all shares and draws."""
    start = Start("ours", weights(tmp_path / "ours"), SMALL, sha256=way)
    asked, looked_at = options(scenes), []
    encoder_features = frozen.encoder_features
    monkeypatch.setattr(frozen, "encoder_features", lambda *given, **more: looked_at.extend(given[3]) or encoder_features(*given, **more))
    dataset, _ = scored(asked.dataset, asked.split)
    for share, seed in ((20.0, 1), (100.0, 1), (100.0, 2)):
        cell = Cell("ours", way, share, seed, of=start.content)
        found = measured(str(tmp_path), asked, cell, start)
        slow = _trained(str(tmp_path), asked, cell, start, SILENT)
        assert found["counts"] == slow["counts"].tolist()
        assert found["calibration_before"] == pytest.approx(slow["calibration_before"], abs=1e-3)
        assert found["training_multiply_adds"] == found["labels"] * found["mapping_multiply_adds"] == pytest.approx(
            slow["training_multiply_adds"], rel=0.1)
    assert sorted(looked_at) == sorted([*dataset.indices("training"), *dataset.indices("validation")])


def test_random_filters_tell_rows_from_columns(tmp_path):
    """Means and percentiles of bands cannot; what random weights give is more than these."""
    asked = options(write_scenes(tmp_path / "stripes", count=192))
    both = {way: measured("", asked, Cell(SIMPLE, way, 100.0, 1), None)["score"] for way in ("statistics", "random_features")}
    assert both["random_features"] > 0.9 and both["statistics"] < 0.5


def test_random_features_of_pixels_and_series(tmp_path):
    """A disc that is brighter than its ground, and crops that are green at other times."""
    discs = write_dataset(tmp_path / "discs")
    for folder in (discs, write_crop_series(tmp_path / "crops")):
        asked = options(folder)
        found = {way: measured("", asked, Cell(SIMPLE, way, 100.0, 1), None) for way in ("majority", "random_features")}
        assert found["random_features"]["score"] > 0.9 > found["majority"]["score"]
    dataset = Dataset.open(discs)
    inputs = seen_by(options(discs).training, dataset)
    labelled = Labelled(for_inputs(dataset, inputs), stacked(inputs.values()), training_share(dataset, 100, 1), 1)
    own = RandomFeatures(labelled)
    assert own.regression.weight.shape == (2, 3 * 3 + FILTERS)
    tiles = dataset.indices("validation")
    assert np.array_equal(own.scores(tiles)[1:], own.scores(tiles[1:])), "a tile has the same answer among others"


# --- how sure the probabilities may be

def test_calibration_is_measured_where_the_temperature_was_not_fitted(tmp_path):
    """Answers that are always sure and right three times in four."""
    dataset, blocks = scored(str(write_scenes(tmp_path / "many", count=600)), "validation")
    tiles = dataset.indices("validation")
    said = dataset.labels(tiles).copy()
    said[::4] = (said[::4] + 1) % 4
    scores = 20.0 * np.eye(4, dtype=np.float32)[said]
    found = _counted(dataset, tiles, blocks, [(tiles, dataset.labels(tiles), scores)], True)
    assert found["counts"].sum() == len(tiles) == 100 and found["calibration_before"] == pytest.approx(0.25, abs=0.1)
    # Of four classes a score of 20 / T is right as often as it says at a T of 20 / ln(0.75 / (0.25 / 3)).
    assert found["temperature"] == pytest.approx(20 / np.log(9), rel=0.25) and found["calibration_after"] < found["calibration_before"]
    assert _counted(dataset, tiles, blocks, [(tiles, dataset.labels(tiles), scores)], False)["calibration_before"] is None


def test_the_tables_tell_calibration_and_work(scenes, tmp_path):
    asked = options(scenes, shares=(100.0,), draws=1)
    compare(str(tmp_path / "compared"), asked, 1, False, SILENT)
    heads = {name: (tmp_path / "compared" / f"{name}.csv").read_text(encoding="utf-8").splitlines()[0].split(",") for name in ("cells", "curves")}
    assert heads["cells"][-5:] == ["training_multiply_adds", "mapping_multiply_adds", *SURENESS] and heads["curves"][-2:] == list(SURENESS[:2])
    page = (tmp_path / "compared" / "report.html").read_text(encoding="utf-8")
    assert all(words in page for words in ("How far the probabilities are off", " → ", "of mapping one of the tiles [10⁹]", "random features"))


# --- what is said before, and what is refused

def test_one_draw_is_told_before_and_a_dry_run_leaves_nothing(scenes, tmp_path):
    heard = Listening()
    found = compare(str(tmp_path / "compared"), options(scenes, draws=1, shares=(1.0,)), 1, True, heard)
    assert (found["figures"], found["computed"]) == (5, 0) and found["minutes"] > 0 and not list((tmp_path / "compared" / "cells").iterdir())
    assert heard.warnings == [
        "“Draws” (draws) is 1: there will be no intervals and no verdict, for fewer than 3 draws tell nothing about chance. Five are usual.",
        "A share of 1 % would leave classes without a label, so of each some are kept: it is really 6.25 %."]


def test_a_class_without_a_training_label_is_refused(tmp_path):
    splits = ["validation" if number % 4 == 0 else "training" for number in range(24)]
    folder = write_scenes(tmp_path / "stripes", count=24, splits=splits)
    changed_on_purpose(folder)
    labels = np.load(next(folder.glob("labels*.npy")), mmap_mode="r+")
    labels[np.array(splits) == "training"] = np.minimum(labels[np.array(splits) == "training"], 2)
    labels[0] = 3
    labels.flush()
    description = json.loads((folder / "dataset.json").read_text())
    counts = {name: [int((labels[np.array(splits) == name] == place).sum()) for place in range(4)] for name in ("training", "validation", "test")}
    (folder / "dataset.json").write_text(json.dumps({**description, "class_pixels": counts}))
    with pytest.raises(DataError, match="bright columns"):
        Comparison(str(tmp_path / "compared"), options(folder))
    assert not (tmp_path / "compared").exists()


def test_a_dataset_that_is_half_copied_or_of_another_version_is_refused(scenes, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(scenes, half)
    shard = next(half.glob("image*.npy"))
    shard.unlink()
    with pytest.raises(DataError, match=rf"{shard.name} is missing or damaged"):
        Comparison(str(tmp_path / "compared"), options(half))
    later = tmp_path / "later"
    shutil.copytree(scenes, later)
    description = json.loads((later / "dataset.json").read_text())
    (later / "dataset.json").write_text(json.dumps({**description, "version": 99}))
    with pytest.raises(DataError, match="version"):
        Comparison(str(tmp_path / "compared"), options(later))


def test_what_a_kill_leaves_does_not_stand_in_the_way(scenes, tmp_path, monkeypatch):
    """Before the record is there, there is no folder; afterwards marks and half a training are forgotten, and no figure is lost."""
    folder, asked = tmp_path / "compared", options(scenes, shares=(100.0,), draws=1)
    with monkeypatch.context() as killed:
        killed.setattr("pathlib.Path.write_text", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            Comparison(str(folder), asked)
    assert not folder.exists()
    first = compare(str(folder), asked, 1, False, SILENT)
    scratch = next(path for path in (folder / "cells").iterdir() if "fine_tune" in path.name)
    kept = json.loads(scratch.read_text())
    scratch.unlink()
    scratch.with_suffix(".taken").touch()
    scratch.with_suffix(".run").mkdir()
    scratch.with_suffix(".random").mkdir()
    assert (first["computed"], compare(str(folder), asked, 1, False, SILENT)["computed"]) == (5, 1)
    assert {**json.loads(scratch.read_text()), "seconds": 0} == {**kept, "seconds": 0}
    assert {path.suffix for path in (folder / "cells").iterdir()} == {".json"}


# --- how long it takes

def test_the_estimate_adds_up_what_was_tried(scenes, tmp_path, monkeypatch):
    """Of trainings that begin in 2 s and a tenth more for each label and take half a second a step, and classifiers of 1 s."""
    asked = options(scenes, draws=2, shares=(25.0, 100.0), steps=40)
    comparison = Comparison(str(tmp_path / "compared"), asked)

    def tried(options, starts, trials, progress):
        assert {trial.cell.share for trial in trials if trial.steps} == {25.0, 100.0}
        return [1.0 if trial.steps is None else 2 + len(training_share(comparison.dataset, trial.cell.share, trial.cell.seed)) / 10
                + trial.steps / 2 for trial in trials]

    monkeypatch.setattr(estimating, "tried", tried)
    monkeypatch.setattr(estimating.time, "monotonic", iter((0.0, 0.0)).__next__)
    labels = sum(len(training_share(comparison.dataset, share, seed)) for share in (25.0, 100.0) for seed in (1, 2))
    expected = 4 * (2 + 20) + labels / 10 + 4 * 4 * 1.0
    assert estimating.estimate(comparison, 1, True, SILENT) == pytest.approx(expected, abs=sum([3 * 2.0 + 30, 7]) + 20)
    assert estimating.estimate(comparison, 1, False, SILENT) is None, "four trainings are not worth three tries"
