"""Dated images of two classes, and maps of them, for maps of land cover and their change: 96 x 96 px of 10 m."""

import numpy as np

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .networks import write_threshold_model
from .scenes import two_halves_model, write_raster


def _halves(folder, day, changed=0, size=96, specks=False):
    """Water in the left half, forest in the right; so many upper rows of the left half became forest. Specks of forest of 3 px lie in the water."""
    values = np.full((1, size, size), 1000, np.uint16)
    values[:, :, 48:] = 2000
    values[:, :changed] = 2000
    if specks:
        values[:, 50:90:10, 5:45:10] = values[:, 50:90:10, 6:46:10] = values[:, 51:91:10, 5:45:10] = 1600
    return write_raster(folder / f"S2_{day}.tif", values, names=["B02"])


def cover_2019(folder):
    """15 June 2019."""
    return _halves(folder, "20190615")


def cover_2020(folder):
    """20 June 2020: 24 rows of the left half, 11.52 ha, became forest."""
    return _halves(folder, "20200620", changed=24)


def cover_2020_winter(folder):
    """The same on 20 December."""
    return _halves(folder, "20201220", changed=24)


def cover_2020_smaller(folder):
    """The same on other ground."""
    return _halves(folder, "20200620", changed=24, size=80)


def cover_specks(folder):
    """Sixteen specks of 300 m²."""
    return _halves(folder, "20190615", specks=True)


def _map(folder, image, model):
    output = folder / "earlier.tif"
    JOBS["map_land_cover"].from_values({"images": [str(image)], "model": str(model), "output": str(output), "device": "cpu"}).run(SILENT)
    return output


def cover_map_2019(folder):
    """`cover_2019` by `two_halves_model`."""
    return _map(folder, cover_2019(folder), two_halves_model(folder))


def cover_map_of_another(folder):
    """The same by another model."""
    return _map(folder, cover_2019(folder), write_threshold_model(folder / "another.onnx", limit=1400, id="another-01234567"))
