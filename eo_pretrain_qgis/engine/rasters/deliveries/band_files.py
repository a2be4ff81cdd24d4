"""A folder of band files without metadata: one raster for each band of one scene."""

from __future__ import annotations

import os
import re
from pathlib import PurePath, PurePosixPath

from ....errors import DataError
from ..dates import day_in
from ..same_band import band_key
from ..sensors import SENTINEL2_WAVELENGTHS
from .packages import BandFile, Delivery, Package

#: Folders of images lie so far below that of their product.
DEEPEST = 4
ENDINGS = (".tif", ".tiff", ".jp2", ".img")
#: Words of names of files that come with the bands and are none.
_ASIDE = re.compile(r"SCL|CLDPRB|CLD|SNWPRB|SNW|CLP|CLM|MSK\w*|MASK|QA\w*|FMASK|UDM2?|AOT|WVP|TCI|PVI|PREVIEW|THUMBNAIL|QUICKLOOK|BROWSE|OVERVIEW|"
                    r"DATAMASK|[SV][AZ]A|ANGLES?", re.IGNORECASE)
#: Names that the USGS gives files of bands.
_LANDSAT = re.compile(r"L[CEOT]0?[4-9]_|L[CEOT][4-9]", re.IGNORECASE)


def read(package: Package) -> Delivery | None:
    """The scene whose bands are the rasters of a folder; None where it holds none.

    Raises:
        DataError: the files are of several days, or a part of a product with metadata.
    """
    if not package.folder or package.given or package.folder.lower().endswith((".zarr", ".gdb")):
        return None
    _refuse_part(package)
    rasters = {member: path for member, path in package.loose.items() if member.lower().endswith(ENDINGS) and os.path.isfile(path)}
    named = {member: PurePosixPath(member).stem for member in rasters}
    aside = {member for member, stem in named.items() if any(_ASIDE.fullmatch(word) for word in re.split(r"[^A-Za-z0-9]+", stem))}
    if any(_LANDSAT.match(member) for member in rasters):
        raise DataError(f"{package.path} holds bands of Landsat, but not their metadata *_MTL.txt, which say what the values mean. Copy or download "
                        "the whole scene.")
    codes = {member: key for member, stem in named.items() if member not in aside and (key := band_key(stem)) in SENTINEL2_WAVELENGTHS}
    if codes:  # beside bands of known names, others are not of the image
        aside |= rasters.keys() - codes.keys()
    bands = {member: codes.get(member, named[member]) for member in rasters if member not in aside}
    if not bands:
        return None
    days = sorted({day for member in bands if (day := day_in(named[member]))})
    if len(days) > 1:
        raise DataError(f"The images in {package.path} are of {len(days)} days ({days[0]} to {days[-1]}), so they are no bands of one scene. Choose "
                        "the images themselves.")
    order = list(SENTINEL2_WAVELENGTHS)
    found = [BandFile(name, rasters[member]) for member, name in sorted(bands.items())]
    files = sorted(found, key=lambda file: order.index(file.name) if file.name in order else len(order))
    masks = sorted(rasters[member] for member in aside if re.search(r"(?<![A-Za-z0-9])SCL(?![A-Za-z0-9])", named[member], re.IGNORECASE))
    return Delivery(name=os.path.basename(package.folder), title="a folder of band files", files=tuple(files),
                    date=days[0].isoformat() if days else "", mask=masks[0] if masks else "", mask_kind="scl" if masks else "",
                    left_out=tuple(sorted(member for member in aside if rasters[member] not in masks[:1])))


def _refuse_part(package: Package) -> None:
    """Refuses a folder within a Sentinel-2 product: its metadata say what the values mean."""
    parts = PurePath(package.folder).parents
    for above in parts[:DEEPEST] if "GRANULE" in package.folder else ():
        if any(os.path.isfile(above / name) for name in ("MTD_MSIL1C.xml", "MTD_MSIL2A.xml")):
            raise DataError(f"{package.path} is a part of {above.name}, whose metadata say what the values mean. Choose {above}, with |resolution=20 "
                            "behind it for another grid.")
