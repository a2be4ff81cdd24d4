"""Widths of roads from tags, lanes and tables."""

import pytest

from eo_pretrain_qgis.engine.themes.roads.widths import WIDTHS, WidthTable, parse_lanes, parse_width, read_table, write_table
from eo_pretrain_qgis.errors import DataError


@pytest.mark.parametrize(("text", "metres"), [
    ("3.5", 3.5), ("3,5 m", 3.5), ("7 m", 7), ("7m", 7), ("12 ft", 3.6576), ("12'", 3.6576),
    ("10'6\"", 3.2004), ("10' 6\"", 3.2004), ("10’6”", 3.2004),
    ("10 ft 6 in", 3.2004), ("350 cm", 3.5), ("0.004 km", 4), ("3;4", 3.5), ("3-4", 3.5), ("~5", 5), (" 4 metres ", 4), (6, 6), (6.5, 6.5),
    ("0", None), ("350", None), ("-3", None), ("wide", None), ("", None), (None, None), (float("nan"), None), ("3,5,6", None), ("5 m wide", None),
    ("1e3", None), ("'", None), ("12 furlongs", None)])
def test_width_tags(text, metres):
    assert parse_width(text) == (None if metres is None else pytest.approx(metres))


@pytest.mark.parametrize(("text", "lanes"), [("2", 2), ("2;3", 2.5), ("1.5", 1.5), (2, 2), ("0", None), ("90", None), ("two", None), (None, None)])
def test_lanes_tags(text, lanes):
    assert parse_lanes(text) == lanes


def test_width_goes_before_lanes_before_the_table():
    table = WidthTable()
    assert table.width("primary", "12 ft", "4") == (pytest.approx(3.6576), "width")
    assert table.width("primary", "wide", "4") == (14, "lanes")
    assert table.width("primary", None, "many") == (WIDTHS["primary"], "table")
    assert WidthTable(other=6).width("Hauptstrasse") == (6, "other")
    with pytest.raises(KeyError):
        table.width("Hauptstrasse")


def test_a_table_replaces_adds_and_leaves_out(folder):
    path = folder / "widths.csv"
    path.write_text("\ufeffhighway;width;note\r\nresidential;6,5;measured\r\nprimary;30 ft;\r\ntrack;0;\r\n\r\nFeldweg;3;\r\n", encoding="utf-8")
    table = read_table(path)
    assert (table["residential"], table["primary"], table["Feldweg"]) == (6.5, pytest.approx(9.144), 3)
    assert table["track"] == 0, "left out"
    assert table["secondary"] == WIDTHS["secondary"]


def test_the_table_written_into_a_dataset_can_be_read(folder):
    write_table(folder / "table.csv", WIDTHS)
    assert read_table(folder / "table.csv") == WIDTHS == read_table(None)


def test_a_table_without_headings_is_refused(folder):
    (folder / "widths.csv").write_text("residential,6\n", encoding="utf-8")
    with pytest.raises(DataError, match="has the headings residential, 6, but a table of road widths needs class and width"):
        read_table(folder / "widths.csv")
