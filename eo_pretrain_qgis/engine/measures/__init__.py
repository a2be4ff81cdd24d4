"""Figures of how well classes are told apart, and simple classifiers to hold a network against."""
