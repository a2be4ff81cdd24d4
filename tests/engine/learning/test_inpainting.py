import csv
import json
import math
import shutil

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.checkpoints import load_tensors
from eo_pretrain_qgis.engine.learning.networks.discriminators import PatchDiscriminator, fitting_layers, made_loss, real_loss
from eo_pretrain_qgis.engine.learning.pretraining.inpainting.hidden_regions import Blocks
from eo_pretrain_qgis.engine.learning.pretraining.inpainting.hidden_tiles import HidingReader, shown
from eo_pretrain_qgis.engine.learning.pretraining.inpainting.method import Filling, FillingNetwork
from eo_pretrain_qgis.engine.learning.pretraining.inpainting.quality import FillingQuality, biharmonic_fill, mean_fill, smooth_fill, ssim
from eo_pretrain_qgis.engine.learning.pretraining.inpainting.recipe import Inpainting, pretrain_inpainting
from eo_pretrain_qgis.errors import DataError, ModelError
from tests.settings import finetuning as FinetuneSettings
from tests.settings import inpainting as Settings

from ... import scenes_pretraining as scenes
from ...damaged_datasets import crop_dataset
from ...listening import Cancelling, Listening
from .conftest import SMALL
from .test_training import train

QUICK = {"encoder": SMALL, "epochs": 2, "batch_size": 4, "learning_rate": 0.003, "discriminator_width": 4, "adversarial_warmup": 1, "device": "cpu"}
CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """A dataset without labels."""
    return scenes.unlabelled(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="session")
def filled(tmp_path_factory, plain):
    """A finished run; tests must not write into it."""
    folder = tmp_path_factory.mktemp("filled") / "run"
    pretrain_inpainting(str(plain), str(folder), Settings(**QUICK))
    return folder


def reader_of(folder, blocks=None, stride=32):
    dataset = Dataset.open(folder)
    blocks = blocks or Blocks(8, 0.3)
    return HidingReader(dataset, dataset.inputs["image"], blocks, stride, CPU)


def method_of(folder, weight=0.1, progress=None, warmup=10):
    reader = reader_of(folder)
    seen = reader.seen
    torch.manual_seed(1)
    network = FillingNetwork(SMALL, {seen.name: seen})
    discriminator = PatchDiscriminator(len(seen.bands) + 1, 4, 1) if weight else None
    chosen = Settings(batch_size=4, adversarial_weight=weight, adversarial_warmup=warmup)
    return Filling(reader, FillingQuality(seen.bands, CPU), network, discriminator, chosen, progress=progress or Listening())


def test_blocks_cover_the_share_of_what_counts_and_nothing_else():
    counted = np.ones((64, 48), bool)
    counted[:20] = False
    for seed in range(20):
        hidden = Blocks(12, 0.4).draw(counted, np.random.default_rng(seed))
        assert hidden.sum() == round(0.4 * counted.sum()) and not (hidden & ~counted).any()
    again = [Blocks(12, 0.4).draw(counted, np.random.default_rng(5)) for _ in range(2)]
    assert (again[0] == again[1]).all()
    assert Blocks(12, 0.9, number=2).draw(counted, np.random.default_rng(1)).sum() <= 2 * 12 * 12
    assert not Blocks(12, 0.4).draw(np.zeros((64, 48), bool), np.random.default_rng(1)).any()


def test_edges_are_hidden_as_well_as_the_middle():
    rng = np.random.default_rng(1)
    often = np.mean([Blocks(8, 0.3).draw(np.ones((32, 32), bool), rng) for _ in range(400)], 0)
    assert 0.08 < often[0].mean() < often[16].mean() < 0.45


def test_nodata_is_never_hidden_and_reads_as_the_centre(tmp_path):
    folder = scenes.unlabelled_radar(tmp_path)
    reader = reader_of(folder)
    batch = next(reader.shuffled(np.array([0, 3, 6]), 3, np.random.default_rng(1)))
    assert not (batch.targets["hidden"] & ~batch.valid["image"]).any() and batch.targets["hidden"].any()
    assert batch.valid["image"].sum() == 3 * 30 * 32 and torch.isfinite(batch.images["image"]).all()
    missing = batch.images["image"].movedim(1, -1)[~batch.valid["image"]]
    assert missing.unique(dim=0).squeeze(0).tolist() == pytest.approx(reader.seen.centre)


def test_known_clouds_are_shown_but_never_hidden(tmp_path):
    folder = scenes.unlabelled_cloudy(tmp_path)
    reader = reader_of(folder, Blocks(8, 0.9))
    assert reader.clouds.text == "Pixels as bright as clouds are not hidden in tiles that hold cloud."
    batch = next(reader.fixed(np.arange(4), 4, 1))
    assert not batch.targets["hidden"][:, 16:, 16:].any() and batch.valid["image"][:, 16:, 16:].all() and batch.targets["hidden"][:, :16].any()


def test_validation_hides_the_same_whatever_the_batch_and_pads_odd_tiles(tmp_path):
    reader = reader_of(scenes.unlabelled_odd(tmp_path))
    together = next(reader.fixed(np.arange(4), 4, 7))
    alone = [next(reader.fixed(np.array([tile]), 1, 7)) for tile in range(4)]
    assert torch.equal(together.targets["hidden"], torch.cat([batch.targets["hidden"] for batch in alone]))
    assert together.images["image"].shape == (4, 3, 64, 64)
    assert not together.valid["image"][:, 45:].any() and not together.targets["hidden"][:, :, 45:].any()
    assert not torch.equal(together.targets["hidden"], next(reader.fixed(np.arange(4), 4, 8)).targets["hidden"])


def test_only_hidden_pixels_make_the_loss(plain):
    method = method_of(plain, weight=0)
    batch = next(method.batches(1, 0))
    method.network.eval()
    made = method.fill(batch)
    truth = method.network.truth(batch)
    expected = (made - truth).abs().movedim(1, -1)[batch.targets["hidden"]].mean()
    assert method.loss("network", method.parts, batch).item() == pytest.approx(expected.item(), rel=1e-4)
    seen = method.network.covered(batch)
    assert (method.network.scaled(seen["image"]).movedim(1, -1)[batch.targets["hidden"]] == 0).all()
    batch.targets["hidden"][:] = False
    assert method.loss("network", method.parts, batch).item() == 0


def test_the_adversarial_weight_rises_and_its_gradient_reaches_the_network_only(plain):
    method = method_of(plain, weight=0.5, warmup=4)
    weights = []
    for epoch in range(6):
        batch = next(method.batches(1, epoch))
        weights.append(method.present_weight)
    assert weights == pytest.approx([0, 0.125, 0.25, 0.375, 0.5, 0.5])
    method.loss("network", method.parts, batch).backward()
    assert all(parameter.grad is None for parameter in method.discriminator.parameters())
    with_both = torch.cat([parameter.grad.flatten() for parameter in method.network.parameters() if parameter.grad is not None])
    method.network.zero_grad(set_to_none=True)
    method.weight = 0
    method.loss("network", method.parts, batch).backward()
    alone = torch.cat([parameter.grad.flatten() for parameter in method.network.parameters() if parameter.grad is not None])
    assert not torch.allclose(with_both, alone)
    method.loss("discriminator", method.parts, batch).backward()
    assert all(parameter.grad is not None for parameter in method.discriminator.parameters())


def test_the_discriminator_sees_the_fills_the_network_learned_from(plain, tmp_path, monkeypatch):
    method, fills = method_of(plain, weight=0.5), []
    monkeypatch.setattr(method, "validate", lambda progress: np.zeros((7, method.quality.size), np.float32))
    method.network.register_forward_hook(lambda *_: fills.append(1))
    train(method, tmp_path, epochs=1, learning_rate=1e-3)
    assert len(fills) == method.steps


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70)])
@pytest.mark.parametrize("normalisation", ["spectral", "instance", "none"])
def test_each_logit_sees_a_patch_of_the_promised_size(layers, patch, normalisation):
    network = PatchDiscriminator(2, 4, layers, normalisation)
    assert network.patch == patch and network(torch.zeros(1, 2, network.smallest_side, network.smallest_side)).shape == (1, 1, 2, 2)
    if normalisation != "instance":  # which looks at the whole image for its mean
        image = torch.randn(1, 2, 128, 128, requires_grad=True)
        logits = network(image)
        logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
        assert int((image.grad.abs().sum((0, 1, 3)) > 0).sum()) == patch
    assert fitting_layers(network.smallest_side) == layers


def test_a_discriminator_learns_to_tell_smooth_from_rough():
    torch.manual_seed(1)
    network = PatchDiscriminator(2, 8, 1)
    optimizer = torch.optim.Adam(network.parameters(), 0.003, betas=(0.5, 0.999))
    for _ in range(40):
        rough = torch.randn(8, 2, 16, 16)
        smooth = torch.nn.functional.avg_pool2d(rough, 5, 1, 2) * 3
        real, made = network(torch.cat([rough, smooth])).chunk(2)
        optimizer.zero_grad()
        (real_loss(real).mean() + made_loss(made).mean()).backward()
        optimizer.step()
    assert ((real > 0.5).float().mean() + (made < 0.5).float().mean()) / 2 > 0.8


def test_figures_are_those_of_the_formulas(plain):
    dataset = Dataset.open(plain)
    quality = FillingQuality(dataset.inputs[dataset.sensors[0].name].bands, CPU)
    truth = torch.rand(2, 3, 32, 32)
    hidden = torch.zeros(2, 32, 32, dtype=torch.bool)
    hidden[0, 4:12, 4:12] = True
    assert quality.figures(quality.sums(truth, truth, hidden)) == pytest.approx({"psnr": 100, "ssim": 1, "l1": 0}, abs=1e-5)
    off = truth + 0.1 * quality.reach
    found = quality.figures(quality.sums(torch.where(hidden[:, None], off, 1e6), truth, hidden))
    assert found["psnr"] == pytest.approx(20, abs=0.01) and found["l1"] == pytest.approx(0.1 * quality.reach.mean().item(), rel=1e-3)
    parts = [quality.sums(off[:1], truth[:1], hidden[:1]), quality.sums(off[1:], truth[1:], hidden[1:])]
    assert quality.figures(sum(parts))["psnr"] == pytest.approx(found["psnr"], abs=1e-3)
    assert quality.figures(quality.sums(off, truth, hidden & False)) == {}
    stored = torch.full((1, 3, 8, 8), 1234.0)
    assert torch.allclose(quality.stored(torch.asinh((stored - quality.centre) / quality.spread)), stored, rtol=1e-4)


def test_a_band_that_never_changes_does_not_count(tmp_path):
    images = scenes.optical(12, 3)
    images[:, 1] = 700
    dataset = Dataset.open(scenes.write_unlabelled(tmp_path / "made", [[(scenes.optical_sensor(("B04", "B03", "B02")), images)]]))
    quality = FillingQuality(dataset.inputs[dataset.sensors[0].name].bands, CPU)
    truth, hidden = torch.zeros(1, 3, 32, 32), torch.ones(1, 32, 32, dtype=torch.bool)
    off = torch.zeros_like(truth)
    off[:, 1] = 5
    assert quality.figures(quality.sums(off, truth, hidden))["psnr"] == 100


def test_bands_without_a_range_give_no_figures(plain):
    method = method_of(plain)
    sums = method.validate()
    assert set(method.compared(sums)["all"]["mean"]) == {"psnr", "ssim", "l1"}
    method.quality.varying[:] = False  # as where one pixel in a thousand differs
    assert method.figures(sums).keys().isdisjoint({"psnr", "ssim", "l1"})
    assert method.compared(sums) == {}


def test_fills_without_a_network():
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    plane = (0.1 * y - 0.05 * x).expand(1, 2, 24, 24).clone()
    shown = torch.ones(1, 24, 24, dtype=torch.bool)
    shown[0, 8:14, 8:14] = False
    covered = torch.where(shown[:, None], plane, 99.0)
    assert torch.allclose(biharmonic_fill(covered, shown), plane, atol=0.05)
    assert torch.allclose(smooth_fill(covered, shown), plane, atol=0.2)
    assert torch.equal(smooth_fill(covered, shown)[0, :, shown[0]], plane[0, :, shown[0]])
    assert mean_fill(covered, shown)[0, 0, 9, 9].item() == pytest.approx(plane[0, 0][shown[0]].mean().item(), abs=1e-5)


def test_a_new_network_begins_with_the_smooth_fill(plain):
    method = method_of(plain, weight=0)
    batch = next(method.reader.fixed(method.validation, 4, 1))
    truth = method.network.truth(batch)
    assert torch.allclose(method.fill(batch), torch.where(batch.targets["hidden"][:, None], smooth_fill(truth, shown(batch)), truth))


def test_a_run_keeps_figures_beside_fills_without_a_network(filled):
    card = json.loads((filled / "run.json").read_text())
    assert (card["state"], card["method"], card["architecture"]) == ("finished", "inpainting", "unet")
    assert card["blocks"] == {"size": 8, "share": 0.3, "number": None}
    assert set(card["fills"]["few"]) == {"network", "mean", "smooth", "biharmonic"} and card["fills"]["tiles"] == 4
    assert card["fills"]["all"]["network"]["psnr"] == pytest.approx(card["metrics"]["psnr"], abs=1e-3)
    rows = list(csv.DictReader((filled / "metrics.csv").open()))
    assert all(0 <= float(row["discriminator_accuracy"]) <= 1 and math.isfinite(float(row["adversarial_loss"])) for row in rows)
    page = (filled / "report.html").read_text()
    for words in ("<svg", "data:image/png;base64", "Finished: 2 of 2 epochs", "the smoothest fill",
                   "B04 [reflectance]", "Place and data it learned from", "244 ha under the tiles", "What this does not show"):
        assert words in page
    encoder = json.loads((filled / "encoder.json").read_text())
    assert encoder["method"] == "inpainting" and [band["name"] for band in encoder["bands"]] == ["B04", "B03", "B02"]
    assert load_tensors(str(filled / "encoder.safetensors"))["model.conv1.0.weight"].shape[1] == 3


@pytest.mark.parametrize(("weight", "patience"), [(0.1, 11), (0.0, 3)])
def test_a_figure_that_prefers_blur_chooses_no_epoch(plain, weight, patience):
    plan = Inpainting([Dataset.open(plain)], Settings(encoder=SMALL, epochs=10, patience=3, adversarial_weight=weight)).plan()
    assert (plan.keep, plan.patience) == ("last", patience), "with a discriminator PSNR does not end training either"


def test_a_run_keeps_its_last_epoch_though_its_fills_were_better_before(plain, tmp_path, monkeypatch):
    falling = iter([30.0, 20.0, 10.0])
    measured = FillingQuality.figures
    monkeypatch.setattr(FillingQuality, "figures", lambda self, sums: {**measured(self, sums), "psnr": next(falling, 0.0)})
    pretrain_inpainting(str(plain), str(tmp_path / "run"), Settings(**{**QUICK, "adversarial_weight": 0.0}))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["metrics"]["epoch"] == 2
    assert "The last epoch is kept, 2." in (tmp_path / "run" / "report.html").read_text()


def test_fine_tuning_takes_encoder_and_decoder(filled, dataset_folder, tmp_path):
    heard = Listening()
    settings = FinetuneSettings(encoder=SMALL, epochs=1, batch_size=4, device="cpu", start=str(filled))
    finetune(str(dataset_folder), str(tmp_path / "run"), settings, heard)
    sentence = next(text for text in heard.texts if text.startswith("Starting weights: "))
    assert "left new: segmentation_head.0.weight, segmentation_head.0.bias; not used: detail.0.weight" in sentence


def test_a_cancelled_run_continues_with_the_same_losses(filled, plain, tmp_path):
    from eo_pretrain_qgis.errors import Cancelled

    with pytest.raises(Cancelled):
        pretrain_inpainting(str(plain), str(tmp_path / "run"), Settings(**QUICK), Cancelling(lambda heard: heard.reached("Epoch 2")))
    pretrain_inpainting(str(plain), str(tmp_path / "run"), Settings(**QUICK))
    cut, whole = (list(csv.DictReader((folder / "metrics.csv").open())) for folder in (tmp_path / "run", filled))
    names = ("loss", "psnr", "ssim", "discriminator_accuracy", "adversarial_loss")
    assert [[row[name] for name in names] for row in cut] == [[row[name] for name in names] for row in whole]


def test_a_discriminator_that_has_decided_everything_is_told_once(plain):
    heard = Listening()
    method = method_of(plain, progress=heard, warmup=2)
    for epoch, right in enumerate((1.0, 1.0, 0.995, 1.0, 1.0, 1.0)):  # the first two epochs are warm-up
        method.epochs_done, method.tally = epoch, torch.tensor([right, 1.0, 0.5, 0.5, 1.0])
        method.figures(np.zeros((7, method.quality.size), np.float32))
    assert len(heard.texts) == 1
    assert heard.texts[0].startswith("For 3 epochs the discriminator tells every fill from truth (accuracy 1.00)")
    for epoch in range(6, 9):
        method.epochs_done, method.tally = epoch, torch.tensor([0.5, 1.0, 0.5, 0.5, 1.0])
        method.figures(np.zeros((7, method.quality.size), np.float32))
    assert len(heard.texts) == 2 and "no longer tells fills from truth (accuracy 0.50)" in heard.texts[1]


def test_a_folder_of_another_band_order_or_share_is_refused(filled, tmp_path):
    shutil.copytree(filled, tmp_path / "run")
    other = scenes.unlabelled_other_order(tmp_path)
    with pytest.raises(DataError, match=r"holds a run on another dataset .* Choose a new folder."):
        pretrain_inpainting(str(other), str(tmp_path / "run"), Settings(**QUICK))
    plain = json.loads((filled / "run.json").read_text())["dataset"]["path"]
    with pytest.raises(DataError, match=r"a run with other settings: “hidden share” .hidden_share. was 0.3, and is 0.5 now. To"):
        pretrain_inpainting(plain, str(tmp_path / "run"), Settings(**QUICK, hidden_share=0.5))


def test_weights_of_another_architecture_are_refused_and_other_bands_adapted(filled, tmp_path):
    radar = scenes.unlabelled_radar(tmp_path)
    heard = Listening()
    pretrain_inpainting(str(radar), str(tmp_path / "run"), Settings(**{**QUICK, "epochs": 1, "start": str(filled)}), heard)
    assert any("VV, VH from the mean of 3 channels" in text for text in heard.texts)
    with pytest.raises(ModelError, match="does not fit the encoder"):
        pretrain_inpainting(str(radar), str(tmp_path / "other"), Settings(**{**QUICK, "encoder": "tu-test_efficientnet", "start": str(filled)}))
    assert not (tmp_path / "other").exists()


def test_series_and_single_small_tiles_are_refused(plain, tmp_path):
    with pytest.raises(DataError, match="holds series of dates, and inpainting needs images"):
        pretrain_inpainting(str(crop_dataset(tmp_path)), str(tmp_path / "run"), Settings(**QUICK))
    with pytest.raises(DataError, match="A single tile of 32 px per step is too little to train on. Choose a larger batch"):
        pretrain_inpainting(str(plain), str(tmp_path / "run"), Settings(**{**QUICK, "batch_size": 1}))


def test_a_discriminator_too_deep_for_the_tiles_is_refused(plain, tmp_path):
    with pytest.raises(DataError, match=r"A discriminator of 5 layers needs images of 128 px, .* are 32 px. Choose at most 3 layers"):
        pretrain_inpainting(str(plain), str(tmp_path / "run"), Settings(**QUICK, discriminator_layers=5))
    assert not (tmp_path / "run").exists()


def test_structural_similarity_is_that_of_kornia_and_away_from_the_border_that_of_scikit_image():
    """`kornia.metrics.ssim(…, 11, 1.0)` of version 0.9.0 gives the numbers."""
    source = torch.Generator().manual_seed(1)
    truth = torch.rand(2, 3, 32, 32, generator=source)
    found = truth + 0.2 * torch.randn(truth.shape, generator=source)
    alike = ssim(found, truth)
    assert alike.mean((0, 2, 3)).tolist() == pytest.approx([0.794747, 0.803126, 0.804424], abs=2e-6)
    assert float(alike[0, 0, 0, 0]) == pytest.approx(0.8844797, abs=2e-6)
    assert float(ssim(truth, truth).min()) == pytest.approx(1, abs=1e-5)
    theirs = structural_similarity(found[0].numpy(), truth[0].numpy(), data_range=1.0, gaussian_weights=True, sigma=1.5,
                                   use_sample_covariance=False, channel_axis=0, full=True)[1]
    assert np.abs(alike[0].numpy() - theirs)[:, 6:-6, 6:-6].max() < 2e-4
