"""A small season with parcels, in which the value of every pixel on every date is known."""

import geopandas
import numpy as np
import pandas
import rasterio
import rasterio.transform
import shapely
from rasterio.features import rasterize

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .scenes import write_raster

UTM = "EPSG:32633"
ORIGIN = (500_000, 5_300_000)
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
DAYS = ("20230401", "20230501", "20230601", "20230701")
CROPS = ("grass", "maize", "wheat")
SIZE, FIELD = 120, 20


def crop_value(crop, day, band):
    """The stored value of a crop (its number) on a date (its number) in a band (its number)."""
    return 1000 + 1000 * crop + 100 * day + 10 * band


def crop_season(folder):
    """Four dates of 120 x 120 px of 10 m, 36 parcels of 20 x 20 px with three crops by turns, and scene classes of 20 m.

    Outside parcels nothing differs: parcels fill the image. On 1 May the northern half is under cloud, on 1 June the western 20 columns
    are in shadow, on 1 April the eastern 20 columns hold snow; on 1 July the last row was not measured.
    """
    row, col = np.indices((SIZE, SIZE))
    crop = (row // FIELD + col // FIELD) % 3
    for number, day in enumerate(DAYS):
        values = np.stack([crop_value(crop, number, band) for band in range(len(BANDS))]).astype(np.uint16)
        classes = np.full((SIZE // 2, SIZE // 2), 4, np.uint8)
        if number == 0:
            classes[:, 50:] = 11
        elif number == 1:
            classes[:30] = 9
        elif number == 2:
            classes[:, :10] = 3
        else:
            values[:, -1] = 0
        write_raster(folder / f"S2_{day}.tif", values, names=BANDS, nodata=0)
        write_raster(folder / f"SCL_{day}.tif", classes, resolution=20.0)
    for number, day in enumerate(("20230410", "20230520", "20230630")):
        write_raster(folder / f"S1_{day}.tif", np.full((2, SIZE // 2, SIZE // 2), -10.0 - number, np.float32), names=["VV", "VH"],
                     resolution=20.0)
    write_raster(folder / "S2_20230801.tif", np.full((10, 60, 60), 1000, np.uint16), names=BANDS, nodata=0)
    write_raster(folder / "undated.tif", np.full((10, SIZE, SIZE), 1000, np.uint16), names=BANDS, nodata=0)
    write_raster(folder / "again_20230401.tif", np.full((10, SIZE, SIZE), 1000, np.uint16), names=BANDS, nodata=0)
    _parcels().to_crs(4326).to_file(folder / "parcels.gpkg", layer="parcels")
    _parcels(shrink=96).to_file(folder / "tiny.gpkg")
    _overlapping().to_file(folder / "overlapping.gpkg")
    (folder / "groups.csv").write_text("crop,class,color\ngrass,meadow,#00aa00\nwheat,cereal,\nmaize,cereal,\n")
    (folder / "one_group.csv").write_text("crop,class\ngrass,green\nwheat,green\nmaize,green\nflax,green\n")
    (folder / "no_class.csv").write_text("crop,group\ngrass,meadow\n")
    (folder / "dates.csv").write_text("file,date\n" + "".join(f"S2_{day}.tif,{day}\n" for day in DAYS[:2]))
    return folder


def noisy_season(folder, factor=1.0, times=1):
    """`crop_season` in a new folder, with noise, every second band multiplied by that, and each image so many times in each direction."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    crop_season(folder)
    for day in DAYS:
        with rasterio.open(folder / f"S2_{day}.tif") as image, rasterio.open(folder / f"SCL_{day}.tif") as mask:
            values, classes = (np.tile(raster.read(), (1, times, times)) for raster in (image, mask))
        changed = values * np.array([1.0, factor] * 5)[:, None, None] + rng.normal(0, 40, values.shape)
        write_raster(folder / f"S2_{day}.tif", np.where(values, changed, 0).astype(np.uint16), names=BANDS, nodata=0)
        write_raster(folder / f"SCL_{day}.tif", classes, resolution=20.0)
    return folder


def of_days(season):
    """Images and masks of the four days as parameters of a job."""
    return {name: [str(season / f"{kind}_{day}.tif") for day in DAYS] for name, kind in (("images", "S2"), ("masks", "SCL"))}


def _parcels(shrink=0.0):
    """The fields row by row, less a margin [m]; the last one has a crop of its own, flax."""
    rows = [(row, col) for row in range(6) for col in range(6)]
    shapes = [shapely.box(ORIGIN[0] + 200 * col, ORIGIN[1] - 200 * (row + 1), ORIGIN[0] + 200 * (col + 1), ORIGIN[1] - 200 * row)
              for row, col in rows]
    shapes = [shape.buffer(-shrink, join_style="mitre") for shape in shapes] if shrink else shapes
    crops = [CROPS[(row + col) % 3] for row, col in rows]
    crops[-1] = "flax"
    return geopandas.GeoDataFrame({"crop": crops, "district": [f"district {row // 2}" for row, _ in rows]}, geometry=shapes, crs=UTM)


def _overlapping():
    """The fields, with one more that covers the western half of the first and claims another crop."""
    fields = _parcels()
    extra = geopandas.GeoDataFrame({"crop": ["wheat"], "district": ["district 0"]}, crs=UTM,
                                   geometry=[shapely.box(ORIGIN[0], ORIGIN[1] - 200, ORIGIN[0] + 100, ORIGIN[1])])
    return geopandas.GeoDataFrame(pandas.concat([fields, extra], ignore_index=True), crs=UTM)


#: Two tiles near 12° E, the border of the zones 32 and 33: CRS, upper left corner, days. They share 500 m of ground.
ZONES = {"33UUP": ("EPSG:32633", (276_400, 5_322_000), ("20181015", "20190401", "20190501", "20190701")),
         "32UQU": ("EPSG:32632", (725_000, 5_322_250), ("20181105", "20190420", "20190610"))}
ZONE_SIZE = 160


def zone_value(tile, crop, day, band):
    """The stored value of a crop (its number) on a date (its number) in a band (its number) of a tile."""
    return crop_value(crop, day, band) + 5000 * (tile == "32UQU")


def zone_parcels():
    """Squares of 150 m, 50 m apart, in fourteen columns and six rows from west to east over both tiles, in degrees; crops by turns."""
    rows = [(row, col) for row in range(6) for col in range(14)]
    west, north = ZONES["33UUP"][1]
    shapes = [shapely.box(west + 50 + 200 * col, north - 200 - 200 * row - 150, west + 200 + 200 * col, north - 200 - 200 * row) for row, col in rows]
    table = {"crop": [CROPS[(row + col) % 3] for row, col in rows], "district": ["west" if col < 7 else "east" for _, col in rows]}
    return geopandas.GeoDataFrame(table, geometry=shapes, crs="EPSG:32633").to_crs(4326)


def crop_zones(folder):
    """The tiles of `ZONES` with dates of their own, each on the grid of its zone; every pixel with its middle in a parcel shows its crop."""
    parcels = zone_parcels()
    for tile, (crs, corner, days) in ZONES.items():
        transform = rasterio.transform.from_origin(*corner, 10, 10)
        drawn = [(shape, CROPS.index(crop)) for shape, crop in zip(parcels.to_crs(crs).geometry, parcels["crop"], strict=True)]
        crops = rasterize(drawn, (ZONE_SIZE, ZONE_SIZE), fill=9, transform=transform, dtype="uint8")
        for number, day in enumerate(days):
            values = np.stack([np.where(crops < 9, zone_value(tile, crops.astype(int), number, band), 900) for band in range(len(BANDS))])
            write_raster(folder / f"T{tile}_{day}T101021.tif", values.astype(np.uint16), names=BANDS, nodata=0, crs=crs, transform=transform)
            write_raster(folder / f"SCL_T{tile}_{day}.tif", np.full((1, ZONE_SIZE, ZONE_SIZE), 4 if number else 9, np.uint8), crs=crs,
                         transform=transform)
        write_raster(folder / f"S1_{crs[-5:]}_{days[1]}.tif", np.full((2, ZONE_SIZE, ZONE_SIZE), -10.0 - number, np.float32), names=["VV", "VH"],
                     crs=crs, transform=transform)
        write_raster(folder / f"S1_{crs[-5:]}_{days[2]}.tif", np.full((2, ZONE_SIZE, ZONE_SIZE), -20.0 - number, np.float32), names=["VV", "VH"],
                     crs=crs, transform=transform)
    write_raster(folder / "T33UUP_20190605T101021.tif", np.full((10, 40, 40), 1000, np.uint16), names=BANDS, nodata=0)
    parcels.to_file(folder / "parcels.gpkg", layer="parcels")
    return folder


def zone_dataset(folder):
    """Parcels of the western tile of `crop_zones`, with two dates."""
    season = crop_zones(folder)
    days = ZONES["33UUP"][2][:2]
    JOBS["create_crop_dataset"].from_values({
        "images": [str(season / f"T33UUP_{day}T101021.tif") for day in days], "parcels": str(season / "parcels.gpkg"), "crop_field": "crop",
        "kind": "parcels", "minimum_clear": 1, "split_by": "parcel", "output": str(folder / "dataset")}).run(SILENT)
    return folder / "dataset"
