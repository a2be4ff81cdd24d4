"""Networks whose convolutions pad as TensorFlow's do, translated."""

import numpy as np
import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from eo_pretrain_qgis.engine.learning.export import to_onnx
from eo_pretrain_qgis.engine.learning.networks.encoders import build_encoder
from eo_pretrain_qgis.engine.learning.networks.same_padding import with_fixed_padding
from eo_pretrain_qgis.engine.models.session import on_processor


@pytest.mark.parametrize(("height", "width"), [(32, 64), (96, 160)])
def test_an_encoder_computes_the_same_with_constant_padding(height, width):
    torch.manual_seed(0)
    encoder = build_encoder("tu-tf_efficientnet_lite0", 4).eval()
    image = torch.randn(1, 4, height, width)
    with torch.no_grad():
        for ours, theirs in zip(with_fixed_padding(encoder)(image), encoder(image), strict=True):
            assert torch.equal(ours, theirs)
    assert any(isinstance(module, Conv2dSame) for module in encoder.modules()), "the network that is trained stays as it is"


def test_a_network_without_such_layers_stays_itself():
    network = nn.Conv2d(1, 1, 3)
    assert with_fixed_padding(network) is network


def test_it_is_translated_for_images_of_any_size():
    torch.manual_seed(0)
    network = nn.Sequential(Conv2dSame(2, 4, 3, stride=2), Conv2dSame(4, 4, 5, stride=2, groups=4), Conv2dSame(4, 3, 3)).eval()
    session = on_processor(to_onnx(network, {"image": 2}, 4, "a network"))
    for side in (4, 12, 20):
        image = torch.randn(1, 2, side, 2 * side)
        assert np.allclose(session.run(None, {"image": image.numpy()})[0], network(image).detach().numpy(), atol=1e-5)
