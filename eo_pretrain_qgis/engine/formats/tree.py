"""A folder of files or a zip archive, read alike and never unpacked."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import DataError
from ...markup import writable
from ...tables import Line, Table, decoded, parse_lines, parse_table

#: Largest file read whole [byte]; patches are far smaller, and a crafted archive can unpack to any size.
LARGEST_FILE = 512 * 2**20
#: Bytes hashed at once.
PIECE = 16 * 2**20


class Tree:
    """Files by their path below a folder or inside an archive, with forward slashes; ``""`` is the root.

    Archives in a folder without sub-folders are taken for these, as EuroSAT's splits are handed out.

    Args:
        path: a folder, or a file that ends in .zip.

    Raises:
        DataError: a damaged archive, or one whose entries point outside it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._archives: dict[str, _Archive] = {}
        if self.path.is_file():
            self._archives[""] = _Archive(self.path)
        elif not any(child.is_dir() for child in self.path.iterdir()):
            for file in sorted(self.path.iterdir()):
                if file.suffix.lower() == ".zip" and file.is_file():
                    self._archives[file.name] = _Archive(file)

    @property
    def name(self) -> str:
        """Name of the folder or archive, without ``.zip``."""
        return self.path.name[:-4] if self.path.suffix.lower() == ".zip" else self.path.name

    def children(self, folder: str = "") -> tuple[list[str], list[str]]:
        """Names of the sub-folders and of the files in a folder, sorted; hidden ones and those of macOS archives are left out.

        Raises:
            DataError: a name that is not UTF-8, which no dataset can hold.
        """
        archive, inner = self._inside(folder)
        if archive is not None:
            folders, files = archive.children(inner)
        else:
            with os.scandir(self.path / folder) as entries:
                listed = [(entry.name, entry.is_dir()) for entry in entries]
            folders = [name for name, is_folder in listed if is_folder] + ([] if folder else list(self._archives))
            files = [name for name, is_folder in listed if not is_folder and not (folder == "" and name in self._archives)]
        for name in (*folders, *files):
            if writable(name) != name:
                raise DataError(f"{self.path} holds “{writable(joined(folder, name))}”, a name that is not UTF-8 or holds control characters. "
                                "Rename it, or leave it out.")
        return sorted(filter(_shown, folders)), sorted(filter(_shown, files))

    def walk(self, folder: str = "") -> Iterator[str]:
        """Paths of all files below a folder, folder by folder."""
        folders, files = self.children(folder)
        yield from (joined(folder, name) for name in files)
        for name in folders:
            yield from self.walk(joined(folder, name))

    def has(self, name: str) -> bool:
        """Whether there is a file of this path."""
        archive, inner = self._inside(name)
        return inner in archive.sizes if archive is not None else os.path.isfile(self.path / name)

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            DataError: a file that is damaged, missing or too large to be one.
        """
        archive, inner = self._inside(name)
        size = archive.sizes.get(inner, 0) if archive is not None else os.path.getsize(self.path / name)
        if size > LARGEST_FILE:
            raise DataError(f"{self.full(name)} holds {size / 2**20:.0f} MB, too much to be read at once. Unpack the archive and choose "
                            "the folder, or cut the file into smaller ones.")
        if archive is not None:
            return archive.read(inner)
        return (self.path / name).read_bytes()

    def table(self, name: str, known: Iterable[str] = ()) -> Table:
        """A CSV file with headings; see `tables.parse_table`."""
        return parse_table(self.read(name), self.full(name), known)

    def lines(self, name: str) -> list[Line]:
        """The cells of every line of a CSV file; see `tables.parse_lines`."""
        return parse_lines(self.read(name), self.full(name))

    def json(self, name: str, advice: str) -> dict[str, Any]:
        """The content of a JSON file that holds an object.

        Raises:
            DataError: a file that cannot be read so; `advice` says what to do.
        """
        try:
            content = json.loads(self.text(name))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.full(name)} cannot be read as JSON ({error}). {advice}") from None
        if not isinstance(content, dict):
            raise DataError(f"{self.full(name)} holds no description, but {type(content).__name__}. {advice}")
        return content

    def text(self, name: str) -> str:
        """The content of a text file; see `tables.decoded`."""
        return decoded(self.read(name), self.full(name))

    def full(self, name: str) -> str:
        """The path of a file as people write it."""
        return str(self.path / name)

    def gdal_path(self, name: str) -> str:
        """The path GDAL opens, also inside an archive."""
        archive, inner = self._inside(name)
        return f"/vsizip/{{{archive.path.as_posix()}}}/{inner}" if archive is not None else str(self.path / name)

    def checksum(self, name: str) -> str:
        """SHA-256 of a file, in hexadecimal digits."""
        if self._inside(name)[0] is not None:
            return hashlib.sha256(self.read(name)).hexdigest()
        digest = hashlib.sha256()
        with (self.path / name).open("rb") as stream:
            while piece := stream.read(PIECE):
                digest.update(piece)
        return digest.hexdigest()

    def _inside(self, name: str) -> tuple[_Archive | None, str]:
        """The archive a path leads into and the path in there."""
        if "" in self._archives:
            return self._archives[""], name
        first, _, rest = name.partition("/")
        return (self._archives[first], rest) if first in self._archives else (None, name)


class _Archive:
    """The entries of a zip file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(f"{path} cannot be opened as a zip archive ({error}). Copy or download it again.") from None
        entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        for entry in entries:
            _refuse_outside(path, entry.filename)
        self.sizes = {entry.filename: entry.file_size for entry in entries}
        self._folders: dict[str, tuple[set[str], set[str]]] = {"": (set(), set())}
        for name in self.sizes:
            *parents, file = name.split("/")
            for depth, parent in enumerate(parents):
                self._folders.setdefault("/".join(parents[:depth]), (set(), set()))[0].add(parent)
            self._folders.setdefault("/".join(parents), (set(), set()))[1].add(file)

    def children(self, folder: str) -> tuple[list[str], list[str]]:
        folders, files = self._folders.get(folder, (set(), set()))
        return list(folders), list(files)

    def read(self, name: str) -> bytes:
        try:
            return self._zip.read(name)
        except KeyError:
            raise DataError(f"{self.path} holds no file {name}. Copy or download the archive again.") from None
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise DataError(f"{self.path}/{name} cannot be read ({error}). The archive may be damaged: copy or download it again.") from None


def joined(folder: str, name: str) -> str:
    """A path below a folder; the root is empty."""
    return f"{folder}/{name}" if folder else name


def stem(name: str) -> str:
    """The last part of a path without its ending."""
    return PurePosixPath(name).stem


def _shown(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def _refuse_outside(path: Path, name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or "\\" in name or ":" in parts[0]:
        raise DataError(f"The archive {path} has an entry that points outside it, {name!r}. It may be harmful: get it from another source.")
