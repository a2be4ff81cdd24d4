"""Several processes that the one which got the job starts."""

import csv
import json
import multiprocessing
import os
import subprocess
import sys
import time

import pytest
import torch

from eo_pretrain_qgis.engine.learning.loop.device import process_count
from eo_pretrain_qgis.engine.learning.loop.launch import in_processes
from eo_pretrain_qgis.errors import Cancelled, DataError, EngineError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.worker import client
from tests.listening import Cancelling, Listening, promised

from ...conftest import ROOT
from . import members
from .conftest import SMALL, TORCHRUN


def figures(run):
    return [{name: value for name, value in row.items() if name not in ("seconds", "images_per_second", "memory_mb")}
            for row in csv.DictReader((run / "metrics.csv").open())]


def test_two_processes_give_what_two_under_torchrun_give(dataset_folder, tmp_path):
    """Started by the worker, and by torchrun; the first of them writes."""
    values = {"dataset": str(dataset_folder), "encoder": SMALL, "epochs": 2, "batch_size": 2, "device": "cpu"}
    command = [*TORCHRUN, "--nproc_per_node=2", "-m", "eo_pretrain_qgis", "finetune",
               *(word for name, value in values.items() for word in (f"--{name}", str(value))), "--output", str(tmp_path / "torchrun")]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", "EOPRETRAIN_ENGINE": sys.executable},
                          capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-4000:]
    heard, run = Listening(), tmp_path / "run"
    result = client.run(JOBS["finetune"].from_values({**values, "device": "cpu:2", "output": str(run)}), sys.executable, heard.emit, heard.cancelled)
    assert json.loads(done.stdout)["epochs_run"] == result["epochs_run"] == 2
    assert "in 2 processes." in done.stderr and sum("in 2 processes." in text for text in heard.texts) == 1
    assert figures(run) == figures(tmp_path / "torchrun")
    assert heard.fraction > 0.9 and json.loads((run / "job.json").read_text())["result"] == result
    assert json.loads((run / "run.json").read_text())["state"] == "finished"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "torchrun"] and list(tmp_path.glob("**/*.part")) == []


def test_a_cancel_ends_all_processes():
    asked = []

    def when_heard(heard):
        if not asked and heard.reached("working"):
            asked.append(time.monotonic())
        return bool(asked)

    with pytest.raises(Cancelled):
        in_processes(2, members.go_on, (), Cancelling(when_heard))
    assert time.monotonic() - asked[0] < promised(2)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(("how", "kind", "words"), [
    ("sentence", DataError, "The second process found nothing. Look again."),
    ("bug", KeyError, "'nothing'"),
    ("killed", EngineError, r"One of the 2 training processes was ended \(exit code -9\)"),
])
def test_an_error_in_the_second_process_ends_the_first_which_waits_for_it(how, kind, words, tmp_path, capfd):
    with pytest.raises(kind, match=words) as caught:
        in_processes(2, members.fail_in_second, (how, str(tmp_path / "failed")), Listening())
    assert time.time() - float((tmp_path / "failed").read_text()) < 2
    assert (how != "bug") or "In training process 1:\nTraceback" in caught.value.__notes__[0]
    assert "Traceback" not in capfd.readouterr().err, "the processes say nothing beside what is raised"
    assert multiprocessing.active_children() == []


def test_a_run_in_several_processes_is_claimed_by_the_one_that_started_them(tmp_path):
    """A second job would be refused; a part of a process that is killed goes with it."""
    class Job(JOBS["finetune"]):
        def run(self, progress):
            return in_processes(2, members.leave_a_part, (self.output,), progress)

    (tmp_path / "dataset.json").touch()
    job = Job.from_values({"dataset": str(tmp_path), "output": str(tmp_path / "run")})
    with pytest.raises(EngineError, match="was ended"):
        run_job(job, Listening())
    assert {path.name for path in tmp_path.glob("**/*")} == {"run", "dataset.json"}


@pytest.mark.parametrize(("asked", "found"), [("cuda:all", 3), ("cuda", 1), ("cuda:1", 1), ("auto", 1), ("cpu:4", 4), ("cpu", 1)])
def test_all_gpus_is_a_process_each(asked, found, monkeypatch):
    monkeypatch.delenv("EOPRETRAIN_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert process_count(asked) == found
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert process_count(asked) == 1


def test_one_gpu_needs_no_second_process(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert process_count("cuda:all") == 1


def test_all_gpus_where_there_is_none_is_a_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(EngineError, match=r"The device “cuda:all” is not there: torch sees 0 CUDA GPU\(s\)\. Choose auto or cpu"):
        process_count("cuda:all")
