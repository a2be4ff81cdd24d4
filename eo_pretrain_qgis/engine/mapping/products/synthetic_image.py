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
from ...looks.class_style import named
from ...looks.image_style import ShownBand, image_qml
from ...looks.tile_pictures import NO_PICTURE, TRUE_COLOUR
from ...models.metadata import synthetic_name
from ...models.package import Package
from ..inference import Part
from ..request import Canvas
from .drawing import Drawing

WORD = "synthetic"
#: Standard deviations about the mean of the training pixels that the style shows.
SHOWN_SPREAD = 2


@dataclass(frozen=True)
class SyntheticImage:
    """The image of another sensor: float32 COG, a band per band of that sensor in its stored units, NaN = nodata, with a `.qml` beside it."""

    name: ClassVar[str] = "synthetic_image"
    clouds_become: ClassVar[str] = "clouds are translated as if they were ground"
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
    shown = [_shown(number + 1, package.targets[number]) for number in chosen]
    notes = f'  <userNotes value="{escaped(_marks(package, image)["TIFFTAG_IMAGEDESCRIPTION"])}"/>\n'
    return named(image_qml(shown, "Symbology|Notes", notes), layer_name(package, image))


def _shown(number: int, band: ModelBand) -> ShownBand:
    return ShownBand(number, max(band.p001, band.mean - SHOWN_SPREAD * band.std), min(band.p999, band.mean + SHOWN_SPREAD * band.std))


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
