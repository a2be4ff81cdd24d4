"""The report on crop datasets tells clouds, gaps and parcels, and warns in words."""

import numpy as np

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.engine.formats.timesen2crop import write_timesen2crop_dataset
from eo_pretrain_qgis.engine.themes.crops import report as crop_report

from ..scenes_crops import crop_season
from .test_crop_dataset import create
from .test_timesen2crop import write_tile


def test_sections_and_warnings_of_a_season(tmp_path):
    season = crop_season(tmp_path)
    dataset = create(season, tmp_path, sample_count=400)
    text = "".join(crop_report.sections(dataset))
    assert text.count("<img") == 2
    assert "36 parcels of" in text and "Ground nearer than 10 m" in text
    warned = " ".join(crop_report.warnings(dataset))
    assert "Training and test parcels lie as near as 20 m" in warned
    assert "Fewer than 5 test parcels are of the class" in warned
    assert "No cloud mask" not in warned


def test_cloudy_dates_and_missing_masks(tmp_path):
    season = crop_season(tmp_path)
    dataset = create(season, tmp_path, sample_count=400, masks="none")
    assert "No cloud mask was given, so values under clouds count as clear." in crop_report.warnings(dataset)
    dataset.facts["clouds"]["image"][1] = [10, 390, 0, 0, 0]
    assert "1 of 4 dates of image are clear in fewer than 10% of the samples: 2023-05-01." in crop_report.warnings(dataset)


def test_imported_series_have_no_parcels(tmp_path):
    for name in ("33UVP", "33UWP", "33TWN"):
        write_tile(tmp_path / "all", name)
    (tmp_path / "out").mkdir()
    write_timesen2crop_dataset(tmp_path / "all", tmp_path / "out", SplitPlan(0.2, 0.2))
    dataset = Dataset.open(tmp_path / "out")
    assert "Parcels" not in "".join(crop_report.sections(dataset))
    assert np.all([isinstance(text, str) for text in crop_report.warnings(dataset)])
