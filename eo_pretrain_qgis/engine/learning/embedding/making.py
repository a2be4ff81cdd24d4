"""Weights and the images that are to be embedded → the model file that embeds them."""

from __future__ import annotations

from pathlib import Path

from ....errors import DataError, ModelError
from ....progress import SILENT, Progress
from ...cards import Input
from ...mapping.band_matching import AS_MODEL, match_bands, preset_of
from ...mapping.dated_images import SeriesRequest
from ...models.package import Package
from ...rasters.grid import Grid
from ...rasters.raster import Scene
from ...rasters.sensors import PRESETS, Called
from ...rasters.series_dates import days_of
from ..networks.monthly import FIRST_DAYS, YEAR, MonthlyEncoder
from .encoders import IMAGES, TILES_IN_TIME, Known, image_embedding, monthly_input, read_encoder, series_embedding
from .export import write_embedding
from .networks import SeriesEmbedding


def make_model(place: str, count: int | None, images: SeriesRequest, target: str, plugin_version: str, progress: Progress = SILENT) -> Package:
    """Writes the model file of an embedding.

    Args:
        place: of the weights, see `encoder_files.find_weights`.
        count: of its numbers; None is the usual one.
        images: that are to be embedded. Of these published weights of monthly encoders take bands, months and place on Earth, and others the place
            alone.
        target: the .onnx file to write.
        plugin_version: for the provenance.
        progress: told of every step.

    Raises:
        DataError: the images do not fit an encoder of series.
        ModelError: the weights cannot be read, or embed nothing.
    """
    progress.at(0, "Reading the encoder")
    grid, names = _looked_at(images)
    known = read_encoder(place, names, progress.part(0, 0.1))
    if known.takes == TILES_IN_TIME:
        raise ModelError(f"The encoder {known.encoder} of {place} looks at dated tiles and gives classes of them alone. Choose an encoder of images, "
                         "or of series.")
    of_images = known.takes == IMAGES
    network = image_embedding(known, count, progress) if of_images else _of_series(known, count, images, names, grid, progress)
    _check_bands(network.seen, images, list(images.images) if of_images else list(images.images[:1]))
    return write_embedding(network, known, target, grid.metres_per_pixel(), plugin_version, progress.part(0.1, 1))


def _looked_at(images: SeriesRequest) -> tuple[Grid, list[str]]:
    """The grid of the images and the names of their bands: of one scene or of all days, whichever they are."""
    with Scene.open(list(images.images[:1])) as first:
        grid = first.grid
    text = [name.strip() for name in images.bands.split(",") if name.strip()]
    names: list[str] = []
    for source in images.images:
        with Scene.open([source]) as scene:
            names += [name for name in scene.band_names if name not in names]
    return grid, text or names


def _of_series(known: Known, count: int | None, images: SeriesRequest, names: list[str], grid: Grid, progress: Progress) -> SeriesEmbedding:
    """An encoder of series for images on a grid, with bands of these names. A monthly encoder is told where the middle of the whole is, so that each
    part is embedded alike.
    """
    found = None if known.run else monthly_input(known.encoder, names, _preset(known, images), _months(images))
    network = series_embedding(known, count, found, progress)
    if isinstance(network.encoder, MonthlyEncoder):
        network.encoder.stand_at(*grid.centre_lonlat())
    return network


def _check_bands(seen: Input, images: SeriesRequest, sources: list[dict]) -> None:
    """Refuses images without the bands of the encoder, or with others' units, before a network is translated for them.

    Raises:
        DataError: see `band_matching.match_bands`.
    """
    if images.together:
        return
    with Scene.open(sources, images.nodata, preset_of(images.preset, seen.preset)) as scene:
        match_bands(seen.bands, scene.band_names, called=Called(scene.name), preset=images.preset, model_preset=seen.preset, bands_text=images.bands)


def _preset(known: Known, images: SeriesRequest) -> str:
    """How the images are stored: as was said, else as the card of the weights says.

    Raises:
        DataError: nobody says.
    """
    found = str(known.card.get("preset") or "generic") if images.preset == AS_MODEL else images.preset
    if not PRESETS[found].bands:
        raise DataError(f"{Path(known.file).name} wants reflectance and decibels, and nobody says how the images store them. Choose their sensor.")
    return found


def _months(images: SeriesRequest) -> tuple[float, float]:
    """First and last day of the calendar months of the season that was asked for, else of the images, counted from 1 January of the first year in
    years of 365 days, as these encoders count, so that leap years have the same months.
    """
    found = days_of(list(images.images), images.pattern, images.table)
    season = images.season
    days = sorted(each.day for each in (season.within(found) if season else found))
    first, last = (season.around(days[0]) if season else None) or (days[0], days[-1])
    behind = [*FIRST_DAYS[1:], YEAR][last.month - 1]
    return float(FIRST_DAYS[first.month - 1]), float((last.year - first.year) * YEAR + behind - 1)
