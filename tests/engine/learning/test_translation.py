"""Translation between two sensors: sizes, masks, history, figures with known answers, resumption, and what other runs can start from."""

import csv

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.data import Batch, TileReader
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.class_networks import SegmentationNetwork
from eo_pretrain_qgis.engine.learning.networks.starting_weights import start_from
from eo_pretrain_qgis.engine.learning.pretraining.translation.figures import LinearBaseline, Sums
from eo_pretrain_qgis.engine.learning.pretraining.translation.generators import BandScaling, ResidualGenerator, UnetGenerator
from eo_pretrain_qgis.engine.learning.pretraining.translation.method import (
    HISTORY_STEP,
    DiscriminatorPair,
    GeneratorPair,
    History,
    Translation,
    judged,
    l1,
    same_bands,
)
from eo_pretrain_qgis.engine.learning.pretraining.translation.recipe import TranslationRecipe, pretrain_translation
from eo_pretrain_qgis.engine.learning.pretraining.translation.sensor_tiles import PairReader
from tests import scenes_pretraining, scenes_translation
from tests.inputs import input_band, inputs
from tests.settings import translation as Settings

from .conftest import SMALL
from .test_training import train

QUICK = {"generator": "residual", "generator_width": 4, "discriminator_width": 4, "batch_size": 6, "device": "cpu", "history": 5}


@pytest.fixture(scope="module")
def paired(tmp_path_factory):
    return Dataset.open(scenes_pretraining.unlabelled_paired(tmp_path_factory.mktemp("translation")))


def reader_of(dataset, paired=True, **facts):
    scalings = [BandScaling(seen.bands) for seen in dataset.inputs.values()]
    return PairReader(TileReader(dataset, dataset.inputs, 1, torch.device("cpu")), scalings, paired=paired, batch_size=4, **facts)


def noise():
    """Two tiles of one band of each of two sensors."""
    images = {name: torch.randn(2, 1, 32, 32) for name in ("s2", "s1")}
    return Batch(images, {name: torch.ones(2, 32, 32, dtype=torch.bool) for name in images}, np.arange(2), torch.ones(2))


@pytest.mark.parametrize("bands", [1, 2, 3, 13])
@pytest.mark.parametrize("size", [(32, 32), (45, 33)])
def test_generators_keep_the_size_of_any_image(bands, size):
    image = torch.randn(2, bands, *size)
    assert ResidualGenerator(bands, 3, 64, 4)(image).shape == (2, 3, *size)
    unet = UnetGenerator(SMALL, inputs(bands)["image"], 2)
    assert unet(image).shape == (2, 2, *size)


def test_the_tile_decides_the_number_of_residual_blocks():
    assert [ResidualGenerator(1, 1, side, 4).blocks for side in (32, 128, 256, 512)] == [6, 6, 9, 9]


def test_stored_units_come_back_and_stay_in_the_range_of_the_training_pixels():
    scaling = BandScaling([input_band("B02", 1000, 200)])
    stored = torch.tensor([-5000.0, 0.0, 990.0, 1000.0, 3000.0]).view(1, 1, 1, 5)
    assert torch.allclose(scaling.inverse(scaling(stored)), stored, atol=0.1)
    assert float(scaling.inverse(torch.full((1, 1, 1, 1), 30.0))) == 1000 + 50 * 200


def test_pixels_that_were_not_measured_do_not_count(paired):
    made = torch.randn(1, 2, 32, 32, requires_grad=True)
    known = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    known[..., :16] = False
    l1(made, torch.zeros(1, 2, 32, 32), known).backward()
    assert float(made.grad[..., :16].abs().max()) == 0
    logits = torch.tensor([[[[5.0, 1.0], [5.0, 1.0]]]])
    assert float(judged(logits, known)) == 1, "patches that saw nothing are not judged"
    batch = next(reader_of(paired, turn=False).epoch(1, 0))
    values = batch.images["s1"]
    hidden = ~batch.valid["s1"][:, None].expand_as(values)
    assert hidden.any(), "the scene has nodata"
    assert float(values[hidden].abs().max()) == 0


TWO = ((input_band("a"),), (input_band("b"),))


def method_of(paired_mode, bands=TWO):
    ours = tuple(list(side) for side in bands)
    torch.manual_seed(1)
    generators = GeneratorPair(ResidualGenerator(len(ours[0]), len(ours[1]), 32, 4), ResidualGenerator(len(ours[1]), len(ours[0]), 32, 4))
    numbers = (2, 2) if paired_mode else (1, 1)
    reader = type("Reader", (), {"paired": paired_mode, "names": ["s2", "s1"]})()
    return Translation(generators, DiscriminatorPair(numbers, 32, 4, 3), reader, (BandScaling(ours[0]), BandScaling(ours[1])), ours,
                       Settings())


@pytest.mark.parametrize("paired_mode", [True, False])
def test_each_part_learns_from_its_own_loss_alone(paired_mode):
    method = method_of(paired_mode)
    batch = noise()
    method.loss("generators", method.parts, batch).backward()
    assert all(parameter.grad is None for parameter in method.discriminators.parameters())
    assert all(parameter.grad is not None for parameter in method.generators.parameters())
    method.generators.zero_grad(set_to_none=True)
    method.loss("discriminators", method.parts, batch).backward()
    assert all(parameter.grad is None for parameter in method.generators.parameters())
    assert any(parameter.grad is not None for parameter in method.discriminators.parameters())


@pytest.mark.parametrize("paired_mode", [True, False])
def test_the_discriminators_see_the_images_the_generators_learned_from(tmp_path, monkeypatch, paired_mode):
    method, made = method_of(paired_mode), []
    method.reader.steps = 2
    method.reader.epoch = lambda seed, epoch: (noise() for _ in range(2))
    monkeypatch.setattr(method, "validate", lambda progress: np.zeros(1))
    monkeypatch.setattr(method, "figures", lambda sums: {})
    method.generators.register_forward_hook(lambda *_: made.append(1))
    train(method, tmp_path, epochs=1, learning_rate=1e-4)
    assert len(made) == method.steps


def test_what_the_source_did_not_see_teaches_nothing():
    method = method_of(False)
    seen = torch.ones(2, 1, 32, 32, dtype=torch.bool)
    seen[:, :, :8] = False
    values = torch.randn(2, 1, 32, 32) * seen
    made = method.generators(values, seen, values, seen)
    assert float(made["second"][:, :, :8].detach().abs().max()) == 0


def test_the_identity_counts_only_between_equal_bands():
    assert method_of(False, ((input_band("B02"),), (input_band("B02"),))).identity
    assert not method_of(False).identity
    assert not method_of(True, ((input_band("B02"),), (input_band("B02"),))).identity
    assert not same_bands([input_band("B02", unit="reflectance")], [input_band("B02", unit="dB")])


def test_the_history_keeps_images_and_shows_old_ones():
    torch.manual_seed(0)
    history = History(4, 1, 8)
    first = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 8, 8) + 0.1
    shown, _ = history.exchange(first, torch.ones(4, 1, 8, 8, dtype=torch.bool))
    assert torch.equal(shown, first), "while it fills, what comes is shown"
    later = torch.full((40, 1, 8, 8), 9.0)
    shown, _ = history.exchange(later, torch.ones(40, 1, 8, 8, dtype=torch.bool))
    old = shown[:, 0, 0, 0] != 9
    assert old.any()
    assert not old.all()
    assert float((shown[old][0, 0, 0, 0] - first[:, 0, 0, 0]).abs().min()) <= HISTORY_STEP
    again = History(4, 1, 8)
    again.load_state_dict(history.state_dict())
    assert torch.equal(again.images, history.images)
    assert int(again.filled) == 4


def test_figures_have_known_answers():
    sums = Sums(([input_band("a")], [input_band("b", 1000, 200, "reflectance", 1e-4)]))
    truth = np.full((1, 1, 4, 4), 1000.0)
    known = np.ones((1, 4, 4), bool)
    known[:, :2] = False
    made = truth + 12
    made[:, :, :2] = 1e6
    sums.add_error(0, made, truth, known)
    (row,) = sums.per_band(0)
    assert row["error"] == pytest.approx(12e-4)
    assert row["psnr"] == pytest.approx(20 * np.log10(1200 / 12))
    assert sums.error(0) == pytest.approx(np.arcsinh(12 / 200))
    assert sums.error(1) is None
    values = np.random.default_rng(1).normal(0, 1, (1, 1, 100, 100))
    sums.add_values("made", 0, values, np.ones((1, 100, 100), bool))
    sums.add_values("real", 0, values + 0.5, np.ones((1, 100, 100), bool))
    assert sums.distance(0) == pytest.approx(0.5, abs=0.01)
    assert Sums(sums.bands, 2 * sums.flat()).error(0) == pytest.approx(sums.error(0)), "sums of processes add up"


def test_the_regression_finds_a_linear_relation(tmp_path):
    images = scenes_pretraining.optical(12, 2, nodata_rows=0).astype(np.float32)
    mixed = np.stack([0.3 * images[:, 0] - 0.2 * images[:, 1] + 7, images[:, 1] + 1], 1)
    sensors = scenes_pretraining.optical_sensor(("B04", "B03"), "a"), scenes_pretraining.radar_sensor(("VV", "VH"), "b")
    folder = scenes_pretraining.write_unlabelled(tmp_path / "linear", [[(sensors[0], images.astype(np.uint16)), (sensors[1], mixed)]], mode="paired")
    dataset = Dataset.open(folder)
    reader = reader_of(dataset)
    sums = LinearBaseline(reader, tuple(seen.bands for seen in dataset.inputs.values())).sums("validation")
    assert sums.error(0) < 0.005
    assert sums.psnr(0) > 45


def test_batches_show_all_tiles_and_pair_them(paired, tmp_path):
    unpaired = Dataset.open(scenes_pretraining.unlabelled_unpaired(tmp_path))
    reader = reader_of(unpaired, paired=False)
    assert [len(found) for found in reader.training] == [12, 8]
    batches = list(reader.epoch(1, 0))
    assert [len(batch) for batch in batches] == [4, 4, 4]
    batch = next(reader_of(paired).epoch(3, 0))
    first, second = (batch.images[name][:, 0].flatten(1) for name in ("s2", "s1"))
    alike = [float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in zip(first, second)]
    assert min(alike) > 0.5, "the tiles of a pair are turned alike"


def losses(folder):
    with open(folder / "metrics.csv", encoding="utf-8") as stream:
        return [(row["loss"], row["translation_score"]) for row in csv.DictReader(stream)]


def test_the_last_epoch_is_kept(paired):
    plan = TranslationRecipe(paired, Settings(**QUICK, mode="paired", epochs=9)).plan()
    assert (plan.keep, plan.patience) == ("last", 9)


def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path, monkeypatch):
    folder = str(scenes_pretraining.unlabelled_unpaired(tmp_path))
    asked = {**QUICK, "mode": "unpaired", "epochs": 2}
    pretrain_translation(folder, str(tmp_path / "whole"), Settings(**asked))
    calls = []
    kept = Translation.batches

    def until_killed(self, seed, epoch):
        if epoch == 1 and not calls:
            calls.append(epoch)
            raise KeyboardInterrupt
        return kept(self, seed, epoch)

    monkeypatch.setattr(Translation, "batches", until_killed)
    with pytest.raises(KeyboardInterrupt):
        pretrain_translation(folder, str(tmp_path / "stopped"), Settings(**asked))
    pretrain_translation(folder, str(tmp_path / "stopped"), Settings(**asked))
    assert losses(tmp_path / "stopped") == losses(tmp_path / "whole")
    page = (tmp_path / "whole" / "report.html").read_text(encoding="utf-8")
    assert "Place and data it learned from" in page and " ha under the tiles" in page


def test_both_encoders_start_other_networks(tmp_path):
    run = Run.open(str(scenes_translation.translation_run(tmp_path)))
    for name, bands in (("s2", ("B04", "B03", "B02")), ("s1", ("VV", "VH"))):
        network = SegmentationNetwork(SMALL, inputs(len(bands)), 2)
        matched = start_from(network, run.path(f"encoder_{name}.safetensors"), list(bands))
        assert not [left for left in matched.left_new if left.startswith("encoder.")]
        assert not matched.adapted
    baseline, found = run.card["baseline"], run.card["sums"]
    assert [row["name"] for row in found[0]["bands"]] == ["VV", "VH"]
    assert baseline[1]["bands"][0]["psnr"] > 10
