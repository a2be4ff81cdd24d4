"""Embeddings as others publish them, and one of ours."""

import numpy as np
import rasterio

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .scenes import land, write_raster
from .scenes_weights import encoder_of_land


def embedded(folder, name, **values):
    """The embedding of `land` by `encoder_of_land` with 16 numbers."""
    encoder = folder / "land_encoder"
    JOBS["compute_embeddings"].from_values({"encoder": str(encoder if encoder.exists() else encoder_of_land(folder)), "images": [str(land(folder))],
                                            "numbers": 16, "output": str(folder / name), **values}).run(SILENT)
    return folder / name


def land_embedding(folder):
    """See `embedded`."""
    return embedded(folder, "embedding.tif")


def land_embedding_model(folder):
    """The model file that makes it."""
    embedded(folder, "embedding.tif", model=str(folder / "embedding.onnx"))
    return folder / "embedding.onnx"


def of_land(folder, bands, dtype="int8", seed=0):
    """Numbers (band, y, x) of which all bands tell the covers of `land` apart, noise around -60 and 60."""
    with rasterio.open(land(folder)) as source:
        crop = source.read(1) > 1000
    rng = np.random.default_rng(seed)
    signs = np.where(rng.random(bands) < 0.5, -1, 1)[:, None, None]
    return (signs * np.where(crop, 60, -60) + rng.integers(-20, 21, (bands, *crop.shape))).astype(dtype)


def alphaearth_of_land(folder):
    """64 bands A00 to A63 as AlphaEarth stores them, the first row of which was not embedded."""
    values = of_land(folder, 64)
    values[:, 0] = -128
    return write_raster(folder / "alphaearth.tif", values, nodata=None, names=[f"A{number:02d}" for number in range(64)])


def tessera_of_land(folder):
    """128 bands as TESSERA stores them, with the scales of the pixels beside it, which are missing in the first row."""
    scales = np.full((1, 256, 256), 0.05, np.float32)
    scales[:, 0] = np.nan
    write_raster(folder / "tessera_scales.tif", scales, nodata=None)
    return write_raster(folder / "tessera.tif", of_land(folder, 128), nodata=None)


def tessera_without_scales(folder):
    """The same without its second file."""
    return write_raster(folder / "lonely.tif", of_land(folder, 128), nodata=None)
