"""Which image of a map run is which input of the model, and whether they lie on one grid and are of one time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations

import numpy as np
import pyproj
from rasterio.crs import CRS

from ...errors import DataError, JobError, ModelError, listed
from ...progress import SILENT, Progress
from ...scene_names import scene_name
from ..datasets.alignment import days_between
from ..datasets.cloud_masks import Clouds, clear_scene, clear_scenes
from ..models.package import Package
from ..models.record import ModelInput
from ..rasters.grid import PIXEL_TOLERANCE, Grid, Window
from ..rasters.mosaic import Mosaic, Mosaicking, scenes_in
from ..rasters.raster import Scene
from ..rasters.same_band import are_unnamed, band_key
from ..rasters.sensors import FIRST, PRESETS, Called, known_band
from .band_matching import AS_MODEL, match_bands, preset_of
from .reading import Source

#: Images of two sensors that are more days apart show another ground, such as harvested fields.
MOST_DAYS = 30
#: Units of what sees through clouds.
_RADAR = {"dB", "linear"}
#: What messages call the parameters of the second image.
SECOND = Called("", "“Bands of the second image” (second_bands)", "“Sensor of the second image” (second_preset)")


@dataclass(frozen=True)
class Image:
    """An image to map.

    Attributes:
        sources: raster values of a job: one file with all bands, or the bands of one scene in several; of a mosaic the scenes.
        preset: how the stored values are scaled, see `band_matching.match_bands`.
        bands: names of the bands in order, separated by commas; empty takes those in the files.
        nodata: a nodata value besides those in the files.
        called: what messages call its parameters.
        mosaic: how several scenes become one image; None where the sources are one scene.
    """

    sources: Sequence[dict]
    preset: str = AS_MODEL
    bands: str = ""
    nodata: float | None = None
    called: Called = FIRST
    mosaic: Mosaicking | None = None

    def scene(self, seen: ModelInput, clouds: Clouds, progress: Progress = SILENT) -> Scene:
        """A new handle on it, which says once to `progress` what is odd about its masks."""
        preset = preset_of(self.preset, seen.preset)
        if self.mosaic is None:
            scene = Scene.open(list(self.sources), self.nodata, preset)
            scene.finer = seen.finer or 1
            return clear_scene(scene, clouds.masks, clouds.kind, progress)
        scenes = [Scene.open([source], self.nodata, preset) for source in scenes_in(self.sources)]
        masks = scenes_in(clouds.masks)
        if masks and len(masks) != len(scenes):
            raise JobError(f"The number of cloud masks is {len(masks)}, and that of scenes {len(scenes)}. Give one for each scene, in the same "
                           "order (a scene as it was delivered can be its own).")
        made = Mosaic(clear_scenes(scenes, masks, clouds.kind, progress), self.mosaic)
        made.finer = seen.finer or 1
        return made

    def source(self, seen: ModelInput, scene: Scene, clouds: Clouds, progress: Progress, shift: tuple[int, int] = (0, 0)) -> Source:
        """What an input is read from; `scene` is an open handle on it."""
        matches = match_bands(seen.bands, scene.band_names, called=replace(self.called, image=scene.name), scene=scene, preset=self.preset,
                              model_preset=seen.preset, bands_text=self.bands, progress=progress)
        return Source(partial(self.scene, seen, clouds), matches, shift)

    def names(self) -> list[str]:
        """The names of its bands: those that were given, or else those in the files."""
        with Scene.open(list(self.sources) if self.mosaic is None else scenes_in(self.sources)[:1]) as scene:
            return [name.strip() for name in self.bands.split(",") if name.strip()] or scene.band_names

    def fit(self, seen: ModelInput) -> float:
        """How much speaks for its being the image of an input: the share of the bands that it has by their names, or half of all where it has
        none and as many bands; and the share that the sensor said has.
        """
        names = self.names()
        keys = {band_key(name) for name in names}
        named = 0.5 * (len(names) == len(seen.bands)) if are_unnamed(names) else float(np.mean([band_key(name) in keys for name in seen.names]))
        sensor = PRESETS[self.preset] if self.preset != AS_MODEL else None
        return named + (float(np.mean([known_band(sensor, name) is not None for name in seen.names])) if sensor else 0.0)


@dataclass(frozen=True)
class Images:
    """The images of a run, by the input of the model that each is read for, in the order of the model.

    Attributes:
        scenes: open handles.
        sources: see `reading.Source`. The map lies on the pixels of the first.
    """

    scenes: dict[str, Scene]
    sources: dict[str, Source]

    @property
    def first(self) -> Scene:
        """On whose pixels the map lies."""
        return next(iter(self.scenes.values()))

    @property
    def grid(self) -> Grid:
        """The pixels of the map."""
        return self.first.grid

    @property
    def name(self) -> str:
        """What the images are called."""
        return " with ".join(scene.name for scene in self.scenes.values())


@contextmanager
def opened(model: Package, given: Sequence[Image], clouds: Clouds, progress: Progress = SILENT) -> Iterator[Images]:
    """Opens the images of a run; which is which input their bands and sensors tell, or else their order.

    Args:
        model: that is run.
        given: one image or two.
        clouds: of the one that sees them.
        progress: warned about the images.

    Raises:
        DataError: bands are missing, or the images lie on different grids or ground.
        JobError: a second image for a model of one sensor, or masks of clouds for radar.
        ModelError: an image is missing that the model cannot do without, or it maps no images.
    """
    inputs = model.images
    images = _assigned(model, inputs, given)
    hidden = _clouded(inputs, images, clouds)
    with ExitStack() as stack:
        scenes = {name: stack.enter_context(image.scene(inputs[name], hidden[name], progress)) for name, image in images.items()}
        _refuse_missing(model, scenes, progress)
        for scene in (scene for scene in scenes.values() if scene.finer > 1):
            x, y = scene.grid.metres_per_pixel()
            progress.message(f"{scene.name} is resampled to pixels of {x:.4g} × {y:.4g} m, finer by {scene.finer}, as the images were from which the "
                             "model learned. The map is as fine.")
        first, *others = scenes.values()
        for other in others:
            _warn_of_days(first, other, progress)
        sources = {name: image.source(inputs[name], scenes[name], hidden[name], progress, shift_between(first, scenes[name]))
                   for name, image in images.items()}
        yield Images(scenes, sources)


def _assigned(model: Package, inputs: dict[str, ModelInput], given: Sequence[Image]) -> dict[str, Image]:
    """The image of each input, in the order of the inputs, without those that have none."""
    names = list(inputs)
    if len(given) > len(names):
        raise JobError(f"“Second image” (second_images) was given, and the model {model.path} takes images of one sensor, {names[0]}. Leave it "
                       "empty, or choose a model of two sensors.")
    if len(names) == 1:
        return {names[0]: given[0]}
    fits = [{name: image.fit(seen) for name, seen in inputs.items()} for image in given]
    _refuse_one_sensor(model, given, fits)
    chosen = max(permutations(names, len(given)), key=lambda order: sum(fit[name] for fit, name in zip(fits, order, strict=True)))
    found = dict(zip(chosen, given, strict=True))
    _refuse_stack(inputs, found)
    return {name: found[name] for name in names if name in found}


def _refuse_one_sensor(model: Package, given: Sequence[Image], fits: list[dict[str, float]]) -> None:
    """Refuses two images that are both of the same sensor, by what speaks for it, see `Image.fit`."""
    best = {tuple(name for name, value in fit.items() if value == max(fit.values())) for fit in fits}
    if len(given) < 2 or len(best) > 1 or len(sensor := best.pop()) > 1:
        return
    titles = [scene_name(image.sources[0]["path"]) for image in given]
    other = listed([name for name in model.images if name not in sensor])
    raise JobError(f"“Image” (images), {titles[0]}, and “Second image” (second_images), {titles[1]}, are both of the sensor {sensor[0]} by their "
                   f"bands, and the model {model.path} reads one image of {' and one of '.join(model.images)}. Give an image of {other} in place of "
                   "one of them.")


def _refuse_stack(inputs: dict[str, ModelInput], found: dict[str, Image]) -> None:
    """Refuses an image that also has all bands of a sensor for which none was given: these would be left out of the map."""
    for taken, image in found.items():
        keys = {band_key(name) for name in image.names()}
        for name in inputs.keys() - found.keys():
            ours, theirs = ({band_key(band) for band in inputs[port].names} for port in (taken, name))
            if ours | theirs <= keys and not ours & theirs:
                raise JobError(f"“Image” (images) has the bands of {taken} and those of {name}, and a model of two sensors reads an image for each. "
                               f"Give a raster of {taken} as “Image” and one of {name} as “Second image” (second_images). A raster that has the "
                               "bands of both can be given as both.")


def _clouded(inputs: dict[str, ModelInput], images: dict[str, Image], clouds: Clouds) -> dict[str, Clouds]:
    """The masks of each image: of several inputs they are those of the one that sees clouds."""
    if len(inputs) == 1 or not clouds.masks:
        return dict.fromkeys(images, clouds)
    optical = [name for name in images if sees_clouds(inputs[name])]
    if not optical:
        raise JobError(f"A cloud mask is given, and the images of {listed(images)} are of radar, which sees through clouds. Leave the mask empty, or "
                       "give the image that it belongs to.")
    return {name: clouds if name == optical[0] else Clouds() for name in images}


def sees_clouds(seen: ModelInput) -> bool:
    """Whether clouds hide the ground in the images of an input: not in those of radar."""
    return not _RADAR & {band.unit for band in seen.bands}


def _refuse_missing(model: Package, scenes: dict[str, Scene], progress: Progress) -> None:
    """Refuses a run without an image that the model needs; says what it does without."""
    missing = [name for name in model.images if name not in scenes]
    needed = [name for name in missing if not model.images[name].optional]
    have = listed([f"{scene.name} is of {name}" for name, scene in scenes.items()])
    if needed:
        raise ModelError(f"The model {model.path} needs images of {' and '.join(model.images)} together, and {have}. Give the image of {needed[0]} "
                         "as “Second image” (second_images), or choose a model that can do without.")
    if missing:
        progress.message(f"{have}; the map is made from it alone. The model can also take an image of {listed(missing)}, as “Second image”.")


def _warn_of_days(first: Scene, other: Scene, progress: Progress) -> None:
    days = days_between(first.acquired, other.acquired)
    if abs(days or 0) > MOST_DAYS:
        progress.message(f"{first.name} is of {first.acquired} and {other.name} of {other.acquired}, {abs(days or 0)} days apart; fields, water and "
                         "snow may have changed between. Choose images that are nearer in time.", level="warning")


def shift_between(first: Scene, other: Scene) -> tuple[int, int]:
    """Columns and rows from a pixel of one image to the same ground in another.

    Raises:
        DataError: their pixels do not lie on each other, or they show no common ground.
    """
    ours, theirs = first.grid, other.grid
    differ, exact = _differ(ours, theirs), _steps(ours, theirs)
    if differ:
        raise DataError(f"{first.path} and {other.path} lie on different grids: {differ}. The model reads both pixel by pixel. Bring one onto the "
                        "grid of the other with “Warp (reproject)”.")
    col, row = (round(steps) for steps in exact)
    if not Window(col, row, ours.width, ours.height).intersection(theirs.window):
        raise DataError(f"{first.path} and {other.path} show no common ground. Choose two images of one place.")
    return col, row


def _steps(ours: Grid, theirs: Grid) -> tuple[float, float]:
    """Columns and rows from the first corner of one grid to that of another, in pixels of the other."""
    (_, _, left, _, _, top), (a, _, c, _, e, f) = ours.transform, theirs.transform
    return (left - c) / a, (top - f) / e


def _differ(ours: Grid, theirs: Grid) -> str:
    """In what the pixels of two grids differ, however far each reaches; empty where they are the same."""
    systems = [pyproj.CRS.from_wkt(grid.crs) for grid in (ours, theirs)]
    if CRS.from_wkt(ours.crs) != CRS.from_wkt(theirs.crs):
        return f"their coordinate systems are {systems[0].name} and {systems[1].name}"
    pairs = [(ours.transform[place], theirs.transform[place], length) for place, length in ((0, ours.width), (4, ours.height))]
    if any(abs(own - other) * length > PIXEL_TOLERANCE * abs(own) for own, other, length in pairs):
        (x, y), (u, v) = ours.resolution, theirs.resolution
        unit = systems[0].axis_info[0].unit_name
        return f"their pixels measure {x:.6g} × {y:.6g} and {u:.6g} × {v:.6g} {unit}"
    beside = [abs(steps - round(steps)) for steps in _steps(ours, theirs)]
    aside = f"the pixels of one lie {beside[0]:.2g} columns and {beside[1]:.2g} rows beside those of the other"
    return aside if max(beside) > PIXEL_TOLERANCE else ""
