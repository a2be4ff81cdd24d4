"""Texts and paths in values from outside: what they may hold, and how a message quotes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import JobError
from ..markup import TURNING, writable

#: Characters of a value and of a path that a message quotes.
QUOTED, QUOTED_PATH = 100, 300
#: Characters that a text, a path, the name of a field or of a class, the source of a layer, and a CRS may have.
LONGEST_TEXT, LONGEST_PATH, LONGEST_NAME, LONGEST_SOURCE, LONGEST_CRS = 5000, 4096, 255, 8000, 50_000
#: What no text holds: control characters, besides line breaks and tabs, and what turns text round.
_CONTROL = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f{TURNING}]")
#: Halves of surrogate pairs, as names of files that are not UTF-8 come.
_NOT_UTF8 = re.compile("[\ud800-\udfff]")


def shown(value: Any, most: int = QUOTED) -> str:
    """A value as a message may quote it."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than some thousand digits
        return "a number of thousands of digits" if isinstance(value, int) else "a value that holds a number of thousands of digits"
    except RecursionError:
        return "a list of lists without end"
    return text if len(text) <= most else text[:most - 1] + "…"


def shown_path(path: str) -> str:
    """A path as a message may quote it."""
    told = writable(path)
    return told if len(told) <= QUOTED_PATH else told[:QUOTED_PATH // 2] + "…" + told[-QUOTED_PATH // 2:]


def refuse(name: str, param: Any, value: Any, wanted: str) -> JobError:
    """The error that a value is not what is wanted."""
    return JobError(f"“{param.label}” ({name}) is {shown(value)}, but must be {wanted}.")


def plain(name: str, param: Any, text: str, most: int, control: re.Pattern = _CONTROL) -> str:
    """The text, where it is one that files and messages can hold."""
    if len(text) > most:
        raise JobError(f"“{param.label}” ({name}) has {len(text)} characters, beginning with {shown(text)}. Give at most {most}.")
    if _NOT_UTF8.search(text):
        raise JobError(f"“{param.label}” ({name}) is {shown(text)}, a name that is not UTF-8. Rename the file or the field and choose it again.")
    strange = control.search(text)
    if strange:
        raise JobError(f"“{param.label}” ({name}) is {shown(text)}, which holds the character U+{ord(strange[0]):04X}. Leave it out.")
    return text


def path_text(name: str, param: Any, value: Any, wanted: str, most: int = LONGEST_PATH) -> str:
    """The path that a value is, or has as its part `path`.

    Raises:
        JobError: where it is none, or one that no disk takes.
    """
    path = value.get("path") if isinstance(value, Mapping) else value
    if not isinstance(path, str) or not path:
        raise refuse(name, param, value, wanted)
    return plain(name, param, path, most, re.compile("\x00"))
