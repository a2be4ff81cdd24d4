"""A map from an image and some labels on it, learned and judged in seconds, without torch."""
