"""The command line, run as people run it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eo_pretrain_qgis.jobs import JOBS, handbook

ROOT = Path(__file__).parents[1]


def call(*words, python=sys.executable, document="", **more):
    return subprocess.run([python, "-m", "eo_pretrain_qgis", *map(str, words)], cwd=ROOT, capture_output=True, text=True, input=document,
                          env={**os.environ, **more})


def test_every_job_is_a_command_and_explains_itself():
    shown = call("--help").stdout
    assert [name for name in JOBS if name not in shown] == []
    page = call("predict_map", "--help").stdout
    assert [name for name in JOBS["predict_map"].parameters() if "--" + name not in page] == []


@pytest.mark.parametrize(("words", "said"), [
    (["predict_map", "--modl", "x"], "unrecognized arguments: --modl x"),
    (["no_such_job"], "invalid choice: 'no_such_job'"),
    (["predict_map"], "“Model” (model) is missing. Give a value for it."),
    (["create_sample", "--size", "small", "--output", "o"], "“Size in pixels of 10 m” (size) is 'small', but must be a number."),
    (["create_sample", "--size", "300", "400", "--output", "o"], "unrecognized arguments: 400"),
    (["create_sample", "--json", "/nowhere.json"], "/nowhere.json is not a JSON document"),
    (["rerun", "/nowhere/job.json"], "/nowhere/job.json is not a job.json of this plugin"),
])
def test_wrong_usage_ends_with_2_and_a_sentence(words, said):
    ran = call(*words)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_a_document_on_standard_input_and_an_unknown_name_in_it():
    ran = call("create_sample", "--json", "-", document='{"sze": 300, "output": "o"}')
    assert ran.returncode == 2
    assert "create_sample has no parameter “sze”; did you mean “size”?" in ran.stderr


def test_a_job_that_fails_ends_with_1(tmp_path):
    ran = call("install_engine", "--source", "existing_python", "--python", "/bin/true", "--kind", "predict", "--location", tmp_path)
    assert ran.returncode == 1
    assert "/bin/true does not behave like a Python" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_python_without_the_packages_names_the_one_to_use(tmp_path):
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    (tmp_path / "m.onnx").touch()
    ran = call("predict_map", "--model", tmp_path / "m.onnx", "--images", "a.tif", "--output", tmp_path / "map.tif",
               python=str(bare / "bin" / "python"), EOPRETRAIN_ENGINE=sys.executable)
    assert ran.returncode == 1
    assert "lacks the engine's packages (numpy, rasterio, pyogrio, geopandas, …)." in ran.stderr
    assert f"Use the engine's: {sys.executable} -m eo_pretrain_qgis predict_map" in ran.stderr


def test_the_result_is_one_json_document_and_progress_goes_elsewhere(tmp_path):
    ran = call("check_engine", "--device", "cpu", "--output", tmp_path / "Größe.html", "--facts", tmp_path / "facts.json")
    result = json.loads(ran.stdout)
    assert ran.returncode == 0
    assert result["device"] == "cpu (CPUExecutionProvider)"
    assert "Looking for the engine" in ran.stderr
    assert json.loads((tmp_path / "facts.json").read_text())["inference"]["largest_difference"] < 1e-5
    assert "One inference" in (tmp_path / "Größe.html").read_text(encoding="utf-8")


def test_under_torchrun_one_process_speaks(tmp_path):
    words = ["check_engine", "--python", "/bin/true", "--output", tmp_path / "a.html"]
    assert call(*words, RANK="1").stdout == ""
    assert json.loads(call(*words, RANK="0").stdout)["ok"] is False


def test_a_recorded_job_runs_again_with_another_value(tmp_path):
    record = {"job": "check_engine", "values": {"python": "/bin/true", "output": str(tmp_path / "first.html")}}
    (tmp_path / "job.json").write_text(json.dumps(record))
    ran = call("rerun", tmp_path / "job.json", "--output", tmp_path / "second.html")
    assert ran.returncode == 0
    assert json.loads(ran.stdout)["output"] == str(tmp_path / "second.html")
    assert not (tmp_path / "first.html").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_job_ends_with_130(number, tmp_path):
    unreachable = {"UV_DEFAULT_INDEX": "https://index.invalid/simple", "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_HTTP_RETRIES": "10"}
    command = [sys.executable, "-m", "eo_pretrain_qgis", "install_engine", "--kind", "predict", "--location", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, **unreachable})
    process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(number)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert said.endswith("Cancelled.\n")


def test_the_handbook_has_every_job_and_parameter(tmp_path):
    assert call("docs", tmp_path / "docs" / "algorithms.md").returncode == 0
    text = (tmp_path / "docs" / "algorithms.md").read_text(encoding="utf-8")
    for name, job in JOBS.items():
        page = text.split(f'<a id="{name}"></a>')[1].split("### ")[0]
        assert [key for key in (*job.parameters(), *job.results) if f"`{key}`" not in page] == []
        assert f"qgis_process run eopretrain:{job.id()}" in page
        assert f"python -m eo_pretrain_qgis {name}" in page


def test_the_words_on_a_value():
    assert handbook.facts(JOBS["create_sample"].parameters()["size"]) == "256 to 8192; default 1024"
    assert handbook.facts(JOBS["predict_map"].parameters()["model"]) == "ending in .onnx"
