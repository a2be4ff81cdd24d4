"""Sentinel-2 products: the .SAFE folder, its zip, its metadata file, or one granule of it.

ESA, Sentinel-2 Products Specification Document 15 (S2-PDGS-TAS-DI-PSD, 2022): names of files and the metadata that are read here.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from xml.etree import ElementTree  # nosec B405 - only the type is used

from ....errors import DataError
from ..dates import day_in
from ..sensors import SENTINEL2_WAVELENGTHS
from .packages import BandFile, Delivery, Package, open_package

PRODUCT = re.compile(r"(?:.*/)?(MTD_MSIL(?:1C|2A)|S2[A-D]_OPER_MTD_SAFL(?:1C|2A)\w*)\.xml")
GRANULE = "MTD_TL.xml"
_IMAGE = re.compile(r"(?:.*/)?GRANULE/([^/]+)/IMG_DATA/(?:.*/)?\w*?_(B\d\d|B8A|SCL)(?:_(\d+)m)?\.(?:jp2|tiff?)", re.IGNORECASE)
#: Bands in the order of their numbers in the metadata (`band_id`).
BANDS = tuple(SENTINEL2_WAVELENGTHS)


def read(package: Package) -> Delivery | None:
    """A Sentinel-2 scene; None where the package holds none.

    Raises:
        DataError: the product is damaged, holds several granules or no band.
    """
    wanted = ""
    if GRANULE in package.loose and package.folder:
        wanted = os.path.basename(package.folder)
        package = open_package(os.path.dirname(os.path.dirname(package.folder))) or package
    # The folder itself, or the one folder in an archive or in the folder to which it was unpacked.
    products = [member for member in package.members if PRODUCT.fullmatch(member) and member.count("/") <= 1]
    if not products:
        return None
    if len(products) > 1:
        raise DataError(f"{package.path} holds {len(products)} Sentinel-2 scenes ({', '.join(sorted(products)[:3])}, …). Choose one of them.")
    product = products[0]
    start = str(PurePosixPath(product).parent).removeprefix(".")
    found: dict[str, dict[str, list[tuple[int, str]]]] = {}
    for member, path in package.members.items():
        match = _IMAGE.fullmatch(member)
        if match and member.startswith(start):
            found.setdefault(match[1], {}).setdefault(match[2].upper(), []).append((int(match[3] or 0), path))
    images = _one_granule(package, found, wanted)
    return _described(package, package.xml(product), PurePosixPath(start).name, images)


def _one_granule(package: Package, found: dict[str, dict], wanted: str) -> dict[str, list[tuple[int, str]]]:
    if wanted:
        found = {name: images for name, images in found.items() if name == wanted}
    if len(found) > 1:
        raise DataError(f"{package.path} holds {len(found)} granules ({', '.join(sorted(found)[:3])}, …), which are scenes of their own. Choose "
                        "the folder of one of them, below GRANULE.")
    images = next(iter(found.values()), {})
    if not any(name in BANDS for name in images):
        raise DataError(f"{package.path} holds the metadata of a Sentinel-2 scene, but none of its images. Copy or download the whole scene.")
    return images


def _described(package: Package, root: ElementTree.Element, folder: str, images: dict[str, list[tuple[int, str]]]) -> Delivery:
    said = {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root.iter()}
    level = "L2A" if "BOA_QUANTIFICATION_VALUE" in said else "L1C"
    quantification = _number(package, said.get("BOA_QUANTIFICATION_VALUE") or said.get("QUANTIFICATION_VALUE"), "QUANTIFICATION_VALUE")
    offsets = {element.get("band_id", ""): (element.text or "").strip() for element in root.iter()
               if element.tag.rpartition("}")[2] in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")}
    if quantification <= 0 or (offsets and len(offsets) < len(BANDS)):
        raise DataError(f"The metadata of {package.path} do not say for all bands how values become reflectance. Download the scene again.")
    files = [BandFile(name, path, 1 / quantification, _number(package, offsets.get(str(number), "0"), "ADD_OFFSET") / quantification)
             for number, name in enumerate(BANDS) for _, path in sorted(images.get(name, []))]
    day = day_in(said.get("DATATAKE_SENSING_START", "")) or day_in(said.get("PRODUCT_START_TIME", ""))
    baseline, uri = said.get("PROCESSING_BASELINE", ""), said.get("PRODUCT_URI", "")
    tile = re.search(r"_(T\d\d[A-Z]{3})(?![A-Z0-9])", " ".join(path for _, path in next(iter(images.values()))))
    masks = sorted(images.get("SCL", []))
    name = folder or (uri if package.given or not package.name else package.name)
    return Delivery(
        name=name, title=f"Sentinel-2 {level}{f', tile {tile[1]}' if tile else ''}{f', baseline {baseline}' if baseline else ''}",
        files=tuple(files), nodata=0, date=day.isoformat() if day else "",
        tags={"PROCESSING_BASELINE": baseline, "PRODUCT_START_TIME": said.get("PRODUCT_START_TIME", ""), "PRODUCT_URI": uri},
        mask=masks[0][1] if masks else "", mask_kind="scl" if masks else "")


def _number(package: Package, text: str | None, key: str) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise DataError(f"The metadata of {package.path} give “{text or ''}” as {key}, which is no number. Download the scene again.") from None
