"""Scenes for choosing what to label: an image whose uncertainty is known, models that are sure or not, and a half-labelled landscape."""

import geopandas
import numpy as np
import shapely
import shapely.affinity

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from . import scenes
from .networks import write_threshold_model
from .scenes import ORIGIN, UTM

#: B02 of the nine squares of `shades`, row by row.
SHADES = (1000, 1100, 1200, 1300, 1480, 1600, 1700, 1800, 1500)
CROP_AND_FOREST = ((1, "crop", "#4477aa"), (2, "forest", "#ee6677"))


def shades(folder):
    """Nine squares of 32 px with the B02 of `SHADES`; `two_halves_model` is unsure around 1500."""
    squares = np.kron(np.array(SHADES).reshape(3, 3), np.ones((32, 32))).astype(np.uint16)
    return scenes.write_raster(folder / "shades.tif", squares[None], names=["B02"])


def shades_areas(folder):
    """Three polygons on `shades`, in degrees: within the last square, over the first two, and one that reaches outside."""
    boxes = [(700, -900, 900, -700), (0, -320, 640, 0), (800, -100, 1200, 0)]
    shapes = [shapely.box(ORIGIN[0] + west, ORIGIN[1] + south, ORIGIN[0] + east, ORIGIN[1] + north) for west, south, east, north in boxes]
    geopandas.GeoDataFrame({"name": ["last", "first", "outside"]}, geometry=shapes, crs=UTM).to_crs(4326).to_file(folder / "areas.gpkg")
    return folder / "areas.gpkg"


def shades_clouds(folder):
    """A mask of `shades` that calls the last square, of which `two_halves_model` is least sure, cloud."""
    mask = np.zeros((96, 96), np.uint8)
    mask[64:, 64:] = 1
    return scenes.write_raster(folder / "clouds.tif", mask)


def low_model(folder):
    """Like `two_halves_model`, but with its limit at 1300."""
    return write_threshold_model(folder / "low.onnx", 1300.0)


def high_model(folder):
    """Like `two_halves_model`, but with its limit at 1700."""
    return write_threshold_model(folder / "high.onnx", 1700.0)


def other_classes_model(folder):
    """Like `two_halves_model`, but its classes are called otherwise."""
    return write_threshold_model(folder / "other.onnx", classes=((1, "ice", ""), (2, "land", "")))


def land_model(folder):
    """A model of `land` with the classes of its fields; B04 and B08."""
    return write_threshold_model(folder / "land.onnx", 1150.0, ("B04", "B08"), classes=CROP_AND_FOREST)


def western_land_dataset(folder):
    """A dataset of the western half of `land`: 32 tiles of 32 px."""
    values = {"images": [str(scenes.land(folder))], "labels": str(scenes.land_fields(folder)), "class_field": "cover", "preset": "sentinel2_l2a",
              "tile_size": 32, "extent": "500000,501280,5297440,5300000 [EPSG:32633]", "output": str(folder / "western")}
    JOBS["create_training_dataset"].from_values(values).run(SILENT)
    return folder / "western"


def land_suggestions(folder):
    """All places of `land` that can join `western_land_dataset`, not labelled yet."""
    values = {"models": [str(land_model(folder))], "images": [str(scenes.land(folder))], "tile_size": 32, "count": 64, "device": "cpu",
              "dataset": str(western_land_dataset(folder)), "output": str(folder / "suggestions.gpkg")}
    JOBS["suggest_labels"].from_values(values).run(SILENT)
    return folder / "suggestions.gpkg"


def land_labelled(folder):
    """`land_suggestions` of which the analyst has labelled the crop fields (class 1) and left the others empty."""
    places = geopandas.read_file(land_suggestions(folder))
    truth = geopandas.read_file(folder / "fields.gpkg").to_crs(places.crs)
    cover = places.set_geometry(places.centroid).sjoin(truth, predicate="within")["cover"]
    places["class"] = np.where(cover.reindex(places.index) == "crop", 1, None)
    places["class"] = places["class"].astype("Int32")
    places.to_file(folder / "labelled.gpkg")
    return folder / "labelled.gpkg"



#: Kinds of the 256 squares of `kinds`, by their share of them, and B04 and B08 of each; “rough” has the means of “field”, but varies.
KINDS = {"field": (0.55, 1200, 3000), "forest": (0.25, 400, 2600), "rough": (0.1, 1200, 3000), "water": (0.07, 300, 250), "town": (0.03, 2200, 2600)}


def kind_numbers():
    """Kind of each of the 16 x 16 squares, by chance but for the shares: uint8 (y, x)."""
    shares = [round(256 * share) for share, _, _ in KINDS.values()]
    numbers = np.repeat(np.arange(len(KINDS)), [256 - sum(shares[1:]), *shares[1:]])
    return np.random.default_rng(5).permutation(numbers).reshape(16, 16)


def kinds(folder):
    """16 x 16 squares of 32 px, each of one of the `KINDS`; sd 40, of “rough” 500. The last row of squares was not measured."""
    rng, pixels = np.random.default_rng(6), np.kron(kind_numbers(), np.ones((32, 32), int))
    means = np.array([[red, infrared] for _, red, infrared in KINDS.values()])[pixels]
    deviation = np.where(pixels == list(KINDS).index("rough"), 500, 40)[..., None]
    values = (means + rng.normal(0, 1, means.shape) * deviation).clip(1, 9999).astype(np.uint16).transpose(2, 0, 1)
    values[:, -32:] = 0
    return scenes.write_raster(folder / "kinds.tif", values, names=["B04", "B08"], nodata=0)


def kinds_topics(folder):
    """A topics map of `kinds`, 4 px a word: the number of each kind as its topic, and one word in ten that of another."""
    rng, words = np.random.default_rng(7), np.kron(kind_numbers(), np.ones((8, 8), int))
    words = np.where(rng.random(words.shape) < 0.1, rng.integers(0, len(KINDS), words.shape), words).astype(np.uint8)
    return scenes.write_raster(folder / "topics.tif", words, resolution=40.0, nodata=255)


def kind_squares():
    """All squares of `kinds` with their kind in the field “class”."""
    numbers = kind_numbers()
    rows = [(row, col) for row in range(16) for col in range(16)]
    shapes = [shapely.box(ORIGIN[0] + 320 * col, ORIGIN[1] - 320 * (row + 1), ORIGIN[0] + 320 * (col + 1), ORIGIN[1] - 320 * row)
              for row, col in rows]
    return geopandas.GeoDataFrame({"class": [list(KINDS)[numbers[row, col]] for row, col in rows]}, geometry=shapes, crs=UTM)


def kinds_labelled(folder):
    """Every square of `kinds` that is no “town”, 130 of them with their class, in degrees; as points, and two that overlap beside them."""
    squares = kind_squares()
    squares.loc[130:, "class"] = None
    squares.to_crs(4326).to_file(folder / "squares.gpkg")
    points = squares[:130].copy()
    points.geometry = points.centroid
    points.to_file(folder / "points.gpkg")
    overlapping = squares[:60].copy()
    overlapping.loc[59, "geometry"] = shapely.affinity.translate(overlapping.geometry[0], 200, -160)
    overlapping.loc[59, "class"], overlapping.loc[0, "class"] = "water", "forest"
    overlapping.to_file(folder / "overlapping.gpkg")
    squares.loc[3, "geometry"] = squares.geometry[3].buffer(-100, join_style="mitre")
    squares.to_file(folder / "two_sizes.gpkg")
    squares.assign(**{"class": None}).astype({"class": object}).to_file(folder / "empty.gpkg")
    kinds(folder)
    return folder
