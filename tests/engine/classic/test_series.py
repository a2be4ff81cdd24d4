"""Series brought to the same days, and simple classifiers of them, against numbers worked out otherwise."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.cards import SeriesDays, single
from eo_pretrain_qgis.engine.classic.models import Labelled, fed
from eo_pretrain_qgis.engine.classic.series import brought, shares
from eo_pretrain_qgis.engine.classic.whitening import Whitening
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.dates import check_season, read_series
from eo_pretrain_qgis.engine.models.session import on_processor
from eo_pretrain_qgis.engine.runs.by_scene import Counts
from eo_pretrain_qgis.engine.runs.simple import Settings, train_simple
from eo_pretrain_qgis.errors import DataError
from tests.scenes_series import write_crop_series


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_crop_series(tmp_path_factory.mktemp("series") / "season", hidden=(7,))


@pytest.fixture
def series(folder):
    return Dataset.open(folder)


def straight(season, days, values):
    """`brought` by numpy.interp, which needs dates in order."""
    order = np.argsort(days, kind="stable")
    order = order[days[order] >= 0]
    return np.stack([np.interp(season, days[order], one[order]) for one in values.T], 1).ravel()


def test_between_dates_on_a_line_and_beyond_as_the_last():
    rng = np.random.default_rng(0)
    season = np.array([10.0, 20, 25, 40, 77.5, 200])
    days = np.array([rng.choice(np.arange(12, 150), 9, replace=False) for _ in range(20)]).astype(np.float32)
    days[rng.random(days.shape) < 0.4] = -1
    days[:, 0] = 60
    values = rng.normal(size=(20, 9, 3)).astype(np.float32)
    white = Whitening(np.zeros(3, np.float32), np.ones(3, np.float32), np.eye(3, dtype=np.float32), False)
    expected = np.stack([straight(season, *pair) for pair in zip(days, values)])
    assert brought(white, season, values, days) == pytest.approx(expected, abs=1e-5)


def test_two_dates_of_a_day_share_alike_and_no_date_shares_nothing():
    assert shares(np.array([5.0]), np.array([[5, 5, -1, 9]], np.float32)).tolist() == [[[0.5, 0.5, 0, 0]]]
    assert not shares(np.array([5.0, 6.0]), np.full((1, 4), -1, np.float32)).any()


def test_days_of_a_season(series):
    season = single(series.inputs).season
    known = np.where(series.array("flags", series.indices("training")) == 0, series.array("days", series.indices("training")), -1)
    assert (season.days[0], season.days[-1]) == (known[known >= 0].min(), known.max())
    assert 11 <= len(season.days) <= 36 and np.ptp(np.diff(season.days)) < 0.03
    with pytest.raises(ValueError, match="“days” do not rise"):
        SeriesDays((3.0, 3.0))


def test_clouds_and_padding_are_not_looked_at(series):
    what = single(series.inputs)
    every = series.indices("all")
    values, days = read_series(series, what, every)
    clear = (series.array("flags", every) == 0) & (series.array("days", every) >= 0) & what.season.seen(series.array("days", every))
    assert ((days >= 0) == clear).all()
    assert (values[~clear] == np.float32(what.centre)).all()
    assert read_series(series, what.until(120.0), every)[1].max() <= 120


@pytest.mark.parametrize("approach", ["statistics", "boosting"])
def test_the_graph_says_what_the_classifier_says(series, approach):
    what, every = single(series.inputs), series.indices("all")
    model = Labelled(series, what, series.indices("training"), 1).fit(approach)
    session = on_processor(model.graph().SerializeToString())
    given = fed(series, what, every)
    found, scores = session.run(None, given)[0], model.answers(series)(every)
    hidden = series.tiles["parcel"].to_numpy() == 7
    assert np.isnan(found[hidden]).all() and np.isnan(scores[hidden]).all() and not np.isnan(found[~hidden]).any()
    chances = np.exp(scores[~hidden]) / np.exp(scores[~hidden]).sum(1, keepdims=True)
    assert (np.abs(found[~hidden] - chances).max(1) < 1e-4).mean() > 0.995  # a tree may send a rounded value the other way
    order = np.random.default_rng(0).permutation(given["image"].shape[1] + 3)
    image = np.concatenate([given["image"], np.full((len(every), 3, 2), np.nan, np.float32)], 1)[:, order]
    days = np.concatenate([given["image_days"], np.full((len(every), 3), -1, np.float32)], 1)[:, order]
    again = session.run(None, {"image": image, "image_days": days})[0]
    assert (np.abs(again - found)[~hidden].max(1) < 1e-5).mean() > 0.995


def test_a_parcel_says_what_its_series_say_together(series):
    tiles, parcel = series.indices("test"), series.tiles["parcel"].to_numpy()
    truth, rng = series.labels(tiles), np.random.default_rng(0)
    answers = np.log(rng.dirichlet(np.ones(3), len(tiles)))
    answers[parcel[tiles] == 7] = np.nan
    counts = Counts(series, tiles)
    for part in np.array_split(rng.permutation(len(tiles)), 5):
        counts.add(tiles[part], truth[part], answers[part])
    expected = np.zeros((3, 3), int)
    for number in set(parcel[tiles]) - {7}:
        here = parcel[tiles] == number
        expected[truth[here][0], np.exp(answers[here]).mean(0).argmax()] += 1
    assert counts.total().tolist() == expected.tolist()


def test_simple_runs_learn_series(folder, tmp_path):
    found = train_simple(str(folder), str(tmp_path / "run"), Settings("auto", None, None, 100, 1))
    assert found["kept"] in ("statistics", "boosting") and found["validation_accuracy"] > 0.85


def test_another_season_is_refused(series, tmp_path):
    later = Dataset.open(write_crop_series(tmp_path / "later", parcels=12, shift=200))
    with pytest.raises(DataError, match=r"are of 2\d September to \d+ May of the next year, and the model learned from dates of 1\d March to \d+ "
                                        "October. Choose series of the same part of the year, or learn from these."):
        check_season(later, single(series.inputs), later.indices("all"))
    assert check_season(series, single(series.inputs), series.indices("training")) == ""
    shifted = Dataset.open(write_crop_series(tmp_path / "shifted", parcels=12, shift=30))
    assert "of the clear dates lie outside the season of the model and are left out." in check_season(shifted, single(series.inputs), np.arange(48))


def test_series_of_other_years_are_moved_by_whole_years(series, tmp_path):
    next_year = Dataset.open(write_crop_series(tmp_path / "next", parcels=12, shift=365))
    this_year = Dataset.open(write_crop_series(tmp_path / "this", parcels=12))
    what = single(series.inputs)
    assert check_season(next_year, what, np.arange(48)) == check_season(this_year, what, np.arange(48))
    for ours, theirs in zip(read_series(this_year, what, np.arange(48)), read_series(next_year, what, np.arange(48)), strict=True):
        assert (ours == theirs).all()
    assert next_year.inputs["image"].days[0] > 365 > this_year.inputs["image"].days[-1]


def test_series_without_a_clear_date_are_refused(tmp_path):
    dark = write_crop_series(tmp_path / "dark", parcels=12, cloudy=1)
    with pytest.raises(DataError, match="None of the 24 series of .* that were chosen has a clear date: all are under cloud, shadow or snow, or were "
                                        "not measured. Check the cloud masks and the nodata value."):
        train_simple(str(dark), str(tmp_path / "run"), Settings("statistics", None, None, 100, 1))
