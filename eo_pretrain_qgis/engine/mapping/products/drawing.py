"""One raster of a map run: its pixels, its style and its tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ....progress import Progress
from ...looks.class_style import beside
from ...rasters.cog import Contents, TiledWriter
from ..inference import Part
from ..request import Canvas

#: Of Byte rasters: no class, no percentage.
NO_VALUE = 255


@dataclass(frozen=True)
class Drawing:
    """What a raster holds and how it looks.

    Attributes:
        path: COG to write, with a `.qml` beside it.
        bands: names of its bands.
        qml: gives its style.
        dtype: NumPy name of its type.
        nodata: value of pixels without a result.
        aux_xml: gives what GDAL reads in `.aux.xml`; None removes what GDAL kept there of a map that this one replaces.
        colormap: value → colour.
        resampling: of overviews.
        scale: what a stored 1 is worth.
        tags: besides those of the run.
    """

    path: str
    bands: Sequence[str]
    qml: Callable[[], str]
    dtype: str = "uint8"
    nodata: float = NO_VALUE
    aux_xml: Callable[[], str] | None = None
    colormap: Mapping[int, tuple] | None = None
    resampling: str = "average"
    scale: float = 1.0
    tags: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def drawn(self, canvas: Canvas, progress: Progress, values: Callable[[Part], np.ndarray]) -> Iterator[Callable[[Part], None]]:
        """What takes the parts of a run, of which `values` gives those of the raster, (y, x) or (band, y, x), of the valid pixels."""
        contents = Contents(self.dtype, self.nodata, self.bands, self.colormap, {**canvas.tags, **self.tags}, self.resampling, self.scale)
        writer = TiledWriter(self.path, canvas.grid.sub(canvas.area), contents, progress)
        empty = np.dtype(self.dtype).type(self.nodata)

        with beside(self.path, progress, qml=self.qml, aux_xml=self.aux_xml), writer:
            yield lambda part: writer.write(np.where(part.valid, values(part), empty), canvas.place(part.window))
        if self.aux_xml is None:
            Path(self.path + ".aux.xml").unlink(missing_ok=True)


def percent(shares: np.ndarray) -> np.ndarray:
    """Shares or probabilities as whole percent, uint8."""
    return np.rint(100 * shares.clip(0, 1)).astype(np.uint8)
