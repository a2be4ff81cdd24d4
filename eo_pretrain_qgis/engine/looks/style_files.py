"""QGIS styles of what we write, beside a file or inside a GeoPackage: ours are replaced, a style that somebody else made is kept."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ...outputs import new_file
from ...progress import SILENT, Progress

#: At the end of every style we write. QGIS leaves it out when the user saves a style of their own.
MARK = "<!-- written by EO Pretrain for QGIS -->"

#: In styles of rasters alone.
_RASTER = "<rasterrenderer"
#: Endings of layers that QGIS looks for such a style of.
_LAYERS = (".tif", ".tiff", ".vrt", ".img", ".jp2", ".gpkg", ".shp", ".geojson", ".parquet", ".fgb")

#: The table in which QGIS keeps the styles of the layers of a GeoPackage; to other programs it looks like one more layer.
STYLES = "layer_styles"
#: As QGIS makes it, and as it is made known to readers of GeoPackages.
_MAKE_TABLE = (
    'CREATE TABLE "layer_styles" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "f_table_catalog" TEXT(256), "f_table_schema" TEXT(256), '
    '"f_table_name" TEXT(256), "f_geometry_column" TEXT(256), "styleName" TEXT(30), "styleQML" TEXT, "styleSLD" TEXT, '
    '"useAsDefault" BOOLEAN, "description" TEXT, "owner" TEXT(30), "ui" TEXT(30), '
    """"update_time" DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))""",
    "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) VALUES ('layer_styles', 'attributes', 'layer_styles', '', 0)",
)


@contextlib.contextmanager
def new_style(of: str | Path, text: str, progress: Progress = SILENT) -> Iterator[bool]:
    """Writes the style of an output, ``.qml`` in place of its ending, when the block ends without an error.

    A style of that name that is not ours stays: it is the user's, maybe of another layer of that name. So does one of ours that is of a raster where
    a style of polygons or lines is to be written, or the other way round. Gives whether the user has no style of their own there.
    """
    path = Path(of).with_suffix(".qml")
    kept = _kept(path)
    if kept and MARK in kept and (_RASTER in kept) != (_RASTER in text) and (others := _others(path, Path(of))):
        progress.message(f"{path} is the style of {others[0]} and was kept, so none is written beside {Path(of).name}. Give it another name to get "
                         "one.", "warning")
        yield True
        return
    if kept is not None and MARK not in kept:
        progress.message(f"{path} is a style of your own and was kept. Move it and run again to get the style of the classes.", "warning")
        yield False
        return
    with new_file(path, of=of) as part:
        part.write_text(f"{text}{MARK}\n", encoding="utf-8")
        yield True


def put_inside(package: str | Path, layer: str, text: str) -> None:
    """Puts the style of the only layer into its GeoPackage, as QGIS does, so that it goes wherever the file goes.

    Raises:
        sqlite3.Error: the disk is full or the file no GeoPackage.
    """
    with contextlib.closing(sqlite3.connect(package)) as connection, connection:
        for line in _MAKE_TABLE:
            connection.execute(line)
        column, = connection.execute("SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (layer,)).fetchone()
        connection.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, styleSLD, "
            "useAsDefault, description, owner) VALUES ('', '', ?, ?, ?, ?, '', 1, 'EO Pretrain for QGIS', '')", (layer, column, layer, text))


def _kept(path: Path) -> str | None:
    """The style that is there."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _others(path: Path, of: Path) -> list[str]:
    """Names of layers beside an output whose style may be this one."""
    return sorted(found.name for found in path.parent.iterdir()
                  if found.stem == path.stem and found.suffix.lower() in _LAYERS and found.name != of.name)
