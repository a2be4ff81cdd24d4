"""The files of a sample: tiled GeoTIFFs with names, colours and dates inside, GeoPackages, and a text that says that
all is simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.windows import Window

from ...outputs import failed_write
from ..datasets.dataset import ClassInfo
from ..looks import stretching
from ..looks.class_style import beside, class_map_qml, colormap, raster_attributes
from ..looks.image_style import ShownBand, image_qml
from ..looks.style_files import new_style
from ..looks.tile_pictures import pictured_bands
from ..rasters import vector
from ..rasters.meaning import SIMULATED
from ..rasters.sensors import Band

CRS = "EPSG:32633"
#: Upper left corner of every sample in `CRS`: farmland north of Vienna. The landscape is not the one that is really
#: there.
ORIGIN = (586_000.0, 5_400_000.0)
SIMULATED_YES = {SIMULATED: "yes"}
BLOCK = 256
#: One of so many rows and columns of an image is looked at for how bright it is to be shown [px].
LOOKED_AT = 16


def taken(date: str) -> dict[str, str]:
    """The tags that say when an image was taken (``YYYY-MM-DD``)."""
    return {"ACQUISITION_DATE": date, "TIFFTAG_DATETIME": date.replace("-", ":") + " 10:00:00"}


class SampleRaster:
    """A GeoTIFF that is written block by block.

    Args:
        path: file to write.
        size: width and height in pixels.
        dtype: NumPy name of the type.
        nodata: value where nothing was measured, or None.
        bands: what they are called and mean.
        classes: for a class map: what the values mean.
        pixel: metres.
        tags: more texts to store.
    """

    def __init__(
        self,
        path: Path,
        size: int,
        dtype: str,
        nodata: float | None,
        bands: Sequence[Band],
        classes: Sequence[ClassInfo] = (),
        pixel: float = 10.0,
        tags: dict[str, str] | None = None,
    ) -> None:
        self.path, self._classes, self._bands, self._nodata = path, classes, bands, nodata
        self._shown = [] if classes else sorted(set(chosen := pictured_bands([band.name for band in bands])), key=chosen.index)
        self._seen: list[np.ndarray] = []
        self._profile = {
            "driver": "GTiff",
            "width": size,
            "height": size,
            "count": len(bands),
            "dtype": dtype,
            "nodata": nodata,
            "crs": CRS,
            "transform": rasterio.Affine(pixel, 0, ORIGIN[0], 0, -pixel, ORIGIN[1]),
            "tiled": True,
            "blockxsize": BLOCK,
            "blockysize": BLOCK,
            "compress": "deflate",
            "zlevel": 1,
            "predictor": 3 if dtype == "float32" else 2 if dtype == "uint16" else 1,
            "bigtiff": "if_safer",
            "interleave": "band",
        }
        self._tags = {**SIMULATED_YES, **(tags or {})}

    def __enter__(self) -> SampleRaster:
        with ExitStack() as stack:
            if self._classes:
                stack.enter_context(beside(self.path, qml=lambda: class_map_qml(self._classes), aux_xml=lambda: raster_attributes(self._classes)))
            self._dataset = stack.enter_context(rasterio.open(self.path, "w", **self._profile))
            self._dataset.update_tags(**self._tags)
            for index, band in enumerate(self._bands, 1):
                self._dataset.set_band_description(index, band.name)
            if self._classes:
                self._dataset.write_colormap(1, colormap(self._classes))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._stack.__exit__(kind, error, trace)
        except rasterio.errors.RasterioIOError as failure:
            raise failed_write(failure, self.path) from failure
        if self._shown and kind is None:
            with new_style(self.path, self._image_style()):
                pass

    def write(self, values: np.ndarray, row: int, column: int) -> None:
        """Writes (band, y, x) or (y, x) values with their upper left pixel at (row, column)."""
        values = values if values.ndim == 3 else values[None]
        if self._shown:
            self._seen.append(values[self._shown, ::LOOKED_AT, ::LOOKED_AT].reshape(len(self._shown), -1))
        try:
            self._dataset.write(values, window=Window(column, row, values.shape[2], values.shape[1]))
        except rasterio.errors.RasterioIOError as failure:
            raise failed_write(failure, self.path) from failure

    def _image_style(self) -> str:
        """Natural colours, or the first band in grey, without what clouds would make of them."""
        seen = np.concatenate(self._seen, 1)
        ends = stretching.limits(seen[:, (seen != self._nodata).all(0)], [self._bands[number] for number in self._shown])
        return image_qml([ShownBand(number + 1, float(low), float(high)) for number, low, high in zip(self._shown, *ends, strict=True)])


def to_map(shapes: np.ndarray) -> np.ndarray:
    """Shapes in landscape metres as shapes in `CRS`, to the centimetre."""
    moved = shapely.transform(shapes, lambda points: np.stack([ORIGIN[0] + points[:, 0], ORIGIN[1] - points[:, 1]], 1))
    return shapely.set_precision(moved, 0.01)


def write_layer(path: Path, columns: Mapping[str, Sequence], shapes: np.ndarray, style: str) -> None:
    """Writes shapes in landscape metres and their columns as the layer of a new GeoPackage, which is called as the file, in a style."""
    frame = geopandas.GeoDataFrame(dict(columns), geometry=to_map(shapes), crs=CRS)
    vector.write_layer(path, path.stem, frame, style, told=SIMULATED_YES)
