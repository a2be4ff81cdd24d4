"""Landsat Collection 2 scenes: the folder or the .tar in which the USGS delivers them, or their metadata file ``*_MTL``.

USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide (LSDS-1619) and Landsat 8-9 Calibration and Validation Algorithm Description
(LSDS-1747): reflectance = value · MULT + ADD, at level 1 divided by the sine of the sun's elevation.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from ....errors import DataError, listed
from ..dates import day_in
from ..sensors import PRESETS
from .packages import BandFile, Delivery, Package, finite

_METADATA = re.compile(r"((?:[^/]+/)?\w+_MTL)\.(txt|xml|json)", re.IGNORECASE)
#: Of the metadata, in the order in which they are taken.
ENDINGS = ("txt", "xml", "json")
_LINE = re.compile(r'\s*(\w+)\s*=\s*(?:"([^"]*)"|(.*?))\s*')
#: Group of the factors by level of processing.
GROUPS = {"L1": "LEVEL1_RADIOMETRIC_RESCALING", "L2": "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"}
PRESET_OF = {"OLI": "landsat89_l2", "TM": "landsat457_l2", "ETM": "landsat457_l2"}
Facts = dict[tuple[str, str], str]


def read(package: Package) -> Delivery | None:
    """A Landsat scene; None where the package holds none.

    Raises:
        DataError: the metadata are damaged, of another collection or sensor, or no band is there.
    """
    found = {member: match[2].lower() for member in package.members if (match := _METADATA.fullmatch(member))}
    if package.given in found:
        found = {package.given: found[package.given]}
    if not found:
        return None
    scenes = sorted({member.rpartition(".")[0] for member in found})
    if len(scenes) > 1:
        raise DataError(f"{package.path} holds the metadata of {len(scenes)} Landsat scenes ({listed(scenes, 3)}). Choose the file *_MTL of one "
                        "of them.")
    member = min(found, key=lambda member: ENDINGS.index(found[member]))
    facts = _facts(package, member, found[member])
    said = {key: value for (_, key), value in facts.items()}
    level, sensor = said.get("PROCESSING_LEVEL", "")[:2], said.get("SENSOR_ID", "").partition("_")[0]
    if not re.fullmatch("0?2", said.get("COLLECTION_NUMBER", "")) or level not in GROUPS or sensor not in PRESET_OF:
        raise DataError(f"{package.members[member]} describes a scene of collection {said.get('COLLECTION_NUMBER', 'unknown')}, level "
                        f"{level or 'unknown'}, sensor {sensor or 'unknown'}; Collection 2 of TM, ETM and OLI is read. Download such a scene.")
    beside = {name.rpartition("/")[2]: path for name, path in package.members.items() if name.rpartition("/")[0] == member.rpartition("/")[0]}
    return _described(package, beside, facts, said, level, sensor)


def _described(package: Package, beside: dict[str, str], facts: Facts, said: dict[str, str], level: str, sensor: str) -> Delivery:
    codes = {int(code[1:]): band for code, band in PRESETS[PRESET_OF[sensor]].codes.items()}
    sine = math.sin(math.radians(_number(package, facts, "IMAGE_ATTRIBUTES", "SUN_ELEVATION"))) if level == "L1" else 1.0
    if sine <= 0:
        raise DataError(f"The metadata of {package.path} say that the sun stood below the horizon, so its values are no reflectance. Choose "
                        "another scene.")
    files = []
    for number, band in sorted(codes.items()):
        name = said.get(f"FILE_NAME_BAND_{number}", "")
        path = beside.get(name)
        if path:
            _hold_together(package, said, name, rf".*_B{number}\.TIF")
            scale, offset = (_number(package, facts, GROUPS[level], f"REFLECTANCE_{key}_BAND_{number}") / sine for key in ("MULT", "ADD"))
            if scale <= 0:
                raise DataError(f"The metadata of {package.path} give {scale:g} as the factor of band {number}. Download the scene again.")
            files.append(BandFile(band, path, scale, offset))
    if not files:
        raise DataError(f"{package.path} holds the metadata of a Landsat scene, but none of its reflective bands. Copy or download the whole scene.")
    day = day_in(said.get("DATE_ACQUIRED", ""))
    product = said.get("LANDSAT_PRODUCT_ID", "") or package.name
    quality = said.get("FILE_NAME_QUALITY_L1_PIXEL", "")
    mask = beside.get(quality, "")
    if mask:
        _hold_together(package, said, quality, r".*_QA_PIXEL\.TIF")
    where = f", path {said['WRS_PATH'].strip()} row {said['WRS_ROW'].strip()}" if {"WRS_PATH", "WRS_ROW"} <= said.keys() else ""
    return Delivery(
        name=product, title=f"{said.get('SPACECRAFT_ID', 'Landsat').replace('_', ' ').title()} Collection 2 {said['PROCESSING_LEVEL']}{where}",
        files=tuple(files), nodata=0, date=day.isoformat() if day else "", tags={"LANDSAT_PRODUCT_ID": product},
        mask=mask, mask_kind="qa_pixel" if mask else "", missing=tuple(band for band in codes.values() if band not in [file.name for file in files]))


def _hold_together(package: Package, said: dict[str, str], name: str, pattern: str) -> None:
    """Refuses a file that is not what the metadata call it, or of another day."""
    day, taken = day_in(name), day_in(said.get("DATE_ACQUIRED", ""))
    if not re.fullmatch(pattern, name, re.IGNORECASE) or (day and taken and day != taken):
        raise DataError(f"The metadata of {package.path}, of {taken}, name the file {name}, which is of another band or day. Download the scene "
                        "again.")


def _facts(package: Package, member: str, kind: str) -> Facts:
    """(group, key) → value, the same for the three ways in which the metadata are written."""
    if kind == "xml":
        return {(group.tag, item.tag): (item.text or "").strip() for group in package.xml(member) for item in group}
    text = package.text(member).decode("utf-8", "replace")
    if kind == "json":
        try:
            return dict(_of_json(json.loads(text)))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{package.members[member]} is damaged ({error}). Copy or download the scene again.") from None
    facts, group = {}, ""
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match and match[1] == "GROUP":
            group = match[3]
        elif match and match[1] != "END_GROUP":
            facts[group, match[1]] = match[2] if match[2] is not None else match[3]
    return facts


def _of_json(content: Any) -> Iterator[tuple[tuple[str, str], str]]:
    for top in content.values() if isinstance(content, dict) else ():
        for group, items in top.items() if isinstance(top, dict) else ():
            for key, value in items.items() if isinstance(items, dict) else ():
                yield (group, key), str(value)


def _number(package: Package, facts: Facts, group: str, key: str) -> float:
    number = finite(facts.get((group, key), ""))
    if number is not None:
        return number
    raise DataError(f"The metadata of {package.path} give “{facts.get((group, key), '')}” as {key} of {group}, which is no number. Download the "
                    "scene again.")
