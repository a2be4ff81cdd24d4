"""Records from a user's disk: read strictly into typed values, so that what is damaged or hostile ends in one sentence and nowhere else.

A record is a msgspec Struct or a dataclass whose fields say what they may hold, with the types below; rules between fields stand in its
`__post_init__` and raise ValueError. Unknown keys are kept out of the way: a newer plugin may have written them.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from ..errors import EOPretrainError
from ..markup import TURNING

#: Nested deeper than anything we write, and far less than copying or writing such values could take.
DEEPEST = 60
#: The largest number of 32 bits: all values of images and networks lie within.
LARGEST = 3.5e38
_CONTROL = "\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff"
_PLAIN = rf"(?![\s.])[^/\\:*?\"<>|{_CONTROL}]+"
_WORDS: dict[str, str] = {}


def worded(pattern: str, words: str, max_length: int | None = None) -> Meta:
    """What a text must match from end to end, with what is said where it does not."""
    whole = rf"^(?:{pattern})\Z"
    _WORDS[repr(whole)] = words
    return Meta(pattern=whole, max_length=max_length)


#: What people read: of a class, a band, a dataset.
Name = Annotated[str, worded(f"[^{_CONTROL}]*", "a text without control characters", max_length=1000)]
FilledName = Annotated[str, worded(f"[^{_CONTROL}]+", "a text, not empty and without control characters", max_length=1000)]
#: Of a class, which stands in legends beside others.
ClassName = Annotated[str, worded(f"[^{_CONTROL}{TURNING}]*", "a text without control characters", max_length=1000)]
#: A name that is safe as a part of a file's name on every system.
PlainName = Annotated[str, worded(_PLAIN + r"(?<![\s.])", "a name that can be that of a file, without / \\ : and the like", max_length=100)]
#: The name of one of several targets of a dataset or model, a part of the names of files and of outputs of a graph.
TargetName = Annotated[str, worded("[A-Za-z0-9_-]+", "a name of letters, digits, _ and -", max_length=40)]
#: The name of a file with an array, in the folder of the record.
ArrayFile = Annotated[str, worded(_PLAIN + r"\.npy", "the plain name of a file that ends in .npy", max_length=200)]
ColourOrNone = Annotated[str, worded("(#[0-9a-fA-F]{6})?", "empty or a colour such as #1f77b4")]
Day = Annotated[str, worded(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", "a day such as 2024-05-31")]
Sha256 = Annotated[str, worded("[0-9a-f]{64}", "64 hexadecimal digits")]
Finite = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Positive = Annotated[float, Meta(ge=0, le=LARGEST)]
#: What a map can hold; 255 is nodata.
ClassValue = Annotated[int, Meta(ge=0, le=254)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
#: Edge of a tile.
Pixels = Annotated[int, Meta(ge=1, le=65536)]
#: Edge of a pixel.
Metres = Annotated[float, Meta(ge=1e-6, le=1e7)]

_KINDS = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "array": "a list", "object": "an object",
          "null": "nothing", "number": "a number"}
_T = TypeVar("_T")


def read_json(path: str | Path, error: type[EOPretrainError], advice: str) -> Any:
    """The plain values in a JSON file.

    Raises:
        EOPretrainError: of the kind `error`, when it cannot be read or is no JSON as the standard has it; ends in `advice`.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as failure:
        raise error(f"{path} cannot be read ({failure.strerror}). {advice}") from None
    return parse_json(content, str(path), error, advice)


def parse_json(content: bytes | str, where: str, error: type[EOPretrainError], advice: str) -> Any:
    """The plain values in a JSON text; NaN, Infinity and numbers that no float holds are none.

    Args:
        content: the text.
        where: what holds it, in words; begins the sentence.
        error: what to raise.
        advice: the second sentence.
    """
    try:
        values = msgspec.json.decode(content.encode() if isinstance(content, str) else content)
        if _is_deep(values):
            raise RecursionError
    except RecursionError:
        raise error(f"{where} cannot be read (its values are nested more than {DEEPEST} deep). {advice}") from None
    except (msgspec.DecodeError, ValueError) as failure:  # a text with lone surrogates cannot be encoded
        raise error(f"{where} cannot be read ({str(failure)[:200]}). {advice}") from None
    return values


def checked(values: Any, record: type[_T], where: str, error: type[EOPretrainError], advice: str) -> _T:
    """Plain values as a record.

    Args:
        values: dictionaries, lists, texts and numbers; dataclasses among them count as their fields.
        record: a Struct or dataclass.
        where: what holds the values, in words; begins the sentence.
        error: what to raise.
        advice: the second sentence.

    Raises:
        EOPretrainError: of the kind `error`, naming the first key that is missing or wrong, with its value.
    """
    try:
        return msgspec.convert(values, type=record, from_attributes=True)
    except msgspec.ValidationError as failure:
        raise error(f"{where} is damaged: {_explained(str(failure), values)}. {advice}") from None


def json_text(values: Any) -> str:
    """JSON as it is read here: numbers that are none become null."""
    return json.dumps(_finite(values), indent=1, ensure_ascii=False, allow_nan=False)


def shown(value: object) -> str:
    """A value in a sentence, however long or strange it is."""
    if isinstance(value, (dict, list, tuple)):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a huge number"
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else f"“{value}”" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:60] + "…"


def printable(text: str) -> str:
    """A name from elsewhere without the control characters, also those that turn text round, that no record of ours takes; they become spaces."""
    return re.sub(f"[{_CONTROL}{TURNING}]+", " ", text)


def one_spelling(text: str) -> str:
    """A name as it is compared with others: letters with marks as one character each (Unicode NFC, as not every system writes them), single spaces.

    So two names that look alike on a screen are one.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def differ(names: list[str], what: str) -> None:
    """Refuses names of which two are the same, for the rules of records.

    Raises:
        ValueError: naming the first that stands twice.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} {shown(name)} stands twice")
        seen.add(name)


def _finite(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _finite(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


def _is_deep(values: Any) -> bool:
    layer = [values]
    for _ in range(DEEPEST):
        layer = [inner for value in layer for inner in (value.values() if isinstance(value, dict) else value)
                 if isinstance(inner, (dict, list))] if isinstance(values, (dict, list)) else []
        if not layer:
            return False
    return True


def _explained(message: str, values: Any) -> str:
    """What msgspec says, in the words of this plugin."""
    said, _, place = message.partition(" - at ")
    keys = place.strip("`").removeprefix("key` in `").removeprefix("$").replace("[...]", "[…]").lstrip(".")
    missing = re.fullmatch(r"Object missing required field `(.*)`", said)
    if missing:
        return f"it lacks the key “{keys + '.' if keys else ''}{missing[1]}”"
    must, own_words = _requirement(said)
    if own_words:
        return f"{must} (at “{keys}”)" if keys else must
    found, known = _value_at(keys, values)
    if not known:
        return f"“{keys}” holds what is not {must}"
    return f"{'“' + keys + '”' if keys else 'it'} is {shown(found)}, but must be {must}"


def _requirement(said: str) -> tuple[str, bool]:
    """What is asked for, and whether these are words of a record's own rules."""
    if said.startswith("Invalid enum value"):
        return "a word this plugin knows", False
    if said == "Number out of range":
        return "a number that can be computed with", False
    pattern = re.fullmatch(r"Expected `.*` matching regex ('.*'|\".*\")", said, re.DOTALL)
    if pattern:
        return _WORDS.get(pattern[1], "another text"), False
    asked = re.fullmatch(r"Expected `([^`]*)`(?: (of length )?(?:(<=|>=|<|>) )?([-+.e\d]+))?(?:, got .*)?", said)
    if not asked:
        return said, True
    kinds = " or ".join(_KINDS.get(kind.strip(), kind.strip()) for kind in asked[1].split("|"))
    if asked[4] is None:
        return kinds, False
    bound = {"<=": "at most ", ">=": "at least ", "<": "less than ", ">": "more than ", None: ""}[asked[3]]
    return f"{kinds} of {'length ' if asked[2] else ''}{bound}{asked[4]}", False


def _value_at(keys: str, values: Any) -> tuple[Any, bool]:
    """The value at a place such as ``classes[0].value``, and whether the place can be found."""
    for key in re.findall(r"[^.\[\]]+", keys):
        try:
            values = values[int(key)] if isinstance(values, (list, tuple)) else values[key]
        except (KeyError, IndexError, TypeError, ValueError):
            return None, False
    return values, True
