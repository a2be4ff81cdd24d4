"""The batches of an epoch and of a step: made one at a time, and once more where memory ran out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol


class Splittable(Protocol):
    """A batch that can be worked off in pieces when memory is short."""

    def __len__(self) -> int: ...

    def split(self, pieces: int) -> list[Any]:
        """The same samples in at most `pieces` batches."""


def shares_of(pieces: Sequence[Splittable], method: Any) -> list[Any]:
    """What each piece of a batch counts, adding up to 1: a loss that is a mean over labels is that of the batch only if each piece weighs as much
    as its labels do, `method.weight(piece)`; without such a function its samples.
    """
    sizes = [len(piece) for piece in pieces]
    even = [size / sum(sizes) for size in sizes]
    if len(pieces) == 1 or not hasattr(method, "weight"):
        return even
    weights = [method.weight(piece) for piece in pieces]
    total = sum(weights)
    return [weight / total for weight in weights] if float(total) > 0 else even


class EpochBatches:
    """The batches of an epoch. One that could not be made, or is wanted once more, is made anew, as they follow from the epoch alone."""

    def __init__(self, begin: Callable[[], Iterator[Splittable]]) -> None:
        self.begin, self.place = begin, 0
        self.rest: Iterator[Splittable] | None = begin()

    def at(self, place: int) -> Splittable:
        """The batch at this place of the epoch."""
        if self.rest is None or place != self.place:
            self.rest = islice(self.begin(), place, None)
        rest, self.rest = self.rest, None  # an iterator that failed gives nothing more
        batch = next(rest)
        self.rest, self.place = rest, place + 1
        return batch


class StepBatches:
    """The batches of one step, each made when its turn comes.

    Args:
        stream: of the epoch.
        first: place of the first one.
        count: how many.
        kept: whether they stay until the end of the step, for the other parts or for another try; else one is there at a time.
    """

    def __init__(self, stream: EpochBatches, first: int, count: int, kept: bool) -> None:
        self.stream, self.first, self.count, self.kept = stream, first, count, kept
        self.batches: list[Splittable] = []
        self.sizes: dict[int, int] = {}

    @property
    def samples(self) -> int:
        """Of all batches that were made."""
        return sum(self.sizes.values())

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Splittable]:
        for number in range(self.count):
            if number < len(self.batches):
                yield self.batches[number]
                continue
            batch = self.stream.at(self.first + number)
            self.sizes[number] = len(batch)
            if self.kept:
                self.batches.append(batch)
            yield batch
            del batch
