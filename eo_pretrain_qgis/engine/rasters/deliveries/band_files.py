"""A folder of band files without metadata: one raster for each band of one scene."""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath

from ....errors import DataError
from ..dates import day_in
from ..same_band import band_key
from ..sensors import SENTINEL2_WAVELENGTHS
from .packages import BandFile, Delivery, Package

ENDINGS = (".tif", ".tiff", ".jp2", ".img")
#: Words of names of files that come with the bands and are none.
_ASIDE = re.compile(r"SCL|CLDPRB|CLD|SNWPRB|SNW|CLP|CLM|MSK\w*|MASK|QA\w*|FMASK|UDM2?|AOT|WVP|TCI|PVI|PREVIEW|THUMBNAIL|QUICKLOOK|BROWSE|OVERVIEW|"
                    r"DATAMASK|[SV][AZ]A|ANGLES?", re.IGNORECASE)


def read(package: Package) -> Delivery | None:
    """The scene whose bands are the rasters of a folder; None where it holds none.

    Raises:
        DataError: the files are of several days.
    """
    if not package.folder or package.given or package.folder.lower().endswith((".zarr", ".gdb")):
        return None
    rasters = {PurePosixPath(member).stem: path for member, path in package.loose.items() if member.lower().endswith(ENDINGS)}
    aside = {stem for stem in rasters if any(_ASIDE.fullmatch(word) for word in re.split(r"[^A-Za-z0-9]+", stem))}
    bands = {stem: path for stem, path in rasters.items() if stem not in aside}
    if not bands:
        return None
    days = sorted({day for stem in bands if (day := day_in(stem))})
    if len(days) > 1:
        raise DataError(f"The images in {package.path} are of {len(days)} days ({days[0]} to {days[-1]}), so they are no bands of one scene. Choose "
                        "the images themselves.")
    named = [BandFile(key if (key := band_key(stem)) in SENTINEL2_WAVELENGTHS else stem, path) for stem, path in sorted(bands.items())]
    order = list(SENTINEL2_WAVELENGTHS)
    files = sorted(named, key=lambda file: order.index(file.name) if file.name in order else len(order))
    masks = sorted(rasters[stem] for stem in aside if re.search(r"(?<![A-Za-z0-9])SCL(?![A-Za-z0-9])", stem, re.IGNORECASE))
    return Delivery(name=os.path.basename(package.folder), title="a folder of band files", files=tuple(files),
                    date=days[0].isoformat() if days else "", mask=masks[0] if masks else "", mask_kind="scl" if masks else "",
                    left_out=tuple(sorted(os.path.basename(rasters[stem]) for stem in aside if rasters[stem] not in masks[:1])))
