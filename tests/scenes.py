"""Scenes with known truth, made by code. A public function here takes the folder to write into and returns the path it made;
`tests/jobs/*.yaml` names these functions, and those of the files `scenes_*.py` that `tests/test_jobs.py` lists. Keep each readable as the
statement of what is true in it.
"""

from pathlib import Path

import geopandas
import numpy as np
import onnx
import pandas
import rasterio
import rasterio.shutil
import shapely
from rasterio.control import GroundControlPoint
from rasterio.transform import from_origin

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .networks import threshold_network, write_threshold_model

UTM = "EPSG:32633"
ORIGIN = (500_000, 5_300_000)


def write_raster(path: Path, bands: np.ndarray, *, crs: str | None = UTM, nodata=None, names=(), transform=None, resolution=10.0, **profile) -> Path:
    """Writes (band, y, x) as a GeoTIFF whose upper left corner is ORIGIN."""
    bands = np.atleast_3d(bands) if bands.ndim == 3 else bands[None]
    count, height, width = bands.shape
    transform = transform or from_origin(*ORIGIN, resolution, resolution)
    with rasterio.open(path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype, crs=crs,
                       transform=transform, nodata=nodata, **profile) as target:
        target.write(bands)
        for index, name in enumerate(names, 1):
            target.set_band_description(index, name)
    return path


def south_up(image, folder):
    """The raster once more in another folder, with its rows stored from south to north."""
    with rasterio.open(image) as source:
        profile, values, names = source.profile, source.read(), source.descriptions
        transform = source.transform @ rasterio.Affine.translation(0, source.height) @ rasterio.Affine.scale(1, -1)
    return write_raster(folder / image.name, values[:, ::-1], crs=profile["crs"], nodata=profile["nodata"], transform=transform,
                        names=[name or "" for name in names])


def two_halves(folder):
    """Left half B02 = 1000, right half 2000; 96 x 96 px of 10 m. `two_halves_model` tells the halves apart."""
    values = np.full((1, 96, 96), 1000, np.uint16)
    values[:, :, 48:] = 2000
    return write_raster(folder / "two_halves.tif", values, names=["B02"])


def two_halves_nodata(folder):
    """`two_halves` with nodata in the upper quarter."""
    values = np.full((1, 96, 96), 1000, np.uint16)
    values[:, :, 48:] = 2000
    values[:, :24] = 0
    return write_raster(folder / "two_halves_nodata.tif", values, names=["B02"], nodata=0)


def two_halves_bright(folder):
    """`two_halves` plus 1000 in every pixel, as Sentinel-2 is stored from baseline 04.00 on."""
    values = np.full((1, 96, 96), 2000, np.uint16)
    values[:, :, 48:] = 3000
    return write_raster(folder / "two_halves_bright.tif", values, names=["B02"])


def nothing_measured(folder):
    """An image of nodata."""
    return write_raster(folder / "nothing.tif", np.zeros((1, 96, 96), np.uint16), names=["B02"], nodata=0)


def red_and_green(folder):
    """Bands B04 and B03, no B02."""
    return write_raster(folder / "red_and_green.tif", np.full((2, 96, 96), 1000, np.uint16), names=["B04", "B03"])


def without_crs(folder):
    """`two_halves` without a coordinate reference system."""
    return write_raster(folder / "without_crs.tif", np.full((1, 96, 96), 1000, np.uint16), names=["B02"], crs=None)


def cut_short(folder):
    """A cloud-optimised file, whose directory stands at the start, that ends in the middle of its pixels."""
    noise = np.random.default_rng(1).integers(500, 2500, (1, 1024, 1024)).astype(np.uint16)
    whole = write_raster(folder / "whole.tif", noise, names=["B02"])
    path = folder / "cut_short.tif"
    rasterio.shutil.copy(whole, path, driver="COG", blocksize=128, overviews="none")
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    return path


def two_halves_model(folder):
    """Maps B02 above 1500 to class 2, other pixels to class 1."""
    return write_threshold_model(folder / "two_halves_model.onnx")


def corrupt_model(folder):
    """A model file whose download broke off."""
    path = two_halves_model(folder)
    path.write_bytes(path.read_bytes()[:150])
    return path


def foreign_model(folder):
    """A network from elsewhere: ONNX, but it does not say what it takes."""
    onnx.save(threshold_network(), folder / "foreign.onnx")
    return folder / "foreign.onnx"


def newer_model(folder):
    """A model file of a version to come."""
    path = two_halves_model(folder)
    model = onnx.load(path)
    for entry in model.metadata_props:
        if entry.key == "eo_pretrain":
            entry.value = entry.value.replace('"version": 2', '"version": 3')
    onnx.save(model, path)
    return path


def land(folder):
    """256 x 256 px of 10 m: fields of 32 px, "crop" (B04 2000, B08 3000) and "forest" (B04 300, B08 4000) like a chessboard; sd 50."""
    row, col = np.indices((256, 256))
    crop = (row // 32 + col // 32) % 2 == 0
    noise = np.random.default_rng(1).normal(0, 50, (2, 256, 256))
    bands = np.where(crop, np.array([2000, 3000])[:, None, None], np.array([300, 4000])[:, None, None]) + noise
    return write_raster(folder / "land.tif", bands.astype(np.uint16), names=["B04", "B08"])


def land_again(folder):
    """`land` in a file of its own."""
    return Path(land(folder)).rename(folder / "land_again.tif")


def _fields(**columns):
    """The fields of `land` as squares of 320 m, row by row; `columns` are made from row and column of the field."""
    places = [(row, col) for row in range(8) for col in range(8)]
    squares = [shapely.box(ORIGIN[0] + 320 * col, ORIGIN[1] - 320 * (row + 1), ORIGIN[0] + 320 * (col + 1), ORIGIN[1] - 320 * row)
               for row, col in places]
    return geopandas.GeoDataFrame({name: [make(*place) for place in places] for name, make in columns.items()}, geometry=squares, crs=UTM)


def land_fields(folder):
    """The fields of `land` in degrees: cover "crop" or "forest" (text), code 10 or 20, many (64 values), nothing (null)."""
    fields = _fields(cover=lambda row, col: ("crop", "forest")[(row + col) % 2], code=lambda row, col: (10, 20)[(row + col) % 2],
                     many=lambda row, col: 8 * row + col, nothing=lambda row, col: None)
    fields.to_crs(4326).to_file(folder / "fields.gpkg", layer="fields")
    return folder / "fields.gpkg"


def land_many_values(folder):
    """`land_fields` with a field of 300 different values."""
    fields = geopandas.GeoDataFrame(pandas.concat([_fields(crop=lambda row, col: None)] * 5, ignore_index=True))
    fields["crop"] = [f"kind {number % 300}" for number in range(len(fields))]
    fields.to_file(folder / "many.gpkg")
    return folder / "many.gpkg"


def land_elsewhere(folder):
    """The fields of `land`, 100 km further east."""
    fields = _fields(cover=lambda row, col: "crop" if col % 2 else "forest")
    fields.geometry = fields.geometry.translate(100_000)
    fields.to_file(folder / "elsewhere.gpkg")
    return folder / "elsewhere.gpkg"


def land_empty(folder):
    """A layer whose only features have no geometry."""
    geopandas.GeoDataFrame({"cover": ["crop", "forest"]}, geometry=[None, shapely.Polygon()], crs=UTM).to_file(folder / "empty.gpkg")
    return folder / "empty.gpkg"


def land_paths(folder):
    """Two lines across `land`, west to east through rows 15 and 100, in degrees."""
    lines = [shapely.LineString([(ORIGIN[0], ORIGIN[1] - 10 * row - 5), (ORIGIN[0] + 2560, ORIGIN[1] - 10 * row - 5)]) for row in (15, 100)]
    geopandas.GeoDataFrame({"kind": ["path", "road"]}, geometry=lines, crs=UTM).to_crs(4326).to_file(folder / "paths.geojson")
    return folder / "paths.geojson"


def land_cover(folder):
    """The fields of `land` as a class raster of 20 m: 1 crop, 2 forest, and the western column of fields 0, its nodata."""
    row, col = np.indices((128, 128))
    cover = np.where((row // 16 + col // 16) % 2 == 0, 1, 2).astype(np.uint8)
    cover[:, :16] = 0
    return write_raster(folder / "cover.tif", cover, nodata=0, resolution=20.0)


def land_dataset(folder):
    """A dataset of 64 tiles made from `land` and `land_fields`."""
    values = {"images": [str(land(folder))], "labels": str(land_fields(folder)), "class_field": "cover", "preset": "sentinel2_l2a",
              "tile_size": 32, "output": str(folder / "land_dataset")}
    JOBS["create_training_dataset"].from_values(values).run(SILENT)
    return folder / "land_dataset"


def other_land_dataset(folder):
    """A dataset on a scene like `land`, 10 DN brighter."""
    with rasterio.open(land(folder)) as source:
        brighter = write_raster(folder / "brighter.tif", source.read() + 10, names=["B04", "B08"])
    values = {"images": [str(brighter)], "labels": str(land_fields(folder)), "class_field": "cover", "preset": "sentinel2_l2a",
              "tile_size": 32, "output": str(folder / "other_land_dataset")}
    JOBS["create_training_dataset"].from_values(values).run(SILENT)
    return folder / "other_land_dataset"


def resplit_land_dataset(folder):
    """The tiles of `land_dataset`, divided with another seed."""
    values = {"dataset": str(land_dataset(folder)), "seed": 7, "output": str(folder / "resplit")}
    JOBS["split_dataset"].from_values(values).run(SILENT)
    return folder / "resplit"


def land_run(folder):
    """A small network trained on `land_dataset` until it tells crop from forest."""
    values = {"dataset": str(land_dataset(folder)), "approach": "network", "encoder": "tu-test_resnet", "epochs": 4, "batch_size": 4,
              "learning_rate": 0.003, "device": "cpu", "output": str(folder / "land_run")}
    JOBS["finetune"].from_values(values).run(SILENT)
    return folder / "land_run"


def land_runs(folder):
    """Boosted trees of two seeds on `land_dataset`, a regression on the same, and the model of all three."""
    dataset, made = str(land_dataset(folder)), folder / "land_runs"
    for name, values in {"first": {"approach": "boosting"}, "second": {"approach": "boosting", "seed": 2}, "regression": {"approach": "statistics"},
                         "network": {"approach": "network", "encoder": "tu-test_resnet", "epochs": 1, "device": "cpu"}}.items():
        JOBS["finetune"].from_values({"dataset": dataset, "output": str(made / name), **values}).run(SILENT)
    others = [str(made / name / "run.json") for name in ("second", "regression")]
    JOBS["export_model"].from_values({"run_folder": str(made / "first"), "more_runs": others, "output": str(made / "members.onnx")}).run(SILENT)
    return made


def simple_run(folder):
    """A regression on the statistics of `land_dataset`."""
    JOBS["finetune"].from_values({"dataset": str(land_dataset(folder)), "approach": "statistics", "output": str(folder / "simple_run")}).run(SILENT)
    return folder / "simple_run"


def ground_control_points(folder):
    """An image placed by ground control points only."""
    path = write_raster(folder / "points.tif", np.full((1, 96, 96), 1000, np.uint16), crs=None)
    corners = [GroundControlPoint(row, col, 15 + col / 1000, 47 - row / 1000) for row in (0, 96) for col in (0, 96)]
    with rasterio.open(path, "r+") as target:
        target.transform = rasterio.Affine.identity()
        target.gcps = corners, rasterio.crs.CRS.from_epsg(4326)
    return path


def rotated(folder):
    """An image turned by 10 degrees against its axes."""
    turned = from_origin(*ORIGIN, 10, 10) @ rasterio.Affine.rotation(10)
    return write_raster(folder / "rotated.tif", np.full((1, 96, 96), 1000, np.uint16), names=["B02"], transform=turned)
