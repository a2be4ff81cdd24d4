"""The only code that knows QGIS."""
