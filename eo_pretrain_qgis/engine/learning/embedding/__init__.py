"""Embeddings: what an encoder knows of each pixel, as some numbers between -1 and 1 that belong to its model and not to an image."""
