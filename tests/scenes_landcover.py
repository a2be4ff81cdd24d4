"""Scenes for labels from land-cover maps and for tiles without labels; `tests/scenes.py` offers them to the cases."""

from pathlib import Path

import numpy as np
from rasterio.transform import from_origin
from scipy import ndimage

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .scenes import ORIGIN, write_raster

#: Left of column 125 lies cropland, right of it forest; a lake fills rows 150 to 199 of columns 150 to 209.
BORDER, LAKE = 125, (slice(150, 200), slice(150, 210))
CROP, FOREST, WATER = 1, 2, 3


def ground() -> np.ndarray:
    """The truth (y, x), 256 × 256 px of 10 m: CROP, FOREST or WATER."""
    truth = np.full((256, 256), FOREST, np.uint8)
    truth[:, :BORDER] = CROP
    truth[LAKE] = WATER
    return truth


def _cells(truth: np.ndarray, size: int) -> np.ndarray:
    """The class that most pixels of each cell of `size` × `size` pixels have; the last row and column are cut short."""
    edge = -(-len(truth) // size)
    counts = np.zeros((3, edge, edge))
    for value in (CROP, FOREST, WATER):
        rows, cols = np.nonzero(truth == value)
        np.add.at(counts[value - 1], (rows // size, cols // size), 1)
    return (counts.argmax(0) + 1).astype(np.uint8)


def _coded(classes: np.ndarray, *codes: int, dtype=np.uint8) -> np.ndarray:
    return np.array([0, *codes], dtype)[classes][None]


def ground_optical(folder: Path) -> Path:
    """The ground as Sentinel-2 sees it on 15 June 2019: B04 and B08 differ by class; sd 50."""
    truth = ground()
    means = np.array([[0, 2000, 300, 400], [0, 3000, 4000, 200]])[:, truth]
    noise = np.random.default_rng(1).normal(0, 50, (2, 256, 256))
    return write_raster(folder / "S2_20190615.tif", (means + noise).clip(1).astype(np.uint16), names=["B04", "B08"])


def ground_radar(folder: Path) -> Path:
    """The ground as Sentinel-1 sees it two days later, VV and VH [dB] in pixels of 20 m on a grid moved by 3 m and 1 m."""
    truth = np.pad(ground(), 20, mode="edge")[::2, ::2]
    means = np.array([[0.0, -11, -8, -20], [0.0, -18, -13, -27]])[:, truth]
    noise = np.random.default_rng(2).normal(0, 1, means.shape)
    return write_raster(folder / "S1_20190617.tif", (means + noise).astype(np.float32), names=["VV", "VH"],
                        transform=from_origin(ORIGIN[0] - 203, ORIGIN[1] + 201, 20, 20))


def ground_cover_100m(folder: Path) -> Path:
    """The ground in cells of 100 m with the codes of CGLS-LC100: 40, 114, 80."""
    return write_raster(folder / "PROBAV_LC100_2019.tif", _coded(_cells(ground(), 10), 40, 114, 80), resolution=100.0, nodata=255)


def ground_cover_10m(folder: Path) -> Path:
    """The ground pixel by pixel with the codes of WorldCover, 40, 10, 80, five years after the images."""
    return write_raster(folder / "ESA_WorldCover_10m_2024_v200.tif", _coded(ground(), 40, 10, 80), nodata=0)


def ground_cover_clc(folder: Path) -> Path:
    """The ground in cells of 100 m with the three-digit codes of CORINE: 211, 311, 512."""
    return write_raster(folder / "U2018_CLC2018_V2020.tif", _coded(_cells(ground(), 10), 211, 311, 512, dtype=np.int16), resolution=100.0,
                        nodata=-32768)


def ground_cover_unknown(folder: Path) -> Path:
    """`ground_cover_100m` with a code that CGLS-LC100 does not have, 77, for the lake."""
    return write_raster(folder / "LC100_2019.tif", _coded(_cells(ground(), 10), 40, 114, 77), resolution=100.0)


def ground_cover_elsewhere(folder: Path) -> Path:
    """`ground_cover_100m`, 50 km further east."""
    return write_raster(folder / "LC100_2019.tif", _coded(_cells(ground(), 10), 40, 114, 80),
                        transform=from_origin(ORIGIN[0] + 50_000, ORIGIN[1], 100, 100))


def ground_legend(folder: Path) -> Path:
    """A legend CSV in which forest and lake are one group and 77 has a name."""
    path = folder / "legend.csv"
    path.write_text("value,name,color,group\n77,Lake,#0000ff,nature\n114,Forest,#00ff00,nature\n40,Fields,#ffff00,farmland\n", encoding="utf-8")
    return path


def ground_legend_short(folder: Path) -> Path:
    """A legend CSV that does not know the lake."""
    path = folder / "short.csv"
    path.write_text("value,name\n40,Fields\n114,Forest\n", encoding="utf-8")
    return path


def ground_legend_broken(folder: Path) -> Path:
    """A legend CSV with a value that is no number."""
    path = folder / "broken.csv"
    path.write_text("value,name\n40,Fields\nforest,Forest\n", encoding="utf-8")
    return path


def _wild(shift: int, seed: int) -> np.ndarray:
    """A window of a landscape without repetition, three bands (band, y, x) between 500 and 2500, `shift` px further east; noise sd 5."""
    rng = np.random.default_rng(7)
    field = ndimage.gaussian_filter(rng.normal(size=(3, 256, 512)), (0, 6, 6))
    field = 1500 + 400 * field / field.std()
    return (field[:, :, shift:shift + 256] + np.random.default_rng(seed).normal(0, 5, (3, 256, 256))).clip(500, 2500).astype(np.uint16)


def wild(folder: Path) -> Path:
    """A landscape without repetition on 1 July 2020; the lowest 32 rows are nodata."""
    bands = _wild(0, 1)
    bands[:, -32:] = 0
    return write_raster(folder / "S2_20200701.tif", bands, names=["B02", "B03", "B04"], nodata=0)


def wild_overlapping(folder: Path) -> Path:
    """The scene beside it of the same pass: its western half shows the eastern half of `wild` again."""
    return write_raster(folder / "S2_20200701_east.tif", _wild(128, 2), names=["B02", "B03", "B04"], nodata=0,
                        transform=from_origin(ORIGIN[0] + 1280, ORIGIN[1], 10, 10))


def wild_radar(folder: Path) -> Path:
    """Sentinel-1 four days before `wild`, VV and VH [dB] in pixels of 15 m."""
    noise = ndimage.gaussian_filter(np.random.default_rng(4).normal(size=(2, 200, 200)), (0, 3, 3)) * 30
    return write_raster(folder / "S1_20200627.tif", (noise - 12).astype(np.float32), names=["VV", "VH"],
                        transform=from_origin(ORIGIN[0] - 100, ORIGIN[1] + 100, 15, 15))


def cloudy(folder: Path) -> Path:
    """`wild` without nodata, darker, with a cloud over the upper left 64 × 64 px and half a tile right of them; bands with B11."""
    bands = np.concatenate([_wild(0, 3) // 3, _wild(0, 3)[:1]])
    bands[:, :64, :64] = 6000
    bands[:, :32, 64:80] = 6000
    return write_raster(folder / "S2_20200711.tif", bands, names=["B02", "B03", "B04", "B11"], nodata=0)


def cloudy_classes(folder: Path) -> Path:
    """The scene classification of `cloudy` in pixels of 20 m: 9 cloud, 3 shadow in the lower right 64 × 64 px, 4 vegetation."""
    classes = np.full((1, 128, 128), 4, np.uint8)
    classes[:, :32, :32] = 9
    classes[:, :16, 32:40] = 9
    classes[:, -32:, -32:] = 3
    return write_raster(folder / "SCL_20200711.tif", classes, resolution=20.0, nodata=0)


def cover_dataset(folder: Path) -> Path:
    """64 training tiles of `ground_cover_100m` with images of two sensors, s2 (B04, B08) and s1 (VV, VH)."""
    JOBS["create_land_cover_dataset"].from_values({
        "images": [str(ground_optical(folder))], "preset": "sentinel2_l2a", "second_images": [str(ground_radar(folder))],
        "second_preset": "sentinel1_db", "land_cover": str(ground_cover_100m(folder)), "legend": "cgls_lc100", "tile_size": 32,
        "validation_share": 0, "test_share": 0, "output": str(folder / "cover_dataset")}).run(SILENT)
    return folder / "cover_dataset"
