"""Fast ice of a chart on images of other days: which polygons, which patches, never in validation or test, and counted apart."""

from datetime import date

import geopandas
import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.describing.page import describe, write_report
from eo_pretrain_qgis.engine.themes.sea_ice.fast_ice import FastIce
from eo_pretrain_qgis.engine.themes.sea_ice.sigrid3 import are_fast
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS

from ..listening import Listening
from ..scenes_ice import ice_chart_fast, ice_fast_day, ice_scene


def built(folder, **given):
    folder.mkdir(exist_ok=True)
    heard = Listening()
    values = {"images": [str(ice_scene(folder)), str(ice_fast_day(folder))], "labels": {"path": str(ice_chart_fast(folder))}, "fast_ice_days": 3,
              "size": 20, "stride": 20, "output": str(folder / "dataset"), **given}
    JOBS["create_sea_ice_dataset"].from_values(values).run(heard)
    return Dataset.open(folder / "dataset"), heard


def test_only_fast_ice_that_looks_alike_is_added(tmp_path):
    """By hand: 12 polygons of 16 patches; of the four of fast ice two lie in the right half, which is 4 dB brighter three days later."""
    data, heard = built(tmp_path, validation_share=0, test_share=0)
    fast, scenes = data.column("fast_ice") == 1, geopandas.read_file(tmp_path / "dataset" / "tiles.gpkg")["scene"].to_numpy()
    assert len(data) == 12 * 16 + 32 and fast.sum() == 32
    assert set(scenes[fast]) == {"S1A_EW_20220506.tif"} and set(scenes[~fast]) == {"S1A_EW_20220503.tif"}
    assert set(data.column("polygon")[fast]) == {6, 9}
    assert data.facts["fast_ice"] == {"day": "2022-05-03", "days": 3, "change_db": 2.0, "changed": 32, "elsewhere": 0,
                                      "patches": {"open water": 0, "young ice": 0, "thick first-year ice": 32}}
    assert any("32 patches of fast ice on images up to 3 days from the chart of 2022-05-03 were added to training" in text for text in heard.texts)
    everything, _ = built(tmp_path / "all", validation_share=0, test_share=0, fast_ice_change=5)
    assert everything.facts["fast_ice"]["patches"]["thick first-year ice"] == 64


@pytest.mark.parametrize("split_by", ["polygon", "place"])
def test_none_is_in_validation_or_test_nor_of_a_polygon_that_is(tmp_path, split_by):
    data, _ = built(tmp_path, split_by=split_by, fast_ice_change=5, validation_share=0.2, test_share=0.3, size=10, stride=10)
    fast, splits, polygons = data.column("fast_ice") == 1, np.asarray(data.splits), data.column("polygon")
    assert set(splits[fast]) <= {"training"} and (splits == "test").any()
    assert not set(polygons[fast]) & set(polygons[~fast & (splits != "training")])
    assert data.facts["fast_ice"]["elsewhere"] > 0


def test_the_report_counts_it_apart(tmp_path):
    data, _ = built(tmp_path, validation_share=0, test_share=0)
    write_report(tmp_path / "report.html", data, describe(data))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "fast ice of other days" in page and "for training alone" in page and "and ice moves" not in page


def test_which_polygons_are_fast():
    columns = {"FA": ["08", "08", "08", "05", "99", None], "FB": ["-9", "08", "04", "08", "-9", "08"]}
    assert are_fast(columns).tolist() == [True, True, False, False, False, True]


def test_the_day_of_a_chart():
    assert FastIce.of(3, 2, "", "chart_20220503").day == FastIce.of(3, 2, "2022-05-03", "20210101").day == date(2022, 5, 3)
    with pytest.raises(DataError, match=r"\(chart_date\) tells: “May” is no day. Write it as 2021-09-06 there."):
        FastIce.of(3, 2, "May", "chart_20220503")


def test_the_day_a_file_was_written_is_no_day_of_an_image(tmp_path):
    """An image copied on the chart's day is not one of that day."""
    image = ice_fast_day(tmp_path).rename(tmp_path / "later.tif")
    with rasterio.open(image, "r+") as raster:
        raster.update_tags(TIFFTAG_DATETIME="2022:05:03 10:00:00")
    with pytest.raises(DataError, match=r"later\.tif does not say on which day it was taken, .* Put the day into its name"):
        built(tmp_path, images=[str(ice_scene(tmp_path)), str(image)])
    assert not (tmp_path / "dataset").exists()
