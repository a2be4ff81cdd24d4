"""A model and an image → a class map that QGIS shows with names and colours, and says where it came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ...progress import SILENT, Progress
from ..looks.class_style import beside, class_map_qml, colormap, confidence_qml, raster_attributes
from ..models.package import Package
from ..models.session import VERSION
from ..rasters.cog import TiledWriter
from ..rasters.grid import Grid, Window
from ..rasters.raster import Scene
from .band_matching import AS_MODEL, Match, empty_value, match_bands
from .inference import NO_CLASS, Outcome, predict

#: Pixel sizes of image and training images may differ by this factor without a warning.
LARGEST_RESOLUTION_RATIO = 1.5
#: Share of a band's pixels outside the training range from which on the user is warned.
WARNED_OUT_OF_RANGE = 0.05
NO_CONFIDENCE = 255


def map_image(
    package: Package,
    sources: Sequence[dict],
    output: str,
    *,
    confidence: str | None = None,
    preset: str = AS_MODEL,
    bands: str = "",
    extent: dict | None = None,
    nodata: float | None = None,
    tile_size: int = 1024,
    halo: int | None = None,
    device: str = "auto",
    parameters: dict[str, Any] | None = None,
    progress: Progress = SILENT,
) -> Outcome:
    """Maps the classes of a model over an image.

    Args:
        package: the model.
        sources: raster values of a job: one file with all bands, or the bands of one scene in several.
        output: class map to write: Byte COG, the classes' values, 255 = nodata, with `.aux.xml` and `.qml` beside it.
        confidence: probability of the mapped class in percent to write, Byte COG, 255 = nodata; None writes none.
        preset: how the stored values are scaled, see `band_matching.match_bands`.
        bands: names of the image's bands in order, separated by commas; empty takes those in the files.
        extent: part to map; None is all.
        nodata: a nodata value besides those in the files.
        tile_size: edge of what the network sees at once [px].
        halo: thrown away at each side of a tile [px]; None is what the model needs.
        device: see `session.Session`.
        parameters: what was asked and with which version, kept in the map's tags.
        progress: of the whole; also hears warnings about the image.

    Returns:
        What was found.

    Raises:
        DataError: the image does not fit the model, holds no valid pixel, is damaged, or the disk is full.
        EngineError: the device cannot be used or memory ran out.
    """
    def open_scene() -> Scene:
        return Scene.open(list(sources), nodata, empty_value(preset, package.preset))

    with open_scene() as scene:
        grid = scene.grid
        area = grid.window_of(extent) if extent else grid.window
        matches = match_bands(package.bands, scene.band_names, image=scene.name, scene=scene, preset=preset,
                              model_preset=package.preset, bands_text=bands, progress=progress)
        compare_resolution(package, grid, scene.name, progress)
        name = scene.name
        tags = provenance(package, scene, parameters or {})
    progress.at(0, f"Loading the model {package.id}")
    session = package.session(device, progress=progress)
    with ExitStack() as stack:
        write = _writers(stack, package, grid.sub(area), area, output, confidence, tags, progress)
        outcome = predict(package, session, open_scene, matches, write, area=area, tile_size=tile_size, halo=halo, progress=progress)
    if confidence:
        Path(confidence + ".aux.xml").unlink(missing_ok=True)  # statistics GDAL kept of a map that this one replaced
    warn_out_of_range(matches, outcome, name, progress)
    return outcome


def provenance(package: Package, scene: Scene, parameters: dict[str, Any]) -> dict[str, str]:
    """Tags that say where a map came from: model, its checksum and licence, images, what was asked, versions."""
    tags = {
        "EO_PRETRAIN_MODEL": package.id,
        "EO_PRETRAIN_MODEL_SHA256": package.sha256,
        "EO_PRETRAIN_MODEL_LICENCE": package.description["licence"],
        "EO_PRETRAIN_IMAGES": json.dumps([raster.name for raster in scene.rasters], ensure_ascii=False),
        "EO_PRETRAIN_PARAMETERS": json.dumps(parameters, ensure_ascii=False),
        "EO_PRETRAIN_RUNTIME": f"onnxruntime {VERSION}",
    }
    return tags | ({"ACQUISITION_DATE": scene.date} if scene.date else {})


def _writers(stack: ExitStack, package: Package, grid: Grid, area: Window, output: str, confidence: str | None,
             tags: dict[str, str], progress: Progress) -> Callable[[Window, np.ndarray, np.ndarray], None]:
    """Opens the rasters to write in `stack`; they become files when it closes without an error."""
    classes = package.classes
    values = np.full(256, NO_CLASS, np.uint8)
    values[:len(classes)] = [row.value for row in classes]
    stack.enter_context(beside(output, progress, aux_xml=lambda: raster_attributes(classes), qml=lambda: class_map_qml(classes)))
    class_map = stack.enter_context(TiledWriter(output, grid, "uint8", 1, NO_CLASS, descriptions=["class"], colormap=colormap(classes),
                                                tags=tags, resampling="nearest", progress=progress))
    percent_map = None
    if confidence:
        stack.enter_context(beside(confidence, progress, qml=confidence_qml))
        percent_map = stack.enter_context(TiledWriter(confidence, grid, "uint8", 1, NO_CONFIDENCE, descriptions=["confidence [%]"],
                                                      tags=tags, resampling="average", progress=progress))

    def write(window: Window, positions: np.ndarray, probability: np.ndarray) -> None:
        place = Window(window.col - area.col, window.row - area.row, window.width, window.height)
        class_map.write(values[positions], place)
        if percent_map:
            percent = np.rint(100 * probability).astype(np.uint8)
            percent[positions == NO_CLASS] = NO_CONFIDENCE
            percent_map.write(percent, place)

    return write


def compare_resolution(package: Package, grid: Grid, name: str, progress: Progress) -> None:
    """Warns when the pixels of an image differ in size from those of the training images."""
    ours, theirs = grid.metres_per_pixel(), package.resolution_m
    ratio = max(max(a / b, b / a) for a, b in zip(ours, theirs, strict=True))
    if ratio > LARGEST_RESOLUTION_RATIO:
        progress.message(f"The pixels of {name} measure {ours[0]:.4g} x {ours[1]:.4g} m, but the model was trained on {theirs[0]:.4g} x "
                         f"{theirs[1]:.4g} m; the map may be poor. Resample the image to that size with “Warp (reproject)”.", level="warning")


def warn_out_of_range(matches: list[Match], outcome: Outcome, name: str, progress: Progress) -> None:
    """Warns when many values of an image lie outside the range of the training images."""
    odd = [f"{share:.0%} of {match.model.name} ({match.model.p001:.4g} to {match.model.p999:.4g})"
           for match, share in zip(matches, outcome.out_of_range_shares, strict=True) if share > WARNED_OUT_OF_RANGE]
    if odd:
        progress.message(f"Values of {name} lie outside the range of the training images: {', '.join(odd)}. "
                         "Check “Sensor” and “Nodata value”, or train with images like this one.", level="warning")
