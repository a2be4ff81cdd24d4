"""Named subsets: samples that a dataset keeps and that nothing learns from, such as those under clouds, to measure a model on them by name.

Any maker of a dataset names them in the field `subset` of its tiles: one name, or several with commas between, empty for the others. The last
step of making a dataset then takes them out of training, validation and test, and keeps in `subset_split` of which of these their place is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas

from ...errors import DataError, listed

#: Fields of tiles.gpkg: names of subsets, and the split of the place where a sample of one lies, empty where nothing says it.
SUBSET, PLACE = "subset", "subset_split"
BETWEEN = ","


def joined_names(names: Iterable[str]) -> str | None:
    """The field `subset` of a sample that is of these; None for none."""
    return BETWEEN.join(names) or None


def set_aside(tiles: pandas.DataFrame) -> np.ndarray:
    """Which samples are of a named subset, bool (n,)."""
    return _texts(tiles, SUBSET) != ""


def subset_names(tiles: pandas.DataFrame) -> list[str]:
    """Names of the subsets that there are, sorted."""
    return sorted({name for text in np.unique(_texts(tiles, SUBSET)) for name in _names(text)})


def members(tiles: pandas.DataFrame, subset: str, split: str, where: str) -> np.ndarray:
    """Which samples are of a subset and at places of a split, bool (n,).

    Args:
        tiles: the table of tiles.gpkg.
        subset: its name.
        split: "training", "validation" or "test"; "all" takes every place, also those of which nothing is known.
        where: the dataset, for messages.

    Raises:
        DataError: there is no such subset.
    """
    known = subset_names(tiles)
    if subset not in known:
        told = f"it has {listed(known)}. Name one of these" if known else "it has none. Choose another dataset"
        raise DataError(f"{where} has no subset “{subset}”; {told}, or leave “Subset” (subset) empty.")
    texts, numbers = np.unique(_texts(tiles, SUBSET), return_inverse=True)
    own = np.array([subset in _names(text) for text in texts])[numbers]
    return own if split == "all" else own & (_places(tiles) == split)


def held_ground(tiles: pandas.DataFrame) -> np.ndarray:
    """The split whose ground each sample holds (n,): of those of a subset the split of their place, and test where nothing says it.

    What is added for training keeps away from ground that a model is measured on, by whatever name.
    """
    places = _places(tiles)
    return np.where(set_aside(tiles) & ~np.isin(places, ("training", "validation", "test")), "test", places)


def subset_table(tiles: pandas.DataFrame, splits: tuple[str, ...]) -> list[dict[str, Any]]:
    """For each subset its name, how many samples it has, and how many of them lie at places of each split."""
    rows = []
    for name in subset_names(tiles):
        own = members(tiles, name, "all", "")
        places = _places(tiles)[own]
        rows.append({"name": name, "tiles": int(own.sum()), **{split: int((places == split).sum()) for split in splits}})
    return rows


def _texts(tiles: pandas.DataFrame, field: str) -> np.ndarray:
    """A field of text (n,), empty where there is none."""
    return tiles[field].fillna("").astype(str).to_numpy(str) if field in tiles else np.full(len(tiles), "", str)


def _places(tiles: pandas.DataFrame) -> np.ndarray:
    """The split of the place of each sample (n,): where a subset was named later, by hand, that in the field `split`."""
    known = _texts(tiles, PLACE)
    return np.where(known == "", _texts(tiles, "split"), known)


def _names(text: str) -> list[str]:
    return [name for name in (part.strip() for part in text.split(BETWEEN)) if name]
