import math

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from eo_pretrain_qgis.engine.learning.finetuning.losses import NEED_SHARES, SINGLE, binary_losses, class_losses

EVEN = torch.ones(3)


def logits(*probabilities):
    return torch.tensor([probabilities]).log()


@pytest.mark.parametrize(("kind", "expected"), [
    ("cross_entropy", -math.log(0.2)),
    ("focal", -(0.8**2) * math.log(0.2)),
    ("generalised_cross_entropy", (1 - 0.2**0.7) / 0.7),
    ("symmetric_cross_entropy", -0.1 * math.log(0.2) + 4 * 0.8),
    ("soft_labels", -(0.75 * math.log(0.2) + 0.25 * math.log(0.7))),
    ("purity_smoothing", -(0.75 * math.log(0.2) + 0.25 * (math.log(0.1) + math.log(0.2) + math.log(0.7)) / 3)),
])
def test_losses_equal_their_formulas(kind, expected):
    shares = torch.tensor([[0, 192, 64]], dtype=torch.uint8)
    values, weights = class_losses(kind, logits(0.1, 0.2, 0.7), torch.tensor([1]), EVEN, 255, shares)
    assert float(values) == pytest.approx(expected, rel=1e-5)
    assert float(weights) == pytest.approx(1)


@pytest.mark.parametrize("kind", SINGLE)
def test_classes_are_weighted_and_pixels_without_a_label_do_not_count(kind):
    torch.manual_seed(1)
    outputs, labels = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    labels[0, :2] = 255
    shares = torch.nn.functional.one_hot(labels.clamp(max=2), 3).movedim(-1, 1) * 255
    shares[0, :, :2] = 0
    plain, ones = class_losses(kind, outputs, labels, EVEN, 255, shares)
    assert plain[0, :2].abs().sum() == ones[0, :2].sum() == 0
    assert ones.sum() == 2 * 4 * 5 - 10
    weights = torch.tensor([1.0, 2.0, 5.0])
    weighted, counted = class_losses(kind, outputs, labels, weights, 255, shares)
    assert torch.allclose(weighted[0, 2:], plain[0, 2:] * weights[labels[0, 2:]], rtol=1e-5)
    assert torch.allclose(counted[0, 2:], weights[labels[0, 2:]])


@pytest.mark.parametrize("kind", NEED_SHARES)
def test_pure_pixels_have_the_plain_cross_entropy(kind):
    torch.manual_seed(2)
    outputs, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    values, _ = class_losses(kind, outputs, labels, EVEN, 255, torch.nn.functional.one_hot(labels, 3))
    assert torch.allclose(values, cross_entropy(outputs, labels, reduction="none"))


def test_a_hopeless_label_moves_a_robust_loss_less():
    slopes = {}
    for kind in ("cross_entropy", "generalised_cross_entropy", "symmetric_cross_entropy"):
        outputs = torch.tensor([[20.0, 0.0, 0.0]], requires_grad=True)
        class_losses(kind, outputs, torch.tensor([1]), EVEN, 255)[0].sum().backward()
        slopes[kind] = float(outputs.grad.abs().max())
    assert slopes["cross_entropy"] == pytest.approx(1, abs=1e-3)
    assert slopes["generalised_cross_entropy"] < 1e-4
    assert slopes["symmetric_cross_entropy"] == pytest.approx(0.1, abs=1e-3)
    far = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    class_losses("generalised_cross_entropy", far, torch.tensor([1]), EVEN, 255)[0].sum().backward()
    assert torch.isfinite(far.grad).all()


def test_several_classes_at_once_follow_the_same_formulas():
    torch.manual_seed(3)
    outputs, labels, weights = torch.randn(4, 3), torch.randint(0, 2, (4, 3)), torch.tensor([1.0, 3.0, 0.5])
    expected = binary_cross_entropy_with_logits(outputs, labels.float(), pos_weight=weights, reduction="none")
    assert torch.allclose(binary_losses("cross_entropy", outputs, labels, weights), expected)
    chance = torch.where(labels == 1, outputs.sigmoid(), 1 - outputs.sigmoid())
    assert torch.allclose(binary_losses("generalised_cross_entropy", outputs, labels, EVEN), (1 - chance**0.7) / 0.7, atol=1e-6)
    focal = torch.where(labels == 1, weights, torch.ones(3)) * -(1 - chance) ** 2 * chance.log()
    assert torch.allclose(binary_losses("focal", outputs, labels, weights), focal, atol=1e-6)
    assert torch.allclose(binary_losses("symmetric_cross_entropy", outputs, labels, EVEN), -0.1 * chance.log() + 4 * (1 - chance), atol=1e-6)


def test_generalised_cross_entropy_withstands_wrong_labels():
    """Three Gaussian clouds, two of five labels wrong: a network that can learn by heart does so with cross-entropy."""
    right = {}
    for kind in ("cross_entropy", "generalised_cross_entropy"):
        generator = torch.Generator().manual_seed(7)
        truth = torch.arange(240) % 3
        points = 2.5 * torch.eye(3)[truth] + torch.randn(240, 3, generator=generator)
        wrong = (torch.rand(240, generator=generator) < 0.4) & (torch.arange(240) < 120)
        labels = torch.where(wrong, (truth + torch.randint(1, 3, (240,), generator=generator)) % 3, truth)
        torch.manual_seed(7)
        network = nn.Sequential(nn.Linear(3, 128), nn.ReLU(), nn.Linear(128, 3))
        optimizer = torch.optim.Adam(network.parameters(), 0.02)
        for _ in range(300):
            optimizer.zero_grad()
            class_losses(kind, network(points[:120]), labels[:120], EVEN, 255)[0].mean().backward()
            optimizer.step()
        right[kind] = float((network(points[120:]).argmax(1) == truth[120:]).float().mean())
    assert right["generalised_cross_entropy"] > right["cross_entropy"] + 0.1
