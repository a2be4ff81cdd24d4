import pytest
import torch

from eo_pretrain_qgis.engine.learning import diagnosis
from eo_pretrain_qgis.engine.learning.loop.device import pick_device, pick_precision, start_fabric
from eo_pretrain_qgis.errors import EngineError


def test_auto_takes_what_the_environment_says(monkeypatch):
    monkeypatch.setenv("EOPRETRAIN_DEVICE", "cpu")
    assert pick_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(("asked", "sentence"), [
    ("gpu", "“gpu” is no device. Choose auto, cpu, cpu:2, cuda, cuda:0, cuda:all or mps."),
    ("cpu:99", "The device “cpu:99” asks for 99 processes, and this computer has"),
    ("cpu:0", "“cpu:0” is no device."),
    ("cuda:some", "“cuda:some” is no device."),
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


@pytest.mark.parametrize(("capability", "half", "found"), [((9, 0), True, "bfloat16"), ((8, 0), False, "bfloat16"), ((7, 5), True, "float16"),
                                                          ((7, 5), False, "float32")])
def test_a_gpu_without_bfloat16_computes_in_float16_where_the_method_bears_it(monkeypatch, capability, half, found):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert pick_precision("auto", torch.device("cuda", 0), half) == found
    assert pick_precision("float32", torch.device("cuda", 0), half) == "float32"


def test_more_processes_than_gpus_is_a_sentence(monkeypatch):
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "4")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    with pytest.raises(EngineError, match=r"torchrun started 4 processes here, each of which needs a GPU of its own, and torch sees 2 CUDA GPU"):
        start_fabric(torch.device("cuda", 0), "float32")


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
