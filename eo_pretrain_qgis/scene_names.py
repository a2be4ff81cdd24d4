"""Which paths name a scene as its makers deliver it: a Sentinel-2 or Landsat folder, its metadata file or its archive, a date of a data cube, or
an item of a STAC item file.

QGIS opens none of them as one layer, so that toolbox and engine must agree by the name alone that the path itself is handed over.
"""

from __future__ import annotations

import os
import re

#: Metadata files that stand for the folder they lie in.
METADATA = re.compile(r"(MTD_MSIL(1C|2A)|MTD_TL|S2[A-D]_OPER_MTD_(SAFL(1C|2A)|L(1C|2A)_TL)\w*|\w+_MTL)\.(xml|txt|json)", re.IGNORECASE)
#: Archives in which such a folder is delivered.
ARCHIVES = (".zip", ".tar")
#: Archives that must be unpacked first.
PACKED = (".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
#: Files and folders that may be data cubes, and what GDAL calls one variable of them.
CUBES = (".nc", ".nc4", ".zarr")
_VARIABLE = re.compile(r'(NETCDF|ZARR):"?([^"]+?)"?(?::/?([^:"/]+))?', re.IGNORECASE)
_GRID, _DAY, _ITEM = "|resolution=", "|date=", "|item="
#: Ending of files of STAC items: ItemCollections of which each item is a scene.
ITEMS = ".json"
#: Behind the path of a Sentinel-1 product: its thermal noise is taken off.
NOISE = "|noise=subtracted"


def split_grid(path: str) -> tuple[str, str]:
    """The path without ``|resolution=20``, and what it says there; empty where it names no grid."""
    plain, _, resolution = path.replace(NOISE, "").partition(_GRID)
    return plain, resolution


def split_day(path: str) -> tuple[str, str]:
    """The path of a data cube without ``|date=2019-04-05``, and what it says there; empty where it names no day."""
    plain, _, day = split_grid(path)[0].partition(_DAY)
    return plain, day


def with_day(path: str, day: str) -> str:
    """The path of one day of a data cube."""
    return f"{path}{_DAY}{day}"


def split_item(path: str) -> tuple[str, str]:
    """The path of a STAC item file without ``|item=S2A_…``, and what it says there; empty where it names no item."""
    plain, _, item = split_grid(path)[0].partition(_ITEM)
    return plain, item


def with_item(path: str, item: str) -> str:
    """The path of one item of a STAC item file."""
    return f"{path}{_ITEM}{item}"


def cube_parts(path: str) -> tuple[str, str]:
    """File and variable of what may be a data cube; the variable is empty for all of them, both where a path is none."""
    plain, _ = split_day(path)
    match = _VARIABLE.fullmatch(plain)
    if match:
        return match[2], match[3] or ""
    return (plain, "") if plain.lower().rstrip("/\\").endswith(CUBES) else ("", "")


def may_be_scene(path: str) -> bool:
    """Whether a path leads to a folder, a metadata file or an archive that may be a scene; what it holds is not looked at."""
    if split_day(path)[1]:
        return os.path.exists(cube_parts(path)[0])
    plain, _ = split_item(path)
    named = METADATA.fullmatch(os.path.basename(plain)) or plain.lower().endswith((*ARCHIVES, ITEMS))
    return os.path.isdir(plain) or bool(named and os.path.isfile(plain))


def scene_name(path: str) -> str:
    """What people call the scene: the name of its folder or archive, of a plain file its own."""
    plain, day = split_day(path)
    if day:
        file, variable = cube_parts(path)
        return " ".join(filter(None, (os.path.basename(file.rstrip("/\\")), variable, day)))
    if item := split_item(path)[1]:
        return item
    folder, name = os.path.split(plain.rstrip("/\\"))
    if not folder and (name in (os.curdir, os.pardir) or METADATA.fullmatch(name)):
        folder, name = os.path.split(os.path.abspath(plain))
    return os.path.basename(folder) or name if name.upper().startswith("MTD_") and METADATA.fullmatch(name) else name


def is_packed(path: str) -> bool:
    """Whether a path leads to an archive that is not read where it lies."""
    return split_grid(path)[0].lower().endswith(PACKED)
