import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.learning.loop.optimizers import explain_rate, learning_rate, load_optimizer, make_optimizer, set_rate
from eo_pretrain_qgis.engine.learning.loop.training import Plan


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))


def test_rate_rises_linearly_and_falls_as_a_cosine():
    plan = Plan(epochs=10, learning_rate=1.0, warmup_epochs=2)
    rates = [learning_rate(plan, step, 5) for step in range(50)]
    assert rates[:10] == pytest.approx([0.1 * number for number in range(1, 11)])
    assert rates[30] == pytest.approx(0.5, abs=1e-6)
    assert rates[49] < 0.01
    assert learning_rate(Plan(epochs=1, learning_rate=1.0, warmup_epochs=9), 0, 1) == 1.0


def test_a_line_falls_in_the_second_half_only_and_may_end_above_zero():
    plan = Plan(epochs=10, learning_rate=1.0, warmup_epochs=0, schedule="linear", final_rate=0.2)
    rates = [learning_rate(plan, step, 10) for step in range(101)]
    assert rates[:51] == [1.0] * 51
    assert rates[75] == pytest.approx(0.6)
    assert rates[100] == pytest.approx(0.2)
    assert learning_rate(Plan(epochs=10, learning_rate=1.0, warmup_epochs=0, final_rate=0.001), 100, 10) == pytest.approx(0.001)


@pytest.mark.parametrize(("name", "kind"), [("adamw", "AdamW"), ("adam", "Adam"), ("lars", "Lars")])
def test_each_optimizer_decays_kernels_only(name, kind):
    optimizer = make_optimizer(network(), Plan(epochs=1, optimizer=name, weight_decay=0.1), fused=False)
    assert type(optimizer).__name__ == kind
    assert [(len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups] == [(1, 0.1), (3, 0.0)]


def test_lars_scales_a_kernel_by_its_norm_and_gives_biases_their_share():
    model, plan = network(), Plan(epochs=1, optimizer="lars", weight_decay=0.0)
    optimizer = make_optimizer(model, plan, fused=False)
    set_rate(optimizer, 0.2)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.2, 0.0048])
    kernel, bias = model[0].weight, model[0].bias
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 5.0)
    before, norm, bias_before = kernel.detach().clone(), kernel.detach().norm(), bias.detach().clone()
    optimizer.step()
    assert (before - kernel.detach()).norm() == pytest.approx(float(0.2 * 0.001 * norm), rel=1e-4)  # You et al. 2017, equation 6
    assert (bias_before - bias.detach()).tolist() == pytest.approx([5 * 0.0048] * 3, rel=1e-4)


def test_a_state_of_lars_that_lightly_wrote_goes_on():
    """Runs of earlier versions hold the settings of lightly's LARS, whose least decay was 1e-12."""
    states, models = [], [network(), network()]
    for model, old in zip(models, (False, True)):
        optimizer = make_optimizer(model, Plan(epochs=1, optimizer="lars", weight_decay=0.0), fused=False)
        for _ in range(2):
            for number, parameter in enumerate(model.parameters()):
                parameter.grad = torch.full_like(parameter, 1.0 + number)
            set_rate(optimizer, 0.2)
            optimizer.step()
            if old:
                state = optimizer.state_dict()
                for group in state["param_groups"]:
                    for name in ("trust_coeff", "trust_clip", "always_adapt", "foreach"):
                        del group[name]
                    group |= {"trust_coefficient": 0.001, "weight_decay": 1e-12 if "rate_share" not in group else 0.0}
                load_optimizer(optimizer, state)
        states.append([parameter.tolist() for parameter in model.parameters()])
    for one, other in zip(*states):
        assert np.asarray(other) == pytest.approx(np.asarray(one), rel=1e-6)


def test_the_reason_for_the_rate_is_a_sentence():
    assert explain_rate(Plan(epochs=10, learning_rate=0.001, warmup_epochs=2), 20) == (
        "The learning rate of AdamW rises for 40 steps to 0.001 and falls along a cosine to 0 at step 200 "
        "(0.001 is what the authors of Adam propose; 0.0003 is gentler with weights that know something).")
    text = explain_rate(Plan(epochs=4, learning_rate=0.0002, warmup_epochs=0, optimizer="adam", schedule="linear"), 5)
    assert text.startswith("The learning rate of Adam begins at 0.0002 and falls along a line in the second half to 0 at step 20 (")
