"""A simulated landscape with known truth, seen by simulated Sentinel satellites. Nothing in it is real, and every
figure from it must be called simulated.

**The model.** Terrain is a self-similar random field with a valley carved by a winding river (`terrain`, `water`).
Settlements lie on flat ground, roads follow least-cost ways between them, a motorway crosses (`settlements`,
`roads`). The land between is split again and again into parcels, early cuts being tracks, and into blocks of houses
inside settlements (`parcels`, `buildings`, `streets`). Crops follow the priors of the Austrian parcel map as
TimeSen2Crop samples it, and a calendar with double-logistic green cover (`crops`); forest stands, hedges, pits and
brooks are laid over (`landscape`). All is painted on 2.5 m and mixed by area into 10 m pixels (`painting`).
Sentinel-2 sees mixtures of material spectra, with textures, slope, clouds, shadows, haze, blur and noise (`spectra`,
`objects`, `optical`, `sky`); Sentinel-1 sees mixed backscatter with double bounce, slope and speckle (`radar`). A
mapper knows the roads in part (`openstreetmap`), a global map the cover at 100 m with errors (`coarse`), and an
analyst has drawn some polygons (`declarations`).

**Why like this.** Fields, meadows and broadleaved forest share their spectra and differ in texture and shape;
villages are mixtures that no single pixel gives away; most roads are thinner than a pixel. A classifier of single
pixels therefore stays well behind one that sees the neighbourhood.

**What it is not.** The sources named in the modules give the form of the model; most numbers were set by hand to look
and measure like scenes of Central Europe in round numbers. There is no bidirectional reflectance, no adjacency
effect, no layover or shadow of radar, no moisture after rain, no error of registration between bands or sensors.
Accuracies reached here say that a method works, not how well it will work on Earth.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from ...outputs import new_folder
from ...progress import SILENT, Progress
from ..datasets.dataset import ClassInfo
from ..rasters.sensors import PRESETS, Band
from . import coarse, radar
from .declarations import write_parcels, write_training_polygons
from .files import BLOCK, SampleRaster, taken
from .landscape import Landscape, make_landscape
from .noise import stream
from .objects import LAND_COVER
from .openstreetmap import write_roads
from .optical import MARGIN, OpticalView, with_margin
from .painting import FINE, PIXEL, Ground, Painter, Place
from .readme import README
from .season import MAIN, SEASON, Acquisition
from .sky import SCL_CLASSES, Sky
from .spectra import BANDS

CLASSES = [ClassInfo(each.value, each.name, each.color) for each in LAND_COVER]
OPTICAL = [band for band in PRESETS["sentinel2_l2a"].bands if band.name in BANDS]
RADAR = PRESETS["sentinel1_db"].bands[:2]  # VV and VH


def create(folder: str | Path, size_px: int = 1024, seed: int = 1, progress: Progress = SILENT) -> dict[str, str]:
    """Makes a sample landscape and writes its files.

    Args:
        folder: a new or empty folder.
        size_px: width and height in pixels of 10 m.
        seed: the same seed and size give the same landscape.
        progress: told several times a second for the default size.

    Returns:
        Path of each product: sentinel2, scene_classes, sentinel1, land_cover, land_cover_100m, roads, roads_truth,
            parcels, training_polygons, season.

    Raises:
        DataError: the folder holds files, or the disk is full.
    """
    folder = Path(folder)
    with new_folder(folder) as part:
        land = make_landscape(seed, size_px, progress.part(0, 0.25))
        truth, painted = _write_images(part, land, size_px, progress.part(0.25, 0.9))
        progress.at(0.9, "Writing roads and parcels")
        write_roads(part, land)
        write_parcels(part / "parcels.gpkg", land, painted)
        write_training_polygons(part / "training_polygons.gpkg", land, truth, progress.part(0.93, 1.0))
        (part / "README.txt").write_text(README.format(seed=seed, size=size_px), encoding="utf-8")
    progress.at(1.0, "The landscape is ready")
    names = {
        "sentinel2": "sentinel2.tif",
        "scene_classes": "scene_classes.tif",
        "sentinel1": "sentinel1.tif",
        "land_cover": "land_cover.tif",
        "land_cover_100m": "land_cover_100m.tif",
        "roads": "roads.gpkg",
        "roads_truth": "roads_truth.gpkg",
        "parcels": "parcels.gpkg",
        "training_polygons": "training_polygons.gpkg",
        "season": "season",
    }
    return {name: str(folder / file) for name, file in names.items()}


class _Date:
    """The two files of one acquisition and what it takes to make their blocks."""

    def __init__(self, land: Landscape, acquisition: Acquisition, image: SampleRaster, mask: SampleRaster) -> None:
        self.name, self.image, self.mask = acquisition.date, image, mask
        self.spectra = land.objects.spectra(acquisition.day).astype(np.float32)
        self.sky = Sky(land.seed, acquisition.date, acquisition.day, land.image, acquisition.clouds, acquisition.edge, acquisition.haze)

    def write(self, view: OpticalView, place: Place) -> None:
        rng = stream(view.landscape.seed, "noise", self.name, place.row, place.column)
        values, classes = view.image(self.spectra, self.sky, rng)
        self.image.write(values[:, : place.height, : place.width], place.row, place.column)
        self.mask.write(classes[: place.height, : place.width], place.row, place.column)


def _write_images(folder: Path, land: Landscape, size: int, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Paints block after block and writes all rasters; returns land cover (y, x) and the square metres painted per
    object.
    """
    truth, painted = np.zeros((size, size), np.uint8), np.zeros(len(land.objects))
    progress.at(0, "Setting up the cameras")
    painter, hundred = Painter(land), coarse.CoarseMap(land.seed, size)
    power = radar.backscatter(land.objects, MAIN.day).astype(np.float32)
    places = [
        Place(row, column, min(BLOCK, size - row), min(BLOCK, size - column)) for row in range(0, size, BLOCK) for column in range(0, size, BLOCK)
    ]
    with ExitStack() as stack:
        dates = _open_dates(folder, land, size, stack)
        cover = stack.enter_context(SampleRaster(folder / "land_cover.tif", size, "uint8", None, [Band("land cover")], CLASSES))
        sentinel1 = stack.enter_context(
            SampleRaster(
                folder / "sentinel1.tif",
                size,
                "float32",
                radar.NODATA,
                RADAR,
                tags={**taken(MAIN.date), "UNIT": "dB", "LOOKS": str(radar.LOOKS)},
            )
        )
        for number, place in enumerate(places):
            step = progress.part(number / len(places), (number + 1) / len(places))
            step.at(0, "Painting the ground")
            ground = painter.paint(with_margin(place))
            inner = (slice(MARGIN, MARGIN + place.height), slice(MARGIN, MARGIN + place.width))
            painted += _areas(ground, inner)
            truth[place.row : place.row + place.height, place.column : place.column + place.width] = ground.land_cover[inner]
            hundred.add(ground.lc100[inner], place.row, place.column)
            cover.write(ground.land_cover[inner], place.row, place.column)
            speckled = radar.image(land, ground, power, MARGIN, stream(land.seed, "speckle", place.row, place.column))
            sentinel1.write(speckled[:, : place.height, : place.width], place.row, place.column)
            view = OpticalView(land, ground)
            for index, each in enumerate(dates):
                step.at((index + 1) / (len(dates) + 1), f"Looking down on {each.name}")
                each.write(view, place)
    kind = [Band("land cover")]
    with SampleRaster(folder / "land_cover_100m.tif", hundred.side, "uint8", None, kind, coarse.CLASSES, pixel=PIXEL * coarse.CELL) as file:
        file.write(hundred.map(), 0, 0)
    return truth, painted


def _open_dates(folder: Path, land: Landscape, size: int, stack: ExitStack) -> list[_Date]:
    """Opens the main image and the season, each with its mask."""
    season = folder / "season"
    season.mkdir()
    files = [(MAIN, folder / "sentinel2.tif", folder / "scene_classes.tif")]
    files += [(each, season / f"S2_{each.date}.tif", season / f"SCL_{each.date}.tif") for each in SEASON]
    return [
        _Date(
            land,
            each,
            stack.enter_context(SampleRaster(image, size, "uint16", 0, OPTICAL, tags={**taken(each.date), "UNIT": "reflectance × 10000"})),
            stack.enter_context(SampleRaster(mask, size, "uint8", 0, [Band("scene classes")], SCL_CLASSES, tags=taken(each.date))),
        )
        for each, image, mask in files
    ]


def _areas(ground: Ground, inner: tuple[slice, slice]) -> np.ndarray:
    """Square metres of each object within a part of a block."""
    chosen = np.zeros(ground.main.shape, np.float32)
    chosen[inner] = PIXEL * PIXEL
    return ground.mixture.T @ chosen.ravel()


__all__ = ["CLASSES", "FINE", "create"]
