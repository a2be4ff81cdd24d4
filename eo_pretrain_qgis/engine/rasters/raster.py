"""Rasters as they are read: bands, grid, valid pixels, and what is refused."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from pathlib import PurePath
from types import TracebackType

import numpy as np
import rasterio
import rasterio.windows
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from ...errors import DataError
from ...scene_names import is_packed, may_be_scene, scene_name
from . import deliveries, sources
from .alpha_bands import has_own_mask, mask_positions, shown_by_masks
from .dates import ACQUIRED, WRITTEN, first_day
from .decoding import Decoder, decoded
from .finer import finer_grid, read_finer
from .grid import Grid, Window, read_grid
from .nodata import is_nodata
from .same_band import band_of_file
from .sensors import PRESETS

ADVICE_FILE = "Check that the file exists, is whole and is an image."
ADVICE_SCENE = ("A scene is a Sentinel-2 product with MTD_MSIL1C.xml or MTD_MSIL2A.xml, a Landsat scene with *_MTL.txt, a Sentinel-1 GRD product, "
                "or a folder with one file for each band; an archive of it is a .zip or an uncompressed .tar. Unpack others and choose the folder.")


class Raster:
    """A raster file as bands on a north-up grid, however its rows are stored, with a mask of valid pixels. The file is opened at first use.

    Args:
        path: what GDAL opens, a file, ``/vsizip/…``, ``NETCDF:"…":name`` or an address; or a scene as in `deliveries`.
        name: name of the layer, for people; empty is the file name.
        crs: replaces the file's own CRS when the analyst has overridden it.
        nodata: per band a list of values that mean "nothing measured", besides those in the file.
        open_options: GDAL open options, ``KEY=VALUE``.
        categories: values, names and colours from the layer's symbology (for class rasters).
        date: day of acquisition, ``2020-06-21``, that goes before what the file says; empty asks the file.
        own_nodata: per band of the file, whether the file's own nodata value counts; where nothing is said, it does.

    Attributes:
        declared_nodata: one more nodata value, for all bands; None adds none.
        decoder: turns stored values into those that are read; None reads them as they are.
    """

    def __init__(self, path: str, name: str = "", crs: str = "", nodata: tuple | list = (), open_options: tuple | list = (),
                 categories: dict | None = None, date: str = "", own_nodata: tuple | list = ()) -> None:
        self.path, self.crs, self.categories, self._date = str(path), crs, categories, date
        self.name = name or scene_name(self.path)
        self._virtual: deliveries.Virtual | None = None
        self._own_nodata = own_nodata
        self.declared_nodata: float | None = None
        self.decoder: Decoder | None = None
        self._nodata, self._options = nodata, dict(option.split("=", 1) for option in open_options)
        self._opened: rasterio.DatasetReader | None = None

    def __enter__(self) -> Raster:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __getstate__(self) -> dict:
        """An open file, and files in memory, stay behind when the raster is copied or sent to another process."""
        virtual = self._virtual
        return {**self.__dict__, "_opened": None, "_virtual": None if virtual and virtual.held else virtual}

    def close(self) -> None:
        """Closes the file; the next use opens it again."""
        if self.decoder is not None:
            self.decoder.close()
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def dataset(self) -> rasterio.DatasetReader:
        """The open file, for what this class does not offer; reading pixels goes through `read`. Its rows may run from south to north."""
        if self._opened is None:
            advice = ADVICE_SCENE if may_be_scene(self.path) or is_packed(self.path) else ADVICE_FILE
            with self._explained("cannot be opened as a raster", advice), warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)  # refused with a sentence below
                self._virtual = self._virtual or deliveries.virtual_of(self.path)
                opened = sources.virtual(self._virtual.xml) if self._virtual else sources.raster(self.path, **self._options)
            stored = read_grid(opened, self.path, self.crs)
            self._grid = stored.north_up()
            self._turned = self._grid is not stored
            with sources.permit(self.path):
                self._mask_bands, self._own_mask = mask_positions(opened), has_own_mask(opened)
                self._bands = [index for index in range(opened.count) if index not in self._mask_bands]
            self._opened = opened
        return self._opened

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""
        return self.dataset and self._grid

    @property
    def understood(self) -> str:
        """What a scene of several files was taken for, in a sentence; empty for a plain file."""
        return self._virtual.understood if self.dataset and self._virtual else ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Bands of a scene as delivered that are not there; none of a plain file."""
        return self._virtual.missing if self.dataset and self._virtual else ()

    @property
    def block_size(self) -> tuple[int, int]:
        """Width and height of the blocks in which the file stores its first band [px]."""
        height, width = self.dataset.block_shapes[0]
        return width, height

    @property
    def mask_band(self) -> int | None:
        """Number of the band (from 1) that is a mask of the others; None where there is none."""
        return self._mask_bands[0] + 1 if self.dataset and self._mask_bands else None

    @property
    def is_picture(self) -> bool:
        """Whether its values are numbers of colours in a table, and no measurements."""
        return self.dataset.colorinterp[0] == ColorInterp.palette

    @property
    def indexes(self) -> list[int]:
        """Which band of the file (1-based) each band is; an alpha band is no band."""
        return self.dataset and [index + 1 for index in self._bands]

    @property
    def band_names(self) -> list[str]:
        """Descriptions in the file, or "band 1", …; an alpha band that masks the others is no band."""
        given = self.dataset.descriptions
        return [given[index] or f"band {index + 1}" for index in self._bands]

    @property
    def dtype(self) -> str:
        """NumPy name of the type that holds all bands."""
        return self.decoder.dtype if self.decoder else self.stored_type

    @property
    def stored_type(self) -> str:
        """The same before anything is decoded."""
        types = self.dataset.dtypes
        common = np.result_type(*(types[index] for index in self._bands))
        if common.kind not in "iuf":
            raise DataError(f"{self.path} holds {common.name} values, which are no measurements to learn from. Convert it to real numbers first.")
        return common.name

    @property
    def scales(self) -> list[float]:
        """Per band, the scale declared in the file; 1 where there is none."""
        declared = self.dataset.scales if self.decoder is None else [1.0] * self.dataset.count
        return [declared[index] for index in self._bands]

    @property
    def offsets(self) -> list[float]:
        """Per band, the offset declared in the file; 0 where there is none."""
        declared = self.dataset.offsets if self.decoder is None else [0.0] * self.dataset.count
        return [declared[index] for index in self._bands]

    @property
    def acquired(self) -> str:
        """Day of acquisition, ``2020-06-21``, as given, from the file's name or its metadata; empty when none tells."""
        if self._date or (self.dataset and self._virtual and self._virtual.date):
            return self._date or self._virtual.date  # type: ignore[union-attr]
        return first_day(PurePath(self.path).name, self.name, *(self.tag(key, domain) for domain, key in ACQUIRED))

    @property
    def date(self) -> str:
        """Day of acquisition, else that on which the file was written; empty when none tells."""
        return self.acquired or first_day(*(self.tag(key, domain) for domain, key in WRITTEN))

    def tag(self, key: str, domain: str | None = None) -> str:
        """A piece of the file's metadata; empty where there is none."""
        return self.dataset.tags(ns=domain).get(key, "")

    def nodata_of(self, band: int) -> list[float]:
        """Every value that means "nothing measured" in a band (0-based): of the file, the layer and the declared one."""
        file_band = self._bands[band] if self.dataset else 0
        values = [self.declared_nodata, self.decoder.nodata if self.decoder else None]
        if file_band >= len(self._own_nodata) or self._own_nodata[file_band]:
            values.append(self.dataset.nodatavals[file_band])
        if file_band < len(self._nodata):
            values.extend(self._nodata[file_band] or ())
        return sorted({float(value) for value in values if value is not None and np.isfinite(value)})

    def read(self, window: Window, bands: list[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Reads pixels.

        Args:
            window: what to read; pixels outside the raster are 0 and not valid.
            bands: 0-based bands; None is all.

        Returns:
            Values (band, y, x) in the type of the file, and which pixels are valid in all these bands, bool (y, x): finite,
            not nodata and not masked.

        Raises:
            DataError: when the file is cut short or damaged.
        """
        dataset = self.dataset
        bands = list(range(len(self._bands))) if bands is None else bands
        inside = window.intersection(self._grid.window)
        if inside is None:
            return np.zeros((len(bands), window.height, window.width), self.dtype), np.zeros((window.height, window.width), bool)
        first = self._grid.height - inside.row - inside.height if self._turned else inside.row
        part = rasterio.windows.Window(inside.col, first, inside.width, inside.height)
        top, left = inside.row - window.row, inside.col - window.col
        place = np.s_[top:top + inside.height, left:left + inside.width]
        with self._explained(f"cannot be read at rows {first} to {first + inside.height}",
                             "The file may be cut short or damaged: copy or download it again."), sources.permit(self.path):
            read = dataset.read([self._bands[band] + 1 for band in bands], window=part, out_dtype=self.stored_type)
            masked = shown_by_masks(dataset, self._mask_bands, self._own_mask, part)
            shown = np.ones(read.shape[1:], bool) if masked is None else masked
        if self._turned:
            read, shown = read[:, ::-1].copy(), shown[::-1].copy()
        for values_of_band, band in zip(read, bands, strict=True):
            if read.dtype.kind == "f":
                shown &= np.isfinite(values_of_band)
            for nodata in self.nodata_of(band):
                shown &= ~is_nodata(values_of_band, nodata)
        if self.decoder is not None:
            read, shown = self.decoder(read, shown, inside)
        if inside == window:
            return read, shown
        values = np.zeros((len(bands), window.height, window.width), read.dtype)
        valid = np.zeros((window.height, window.width), bool)
        values[(slice(None), *place)], valid[place] = read, shown
        return values, valid

    @contextlib.contextmanager
    def _explained(self, wrong: str, advice: str):
        try:
            yield
        except RasterioIOError as error:
            raise DataError(f"{self.path} {wrong} ({sources.innermost(error)}). {advice}") from error


class Scene:
    """The bands of one place and date as one thing, from one raster or from several on the same grid.

    Attributes:
        empty: a stored value that, in all bands that are read at once, means that nothing was measured; None where there is none.
        conversion: turns the stored values of some bands into those of a dataset, see `meaning.Conversion`; None leaves them.
        finer: the grid has so many pixels along the edge of one of the files, see `finer`.
    """

    def __init__(self, rasters: list[Raster]) -> None:
        """Takes the bands of `rasters` in order.

        Raises:
            DataError: naming the two files when their grids differ.
        """
        self.rasters = rasters
        self.empty: float | None = None
        self.conversion: Callable[[np.ndarray, list[int]], np.ndarray] | None = None
        self.finer = 1
        first = rasters[0]
        for other in rasters[1:]:
            if not first.grid.same_as(other.grid):
                raise DataError(f"{first.path} and {other.path} lie on different grids ({first.grid}; {other.grid}), so they cannot be bands of one "
                                "scene. Resample one to the grid of the other with “Warp (reproject)”.")

    @classmethod
    def open(cls, sources: list[dict], declared_nodata: float | None = None, preset: str = "") -> Scene:
        """The scene whose bands are all those of `sources` (raster values of a job), in order; with a preset see `stored_as`."""
        rasters = [Raster(**source) for source in sources]
        for raster in rasters:
            raster.declared_nodata = declared_nodata
        scene = cls(rasters)
        if preset:
            scene.stored_as(preset)
        return scene

    def stored_as(self, preset: str) -> None:
        """Reads the values as a sensor, a key of `sensors.PRESETS`, stores them: what it calls empty is not valid, and what needs it is decoded.

        Raises:
            DataError: see `decoding.decoded`.
        """
        self.empty = PRESETS[preset].nodata
        if PRESETS[preset].decoding:
            self.rasters = decoded(self.rasters, PRESETS[preset].decoding)

    def stored_like(self, other: Scene) -> None:
        """Reads the values as those of another scene of the same sensor are read."""
        self.empty, self.conversion = other.empty, other.conversion
        if other.rasters[0].decoder is not None:
            self.rasters = decoded(self.rasters, other.rasters[0].decoder.name)

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes all files."""
        for raster in self.rasters:
            raster.close()

    @property
    def name(self) -> str:
        """Name of the first raster's layer or file."""
        return self.rasters[0].name

    @property
    def path(self) -> str:
        """Path of the first raster."""
        return self.rasters[0].path

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""
        return finer_grid(self.rasters[0].grid, self.finer)

    @property
    def block_size(self) -> tuple[int, int]:
        """Width and height of the blocks of the first raster [px]."""
        width, height = self.rasters[0].block_size
        return width * self.finer, height * self.finer

    @property
    def band_names(self) -> list[str]:
        """Names in the files; an unnamed band alone in a file is the one of the file's name, in one of several files called like it."""
        names = []
        for raster in self.rasters:
            own, stem = raster.band_names, PurePath(raster.path).stem
            alone = stem if len(self.rasters) > 1 else band_of_file(stem)
            names.extend([alone] if alone and own == ["band 1"] else own)
        return names

    @property
    def dtype(self) -> str:
        """NumPy name of the type that holds all bands in the files."""
        return np.result_type(*(raster.dtype for raster in self.rasters)).name

    @property
    def scales(self) -> list[float]:
        """Per band, the scale declared in the file."""
        return [scale for raster in self.rasters for scale in raster.scales]

    @property
    def offsets(self) -> list[float]:
        """Per band, the offset declared in the file."""
        return [offset for raster in self.rasters for offset in raster.offsets]

    @property
    def date(self) -> str:
        """Day of acquisition, else that on which a file was written, or empty."""
        return self.acquired or next((raster.date for raster in self.rasters if raster.date), "")

    @property
    def acquired(self) -> str:
        """Day of acquisition, or empty."""
        return next((raster.acquired for raster in self.rasters if raster.acquired), "")

    def nodata_of(self, band: int) -> list[float]:
        """Every value that means "nothing measured" in a band (0-based)."""
        raster, own = self._places[band]
        return raster.nodata_of(own)

    def read(self, window: Window, bands: list[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Values (band, y, x), converted where that was asked for, and valid pixels (y, x), as `Raster.read`."""
        return self._as_stored(window, bands) if self.finer == 1 else read_finer(lambda part: self._as_stored(part, bands), window, self.finer)

    def _as_stored(self, window: Window, bands: list[int] | None) -> tuple[np.ndarray, np.ndarray]:
        values, valid = self._read(window, bands)
        if self.empty is not None:
            valid &= (values != self.empty).any(0)
        if self.conversion is not None:
            values = self.conversion(values, list(range(len(self._places))) if bands is None else bands)
        return values, valid

    def _read(self, window: Window, bands: list[int] | None) -> tuple[np.ndarray, np.ndarray]:
        if len(self.rasters) == 1:
            return self.rasters[0].read(window, bands)
        wanted = [self._places[band] for band in (range(len(self._places)) if bands is None else bands)]
        values = np.zeros((len(wanted), window.height, window.width), self.dtype)
        valid = np.ones((window.height, window.width), bool)
        for raster in self.rasters:
            slots = [slot for slot, (owner, _) in enumerate(wanted) if owner is raster]
            if slots:
                values[slots], shown = raster.read(window, [wanted[slot][1] for slot in slots])
                valid &= shown
        return values, valid

    @property
    def _places(self) -> list[tuple[Raster, int]]:
        return [(raster, band) for raster in self.rasters for band in range(len(raster.scales))]
