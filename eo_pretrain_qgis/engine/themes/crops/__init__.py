"""Crop datasets: series of dated images, cloud flags, parcels, sampling by class priors, TimeSen2Crop."""
