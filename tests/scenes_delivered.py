"""Scenes as their makers deliver them, with known truth: every band is a plane over the ground, which bilinear resampling keeps."""

import zipfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

WEST, NORTH, GROUND = 600_000, 5_000_000, 3600  # [m]
TEN, TWENTY, SIXTY = ("B02", "B03", "B04", "B08"), ("B05", "B06", "B07", "B8A", "B11", "B12"), ("B01", "B09")
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")


def plane(band, pixel):
    """Stored values of a band (its number) on a grid of such pixels [m]: 2 per 10 m to the east, 1 to the south."""
    places = (np.arange(GROUND // pixel) + 0.5) * pixel / 10
    return 2000 + 500 * band + 2 * places[None, :] + places[:, None]


def _write(path, values, pixel, nodata=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1, dtype=values.dtype, crs="EPSG:32633",
                       transform=from_origin(WEST, NORTH, pixel, pixel), nodata=nodata) as file:
        file.write(values, 1)
    return path


def safe(folder, day="20221005", baseline="04.00", level="L2A", add=0, empty=0):
    """A Sentinel-2 product of 3.6 km, its westernmost `empty` metres not measured, clouds in the north-east; `add` is added to values."""
    name = f"S2A_MSI{level}_{day}T101031_N{baseline.replace('.', '')}_R022_T33UUU_{day}T164454.SAFE"
    root, granule = Path(folder) / name, f"{level}_T33UUU_A000001_{day}T101031"
    for pixel, bands in ((10, TEN), (20, TWENTY), (60, SIXTY)):
        for band in bands:
            for shown in (10, 20, 60) if level == "L2A" else (pixel,):
                if shown < pixel or (band == "B08" and shown > 10):
                    continue
                values = np.rint(plane(BANDS.index(band), shown) + add).astype(np.uint16)
                values[:, :empty // shown] = 0
                end = f"R{shown}m/T33UUU_{day}T101031_{band}_{shown}m.tif" if level == "L2A" else f"T33UUU_{day}T101031_{band}.tif"
                _write(root / "GRANULE" / granule / "IMG_DATA" / end, values, shown)
    if level == "L2A":
        classes = np.full((GROUND // 20, GROUND // 20), 4, np.uint8)
        classes[:60, 120:] = 9
        classes[:, :empty // 20] = 0
        _write(root / f"GRANULE/{granule}/IMG_DATA/R20m/T33UUU_{day}T101031_SCL_20m.tif", classes, 20)
    (root / f"GRANULE/{granule}/MTD_TL.xml").write_text("<Tile/>")
    kind = "BOA" if level == "L2A" else "RADIO"
    offsets = "".join(f'<{kind}_ADD_OFFSET band_id="{number}">-1000</{kind}_ADD_OFFSET>' for number in range(13)) if baseline >= "04.00" else ""
    quantification = "BOA_QUANTIFICATION_VALUE" if level == "L2A" else "QUANTIFICATION_VALUE"
    (root / f"MTD_MSI{level}.xml").write_text(
        f'<n1:Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/x.xsd"><n1:General_Info><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>'
        f"<PRODUCT_START_TIME>{day[:4]}-{day[4:6]}-{day[6:]}T10:10:31.024Z</PRODUCT_START_TIME><PRODUCT_URI>{name}</PRODUCT_URI>"
        f"<{quantification}>10000</{quantification}>{offsets}</n1:General_Info></n1:Product>")
    return root


def zipped(root, within=""):
    """The zip of a product, beside it."""
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, within + str(file.relative_to(root.parent)))
    return path


def landsat(folder, level="L2SP", sun=30.0, ending="txt"):
    """A Landsat 8 scene of 3.6 km: seven bands of 30 m, a thermal band, QA_PIXEL with cloud in the north and fill in the west."""
    name = f"LC08_{level}_193024_20200621_20200823_02_T1"
    root, side = Path(folder) / name, GROUND // 30
    begin = f"{name}_SR_B" if level == "L2SP" else f"{name}_B"
    for number in range(1, 8):
        values = np.full((side, side), 8000 + 500 * number, np.uint16)
        values[:, :10] = 0
        _write(root / f"{begin}{number}.TIF", values, 30)
    _write(root / (f"{name}_ST_B10.TIF" if level == "L2SP" else f"{name}_B10.TIF"), np.full((side, side), 40000, np.uint16), 30)
    quality = np.full((side, side), 0b1010101000000, np.uint16)
    quality[:40], quality[:, :10] = 0b1000, 1
    _write(root / f"{name}_QA_PIXEL.TIF", quality, 30, nodata=1)
    factors = ("LEVEL2_SURFACE_REFLECTANCE_PARAMETERS", 2.75e-5, -0.2) if level == "L2SP" else ("LEVEL1_RADIOMETRIC_RESCALING", 2e-5, -0.1)
    groups = {
        "PRODUCT_CONTENTS": {"LANDSAT_PRODUCT_ID": name, "PROCESSING_LEVEL": level, "COLLECTION_NUMBER": "02",
                             **{f"FILE_NAME_BAND_{number}": f"{begin}{number}.TIF" for number in range(1, 8)},
                             "FILE_NAME_QUALITY_L1_PIXEL": f"{name}_QA_PIXEL.TIF"},
        "IMAGE_ATTRIBUTES": {"SPACECRAFT_ID": "LANDSAT_8", "SENSOR_ID": "OLI_TIRS", "WRS_PATH": "193", "WRS_ROW": "024",
                             "DATE_ACQUIRED": "2020-06-21", "SUN_ELEVATION": str(sun)},
        factors[0]: {f"REFLECTANCE_{key}_BAND_{number}": str(value) for number in range(1, 8) for key, value in zip(("MULT", "ADD"), factors[1:])},
        "LEVEL1_RADIOMETRIC_RESCALING" if level == "L2SP" else "OTHER": {"REFLECTANCE_MULT_BAND_1": "9.9", "REFLECTANCE_ADD_BAND_1": "9.9"},
    }
    (root / f"{name}_MTL.{ending}").write_text(_metadata(groups, ending))
    return root


def _metadata(groups, ending):
    if ending == "json":
        import json
        return json.dumps({"LANDSAT_METADATA_FILE": groups})
    if ending == "xml":
        items = {group: "".join(f"<{key}>{value}</{key}>" for key, value in rows.items()) for group, rows in groups.items()}
        inside = "".join(f"<{group}>{text}</{group}>" for group, text in items.items())
        return f"<LANDSAT_METADATA_FILE>{inside}</LANDSAT_METADATA_FILE>"
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for group, items in groups.items():
        lines += [f"  GROUP = {group}", *(f'    {key} = "{value}"' if key.endswith(("ID", "LEVEL", "NUMBER")) or "FILE" in key else
                                          f"    {key} = {value}" for key, value in items.items()), f"  END_GROUP = {group}"]
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])


def band_folder(folder, names=("B02", "B03", "B04", "B8A"), pixels=(10, 10, 10, 20)):
    """A folder of band files without metadata, and a mask of clouds."""
    root = Path(folder) / "2021-07-01 scene"
    for name, pixel in zip(names, pixels, strict=True):
        _write(root / f"{name}.tif", np.rint(plane(BANDS.index(name), pixel)).astype(np.uint16), pixel, nodata=0)
    _write(root / "SCL.tif", np.full((180, 180), 4, np.uint8), 20)
    return root


#: A Sentinel-1 scene: its size in radar geometry, the place of its first pixel in UTM zone 33, the steps along a line and from line to line [m].
GRD_SIZE = (420, 520)
GRD_FIRST, GRD_ALONG, GRD_DOWN = (500_000.0, 7_000_000.0), (39.4, 6.9), (-6.9, 39.4)


def grd_place(line, pixel):
    """Where the middle of a pixel lies [m]."""
    return tuple(GRD_FIRST[axis] + pixel * GRD_ALONG[axis] + line * GRD_DOWN[axis] for axis in (0, 1))


def grd_power(x, y, polarisation):
    """σ⁰ of the ground: smooth, between −22 and −8 dB."""
    level = {"VV": -10, "HH": -10, "VH": -18, "HV": -18}[polarisation]
    return 10 ** ((level + 2 * np.sin((x - GRD_FIRST[0]) / 3000) + 2 * np.cos((y - GRD_FIRST[1]) / 4000)) / 10)


def grd_angle(pixel):
    """Incidence angle [degree]."""
    return 20 + 0.04 * np.asarray(pixel)


def _grd_factor(line, pixel):
    return 4000 + pixel + 0.5 * line


def _grd_noise(line, pixel):
    """Thermal noise in DN²; it steps at pixel 260 as between two sub-swaths."""
    return np.where(pixel < 260, 30_000 + 50 * pixel, 70_000.0) * np.where(line < 200, 1.0, 1.2)


def grd(folder, polarisations=("HH", "HV"), day="20210310", noise=False, kind="grdm"):
    """An EW product of 40 m whose ground is `grd_power`; the first 20 pixels of each line were not measured."""
    import pyproj

    name = f"S1A_EW_{kind.upper()[:4]}_1SDH_{day}T050000_{day}T050100_036940_045800_0000"
    root, (height, width) = Path(folder) / f"{name}.SAFE", GRD_SIZE
    line, pixel = np.indices(GRD_SIZE).astype(float)
    to_lonlat = pyproj.Transformer.from_crs(32633, 4326, always_xy=True)
    lines, pixels = np.linspace(0, height - 1, 8).round(), np.linspace(0, width - 1, 10).round()
    steps = np.unique(np.r_[np.arange(0, width, 40), 259, 260, width - 1])
    for polarisation in polarisations:
        part = f"s1a-ew-{kind}-{polarisation.lower()}-{day}t050000-{day}t050100-036940-045800-001"
        power = grd_power(*grd_place(line, pixel), polarisation) * _grd_factor(line, pixel)**2 + (_grd_noise(line, pixel) if noise else 0)
        values = np.rint(np.sqrt(power)).astype(np.uint16)
        values[:, :20] = 0
        (root / "measurement").mkdir(parents=True, exist_ok=True)
        with rasterio.open(root / f"measurement/{part}.tiff", "w", driver="GTiff", width=width, height=height, count=1, dtype="uint16") as file:
            file.write(values, 1)
        points = []
        for row in lines:
            for col in pixels:
                longitude, latitude = to_lonlat.transform(*grd_place(row, col))
                points.append(f"<geolocationGridPoint><line>{row:.0f}</line><pixel>{col:.0f}</pixel><latitude>{latitude!r}</latitude>"
                              f"<longitude>{longitude!r}</longitude><incidenceAngle>{grd_angle(col):.6e}</incidenceAngle></geolocationGridPoint>")
        (root / "annotation/calibration").mkdir(parents=True, exist_ok=True)
        (root / f"annotation/{part}.xml").write_text(
            f"<product><adsHeader><polarisation>{polarisation}</polarisation><mode>EW</mode>"
            f"<startTime>{day[:4]}-{day[4:6]}-{day[6:]}T05:00:00.1</startTime></adsHeader>"
            f"<imageAnnotation><imageInformation><rangePixelSpacing>4.0e+01</rangePixelSpacing><numberOfSamples>{width}</numberOfSamples>"
            f"<numberOfLines>{height}</numberOfLines></imageInformation></imageAnnotation>"
            f"<geolocationGrid><geolocationGridPointList>{''.join(points)}</geolocationGridPointList></geolocationGrid></product>")

        def vectors(tag, key, value_at, part=""):
            return "".join(f"<{tag}><line>{row}</line><pixel>{' '.join(map(str, steps))}</pixel><{key}>"
                           f"{' '.join(f'{value:.6e}' for value in np.broadcast_to(value_at(row, steps), steps.shape))}</{key}></{tag}>"
                           for row in (-5, 150, 300, height + 20))

        (root / f"annotation/calibration/calibration-{part}.xml").write_text(
            f"<calibration><calibrationVectorList>{vectors('calibrationVector', 'sigmaNought', _grd_factor)}</calibrationVectorList></calibration>")
        azimuth = "".join(
            f"<noiseAzimuthVector><firstAzimuthLine>{first}</firstAzimuthLine><firstRangeSample>0</firstRangeSample><lastAzimuthLine>{last}"
            f"</lastAzimuthLine><lastRangeSample>{width - 1}</lastRangeSample><line>{first} {last}</line><noiseAzimuthLut>{value} {value}"
            "</noiseAzimuthLut></noiseAzimuthVector>" for first, last, value in ((0, 199, 1.0), (200, height - 1, 1.2)))
        (root / f"annotation/calibration/noise-{part}.xml").write_text(
            f"<noise><noiseRangeVectorList>{vectors('noiseRangeVector', 'noiseRangeLut', lambda row, col: _grd_noise(0, col))}"
            f"</noiseRangeVectorList><noiseAzimuthVectorList>{azimuth}</noiseAzimuthVectorList></noise>")
    (root / "manifest.safe").write_text("<xfdu/>")
    return root
