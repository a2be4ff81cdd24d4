"""What bands mean: names, wavelengths, units and scaling of the sensors we know."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ...sensor_labels import spoken
from ..records import FilledName, Finite, Name, Positive, printable
from .embeddings import EMBEDDED, version_of
from .same_band import POLARISATIONS, are_unnamed, band_key, renamed, same_band


@dataclass(frozen=True)
class Band:
    """One band: physical value = stored value · scale + offset.

    Attributes:
        name: as the sensor's makers call it.
        wavelength_um: centre wavelength [µm]; None where there is none.
        unit: of the physical value: "reflectance", "dB", "linear", "radiance", "embedding" or "unknown".
        scale: see above.
        offset: see above.
    """

    name: FilledName
    wavelength_um: Positive | None = None
    unit: Name = "unknown"
    scale: Finite = 1.0
    offset: Finite = 0.0


@dataclass(frozen=True)
class Sensor:
    """A way of delivering images.

    Attributes:
        name: for people.
        bands: every band it may have, in the order of its makers.
        nodata: a stored value that, in all bands at once, means that nothing was measured; None where there is none.
        subsets: number of bands → names, for files that do not name their bands.
        codes: what the makers call a band in their files → its name, where that is another one.
        decoding: of values that are none before they are decoded, a key of `decoding.DECODINGS`; bands then say what decoded values mean.
    """

    name: str
    bands: tuple[Band, ...]
    nodata: float | None
    subsets: dict[int, tuple[str, ...]]
    codes: dict[str, str] = field(default_factory=dict)
    decoding: str = ""


# Centre wavelengths of Sentinel-2A [µm]: ESA, Sentinel-2 Spectral Response Functions 3.1 (COPE-GSEG-EOPG-TN-15-0007).
SENTINEL2_WAVELENGTHS = {
    "B01": 0.4427, "B02": 0.4924, "B03": 0.5598, "B04": 0.6646, "B05": 0.7041, "B06": 0.7405, "B07": 0.7828,
    "B08": 0.8328, "B8A": 0.8647, "B09": 0.9451, "B10": 1.3735, "B11": 1.6137, "B12": 2.2024,
}
#: What is written beside the bands of radar scenes that are read as they were delivered.
ANGLE = "incidence_angle"
_ALL = tuple(SENTINEL2_WAVELENGTHS)
_WITHOUT_CIRRUS = tuple(name for name in _ALL if name != "B10")
_LAND = tuple(name for name in _WITHOUT_CIRRUS if name not in ("B01", "B09"))
_FEW = {10: _LAND, 4: ("B02", "B03", "B04", "B08"), 3: ("B04", "B03", "B02")}


def _sentinel2(name: str, names: tuple[str, ...], offset: float) -> Sensor:
    # Stored value = reflectance · 10000, and + 1000 from processing baseline 04.00 on (ESA, Sentinel-2 PSD 15, 2022).
    bands = tuple(Band(band, SENTINEL2_WAVELENGTHS[band], "reflectance", 1e-4, offset) for band in names)
    return Sensor(name, bands, 0, {len(names): names, **_FEW})


def _sentinel1(name: str, unit: str, nodata: float | None) -> Sensor:
    bands = tuple(Band(polarisation, None, unit) for polarisation in ("VV", "VH", "HH", "HV"))
    return Sensor(name, bands, nodata, {1: ("VV",), 2: ("VV", "VH")})


def _any_radar(name: str, unit: str, nodata: float | None) -> Sensor:
    return Sensor(name, tuple(Band(polarisation, None, unit) for polarisation in POLARISATIONS), nodata, {})


# Common names (STAC, EO extension) and centre wavelengths [µm] of Landsat's bands; Collection 2 Level 2: reflectance = value · 0.0000275 - 0.2,
# fill 0 (USGS, Landsat 8-9 C2 L2 Science Product Guide, LSDS-1619). The thermal bands are kelvin and are not among them.
_OLI = (("coastal", 0.443, 1), ("blue", 0.482, 2), ("green", 0.5615, 3), ("red", 0.6545, 4), ("nir08", 0.865, 5), ("swir16", 1.6085, 6),
        ("swir22", 2.2005, 7))
_TM = (("blue", 0.485, 1), ("green", 0.56, 2), ("red", 0.66, 3), ("nir08", 0.83, 4), ("swir16", 1.65, 5), ("swir22", 2.215, 7))
# Centre wavelengths of OLCI [µm]: ESA, Sentinel-3 OLCI User Guide. Values are stored with a scale of their own in every file.
_OLCI = (0.4, 0.4125, 0.4425, 0.49, 0.51, 0.56, 0.62, 0.665, 0.67375, 0.68125, 0.70875, 0.75375, 0.76125, 0.764375, 0.7675, 0.77875, 0.865, 0.885,
         0.9, 0.94, 1.02)


def _landsat(name: str, known: tuple[tuple[str, float, int], ...]) -> Sensor:
    bands = tuple(Band(band, wavelength, "reflectance", 2.75e-5, -0.2) for band, wavelength, _ in known)
    codes = {code: band for band, _, number in known for code in (f"B{number}", f"B{number:02d}")}
    return Sensor(name, bands, 0, {len(known): tuple(band.name for band in bands)}, codes)


def _embedding(name: str, letter: str, count: int, decoding: str) -> Sensor:
    digits = len(str(count - 1))
    names = tuple(f"{letter}{number:0{digits}d}" for number in range(count))
    return Sensor(name, tuple(Band(band, None, EMBEDDED) for band in names), None, {count: names}, decoding=decoding)


PRESETS = {
    "generic": Sensor("generic", (), None, {}),
    "sentinel2_l1c": _sentinel2("Sentinel-2 L1C", _ALL, 0.0),
    "sentinel2_l1c_0400": _sentinel2("Sentinel-2 L1C from baseline 04.00", _ALL, -0.1),
    "sentinel2_l2a": _sentinel2("Sentinel-2 L2A", _WITHOUT_CIRRUS, 0.0),
    "sentinel2_l2a_0400": _sentinel2("Sentinel-2 L2A from baseline 04.00", _WITHOUT_CIRRUS, -0.1),
    "sentinel1_db": _sentinel1("Sentinel-1 in dB", "dB", None),
    "sentinel1_linear": _sentinel1("Sentinel-1, linear", "linear", 0),
    "landsat89_l2": _landsat("Landsat 8 and 9, Collection 2 Level 2", _OLI),
    "landsat457_l2": _landsat("Landsat 4, 5 and 7, Collection 2 Level 2", _TM),
    "sentinel3_olci": Sensor("Sentinel-3 OLCI", tuple(Band(f"Oa{number:02d}", wavelength, "radiance") for number, wavelength in enumerate(_OLCI, 1)),
                             None, {21: tuple(f"Oa{number:02d}" for number in range(1, 22))}),
    "sar_db": _any_radar("Radar in dB", "dB", None),
    "sar_linear": _any_radar("Radar, linear", "linear", 0),
    "alphaearth_v1": _embedding("AlphaEarth Foundations, annual embedding v1", "A", 64, "signed_square"),
    "tessera_v1": _embedding("TESSERA, annual embedding v1", "T", 128, "scaled"),
}


@dataclass(frozen=True)
class Called:
    """What messages call an image, and the parameters that say what is in it.

    Attributes:
        image: name or path of it.
        bands: the parameter for the names of its bands.
        sensor: the parameter for its sensor.
    """

    image: str
    bands: str = "“Bands”"
    sensor: str = "“Sensor”"


#: An image of a job that has one, or its first.
FIRST = Called("The image")


def name_bands(preset: str, names: list[str], bands_text: str = "", progress: Progress = SILENT, called: Called = FIRST) -> list[Band]:
    """Says what the bands of an image are: by name, or by their number in the order of the sensor where they have none.

    Args:
        preset: key of `PRESETS`.
        names: the bands' names in the file, in order.
        bands_text: names in the same order, separated by commas, that replace those of the file; empty keeps them.
        progress: told when bands were taken by number, are not of the sensor, or got names of other bands than in the file.
        called: what messages call the image and its parameters.

    Returns:
        One band for each name, all with different names.

    Raises:
        DataError: when the names do not fit the image, or unnamed bands do not fit the sensor.
    """
    sensor, names = PRESETS[preset], [printable(name) for name in names]
    if bands_text and bands_text.strip():
        given = _given_names(bands_text, len(names), called)
        for name, other in renamed(names, given):
            progress.message(f"{called.image} calls a band {name}, and {called.bands} calls it {other}; it is taken for {other}. Leave "
                             f"{called.bands} empty where the file is right.", level="warning")
        names = given
    if preset == "generic":
        return [Band(name, None, EMBEDDED if version_of([name]) else "unknown") for name in _unique(names, called, progress)]
    known = [known_band(sensor, name) for name in names]
    if not any(known):
        example = ",".join(band.name for band in sensor.bands[:4])
        if not are_unnamed(names):
            raise DataError(f"{called.image} has the bands {listed(names, 13)}, which are none of {sensor.name} by their names. Choose the sensor of "
                            f"that image in {called.sensor}, or name its bands in order in {called.bands}, such as {example}.")
        if bands_text or len(names) not in sensor.subsets:
            like = "" if bands_text else " or ".join(map(spoken, sensors_with(len(names))))
            advice = f"As many have images of {like}. Choose in {called.sensor} the one that it comes from, or name" if like else "Name"
            raise DataError(f"{called.image} has bands without names ({listed(names, 13)}), and their number, {len(names)}, does not tell which "
                            f"bands of {sensor.name} they are. {advice} them in order in {called.bands}, such as {example}.")
        taken = sensor.subsets[len(names)]
        progress.message(f"{called.image} has bands without names; they are taken in the order of {sensor.name}: {listed(taken, 13)}. Name them in "
                         f"{called.bands} if that is wrong.", level="warning")
        known = [known_band(sensor, name) for name in taken]
    known = [band or (_angle(sensor) if name == ANGLE else None) for name, band in zip(names, known, strict=True)]
    others = [name for name, band in zip(names, known, strict=True) if band is None]
    if others:
        progress.message(f"{called.image} has the band {listed(others, 13)}, which {sensor.name} has not; it is used as it is stored.",
                         level="warning")
    bands = [band or Band(name) for name, band in zip(names, known, strict=True)]
    own = [band.name for band in bands]
    told = SILENT if _unique(own, called, SILENT) == names else progress  # “B02 (2)” says already that it is the band of another date
    return [replace(band, name=name) for band, name in zip(bands, _unique(own, called, told), strict=True)]


def sensors_with(count: int, names: Collection[str] = ()) -> list[str]:
    """Keys of `PRESETS` that have so many bands in files without names of bands, and among them those that the names mean."""
    keys = set(map(band_key, names))
    return [key for key, sensor in PRESETS.items() if keys <= set(map(band_key, sensor.subsets.get(count, ()))) and count in sensor.subsets]


def warn_of_generic(preset: str, names: list[str], progress: Progress, called: Called = FIRST) -> None:
    """Warns where a generic sensor is asked for and the bands have the names of Sentinel-2, three or more of B01 to B12.

    Of bands without names it says what a model will know of them.
    """
    if preset == "generic" and are_unnamed(names):
        progress.message(f"The bands of {called.image} have no names, and {called.sensor} is {spoken('generic')}, so a model knows them by their "
                         f"order alone and takes no image whose bands have names. If the image is of a sensor in the list, choose it in "
                         f"{called.sensor}; else name the bands in order in {called.bands}, such as red,green,blue.")
    known = {band.name for name in names for band in PRESETS["sentinel2_l1c"].bands if band.name in re.split(r"[^A-Z0-9]+", name.upper())}
    if preset == "generic" and len(known) >= 3:
        progress.message(f"The bands of {called.image} are named as those of Sentinel-2 ({listed(sorted(known), 13)}), and {called.sensor} is "
                         f"{spoken('generic')}, so nobody knows their unit. If the image is of Sentinel-2, choose its product in {called.sensor}: "
                         "only then does a model fit images with another scale or offset.", level="warning")


def _angle(sensor: Sensor) -> Band | None:
    """The incidence angle, which images of radar have beside their bands; None for other sensors."""
    return Band(ANGLE, None, "degree") if sensor.bands[0].unit in ("dB", "linear") else None


def _given_names(text: str, count: int, called: Called) -> list[str]:
    given = [name.strip() for name in text.split(",") if name.strip()]
    if not given:
        raise DataError(f"{called.bands} holds “{text.strip()}” and no name. Leave it empty to take the names in the file, or give {count} names "
                        "with commas between them.")
    if len(given) != count:
        raise DataError(f"{called.image} has {count} bands, and {called.bands} names {len(given)} ({listed(given, 13)}). Give one name for each "
                        "band, in order, with commas between them.")
    if len(set(given)) < len(given):
        raise DataError(f"{called.bands} names a band twice ({listed(given, 13)}). Give each band its own name.")
    return given


def known_band(sensor: Sensor, name: str) -> Band | None:
    """The sensor's band that a name speaks of: its own, a common one such as ``red``, or a file name such as ``T33UUU_B02_10m``."""
    words = re.split(r"[^A-Z0-9]+", name.upper())
    coded = {sensor.codes[word] for word in words if word in sensor.codes}
    if sensor.codes and len(coded) == 1:
        name = coded.pop()
    own = [band for band in sensor.bands if band.name.upper() in words]
    found = own or [band for band in sensor.bands if same_band(band.name, name)]
    return found[0] if len(found) == 1 else None


def _unique(names: list[str], called: Called, progress: Progress) -> list[str]:
    result: list[str] = []
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice and not are_unnamed(names):
        progress.message(f"{called.image} has the band {listed(twice, 6)} more than once; the further ones are called {twice[0]} (2) and so on. Name "
                         f"them in {called.bands} if they are other bands.", level="warning")
    for name in names:
        number, free = 2, name
        while free in result:
            number, free = number + 1, f"{name} ({number})"
        result.append(free)
    return result
