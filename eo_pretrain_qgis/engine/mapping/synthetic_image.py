"""A translation model and an image → an image as another sensor might have taken it, marked everywhere as made and not measured."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ...markup import escaped
from ...progress import SILENT, Progress
from ..looks.class_style import beside, raster_qml
from ..looks.tile_pictures import NO_PICTURE, TRUE_COLOUR
from ..models.metadata import synthetic_name
from ..models.package import TRANSLATION, ModelBand, Package
from ..rasters.cog import TiledWriter
from ..rasters.grid import Window
from ..rasters.raster import Scene
from .band_matching import AS_MODEL, empty_value, match_bands
from .class_map import compare_resolution, provenance, warn_out_of_range
from .inference import Outcome, Part, apply

WORD = "synthetic"
#: Standard deviations about the mean of the training pixels that the style shows.
SHOWN_SPREAD = 2
#: Custom property of a layer's style under which the name stands that QGIS is to show.
LAYER_NAME = "eo_pretrain/name"


def synthesize(package: Package, sources: Sequence[dict], output: str, *, preset: str = AS_MODEL, bands: str = "", extent: dict | None = None,
               nodata: float | None = None, tile_size: int = 1024, halo: int | None = None, device: str = "auto",
               parameters: dict[str, Any] | None = None, progress: Progress = SILENT) -> Outcome:
    """Makes the image of another sensor.

    Args:
        package: a model of the task translation.
        sources: raster values of a job: one file with all bands, or the bands of one scene in several.
        output: COG to write: float32, a band per band of the other sensor in its stored units, NaN = nodata, with a `.qml` beside it.
        preset: how the stored values are scaled, see `band_matching.match_bands`.
        bands: names of the image's bands in order, separated by commas; empty takes those in the files.
        extent: part to make; None is all.
        nodata: a nodata value besides those in the files.
        tile_size: edge of what the network sees at once [px].
        halo: thrown away at each side of a tile [px]; None is what the model needs.
        device: see `session.Session`.
        parameters: what was asked and with which version, kept in the image's tags.
        progress: told how far it is, warnings about the image, and how the file had better be called.

    Returns:
        What was found.

    Raises:
        ModelError: the model gives classes.
        DataError: the image does not fit the model, holds no valid pixel, is damaged, or the disk is full.
        EngineError: the device cannot be used or memory ran out.
    """
    package.require(TRANSLATION, "a synthetic image")

    def open_scene() -> Scene:
        return Scene.open(list(sources), nodata, empty_value(preset, package.preset))

    with open_scene() as scene:
        grid, name = scene.grid, scene.name
        area = grid.window_of(extent) if extent else grid.window
        matches = match_bands(package.bands, scene.band_names, image=name, scene=scene, preset=preset,
                              model_preset=package.preset, bands_text=bands, progress=progress)
        compare_resolution(package, grid, name, progress)
        tags = {**provenance(package, scene, parameters or {}), **_marks(package, name)}
    _suggest_name(package, output, name, progress)
    progress.at(0, f"Loading the model {package.id}")
    session = package.session(device, progress=progress)
    with ExitStack() as stack:
        stack.enter_context(beside(output, progress, qml=lambda: synthetic_qml(package, name)))
        writer = stack.enter_context(TiledWriter(
            output, grid.sub(area), "float32", len(package.targets), np.nan, descriptions=[synthetic_name(band.name) for band in package.targets],
            tags=tags, resampling="average", progress=progress))

        def take(part: Part) -> None:
            place = Window(part.window.col - area.col, part.window.row - area.row, part.window.width, part.window.height)
            writer.write(np.where(part.valid, part.scores, np.float32(np.nan)), place)

        outcome = apply(package, session, open_scene, matches, take, area=area, tile_size=tile_size, halo=halo, progress=progress)
    Path(output + ".aux.xml").unlink(missing_ok=True)  # statistics or classes GDAL kept of a map that this one replaced
    warn_out_of_range(matches, outcome, name, progress)
    return outcome


def layer_name(package: Package, image: str) -> str:
    """What a layer of the image is called."""
    return f"{WORD.capitalize()} {package.target_sensor} from {image}"


def synthetic_qml(package: Package, image: str) -> str:
    """QGIS style: natural colours where the sensor has them, else the first band in grey; a name and a note that say what it is."""
    names = [band.name for band in package.targets]
    if set(TRUE_COLOUR) <= set(names):
        chosen = [names.index(name) for name in TRUE_COLOUR]
    else:
        chosen = [next((number for number, name in enumerate(names) if name not in NO_PICTURE), 0)]
    if len(chosen) == 3:
        attributes = 'type="multibandcolor" opacity="1" alphaBand="-1" nodataColor="" ' + " ".join(
            f'{colour}Band="{number + 1}"' for colour, number in zip(("red", "green", "blue"), chosen))
        content = "".join(_stretch(f"{colour}ContrastEnhancement", package.targets[number])
                          for colour, number in zip(("red", "green", "blue"), chosen))
    else:
        attributes = f'type="singlebandgray" opacity="1" alphaBand="-1" nodataColor="" gradient="BlackToWhite" grayBand="{chosen[0] + 1}"'
        content = _stretch("contrastEnhancement", package.targets[chosen[0]])
    more = (f'  <customproperties>\n    <Option type="Map">\n      <Option type="QString" name="{LAYER_NAME}" '
            f'value="{escaped(layer_name(package, image))}"/>\n    </Option>\n  </customproperties>\n'
            f'  <userNotes value="{escaped(_marks(package, image)["TIFFTAG_IMAGEDESCRIPTION"])}"/>\n')
    return raster_qml(attributes, content, "Symbology|CustomProperties|Notes", more)


def _stretch(element: str, band: ModelBand) -> str:
    low, high = max(band.p001, band.mean - SHOWN_SPREAD * band.std), min(band.p999, band.mean + SHOWN_SPREAD * band.std)
    return (f"      <{element}>\n        <minValue>{low:g}</minValue>\n        <maxValue>{high:g}</maxValue>\n"
            f"        <algorithm>StretchToMinimumMaximum</algorithm>\n      </{element}>\n")


def _marks(package: Package, image: str) -> dict[str, str]:
    """Tags that say that the image was made."""
    text = (f"Synthetic image of {package.target_sensor}, made from {image} by the model {package.id}. Nothing in it was measured; "
            "it shows what the model expects and must not be used as a measurement.")
    return {"EO_PRETRAIN_SYNTHETIC": "YES", "EO_PRETRAIN_SYNTHETIC_SENSOR": package.target_sensor, "TIFFTAG_IMAGEDESCRIPTION": text}


def _suggest_name(package: Package, output: str, image: str, progress: Progress) -> None:
    if WORD not in Path(output).stem.lower():
        better = f"{WORD}_{package.target_sensor}_{Path(image).stem}.tif".replace(" ", "_")
        progress.message(f"The image is synthetic, but its file name {Path(output).name} does not say so; call it {better}, so that nobody takes "
                         "it for a measurement.", level="warning")
