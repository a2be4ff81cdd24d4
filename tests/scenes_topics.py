"""Scenes for topics: radar-like images of three kinds of ground in squares, at two dates."""

import numpy as np
import rasterio

UTM = "EPSG:32633"


def _kinds():
    """512 x 512 px in squares of 128 px: 0 dark, 1 bright, 2 a chessboard of dark and bright words; 6, 5 and 5 squares."""
    row, col = np.indices((512, 512)) // 128
    return (row + 2 * col) % 3


def _write(path, kind, seed, crs=UTM, nodata=None):
    """HH and HV in dB with noise of 1 dB; words of the chessboard are 4 px."""
    rng = np.random.default_rng(seed)
    row, col = np.indices(kind.shape) // 4
    like = np.select([kind == 0, kind == 1, (row + col) % 2 == 0], [-20.0, -10.0, -8.0], -22.0)
    like = np.where(kind < 0, -99.0, like + rng.normal(0, 1, kind.shape))
    bands = np.stack([like, np.where(kind < 0, -99.0, like - 8 + rng.normal(0, 1, kind.shape))]).astype(np.float32)
    transform = rasterio.transform.from_origin(500_000, 5_300_000, 40, 40)
    with rasterio.open(path, "w", driver="GTiff", count=2, height=kind.shape[0], width=kind.shape[1], dtype="float32", crs=crs,
                       transform=transform, nodata=nodata) as target:
        target.write(bands)
        for number, name in enumerate(("HH", "HV"), 1):
            target.set_band_description(number, name)
    return path


def ice(folder):
    """The three kinds of ground."""
    return _write(folder / "ice.tif", _kinds(), 1)


def ice_later(folder):
    """`ice` with other noise, and the dark square in the upper left corner has become bright: 1/16 of the area."""
    kinds = _kinds()
    kinds[:128, :128] = 1
    return _write(folder / "ice_later.tif", kinds, 2)


def ice_with_gap(folder):
    """`ice` with nodata (-99) in the western quarter."""
    kinds = _kinds()
    kinds[:, :128] = -1
    return _write(folder / "ice_with_gap.tif", kinds, 1, nodata=-99)


def ice_without_words(folder):
    """Nodata in every second column, so that no square of 4 px is whole."""
    kinds = _kinds()
    kinds[:, ::2] = -1
    return _write(folder / "ice_without_words.tif", kinds, 1, nodata=-99)


def ice_smaller(folder):
    """The upper half of `ice`."""
    return _write(folder / "ice_smaller.tif", _kinds()[:256], 1)


def ice_one_band(folder):
    """HH alone on the grid of `ice`."""
    with rasterio.open(ice(folder)) as source:
        profile = {**source.profile, "count": 1}
        like = source.read(1)
    with rasterio.open(folder / "ice_one_band.tif", "w", **profile) as target:
        target.write(like, 1)
    return folder / "ice_one_band.tif"


def ice_one_band_again(folder):
    """`ice_one_band` in a file of its own."""
    return ice_one_band(folder).rename(folder / "ice_one_band_again.tif")
