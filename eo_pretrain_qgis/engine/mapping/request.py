"""What is asked of a map run, and the canvas on which its products are drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from ...errors import JobError
from ...progress import SILENT, Progress
from ..models.package import Package
from ..models.session import VERSION
from ..rasters.grid import Grid, Window
from ..rasters.raster import Scene
from .band_matching import AS_MODEL
from .blocks import Tile, anchored_tiles
from .images import Clouds, Image, Images, opened
from .squares import LEAST_MEASURED, Squares

#: Pixel sizes of image and training images may differ by this factor without a warning.
LARGEST_RESOLUTION_RATIO = 1.5


@dataclass(frozen=True)
class MapRequest:
    """An image, or those of two sensors, and how it is to be mapped.

    Attributes:
        sources: of the first image, see `images.Image`.
        preset: of the first image, see `images.Image`.
        bands: of the first image, see `images.Image`.
        extent: part to map; None is all.
        nodata: of the first image, see `images.Image`.
        clouds: kind of the cloud masks, a key of `cloud_flags.KINDS`; what they hide counts as not measured.
        cloud_masks: raster values; one mask of the image or none.
        tile_size: as many pixels are held in memory as a few tiles of this edge have; never changes a pixel.
        small_blocks: take the model's smaller blocks, for little memory; may change some pixels, so the tags say it.
        halo: thrown away at each side of a block [px]; None is what the model needs, another changes some pixels.
        step: from square to square [px], of a model that answers for squares as a whole; None is their edge.
        least_measured: see `Squares.least`.
        device: see `session.Session`.
        provenance: what was asked and with which version, kept in the tags.
        second: the image of another sensor; None where there is none.
    """

    sources: Sequence[dict]
    preset: str = AS_MODEL
    bands: str = ""
    extent: dict | None = None
    nodata: float | None = None
    clouds: str = "none"
    cloud_masks: Sequence[dict] = ()
    tile_size: int = 1024
    small_blocks: bool = False
    halo: int | None = None
    step: int | None = None
    least_measured: float = LEAST_MEASURED
    device: str = "auto"
    provenance: dict[str, Any] = field(default_factory=dict)
    second: Image | None = None

    @property
    def image(self) -> Image:
        """The first image."""
        return Image(self.sources, self.preset, self.bands, self.nodata)

    def scene(self, model: Package, progress: Progress = SILENT) -> Scene:
        """A new handle on the image of a model of one, which says once to `progress` what is odd about its masks."""
        return self.image.scene(model.image, Clouds(self.clouds, self.cloud_masks), progress)

    def images(self, model: Package, progress: Progress = SILENT) -> AbstractContextManager[Images]:
        """The images by the inputs of the model, see `images.opened`."""
        return opened(model, [self.image, *([self.second] if self.second else [])], Clouds(self.clouds, self.cloud_masks), progress)

    def area(self, grid: Grid) -> Window:
        """The pixels wanted of an image."""
        return grid.window_of(self.extent) if self.extent else grid.window

    def squares(self, model: Package, grid: Grid, name: str) -> Squares | None:
        """Those that a model answers for as a whole, of an image called `name`; None where it answers for pixels.

        Raises:
            DataError: see `Squares.of`.
            JobError: a step was given for pixels or a halo for squares, or see `Squares.of`.
        """
        if not model.kind.whole:
            if self.step:
                raise JobError(f"“Step [px]” (step) is {self.step}, and the model {model.path} gives {model.kind.gives}. Leave it empty.")
            return None
        if self.halo is not None:
            raise JobError(f"“Halo [px]” (halo) is {self.halo}, and the model {model.path} gives {model.kind.gives}: nothing of a square is thrown "
                           "away. Leave it empty.")
        return Squares.of(grid, model, self.step, self.least_measured, name)

    def block(self, model: Package) -> int:
        """Edge of what the network sees at once [px].

        Raises:
            JobError: the model has no smaller blocks.
        """
        if not self.small_blocks:
            return model.block
        if model.small_block is None:
            raise JobError(f"The model {model.path} maps in blocks of {model.block} px and has no smaller ones. Switch “Small blocks” "
                           "(small_blocks) off.")
        return model.small_block

    def tiles(self, model: Package, grid: Grid, squares: Squares | None = None) -> list[Tile]:
        """The blocks in which an image of that grid is mapped.

        Raises:
            JobError: as `block`, or the halo leaves nothing of one.
        """
        if squares:
            return squares.tiles(self.area(grid))
        return anchored_tiles(grid.width, grid.height, block=self.block(model), halo=model.halo if self.halo is None else self.halo,
                              stride=model.stride, area=self.area(grid), exact=model.fixed_tile is not None)


@dataclass(frozen=True)
class Canvas:
    """Where the products of a run are drawn.

    Attributes:
        model: that is run.
        image: what the image, or the images, are called.
        grid: of the whole image; of its squares, where the model answers for these.
        area: the pixels, or squares, wanted of it.
        tags: that say where a product came from.
        squares: see `MapRequest.squares`.
    """

    model: Package
    image: str
    grid: Grid
    area: Window
    tags: dict[str, str]
    squares: Squares | None = None

    @classmethod
    def of(cls, model: Package, request: MapRequest, images: Images) -> Canvas:
        """The canvas of a request."""
        halo, block = model.halo if request.halo is None else request.halo, request.block(model)
        scene, scenes = images.first, images.scenes.values()
        squares, area = request.squares(model, scene.grid, scene.name), request.area(scene.grid)
        tags = {
            "EO_PRETRAIN_MODEL": model.id,
            "EO_PRETRAIN_MODEL_SHA256": model.sha256,
            "EO_PRETRAIN_MODEL_LICENCE": model.description["licence"],
            "EO_PRETRAIN_IMAGES": json.dumps([raster.name for each in scenes for raster in each.rasters], ensure_ascii=False),
            "EO_PRETRAIN_PARAMETERS": json.dumps(request.provenance, ensure_ascii=False),
            "EO_PRETRAIN_RUNTIME": f"onnxruntime {VERSION}",
            "EO_PRETRAIN_BLOCK": f"squares of {squares.side} px, step {squares.step} px" if squares else f"{block} px, halo {halo} px",
        }
        if request.small_blocks:
            tags["EO_PRETRAIN_BLOCK"] += f"; the model's smaller block, in place of {model.block} px"
        if len(model.images) > 1:
            by_sensor = {name: images.scenes[name].name if name in images.scenes else None for name in model.images}
            tags["EO_PRETRAIN_SENSORS"] = json.dumps(by_sensor, ensure_ascii=False)
        tags |= {"ACQUISITION_DATE": scene.acquired} if scene.acquired else {}
        place = (squares.grid, squares.cells(area)) if squares else (scene.grid, area)
        return cls(model, images.name, *place, tags, squares)

    def place(self, window: Window) -> Window:
        """A window of the image as one of the products, which cover the area."""
        return Window(window.col - self.area.col, window.row - self.area.row, window.width, window.height)


def compare_resolution(model: Package, grid: Grid, name: str, progress: Progress) -> None:
    """Warns when the pixels of an image differ in size from those of the training images."""
    ours, theirs = grid.metres_per_pixel(), model.resolution_m
    ratio = max(max(a / b, b / a) for a, b in zip(ours, theirs, strict=True))
    if ratio > LARGEST_RESOLUTION_RATIO:
        progress.message(f"The pixels of {name} measure {ours[0]:.4g} x {ours[1]:.4g} m, but the model was trained on {theirs[0]:.4g} x "
                         f"{theirs[1]:.4g} m; the map may be poor. Resample the image to that size with “Warp (reproject)”.", level="warning")
