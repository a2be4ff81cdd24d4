"""Images aligned on another grid: against GDAL's warper, against a plane that bilinear interpolation must reproduce, and at edges."""

import math

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

from eo_pretrain_qgis.engine.datasets import alignment
from eo_pretrain_qgis.engine.datasets.alignment import SecondImages, align, days_between, overlap, pair, partner_scenes
from eo_pretrain_qgis.engine.rasters.raster import Raster, Scene
from eo_pretrain_qgis.errors import DataError

from ..listening import Listening
from ..scenes import ORIGIN, UTM, write_raster


def plane(folder, name="plane.tif", shift=(0.0, 0.0), resolution=10.0, size=300, dtype=np.float32, crs=UTM, **profile):
    """Values 100 + 0.01 · easting + 0.02 · northing [m] from the upper left corner, which linear interpolation gives exactly."""
    place = from_origin(ORIGIN[0] + shift[0], ORIGIN[1] + shift[1], resolution, resolution)
    col, row = np.meshgrid(np.arange(size), np.arange(size))
    east, north = shift[0] + (col + 0.5) * resolution, shift[1] - (row + 0.5) * resolution
    return write_raster(folder / name, (1000 + 0.01 * east + 0.02 * north).astype(dtype)[None], transform=place, crs=crs, **profile)


def whole(scene):
    values, valid = scene.read(scene.grid.window)
    scene.close()
    return values, valid


def grid_of(path):
    with Raster(str(path)) as raster:
        return raster.grid


def test_the_same_grid_is_taken_as_it_is(folder):
    path = plane(folder)
    scene = align([{"path": str(path)}], grid_of(path), folder / "aside")
    assert scene.path == str(path) and not (folder / "aside").exists()


@pytest.mark.parametrize("piece", [64, 1024])
def test_a_plane_stays_a_plane(folder, piece, monkeypatch):
    monkeypatch.setattr(alignment, "PIECE", piece)
    target = grid_of(plane(folder, "target.tif", shift=(203, -407), size=150))
    scene = align([{"path": str(plane(folder))}], target, folder / "aside")
    values, valid = whole(scene)
    expected, _ = whole(Scene.open([{"path": str(folder / "target.tif")}]))
    assert valid.all() and np.abs(values - expected).max() < 0.01


@pytest.mark.parametrize(("resampling", "resolution"), [("average", 40.0), ("bilinear", 40.0), ("nearest", 10.0), ("bilinear", 7.0)])
def test_pieces_agree_with_one_warp_of_the_whole(folder, resampling, resolution, monkeypatch):
    noise = np.random.default_rng(1).normal(0, 1, (1, 300, 300)).astype(np.float32)
    path = write_raster(folder / "noise.tif", noise, crs="EPSG:32634", transform=from_origin(50_000, 5_300_000, 10, 10))
    with rasterio.open(path) as source:
        box = rasterio.warp.transform_bounds("EPSG:32634", UTM, *source.bounds)
    target = grid_of(write_raster(folder / "target.tif", np.zeros((1, 60, 60), np.uint8), resolution=resolution,
                                  transform=from_origin(box[0] + 300, box[3] - 300, resolution, resolution)))
    once = np.full((1, 60, 60), np.nan, np.float32)
    reproject(noise, once, src_transform=from_origin(50_000, 5_300_000, 10, 10), src_crs="EPSG:32634", src_nodata=np.nan,
              dst_transform=rasterio.Affine(*target.transform), dst_crs=UTM, dst_nodata=np.nan,
              resampling=Resampling[resampling], tolerance=0.01)
    monkeypatch.setattr(alignment, "PIECE", 16)
    values, _ = whole(align([{"path": str(path)}], target, folder / "aside", resampling))
    agree = np.isclose(values, once, atol=0.05, equal_nan=True)
    assert agree.mean() > 0.97, agree.mean()


def test_a_finer_image_is_averaged(folder):
    checkers = (np.indices((200, 200)).sum(0) % 2 * 1000).astype(np.uint16)[None] + 100
    path = write_raster(folder / "fine.tif", checkers)
    target = grid_of(write_raster(folder / "target.tif", np.zeros((1, 50, 50), np.uint8), resolution=40.0))
    for resampling in ("average", "bilinear"):
        values, valid = whole(align([{"path": str(path)}], target, folder / "aside", resampling))
        assert valid.all() and values.dtype == np.uint16 and np.abs(values[:, 1:-1, 1:-1].astype(int) - 600).max() <= 2


def test_names_dates_nodata_and_what_is_not_reached(folder):
    bands = np.full((2, 64, 64), 500, np.int16)
    bands[:, 20:30, 20:30] = -9999
    path = write_raster(folder / "S1_20200621.tif", bands, nodata=-9999, names=["VV", "VH"],
                        transform=from_origin(ORIGIN[0] + 303, ORIGIN[1], 10, 10))
    target = grid_of(write_raster(folder / "target.tif", np.zeros((1, 64, 64), np.uint8)))
    scene = align([{"path": str(path), "name": "radar"}], target, folder / "aside")
    values, valid = whole(scene)
    assert scene.band_names == ["VV", "VH"] and scene.date == "2020-06-21" and scene.name == "radar" and scene.nodata_of(1) == [-9999]
    assert not valid[:, :30].any() and valid[:, 31:50].all() and not valid[21:29, 52:58].any()
    assert set(np.unique(values[:, valid])) == {500} and set(np.unique(values[:, ~valid])) == {-9999}


def test_the_day_of_writing_stays_one(folder):
    """It never becomes a day of acquisition, and pairs by it are warned of."""
    first = plane(folder, "S2_20200615.tif")
    others = [plane(folder, name, shift=(5, 0)) for name in ("one.tif", "two.tif")]
    for path, day in zip(others, ("2020:06:16 10:00:00", "2024:11:03 10:00:00"), strict=True):
        with rasterio.open(path, "r+") as target:
            target.update_tags(TIFFTAG_DATETIME=day)
    scene, heard = Scene.open([{"path": str(first)}]), Listening()
    second = SecondImages([{"path": str(path)} for path in others])
    partners, facts = partner_scenes([scene], "generic", second, folder / "aside", heard)
    (partner,) = next(iter(partners.values()))[1]
    assert [facts[0]["days"], partner.date, partner.acquired] == [1, "2020-06-16", ""]
    assert any(text.startswith("Of some images only the day is known on which their files were written") for text in heard.warnings)


def test_an_image_elsewhere_is_refused(folder):
    path = plane(folder, shift=(90_000, 0))
    with pytest.raises(DataError, match="does not overlap the image it shall be aligned with: it reaches over"):
        align([{"path": str(path)}], grid_of(plane(folder, "target.tif")), folder / "aside")


def test_overlap_and_pairs(folder):
    here = Scene.open([{"path": str(plane(folder, "S2_20200615.tif"))}])
    others = [Scene.open([{"path": str(plane(folder, name, shift=shift))}])
              for name, shift in (("S1_20200616.tif", (1500, 0)), ("S1_20200601.tif", (0, 0)), ("S1_20200612.tif", (5, 0)))]
    assert overlap(here.grid, others[0].grid) == pytest.approx(0.5) and overlap(here.grid, others[1].grid) == 1
    chosen = pair(here, others)
    assert (chosen.index, chosen.days) == (2, -3)
    assert pair(here, others, most_days=2).index == 0
    with pytest.raises(DataError, match="is 14 days apart, more than 5. Add a nearer image, or allow more days."):
        pair(here, others[1:2], most_days=5)
    with pytest.raises(DataError, match="None of the 1 images of the second sensor overlaps"):
        pair(here, [Scene.open([{"path": str(plane(folder, "far.tif", shift=(0, 99_000)))}])])
    assert days_between("2020-02-28", "2020-03-01") == 2 and days_between("", "2020-03-01") is None
    assert math.isfinite(chosen.overlap)
