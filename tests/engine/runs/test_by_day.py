"""Figures of series as the season goes on, with intervals over parcels."""

import pytest

from eo_pretrain_qgis.engine.runs.evaluation import measure_classifier
from eo_pretrain_qgis.engine.runs.simple import Settings, train_simple
from tests.scenes_series import write_crop_series


def test_on_the_last_day_figures_and_intervals_are_those_of_all_dates(tmp_path):
    write_crop_series(tmp_path / "season", noise=900)
    train_simple(str(tmp_path / "season"), str(tmp_path / "run"), Settings("statistics", None, None, 100, 1))
    facts, sections = measure_classifier(str(tmp_path / "run"), None, "test")
    first, *_, last = facts["by_day"]
    for name in ("overall_accuracy", "mean_f1"):
        assert last["model"][name] == pytest.approx(facts["model"][name])
        assert last["model"]["intervals"][name] == pytest.approx(facts["model"]["intervals"][name])
    low, high = first["statistics"]["intervals"]["mean_f1"]
    assert low <= first["statistics"]["mean_f1"] <= high and low < high
    assert f"{last['model']['mean_f1']:.3f} ({last['model']['intervals']['mean_f1'][0]:.3f} to" in "".join(sections)
