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
from ...rasters.grid import Grid, Window
from ..inference import Part
from ..journal import Pixels
from ..request import Canvas

#: Of Byte rasters: no class, no percentage.
NO_VALUE = 255
#: Tag with the name of a further target that a raster is of.
TARGET = "EO_PRETRAIN_TARGET"


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
        compression: see `cog.Contents`.
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
    compression: str = "DEFLATE"

    @contextmanager
    def drawn(self, canvas: Canvas, progress: Progress, values: Callable[[Part], np.ndarray],
              told: Callable[[np.ndarray], None] = lambda stored: None) -> Iterator[Pixels]:
        """What takes the parts of a run.

        Args:
            canvas: of the run.
            progress: told about the last step.
            values: gives those of the raster, (y, x) or (band, y, x), of the valid pixels.
            told: shown all that is stored, also of a killed run that is taken over.
        """
        empty = np.dtype(self.dtype).type(self.nodata)

        def stored(part: Part) -> np.ndarray:
            found = values(part)
            return (found if part.valid.all() else np.where(part.valid, found, empty)).astype(self.dtype, copy=False)

        with self.written(canvas.grid.sub(canvas.area), canvas.tags, progress) as write:

            def put(found: np.ndarray, window: Window) -> None:
                told(found)
                write(found, window)

            yield Pixels(self.path, len(self.bands), self.dtype, canvas, stored, put, dense=self.compression == "ZSTD")

    @contextmanager
    def written(self, grid: Grid, tags: Mapping[str, str], progress: Progress) -> Iterator[Callable[[np.ndarray, Window], None]]:
        """What takes values (y, x) or (band, y, x) of a window of a grid; `tags` are those of the run."""
        contents = Contents(self.dtype, self.nodata, self.bands, self.colormap, {**tags, **self.tags}, self.resampling, self.scale, self.compression)
        with beside(self.path, progress, qml=self.qml, aux_xml=self.aux_xml), TiledWriter(self.path, grid, contents, progress) as writer:
            yield writer.write
        if self.aux_xml is None:
            Path(self.path + ".aux.xml").unlink(missing_ok=True)


def percent(shares: np.ndarray) -> np.ndarray:
    """Shares or probabilities as whole percent, uint8."""
    return np.rint(100 * shares.clip(0, 1)).astype(np.uint8)
