"""From scenes and labels to a dataset: tiles cut one by one and written as they come, then split by place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import geopandas
import numpy as np

from ..errors import DataError
from ..report import SILENT, Report
from .dataset import IGNORE, SensorInfo
from .division import divide
from .footprints import footprint
from .grid import Window, tile_windows
from .labels import RasterLabels, VectorLabels
from .raster import Scene
from .sensors import PRESETS, Band, name_bands
from .shards import LABELS, ShardWriter
from .splits import Split, SplitPlan

#: A reflectance above this does not occur; larger values are reflectance × 10000.
LARGEST_REFLECTANCE = 4.0
#: Resolutions that differ by more than this share deserve a warning.
RESOLUTION_TOLERANCE = 0.05


@dataclass(frozen=True)
class Cutting:
    """How tiles are cut: sizes in pixels, shares of the pixels of a tile."""

    tile_size: int = 256
    stride: int | None = None
    extent: dict | None = None
    minimum_valid: float = 0.5
    minimum_labelled: float = 0.01


def open_scenes(images: list[dict], arrangement: str, nodata: float | None = None, report: Report = SILENT) -> list[Scene]:
    """Opens images as scenes of one sensor.

    Args:
        images: raster values of a job.
        arrangement: "scenes", each image is one, or "bands", together they are the bands of one.
        nodata: declared nodata value.
        report: told when the resolutions differ.

    Raises:
        DataError: naming two files whose bands, types or grids do not go together.
    """
    if arrangement == "bands":
        return [Scene.open(images, nodata)]
    scenes = [Scene.open([image], nodata) for image in images]
    first = scenes[0]
    for scene in scenes:
        if scene.dtype != first.dtype:
            raise DataError(f"{first.path} holds {first.dtype} values and {scene.path} {scene.dtype}. "
                            "Convert one to the type of the other.")
        if len(scene.band_names) != len(first.band_names):
            raise DataError(f"{first.path} has {len(first.band_names)} bands and {scene.path} {len(scene.band_names)}. "
                            "Choose images with the same bands, or say that the images are the “bands” of one scene.")
        sizes = zip(scene.grid.metres_per_pixel(), first.grid.metres_per_pixel(), strict=True)
        apart = max(abs(own / other - 1) for own, other in sizes)
        if apart > RESOLUTION_TOLERANCE:
            report.message(f"The pixels of {scene.path} differ in size from those of {first.path} by {apart:.0%}.",
                           level="warning")
        scene.close()
    return scenes


def describe_sensor(scenes: list[Scene], preset: str, bands_text: str | None = None, report: Report = SILENT) -> SensorInfo:
    """Says what the bands of the scenes are and which value stands for "nothing measured" in the dataset.

    Raises:
        DataError: when the scenes differ in their bands, or the bands do not fit the preset.
    """
    first = scenes[0]
    bands = name_bands(preset, first.band_names, bands_text or "", report)
    for scene in scenes[1:]:
        others = name_bands(preset, scene.band_names, bands_text or "")
        if [band.name for band in others] != [band.name for band in bands]:
            raise DataError(f"{first.path} has the bands {_names(bands)}, but {scene.path} has {_names(others)}. Choose images of one "
                            "sensor, or name the bands in “Bands”.")
    if preset == "generic":
        bands = [replace(band, scale=scale, offset=offset)
                 for band, scale, offset in zip(bands, first.scales, first.offsets, strict=True)]
    dtype = np.dtype("float32") if np.dtype(first.dtype).kind == "f" else np.dtype(first.dtype)
    if dtype.kind == "f" and bands[0].unit == "reflectance" and _is_reflectance(first):
        report.message("The images hold reflectance as fractions, so the scale of the sensor is not applied.")
        bands = [replace(band, scale=1.0, offset=0.0) if band.unit == "reflectance" else band for band in bands]
    return SensorInfo("image", preset, dtype.name, None if dtype.kind == "f" else _fill(first, preset, dtype), tuple(bands))


def build_dataset(folder: Path, scenes: list[Scene], sensor: SensorInfo, labels: VectorLabels | RasterLabels, cutting: Cutting,
                  plan: SplitPlan, name: str, report: Report = SILENT) -> Split:
    """Cuts, labels, writes and splits.

    Args:
        folder: an empty folder to fill.
        scenes: of one sensor.
        sensor: what `describe_sensor` said.
        labels: what `labels.open_labels` gave for the scenes.
        cutting: how tiles are cut.
        plan: how they are split.
        name: of the dataset.
        report: progress.

    Raises:
        DataError: images smaller than a tile, without valid pixels, without labels, or too small to split.
    """
    stride = cutting.stride or cutting.tile_size
    windows = [_windows(scene, cutting, stride) for scene in scenes]
    if not any(windows):
        raise DataError(f"The extent does not overlap {scenes[0].path}. Choose an extent that overlaps an image, or check its CRS.")
    table = _Table([row.value for row in labels.legend.classes], cutting.tile_size)
    size = (cutting.tile_size, cutting.tile_size)
    shapes = {sensor.name: ((len(sensor.bands), *size), sensor.dtype), LABELS: (size, "uint8")}
    total, done = sum(map(len, windows)), 0
    with ShardWriter(folder, shapes) as writer:
        for scene, tiles in zip(scenes, windows, strict=True):
            for window in tiles:
                report.progress(0.7 * done / total, f"Cutting tiles from {scene.name}")
                _cut(scene, window, sensor, labels, cutting, table, writer, scenes[0].grid.crs)
                done += 1
            scene.close()
    table.check(scenes, cutting, [row.name for row in labels.legend.classes])
    report.message(table.text(total))
    description = {
        "task": "segmentation", "name": name, "sensors": [sensor], "tile_size": cutting.tile_size, "stride": stride,
        "resolution_m": [round(metres, 4) for metres in scenes[0].grid.metres_per_pixel()],
        "classes": list(labels.legend.classes), "ignore": IGNORE,
        "scenes": [_scene_facts(scene, report.part(0.7, 0.75)) for scene in scenes],
        "labels": {**labels.facts, "checksum": _checksum([labels.path], report.part(0.75, 0.76))}, "shards": writer.close(),
    }
    return divide(folder, description, table.frame(scenes), plan, report.part(0.76, 1))


def _cut(scene: Scene, window: Window, sensor: SensorInfo, labels: VectorLabels | RasterLabels, cutting: Cutting, table: _Table,
         writer: ShardWriter, crs: str) -> None:
    image, valid = scene.read(window)
    nodata = PRESETS[sensor.preset].nodata
    if nodata is not None:
        valid &= (image != nodata).any(0)
    if valid.mean() < cutting.minimum_valid or not valid.any():
        table.skip_invalid(bool(valid.any()))
        return
    drawn = labels.read(scene.grid, window)
    drawn[~valid] = IGNORE
    labelled = float((drawn != IGNORE).mean())
    if labelled < cutting.minimum_labelled or not labelled:
        table.too_few_labelled += 1
        return
    writer.add(**{sensor.name: _stored(image, valid, sensor)[None], LABELS: drawn[None]})
    table.add(scene, window, float(valid.mean()), labelled, drawn, footprint(scene.grid, window, crs))


def _stored(image: np.ndarray, valid: np.ndarray, sensor: SensorInfo) -> np.ndarray:
    """The image (band, y, x) in the dataset's type, pixels without a measurement filled in all bands."""
    stored = image.astype(sensor.dtype)
    if sensor.nodata is None:
        stored[:, ~valid] = np.nan
        return stored
    # A measured pixel must not look like the filling: its first band is moved by one, as GDAL's warper does.
    clash = valid & (stored == sensor.nodata).all(0)
    stored[0, clash] = sensor.nodata + 1 if sensor.nodata < np.iinfo(stored.dtype).max else sensor.nodata - 1
    stored[:, ~valid] = sensor.nodata
    return stored


@dataclass
class _Table:
    """The tiles kept so far, and why others were not."""

    values: list[int]
    tile_size: int
    rows: list[dict] = field(default_factory=list)
    shapes: list = field(default_factory=list)
    too_few_valid: int = 0
    too_few_labelled: int = 0
    any_valid: bool = False

    def add(self, scene: Scene, window: Window, valid: float, labelled: float, drawn: np.ndarray, shape) -> None:
        shares = np.bincount(drawn.ravel(), minlength=256)[:len(self.values)] / drawn.size
        of_class = {f"share_{value}": share for value, share in zip(self.values, shares, strict=True)}
        self.rows.append({"tile": len(self.rows), "scene": scene.name, "col": window.col, "row": window.row, "valid": round(valid, 4),
                          "labelled": round(labelled, 4), **of_class})
        self.shapes.append(shape)

    def skip_invalid(self, any_valid: bool) -> None:
        self.too_few_valid += 1
        self.any_valid |= any_valid

    def check(self, scenes: list[Scene], cutting: Cutting, names: list[str]) -> None:
        if self.rows:
            seen = [name for value, name in zip(self.values, names, strict=True) if any(row[f"share_{value}"] for row in self.rows)]
            if len(seen) < 2:
                raise DataError(f"Every labelled pixel in the tiles is of the class “{seen[0]}”, and one class teaches nothing. "
                                "Check that the labels do not cover the whole image, or choose a larger image or extent.")
            return
        if not self.any_valid and not self.too_few_labelled:
            raise DataError(f"{scenes[0].path} holds no valid pixel; all are nodata. Check the nodata value of the layer, or choose "
                            "another image or extent.")
        raise DataError(f"No tile has at least {cutting.minimum_valid:.0%} valid and {cutting.minimum_labelled:.0%} labelled pixels: "
                        f"{self.too_few_valid} have too few valid and {self.too_few_labelled} too few labelled ones. "
                        "Lower these shares, or choose a smaller tile.")

    def text(self, total: int) -> str:
        return (f"{len(self.rows)} of {total} tiles kept; {self.too_few_valid} have too few valid pixels, "
                f"{self.too_few_labelled} too few labelled ones.")

    def frame(self, scenes: list[Scene]) -> geopandas.GeoDataFrame:
        return geopandas.GeoDataFrame(self.rows, geometry=self.shapes, crs=scenes[0].grid.crs)


def _windows(scene: Scene, cutting: Cutting, stride: int) -> list[Window]:
    grid, size = scene.grid, cutting.tile_size
    area = grid.window
    if cutting.extent:
        try:
            area = grid.window_of(cutting.extent)
        except DataError:
            return []
    windows = tile_windows(grid.width, grid.height, size, stride, area)
    if not windows:
        what = f"The extent covers {area.width} × {area.height} pixels of" if cutting.extent else "The image"
        is_small = "which is" if cutting.extent else f"is {area.width} × {area.height} pixels,"
        fitting = min(area.width, area.height)
        advice = f"Choose a tile size of at most {fitting}." if fitting >= 32 else "Choose a larger image or extent."
        raise DataError(f"{what} {scene.path}{',' if cutting.extent else ''} {is_small} smaller than a tile of {size} × {size}. {advice}")
    return windows


def _is_reflectance(scene: Scene) -> bool:
    grid = scene.grid
    middle = Window(max(grid.width // 2 - 512, 0), max(grid.height // 2 - 512, 0), min(grid.width, 1024), min(grid.height, 1024))
    values, valid = scene.read(middle)
    return bool(valid.any()) and float(np.quantile(np.abs(values[:, valid]), 0.99)) < LARGEST_REFLECTANCE


def _fill(scene: Scene, preset: str, dtype: np.dtype) -> float:
    """The value of pixels without a measurement: the file's own, the sensor's, or one that measurements hardly take."""
    declared = [value for value in scene.nodata_of(0) if float(value).is_integer() and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max]
    own = PRESETS[preset].nodata
    if declared:
        return int(declared[0])
    return int(own) if own is not None else 0 if dtype.kind == "u" else int(np.iinfo(dtype).min)


def _scene_facts(scene: Scene, report: Report) -> dict:
    grid = scene.grid
    files = [raster.path for raster in scene.rasters]
    return {"name": scene.name, "path": scene.path, "files": files, "crs": grid.crs, "transform": list(grid.transform),
            "width": grid.width, "height": grid.height, "date": scene.date, "checksum": _checksum(files, report)}


def _checksum(paths: list[str], report: Report) -> str:
    """SHA-256 of files one after the other; empty when one is no plain file, such as ``/vsizip/…``."""
    files = [Path(path.partition("|")[0]) for path in paths]
    if not all(file.is_file() for file in files):
        return ""
    digest = hashlib.sha256()
    for number, file in enumerate(files):
        with file.open("rb") as stream:
            while piece := stream.read(16 * 2**20):
                report.progress(number / len(files), f"Checksum of {file.name}")
                digest.update(piece)
    return "sha256:" + digest.hexdigest()


def _names(bands: list[Band]) -> str:
    return ", ".join(band.name for band in bands)
