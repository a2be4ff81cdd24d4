"""Lines of a vector file where some images are, read without holding up the program that waits for them."""

from __future__ import annotations

import multiprocessing
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

import geopandas
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from ....errors import DataError
from ....progress import SILENT, Progress
from ...rasters.vector import VectorLayer

#: Files above this size [byte], more than a second's work, are read in a process of their own. GDAL walks through a whole OpenStreetMap
#: file, minutes for a country, without giving a sign of life, and no thread of this process would run meanwhile.
LARGE = 8 * 2**20
#: Seconds between two signs of life.
BEAT = 0.5


def read_lines(layer: VectorLayer, fields: list[str], area: shapely.Geometry, where: str | None, progress: Progress = SILENT,
               large: int = LARGE) -> geopandas.GeoDataFrame:
    """The features that touch an area; memory goes with what is found, not with the file.

    Args:
        layer: what to read.
        fields: attributes to read.
        area: in the CRS of the layer.
        where: SQL condition on the attributes, or None.
        progress: told how far it is; cancelling ends the reading.
        large: files above this size [byte] are read in a process of their own.

    Raises:
        DataError: a damaged file.
    """
    progress.at(0, f"Reading {Path(layer.path).name}")
    arguments = (layer, fields, area, where)
    file = Path(layer.path)
    found = _read_aside(arguments, progress) if file.is_file() and file.stat().st_size > large else _read(*arguments)
    if isinstance(found, DataError):
        raise found
    if isinstance(found, str):
        raise DataError(f"{layer.path} cannot be read to its end ({found}). It may be damaged or cut short: copy or download it again.")
    return found


def _read(layer: VectorLayer, fields: list[str], area: shapely.Geometry, where: str | None) -> geopandas.GeoDataFrame | str | DataError:
    """The features, or what GDAL said, or what is wrong with the filter."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a measured or a strange geometry type is told apart later
            found = layer.select(where, columns=fields, mask=area, force_2d=True)
    except DataError as error:
        return error
    except (DataSourceError, DataLayerError, FeatureError) as error:
        return str(error)
    except UnicodeDecodeError as error:
        return f"its text is not in the encoding it says: {error.reason} in {error.object[:40]!r}"
    if not isinstance(found, geopandas.GeoDataFrame):
        return "it holds no geometries"
    return found.set_crs(layer.crs, allow_override=True)


def _read_aside(arguments: tuple, progress: Progress) -> geopandas.GeoDataFrame | str | DataError:
    """`_read` in another process, ended when the user cancels."""
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_send, args=(sender, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        waited = 0
        while not receiver.poll(BEAT):
            waited += 1
            progress.at(1 - 0.98**waited, f"Reading {Path(arguments[0].path).name} ({int(waited * BEAT)} s)")
        return receiver.recv()
    except EOFError:
        process.join()
        return f"the reading process ended with code {process.exitcode}"
    finally:
        process.terminate()
        process.join()
        receiver.close()


def _send(sender: Connection, arguments: tuple) -> None:
    sender.send(_read(*arguments))
    sender.close()
