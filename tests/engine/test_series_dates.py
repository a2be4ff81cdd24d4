"""Days of a series: where they are read, what is sorted and what is refused."""

from datetime import date

import numpy as np
import pytest

from eo_pretrain_qgis.engine.rasters.dates import day_in, day_of
from eo_pretrain_qgis.engine.rasters.series_dates import days_of, days_since, in_order, parse_day
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.progress import SILENT

from ..listening import Listening
from ..scenes import write_raster


def dated_series(given, pattern=None, table=None, *, together=False, progress=SILENT):
    return in_order(days_of(given, pattern, table), together=together, progress=progress)


def sources(*names):
    return [{"path": f"/images/{name}"} for name in names]


def days(series):
    return [each.day.isoformat() for each in series]


@pytest.mark.parametrize(("name", "day"), [
    ("S2_2023-02-12.tif", "2023-02-12"), ("20190405.tif", "2019-04-05"), ("S1_2019_04_05_VV.tif", "2019-04-05"),
    ("S2A_MSIL2A_20190405T103021_N0211_R108_T32ULB_20190406T134536.SAFE", "2019-04-05"), ("T32UNA_20190405T103021_B02_10m.jp2", "2019-04-05"),
    ("scene_20191301.tif", None), ("tile_33UVP.tif", None), ("id_1201904055.tif", None)])
def test_days_in_names(name, day):
    assert day_in(name) == (date.fromisoformat(day) if day else None)


@pytest.mark.parametrize(("value", "day"), [
    ("1965-03-01", "1965-03-01"), ("1965-03-01 23:30:00+02:00", "1965-03-01"), ("20210630", "2021-06-30"), ("seen on 2021-06-30", "2021-06-30"),
    ("2021-02-30", None), ("1965", None), ("forest", None)])
def test_days_in_fields_are_of_any_year(value, day):
    assert day_of(value) == (date.fromisoformat(day) if day else None)


def test_order_is_sorted_and_said():
    heard = Listening()
    series = dated_series(sources("b_20230501.tif", "a_20230401.tif", "c_20230601.tif"), progress=heard)
    assert days(series) == ["2023-04-01", "2023-05-01", "2023-06-01"]
    assert "The images were not in the order of their dates and have been sorted." in heard.texts
    assert "3 dates of the images, from 2023-04-01 to 2023-06-01, read from the file names." in heard.texts


def test_layer_goes_before_name_and_pattern_before_layer():
    given = [{"path": "/images/20230101_20230405.tif", "date": "2023-02-02"}, {"path": "/images/20230101_20230505.tif", "date": "2023-03-03"}]
    assert days(dated_series(given)) == ["2023-02-02", "2023-03-03"]
    assert days(dated_series(given, "*_YYYYMMDD")) == ["2023-04-05", "2023-05-05"]


def test_patterns():
    assert days(dated_series(sources("x2023123.tif", "x2023124.tif"), "xYYYYDDD")) == ["2023-05-03", "2023-05-04"]
    assert days(dated_series(sources("05.06.2023.tif", "07.06.2023.tif"), "DD.MM.YYYY")) == ["2023-06-05", "2023-06-07"]
    with pytest.raises(DataError, match="does not say where year, month and day stand"):
        dated_series(sources("a.tif"), "*_YYYY")
    with pytest.raises(DataError, match=r"its name does not follow the pattern “S2_YYYYMMDD”. Correct the pattern"):
        dated_series(sources("S2_20230101.tif", "S3_20230102.tif"), "S2_YYYYMMDD")


def test_table(tmp_path):
    table = tmp_path / "dates.csv"
    table.write_text("file,date\na.tif,2023-05-01\nb,20230401\n", encoding="utf-8-sig")
    assert days(dated_series(sources("a.tif", "b.tif"), table=str(table))) == ["2023-04-01", "2023-05-01"]
    with pytest.raises(DataError, match="has no row for c.tif"):
        dated_series(sources("a.tif", "c.tif"), table=str(table))
    table.write_text("file,date\na.tif,31.02.2023\n")
    with pytest.raises(DataError, match="Line 2 of .* holds “31.02.2023”, which is no date"):
        dated_series(sources("a.tif"), table=str(table))
    table.write_text("name,date\na.tif,2023-05-01\n")
    with pytest.raises(DataError, match="has no column “file”; it has name, date. Name its columns file and date."):
        dated_series(sources("a.tif"), table=str(table))


def test_tags_come_last(folder):
    paths = [write_raster(folder / f"{name}.tif", np.ones((1, 8, 8), np.uint8)) for name in "ab"]
    import rasterio

    for path, day in zip(paths, ("2023:05:01 10:00:00", "2023:06:01 10:00:00"), strict=True):
        with rasterio.open(path, "r+") as target:
            target.update_tags(TIFFTAG_DATETIME=day)
    heard = Listening()
    assert days(dated_series([{"path": str(path)} for path in paths], progress=heard)) == ["2023-05-01", "2023-06-01"]
    assert len(heard.warnings) == 1 and "only the day is known on which their files were written" in heard.warnings[0]
    third = write_raster(folder / "c.tif", np.ones((1, 8, 8), np.uint8))
    with pytest.raises(DataError, match="cannot be read from the layer, its name or its tags. Give a pattern such as"):
        dated_series([{"path": str(third)}])


def test_repeated_and_too_few():
    with pytest.raises(DataError, match="are both of 2023-05-01, but a series holds each date once."):
        dated_series(sources("a_20230501.tif", "b_20230501.tif"))
    with pytest.raises(DataError, match="The images hold 1 date, and a series needs at least 2."):
        dated_series(sources("a_20230501.tif"))


def test_bands_of_one_day_come_together():
    names = sources("20230501_B04.tif", "20230501_B08.tif", "20230601_B04.tif", "20230601_B08.tif")
    assert [len(each.sources) for each in dated_series(names, together=True)] == [2, 2]


def test_days_run_on_over_new_year():
    assert days_since([date(2022, 12, 31), date(2023, 1, 1)], 2022) == [364, 365]
    assert parse_day("2023-05-01T10:00:00Z") == date(2023, 5, 1)
    assert parse_day("yesterday") is None
