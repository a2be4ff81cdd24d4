"""Weights from elsewhere: random numbers under the names that other libraries give them."""

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT


def weights_timm(folder):
    """A test network of timm for three bands, with its classifier, as safetensors."""
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model("test_resnet", pretrained=False).state_dict(), folder / "timm.safetensors")
    return folder / "timm.safetensors"


def weights_lightly(folder):
    """A ResNet-18 for 13 bands after self-supervised training: a backbone with numbered layers, and a projection head."""
    import torch
    import torchvision

    torch.manual_seed(1)
    network = torchvision.models.resnet18()
    network.conv1 = torch.nn.Conv2d(13, 64, 7, 2, 3, bias=False)
    backbone = torch.nn.Sequential(*list(network.children())[:-1])
    tensors = {**{f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}, "projection_head.0.weight": torch.zeros(8, 512)}
    torch.save({"epoch": 100, "state_dict": tensors}, folder / "lightly.ckpt")
    return folder / "lightly.ckpt"


def weights_pickle(folder):
    """A file of torch that holds a whole Python object."""
    import torch

    torch.save({"model": torch.nn.Linear(2, 2)}, folder / "object.pth")
    return folder / "object.pth"


def weights_of_nothing_known(folder):
    """A state dict of a network nobody knows."""
    import torch

    torch.save({"strange.weight": torch.zeros(3), "stranger.weight": torch.zeros(3)}, folder / "strange.pth")
    return folder / "strange.pth"


def weights_cut_short(folder):
    """Weights whose copy broke off."""
    path = weights_timm(folder)
    path.write_bytes(path.read_bytes()[:2000])
    return path


def weights_imported(folder):
    """The folder “Import encoder” makes of `weights_timm`."""
    values = {"source": str(weights_timm(folder)), "encoder": "tu-test_resnet", "bands": "red,green,blue", "scaling": "standardised",
              "output": str(folder / "imported")}
    JOBS["import_encoder"].from_values(values).run(SILENT)
    return folder / "imported"


def folder_of_nothing(folder):
    """An empty folder."""
    (folder / "empty").mkdir()
    return folder / "empty"


def encoder_of_land(folder):
    """A small network of random weights as a run on images such as `land` keeps it, for B08 and B04 in this order."""
    import torch

    from eo_pretrain_qgis.engine.learning.networks.encoder_files import write_encoder
    from eo_pretrain_qgis.engine.learning.networks.encoders import build_encoder

    torch.manual_seed(1)
    made = folder / "land_encoder"
    made.mkdir()
    bands = [{"name": name, "unit": "unknown", "scale": 1.0, "offset": 0.0, "mean": mean, "std": 500.0, "minimum": 0.0, "maximum": 6000.0,
              "p001": 100.0, "p999": 5000.0, "centre": mean, "spread": 500.0} for name, mean in (("B08", 3500.0), ("B04", 1150.0))]
    write_encoder(str(made), build_encoder("tu-test_resnet", 2).state_dict(), {
        "method": "barlow twins", "encoder": "tu-test_resnet", "sensor": "image", "preset": "generic", "bands": bands, "resolution_m": [10.0, 10.0]})
    return made


def encoder_of_radar(folder):
    """The same encoder for VV and VH."""
    import json

    made = encoder_of_land(folder)
    card = json.loads((made / "encoder.json").read_text(encoding="utf-8"))
    for band, name in zip(card["bands"], ("VV", "VH"), strict=True):
        band["name"] = name
    (made / "encoder.json").write_text(json.dumps(card), encoding="utf-8")
    return made
