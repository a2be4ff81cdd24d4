"""The script for a GPU works up to the device: it runs here on the processor, small."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import gpu, gpu_parts
from benchmarks.gpu_findings import Asked, rows_of

from ...conftest import ROOT

#: What is found without a GPU: a figure, a check that held, or that there is no GPU.
FIGURE, HELD, NO_GPU = "figure", "yes", "no GPU"
FOUND = {
    "training": [FIGURE] * 3 + [NO_GPU] + [FIGURE] * 3,
    "mapping": [FIGURE] * 7 + [HELD],
    "epochs": [FIGURE] * 2,
    "resume": [HELD, HELD, NO_GPU],
    "processes": [HELD, FIGURE, FIGURE],
    "memory": [NO_GPU],
    "optimizers": [HELD],
    "too_many": [HELD],
}


def script(*words):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "EOPRETRAIN_ENGINE": sys.executable}
    return subprocess.run(["sh", str(ROOT / "benchmarks" / "gpu.sh"), *words], env=env, capture_output=True, text=True, timeout=3050)


@pytest.mark.timeout(3100)
def test_all_parts_run_without_a_gpu_and_say_where_one_is_missing(tmp_path):
    done = script("--tiny", "--device", "cpu", "--out", str(tmp_path))
    log = (tmp_path / "gpu.log").read_text(encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr + log[-4000:]
    assert done.stdout.startswith("onnxruntime takes the GPU: no GPU was asked for; onnxruntime ")
    found = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))["findings"]
    kinds = {name: [FIGURE if isinstance(row["value"], float) else row["value"] for row in found if row["part"] == name] for name in gpu.PARTS}
    assert kinds == FOUND
    with (tmp_path / "gpu.csv").open(newline="", encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == len(found)
    notes = {row["what"]: row["note"] for row in found}
    assert notes["the losses are those of a run that was not killed"].startswith("largest difference of the losses 0;")
    assert "The device “cuda” is not there: this computer has no driver of a GPU." in notes["more processes than GPUs end in a sentence"]


def test_the_parts_fit_into_ten_minutes():
    assert sum(seconds for seconds, _ in gpu.PARTS.values()) + 15 <= gpu.TOTAL_S
    assert list(gpu.PARTS) == list(gpu_parts.FUNCTIONS)


def test_a_gpu_that_is_not_there_is_told_first_and_fails_no_other_part(tmp_path, monkeypatch):
    assert "no. The device cuda was asked for" in gpu.first_line("cuda", tmp_path)


def test_a_part_that_fails_or_hangs_is_told(tmp_path, monkeypatch):
    """What it had found stays."""
    class Hanging:
        pid, exitcode = 2**22 + 1, None  # no process has this number

        def start(self):
            part.add("a rate", 1.23456789)

        def join(self, seconds=None):
            self.waited = seconds

        def is_alive(self):
            return True

        def kill(self):
            self.killed = True

    class Server:
        def Process(self, target, args):  # noqa: N802 - as multiprocessing calls it
            return process

    part, process = Asked("mapping", "cpu", True, 3, str(tmp_path / "rows"), str(tmp_path / "log"), str(tmp_path)), Hanging()
    gpu.limited(Server(), part)
    assert process.killed
    Hanging.is_alive, Hanging.exitcode = lambda self: False, -11
    gpu.limited(Server(), part)
    assert [(row["what"], row["value"], row["note"]) for row in rows_of(tmp_path / "rows")] == [
        ("a rate", 1.23457, ""), ("the part", "failed", "It was ended after 3 s; what it had found stands above."),
        ("a rate", 1.23457, ""), ("the part", "failed", "Exit code -11; see gpu.log.")]


def test_differences_and_epochs_per_minute():
    assert gpu_parts.apart(np.array([1.0, 2.0]), np.array([1.0, 1.9])) == pytest.approx(0.05)
    assert gpu_parts.apart(np.array([1.0]), np.array([1.0, 2.0])) == float("inf")
    watched = gpu_parts.Watched(epochs=10)
    watched.seen = [(100.0, 1.0), (130.0, 2.5), (160.0, 4.0)]
    assert watched.epochs_per_minute() == 3
