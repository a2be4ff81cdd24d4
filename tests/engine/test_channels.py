"""Formulas of bands: what they mean, what they refuse."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.topics.channels import read_channels
from eo_pretrain_qgis.errors import JobError


def worked_out(text, names, values):
    return [channel.compute(np.asarray(values, np.float32)[:, None, None], list(range(len(names))))[0, 0] for channel in read_channels(text, names)]


def test_formulas_mean_what_they_say():
    assert worked_out("HH, (HH+HV)/2; HH-HV, -b2*2, 10*log10(abs(b1))", ["HH", "HV"], [-10, -20]) == pytest.approx([-10, -15, 10, 40, 10])


@pytest.mark.parametrize(("names", "expected"), [
    (["HH", "HV"], ["HH", "(HH+HV)/2", "HH-HV"]),
    (["Sigma0_HV_db", "Sigma0_HH_db"], ["Sigma0_HH_db", "(Sigma0_HH_db+Sigma0_HV_db)/2", "Sigma0_HH_db-Sigma0_HV_db"]),
    (["VV", "VH", "incidence_angle"], ["VV", "(VV+VH)/2", "VV-VH"]),
    (["band 1", "band 2"], ["b1", "b2"]),
    (["B04", "B08", "near infrared"], ["B04", "B08", "b3"]),
])
def test_without_formulas(names, expected):
    assert [channel.text for channel in read_channels("", names)] == expected


def test_only_needed_bands_are_read():
    channel = read_channels("b3-b1", ["a", "b", "c"])[0]
    assert sorted(channel.bands.values()) == [0, 2]
    assert channel.compute(np.array([[[1.0]], [[5.0]]], np.float32), [0, 2])[0, 0] == 4


def test_what_has_no_value_is_not_finite():
    assert np.isneginf(worked_out("log10(b1)", ["a"], [0]))
    assert np.isnan(worked_out("b1/b1", ["a"], [0]))


@pytest.mark.parametrize(("formula", "sentence"), [
    ("b1 +", "is no formula"), ("1+2", "uses no band"), ("b3", "asks for “b3”, which is no band"), ("b1**2", "holds more than bands"),
    ("b1 if b2 else b1", "holds more than bands"), ("open(b1)", "holds more than bands"), ("b1.real", "holds more than bands"),
    ("'a'+b1", "holds more than bands"), ("[b1]", "holds more than bands"),
])
def test_anything_else_is_refused(formula, sentence):
    with pytest.raises(JobError) as caught:
        read_channels(formula, ["x", "y"])
    assert sentence in str(caught.value)
    assert "The image has the bands x (b1), y (b2)" in str(caught.value)
