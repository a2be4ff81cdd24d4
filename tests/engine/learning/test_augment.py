import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from eo_pretrain_qgis.engine.cards import Input
from eo_pretrain_qgis.engine.learning import augment
from eo_pretrain_qgis.engine.learning.augment import Augmentation, ValueChanges
from eo_pretrain_qgis.engine.learning.data import Batch
from eo_pretrain_qgis.engine.learning.image_changes import symmetry, turned
from tests.inputs import input_band, inputs

CPU = torch.device("cpu")
UNITS = {"reflectance": (1e-4, -0.1), "dB": (1.0, 0.0), "linear": (1.0, 0.0), "unknown": (1.0, 0.0)}


def batch(n=6, bands=4, size=32, level=2000.0):
    """Tiles in which every pixel is unlike all others, with labels that follow the pixels."""
    pixels = torch.arange(n * size * size, dtype=torch.float32).view(n, 1, size, size)
    images = level + pixels / 10 + 100 * torch.arange(bands).view(1, -1, 1, 1)
    valid = torch.ones(n, size, size, dtype=torch.bool)
    valid[:, 0, :5] = False
    return Batch({"image": images}, {"image": valid}, np.arange(n), torch.ones(n), {"labels": pixels[:, 0].long() % 200})


def make(kind, unit="reflectance", bands=4, mean=2000.0, std=500.0):
    scale, offset = UNITS[unit]
    return Augmentation(kind, inputs(bands, mean, std, unit=unit, scale=scale, offset=offset), CPU)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_eight_symmetries_are_all_different():
    tile = torch.arange(9).view(3, 3)
    assert len({tuple(symmetry(tile, number).flatten().tolist()) for number in range(8)}) == 8
    for number in range(8):
        turned_tile = torch.rot90(tile, number % 4, (-2, -1))
        assert torch.equal(symmetry(tile, number), turned_tile.flip(-1) if number >= 4 else turned_tile)


def test_tiles_are_turned_by_symmetry_as_each_by_itself():
    tiles, numbers = torch.randn(40, 2, 5, 5, generator=seeded()), torch.randint(0, 8, (40,), generator=seeded()).tolist()
    first, second = turned(numbers, tiles, tiles[:, 0].bool())
    assert torch.equal(first, torch.stack([symmetry(tile, number) for tile, number in zip(tiles, numbers)]))
    assert torch.equal(second, first[:, 0].bool())
    alone, = turned([6], tiles[:1])
    assert torch.equal(alone[0], symmetry(tiles[0], 6))


class Counted(TorchDispatchMode):
    """Counts what is computed with tensors."""

    operations = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        self.operations += 1
        return function(*arguments, **named or {})


@pytest.mark.parametrize("shares", [False, True])
def test_a_batch_is_turned_in_few_operations_however_many_tiles_it_has(shares):
    before, change = batch(256, size=8), make("flips")
    if shares:
        before.targets["shares"] = torch.zeros(256, 3, 8, 8, dtype=torch.uint8)
    with Counted() as counted:
        change(before, seeded())
    assert counted.operations <= 60


def test_flips_move_images_labels_and_mask_together():
    before = batch()
    after = make("flips")(before, seeded())
    assert not torch.equal(after.images["image"], before.images["image"])
    values = ((after.images["image"][:, 0] - 2000) * 10).round().long()
    assert torch.equal(values % 200, after.targets["labels"])
    assert (after.valid["image"].sum((1, 2)) == before.valid["image"].sum((1, 2))).all()


def test_none_changes_nothing():
    before = batch()
    assert make("none")(before, seeded()) is before


@pytest.mark.parametrize("unit", UNITS)
def test_the_same_draw_gives_the_same_batch_and_missing_pixels_the_mean(unit):
    one, two = (make("full", unit)(batch(), seeded(4)) for _ in range(2))
    assert torch.equal(one.images["image"], two.images["image"])
    assert torch.isfinite(one.images["image"]).all()
    assert (one.images["image"].permute(0, 2, 3, 1)[~one.valid["image"]] == 2000).all()
    assert not torch.equal(one.images["image"], make("full", unit)(batch(), seeded(5)).images["image"])


def test_gain_acts_about_reflectance_zero():
    images = torch.full((40, 1, 8, 8), 1000.0)  # stored 1000 is reflectance 0 from baseline 04.00 on
    changed = make("full", bands=1).values["image"]._radiometry(images, seeded())
    assert float((changed - 1000).abs().max()) <= 0.02 / 1e-4 + 1


def test_radar_in_decibels_varies_by_about_one_and_a_half_decibels():
    images = torch.full((200, 2, 16, 16), -12.0)
    changed = make("full", "dB", bands=2, mean=-12.0, std=3.0).values["image"]._radiometry(images, seeded()) + 12
    per_tile = changed.mean((2, 3))
    assert 1.15 < float(per_tile.std()) < 1.5, "normal numbers of deviation 1.5, cut at two deviations"
    assert float((changed - per_tile[:, :, None, None]).std()) == pytest.approx(10 / np.log(10) / 60**0.5, rel=0.1)


def test_linear_power_stays_positive():
    images = torch.rand(50, 2, 16, 16) * 0.3 + 0.001
    assert float(make("full", "linear", bands=2, mean=0.1, std=0.05).values["image"]._radiometry(images, seeded()).min()) > 0


def test_one_band_at_most_is_missing_and_only_now_and_then():
    before = batch(n=400, bands=4, size=8, level=9000.0)
    after = make("full").values["image"]._drop_band(before.images["image"], seeded())
    gone = (after == 2000).all(3).all(2)
    assert int(gone.sum(1).max()) == 1
    assert 0.02 < float(gone.any(1).float().mean()) < 0.09


@pytest.mark.parametrize("angle", [input_band("incidence_angle", 34.0, 5.0), input_band("theta", 34.0, 5.0, unit="degree")])
def test_the_incidence_angle_is_never_changed(angle, monkeypatch):
    monkeypatch.setattr(augment, "BLUR_SHARE", 1.0)
    monkeypatch.setattr(augment, "DROP_SHARE", 1.0)
    radar = [input_band(name, centre=-12.0, spread=3.0, unit="dB") for name in ("HH", "HV", "VV")]
    change = ValueChanges(Input("image", "image", "generic", (*radar, angle)), CPU)
    before = torch.cat([-12 + torch.randn(200, 3, 16, 16, generator=seeded(1)), 34 + torch.rand(200, 1, 16, 16, generator=seeded(2))], 1)
    after = change(before, torch.ones(200, 16, 16, dtype=torch.bool), seeded())
    assert torch.equal(after[:, 3], before[:, 3])
    dropped = (after[:, :3] == -12).all(3).all(2)
    assert 0.6 < float(dropped.any(1).float().mean()) < 0.9, "one of four bands is drawn, and the angle stays"
    assert float((after[:, :3] - before[:, :3]).mean((2, 3)).std()) > 1


def test_of_two_polarisations_beside_an_angle_none_is_missing(monkeypatch):
    monkeypatch.setattr(augment, "DROP_SHARE", 1.0)
    bands = [input_band("HH", unit="dB"), input_band("HV", unit="dB"), input_band("incidence_angle", unit="degree")]
    images = torch.ones(20, 3, 8, 8)
    assert torch.equal(ValueChanges(Input("image", "image", "generic", tuple(bands)), CPU)._drop_band(images, seeded()), images)
