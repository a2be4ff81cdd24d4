"""Pretraining on many tasks."""
