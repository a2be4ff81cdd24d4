"""Parcels as labels of field boundaries: interior, boundary and background, and how far each pixel lies inside its field."""
