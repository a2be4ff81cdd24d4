"""Simple classifiers as models: regression and boosting on whitened statistics, trained and exported without torch."""
