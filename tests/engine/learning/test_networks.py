import numpy as np
import torch

from eo_pretrain_qgis.engine.learning.networks.class_networks import band_row, scaled
from eo_pretrain_qgis.engine.models.session import on_processor

ONE, NOUGHT = band_row([1.0]), band_row([0.0])


class Scaling(torch.nn.Module):
    def forward(self, images):
        return scaled(images, NOUGHT, ONE)


def test_the_quick_way_to_scale_is_asinh():
    for size in (1e-30, 1e-6, 1e-2, 1, 1e3, 1e9, 1e17):
        values = torch.randn(1, 1, 64, 64) * size
        np.testing.assert_allclose(scaled(values, NOUGHT, ONE), torch.asinh(values.double()), rtol=3e-7, atol=3e-7)
    odd = torch.tensor([0.0, -0.0, -3.4e38, torch.inf, torch.nan]).view(1, 1, 1, 5)
    np.testing.assert_allclose(scaled(odd, NOUGHT, ONE).flatten(), [0, 0, -42.1397, 42.1397, np.nan], rtol=1e-5)
    image = torch.tensor([[[[1.0, 5.0]]]])
    assert torch.equal(scaled(image, band_row([1.0]), band_row([2.0]))[0, 0, 0, :1], torch.zeros(1))
    assert image.flatten().tolist() == [1, 5], "what was scaled stays as it was"


def test_images_that_are_learned_have_the_gradient_of_asinh_and_exported_models_its_values(tmp_path):
    image = torch.zeros(1, 1, 2, 2, requires_grad=True)
    scaled(image, NOUGHT, ONE).sum().backward()
    assert (image.grad == 1).all()
    torch.onnx.export(Scaling().eval(), (torch.ones(1, 1, 4, 4),), str(tmp_path / "scaling.onnx"), dynamo=True, external_data=False, verbose=False)
    values = np.array([0, 1e-6, -1e-3, 0.5, -3, 1e4, -1e20, 3e38], np.float32).reshape(1, 1, 2, 4)
    session = on_processor((tmp_path / "scaling.onnx").read_bytes())
    found = session.run(None, {session.get_inputs()[0].name: np.tile(values, (1, 1, 2, 1))})[0][0, 0, :2]
    assert np.abs(found - np.arcsinh(np.clip(values[0, 0], -1e18, 1e18))).max() < 4e-6
