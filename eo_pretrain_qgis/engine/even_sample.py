"""A sample of many things, evenly spread over their order."""

from __future__ import annotations

import numpy as np


def even_sample(items: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the items (n, …), from the first to the last of them, in their order."""
    return items if len(items) <= most else items[np.linspace(0, len(items) - 1, most).astype(int)]
