"""Which names of bands mean the same band: B2, B02, blue and T33UUU_B02_10m; VV, sigma0_VV and vv_db."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Common names of STAC's electro-optical extension and of TorchGeo, TerraTorch and Earth Engine, as bands of Sentinel-2.
_COMMON = {
    "COASTAL": "B01", "COASTALAEROSOL": "B01", "AEROSOL": "B01", "AEROSOLS": "B01", "BLUE": "B02", "GREEN": "B03", "RED": "B04",
    "REDEDGE1": "B05", "VRE1": "B05", "REDEDGE2": "B06", "REDEDGE071": "B05", "REDEDGE075": "B06", "REDEDGE078": "B07", "VRE2": "B06",
    "REDEDGE3": "B07", "VRE3": "B07", "NIR": "B08", "NIRBROAD": "B08",
    "NIRNARROW": "B8A", "NARROWNIR": "B8A", "NIR08": "B8A", "REDEDGE4": "B8A", "WATERVAPOUR": "B09", "WATERVAPOR": "B09", "NIR09": "B09",
    "CIRRUS": "B10", "SWIR16": "B11", "SWIR1": "B11", "SWIR22": "B12", "SWIR2": "B12", "R": "B04", "G": "B03", "B": "B02",
}
_SENTINEL2 = re.compile(r"B(0*([1-9]|1[0-2])|0*8A)")
_NUMBER = re.compile(r"(?:(?:band|layer)[ _.]?)?(\d*)", re.IGNORECASE)
#: Words in names of files of Sentinel-2: the tile and the satellite.
_TILE, _SATELLITE = re.compile(r"T\d\d[A-Z]{3}"), re.compile(r"S2[A-D]")
#: Of radar, transmitted and received; R is circular, as the compact modes of Radarsat send it.
POLARISATIONS = ("VV", "VH", "HH", "HV", "RH", "RV")


def band_key(name: str) -> str:
    """The same text for names of the same band; a second band of a name, such as ``B02 (2)``, stays one of its own."""
    plain, _, number = name.strip().upper().partition(" (")
    key = speaks_of(plain) or plain
    return f"{key} ({number}" if number else key


def same_band(first: str, second: str) -> bool:
    """Whether two names mean the same band."""
    return band_key(first) == band_key(second)


def speaks_of(name: str) -> str | None:
    """The polarisation, or the band of Sentinel-2, that a name speaks of; None for names that say nothing."""
    plain = name.strip().upper().partition(" (")[0]
    return _COMMON.get(re.sub(r"[^A-Z0-9]", "", plain)) or _code(plain) or _within(plain)


def renamed(names: Sequence[str], given: Sequence[str]) -> list[tuple[str, str]]:
    """Name in the file and name given of the bands that these two call by names of different bands, such as VV and HH.

    Single letters may count bands (a, b, c) and say too little.
    """
    pairs = [(name, other) for name, other in zip(names, given, strict=True) if len(name.strip()) > 1]
    return [(name, other) for name, other in pairs if None not in (speaks_of(name), speaks_of(other)) and speaks_of(name) != speaks_of(other)]


def is_unnamed(name: str) -> bool:
    """Whether a name is only a number, as files without names of bands give it: ``band 1``, ``Band_2``, ``layer.3``, ``4``."""
    return bool(_NUMBER.fullmatch(name.strip()))


def are_unnamed(names: Sequence[str]) -> bool:
    """Whether names only count bands, each file's from 1; ``band 8, band 4, band 3`` are numbers of a maker, and nobody knows which one."""
    last = 0
    for name in names:
        match = _NUMBER.fullmatch(name.strip())
        if not match or (match[1] and int(match[1]) not in (1, last + 1)):
            return False
        last = int(match[1] or last + 1)
    return True


def band_places(have: list[str], want: list[str]) -> list[int | None]:
    """Where each wanted band stands: by its whole name, else by a name of the same band; None where it is not there.

    Names of the same band, such as VV_ascending and VV_descending, are taken in their order: one stands for two only where no other is free.

    Args:
        have: names of the bands there are.
        want: names of the bands that are wanted.
    """
    keys = [band_key(name) for name in have]
    places = [have.index(name) if name in have else None for name in want]
    for position, name in enumerate(want):
        if places[position] is None:
            same = [place for place, key in enumerate(keys) if key == band_key(name)]
            places[position] = next((place for place in same if place not in places), same[0] if same else None)
    return places


def band_of_file(stem: str) -> str:
    """The one band that a file's name speaks of: a polarisation, or in names of Sentinel-2 products a code; else empty.

    Elsewhere B02 may be the place of a tile.
    """
    words = re.split(r"[^A-Z0-9]+", stem.upper())
    found = {word for word in words if word in POLARISATIONS}
    if any(_TILE.fullmatch(word) or _SATELLITE.fullmatch(word) for word in words):
        found |= {code for word in words if (code := _code(word))}
    return found.pop() if len(found) == 1 else ""


def _within(name: str) -> str | None:
    """The band that one word of a longer name speaks of: a code such as B02 or VV, else a colour; a red edge is no red."""
    words = re.split(r"[^A-Z0-9]+", name)
    codes = {_code(word) for word in words} - {None}
    if codes:
        return codes.pop() if len(codes) == 1 else None
    colours = {_COMMON[word] for word in words if len(word) > 2 and word in _COMMON}
    return colours.pop() if len(colours) == 1 and not any("EDGE" in word for word in words) else None


def _code(word: str) -> str | None:
    """A band of Sentinel-2 as its makers write it, or a polarisation; None for other words."""
    if _SENTINEL2.fullmatch(word):
        return "B" + word[1:].lstrip("0").zfill(2)
    return word if word in POLARISATIONS else None
