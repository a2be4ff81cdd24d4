"""What the tests of learning share: one thread, a tiny dataset, a run of two epochs."""

import sys

import pytest
import torch

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from tests.settings import finetuning as Settings

from .tiny import write_dataset

#: The smallest residual network of timm, made for tests.
SMALL = "tu-test_resnet"
#: The processes meet at localhost: they would wait for ever where the name of the machine does not resolve.
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=localhost"]


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
