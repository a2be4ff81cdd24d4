"""The errors a user can put right. Everything else is a bug and shows its traceback.

Sentence one of a message says what is wrong, with the value and the file; sentence two says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable


class EOPretrainError(Exception):
    """Something the user can put right."""


class JobError(EOPretrainError):
    """The request makes no sense as asked."""


class DataError(EOPretrainError):
    """A raster, vector or dataset is not what is needed."""


class ModelError(EOPretrainError):
    """Weights or a model file cannot be used here."""


class EngineError(EOPretrainError):
    """The engine is missing, incomplete or died."""


class WorkersGoneError(EngineError):
    """The workers of a cluster are gone; what was finished stays for the next job that asks for the same."""


class Cancelled(Exception):  # noqa: N818 - not an error: the user asked to stop
    """The user asked to stop."""


def first_line(error: BaseException) -> str:
    """The first line of an error, or its kind where it says nothing, as an `EOFError` or a bare assertion."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def listed(names: Iterable[object], most: int = 8) -> str:
    """Names for a sentence: the first, and how many more there are."""
    shown = [str(name) for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
