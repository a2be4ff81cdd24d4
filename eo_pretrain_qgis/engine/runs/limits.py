"""Sentences on what figures of a run do not say."""

from __future__ import annotations

from typing import Any

from ..rasters.dates import day_words

CHOSEN = "The approach was chosen on the validation tiles, so its figures flatter; “Evaluate model” measures on test tiles."
LABELS_ARE_TRUTH = "Truth is what the labels say: errors in them count against the model, and places unlike the training tiles were not tried."


def knows(card: dict[str, Any], what: str = "model") -> str:
    """Which values and pixel size the model, or `what` else it is called, of a run is for."""
    seen, *others = card["inputs"]
    values = " and ".join(one["preset"] for one in (seen, *others))
    known = seen.get("season") or {}
    days = known.get("window") or known.get("days")
    season, more = (f" of {day_words(days[0])} to {day_words(days[-1])}", ", season") if days else ("", "")
    return (f"The {what} knows {values} values{season} at {card['resolution_m'][0]:g} m: another sensor{more}, unit or pixel size needs "
            "another one.")
