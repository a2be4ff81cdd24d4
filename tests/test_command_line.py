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
    (["predict_map", "--modl", "x"], "predict_map has no option “--modl”; did you mean “--model”?"),
    (["predict_map", "--model", "m.onnx", "--imges=a.tif"], "predict_map has no option “--imges”; did you mean “--images”?"),
    (["predict_map", "--MODEL", "x"], "predict_map has no option “--MODEL”; did you mean “--model”?"),
    (["predict_map", "-overwrite"], "predict_map has no option “-overwrite”; did you mean “--overwrite”?"),
    (["predict_map", "--qqq", "x"], "predict_map has no option “--qqq”; “python -m eo_pretrain_qgis predict_map --help” lists what it has."),
    (["rerun", "job.json", "--epoch", "3"], "rerun has no option “--epoch”; did you mean “--epochs”?"),
    (["docs", "--overwite"], "docs has no option “--overwite”; did you mean “--overwrite”?"),
    (["predictmap"], "There is no job “predictmap”; did you mean “predict_map”?"),
    (["re-run", "job.json"], "There is no job “re-run”; did you mean “rerun”?"),
    (["xyz"], "There is no job “xyz”; choose one of: install_engine, "),
    (["predict_map"], "“Image” (images) is missing. Give a value for it."),
    (["create_sample", "--size", "small", "--output", "o"], "“Size [px]” (size) is 'small', but must be a number."),
    (["create_sample", "--size", "300", "400", "--output", "o"], "“400” belongs to no option. Put --PARAMETER before a value, and quotes"),
    (["create_sample", "--size=", "--output", "o"], "“Size [px]” (size) is empty. Give a value, or leave it out for its default, 1024."),
    (["map_series", "--model", "m", "--images", "a.tif", "b.tif", "--images", "a.tif"], "“Images of the series” (images) names a.tif twice."),
    (["describe_dataset", "--dataset", "/bin/true", "--output", "o.html"], "/bin/true is a file. Choose the folder it lies in."),
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
    assert result["device"] == "cpu (OpenVINO)"
    assert "Looking for the engine" in ran.stderr
    assert json.loads((tmp_path / "facts.json").read_text())["inference"]["largest_difference"] < 1e-5
    assert "One inference" in (tmp_path / "Größe.html").read_text(encoding="utf-8")


def test_under_torchrun_one_process_speaks(tmp_path):
    words = ["check_engine", "--python", "/bin/true", "--output", tmp_path / "a.html"]
    assert call(*words, RANK="1").stdout == ""
    assert json.loads(call(*words, "--overwrite", RANK="0").stdout)["ok"] is False


def record(folder, values, job="check_engine"):
    (folder / "job.json").write_text(json.dumps({"job": job, "values": values}))
    return folder / "job.json"


def test_a_recorded_job_runs_again_with_another_value(tmp_path):
    place = record(tmp_path, {"device": "nowhere", "output": str(tmp_path / "first.html")})
    ran = call("rerun", place, "--output", tmp_path / "second.html", "--python", "/bin/true")
    assert ran.returncode == 0
    assert json.loads(ran.stdout)["output"] == str(tmp_path / "second.html")
    assert not (tmp_path / "first.html").exists()


@pytest.mark.parametrize(("job", "values"), [
    ("check_engine", {"python": "evil.sh"}), ("install_engine", {"python": "evil.sh", "source": "existing_python"}),
    ("install_engine", {"location": "evil.sh"}),
])
@pytest.mark.parametrize("way", ["record", "document"])
def test_a_record_never_names_a_program_to_run(tmp_path, job, values, way):
    key = "python" if "python" in values else "location"
    program = tmp_path / values[key]
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    values = {**values, key: str(program)} | ({"output": str(tmp_path / "c.html")} if job == "check_engine" else {})
    ran = call("rerun", record(tmp_path, values, job)) if way == "record" else call(job, "--json", "-", document=json.dumps(values))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert f"The values name a program to run, {program} ({key})." in ran.stderr
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "c.html").exists()


def test_a_record_replaces_nothing_unless_told_to(tmp_path):
    precious = tmp_path / "precious.html"
    precious.write_text("precious")
    place = record(tmp_path, {"output": str(precious), "device": "cpu"})
    for words in (["rerun", place], ["check_engine", "--device", "cpu", "--output", precious]):
        ran = call(*words, "--python", "/bin/true")
        assert ran.returncode == 2
        assert f"“Report” (output): {precious} is there already. Choose another name, or add --overwrite to let the job replace it." in ran.stderr
        assert precious.read_text() == "precious"
    assert call("rerun", place, "--overwrite", "--python", "/bin/true").returncode == 0
    assert precious.read_text() != "precious"


def test_a_record_does_not_go_on_in_a_folder_that_holds_something(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine.txt").touch()
    place = record(tmp_path, {"size": 256, "output": str(tmp_path / "made")}, "create_sample")
    for words in ((), ("--overwrite",)):  # which lets a job go on in a folder, and this one wants a new one
        ran = call("rerun", place, *words)
        assert (ran.returncode, sorted(os.listdir(tmp_path / "made"))) == (2, ["mine.txt"])
        assert "“Sample folder” (output): The folder" in ran.stderr and "already holds files. Choose a new or empty folder." in ran.stderr


@pytest.mark.parametrize("content", ['{"job": "check_engine", "values": []}', '{"job": ["a"], "values": {}}', "[" * 100000, '"x"', "\ufffe",
                                     '{"job": "check_engine"}'])
def test_a_record_that_is_none_is_a_sentence(tmp_path, content):
    (tmp_path / "job.json").write_text(content, encoding="utf-8")
    ran = call("rerun", tmp_path / "job.json")
    assert ran.returncode == 2
    assert "is not a job.json of this plugin" in ran.stderr
    assert "Traceback" not in ran.stderr
    ran = call("create_sample", "--json", tmp_path / "job.json")
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


def limited(words, limit, tmp_path):
    """Runs a command under a limit of the shell."""
    command = f"{limit}; exec {sys.executable} -m eo_pretrain_qgis " + " ".join(map(str, words))
    return subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("kilobytes", [800000, 1100000])  # met by NumPy, by GEOS
def test_too_little_memory_is_a_sentence(kilobytes, tmp_path):
    ran = limited(["create_sample", "--size", "8192", "--output", tmp_path / "s"], f"ulimit -v {kilobytes}", tmp_path)
    assert ran.returncode == 1
    assert "emory is not enough" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_result_nobody_reads_is_no_failure(tmp_path):
    command = f"{sys.executable} -m eo_pretrain_qgis check_engine --python /bin/true --output {tmp_path}/c.html 2>{tmp_path}/said | true"
    subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, check=True)
    assert (tmp_path / "c.html").exists()
    assert "Traceback" not in (tmp_path / "said").read_text()
    assert "BrokenPipe" not in (tmp_path / "said").read_text()


@pytest.mark.parametrize(("closing", "code"), [("0<&-", 2), ("2>&-", 0), ("1>&-", 0)])
def test_closed_streams_are_no_fault(closing, code, tmp_path):
    words = "create_sample --json -" if closing.startswith("0") else f"check_engine --python /bin/true --output {tmp_path}/c.html"
    ran = subprocess.run(["/bin/sh", "-c", f"exec {sys.executable} -m eo_pretrain_qgis {words} {closing}"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == code
    assert "Traceback" not in ran.stderr


def test_a_result_is_printed_whatever_the_terminal_can_write(tmp_path):
    ran = call("check_engine", "--python", "/bin/true", "--output", tmp_path / "Größe.html", PYTHONIOENCODING="ascii")
    assert ran.returncode == 0
    assert json.loads(ran.stdout)["output"].endswith("Größe.html")


def test_the_handbook_replaces_nothing_unasked(tmp_path):
    (tmp_path / "map.md").write_text("mine")
    ran = call("docs", tmp_path)
    assert (ran.returncode, [(path.name, path.read_text()) for path in tmp_path.iterdir()]) == (2, [("map.md", "mine")])
    assert call("docs", tmp_path, "--overwrite").returncode == 0
    assert (tmp_path / "map.md").read_text() != "mine"


def test_a_second_signal_that_comes_with_the_first_is_no_second_wish(tmp_path):
    command = [sys.executable, "-m", "eo_pretrain_qgis", "create_sample", "--size", "2048", "--output", str(tmp_path / "s")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while "%" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[1].endswith("Cancelled. Nothing half-written was left behind.\n")
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_an_input_cannot_do_without_is_refused(tmp_path):
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds" / "dataset.json").write_text("{}")
    ran = call("describe_dataset", "--dataset", tmp_path / "ds", "--output", tmp_path / "page.html", "--facts", tmp_path / "ds" / "dataset.json",
               "--overwrite")
    assert ran.returncode == 2
    assert "dataset.json belongs to an input of this job. Choose another name." in ran.stderr


def test_the_handbook_where_it_may_not_be_written():
    ran = call("docs", "/proc/nothing/here")
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_job_ends_with_130(number, tmp_path):
    unreachable = {"UV_DEFAULT_INDEX": "https://index.invalid/simple", "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_HTTP_RETRIES": "10"}
    command = [sys.executable, "-m", "eo_pretrain_qgis", "install_engine", "--kind", "predict", "--location", str(tmp_path)]
    # What a shell starts in the background ignores Ctrl+C, and so does what that starts: here it is to count.
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, **unreachable},
                               preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(number)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert said.endswith("Cancelled. Nothing half-written was left behind.\n")


def test_a_job_started_with_nohup_outlives_its_terminal(tmp_path):
    command = ["nohup", sys.executable, "-m", "eo_pretrain_qgis", "create_sample", "--size", "512", "--output", str(tmp_path / "s")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while "%" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_the_handbook_has_every_job_and_parameter(tmp_path):
    assert call("docs", tmp_path / "docs" / "algorithms").returncode == 0
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "docs" / "algorithms").iterdir()}
    assert list(handbook.pages()) == ["README.md", "start-here.md", "prepare-data.md", "pretrain.md", "train.md", "map.md", "assess.md"]
    assert written == handbook.pages()
    for name, job in JOBS.items():
        assert f"[{job.title}]({handbook.place(job)}) | `{name}` | `eopretrain:{job.id()}` |" in written["README.md"]
        page = written[handbook.page_name(job.group)].split(f'<a id="{name}"></a>')[1].split("\n## ")[0]
        assert [key for key in (*job.parameters(), *job.results) if f"`{key}`" not in page] == []
        assert f"qgis_process run eopretrain:{job.id()}" in page
        assert f"python -m eo_pretrain_qgis {name}" in page


def test_the_handbook_has_every_ready_model():
    page = handbook.pages()["README.md"].split("## Ready models")[1]
    assert "</a>Map from labels\n" in page and "`eopretrain:mapfromlabels`" in page and "Learns classes from labels drawn on images" in page
    steps = page.split("</a>Pretrain and map\n")[1].split("### ")[0]
    assert [line.split("#")[1].rstrip(")") for line in steps.splitlines() if line[:1].isdigit()] == [
        "create_pretraining_dataset", "pretrain_inpainting", "create_training_dataset", "finetune", "evaluate_model", "export_model", "predict_map"]


def test_the_handbook_in_the_repository_is_that_of_the_jobs():
    there = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "algorithms").iterdir()}
    assert there == handbook.pages(), "run `make docs`"


def test_the_words_on_a_value():
    assert handbook.facts(JOBS["create_sample"].parameters()["size"]) == "256 to 8192; default 1024"
    assert handbook.facts(JOBS["predict_map"].parameters()["model"]) == "ending in .onnx"
