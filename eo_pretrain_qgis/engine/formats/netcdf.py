"""Variables of a NetCDF file that lie on no grid of the ground, such as scenes in the geometry of the sensor, read row by row.

GDAL turns images that do not say where they lie upside down, unless it is told that their first row is the top one (GDAL_NETCDF_BOTTOMUP in the
documentation of its netCDF driver).
"""

from __future__ import annotations

import os
import re
import warnings

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from ...errors import DataError
from ..rasters import sources
from .pictures import explained
from .tree import Tree

KIND = "NetCDF"
TOP_FIRST = {"GDAL_NETCDF_BOTTOMUP": "NO"}


def variables(tree: Tree, name: str) -> list[str]:
    """Names of the variables of a file.

    Raises:
        DataError: a file that cannot be read, or lies in an archive.
    """
    path = tree.gdal_path(name)
    if path.startswith("/vsi"):
        raise DataError(f"{tree.full(name)} is NetCDF in an archive, which cannot be read in there. Unpack the archive and choose the folder.")
    with explained(tree.full(name), KIND), _quiet(os.path.abspath(path)) as opened:
        found = [re.split(r"[:/]", each)[-1] for each in opened.subdatasets]
        return found or [own for own in (opened.tags(1).get("NETCDF_VARNAME", ""),) if own]


class Variable:
    """A variable with two axes, opened for reading; use it in a ``with`` block.

    Args:
        tree: where the file lies.
        name: path of the file in there.
        variable: its name.

    Attributes:
        width: columns.
        height: rows.
        tags: what the file says of itself and of the variable.
    """

    def __init__(self, tree: Tree, name: str, variable: str) -> None:
        self.path, self._inner = tree.full(name), f'NETCDF:"{os.path.abspath(tree.gdal_path(name))}":{variable}'

    def __enter__(self) -> Variable:
        with explained(self.path, KIND):
            self._opened = _quiet(self._inner)
            self.width, self.height = self._opened.width, self._opened.height
            self.tags: dict[str, str] = {**self._opened.tags(), **self._opened.tags(1)}
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def rows(self, first: int, count: int) -> np.ndarray:
        """Some rows (y, x), as they are stored."""
        with explained(self.path, KIND), rasterio.Env(**TOP_FIRST):
            return self._opened.read(1, window=Window(0, first, self.width, count))


def _quiet(path: str) -> rasterio.DatasetReader:
    with warnings.catch_warnings(), rasterio.Env(**TOP_FIRST):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return sources.raster(path)
