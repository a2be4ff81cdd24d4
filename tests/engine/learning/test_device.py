import pytest
import torch

from eo_pretrain_qgis.engine.learning import diagnosis
from eo_pretrain_qgis.engine.learning.loop.device import pick_device, pick_precision
from eo_pretrain_qgis.errors import EngineError


def test_auto_takes_what_the_environment_says(monkeypatch):
    monkeypatch.setenv("EOPRETRAIN_DEVICE", "cpu")
    assert pick_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(("asked", "sentence"), [
    ("gpu", "“gpu” is no device. Choose auto, cpu, cuda, cuda:0 or mps."),
    ("cpu:1", "“cpu:1” is no device."),
    ("cuda:97", "The device “cuda:97” is not there: torch sees"),
])
def test_a_device_that_is_not_there_is_refused(asked, sentence):
    with pytest.raises(EngineError, match=sentence.replace(".", r"\.")):
        pick_device(asked)


def test_a_wrong_device_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("EOPRETRAIN_DEVICE", "cuda:97")
    with pytest.raises(EngineError, match="“cuda:97” is not there"):
        pick_device("auto")


def test_automatic_precision_is_native(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
    assert pick_precision("auto", torch.device("cpu")) == "float32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert pick_precision("auto", torch.device("cpu")) == "bfloat16"


def test_half_precision_needs_a_gpu():
    with pytest.raises(EngineError, match="float16 is not supported on cpu"):
        pick_precision("float16", torch.device("cpu"))


def test_a_device_that_breaks_at_the_first_touch_is_a_sentence(monkeypatch):
    """The driver of a GPU that torch lists may still refuse whatever is asked first, be it only its name."""
    def refuse(device):
        raise RuntimeError("CUDA error: device is busy or unavailable")

    monkeypatch.setattr(diagnosis, "describe_device", refuse)
    with pytest.raises(EngineError, match=r"cpu fails in training \(CUDA error: device is busy or unavailable\)\. Update the graphics driver"):
        diagnosis.train_once("cpu")
