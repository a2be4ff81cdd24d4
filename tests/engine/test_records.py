"""Records are read strictly, and every failure is one sentence with the file, the place in it and the value."""

import json
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from eo_pretrain_qgis.engine.cards import ClassInfo
from eo_pretrain_qgis.engine.datasets.legend import class_key
from eo_pretrain_qgis.engine.records import (
    ArrayFile,
    ClassValue,
    Finite,
    Name,
    PlainName,
    checked,
    differ,
    json_text,
    parse_json,
    printable,
    read_json,
    shown,
)
from eo_pretrain_qgis.errors import DataError, ModelError


@dataclass(frozen=True)
class Row:
    value: ClassValue
    name: Name


class Record(Struct):
    rows: Annotated[list[Row], Meta(min_length=1, max_length=3)]
    size: tuple[Finite, Finite]
    figures: dict[str, dict[str, Finite]] = {}
    file: ArrayFile = "a.npy"
    part: PlainName = "a"
    way: Literal["up", "down"] = "up"

    def __post_init__(self):
        differ([row.name for row in self.rows], "the row")


GOOD = {"rows": [{"value": 1, "name": "one"}], "size": [1, 2.5]}


def said(**changes):
    with pytest.raises(ModelError) as caught:
        checked({**GOOD, **changes}, Record, "x.json", ModelError, "Copy it again.")
    words = str(caught.value)
    assert words.startswith("x.json is damaged: ") and words.endswith(". Copy it again.")
    return words.removeprefix("x.json is damaged: ").removesuffix(". Copy it again.")


def test_what_is_right_is_read_and_unknown_keys_are_passed_over():
    record = checked({**GOOD, "newer": {"key": [1]}}, Record, "x.json", ModelError, "")
    assert record.rows == [Row(1, "one")] and record.size == (1.0, 2.5)
    assert checked({**GOOD, "rows": [Row(1, "one")]}, Record, "x.json", ModelError, "") == record, "what is about to be written, too"


@pytest.mark.parametrize(("changes", "words"), [
    ({"rows": 3}, "“rows” is 3, but must be a list"), ({"rows": []}, "“rows” is a list, but must be a list of length at least 1"),
    ({"rows": [{"value": 1}]}, "it lacks the key “rows[0].name”"),
    ({"rows": [{"value": 255, "name": ""}]}, "“rows[0].value” is 255, but must be a whole number of at most 254"),
    ({"rows": [{"value": True, "name": ""}]}, "“rows[0].value” is True, but must be a whole number"),
    ({"rows": [{"value": 1.0, "name": ""}]}, "“rows[0].value” is 1.0, but must be a whole number"),
    ({"rows": [{"value": 10**400, "name": ""}]}, "“rows[0].value” is a huge number, but must be a whole number of at most 254"),
    ({"rows": [{"value": 1, "name": "a\nb"}]}, "“rows[0].name” is 'a\\nb', but must be a text without control characters"),
    ({"rows": GOOD["rows"] * 2}, "the row “one” stands twice"), ({"size": [1]}, "“size” is a list, but must be a list of length 2"),
    ({"size": [1, float("nan")]}, "“size[1]” is nan, but must be a number of at least -3.5e+38"),
    ({"figures": {"a": {"b": "c"}}}, "“figures[…][…]” holds what is not a number"),
    ({"way": "left"}, "“way” is “left”, but must be a word this plugin knows"),
    ({"file": None}, "“file” is None, but must be a text"),
])
def test_what_is_wrong_is_named_with_its_place_and_value(changes, words):
    assert said(**changes).startswith(words)


@pytest.mark.parametrize("name", ["../a.npy", "/a.npy", "a/b.npy", "a\\b.npy", "C:a.npy", ".npy", "a.npz", "", "a\x00.npy", "a\n.npy", "\ud800.npy",
                                  " a.npy", "..\\a.npy", "a.npy\n", "a*.npy", "x" * 300 + ".npy"])
def test_names_of_files_are_plain(name):
    assert "“file” is " in said(file=name) and "but must be" in said(file=name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a:b", "a.", "a ", " a", "a\x07", "x" * 200])
def test_parts_of_names_of_files_are_plain(name):
    assert said(part=name).startswith("“part” is ")


def test_plain_names_in_any_language_are_taken():
    for name in ("Größe 1", "衛星", "s2-ä_b (1)"):
        assert checked({**GOOD, "part": name, "file": f"{name}.npy"}, Record, "x", ModelError, "").part == name


@pytest.mark.parametrize(("content", "words"), [
    (b"{", "truncated"), (b"", "truncated"), (b"[NaN]", "malformed"), (b"[Infinity]", "malformed"), (b"[1e400]", "out of range"),
    (b"\xff", "malformed"),
    (b'"\xff"', "UTF-8"), (b'"\\ud800"', ""), ("\ud800", "surrogates"), (b"1" * 5000, "out of range"), (b"[" * 100_000, "nested more than 60 deep"),
    (b'{"a":' * 70 + b"1" + b"}" * 70, "nested more than 60 deep"), (b"\x00", "malformed"),
])
def test_what_is_no_json_is_said(content, words):
    with pytest.raises(DataError) as caught:
        parse_json(content, "x.json", DataError, "Restore it.")
    assert str(caught.value).startswith("x.json cannot be read (") and words in str(caught.value) and str(caught.value).endswith("). Restore it.")


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(DataError, match="cannot be read \\(Is a directory\\). Restore it."):
        read_json(tmp_path, DataError, "Restore it.")


def test_numbers_that_are_none_become_null():
    assert json.loads(json_text({"a": [float("nan"), (1.5, float("-inf"))], "ä": True})) == {"a": [None, [1.5, None]], "ä": True}


def test_values_in_sentences_stay_short():
    assert shown("x" * 1000) == "“" + "x" * 59 + "…" and shown(10**5000) == "a huge number"
    assert shown({}) == "an object" and shown("\x1b") == "'\\x1b'"
    assert printable("a\r\nb\x00") == "a b "


def test_names_of_classes_turn_no_text_round():
    with pytest.raises(ModelError, match=r"“name” is 'fo\\u202erest', but must be a text without control characters"):
        checked({"value": 1, "name": "fo\u202erest", "color": ""}, ClassInfo, "x.json", ModelError, "")
    assert checked({"value": 1, "name": "\u05d9\u05e2\u05e8", "color": ""}, ClassInfo, "x.json", ModelError, "").name == "\u05d9\u05e2\u05e8"
    assert (printable("fo\u2067rest"), class_key("fo\u2067rest")) == ("fo rest", "fo\ufffdrest")
