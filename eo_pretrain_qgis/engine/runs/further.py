"""What is asked of an evaluation beside its figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Further:
    """What else is measured and written.

    Attributes:
        errors: path of the layer of errors; empty for none.
    """

    errors: str = ""
