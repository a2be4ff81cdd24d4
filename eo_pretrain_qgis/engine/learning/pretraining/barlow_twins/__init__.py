"""Pretraining with Barlow Twins."""
