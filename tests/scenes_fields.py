"""Scenes of fields: two images of one place on two days, its parcels with all that parcels can have, and what is learned from them."""

import geopandas
import numpy as np
import shapely

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .scenes import ORIGIN, UTM, write_raster

#: Edge of a field and distance between the corners of neighbours [px]: 24 px of field, 1 px of grass on each side. The first two columns of squares
#: hold no fields.
EDGE, STEP, EMPTY = 24, 26, 2
SIDE = 256


def square(row, column, size=EDGE):
    """A field of so many pixels, in metres."""
    west, north = ORIGIN[0] + 10 * (STEP * column + 1), ORIGIN[1] - 10 * (STEP * row + 1)
    return shapely.box(west, north - 10 * size, west + 10 * size, north)


def _places():
    return [(row, column) for row in range(9) for column in range(EMPTY, 9)]


def _image(folder, day, seed):
    """Fields of their own brightness in B04 and B08 on grass of one; sd 20."""
    rng = np.random.default_rng(seed)
    values = np.broadcast_to(np.array([500.0, 2000.0])[:, None, None], (2, SIDE, SIDE)).copy()
    for row, column in _places():
        top, left = STEP * row + 1, STEP * column + 1
        values[:, top:top + EDGE, left:left + EDGE] = rng.uniform(900, 3000, (2, 1, 1))
    values += rng.normal(0, 20, values.shape)
    return write_raster(folder / f"S2_{day}.tif", values.astype(np.uint16), names=["B04", "B08"])


def fields_spring(folder):
    """The fields in spring, 256 × 256 px of 10 m: squares of 24 px with grass of 2 px between, and a strip of grass in the west."""
    return _image(folder, "20230408", 1)


def fields_summer(folder):
    """The same ground in summer: other brightness."""
    return _image(folder, "20230627", 2)


def fields_shifted(folder):
    """Another grid: 128 × 128 px."""
    return write_raster(folder / "S2_20230627_small.tif", np.full((2, 128, 128), 900, np.uint16), names=["B04", "B08"])


def field_parcels(folder):
    """The parcels of these fields in degrees: the first two as one parcel of two parts, one twice, one whose border crosses itself, and one more
    of 3 m.
    """
    shapes = [square(*place) for place in _places()]
    bow = np.array(shapes[5].exterior.coords)
    bow[[1, 2]] = bow[[2, 1]]
    crossed = shapely.Polygon(bow)
    tiny = shapely.box(ORIGIN[0] + 11, ORIGIN[1] - 14, ORIGIN[0] + 14, ORIGIN[1] - 11)
    parcels = [shapely.MultiPolygon(shapes[:2]), *shapes[2:5], crossed, *shapes[6:], shapes[7], tiny]
    geopandas.GeoDataFrame({"parcel": range(len(parcels))}, geometry=parcels, crs=UTM).to_crs(4326).to_file(folder / "parcels.gpkg", layer="parcels")
    return folder / "parcels.gpkg"


def field_lines(folder):
    """Borders of parcels as lines."""
    lines = [shapely.LineString(square(*place).exterior.coords) for place in _places()[:3]]
    geopandas.GeoDataFrame({"parcel": range(3)}, geometry=lines, crs=UTM).to_file(folder / "lines.gpkg")
    return folder / "lines.gpkg"


def field_parcels_elsewhere(folder):
    """Parcels 100 km further east."""
    shapes = [shapely.affinity.translate(square(*place), 100_000) for place in _places()]
    geopandas.GeoDataFrame({"parcel": range(len(shapes))}, geometry=shapes, crs=UTM).to_file(folder / "elsewhere.gpkg")
    return folder / "elsewhere.gpkg"


def field_district(folder):
    """The outline of a district of 40 km."""
    west, north = ORIGIN
    geopandas.GeoDataFrame({"name": ["district"]}, geometry=[shapely.box(west, north - 40_000, west + 40_000, north)], crs=UTM).to_file(
        folder / "district.gpkg")
    return folder / "district.gpkg"


def field_survey(folder):
    """The southern half of the image, where somebody has drawn all fields."""
    west, north = ORIGIN
    geopandas.GeoDataFrame({"name": ["south"]}, geometry=[shapely.box(west, north - 2560, west + 2560, north - 1280)], crs=UTM).to_file(
        folder / "survey.gpkg")
    return folder / "survey.gpkg"


def field_dataset(folder):
    """64 tiles of both dates."""
    values = {"images": [str(fields_spring(folder))], "second_images": [str(fields_summer(folder))], "parcels": str(field_parcels(folder)),
              "preset": "sentinel2_l2a", "tile_size": 32, "output": str(folder / "field_dataset")}
    JOBS["create_field_dataset"].from_values(values).run(SILENT)
    return folder / "field_dataset"


def field_run(folder):
    """A small network trained on `field_dataset`."""
    values = {"dataset": str(field_dataset(folder)), "approach": "network", "encoder": "tu-test_resnet", "epochs": 2, "batch_size": 8,
              "device": "cpu", "output": str(folder / "field_run")}
    JOBS["finetune"].from_values(values).run(SILENT)
    return folder / "field_run"


def field_simple_run(folder):
    """A regression on the statistics of `field_dataset`."""
    values = {"dataset": str(field_dataset(folder)), "approach": "statistics", "output": str(folder / "field_simple_run")}
    JOBS["finetune"].from_values(values).run(SILENT)
    return folder / "field_simple_run"


def field_model(folder):
    """The model of `field_run`."""
    JOBS["export_model"].from_values({"run_folder": str(field_run(folder)), "output": str(folder / "fields.onnx")}).run(SILENT)
    return folder / "fields.onnx"


def field_simple_model(folder):
    """The model of `field_simple_run`."""
    JOBS["export_model"].from_values({"run_folder": str(field_simple_run(folder)), "output": str(folder / "simple_fields.onnx")}).run(SILENT)
    return folder / "simple_fields.onnx"
