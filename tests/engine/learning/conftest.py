"""What the tests of learning share: one thread, a tiny dataset, a run of two epochs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from tests.settings import finetuning as Settings

from .tiny import write_dataset

ROOT = Path(__file__).parents[3]
#: The smallest residual network of timm, made for tests.
SMALL = "tu-test_resnet"


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Sums in one order, so that equal runs give equal numbers, and other work on the machine goes on."""
    patch = pytest.MonkeyPatch()
    patch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("dataset") / "discs")


@pytest.fixture
def dataset(dataset_folder):
    return Dataset.open(dataset_folder)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, dataset_folder):
    """A finished run; tests must not write into it."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    finetune(str(dataset_folder), str(folder), Settings(encoder=SMALL, epochs=2, batch_size=4, learning_rate=0.003, device="cpu"))
    return folder


@pytest.fixture(scope="session")
def torchrun_folder(tmp_path_factory, dataset_folder):
    """A finished run of two epochs in two processes on the processor; tests must not write into it."""
    folder = tmp_path_factory.mktemp("together") / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "eo_pretrain_qgis", "finetune",
               "--dataset", str(dataset_folder), "--encoder", SMALL, "--epochs", "2", "--batch_size", "2", "--device", "cpu",
               "--output", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", "EOPRETRAIN_ENGINE": sys.executable},
                          capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout)["epochs_run"] == 2
    assert "in 2 processes" in done.stderr
    return folder
