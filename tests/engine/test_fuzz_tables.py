"""Damaged tables, lists, legends and tags: what a reader cannot understand it refuses in a sentence, and nothing else."""

import re

import geopandas
import numpy as np
import pandas
import pytest
import rasterio
from hypothesis import example, given
from hypothesis import strategies as st

from eo_pretrain_qgis.engine.datasets.legend import class_key, make_legend
from eo_pretrain_qgis.engine.formats.esri_tiles import _classes as esri_classes
from eo_pretrain_qgis.engine.formats.eurosat import _class_table as folder_classes
from eo_pretrain_qgis.engine.formats.fields_of_the_world import _split_of as split_of_chips
from eo_pretrain_qgis.engine.formats.geotiff_pairs import _class_table as pair_classes
from eo_pretrain_qgis.engine.formats.label_colors import LabelColors
from eo_pretrain_qgis.engine.formats.split_lists import read_lists
from eo_pretrain_qgis.engine.formats.timesen2crop import _class_names, _read_days, find_tiles, read_timesen2crop
from eo_pretrain_qgis.engine.formats.tree import Tree
from eo_pretrain_qgis.engine.rasters.class_names import classes_in_file
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.engine.rasters.series_dates import _read_table as read_dates
from eo_pretrain_qgis.engine.themes.crops.parcels import _read_table as read_crops
from eo_pretrain_qgis.engine.themes.land_cover.known_legends import codes_of, read_codes
from eo_pretrain_qgis.engine.themes.roads.tags import parse_tags, tag_columns, tag_fields
from eo_pretrain_qgis.engine.themes.roads.widths import MOST_LANES, NARROWEST, WIDEST, WidthTable, parse_lanes, parse_width
from eo_pretrain_qgis.engine.themes.roads.widths import read_table as read_widths
from eo_pretrain_qgis.engine.themes.sea_ice.classes import SCHEMES, classify
from eo_pretrain_qgis.engine.themes.sea_ice.incidence_angle import read_tables
from eo_pretrain_qgis.engine.themes.sea_ice.sigrid3 import FIELDS, read_eggs, strange_text
from eo_pretrain_qgis.errors import DataError

from ..fuzzing import fuzzed

ANGLES = "".join(f"{col},{row},{10 + col / 50},{60 - row / 50},{25 + col / 100}\n" for row in (0, 100, 200) for col in (0, 100, 200))
#: Reader → a table it reads.
TABLES = {
    "legend": "value,name,color,group,code\n10,Tree cover,#006400,trees,100\n20,Shrubs,,-,\n30,Wälder,#ffffff,,\n",
    "widths": "class;width\nresidential;5,5 m\ntrack;0\nprimary;12 ft\n",
    "angles": "pixel,line,longitude,latitude,incidenceAngle\n" + ANGLES,
    "dates": "file,date\na.tif,2020-01-08\nb.tif,20200201\nc.tif,2020/03/01\n",
    "crops": "crop,class,color\n101,wheat,#f1c40f\n102,Rüben,\n103,,\n",
    "split": "name,split\na,training\nb,validation\nc,test\nd,dropped\n",
    "lists": "patch_1,S1_patch_1\npatches/patch_2.tif\n\npatch_3\n",
    "folders": "value,name,color,folder\n1,Forest,#00ff00,Forest\n2,Sea,,SeaLake\n",
    "pairs": "value,name,color\n1,Forest,#00ff00\n2,Sea,\n",
    "chips": "aoi_id,split\ng_1,train\ng_2,val\ng_3,test\ng_4,none\n",
    "colors": "name,r,g,b\nroad,255,255,255\nbackground,0,0,0\nunknown,7,8,9\n",
    "days": "acquisition_date\n20180105\n20180110\n20180205\n",
    "names": "class,name\n0,Legumes\n1,Grassland\n",
}
FILES = {"split": "split.csv", "lists": "train.csv", "folders": "classes.csv", "pairs": "classes.csv", "names": "classes.csv", "chips": "chips_a.csv"}
READERS = {
    "legend": read_codes, "widths": read_widths, "angles": lambda path: read_tables(str(path)), "dates": lambda path: read_dates(str(path)),
    "crops": lambda path: read_crops(str(path)),
    "split": lambda path: read_lists(Tree(path.parent)), "lists": lambda path: read_lists(Tree(path.parent)),
    "folders": lambda path: folder_classes(Tree(path.parent)), "pairs": lambda path: pair_classes(Tree(path.parent)), "days": _read_days,
    "names": lambda path: _class_names(path.parent), "chips": lambda path: split_of_chips(Tree(path.parent), ""),
    "colors": lambda path: LabelColors.read(Tree(path.parent), path.name),
}
#: Cells that have broken readers of tables.
CELLS = st.sampled_from([
    "", " ", "\"", "\"\"", "'", "=1+1", "-", "--5", "²", "１２", "1e999", "nan", "inf", "-0", "1,5", "1.234,5", "9" * 30, "9" * 5000, "true",
    "#gggggg", "#12", "2020-02-30", "0000-01-01", "\x00", "\x01", "\ufeff", "\u2028", "\ud83d", "a\nb", "a\rb", "x" * 200_000, "ä", "„", ",",
    ";", "\t", "name", "value", "../..", "dropped", "None"]) | st.text(max_size=5)
ENCODINGS = st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "cp850", "utf-32"])


@st.composite
def damaged(draw, whole):
    """The bytes of a table after some cells, lines and bytes have been changed."""
    lines = [line.split(",") for line in whole.split("\n")]
    for _ in range(draw(st.integers(0, 3))):
        row = draw(st.integers(0, len(lines) - 1))
        column = draw(st.integers(0, len(lines[row]) - 1)) if lines[row] else 0
        what = draw(st.sampled_from(["cell", "cell", "cell", "drop", "add", "double", "remove", "swap"]))
        if what == "cell" and lines[row]:
            lines[row][column] = draw(CELLS)
        elif what == "drop":
            lines[row] = lines[row][:column]
        elif what == "add":
            lines[row] = [*lines[row], draw(CELLS)]
        elif what == "double":
            lines.insert(row, list(lines[row]))
        elif what == "remove" and len(lines) > 1:
            del lines[row]
        else:
            lines[row].reverse()
    text = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])).join(draw(st.sampled_from([",", ",", ";", "\t"])).join(line) for line in lines)
    content = bytearray(text.encode(draw(ENCODINGS), "replace"))
    for _ in range(draw(st.integers(0, 2))):
        if content:
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[:draw(st.integers(0, len(content)))]) if draw(st.integers(0, 9)) == 0 else bytes(content)


@pytest.mark.parametrize("kind", TABLES)
def test_the_tables_are_read_before_they_are_damaged(kind, tmp_path):
    for encoding in ("utf-8", "utf-16", "cp1252"):
        (tmp_path / FILES.get(kind, "t.csv")).write_bytes(TABLES[kind].encode(encoding))
        assert READERS[kind](tmp_path / FILES.get(kind, "t.csv"))


@pytest.mark.parametrize("kind", TABLES)
def test_fuzz_damaged_tables(kind, tmp_path):
    path = tmp_path / FILES.get(kind, "t.csv")

    @fuzzed(40)
    @given(damaged(TABLES[kind]))
    def damage(content):
        path.write_bytes(content)
        try:
            READERS[kind](path)
        except DataError as error:
            assert len(str(error)) < 1500, "a sentence and no table"
            assert str(error).rstrip().endswith(".")

    damage()


def test_fuzz_samples_of_timesen2crop(tmp_path):
    place = tmp_path / "33UVP"
    (place / "1").mkdir(parents=True)
    (place / "dates.csv").write_text(TABLES["days"], encoding="utf-8")
    whole = "B1,B2,B3,B4,B5,B6,B7,B8,B9,Flag\n" + "".join(f"{','.join(['100'] * 9)},{flag}\n" for flag in (0, 1, 2))

    @fuzzed(40)
    @given(damaged(whole))
    @example(whole.encode())
    def damage(content):
        (place / "1" / "0.csv").write_bytes(content)
        try:
            for batch in read_timesen2crop(find_tiles(tmp_path), workers=0):
                assert batch.values.shape == (1, 3, 9)
        except DataError as error:
            assert len(str(error)) < 1500

    damage()


# --- names beside a raster

XML = ('<PAMDataset><PAMRasterBand band="1"><CategoryNames><Category>a</Category></CategoryNames>'
       '<GDALRasterAttributeTable tableType="thematic"><FieldDefn index="0"><Name>Value</Name><Type>0</Type><Usage>5</Usage></FieldDefn>'
       '<FieldDefn index="1"><Name>Class</Name><Type>2</Type><Usage>2</Usage></FieldDefn><Row index="0"><F>1</F><F>Wälder</F></Row>'
       "</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>")
BOMB = ('<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "AAAAAAAAAA">' + "".join(
    f'<!ENTITY {chr(98 + number)} "{("&" + chr(97 + number) + ";") * 10}">' for number in range(10)) + "]><PAMDataset>&k;</PAMDataset>")


@pytest.mark.parametrize("text", [BOMB, "", "<a>", XML.replace("<Type>0", "<Type>1").replace("<F>1<", "<F>1e400<"), XML.replace("<F>1</F>", "")])
def test_names_that_cannot_be_read_are_none(text, plain):
    (plain.parent / "a.tif.aux.xml").write_text(text.replace("<Category>a</Category>", ""), encoding="utf-8")
    with rasterio.open(plain) as opened:
        assert {value: told.name for value, told in classes_in_file(opened, str(plain)).items() if value} == {}


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_names_in_another_code_page_are_read(encoding, plain):
    (plain.parent / "a.tif.aux.xml").write_bytes(XML.encode(encoding))
    with rasterio.open(plain) as opened:
        assert {value: told.name for value, told in classes_in_file(opened, str(plain)).items()} == {0: "a", 1: "Wälder"}


@pytest.fixture
def plain(tmp_path):
    """A raster without names."""
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", width=2, height=2, count=1, dtype="uint8", crs="EPSG:32633",
                       transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)) as target:
        target.write(np.ones((1, 2, 2), np.uint8))
    return tmp_path / "a.tif"


def test_fuzz_names_beside_a_raster(tmp_path, plain):
    tokens = [part for part in re.split("(<[^>]*>)", XML) if part]
    path = tmp_path / "a.tif.aux.xml"

    @fuzzed(60)
    @given(st.data())
    def damage(data):
        parts = list(tokens)
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(parts) - 1))
            parts[at] = data.draw(st.sampled_from(["", *tokens, "&#1;", "<F/>", "1e400", "2", "-5", "x", "&a;", "<!--", "]]>", "\x00"]))
        content = bytearray("".join(parts).replace("utf-8", data.draw(st.sampled_from(["utf-8", "utf-7", "latin-1", "utf-16", "idna", "cp037"])))
                            .encode())
        for _ in range(data.draw(st.integers(0, 2))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        for code in codes_of(Raster(str(plain)), "own", None, {1: 4}):
            assert isinstance(code.value, int) and isinstance(code.name, str)

    damage()


# --- values of fields

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-10**30, 10**30), st.floats(), st.text(max_size=6), st.just(pandas.NA), st.just(pandas.NaT),
    st.sampled_from([np.nan, np.int64(92), np.float32(91), np.bool_(True), "92", "１２", "9" * 5000, b"91", "\ud800", "I", "W", "5.0", [1], [],
                     (91, 92), {"a": 1}, np.array([1, 2]), np.array(5), np.datetime64("NaT"), pandas.Timestamp("2020-01-01"), object]))


@fuzzed(100)
@given(st.integers(0, 3).flatmap(lambda count: st.dictionaries(
    st.sampled_from(FIELDS), st.lists(VALUES, min_size=count, max_size=count), min_size=1)))
def test_fuzz_eggs(columns):
    eggs, strange = read_eggs(columns)
    assert len(eggs) == len(next(iter(columns.values())))
    assert isinstance(strange_text(strange, range(len(eggs))), str)
    for scheme in SCHEMES.values():
        classify(eggs, scheme)


@fuzzed(100)
@given(st.lists(VALUES, max_size=6))
def test_fuzz_class_values(values):
    keys = {class_key(value) for value in values}
    assert all(key is None or key.encode("utf-8") for key in keys)
    try:
        legend = make_legend({key for key in keys if key}, "The field", None, None, False)
    except DataError:
        return
    assert set(legend.positions) == keys - {None}


TAG_TEXTS = st.sampled_from(['"lanes"=>"2","width"=>"5 m"', '"a"=>NULL', '"a\\"=>"b"', '{"width": "5", "lanes": 1e999}', "{" * 100_000,
                             '{"width": [1]}', '{"highway": "\\ud800"}', '{"lanes": ' + "9" * 5000 + "}", "[1]", '"width"=>"' + "9" * 400 + '"'])


@fuzzed(100)
@given(st.lists(st.dictionaries(st.sampled_from(["highway", "fclass", "Width", "lanes", "other_tags", "tags", "layer", "tunnel", "strange"]),
                                VALUES | TAG_TEXTS, max_size=5), min_size=1, max_size=4))
def test_fuzz_tags(rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    frame = geopandas.GeoDataFrame({name: pandas.Series([row.get(name) for row in rows], dtype=object) for name in names},
                                   geometry=[None] * len(rows), crs="EPSG:4326")
    columns = tag_columns(frame, tag_fields(names))
    for tag, values in columns.items():
        assert len(values) == len(rows), tag
        assert all(value is None or (isinstance(value, str) and value.encode("utf-8")) for value in values), tag
    table = WidthTable(other=5.0)
    for road, width, lanes in zip(columns["highway"], columns["width"], columns["lanes"], strict=True):
        assert 0 < table.width(road, width, lanes)[0] <= 80


@fuzzed(100)
@given(VALUES | TAG_TEXTS | st.from_regex(r"\A[0-9 .,;'\"a-z~<>-]{0,8}\Z"))
@example("9" * 400 + " km")
@example("9" * 400 + "'")
def test_fuzz_widths_and_lanes(value):
    width, lanes = parse_width(value), parse_lanes(value)
    assert width is None or NARROWEST <= width <= WIDEST
    assert lanes is None or 0 < lanes <= MOST_LANES
    assert all(isinstance(part, str) for pair in parse_tags(value).items() for part in pair)


# --- definitions in JSON

JSON_VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4), lambda inner: st.lists(inner, max_size=4)
                           | st.dictionaries(st.sampled_from(["Value", "Name", "Color", "x"]), inner, max_size=4), max_leaves=10)


@fuzzed(100)
@given(st.dictionaries(st.just("Classes"), JSON_VALUES) | st.builds(lambda rows: {"Classes": rows}, st.lists(st.fixed_dictionaries(
    {"Value": JSON_VALUES, "Name": JSON_VALUES, "Color": JSON_VALUES}), max_size=3)))
def test_fuzz_definitions_of_esri(tmp_path_factory, definition):
    try:
        rows = esri_classes(Tree(tmp_path_factory.getbasetemp()), "", definition)
    except DataError:
        return
    assert all(re.fullmatch("|#[0-9a-f]{6}", row["color"]) for row in rows or ())
