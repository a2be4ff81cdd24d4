"""Pretraining by inpainting."""
