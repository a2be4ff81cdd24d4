"""Scenes of HH, HV and incidence angle on one grid, warped or interpolated where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.dataset import SensorInfo
from ...rasters.control_points import ControlPoints, control_points, target_grid
from ...rasters.grid import Window
from ...rasters.raster import Raster, Scene
from ...rasters.sensors import PRESETS, Band
from .ground_control import is_placed, raw, warp
from .incidence_angle import AngleTable, check_angles, read_tables, write_angles
from .orbit import orbit_of
from .sar_bands import ANGLE, DB, HH, LINEAR, LOOK_SIZE, LOOKS, SarImages, Source, check_sizes, find_bands, find_unit

#: Pixel sizes that differ by more than this share deserve a warning.
PIXEL_DIFFERENCE = 0.05


class PickedRaster(Raster):
    """One band of a raster under a name of ours, read from another file where the raster was warped."""

    def __init__(self, source: dict, band: int, name: str, nodata: tuple[float, ...] = (), stored: Path | None = None) -> None:
        """Takes a raster value, the band from 0, its new name, its nodata values and where it was warped to."""
        super().__init__(**{key: value for key, value in source.items() if key in ("path", "name", "crs", "open_options", "date", "own_nodata")})
        self._band, self._band_name, self._missing, self._stored = band, name, nodata, str(stored) if stored else ""
        if stored:
            self.crs, self._options, self._own_nodata = "", {}, ()

    @property
    def dataset(self) -> rasterio.DatasetReader:
        """The open file; messages and records name the file the analyst gave."""
        if self._opened is None:
            given = self.path
            self.path = self._stored or given
            try:
                opened = super().dataset
            finally:
                self.path = given
            self._bands = [0 if self._stored else self._band]
            return opened
        return self._opened

    @property
    def band_names(self) -> list[str]:
        """The name given."""
        return [self._band_name]

    def nodata_of(self, band: int) -> list[float]:
        """The values given and that of the file."""
        return sorted({*super().nodata_of(band), *(value for value in self._missing if np.isfinite(value))})


def open_sar_scenes(given: SarImages, folder: Path, progress: Progress = SILENT) -> tuple[list[Scene], SensorInfo, dict]:
    """Opens scenes for sea ice, warping what has no grid of its own.

    Args:
        given: the layers.
        folder: for warped bands and interpolated angles; they are read until the dataset is made.
        progress: also hears what was found out.

    Returns:
        The scenes with the bands HH, HV and, unless left out, incidence_angle; their sensor; and facts for dataset.json.

    Raises:
        DataError: bands, sizes, units, angles or places that do not go together, naming the file.
    """
    for what, others in (("HV", given.hv), ("incidence angle", given.angles)):
        if others and len(others) != len(given.images):
            raise DataError(f"There are {len(given.images)} HH images and {len(others)} {what} images. Give one for each, in the same order.")
    tables = read_tables(given.angle_table) if given.angle_table else {}
    scenes, units, facts = [], [], []
    for number in range(len(given.images)):
        part = progress.part(number / len(given.images), (number + 1) / len(given.images))
        part.at(0, "Opening the images")
        scene, unit, known = _open(given, number, tables, folder, part)
        scenes.append(scene)
        units.append(unit)
        facts.append(known)
    if len(set(units)) > 1:
        other = units.index(DB if units[0] == LINEAR else LINEAR)
        raise DataError(f"{scenes[0].path} is in {units[0]} and {scenes[other].path} in {units[other]}. Convert one to the unit of the other.")
    for scene in scenes[1:]:
        if (scene.scales, scene.offsets) != (scenes[0].scales, scenes[0].offsets):
            raise DataError(f"{scenes[0].path} and {scene.path} store their values with different scales. Convert one to the scale of the other.")
    _check_pixels(scenes, progress)
    names = scenes[0].band_names
    preset = "sentinel1_db" if units[0] == DB else "sentinel1_linear"
    bands = tuple(Band(name, None, "degree" if name == ANGLE else units[0], scale, offset)
                  for name, scale, offset in zip(names, scenes[0].scales, scenes[0].offsets, strict=True))
    for scene in scenes:
        scene.empty = PRESETS[preset].nodata
        scene.close()
    return scenes, SensorInfo("image", preset, "float32", None, bands), {
        "unit": units[0], "incidence_angle": _which([known["incidence_angle"] for known in facts]),
        "georeferenced": [known["placed"] for known in facts]}


def _open(given: SarImages, number: int, tables: dict[str, AngleTable], folder: Path, progress: Progress) -> tuple[Scene, str, dict]:
    image = given.images[number]
    table = _table_of(tables, image, len(given.images)) if tables else None
    sources = find_bands(given, number, progress)
    computed = given.from_orbit and ANGLE not in sources
    if ANGLE not in sources and table is None and not given.without_angle and not computed:
        raise DataError(f"{image['path']} has no incidence angle, without which ice and water at different angles look alike. Give it as a "
                        "layer, as a table of the product's annotation, or set “Incidence angle” to orbit, for whole scenes, or to none.")
    check_sizes(sources)
    unit, sources = find_unit(sources, given, progress)
    if given.without_angle:
        sources.pop(ANGLE, None)
        table = None
    elif table is not None:
        sources.pop(ANGLE, None)
    placed = _Placed(given, sources, table, folder / f"scene{number:03d}", progress)
    scene = placed.scene()
    if computed:
        scene = _with_orbit(scene, image, folder / f"orbit{number:03d}.tif", progress)
    if scene.band_names[-1] == ANGLE:
        _check_angle(scene, progress)
    how = "none" if given.without_angle else "orbit" if computed else "table" if table is not None else "layer" if given.angles else "band"
    return scene, unit, {"incidence_angle": how, "placed": placed.how}


def _which(found: list[str]) -> str:
    """Where the angle of scenes is from, the least sure of the ways."""
    return "orbit" if "orbit" in found else found[0]


def _with_orbit(scene: Scene, image: dict, path: Path, progress: Progress) -> Scene:
    """A scene with the incidence angle as its last band, computed from the orbit and kept in a file."""
    try:
        orbit = orbit_of(scene, [image.get("name") or ""], progress)
    except DataError as error:
        raise DataError(f"{image['path']} has no incidence angle. {error} Give it as a layer or as a table of the product's annotation, or set "
                        "“Incidence angle” to none.") from None
    write_angles(path, scene.grid.width, scene.grid.height, orbit.on(scene.grid), scene.grid, progress)
    return Scene([*scene.rasters, PickedRaster({"path": image["path"], "name": image.get("name", "")}, 0, ANGLE, (), path)])


class _Placed:
    """Brings the bands of one scene onto one grid, where they are not."""

    def __init__(self, given: SarImages, sources: dict[str, Source], table: AngleTable | None, folder: Path, progress: Progress) -> None:
        self.given, self.sources, self.table, self.folder, self.progress = given, sources, table, folder, progress
        self.how = "grid"

    def scene(self) -> Scene:
        """The scene on its own grid, or on the target grid by its control points."""
        first = self.sources[HH]
        with raw(first.raster) as opened:
            if is_placed(opened, first.raster.get("crs") or ""):
                return self._on_own_grid()
            control = control_points(opened) or (self.table.control_points() if self.table else None)
            return self._by_control(first.raster["path"], control, opened.width, opened.height)

    def _on_own_grid(self) -> Scene:
        first = self.sources[HH]
        rasters: list[Raster] = [self._picked(source) for source in self.sources.values() if source.name != ANGLE]
        grid = rasters[0].grid
        if self.table is not None:
            at = self.table.by_place(grid) if self.table.has_places else self.table.by_pixel(grid.width, grid.height)
            path = self._file("angle.tif")
            write_angles(path, grid.width, grid.height, at, grid, self.progress)
            rasters.append(PickedRaster({"path": self.table.path, "name": first.raster.get("name", "")}, 0, ANGLE, (), path))
        elif ANGLE in self.sources:
            angle = self.sources[ANGLE]
            picked = self._picked(angle)
            if not grid.same_as(picked.grid):  # tie points, or another projection: the angle is smooth
                path = self._file("angle.tif")
                warp(angle.raster, [angle.band], grid, path, [angle.nodata], progress=self.progress)
                picked = self._picked(angle, path)
            rasters.append(picked)
        return Scene(rasters)

    def _by_control(self, path: str, control: ControlPoints | None, width: int, height: int) -> Scene:
        if control is None:
            raise DataError(f"{path} has no coordinate reference system and no ground control points, so nothing says where it lies. "
                            "Georeference it, or give a “Table of incidence angles” with pixel, line, longitude and latitude.")
        if not self.given.target_crs:
            raise DataError(f"{path} is placed by {len(control.points)} ground control points only. Give a “Target CRS” such as EPSG:3413 "
                            "or EPSG:3031 to warp it, or warp it first with “Warp (reproject)”.")
        grid = target_grid(control, width, height, self.given.target_crs, self.given.resolution)
        self.how = f"{len(control.points)} ground control points"
        angle = self.sources.get(ANGLE)
        if self.table is not None and not self.table.has_places:
            stored = self._file("angle-raw.tif")
            write_angles(stored, width, height, self.table.by_pixel(width, height), None, self.progress.part(0, 0.1))
            angle = Source(ANGLE, {"path": str(stored)}, 1)
        rasters: list[Raster] = []
        parts = [source for source in self.sources.values() if source.name != ANGLE] + ([angle] if angle else [])
        for number, source in enumerate(parts):
            part = self.progress.part(0.1 + 0.9 * number / len(parts), 0.1 + 0.9 * (number + 1) / len(parts))
            stored = self._file(f"{source.name}.tif")
            warp(source.raster, [source.band], grid, stored, [source.nodata], control, part)
            named = {"path": self.table.path} if self.table and source.name == ANGLE else source.raster
            rasters.append(PickedRaster(named, 0, source.name, (), stored))
        if self.table is not None and self.table.has_places:
            stored = self._file("angle.tif")
            write_angles(stored, grid.width, grid.height, self.table.by_place(grid), grid, self.progress.part(0.9, 1))
            rasters.append(PickedRaster({"path": self.table.path}, 0, ANGLE, (), stored))
        return Scene(rasters)

    def _picked(self, source: Source, stored: Path | None = None) -> PickedRaster:
        return PickedRaster(source.raster, source.band - 1, source.name, source.nodata, stored)

    def _file(self, name: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / name


def _check_pixels(scenes: list[Scene], progress: Progress) -> None:
    """Says when pixels are not square on the ground, or differ between scenes."""
    first = scenes[0].grid.metres_per_pixel()
    for scene in scenes:
        width, height = scene.grid.metres_per_pixel()
        if abs(width / height - 1) > PIXEL_DIFFERENCE:
            progress.message(f"The pixels of {scene.path} measure {width:.4g} × {height:.4g} m on the ground, so patches are not square. Warp the "
                             "scene to a polar projection such as EPSG:3413.", level="warning")
        if abs(width / first[0] - 1) > PIXEL_DIFFERENCE:
            progress.message(f"The pixels of {scene.path} measure {width:.4g} m and those of {scenes[0].path} {first[0]:.4g} m.", level="warning")


def _check_angle(scene: Scene, progress: Progress) -> None:
    """Looks at the angle where HH was measured."""
    grid, band = scene.grid, len(scene.band_names) - 1
    size, found, measured, covered = LOOK_SIZE, [], 0, 0
    for row in np.linspace(0, max(grid.height - size, 0), LOOKS).astype(int):
        progress.at(1, "Looking at the incidence angle")
        for col in np.linspace(0, max(grid.width - size, 0), LOOKS).astype(int):
            window = Window(int(col), int(row), min(size, grid.width), min(size, grid.height))
            values, valid = scene.read(window, [0, band])
            _, backscatter = scene.read(window, [0])
            found.append(values[1][valid] * scene.scales[band] + scene.offsets[band])
            measured, covered = measured + int(backscatter.sum()), covered + int(valid.sum())
    path = scene.rasters[-1].path
    check_angles(np.concatenate(found), path)
    if covered < measured / 2:
        raise DataError(f"The incidence angle {path} covers {covered / measured:.0%} of the measured pixels only. Give the angle of this scene, "
                        "or set “Incidence angle” to none.")


def _table_of(tables: dict[str, AngleTable], image: dict, scenes: int) -> AngleTable:
    """The table of a scene: by its name, or the only one."""
    if "" in tables:
        if scenes > 1:
            table = tables[""]
            raise DataError(f"{table.path} does not say for which of the {scenes} scenes its angles are. Add a column scene with the name of the "
                            "HH layer or file.")
        return tables[""]
    names = {image.get("name") or "", Path(image["path"]).name, Path(image["path"]).stem}
    for scene, table in tables.items():
        if scene in names:
            return table
    first = next(iter(tables.values()))
    raise DataError(f"{first.path} has no angles for {Path(image['path']).name}; its column scene has {', '.join(list(tables)[:5])}. "
                    "Use the name of the HH layer or file there.")
