"""From scenes and labels to a dataset: tiles cut and written as they come, then split by place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import geopandas
import numpy as np
import rasterio

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..rasters.embeddings import refuse_other_version
from ..rasters.meaning import as_stored, check_held, conversion, refuse_other_baseline, refuse_other_maker, simulated_of, warn_of_level
from ..rasters.plausibility import brightness, unlike
from ..rasters.raster import Scene
from ..rasters.sensors import FIRST, PRESETS, Band, Called, name_bands, warn_of_generic
from ..scheduling import HEARTBEAT_SECONDS, in_order
from .clear_scenes import ClearScene
from .cutting import Cut, Cutter, Cutting, Labels, Piece
from .dataset import IGNORE, Dataset, SensorInfo
from .likeness import RESOLUTION_TOLERANCE, brightness_of, sensor_to_join
from .shards import ShardWriter
from .splitting.by_place import Split, SplitPlan
from .splitting.division import divide

#: Blocks GDAL keeps while tiles are cut [byte]; left to itself it takes a twentieth of all memory.
CACHE_BYTES = 32 * 2**20


def open_scenes(images: list[dict], arrangement: str, nodata: float | None = None, progress: Progress = SILENT, finer: int = 1) -> list[Scene]:
    """Opens images as scenes of one sensor.

    Args:
        images: raster values of a job.
        arrangement: "scenes", each image is one, or "bands", together they are the bands of one.
        nodata: declared nodata value.
        progress: told when the resolutions differ.
        finer: see `Scene.finer`.

    Raises:
        DataError: naming two files whose bands or grids do not go together.
    """
    scenes = [Scene.open(images, nodata)] if arrangement == "bands" else [Scene.open([image], nodata) for image in images]
    for scene in scenes:
        scene.finer = finer
    if arrangement == "bands":
        return scenes
    first = scenes[0]
    for scene in scenes:
        if len(scene.band_names) != len(first.band_names):
            raise DataError(f"{first.path} has {len(first.band_names)} bands and {scene.path} {len(scene.band_names)}. "
                            "Choose images of one sensor with the same bands, or say that the images are the “bands” of one scene.")
        sizes = zip(scene.grid.metres_per_pixel(), first.grid.metres_per_pixel(), strict=True)
        apart = max(abs(own / other - 1) for own, other in sizes)
        if apart > RESOLUTION_TOLERANCE:
            progress.message(f"The pixels of {scene.path} differ in size from those of {first.path} by {apart:.0%}.",
                             level="warning")
        scene.close()
    return scenes


def describe_sensor(scenes: list[Scene], preset: str, bands_text: str | None = None, progress: Progress = SILENT,
                    like: Dataset | None = None, called: Called = FIRST) -> SensorInfo:
    """Says what the bands of the scenes are and which value stands for "nothing measured" in the dataset.

    Args:
        scenes: whose values are converted from now on to those of the first, or of `like`.
        preset: key of `sensors.PRESETS`.
        bands_text: names of the bands in order; empty takes those of the files.
        progress: told what the files say otherwise than the sensor.
        like: a dataset to which the scenes will be added.
        called: what messages call their parameters.

    Raises:
        DataError: when the scenes differ in their bands, or the bands do not fit the preset.
    """
    first = scenes[0]
    first.stored_as(preset)
    bands = name_bands(preset, first.band_names, bands_text or "", progress, replace(called, image=first.path))
    warn_of_generic(preset, [band.name for band in bands], progress, replace(called, image=first.path))
    kept = sensor_to_join(like, first.path, bands) if like else None
    for scene in scenes if kept else ():
        scene.finer = kept.finer or 1  # type: ignore[union-attr]
    dtype = np.dtype(kept.dtype if kept else "float32" if np.dtype(first.dtype).kind == "f" else first.dtype)
    where = str(like.folder) if like else first.path
    changed, usual = [], brightness_of(like) if like else None
    for number, scene in enumerate(scenes):
        progress.at(0, f"Looking at {scene.name}")
        scene.stored_as(preset)
        heard = progress if scene.band_names != first.band_names else SILENT
        named = bands if scene is first else name_bands(preset, scene.band_names, bands_text or "", heard, replace(called, image=scene.path))
        refuse_other_version([band.name for band in named], scene.path, [band.name for band in bands], first.path)
        if [band.name for band in named] != [band.name for band in bands]:
            raise DataError(f"{first.path} has the bands {_names(bands)}, but {scene.path} has {_names(named)}. Choose images of one "
                            f"sensor, or name the bands in {called.bands}.")
        refuse_other_maker(scene, preset)
        refuse_other_baseline(first, scene, named)
        warn_of_level(scene, preset, progress)
        own = as_stored(scene, named, progress)
        if number == 0:
            bands = list(kept.bands) if kept and [band.name for band in kept.bands] == [band.name for band in own] else own
        if np.dtype(scene.dtype).kind != dtype.kind and any(band.unit == "unknown" for band in own):
            raise DataError(f"{where} holds {dtype.name} values and {scene.path} {scene.dtype}, so they may be of two sensors. Choose images of one "
                            f"sensor. If they are, name it in {called.sensor}, so that their values can be brought to one meaning.")
        converted = conversion(scene, own, where, bands, dtype.name)
        if converted:
            check_held(scene, converted, progress)
            scene.conversion = converted
            changed.append(scene.name)
        if like or len(scenes) > 1:
            bright = brightness(scene, bands)
            usual = usual if like or number else bright
            if warning := unlike(usual, bright):
                progress.message(warning, level="warning")
        scene.close()
    if changed:
        progress.message(f"{len(changed)} of {len(scenes)} images store their values in another way than {where}; they are brought to its scale "
                         f"and offset: {listed(changed)}.")
    fill, finer = None if dtype.kind == "f" else _fill(first, preset, dtype), first.finer if first.finer > 1 else None
    return SensorInfo("image", preset, dtype.name, fill, tuple(bands), finer)


@dataclass(frozen=True)
class Imagery:
    """The images that a dataset is made of.

    Attributes:
        scenes: of one sensor.
        sensor: what `describe_sensor` said of them.
        partners: other sensors by name, with one scene for each of `scenes` on its grid; a pixel counts where all have measured.
    """

    scenes: list[Scene]
    sensor: SensorInfo
    partners: dict[str, tuple[SensorInfo, list[Scene]]] = field(default_factory=dict)

    @property
    def sensors(self) -> list[SensorInfo]:
        """All sensors under their names."""
        return [self.sensor, *(replace(other, name=name) for name, (other, _) in self.partners.items())]

    def groups(self) -> list[list[Scene]]:
        """The scenes of each place, one for each sensor.

        Raises:
            DataError: two of them lie on different grids.
        """
        groups = [list(group) for group in zip(self.scenes, *(partner for _, partner in self.partners.values()), strict=True)]
        for first, *others in groups:
            for other in others:
                if not first.grid.same_as(other.grid):
                    raise DataError(f"{first.path} and {other.path} lie on different grids. Bring one onto the grid of the other with "
                                    "“Warp (reproject)”.")
        return groups


@dataclass(frozen=True)
class About:
    """What a dataset is.

    Attributes:
        name: of the dataset.
        theme: key of `theme_facts.FACTS`, or empty.
        facts: of the theme, as plain JSON.
        task: key of `tasks.TASKS`.
    """

    name: str
    theme: str = ""
    facts: dict = field(default_factory=dict)
    task: str = "segmentation"


def build_dataset(folder: Path, images: Imagery, labels: Labels | None, cutting: Cutting, plan: SplitPlan, about: About,
                  progress: Progress = SILENT) -> Split:
    """Cuts, labels, writes and splits.

    Args:
        folder: an empty folder to fill.
        images: see there.
        labels: what `labels.open_labels` gave for the scenes, or anything like it; None makes a dataset without labels.
        cutting: how tiles are cut.
        plan: how they are split.
        about: name, theme, facts and task.
        progress: told how far it is.

    Raises:
        DataError: images smaller than a tile, without valid pixels, without labels, or too small to split.
    """
    scenes, sensors, groups = images.scenes, images.sensors, images.groups()
    cutter = Cutter(groups, sensors, labels, cutting, scenes[0].grid.crs)
    pieces = [piece for number in range(len(scenes)) for piece in cutter.pieces(number)]
    if not pieces:
        raise DataError(f"The extent does not overlap {scenes[0].path}. Choose an extent that overlaps an image, or check its CRS.")
    for scene in (scene for group in groups for scene in group):
        scene.close()
    table, shards = cut_all(folder, cutter, pieces, progress.part(0, 0.7))
    table.check(scenes, cutting, [row.name for row in cutter.classes])
    progress.message(table.text(sum(len(piece.windows) for piece in pieces), cutting.tile_size))
    with Checksums() as checksums:
        description = _description(groups, sensors, labels, cutting, checksums, {
            "task": about.task, "name": about.name, "classes": list(cutter.classes), "shards": shards, "theme": about.theme,
            "facts": about.facts})
        return divide(folder, description, table.frame(scenes), plan, progress.part(0.7, 1), checksums.settled)


def _description(groups: list[list[Scene]], sensors: list[SensorInfo], labels: Labels | None, cutting: Cutting, checksums: Checksums,
                 facts: dict) -> dict:
    """What dataset.json says before the split; checksums are still being computed."""
    first = groups[0][0]
    return {
        **facts, **({"either": True} if cutting.either else {}), "sensors": sensors,
        "tile_size": cutting.tile_size, "stride": cutting.stride or cutting.tile_size,
        "resolution_m": [round(metres, 4) for metres in first.grid.metres_per_pixel()], "ignore": IGNORE,
        "scenes": [scene_facts(group, sensors, checksum_of=checksums.begin) for group in groups],
        "labels": {**labels.facts, "checksum": checksums.begin(getattr(labels, "paths", [labels.path]))} if labels else {}, **target_facts(labels),
    }


def target_facts(labels: Any) -> dict:
    """What dataset.json says of several targets, but for their pixels; nothing where labels are of one. For labels see `cutting.Labels`."""
    further = getattr(labels, "further", ())
    return {"target": labels.name, "targets": [{"name": one.name, "classes": list(one.legend.classes), "labels": one.facts} for one in further]
            } if further else {}


def cut_all(folder: Path, cutter: Cutter, pieces: list[Piece], progress: Progress = SILENT) -> tuple[_Table, list[dict]]:
    """Cuts all pieces and writes their samples in order."""
    table, done, total = _Table(values=[row.value for row in cutter.classes]), 0, sum(len(piece.windows) for piece in pieces)
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), closing(cutter), \
            ShardWriter(folder, cutter.samples, extra=cutter.extra) as writer, \
            closing(in_order(Cutter.cut, cutter, pieces, lambda: progress.at(done / total, "Reading the images"))) as cuts:
        for piece, cut in zip(pieces, cuts, strict=True):
            table.add(cut)
            for _ in piece.windows:
                progress.at(done / total, f"Cutting tiles from {cutter.scenes[piece.scene][0].name}")
                done += 1
            if cut.arrays:
                writer.add(**cut.arrays)
        return table, writer.close()


@dataclass
class _Table(Cut):
    """The tiles kept so far, and why others were not; no arrays. `values` are those of the classes."""

    values: list[int] = field(default_factory=list)

    def add(self, cut: Cut) -> None:
        self.rows += [{"tile": len(self.rows) + number, **row} for number, row in enumerate(cut.rows)]
        self.shapes += cut.shapes
        self.too_few_valid += cut.too_few_valid
        self.too_few_labelled += cut.too_few_labelled
        self.left_out += cut.left_out
        self.hidden += cut.hidden
        self.any_valid |= cut.any_valid

    def check(self, scenes: list[Scene], cutting: Cutting, names: list[str]) -> None:
        if self.rows and not names:
            return
        if self.rows:
            seen = [name for value, name in zip(self.values, names, strict=True) if any(row[f"share_{value}"] for row in self.rows)]
            if len(seen) < cutting.minimum_classes:
                raise DataError(f"Every labelled pixel in the tiles is of the class “{seen[0]}”, and one class teaches nothing. "
                                "Check that the labels do not cover the whole image, or choose a larger image or extent.")
            return
        if not self.any_valid and not self.too_few_labelled:
            what = "all are nodata, or under clouds by their mask" if self.hidden else "all are nodata"
            raise DataError(f"{scenes[0].path} holds no valid pixel; {what}. Check the nodata value of the layer, or choose "
                            "another image or extent.")
        if self.left_out:
            raise DataError(f"All of the {self.left_out} tiles with enough valid and labelled pixels were judged unfit and left out. "
                            "Loosen the conditions, or choose other images or labels.")
        if not names:
            raise DataError(f"No tile has at least {cutting.minimum_valid:.0%} valid pixels. Lower this share, or choose a smaller tile.")
        raise DataError(f"No tile has at least {cutting.minimum_valid:.0%} valid and {cutting.minimum_labelled:.0%} labelled pixels: "
                        f"{self.too_few_valid} have too few valid and {self.too_few_labelled} too few labelled ones. "
                        "Lower these shares, or choose a smaller tile.")

    def text(self, total: int, tile_size: int) -> str:
        unfit = f", {self.left_out} were judged unfit" if self.left_out else ""
        hidden = f" Clouds and their shadows hide {self.hidden / (total * tile_size**2):.1%} of the pixels of all {total}." if self.hidden else ""
        return (f"{len(self.rows)} of {total} tiles kept; {self.too_few_valid} have too few valid pixels, "
                f"{self.too_few_labelled} too few labelled ones{unfit}.{hidden}")

    def frame(self, scenes: list[Scene]) -> geopandas.GeoDataFrame:
        return geopandas.GeoDataFrame(self.rows, geometry=self.shapes, crs=scenes[0].grid.crs)


def _fill(scene: Scene, preset: str, dtype: np.dtype) -> float:
    """The value of pixels without a measurement: the file's own, the sensor's, or one that measurements hardly take."""
    declared = [value for value in scene.nodata_of(0) if float(value).is_integer() and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max]
    own = PRESETS[preset].nodata
    if declared:
        return int(declared[0])
    return int(own) if own is not None else 0 if dtype.kind == "u" else int(np.iinfo(dtype).min)


def scene_facts(group: list[Scene], sensors: list[SensorInfo], progress: Progress = SILENT,
                checksum_of: Callable[[list[str]], Any] | None = None) -> dict:
    """Of the first scene of a place; those of other sensors stand under ``partners``. `checksum_of` gives what stands for that of files."""
    scene, *others = group
    grid, files = scene.grid, [raster.path for raster in scene.rasters]
    own = {"name": scene.name, "path": scene.path, "files": files, "crs": grid.crs, "transform": list(grid.transform),
           "width": grid.width, "height": grid.height, "date": scene.date,
           "checksum": checksum_of(files) if checksum_of else checksum(files, progress), **simulated_of(group)}
    days = sorted({raster.acquired for raster in scene.rasters} - {""})
    if len(days) > 1:
        own["dates"] = days
    if isinstance(scene, ClearScene):
        own["mask"] = ", ".join(mask.raster.path for mask in scene.masks)
    if others:
        own["partners"] = {sensor.name: {key: value for key, value in scene_facts([other], [], progress, checksum_of).items()
                                         if key in ("name", "path", "files", "date", "dates", "checksum")}
                           for sensor, other in zip(sensors[1:], others, strict=True)}
    scene.close()
    return own


class Checksums:
    """Computes checksums in a thread: the split and the statistics of a dataset leave processors idle meanwhile."""

    def __enter__(self) -> Checksums:
        self._pool, self._report = ThreadPoolExecutor(1, thread_name_prefix="checksum"), _Stoppable()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._report.stopped = True
        self._pool.shutdown(cancel_futures=True)

    def begin(self, paths: list[str]) -> Future[str]:
        """Starts on some files; the result takes the place of what this gives in `settled`."""
        return self._pool.submit(checksum, paths, self._report)

    def settled(self, description: Any, progress: Progress = SILENT) -> Any:
        """A description in which every checksum that was begun is there."""
        if isinstance(description, dict):
            return {key: self.settled(value, progress) for key, value in description.items()}
        if isinstance(description, list):
            return [self.settled(value, progress) for value in description]
        if not isinstance(description, Future):
            return description
        while not wait([description], HEARTBEAT_SECONDS).done:
            progress.at(1, "Checksums of the images")
        return description.result()


class _Stoppable(Progress):
    stopped = False

    def cancelled(self) -> bool:
        return self.stopped


def checksum(paths: list[str], progress: Progress) -> str:
    """SHA-256 of files one after the other; empty when one is no plain file, such as ``/vsizip/…``."""
    files = [Path(path.partition("|")[0]) for path in paths]
    if not all(file.is_file() for file in files):
        return ""
    digest = hashlib.sha256()
    for number, file in enumerate(files):
        with file.open("rb") as stream:
            while piece := stream.read(16 * 2**20):
                progress.at(number / len(files), f"Checksum of {file.name}")
                digest.update(piece)
    return "sha256:" + digest.hexdigest()


def _names(bands: list[Band]) -> str:
    return ", ".join(band.name for band in bands)
