"""Several scenes as one image: a map of them is that of the whole, and what differs between them is refused by name."""

import json

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rasterio.warp import transform

from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import PRODUCTS
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.grid import Grid, Window
from eo_pretrain_qgis.engine.rasters.mosaic import Mosaic, Mosaicking, read_on, scenes_in
from eo_pretrain_qgis.engine.rasters.raster import Scene
from eo_pretrain_qgis.errors import DataError, JobError
from tests import networks, scenes
from tests.scenes import ORIGIN, write_raster

from . import test_resuming
from .test_resuming import place  # noqa: F401 - a fixture

RULE = np.random.default_rng(20)


def values(height=96, width=96, bands=2):
    return RULE.integers(1, 3000, (bands, height, width)).astype(np.uint16)


def placed(path, array, col=0, row=0, **facts):
    """An image of 10 m pixels that begins at a pixel of the grid with the corner ORIGIN."""
    corner = from_origin(ORIGIN[0] + 10 * col, ORIGIN[1] - 10 * row, 10, 10)
    return write_raster(path, array, transform=corner, **{"names": ("B02", "B03"), "nodata": 0, **facts})


def mosaic(*paths, rule="first", crs="", resolution=None):
    return Mosaic([Scene.open([{"path": str(path)}]) for path in paths], Mosaicking(rule, crs, resolution))


def everything(made):
    return made.read(made.grid.window)


def test_two_halves_are_the_whole(folder):
    whole = values()
    left, right = placed(folder / "left.tif", whole[:, :, :50]), placed(folder / "right.tif", whole[:, :, 50:], col=50)
    read, valid = everything(mosaic(left, right))
    assert valid.all() and (read == whole).all()


def test_a_map_of_two_halves_is_that_of_the_whole(folder):
    whole = values(300, 420)
    model = package.open(networks.write_far_seeing_model(folder / "model.onnx", block=128, small_block=None))
    image = placed(folder / "whole.tif", whole)
    halves = [placed(folder / "a.tif", whole[:, :, :215]), placed(folder / "b.tif", whole[:, :, 205:], col=205)]
    products = [PRODUCTS["class_map"](str(folder / name)) for name in ("one.tif", "two.tif")]
    map_scene(model, MapRequest([{"path": str(image)}], device="cpu"), products[:1])
    map_scene(model, MapRequest([{"path": str(path)} for path in halves], device="cpu", mosaic=Mosaicking()), products[1:])
    with rasterio.open(folder / "one.tif") as one, rasterio.open(folder / "two.tif") as two:
        assert (one.read(1) == two.read(1)).all() and one.transform == two.transform
        assert len(np.unique(one.read(1))) > 1
        assert two.tags()["EO_PRETRAIN_MOSAIC"].startswith("where scenes overlap, the first in the list that measured the place is taken")
        assert json.loads(two.tags()["EO_PRETRAIN_IMAGES"]) == ["a.tif", "b.tif"]


@pytest.mark.parametrize(("rule", "wins"), [("first", 0), ("last", 2), ("newest", 1)])
def test_the_rule_decides_where_scenes_overlap_and_the_next_one_fills(rule, wins, folder):
    days = ("2023-05-01", "2023-07-01", "2023-06-01")
    layers = [np.full((1, 20, 20), number + 1, np.uint16) for number in range(3)]
    for number, array in enumerate(layers):
        array[:, :4, 5 * number] = 0
    paths = [placed(folder / f"{number}_{day}.tif", array, names=("B02",)) for number, (day, array) in enumerate(zip(days, layers, strict=True))]
    read, valid = everything(mosaic(*paths, rule=rule))
    assert valid.all()
    hole = np.zeros((20, 20), bool)
    hole[:4, 5 * wins] = True
    assert (read[0][~hole] == wins + 1).all() and (read[0][hole] != wins + 1).all()


def test_gaps_are_not_measured(folder):
    made = mosaic(placed(folder / "a.tif", values(10, 10)), placed(folder / "b.tif", values(10, 10), col=30, row=20))
    read, valid = everything(made)
    assert (made.grid.width, made.grid.height, int(valid.sum())) == (40, 30, 200)
    assert (read[:, ~valid] == 0).all()


def test_scenes_of_two_utm_zones(folder):
    """Stripes along meridians: each pixel of the mosaic has the value of its longitude, whichever scene it is from."""
    def image(name, crs, west):
        rows, cols = np.mgrid[:60, :80]
        x, y = west + 100 * (cols + 0.5), 5_300_000 - 100 * (rows + 0.5)
        lon = np.asarray(transform(crs, "OGC:CRS84", x.ravel(), y.ravel())[0]).reshape(x.shape)
        return write_raster(folder / name, np.rint((lon - 11) * 20_000).astype(np.uint16)[None], names=["B02"], nodata=0, crs=crs,
                            transform=from_origin(west, 5_300_000, 100, 100))

    zone32, zone33 = image("zone32.tif", "EPSG:32632", 720_000), image("zone33.tif", "EPSG:32633", 278_000)
    made = mosaic(zone32, zone33)
    read, valid = everything(made)
    assert made.grid.crs.startswith('PROJCRS["WGS 84 / UTM zone 32N"')
    a, _, c, _, e, f = made.grid.transform
    rows, cols = np.nonzero(valid)
    lon = np.asarray(transform(made.grid.crs, "OGC:CRS84", c + a * (cols + 0.5), f + e * (rows + 0.5))[0])
    assert np.abs(read[0][valid] / 20_000 + 11 - lon).max() < 100 / 111_320 / np.cos(np.radians(47)) * 0.75
    assert (valid.sum() > 7000) and mosaic(zone33, zone32).grid.crs.startswith('PROJCRS["WGS 84 / UTM zone 33N"')
    part = Window(30, 11, 41, 17)
    again, shown = made.read(part)
    assert (again == read[:, 11:28, 30:71]).all() and (shown == valid[11:28, 30:71]).all()


def test_a_chosen_grid(folder):
    made = mosaic(placed(folder / "a.tif", values(40, 40)), crs="EPSG:3857", resolution=30)
    assert made.grid.transform[0] == 30 and made.grid.transform[2] % 30 == 0 and made.grid.transform[5] % 30 == 0
    assert everything(made)[1].mean() > 0.8
    half = mosaic(placed(folder / "b.tif", values(40, 40)), resolution=5)
    assert (everything(half)[0] == np.kron(everything(mosaic(folder / "b.tif"))[0], np.ones((1, 2, 2)))).all()


def test_windows_may_reach_beyond_a_pole(folder):
    scene = Scene.open([{"path": str(placed(folder / "utm.tif", values(40, 40)))}])
    degrees = str(CRS.from_epsg(4326).to_wkt())
    for north in (90.0, 91.0):  # rows behind the last one, and all of them, lie where no UTM zone reaches
        beyond = Grid(degrees, (0.01, 0.0, 3.0, 0.0, -0.01, north), 20, 20)
        assert not read_on(scene, beyond, beyond.window, [0, 1])[1].any()


@pytest.mark.parametrize(("facts", "rule", "sentence"), [
    ({"names": ("B02", "B04")}, "first", "a.tif has the bands B02, B03, and {b} has B02, B04, so they make no mosaic. Choose scenes with the same "
                                         "bands."),
    ({}, "newest", "The newest scene goes first, and no date is known of"),
], ids=["bands", "dates"])
def test_scenes_that_do_not_go_together_are_refused(facts, rule, sentence, folder):
    paths = placed(folder / "a.tif", values(8, 8)), placed(folder / "b.tif", values(8, 8), **facts)
    with pytest.raises(DataError) as refused:
        mosaic(*paths, rule=rule)
    assert sentence.format(b=paths[1]) in str(refused.value)


def test_other_scales_are_refused(folder):
    paths = [placed(folder / f"{name}.tif", values(8, 8)) for name in "ab"]
    with rasterio.open(paths[1], "r+") as opened:
        opened.scales = (1e-4, 1e-4)
    with pytest.raises(DataError, match=r"stores its band B02 × 1 \+0, and .*b.tif × 0.0001 \+0, so their values are not of one kind"):
        mosaic(*paths)


@pytest.mark.parametrize(("facts", "sentence"), [
    ({"crs": "EPSG:3035"}, "so that nothing says how large its pixels are. Give “Pixels of the mosaic”"),
    ({"crs": "nowhere"}, "The coordinate system of the mosaic, nowhere, is not known."),
    ({"resolution": 1e-5}, "and each edge may have 1 to 1000000. Give another pixel size"),
    ({"crs": "EPSG:4326", "resolution": 10}, "The pixels of the mosaic (mosaic_resolution) shall measure 10 degrees, and the scenes together"),
    ({"resolution": 1000}, "shall measure 1000 metre, and the scenes together measure only 80 × 80. Give the edge of a pixel in that unit."),
], ids=["no size", "no CRS", "too many", "metres for degrees", "too large"])
def test_grids_that_cannot_be_are_refused(facts, sentence, folder):
    with pytest.raises(DataError) as refused:
        mosaic(placed(folder / "a.tif", values(8, 8)), **facts)
    assert sentence in str(refused.value)


def test_clouds_of_the_first_are_filled_by_the_second(folder):
    first, second = np.full((1, 20, 20), 1000, np.uint16), np.full((1, 20, 20), 2000, np.uint16)
    images = [placed(folder / f"{name}.tif", array, names=("B02",)) for name, array in (("a", first), ("b", second))]
    clouds = [np.zeros((1, 20, 20), np.uint8) for _ in images]
    clouds[0][:, :10], clouds[1][:, :5] = 1, 1
    masks = [placed(folder / f"mask_{name}.tif", array, names=(), nodata=None) for name, array in zip("ab", clouds, strict=True)]
    model = package.open(networks.write_threshold_model(folder / "model.onnx", classes=((1, "dark", ""), (2, "bright", ""))))
    request = MapRequest([{"path": str(path)} for path in images], clouds="mask", cloud_masks=[{"path": str(path)} for path in masks], device="cpu",
                         mosaic=Mosaicking())
    map_scene(model, request, [PRODUCTS["class_map"](str(folder / "map.tif"))])
    with rasterio.open(folder / "map.tif") as made:
        found = made.read(1)
    assert (found[:5] == 255).all() and (found[5:10] == 2).all() and (found[10:] == 1).all()
    with pytest.raises(JobError, match="The number of cloud masks is 1, and that of scenes 2"):
        map_scene(model, MapRequest(request.sources, clouds="mask", cloud_masks=request.cloud_masks[:1], mosaic=Mosaicking()),
                  [PRODUCTS["class_map"](str(folder / "none.tif"))])


def test_a_folder_of_scenes_stands_for_all_in_it(folder):
    several = folder / "scenes"
    several.mkdir()
    for name in "ba":
        placed(several / f"{name}.tif", values(8, 8))
    (several / "masks").mkdir()
    placed(several / "masks" / "a.tif", values(8, 8))
    assert [source["path"] for source in scenes_in([{"path": str(several)}])] == [str(several / "a.tif"), str(several / "b.tif")]
    bands = folder / "bands"
    bands.mkdir()
    for name in ("B02", "B03"):
        write_raster(bands / f"{name}.tif", values(8, 8, 1))
    assert scenes_in([{"path": str(bands)}]) == [{"path": str(bands)}], "files of one band each are one scene"
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="holds no image and no scene. Choose a folder of GeoTIFFs"):
        scenes_in([{"path": str(folder / "empty")}])


def test_the_scene_of_the_tests_keeps_its_pixels(folder):
    image = scenes.two_halves(folder)
    read, valid = everything(mosaic(image))
    assert valid.all() and read.shape == (1, 96, 96)


def test_a_killed_map_of_a_mosaic_goes_on(place):  # noqa: F811 - the fixture
    halves = place / "halves"
    halves.mkdir()
    whole = test_resuming.read(place / "image.tif")
    placed(halves / "a.tif", whole[:, :, :150], names=("B02",))
    placed(halves / "b.tif", whole[:, :, 140:], col=140, names=("B02",))
    more = {"images": [str(halves)], "several": "first"}
    test_resuming.mapped(place, name="whole")
    test_resuming.left_by_a_kill(place, 13, **more)
    asked, said, _ = test_resuming.mapped(place, **more)
    assert asked < 16 and "blocks were finished and are kept" in said
    assert (test_resuming.read(place / "map.tif") == test_resuming.read(place / "whole.tif")).all()
