"""Two small methods whose batches are shared among processes, trained by the loop; run under torchrun it writes the losses.

    torchrun --standalone --local-addr=localhost --nproc_per_node=2 -m tests.engine.learning.shared_batches FOLDER
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from eo_pretrain_qgis.engine.learning.loop.device import start_fabric
from eo_pretrain_qgis.engine.learning.loop.processes import synchronise
from eo_pretrain_qgis.engine.learning.loop.training import Plan, fit
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins.loss import correlation, twin_loss

EPOCHS, STEPS, SAMPLES = 3, 4, 16


class Views:
    """Two noisy views of some points."""

    def __init__(self, first, second):
        self.first, self.second = first, second

    def __len__(self):
        return len(self.first)

    def split(self, pieces):
        return [self]


class Points:
    """What both methods have in common: each process takes its share of the same batches."""

    score = "none"
    steps = STEPS

    def __init__(self, rank, processes):
        torch.manual_seed(3)
        self.rank, self.processes = rank, processes
        self.network = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 8))
        if processes > 1:
            synchronise(self.network)
        # States of training that are the process's own; gloo could not send the second.
        self.network.register_buffer("history", torch.full((2,), float(rank)))
        self.network.register_buffer("filled", torch.zeros(2, dtype=torch.bool))

    @property
    def parts(self):
        return {"network": self.network}

    def batches(self, seed, epoch):
        rng = np.random.default_rng([seed, epoch])
        for _ in range(STEPS):
            points = rng.normal(size=(SAMPLES, 6))
            views = [torch.from_numpy(points + rng.normal(0, 0.2, points.shape)).float()[self.rank::self.processes] for _ in range(2)]
            yield Views(*views)

    def validate(self, progress):
        return np.zeros(1)

    def figures(self, sums):
        return {}


class Twins(Points):
    """Barlow Twins."""

    def loss(self, part, networks, batch):
        both = networks[part](torch.cat([batch.first, batch.second])).chunk(2)
        return twin_loss(correlation(*both), 0.005)


class Denoiser(Points):
    """A loss that is the mean over samples."""

    def loss(self, part, networks, batch):
        return (networks[part](batch.first)[:, :6] - batch.second).square().mean()


def losses(kind, fabric, folder):
    """The losses of all epochs, a weight at the end, and the history."""
    method = kind(fabric.global_rank, fabric.world_size)
    course = fit(method, Plan(EPOCHS, 0.01, warmup_epochs=0), fabric, str(Path(folder) / f"{kind.__name__}.pt"), lambda *facts: None)
    return [row["loss"] for row in course.history], method.network[0].weight[0, 0].item(), method.network.history.tolist()


def main():
    torch.set_num_threads(1)
    fabric = start_fabric(torch.device("cpu"), "float32")
    found = {kind.__name__: losses(kind, fabric, sys.argv[1]) for kind in (Twins, Denoiser)}
    (Path(sys.argv[1]) / f"losses-{os.environ['RANK']}.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
