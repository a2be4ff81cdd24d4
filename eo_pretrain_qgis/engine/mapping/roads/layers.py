"""How probable a road is at every pixel of an area, in a file beside an output: from a model, or from a raster that holds it already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ....errors import DataError, ModelError, listed
from ....progress import SILENT, Progress
from ...looks.class_style import confidence_qml
from ...models.package import Package
from ...rasters.grid import Window, blocks
from ...rasters.raster import Raster
from ..inference import Part
from ..journal import Pixels
from ..products.drawing import Drawing
from ..products.drawing import percent as in_percent
from ..request import Canvas
from ..scratch import scratch_array

#: Name of the class, as “Create road dataset” calls it.
ROAD = "road"
#: Of `RoadLayers.percent`.
NOT_MEASURED = 255
#: Edge of the pieces of a raster that are read at once [px].
PIECE = 2048


@dataclass
class RoadLayers:
    """What a model says of roads in the area of a run: the product of a map run that roads are drawn from.

    Attributes:
        percent: probability of road in percent, uint8 (y, x), 255 where nothing was measured.
        road: which pixels are road, uint8 (y, x), to be filled.
        tags: of the run.
        output: that they lie beside.
    """

    name: ClassVar[str] = "roads"
    percent: np.ndarray
    road: np.ndarray
    tags: dict[str, str] = field(default_factory=dict)
    output: str = ""

    @classmethod
    @contextmanager
    def beside(cls, output: str, size: tuple[int, int]) -> Iterator[RoadLayers]:
        """Empty layers of so many rows and columns, in files in the folder of `output` that are removed at the end."""
        with scratch_array(output, "uint8", size) as percent, scratch_array(output, "uint8", size) as road:
            percent[:] = NOT_MEASURED
            yield cls(percent, road, output=output)

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Callable[[Part], None]]:
        """Takes the parts of a run.

        Raises:
            ModelError: the model does not know roads.
        """
        road = position(canvas.model)
        self.tags |= canvas.tags

        def values(part: Part) -> np.ndarray:
            return np.where(part.valid, in_percent(part.scores[road]), NOT_MEASURED).astype(np.uint8)

        def put(own: np.ndarray, place: Window) -> None:
            self.percent[place.row:place.row + place.height, place.col:place.col + place.width] = own

        yield Pixels(self.output, 1, str(self.percent.dtype), canvas, values, put)


@dataclass(frozen=True)
class RoadProbability:
    """Probability of road in percent: Byte COG, 255 = nodata."""

    name: ClassVar[str] = "roads"
    path: str

    def open(self, canvas: Canvas, progress: Progress) -> AbstractContextManager[Callable[[Part], None]]:
        """Begins the raster."""
        road = position(canvas.model)
        raster = Drawing(self.path, [f"{ROAD} [%]"], confidence_qml)
        return raster.drawn(canvas, progress, lambda part: in_percent(part.scores[road]))


def position(model: Package) -> int:
    """Where roads stand among the classes of a model.

    Raises:
        ModelError: it has no such class.
    """
    names = [row.name for row in model.classes]
    if ROAD not in names:
        raise ModelError(f"The model {model.path} has the classes {listed(names)}, and roads are drawn from “{ROAD}”. Choose a model of a dataset "
                         "made by “Create road dataset”.")
    return names.index(ROAD)


def band_of(raster: Raster) -> int:
    """Position of the band with the probability of road: the only one, or that called “road”.

    Raises:
        DataError: there are several, and none or more than one is called so.
    """
    names = [name.split(" [")[0].casefold() for name in raster.band_names]
    if len(names) == 1:
        return 0
    if names.count(ROAD) != 1:
        raise DataError(f"{raster.path} has {len(names)} bands, {listed(raster.band_names)}, and one called “{ROAD}” is needed. Choose a raster with "
                        "one band, or the “Class shares” of a map of roads.")
    return names.index(ROAD)


def read_percent(raster: Raster, area: Window, layers: RoadLayers, progress: Progress = SILENT) -> None:
    """Fills `layers.percent` from a raster: whole numbers are percent, others, and numbers with a scale in the file, shares from 0 to 1.

    Raises:
        DataError: it holds other values, or nothing that was measured, or is damaged.
    """
    band, most = band_of(raster), -1.0
    scale, offset = raster.scales[band], raster.offsets[band]
    scaled = (scale, offset) != (1, 0)
    whole = np.issubdtype(np.dtype(raster.dtype), np.integer) and not scaled
    largest, pieces = 100 if whole else 1, blocks(area, PIECE)
    for done, piece in enumerate(pieces):
        progress.at(done / len(pieces), "Reading probabilities")
        (values,), valid = raster.read(piece, [band])
        values = values * scale + offset if scaled else values
        wrong = valid & ((values < 0) | (values > largest * (1 + 1e-6)))
        if wrong.any():
            row, col = np.argwhere(wrong)[0]
            kind = "percent, so from 0 to 100" if whole else "a share, so from 0 to 1"
            stored = f"{raster.dtype} with the scale {scale:g} and the offset {offset:g}" if scaled else raster.dtype
            raise DataError(f"{raster.path} holds {values[row, col]:g} in column {piece.col + col}, row {piece.row + row}, but a probability stored "
                            f"as {stored} is {kind}. Choose a raster of probabilities, or convert it.")
        most = max(most, float(values[valid].max())) if valid.any() else most
        own = np.where(valid, values if whole else in_percent(np.where(valid, values, 0)), NOT_MEASURED)
        top, left = piece.row - area.row, piece.col - area.col
        layers.percent[top:top + piece.height, left:left + piece.width] = own
    if most < 0:
        raise DataError(f"{raster.path} has no valid pixel in the area to map: all are nodata. Choose another extent, or check the nodata value.")
    if whole and most == 1:
        progress.message(f"{raster.path} holds only 0 and 1, which are percent, and no road is so improbable. If 1 is a road there, multiply the "
                         "raster by 100 with the “Raster calculator”.", level="warning")
