"""Starting weights of two sensors: each encoder gets those of its own, and those of the other are refused."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from eo_pretrain_qgis.engine.learning.finetuning.recipe import FineTuning, finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins.recipe import pretrain_barlow_twins
from eo_pretrain_qgis.errors import DataError, JobError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from tests import scenes_pretraining
from tests.settings import barlow_twins, finetuning

from ...listening import Listening
from .conftest import SMALL
from .tiny_pairs import write_pairs

BRIEF = {"encoder": SMALL, "epochs": 1, "epoch_steps": 2, "batch_size": 4, "device": "cpu"}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("starts")


@pytest.fixture(scope="module")
def data(root):
    return write_pairs(root / "pairs", task="scene")


@pytest.fixture(scope="module")
def alone(root, data):
    """Name of a sensor → a run that saw it alone; tests must not write into it."""
    for name in ("s2", "s1"):
        finetune(str(data), str(root / name), finetuning(**BRIEF, sensor=name))
    return {name: root / name for name in ("s2", "s1")}


@pytest.fixture(scope="module")
def pair(root):
    """A run of Barlow Twins on two sensors whose bands are the first two of s2 and those of s1."""
    made = scenes_pretraining.unlabelled_paired(root)
    pretrain_barlow_twins(str(made), str(root / "pair"), barlow_twins(
        encoder=SMALL, epochs=1, batch_size=8, projector_width=8, sensors="pair", device="cpu", crop=32), Listening())
    return root / "pair"


def tensors(encoder):
    return {name: tensor for name, tensor in encoder.state_dict().items() if "num_batches" not in name}


def encoders(folder):
    return [tensors(branch.encoder) for branch, _ in Run.open(str(folder)).load_network(CPU).branches]


def same(ours, path):
    theirs = load_file(path)
    return all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


@pytest.mark.parametrize("fusion", ["feature", "all_levels", "gated", "mean_of_heads"])
def test_each_encoder_gets_the_weights_of_its_sensor_and_keeps_them_frozen(fusion, data, alone, tmp_path):
    heard = Listening()
    starts = {"start": str(alone["s2"]), "second_start": str(alone["s1"])}
    finetune(str(data), str(tmp_path / "run"), finetuning(**BRIEF, fusion=fusion, mode="frozen", **starts), heard)
    optical, radar = encoders(tmp_path / "run")
    assert same(optical, alone["s2"] / "encoder.safetensors") and same(radar, alone["s1"] / "encoder.safetensors")
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    assert card["start"]["path"] == str(alone["s2"]) and card["second_start"]["path"] == str(alone["s1"])
    assert sum(text.startswith("Starting weights: ") for text in heard.texts) == 2
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("tensors taken over") == 2
    for name in ("s2", "s1"):
        assert same(encoders(tmp_path / "run")[name == "s1"], tmp_path / "run" / f"encoder_{name}.safetensors")


def test_one_run_of_both_sensors_gives_each_its_own(pair, tmp_path):
    """The sensors of the dataset are those of the run; without a second start the folder of a pair is enough."""
    names = sorted(path.name for path in pair.glob("encoder_*.safetensors"))
    cards = {name: json.loads((pair / name.replace(".safetensors", ".json")).read_text()) for name in names}
    data = write_pairs(tmp_path / "pairs", task="scene")
    heard = Listening()
    finetune(str(data), str(tmp_path / "run"), finetuning(**BRIEF, fusion="gated", mode="frozen", start=str(pair)), heard)
    optical, radar = encoders(tmp_path / "run")
    of_radar = next(name for name, card in cards.items() if card["bands"][0]["name"] == "VV")
    of_optical = next(name for name in names if name != of_radar)
    inside = {name: tensor for name, tensor in optical.items() if tensor.ndim < 4 or tensor.shape[1] != 3}  # all but what bands enter by
    assert same(radar, pair / of_radar) and same(inside, pair / of_optical)
    assert not any("begins from scratch" in text for text in heard.texts)


def test_an_encoder_without_weights_begins_anew_and_says_so(data, alone, tmp_path):
    heard = Listening()
    finetune(str(data), str(tmp_path / "run"), finetuning(**BRIEF, fusion="gated", mode="frozen", second_start=str(alone["s1"])), heard)
    assert "The encoder of s2 begins from scratch: no starting weights were given for it." in heard.texts
    optical, radar = encoders(tmp_path / "run")
    assert same(radar, alone["s1"] / "encoder.safetensors") and not same(optical, alone["s2"] / "encoder.safetensors")


def test_a_fused_run_starts_another_one(data, alone, tmp_path):
    """Its folder has an encoder of each sensor, too; that of early fusion one of all bands."""
    finetune(str(data), str(tmp_path / "first"), finetuning(**BRIEF, fusion="mean_of_heads"))
    finetune(str(data), str(tmp_path / "second"), finetuning(**BRIEF, fusion="feature", mode="frozen", start=str(tmp_path / "first")))
    for ours, theirs in zip(encoders(tmp_path / "second"), encoders(tmp_path / "first"), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    finetune(str(data), str(tmp_path / "early"), finetuning(**BRIEF, fusion="early"))
    finetune(str(data), str(tmp_path / "again"), finetuning(**BRIEF, fusion="early", mode="frozen", start=str(tmp_path / "early")))
    assert same(encoders(tmp_path / "again")[0], tmp_path / "early" / "encoder.safetensors")


def test_weights_of_the_other_sensor_are_refused_by_name(data, alone, tmp_path):
    with pytest.raises(ModelError) as error:
        finetune(str(data), str(tmp_path / "run"), finetuning(**BRIEF, fusion="gated", start=str(alone["s1"])))
    assert str(error.value) == (f"The starting weights {alone['s1']} know VV, VH, and the encoder of s2 sees B02, B03, B04. Give them as "
                                "“Starting weights of the second sensor” (second_start), or leave “start” empty.")
    with pytest.raises(ModelError) as error:
        finetune(str(data), str(tmp_path / "run"), finetuning(**BRIEF, fusion="gated", second_start=str(alone["s2"])))
    assert str(error.value) == (f"The starting weights {alone['s2']} know B02, B03, B04, and the encoder of s1 sees VV, VH. Give them as "
                                "“Starting weights” (start), or leave “second_start” empty.")
    assert not (tmp_path / "run").exists()
    other = tmp_path / "hh"
    shutil.copytree(alone["s1"], other)
    card = json.loads((other / "encoder.json").read_text())
    card["bands"][0]["name"], card["bands"][1]["name"] = "HH", "HV"
    (other / "encoder.json").write_text(json.dumps(card))
    for name in ("best.safetensors", "run.json"):
        (other / name).unlink()
    with pytest.raises(ModelError, match="know HH, HV, and the encoder of s2 sees B02, B03, B04. Give weights of s2, or leave “start” empty."):
        finetune(str(data), str(tmp_path / "run"), finetuning(**BRIEF, fusion="feature", start=str(other)))


def test_weights_of_two_encoders_are_refused(data, alone, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(alone["s1"], other)
    for name in ("encoder.json", "run.json"):
        card = json.loads((other / name).read_text())
        (other / name).write_text(json.dumps({**card, "encoder": "resnet18"}))
    (other / "best.safetensors").unlink()
    with pytest.raises(ModelError) as error:
        finetune(str(data), str(tmp_path / "run"), finetuning(**{**BRIEF, "encoder": None}, fusion="gated", start=str(alone["s2"]),
                                                              second_start=str(other)))
    assert str(error.value) == (f"The starting weights {other} of s1 (second_start) are of the encoder “resnet18”, and both sensors have “{SMALL}” "
                                "here. Give weights of one encoder for both.")


def of_other_radar(folder, alone):
    """The encoder of s1 alone, of bands that another radar has."""
    shutil.copytree(alone["s1"], folder)
    card = json.loads((folder / "encoder.json").read_text())
    card["encoder"] = "resnet18"
    (folder / "encoder.json").write_text(json.dumps(card))
    for name in ("best.safetensors", "run.json"):
        (folder / name).unlink()
    return folder


@pytest.mark.parametrize("second", ["of the other sensor", "of another encoder"])
def test_foreign_second_weights_are_refused_before_tiles_are_read(second, data, alone, tmp_path, monkeypatch):
    def read(*_):
        raise AssertionError("tiles were read")

    start = alone["s2"] if second == "of the other sensor" else of_other_radar(tmp_path / "other", alone)
    words = "know B02, B03, B04, and the encoder of s1 sees VV, VH." if second == "of the other sensor" else (
        f"of s1 (second_start) are of the encoder “resnet18”, and both sensors have “{SMALL}” here.")
    monkeypatch.setattr(FineTuning, "__init__", read)
    with pytest.raises(ModelError) as error:
        finetune(str(data), str(tmp_path / "run"), finetuning(**BRIEF, fusion="gated", start=str(alone["s2"]), second_start=str(start)))
    assert str(error.value).startswith(f"The starting weights {start} {words}")
    assert not (tmp_path / "run").exists()


def test_the_encoder_of_the_second_weights_is_taken_where_there_are_no_others(data, alone, tmp_path):
    finetune(str(data), str(tmp_path / "run"), finetuning(**{**BRIEF, "encoder": None}, fusion="gated", mode="frozen", second_start=str(alone["s1"])))
    assert Run.open(str(tmp_path / "run")).card["encoder"] == SMALL
    assert same(encoders(tmp_path / "run")[1], alone["s1"] / "encoder.safetensors")


@pytest.mark.parametrize("way", ["slope", "none"])
@pytest.mark.parametrize("asked", [{"fusion": "early"}, {"fusion": "gated"}, {"fusion": "early", "approach": "statistics"}])
def test_an_incidence_angle_that_no_sensor_has_is_refused_with_the_bands_of_both(way, asked, data, tmp_path):
    with pytest.raises(DataError) as error:
        finetune(str(data), str(tmp_path / "run"), finetuning(**{**BRIEF, **asked}, incidence_angle=way))
    assert str(error.value) == (f"“Incidence angle” (incidence_angle) is {way}, and the chosen bands of {data} (B02, B03, B04, VV, VH) have none in "
                                "degrees. Leave it at “band”, or choose a dataset made with the incidence angle.")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("approach", ["network", "statistics"])
def test_two_sensors_without_a_fusion_are_refused(approach, data, tmp_path):
    with pytest.raises(DataError) as error:
        finetune(str(data), str(tmp_path / "run"), finetuning(**{**BRIEF, "approach": approach}, sensor="s2,s1"))
    assert str(error.value) == ("“Sensor” (sensor) is “s2,s1”, and “Fusion” (fusion) is none, which sees one of them. Choose a fusion, or name one "
                                "sensor.")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("values", "sentence"), [
    ({"second_start": "x"}, "“Starting weights of the second sensor” (second_start) was given, and with the fusion “none” the network sees one "
     "sensor. Leave it empty, or choose a fusion with two encoders: feature, all_levels, gated, mean_of_heads."),
    ({"second_start": "x", "fusion": "early"}, "“Starting weights of the second sensor” (second_start) was given, and with the fusion "
     "“early” the network has one encoder for both sensors. Leave it empty, or choose a fusion with two encoders: feature, all_levels, "
     "gated, mean_of_heads."),
    ({"approach": "boosting", "fusion": "gated"}, "The approach “boosting” sees the bands of both sensors together, and the fusion “gated” was "
     "asked for. Choose the fusion “early”, or the approach “network”."),
    ({"mode": "knn", "start": "x", "fusion": "gated"}, "The mode “knn” is for one encoder of one sensor, and the fusion “gated” joins "
     "two. Choose the mode “frozen”, or the fusion “none”."),
    ({"approach": "features", "start": "x", "fusion": "early"}, "The approach “features” is for one encoder of one sensor, and the fusion "
     "“early” joins "
     "two. Choose the mode “frozen”, or the fusion “none”."),
    ({"incidence_angle": "gaussian", "fusion": "feature"}, "“Incidence angle” (incidence_angle) is gaussian, which is for one sensor, and "
     "the fusion “feature” joins two. Choose “band”, “none” or “slope”."),
    ({"spread_labels": "yes", "fusion": "feature"}, "“Spread the labels” (spread_labels) asks what one encoder finds alike, and the fusion “feature” "
     "joins two sensors. Choose “no”.")])
def test_what_does_not_go_with_one_or_two_sensors_is_refused(values, sentence, data, tmp_path):
    given = {name: str(data) if value == "x" else value for name, value in values.items()}
    with pytest.raises(JobError) as error:
        JOBS["finetune"].from_values({"dataset": str(data), "output": str(tmp_path / "run"), **given})
    assert str(error.value) == sentence


@pytest.mark.parametrize(("values", "engines"), [({}, ("train", "predict")), ({"fusion": "early"}, ("train", "predict")),
                                                 ({"fusion": "gated"}, ("train",)), ({"approach": "statistics", "fusion": "early"}, ("predict",))])
def test_which_engine_joins_sensors(values, engines, data, tmp_path):
    assert JOBS["finetune"].from_values({"dataset": str(data), "output": str(tmp_path / "run"), **values}).engines() == engines
