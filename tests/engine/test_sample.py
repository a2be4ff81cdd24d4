"""The simulated landscape holds what it promises: the same twice, mixtures by area, speckle with its looks, labels that fit."""

import os
import re
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.features
import shapely
from scipy.ndimage import binary_erosion
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from eo_pretrain_qgis.engine.landscape import coarse, create, crops, optical, painting, radar, streets
from eo_pretrain_qgis.engine.landscape.noise import Box, Field, stream
from eo_pretrain_qgis.engine.landscape.objects import KINDS, LAND_COVER, ObjectTable
from eo_pretrain_qgis.engine.landscape.roads import Road
from eo_pretrain_qgis.engine.landscape.season import SEASON
from eo_pretrain_qgis.engine.landscape.sky import Sky, Sun
from eo_pretrain_qgis.engine.landscape.spectra import BANDS
from eo_pretrain_qgis.engine.rasters.raster import Raster
from eo_pretrain_qgis.errors import Cancelled, DataError

from ..listening import Cancelling

SIZE, SEED = 320, 5


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return create(tmp_path_factory.mktemp("sample") / "s", SIZE, seed=SEED)


def read(path, band=None):
    with rasterio.open(path) as source:
        return source.read(band) if band else source.read()


def inside_of(shapes, sample):
    """Pixels whose centre lies in the shapes, bool (y, x)."""
    with rasterio.open(sample["land_cover"]) as source:
        return rasterio.features.geometry_mask(shapes, source.shape, source.transform, invert=True)


def test_same_seed_same_landscape_other_seed_another(sample, tmp_path):
    again, other = create(tmp_path / "again", SIZE, seed=SEED), create(tmp_path / "other", 256, seed=6)
    for name in ("sentinel2", "sentinel1", "land_cover", "land_cover_100m", "scene_classes"):
        assert np.array_equal(read(sample[name]), read(again[name])), name
    assert np.array_equal(read(f"{sample['season']}/S2_2023-07-17.tif"), read(f"{again['season']}/S2_2023-07-17.tif"))
    for name in ("roads", "parcels", "training_polygons"):
        assert geopandas.read_file(sample[name]).equals(geopandas.read_file(again[name])), name
    assert (read(sample["land_cover"])[0, :256, :256] != read(other["land_cover"])[0]).mean() > 0.2


def test_images_show_in_natural_colours_and_the_rest_lets_them_be_seen(sample):
    """Values from 2 to 98 % of the land, not of the clouds, are what becomes black and white."""
    style = Path(sample["sentinel2"]).with_suffix(".qml").read_text(encoding="utf-8")
    assert 'redBand="3" greenBand="2" blueBand="1"' in style and BANDS[:3] == ("B02", "B03", "B04")
    ends = [float(text) for text in re.findall("<m[ai][xn]Value>(.*?)<", style)]
    values, classes = read(sample["sentinel2"])[[2, 1, 0]], read(sample["scene_classes"])[0]
    np.testing.assert_allclose(ends, np.percentile(values[:, np.isin(classes, (3, 4, 5, 6))], (2, 98), axis=1).T.ravel(), rtol=0.15)
    radar = Path(sample["sentinel1"]).with_suffix(".qml").read_text(encoding="utf-8")
    assert 'type="singlebandgray"' in radar and 'grayBand="1"' in radar
    assert Path(f"{sample['season']}/S2_2023-07-17.qml").is_file()
    for name, symbol in (("parcels", 'attr="crop"'), ("training_polygons", 'attr="class"'), ("roads", 'type="line"')):
        style = Path(sample[name]).with_suffix(".qml").read_text(encoding="utf-8")
        assert symbol in style
        assert all(int(alpha) <= 70 for alpha in re.findall(r'name="color" value="\d+,\d+,\d+,(\d+)"', style)), "the image shines through"


@pytest.mark.parametrize("kept", [0, 1])
def test_a_processor_with_fewer_instructions_makes_the_same_land(sample, tmp_path, kept):
    asked = "from numpy._core._multiarray_umath import __cpu_dispatch__ as most, __cpu_features__ as here; print(*[one for one in most if here[one]])"
    there = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    if len(there) <= kept:
        pytest.skip("this processor has no other instructions to leave out")
    code = f"from eo_pretrain_qgis.engine.landscape import create; create({str(tmp_path / 's')!r}, {SIZE}, seed={SEED})"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(there[kept:])}, check=True)
    assert np.array_equal(read(sample["land_cover"]), read(tmp_path / "s" / "land_cover.tif"))
    same = read(sample["sentinel2"]) == read(tmp_path / "s" / "sentinel2.tif")
    assert same.mean() > 0.7, "values may differ in the last digit"


def test_all_classes_occur_and_files_say_what_they_are(sample):
    shares = np.bincount(read(sample["land_cover"], 1).ravel(), minlength=7) / SIZE**2
    assert shares[0] == 0
    assert (shares[1:] > 0.001).all()
    assert 0.1 < shares[2] < 0.5
    with rasterio.open(sample["land_cover"]) as source:
        assert source.tags()["SIMULATED"] == "yes"
        assert source.colormap(1)[LAND_COVER[1].value][:3] == (0x1D, 0x7A, 0x3C)
    with rasterio.open(sample["sentinel2"]) as source:
        assert source.descriptions == BANDS
        assert (source.dtypes[0], source.nodata, source.tags()["SIMULATED"]) == ("uint16", 0, "yes")
    assert Raster(sample["sentinel2"]).date.startswith("2023-06-02")
    assert "Nothing in this folder is real" in (Path(sample["sentinel2"]).parent / "README.txt").read_text(encoding="utf-8")


def test_mask_fits_image(sample):
    image, mask = read(sample["sentinel2"]), read(sample["scene_classes"], 1)
    assert np.array_equal((image == 0).all(0), mask == 0)
    assert np.array_equal((image == 0).any(0), mask == 0)
    assert 0.01 < (mask == 0).mean() < 0.12
    assert image[0][mask == 9].mean() > 4 * image[0][mask == 4].mean()
    water = read(sample["land_cover"], 1) == 1
    assert image[6][water & (mask == 6)].mean() < 0.5 * image[6][mask == 4].mean()


def test_mixing_shares_are_areas():
    objects = np.zeros((8, 8), np.int32)
    objects[:4, :2] = 3
    objects[4:, 4:] = np.arange(16).reshape(4, 4)
    matrix, main = painting.mixing_matrix(objects, 20)
    assert matrix[0].toarray()[0, [0, 3]].tolist() == [0.5, 0.5]
    assert matrix[1].toarray()[0, 0] == 1
    assert matrix[3].toarray()[0].tolist() == [1 / 16] * 16 + [0] * 4
    assert np.allclose(matrix.sum(1), 1)
    assert main[0, 1] == 0


def test_blocks_fit_together():
    box = Box(0, 0, 2000, 1000)
    field = Field(stream(1, "x"), box, 300, octaves=3)
    x, y = box.axes(10)
    whole = field.grid(x, y)
    assert np.array_equal(whole[30:60, 50:90], field.grid(x[50:90], y[30:60]))
    assert np.allclose(field.at(x[[3, 70]], y[[9, 44]]), whole[[9, 44], [3, 70]], atol=1e-5)
    many = Field(stream(2, "x"), Box(0, 0, 30000, 30000), 300, octaves=2).grid(*Box(0, 0, 30000, 30000).axes(100))
    assert many.std() == pytest.approx(1, abs=0.05)


def test_speckle_has_mean_one_and_its_looks():
    speckle = radar.speckle((700, 700), np.random.default_rng(0)).astype(float)
    assert speckle.mean() == pytest.approx(1, abs=0.01)
    assert speckle.mean() ** 2 / speckle.var() == pytest.approx(radar.LOOKS, rel=0.04)
    # skewness of a gamma distribution is 2 / √looks
    assert (((speckle - 1) / speckle.std()) ** 3).mean() == pytest.approx(2 / np.sqrt(radar.LOOKS), rel=0.08)
    assert np.corrcoef(speckle[:, 1:].ravel(), speckle[:, :-1].ravel())[0, 1] > 0.2


def test_speckle_of_water_in_the_file(sample):
    water = binary_erosion(read(sample["land_cover"], 1) == 1, iterations=4)
    power = 10 ** (read(sample["sentinel1"]).astype(float) / 10)
    assert water.sum() > 150
    for band in power:
        assert band[water].mean() ** 2 / band[water].var() == pytest.approx(radar.LOOKS, rel=0.25)


def test_radar_orders_surfaces_as_physics_does(sample):
    cover, image = read(sample["land_cover"], 1), 10 ** (read(sample["sentinel1"]) / 10)
    vv, vh = ([band[cover == each.value].mean() for each in LAND_COVER] for band in image)
    assert min(vv) == vv[0]
    assert max(vv) == vv[4]
    assert vh[1] > vh[3] > vh[0]
    assert (np.array(vv) > np.array(vh)).all()


def test_hundred_metre_map_agrees_mostly():
    truth = np.full((200, 200), 40, np.uint8)
    truth[:, 70:140], truth[90:] = 114, 30
    counting = coarse.CoarseMap(1, 200)
    for row in (0, 120):
        counting.add(truth[row : row + 120], row, 0)
    assert counting.majority()[0, [0, 8, 19]].tolist() == [40, 114, 40]
    assert (counting.map() == counting.majority()).mean() == pytest.approx(0.87, abs=0.02)


def test_roads_are_one_network_and_mostly_thin(sample):
    roads = geopandas.read_file(sample["roads_truth"])
    assert {"motorway", "primary", "residential", "track"} <= set(roads.highway)
    assert np.average(roads.width < 10, weights=roads.length) > 0.8
    assert (roads.visible == ~roads.tunnel).all()
    assert roads.tunnel.any()
    assert roads.bridge.any()
    start, end = roads.sindex.query(roads.geometry.values, predicate="dwithin", distance=0.6)
    count, part = connected_components(coo_matrix((np.ones(len(start)), (start, end)), shape=(len(roads),) * 2), directed=False)
    # what is left over hangs together outside the frame
    assert np.bincount(part, weights=roads.length).max() > 0.93 * roads.length.sum(), count


def test_map_of_roads_is_incomplete_and_tagged(sample):
    mapped, truth = geopandas.read_file(sample["roads"]), geopandas.read_file(sample["roads_truth"])
    assert 0.6 < mapped.length.sum() / truth.length.sum() < 0.95
    assert mapped.loc[mapped.tunnel.notna(), "layer"].eq("-1").all()
    assert {"proposed", "construction", "pedestrian"} <= set(mapped.highway)
    assert mapped.width.notna().mean() < 0.3
    assert truth.loc[truth.mapped].length.sum() == pytest.approx(mapped.loc[mapped.osm_id.astype(int) < 990_000_000].length.sum(), rel=0.02)


def test_visible_roads_show_and_tunnels_do_not(sample):
    """Pixels on the motorway are less green than those 60 m beside it; above its tunnels they are not."""
    roads = geopandas.read_file(sample["roads_truth"])
    image = read(sample["sentinel2"]).astype(float)
    clear = np.isin(read(sample["scene_classes"], 1), (4, 5))

    def greenness(points):
        with rasterio.open(sample["sentinel2"]) as source:
            rows, columns = rasterio.transform.rowcol(source.transform, points[:, 0], points[:, 1])
        rows, columns = np.array(rows), np.array(columns)
        inside = (rows >= 0) & (rows < SIZE) & (columns >= 0) & (columns < SIZE)
        rows, columns = rows[inside], columns[inside]
        good = clear[rows, columns]
        assert good.sum() > 20
        red, near = image[2][rows, columns][good], image[6][rows, columns][good]
        return np.median((near - red) / (near + red))

    def points(lines, offset):
        moved = shapely.offset_curve(lines.geometry.values, offset) if offset else lines.geometry.values
        return shapely.get_coordinates(shapely.segmentize(moved, 10))

    open_road = roads[(roads.highway == "motorway") & roads.visible]
    assert greenness(points(open_road, 0)) < greenness(points(open_road, 60)) - 0.15
    hidden = roads[(roads.highway == "motorway") & roads.tunnel]
    assert abs(greenness(points(hidden, 0)) - greenness(points(hidden, 60))) < 0.15


def test_parcels_have_crops_in_fields(sample):
    parcels = geopandas.read_file(sample["parcels"])
    cover = read(sample["land_cover"], 1)
    names = {crop.name: crop.code for crop in crops.CROPS}
    assert all(names[row.crop] == row.crop_code for row in parcels.itertuples())
    assert parcels.geometry.is_valid.all()
    assert parcels.area_ha.between(0.1, 40).all()
    inner = inside_of(parcels[parcels.crop != "Grassland"].buffer(-10), sample)
    assert (cover[inner] == 3).mean() > 0.93


def test_training_polygons_lie_in_their_class(sample):
    polygons = geopandas.read_file(sample["training_polygons"])
    cover = read(sample["land_cover"], 1)
    assert set(polygons["class"]) == {each.name for each in LAND_COVER}
    assert polygons.geometry.is_valid.all()
    for each in LAND_COVER:
        inside = inside_of(polygons[polygons["class"] == each.name].geometry, sample)
        assert (cover[inside] == each.value).mean() > 0.93, each.name
    assert 0.02 < polygons.area.sum() / (SIZE * 10) ** 2 < 0.3


def test_season_follows_the_crops(sample):
    """Winter wheat is greener than maize in May, maize in August."""
    parcels = geopandas.read_file(sample["parcels"])

    def greenness(date, names):
        with rasterio.open(f"{sample['season']}/S2_{date}.tif") as source:
            image = source.read().astype(float)
        clear = np.isin(read(f"{sample['season']}/SCL_{date}.tif", 1), (4, 5))
        chosen = parcels[parcels.crop.isin(names)].buffer(-10)
        inside = inside_of(chosen[~chosen.is_empty], sample) & clear
        assert inside.sum() > 50
        return np.median((image[6] - image[2])[inside] / (image[6] + image[2])[inside])

    winter, summer = ("Winter wheat", "Winter barley", "Winter triticale", "Rye"), ("Maize", "Soy", "Beet", "Sunflower")
    assert greenness("2023-05-28", winter) > greenness("2023-05-28", summer) + 0.2
    assert greenness("2023-08-06", summer) > greenness("2023-08-06", winter) + 0.2
    assert len({each.date for each in SEASON}) == 12


def test_cover_of_the_ground_never_exceeds_it():
    rng = np.random.default_rng(0)
    every = np.repeat(np.arange(len(crops.CROPS)), 50)
    for day in range(1, 366, 13):
        green, dry, bloom = crops.cover(every, rng.normal(0, 7, len(every)), rng.uniform(0.5, 1.1, len(every)), day)
        assert (np.stack([green, dry, bloom]) >= 0).all()
        assert (green + dry + bloom <= 1 + 1e-9).all()


def test_mixtures_of_every_kind_add_up_to_one():
    table = ObjectTable(np.random.default_rng(0))
    for kind in KINDS:
        table.add(kind.name, 40, crop=np.arange(40) % len(crops.CROPS))
    objects = table.finish()
    for day in (40, 156, 230, 300):
        shares = objects.mixtures(day)
        assert np.allclose(shares.sum(1), 1, atol=1e-4), KINDS[int(objects.kind[np.abs(shares.sum(1) - 1).argmax()])].name
        assert shares.min() >= -1e-6


def test_sun_stands_high_in_summer_and_in_the_south_east_in_the_morning():
    summer, winter = Sun.on(172), Sun.on(355)
    assert np.degrees(summer.zenith) == pytest.approx(33, abs=4)
    assert np.degrees(winter.zenith) > 70
    assert 110 < np.degrees(summer.azimuth) < np.degrees(winter.azimuth) < 170


def test_clouds_cover_as_much_as_asked():
    box = Box(0, 0, 8000, 8000)
    for share in (0.05, 0.4):
        sky = Sky(1, "d", 150, box, share)
        x, y = box.axes(20)
        thick = sky.clouds.grid(x, y) > sky.level
        assert thick.mean() == pytest.approx(share, abs=0.02)
    clear = Sky(1, "d", 150, box, 0.0)
    assert clear.cover(x, y) == (None, None)


def test_coarse_bands_are_smoother():
    values = np.random.default_rng(0).normal(1000, 100, (64, 64)).astype(np.float32)
    assert optical.record(values, True).std() < 0.6 * optical.record(values, False).std()
    flat = np.full((12, 12), 7, np.float32)
    assert np.allclose(optical.record(flat, True), 7)


def test_full_folder_is_refused_and_cancelling_leaves_nothing(tmp_path):
    used = tmp_path / "used"
    used.mkdir()
    (used / "a.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match=r"already holds files. Choose a new or empty folder\."):
        create(used, 256)

    with pytest.raises(Cancelled):
        create(tmp_path / "new", 256, 1, Cancelling(lambda heard: heard.asked > 40))
    assert [path.name for path in tmp_path.iterdir()] == ["used"]


def test_a_road_that_is_a_point_is_left_out():
    """Two settlements in one cell of the map of costs are joined by one; landscape 14 of 1024 px has such a pair."""
    line = shapely.LineString([(0, 0), (100, 0)])
    kept = streets._noded([Road(shapely.Point(50, 50), "tertiary", 5.5), Road(line, "track", 3.0)])
    assert [road.line.length for road in kept] == [100]
