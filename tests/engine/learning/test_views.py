import math
from dataclasses import replace

import pytest
import torch

from eo_pretrain_qgis.engine.cards import Input
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins import views
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins.views import Views
from tests.inputs import input_band, inputs
from tests.settings import barlow_twins as ViewPlan

CPU = torch.device("cpu")
STILL = ViewPlan(smallest=1.0, largest=1.0, gain=0, band_gain=0, offset=0, blur=0, band_drop=0, looks=1e12, trend=0)
SIDE = 24


def make(plan=STILL, bands=3, centre=0.0, spread=1.0, unit="reflectance", dtype="uint16", **facts):
    return Views(inputs(bands, centre, spread, unit=unit, **facts)["image"], dtype, SIDE, plan, CPU)


def still(**changes):
    return replace(STILL, **changes)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n=16, bands=3, level=1.0):
    """Every pixel unlike its neighbours, smooth, between 0 and 1 above the level."""
    y, x = torch.meshgrid(torch.linspace(0, 1, SIDE), torch.linspace(0, 1, SIDE), indexing="ij")
    return (level + 0.7 * y + 0.3 * x**2).expand(n, bands, SIDE, SIDE).clone()


def values(view):
    """Back from asinh."""
    return torch.sinh(view)


def test_a_whole_view_is_the_tile_in_one_of_eight_orientations():
    tile = images(64)
    found = values(make()(tile, None, seeded()))
    tile, kinds = tile[0], set()
    symmetries = [torch.rot90(mirrored, turn, (1, 2)) for mirrored in (tile, tile.flip(2)) for turn in range(4)]
    for view in found:
        # Aspect leaves the wider side whole and shortens the other: a pixel or two are missing there.
        distances = [float((view - other).abs().mean()) for other in symmetries]
        assert min(distances) < 0.05
        kinds.add(distances.index(min(distances)))
    assert kinds == set(range(8))


def test_the_share_of_the_tile_that_is_seen_follows_the_plan():
    ramp = torch.linspace(0, 1, SIDE).expand(200, 1, SIDE, SIDE).clone()
    found = values(make(still(smallest=0.25, largest=0.25), bands=1)(ramp, None, seeded()))
    seen = (found.amax((1, 2, 3)) - found.amin((1, 2, 3))) * SIDE / (SIDE - 1)
    assert seen.min() > 0.5 * math.sqrt(3 / 4) - 0.05
    assert seen.max() < 0.5 * math.sqrt(4 / 3) + 0.05


@pytest.mark.parametrize(("plan", "shares"), [
    (ViewPlan(), (0.25, 1.0)),
    (ViewPlan(crop=SIDE // 2), (0.15, 0.35)),
    (ViewPlan(crop=2 * SIDE), (0.25, 1.0)),
    (ViewPlan(crop=SIDE // 2, smallest=0.1), (0.1, 0.35)),
    (ViewPlan(smallest=0.3, largest=0.4), (0.3, 0.4)),
])
def test_smaller_views_show_less_so_that_pixels_keep_their_size(plan, shares):
    assert plan.shares(SIDE) == pytest.approx(shares)


def test_the_same_seed_draws_the_same_views_and_another_does_not():
    draw = make(ViewPlan(), centre=1.4, spread=0.3)
    tile = images()
    assert torch.equal(draw(tile, None, seeded(1)), draw(tile, None, seeded(1)))
    assert not torch.equal(draw(tile, None, seeded(1)), draw(tile, None, seeded(2)))


@pytest.mark.parametrize("crop", [None, 8, 13, 31])
def test_views_have_the_size_asked_for(crop):
    draw = make(ViewPlan(crop=crop), centre=1.4, spread=0.3)
    assert draw(images(), None, seeded()).shape == (16, 3, crop or SIDE, crop or SIDE)
    assert draw.size == (crop or SIDE)


def test_views_much_smaller_than_tiles_are_averaged_not_picked():
    checkers = (torch.arange(SIDE)[:, None] + torch.arange(SIDE)) % 2 * 2.0
    found = values(make(still(crop=6), bands=1)(checkers.expand(8, 1, SIDE, SIDE).clone(), None, seeded()))
    assert torch.allclose(found, torch.ones_like(found), atol=1e-5)


def test_missing_pixels_are_zero_and_leave_no_trace_beside_them():
    tile, valid = images(), torch.ones(16, SIDE, SIDE, dtype=torch.bool)
    valid[:, :6] = False
    tile[:, :, :6] = 500.0
    draw = make(still(smallest=0.5), centre=1.0, spread=0.5)
    found = draw(tile, valid, seeded())
    assert (found == 0).any()
    assert found.isfinite().all()
    assert values(found).max() < 4, "the value of missing pixels shines through"


def test_reflectance_varies_in_gain_around_zero_reflectance():
    draw = make(still(gain=0.2, band_gain=0.1), unit="reflectance", scale=1e-4, offset=-0.1, centre=2000.0, spread=500.0)
    dark = torch.full((64, 3, SIDE, SIDE), 1000.0)  # reflectance 0
    found = draw(dark, None, seeded())
    assert torch.allclose(found, torch.full_like(found, math.asinh(-2)), atol=1e-4), "black stays black"
    bright = values(draw(torch.full((400, 3, SIDE, SIDE), 3000.0), None, seeded())) * 500 + 2000 - 1000
    factors = bright[:, :, 5, 5] / 2000
    assert 0.15 < float(factors.std()) < 0.25
    assert float(factors.mean()) == pytest.approx(1, abs=0.05)
    assert (factors[:, 0] - factors[:, 1]).abs().max() > 0.05


def test_haze_is_stronger_in_blue_than_in_the_infrared():
    bands = tuple(input_band(name, unit="reflectance", scale=1e-4, wavelength_um=length) for name, length in (("B02", 0.49), ("B12", 2.2)))
    draw = Views(Input("image", "image", "sentinel2_l2a", bands), "uint16", SIDE, still(offset=1.0), CPU)
    spread = values(draw(torch.zeros(500, 2, SIDE, SIDE), None, seeded()))[:, :, 0, 0].std(0)
    assert spread[0] > 1.2 * spread[1]


def test_offsets_of_unknown_units_turn_around_the_centre():
    draw = make(still(gain=0.3, band_gain=0.1), unit="unknown", dtype="float32", centre=280.0, spread=10.0)
    found = draw(torch.full((100, 3, SIDE, SIDE), 280.0), None, seeded())
    assert torch.allclose(found, torch.zeros_like(found), atol=1e-4), "of kelvin a gain around 0 would be hundreds"


def test_radar_in_decibels_and_in_linear_units_changes_alike():
    level = torch.full((200, 2, SIDE, SIDE), -12.0)
    plan = still(gain=0.2, band_gain=0.1, looks=8.0, trend=2.0)
    decibels = values(make(plan, bands=2, unit="dB", dtype="float32")(level, None, seeded()))
    power = values(make(plan, bands=2, unit="linear", dtype="float32")(10 ** (level / 10), None, seeded()))
    assert torch.allclose(decibels, 10 * power.log10(), atol=0.01)


def test_speckle_is_multiplicative_noise_of_so_many_looks():
    power = values(make(still(looks=4.0), bands=1, unit="linear", dtype="float32")(torch.full((100, 1, SIDE, SIDE), 0.1), None, seeded())) / 0.1
    assert float(power.mean()) == pytest.approx(1, abs=0.01)
    assert float(power.var()) == pytest.approx(1 / 4, rel=0.05)
    skewness = float(((power - power.mean()) ** 3).mean() / power.std() ** 3)
    assert skewness == pytest.approx(2 / math.sqrt(4), abs=0.1), "that of the gamma distribution"


def test_radar_rises_or_falls_evenly_across_the_view():
    found = values(make(still(trend=2.0), bands=1, unit="dB", dtype="float32")(torch.zeros(300, 1, SIDE, SIDE), None, seeded()))
    rise = found.amax((1, 2, 3)) - found.amin((1, 2, 3))
    assert 0.5 < float(rise.mean()) < 3
    assert torch.allclose(found.diff(dim=3).diff(dim=3), torch.zeros(1), atol=1e-4)
    assert float(found.mean((1, 2, 3)).abs().max()) < 1e-4


@pytest.mark.parametrize("angle", [input_band("incidence_angle"), input_band("theta", unit="degree")])
def test_the_incidence_angle_is_left_alone(angle):
    bands = input_band("HH", unit="dB"), input_band("HV", unit="dB"), input_band("VV", unit="dB"), angle
    draw = Views(Input("image", "image", "generic", bands), "float32", SIDE, ViewPlan(smallest=1.0, looks=2.0, blur=1.0, band_drop=1.0), CPU)
    found = values(draw(torch.full((50, 4, SIDE, SIDE), 3.0), None, seeded()))
    assert torch.allclose(found[:, 3], torch.full_like(found[:, 3], 3.0), atol=1e-4)
    assert found[:, 0].std() > 0.5
    assert ((found == 0).all(3).all(2).sum(1) == 1).all(), "a third of the three bands that may be missing"


def test_beside_an_angle_that_stays_backscatter_has_no_slope():
    bands = input_band("HH", unit="dB"), input_band("incidence_angle", unit="degree")
    draw = Views(Input("image", "image", "generic", bands), "float32", SIDE, still(trend=2.0), CPU)
    found = values(draw(torch.ones(20, 2, SIDE, SIDE), None, seeded()))
    assert torch.allclose(found, torch.ones_like(found), atol=1e-4)


def test_blur_smooths_and_keeps_the_mean():
    noise = torch.randn(200, 3, SIDE, SIDE, generator=seeded(3))
    plain, blurred = (values(make(still(blur=share))(noise, None, seeded())) for share in (0.0, 1.0))
    assert float(blurred.std()) < 0.8 * float(plain.std())
    assert float(blurred.mean()) == pytest.approx(float(plain.mean()), abs=0.01)


def test_blur_is_gaussian_in_both_directions(monkeypatch):
    monkeypatch.setattr(views, "SIGMA", (0.8, 0.8))
    point = torch.zeros(8, 1, SIDE, SIDE)
    point[:, :, SIDE // 2, SIDE // 2] = 1
    distance = torch.arange(SIDE) - SIDE // 2
    row = torch.exp(-distance**2 / (2 * 0.8**2)) * (distance.abs() <= 2)
    wanted = torch.outer(row, row) / row.sum() ** 2
    torch.testing.assert_close(make(still(blur=1.0), bands=1)._blur(point, seeded()), wanted.expand_as(point), rtol=1e-5, atol=1e-7)


def test_portions_that_fit_the_caches_are_each_as_drawn_as_the_whole(monkeypatch):
    tiles, valid = images(10) * torch.arange(1, 11).view(10, 1, 1, 1), torch.ones(10, SIDE, SIDE, dtype=torch.bool)
    valid[7] = False
    monkeypatch.setattr(views, "CACHED", 3 * 3 * SIDE**2)  # three tiles
    found = values(make(still(gain=0.1))(tiles, valid, seeded()))
    means = found.mean((1, 2, 3)) / tiles.mean((1, 2, 3))
    assert found[7].abs().max() == 0
    kept = means[torch.arange(10) != 7]
    assert (abs(kept - 1) < 0.4).all(), "every view is of its own tile"
    assert len(set(kept.tolist())) == 9, "no two have the same gain"


def test_up_to_a_third_of_thirteen_bands_is_missing_in_some_views():
    found = make(still(band_drop=0.5), bands=13)(images(200, 13), None, seeded())
    missing = (found == 0).all(3).all(2).sum(1)
    assert 0.35 < float((missing > 0).float().mean()) < 0.65
    assert set(missing[missing > 0].tolist()) == {1, 2, 3, 4}


def test_one_mixture_replaces_the_bands_of_pictures_only():
    tile = images(200)
    tile[:, 1] *= 2
    picture = make(still(band_drop=0.5), unit="unknown", dtype="uint8")(tile, None, seeded())
    alike = (picture[:, 0] == picture[:, 1]).all(2).all(1)
    assert 0.35 < float(alike.float().mean()) < 0.65
    for facts in ({"unit": "reflectance"}, {"unit": "unknown", "bands": 4}):
        found = make(still(band_drop=1.0), **facts)(tile[:, :1].expand(-1, facts.get("bands", 3), -1, -1) * 1.0, None, seeded())
        known = found[(found != 0).all(3).all(2).all(1)]
        assert not len(known), "one band is missing, none is mixed"
    one, two = (make(still(band_drop=1.0), bands=bands)(images(20, bands), None, seeded()) for bands in (1, 2))
    assert (one != 0).all() and (two != 0).all()
