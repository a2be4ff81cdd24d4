import json
import os
import subprocess

import pytest
from lightning_fabric import Fabric

from ...conftest import ROOT
from . import shared_batches
from .conftest import TORCHRUN


def test_two_processes_have_the_losses_of_one_with_the_whole_batch(tmp_path):
    command = [*TORCHRUN, "--nproc_per_node=2", "-m", "tests.engine.learning.shared_batches", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-4000:]
    first, second = (json.loads((tmp_path / f"losses-{rank}.json").read_text()) for rank in range(2))
    assert [found[:2] for found in first.values()] == [found[:2] for found in second.values()]
    assert [found["Twins"][2] for found in (first, second)] == [[0, 0], [1, 1]], "a buffer stays each process's own"
    (tmp_path / "one").mkdir()
    alone = Fabric(accelerator="cpu", devices=1)
    for kind in (shared_batches.Twins, shared_batches.Denoiser):
        whole, weight, _ = shared_batches.losses(kind, alone, tmp_path / "one")
        assert first[kind.__name__][0] == pytest.approx(whole, rel=1e-4)
        assert first[kind.__name__][1] == pytest.approx(weight, rel=1e-3)
