"""How it is done: rasters, vectors, datasets, model files, mapping and accuracy, without torch and without QGIS."""

from .. import offline

offline.apply()
