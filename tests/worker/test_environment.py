"""The engine's environment: found, built from tiny wheels, cancelled, refused; and uv's failures in words."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

from eo_pretrain_qgis.errors import Cancelled, EngineError, JobError
from eo_pretrain_qgis.jobs.start_here.install_engine import InstallEngine
from eo_pretrain_qgis.worker import environment, failures, processes, uv

from ..listening import Cancelling, Listening, promised

PLACES = {"place": "/data/engines", "wheels": "/data/wheels", "pinned": "requirements-train.txt"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """No engine anywhere but in a folder of this test."""
    place = tmp_path / "Daten ü"
    place.mkdir()
    monkeypatch.setattr(environment, "locations", lambda: [str(place)])
    monkeypatch.delenv("EOPRETRAIN_ENGINE", raising=False)
    # The set-up keeps its uv beside the engine; without it the tests would ask the package index for one.
    kept = [str(folder) for folder in Path(environment.CHECKOUT, ".engine").glob("uv-*/bin")]
    monkeypatch.setenv("PATH", os.pathsep.join([*kept, os.environ["PATH"]]))
    return place


def make_wheel(folder, name):
    """A wheel of one module, and its pinned, hashed line."""
    path = Path(folder) / f"{name}-1.0-py3-none-any.whl"
    files = {f"{name}.py": "__version__ = '1.0'\n",
             f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
             f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    digests = {file: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
               for file, text in files.items()}
    record = "".join(f"{file},sha256={digests[file]},{len(text)}\n" for file, text in files.items()) + f"{name}-1.0.dist-info/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{name}-1.0.dist-info/RECORD": record}.items():
            archive.writestr(file, text)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder of two tiny wheels, their requirements, and a kind `tiny` that wants them."""
    folder = tmp_path / "wheels with space"
    folder.mkdir()
    pinned = tmp_path / "requirements-tiny.txt"
    pinned.write_text(make_wheel(folder, "tinyone") + make_wheel(folder, "tinytwo"))
    monkeypatch.setitem(environment.MODULES, "tiny", ("tinyone", "tinytwo"))
    monkeypatch.setitem(environment.SERVED_BY, "tiny", ("tiny",))
    monkeypatch.setattr(environment, "pinned_file", lambda kind: str(pinned))
    return folder


def test_an_engine_is_built_from_wheels_moved_in_place_and_found(home, wheels):
    heard = Listening()
    python = environment.build("tiny", wheels=str(wheels), progress=heard)
    digest = hashlib.sha256(Path(environment.pinned_file("tiny")).read_bytes()).hexdigest()
    assert python == str(home / f"tiny-{digest[:12]}" / "bin" / "python")
    ran = subprocess.run([python, "-I", "-c", "import sys, tinyone; print(sys.prefix)"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == os.path.dirname(os.path.dirname(python))
    assert json.loads(Path(python).parents[1].joinpath("complete.json").read_text())["packages"] == {"tinyone": "1.0", "tinytwo": "1.0"}
    assert environment.find("tiny") == python
    assert sorted(path.name for path in home.iterdir() if not path.name.startswith("uv-")) == [f"tiny-{digest[:12]}"]
    assert max(b - a for a, b in pairwise(heard.times)) < promised(1)


def test_a_second_call_does_nothing(home, wheels):
    environment.build("tiny", wheels=str(wheels))
    heard = Listening()
    environment.build("tiny", wheels=str(wheels), progress=heard)
    assert heard.events == []


def test_an_engine_built_elsewhere_is_found(home, wheels, tmp_path):
    python = environment.build("tiny", location=str(tmp_path / "big disk"), wheels=str(wheels))
    assert python.startswith(str(tmp_path / "big disk"))
    assert environment.find("tiny") == python


def test_leftovers_and_damaged_engines_are_built_anew(home, wheels):
    target = Path(environment.folder_of("tiny", str(home)))
    (target / "bin").mkdir(parents=True)
    (target / "bin" / "python").symlink_to(sys.executable)
    (target.parent / (target.name + ".part")).mkdir()
    with pytest.raises(EngineError, match=r"The engine is not installed"):
        environment.find("tiny")
    environment.build("tiny", wheels=str(wheels))
    assert environment.find("tiny") == str(target / "bin" / "python")
    assert not (target.parent / (target.name + ".part")).exists()


def test_a_folder_without_the_wheels(home, wheels):
    (wheels / "tinytwo-1.0-py3-none-any.whl").unlink()
    words = "The folder of wheels .*wheels with space does not hold every package for this system. Fill it with"
    with pytest.raises(EngineError, match=words):
        environment.build("tiny", wheels=str(wheels))
    assert [path for path in home.iterdir() if path.name.startswith("tiny-") and path.is_dir()] == []


def test_a_wheel_that_was_changed(home, wheels):
    make_wheel(wheels, "tinyone")
    with zipfile.ZipFile(wheels / "tinyone-1.0-py3-none-any.whl", "a") as archive:
        archive.writestr("more.py", "")
    with pytest.raises(EngineError, match=r"A package is not the one this version of the plugin was made with \(its hash differs\)."):
        environment.build("tiny", wheels=str(wheels))


def test_a_package_that_does_not_import_never_becomes_an_engine(home, wheels, monkeypatch):
    monkeypatch.setitem(environment.MODULES, "tiny", ("tinyone", "absent"))
    with pytest.raises(EngineError, match=r"“absent” does not import \(ModuleNotFoundError: No module named 'absent'\)"):
        environment.build("tiny", wheels=str(wheels))
    with pytest.raises(EngineError, match=r"The engine is not installed"):
        environment.find("tiny")


def test_an_offline_machine(home, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(EngineError, match=r"uv is told to stay offline and does not have all packages in its cache. Unset UV_OFFLINE"):
        environment.build("predict")


def test_an_index_that_cannot_be_reached(home, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.invalid/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(EngineError, match=r"The package index cannot be reached. Check the network"):
        environment.build("predict")


def test_a_cancel_ends_the_installation_and_leaves_nothing(home, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.invalid/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    started = time.monotonic()
    with pytest.raises(Cancelled):
        environment.build("predict", progress=Cancelling(lambda heard: len(heard.events) >= 3))
    assert time.monotonic() - started < promised(5)
    assert [path for path in home.iterdir() if path.is_dir() and path.name.startswith("predict-")] == []


def test_two_installations_at_once(home, wheels):
    target = environment.folder_of("tiny", str(home))
    words = "Another installation is building .* at this moment. Wait until it has ended."
    with environment.alone(target), pytest.raises(EngineError, match=words):
        environment.build("tiny", wheels=str(wheels))


def test_a_place_that_is_a_file(tmp_path, wheels):
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"The engine cannot be built in .*file .*Choose another place."):
        environment.build("tiny", location=str(tmp_path / "file"), wheels=str(wheels))


def test_a_python_of_ones_own_is_checked_and_remembered(home, monkeypatch):
    monkeypatch.setitem(environment.MODULES, "predict", ("json", "csv"))
    assert environment.adopt("predict", sys.executable) == sys.executable
    assert environment.find("predict") == sys.executable
    assert environment.requirement("predict") == ""


def test_a_python_without_the_packages_is_refused(home, monkeypatch):
    monkeypatch.setitem(environment.MODULES, "predict", ("absent",))
    with pytest.raises(EngineError, match=r"cannot serve as an engine for “predict”: “absent” does not import"):
        environment.adopt("predict", sys.executable)
    with pytest.raises(EngineError, match=r"does not behave like a Python"):
        environment.adopt("predict", "/bin/true")
    with pytest.raises(EngineError, match=r"cannot be started"):
        environment.adopt("predict", "/nowhere/python")


@pytest.mark.skipif(sys.platform == "win32", reason="Shell scripts.")
@pytest.mark.parametrize("printed", [
    "[1,2]", "{}", "7", '{"version":"3.12","packages":{},"broken":{}}', '{"version":[3,12,1],"packages":[],"broken":[]}',
])
def test_a_program_that_prints_other_json_is_no_python(home, printed):
    program = home.parent / "program"
    program.write_text(f"#!/bin/sh\necho '{printed}'\n")
    program.chmod(0o755)
    with pytest.raises(EngineError, match="program does not behave like a Python"):
        environment.probe(str(program), ("json",))


@pytest.mark.parametrize(("given", "sentence"), [
    ({"wheels": "."}, "“Folder of wheels” (wheels) is given, and “Take the packages from” (source) is package_index, which does not use it. "
                      "Set source to folder_of_wheels, or leave “Folder of wheels” empty."),
    ({"python": sys.executable}, "Set source to existing_python, or leave “Existing Python” empty."),
    ({"source": "existing_python", "python": sys.executable, "wheels": "."}, "(source) is existing_python, which does not use it."),
])
def test_a_place_for_packages_that_is_not_used_is_refused(given, sentence):
    with pytest.raises(JobError) as error:
        InstallEngine.from_values({"kind": "predict", **given})
    assert sentence in str(error.value)


def test_what_is_asked_for_when_nothing_is_there(home):
    assert environment.requirement("none") == ""
    assert environment.requirement("predict") == "The engine is not installed. Run “Install the engine” (eopretrain:installengine) first."
    assert environment.requirement("train") == (
        "The engine is not installed. Run “Install the engine” (eopretrain:installengine) with “Train and make maps” (train) first.")


def test_a_train_engine_serves_predict_but_not_the_other_way_round(home):
    (home / "train.json").write_text(json.dumps({"python": sys.executable}))
    assert environment.find("predict") == sys.executable
    (home / "train.json").rename(home / "predict.json")
    assert environment.find("predict") == sys.executable
    assert environment.requirement("train") == (
        "The installed engine makes maps, and cannot train (it is “predict”). Run “Install the engine” (eopretrain:installengine) with “Train and "
        "make maps” (train) first.")


def test_what_is_named_comes_first_and_must_be_there(home, monkeypatch):
    assert environment.find("train", setting=sys.executable) == sys.executable
    with pytest.raises(EngineError, match=r"The setting for the engine's Python names /nowhere, which is not there."):
        environment.find("train", setting="/nowhere")
    monkeypatch.setenv("EOPRETRAIN_ENGINE", "/gone")
    with pytest.raises(EngineError, match=r"EOPRETRAIN_ENGINE names /gone, which is not there."):
        environment.find("train", setting=sys.executable)


def test_a_link_to_an_environment_leads_into_it(home, tmp_path, wheels):
    python = environment.build("tiny", wheels=str(wheels))
    (tmp_path / "python").symlink_to(python)
    assert environment.find("tiny", setting=str(tmp_path / "python")) == python
    assert environment.find("tiny", setting=os.path.dirname(os.path.dirname(python))) == python


@pytest.mark.parametrize(("printed", "words"), [
    ("error: Failed to write: No space left on device (os error 28)", "The disk is full while building the engine in /data/engines."),
    ("error sending request\n cause: invalid peer certificate: UnknownIssuer", "its certificate is not trusted here"),
    ("client error (Connect)\n tunnel error: proxy authorization required 407 Proxy Authentication", "The proxy refused the connection"),
    ("HTTP status client error (403 Forbidden) for url", "The package index refused access."),
    ("dns error: failed to lookup address information", "The package index cannot be reached."),
    ("Hash mismatch for `numpy==2.4.6`", "its hash differs"),
    ("No interpreter found for Python >=3.11, <3.14 in managed installations", "There is no Python 3.11 to 3.14 on this machine"),
    ("Because numpy was not found in the provided package locations", "The folder of wheels /data/wheels does not hold every package"),
    ("hint: torch has no wheels with a matching Python ABI tag", "do not exist for this Python or this system"),
    ("Permission denied (os error 13)", "The folder /data/engines cannot be written to."),
    ("ERROR: No matching distribution found for uv==0.13.8", "The package index lacks a package"),
    ("thread 'main' panicked", "The engine could not be built in /data/engines."),
])
def test_uvs_words_become_sentences(printed, words):
    said = failures.explain_installation(printed, **PLACES)
    assert words in said
    assert said.endswith(printed)


def test_downloads_give_the_progress():
    downloads = uv._Downloads()
    assert downloads.text(10) == ""
    for line in ("Downloading torch (800.0MiB)", "Downloading numpy (200.0MiB)", " Downloaded numpy"):
        downloads.read(line)
    assert downloads.fraction() == pytest.approx(0.2)
    assert downloads.text(10) == "200 of 1000 MiB, now torch"


def test_an_installation_logs_steps_and_no_seconds():
    """Fifty packages of 10 MiB, one every two seconds: QGIS's log keeps every change of the text as a line."""
    downloads, told = uv._Downloads(), []
    for number in range(50):
        downloads.read(f"Downloading package-{number} (10.0MiB)")
    for second in range(101):
        if second and second % 2 == 0:
            downloads.read(f" Downloaded package-{second // 2 - 1}")
        told.append(downloads.text(second))
    lines = list(dict.fromkeys(filter(None, told)))
    assert lines[0].startswith("10 of 500 MiB, now package-") and lines[-1] == "500 of 500 MiB, 1 min"
    assert len(lines) == 6


def test_the_torch_family_is_what_differs_between_builds():
    blocks = uv.blocks(environment.pinned_file("train"))
    family = [block.split("==")[0] for block in blocks if uv.TORCH_FAMILY.match(block)]
    assert {"torch", "torchvision", "triton", "nvidia-nccl-cu13", "cuda-toolkit"} <= set(family)
    assert not {"safetensors", "timm", "numpy"} & set(family)
    assert len(blocks) > 80


@pytest.mark.parametrize(("card", "found", "words"), [
    (None, None, "no NVIDIA driver"), ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu", 570, "driver 570 needs an older CUDA"),
    ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release", 580, ""), ("something else", 0, ""),
])
@pytest.mark.skipif(sys.platform != "linux", reason="The driver says its version there on Linux.")
def test_the_driver_decides_about_torch(tmp_path, monkeypatch, card, found, words):
    monkeypatch.setattr(uv, "DRIVER_CARD", tmp_path / "version")
    if card:
        (tmp_path / "version").write_text(card)
    assert uv.nvidia_driver() == found
    assert words in uv._better_torch()
    assert bool(words) == bool(uv._better_torch())


@pytest.mark.parametrize(("kind", "driver", "words"), [
    ("predict", 580, "“Make maps with an NVIDIA GPU” (predict_gpu, 3.5 GB) uses the GPU."), ("predict", None, ""),
    ("predict_gpu", 580, ""), ("train", 0, ""),
    ("predict_gpu", None, "no NVIDIA driver, so mapping falls back to the processor"), ("train", None, ""),
    ("train", 570, "The NVIDIA driver 570 is too old for the CUDA 13 that mapping needs (580 or newer)"),
])
def test_what_an_engine_will_use_of_a_gpu_is_said_before_it_is_built(monkeypatch, kind, driver, words):
    monkeypatch.setattr(uv, "nvidia_driver", lambda: driver)
    monkeypatch.setattr(environment, "build", lambda *asked, **more: "/engine/bin/python")
    heard = Listening()
    InstallEngine.from_values({"kind": kind}).run(heard)
    assert len(heard.texts) == (2 if words else 1)
    assert words in heard.texts[0]


@pytest.mark.parametrize("kind", ["predict_gpu", "train"])
def test_engines_for_gpus_pin_what_onnxruntime_needs(kind):
    pinned = [block.split("==")[0] for block in uv.blocks(environment.pinned_file(kind))]
    assert {"onnxruntime-gpu", "nvidia-curand", "nvidia-cublas", "nvidia-cuda-runtime", "nvidia-cudnn-cu13", "nvidia-cufft"} <= set(pinned)


def test_torchs_own_index_out_of_reach_falls_back_with_one_message(home, wheels, monkeypatch, tmp_path):
    pinned = Path(environment.pinned_file("tiny"))
    monkeypatch.setattr(uv, "_better_torch", lambda: "This machine has no NVIDIA driver")
    tool = uv.Uv(str(tmp_path / "env"), str(pinned), "", uv.find(str(home), ""))
    tool.create()
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    heard = Listening()
    started = time.monotonic()
    assert not tool._torch_index_answers(["torch==2.15.0"], "This machine has no NVIDIA driver", heard)
    assert time.monotonic() - started < promised(10)
    assert heard.texts == ["This machine has no NVIDIA driver, but PyTorch's own package index cannot be reached. The build on the "
                              "plain package index is used instead; everything works with it."]


def test_uv_is_fetched_where_there_is_none(home, monkeypatch):
    tried = []
    monkeypatch.setattr(uv, "_is_new_enough", lambda program: False)
    monkeypatch.setattr(uv, "_watched", lambda command, *rest: tried.append(command) or (1, "No module named pip"))
    with pytest.raises(EngineError, match=r"Neither uv nor a Python with pip was found on this machine."):
        uv.find(str(home), "")
    assert all("--require-hashes" in command for command in tried)


def test_a_killed_program_takes_its_children_along():
    process = processes.start(["/bin/sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE)
    child = int(process.stdout.readline())
    processes.kill_tree(process)
    process.stdout.close()
    end = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]


def test_no_thread_stays():
    before = threading.active_count()
    environment.probe(sys.executable, ("json",))
    time.sleep(0.2)
    assert threading.active_count() <= before
