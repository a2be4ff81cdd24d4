"""Layers as ESRI shapefiles, for software that reads nothing else: four or more files of one name, which appear together or not at all."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import warnings
from pathlib import Path

import geopandas
import pyogrio

from ...errors import DataError
from ...outputs import failed_write, new_file
from ...progress import SILENT, Progress
from ..looks.style_files import new_style

#: Of the files of a shapefile; the first is what is asked for.
PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")


def check_free(path: str | Path, endings: tuple[str, ...] = (*PARTS, ".xml")) -> None:
    """Looks whether a shapefile would replace files of something else; worth asking before the work as well.

    Raises:
        DataError: there are files of that name, but no such shapefile; or one of them is a folder.
    """
    place = Path(path)
    there = [found for ending in endings if (found := place.with_suffix(ending)).exists()]
    if there and not place.exists():
        raise DataError(f"{place} is not there, but {there[0].name} is, which a shapefile of that name would replace. Give another name.")
    if folders := [found.name for found in there if found.is_dir()]:
        raise DataError(f"{place} cannot be replaced: {folders[0]} beside it is a folder. Give another name.")


def write_shapefile(path: str | Path, features: geopandas.GeoDataFrame, style: str, more: dict[str, str] | None = None, progress: Progress = SILENT
                    ) -> None:
    """Writes a shapefile and its style; one that is there is replaced as a whole when the new one is whole.

    Args:
        path: the .shp to write.
        features: in their order; no name of a field has more than 10 characters, which dBASE cuts off.
        style: the text of a .qml.
        more: ending → text of further files of that name, such as ``.xml``.
        progress: told when a style of the user's beside the file is kept.

    Raises:
        DataError: files beside it would be replaced although there is no such shapefile; disk full, not permitted, or open elsewhere.
    """
    place, more = Path(path), more or {}
    endings = (*PARTS, *more)
    check_free(place, endings)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as files:
        made = Path(folder) / "layer.shp"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                pyogrio.write_dataframe(features, made, driver="ESRI Shapefile", encoding="UTF-8")
        except RuntimeError as error:
            raise failed_write(error, str(path)) from error
        for ending, text in more.items():
            made.with_suffix(ending).write_text(text, encoding="utf-8")
        files.enter_context(new_style(path, style, progress))
        for ending in endings:
            shutil.copyfile(made.with_suffix(ending), files.enter_context(new_file(place.with_suffix(ending), of=path)))
