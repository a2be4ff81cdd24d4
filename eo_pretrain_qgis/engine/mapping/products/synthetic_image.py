"""A translation model and an image → an image as another sensor might have taken it, marked everywhere as made and not measured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ....markup import escaped
from ....progress import Progress
from ...cards import ModelBand
from ...looks.class_style import raster_qml, stretch
from ...looks.tile_pictures import NO_PICTURE, TRUE_COLOUR
from ...models.metadata import synthetic_name
from ...models.package import Package
from ..inference import Part
from ..request import Canvas
from .drawing import Drawing

WORD = "synthetic"
#: Standard deviations about the mean of the training pixels that the style shows.
SHOWN_SPREAD = 2
#: Custom property of a layer's style under which the name stands that QGIS is to show.
LAYER_NAME = "eo_pretrain/name"


@dataclass(frozen=True)
class SyntheticImage:
    """The image of another sensor: float32 COG, a band per band of that sensor in its stored units, NaN = nodata, with a `.qml` beside it."""

    name: ClassVar[str] = "synthetic_image"
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the image, and says how its file had better be called."""
        model, image = canvas.model, canvas.image
        _suggest_name(model, self.path, image, progress)
        raster = Drawing(self.path, [synthetic_name(band.name) for band in model.targets], lambda: synthetic_qml(model, image), "float32", np.nan,
                        tags=_marks(model, image))
        return raster.drawn(canvas, progress, lambda part: part.scores)


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
    return stretch(element, low, high)


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
