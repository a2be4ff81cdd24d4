"""Which band of an image is which band of a model, and how its stored values become those the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ...sensor_labels import AS_MODEL, spoken
from ..cards import ModelBand
from ..rasters.embeddings import refuse_other_version
from ..rasters.meaning import as_stored, refuse_one_sided, refuse_other_maker, warn_of_level
from ..rasters.raster import Scene
from ..rasters.same_band import are_unnamed, band_key
from ..rasters.sensors import FIRST, PRESETS, Band, Called, known_band, name_bands, sensors_with

#: Powers of ten that 32 bits hold.
LARGEST_POWER = 37
#: (unit of the image, unit of the model) that differ and can be converted.
_CONVERTIBLE = {("linear", "dB"), ("dB", "linear")}


@dataclass(frozen=True)
class Match:
    """One band of the image and the band of the model it is.

    Attributes:
        position: of the band in the image, from 0.
        image: how the image stores it.
        model: how the training images stored it.
    """

    position: int
    image: Band
    model: ModelBand

    @property
    def identical(self) -> bool:
        """Whether image and training images store the band alike."""
        ours, theirs = self.image, self.model
        return (ours.unit, ours.scale, ours.offset) == (theirs.unit, theirs.scale, theirs.offset)

    def convert(self, values: np.ndarray) -> None:
        """Turns stored values of the image, float32 of any shape, into stored values of the model, in place."""
        if self.identical:
            return
        if self.image.unit == self.model.unit:
            values *= self.image.scale / self.model.scale
            values += (self.image.offset - self.model.offset) / self.model.scale
            return
        values *= self.image.scale
        values += self.image.offset
        if self.model.unit == "dB":
            # Backscatter of 0 or below, left by the removal of noise, has no logarithm: it is as dark as the darkest training pixel.
            tenths = (self.model.minimum * self.model.scale + self.model.offset) / 10
            darkest = 10 ** min(max(tenths, -LARGEST_POWER), LARGEST_POWER)
            np.maximum(values, darkest, out=values)
            np.log10(values, out=values)
            values *= 10
        else:
            np.power(10, values / 10, out=values)
        values -= self.model.offset
        values /= self.model.scale


def preset_of(preset: str, model_preset: str) -> str:
    """The sensor of an image: what was said or, for `AS_MODEL`, that of the training images."""
    return model_preset if preset == AS_MODEL else preset


def match_bands(
    needed: tuple[ModelBand, ...],
    names: list[str],
    *,
    called: Called = FIRST,
    preset: str = AS_MODEL,
    model_preset: str = "generic",
    bands_text: str = "",
    scene: Scene | None = None,
    progress: Progress = SILENT,
) -> list[Match]:
    """Finds each band the model needs in an image.

    Args:
        needed: the model's bands in order.
        names: the image's band names in order.
        called: what messages call the image and its parameters.
        preset: key of `sensors.PRESETS` that says how the image stores its values, or ``as_model``.
        model_preset: the preset of the model's training images.
        bands_text: names that replace those in the file, separated by commas; empty keeps them.
        scene: the image, whose file may say how it stores its values; None believes the preset.
        progress: warned when bands without names are taken by their order.

    Returns:
        One match per band of the model.

    Raises:
        DataError: when a band is missing or doubtful, or its unit cannot be converted.
    """
    if scene is not None:
        refuse_other_maker(scene, preset_of(preset, model_preset))
        warn_of_level(scene, model_preset, progress)
    refuse_other_version(names, called.image, [band.name for band in needed], "what the model learned from")
    unnamed = not bands_text and are_unnamed(names)
    wanted = {band_key(band.name) for band in needed}
    if unnamed and preset == AS_MODEL and len(names) == len(needed) and not wanted <= {band_key(name) for name in names}:
        progress.message(f"The bands of {called.image} have no names; they are taken in the order of the model: "
                         f"{', '.join(band.name for band in needed)}. Name them in {called.bands} if that is wrong.", level="warning")
        return _as_stored([Match(position, band, band) for position, band in enumerate(needed)], scene, progress)
    bands = _named(preset_of(preset, model_preset), list(names), bands_text, unnamed, called, progress)
    matches = []
    for band in needed:
        positions = _positions(band.name, wanted, bands)
        if not positions:
            raise DataError(_missing([own.name for own in needed if not _positions(own.name, wanted, bands)], needed, bands, unnamed, called))
        if len(positions) > 1:
            raise DataError(f"In the files of {called.image}, {len(positions)} bands are {band.name}, of which the model needs one. "
                            f"Choose each file once, those of one scene, or name the bands in order in {called.bands}.")
        stored = band if preset == AS_MODEL else bands[positions[0]]
        if preset == "generic" and scene is not None and stored.unit == "unknown":
            stored = replace(stored, unit=band.unit, scale=1.0, offset=0.0) if _declares(scene, positions[0]) else stored
        if stored.unit != band.unit and (stored.unit, band.unit) not in _CONVERTIBLE:
            raise DataError(f"Band {band.name} of {called.image} is {_unit(stored.unit)} by the sensor {spoken(preset)}, but the model learned from "
                            f"values {_unit(band.unit)}. Choose in {called.sensor} the sensor the image comes from, or {spoken(AS_MODEL)} when its "
                            "values are stored as in those.")
        matches.append(Match(positions[0], stored, band))
    return _as_stored(matches, scene, progress)


def _unit(unit: str) -> str:
    return "without a known unit" if unit == "unknown" else f"in the unit “{unit}”"


def _declares(scene: Scene, position: int) -> bool:
    return (scene.scales[position], scene.offsets[position]) != (1, 0)


def _as_stored(matches: list[Match], scene: Scene | None, progress: Progress) -> list[Match]:
    """The matches with what the image's own file says of its values, see `meaning.as_stored`."""
    if scene is None:
        return matches
    bands = [Band(name) for name in scene.band_names]
    for match in matches:
        bands[match.position] = match.image
    found = as_stored(scene, bands, progress)
    for match in matches:  # “as_model” has given bands of unknown units the model's scale, which is nothing that their file says
        own = found[match.position] if _declares(scene, match.position) else replace(found[match.position], scale=1.0, offset=0.0)
        refuse_one_sided(own, match.model, scene.path, "the model, by its training images,")
    return [replace(match, image=found[match.position]) for match in matches]


def _named(preset: str, names: list[str], bands_text: str, unnamed: bool, called: Called, progress: Progress) -> list[Band]:
    """The image's bands as the sensor knows them. Bands that carry foreign names are never taken by their number."""
    if bands_text or preset == "generic":
        return name_bands(preset, names, bands_text, progress, called)
    sensor = PRESETS[preset]
    subset = sensor.subsets.get(len(names))
    if unnamed and subset:
        return name_bands(preset, names, "", progress, called)
    if any(known_band(sensor, name) for name in names):
        return name_bands(preset, names)
    return [Band(name) for name in names]


def _missing(missing: list[str], needed: tuple[ModelBand, ...], bands: list[Band], unnamed: bool, called: Called) -> str:
    """What to do about bands of the model that an image does not have, in words."""
    have, first = [band.name for band in bands], missing[0]
    lacks = f"{called.image} has no band {first}, which the model needs."
    dates = sorted({date for band in needed if (date := _date(band.name)) > 1})
    if dates and min(map(_date, missing)) > 1:  # the first date is whole
        if any(_date(name) == _date(first) for name in have):
            return f"{lacks} The band is {first.partition(' (')[0]} of date {_date(first)}. Give images with the same bands for every date."
        return (f"{lacks} The model needs images of {1 + len(dates)} dates on one grid, and there are fewer. Give the other date as well, after the "
                "first: in “More files” of “Image”, among the advanced parameters, with “Several rasters are” as bands of one scene. Scripts give "
                "both in the list “images”.")
    sensors = sensors_with(len(have), {band.name for band in needed if _date(band.name) == 1}) if unnamed else []
    if sensors:
        return (f"{lacks} Its bands have no names. There are {len(have)}, as many as images of {' or '.join(map(spoken, sensors))} have. Choose in "
                f"{called.sensor} the one that the image comes from, or name the bands in order in {called.bands}.")
    return f"{lacks} Its bands are {listed(have, 20)}; choose an image with all bands, or name them in order in {called.bands}."


def _date(name: str) -> int:
    """Of a band such as ``B02 (2)`` the number of its date; 1 of all others."""
    number = name.partition(" (")[2].rstrip(")")
    return int(number) if number.isdecimal() else 1


def _positions(name: str, wanted: set[str], bands: list[Band]) -> list[int]:
    """Where a band stands: by its whole name, else by a name of the same band.

    An image with the same name twice has ``B02`` and ``B02 (2)``; both are meant unless the model wants them as two.
    """
    whole = [position for position, band in enumerate(bands) if band.name.upper() == name.upper()]
    keys, key = [band_key(band.name) for band in bands], band_key(name)
    same = [position for position, found in enumerate(keys) if found == key or (found.startswith(f"{key} (") and found not in wanted)]
    more = [position for position in same if bands[position].name.upper().startswith(f"{name.upper()} (")]
    return [*whole, *more] if whole else same
