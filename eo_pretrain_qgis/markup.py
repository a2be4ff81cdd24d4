"""Text for XML, QML and HTML: what means something there is escaped, what may not stand there is replaced."""

from __future__ import annotations

import re
from html import escape

#: What XML 1.0 forbids, also as a reference: control characters, halves of surrogate pairs, and two that are no characters.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
REPLACEMENT = "\ufffd"


def writable(text: str) -> str:
    """The text with “\ufffd” in place of what neither XML nor UTF-8 can hold, so that two names do not become one unseen."""
    return _FORBIDDEN.sub(REPLACEMENT, text)


def escaped(text: str, quote: bool = True) -> str:
    """Text as it stands between tags or, with quotes escaped, in an attribute of XML and HTML."""
    return escape(writable(text), quote)
