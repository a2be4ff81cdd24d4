"""Roads as lines, from what a model says of pixels."""
