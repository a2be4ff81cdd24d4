"""Files that once gave wrong numbers without a word give what their README says is true."""

import os
import subprocess

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .conftest import ROOT
from .listening import Listening

CASES = ROOT.parent / "shared" / "cases"
pytestmark = [pytest.mark.realdata, pytest.mark.skipif(not CASES.is_dir(), reason="The cases are not beside this checkout.")]
#: Squares of 32 x 32 px of the classes 1 and 2 in turn, as most cases have them.
CHESSBOARD = np.add.outer(np.arange(256) // 32, np.arange(256) // 32) % 2


def made(folder, job, case, progress=SILENT, **values):
    """The dataset that a job makes of files of a case."""
    output = folder / "ds"
    given = {key: str(CASES / case / value) if key in ("labels", "roads") else value for key, value in values.items()}
    images = [str(CASES / case / name) for name in given.pop("images")]
    JOBS[job].from_values({"images": images, "tile_size": 32, **given, "output": str(output)}).run(progress)
    return Dataset.open(output)


def drawn(dataset, fill=255):
    """The labels of all tiles side by side, uint8 (256, 256), `fill` where there is no tile."""
    whole = np.full((256, 256), fill, np.uint8)
    tiles = dataset.tiles
    for index, (col, row) in enumerate(zip(tiles["col"].astype(int), tiles["row"].astype(int), strict=True)):
        whole[row:row + 32, col:col + 32] = dataset.labels([index])[0]
    return whole


def test_a_polygon_without_area(folder):
    heard = Listening()
    dataset = made(folder, "create_training_dataset", "collapsed_and_spiked_polygons", heard, images=["image.tif"], labels="collapsed.gpkg",
                   class_field="class")
    assert (drawn(dataset) == CHESSBOARD).all()
    assert any("1 of 65 features of" in text and "polygons without an area" in text for text in heard.texts)


def test_a_spike(folder):
    shape = shapely.Polygon([(500_640, 5_299_680), (500_800, 5_299_680), (500_800, 5_299_600), (501_400, 5_299_600), (500_800, 5_299_600),
                             (500_800, 5_299_520), (500_640, 5_299_520)])
    geopandas.GeoDataFrame({"class": [1]}, geometry=[shape], crs=32633).to_file(folder / "spike.gpkg")
    dataset = made(folder, "create_training_dataset", "collapsed_and_spiked_polygons", images=["image.tif"], labels=str(folder / "spike.gpkg"),
                   class_field="class", unlabelled="background", minimum_labelled=0)
    assert (drawn(dataset) == 1).sum() == 256


@pytest.mark.parametrize("path", ['years.gpkg|layername=y|subset="year" = 2019', 'years.gpkg|subset="year" = 2019',
                                  "years.gpkg|layerid=0|subset=year=2019"])
def test_a_filter_in_the_path(path, folder):
    dataset = made(folder, "create_training_dataset", "filter_in_the_path", images=["image.tif"], labels=path, class_field="class",
                   unlabelled="background", minimum_labelled=0)
    years = geopandas.read_file(CASES / "filter_in_the_path" / "years.gpkg")
    truth, place = np.zeros((256, 256), np.uint8), {entry.name: position for position, entry in enumerate(dataset.classes)}
    for row in years[years["year"] == 2019].itertuples():
        west, _, _, north = row.geometry.bounds
        top, left = round((5_300_000 - north) / 10), round((west - 500_000) / 10)
        truth[top:top + 32, left:left + 32] = place[str(row[1])]
    assert (truth > 0).mean() == 0.5 and (drawn(dataset) == truth).all()


@pytest.mark.parametrize("unlabelled", ["ignored", "background"])
def test_polygons_on_both_sides_of_180_degrees(unlabelled, folder):
    found = {}
    for name in ("split", "multi"):
        place = folder / name
        place.mkdir()
        dataset = made(place, "create_training_dataset", "labels_beyond_the_antimeridian", images=["scene.tif"], labels=f"{name}.geojson",
                       class_field="class", unlabelled=unlabelled, minimum_labelled=0)
        found[name] = drawn(dataset)
    assert (found["split"] == found["multi"]).mean() > 0.999
    stripes = (np.arange(256)[:, None] // 32) % 2
    assert (found["split"] == stripes + (unlabelled == "background")).mean() > 0.99


def test_roads_on_both_sides_of_180_degrees(folder):
    dataset = made(folder, "create_road_dataset", "labels_beyond_the_antimeridian", images=["scene.tif"], roads="roads.gpkg", edge=0,
                   incomplete="keep")
    rows = np.flatnonzero((drawn(dataset) == 1).all(1))
    assert set(range(16, 256, 32)) <= set(rows) <= {row for middle in range(16, 256, 32) for row in (middle - 1, middle)}
    assert dataset.facts["drawn"]["ways"] == 16


@pytest.mark.parametrize("west", [-180, 0])
def test_a_class_raster_on_both_sides_of_180_degrees(west, folder):
    """As `class_raster_3.tif` of the README: the classes 1 and 2 lie on one side each, 3 on both."""
    x = west + 0.002 * (np.arange(180_000) + 0.5)
    cover = np.where(x % 360 < 180, 1, 2).astype(np.uint8)[None].repeat(60, 0)
    cover[38:] = 3
    with rasterio.open(folder / "cover.tif", "w", driver="GTiff", width=180_000, height=60, count=1, dtype="uint8", crs="EPSG:4326", compress="zstd",
                       transform=rasterio.Affine(0.002, 0, west, 0, -0.002, 66.07)) as target:
        target.write(cover, 1)
    dataset = made(folder, "create_training_dataset", "labels_beyond_the_antimeridian", images=["scene.tif"], labels=str(folder / "cover.tif"))
    assert [entry.value for entry in dataset.classes] == [1, 2, 3] and len(dataset) == 64
    whole = drawn(dataset)
    assert [(whole[:20, :100] == 0).all(), (whole[:20, 160:] == 1).all(), (whole[-10:] == 2).all()] == [True] * 3


def test_sea_ice_on_both_sides_of_180_degrees(folder):
    """As `ice_3413_20210310.tif` of the README: an image around 180° in the polar grid, squares cut at the meridian."""
    with rasterio.open(folder / "ice_3413_20210310.tif", "w", driver="GTiff", width=256, height=256, count=2, dtype="float32", crs="EPSG:3413",
                       transform=rasterio.Affine(40, 0, -1_865_120, 0, -40, 1_865_120)) as target:
        target.write(np.random.default_rng(0).normal(-15, 2, (2, 256, 256)).astype(np.float32))
        target.descriptions = ("HH", "HV")
    west, north, edge = -1_865_120, 1_865_120, 1280
    squares = [shapely.segmentize(shapely.box(west + edge * x, north - edge * (y + 1), west + edge * (x + 1), north - edge * y), 200)
               for y in range(8) for x in range(8)]
    lonlat = geopandas.GeoSeries(squares, crs=3413).to_crs(4326)
    around = shapely.transform(lonlat.values, lambda points: np.stack([points[:, 0] % 360, points[:, 1]], 1))
    pieces = np.concatenate([shapely.intersection(around, shapely.box(0, -90, 180, 90)), shapely.transform(
        shapely.intersection(around, shapely.box(180, -90, 360, 90)), lambda points: points - (360, 0))])
    kinds = np.tile([["ice", "water"][(number // 8 + number) % 2] for number in range(64)], 2)
    kept = (shapely.get_dimensions(pieces) == 2) & ~shapely.is_empty(pieces)
    geopandas.GeoDataFrame({"ice": kinds[kept]}, geometry=np.asarray(pieces)[kept], crs=4326).to_file(folder / "ice.gpkg")
    given = {"images": [str(folder / "ice_3413_20210310.tif")], "labels": str(folder / "ice.gpkg"), "class_field": "ice", "samples": "tiles",
             "size": 32, "incidence_angle": "none", "output": str(folder / "ds")}
    JOBS["create_sea_ice_dataset"].from_values(given).run(SILENT)
    dataset = Dataset.open(folder / "ds")
    assert len(dataset) == 64 and (drawn(dataset) == CHESSBOARD).mean() > 0.98


@pytest.mark.parametrize("name", ["graph.gpkg", "graph.geojson"])
def test_roads_of_a_simplified_graph(name, folder):
    """Real lists, as the GeoJSON of the README holds them, are read like the texts in the GeoPackage."""
    case = CASES / "roads_of_a_simplified_graph"
    path = case / "graph.gpkg"
    if name.endswith("json"):
        path = folder / name
        geopandas.read_file(case / "graph.gpkg", layer="edges").to_crs(4326).to_file(path, driver="GeoJSON")
        assert "[ 'residential', 'unclassified' ]".replace("'", '"') in path.read_text(encoding="utf-8"), "GDAL writes such texts as lists"
    dataset = made(folder, "create_road_dataset", case.name, images=["image.tif"], roads=str(path), edge=0, incomplete="keep")
    assert dataset.facts["drawn"]["ways"] == 8
    assert np.flatnonzero((drawn(dataset) == 1).all(1)).tolist() == list(range(16, 256, 32))


def test_settings_of_qgis_layers(qgis, folder, tmp_path):
    """What `run_in_qgis.py` sets in the layers of QGIS reaches the labels."""
    case = CASES / "qgis_layer_settings_lost"
    out = folder / "out"
    out.mkdir()
    ran = subprocess.run(["/usr/bin/python3", str(case / "run_in_qgis.py")], capture_output=True, text=True,
                         env={**qgis, "HOME": str(tmp_path), "PLUGINS": os.environ.get("PLUGINS", qgis["QGIS_PLUGINPATH"]), "OUT": str(out)})
    assert "refused" not in ran.stdout, ran.stdout
    found = {name: Dataset.open(out / name) for name in ("nodata_unticked", "band_2", "band_2_same_values", "encoding", "own_crs")}
    assert len(found["nodata_unticked"]) == 64
    for name, file in (("band_2", "two.tif"), ("band_2_same_values", "swap.tif")):
        assert [entry.name for entry in found[name].classes] == ["forest", "water"]
        with rasterio.open(case / file) as source:
            assert (drawn(found[name]) == source.read(2) - 1).all()
    assert {entry.name for entry in found["encoding"].classes} == {"Grünland", "Möhre"}
    assert len(found["own_crs"]) == 64
