import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from eo_pretrain_qgis.engine.learning.networks import encoders, patch_encoders
from eo_pretrain_qgis.engine.learning.networks.class_networks import SegmentationNetwork, renew_statistics
from eo_pretrain_qgis.engine.learning.networks.encoders import (
    build_encoder,
    build_unet,
    check_encoder_name,
    check_view_side,
    input_weight,
    is_depthwise,
)
from eo_pretrain_qgis.engine.learning.networks.stages import freeze_encoder
from eo_pretrain_qgis.errors import DataError, ModelError
from eo_pretrain_qgis.jobs import suggestions
from tests.inputs import inputs, seen


@pytest.mark.parametrize("encoder", ["resnet18", "efficientnet-b0", "tu-test_resnet", "tu-test_convnext", "tu-test_efficientnet"])
@pytest.mark.parametrize("bands", [1, 2, 3, 13])
def test_encoders_take_any_number_of_bands(encoder, bands):
    network = SegmentationNetwork(encoder, inputs(bands, 5.0, 2.0), classes=4).eval()
    with torch.no_grad():
        assert network({"image": torch.rand(2, bands, 96, 64)}).shape == (2, 4, 96, 64)
    assert network.encoder.state_dict()[input_weight(network.encoder, bands)].shape[1] == bands


@pytest.mark.parametrize(("name", "sentence"), [
    ("resnet81", "There is no encoder “resnet81”. Did you mean “resnet"),
    ("convnext_atto", "There is no encoder “convnext_atto”. Did you mean “tu-convnext_atto”?"),
    ("tu-resnet18d1", "Did you mean “tu-resnet"),
    ("qqqqqq", "Choose one such as resnet18"),
])
def test_unknown_names_get_a_hint(name, sentence):
    with pytest.raises(ModelError) as caught:
        check_encoder_name(name)
    assert sentence in str(caught.value)


def test_dialogs_know_the_encoders_there_are():
    """Which need no torch to be known, so that a misspelt one is refused before it loads; those of timm are looked up here."""
    here = {*smp.encoders.get_encoder_names(), *patch_encoders.NAMES, *encoders.OF_SERIES, *encoders.OF_TILES_IN_TIME}
    listed = [*suggestions.OFFERED, *suggestions.OTHERS]
    assert {name for name in listed if not name.startswith(suggestions.TIMM)} == here and len(listed) == len(set(listed))
    for name in listed:
        if name.startswith(suggestions.TIMM):
            encoders.check_encoder_name(name)


def test_an_encoder_without_levels_is_refused():
    with pytest.raises(ModelError, match="“tu-test_vit” cannot serve in a U-Net for 4 band"):
        build_unet("tu-test_vit", 4, 2)


def test_views_smaller_than_a_kernel_are_refused():
    for encoder, side in (("resnet18", 8), ("efficientnet-b0", 32), ("tu-test_convnext", 32)):
        check_view_side(encoder, 2, side)
    sentence = r"Views of 16 px are too small for the encoder “efficientnet-b0” \(.+\)\. Choose views of 32 px or more, or another"
    with pytest.raises(DataError, match=sentence):
        check_view_side("efficientnet-b0", 2, 16)


def test_an_encoder_that_fails_without_a_word_is_refused(monkeypatch):
    def bare(*names, **facts):
        raise AssertionError

    monkeypatch.setattr(smp.encoders, "get_encoder", bare)
    with pytest.raises(ModelError, match=r"The encoder “resnet18” cannot be built for 4 band\(s\) \(AssertionError\)"):
        build_encoder("resnet18", 4)


def test_scaling_is_inside_and_a_missing_pixel_equals_the_centre():
    network = SegmentationNetwork("tu-test_resnet", {"image": seen([1000.0, 10.0], [500.0, 0.0])}, classes=2).eval()
    entered = []
    network.encoder.register_forward_pre_hook(lambda module, given: entered.append(given[0]))
    network({"image": torch.tensor([1500.0, 10.0]).view(1, 2, 1, 1).expand(1, 2, 32, 32)})
    assert entered[0][0, :, 0, 0].tolist() == [pytest.approx(np.arcsinh(1)), 0.0]


def test_a_frozen_encoder_keeps_its_statistics():
    network = SegmentationNetwork("tu-test_resnet", inputs(1), classes=2)
    freeze_encoder(network)
    network.train()
    before = {name: tensor.clone() for name, tensor in network.encoder.state_dict().items()}
    network({"image": torch.rand(2, 1, 64, 64) * 9})
    renew_statistics(network, [{"image": torch.rand(2, 1, 64, 64)}])
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.encoder.state_dict().items())
    assert not any(parameter.requires_grad for parameter in network.encoder.parameters())


def test_renewed_statistics_are_those_of_the_images():
    network = SegmentationNetwork("tu-test_resnet", inputs(1), classes=2)
    first, second = torch.rand(2, 2, 1, 64, 64)
    entered = []
    layer = next(module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d))
    layer.register_forward_pre_hook(lambda module, given: entered.append(given[0].mean((0, 2, 3))))
    renew_statistics(network, [{"image": first}, {"image": second}])
    assert torch.allclose(layer.running_mean, (entered[0] + entered[1]) / 2, atol=1e-5)
    assert layer.momentum == 0.1


@pytest.mark.parametrize("name, depthwise", [("resnet18", False), ("ltae", False), ("adhoc_cnn", False), ("mobilenet_v2", True),
                                             ("tu-tf_efficientnet_lite0", True)])
def test_encoders_that_convolve_each_band_by_itself_are_known(name, depthwise):
    assert is_depthwise(name) == depthwise
