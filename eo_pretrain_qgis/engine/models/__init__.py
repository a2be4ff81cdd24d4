"""Model files: what they hold, how they are checked, run, found and fetched."""
