"""Presto and Galileo against what their published code gave with their published weights, and in runs, exports and refusals.

`presto_published.npz` holds values of 14 months (place, month, band) from September on in reflectance and decibels, which of them are known, and what
`single_file_presto.py` of nasaharvest/presto at 13173d0 gave at 48.5° N, 16.2° E, for all bands, the optical ones, four of these, radar, and NDVI
alone; `galileo_published.npz` what `single_file_galileo.py` of nasaharvest/galileo at 0f0b5b9 gave with `construct_galileo_input` and patches of one
pixel.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from eo_pretrain_qgis.engine.cards import Input, SeriesDays
from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.galileo import Galileo
from eo_pretrain_qgis.engine.learning.networks.monthly import FIRST_DAYS, season_months
from eo_pretrain_qgis.engine.learning.networks.presto import Presto
from eo_pretrain_qgis.engine.learning.networks.series_start import chosen_series_encoder
from eo_pretrain_qgis.engine.learning.networks.starting_weights import load_weights
from eo_pretrain_qgis.errors import DataError, ModelError
from tests.inputs import input_band
from tests.scenes_series import write_crop_series
from tests.settings import finetuning as Settings

from ...listening import Listening

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "weights"
WEIGHTS = {"presto": FOLDER / "presto_default_model.pt", "galileo": FOLDER / "galileo_nano_encoder.pt"}
KINDS = {"presto": Presto, "galileo": Galileo}
OPTICAL = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
PUBLISHED = {"both": ("VV", "VH", *OPTICAL), "optical": OPTICAL, "few": ("B08", "B04", "B03", "B02"), "radar": ("VV", "VH"),
             "index": ("NDVI",)}
#: Centre, spread and facts of bands that are not of reflectance.
OTHERS = {"VV": (-14.0, 4.0, "dB"), "VH": (-14.0, 4.0, "dB"), "NDVI": (0.3, 0.2, "unknown")}
SEPTEMBER, OCTOBER = 243.0, 365.0 + 303
published = pytest.mark.skipif(not FOLDER.is_dir(), reason="The published weights are not beside this checkout.")


def series(names, first=0.0, last=364.0, **facts):
    bands = [input_band(name, *OTHERS[name], **({} if name != "NDVI" else facts)) if name in OTHERS else
             input_band(name, 1500.0, 900.0, **{"unit": "reflectance", "scale": 1e-4, **facts}) for name in names]
    return Input("image", "image", "generic", tuple(bands), axes="tb", season=SeriesDays((first, last)))


def standardised(values, names, monthly, known):
    """Two dates for each month, whose mean it is, mixed; and their days."""
    count, months = known.shape
    bands, days = np.zeros((count, 2 * months, len(names))), np.full((count, 2 * months), -1.0)
    red, infrared = (values[..., PUBLISHED["both"].index(name)] for name in ("B04", "B08"))
    ndvi = (infrared - red) / (infrared + red)
    for month in range(months):
        for date, apart in enumerate((0.02, -0.02)):
            for band, name in enumerate(names):
                value = ndvi[:, month] if name == "NDVI" else values[:, month, PUBLISHED["both"].index(name)]
                centre, spread = OTHERS[name][:2] if name in OTHERS else (0.15, 0.09)
                bands[:, 2 * month + date, band] = (value + apart - centre) / spread
            days[:, 2 * month + date] = np.where(known[:, month], monthly[month] + 3 + 20 * date, -1)
    mixed = np.random.default_rng(0).permutation(2 * months)
    return torch.from_numpy(bands[:, mixed]).float(), torch.from_numpy(days[:, mixed]).float()


def loaded(name, seen):
    """An encoder with its published weights, at 48.5° N, 16.2° E."""
    ours = KINDS[name](seen).eval()
    theirs = KINDS[name].of_published({key.removeprefix("encoder."): tensor for key, tensor in load_weights(str(WEIGHTS[name])).items()})
    missing = ours.load_state_dict({key: theirs[key] for key in ours.state_dict() if key in theirs}, strict=False).missing_keys
    assert missing == ["place"]
    ours.stand_at(16.2, 48.5)
    return ours


@published
@pytest.mark.realdata
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("bands", PUBLISHED)
@pytest.mark.parametrize("name", KINDS)
def test_features_are_those_of_the_published_code_whatever_the_order_of_the_bands(name, bands, turned):
    names = PUBLISHED[bands][::-1] if turned else PUBLISHED[bands]
    with np.load(Path(__file__).with_name(f"{name}_published.npz")) as stored:
        wanted, values, known = (stored[key] for key in (bands, "values", "known"))
    seen = series(names, SEPTEMBER, OCTOBER)
    with torch.no_grad():
        found = loaded(name, seen)(*standardised(values, names, season_months(seen, name)[0], known)).numpy()
    assert np.abs(found - wanted).max() < 1e-5 < np.abs(wanted).max()


@published
@pytest.mark.realdata
def test_galileo_counts_months_as_its_weights_do():
    ours, theirs = loaded("galileo", series(("B08",))), load_weights(str(WEIGHTS["galileo"]))
    assert torch.allclose(ours.order, theirs["pos_embed"], atol=1e-6) and torch.allclose(ours.year, theirs["month_embed.weight"], atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("place", [None, (16.2, 48.5)])
def test_series_without_a_clear_date_have_finite_features(name, place):
    network = KINDS[name](series(("B04", "B08"))).eval()
    if place:
        network.stand_at(*place)
    assert torch.isfinite(network(torch.zeros(2, 3, 2), torch.full((2, 3), -1.0))).all()


@pytest.mark.parametrize("name", KINDS)
def test_a_month_without_a_date_changes_nothing(name):
    torch.manual_seed(0)
    network = KINDS[name](series(("B04", "B08"))).eval()
    bands, days = torch.randn(3, 4, 2), torch.tensor([[10.0, 40, 100, -1]] * 3)
    other = bands.clone()
    other[:, 3] = 7
    assert torch.equal(network(bands, days), network(other, days))
    assert not torch.allclose(network(bands, days), network(bands, torch.where(days < 0, 200.0, days)), atol=1e-3)


def test_a_season_over_new_year_has_its_months():
    begins, ends, months = season_months(series(("B08",), SEPTEMBER, 365.0 + 242), "Presto")
    assert months == [8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7]
    assert begins[:2] == [243, 273] and ends[0] == 273 and begins[4] == 365 and ends[-1] == 365 + FIRST_DAYS[8]


@pytest.mark.parametrize("names, facts, said", [
    (("albedo", "height"), {}, "These series have albedo, height. Choose another encoder"),
    (("B04", "B08"), {"unit": "unknown"}, "Presto takes the band B04 as reflectance, and in these series it is unknown."),
    (("B04", "B08"), {"last": 800.0}, "Presto reads 24 months at most, and these series span 27."),
    (("NDVI",), {"scale": 2.0}, "Presto takes NDVI from -1 to 1, and in these series it goes from"),
])
@pytest.mark.parametrize("name", KINDS)
def test_series_that_it_does_not_know_are_refused(name, names, facts, said):
    with pytest.raises(DataError) as caught:
        KINDS[name](series(names, **facts))
    assert said.replace("Presto", KINDS[name].called) in str(caught.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_crop_series(tmp_path_factory.mktemp("series") / "season", hidden=(7,), noise=900)


@published
@pytest.mark.realdata
@pytest.mark.parametrize("how", [{"mode": "frozen"}, {"mode": "fine_tune"}, {"mode": "probe"}, {"approach": "features"}])
@pytest.mark.parametrize("name", KINDS)
def test_published_weights_start_a_run_that_exports(folder, tmp_path, name, how):
    progress = Listening()
    finetune(str(folder), str(tmp_path / "run"), Settings(encoder=None, start=str(WEIGHTS[name]), epochs=1, epoch_steps=2, keep="last", device="cpu",
                                                           **how), progress)
    run = Run.open(str(tmp_path / "run"))
    assert run.card["encoder"] == name
    assert any(text.startswith(f"{KINDS[name].called} sees monthly means of B08; NDVI, ") for text in progress.texts)
    encoder = run.load_network(torch.device("cpu")).encoder
    assert abs(float(encoder.place.square().sum()) - 1) < 1e-5  # the dataset's, not that of the file, which has none
    theirs = KINDS[name].of_published({key.removeprefix("encoder."): tensor for key, tensor in load_weights(str(WEIGHTS[name])).items()})
    changed = [key for key, tensor in encoder.state_dict().items() if key != "place" and not torch.equal(tensor, theirs[key])]
    assert bool(changed) == (how.get("mode") == "fine_tune")
    assert export_run(str(tmp_path / "run"), str(tmp_path / "model.onnx"))["largest_difference"] < 1e-4


def test_features_without_starting_weights_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match="features of an encoder without starting weights say nothing"):
        finetune(str(folder), str(tmp_path / "run"), Settings(encoder="presto", mode="probe", device="cpu"))
    assert not (tmp_path / "run").exists()


@published
@pytest.mark.realdata
@pytest.mark.parametrize("name", KINDS)
def test_its_weights_are_no_start_of_another_encoder(name):
    with pytest.raises(ModelError, match=f"its weights are of “{name}”"):
        chosen_series_encoder(str(WEIGHTS[name]), "lstm", ["B04", "B08"])
