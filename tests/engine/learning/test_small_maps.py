"""Convolutions on small maps give and learn what torch's own would."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from eo_pretrain_qgis.engine.learning.loop import small_maps  # noqa: E402
from eo_pretrain_qgis.engine.learning.networks.encoders import build_encoder  # noqa: E402


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (2, 3), (4, 5), (5, 6), (1, 9)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [1, 3, 5])
def test_gradients_are_those_of_torch(shape, stride, side):
    torch.manual_seed(0)
    plain = torch.nn.Conv2d(64, 80, side, stride, side // 2, bias=False)
    holder = torch.nn.Sequential(copy.deepcopy(plain))
    small_maps.quicken(holder)
    assert isinstance(holder[0], small_maps.SmallMapConvolution)
    results = []
    for layer in (plain, holder[0]):
        image = torch.linspace(-1, 1, 3 * 64 * shape[0] * shape[1]).sin().view(3, 64, *shape).requires_grad_()
        output = layer(image)
        output.square().sum().backward()
        results.append((output, image.grad, layer.weight.grad))
    for expected, found in zip(*results):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("side", [1, 2, 4, 6, 8])
@pytest.mark.parametrize("stride", [1, 2])
def test_bfloat16_is_about_as_near_to_float32_as_the_library_is(side, stride):
    torch.manual_seed(0)
    plain = torch.nn.Conv2d(64, 64, 3, stride, 1, bias=False)
    holder = torch.nn.Sequential(copy.deepcopy(plain))
    small_maps.quicken(holder)
    picture = torch.randn(16, 64, side, side)
    found = {}
    for name, layer, mixed in (("exact", plain, False), ("library", plain, True), ("ours", holder[0], True)):
        layer.weight.grad = None
        image = picture.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            output = layer(image)
        assert output.dtype == (torch.bfloat16 if mixed else torch.float32)
        output.float().square().sum().backward()
        found[name] = output.detach().float(), image.grad, layer.weight.grad
    for exact, library, ours in zip(*found.values()):
        assert ours.dtype == torch.float32
        library = torch.where(exact == 0, 0, library)  # on AMX, taps that see padding alone hold freed memory: 1 pixel, stride 2
        rounding = 2**-8 * float(exact.norm())  # of bfloat16: the library may round once less, as sums over the taps are rounded here
        assert float((ours - exact).norm()) <= 2 * float((library - exact).norm()) + rounding


def test_an_encoder_keeps_its_tensors_and_learns_the_same():
    torch.manual_seed(0)
    plain = build_encoder("resnet18", 3)
    quick = copy.deepcopy(plain)
    weights = dict(quick.named_parameters())
    small_maps.quicken(quick)
    assert list(plain.state_dict()) == list(quick.state_dict())
    assert all(weights[name] is parameter for name, parameter in quick.named_parameters())
    assert sum(isinstance(layer, small_maps.SmallMapConvolution) for layer in quick.modules()) == 19
    image = torch.rand(4, 3, 40, 40)
    for network in (plain, quick):
        network(image)[-1].square().mean().backward()
    for (name, expected), found in zip(plain.named_parameters(), quick.parameters()):
        torch.testing.assert_close(found.grad, expected.grad, rtol=1e-3, atol=1e-5, msg=name)


def test_layers_of_other_kinds_stay():
    layers = [torch.nn.Conv2d(64, 64, 3, padding=1), torch.nn.Conv2d(64, 64, 3, padding=1, groups=2, bias=False),
              torch.nn.Conv2d(64, 64, 3, padding=2, dilation=2, bias=False),
              torch.nn.Conv2d(64, 64, 3, bias=False), torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)]
    network = torch.nn.Sequential(*layers)
    small_maps.quicken(network)
    assert list(network) == layers
