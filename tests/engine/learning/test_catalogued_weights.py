"""Weights of the catalogue: bands in another order are refused or give the same features, and files of the form their makers write are read."""

import copy
import json

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file

from eo_pretrain_qgis.engine.cards import Input, SeriesDays
from eo_pretrain_qgis.engine.learning.networks import series
from eo_pretrain_qgis.engine.learning.networks.class_networks import SegmentationNetwork
from eo_pretrain_qgis.engine.learning.networks.encoder_import import Wishes, import_encoder, recognise
from eo_pretrain_qgis.engine.learning.networks.encoders import BareEncoder, build_encoder, check_encoder_name
from eo_pretrain_qgis.engine.learning.networks.starting_weights import load_weights, start_from, take_over
from eo_pretrain_qgis.engine.models import catalog
from eo_pretrain_qgis.errors import DataError, ModelError
from tests.inputs import input_band, seen

from ...conftest import ROOT


def listed(file):
    return json.loads((ROOT / "models" / file).read_text(encoding="utf-8"))["weights"]


SHIPPED, WAITING = listed("catalog.json"), listed("candidates.json")
OF_SERIES = [entry["name"] for entry in SHIPPED if entry["encoder"] in series.ENCODERS]
OF_IMAGES = [entry["name"] for entry in SHIPPED if entry["encoder"] not in series.ENCODERS]


def turned(names):
    return [*range(1, len(names)), 0]


@pytest.mark.parametrize("name", OF_IMAGES)
def test_images_with_bands_in_another_order_have_the_same_features(name):
    """So it is by the names of the bands; the values of a file that is not on this machine are made up."""
    torch.manual_seed(0)
    entry = catalog.find(name)
    file, bands, order = catalog.models_folder() / entry.file_name, list(entry.bands), turned(entry.bands)
    straight = BareEncoder(build_encoder(entry.encoder, len(bands))).eval()
    tensors = load_weights(str(file)) if file.is_file() else copy.deepcopy(straight.state_dict())
    other = copy.deepcopy(straight)
    take_over(straight, str(file), tensors, entry.card(), bands)
    taken = take_over(other, str(file), tensors, entry.card(), [bands[place] for place in order])
    assert f"its bands, {', '.join(bands)}, were sorted by name into {', '.join(bands[place] for place in order)}" in taken.sentence()
    image = torch.randn(1, len(bands), 64, 64)
    with torch.no_grad():
        levels = straight.encoder(image), other.encoder(image[:, order]), other.encoder(image)
    levels = [[level for level in found[1:] if level.numel()] for found in levels]  # EdgeNeXt has an empty one
    for expected, found in zip(levels[0], levels[1]):
        assert torch.allclose(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    assert float((levels[2][0] - levels[0][0]).abs().max()) > 0.1 * float(levels[0][0].abs().max()), "the order counts"


def season(names):
    bands = [input_band(name, -14.0, 4.0, unit="dB") if name.startswith("V") else input_band(name, 1500.0, 900.0, unit="reflectance", scale=1e-4)
             for name in names]
    return Input("image", "image", "generic", tuple(bands), axes="tb", season=SeriesDays((0.0, 364.0)))


@pytest.mark.parametrize("name", OF_SERIES)
def test_series_with_bands_in_another_order_are_refused_or_have_the_same_features(name):
    torch.manual_seed(0)
    entry = catalog.find(name)
    order = turned(entry.bands)
    straight = series.ENCODERS[entry.encoder](season(entry.bands)).eval()
    try:
        other = series.ENCODERS[entry.encoder](season([entry.bands[place] for place in order])).eval()
        other.load_state_dict(straight.state_dict())
    except (DataError, ModelError):
        return
    bands, days = torch.randn(3, 12, len(order)), torch.arange(5.0, 365, 30).expand(3, 12)
    with torch.no_grad():
        expected, found, mixed = straight(bands, days), other(bands[..., order], days), other(bands, days)
    assert torch.allclose(found, expected, atol=1e-5)
    assert float((mixed - expected).abs().max()) > 1e-3, "the order counts"


def as_bigearthnet_writes_it(entry, folder):
    """A file of random weights in the form of version 0.2.0, from a network of timm with 19 classes, with its card beside."""
    network = timm.create_model("resnet50", pretrained=False, in_chans=len(entry.bands), num_classes=19).eval()
    path = folder / "model.safetensors"
    save_file({f"model.vision_encoder.{name}": tensor for name, tensor in network.state_dict().items()}, path)
    path.with_suffix(".json").write_text(json.dumps(entry.card()), encoding="utf-8")
    return path, network


@pytest.mark.parametrize("name", [name for name in OF_IMAGES if name.startswith("bigearthnet_v2_resnet50")])
def test_weights_of_bigearthnet_are_imported_by_their_names(name, tmp_path):
    torch.manual_seed(0)
    entry = catalog.find(name)
    path, source = as_bigearthnet_writes_it(entry, tmp_path)
    assert path.stat().st_size == entry.bytes, "files of just this form have the size that is stated"
    assert recognise(str(path), load_weights(str(path))) == entry.encoder
    order = turned(entry.bands)
    result = import_encoder(str(path), str(tmp_path / "out"), Wishes(for_bands=",".join(entry.bands[place] for place in order)))
    assert (result["encoder_name"], result["matched"] + result["adapted"], result["unused"]) == ("resnet50", 265, 2)
    ours = build_encoder("resnet50", len(order)).eval()
    ours.load_state_dict(load_weights(result["weights"]))
    image = torch.randn(1, len(order), 64, 64)
    with torch.no_grad():
        assert torch.allclose(ours(image[:, order])[-1], source.forward_features(image), atol=1e-4)
    source = json.loads((tmp_path / "out" / "encoder.json").read_text(encoding="utf-8"))["source"]
    assert (source["licence"], source["sha256"]) == ("MIT", entry.sha256)


def test_stacked_weights_of_two_sensors_start_a_network_of_one_sensor_by_name(tmp_path):
    entry = catalog.find("bigearthnet_v2_resnet50_s1_s2")
    path, source = as_bigearthnet_writes_it(entry, tmp_path)
    network = SegmentationNetwork("resnet50", {"image": seen([0.0] * 2, [1.0] * 2, ["VH", "VV"])}, 2)
    taken = start_from(network, str(path), ["VH", "VV"])
    assert "VH, VV by name" in taken.sentence()
    assert torch.allclose(network.encoder.conv1.weight, source.conv1.weight[:, [1, 0]] * 6)


@pytest.mark.parametrize("name", [name for name in OF_IMAGES if name.startswith("omnicloudmask")])
def test_weights_of_omnicloudmask_start_encoder_and_decoder(name, tmp_path):
    torch.manual_seed(0)
    entry = catalog.find(name)
    source = smp.Unet(entry.encoder, encoder_weights=None, in_channels=3, classes=4)
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    assert (tmp_path / "model.safetensors").stat().st_size == entry.bytes, "files of just this form have the size that is stated"
    (tmp_path / "model.json").write_text(json.dumps(entry.card()), encoding="utf-8")
    network = SegmentationNetwork(entry.encoder, {"image": seen([0.0] * 3, [1.0] * 3, ["B03", "B04", "B8A"])}, 4)
    taken = start_from(network, str(tmp_path / "model.safetensors"), ["B03", "B04", "B8A"])
    assert not [missing for missing in taken.left_new if missing.startswith("encoder.")]
    assert torch.equal(network.decoder.state_dict()["blocks.0.conv2.0.weight"], source.decoder.state_dict()["blocks.0.conv2.0.weight"])


@pytest.mark.parametrize("waiting", WAITING, ids=lambda waiting: waiting["name"])
def test_what_waits_for_a_network_has_none_here(waiting):
    if "network" in waiting["missing"]:
        with pytest.raises(ModelError, match=f"There is no encoder “{waiting['encoder']}”"):
            check_encoder_name(waiting["encoder"])
    else:
        check_encoder_name(waiting["encoder"])
