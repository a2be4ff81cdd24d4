import itertools
import resource
import signal
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin

from eo_pretrain_qgis.engine.formats.pictures import read_whole
from eo_pretrain_qgis.engine.rasters.cog import Contents, TiledWriter
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.rasters.nearest import NearestPixels
from eo_pretrain_qgis.engine.rasters.overviews import halved
from eo_pretrain_qgis.engine.rasters.raster import Raster, Scene
from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.progress import Progress

from ..scenes import south_up, write_raster

NUMBERS = np.arange(2 * 40 * 50).reshape(2, 40, 50).astype(np.uint16) + 1


@pytest.fixture
def path(folder):
    return write_raster(folder / "scene 20200621.tif", NUMBERS, names=["B02", None])


def test_reads_bands_inside_and_outside(path):
    with Raster(path) as raster:
        values, valid = raster.read(Window(-10, 30, 20, 20), [1])
    assert values.shape == (1, 20, 20) and valid.sum() == 100
    assert (values[0, :10, 10:] == NUMBERS[1, 30:, :10]).all() and not values[0, :, :10].any()
    assert raster.band_names == ["B02", "band 2"] and raster.date == "2020-06-21" and raster.dtype == "uint16"


def test_rows_stored_from_south_to_north_are_read_from_north_to_south(folder, path):
    (folder / "turned").mkdir()
    turned, plain = Raster(south_up(path, folder / "turned")), Raster(path)
    assert turned.grid.same_as(plain.grid) and turned.grid.transform == plain.grid.transform
    for window in (Window(0, 0, 50, 40), Window(-10, 30, 20, 20), Window(7, 3, 5, 4)):
        for ours, theirs in zip(turned.read(window, [1]), plain.read(window, [1]), strict=True):
            assert np.array_equal(ours, theirs)


def test_class_rasters_stored_from_south_to_north_lie_where_they_are(folder, path):
    """On another grid, moved by a bit less than half a pixel to the west and to the north."""
    (folder / "turned").mkdir()
    grid = Raster(path).grid
    other = replace(grid, transform=(10.0, 0.0, grid.transform[2] - 4, 0.0, -10.0, grid.transform[5] + 4))
    turned, plain = (NearestPixels(Raster(image)).read(other, other.window) for image in (south_up(path, folder / "turned"), path))
    assert plain[0].any() and all(np.array_equal(ours, theirs) for ours, theirs in zip(turned, plain, strict=True))


def test_columns_stored_from_east_to_west_are_refused(folder):
    image = write_raster(folder / "mirrored.tif", NUMBERS, transform=rasterio.Affine(-10, 0, 500_500, 0, -10, 5_300_000))
    with pytest.raises(DataError, match=r"mirrored.tif stores its columns from east to west. Warp it first with “Warp \(reproject\)”."):
        _ = Raster(image).grid


def test_window_wholly_outside(path):
    values, valid = Raster(path).read(Window(500, 500, 4, 4))
    assert not valid.any() and values.shape == (2, 4, 4)


@pytest.mark.parametrize(("dtype", "file_nodata", "layer_nodata", "declared", "expected"), [
    ("uint16", 1, [], None, {1}), ("uint16", None, [[2, 3], []], None, {2, 3}), ("uint16", 1, [[2]], 3, {1, 2, 3}),
    ("uint16", None, [], -9999, set()), ("float32", np.nan, [[4]], None, {4}), ("float32", -np.inf, [], 5, {5}),
])
def test_nodata_of_file_layer_and_analyst(folder, dtype, file_nodata, layer_nodata, declared, expected):
    values = NUMBERS[:1].astype(dtype)
    path = write_raster(folder / "nodata.tif", values, nodata=file_nodata)
    raster = Raster(path, nodata=layer_nodata)
    raster.declared_nodata = declared
    _, valid = raster.read(Window(0, 0, 50, 40))
    assert set(values[0][~valid].astype(int)) == expected


def test_pixels_that_are_not_finite(folder):
    values = np.ones((2, 4, 4), np.float32)
    values[0, 0, 0], values[1, 1, 1], values[1, 2, 2] = np.nan, -np.inf, np.inf
    _, valid = Raster(write_raster(folder / "a.tif", values)).read(Window(0, 0, 4, 4))
    assert np.argwhere(~valid).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_alpha_is_a_mask_and_no_band(folder):
    values = np.full((4, 8, 8), 200, np.uint8)
    values[3, :, :4] = 0
    path = write_raster(folder / "rgba.tif", values, photometric="RGB", alpha="yes")
    raster = Raster(path)
    _, valid = raster.read(Window(0, 0, 8, 8))
    assert len(raster.band_names) == 3 and not valid[:, :4].any() and valid[:, 4:].all()


def _write_with_alpha(path, values):
    """As gdalwarp -dstalpha makes it of a scene of any number of bands: the last one is the alpha band."""
    write_raster(path, values, photometric="MINISBLACK")
    with rasterio.open(path, "r+") as target:
        target.colorinterp = [ColorInterp.gray, *[ColorInterp.undefined] * (len(values) - 2), ColorInterp.alpha]
    return path


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 11])
def test_alpha_masks_any_number_of_bands(folder, count):
    values = np.full((count + 1, 8, 8), 2000, np.uint16)
    values[count] = np.where(np.arange(8) < 4, 0, 65535)
    path = _write_with_alpha(folder / "bands.tif", values)
    raster = Raster(path)
    _, valid = raster.read(Window(0, 0, 8, 8))
    assert len(raster.band_names) == count and not valid[:, :4].any() and valid[:, 4:].all()
    assert np.array_equal(read_whole(path.read_bytes(), "bands.tif")[2], valid)


def test_alpha_and_a_mask_of_the_file_both_hide(folder):
    values = np.full((5, 8, 8), 200, np.uint8)
    values[4, :, :4] = 0
    path = _write_with_alpha(folder / "both.tif", values)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as target:
        target.write_mask(np.arange(8)[:, None].repeat(8, 1) > 0)
    _, valid = Raster(path).read(Window(0, 0, 8, 8))
    assert not valid[:, :4].any() and not valid[0].any() and valid[1:, 4:].all()


def test_mask_beside_the_bands(folder):
    path = write_raster(folder / "masked.tif", NUMBERS)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as target:
        target.write_mask(np.arange(40 * 50).reshape(40, 50) % 2 == 0)
    _, valid = Raster(path).read(Window(0, 0, 50, 40))
    assert valid.sum() == 1000


def test_crs_of_the_analyst_wins(folder):
    path = write_raster(folder / "none.tif", NUMBERS, crs=None)
    with pytest.raises(DataError, match=r"has no coordinate reference system"):
        _ = Raster(path).grid
    assert "32631" in Raster(path, crs="EPSG:32631").grid.crs


def test_image_without_a_place(folder):
    path = write_raster(folder / "identity.tif", NUMBERS, transform=from_origin(0, 0, 1, 1))
    with rasterio.open(path, "r+") as target:
        target.transform = rasterio.Affine.identity()
    with pytest.raises(DataError, match=r"does not say where its pixels lie"):
        _ = Raster(path).grid


def test_missing_and_foreign_files(folder):
    with pytest.raises(DataError, match=r"cannot be opened as a raster"):
        _ = Raster(folder / "none.tif").grid
    (folder / "text.tif").write_text("no image", encoding="utf-8")
    with pytest.raises(DataError, match=r"Check that the file exists, is whole and is an image"):
        _ = Raster(folder / "text.tif").grid


def test_complex_numbers_are_refused(folder):
    path = write_raster(folder / "slc.tif", NUMBERS.astype(np.complex64))
    with pytest.raises(DataError, match=r"holds complex64 values"):
        _ = Raster(path).dtype


def test_scene_of_several_files(folder):
    paths = [write_raster(folder / f"{name}.tif", NUMBERS[index:index + 1]) for index, name in enumerate(("B04", "B08"))]
    scene = Scene.open([{"path": str(path)} for path in paths])
    values, _ = scene.read(Window(0, 0, 50, 40), [1, 0])
    assert scene.band_names == ["B04", "B08"] and (values == NUMBERS[::-1]).all()


def test_long_path_with_spaces_and_umlauts(folder):
    deep = folder / ("Große Übersicht " * 6).strip() / ("ä" * 60)
    deep.mkdir(parents=True)
    path = write_raster(deep / "Bild.tif", NUMBERS)
    assert len(str(path)) > 200
    values, _ = Raster(path).read(Window(0, 0, 50, 40))
    assert (values == NUMBERS).all()


def test_writer_makes_a_cog(path, folder):
    grid = Raster(path).grid
    target = folder / "out" / "map.tif"
    with TiledWriter(target, grid, Contents("uint8", 255, ["class"], {1: (255, 0, 0)}, {"model": "m"})) as writer:
        writer.write(np.ones((20, 50), np.uint8), Window(0, 0, 50, 20))
    with rasterio.open(target) as read:
        band = read.read(1)
        assert (band[:20] == 1).all() and (band[20:] == 255).all() and read.tags()["model"] == "m" and read.descriptions == ("class",)
        assert read.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and read.colormap(1)[1][:3] == (255, 0, 0)
    assert [file.name for file in target.parent.iterdir()] == ["map.tif"]


def test_overviews_of_signed_bytes_are_means_without_nodata(path, folder):
    values = np.random.default_rng(3).integers(-127, 128, (2, 1030, 1100)).astype(np.int8)
    values[:, 200:333, 101:400] = -128
    grid, target = Raster(write_raster(folder / "large.tif", np.zeros((1, 1030, 1100), np.uint8))).grid, folder / "embedding.tif"
    with TiledWriter(target, grid, Contents("int8", -128, ["a", "b"], None, {"model": "m"}, "average", 1 / 127, "ZSTD")) as writer:
        writer.write(values, Window(0, 0, 1100, 1030))
    with rasterio.open(target) as read:
        assert (read.read() == values).all() and read.overviews(1) == read.overviews(2) == [2, 4] and read.nodata == -128
        assert read.scales == (1 / 127, 1 / 127) and read.descriptions == ("a", "b") and read.tags()["model"] == "m"
        assert (read.compression.name, read.interleaving.name, read.block_shapes[0]) == ("zstd", "band", (512, 512))
    with tifffile.TiffFile(target) as file:  # the layout of a COG: all directories first, then the overviews, the smallest first
        ends = [[page.offset, min(page.dataoffsets), max(page.dataoffsets)] for page in file.pages]
    assert max(offset for offset, _, _ in ends) < min(first for _, first, _ in ends)
    assert all(last < first for (_, first, _), (_, _, last) in itertools.pairwise(ends))
    own = np.ma.masked_equal(values, -128).astype(float).reshape(2, 515, 2, 550, 2).mean((2, 4))
    with rasterio.open(target, overview_level=0) as read:
        assert (read.read() == np.floor(own + 0.5).filled(-128)).all()
    with rasterio.open(target, overview_level=1) as read:
        assert read.shape == (258, 275)
    assert {file.name for file in folder.iterdir()} == {"embedding.tif", path.name, "large.tif"}


@pytest.mark.parametrize("compression", ["DEFLATE", "ZSTD"])
def test_a_disk_that_is_full_at_the_last_step_leaves_nothing(path, folder, compression):
    """In the file that stays, after the private one was written whole."""
    values = np.random.default_rng(3).integers(-127, 128, (4, 1024, 1024)).astype(np.int8)
    grid, target = Raster(write_raster(folder / "large.tif", np.zeros((1, 1024, 1024), np.uint8))).grid, folder / "embedding.tif"
    hard, ignored = resource.getrlimit(resource.RLIMIT_FSIZE)[1], signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(DataError, match="embedding.tif"), TiledWriter(
                target, grid, Contents("int8", -128, list("abcd"), resampling="average", compression=compression)) as writer:
            writer.write(values, Window(0, 0, 1024, 1024))
            writer._dataset.close()
            resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert {file.name for file in folder.iterdir()} == {path.name, "large.tif"}


def test_squares_of_two_pixels_are_averaged():
    band = np.array([[1, 2, -128, -128, 7], [4, 4, -128, -128, -128], [-128, -3, -3, -4, 9]], np.int8)
    assert halved(band, -128).tolist() == [[3, -128, 7], [-3, -3, 9]]


@pytest.mark.parametrize("failure", [Cancelled, DataError, KeyboardInterrupt])
def test_writer_leaves_nothing_after_a_failure(path, folder, failure):
    target = folder / "out" / "map.tif"
    with pytest.raises(failure), TiledWriter(target, Raster(path).grid, Contents("uint8", 255)) as writer:
        writer.write(np.ones((20, 50), np.uint8), Window(0, 0, 50, 20))
        raise failure
    assert not target.parent.exists()


def test_writer_keeps_the_old_map_when_stopped(path, folder):
    target = folder / "map.tif"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(Cancelled), TiledWriter(target, Raster(path).grid, Contents("uint8", 255)):
        raise Cancelled
    assert target.read_text(encoding="utf-8") == "old"


def test_full_disk_while_writing(path, folder, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 0})())
    with pytest.raises(DataError, match=r"The disk is full while writing .*map.tif. Free some space and run again."), \
            TiledWriter(folder / "map.tif", Raster(path).grid, Contents("uint8", 255), Progress()) as writer:
        writer.write(np.ones((20, 50), np.uint8), Window(0, 0, 50, 20))
    assert [file.name for file in folder.iterdir()] == [path.name]


def test_the_nodata_value_of_the_file_may_not_count(folder):
    path = write_raster(folder / "image.tif", np.zeros((2, 8, 8), np.uint8), nodata=0)
    for own, shown in (((), False), ((False, False), True), ((True, False), False), ((False,), False)):
        with Raster(str(path), own_nodata=own) as raster:
            assert raster.read(Window(0, 0, 8, 8))[1].all() == shown
    with Raster(str(path), own_nodata=(True, False)) as raster:
        assert raster.read(Window(0, 0, 8, 8), [1])[1].all() and raster.nodata_of(0) == [0] and raster.indexes == [1, 2]


@pytest.mark.parametrize(("name", "band"), [
    ("S1A__IW___A_20150309T173017_VH_grd_mli_geo_norm_db.tif", "VH"), ("T29UNU_20221005T115411_B8A_60m.tif", "B8A"),
    ("S2A_20221005_B02.tif", "B02"), ("site_B02.tif", "band 1"), ("vv_vh.tif", "band 1"), ("heights.tif", "band 1"),
])
def test_a_band_alone_is_the_one_of_the_name_of_its_file(name, band, folder):
    """A file of VH is not taken for VV, the first band of the sensor."""
    scene = Scene.open([{"path": str(write_raster(folder / name, np.ones((1, 8, 8), np.uint8)))}])
    assert scene.band_names == [band]
