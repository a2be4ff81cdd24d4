"""Tiles without labels for pretraining: clouds, near-duplicates, pairs of sensors."""
