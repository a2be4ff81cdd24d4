"""Pretraining by translation between two sensors."""
