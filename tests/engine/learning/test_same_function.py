"""Encoders compute from foreign weights what these computed where they come from, or are refused."""

import json

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file

from eo_pretrain_qgis.engine.learning.export import Probabilities, largest_difference, to_onnx
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.encoder_import import Wishes, chosen_encoder, import_encoder, recognise
from eo_pretrain_qgis.engine.learning.networks.encoders import build_encoder
from eo_pretrain_qgis.engine.learning.networks.same_function import refuse_other_function, timm_names
from eo_pretrain_qgis.engine.learning.networks.spectral import SpectralUNet
from eo_pretrain_qgis.engine.learning.networks.starting_weights import load_weights, start_from
from eo_pretrain_qgis.engine.models.session import on_processor
from eo_pretrain_qgis.errors import ModelError
from tests.inputs import seen
from tests.settings import finetuning as Settings

from ...listening import Listening
from .test_starting_weights import network
from .tiny_scenes import write_scenes

RGB = "red,green,blue"


def trained(name):
    """The tensors of a network of timm, with running averages that are not 0 and 1."""
    torch.manual_seed(1)
    tensors = timm.create_model(name, pretrained=False).state_dict()
    for key, tensor in tensors.items():
        if key.endswith("running_mean"):
            tensor.normal_(0, 0.3)
        elif key.endswith("running_var"):
            tensor.uniform_(0.3, 2)
    return tensors


@pytest.mark.parametrize(("encoder", "source", "file"), [
    ("timm-tf_efficientnet_lite0", "tf_efficientnet_lite0", "a"),
    ("timm-efficientnet-b0", "tf_efficientnet_b0", "tf_efficientnet_b0_imagenet"),
    ("efficientnet-b0", "efficientnet_b0", "efficientnet_b0"),
])
def test_an_encoder_that_pads_otherwise_is_refused(encoder, source, file):
    with pytest.raises(ModelError, match=rf"{file}.pth fit the encoder {encoder}, but it computes something else from them than timm's "
                                         rf"{source}: .* Choose the encoder tu-{source}"):
        refuse_other_function(f"{file}.pth", encoder, trained(source))


@pytest.mark.parametrize(("encoder", "source"), [
    ("resnet18", "resnet18"), ("timm-tf_efficientnet_lite0", "efficientnet_lite0"), ("densenet121", "densenet121"),
    ("efficientnet-b0", "tf_efficientnet_b0"), ("mobilenet_v2", "mobilenetv2_100"), ("tu-tf_efficientnet_lite0", "tf_efficientnet_lite0"),
])
def test_an_encoder_that_computes_the_same_is_taken(encoder, source):
    refuse_other_function(f"{source}_imagenet.pth", encoder, trained(source))


def test_names_of_timm_in_names_of_files():
    assert timm_names("/x/tf_efficientnet_lite0_imagenet.safetensors") == ["tf_efficientnet_lite0"]
    assert timm_names("/x/resnet18-f37072fd.pth") == ["resnet18"]
    assert timm_names("/x/best.safetensors", "timm-efficientnet-b0") == ["efficientnet_b0", "tf_efficientnet_b0"]
    assert timm_names("/x/best.safetensors", "mit_b0") == []


def test_training_refuses_it_too(tmp_path):
    save_file(trained("tf_efficientnet_lite0"), tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match="computes something else from them than timm's tf_efficientnet_lite0"):
        start_from(network(3, "timm-tf_efficientnet_lite0"), str(tmp_path / "a.safetensors"), ["B04", "B03", "B02"])


def test_tensors_without_their_names_are_offered_with_a_warning(tmp_path):
    source = torchvision.models.resnet18()
    plain = {f"t.{number}": tensor for number, tensor in enumerate(value for value in source.state_dict().values() if value.is_floating_point())}
    save_file(plain, tmp_path / "a.safetensors")
    heard = Listening()
    result = import_encoder(str(tmp_path / "a.safetensors"), str(tmp_path / "out"), Wishes(bands=RGB), heard)
    assert result["encoder_name"] == "resnet18"
    assert any("have other names than those of the encoder. They agree in number, order and shape and were paired so" in text
               for text in heard.warnings)
    found = load_file(result["weights"])
    assert torch.equal(found["layer3.1.conv2.weight"], source.state_dict()["layer3.1.conv2.weight"])
    plain["t.7"] = plain["t.7"][:-1]
    save_file(plain, tmp_path / "b.safetensors")
    with pytest.raises(ModelError, match="is of none of the encoders that are recognised"):
        recognise("b.safetensors", load_weights(str(tmp_path / "b.safetensors")))


def test_weights_that_do_not_name_their_bands_are_said(tmp_path):
    save_file(build_encoder("resnet18", 3).state_dict(), tmp_path / "a.safetensors")
    heard = Listening()
    start_from(network(3), str(tmp_path / "a.safetensors"), ["B02", "B03", "B04"], heard)
    assert any("does not say which bands it takes: its bands were taken in order" in text and "Import encoder" in text for text in heard.warnings)


def test_the_encoder_of_a_start_is_that_of_its_weights(run_folder, tmp_path):
    assert chosen_encoder(str(run_folder), None, ["B02"]) == "tu-test_resnet"
    assert chosen_encoder(str(run_folder), "tu-test_resnet", ["B02"]) == "tu-test_resnet"
    with pytest.raises(ModelError, match=r"does not fit the encoder “resnet18” that was asked for: its weights are of “tu-test_resnet”. Leave"):
        chosen_encoder(str(run_folder), "resnet18", ["B02"])
    save_file(torchvision.models.mobilenet_v2().state_dict(), tmp_path / "a.safetensors")
    assert chosen_encoder(str(tmp_path / "a.safetensors"), None, ["B04"]) == "mobilenet_v2"


def test_no_folder_of_a_user_leaves_with_an_encoder(run_folder, tmp_path):
    save_file(build_encoder("resnet18", 3).state_dict(), tmp_path / "a.safetensors")
    import_encoder(str(tmp_path / "a.safetensors"), str(tmp_path / "out"), Wishes(bands=RGB, encoder="resnet18"))
    import_encoder(str(tmp_path / "out"), str(tmp_path / "again"), Wishes())
    for card in (run_folder / "encoder.json", tmp_path / "out" / "encoder.json", tmp_path / "again" / "encoder.json"):
        assert str(tmp_path.parent) not in card.read_text() and "/tmp" not in card.read_text(), card
    assert json.loads((tmp_path / "out" / "encoder.json").read_text())["source"]["path"] == "a.safetensors"
    assert str(tmp_path) not in (tmp_path / "out" / "report.html").read_text()


def test_files_named_after_imagenet_take_its_bands(tmp_path):
    tensors = build_encoder("resnet18", 3).state_dict()
    save_file(tensors, tmp_path / "resnet18_ImageNet.safetensors")
    heard, target = Listening(), network(2)
    start_from(target, str(tmp_path / "resnet18_ImageNet.safetensors"), ["B02", "B04"], heard)
    assert torch.allclose(target.encoder.conv1.weight, tensors["conv1.weight"][:, [2, 0]] * 1.5, atol=1e-6)
    assert [text for text in heard.texts if "ImageNet, so its bands are taken for red, green and blue" in text] and not heard.warnings
    import_encoder(str(tmp_path / "resnet18_ImageNet.safetensors"), str(tmp_path / "out"), Wishes(), heard)
    assert [band["name"] for band in json.loads((tmp_path / "out" / "encoder.json").read_text())["bands"]] == ["red", "green", "blue"]


@pytest.mark.realdata
@pytest.mark.parametrize(("file", "encoder"), [
    ("mobilenet_v2_imagenet", "mobilenet_v2"), ("tf_efficientnet_lite0_imagenet", "tu-tf_efficientnet_lite0")])
def test_real_weights_compute_what_their_source_computed(real_data, tmp_path, file, encoder):
    path = real_data / "weights" / f"{file}.safetensors"
    result = import_encoder(str(path), str(tmp_path / "out"), Wishes(bands=RGB, scaling="standardised"))
    assert result["encoder_name"] == encoder
    ours = build_encoder(encoder, 3).eval()
    ours.load_state_dict(load_file(result["weights"]))
    if encoder == "mobilenet_v2":
        source = torchvision.models.mobilenet_v2()
        source.load_state_dict(load_file(path), strict=False)
        layers = source.eval().features
    else:
        layers = timm.create_model("tf_efficientnet_lite0", features_only=True)
        layers.load_state_dict(load_file(path), strict=False)
        layers.eval()
    image = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = layers(image)
    np.testing.assert_allclose(ours(image)[-1].detach(), expected if encoder == "mobilenet_v2" else expected[-1], atol=1e-4)


@pytest.mark.realdata
@pytest.mark.parametrize("bands", [3, 5])
@pytest.mark.parametrize(("file", "encoder", "entrance"), [
    ("mobilenet_v2_imagenet", "mobilenet_v2", "features.0.0.weight"),
    ("tf_efficientnet_lite0_imagenet", "tu-tf_efficientnet_lite0", "model.conv_stem.weight")])
def test_real_weights_start_a_run(real_data, tmp_path, file, encoder, entrance, bands):
    """B02, B03 and B04 are blue, green and red; other bands begin as the mean."""
    heard, start = Listening(), real_data / "weights" / f"{file}.safetensors"
    data = write_scenes(tmp_path / "scenes", bands=bands)
    settings = Settings(start=str(start), epochs=1, epoch_steps=2, batch_size=4, learning_rate=1e-6, device="cpu")
    finetune(str(data), str(tmp_path / "run"), settings, heard)
    run = Run.open(str(tmp_path / "run"))
    assert run.card["encoder"] == encoder
    assert any("is named after ImageNet, so its bands are taken for red, green and blue in this order." in text for text in heard.texts)
    kernel, ours = load_file(start)[entrance.removeprefix("model.")], load_file(tmp_path / "run" / "encoder.safetensors")[entrance]
    expected = torch.cat([kernel.flip(1), kernel.mean(1, keepdim=True).expand(-1, bands - 3, -1, -1)], 1) * (3 / bands)
    assert torch.allclose(ours, expected, atol=1e-3)
    assert 0 <= run.card["metrics"]["overall_accuracy"] <= 1


@pytest.mark.realdata
def test_a_network_with_real_weights_is_exported(real_data):
    trained_on = {"image": seen([1000.0] * 3, [300.0] * 3, ["B04", "B03", "B02"])}
    built = SpectralUNet("mobilenet_v2", trained_on, 3)
    assert not [name for name in start_from(built, str(real_data / "weights" / "mobilenet_v2_imagenet.safetensors"), built.seen.names).left_new
                if name.startswith("encoder.")]
    model = Probabilities(built).eval()
    image = (1000 + 300 * np.random.default_rng(0).standard_normal((1, 3, 64, 96))).astype(np.float32)
    session = on_processor(to_onnx(model, {"image": 3}, built.stride, "mobilenet_v2"))
    assert largest_difference(model, session, [{"image": image}]) <= 1e-4


@pytest.mark.realdata
def test_real_weights_are_refused_in_the_encoder_that_pads_otherwise(real_data, tmp_path):
    path = real_data / "weights" / "tf_efficientnet_lite0_imagenet.safetensors"
    with pytest.raises(ModelError, match="timm's tf_efficientnet_lite0: .* Choose the encoder tu-tf_efficientnet_lite0"):
        import_encoder(str(path), str(tmp_path / "out"), Wishes(encoder="timm-tf_efficientnet_lite0", bands=RGB))
