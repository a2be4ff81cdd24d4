"""Rasters and vectors as they are read, and what their numbers and bands mean."""
