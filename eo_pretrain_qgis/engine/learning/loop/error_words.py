"""What errors of libraries say, in few words."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """The first line of an error, or its kind where it says nothing, as an `EOFError` or a bare assertion."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
