"""Every method on every number of bands, with tiles whose side no network divides: one epoch, a finite loss, encoders that load again."""

import csv
import json
import math
from functools import cache

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import SensorInfo
from eo_pretrain_qgis.engine.learning.finetuning import recipe as finetuning
from eo_pretrain_qgis.engine.learning.loop import training, training_runs
from eo_pretrain_qgis.engine.learning.loop.checkpoints import load_tensors
from eo_pretrain_qgis.engine.learning.networks.encoders import build_encoder
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins import recipe as barlow_twins
from eo_pretrain_qgis.engine.learning.pretraining.inpainting import recipe as inpainting
from eo_pretrain_qgis.engine.learning.pretraining.multitask import recipe as multitask
from eo_pretrain_qgis.engine.learning.pretraining.translation import recipe as translation
from eo_pretrain_qgis.engine.rasters.sensors import Band
from tests import settings
from tests.scenes_pretraining import backscatter, optical, radar_sensor, write_unlabelled

from .conftest import SMALL
from .tiny import write_dataset
from .tiny_scenes import write_scenes

#: Side of the tiles, pixels, for each number of bands.
SIDES = {1: 33, 2: 47, 3: 45, 13: 33}
SPLITS = ["training"] * 4 + ["validation"] * 2
BRIEF = {"encoder": SMALL, "epochs": 1, "device": "cpu"}


@pytest.fixture(autouse=True)
def weights_only(monkeypatch):
    """Reports and checkpoints have tests of their own, and here they would take most of the time."""
    monkeypatch.setattr(training_runs._Keeper, "_write_report", lambda *facts: None)
    monkeypatch.setattr(training, "save_state", lambda *facts: None)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """Makes a dataset of a kind with so many bands, once."""
    place = tmp_path_factory.mktemp("datasets")

    def sensor(bands, name="image"):
        names = tuple(Band(f"B{number + 2:02}", None, "reflectance", 1e-4, 0.0) for number in range(bands))
        return SensorInfo(name, "sentinel2_l2a", "uint16", 0, names)

    @cache
    def make(kind, bands):
        folder, side, count = place / f"{kind}-{bands}", SIDES[bands], len(SPLITS)
        if kind == "labelled":
            return str(write_dataset(folder, count, side, bands, splits=SPLITS))
        if kind == "scenes":
            return str(write_scenes(folder, count, side, bands, splits=SPLITS))
        if kind == "unlabelled":
            return str(write_unlabelled(folder, [[(sensor(bands), optical(count, bands, side))]], SPLITS))
        radar = (radar_sensor(name="s1"), backscatter(count, 2, side))
        if kind == "paired":
            return str(write_unlabelled(folder, [[(sensor(bands, "s2"), optical(count, bands, side)), radar]], SPLITS, mode="paired"))
        groups = [[(sensor(bands, "s2"), optical(count, bands, side))], [radar]]
        return str(write_unlabelled(folder, groups, SPLITS * 2, mode="unpaired"))

    return make


def inpaint(make, bands, run):
    chosen = settings.inpainting(batch_size=2, discriminator_width=4, discriminator_layers=2, adversarial_warmup=0, **BRIEF)
    return inpainting.pretrain_inpainting(make("unlabelled", bands), run, chosen)


def twins(make, bands, run):
    return barlow_twins.pretrain_barlow_twins(make("unlabelled", bands), run, settings.barlow_twins(batch_size=4, projector_width=16, **BRIEF))


def twins_of_two(make, bands, run):
    chosen = settings.barlow_twins(sensors="pair", batch_size=4, projector_width=16, **BRIEF)
    return barlow_twins.pretrain_barlow_twins(make("paired", bands), run, chosen)


def translate(mode):
    def method(make, bands, run):
        chosen = settings.translation(mode=mode, batch_size=2, generator_width=4, discriminator_width=4, history=2, **BRIEF)
        return translation.pretrain_translation(make(mode, bands), run, chosen)

    return method


def many_tasks(make, bands, run):
    chosen = settings.multitask(batch_size=2, inner_steps=2, **BRIEF)
    return multitask.pretrain_multitask([make("labelled", bands), make("unlabelled", bands)], run, chosen)


def finetune(kind):
    def method(make, bands, run):
        return finetuning.finetune(make(kind, bands), run, settings.finetuning(batch_size=2, **BRIEF))

    return method


METHODS = {"inpainting": inpaint, "barlow twins": twins, "barlow twins of two sensors": twins_of_two, "translation, paired": translate("paired"),
           "translation, unpaired": translate("unpaired"), "multitask": many_tasks, "segmentation": finetune("labelled"),
           "scene": finetune("scenes")}


@pytest.mark.parametrize("bands", SIDES)
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_method_learns_from_any_bands_and_its_encoder_loads_again(method, bands, datasets, tmp_path):
    run = tmp_path / "run"
    result = method(datasets, bands, str(run))
    rows = list(csv.DictReader((run / "metrics.csv").open(encoding="utf-8")))
    assert len(rows) == 1 and math.isfinite(float(rows[0]["loss"]))
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["state"] == "finished"
    assert result["encoder"] == str(run / "encoder.safetensors")
    files = sorted(run.glob("encoder*.safetensors"))
    known = [json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) for path in files]
    assert {len(card["bands"]) for card in known} == ({bands, 2} if len(files) > 1 else {bands})  # a second sensor has two
    for path, card in zip(files, known):
        tensors = load_tensors(str(path))
        assert all(np.isfinite(tensor.numpy()).all() for tensor in tensors.values())
        build_encoder(SMALL, len(card["bands"])).load_state_dict(tensors)
