"""Active learning: the places most worth labelling."""
