"""Crops of parcels, or of the pixels inside a mask, from dated images."""
