"""A class map of known areas, and reference places of which it is known where the map is wrong."""

import geopandas
import numpy as np
import rasterio
import shapely

from eo_pretrain_qgis.engine.cards import ClassInfo
from eo_pretrain_qgis.engine.looks.class_style import raster_attributes
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from . import scenes
from .scenes import ORIGIN, UTM, write_raster

#: Olofsson et al. 2014, section 5: places by class of the map (rows) and of the reference, and the pixels of each class.
PAPER = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
PAPER_PIXELS = (200_000, 150_000, 3_200_000, 6_450_000)
PAPER_CLASSES = ("deforestation", "forest gain", "stable forest", "stable non-forest")
#: Classes of `cover_map`: its left two thirds and its right third.
COVER = (ClassInfo(1, "crop", "#4477aa"), ClassInfo(2, "forest", "#228833"))
SIDE = 90


def paper_map(folder):
    """A map of as many pixels of 30 m of each class as the paper's example has, 4000 × 2500, one class after the other, with names."""
    values = np.repeat(np.arange(1, 5, dtype=np.uint8), PAPER_PIXELS).reshape(2500, 4000)
    path = write_raster(folder / "paper.tif", values, nodata=255, resolution=30.0, compress="zstd")
    classes = [ClassInfo(number, name, "") for number, name in enumerate(PAPER_CLASSES, 1)]
    (folder / "paper.tif.aux.xml").write_text(raster_attributes(classes), encoding="utf-8")
    return path


def paper_places(folder):
    """The 640 places of the paper's example on `paper_map`, with the class by its name, in degrees."""
    rng, starts = np.random.default_rng(0), np.cumsum((0, *PAPER_PIXELS))
    mapped, truth = (np.repeat(numbers.ravel(), PAPER.ravel()) for numbers in np.indices(PAPER.shape))
    pixels = np.concatenate([starts[number] + rng.choice(PAPER_PIXELS[number], count, replace=False) for number, count in enumerate(PAPER.sum(1))])
    points = shapely.points(ORIGIN[0] + 30 * (pixels % 4000 + 0.5), ORIGIN[1] - 30 * (pixels // 4000 + 0.5))
    names = np.array(PAPER_CLASSES, object)
    table = geopandas.GeoDataFrame({"cover": names[truth], "of_map": names[mapped]}, geometry=points, crs=UTM)
    table.to_crs(4326).to_file(folder / "places.gpkg")
    return folder / "places.gpkg"


def cover_values():
    """Values (y, x) of `cover_map`."""
    return np.where(np.arange(SIDE)[None] < 60, 1, 2).astype(np.uint8).repeat(SIDE, 0)


def cover_map(folder):
    """90 × 90 px of 10 m: crop (1) in the left 60 columns, forest (2) in the other 30; of 2020-06-21, without a word of a model."""
    path = write_raster(folder / "cover.tif", cover_values(), nodata=255)
    with rasterio.open(path, "r+") as target:
        target.update_tags(ACQUISITION_DATE="2020-06-21")
    (folder / "cover.tif.aux.xml").write_text(raster_attributes(COVER), encoding="utf-8")
    return path


def model_map(folder):
    """`cover_map` as “Predict map” leaves it: it says which model made it."""
    path = cover_map(folder)
    with rasterio.open(path, "r+") as target:
        target.update_tags(EO_PRETRAIN_MODEL="cover-0123abcd")
    return path


def _points(path, rows, cols, **columns):
    """Writes points in the middle of pixels of `cover_map`, in degrees."""
    points = shapely.points(ORIGIN[0] + 10 * np.asarray(cols) + 5, ORIGIN[1] - 10 * np.asarray(rows) - 5)
    geopandas.GeoDataFrame(columns, geometry=points, crs=UTM).to_crs(4326).to_file(path)
    return path


def _places():
    """Rows, columns and true classes of 40 places on crop, 4 of which are forest, and 20 on forest, 2 of which are crop."""
    rows = np.concatenate([np.arange(0, 80, 2), np.arange(1, 81, 4)])
    cols = np.concatenate([np.arange(40) % 60, 60 + np.arange(20)])
    return rows, cols, np.array([2] * 4 + [1] * 36 + [1] * 2 + [2] * 18)


def cover_places(folder):
    """Places on `cover_map`: user's accuracy .9 of both classes; fields class, name, day (June 2020), and region (west, east) with its area."""
    rows, cols, truth = _places()
    west = cols < 30
    return _points(folder / "places.gpkg", rows, cols, code=truth, name=np.array(["", "crop", "forest"], object)[truth],
                   day=np.full(60, "2020-06-30"), region=np.where(west, "west", "east").astype(object), area=np.where(west, 27.0, 54.0))


def cover_places_beyond(folder):
    """`cover_places`, three more outside the map, and two without a class."""
    rows, cols, truth = _places()
    return _points(folder / "beyond.gpkg", [*rows, 5, 6, 7, 8, 9], [*cols, 200, 201, 202, 1, 2], code=[*map(float, truth), 1, 1, 1, None, None])


def cover_places_elsewhere(folder):
    """Places far from `cover_map`."""
    rows, cols, truth = _places()
    return _points(folder / "elsewhere.gpkg", rows, cols + 5000, code=truth)


def cover_places_of_crop(folder):
    """Places of which the reference says crop everywhere."""
    rows, cols, _ = _places()
    return _points(folder / "of_crop.gpkg", rows, cols, code=np.ones(60, int))


def cover_places_all_right(folder):
    """Places on `cover_map` of which the reference says what the map says: 40 of crop, 20 of forest."""
    rows, cols, _ = _places()
    return _points(folder / "right.gpkg", rows, cols, code=np.repeat([1, 2], [40, 20]))


def cover_places_of_others(folder):
    """`cover_places` of which two are water, which `cover_map` does not have."""
    rows, cols, truth = _places()
    names = np.array(["", "crop", "forest"], object)[truth]
    names[4:6] = "water"
    return _points(folder / "others.gpkg", rows, cols, name=names)


def cover_places_one_of_forest(folder):
    """Places of which one only lies on forest of the map."""
    rows, cols, truth = _places()
    return _points(folder / "one.gpkg", rows[:41], cols[:41], code=truth[:41])


def cover_places_long_ago(folder):
    """`cover_places` seen in 2015 and in 2023."""
    rows, cols, truth = _places()
    return _points(folder / "long_ago.gpkg", rows, cols, code=truth, day=["2015-05-01"] * 20 + ["2023-09-09"] * 40)


def cover_places_without_crs(folder):
    """Places of a layer that does not say in which coordinate system."""
    rows, cols, truth = _places()
    points = shapely.points(ORIGIN[0] + 10 * cols + 5.0, ORIGIN[1] - 10 * rows - 5.0)
    geopandas.GeoDataFrame({"code": truth}, geometry=points).to_file(folder / "without.shp")
    return folder / "without.shp"


def _polygons(path, boxes, **columns):
    """Writes polygons given by rows and columns of `cover_map`: top, left, bottom, right."""
    geopandas.GeoDataFrame(columns, geometry=polygon_boxes(boxes), crs=UTM).to_crs(4326).to_file(path)
    return path


def polygon_boxes(boxes=None):
    """Outlines of polygons given by rows and columns of `cover_map`; those of `cover_polygons` where none are given."""
    return [shapely.box(ORIGIN[0] + 10 * left, ORIGIN[1] - 10 * bottom, ORIGIN[0] + 10 * right, ORIGIN[1] - 10 * top)
            for top, left, bottom, right in boxes or CLUSTERS]


#: Polygons on `cover_map`: of 10, 6 and 4 pixels, of which the map shows 8, 6 and 1 right; the estimate is worked by hand in the tests.
CLUSTERS = ((0, 52, 1, 62), (5, 0, 6, 6), (8, 57, 9, 61))


def cover_polygons(folder):
    """Polygons on `cover_map`: crop of 10 px, 8 of them mapped as crop; crop of 6 px, all right; forest of 4 px, 1 right. All in one stratum."""
    return _polygons(folder / "polygons.gpkg", CLUSTERS, code=[1, 1, 2], stratum=["all"] * 3, area=[81.0] * 3)


def cover_polygon_alone(folder):
    """A single multipolygon, and so one unit."""
    return _polygons(folder / "alone.gpkg", [(0, 0, 5, 5), (0, 70, 5, 75)], code=[1, 2], field=["f", "f"])


def cover_small_polygons(folder):
    """Twelve polygons of one pixel each, and one between the middles of four pixels, which holds none."""
    boxes = [(row, col, row + 1, col + 1) for row, col in zip(range(0, 12), [*range(6), *range(70, 76)])]
    return _polygons(folder / "small.gpkg", [*boxes, (20.6, 5.6, 21.4, 6.4)], code=[1] * 5 + [2] * 7 + [1])


def cover_lines(folder):
    """Lines, which are no reference places."""
    line = shapely.LineString([ORIGIN, (ORIGIN[0] + 500, ORIGIN[1] - 500)])
    geopandas.GeoDataFrame({"code": [1]}, geometry=[line], crs=UTM).to_file(folder / "lines.gpkg")
    return folder / "lines.gpkg"


def cover_sample(folder):
    """A sample that was drawn from `cover_map` and labelled: the places as the map says, but every tenth is the other class."""
    values = {"class_map": str(cover_map(folder)), "count": 60, "least": 20, "output": str(folder / "sample.gpkg")}
    JOBS["plan_assessment"].from_values(values).run(SILENT)
    sample = geopandas.read_file(folder / "sample.gpkg", layer="assessment_sample")
    wrong = np.arange(len(sample)) % 10 == 0
    sample["class"] = np.where(wrong, 3 - sample["stratum"], sample["stratum"])
    sample["date"] = np.datetime64("2020-07-01", "ms")
    sample.to_file(folder / "labelled.gpkg")
    return folder / "labelled.gpkg"


def later_map(folder):
    """A map of the ground of `cover_map` in which ten more columns are forest."""
    path = write_raster(folder / "later.tif", np.where(np.arange(SIDE)[None] < 50, 1, 2).astype(np.uint8).repeat(SIDE, 0), nodata=255)
    (folder / "later.tif.aux.xml").write_text(raster_attributes(COVER), encoding="utf-8")
    return path


def turned_map(folder):
    """`cover_map` with its classes numbered the other way round."""
    path = write_raster(folder / "turned.tif", 3 - cover_values(), nodata=255)
    turned = [ClassInfo(3 - row.value, row.name, row.color) for row in COVER]
    (folder / "turned.tif.aux.xml").write_text(raster_attributes(sorted(turned, key=lambda row: row.value)), encoding="utf-8")
    return path


def training_tile_of_cover(folder):
    """A dataset of one training tile of 32 px on `cover_map`, in its upper left corner, where 16 of `cover_places` lie."""
    image = np.random.default_rng(0).integers(500, 3000, (2, SIDE, SIDE)).astype(np.uint16)
    write_raster(folder / "image.tif", image, names=["B04", "B08"])
    labels = [shapely.box(ORIGIN[0] + 10 * left, ORIGIN[1] - 320, ORIGIN[0] + 10 * (left + 16), ORIGIN[1]) for left in (0, 16)]
    geopandas.GeoDataFrame({"cover": ["crop", "forest"]}, geometry=labels, crs=UTM).to_file(folder / "labels.gpkg")
    values = {"images": [str(folder / "image.tif")], "labels": str(folder / "labels.gpkg"), "class_field": "cover", "preset": "sentinel2_l2a",
              "tile_size": 32, "validation_share": 0, "test_share": 0, "output": str(folder / "dataset")}
    JOBS["create_training_dataset"].from_values(values).run(SILENT)
    return folder / "dataset"


def cover_of_one_class(folder):
    """A map that shows one class only."""
    return write_raster(folder / "one_class.tif", np.ones((SIDE, SIDE), np.uint8), nodata=255)


def cover_in_degrees(folder):
    """A map in degrees from 0° to 60° north, 60 × 20 px of 1°: class 1 in the lower half, class 2, where pixels are smaller, in the upper one."""
    values = np.repeat(np.array([2, 1], np.uint8), 30)[:, None].repeat(20, 1)
    return write_raster(folder / "degrees.tif", values, crs="EPSG:4326", transform=rasterio.transform.from_origin(0, 60, 1, 1), nodata=255)


def cover_measured(folder):
    """A raster of measurements, which is no class map."""
    return scenes.write_raster(folder / "measured.tif", np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE))


def worldcover_map(folder):
    """The ground of `cover_map` with classes of ESA WorldCover: cropland (40) left, tree cover (10) right, herbaceous wetland (90) below."""
    values = np.where(np.arange(SIDE)[None] < 60, 40, 10).astype(np.uint8).repeat(SIDE, 0)
    values[80:] = 90
    path = write_raster(folder / "worldcover.tif", values, nodata=0)
    classes = [ClassInfo(10, "Tree cover", ""), ClassInfo(40, "Cropland", ""), ClassInfo(90, "Herbaceous wetland", "")]
    (folder / "worldcover.tif.aux.xml").write_text(raster_attributes(classes), encoding="utf-8")
    return path


#: Codes of `lucas_points` by their row and column on `worldcover_map`: four of six are right, one has no class, one is not told.
LUCAS = (("B11", 5, 5), ("B55", 6, 6), ("B16", 20, 20), ("C10", 30, 30), ("c21", 30, 70), ("H11", 85, 5), ("8", 40, 40), ("E20", 50, 50))


def lucas_points(folder):
    """A table of LUCAS points as Eurostat publishes it, of which one has no place and two lie in another country."""
    cols, rows = (np.array([place[number] for place in LUCAS]) for number in (2, 1))
    points = geopandas.GeoSeries(shapely.points(ORIGIN[0] + 10 * cols + 5, ORIGIN[1] - 10 * rows - 5), crs=UTM).to_crs(4326)
    lines = ["POINT_ID,NUTS0,TH_LAT,TH_LONG,SURVEY_DATE,LC1,LC1_PERC"]
    lines += [f'{number},"AT",{point.y:.9f},{point.x:.9f},"21/07/18","{place[0]}",100' for number, (place, point) in enumerate(zip(LUCAS, points))]
    lines += ['91,"PT",38.7,-9.1,"01/05/18","B81",100', '92,"FI",61.5,23.8,"01/08/18","C22",100', '93,"IT",4774000,1530000,"01/06/18","B11",100']
    (folder / "AT_2018.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "AT_2018.csv"


def lucas_points_elsewhere(folder):
    """LUCAS points of which none lies on a map here."""
    (folder / "PT_2018.csv").write_text('POINT_ID,TH_LAT,TH_LONG,LC1\n1,38.7,-9.1,"B81"\n2,38.8,-9.2,"B11"\n', encoding="utf-8")
    return folder / "PT_2018.csv"


def places_by_table(folder):
    """`cover_places` with letters for classes, and a table that says which class of the map each is, one of them none."""
    rows, cols, truth = _places()
    letters = np.array(["", "a", "b"], object)[truth]
    letters[10:12] = "x"
    _points(folder / "letters.gpkg", rows, cols, letter=letters)
    (folder / "letters.csv").write_text("code,class\na,crop\nb,forest\nx,\n", encoding="utf-8")
    return folder
