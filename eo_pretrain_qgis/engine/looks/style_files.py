"""QGIS styles of what we write, beside a file or inside a GeoPackage: ours are replaced, a style that somebody else made is kept."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ...errors import DataError
from ...outputs import new_file
from ...progress import SILENT, Progress

#: At the end of every style we write. QGIS leaves it out when the user saves a style of their own.
MARK = "<!-- written by EO Pretrain for QGIS -->"

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

    A style of that name that is not ours stays: it is the user's, maybe of another layer of that name. Gives whether ours is written.
    """
    path = Path(of).with_suffix(".qml")
    if _is_foreign(path):
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


def check_sidecar(path: str | Path) -> None:
    """Refuses an output whose name has a file of GDAL's beside it already, of another image: it would be taken for that of the output.

    Raises:
        DataError: there is such a file, and no output yet.
    """
    beside = Path(f"{path}.aux.xml")
    if beside.exists() and not Path(path).exists():
        raise DataError(f"{beside} is there already, and without {Path(path).name}, so it belongs to something else. Move it away, or choose another "
                        "name for the output.")


def _is_foreign(path: Path) -> bool:
    try:
        return MARK not in path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
