"""Single image files as they lie in published data sets: of any format GDAL reads, with or without a place on the map.

Layers of a map are opened by `raster`, which asks for a place on the map; a picture may have none.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import rasterio
import rasterio.windows
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from ...errors import DataError
from ...progress import SILENT, Progress
from ..datasets.dataset import SensorInfo
from ..rasters import sources
from ..rasters.class_names import NamedClass, classes_in_file
from ..rasters.grid import Grid, Window, blocks
from ..rasters.meaning import Conversion
from ..rasters.raster import ROTATION_TOLERANCE
from ..rasters.sensors import PRESETS, Band, name_bands
from .tree import Tree

IMAGES = (".tif", ".tiff", ".jpg", ".jpeg", ".png", ".jp2")
#: Tags under which “Export dataset” keeps of which preset and sensor the bands are, and the
#: size of pixels that lie nowhere.
#: Pixels are smaller than the earth [m].
LARGEST_PIXEL = 1e7
PRESET_TAG, SENSOR_TAG, PIXEL_TAG = "EO_PRETRAIN_PRESET", "EO_PRETRAIN_SENSOR", "EO_PRETRAIN_PIXEL_SIZE_M"
#: libjpeg fills what is missing of a JPEG cut short with grey and only warns.
STRICT = {"GDAL_ERROR_ON_LIBJPEG_WARNING": "YES"}
#: A file read from memory has no files beside it.
ALONE = {**STRICT, "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        path: for messages.
        width: columns.
        height: rows.
        dtype: NumPy name of the type.
        grid: where it lies, or None.
        bands: what it says of each band but alpha; an empty name where it says nothing.
        nodata: value without a measurement, or None.
        preset: sensor preset in the tags, or empty.
        sensor: name of the sensor in the tags, or empty.
        pixel_size: [m] in the tags, or None.
    """

    path: str
    width: int
    height: int
    dtype: str
    grid: Grid | None
    bands: tuple[Band, ...]
    nodata: float | None
    preset: str
    sensor: str
    pixel_size: float | None


class Picture:
    """A file opened for reading in pieces; use it in a ``with`` block.

    Args:
        tree: where it lies.
        name: its path in there.

    Raises:
        DataError: naming the file that is damaged or no image.
    """

    def __init__(self, tree: Tree, name: str) -> None:
        self.path, self._gdal_path = tree.full(name), tree.gdal_path(name)

    def __enter__(self) -> Picture:
        with _explained(self.path), rasterio.Env(**STRICT):
            self._opened = sources.raster(self._gdal_path)
            self.header = _header(self._opened, self.path)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Values (band, y, x) of a window inside the picture and which pixels hold a value in all bands, bool (y, x)."""
        with _explained(self.path), rasterio.Env(**STRICT):
            return _read(self._opened, rasterio.windows.Window(window.col, window.row, window.width, window.height))

    def classes(self, progress: Progress = SILENT) -> dict[int, NamedClass]:
        """The values that the file of a label image names or colours, see `class_names`."""
        return classes_in_file(self._opened, self._gdal_path, progress=progress)

    def pieces(self, size: int) -> list[Window]:
        """Windows of at most `size` × `size` pixels that cover the picture once."""
        return blocks(Window(0, 0, self.header.width, self.header.height), size)


def is_image(name: str) -> bool:
    """Whether a file name ends as images do."""
    return name.lower().endswith(IMAGES)


def read_whole(content: bytes, path: str) -> tuple[Header, np.ndarray, np.ndarray]:
    """A small image from the bytes of its file: header, values (band, y, x), pixels with a value (y, x).

    Raises:
        DataError: naming the file that is damaged or no image.
    """
    with _explained(path), rasterio.Env(**ALONE), MemoryFile(content) as memory, sources.raster(memory.name) as opened:
        return _header(opened, path), *_read(opened, None)


def sensor_of(header: Header, preset: str, bands: str, name: str = "", default: tuple[str, Sequence[str]] | None = None,
              progress: Progress = SILENT) -> SensorInfo:
    """What the bands of an image are: as chosen, else as its file says, else as is usual in the data set.

    Args:
        header: of the image.
        preset: of the sensor; "generic" where nothing was chosen.
        bands: names separated by commas, or empty.
        name: of the sensor; empty takes that in the file, or "image".
        default: preset and names of the bands for files that do not name theirs.
        progress: told what was taken for granted.

    Raises:
        DataError: values that are no measurements, or names that do not fit the number of bands.
    """
    dtype = np.dtype(header.dtype)
    if dtype.kind not in "iuf":
        raise DataError(f"{header.path} holds {dtype.name} values, which are no measurements to learn from. Convert the images first.")
    names = [band.name or f"band {number}" for number, band in enumerate(header.bands, 1)]
    if preset == "generic" and default and not bands and not any(band.name for band in header.bands):
        preset, names = default[0], list(default[1])
    own = preset == "generic" and header.preset in PRESETS
    known = name_bands(header.preset if own else preset, names, bands, progress)
    if own or preset == "generic":
        known = [replace(band, scale=told.scale, offset=told.offset, unit=told.unit if told.unit != "unknown" else band.unit,
                         wavelength_um=told.wavelength_um or band.wavelength_um)
                 for band, told in zip(known, header.bands, strict=True)]
    else:  # what the file says goes before what the sensor says
        known = [replace(band, scale=told.scale, offset=told.offset) if _declares(told) else band
                 for band, told in zip(known, header.bands, strict=True)]
    preset = header.preset if own else preset
    nodata = header.nodata if header.nodata is not None else PRESETS[preset].nodata
    holds = dtype.kind in "iu" and nodata is not None and np.iinfo(dtype).min <= nodata <= np.iinfo(dtype).max
    kept = int(nodata) if holds and nodata is not None else None
    name = name or re.sub(r"[^\w-]+", "_", header.sensor).strip("_")[:100] or "image"  # what a file says becomes no path
    return SensorInfo(name, preset, "float32" if dtype.kind == "f" else dtype.name, kept, tuple(known))


def stored(values: np.ndarray, valid: np.ndarray, sensor: SensorInfo, header: Header) -> np.ndarray:
    """Values (band, y, x) as the dataset stores them: in its type, scale and offset, what was not measured filled in all bands.

    Raises:
        DataError: the file declares what its values mean otherwise than the first one, or not at all where that does.
    """
    pairs = list(zip(header.bands, sensor.bands, strict=True))
    for told, band in pairs:
        silent = next((usual for usual in PRESETS[sensor.preset].bands if usual.name == band.name), Band(band.name))
        if not _declares(told) and (band.scale, band.offset) != (silent.scale, silent.offset):
            raise DataError(f"{header.path} does not declare a scale and an offset for its band {band.name}, but the images before it do. Declare "
                            "them in all files, or in none.")
    if all(not _declares(told) or (told.scale, told.offset) == (band.scale, band.offset) for told, band in pairs):
        result = values.astype(sensor.dtype)
    else:
        gains = tuple(told.scale / band.scale if _declares(told) else 1.0 for told, band in pairs)
        biases = tuple((told.offset - band.offset) / band.scale if _declares(told) else 0.0 for told, band in pairs)
        result = Conversion(gains, biases, sensor.dtype)(values, list(range(len(pairs))))
    if sensor.nodata is not None:
        result[:, ~valid] = sensor.nodata
    elif result.dtype.kind == "f":
        result[:, ~valid] = np.nan
    return result


def _declares(told: Band) -> bool:
    """Whether a file says how the values of a band become physical ones."""
    return (told.scale, told.offset) != (1, 0)


def _header(opened: rasterio.DatasetReader, path: str) -> Header:
    dtype, tags = np.result_type(*opened.dtypes).name, opened.tags()
    size = float(tags[PIXEL_TAG]) if PIXEL_TAG in tags else None
    if size is not None and not 0 < size < LARGEST_PIXEL:
        raise ValueError(f"its tag {PIXEL_TAG} says {size:g} m")
    return Header(path, opened.width, opened.height, dtype, _grid(opened), tuple(_band(opened, index) for index in _shown(opened)),
                  opened.nodata, tags.get(PRESET_TAG, ""), tags.get(SENSOR_TAG, ""), size)


def _shown(opened: rasterio.DatasetReader) -> list[int]:
    return [index for index, kind in enumerate(opened.colorinterp, 1) if kind != ColorInterp.alpha]


def _read(opened: rasterio.DatasetReader, window: rasterio.windows.Window | None) -> tuple[np.ndarray, np.ndarray]:
    values = opened.read(_shown(opened), window=window)
    valid = np.isfinite(values).all(0) if values.dtype.kind == "f" else np.ones(values.shape[1:], bool)
    if opened.nodata is not None and np.isfinite(opened.nodata):
        # One band may hold the nodata value by chance; as everywhere here, floats are judged band by band, whole numbers together.
        missing = values == opened.nodata
        valid &= ~(missing.any(0) if values.dtype.kind == "f" else missing.all(0))
    if any(MaskFlags.per_dataset in flags for flags in opened.mask_flag_enums):
        valid &= opened.dataset_mask(window=window) > 0
    return values, valid


def _band(opened: rasterio.DatasetReader, index: int) -> Band:
    scale, offset = opened.scales[index - 1], opened.offsets[index - 1]
    if not (math.isfinite(scale) and math.isfinite(offset) and scale > 0):
        raise ValueError(f"it declares that values of its band {index} are × {scale:g} + {offset:g}")
    wavelength = opened.tags(index, ns="IMAGERY").get("CENTRAL_WAVELENGTH_UM")
    return Band(opened.descriptions[index - 1] or "", float(wavelength) if wavelength else None, opened.units[index - 1] or "unknown",
                scale, offset)


def _grid(opened: rasterio.DatasetReader) -> Grid | None:
    """The place, where the file has one that is not turned against its axes."""
    a, b, c, d, e, f = opened.transform[:6]
    known = opened.crs is not None and (opened.crs.is_geographic or opened.crs.is_projected)
    if not known or opened.transform.is_identity or abs(b) + abs(d) > ROTATION_TOLERANCE * (abs(a) + abs(e)):
        return None
    return Grid(opened.crs.to_wkt(version="WKT2_2019"), (a, 0.0, c, 0.0, e, f), opened.width, opened.height)


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except (RasterioError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an image ({error}). It may be cut short or damaged: copy or download it again, or "
                        "remove it.") from None
