"""Radar scenes of sea ice with known truth: 4 x 3 fields of 100 px of 40 m in EPSG:3413, whose brightness in dB falls with the incidence
angle, in each class with its own slope. Polygons lie 5 px inside the fields. Read with `scenes.py`.
"""

import csv
import warnings

import geopandas
import numpy as np
import pyproj
import rasterio
import shapely
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin

from .scenes_delivered import grd, grd_place

POLAR = "EPSG:3413"
ICE_ORIGIN, ICE_PIXEL = (400_000, -1_200_000), 40.0
ICE_SIZE = (300, 400)
#: Class -> HH and HV at 30 degrees [dB] and slope [dB per degree].
ICE_KINDS = {"water": (-20.0, -30.0, -0.6), "young": (-16.0, -26.0, -0.3), "thick": (-11.0, -19.0, -0.2)}
#: The same classes in SIGRID-3: CT, CA, SA, FA, CB, SB, FB, POLY_TYPE.
ICE_CODES = {"water": ("01", "-9", "-9", "-9", "-9", "-9", "-9", "W"), "young": ("92", "80", "84", "03", "20", "81", "99", "I"),
             "thick": ("91", "70", "93", "05", "20", "91", "04", "I")}
FIELDS = ("CT", "CA", "SA", "FA", "CB", "SB", "FB", "POLY_TYPE")


def ice_kinds():
    """The class of each field, row by row: 12 names."""
    return [tuple(ICE_KINDS)[(row + col) % 3] for row in range(3) for col in range(4)]


def ice_angle_of(col):
    """Incidence angle [degree] at columns of the scene."""
    return 20 + 25 * np.asarray(col, float) / (ICE_SIZE[1] - 1)


def _bands(slopes=True):
    row, col = np.indices(ICE_SIZE)
    angle = ice_angle_of(col)
    kinds = np.array(ice_kinds()).reshape(3, 4)[row // 100, col // 100]
    bands = [np.select([kinds == name for name in ICE_KINDS], [values[band] + values[2] * (angle - 30) for values in ICE_KINDS.values()])
             for band in (0, 1)]
    noise = np.random.default_rng(5).normal(0, 0.5, (2, *ICE_SIZE))
    return np.stack([*(bands + noise), angle]).astype(np.float32)


def _write(path, bands, names, transform=None, crs=POLAR):
    place = {"crs": crs, "transform": transform or from_origin(*ICE_ORIGIN, ICE_PIXEL, ICE_PIXEL)} if crs else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2], dtype=bands.dtype,
                           **place) as target:
            target.write(bands)
            for number, name in enumerate(names, 1):
                target.set_band_description(number, name)
    return path


def ice_scene(folder):
    """HH, HV [dB] and incidence_angle in one file."""
    return _write(folder / "S1A_EW_20220503.tif", _bands(), ["HH", "HV", "incidence_angle"])


def ice_timed(folder):
    """The scene with its time of day in its name."""
    return ice_scene(folder).rename(folder / "S1A_EW_20220503T080000.tif")


def ice_pair(folder):
    """A folder with the bands of `ice_scene` in single files: HH.tif, HV.tif, IA.tif; HV_smaller.tif lacks ten columns, IA_coarse.tif
    has pixels of 400 m, IA_constant.tif is 32 everywhere, IA_radians.tif is in radians.
    """
    hh, hv, angle = _bands()
    for name, band in (("HH", hh), ("HV", hv), ("IA", angle), ("HV_smaller", hv[:, :-10]), ("IA_constant", np.full_like(angle, 32)),
                       ("IA_radians", np.radians(angle)), ("IA_zero", np.zeros_like(angle))):
        _write(folder / f"{name}.tif", band[None], [])
    coarse = angle.reshape(30, 10, 40, 10).mean((1, 3))
    _write(folder / "IA_coarse.tif", coarse[None], [], from_origin(*ICE_ORIGIN, 400, 400))
    return folder


def ice_linear(folder):
    """`ice_scene` as sigma nought, not in dB, with a border of zeros."""
    hh, hv, angle = _bands()
    linear = np.stack([10 ** (hh / 10), 10 ** (hv / 10), angle])
    linear[:2, :, :20] = 0
    return _write(folder / "linear.tif", linear.astype(np.float32), ["Sigma0_HH", "Sigma0_HV", "incidenceAngleFromEllipsoid"])


def ice_numbers(folder):
    """HH and HV as uncalibrated numbers."""
    hh, hv, _ = _bands()
    return _write(folder / "numbers.tif", (np.stack([hh, hv]) + 60).astype(np.uint16) * 10, ["HH", "HV"])


def ice_without_angle(folder):
    """HH and HV [dB] without an incidence angle and without names of bands."""
    return _write(folder / "without_angle.tif", _bands()[:2], [])


def ice_other_day(folder):
    """`ice_scene` two days later and half a field further east."""
    return _write(folder / "S1A_EW_20220505.tif", _bands(), ["HH", "HV", "incidence_angle"],
                  from_origin(ICE_ORIGIN[0] + 2000, ICE_ORIGIN[1], ICE_PIXEL, ICE_PIXEL))


def _grid_points(step=25):
    """Columns, rows, longitudes, latitudes and angles every `step` px, edges included."""
    col, row = (axis.ravel() for axis in np.meshgrid(np.arange(0, ICE_SIZE[1] + step, step), np.arange(0, ICE_SIZE[0] + step, step)))
    to_lonlat = pyproj.Transformer.from_crs(POLAR, "OGC:CRS84", always_xy=True)
    lon, lat = to_lonlat.transform(ICE_ORIGIN[0] + ICE_PIXEL * (col + 0.5), ICE_ORIGIN[1] - ICE_PIXEL * (row + 0.5))
    return col, row, lon, lat, ice_angle_of(col)


def ice_tables(folder):
    """A folder with tables of the incidence angle: places.csv, pixels.csv, all.csv, constant.csv, no_angle.csv, one_line.csv,
    scenes.csv (for `ice_scene` and another), few_columns.csv.
    """
    points = list(zip(*(values.tolist() for values in _grid_points()), strict=True))
    write = {
        "places": (["longitude", "latitude", "incidenceAngle"], [(lon, lat, angle) for _, _, lon, lat, angle in points]),
        "pixels": (["pixel", "line", "incidence_angle"], [(col, row, angle) for col, row, _, _, angle in points]),
        "all": (["line", "pixel", "latitude", "longitude", "incidenceAngle"], [(row, col, lat, lon, angle) for col, row, lon, lat, angle in points]),
        "constant": (["longitude", "latitude", "incidenceAngle"], [(lon, lat, 33.0) for _, _, lon, lat, _ in points]),
        "no_angle": (["longitude", "latitude", "height"], [(lon, lat, 0) for _, _, lon, lat, _ in points]),
        "few_columns": (["longitude", "latitude", "incidenceAngle"], [(lon, lat, angle) for _, _, lon, lat, angle in points[:9]] + [(1.0,)]),
        "elsewhere": (["pixel", "line", "incidence_angle"], [(col * 20, row * 20, angle) for col, row, _, _, angle in points]),
        "scenes": (["scene", "longitude", "latitude", "incidenceAngle"], [
            (scene, lon, lat, angle) for scene in ("S1A_EW_20220503", "other") for _, _, lon, lat, angle in points]),
    }
    for name, (heading, rows) in write.items():
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([heading, *rows])
    return folder


def ice_points(folder):
    """`ice_scene` without a grid, placed by 20 ground control points."""
    path = _write(folder / "points.tif", _bands(), ["HH", "HV", "incidence_angle"], crs=None)
    col, row, lon, lat, _ = _grid_points(100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        target = rasterio.open(path, "r+")
    with target:
        target.gcps = ([GroundControlPoint(r + 0.5, c + 0.5, x, y) for c, r, x, y in zip(col, row, lon, lat, strict=True)],
                       rasterio.crs.CRS.from_epsg(4326))
    return path


def ice_unplaced(folder):
    """HH and HV without a grid, a CRS or control points."""
    return _write(folder / "unplaced.tif", _bands()[:2], ["HH", "HV"], crs=None)


def ice_squares(inset=5, size=90):
    """A square of `size` px in each field, `inset` px from its corner, as a GeoDataFrame without fields."""
    squares = []
    for row in range(3):
        for col in range(4):
            x, y = ICE_ORIGIN[0] + ICE_PIXEL * (100 * col + inset), ICE_ORIGIN[1] - ICE_PIXEL * (100 * row + inset)
            squares.append(shapely.box(x, y - ICE_PIXEL * size, x + ICE_PIXEL * size, y))
    return geopandas.GeoDataFrame(geometry=squares, crs=POLAR)


def ice_polygons(folder):
    """The fields with their class in the field `ice_kind`."""
    ice_squares().assign(ice_kind=ice_kinds()).to_file(folder / "polygons.gpkg", layer="polygons")
    return folder / "polygons.gpkg"


def ice_optical(folder):
    """Footprints of optical scenes as “Find scenes” writes them, in longitude and latitude: one of three columns of fields, of two and of one."""
    (x, y), field = ICE_ORIGIN, 100 * ICE_PIXEL
    shapes = [shapely.box(x + first * field, y - 3 * field, x + 3 * field, y) for first in range(3)]
    frame = geopandas.GeoDataFrame({"acquired": ["2022-05-02T20:00:00Z", "2022-05-03T09:30:00Z", "2022-05-03T07:45:00Z"]}, geometry=shapes, crs=POLAR)
    frame.geometry = frame.geometry.segmentize(field / 20)
    frame.to_crs("OGC:CRS84").to_file(folder / "optical.gpkg")
    return folder / "optical.gpkg"


def ice_small_polygons(folder):
    """Polygons of 8 px."""
    ice_squares(size=8).assign(ice_kind=ice_kinds()).to_file(folder / "small.gpkg", layer="small")
    return folder / "small.gpkg"


def ice_one_kind(folder):
    """A chart of thick first-year ice only."""
    return _chart(folder, "one_kind", [ICE_CODES["thick"]] * 12)


def _chart(folder, name, codes, crs=POLAR, extra=()):
    fields = ice_squares().to_crs(crs)
    chart = fields.assign(**dict(zip(FIELDS, map(list, zip(*codes, strict=True)), strict=True)))
    path = folder / f"{name}.shp"
    chart.to_file(path)
    return path


def ice_chart(folder):
    """The fields as a SIGRID-3 shapefile in a Lambert projection; the last one is land."""
    codes = [ICE_CODES[kind] for kind in ice_kinds()]
    codes[-1] = (None, None, None, None, None, None, None, "L")
    return _chart(folder, "chart", codes, "+proj=lcc +lat_1=49 +lat_2=77 +lon_0=-40 +lat_0=40 +datum=WGS84 +units=m")


def ice_chart_strange(folder):
    """`ice_chart` with stages that SIGRID-3 does not have: 45 in row 2, 13 in rows 3 and 5."""
    codes = [list(ICE_CODES[kind]) for kind in ice_kinds()]
    for row, code in ((1, "45"), (2, "13"), (4, "13")):
        codes[row][2] = code
    return _chart(folder, "strange", codes)


def ice_chart_empty(folder):
    """`ice_chart` in which no stage of ice is said."""
    codes = [list(ICE_CODES[kind]) for kind in ice_kinds()]
    for row in codes:
        row[0:7] = ["92" if row[-1] == "I" else "99", "-9", "99", "-9", "-9", None, "-9"]
        row[-1] = "I"
    return _chart(folder, "empty", codes)


def ice_land(folder):
    """A land mask: 1 in the first column of fields, 0 elsewhere, at 80 m."""
    land = np.zeros((1, 150, 200), np.uint8)
    land[:, :, :50] = 1
    return _write(folder / "land.tif", land, [], from_origin(*ICE_ORIGIN, 80, 80))


def delivered_ice(folder):
    """A Sentinel-1 product as it is delivered, and polygons of ice and water by turns on it."""
    root = grd(folder)
    shapes = [shapely.Polygon([grd_place(line, pixel) for line, pixel in ((top, left), (top, left + 60), (top + 80, left + 60), (top + 80, left))])
              for top in (20, 120, 220, 320) for left in (60, 160, 260, 360)]
    ice = {"cover": ["ice" if (number // 4 + number) % 2 else "water" for number in range(len(shapes))]}
    geopandas.GeoDataFrame(ice, geometry=shapes, crs=32633).to_file(folder / "ice.gpkg")
    root.rename(folder / "product.SAFE")
    return folder


def ice_chart_targets(folder):
    """`ice_chart` in another order of what is known: no form in row 2, no stage in row 3; the last is not land."""
    codes = [list(ICE_CODES[kind]) for kind in ice_kinds()]
    codes[1][3] = codes[1][6] = "99"
    codes[2][2] = codes[2][5] = "99"
    return _chart(folder, "targets", codes)


def ice_chart_formless(folder):
    """`ice_chart_targets` in which no form of ice is said."""
    codes = [list(ICE_CODES[kind]) for kind in ice_kinds()]
    for row in codes:
        row[3] = row[6] = "99"
        row[7] = "I"
        row[0] = "92"
    return _chart(folder, "formless", codes)


def ice_two_fields(folder):
    """`ice_polygons` with a second field, “Second kind”, which is empty in every fifth, and a third, `nothing`, which is empty everywhere."""
    kinds = ice_kinds()
    second = [None if number % 5 == 4 else "rough" if number % 2 else "smooth" for number in range(len(kinds))]
    fields = ice_squares().assign(ice_kind=kinds, **{"Second kind": second, "nothing": [None] * len(kinds)})
    fields["nothing"] = fields["nothing"].astype("object")
    fields.to_file(folder / "two_fields.gpkg", layer="two_fields")
    return folder / "two_fields.gpkg"


def ice_chart_fast(folder):
    """`ice_chart` of 3 May 2022, without land, in which thick ice is fast: rows 3, 6, 9 and 12."""
    codes = [list(ICE_CODES[kind]) for kind in ice_kinds()]
    for row in codes:
        if row[2] == "93":
            row[3] = row[6] = "08"
    return _chart(folder, "chart_20220503", codes)


def ice_fast_day(folder):
    """`ice_scene` three days later, where HH is 4 dB brighter in the right half."""
    bands = _bands()
    bands[0, :, 200:] += 4
    return _write(folder / "S1A_EW_20220506.tif", bands, ["HH", "HV", "incidence_angle"])
