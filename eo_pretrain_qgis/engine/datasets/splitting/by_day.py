"""Splits that leave whole days out of training: what a model is worth on another day is only known of a day that it has not seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas

from ....errors import DataError, listed
from ...rasters.dates import first_day
from ..dataset import DROPPED, SPLITS
from .by_place import Split

if TYPE_CHECKING:
    from ..dataset import Dataset


def scene_days(dataset: Dataset) -> dict[str, str]:
    """Name of each scene → the day on which it was taken, ``2018-03-20``, where that is known."""
    found = {row["name"]: first_day(row.get("date") or "") for row in dataset.description["scenes"]}
    return {name: day for name, day in found.items() if day}


def sample_days(dataset: Dataset, tiles: pandas.DataFrame) -> np.ndarray:
    """The day of each sample (n,), from its own field “date” or that of its scene; empty where neither says it."""
    own = tiles["date"] if "date" in tiles else pandas.Series("", tiles.index)
    scene = tiles["scene"].astype(str).map(scene_days(dataset)) if "scene" in tiles else own
    return np.array([first_day(*(str(text) for text in texts if pandas.notna(text))) for texts in zip(own, scene, strict=True)], dtype=str)


def asked_days(dataset: Dataset, asked: str, days: np.ndarray) -> list[str]:
    """The days that were asked for.

    Args:
        dataset: of the samples.
        asked: days, such as 2018-03-20, separated by commas, semicolons or spaces.
        days: of the samples, see `sample_days`.

    Raises:
        DataError: samples have several dates each, a text is no day or that of no sample, or all days are asked for.
    """
    if dataset.kind.dates:
        raise DataError(f"Each of the {dataset.kind.pieces} of {dataset.folder} has many dates, so no day can be left out of training. Leave “Test "
                        "days” (test_days) empty.")
    known = sorted({day for day in days.tolist() if day})
    if not known:
        raise DataError(f"Nothing says on which day the images of {dataset.folder} were taken, so no day can be left out of training. Divide "
                        "by scene.")
    found = {}
    for text in filter(None, re.split(r"[,;\s]+", asked)):
        found[text] = first_day(text)
        # A day and nothing else, for of “2018-03-01/2018-03-20” only the first would be seen.
        if found[text] not in known or re.sub(r"\D", "", text) != found[text].replace("-", ""):
            raise DataError(f"“Test days” (test_days) names “{text}”, and the images of {dataset.folder} are of {listed(known)}. Name some of these.")
    if not found:
        raise DataError(f"“Test days” (test_days) is “{asked}” and names no day. Name some of {listed(known)}, or leave it empty.")
    chosen = sorted(set(found.values()))
    if chosen == known:
        raise DataError(f"“Test days” (test_days) names every day of {dataset.folder}, so nothing is left to learn from. Name some of "
                        f"{listed(known)}.")
    return chosen


def with_test_days(split: Split, rest: np.ndarray, days: np.ndarray, test_days: Sequence[str]) -> Split:
    """A split of some samples, with all of some days for the test.

    Args:
        split: of the others, without a test.
        rest: their positions (m,).
        days: of all samples (n,); where a day is not known the sample is dropped, for it may be one of these.
        test_days: see `asked_days`.
    """
    names = np.where(np.isin(days, test_days), SPLITS[2], DROPPED).astype(object)
    names[rest] = split.names
    test, unknown = int((names == SPLITS[2]).sum()), int((days == "").sum())
    counts = [int((names == part).sum()) for part in SPLITS]
    more = f" {unknown} samples whose day is not known are dropped." if unknown else ""
    text = (f"The test are all {test} samples of {listed(list(test_days))}, of which nothing else is in training or validation; other days may show "
            f"the same ground.{more} The rest: {split.facts['text']}")
    return Split(names.astype(str), {**split.facts, "test_days": list(test_days), "dropped_tiles": int((names == DROPPED).sum()),
                                     "shares": [round(count / max(sum(counts), 1), 4) for count in counts], "text": text})
