"""Text tables as spreadsheets write them, and what is done to text that a spreadsheet would compute."""

import csv

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.tables import defused, parse_lines, parse_table, read_table, restored, write_table

from .fuzzing import fuzzed

GERMAN = "value;name;share\r\n1;Wälder;12,5\r\n2;Größe – Moor;0,25\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r"])
def test_what_spreadsheets_save(encoding, ending):
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    table = parse_table(mark + GERMAN.replace("\r\n", ending).encode(encoding), "t.csv")
    assert table.headings == ("value", "name", "share")
    assert [row["name"] for row in table.rows] == ["Wälder", "Größe – Moor"]
    assert table.numbers("share") == [12.5, 0.25]
    assert [row.line for row in table.rows] == [2, 3]


@pytest.mark.parametrize(("content", "names"), [
    (b"sep=;\nvalue;name\n1;a,b\n", ["a,b"]),
    (b"value\tname\n1\ta;b\n", ["a;b"]),
    (b'\n\nvalue,name\n\n1,"a, ""b"""\n , \n', ['a, "b"']),
    (b'value,name\n1,"two\nlines"\n2,b\n', ["two lines", "b"]),
    (b"Value,Name\n1\n2,b,,\n", ["", "b"]),
    (b"value,name\n1,'=1+1\n2,'plain\n", ["=1+1", "'plain"]),
    (b"value,name\n1,a\n\x1a", ["a"]),
    (b"value,name,name\n1,a,b\n", ["a"]),
    (b"value,other\n1,a\n", [""]),
    (b"", []),
])
def test_forms_of_tables(content, names):
    assert [row["name"] for row in parse_table(content, "t.csv").rows] == names


@pytest.mark.parametrize(("content", "sentence"), [
    (b"value,name\n1,a,b\n", "Line 2 of t.csv has 3 cells, but its heading names 2 columns. Put text that holds “,” in double quotes"),
    (b'value,name\n1,"a\n2,b\n', "Line 2 of t.csv cannot be read (unexpected end of data). Check that double quotes are closed"),
    (b"value,name\n1,a\x00\n", "Line 2 of t.csv holds the character U+0000, which is no text. Save it as “CSV UTF-8”"),
    ("value,name\n1,Wälder\n".encode("utf-16-le"), "holds the character U+0000"),
    (b"value,value\n1,2\n", "t.csv has the column “value” twice. Rename one of the two."),
    (b"value,name\n1," + b"a" * 200_000 + b"\n", "field larger than field limit"),
    (b"\xef\xbb\xbfvalue,name\n1,\xff\n", "t.csv begins as UTF-8, but is none from byte 16 on. Save it as “CSV UTF-8”"),
    (b"\xff\xfev", "begins as UTF-16, but is none"),
    ("value,name\n1,Wälder\n".encode() + b"2,W\xe4lder\n", "is UTF-8 in one part and not in another. Save it as “CSV UTF-8”"),
    ("value,name\n1,Wälder\n2,grün\n".encode("cp850"), "is neither UTF-8 nor Windows-1252 (byte"),
    ("value,name\n1,Wälder\n".encode("cp850"), "read as Windows-1252 line 2 holds “1,W„lder”. Save it as “CSV UTF-8”"),
    ("value,name\n1,Wälder\n".encode("mac-roman"), "read as Windows-1252 line 2 holds “1,WŠlder”"),
    ("value,name\n1,Пшеница\n".encode("cp1251"), "is not UTF-8, and read as Windows-1252 line 2 holds"),
])
def test_what_is_no_table(content, sentence):
    with pytest.raises(DataError) as caught:
        parse_table(content, "t.csv", ("value",))
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("cells", "numbers"), [
    (("1", "-2.5", "+1e3"), [1, -2.5, 1000]), (('"1,5"', "2"), [1.5, 2]), (("5.", ".5"), [5, 0.5]),
    (('"1,234"', "5"), "so that the comma may stand before a fraction or between thousands"),
    (('"1,5"', "2.5"), "has “1,5” beside “2.5” in the column x"),
    (("1e999",), "Line 2 of t.csv has “1e999” in the column x, which is no number."),
    (("9" * 400,), "which is no number"), (("nan",), "no number"), (("inf",), "no number"), (('""', "1"), None), (('"1.234,5"',), "comma"),
    (("0x10",), "no number"), (("1_0",), "no number"), (("1 000",), "no number"),
])
def test_numbers(cells, numbers):
    table = parse_table(("x,y\n" + "".join(f"{cell},1\n" for cell in cells)).encode(), "t.csv")
    if isinstance(numbers, list):
        assert table.numbers("x") == numbers
        return
    with pytest.raises(DataError) as caught:
        table.numbers("x")
    assert (numbers or "has “” in the column x") in str(caught.value)


def test_a_comma_before_a_fraction_is_read_where_semicolons_stand_between_cells():
    assert parse_table(b"x;y\n1,234;1\n-0,5;2\n", "t.csv").numbers("x") == [1.234, -0.5]


@pytest.mark.parametrize(("cell", "written"), [
    ("=cmd|'/C calc'!A0", "'=cmd|'/C calc'!A0"), ("+1+2", "'+1+2"), ("@SUM(A1)", "'@SUM(A1)"), ("-2+3", "'-2+3"), ("＝1", "'＝1"),
    ("-5", "-5"), ("+1.5e3", "+1.5e3"), ("-0,5", "-0,5"), (-5, -5), (1.5, 1.5), (None, None), ("plain", "plain"), ("'plain", "'plain"),
    ("'=1", "''=1"), ("a\ud800b", "a\ufffdb"), ("-", "'-")])
def test_formulas_are_defused(cell, written):
    assert defused(cell) == written
    if isinstance(cell, str) and "\ud800" not in cell:
        assert restored(written) == cell


@fuzzed(100)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8), min_size=1, max_size=4))
@example(["''=", "=", "\t=1"])
def test_fuzz_what_is_written_is_read_as_it_was(tmp_path_factory, names):
    names = [name.strip() for name in names]
    path = tmp_path_factory.getbasetemp() / "names.csv"
    write_table(path, [("value", "name"), *enumerate(names)])
    assert [row["name"] for row in read_table(path).rows] == names
    with path.open(newline="", encoding="utf-8") as stream:
        for row in list(csv.reader(stream))[1:]:
            assert not row[1].startswith(("=", "+", "-", "@")) or row[1][1:2].isdecimal() or row[1][1:2] in (".", ",")


@fuzzed(200)
@given(st.binary(max_size=60) | st.text(max_size=60).flatmap(lambda text: st.sampled_from(
    [text.encode(encoding, "replace") for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-32")])))
def test_fuzz_any_bytes_are_a_table_or_a_sentence(content):
    for parse in (parse_table, parse_lines):
        try:
            found = parse(content, "t.csv")
        except DataError as error:
            assert "t.csv" in str(error)
            continue
        for row in found.rows if parse is parse_table else ():
            assert all(map(found.headings.__contains__, filter(None, row.cells)))


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read \(No such file or directory\)"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path)
