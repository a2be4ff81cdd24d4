"""Any encoder that was trained, here or elsewhere, as a network that embeds."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....errors import DataError, ModelError, listed
from ....progress import SILENT, Progress
from ....sensor_labels import spoken
from ...cards import Input, InputBand, SeriesDays
from ...models import catalog
from ...rasters.same_band import band_key
from ...rasters.sensors import PRESETS
from ...runs.run_folder import CARD, RunFolder
from ..networks.encoder_files import OUR_SCALING, band_names, find_weights, read_card
from ..networks.encoder_import import recognise
from ..networks.encoders import OF_SERIES, OF_TILES_IN_TIME, BareEncoder, build_encoder
from ..networks.monthly import GROUPS, NDVI, unit_of
from ..networks.same_function import refuse_other_function
from ..networks.series import PUBLISHED
from ..networks.series_start import PART, start_series
from ..networks.starting_weights import is_ours, load_weights, take_over
from .networks import USUAL, ImageEmbedding, SeriesEmbedding

#: Reflectance of land, mean and deviation, where weights do not say what their bands held.
LAND = (0.15, 0.1)
#: Shares of a deviation from the mean within which nearly all pixels lie.
NEARLY_ALL, ALL = 3, 5
IMAGES, SERIES, TILES_IN_TIME = "images", "series of dates", "dated tiles"


@dataclass(frozen=True)
class Known:
    """Weights of an encoder, read.

    Attributes:
        place: what was asked for.
        file: of the weights.
        card: the JSON beside it, or of the catalogue; may be empty.
        encoder: its name.
    """

    place: str
    file: str
    card: dict[str, Any]
    encoder: str

    @property
    def takes(self) -> str:
        """What it sees, in words."""
        return SERIES if self.encoder in OF_SERIES else TILES_IN_TIME if self.encoder in OF_TILES_IN_TIME else IMAGES

    @property
    def run(self) -> RunFolder | None:
        """The run that it is of."""
        folder = self.place if os.path.isdir(self.place) else os.path.dirname(self.file)
        return RunFolder.open(folder) if os.path.isfile(os.path.join(folder, CARD)) else None

    @property
    def title(self) -> str:
        """What it is called."""
        source = self.card.get("source") or {}
        return str(source.get("catalogue") or os.path.basename(os.path.normpath(self.place)))

    @property
    def licence(self) -> str:
        """Of the weights."""
        return str((self.card.get("source") or {}).get("licence") or "not stated")


def read_encoder(place: str, bands: list[str], progress: Progress = SILENT) -> Known:
    """Finds out of which encoder some weights are.

    Args:
        place: see `encoder_files.find_weights`.
        bands: names of the bands of the images, which choose among encoders of several sensors.
        progress: told of a download, and of an encoder that was recognised.

    Raises:
        ModelError: there are none, or nobody knows of which encoder they are.
    """
    file = find_weights(place, bands, False, progress)
    card, tensors = read_card(file), load_weights(file)
    bare = {name.removeprefix(PART): tensor for name, tensor in tensors.items()}
    encoder = next((name for name, kind in PUBLISHED.items() if kind.of_published(bare)), "") or str(card.get("encoder") or "")
    if not encoder:
        encoder = recognise(file, tensors)
        progress.message(f"The weights {file} are of the encoder {encoder}.")
    return Known(place, file, card, encoder)


def image_embedding(known: Known, count: int | None, progress: Progress = SILENT) -> ImageEmbedding:
    """An encoder of images as a network that embeds.

    Raises:
        ModelError: nobody knows its bands or how it scales them, tensors are missing, or it makes another function than where it comes from.
    """
    names, card, tensors = band_names(known.card), known.card, load_weights(known.file)
    if not names:
        raise ModelError(f"{known.file} does not say which bands it takes, so it embeds no image. Give it to “Import encoder” with the names of its "
                         "bands and its scaling, and choose what comes out.")
    ours = str(card.get("format", "")).startswith("eo-pretrain")
    scaling = card.get("scaling") or (OUR_SCALING if ours else "unknown")
    if scaling not in ("linear", OUR_SCALING) or not all(isinstance(band.get(key), (int, float)) for band in card["bands"]
                                                        for key in ("centre", "spread")):
        raise ModelError(f"{known.file} does not say how it scales its bands, and by a guess its features may mean nothing. Give it to “Import "
                         "encoder” with its scaling, and choose what comes out.")
    network = BareEncoder(build_encoder(known.encoder, len(names)))
    matched = take_over(network, known.file, tensors, {**card, "scaling": ""}, names)
    if matched.left_new:
        raise ModelError(f"{known.file} does not fit the encoder {known.encoder}: {len(matched.left_new)} of its tensors are missing or of another "
                         f"shape, the first is {matched.left_new[0].removeprefix(PART)}. Choose whole weights.")
    if not is_ours(card, tensors):
        refuse_other_function(known.file, known.encoder, tensors)
    matched.warn(True, progress)
    bands = tuple(_band(band, band["centre"], band["spread"]) for band in card["bands"])
    seen = Input("image", card.get("sensor") or "image", card.get("preset") or "generic", bands)
    return ImageEmbedding(network.encoder, seen, scaling == OUR_SCALING, count or USUAL).eval()


def series_embedding(known: Known, count: int | None, found: Input | None, progress: Progress = SILENT) -> SeriesEmbedding:
    """An encoder of series as a network that embeds.

    Args:
        known: of a run on series, or published weights of a monthly encoder.
        count: see `SeriesEmbedding`.
        found: the series that are to be embedded, which the published weights take; a run knows its own.
        progress: told what of the series such an encoder sees.

    Raises:
        DataError: it knows none of the bands, or takes them in other units, or fewer months.
        ModelError: it is of no run on series, or tensors are missing.
    """
    run = known.run
    seen = next((seen for seen in run.inputs.values() if seen.axes == "tb"), None) if run else found
    if seen is None:
        raise ModelError(f"{known.file} does not say which series it was trained on. Choose the folder of its run.")
    network = SeriesEmbedding(known.encoder, seen, count).eval()
    start_series(network, known.file, seen.names, progress)
    return network


def monthly_input(encoder: str, bands: list[str], preset: str, window: tuple[float, float]) -> Input:
    """The series that published weights of a monthly encoder are given.

    Args:
        encoder: its name.
        bands: names of those of the images.
        preset: key of `sensors.PRESETS`, by which they are stored.
        window: first and last day of its months, counted from 1 January.

    Raises:
        DataError: none is one that it knows, or one is in another unit.
    """
    names = {band_key(name) for group in GROUPS.values() for name in group} - {NDVI}  # no sensor measures it
    known = [name for name in bands if band_key(name) in names]
    if not known:
        raise DataError(f"{PUBLISHED[encoder].called} knows the bands of Sentinel-2, such as B02, B03 and B04, and VV with VH of Sentinel-1, and the "
                        f"images have {listed(bands, 13)}. Choose other images, or name their bands in “Bands”.")
    cards = catalog.band_cards([band_key(name) for name in known], preset)
    for card in cards:
        _refuse_unit(PUBLISHED[encoder].called, card, preset)
    return Input("image", "image", preset, tuple(_band(card, 0.0, 1.0) for card in cards), axes="tb", season=SeriesDays(window, window=window))


def _refuse_unit(called: str, card: Mapping[str, Any], preset: str) -> None:
    """Refuses a band that the sensor stores in another unit than the encoder takes, with the sensors that would do."""
    name, wanted = card["name"], unit_of(card["name"])
    if card["unit"] == wanted:
        return
    fitting = [key for key, sensor in PRESETS.items() if any((band.name, band.unit) == (name, wanted) for band in sensor.bands)]
    raise DataError(f"{called} takes the band {name} as {wanted}, and by the sensor {spoken(preset)} its unit is {card['unit']}. Choose in “Sensor” "
                    f"(preset) the sensor that the images come from, one of {listed(fitting, 8)}; convert images that hold other values first.")


def _band(card: Mapping[str, Any], centre: float, spread: float) -> InputBand:
    """A band as an `Input` has it, with what its values usually are where the card does not say."""
    scale, offset = float(card.get("scale") or 1.0), float(card.get("offset") or 0.0)
    if isinstance(card.get("mean"), (int, float)) and isinstance(card.get("std"), (int, float)) and card["std"] > 0:
        mean, deviation = float(card["mean"]), float(card["std"])
    elif card.get("unit") == "reflectance":
        mean, deviation = (LAND[0] - offset) / scale, LAND[1] / scale
    else:
        mean, deviation = float(centre), float(spread)
    usual = {"minimum": mean - ALL * deviation, "maximum": mean + ALL * deviation, "p001": mean - NEARLY_ALL * deviation,
             "p999": mean + NEARLY_ALL * deviation}
    said = {key: card[key] for key in usual if isinstance(card.get(key), (int, float)) and math.isfinite(card[key])}
    return InputBand(card["name"], card.get("wavelength_um"), card.get("unit") or "unknown", scale, offset, mean=mean, std=deviation,
                     centre=float(centre), spread=float(spread) or 1.0, slope=float(card.get("slope") or 0.0), **{**usual, **said})
