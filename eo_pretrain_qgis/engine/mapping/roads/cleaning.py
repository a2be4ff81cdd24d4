"""Which pixels are road: a threshold with hysteresis over an image of any size, without small specks.

A pixel is road where the probability reaches the high threshold, or where it reaches the low one and such pixels lead on to one that reaches the high
one (Canny 1986, “A computational approach to edge detection”, §VII). A component may cross the whole image, so components are counted over all strips
of it before any pixel is decided: the result does not depend on the strips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ....errors import DataError, JobError
from ....progress import SILENT, Progress
from ...models.record import RoadThresholdRecord
from ...rasters.raster import Raster
from ...records import checked, parse_json
from ..request import ROAD_THRESHOLD

#: The low threshold as a share of the high one, where it is not chosen.
LOW = 0.6
#: Rows decided at once.
STRIP = 512
#: Components of fewer pixels are no road [px].
SPECK = 4
#: Pixels touch at corners, too.
AROUND = np.ones((3, 3), bool)


class TaggedThreshold(Struct, frozen=True):
    """What a raster of probabilities says of the model that made it."""

    high: Annotated[float, Meta(gt=0, le=1)]
    low: Annotated[float, Meta(gt=0, le=1)]

    @classmethod
    def of(cls, source: dict) -> TaggedThreshold | None:
        """The threshold in the tags of a raster, a job's raster value; None where there is none.

        Raises:
            DataError: the tag is damaged.
        """
        with Raster(**source) as raster:
            text = raster.tag(ROAD_THRESHOLD)
        if not text:
            return None
        where, advice = f"The tag {ROAD_THRESHOLD} of {raster.path}", "Give “Least probability to begin” (high), or map the image again."
        return checked(parse_json(text, where, DataError, advice), cls, where, DataError, advice)


@dataclass(frozen=True)
class Threshold:
    """Probabilities from which on pixels are road, 0 to 1, see above."""

    high: float = 0.5
    low: float = 0.3

    @classmethod
    def of(cls, known: RoadThresholdRecord | TaggedThreshold | None, high: float | None, low: float | None) -> Threshold:
        """The thresholds that were asked for; where one was not, that of a model, or of the raster that one made, or else a usual one, and the low
        one in its share of the high one.

        Raises:
            JobError: the low one is above the high one.
        """
        usual = known.high if known else cls.high
        chosen = cls(usual if high is None else high, low or (known.low if known and high is None else LOW * (high or usual)))
        if chosen.low > chosen.high:
            raise JobError(f"“Least probability to continue” (low) is {chosen.low:g}, above “Least probability to begin” (high), {chosen.high:g}. "
                           "Choose a smaller one.")
        return chosen


def decide(percent: np.ndarray, road: np.ndarray, how: Threshold, progress: Progress = SILENT, strip: int = STRIP) -> int:
    """Marks the pixels that are road.

    Args:
        percent: probability of road in percent, uint8 (y, x); what is above 100 was not measured.
        road: uint8 (y, x) to fill: 1 road, 0 none.
        how: see there.
        progress: told of every strip.
        strip: rows at once.

    Returns:
        Number of pixels that are road.
    """
    low, high = np.ceil(100 * how.low - 1e-6), np.ceil(100 * how.high - 1e-6)
    sizes, certain, pairs = [np.zeros(1, np.int64)], [np.zeros(1, bool)], [np.zeros((2, 0), np.int64)]
    count, above = 0, np.zeros(percent.shape[1], np.int64)
    for row in range(0, len(percent), strip):
        progress.at(0.5 * row / len(percent), "Looking for roads")
        values = np.asarray(percent[row:row + strip])
        own, more = ndimage.label((values >= low) & (values <= 100), AROUND)
        sizes.append(np.bincount(own.ravel(), minlength=more + 1)[1:])
        certain.append(np.isin(np.arange(1, more + 1), own[(values >= high) & (values <= 100)]))
        pairs.append(_touching(above, np.where(own[0] > 0, own[0].astype(np.int64) + count, 0)))
        above = np.where(own[-1] > 0, own[-1].astype(np.int64) + count, 0)
        count += more
    edges = np.concatenate(pairs, 1)
    _, whole = connected_components(coo_array((np.ones(edges.shape[1]), edges), shape=(count + 1,) * 2), directed=False)
    kept = (np.bincount(whole, np.concatenate(sizes)) >= SPECK) & (np.bincount(whole, np.concatenate(certain)) > 0)
    kept, found = kept[whole], 0
    kept[0], first = False, 0
    for number, row in enumerate(range(0, len(percent), strip), 1):
        progress.at(0.5 + 0.5 * row / len(percent), "Deciding what is road")
        values = np.asarray(percent[row:row + strip])
        own, _ = ndimage.label((values >= low) & (values <= 100), AROUND)
        chosen = np.concatenate([[False], kept[first + 1:first + 1 + len(sizes[number])]])[own]
        road[row:row + strip] = chosen
        found += int(chosen.sum())
        first += len(sizes[number])
    return found


def _touching(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Pairs of numbers (2, n) that touch, also at corners, in two rows (x,), of which 0 is none."""
    padded, pairs = np.pad(above, 1), []
    for shift in range(3):
        both = np.stack([padded[shift:shift + len(below)], below])
        pairs.append(np.unique(both[:, (both > 0).all(0)], axis=1))
    return np.concatenate(pairs, 1)
