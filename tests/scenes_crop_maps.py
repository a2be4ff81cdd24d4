"""A season with noise in which crops are near each other, parcels to map, and a model of them."""

import geopandas
import numpy as np
import shapely

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .scenes import ORIGIN, UTM, write_raster

NAMES = ("B03", "B04", "B08")
DAYS = ("20230401", "20230421", "20230511", "20230531", "20230620", "20230710")
FIELD, SIDE = 10, 12
SIZE = FIELD * SIDE
CROPS = ("barley", "maize", "rape")


def crop_of(number):
    """Which crop grows on the field of that number, counted row by row."""
    return (number % SIDE * 7 + number // SIDE * 5) % 11 % 3


def noisy_season(folder):
    """Six dates of 120 x 120 px of 10 m with 144 fields of 10 x 10 px, none of whose crops is told from one date; cloud masks of 10 m.

    A field has its crop's curve and offsets of its own. Clouds, value 1 in the masks, lie on 11 May over the northern half of the image, on 31 May
    over 60 % of the first field, and on the last four dates over the last field.
    """
    rng = np.random.default_rng(4)
    row, col = np.indices((SIZE, SIZE))
    field = row // FIELD * SIDE + col // FIELD
    crop, own = crop_of(field), rng.normal(0, 90, (len(DAYS), 3, SIDE * SIDE))
    for number, day in enumerate(DAYS):
        green = 150 * np.exp(-0.5 * ((number - np.array([1.0, 4.0, 2.5])[crop]) / 1.2) ** 2)
        bands = np.stack([1000 + 0.3 * green, 900 - 0.5 * green, 2500 + green]) + own[number][:, field] + rng.normal(0, 120, (3, SIZE, SIZE))
        cloud = np.zeros((SIZE, SIZE), np.uint8)
        if number == 2:
            cloud[:SIZE // 2] = 1
        if number == 3:
            cloud[:FIELD, :6] = 1
        if number >= 2:
            cloud[-FIELD:, -FIELD:] = 1
        write_raster(folder / f"S2_{day}.tif", np.where(cloud, 9000, bands).astype(np.uint16), names=NAMES, nodata=0)
        write_raster(folder / f"CLD_{day}.tif", cloud)
    fields().to_file(folder / "fields.gpkg", layer="fields")
    odd_fields().to_file(folder / "odd.gpkg", layer="odd")
    write_raster(folder / "farmland.tif", (row < 30).astype(np.uint8))
    write_raster(folder / "nothing.tif", np.zeros((SIZE, SIZE), np.uint8))
    line = shapely.LineString([ORIGIN, (ORIGIN[0] + 100, ORIGIN[1])])
    geopandas.GeoDataFrame(geometry=[line], crs=UTM).to_file(folder / "lines.gpkg")
    return folder


def square(row, col, rows=FIELD, cols=FIELD):
    """A rectangle of pixels, in UTM."""
    west, north = ORIGIN[0] + 10 * col, ORIGIN[1] - 10 * row
    return shapely.box(west, north - 10 * rows, west + 10 * cols, north)


def fields():
    """The 144 fields with their crops."""
    numbers = np.arange(SIDE * SIDE)
    shapes = [square(FIELD * (number // SIDE), FIELD * (number % SIDE)) for number in numbers]
    return geopandas.GeoDataFrame({"owner": [f"farm {number % 7}" for number in numbers], "crop": np.array(CROPS)[crop_of(numbers)]}, geometry=shapes,
                                  crs=UTM)


def odd_fields():
    """In degrees: the first three fields, a strip 20 m wide, a field in two parts, one drawn as a figure of eight, one that covers the first two
    fields, and one 5 km away.
    """
    parts = shapely.MultiPolygon([square(40, 0, 10, 4), square(40, 6, 10, 4)])
    left, top = ORIGIN[0] + 500, ORIGIN[1] - 500
    eight = shapely.Polygon([(left, top), (left + 100, top - 100), (left + 100, top), (left, top - 100)])
    shapes = [square(0, 0), square(0, 10), square(0, 20), square(60, 0, 2, 10), parts, eight, square(0, 0, 10, 20), square(0, 500)]
    return geopandas.GeoDataFrame({"name": ["a", "b", "c", "strip", "parts", "eight", "both", "away"]}, geometry=shapes, crs=UTM).to_crs(4326)


def given_images(season):
    """The images and their masks."""
    return {"images": [str(season / f"S2_{day}.tif") for day in DAYS], "masks": [str(season / f"CLD_{day}.tif") for day in DAYS], "mask_kind": "mask"}


def parcel_dataset(folder):
    """Means of the fields of `noisy_season` as series."""
    if not (folder / "means").exists():
        (folder / "season").mkdir()
        season = noisy_season(folder / "season")
        JOBS["create_crop_dataset"].from_values({
            **given_images(season), "parcels": str(season / "fields.gpkg"), "crop_field": "crop", "kind": "parcels", "split_by": "parcel",
            "minimum_clear": 1, "output": str(folder / "means")}).run(SILENT)
    return folder / "means"


def parcel_model(folder):
    """The model file of a regression on them."""
    JOBS["finetune"].from_values({"dataset": str(parcel_dataset(folder)), "approach": "statistics", "output": str(folder / "run")}).run(SILENT)
    JOBS["export_model"].from_values({"run_folder": str(folder / "run"), "output": str(folder / "crops.onnx")}).run(SILENT)
    return folder / "crops.onnx"


def close_dates(folder):
    """A table that says of an image on another grid that it is of the season."""
    (folder / "close.csv").write_text("file,date\nS2_20230401.tif,2023-04-01\nS2_20230801.tif,2023-06-20\n")
    return folder / "close.csv"
