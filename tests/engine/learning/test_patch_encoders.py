"""VGG-16 with fewer poolings and the small network: what they keep of VGG-16, what they cost, and which patches they take."""

import numpy as np
import pytest
import rasterio
import torch
from torch import nn
from torch.nn import functional

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.data import Part, TileReader
from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.class_networks import multiply_adds
from eo_pretrain_qgis.engine.learning.networks.dense import Dense, has_dense_form
from eo_pretrain_qgis.engine.learning.networks.encoder_import import chosen_encoder
from eo_pretrain_qgis.engine.learning.networks.encoders import build_encoder, build_unet, check_tile_side
from eo_pretrain_qgis.engine.learning.networks.patch_encoders import NAMES, poolings_that_fit
from eo_pretrain_qgis.engine.learning.networks.spectral import DeepSpectralClassifier, SpectralClassifier
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products.classes import ClassShares
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.mapping.squares import Squares
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.errors import DataError, ModelError
from tests import scenes
from tests.inputs import seen
from tests.settings import finetuning as Settings

from .tiny_scenes import write_scenes

CPU = torch.device("cpu")
INPUTS = {"image": seen([1000.0] * 3, [300.0] * 3, ["B02", "B03", "B04"])}


@pytest.mark.parametrize(("base", "count"), [("vgg16", 0), ("vgg16", 3), ("vgg16_bn", 1), ("vgg16_bn", 4)])
def test_the_last_poolings_go_and_all_else_stays(base, count):
    whole, fewer = build_encoder(base, 3).eval(), build_encoder(f"{base}_{count}pool{'' if count == 1 else 's'}", 3).eval()
    assert {name: tensor.shape for name, tensor in fewer.state_dict().items()} == {name: tensor.shape for name, tensor in whole.state_dict().items()}
    deviations = [float(layer.weight.std()) for layer in fewer.features if isinstance(layer, nn.Conv2d)][1:]
    assert all(abs(found / (2 / (9 * width)) ** 0.5 - 1) < 0.05 for found, width in zip(deviations, (64, 128, 128, 256), strict=False)), "He's"
    fewer.load_state_dict(whole.state_dict())
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected, pools = image, 0
    for layer in whole.features:  # by hand
        pooling = isinstance(layer, nn.MaxPool2d)
        pools += pooling
        expected = layer(expected) if not pooling or pools <= count else expected
    with torch.no_grad():
        levels = fewer(image)
    assert levels[-1].shape == (2, 512, 32 // 2**count, 32 // 2**count) and fewer.output_stride == 2**count
    torch.testing.assert_close(levels[-1], expected)


def test_the_layers_for_single_pixels_see_no_pixel_beside():
    """A patch of one pixel is taken as it is, without padding, and in a larger one each pixel is what it would be alone."""
    check_tile_side("pixel_layers", 3, 1, "patches")
    encoder = build_encoder("pixel_layers", 3).eval()
    image = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole, alone = encoder(image)[-1], encoder(image[:, :, 1:2, 2:3])[-1]
    assert alone.shape == (2, 128, 1, 1) and len(encoder(image)) == 4
    torch.testing.assert_close(whole[:, :, 1:2, 2:3], alone)
    with pytest.raises(ModelError, match="“pixel_layers” is for classes of whole patches, and a class per pixel needs one that halves"):
        build_unet("pixel_layers", 3, 2)


def test_how_many_poolings_fit():
    assert [poolings_that_fit(side) for side in (1, 8, 10, 15, 16, 20, 31, 32, 256)] == [0, 3, 3, 3, 4, 4, 4, 5, 5]


@pytest.mark.parametrize(("encoder", "side", "sentence"), [
    ("vgg16", 10, "The encoder “vgg16” halves patches more often than 10 px can be halved: 3 times at most. Choose vgg16_3pools or adhoc_cnn, or "
                  "make larger patches."),
    ("vgg16_bn", 20, "than 20 px can be halved: 4 times at most. Choose vgg16_bn_4pools or adhoc_cnn, or make larger patches."),
    ("vgg16_4pools", 10, "than 10 px can be halved: 3 times at most. Choose vgg16_3pools or adhoc_cnn"),
    ("tu-convnext_atto", 10, "Patches of 10 px are too small for the encoder “tu-convnext_atto” \\(.*\\). Choose resnet18 or adhoc_cnn, or make"),
])
def test_a_network_whose_poolings_do_not_fit(encoder, side, sentence):
    with pytest.raises(DataError, match=sentence):
        check_tile_side(encoder, 3, side, "patches")


@pytest.mark.parametrize(("encoder", "side"), [("vgg16_3pools", 10), ("vgg16_4pools", 20), ("vgg16", 32), ("adhoc_cnn", 10), ("resnet18", 10)])
def test_what_fits(encoder, side):
    check_tile_side(encoder, 3, side, "patches")
    network = SpectralClassifier(encoder, INPUTS, 4).eval()
    assert network({"image": torch.full((2, 3, side, side), 900.0)}).shape == (2, 4)


def test_no_unet_of_fewer_poolings():
    with pytest.raises(ModelError, match="“vgg16_3pools” is for classes of whole patches, and a class per pixel needs one that halves an image five"):
        build_unet("vgg16_3pools", 3, 2)


def test_the_nearest_name():
    with pytest.raises(ModelError, match="Did you mean “vgg16_3pools”?"):
        build_encoder("vgg16_3pool", 3)
    assert "vgg16_1pool" in NAMES and "vgg16_0pools" in NAMES


def by_hand(side, kept, bands=3):
    """Multiply-adds of the kernels of VGG-16: 9 · channels in · channels out · pixels."""
    total, before = 0, bands
    for pools, (width, kernels) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        pixels = (side // 2 ** min(pools, kept)) ** 2
        for _ in range(kernels):
            total, before = total + 9 * before * width * pixels, width
    return total


@pytest.mark.parametrize(("encoder", "side", "kept"), [("vgg16_3pools", 10, 3), ("vgg16", 32, 5), ("vgg16_1pool", 10, 1), ("vgg16_0pools", 10, 0)])
def test_what_a_patch_costs(encoder, side, kept):
    network = DeepSpectralClassifier(encoder, INPUTS, 4)
    small = 512 * 512 + 512 * 256 + 256 * 4 + 12 * 4 + 9 * side * side  # dense layers, the regression, and the whitening
    assert multiply_adds(network, side) == by_hand(side, kept) + small
    assert network.training


def test_layers_behind_the_average_and_the_start_at_the_regression():
    network = DeepSpectralClassifier("vgg16_3pools", INPUTS, 4)
    assert [tuple(layer.weight.shape) for layer in (*network.hidden, network.classification_head) if isinstance(layer, nn.Linear)] == [
        (512, 512), (256, 512), (4, 256)]
    assert sum(parameter.numel() for parameter in network.hidden.parameters()) < 400_000
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.zero_()
    image = {"image": torch.rand(8, 3, 10, 10) * 1000}
    torch.testing.assert_close(network(image), network.linear(network.spectral(image["image"])))
    loss = functional.cross_entropy(network(image), torch.arange(8) % 4)
    loss.backward()
    assert network.classification_head.weight.grad.abs().max() > 0, "it can learn from there"


def test_small_patches_reach_the_network_as_they_are(tmp_path):
    dataset = Dataset.open(write_scenes(tmp_path / "patches", size=10, task="patch"))
    network = DeepSpectralClassifier("vgg16_3pools", dataset.choose(["image"], None), 4)
    batch = TileReader(dataset, network.inputs, network.stride, CPU).read(Part(np.arange(4)))
    assert batch.images["image"].shape[2:] == (10, 10) and batch.valid["image"].all()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patches")
    write_scenes(folder / "patches", count=96, size=10, task="patch")
    result = finetune(str(folder / "patches"), str(folder / "run"), Settings(
        encoder="adhoc_cnn", approach="network", epochs=4, batch_size=16, epoch_steps=6, learning_rate=3e-3, device="cpu", keep="last"))
    return folder, result


def test_a_run_says_what_its_network_costs_and_is_exported(trained, tmp_path):
    folder, _ = trained
    run = Run.open(str(folder / "run"))
    assert run.card["architecture"] == "deep classifier above a regression" and run.card["multiply_adds"] > 1e5
    text = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "Multiply-adds of the network for one of the patches" in text and f"{run.card['multiply_adds']:,}" in text
    facts = export_run(run.folder, str(tmp_path / "patches.onnx"))
    assert facts["largest_difference"] <= 1e-4
    model = package.open(tmp_path / "patches.onnx")
    assert (model.task, model.record.tile_size, model.record.dense_step, model.fixed_tile, model.halo) == ("patch", 10, 2, None, 0)


@pytest.mark.parametrize("side", [10, 13, 20, 32])
def test_the_dense_form_says_what_the_network_says_of_each_patch(side):
    torch.manual_seed(side)
    network = DeepSpectralClassifier("adhoc_cnn", INPUTS, 4).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    dense = Dense(network, side)
    assert dense.step == 2 and has_dense_form(network) and not has_dense_form(DeepSpectralClassifier("vgg16_3pools", INPUTS, 4))
    image = 1000 + 300 * torch.randn(2, 3, side + 8, side + 4)
    image[:, :, 3:9, 2:7] = 1000  # what stands for pixels without a measurement
    with torch.no_grad():
        every = dense({"image": image}).softmax(1)
        assert every.shape == (2, 4, 5, 3)
        for row in range(5):
            for column in range(3):
                alone = network({"image": image[:, :, 2 * row:2 * row + side, 2 * column:2 * column + side]}).softmax(1)
                assert (every[:, :, row, column] - alone).abs().max() <= 1e-4


def test_a_map_at_the_step_of_the_dense_form_is_that_of_single_patches(trained, tmp_path, monkeypatch):
    folder, _ = trained
    export_run(str(folder / "run"), str(tmp_path / "patches.onnx"))
    model, rng = package.open(tmp_path / "patches.onnx"), np.random.default_rng(4)
    values = rng.normal(1500, 400, (3, 47, 90)).clip(1)
    values[:, 5:20, 10:30] = 0
    image = scenes.write_raster(tmp_path / "image.tif", values.astype(np.uint16), names=["B02", "B03", "B04"], nodata=0)

    def mapped(name):
        map_scene(model, MapRequest([{"path": str(image)}], step=2, device="cpu"), [ClassShares(str(tmp_path / name))])
        with rasterio.open(tmp_path / name) as found:
            return found.read().astype(int)

    asked, plain = [], Squares._at_once
    monkeypatch.setattr(Squares, "_at_once", lambda self, *given: asked.append(plain(self, *given)) or asked[-1])
    dense = mapped("dense.tif")
    assert sum(map(len, asked)) > 0.6 * 24 * 45, "most squares were computed at once"
    monkeypatch.setattr(Squares, "_at_once", lambda self, *given: {})
    alone = mapped("alone.tif")
    assert dense.shape == (4, 24, 45) and (dense == 255).any()
    assert np.abs(dense - alone).max() <= 1, "in percent, but for rounding"
    assert (dense != alone).mean() < 0.01


def test_weights_of_vgg16_fit_it_with_fewer_poolings(trained, tmp_path):
    folder, _ = trained
    torch.manual_seed(0)
    weights = build_encoder("vgg16", 3).state_dict()
    torch.save(weights, tmp_path / "vgg16.pth")
    assert chosen_encoder(str(tmp_path / "vgg16.pth"), "vgg16_3pools", ["B02", "B03", "B04"]) == "vgg16_3pools"
    finetune(str(folder / "patches"), str(tmp_path / "run"), Settings(
        encoder="vgg16_3pools", start=str(tmp_path / "vgg16.pth"), approach="network", mode="frozen", epochs=1, batch_size=16, epoch_steps=1,
        device="cpu"))
    network = Run.open(str(tmp_path / "run")).load_network(CPU)
    torch.testing.assert_close(network.encoder.state_dict()["features.10.weight"], weights["features.10.weight"])
