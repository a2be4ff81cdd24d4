"""What tests/jobs/import_encoder.yaml cannot say: which encoders are recognised, and that imported weights compute what they did."""

import json
from dataclasses import replace

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

from eo_pretrain_qgis.engine.learning.finetuning.recipe import adopt_scaling
from eo_pretrain_qgis.engine.learning.networks.class_networks import SCALED
from eo_pretrain_qgis.engine.learning.networks.encoder_files import write_encoder
from eo_pretrain_qgis.engine.learning.networks.encoder_import import Wishes, import_encoder, recognise
from eo_pretrain_qgis.engine.learning.networks.encoders import build_encoder
from eo_pretrain_qgis.errors import DataError, ModelError
from tests.inputs import seen

SMALL = "tu-test_resnet"


@pytest.mark.parametrize(("name", "prefix"), [("resnet18", "module.encoder_q."), ("resnet34", ""), ("mobilenet_v2", "")])
def test_an_encoder_is_recognised_by_its_tensors(name, prefix):
    with torch.device("meta"):
        network = getattr(torchvision.models, name)()
    assert recognise("a.pth", {prefix + key: tensor for key, tensor in network.state_dict().items()}) == name


def test_half_an_encoder_is_none(tmp_path):
    tensors = {name: tensor for name, tensor in build_encoder(SMALL, 3).state_dict().items() if "layer4" not in name}
    save_file(tensors, tmp_path / "half.safetensors")
    with pytest.raises(ModelError, match=r"half.safetensors does not fit the encoder tu-test_resnet: \d+ of its tensors are missing or of "
                                         r"another shape, the first is model.layer4.0.conv1.weight. Name the encoder"):
        import_encoder(str(tmp_path / "half.safetensors"), str(tmp_path / "out"), Wishes(encoder=SMALL, bands="B04,B03,B02"))
    assert not (tmp_path / "out").exists()


def test_imported_weights_compute_what_they_did(tmp_path):
    source = build_encoder(SMALL, 3).eval()
    save_file(source.state_dict(), tmp_path / "a.safetensors")
    result = import_encoder(str(tmp_path / "a.safetensors"), str(tmp_path / "out"), Wishes(encoder=SMALL, bands="R,G,B", for_bands="B02,B03,B04"))
    found = build_encoder(SMALL, 3).eval()
    found.load_state_dict(load_file(result["weights"]))
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(source(image)[-1], found(image.flip(1))[-1], atol=1e-5)
    card = json.loads((tmp_path / "out" / "encoder.json").read_text(encoding="utf-8"))
    assert [band["name"] for band in card["bands"]] == ["B02", "B03", "B04"]
    assert (card["format"], card["method"], card["encoder"]) == ("eo-pretrain encoder", "import", SMALL)
    assert len(card["source"]["file_sha256"]) == 64


def test_two_bands_of_one_kind_keep_their_own_scaling(tmp_path):
    """Bands of two dates, as a network trained on both has them."""
    write_encoder(str(tmp_path), build_encoder(SMALL, 2).state_dict(), {
        "encoder": SMALL, "bands": [{"name": "VV_may", "centre": -12, "spread": 5}, {"name": "VV_june", "centre": -10, "spread": 4}]})
    import_encoder(str(tmp_path / "encoder.safetensors"), str(tmp_path / "out"), Wishes())
    bands = json.loads((tmp_path / "out" / "encoder.json").read_text(encoding="utf-8"))["bands"]
    assert [(band["name"], band["centre"]) for band in bands] == [("VV_may", -12), ("VV_june", -10)]


def test_an_encoder_of_ours_keeps_its_scaling_and_hands_it_on(tmp_path):
    write_encoder(str(tmp_path), build_encoder(SMALL, 2).state_dict(), {
        "encoder": SMALL, "preset": "generic", "input": SCALED, "bands": band_rows(centre=100.0, spread=20.0)})
    import_encoder(str(tmp_path / "encoder.safetensors"), str(tmp_path / "out"), Wishes())
    card = json.loads((tmp_path / "out" / "encoder.json").read_text(encoding="utf-8"))
    assert card["input"] == SCALED
    started = seen([1.0, 1.0], [1.0, 1.0], ["B04", "B08"])
    found = adopt_scaling(started, str(tmp_path / "out"))
    assert (found.names, found.centre, found.spread) == (["B04", "B08"], [100.0] * 2, [20.0] * 2)
    other = replace(started, bands=tuple(replace(band, unit="dB") for band in started.bands))
    assert adopt_scaling(other, str(tmp_path / "out")) is other


def band_rows(**facts):
    return [{"name": name, "unit": "unknown", "scale": 1.0, "offset": 0.0, **facts} for name in ("B04", "B08")]


def test_reflectance_with_the_offset_of_baseline_04(tmp_path):
    """Stored values of Sentinel-2 L1C from baseline 04.00 on are 1000 larger for the same reflectance."""
    save_file(build_encoder(SMALL, 2).state_dict(), tmp_path / "a.safetensors")
    cards = []
    for preset in ("sentinel2_l1c", "sentinel2_l1c_0400"):
        wishes = Wishes(encoder=SMALL, bands="B04,B10", preset=preset, scaling="reflectance")
        import_encoder(str(tmp_path / "a.safetensors"), str(tmp_path / preset), wishes)
        cards.append(json.loads((tmp_path / preset / "encoder.json").read_text(encoding="utf-8"))["bands"])
    assert [(band["centre"], band["spread"]) for band in cards[0]] == [(1373.1, 1144.9), (22.0, 47.5)]
    assert [(band["centre"], band["spread"]) for band in cards[1]] == [(2373.1, 1144.9), (1022.0, 47.5)]
    first, second = (load_file(tmp_path / preset / "encoder.safetensors") for preset in ("sentinel2_l1c", "sentinel2_l1c_0400"))
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)


def test_a_used_folder_is_refused(tmp_path):
    save_file(build_encoder(SMALL, 2).state_dict(), tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="already holds files. Choose a new or empty folder"):
        import_encoder(str(tmp_path / "a.safetensors"), str(tmp_path), Wishes(encoder=SMALL, bands="VV,VH"))
