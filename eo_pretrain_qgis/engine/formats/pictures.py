"""Single image files as they lie in published data sets: of any format GDAL reads, with or without a place on the map.

Layers of a map are opened by `raster`, which asks for a place on the map; a picture may have none.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import rasterio
import rasterio.windows
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from ...errors import DataError
from ...progress import SILENT, Progress
from ..rasters import sources
from ..rasters.alpha_bands import has_own_mask, mask_positions, shown_by_masks
from ..rasters.class_names import NamedClass, classes_in_file
from ..rasters.grid import ROTATION_TOLERANCE, Grid, Window, blocks
from ..rasters.nodata import is_nodata
from ..rasters.sensors import Band
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
        bands: what it says of each band but a mask; an empty name where it says nothing.
        nodata: value without a measurement, or None.
        tags: its metadata.
        mask_band: number of the band that is a mask of the others, or None.
        is_picture: whether its values are numbers of colours in a table.
    """

    path: str
    width: int
    height: int
    dtype: str
    grid: Grid | None
    bands: tuple[Band, ...]
    nodata: float | None
    tags: dict[str, str]
    mask_band: int | None
    is_picture: bool

    @property
    def preset(self) -> str:
        """Sensor preset in the tags, or empty."""
        return self.tags.get(PRESET_TAG, "")

    @property
    def sensor(self) -> str:
        """Name of the sensor in the tags, or empty."""
        return self.tags.get(SENSOR_TAG, "")

    @property
    def pixel_size(self) -> float | None:
        """Size of pixels [m] in the tags, or None."""
        return float(self.tags[PIXEL_TAG]) if PIXEL_TAG in self.tags else None

    @property
    def names(self) -> list[str]:
        """Names of its bands, or "band 1", …."""
        return [band.name or f"band {number}" for number, band in enumerate(self.bands, 1)]


@dataclass(frozen=True)
class Seen:
    """A picture as `meaning` asks of images.

    Attributes:
        header: of its file.
        reader: gives values (band, y, x) and valid pixels (y, x) of a window.
        empty: a stored value that, in all bands at once, means that nothing was measured, or None.
    """

    header: Header
    reader: Callable[[Window], tuple[np.ndarray, np.ndarray]]
    empty: float | None = None

    @property
    def rasters(self) -> list[Seen]:
        """Its only file."""
        return [self]

    @property
    def understood(self) -> str:
        """It is a plain file."""
        return ""

    @property
    def missing(self) -> tuple[str, ...]:
        """It is a plain file."""
        return ()

    @property
    def path(self) -> str:
        """For messages."""
        return self.header.path

    @property
    def name(self) -> str:
        """Of the file."""
        return PurePath(self.header.path).name

    @property
    def mask_band(self) -> int | None:
        """See `Header`."""
        return self.header.mask_band

    @property
    def is_picture(self) -> bool:
        """See `Header`."""
        return self.header.is_picture

    @property
    def grid(self) -> Grid:
        """Its size, and where it lies if it says so."""
        return self.header.grid or Grid("", (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), self.header.width, self.header.height)

    @property
    def dtype(self) -> str:
        """NumPy name of its type."""
        return self.header.dtype

    @property
    def scales(self) -> list[float]:
        """Per band, as declared."""
        return [band.scale for band in self.header.bands]

    @property
    def offsets(self) -> list[float]:
        """Per band, as declared."""
        return [band.offset for band in self.header.bands]

    def tag(self, key: str, domain: str | None = None) -> str:
        """A piece of its metadata, or empty."""
        return "" if domain else self.header.tags.get(key, "")

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Values (band, y, x) of a window inside the picture and which pixels were measured, bool (y, x)."""
        values, valid = self.reader(window)
        return values, valid if self.empty is None else valid & (values != self.empty).any(0)


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
        with explained(self.path), rasterio.Env(**STRICT):
            self._opened = sources.raster(self._gdal_path)
            self.header = _header(self._opened, self.path)
        return self

    def seen(self, empty: float | None = None) -> Seen:
        """The picture as `meaning` asks of images; `empty` as in `Seen`."""
        return Seen(self.header, self.read, empty)

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Values (band, y, x) of a window inside the picture and which pixels hold a value in all bands, bool (y, x)."""
        with explained(self.path), rasterio.Env(**STRICT):
            return _read(self._opened, self.header, rasterio.windows.Window(window.col, window.row, window.width, window.height))

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
    with explained(path), rasterio.Env(**ALONE), MemoryFile(content) as memory, sources.raster(memory.name) as opened:
        header = _header(opened, path)
        return header, *_read(opened, header, None)


def in_memory(header: Header, values: np.ndarray, valid: np.ndarray, empty: float | None = None) -> Seen:
    """What `read_whole` gave, as `meaning` asks of images; `empty` as in `Seen`."""

    def part(window: Window) -> tuple[np.ndarray, np.ndarray]:
        rows, cols = slice(window.row, window.row + window.height), slice(window.col, window.col + window.width)
        return values[:, rows, cols], valid[rows, cols]

    return Seen(header, part, empty)


def _header(opened: rasterio.DatasetReader, path: str) -> Header:
    masks = mask_positions(opened)
    shown = [index for index in range(opened.count) if index not in masks]
    header = Header(path, opened.width, opened.height, np.result_type(*(opened.dtypes[index] for index in shown)).name, _grid(opened),
                    tuple(_band(opened, index + 1) for index in shown), opened.nodata, opened.tags(), masks[0] + 1 if masks else None,
                    opened.colorinterp[0] == ColorInterp.palette)
    if header.pixel_size is not None and not 0 < header.pixel_size < LARGEST_PIXEL:
        raise ValueError(f"its tag {PIXEL_TAG} says {header.pixel_size:g} m")
    return header


def _read(opened: rasterio.DatasetReader, header: Header, window: rasterio.windows.Window | None) -> tuple[np.ndarray, np.ndarray]:
    shown = [number for number in range(1, opened.count + 1) if number != header.mask_band]
    values = opened.read(shown, window=window)
    valid = np.isfinite(values).all(0) if values.dtype.kind == "f" else np.ones(values.shape[1:], bool)
    if opened.nodata is not None and np.isfinite(opened.nodata):
        # One band may hold the nodata value by chance; as everywhere here, floats are judged band by band, whole numbers together.
        missing = is_nodata(values, opened.nodata)
        valid &= ~(missing.any(0) if values.dtype.kind == "f" else missing.all(0))
    masked = shown_by_masks(opened, [] if header.mask_band is None else [header.mask_band - 1], has_own_mask(opened), window)
    return values, valid if masked is None else valid & masked


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
def explained(path: str, kind: str = "an image") -> Iterator[None]:
    """What GDAL says of a damaged file of a kind, as a sentence.

    Raises:
        DataError: reading within it failed.
    """
    try:
        yield
    except (RasterioError, ValueError) as error:
        raise DataError(f"{path} cannot be read as {kind} ({error}). It may be cut short or damaged: copy or download it again, or "
                        "remove it.") from None
