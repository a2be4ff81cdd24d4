"""From models and an image to the layer of places to label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ....errors import DataError, JobError
from ....progress import SILENT, Progress
from ...datasets.dataset import Dataset
from ...models import package
from ..dated_images import SeriesRequest, first_image
from ..inference import map_scene
from ..products.survey import Survey
from ..request import MapRequest
from ..series import map_series
from .choice import Candidates, blocked, choose, descriptors, polygon_candidates, square_candidates, tile_candidates, write_suggestions
from .uncertainty import MEASURES, MIXTURE, Ensemble, Places

#: Edge of a tile where none is given [px].
TILE = 64


@dataclass(frozen=True)
class Wanted:
    """What is to be suggested.

    Attributes:
        measure: one of `uncertainty.MEASURES`, or `uncertainty.MIXTURE`.
        count: places wanted.
        diversity: 0 to 1, see `choice.choose`.
        tile_size: edge of a tile [px]; None is the usual one.
        areas: vector value of polygons to rank instead of tiles.
        dataset: folder of the dataset to be extended.
        minimum_valid: share of a place's pixels that must be valid and clear.
    """

    measure: str = MIXTURE
    count: int = 20
    diversity: float = 0.3
    tile_size: int | None = None
    areas: dict | None = None
    dataset: str | None = None
    minimum_valid: float = 0.9


def suggest(models: Sequence[str], output: str, wanted: Wanted, request: MapRequest, uncertainty: str | None = None,
            progress: Progress = SILENT) -> dict:
    """Ranks the places of an image and writes those most worth labelling.

    Args:
        models: model files; several are an ensemble.
        output: GeoPackage to write, see `choice.write_suggestions`; its form and style beside it.
        wanted: what is to be suggested.
        request: the image.
        uncertainty: map of the measure in percent to write, of the entropy when it is the mixture, which pixels do not have; None writes none.
        progress: also hears a warning when fewer places are left than asked for.

    Returns:
        ``suggestions``, ``candidates``, ``mean_uncertainty`` (of the suggested) and ``device``.

    Raises:
        DataError: the image does not fit the models or holds no valid pixel, or no place is left to suggest.
        JobError: models that do not go together, or polygons for a model of squares.
        ModelError: a model that gives no classes, or several at once.
    """
    ensemble = Ensemble.of([package.open(path) for path in models])
    request = replace(request, least_measured=wanted.minimum_valid)
    series = _series(ensemble, request)
    if series:
        (grid, name), squares = first_image(series), None
    else:
        with request.scene(ensemble) as scene:
            grid, name, squares = scene.grid, scene.name, request.squares(ensemble, scene.grid, scene.name)
    area = request.area(grid)
    if squares and wanted.areas:
        raise JobError(f"“Areas” (areas) ranks polygons, and the model {ensemble.path} answers for squares of {squares.side} px as a whole. Leave it "
                       "empty.")
    wanted = replace(wanted, tile_size=squares.side) if squares else wanted
    candidates = (square_candidates(squares, area) if squares else polygon_candidates(wanted.areas, grid, area, progress) if wanted.areas
                  else tile_candidates(grid, wanted.tile_size or TILE, area))
    taken = blocked(candidates, Dataset.open(wanted.dataset) if wanted.dataset else None)
    places = candidates.places()
    survey = Survey(ensemble, places, uncertainty, "entropy" if wanted.measure == MIXTURE else wanted.measure)
    part = progress.part(0, 0.9)
    used = map_series(ensemble, series, [survey], part)["device"] if series else map_scene(ensemble, request, [survey], part).device
    several = len(ensemble.packages) > 1
    measures = {MIXTURE: places.mixture(), **{each: places.mean(each)[:, 0] for each in (MEASURES if several else MEASURES[:2])}}
    chosen = _choose(candidates, places, measures[wanted.measure], taken, wanted, name, bool(request.cloud_masks), progress.part(0.9, 0.95))
    progress.at(0.95, "Writing the places")
    write_suggestions(output, candidates, chosen, places, measures, wanted.measure, ensemble.classes, progress)
    return {"suggestions": len(chosen), "candidates": int((~taken).sum()),
            "mean_uncertainty": round(float(measures[wanted.measure][chosen].mean()), 4), "device": used}


def _series(ensemble: Ensemble, request: MapRequest) -> SeriesRequest | None:
    """The images as dates of a series, for a model of series; None for others.

    Raises:
        JobError: several models of series, or several cloud masks for one image.
    """
    if next(iter(ensemble.inputs.values())).axes == "tb":
        if len(ensemble.packages) > 1:
            raise JobError(f"{len(ensemble.packages)} models of series were given, and one at a time can be asked. Give one of them.")
        return SeriesRequest(request.sources, request.cloud_masks, request.clouds if request.cloud_masks else "scl", preset=request.preset,
                             bands=request.bands, extent=request.extent, nodata=request.nodata, provenance=request.provenance)
    if len(request.cloud_masks) > 1:
        raise JobError(f"{len(request.cloud_masks)} cloud masks were given for one image. Give one.")
    return None


def none_left(candidates: Candidates, places: Places, taken: np.ndarray, wanted: Wanted, name: str, masked: bool) -> DataError:
    """The sentence for an image in which no place is left."""
    enough = (places.valid > 0) & (places.valid_share >= wanted.minimum_valid)
    clear = " and clear" if masked else ""
    return DataError(f"{name} has no place left to suggest: of {len(taken)} {candidates.what}, {int((~enough).sum())} have too few valid{clear} "
                     f"pixels and {int((taken & enough).sum())} are in the dataset or too near its validation and test tiles. Choose another image "
                     "or extent.")


def _choose(candidates: Candidates, places: Places, unsure: np.ndarray, taken: np.ndarray, wanted: Wanted, name: str, masked: bool,
            progress: Progress) -> np.ndarray:
    enough = (places.valid > 0) & (places.valid_share >= wanted.minimum_valid)
    free = np.flatnonzero(enough & ~taken)
    if not len(free):
        raise none_left(candidates, places, taken, wanted, name, masked)
    if len(free) < wanted.count:
        progress.message(f"Only {len(free)} of the {len(taken)} {candidates.what} can be suggested, and {wanted.count} were asked for; all of them "
                         "are in the layer.", level="warning")
    picked = choose(unsure[free], descriptors(places)[free], wanted.count, wanted.diversity, progress)
    return free[picked]
