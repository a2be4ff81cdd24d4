"""Tags wherever layers keep them."""

import geopandas
import numpy as np
import pyogrio
import pytest

from eo_pretrain_qgis.engine.themes.roads.tags import is_set, parse_tags, plain, tag_columns, tag_fields

from ..scenes_roads import WAYS, hstore, osm_file


@pytest.mark.parametrize("tags", [
    {"lanes": "2", "width": "3.5"}, {"name": 'Zum "Anker", hinten', "tunnel": "yes"}, {"note": "a\\b=>c", "layer": "-1"},
    {"name": "", "width": "10'6\""},
    {"name": "zwei\nZeilen", "tunnel": "no"}, {'key "quoted"': "x"}])
def test_hstore_is_read_as_it_was_written(tags):
    assert parse_tags(hstore(tags)) == tags


def test_null_spaces_json_and_rubbish():
    assert parse_tags('"a"=>NULL, "b" => "2"') == {"b": "2"}
    assert parse_tags('{"tunnel": "yes", "lanes": 2, "width": null}') == {"tunnel": "yes", "lanes": "2"}
    assert parse_tags("{broken") == parse_tags("nothing") == parse_tags(None) == parse_tags("[1]") == {}


def test_the_driver_of_gdal_gives_what_the_file_says(folder):
    table = pyogrio.read_dataframe(osm_file(folder), layer="lines")
    known = set(tag_fields(table.columns).values())
    assert {"highway", "other_tags"} <= known
    columns = tag_columns(table, tag_fields(table.columns))
    for row, number in enumerate(table["osm_id"].astype(int)):
        tags = list(WAYS.values())[number - 1]
        assert {key: columns[key][row] for key in ("highway", "tunnel", "covered", "layer", "lanes", "width", "area", "abandoned")} == {
            key: tags.get(key) for key in ("highway", "tunnel", "covered", "layer", "lanes", "width", "area", "abandoned")}


def test_geofabriks_names_and_numbers():
    table = geopandas.GeoDataFrame({"fclass": ["residential", None], "TUNNEL": ["F", "T"], "layer": [0, -1], "lanes": [2.0, np.nan]})
    columns = tag_columns(table, tag_fields(table.columns))
    assert columns["highway"].tolist() == ["residential", None]
    assert [is_set(value) for value in columns["tunnel"]] == [False, True]
    assert (columns["layer"].tolist(), columns["lanes"].tolist()) == (["0", "-1"], ["2", None])


def test_a_field_of_its_own_goes_before_the_packed_text():
    table = geopandas.GeoDataFrame({"width": [None, "4"], "other_tags": ['"width"=>"9"', '"width"=>"9"']})
    assert tag_columns(table, tag_fields(table.columns))["width"].tolist() == ["9", "4"]


def test_values_as_tags():
    assert [plain(value) for value in (True, np.False_, 3.0, 3.5, " x ", "", None, float("nan"))] == ["yes", "no", "3", "3.5", "x", None, None, None]
