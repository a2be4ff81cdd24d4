"""The dated images that a model of series looks at: opened, in the order of their days, on one grid, those of its season alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...errors import DataError, ModelError
from ...progress import SILENT, Progress
from ..cards import SeriesDays
from ..datasets.dates import NO_DAY, YEAR, season_sentence
from ..datasets.season import Season
from ..models.package import Package
from ..models.record import ModelInput
from ..models.session import VERSION
from ..rasters.clouds import CLEAR, NOT_MEASURED, CloudMask, open_mask
from ..rasters.grid import Grid, Window
from ..rasters.raster import Raster, Scene
from ..rasters.sensors import Called
from ..rasters.series_dates import Dated, days_of, days_since, in_order
from .band_matching import AS_MODEL, Match, match_bands, preset_of
from .request import RUNTIME, absolute, compare_resolution, mask_tag, origin, tell_of_no_mask
from .stamps import Stamps, stamps

#: What computes models of series.
RUNTIME_OF_SERIES = f"onnxruntime {VERSION}"


class Within(Protocol):
    """Which pixels are wanted.

    Attributes:
        files: that they are read from.
    """

    files: list[str]

    def read(self, grid: Grid, window: Window) -> np.ndarray:
        """The pixels wanted in a window of the grid of the images, bool (y, x)."""


@dataclass(frozen=True)
class SeriesRequest:
    """Dated images, and how they are to be mapped.

    Attributes:
        images: raster values of a job; a data cube gives as many as it has days.
        masks: of clouds, of the days of images.
        mask_kind: key of `clouds.KINDS`.
        pattern: of the dates in file names, see `series_dates.days_of`.
        table: CSV file with the dates.
        together: whether several rasters of one day are its bands.
        season: images of other days are left out; None takes all.
        preset: how the stored values are scaled, see `band_matching.match_bands`.
        bands: names of the images' bands in order, separated by commas; empty takes those in the files.
        extent: part to map; None is all.
        nodata: a nodata value besides those in the files.
        provenance: what was asked and with which version, kept in the tags.
        within: pixels that are wanted; None for all. Of models of dated tiles it is not looked at.
        least_dates: pixels with fewer clear dates stay nodata; of models of dated tiles as within.
    """

    images: Sequence[dict]
    masks: Sequence[dict] = ()
    mask_kind: str = "scl"
    pattern: str | None = None
    table: str | None = None
    together: bool = False
    season: Season | None = None
    preset: str = AS_MODEL
    bands: str = ""
    extent: dict | None = None
    nodata: float | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    within: Within | None = None
    least_dates: int = 1

    def found_everywhere(self) -> SeriesRequest:
        """See `MapRequest.found_everywhere`."""
        return replace(self, images=absolute(self.images), masks=absolute(self.masks))

    def stamps(self, opened: OpenedSeries) -> Stamps | None:
        """Of the files that these images are read from, see `stamps.stamps`."""
        rasters = [raster for image in opened.images for raster in image.scene.rasters]
        masks = [image.mask.raster for image in opened.images if image.mask is not None]
        return stamps([], [*rasters, *masks], self.within.files if self.within else ())


@dataclass
class DatedImage:
    """The image of a date: its date, its day as the model counts, its scene, bands and mask."""

    date: date
    day: float
    scene: Scene
    matches: list[Match]
    mask: CloudMask | None

    def stored(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Stored values of the model's bands (band, y, x) and flags of `clouds` uint8 (y, x) of a window; the files are closed again, for there may
        be many.
        """
        stored, valid = self.scene.read(window, [match.position for match in self.matches])
        flags = np.full(valid.shape, CLEAR, np.uint8)
        if self.mask is not None:
            flags = self.mask.read(self.scene.grid, window)
            self.mask.close()
        flags[~valid] = NOT_MEASURED
        self.scene.close()
        return stored, flags

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Values of the model (band, y, x) and clear pixels (y, x) of a window."""
        stored, flags = self.stored(window)
        values = stored.astype(np.float32)
        for band, match in zip(values, self.matches, strict=True):
            match.convert(band)
        return values, (flags == CLEAR) & np.isfinite(values).all(0)


@dataclass(frozen=True)
class OpenedSeries:
    """What a model of series looks at.

    Attributes:
        seen: the input of the model.
        images: in the order of their days, those of the model's season alone.
        tags: of what is made of them.
    """

    seen: ModelInput
    images: list[DatedImage]
    tags: dict[str, str]

    @property
    def grid(self) -> Grid:
        """On which all images lie."""
        return self.images[0].scene.grid


def open_images(model: Package, request: SeriesRequest, progress: Progress = SILENT, products: Sequence[Any] = ()) -> OpenedSeries:
    """Opens the images that a model of series looks at.

    Args:
        model: of series.
        request: what is asked.
        progress: told how far it is, and what is left out.
        products: that are to be made, see `request.tell_of_no_mask`.

    Raises:
        DataError: images on different grids, of another season than the model's, of several years of the season asked for, or without the model's
            bands.
        ModelError: the model does not take one series.
    """
    seen, season = series_of(model)
    progress.at(0, "Reading the dates")
    ordered = in_order(_dated(request, progress), together=request.together, least=1, progress=progress)
    days = _in_season(season, ordered, progress)
    images = _opened(model, seen, request, ordered, days, progress)
    compare_resolution(model, images[0].scene.grid, images[0].scene.name, progress)
    rasters = (raster for each in images for raster in each.scene.rasters)
    tags = {**origin(model, rasters, [each.scene.name for each in images], request.provenance),
            "EO_PRETRAIN_DATES": ", ".join(each.date.isoformat() for each in images), RUNTIME: RUNTIME_OF_SERIES, **mask_tag([seen], request.masks)}
    tell_of_no_mask(tags, progress, products)
    return OpenedSeries(seen, images, tags)


def first_image(request: SeriesRequest) -> tuple[Grid, str]:
    """The grid on which all images of a series must lie, and the name of the first."""
    first = days_of(list(request.images), request.pattern, request.table)[0]
    with Raster(**first.sources[0]) as raster:
        return raster.grid, raster.name


def series_of(model: Package) -> tuple[ModelInput, SeriesDays]:
    """The one series that a model takes, and its season.

    Raises:
        ModelError: it takes none.
    """
    first, *others = model.inputs.values()
    if others or first.season is None:
        raise ModelError(f"The model {model.path} is for {model.task} and takes no series of dates. Use “Predict map”, or choose a model that "
                         "learned from series.")
    return first, first.season


def _dated(request: SeriesRequest, progress: Progress) -> list[Dated]:
    """The images with their days, of one season where one was asked for."""
    found = days_of(list(request.images), request.pattern, request.table)
    if request.season:
        found = request.season.within(found, progress=progress)
        request.season.check_one(found, "The images")
    return found


def _in_season(season: SeriesDays, ordered: list[Dated], progress: Progress) -> list[float]:
    """Days of the images as the model counts them, by whole years nearest to its season; `NO_DAY` outside of it."""
    counted = np.array(days_since([each.day for each in ordered], ordered[0].day.year), np.float64)
    moved = counted - round(YEAR * round(((counted[0] + counted[-1]) / 2 - season.middle) / YEAR))
    inside = season.seen(moved)
    told = season_sentence(season, counted, 1 - float(inside.mean()), "The images")
    if told:
        progress.message(told.replace("clear dates", "dates"), "warning")
    return np.where(inside, moved, NO_DAY).tolist()


def _opened(model: Package, seen: ModelInput, request: SeriesRequest, ordered: list[Dated], days: list[float], progress: Progress
            ) -> list[DatedImage]:
    """The images that the model looks at, all on one grid."""
    found: list[DatedImage] = []
    masks = {each.day: each for each in days_of(list(request.masks), request.pattern, request.table, lenient=True)}
    kept = [(each, day) for each, day in zip(ordered, days, strict=True) if day >= 0]
    without = [each.day.isoformat() for each, _ in kept if request.masks and each.day not in masks]
    if without and len(without) == len(kept):
        raise DataError(f"No cloud mask is of the day of an image: the masks are of {', '.join(map(str, sorted(masks)))[:200]}. Choose the masks of "
                        "the images, or correct their dates.")
    if without:
        progress.message(f"{len(without)} images have no cloud mask and count as clear: {', '.join(without[:8])}.", "warning")
    for number, (each, day) in enumerate(kept):
        progress.at(number / len(kept), "Opening the images")
        scene = Scene.open(sorted(each.sources, key=lambda source: Path(source["path"]).name), request.nodata,
                           preset_of(request.preset, seen.preset))
        if found and not found[0].scene.grid.same_as(scene.grid):
            raise DataError(f"{found[0].scene.path} and {scene.path} lie on different grids, but a series is read pixel by pixel. Bring one onto the "
                            "grid of the other with “Warp (reproject)”; of several tiles, map each by itself.")
        matches = match_bands(seen.bands, scene.band_names, called=Called(scene.name), scene=scene, preset=request.preset, model_preset=seen.preset,
                              bands_text=request.bands, progress=SILENT if found else progress)
        scene.close()
        mask = open_mask(masks[each.day].sources[0], request.mask_kind) if each.day in masks else None
        found.append(DatedImage(each.day, day, scene, matches, mask))
    return found
