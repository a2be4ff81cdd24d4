r"""Tags of OpenStreetMap ways, wherever a layer keeps them: fields of their own, Geofabrik's names, or all in one text.

GDAL's OSM driver, and QGIS when it saves such a layer, keep the tags without a field in `other_tags`, as PostgreSQL's hstore writes
them: ``"lanes"=>"2","name"=>"Zum \"Anker\""`` (gdal.org/drivers/vector/osm.html, “other_tags field”).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable

import numpy as np
import pandas

from ....markup import writable

#: Tags that decide whether and how wide a way is drawn.
LIFECYCLE = ("abandoned", "razed", "demolished", "removed", "dismantled", "destroyed", "proposed", "planned", "construction")
TAGS = ("highway", "tunnel", "covered", "layer", "location", "indoor", "area", "width", "est_width", "lanes", *LIFECYCLE)
#: Fields with another name for a tag: Geofabrik's shapefiles call the class so.
ALIASES = {"fclass": "highway"}
#: Fields that hold several tags in one text.
PACKED = ("other_tags", "all_tags", "tags")
NO = frozenset(("", "no", "false", "f", "0", "none", "nan"))

#: Characters of a list that are read.
LONGEST_LIST = 2000

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_PAIR = re.compile(rf'{_QUOTED}\s*=>\s*(?:{_QUOTED}|(NULL|null))', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse_tags(text: object) -> dict[str, str]:
    r"""The tags in one text, as hstore or as JSON; none where it is neither.

    >>> parse_tags('"name"=>"Zum \\"Anker\\"","lanes"=>"2"')
    {'name': 'Zum "Anker"', 'lanes': '2'}
    """
    if not isinstance(text, str):
        return {}
    if text.lstrip().startswith("{"):
        try:
            pairs = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return {str(key): str(value) for key, value in pairs.items() if value is not None} if isinstance(pairs, dict) else {}
    return {_ESCAPED.sub(r"\1", key): _ESCAPED.sub(r"\1", value) for key, value, null in _PAIR.findall(text) if not null}


def tag_fields(fields: Iterable[str]) -> dict[str, str]:
    """The fields of a layer that hold tags: field → tag, or the field's own name in lower case where it holds several."""
    found = {}
    for name in fields:
        low = name.lower()
        if low in TAGS or low in ALIASES or low in PACKED:
            found[name] = ALIASES.get(low, low)
    return found


def tag_columns(features: pandas.DataFrame, fields: dict[str, str]) -> dict[str, np.ndarray]:
    """The tags of features, tag → text or None per feature; a field of its own goes before the packed text.

    Args:
        features: the rows of a layer.
        fields: what `tag_fields` found in it.

    Returns:
        Every tag of `TAGS` → object array (n,) in the order of the rows.
    """
    columns: dict[str, np.ndarray] = {tag: np.full(len(features), None, object) for tag in TAGS}
    for name, tag in fields.items():
        if tag in columns:
            own = plain_values(features[name].to_numpy(dtype=object))
            empty = pandas.isna(columns[tag])
            columns[tag][empty] = own[empty]
    wanted = re.compile("|".join(TAGS))
    for name, tag in fields.items():
        if tag not in PACKED:
            continue
        for row, text in enumerate(features[name].to_numpy(dtype=object)):
            if isinstance(text, str) and wanted.search(text):
                for key, value in parse_tags(text).items():
                    if key in columns and columns[key][row] is None:
                        columns[key][row] = plain(value)
    return columns


def plain_values(values: Iterable) -> np.ndarray:
    """Values of a field as tags, an object array (n,) of text and None."""
    rows = [plain(value) for value in values]
    result = np.empty(len(rows), object)
    result[:] = rows
    return result


def plain(value: object) -> str | None:
    """A field's value as a tag is written: text without blanks around it, whole numbers without a fraction, None where empty."""
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist()
    if isinstance(value, str) and value.strip()[:1] == "[":
        value = _listed(value.strip())
    if isinstance(value, (list, tuple)):  # several values of one tag, which OpenStreetMap writes with semicolons
        return ";".join(dict.fromkeys(filter(None, map(plain, value)))) or None
    if value is None or value is pandas.NA or value != value:
        return None
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return writable(str(value).strip()) or None


def _listed(text: str) -> object:
    """The list that a text such as ``['residential', 'service']`` or ``["residential"]`` holds; another text as it is."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text[:LONGEST_LIST])
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(found, list) and not any(isinstance(item, (list, tuple, dict, set)) for item in found):
            return found
    return text


def values_of(value: str | None) -> list[str]:
    """The values of a tag that has several, as ways that were joined have."""
    return [part.strip() for part in (value or "").split(";") if part.strip()]


def is_set(value: str | None) -> bool:
    """Whether a tag says more than “no”."""
    return value is not None and value.lower() not in NO
