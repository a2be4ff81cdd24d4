"""Damage for fuzzers: a valid JSON document with some of its values exchanged, taken out or doubled, or with its bytes damaged."""

import copy
import json

from hypothesis import strategies as st

DEEP = "deep"
#: What a hostile or unlucky file may hold in the place of a value.
HOSTILE = [
    None, True, False, 0, 1, -1, 2, 255, 256, 65537, 2**31, 2**63, 10**30, -(10**30), 0.0, -0.0, 0.5, -1.5, 1e-300, 1e30, 1e300, -1e308,
    float("nan"), float("inf"), float("-inf"), "", " ", ".", "..", "../victim.npy", "/etc/passwd", "a/b", "a\\b", "C:\\x.npy", "x:y", "con.npy",
    "dataset.json", "tiles.gpkg", "images-000.npy", "labels-000.npy", "\x00", "a\nb", "\x1b[31m", "\ud800", "\ufffe", "é" * 300, "x" * 5000,
    "<script>", "%s{0}", "1", "NaN", "#12345", "#gggggg", "#ff0000", "training", "segmentation", "scene", "series", "multilabel",
    "pretraining", "translation", "generic", "crops", "roads", "sea ice", "land cover", [], [[]], [None], [0, 0], [1, 2, 3], ["x"], [1e30, 1],
    {}, {"": None}, {"a": {"b": []}}, {"name": "x"}, DEEP]
RAW = [b"1e400", b"NaN", b"-Infinity", b"[" * 100_000, b"{\"a\":" * 5_000, b"\xff\xfe", b"\x00", b"\"\\ud800\"", b"1" * 5000, b"", b"}",
       b"\xef\xbb\xbf", b"\"", b"-", b"0" * 40, b"\"dataset\":", b"null"]


def places(value, here=()):
    """Every place in nested dictionaries and lists, as tuples of keys."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield (*here, key)
        yield from places(child, (*here, key))


def at(document, place):
    for key in place:
        document = document[key]
    return document


@st.composite
def damaged(draw, document, most=3):
    """The document with one to `most` values changed."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        known = list(places(document))
        if not known:
            return document
        *parents, key = draw(st.sampled_from(known))
        holder, what = at(document, parents), draw(st.integers(0, 9))
        if what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif what == 2:
            holder[key] = copy.deepcopy(at(document, draw(st.sampled_from(known))))
        elif what == 3 and isinstance(holder, dict):
            holder[draw(st.sampled_from([text for text in HOSTILE if isinstance(text, str)]))] = holder.pop(key)
        elif what == 4 and isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
            holder[key] = holder[key] * draw(st.sampled_from([-1, 0, 2, 1000, 1e-9, 1e30])) + draw(st.sampled_from([0, 1, 0.5]))
        else:
            hostile = draw(st.sampled_from(HOSTILE))
            holder[key] = _deep() if hostile == DEEP else copy.deepcopy(hostile)
    return document


@st.composite
def bent(draw, document, most=2):
    """The document with one to `most` values exchanged for others of their kind, which only ranges and rules can tell from good ones."""
    document = copy.deepcopy(document)
    known = [place for place in places(document) if not isinstance(at(document, place), (dict, list))]
    # a key that stands in many lists, such as a bin of a histogram, is no likelier than one that stands once
    kinds = {}
    for place in known:
        kinds.setdefault(tuple("" if isinstance(key, int) else key for key in place), []).append(place)
    for _ in range(draw(st.integers(1, most))):
        *parents, key = draw(st.sampled_from(draw(st.sampled_from(list(kinds.values())))))
        value = at(document, parents)[key]
        alike = [other for other in HOSTILE if type(other) is type(value) and other != DEEP]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            alike += [value + 1, value - 1, value * 2, value / 2, -value, type(value)(1e6), int(value) if abs(value) < 1e300 else 0]
        at(document, parents)[key] = draw(st.sampled_from(alike or HOSTILE))
    return document


def _deep():
    value = []
    for _ in range(300):
        value = [value]
    return value


def written(document):
    """JSON as bytes, with NaN, Infinity and lone surrogates where the document has them."""
    return json.dumps(document).encode()


@st.composite
def damaged_bytes(draw, content):
    """The bytes cut, overwritten, or with a hostile piece in the place of another."""
    first = draw(st.integers(0, len(content) - 1))
    last = min(len(content), first + draw(st.sampled_from([0, 1, 1, 2, 5, 50, len(content)])))
    piece = draw(st.one_of(st.sampled_from(RAW), st.binary(max_size=8)))
    return content[:first] + piece + content[last:]


def damaged_json(document):
    """The document as bytes, most often with values changed, else with its bytes damaged."""
    return st.one_of(damaged(document).map(written), bent(document).map(written), bent(document).map(written), damaged_bytes(written(document)))
