"""Sentinel-2 products: the .SAFE folder, its zip, its metadata file, or one granule of it.

ESA, Sentinel-2 Products Specification Document 15 (S2-PDGS-TAS-DI-PSD, 2022): names of files and the metadata that are read here.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from xml.etree import ElementTree  # nosec B405 - only the type is used

from ....errors import DataError, listed
from ..dates import day_in
from ..sensors import SENTINEL2_WAVELENGTHS
from .packages import LEVEL_TAG, BandFile, Delivery, Package, finite, open_package

PRODUCT = re.compile(r"(?:.*/)?(MTD_MSIL(?:1C|2A)|S2[A-D]_OPER_MTD_SAFL(?:1C|2A)\w*)\.xml", re.IGNORECASE)
GRANULE = re.compile(r"(MTD_TL|S2[A-D]_OPER_MTD_L(1C|2A)_TL_\w+)\.xml", re.IGNORECASE)
#: Folders above the product's in an archive or in what it was unpacked to.
MOST_ABOVE = 2
_IMAGE = re.compile(r"(?:.*/)?GRANULE/([^/]+)/IMG_DATA/(?:.*/)?\w*?_(B\d\d|B8A|SCL)(?:_(\d+)m)?\.(?:jp2|tiff?)", re.IGNORECASE)
#: Elements with the factor, of L2A, of L2A before 2018, and of L1C.
QUANTIFICATIONS = ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE")
#: Bands in the order of their numbers in the metadata (`band_id`).
BANDS = tuple(SENTINEL2_WAVELENGTHS)
#: From this processing baseline on values have an offset; ESA numbers its own below the second, and Sen2Cor on other machines says 99.99.
NEW_BASELINE, ESA_BASELINES = 4.0, 90.0


def read(package: Package) -> Delivery | None:
    """A Sentinel-2 scene; None where the package holds none.

    Raises:
        DataError: the product is damaged, holds several granules or no band.
    """
    wanted = ""
    if package.folder and any(map(GRANULE.fullmatch, package.loose)):
        wanted = os.path.basename(package.folder)
        package = open_package(os.path.dirname(os.path.dirname(package.folder))) or package
    # Within a folder of the user's that holds other things, too, nothing is looked for.
    above = MOST_ABOVE if not package.folder or len({member.partition("/")[0] for member in package.members}) == 1 else 0
    products = [member for member in package.members if PRODUCT.fullmatch(member) and member.count("/") <= above]
    if package.given in products:
        products = [package.given]
    if not products:
        if any(_IMAGE.fullmatch(member) for member in package.members if above or member.startswith("GRANULE/")):
            raise DataError(f"{package.path} holds images of Sentinel-2, but not their metadata MTD_MSIL1C.xml or MTD_MSIL2A.xml, which say what the "
                            "values mean. Copy or download the whole scene.")
        return None
    if len(products) > 1:
        raise DataError(f"{package.path} holds {len(products)} Sentinel-2 scenes ({listed(sorted(products), 3)}). Choose one of them.")
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
        raise DataError(f"{package.path} holds {len(found)} granules ({listed(sorted(found), 3)}), which are scenes of their own. Choose "
                        "the folder of one of them, below GRANULE.")
    images = next(iter(found.values()), {})
    if not any(name in BANDS for name in images):
        raise DataError(f"{package.path} holds the metadata of a Sentinel-2 scene, but none of its images. Copy or download the whole scene.")
    return images


def _described(package: Package, root: ElementTree.Element, folder: str, images: dict[str, list[tuple[int, str]]]) -> Delivery:
    said = {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root.iter()}
    key = next((key for key in QUANTIFICATIONS if key in said), None)
    if key is None:
        raise DataError(f"The metadata of {package.path} do not say how values become reflectance, as those of Sentinel-2 L1C and L2A do. Copy or "
                        "download the scene again.")
    level, quantification = "L1C" if key == QUANTIFICATIONS[-1] else "L2A", _number(package, said[key], "QUANTIFICATION_VALUE")
    offsets = {element.get("band_id", ""): (element.text or "").strip() for element in root.iter()
               if element.tag.rpartition("}")[2] in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")}
    if quantification <= 0 or (offsets and not set(map(str, range(len(BANDS)))) <= offsets.keys()):
        raise DataError(f"The metadata of {package.path} do not say for all bands how values become reflectance. Download the scene again.")
    _hold_together(package, said, bool(offsets), images)
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
        tags={"PROCESSING_BASELINE": baseline, LEVEL_TAG: level, "PRODUCT_START_TIME": said.get("PRODUCT_START_TIME", ""), "PRODUCT_URI": uri},
        mask=masks[0][1] if masks else "", mask_kind="scl" if masks else "",
        missing=tuple(name for name in BANDS if name not in images and (name != "B10" or level == "L1C")))


def _hold_together(package: Package, said: dict[str, str], has_offsets: bool, images: dict[str, list[tuple[int, str]]]) -> None:
    """Refuses metadata of another scene than the images.

    Raises:
        DataError: saying what differs.
    """
    advice = "The metadata and the images are not of one scene: copy or download it again."
    baseline = finite(said.get("PROCESSING_BASELINE", ""))
    if baseline is not None and baseline < ESA_BASELINES and has_offsets != (baseline >= NEW_BASELINE):
        raise DataError(f"The metadata of {package.path} are of processing baseline {said['PROCESSING_BASELINE']}, but "
                        f"{'have' if has_offsets else 'lack'} the offsets that came with {NEW_BASELINE:05.2f}. Download the scene again.")
    days = [day for key in ("DATATAKE_SENSING_START", "PRODUCT_START_TIME") if (day := day_in(said.get(key, "")))]
    for name, files in images.items():
        for _, path in files:
            day = day_in(PurePosixPath(path).name)
            if day and days and day not in days:
                raise DataError(f"The metadata of {package.path} are of {min(days)}, but its band {name}, {path}, is of {day}. {advice}")


def _number(package: Package, text: str, key: str) -> float:
    number = finite(text)
    if number is None:
        raise DataError(f"The metadata of {package.path} give “{text}” as {key}, which is no number. Download the scene again.")
    return number
