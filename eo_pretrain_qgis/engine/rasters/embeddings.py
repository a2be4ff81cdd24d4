"""How our embeddings are stored, and by what their bands are told: ``emb_1a2b3c4d_001`` is the first band of the version 1a2b3c4d."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...errors import DataError

#: Largest stored value, what a stored 1 is worth, and the value of pixels without an embedding.
LARGEST = 127
SCALE, NODATA = 1 / LARGEST, -128
#: Unit of numbers of embeddings, ours and those of others.
EMBEDDED = "embedding"
_BAND = re.compile(r"emb_([0-9a-f]{8})_\d{3}")


def embedding_name(version: str) -> str:
    """What the embedding of a version is called."""
    return f"emb_{version}"


def band_names(version: str, count: int) -> list[str]:
    """Names of its bands."""
    return [f"{embedding_name(version)}_{number:03d}" for number in range(1, count + 1)]


def version_of(names: Sequence[str]) -> str:
    """The version that all these bands are of; empty where they are of none, or of several."""
    found = {match[1] if (match := _BAND.fullmatch(name.strip().lower())) else "" for name in names}
    return found.pop() if len(found) == 1 else ""


def refuse_other_version(names: Sequence[str], image: str, wanted: Sequence[str], other: str) -> None:
    """Refuses to bring two embeddings together that different encoders, or the same in another way, have made.

    Args:
        names: of the bands of an image.
        image: its name or path.
        wanted: of the bands that are needed.
        other: what needs them.

    Raises:
        DataError: naming both versions.
    """
    ours, theirs = version_of(names), version_of(wanted)
    if ours and theirs and ours != theirs:
        raise DataError(f"{image} is an embedding of the version {ours}, and {other} is of the version {theirs}. Numbers of different versions have "
                        "nothing to do with each other. Compute the embedding of the image with the same encoder, number of bands and season.")
