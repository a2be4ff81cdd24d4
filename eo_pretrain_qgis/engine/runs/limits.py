"""Sentences on what figures of a run do not say."""

from __future__ import annotations

from typing import Any

CHOSEN = "The approach was chosen on the validation tiles, so its figures flatter; “Evaluate model” measures on test tiles."
LABELS_ARE_TRUTH = "Truth is what the labels say: errors in them count against the model, and places unlike the training tiles were not tried."


def knows(card: dict[str, Any], what: str = "model") -> str:
    """Which values and pixel size the model, or `what` else it is called, of a run is for."""
    return (f"The {what} knows {card['inputs'][0]['preset']} values at {card['resolution_m'][0]:g} m: another sensor, unit or pixel size needs "
            "another one.")
