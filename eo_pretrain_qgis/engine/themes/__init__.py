"""One package for each theme: what its labels, datasets and pages are. No theme imports another."""
