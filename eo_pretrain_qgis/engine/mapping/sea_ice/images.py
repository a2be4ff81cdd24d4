"""Whether an image of radar is one that a model of sea ice can read, and where its incidence angle is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ....errors import DataError, JobError
from ....outputs import scratch_folder
from ....progress import SILENT, Progress
from ...models.package import Package
from ...rasters.raster import Scene
from ...rasters.same_band import band_of_file, speaks_of
from ...themes.sea_ice.incidence_angle import AngleTable, read_tables, write_angles
from ...themes.sea_ice.orbit import WORDS, Orbit, orbit_of
from ...themes.sea_ice.sar_bands import ANGLE, HH, HV, band_kind
from ..request import MapRequest
from ..stamps import file_of

#: In names of products of Sentinel-1: sent vertically, and received so, or both ways.
_VERTICAL_PRODUCT = re.compile(r"_1S[DS]V_")


@contextmanager
def readable(model: Package, request: MapRequest, angle_table: str, output: str, progress: Progress = SILENT) -> Iterator[MapRequest]:
    """The request with an incidence angle, where the model needs one, whatever the image calls it; where there is none, computed from the orbit.

    Args:
        model: that is to read it.
        request: the image.
        angle_table: CSV of incidence angles; empty where the image has them.
        output: beside which the raster of the angle lies meanwhile.
        progress: told how far it is.

    Raises:
        DataError: the image has other polarisations than the model, or no angle and no
            way to compute it.
        JobError: a table of angles for a model, or an image, that needs none.
    """
    needed = [band.name for band in model.image.bands]
    names = request.image.names()
    _refuse_vertical(model, request, names)
    if angle_table and ANGLE not in needed:
        raise JobError(f"“Table of incidence angles” (angle_table) was given, and the model {model.path} reads {' and '.join(needed)} alone. "
                       "Leave it empty.")
    if ANGLE not in needed or ANGLE in names:
        if angle_table:
            raise JobError(f"“Table of incidence angles” (angle_table) was given, and {request.sources[0]['path']} has a band {ANGLE}. Leave the "
                           "table empty.")
        yield request
        return
    called = [ANGLE if band_kind(name) == ANGLE else name for name in names]
    if called.count(ANGLE) == 1 and not angle_table:
        yield replace(request, bands=",".join(called))
        return
    with scratch_folder(output) as folder:
        path = folder / f"{ANGLE}.tif"
        with request.scene(model) as scene:
            grid, shown = scene.grid, scene.path
            orbit = None if angle_table else _orbit(scene, model, names, progress.part(0, 0.2))
        if orbit:
            at, told = orbit.on(grid), {**request.provenance, ANGLE: WORDS}
        else:
            table, told = _only(read_tables(angle_table), angle_table, shown), request.provenance
            at = table.by_place(grid) if table.has_places else table.by_pixel(grid.width, grid.height)
        write_angles(path, grid.width, grid.height, at, grid, progress.part(0.2, 1))
        bands = f"{request.bands},{ANGLE}" if request.bands else ""
        yield replace(request, sources=[*request.sources, {"path": str(path)}], bands=bands, provenance=told,
                      made={str(path): angle_table or file_of(request.sources[0])})


def _orbit(scene: Scene, model: Package, names: list[str], progress: Progress) -> Orbit:
    """The orbit that tells the angle of an image without one.

    Raises:
        DataError: it cannot be computed.
    """
    try:
        return orbit_of(scene, progress=progress)
    except DataError as error:
        raise DataError(f"{scene.path} has no incidence angle, which the model {model.path} needs: ice and water at different angles look alike. Its "
                        f"bands are {', '.join(names)}. {error} Give the scene as it was delivered, whose annotation has the angle, add the angle as "
                        "a raster to “Image”, or give a “Table of incidence angles”.") from None


def _refuse_vertical(model: Package, request: MapRequest, names: list[str]) -> None:
    """Says that VV and VH are not HH and HV."""
    if not {HH, HV} & {speaks_of(band.name) for band in model.image.bands}:
        return
    spoken = {speaks_of(name) for name in names}
    stems = [Path(source["path"]).stem for source in request.sources]
    found = [name for name in ("VV", "VH") if name in spoken | {band_of_file(stem) for stem in stems}]
    found = found or ["VV"] * any(_VERTICAL_PRODUCT.search(stem) for stem in stems)
    if found and not {HH, HV} & spoken:
        raise DataError(f"{request.sources[0]['path']} holds {' and '.join(found)}, and the model {model.path} learned from HH and HV, in which "
                        "ice and water look different. Choose a scene of HH and HV, as Sentinel-1 takes over polar seas.")


def _only(tables: dict[str, AngleTable], path: str, image: str) -> AngleTable:
    """The table of an image: the only one, or that of its name."""
    if len(tables) == 1:
        return next(iter(tables.values()))
    stem = Path(image).stem
    for scene, table in tables.items():
        if Path(scene).stem == stem:
            return table
    raise DataError(f"{path} has no angles for {Path(image).name}; its column scene has {', '.join(list(tables)[:5])}. "
                    "Use the name of the file there.")
