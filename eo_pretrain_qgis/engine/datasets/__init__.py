"""A dataset: how it is built, stored, read and described in its record."""
