"""One package for each pretraining method."""
