"""From a model and an image to map layers."""
