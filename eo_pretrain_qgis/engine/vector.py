"""The only place that opens vector files: features of a layer, and layers written whole or not at all."""

from __future__ import annotations

import sqlite3
import warnings
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj.exceptions import CRSError

from ..errors import DataError
from ..outputs import failed_write, new_file
from ..report import SILENT, Report
from .style_files import STYLES, new_style, put_inside


@dataclass(frozen=True)
class VectorLayer:
    """One layer of a vector file."""

    path: str
    name: str
    crs: str
    fields: tuple[str, ...]

    @classmethod
    def open(cls, source: dict) -> VectorLayer:
        """Finds the layer a job's vector value means; ``file.gpkg|layername=roads`` is understood, as QGIS writes it.

        Raises:
            DataError: when the file is no vector file, or has several layers and none is named.
        """
        path, _, given = source["path"].partition("|layername=")
        layer = source.get("layer") or given.partition("|")[0]
        names = layer_names(path)
        if not names:
            raise DataError(f"{path} cannot be opened as a vector layer. Check that the file exists and holds features.")
        if layer and layer not in names:
            raise DataError(f"{path} has no layer “{layer}”; it has {', '.join(names)}. Choose one of them.")
        if not layer and len(names) > 1:
            raise DataError(f"{path} has several layers: {', '.join(names)}. Say which, as {path}|layername={names[0]}.")
        try:
            info = pyogrio.read_info(path, layer=layer or names[0])
        except UnicodeDecodeError as error:
            raise not_utf8(path, error) from None
        return cls(path, layer or names[0], source.get("crs") or info["crs"] or "", tuple(str(name) for name in info["fields"]))

    def read(self, columns: list[str]) -> geopandas.GeoDataFrame:
        """All features with some of their fields, in the order of the file, in the layer's CRS.

        Raises:
            DataError: no such field, no CRS, no feature, or a damaged file.
        """
        missing = [name for name in columns if name not in self.fields]
        if missing:
            raise DataError(f"The layer {self.name} of {self.path} has no field “{missing[0]}”; it has "
                            f"{', '.join(self.fields) or 'none'}. Choose one of them.")
        if not self.crs:
            raise DataError(f"{self.path} has no coordinate reference system. Set it in the layer's properties.")
        try:
            features = pyogrio.read_dataframe(self.path, layer=self.name, columns=columns)
        except (DataSourceError, DataLayerError) as error:
            raise DataError(f"{self.path} cannot be read ({error}). It may be damaged: copy or download it again.") from None
        except UnicodeDecodeError as error:
            raise not_utf8(self.path, error) from None
        if features.empty or not isinstance(features, geopandas.GeoDataFrame):
            raise DataError(f"The layer {self.name} of {self.path} holds no features with a place. Draw some, or lift its filter or "
                            "selection.")
        try:
            return features.set_crs(self.crs, allow_override=True)
        except CRSError as error:
            raise DataError(f"{self.path}: the coordinate reference system “{self.crs}” is not known ({error}). "
                            "Choose another one.") from None


def not_utf8(path: str, error: UnicodeDecodeError) -> DataError:
    """The sentence for text in another encoding than the file says."""
    return DataError(f"{path} holds text that is not in the encoding it says ({error.reason} in {error.object[:40]!r}). Save the layer anew with "
                     "the encoding UTF-8 and choose that.")


def layer_names(path: str) -> list[str]:
    """The vector layers in a file; none when it is not a vector file. The table of styles that QGIS adds to a GeoPackage is no layer."""
    try:
        return [str(row[0]) for row in pyogrio.list_layers(path) if row[0] != STYLES]
    except DataSourceError:
        return []


def repaired(features: geopandas.GeoDataFrame, path: str, report: Report = SILENT) -> geopandas.GeoDataFrame:
    """Leaves out features without a geometry and repairs invalid ones, and says how many.

    Raises:
        DataError: when nothing is left.
    """
    empty = np.asarray(features.geometry.isna() | features.geometry.is_empty)
    if empty.any():
        report.message(f"{empty.sum()} of {len(features)} features of {path} have no geometry and are left out.", level="warning")
        features = features[~empty]
    invalid = ~np.asarray(features.geometry.is_valid)
    if invalid.any():
        report.message(f"{invalid.sum()} of {len(features)} geometries of {path} were invalid and have been repaired.", level="warning")
        shapes = features.geometry.values.copy()
        shapes[invalid] = shapely.make_valid(shapes[invalid])
        features = features.set_geometry(geopandas.GeoSeries(shapes, features.index, features.crs))
    if features.empty:
        raise DataError(f"{path} holds no feature with a geometry that can be used. Draw the labels again or choose another layer.")
    return features


def write_layer(path: str | Path, layer: str, features: geopandas.GeoDataFrame, style: str, report: Report = SILENT) -> None:
    """Writes a GeoPackage with one layer and its style, inside and beside it; an existing file is replaced when the new one is whole.

    Args:
        path: the .gpkg to write.
        layer: its name.
        features: in their order.
        style: the text of a .qml.
        report: told when a style of the user's beside the file is kept; it is then the only one.

    Raises:
        DataError: disk full, not permitted, or open elsewhere.
    """
    with new_style(path, style, report) as styled, new_file(path) as part:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # that the name does not end in .gpkg yet
                # Version 1.2 is read without a warning by every GDAL a QGIS we support comes with.
                pyogrio.write_dataframe(features, part, layer=layer, driver="GPKG", dataset_options={"VERSION": "1.2"})
            if styled:
                put_inside(part, layer, style)
        except (RuntimeError, sqlite3.Error) as error:  # what pyogrio raises for every failure of GDAL
            raise failed_write(error, path) from error
