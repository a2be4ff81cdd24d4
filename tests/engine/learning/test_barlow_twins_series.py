"""Barlow Twins on series of dates: what views show, runs that start runs on series, and refusals."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.dates import read_series
from eo_pretrain_qgis.engine.learning.data import TileReader
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.checkpoints import load_tensors
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.series import TemporalAttention
from eo_pretrain_qgis.engine.learning.networks.starting_weights import load_weights
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins.recipe import pretrain_barlow_twins
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins.series import DateViews
from eo_pretrain_qgis.engine.learning.probes import Probe
from eo_pretrain_qgis.errors import DataError, ModelError
from tests.scenes_series import dated_tiles, write_crop_series
from tests.settings import barlow_twins as Settings
from tests.settings import finetuning

from ...arrays import changed_on_purpose
from ...listening import Listening

CPU = torch.device("cpu")
PRESTO = Path(__file__).resolve().parents[4] / "shared" / "data" / "weights" / "presto_default_model.pt"
QUICK = {"encoder": None, "epochs": 2, "batch_size": 64, "projector_width": 16, "warmup_epochs": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_crop_series(tmp_path_factory.mktemp("series") / "season", hidden=(7,), noise=900)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return write_crop_series(tmp_path_factory.mktemp("series") / "both", radar=True)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, folder):
    """A finished run with a probe; tests must not write into it."""
    path = tmp_path_factory.mktemp("runs") / "run"
    pretrain_barlow_twins(str(folder), str(path), Settings(**QUICK, probe=str(folder), probe_every=1), Listening())
    return path


def test_a_view_shows_some_of_the_clear_dates_as_encoders_see_them(folder):
    dataset = Dataset.open(folder)
    seen, every = dataset.inputs["image"], dataset.indices("all")
    batch = TileReader(dataset, dataset.inputs, 1, CPU).in_order(every, len(every))
    views, batch = DateViews(seen, Settings(**QUICK, smallest=0.3, largest=0.6), CPU), next(batch)
    values, days = read_series(dataset, seen, every)
    first, second = (views(batch, torch.Generator().manual_seed(seed)).numpy() for seed in (1, 2))
    count, clear = (first[..., 2] >= 0).sum(1), (days >= 0).sum(1)
    assert (first[..., 2][first[..., 2] >= 0] == days[first[..., 2] >= 0]).all(), "a date keeps its place, so what is shown was clear"
    assert (count >= np.ceil(0.3 * clear)).all() and (count <= np.ceil(0.6 * clear)).all() and len(set(count / np.maximum(clear, 1))) > 5
    shown = first[..., 2] >= 0
    assert first[..., :2][shown] == pytest.approx(((values - seen.centre) / seen.spread)[shown], abs=1e-4) and (first[..., :2][~shown] == 0).all()
    assert (first[..., 2] != second[..., 2]).mean() > 0.2
    assert (views(batch).numpy()[..., 2] == days).all()


def test_the_epoch_of_the_best_probe_is_kept_and_the_report_shows_series(pretrained):
    card = Run.open(str(pretrained)).card
    scores = [float(line.split(",")[11]) for line in (pretrained / "metrics.csv").read_text().split()[1:]]
    assert card["metrics"]["probe_score"] == pytest.approx(max(scores), abs=1e-9) and max(scores) > 0.5
    assert card["encoder"] == "ltae" and card["architecture"] == "barlow twins"
    page = (pretrained / "report.html").read_text()
    for words in ("Probe beside series statistics", "from the bands on the days of the season", "neighbours, NDVI over the season"):
        assert words in page


@pytest.mark.parametrize("how", [{"mode": "frozen"}, {"mode": "fine_tune"}, {"approach": "features"}])
def test_a_run_on_series_starts_from_it_with_its_scaling_and_days(pretrained, tmp_path, how):
    """The other series begin 20 days later and vary otherwise."""
    other = write_crop_series(tmp_path / "other", parcels=30, shift=20, seed=3, noise=300)
    finetune(str(other), str(tmp_path / "run"), finetuning(encoder=None, start=str(pretrained), epochs=1, keep="last", device="cpu", **how))
    before, run = load_tensors(str(pretrained / "encoder.safetensors")), Run.open(str(tmp_path / "run"))
    network = run.load_network(CPU)
    after = network.encoder.state_dict()
    assert before.keys() == after.keys() and len(before) == 17
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert bool(changed) == (how.get("mode") == "fine_tune") and "start" not in changed
    theirs, ours = Run.open(str(pretrained)).inputs["image"], run.inputs["image"]
    assert (theirs.spread, np.float32(theirs.centre).tolist()) == (ours.spread, pytest.approx(np.float32(ours.centre).tolist(), abs=1e-3))
    assert float(after["start"]) == theirs.days[0] == 70 and ours.days[0] == 90


def test_pretraining_goes_on_from_another_run(pretrained, folder, tmp_path):
    heard = Listening()
    pretrain_barlow_twins(str(folder), str(tmp_path / "run"), Settings(**{**QUICK, "epochs": 1}, start=str(pretrained), neighbours=3), heard)
    assert any(text.startswith("Starting weights: 17 tensors taken over; left new: projector.0.weight") for text in heard.texts)
    assert any(text.startswith("Of the 3 tiles nearest to a tile") for text in heard.texts)


def test_each_of_two_sensors_gets_an_encoder_that_starts_its_series(both, tmp_path):
    found = pretrain_barlow_twins(str(both), str(tmp_path / "run"), Settings(**{**QUICK, "encoder": "lstm"}, sensors="pair"))
    assert 0 < found["validation_loss"] < 100
    assert "nearest neighbours in s1, VV over the season" in (tmp_path / "run" / "report.html").read_text()
    for sensor, bands in (("image", 2), ("s1", 2)):
        finetune(str(both), str(tmp_path / sensor), finetuning(encoder=None, start=str(tmp_path / "run"), sensor=sensor, mode="frozen", epochs=1,
                                                               keep="last", device="cpu"))
        before = load_tensors(str(tmp_path / "run" / f"encoder_{sensor}.safetensors"))
        after = Run.open(str(tmp_path / sensor)).load_network(CPU).encoder.state_dict()
        assert all(torch.equal(before[name], tensor) for name, tensor in after.items())
        assert after["forwards.weight_ih_l0"].shape[1] == bands + 3


def test_weights_of_one_sensor_start_no_pair(pretrained, both, tmp_path):
    with pytest.raises(ModelError, match="know the bands B04, B08, and here are VV, VH. Choose a run on the same bands in the same order."):
        pretrain_barlow_twins(str(both), str(tmp_path / "run"), Settings(**QUICK, start=str(pretrained), sensors="pair"))
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not PRESTO.is_file(), reason="Presto's weights are not beside this checkout.")
@pytest.mark.realdata
def test_published_weights_learn_on(folder, tmp_path):
    """Of the calendar's months some dates remain in a view; tensors that no band here reaches are not learned."""
    pretrain_barlow_twins(str(folder), str(tmp_path / "run"), Settings(**QUICK, start=str(PRESTO)))
    card, after = Run.open(str(tmp_path / "run")).card, load_tensors(str(tmp_path / "run" / "encoder.safetensors"))
    before = load_weights(str(PRESTO))
    assert card["encoder"] == "presto" and abs(float(after["place"].square().sum()) - 1) < 1e-5
    assert 0 < float((after["blocks.0.attn.qkv.weight"] - before["encoder.blocks.0.attn.qkv.weight"]).abs().max()) < 0.1
    finetune(str(folder), str(tmp_path / "next"), finetuning(encoder=None, start=str(tmp_path / "run"), mode="frozen", epochs=1, keep="last",
                                                             device="cpu"))
    assert torch.equal(Run.open(str(tmp_path / "next")).load_network(CPU).encoder.state_dict()["norm.weight"], after["norm.weight"])


def test_runs_of_older_versions_count_from_the_first_day_of_their_dataset():
    network = TemporalAttention(2, 80.0)
    old = {name: tensor for name, tensor in TemporalAttention(2, 5.0).state_dict().items() if name != "start"}
    network.load_state_dict(old)
    assert float(network.start) == 80


def test_weights_of_another_part_of_the_year_are_refused(pretrained, tmp_path):
    later = write_crop_series(tmp_path / "later", parcels=12, shift=200, seed=3)
    with pytest.raises(ModelError, match=re.escape("encoder.safetensors learned from dates of 12 March to 13 October, and these series are of")):
        finetune(str(later), str(tmp_path / "run"), finetuning(encoder=None, start=str(pretrained), device="cpu"))
    assert not (tmp_path / "run").exists()


def test_what_has_no_views_is_refused(folder, tmp_path):
    def asked(where=folder, **given):
        pretrain_barlow_twins(str(where), str(tmp_path / "run"), Settings(**{**QUICK, **given}))

    with pytest.raises(ModelError, match="The encoder “resnet18” is for images, and these are series of dates. Choose ltae"):
        asked(encoder="resnet18")
    with pytest.raises(DataError, match=r"A view of 16 px was asked for, and .* holds series of single places. Leave “Size of a view” empty."):
        asked(crop=16)
    with pytest.raises(DataError, match=r"The least share of the dates in a view \(0.6\) is larger than the largest \(0.5\). Exchange the two"):
        asked(smallest=0.6, largest=0.5)
    with pytest.raises(DataError, match=r"No training series of image in .* has two clear dates, so two views of a place would be the same."):
        asked(write_crop_series(tmp_path / "dark", parcels=12, cloudy=1))
    with pytest.raises(DataError, match="holds dated tiles, of which Barlow Twins has no views. Choose a dataset of series"):
        asked(dated_tiles(tmp_path))
    assert not (tmp_path / "run").exists()


def dataset_with_flags(both, folder, change):
    """The series of two sensors, whose flags (place, date) of each sensor `change` has changed."""
    shutil.copytree(both, folder)
    for name, sensor in (("flags", "image"), ("flags_s1", "s1")):
        for path in folder.glob(f"{name}-[0-9]*.npy"):
            changed_on_purpose(folder)
            flags = np.load(path, mmap_mode="r+")
            change(flags, sensor)
            flags.flush()
    return folder


def half(flags, sensor):
    """Every second parcel, of four series, is seen by one sensor and the others by the other."""
    flags[np.arange(len(flags)) // 4 % 2 == (sensor == "s1")] = 1


def one_date(flags, sensor):
    flags[:, 1:] = 1


@pytest.mark.parametrize(("change", "sentence"), [
    (half, "No training place in {folder} has a clear date of image and one of s1, so nothing shows what both see. Choose series of the same places, "
           "or “one” and a sensor."),
    (one_date, "No training series of image in {folder} has two clear dates, so two views of a place would be the same. Add dates, or check the "
               "cloud masks.")])
def test_series_that_show_no_place_twice_are_refused(both, tmp_path, change, sentence):
    folder = dataset_with_flags(both, tmp_path / "data", change)
    with pytest.raises(DataError) as error:
        pretrain_barlow_twins(str(folder), str(tmp_path / "run"), Settings(**QUICK, sensors="pair"))
    assert str(error.value) == sentence.format(folder=folder)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("bands", "sentence"), [
    ("B04,B08", "None of the bands B04, B08 is of s1, whose bands are VV, VH. Name some of each sensor, or none to take all."),
    ("VV,VH", "None of the bands VV, VH is of image, whose bands are B04, B08. Name some of each sensor, or none to take all.")])
def test_a_pair_without_the_bands_of_one_sensor_is_refused(both, tmp_path, bands, sentence):
    with pytest.raises(DataError) as error:
        pretrain_barlow_twins(str(both), str(tmp_path / "run"), Settings(**QUICK, sensors="pair", bands=bands))
    assert str(error.value) == sentence
    assert not (tmp_path / "run").exists()


def test_series_statistics_are_what_a_probe_has_to_beat(folder):
    dataset = Dataset.open(folder)
    found = Probe(dataset).statistics(dataset.inputs["image"])
    assert found["probe_linear"] > 0.8
