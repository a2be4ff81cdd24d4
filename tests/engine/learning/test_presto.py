"""Presto against what its published code gave with its published weights, and in runs, exports and refusals.

`presto_published.npz` holds values of 14 months (place, month, band) from September on in reflectance and decibels, which of them are known, and what
`single_file_presto.py` of nasaharvest/presto at 13173d0 gave for all bands, the optical ones, four of these, and radar, at 48.5° N, 16.2° E.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.cards import Input, SeriesDays
from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.presto import FIRST_DAYS, Presto, season_months
from eo_pretrain_qgis.engine.learning.networks.series_start import chosen_series_encoder
from eo_pretrain_qgis.engine.learning.networks.starting_weights import load_weights
from eo_pretrain_qgis.errors import DataError, ModelError
from tests.inputs import input_band
from tests.scenes_series import write_crop_series
from tests.settings import finetuning as Settings

from ...listening import Listening

WEIGHTS = Path(__file__).resolve().parents[4] / "shared" / "data" / "weights" / "presto_default_model.pt"
OPTICAL = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
PUBLISHED = {"both": ("VV", "VH", *OPTICAL), "optical": OPTICAL, "few": ("B08", "B04", "B03", "B02"), "radar": ("VV", "VH")}
SEPTEMBER, OCTOBER = 243.0, 365.0 + 303
published = pytest.mark.skipif(not WEIGHTS.is_file(), reason="Presto's weights are not beside this checkout.")


def series(names, first=0.0, last=364.0, **facts):
    bands = [input_band(name, -14.0, 4.0, unit="dB") if name in ("VV", "VH") else
             input_band(name, 1500.0, 900.0, **{"unit": "reflectance", "scale": 1e-4, **facts}) for name in names]
    return Input("image", "image", "generic", tuple(bands), axes="tb", season=SeriesDays((first, last)))


def standardised(values, names, monthly, known):
    """Two dates for each month, whose mean it is, mixed; and their days."""
    count, months = known.shape
    bands, days = np.zeros((count, 2 * months, len(names))), np.full((count, 2 * months), -1.0)
    for month in range(months):
        for date, apart in enumerate((0.02, -0.02)):
            for band, name in enumerate(names):
                value = values[:, month, PUBLISHED["both"].index(name)] + apart
                bands[:, 2 * month + date, band] = (value + 14) / 4 if name in ("VV", "VH") else (value * 1e4 - 1500) / 900
            days[:, 2 * month + date] = np.where(known[:, month], monthly[month] + 3 + 20 * date, -1)
    mixed = np.random.default_rng(0).permutation(2 * months)
    return torch.from_numpy(bands[:, mixed]).float(), torch.from_numpy(days[:, mixed]).float()


@published
@pytest.mark.realdata
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("bands", PUBLISHED)
def test_features_are_those_of_the_published_code(bands, turned):
    names = PUBLISHED[bands][::-1] if turned else PUBLISHED[bands]
    with np.load(Path(__file__).with_name("presto_published.npz")) as stored:
        wanted, values, known = (stored[key] for key in (bands, "values", "known"))
    ours = Presto(series(names, SEPTEMBER, OCTOBER)).eval()
    theirs = {name.removeprefix("encoder."): tensor for name, tensor in load_weights(str(WEIGHTS)).items()}
    missing = ours.load_state_dict({name: theirs[name] for name in ours.state_dict() if name in theirs}, strict=False).missing_keys
    assert missing == ["place"]
    ours.stand_at(16.2, 48.5)
    begins = season_months(series(names, SEPTEMBER, OCTOBER))[0]
    with torch.no_grad():
        found = ours(*standardised(values, names, begins, known)).numpy()
    assert np.abs(found - wanted).max() < 1e-5 < np.abs(wanted).max()


def test_a_month_without_a_date_changes_nothing():
    torch.manual_seed(0)
    network = Presto(series(("B04", "B08"))).eval()
    bands, days = torch.randn(3, 4, 2), torch.tensor([[10.0, 40, 100, -1]] * 3)
    other = bands.clone()
    other[:, 3] = 7
    assert torch.equal(network(bands, days), network(other, days))
    assert not torch.allclose(network(bands, days), network(bands, torch.where(days < 0, 200.0, days)), atol=1e-3)


def test_a_season_over_new_year_has_its_months():
    begins, ends, months = season_months(series(("B08",), SEPTEMBER, 365.0 + 242))
    assert months == [8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7]
    assert begins[:2] == [243, 273] and ends[0] == 273 and begins[4] == 365 and ends[-1] == 365 + FIRST_DAYS[8]


@pytest.mark.parametrize("names, facts, said", [
    (("albedo", "height"), {}, "These series have albedo, height. Choose another encoder"),
    (("B04", "B08"), {"unit": "unknown"}, "Presto takes the band B04 as reflectance, and in these series it is unknown."),
    (("B04", "B08"), {"last": 800.0}, "Presto reads 24 months at most, and these series span 27."),
])
def test_series_that_it_does_not_know_are_refused(names, facts, said):
    with pytest.raises(DataError) as caught:
        Presto(series(names, **facts))
    assert said in str(caught.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_crop_series(tmp_path_factory.mktemp("series") / "season", hidden=(7,), noise=900)


@published
@pytest.mark.realdata
@pytest.mark.parametrize("mode", ["frozen", "fine_tune", "probe"])
def test_published_weights_start_a_run_that_exports(folder, tmp_path, mode):
    progress = Listening()
    finetune(str(folder), str(tmp_path / "run"), Settings(encoder=None, start=str(WEIGHTS), mode=mode, epochs=1, epoch_steps=2, keep="last",
                                                           device="cpu"), progress)
    run = Run.open(str(tmp_path / "run"))
    assert run.card["encoder"] == "presto"
    assert any(text.startswith("Presto sees monthly means of B08; NDVI, ") for text in progress.texts)
    place = run.load_network(torch.device("cpu")).encoder.place
    assert abs(float(place.square().sum()) - 1) < 1e-5  # the dataset's, not that of the file, which has none
    assert export_run(str(tmp_path / "run"), str(tmp_path / "model.onnx"))["largest_difference"] < 1e-4


def test_features_without_starting_weights_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match="features of an encoder without starting weights say nothing"):
        finetune(str(folder), str(tmp_path / "run"), Settings(encoder="presto", mode="probe", device="cpu"))
    assert not (tmp_path / "run").exists()


@published
@pytest.mark.realdata
def test_its_weights_are_no_start_of_another_encoder():
    with pytest.raises(ModelError, match="its weights are of “presto”"):
        chosen_series_encoder(str(WEIGHTS), "lstm", ["B04", "B08"])
