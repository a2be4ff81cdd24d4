"""Optimizers and the course of their learning rate, from the plan of a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from .training import Plan

OPTIMIZERS, SCHEDULES = ("adamw", "adam", "lars"), ("cosine", "linear")
#: Of LARS: biases and normalisation learn at 0.0048 where kernels do at 0.2 (Zbontar et al., arXiv 2103.03230, §2.2).
BIAS_SHARE = 0.024
MOMENTUM = 0.9
NAMES = {"adamw": "AdamW", "adam": "Adam", "lars": "LARS"}
REASONS = {
    "adamw": "0.001 is what the authors of Adam propose; 0.0003 is gentler with weights that know something",
    "adam": "0.001 is what the authors of Adam propose, and 0.0002 those of CycleGAN for its networks",
    "lars": "the authors of Barlow Twins propose 0.2 times the batch size over 256, and a fortieth of it for biases",
}


def make_optimizer(network: nn.Module, plan: Plan, fused: bool) -> torch.optim.Optimizer:
    """The optimizer of one network; kernels and matrices decay, biases and normalisation do not.

    A part of the network may say that its parameters learn at a `rate_share` of the rate, and that none of them `decays`.

    Args:
        network: what is trained; parameters without gradient are left out.
        plan: which optimizer, with which rate, decay and betas.
        fused: whether Adam may take its step in one kernel, which halves its time.
    """
    slow = [(layer, share) for layer in network.modules() if isinstance(share := getattr(layer, "rate_share", None), float)]
    shares = {one: (share, one.ndim > 1 and getattr(layer, "decays", True)) for layer, share in slow
              for one in layer.parameters() if one.requires_grad}
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad and parameter not in shares]
    kernels, others = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    if plan.optimizer == "lars":
        from timm.optim import Lars  # takes seconds to load

        return Lars([{"params": kernels, "weight_decay": plan.weight_decay, "always_adapt": True},
                     {"params": others, "weight_decay": 0.0, "rate_share": BIAS_SHARE}], lr=plan.learning_rate, momentum=MOMENTUM)
    kind = torch.optim.AdamW if plan.optimizer == "adamw" else torch.optim.Adam
    slower: list[dict[str, Any]] = [{"params": [one], "weight_decay": plan.weight_decay * decays, "rate_share": share}
                                    for one, (share, decays) in shares.items()]
    return kind([{"params": kernels, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}, *slower],
                lr=plan.learning_rate, betas=plan.betas, fused=fused)


def load_optimizer(optimizer: Any, state: dict[str, Any]) -> None:
    """Brings back a state; what its groups do not say, because another version or library wrote them, stays as it is now."""
    names = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict({**state, "param_groups": [{**now, **then} for now, then in zip(names, state["param_groups"])]})


def set_rate(optimizer: Any, rate: float) -> None:
    """Gives all groups of parameters the rate, or their share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("rate_share", 1.0)


def learning_rate(plan: Plan, step: int, steps_per_epoch: int) -> float:
    """Linear warm-up, then a cosine (Loshchilov and Hutter, SGDR, arXiv 1608.03983, without restarts), or as CycleGAN has it.

    ``linear`` is constant for the first half and falls along a line (Zhu et al., arXiv 1703.10593, §7.1).

    Args:
        plan: the highest rate, the warm-up and the schedule.
        step: of the optimizer, counted from 0 over all epochs.
        steps_per_epoch: of the optimizer.
    """
    total, warm = plan.epochs * steps_per_epoch, warmup_steps(plan, steps_per_epoch)
    if step < warm:
        return plan.learning_rate * (step + 1) / warm
    done = (step - warm) / max(1, total - warm)
    share = 0.5 * (1 + math.cos(math.pi * done)) if plan.schedule == "cosine" else min(1.0, 2 * (1 - done))
    return plan.learning_rate * (plan.final_rate + (1 - plan.final_rate) * share)


def warmup_steps(plan: Plan, steps_per_epoch: int) -> int:
    """Steps during which the rate rises: at most half of all."""
    return min(plan.warmup_epochs * steps_per_epoch, plan.epochs * steps_per_epoch // 2)


def explain_rate(plan: Plan, steps_per_epoch: int) -> str:
    """What the learning rate will do and where such rates come from, as a sentence."""
    if not steps_per_epoch:
        return "No step of gradient descent is taken: what is fitted to the labels is the result."
    total, warm = plan.epochs * steps_per_epoch, warmup_steps(plan, steps_per_epoch)
    rise = f"rises for {warm} steps to {plan.learning_rate:g}" if warm else f"begins at {plan.learning_rate:g}"
    course = "falls along a cosine" if plan.schedule == "cosine" else "falls along a line in the second half"
    return (f"The learning rate of {NAMES[plan.optimizer]} {rise} and {course} to {plan.learning_rate * plan.final_rate:g} at step {total} "
            f"({REASONS[plan.optimizer]}).")
