"""Half a batch in each of two processes; a module of its own, because each process reads it anew and has to be quick."""

import torch
from torch import distributed, nn

from eo_pretrain_qgis.engine.learning.loop.processes import synchronise
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins.loss import correlation, twin_loss


def small_tower():
    torch.manual_seed(5)
    layers = nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 8), nn.BatchNorm1d(8)
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(8, 8))


def half(rank, meeting, place):
    """A process of two: the loss and the gradients of its half of the batch."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    network = small_tower()
    synchronise(network)
    views = torch.randn(2, 16, 2, 8, 8, generator=torch.Generator().manual_seed(2))[:, 8 * rank:8 * rank + 8]
    loss = twin_loss(correlation(network(views[0]), network(views[1])), 0.005)
    loss.backward()
    for parameter in network.parameters():  # as training in several processes does
        distributed.all_reduce(parameter.grad)
        parameter.grad /= 2
    torch.save({"loss": loss.detach(), "gradients": [parameter.grad for parameter in network.parameters()],
                "statistics": list(network.buffers())}, f"{place}-{rank}.pt")
    distributed.destroy_process_group()
