"""A GPU can be used as the engine is installed: its libraries are there, and where it is not used, that is said with the reason."""

import ctypes
import struct
from importlib import metadata
from pathlib import Path

import onnxruntime
import pytest

from eo_pretrain_qgis.engine.models import diagnosis, session
from eo_pretrain_qgis.errors import EngineError

PROVIDER = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
PACKAGES = Path(onnxruntime.__file__).parents[1]
#: Comes with the graphics driver, not with an engine.
OF_THE_DRIVER = {"libcuda.so.1"}
#: Not among the needed ones, but opened when a network runs.
OPENED_LATER = {"libcudnn.so.9", "libcufft.so.12", "libnvrtc.so.13"}


def needed(path):
    """The names under DT_NEEDED of a 64-bit little-endian ELF file."""
    with path.open("rb") as stream:
        header = stream.read(64)
        assert header[:6] == b"\x7fELF\x02\x01"
        start, size, count = struct.unpack_from("<Q", header, 40)[0], *struct.unpack_from("<HH", header, 58)
        stream.seek(start)
        sections = [struct.unpack_from("<IIQQQQIIQQ", stream.read(size)) for _ in range(count)]
        dynamic = next(section for section in sections if section[1] == 6)
        stream.seek(dynamic[4])
        entries = list(struct.iter_unpack("<qQ", stream.read(dynamic[5])))
        names = sections[dynamic[6]]
        stream.seek(names[4])
        text = stream.read(names[5])
    return [text[value:text.index(b"\0", value)].decode() for tag, value in entries if tag == 1]


@pytest.mark.skipif(not PROVIDER.exists(), reason="This engine's onnxruntime computes on processors only.")
@pytest.mark.skipif(not any(True for _ in metadata.distributions(name="nvidia-cublas")),
                    reason="This engine was built without NVIDIA's libraries, for a machine without a driver.")
def test_all_that_onnxruntime_needs_for_a_gpu_is_in_the_engine():
    inside = {path.name for path in PACKAGES.glob("nvidia/*/lib/*.so*")}
    missing = []
    for name in {*needed(PROVIDER), *OPENED_LATER} - OF_THE_DRIVER - inside:
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    assert missing == []


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that the driver reports, and onnxruntime with its part for it."""
    monkeypatch.setattr(session, "cuda_devices", lambda: 1)
    monkeypatch.setattr(session, "driver_cuda", lambda: (13, 0))
    monkeypatch.setattr(session, "missing_library", lambda: "libcurand.so.10: cannot open shared object file: No such file or directory")
    monkeypatch.setattr(session.onnxruntime, "cuda_version", "13.0", raising=False)
    monkeypatch.setattr(session.onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])


def test_a_fall_back_is_a_problem_that_names_the_first_library_that_does_not_load(gpu, monkeypatch):
    monkeypatch.setattr(session, "_providers", lambda kind, index: ["CPUExecutionProvider"])  # what onnxruntime makes of it
    facts = diagnosis.examine("auto")
    assert facts["inference"]["device"] == "cpu (CPUExecutionProvider)"
    assert facts["problems"][-1] == (
        "There is an NVIDIA GPU, but a library that onnxruntime needs for it does not load: libcurand.so.10: cannot open shared object file: No "
        "such file or directory. Run “Install the engine” again with “predict_gpu” or “train”.")
    with pytest.raises(EngineError, match=r"The device cuda was asked for, but onnxruntime took CPUExecutionProvider instead. There is an "
                                          r"NVIDIA GPU, but a library .* libcurand.so.10"):
        diagnosis.infer_once("cuda")
    assert diagnosis.examine("cpu")["inference"]["fallback"] == "", "who asks for the processor gets it"


def test_a_driver_that_is_too_old_is_named_with_what_it_can_do(gpu, monkeypatch):
    monkeypatch.setattr(session, "driver_cuda", lambda: (12, 8))
    assert session.why_no_gpu() == ("There is an NVIDIA GPU, but its driver can do CUDA 12.8 and this engine's onnxruntime needs CUDA 13.0. Update "
                                    "the graphics driver.")


def test_an_engine_without_a_part_for_gpus_says_which_has_one(gpu, monkeypatch):
    monkeypatch.setattr(session.onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert "this engine's onnxruntime computes on processors only. Run “Install the engine” with “predict_gpu” (or “train”)" in session.why_no_gpu()
    assert diagnosis.examine("auto")["problems"][-1] == session.why_no_gpu()


def test_without_a_gpu_nothing_is_wrong(gpu, monkeypatch):
    monkeypatch.setattr(session, "cuda_devices", lambda: 0)
    assert session.why_no_gpu() == ""
    assert diagnosis.examine("auto")["inference"]["fallback"] == ""


@pytest.mark.skipif(not PROVIDER.exists() or session.driver_cuda() is not None, reason="Needs an engine for GPUs on a machine without a driver.")
def test_the_system_names_the_library():
    assert "cannot open shared object file" in session.missing_library()
