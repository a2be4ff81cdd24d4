import json
import pickle

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file

from eo_pretrain_qgis.engine.learning.networks import SegmentationNetwork
from eo_pretrain_qgis.engine.learning.starting_weights import adapt_input, load_weights, start_from
from eo_pretrain_qgis.errors import ModelError

RGB = ["B04", "B03", "B02"]


def network(bands, encoder="resnet18", classes=2):
    return SegmentationNetwork(encoder, [0.0] * bands, [1.0] * bands, classes)


@pytest.fixture(scope="module")
def imagenet():
    """A state dict as torchvision names it, with the head of a classifier."""
    encoder = smp.encoders.get_encoder("resnet18", weights=None)
    return {**encoder.state_dict(), "fc.weight": torch.zeros(10, 512), "fc.bias": torch.zeros(10)}


def test_torchvision_names_with_a_prefix_fit(tmp_path, imagenet):
    renamed = {"module.encoder_q." + name: tensor for name, tensor in imagenet.items()}
    torch.save({"epoch": 3, "state_dict": renamed}, tmp_path / "moco.pth")
    target = network(3)
    result = start_from(target, str(tmp_path / "moco.pth"), RGB)
    assert torch.equal(target.encoder.state_dict()["layer3.1.conv2.weight"], imagenet["layer3.1.conv2.weight"])
    assert len(result.matched) == 100
    assert result.adapted == []
    assert "module.encoder_q.fc.weight" in result.unused
    assert all(name.startswith(("decoder.", "detail.", "segmentation_head.")) for name in result.left_new)
    assert result.sentence().startswith("Starting weights: 100 tensors taken over; its bands were taken in order, because the file does "
                                        "not name them; left new: decoder.blocks.0.conv1.0.weight")


def test_unnamed_bands_start_from_the_mean_over_the_channels(tmp_path, imagenet):
    save_file(imagenet, tmp_path / "rgb.safetensors")
    target = network(13)
    result = start_from(target, str(tmp_path / "rgb.safetensors"), [f"b{number}" for number in range(13)])
    kernel = target.encoder.conv1.weight
    assert result.adapted == ["encoder.conv1.weight"]
    assert torch.allclose(kernel.sum(1), imagenet["conv1.weight"].sum(1), atol=1e-5)
    assert torch.allclose(kernel[:, 0], kernel[:, 12])


def test_bands_are_taken_by_name(tmp_path, imagenet):
    save_file(imagenet, tmp_path / "encoder.safetensors")
    (tmp_path / "encoder.json").write_text(json.dumps({"bands": [{"name": name} for name in RGB]}))
    target = network(2)
    result = start_from(target, str(tmp_path / "encoder.safetensors"), ["b02", "B08"])
    assert torch.allclose(target.encoder.conv1.weight[:, 0], imagenet["conv1.weight"][:, 2] * 1.5)
    assert torch.allclose(target.encoder.conv1.weight[:, 1], imagenet["conv1.weight"].mean(1) * 1.5)
    assert "b02 by name; B08 from the mean of 3 channels" in result.sentence()


def test_the_same_bands_in_another_order_are_sorted():
    kernel = torch.rand(4, 3, 3, 3)
    adapted, _ = adapt_input(kernel, RGB, ["B02", "B03", "B04"])
    assert torch.equal(adapted, kernel.flip(1))
    assert adapt_input(kernel, RGB, RGB)[0] is kernel


def test_names_of_timm_fit_where_features_are_renamed(tmp_path):
    source = timm.create_model("test_convnext", pretrained=False)
    save_file(source.state_dict(), tmp_path / "timm.safetensors")
    target = network(3, "tu-test_convnext")
    result = start_from(target, str(tmp_path / "timm.safetensors"), RGB)
    assert len(result.matched) > 20
    assert not [name for name in result.left_new if name.startswith("encoder.")]


def test_a_run_gives_its_decoder_too(tmp_path):
    source = network(3)
    save_file({name: tensor.contiguous() for name, tensor in source.state_dict().items()}, tmp_path / "best.safetensors")
    target = network(3, classes=5)
    result = start_from(target, str(tmp_path / "best.safetensors"), RGB)
    assert torch.equal(target.decoder.state_dict()["blocks.2.conv1.0.weight"], source.decoder.state_dict()["blocks.2.conv1.0.weight"])
    assert result.left_new == ["segmentation_head.0.weight", "segmentation_head.0.bias"]


def test_weights_of_another_network_are_refused(tmp_path, imagenet):
    save_file(imagenet, tmp_path / "r18.safetensors")
    with pytest.raises(ModelError, match=r"does not fit the encoder: .* of 265 tensors match; the first that differs is "
                                         r"layer1.0.conv1.weight, 64 × 64 × 3 × 3 in the file and 64 × 64 × 1 × 1 here. Choose"):
        start_from(network(3, "resnet50"), str(tmp_path / "r18.safetensors"), RGB)
    save_file({"something.else": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"0 of 100 tensors match; the file starts with something.else"):
        start_from(network(3), str(tmp_path / "other.safetensors"), RGB)


class Harmful:
    """Would create a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_is_never_run(tmp_path):
    for writer in (torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))):
        writer({"state_dict": Harmful(tmp_path / "owned")}, tmp_path / "bad.pth")
        with pytest.raises(ModelError, match="holds Python objects besides tensors; they are not read"):
            load_weights(str(tmp_path / "bad.pth"))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["broken.safetensors", "broken.pth", "missing.pt"])
def test_a_damaged_file_is_named(tmp_path, name):
    if "missing" not in name:
        (tmp_path / name).write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ModelError, match=f"{name} cannot be read as weights"):
        load_weights(str(tmp_path / name))


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    with pytest.raises(ModelError, match="holds no tensors by name"):
        load_weights(str(tmp_path / "empty.pt"))
