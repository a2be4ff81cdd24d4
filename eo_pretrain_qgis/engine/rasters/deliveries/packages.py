"""The files of a delivered scene, in a folder or an archive, and what its maker's metadata say of them."""

from __future__ import annotations

import contextlib
import math
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO
from xml.etree import ElementTree  # nosec B405 - expat since 2.4.1 bounds entities, and what it makes of them is only searched

from ....errors import DataError
from ....scene_names import METADATA, scene_name

#: Files that are listed, folders below each other, and bytes of a metadata file; scenes have some hundred, six and a megabyte.
MOST_FILES, MOST_LEVELS, LARGEST_METADATA = 20_000, 8, 32 * 2**20


#: Key of the level of processing among the tags of an opened scene: L1C is measured above the atmosphere, L2A without it.
LEVEL_TAG = "PROCESSING_LEVEL"


def finite(text: str) -> float | None:
    """The number in a piece of metadata; None where it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


@dataclass(frozen=True)
class BandFile:
    """A file that holds one band.

    Attributes:
        name: of the band.
        path: what GDAL opens.
        scale: physical value = stored value · scale + offset; None leaves what the file declares.
        offset: see there.
    """

    name: str
    path: str
    scale: float | None = None
    offset: float | None = None


@dataclass(frozen=True)
class Delivery:
    """A scene as it was delivered.

    Attributes:
        name: of the scene, for people.
        title: what it is, such as "Sentinel-2 L2A, tile T29UNU".
        files: of the bands, in the sensor's order; a band may have several files of different pixels, of which one is taken.
        nodata: stored value of pixels that were not measured; None leaves what the files declare.
        date: of acquisition, ``2022-10-05``; empty where nothing says it.
        tags: metadata that the opened scene carries.
        mask: path of the scene classification; empty where there is none.
        mask_kind: key of `clouds.KINDS`; empty where only the user knows.
        left_out: files that are no band of the image, for people.
        missing: bands that the maker delivers and that are not there.
        prepare: makes the raster of a scene whose bands are computed from the files, from the path that the user gave and the edge of a pixel;
            None where the files are the bands.
    """

    name: str
    title: str
    files: tuple[BandFile, ...]
    nodata: float | None = None
    date: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    mask: str = ""
    mask_kind: str = ""
    left_out: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    prepare: Callable[[str, float | None], Virtual] | None = None


@dataclass(frozen=True)
class Virtual:
    """A scene as one raster.

    Attributes:
        xml: what GDAL opens.
        understood: one sentence on what the scene was taken for.
        date: of acquisition, by the metadata or the names of the files; empty where neither says it.
        missing: bands that the maker delivers and that are not there.
        held: files in memory that the raster is made of, as long as this lives.
    """

    xml: str
    understood: str
    date: str
    missing: tuple[str, ...]
    held: tuple = ()


@dataclass(frozen=True)
class Package:
    """Files below one folder.

    Attributes:
        path: what the user gave.
        given: name of the metadata file the user gave; empty where a folder or archive was given.
        members: path below the folder, with “/” → what GDAL opens.
        start: of what GDAL opens within an archive; empty for a folder.
    """

    path: str
    given: str
    members: dict[str, str]
    start: str = ""

    @property
    def name(self) -> str:
        """Of the scene, for people."""
        return scene_name(self.path)

    @property
    def folder(self) -> str:
        """The folder itself; empty for an archive."""
        whole = os.path.abspath(self.path)
        return os.path.dirname(whole) if self.given else whole if os.path.isdir(whole) else ""

    @property
    def loose(self) -> dict[str, str]:
        """The files that lie in the folder itself."""
        return {member: path for member, path in self.members.items() if "/" not in member}

    def text(self, member: str) -> bytes:
        """The bytes of a metadata file.

        Raises:
            DataError: it is too large or cannot be read.
        """
        path = self.members[member]
        try:
            with _stream(self.path, path, self.start) as stream:
                content = stream.read(LARGEST_METADATA + 1)
        except (OSError, RuntimeError, NotImplementedError, KeyError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
            raise DataError(f"{path} cannot be read ({error}). Copy or download the scene again.") from None
        if len(content) > LARGEST_METADATA:
            raise DataError(f"{path} is larger than {LARGEST_METADATA >> 20} MB, which no metadata file of a scene is. Download the scene again.")
        return content

    def xml(self, member: str) -> ElementTree.Element:
        """The root of a metadata file in XML.

        Raises:
            DataError: it is damaged.
        """
        try:
            return ElementTree.fromstring(self.text(member))  # noqa: S314  # nosec B314 - see the import
        except (ElementTree.ParseError, LookupError, ValueError) as error:  # damaged, of an unknown encoding, or of one that is not read
            raise DataError(f"{self.members[member]} is damaged ({error}). Copy or download the scene again.") from None


def open_package(path: str) -> Package | None:
    """Lists a folder, the folder of a metadata file, or an archive; None for an archive that cannot be read.

    Raises:
        DataError: a folder that cannot be listed.
    """
    if os.path.isdir(path):
        return Package(path, "", _walk(os.path.abspath(path)))
    folder, name = os.path.split(os.path.abspath(path))
    if METADATA.fullmatch(name):
        return Package(path, name, _walk(folder))
    try:
        if path.lower().endswith(".zip"):
            with zipfile.ZipFile(path) as zipped:
                names = [info.filename for info in zipped.infolist() if not info.is_dir()]
            start = _start("/vsizip/", path)
        else:
            with tarfile.open(path, "r:") as packed:
                names = [info.name for info in packed if info.isfile()]
            start = _start("/vsitar/", path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile, tarfile.TarError):
        return None  # GDAL says what is wrong with it
    safe = [name for name in names[:MOST_FILES] if not name.startswith("/") and ".." not in PurePosixPath(name).parts]
    return Package(path, "", {name.removeprefix("./"): start + name for name in safe}, start)


def _start(kind: str, path: str) -> str:
    """What GDAL's paths into an archive begin with; braces tell it where the archive's name ends, unless that has some itself."""
    whole = os.path.abspath(path)
    return f"{kind}{whole}/" if "}" in whole else f"{kind}{{{whole}}}/"


def _walk(folder: str) -> dict[str, str]:
    members: dict[str, str] = {}

    def refuse(error: OSError) -> None:
        if error.filename == folder:  # one below it may be none of the scene's
            raise DataError(f"{folder} cannot be listed ({error.strerror or error}). Choose a folder that you may read.")

    for current, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        below = os.path.relpath(current, folder).replace(os.sep, "/")
        folders[:] = sorted(folders) if below.count("/") < MOST_LEVELS - 1 else []
        for name in sorted(name for name in names if not name.startswith(".")):
            members[name if below == "." else f"{below}/{name}"] = os.path.join(current, name)
        if len(members) > MOST_FILES:
            break
    return members


@contextlib.contextmanager
def _stream(package: str, path: str, start: str) -> Iterator[IO[bytes]]:
    """A member as a binary stream: a file, or within the archive that `package` is."""
    inside = path[len(start):]
    if path.startswith("/vsizip/"):
        with zipfile.ZipFile(package) as archive, archive.open(inside) as stream:
            yield stream
    elif path.startswith("/vsitar/"):
        with tarfile.open(package, "r:") as packed:
            yield packed.extractfile(inside)  # type: ignore[misc]  # only plain files are members
    else:
        with open(path, "rb") as stream:
            yield stream
