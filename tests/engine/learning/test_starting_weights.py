import json
import pickle
import shutil

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from eo_pretrain_qgis.engine.learning.networks.class_networks import SegmentationNetwork
from eo_pretrain_qgis.engine.learning.networks.encoder_files import write_encoder
from eo_pretrain_qgis.engine.learning.networks.encoders import build_encoder
from eo_pretrain_qgis.engine.learning.networks.spectral import SpectralUNet
from eo_pretrain_qgis.engine.learning.networks.starting_weights import adapt_input, load_weights, start_from
from eo_pretrain_qgis.engine.models.catalog import Entry
from eo_pretrain_qgis.engine.models.downloads import file_sha256
from eo_pretrain_qgis.errors import ModelError
from tests.inputs import inputs, seen

from ...listening import Listening

RGB = ["B04", "B03", "B02"]


def network(bands, encoder="resnet18", classes=2):
    return SegmentationNetwork(encoder, inputs(bands), classes)


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
    adapted, remark = adapt_input(kernel, RGB, ["B02", "B03", "B04"])
    assert torch.equal(adapted, kernel.flip(1))
    assert remark == "its bands, B04, B03, B02, were sorted by name into B02, B03, B04"
    assert adapt_input(kernel, RGB, RGB)[0] is kernel


@pytest.mark.parametrize("names", [["red", "green", "blue"], ["B4", "B3", "B2"], ["R", "G", "B"], ["x_B04_10m", "x_B03_10m", "x_B02_10m"]])
def test_other_names_of_the_same_bands(names):
    kernel = torch.rand(4, 3, 3, 3)
    assert adapt_input(kernel, names, RGB)[0] is kernel


def test_two_bands_of_one_kind_keep_their_own_kernels():
    kernel, names = torch.rand(4, 4, 3, 3), ["VV_asc", "VH_asc", "VV_desc", "VH_desc"]
    assert adapt_input(kernel, names, names)[0] is kernel
    assert torch.equal(adapt_input(kernel, names, names[2:] + names[:2])[0], kernel[:, [2, 3, 0, 1]])


def test_bands_the_file_has_not_can_be_left_new():
    kernel, fresh = torch.rand(4, 2, 3, 3), torch.rand(4, 3, 3, 3)
    adapted, remark = adapt_input(kernel, ["VV", "VH"], ["VH", "HH", "VV"], fresh)
    assert torch.equal(adapted[:, 1], fresh[:, 1])
    assert torch.allclose(adapted[:, 2], kernel[:, 0] * 2 / 3)
    assert remark == "VH, VV by name; HH left new"


def test_bands_without_names_and_another_number_of_them_is_said():
    assert adapt_input(torch.rand(4, 13, 3, 3), [], ["VV", "VH"])[1] == "VV, VH from the mean of 13 channels; the file does not name its bands"


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


@pytest.mark.parametrize(("theirs", "taken"), [(RGB, True), (["B08", "B11", "B12"], False), (RGB[::-1], False)])
def test_layers_that_saw_other_bands_are_left_new_though_their_shape_fits(tmp_path, theirs, taken):
    source = network(3)
    save_file({name: tensor.contiguous() for name, tensor in source.state_dict().items()}, tmp_path / "best.safetensors")
    card = {"format": "eo-pretrain encoder", "encoder": "resnet18", "bands": [{"name": name} for name in theirs]}
    (tmp_path / "best.json").write_text(json.dumps(card))
    target, heard = network(3), Listening()
    result = start_from(target, str(tmp_path / "best.safetensors"), RGB, heard)
    assert torch.equal(target.detail[0].weight, source.detail[0].weight) == taken
    assert ("detail.0.weight" in result.left_new) != taken
    assert ("detail.0.weight" in result.sentence()) != taken
    assert torch.equal(target.decoder.state_dict()["blocks.2.conv1.0.weight"], source.decoder.state_dict()["blocks.2.conv1.0.weight"])


def test_weights_of_another_sensor_are_warned_of_by_its_bands(tmp_path, imagenet):
    save_file(imagenet, tmp_path / "radar.safetensors")
    (tmp_path / "radar.json").write_text(json.dumps({"format": "eo-pretrain encoder", "bands": [{"name": name} for name in ("VV", "VH", "angle")]}))
    heard, path = Listening(), tmp_path / "radar.safetensors"
    start_from(network(3), str(path), RGB, heard)
    assert heard.warnings == [f"{path} knows none of these bands: it was trained on VV, VH, angle, and here are B04, B03, B02. Its first layer "
                              "begins as a mean, and the rest may know things that another sensor does not see; compare with a start from scratch."]


def test_what_belongs_to_another_whitening_is_named_and_not_taken_over(run_folder):
    target, heard = SpectralUNet("tu-test_resnet", inputs(3), 2), Listening()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items() if name.startswith(("spectral.", "linear.", "begun.", "fine."))}
    start_from(target, str(run_folder), ["B02", "B03", "B04"], heard)
    assert all(torch.equal(tensor, target.state_dict()[name]) for name, tensor in before.items())
    assert heard.texts == [f"Not taken over from {run_folder / 'best.safetensors'}: spectral, linear, begun, fine. They belong to the whitening of "
                           "the bands it was trained on; those here begin from the statistics of this dataset."]


def test_a_run_folder_gives_the_whole_u_net_or_the_encoder(run_folder, tmp_path):
    target = SpectralUNet("tu-test_resnet", inputs(3), 2)
    result = start_from(target, str(run_folder), ["B02", "B03", "B04"])
    assert result.path.endswith("best.safetensors")
    assert (result.left_new, result.unused) == ([], [])
    bare = nn.Module()
    bare.encoder = build_encoder("tu-test_resnet", 3)
    result = start_from(bare, str(run_folder), ["B02", "B03", "B04"])
    assert result.path.endswith("encoder.safetensors")
    assert (result.left_new, result.unused, result.adapted) == ([], [], [])


def test_a_folder_with_encoders_of_two_sensors_gives_the_one_that_has_the_bands(tmp_path):
    for name, bands in (("encoder", ["B02", "B03"]), ("encoder_s2", ["B02", "B03"]), ("encoder_s1", ["VV", "VH"])):
        write_encoder(str(tmp_path), build_encoder("tu-test_resnet", 2).state_dict(), {"bands": [{"name": band} for band in bands]}, name)
    target = SegmentationNetwork("tu-test_resnet", inputs(2), 2)
    assert start_from(target, str(tmp_path), ["vh", "vv"]).path.endswith("encoder_s1.safetensors")
    assert start_from(target, str(tmp_path), ["B03", "B04"]).path.endswith("encoder.safetensors")


def test_a_folder_with_nothing_but_the_network_gives_its_encoder(run_folder, tmp_path):
    shutil.copy(run_folder / "best.safetensors", tmp_path)
    bare = nn.Module()
    bare.encoder = build_encoder("tu-test_resnet", 3)
    result = start_from(bare, str(tmp_path), ["B02", "B03", "B04"])
    assert (result.path, result.left_new) == (str(tmp_path / "best.safetensors"), [])


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"holds no weights: neither encoder.safetensors nor best.safetensors. Choose the folder of a run that "
                                         "has finished an epoch"):
        start_from(network(3), str(tmp_path), RGB)


def test_a_name_in_the_catalogue_is_a_file_on_this_machine(tmp_path, monkeypatch, imagenet):
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(tmp_path))
    torch.save(imagenet, tmp_path / "mine.pth")
    entry = {"name": "mine", "title": "Mine", "encoder": "resnet18", "preset": "generic", "bands": ["red", "green", "blue"], "licence": "MIT",
             "address": "https://weights.invalid/a.pth", "paper": "none", "sha256": file_sha256(tmp_path / "mine.pth")}
    (tmp_path / "catalog.json").write_text(json.dumps({"format": "eo-pretrain catalogue", "version": 1, "weights": [entry]}))
    target = network(3)
    result = start_from(target, "catalogue:mine", ["B02", "B03", "B04"])
    assert torch.equal(target.encoder.conv1.weight, imagenet["conv1.weight"].flip(1))
    assert "its bands, red, green, blue, were sorted by name into B02, B03, B04" in result.sentence()
    shutil.rmtree(tmp_path)
    with pytest.raises(ModelError, match="The catalogue of weights has no “mine”"):
        start_from(target, "catalogue:mine", RGB)


def test_foreign_scaling_is_folded_into_the_first_layer(tmp_path):
    """The encoder gives of standardised bands what the file's gives of the values it was trained on, away from the border."""
    mean, std, image = torch.tensor([1400.0, 22.0]).view(1, 2, 1, 1), torch.tensor([850.0, 47.0]).view(1, 2, 1, 1), torch.randn(1, 2, 64, 64)
    source = build_encoder("resnet18", 2).eval()
    nn.init.normal_(source.bn1.running_mean)
    entry = Entry("mine", "Mine", "resnet18", "generic", ("a", "b"), "", "", "", "", expects={"centre": 0, "spread": 10000},
                  statistics={"a": [1400.0, 850.0], "b": [22.0, 47.0]})
    write_encoder(str(tmp_path), source.state_dict(), entry.card())
    target = SegmentationNetwork("resnet18", {"image": seen(mean.flatten(), std.flatten())}, 2).eval()
    result = start_from(target, str(tmp_path), ["a", "b"])
    assert "the first layer was fitted to bands of mean 0 and deviation 1 (it was trained on (value - 0) / 10000)" in result.sentence()
    with torch.no_grad():
        expected, found = (encoder.bn1(encoder.conv1(pixels)) for encoder, pixels in
                           ((source, (image * std + mean) / 10000), (target.encoder, image)))
    assert torch.allclose(expected[..., 2:-2, 2:-2], found[..., 2:-2, 2:-2], atol=1e-5)
    assert not torch.allclose(source.conv1.weight, target.encoder.conv1.weight)


def test_weights_of_another_network_are_refused(tmp_path, imagenet):
    save_file(imagenet, tmp_path / "r18.safetensors")
    with pytest.raises(ModelError, match=r"does not fit the encoder: .* of 265 tensors match; the first that differs is "
                                         r"layer1.0.conv1.weight, 64 × 64 × 3 × 3 in the file and 64 × 64 × 1 × 1 here. Choose"):
        start_from(network(3, "resnet50"), str(tmp_path / "r18.safetensors"), RGB)
    (tmp_path / "r18.json").write_text(json.dumps({"encoder": "resnet18", "bands": [{"name": name} for name in RGB]}))
    with pytest.raises(ModelError, match="Choose the encoder these weights were made for, resnet18, or leave the starting weights empty"):
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


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"")
    with pytest.raises(ModelError, match=r"a.pth cannot be read as weights \(EOFError\). Fetch or save the file again"):
        load_weights(str(tmp_path / "a.pth"))


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1"])
def test_a_file_of_another_kind_is_not_said_to_hold_objects(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(ModelError, match=f"a.pth is no file of torch: it begins with b'{content[:8].decode()}.*Fetch it again"):
        load_weights(str(tmp_path / "a.pth"))


def test_tensors_beside_a_state_dict_are_not_its(tmp_path):
    torch.save({"state_dict": {"conv1.weight": torch.ones(2)}, "best_acc1": torch.tensor(71.3)}, tmp_path / "checkpoint.pth.tar")
    assert list(load_weights(str(tmp_path / "checkpoint.pth.tar"))) == ["conv1.weight"]


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    with pytest.raises(ModelError, match="holds no tensors by name"):
        load_weights(str(tmp_path / "empty.pt"))


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_weights_that_are_no_numbers_are_refused(tmp_path, ending):
    """As of a training in fp16 that came apart; what is infinite may be a mask."""
    path, tensors = str(tmp_path / f"w.{ending}"), {"mask": torch.tensor([0.0, -torch.inf]), "conv1.weight": torch.tensor([1.0, torch.nan])}
    for held in (tensors, {"mask": tensors["mask"]}):
        save_file(held, path) if ending == "safetensors" else torch.save(held, path)
        if len(held) == 1:
            assert load_weights(path)["mask"].isinf().any()
            continue
        with pytest.raises(ModelError, match="holds weights that are no numbers, first in conv1.weight, so nothing can start from it."):
            load_weights(path)
