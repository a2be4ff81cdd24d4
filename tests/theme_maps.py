"""A map of every theme: a job with its values, on ground that is small enough to map it twice."""

import os

import geopandas
import numpy as np
import rasterio

from eo_pretrain_qgis.engine.mapping.fields.decoding import BOUNDARY, INTERIOR
from eo_pretrain_qgis.jobs import JOBS

from . import networks, scenes, scenes_crop_maps, scenes_ice_maps
from .scenes_crops import crop_season
from .scenes_series import fields_model


def of_series(folder):
    season = crop_season(folder / "season")
    days = ("20230401", "20230501", "20230601")
    return season, {"images": [str(season / f"S2_{day}.tif") for day in days], "masks": [str(season / f"SCL_{day}.tif") for day in days]}


def series_of_pixels(folder):
    (folder / "season").mkdir()
    return "map_series", {"model": str(fields_model(folder)), **of_series(folder)[1], "confidence": "sure.tif", "applicability": "ground.tif"}


def crops_of_a_mask(folder):
    model = scenes_crop_maps.parcel_model(folder)
    season = folder / "season"
    return "map_crop_types", {"model": str(model), **scenes_crop_maps.given_images(season), "mask": str(season / "fields.gpkg"),
                              "class_map": "crops.tif", "table": "hectares.csv"}


def land_cover(folder):
    values = np.random.default_rng(1).integers(1200, 1800, (1, 150, 150)).astype(np.uint16)
    scenes.write_raster(folder / "image.tif", values, names=["B02"])
    model = networks.write_threshold_model(folder / "model.onnx", block=64, small_block=None)
    return "map_land_cover", {"model": str(model), "images": [str(folder / "image.tif")], "confidence": "sure.tif", "minimum_area": 1000,
                              "polygons": "areas.gpkg"}


def sea_ice(folder):
    image = scenes_ice_maps.write_ice(folder / "ice.tif", scenes_ice_maps.half_ice())
    model = scenes_ice_maps.write_ice_model(folder / "angle.onnx", angle=True, block=32, small_block=None)
    return "map_sea_ice", {"model": str(model), "images": [str(image)], "cell": 1,
                           "angle_table": str(scenes_ice_maps.ice_map_angles(folder)), "land": str(scenes_ice_maps.ice_map_land(folder)),
                           "concentration": "concentration.tif", "edge": "edge.gpkg", "chart": "chart.gpkg"}


def lines_of(folder, *names, **facts):
    """A model of two classes of those names, and an image with a grid of lines of the second."""
    values = np.full((1, 150, 150), 1000, np.uint16)
    values[:, ::30] = values[:, :, ::30] = 2000
    scenes.write_raster(folder / "image.tif", values, names=["B02"])
    classes = tuple((value, name, "") for value, name in enumerate(names))
    model = networks.write_threshold_model(folder / "model.onnx", classes=classes, block=64, small_block=None, **facts)
    return {"model": str(model), "images": [str(folder / "image.tif")]}


def fields(folder):
    return "map_field_boundaries", {**lines_of(folder, INTERIOR, BOUNDARY, task="fields"), "class_map": "classes.tif"}


def roads(folder):
    return "map_roads", {**lines_of(folder, "other", "road"), "probability": "probability.tif"}


def squares(folder):
    scenes.write_raster(folder / "image.tif", np.random.default_rng(1).integers(1200, 1800, (1, 270, 300)).astype(np.uint16), names=["B02"])
    return "predict_map", {"model": str(networks.write_whole_model(folder / "model.onnx")), "images": [str(folder / "image.tif")],
                           "confidence": "sure.tif", "step": 8}


LAYERS = {"map_field_boundaries", "map_crop_types", "map_roads"}
MAPS = (series_of_pixels, crops_of_a_mask, land_cover, sea_ice, fields, roads, squares)


def asked_of(made, where):
    """The values of a job whose outputs lie in a folder."""
    name, values = made
    ending = ".gpkg" if name in LAYERS and "mask" not in values else ".tif"
    placed = {key: str(where / value) if isinstance(value, str) and os.path.basename(value) == value and "." in value else value
              for key, value in values.items()}
    return JOBS[name].from_values({**placed, **({} if "class_map" in values and "mask" in values else {"output": str(where / f"map{ending}")})})


def same_files(first, second):
    """Whether rasters hold the same pixels and layers the same features."""
    names = sorted(path.name for path in first.iterdir() if path.suffix in (".tif", ".gpkg", ".csv"))
    assert names == sorted(path.name for path in second.iterdir() if path.suffix in (".tif", ".gpkg", ".csv"))
    for name in names:
        if name.endswith(".tif"):
            assert alike(first / name, second / name), name
        elif name.endswith(".csv"):
            assert (first / name).read_bytes() == (second / name).read_bytes()
        else:
            ours, theirs = (geopandas.read_file(path / name, layer=name.partition(".")[0]) for path in (first, second))
            assert ours.equals(theirs), name
    return names


def read(path):
    with rasterio.open(path) as raster:
        return raster.read(), {key: value for key, value in raster.tags().items() if key != "EO_PRETRAIN_PARAMETERS"}


def alike(first, second):
    (ours, tags), (theirs, others) = read(first), read(second)
    return ours.dtype == theirs.dtype and np.array_equal(ours, theirs) and tags == others
