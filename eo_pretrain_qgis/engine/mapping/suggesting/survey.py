"""From models and an image to the layer of places to label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.clear_scenes import clear_scenes
from ...datasets.dataset import Dataset
from ...looks.class_style import beside, confidence_qml
from ...models import package
from ...rasters.cog import TiledWriter
from ...rasters.grid import Grid, Window
from ...rasters.raster import Scene
from ..band_matching import AS_MODEL, empty_value, match_bands
from .choice import Candidates, blocked, choose, descriptors, polygon_candidates, tile_candidates, write_suggestions
from .uncertainty import MEASURES, MIXTURE, Doubt, Ensemble, Places, survey

NO_VALUE = 255


@dataclass(frozen=True)
class Wanted:
    """What is to be suggested.

    Attributes:
        measure: one of `uncertainty.MEASURES`, or `uncertainty.MIXTURE`.
        count: places wanted.
        diversity: 0 to 1, see `choice.choose`.
        tile_size: edge of a tile [px].
        areas: vector value of polygons to rank instead of tiles.
        dataset: folder of the dataset to be extended.
        minimum_valid: share of a place's pixels that must be valid and clear.
        clouds: kind of the cloud masks, a key of `cloud_flags.KINDS`.
        cloud_masks: raster values; one mask of the image or none.
    """

    measure: str = MIXTURE
    count: int = 20
    diversity: float = 0.3
    tile_size: int = 64
    areas: dict | None = None
    dataset: str | None = None
    minimum_valid: float = 0.9
    clouds: str = "none"
    cloud_masks: Sequence[dict] = ()


def suggest(models: Sequence[str], images: Sequence[dict], output: str, wanted: Wanted, *, preset: str = AS_MODEL, bands: str = "",
            extent: dict | None = None, nodata: float | None = None, device: str = "auto", uncertainty: str | None = None,
            progress: Progress = SILENT) -> dict:
    """Ranks the places of an image and writes those most worth labelling.

    Args:
        models: model files; several are an ensemble.
        images: raster values of a job: one file with all bands, or the bands of one scene in several.
        output: GeoPackage to write, see `choice.write_suggestions`; its form and style beside it.
        wanted: what is to be suggested.
        preset: how the stored values are scaled, see `band_matching.match_bands`.
        bands: names of the image's bands in order; empty takes those in the files.
        extent: part to look at; None is all.
        nodata: a nodata value besides those in the files.
        device: see `session.Session`.
        uncertainty: map of the measure in percent to write, of the entropy when it is the mixture, which pixels do not have; Byte COG,
            255 = nodata; None writes none.
        progress: also hears a warning when fewer places are left than asked for.

    Returns:
        ``suggestions``, ``candidates``, ``mean_uncertainty`` (of the suggested) and ``device``.

    Raises:
        DataError: the image does not fit the models or holds no valid pixel, or no place is left to suggest.
        JobError: models that do not go together.
        ModelError: a model that gives no classes.
    """
    opened = [package.open(path) for path in models]
    for model in opened:
        model.require(package.SEGMENTATION, "“Suggest labels”")
    ensemble = Ensemble(opened)

    def open_scene(said: Progress = SILENT) -> Scene:
        scene = Scene.open(list(images), nodata, empty_value(preset, ensemble.package.preset))
        return clear_scenes([scene], wanted.cloud_masks, wanted.clouds, said)[0]

    with open_scene(progress) as scene:
        grid, name = scene.grid, scene.name
        area = grid.window_of(extent) if extent else grid.window
        matches = match_bands(ensemble.package.bands, scene.band_names, image=name, scene=scene, preset=preset, bands_text=bands, progress=progress,
                              model_preset=ensemble.package.preset)
    candidates = polygon_candidates(wanted.areas, grid, area, progress) if wanted.areas else tile_candidates(grid, wanted.tile_size, area)
    taken = blocked(candidates, Dataset.open(wanted.dataset) if wanted.dataset else None)
    places = candidates.places()
    with ExitStack() as stack:
        also = _uncertainty_map(stack, uncertainty, grid, area, "entropy" if wanted.measure == MIXTURE else wanted.measure,
                                progress) if uncertainty else None
        used = survey(ensemble, open_scene, matches, places, area=area, device=device, also=also, progress=progress.part(0, 0.9))
    measures = {MIXTURE: places.mixture(), **{each: places.mean(each)[:, 0] for each in (MEASURES if len(ensemble) > 1 else MEASURES[:2])}}
    chosen = _choose(candidates, places, measures[wanted.measure], taken, wanted, name, progress.part(0.9, 0.95))
    progress.at(0.95, "Writing the places")
    write_suggestions(output, candidates, chosen, places, measures, wanted.measure, ensemble.package.classes, progress)
    return {"suggestions": len(chosen), "candidates": int((~taken).sum()),
            "mean_uncertainty": round(float(measures[wanted.measure][chosen].mean()), 4), "device": used}


def _choose(candidates: Candidates, places: Places, unsure: np.ndarray, taken: np.ndarray, wanted: Wanted, name: str,
            progress: Progress) -> np.ndarray:
    enough = (places.valid > 0) & (places.valid_share >= wanted.minimum_valid)
    free = np.flatnonzero(enough & ~taken)
    what = "polygons" if candidates.masked else f"tiles of {wanted.tile_size} × {wanted.tile_size} px"
    clear = " and clear" if wanted.cloud_masks else ""
    if not len(free):
        raise DataError(f"{name} has no place left to suggest: of {len(taken)} {what}, {int((~enough).sum())} have too few valid{clear} pixels and "
                        f"{int((taken & enough).sum())} are in the dataset or too near its validation and test tiles. Choose another image or "
                        "extent.")
    if len(free) < wanted.count:
        progress.message(f"Only {len(free)} of the {len(taken)} {what} can be suggested, and {wanted.count} were asked for; all of them are in the "
                         "layer.", level="warning")
    picked = choose(unsure[free], descriptors(places)[free], wanted.count, wanted.diversity, progress)
    return free[picked]


def _uncertainty_map(stack: ExitStack, path: str, grid: Grid, area: Window, measure: str,
                     progress: Progress) -> Callable[[Window, Doubt, np.ndarray], None]:
    """A function that writes the measure of every pixel; the map becomes a file when `stack` closes without an error."""
    stack.enter_context(beside(path, progress, qml=confidence_qml))
    writer = stack.enter_context(TiledWriter(path, grid.sub(area), "uint8", 1, NO_VALUE, descriptions=[f"{measure} [%]"], resampling="average",
                                             progress=progress))

    def also(window: Window, doubt: Doubt, valid: np.ndarray) -> None:
        percent = np.rint(100 * doubt.measures[measure].clip(0, 1)).astype(np.uint8)
        place = Window(window.col - area.col, window.row - area.row, window.width, window.height)
        writer.write(np.where(valid, percent, NO_VALUE).astype(np.uint8), place)

    return also
