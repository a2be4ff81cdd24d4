import json
from dataclasses import MISSING, fields

import pytest
import torch
from safetensors.torch import load_file

from eo_pretrain_qgis.engine.learning.loop.run_report import machine
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.loop.training import Course
from eo_pretrain_qgis.engine.learning.loop.training_runs import _spent, equipped
from eo_pretrain_qgis.engine.learning.methods import METHODS
from eo_pretrain_qgis.engine.learning.networks.encoders import build_encoder
from eo_pretrain_qgis.errors import ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.settings import settings

from .conftest import SMALL


def test_the_card_and_the_report_say_what_a_run_took():
    history = [{"seconds": 10.0, "images_per_second": 20.0, "memory_mb": 900.0}, {"seconds": 30.0, "images_per_second": 40.0, "memory_mb": 800.0}]
    spent = _spent(Course(epoch=2, history=history))
    assert spent == {"training_seconds": 40.0, "images_per_second": 35.0, "memory_mb": 900.0}
    html = "".join(machine({"device": "cpu (2 threads)", "precision": "float32", **spent}))
    for words in ("cpu (2 threads)", "float32", "35.0", "0.7 min", "memory of the process, highest", "900 MB"):
        assert words in html
    assert "GPU memory" in "".join(machine({"device": "cuda:0 (some GPU)", "precision": "bfloat16", **spent}))


def test_a_run_records_itsmachine(run_folder):
    card = json.loads((run_folder / "run.json").read_text(encoding="utf-8"))
    assert card["images_per_second"] > 0 and card["memory_mb"] > 50 and card["training_seconds"] >= 0
    assert "images per second in training" in (run_folder / "report.html").read_text(encoding="utf-8")


def test_an_encoder_is_used_with_nothing_but_its_card(run_folder, dataset):
    """What a user of plain torch does with the two files gives what the network of the run sees."""
    card = json.loads((run_folder / "encoder.json").read_text())
    assert card["input"] == "asinh((stored value - centre) / spread) of each band, 0 where no value is known"
    centre, spread = (torch.tensor([band[key] for band in card["bands"]]).view(1, -1, 1, 1) for key in ("centre", "spread"))
    encoder = build_encoder(card["encoder"], len(card["bands"])).eval()
    encoder.load_state_dict(load_file(run_folder / "encoder.safetensors"))
    network, entered = Run.open(str(run_folder)).load_network(torch.device("cpu")), []
    network.encoder.register_forward_hook(lambda module, inputs, levels: entered.append(levels[-1]))
    images = torch.from_numpy(dataset.images(dataset.indices("test")).astype("float32"))
    with torch.no_grad():
        network({"image": images})
        assert torch.allclose(encoder(torch.asinh((images - centre) / spread))[-1], entered[0], atol=1e-5)


@pytest.mark.parametrize("job", METHODS)
def test_settings_are_the_parameters_of_the_job_which_alone_knows_their_defaults(job):
    names = {field.name for field in fields(METHODS[job][0])}
    assert names - {"labels"} == JOBS[job].parameters().keys() - {"dataset", "datasets", "output"}
    assert all(field.default is MISSING for field in fields(METHODS[job][0]))


@pytest.mark.parametrize("job", METHODS)
def test_the_encoder_is_that_of_the_run_or_of_the_starting_weights_where_none_was_asked_for(job, run_folder, dataset, tmp_path):
    def encoder(folder, start=None, **given):
        return equipped(settings(job, start=start, **given), str(folder), start, dataset.inputs["image"].names, SILENT).encoder

    assert encoder(tmp_path / "new") == "resnet18"
    assert encoder(tmp_path / "new", str(run_folder)) == SMALL
    assert encoder(run_folder) == SMALL, "it is continued"
    assert encoder(tmp_path / "new", encoder="resnet34") == "resnet34"
    with pytest.raises(ModelError, match=f"does not fit the encoder “resnet34” that was asked for: its weights are of “{SMALL}”"):
        encoder(tmp_path / "new", str(run_folder), encoder="resnet34")
