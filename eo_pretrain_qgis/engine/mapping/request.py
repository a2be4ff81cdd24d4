"""What is asked of a map run, and the canvas on which its products are drawn."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import JobError
from ...progress import SILENT, Progress
from ..datasets.cloud_masks import Clouds
from ..models.package import Package
from ..models.record import ModelInput
from ..rasters.grid import Grid, Window
from ..rasters.meaning import SIMULATED
from ..rasters.mosaic import Mosaicking, rasters_of
from ..rasters.raster import Raster, Scene
from .band_matching import AS_MODEL
from .blocks import Tile, anchored_tiles
from .images import SECOND, Image, Images, opened, sees_clouds
from .squares import LEAST_MEASURED, Squares

#: Pixel sizes of image and training images may differ by this factor without a warning.
LARGEST_RESOLUTION_RATIO = 1.5
#: Tag with the masks of clouds, a list; it is empty where images that clouds hide were mapped without one, and not there where none do.
MASKS = "EO_PRETRAIN_CLOUD_MASKS"
NO_MASK, CLOUDS_BECOME = "No cloud mask was given; {}.", "clouds are mapped as ground"
#: Tag that says which program computed a map, and in which precision.
RUNTIME = "EO_PRETRAIN_RUNTIME"
#: Tag of maps of a model of roads: from which probability on pixels are road, so that lines can be drawn from its probabilities later.
ROAD_THRESHOLD = "EO_PRETRAIN_ROAD_THRESHOLD"


@dataclass(frozen=True)
class MapRequest:
    """An image, or those of two sensors, and how it is to be mapped.

    Attributes:
        sources: of the first image, see `images.Image`.
        preset: of the first image, see `images.Image`.
        bands: of the first image, see `images.Image`.
        extent: part to map; None is all.
        nodata: of the first image, see `images.Image`.
        clouds: kind of the cloud masks, a key of `clouds.KINDS`; what they hide counts as not measured.
        cloud_masks: raster values; one mask of the image or none, of an image of two dates one for each.
        tile_size: as many pixels are held in memory as a few tiles of this edge have; never changes a pixel.
        small_blocks: take the model's smaller blocks, for little memory; may change some pixels, so the tags say it.
        halo: thrown away at each side of a block [px]; None is what the model needs, another changes some pixels.
        step: from square to square [px], of a model that answers for squares as a whole; None is their edge.
        least_measured: see `Squares.least`.
        device: see `session.Session`.
        fast: see `runtimes.loaded`.
        provenance: what was asked and with which version, kept in the tags.
        second: the image of another sensor; None where there is none.
        mosaic: of the first image, see `images.Image`.
        made: see `stamps.stamps`.
    """

    sources: Sequence[dict]
    preset: str = AS_MODEL
    bands: str = ""
    extent: dict | None = None
    nodata: float | None = None
    clouds: str = "none"
    cloud_masks: Sequence[dict] = ()
    tile_size: int = 1280
    small_blocks: bool = False
    halo: int | None = None
    step: int | None = None
    least_measured: float = LEAST_MEASURED
    device: str = "auto"
    fast: bool = False
    provenance: dict[str, Any] = field(default_factory=dict)
    second: Image | None = None
    mosaic: Mosaicking | None = None
    made: Mapping[str, str] = field(default_factory=dict)

    @property
    def image(self) -> Image:
        """The first image."""
        return Image(self.sources, self.preset, self.bands, self.nodata, mosaic=self.mosaic)

    def scene(self, model: Package, progress: Progress = SILENT) -> Scene:
        """A new handle on the image of a model of one, which says once to `progress` what is odd about its masks."""
        return self.image.scene(model.image, Clouds(self.clouds, self.cloud_masks), progress)

    def images(self, model: Package, progress: Progress = SILENT) -> AbstractContextManager[Images]:
        """The images by the inputs of the model, see `images.opened`."""
        second = [replace(self.second, called=SECOND)] if self.second else []
        return opened(model, [self.image, *second], Clouds(self.clouds, self.cloud_masks), progress)

    def found_everywhere(self) -> MapRequest:
        """The same with paths that mean the same in every folder, for other computers that read the images, too."""
        second = self.second and replace(self.second, sources=absolute(self.second.sources))
        return replace(self, sources=absolute(self.sources), cloud_masks=absolute(self.cloud_masks), second=second)

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
        """The blocks in which an image of that grid is mapped, those of one shape together, because a network is made ready for each shape.

        Raises:
            JobError: as `block`, or the halo leaves nothing of one.
        """
        found = squares.tiles(self.area(grid)) if squares else anchored_tiles(
            grid.width, grid.height, block=self.block(model), halo=model.halo if self.halo is None else self.halo, stride=model.stride,
            area=self.area(grid), exact=model.fixed_tile is not None)
        return sorted(found, key=lambda tile: (-tile.seen.height, -tile.seen.width))


def origin(model: Package, rasters: Iterable[Raster], names: Sequence[str], provenance: dict[str, Any]) -> dict[str, str]:
    """Tags that say where a map comes from: its model, its images, and what was asked; also that images, or those of the model, are simulated.

    Args:
        model: that made it.
        rasters: that were read.
        names: of the images.
        provenance: see `MapRequest`.
    """
    tags = {"EO_PRETRAIN_MODEL": model.id, "EO_PRETRAIN_MODEL_SHA256": model.sha256, "EO_PRETRAIN_MODEL_LICENCE": model.description["licence"],
            "EO_PRETRAIN_IMAGES": json.dumps(list(names), ensure_ascii=False), "EO_PRETRAIN_PARAMETERS": json.dumps(provenance, ensure_ascii=False)}
    said = next((word for raster in rasters if (word := raster.tag(SIMULATED))), "")
    if model.record.provenance and model.record.provenance.simulated:
        tags["EO_PRETRAIN_LEARNED_FROM"] = "simulated images"
    return {**tags, SIMULATED: said} if said else tags


def mask_tag(seen: Iterable[ModelInput], masks: Sequence[dict]) -> dict[str, str]:
    """The tag `MASKS` of a map of images of these inputs; none where they are of radar."""
    if not masks and not any(map(sees_clouds, seen)):
        return {}
    return {MASKS: json.dumps([mask.get("name") or mask["path"] for mask in masks], ensure_ascii=False)}


def tell_of_no_mask(tags: Mapping[str, str], progress: Progress, products: Sequence[Any] = ()) -> None:
    """Says once in a job what clouds become, where the tags of its map say that no mask was given.

    Args:
        tags: of the map.
        progress: told.
        products: of the run; what clouds become in one is its `clouds_become`, else `CLOUDS_BECOME`, and empty where it seeks them.
    """
    told = list(dict.fromkeys(getattr(product, "clouds_become", CLOUDS_BECOME) for product in products)) or [CLOUDS_BECOME]
    if tags.get(MASKS) == "[]" and all(told):
        progress.once(NO_MASK.format(told[0]))


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
        known: the network gives `models.ground.OUTPUTS`, too, behind all others.
    """

    model: Package
    image: str
    grid: Grid
    area: Window
    tags: dict[str, str]
    squares: Squares | None = None
    known: bool = False

    @classmethod
    def of(cls, model: Package, request: MapRequest, images: Images) -> Canvas:
        """The canvas of a request."""
        halo, block = model.halo if request.halo is None else request.halo, request.block(model)
        scene, scenes = images.first, images.scenes.values()
        squares, area = request.squares(model, scene.grid, scene.name), request.area(scene.grid)
        rasters = [raster for each in scenes for raster in rasters_of(each)]
        tags = {
            **origin(model, rasters, [raster.name for raster in rasters], request.provenance),
            "EO_PRETRAIN_BLOCK": f"squares of {squares.side} px, step {squares.step} px" if squares else f"{block} px, halo {halo} px",
        }
        tags |= mask_tag((model.images[name] for name in images.scenes), request.cloud_masks)
        if request.small_blocks:
            tags["EO_PRETRAIN_BLOCK"] += f"; the model's smaller block, in place of {model.block} px"
        if len(model.images) > 1:
            by_sensor = {name: images.scenes[name].name if name in images.scenes else None for name in model.images}
            tags["EO_PRETRAIN_SENSORS"] = json.dumps(by_sensor, ensure_ascii=False)
        tags |= {"EO_PRETRAIN_MOSAIC": request.mosaic.words(scene.grid)} if request.mosaic else {}
        tags |= {"ACQUISITION_DATE": scene.acquired} if scene.acquired else {}
        if len(days := sorted({raster.acquired for raster in rasters if raster.acquired})) > 1:
            tags["EO_PRETRAIN_DATES"] = ", ".join(days)
        if known := model.record.road_threshold:
            tags[ROAD_THRESHOLD] = json.dumps({"high": known.high, "low": known.low})
        place = (squares.grid, squares.cells(area)) if squares else (scene.grid, area)
        return cls(model, images.name, *place, tags, squares)

    def computed_by(self, runtime: str) -> Canvas:
        """The same with tags that say which program computed it, and in which precision."""
        return replace(self, tags={**self.tags, RUNTIME: runtime})

    def fast(self, asked: bool, progress: Progress) -> bool:
        """Whether to compute in bfloat16 where that is asked for: what sorts pixels or compares them with training samples needs float32."""
        exact = self.squares or self.known
        if asked and exact:
            progress.message("“fast” is for classes of pixels without their area of applicability, so this map is computed exactly.", level="warning")
        return asked and not exact

    def knowing(self) -> Canvas:
        """The same for a network that gives what it knows of its training ground; it is then asked for each square by itself."""
        return replace(self, known=True, squares=self.squares and replace(self.squares, dense=False))

    def place(self, window: Window) -> Window:
        """A window of the image as one of the products, which cover the area."""
        return Window(window.col - self.area.col, window.row - self.area.row, window.width, window.height)


def absolute(sources: Sequence[dict]) -> list[dict]:
    """Raster or layer values of a job with absolute paths, where these are files or folders."""
    return [{**source, "path": os.path.abspath(source["path"])} if os.path.exists(source["path"]) else source for source in sources]


def compare_resolution(model: Package, grid: Grid, name: str, progress: Progress) -> None:
    """Warns when the pixels of an image differ in size from those of the training images."""
    ours, theirs = grid.metres_per_pixel(), model.resolution_m
    ratio = max(max(a / b, b / a) for a, b in zip(ours, theirs, strict=True))
    if ratio > LARGEST_RESOLUTION_RATIO:
        progress.message(f"The pixels of {name} measure {ours[0]:.4g} x {ours[1]:.4g} m, but the model was trained on {theirs[0]:.4g} x "
                         f"{theirs[1]:.4g} m; the map may be poor. Resample the image to that size with “Warp (reproject)”.", level="warning")
