"""What a model is called: its name, and digits that tell it from every other."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any


def identified(description: dict[str, Any], checksum: str) -> dict[str, Any]:
    """The description with its ``id``: the name, and eight digits that are others where what was learned is.

    They count the weights and what numbers mean that go in and come out: the same weights on bands with other names, or of a sensor that scales
    them in another way, are another model. Statistics of images do not count.

    Args:
        description: with ``name``, ``task``, ``inputs``, and ``classes`` or ``target``.
        checksum: of the weights.
    """
    taken = [[seen["name"], seen["preset"], seen["axes"], _meaning(seen["bands"])] for seen in description["inputs"]]
    target = description.get("target")
    given = [[[row["value"], row["name"]] for row in rows] for rows in (
        description["classes"], *(further["classes"] for further in description.get("further", ())))]
    facts = [checksum, description["task"], taken, given, [target["sensor"], target["preset"], _meaning(target["bands"])] if target else None]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    stem = re.sub(r"[^a-z0-9]+", "-", description["name"].lower()).strip("-") or "model"
    return {**description, "id": f"{stem}-{digest[:8]}"}


def _meaning(bands: Sequence[dict[str, Any]]) -> list[list[Any]]:
    return [[band["name"], band["unit"], band["scale"], band["offset"]] for band in bands]
