"""What may be opened: which formats, and what a file may refer to. Every raster and vector file of a user is opened through here.

The network is off for GDAL in this process (`offline`). It is on only while a path is open that is an address itself, because the user
gave it. A file that merely refers to an address is refused here, in a sentence; what hides deeper meets a network that is off.
"""

from __future__ import annotations

import contextlib
import functools
import html
import os
import re
import string
import urllib.request
import zipfile
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree  # nosec B405 - expat since 2.4.1 bounds entities, and what it makes of them is only searched

import pyogrio
import rasterio

from ...errors import DataError

#: Formats in which analysts keep images. VRT is one only for files that say so in their name.
RASTERS = ["GTiff", "COG", "JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID", "JPEG", "JPEGXL", "PNG", "BMP", "GIF", "WEBP", "PNM", "ENVI", "EHdr",
           "HFA", "netCDF", "HDF5", "HDF5Image", "HDF4", "HDF4Image", "BAG", "GRIB", "Zarr", "GPKG", "MBTiles", "OpenFileGDB", "AAIGrid", "AIG",
           "GRASSASCIIGrid", "XYZ", "SENTINEL2", "SAFE", "SAR_CEOS", "CEOS", "COSAR", "TSX", "RS2", "SNAP_TIFF", "ESAT", "Envisat", "DIMAP",
           "L1B", "FAST", "NITF", "ERS", "ECW", "MrSID", "KEA", "PCIDSK", "PCRaster", "RST", "RRASTER", "SAGA", "ILWIS", "RMF", "ROI_PAC",
           "ISCE", "GSAG", "GSBG", "GS7BG", "GTX", "DTED", "SRTMHGT", "USGSDEM", "Terragen", "BT", "MFF", "MFF2", "LAN", "ELAS", "NDF", "PAux",
           "ISIS2", "ISIS3", "PDS", "PDS4", "VICAR", "S102", "S104", "S111", "BSB", "PDF"]
VECTORS = {"GPKG", "ESRI Shapefile", "GeoJSON", "GeoJSONSeq", "ESRIJSON", "TopoJSON", "JSONFG", "FlatGeobuf", "GML", "KML", "LIBKML", "GPX", "CSV",
           "OSM", "Parquet", "Arrow", "SQLite", "OpenFileGDB", "MapInfo File", "MiraMonVector", "DXF", "DGN", "S57", "XLSX", "XLS", "ODS",
           "OGR_GMT", "GeoRSS", "AVCBin", "AVCE00", "Idrisi", "JML", "EDIGEO", "VFK", "SXF", "LVBAG", "GTFS", "PMTiles", "MBTiles", "TIGER",
           "PCIDSK", "PDS4", "VICAR", "OGR_PDS"}
VIRTUAL = {b"<VRTDataset": "VRT", b"<OGRVRTDataSource": "VRT"}
#: Descriptions of services on the network, by what stands at their beginning.
SERVICES = (b"<GDAL_WMS", b"<WCS_GDAL", b"<GDAL_WMTS", b"<OGRWFSDataSource", b"<OGCAPI", b"gdal_streamed_alg")
_ADDRESS = re.compile(r"""(?:/vsi(?:curl|s3|gs|az|adls|oss|swift|webhdfs|hdfs)(?:_streaming)?[/?]|
                          \b(?:https?|ftps?|[gs]?s3|gs|gcs|az|abfss?|adls?|oss|swift|dap4?|dods)://)[^\s"'<>|]*""", re.IGNORECASE | re.VERBOSE)
_STARTS = {"http://": "/vsicurl/http://", "https://": "/vsicurl/https://", "ftp://": "/vsicurl/ftp://", "s3://": "/vsis3/", "gs://": "/vsigs/",
           "az://": "/vsiaz/", "oss://": "/vsioss/", "swift://": "/vsiswift/"}
#: A GeoJSON file may name a coordinate reference system to be fetched: an object of the type “link”, with an address.
_LINK = re.compile(r'"type"\s*:\s*"link"')
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(/))")
#: Elements of a VRT and of .aux.xml with words for people; an address in there is never opened.
_WORDS = {"metadata", "srs", "layersrs", "description", "unittype", "categorynames", "gdalrasterattributetable", "histograms"}
#: Metadata that GDAL follows: overviews in another file, and coordinates of every pixel.
_FOLLOWED = {"OVERVIEWS": ("OVERVIEW_FILE",), "GEOLOCATION": ("X_DATASET", "Y_DATASET")}
_BESIDE = (".aux.xml", ".ovr", ".msk")
_HEAD = 4096
_PIECE = 1 << 20
# Reading a layer with metadata would write them beside it (.aux.xml), where the user's own file of that name may be.
pyogrio.set_gdal_config_options({"GDAL_PAM_ENABLED": "NO"})


def raster(path: str, **options: Any) -> rasterio.DatasetReader:
    """Opens a raster to read it.

    Args:
        path: a file, ``/vsizip/…``, ``NETCDF:"…":name``, or an address.
        options: GDAL open options.

    Raises:
        DataError: the file is a VRT under another name, refers to the network, or wants code to be run.
        RasterioIOError: GDAL cannot open it.
    """
    within = path[len("vrt://"):].partition("?")[0] if path.lower().startswith("vrt://") else path
    virtual = within != path or path.lower().endswith(".vrt")
    if not is_address(path):
        if virtual:
            _refuse_packed(within)
        _check(within)
    with rasterio.Env(), permit(path):
        opened = rasterio.DatasetReader(_gdal_name(path), driver=[*RASTERS, "VRT"] if virtual else RASTERS, **options)
        if not is_address(path):
            try:
                _check_followed(opened, path)
            except DataError:
                opened.close()
                raise
        return opened


def virtual(xml: str) -> rasterio.DatasetReader:
    """Opens a virtual raster whose text was built here, of files that `raster` has opened before."""
    with rasterio.Env():
        return rasterio.DatasetReader(xml, driver=["VRT"])


@contextlib.contextmanager
def permit(path: str) -> Iterator[None]:
    """Within this context a raster may be read over the network, if its path is an address, alone: what may lie beside it is not asked for."""
    with rasterio.Env(**online(), GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR") if is_address(path) else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def vector(path: str) -> Iterator[str]:
    """Gives the name by which pyogrio opens a vector file; the network is on meanwhile if the path is an address.

    Raises:
        DataError: the file is a VRT under another name or refers to the network.
    """
    if not is_address(path):
        _refuse_packed(path)
        _check(path)
        yield _gdal_name(path)
        return
    options = online()
    pyogrio.set_gdal_config_options(options)
    try:
        yield _gdal_name(path)
    finally:
        pyogrio.set_gdal_config_options(dict.fromkeys(options))


def check_format(path: str, driver: str) -> None:
    """Refuses a vector file of a format that is not read.

    Raises:
        DataError: naming the format.
    """
    if driver not in VECTORS and not (driver == "OGR_VRT" and path.lower().endswith(".vrt")):
        raise DataError(f"{path} is of the format {driver}, which is not read here. Export the layer to a GeoPackage and choose that.")


def _refuse_packed(path: str) -> None:
    """Refuses what may refer to the network and lies where it cannot be looked through first."""
    if path.startswith("/vsi") and not path.startswith(("/vsizip/", "/vsimem/")):
        raise DataError(f"{path} lies in an archive that cannot be looked through, and may refer to the network. Unpack it and choose the file.")


def is_address(path: str) -> bool:
    """Whether a path that the user gave leads to the network; a file of that name on the disk goes first."""
    return bool(_ADDRESS.search(path)) and not os.path.exists(path)


def online() -> dict[str, str]:
    """Settings that undo those of `offline`: an ending may be one character, and with all of them every address is allowed."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get("all", "")
    return {"CPL_VSIL_CURL_ALLOWED_EXTENSIONS": " ".join(string.ascii_lowercase + string.digits + string.punctuation.replace(",", "")
                                                         .replace('"', "")),
            "GDAL_HTTP_PROXY": proxies.get("http", proxy), "GDAL_HTTPS_PROXY": proxies.get("https", proxy)}


def _gdal_name(path: str) -> str:
    """Rasterio and pyogrio take ``http:a.tif`` for an address; a file's whole path is none.

    Raises:
        DataError: a name that GDAL cannot take.
    """
    plain = path.encode("utf-8", "replace").decode().replace("\0", "?")
    if plain != path:
        raise DataError(f"The name of the file {plain} cannot be read: it is not written in UTF-8, as names from old archives are. Rename it.")
    if os.path.exists(path):
        return os.path.abspath(path)
    start = next((start for start in _STARTS if path.lower().startswith(start)), "")
    return _STARTS[start] + path[len(start):] if start else path


def _check(path: str) -> None:
    """Looks through a file and those that GDAL opens with it."""
    waiting, seen = [path], {path}
    while waiting:
        current = waiting.pop()
        for name in (current, *(current + ending for ending in _BESIDE)):
            for source in _referred(name, _stamp(name)):
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)


def _stamp(name: str) -> tuple[int, int] | None:
    try:
        found = os.stat(name)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size


@functools.lru_cache(maxsize=16384)
def _referred(name: str, stamp: tuple[int, int] | None) -> tuple[str, ...]:
    """The files a file refers to; most refer to none. `stamp` is part of the key: a file that has changed is looked through again."""
    head = _read(name, _HEAD)
    if any(start in head for start in SERVICES):
        raise _refers(name, _first_address(_read(name, _PIECE).decode("utf-8", "replace")) or "of a service")
    if any(start in head for start in VIRTUAL):
        if not name.lower().endswith(".vrt"):
            raise DataError(f"{name} is a VRT although its name ends in {os.path.splitext(name)[1] or 'nothing'}. A VRT may refer to other files "
                            "and to the network: choose the image or layer itself, or rename the file to .vrt if you made it.")
        return _sources(name)
    if name.endswith(".aux.xml") and head:
        _sources(name)
    elif os.path.isfile(name) and head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
        _check_json(name)
    return ()


def _sources(name: str) -> tuple[str, ...]:
    """The files named in a VRT, or in what GDAL keeps beside an image.

    Raises:
        DataError: it refers to the network, or wants code to be run.
    """
    content = _read(name, -1).decode("utf-8", "replace")
    try:
        root = ElementTree.fromstring(content.lstrip("\ufeff \r\n\t"))  # noqa: S314  # nosec B314 - see the import
    except ElementTree.ParseError as error:
        if name.endswith(".vrt"):
            raise DataError(f"{name} is no VRT that can be read ({error}). Build it again, or choose the images it is made of.") from None
        return ()
    found = []
    for tag, element in _elements(root):
        words = [element.text or "", *element.attrib.values()]
        for word in words:
            address = _first_address(word)
            if address:
                raise _refers(name, address)
        if tag == "pixelfunctionlanguage" and "python" in words[0].lower():
            raise DataError(f"{name} wants Python code to be run, and code inside images is not run. Save what it shows as a GeoTIFF and "
                            "choose that.")
        if tag in ("sourcefilename", "sourcedataset", "srcdatasource") and words[0].strip():
            relative = any(key.lower() == "relativetovrt" and value == "1" for key, value in element.items())
            found.append(os.path.join(os.path.dirname(name), words[0]) if relative else words[0])
    return tuple(found)


def _elements(root: ElementTree.Element) -> Iterator[tuple[str, ElementTree.Element]]:
    """Every element but those with words for people, and its name as GDAL compares names."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        tag = element.tag.rpartition("}")[2].lower()
        if tag in _WORDS and element.get("domain") not in _FOLLOWED:
            continue
        yield tag, element
        waiting.extend(element)


def _first_address(text: str) -> str:
    """The first address in a text, also where it is written in entities."""
    while "&" in text and (plain := html.unescape(text)) != text:
        text = plain
    found = _ADDRESS.search(text)
    return found[0] if found else ""


def _check_json(name: str) -> None:
    rest = b""
    with open(name, "rb") as stream:
        while piece := stream.read(_PIECE):
            text = (rest + piece).decode("utf-8", "replace")
            if "\\" in text:  # letters may be written as escapes
                text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)) if match[1] else "/", text)
            for place in re.finditer('"crs"', text):
                near = text[place.start():place.start() + _HEAD]
                if _LINK.search(near) and _first_address(near):
                    raise _refers(name, _first_address(near))
            rest = piece[-4 * _HEAD:]


def _check_followed(opened: rasterio.DatasetReader, path: str) -> None:
    """Refuses references to the network in the metadata of an image, where no text beside it shows them."""
    for domain, keys in _FOLLOWED.items():
        tags = opened.tags(ns=domain)
        for key in keys:
            if address := _first_address(tags.get(key, "")):
                raise _refers(path, address)


def _refers(name: str, address: str) -> DataError:
    return DataError(f"{name} refers to the address {address}, and nothing is fetched from the network unless you give the address yourself. "
                     "Download what it refers to, or give the address in place of the file.")


def _read(name: str, size: int) -> bytes:
    """The first bytes of a file, also in a zip archive; none where there is no file."""
    try:
        if os.path.isfile(name):
            with open(name, "rb") as stream:
                return stream.read(size)
        if name.startswith("/vsizip/"):
            return _read_zipped(name, size)
    except (OSError, ValueError, RuntimeError, NotImplementedError, KeyError, zipfile.BadZipFile):  # GDAL says what is wrong with it
        return b""
    return b""


def _read_zipped(name: str, size: int) -> bytes:
    """The first bytes of ``/vsizip/a.zip/b.vrt`` or ``/vsizip/{a.zip}/b.vrt``."""
    inside = name[len("/vsizip/"):]
    if inside.startswith("{"):
        archive, _, member = inside[1:].partition("}")
    else:
        ends = [place for place in range(len(inside) + 1) if place == len(inside) or inside[place] == "/"]
        archive, member = next(((inside[:end], inside[end:]) for end in ends if os.path.isfile(inside[:end])), ("", ""))
    with zipfile.ZipFile(archive) as opened, opened.open(member.strip("/")) as stream:
        return stream.read(size)


def innermost(error: BaseException) -> BaseException:
    """What GDAL said first: it names the file of several that is damaged."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
