"""Maps of crops: means, buffers and notes worked by hand, and answers held against those for the training dataset."""

import csv

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from eo_pretrain_qgis.engine.classic.models import fed
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.mapping.crops import asking, making
from eo_pretrain_qgis.engine.mapping.crops.layers import hectares_of_map
from eo_pretrain_qgis.engine.mapping.crops.membership import MappedParcels
from eo_pretrain_qgis.engine.mapping.dated_images import SeriesRequest, open_images
from eo_pretrain_qgis.engine.mapping.reporting import page
from eo_pretrain_qgis.engine.mapping.reporting.backdrop import clearest, dated_backdrop
from eo_pretrain_qgis.engine.mapping.series import ask_all
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.session import on_processor
from eo_pretrain_qgis.engine.rasters.grid import Grid
from eo_pretrain_qgis.engine.rasters.lengths import areas_m2
from eo_pretrain_qgis.engine.runs.answers import KeptClassifier
from eo_pretrain_qgis.engine.runs.run_folder import RunFolder
from eo_pretrain_qgis.engine.themes.crops import fields as crop_fields
from eo_pretrain_qgis.errors import DataError, JobError, ModelError
from eo_pretrain_qgis.jobs import JOBS

from .. import scenes_crop_maps as scenes
from ..listening import Listening
from ..scenes import ORIGIN, UTM


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The model file and the season."""
    folder = tmp_path_factory.mktemp("crops")
    return scenes.parcel_model(folder), folder / "season"


def mapped(made, output, heard=None, layer="fields", **values):
    """The new layer, and what the job says."""
    model, season = made
    asked = {"model": str(model), **scenes.given_images(season), "parcels": str(season / f"{layer}.gpkg"), "output": str(output), **values}
    facts = JOBS["map_crop_types"].from_values(asked).run(heard or Listening())
    return geopandas.read_file(output, layer=output.stem), facts


def grid():
    return Grid(rasterio.crs.CRS.from_string(UTM).to_wkt(), (10.0, 0.0, ORIGIN[0], 0.0, -10.0, ORIGIN[1]), 12, 12)


def pixels_in(folder, shapes, inner_buffer):
    """Row and column of the pixels of each shape."""
    geopandas.GeoDataFrame(geometry=shapes, crs=UTM).to_file(folder / "shapes.gpkg")
    parcels = MappedParcels.open({"path": str(folder / "shapes.gpkg")}, grid(), inner_buffer)
    rows, cols, owners = parcels.read(parcels.grid.window)
    return [set(zip(rows[owners == number].tolist(), cols[owners == number].tolist(), strict=True)) for number in range(len(shapes))]


def test_a_pixel_counts_when_its_middle_lies_so_far_inside(tmp_path):
    """Of 5 x 5 pixels whose middles lie 5, 15, 25, … m inside, the inner 3 x 3 are 10 m inside, and one is 20 m."""
    assert pixels_in(tmp_path, [scenes.square(0, 0, 5, 5)], 10)[0] == {(row, col) for row in (1, 2, 3) for col in (1, 2, 3)}
    assert pixels_in(tmp_path, [scenes.square(0, 0, 5, 5)], 20)[0] == {(2, 2)}
    assert pixels_in(tmp_path, [scenes.square(0, 0, 5, 5)], 26)[0] == set()


def test_the_margin_is_round_around_an_inner_corner(tmp_path):
    """An L with its inner corner at 50, 50 m: the middle of pixel 3, 3 is 15 m from the lines through it, but 21 m from the ground outside."""
    shape = scenes.square(0, 0, 12, 12).difference(scenes.square(5, 5, 7, 7))
    found = pixels_in(tmp_path, [shape], 18)[0]
    assert (3, 3) in found and (3, 4) not in found and (4, 4) not in found
    middles = {(row, col): shapely.Point(ORIGIN[0] + 10 * col + 5, ORIGIN[1] - 10 * row - 5) for row in range(12) for col in range(12)}
    assert found == {place for place, point in middles.items() if shape.contains(point) and point.distance(shape.boundary) >= 18}


def test_parcels_that_overlap_keep_all_their_pixels(tmp_path):
    first, second, third = pixels_in(tmp_path, [scenes.square(0, 0, 4, 4), scenes.square(2, 2, 4, 4), scenes.square(3, 3, 2, 2)], 0)
    assert len(first) == 16 and len(second) == 16 and third == {(3, 3), (3, 4), (4, 3), (4, 4)}
    assert first & second == {(2, 2), (2, 3), (3, 2), (3, 3)}


@pytest.mark.parametrize("block", [0, 32])
def test_the_crop_of_a_parcel_is_what_the_model_says_of_it_in_the_dataset(made, tmp_path, monkeypatch, block):
    """Class and probability of each of 144 parcels, whatever the blocks; the means are the same numbers."""
    if block:
        monkeypatch.setattr(crop_fields, "BLOCK_SIZES", (block,))
        monkeypatch.setattr(crop_fields, "BLOCK_BYTES", 12 * 10 * scenes.SIZE)
    found, facts = mapped(made, tmp_path / "crops.gpkg", least_dates=1)
    dataset, run = Dataset.open(made[0].parent / "means"), RunFolder.open(str(made[0].parent / "run"))
    samples = np.argsort(dataset.tiles["parcel"].to_numpy())
    answers = KeptClassifier(run, dataset)
    [(_, _, scores)] = answers.of_tiles(samples, len(samples))
    order = np.asarray(scores).reshape(len(samples), -1).argsort(1)
    names = np.array([row.name for row in dataset.classes])
    assert (names[order[:, -1]] == found["crop_map"]).all() and (names[order[:, -2]] == found["runner_up"]).all()
    chances = on_processor(made[0].read_bytes(), str(made[0])).run(None, fed(dataset, answers.seen, samples))[0].reshape(len(samples), -1)
    assert found["confidence"].to_numpy() == pytest.approx(100 * chances.max(1), abs=0.0501)
    assert found["margin"].to_numpy() == pytest.approx(100 * (chances.max(1) - np.sort(chances, 1)[:, -2]), abs=0.0501)
    assert len(found) == facts["with_crop"] == 144
    assert 0.6 < float((found["crop_map"] == found["crop"]).mean()) < 1  # neither all right nor chance, so that equal answers say something


def test_the_clear_dates_of_a_parcel_are_counted(made, tmp_path):
    """On 11 May the northern half is under cloud, on 31 May 60 % of the first field, and the last field has two clear dates alone."""
    found, facts = mapped(made, tmp_path / "crops.gpkg", least_dates=5, table=str(tmp_path / "hectares.csv"))
    assert found["clear_dates"].tolist() == [4] + [5] * 71 + [6] * 71 + [2]
    assert [found["note"][number] for number in (0, 1, 143)] == ["not enough dates", "", "not enough dates"]
    assert found["crop_map"].isna().tolist() == [True] + [False] * 142 + [True] and found["confidence"].isna().sum() == 2
    assert (found["last_clear"][0], found["last_clear"][143]) == ("2023-07-10", "2023-04-21")
    assert (found["pixels"] == 64).all() and (found["area_ha"] == 1).all()
    assert (facts["with_crop"], facts["too_few_dates"], facts["too_small"], facts["area_ha"]) == (142, 2, 0, 142.0)
    with (tmp_path / "hectares.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["crop"] for row in rows] == [*(row.name for row in package.open(made[0]).classes), "no crop"]
    assert [int(row["parcels"]) for row in rows] == [*((found["crop_map"] == name).sum() for name in scenes.CROPS), 2]
    assert sum(float(row["area_ha"]) for row in rows) == 144 and sum(float(row["share"] or 0) for row in rows) == pytest.approx(1, abs=2e-4)


def test_the_model_sees_the_mean_of_the_clear_pixels(made, tmp_path, monkeypatch):
    """Of the second field, from the files: inner 8 x 8 pixels of each clear date, rounded as they are stored."""
    heard = []

    def listened(model, seen, values, days, *rest):
        heard.append((values, days))
        return ask_all(model, seen, values, days, *rest)

    monkeypatch.setattr(asking, "ask_all", listened)
    mapped(made, tmp_path / "crops.gpkg", least_dates=5)
    values, days = (np.concatenate(each) for each in zip(*heard, strict=True))
    expected = []
    for day in scenes.DAYS:
        with rasterio.open(made[1] / f"S2_{day}.tif") as raster:
            expected.append(raster.read()[:, 1:9, 11:19].astype(float).mean((1, 2)).round())
    assert np.array_equal(days[0] >= 0, [True, True, False, True, True, True])
    assert np.array_equal(values[0][days[0] >= 0], np.array(expected)[days[0] >= 0])


def test_an_early_map_says_until_when(made, tmp_path):
    found, facts = mapped(made, tmp_path / "early.gpkg", first_day="01-01", last_day="05-20", least_dates=2)
    assert (facts["dates"], facts["until"]) == (3, "2023-05-11")
    assert found["last_clear"][0] == "2023-04-21" and found["last_clear"][100] == "2023-05-11" and found["clear_dates"][100] == 3


def test_odd_parcels(made, tmp_path):
    """Those away from the images are left out with a warning, a strip without inner pixels is too small, and the fields of an overlap count alone."""
    heard = Listening()
    found, _ = mapped(made, tmp_path / "odd.gpkg", heard, layer="odd", least_dates=5)
    whole, _ = mapped(made, tmp_path / "whole.gpkg", least_dates=5)
    assert found["name"].tolist() == ["a", "b", "c", "strip", "parts", "eight", "both"] and found.crs.to_epsg() == 4326
    assert found["note"].tolist() == ["not enough dates", "", "", "too small", "", "", ""]
    assert found["pixels"].tolist()[:5] == [64, 64, 64, 0, 32] and found["pixels"][6] == 8 * 18
    assert found["crop"][1:3].tolist() == whole["crop_map"][1:3].tolist()
    assert any("1 of 8 parcels" in text and "do not touch the images" in text for text in heard.warnings)
    assert any("1 of 8 geometries of" in text and "have been repaired" in text for text in heard.warnings)
    assert any("3 of 7 parcels overlap another one." in text for text in heard.warnings)


def test_pixels_inside_a_mask(made, tmp_path):
    """The farmland of a raster, and of polygons, are the same pixels; a table says their hectares."""
    model, season = made
    asked = {"model": str(model), **scenes.given_images(season), "least_dates": 5}
    shape = geopandas.GeoDataFrame(geometry=[scenes.square(0, 0, 30, scenes.SIZE)], crs=UTM)
    shape.to_file(tmp_path / "farmland.gpkg")
    for name, mask in (("raster", season / "farmland.tif"), ("polygons", tmp_path / "farmland.gpkg")):
        facts = JOBS["map_crop_types"].from_values({**asked, "mask": str(mask), "class_map": str(tmp_path / f"{name}.tif"),
                                                    "table": str(tmp_path / f"{name}.csv")}).run(Listening())
    with rasterio.open(tmp_path / "raster.tif") as first, rasterio.open(tmp_path / "polygons.tif") as second:
        values = first.read(1)
        assert np.array_equal(values, second.read(1)) and first.tags()["EO_PRETRAIN_DATES"].endswith("2023-07-10")
    clear = np.ones((30, scenes.SIZE), bool)
    clear[:10, :6] = False
    assert np.array_equal(values[:30] != 255, clear) and (values[30:] == 255).all()
    assert facts["area_ha"] == (30 * scenes.SIZE - 60) / 100
    with (tmp_path / "raster.csv").open(encoding="utf-8") as stream:
        assert sum(int(row["pixels"]) for row in csv.DictReader(stream)) == 30 * scenes.SIZE - 60


def test_hectares_of_a_map_in_degrees_go_by_the_row(tmp_path):
    """Squares of one degree, three at 60° north and two at the equator; of the others none has a class."""
    values = np.full((61, 3), 255, np.uint8)
    values[0], values[-1, :2] = 7, 7
    with rasterio.open(tmp_path / "map.tif", "w", driver="GTiff", width=3, height=61, count=1, dtype="uint8", crs=4326, nodata=255,
                       transform=rasterio.Affine(1, 0, 10, 0, -1, 61)) as target:
        target.write(values, 1)
    pixels, hectares = hectares_of_map(str(tmp_path / "map.tif"))
    north, south = areas_m2(shapely.box(10, np.array([60, 0]), 11, np.array([61, 1])), "EPSG:4326") / 1e4
    assert pixels[7] == 5 and hectares[7] == pytest.approx(3 * north + 2 * south) and hectares.sum() == hectares[7]


def test_all_pixels_only_when_asked_for(made, tmp_path):
    model, season = made
    asked = {"model": str(model), **scenes.given_images(season), "class_map": str(tmp_path / "map.tif")}
    with pytest.raises(JobError, match="There are neither “Parcels” .parcels. nor a “Mask” .mask., so every pixel of the images would be asked for: "
                                       "14,400 pixels, less than a minute. Give parcels"):
        JOBS["map_crop_types"].from_values(asked).run(Listening())
    assert not (tmp_path / "map.tif").exists()
    facts = JOBS["map_crop_types"].from_values({**asked, "whole_image": True}).run(Listening())
    assert facts["valid_share"] == pytest.approx(1 - 160 / 14_400)


def test_what_cannot_be_mapped_is_refused(made, tmp_path):
    model, season = made
    with pytest.raises(DataError, match="The images hold 6 dates of the season of the model, and “Smallest number of clear dates”"):
        mapped(made, tmp_path / "no.gpkg", least_dates=7)
    with pytest.raises(DataError, match="lines.gpkg holds no polygons, but parcels are polygons. Choose a polygon layer."):
        mapped(made, tmp_path / "no.gpkg", layer="lines")
    with pytest.raises(DataError, match="nothing.tif wants no pixel of the area to map."):
        JOBS["map_crop_types"].from_values({"model": str(model), **scenes.given_images(season), "mask": str(season / "nothing.tif"),
                                            "class_map": str(tmp_path / "no.tif")}).run(Listening())
    assert not list(tmp_path.glob("no*"))


def test_an_answer_that_is_no_probability_is_refused(made, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "asker", lambda model: lambda given: np.full((len(given["image"]), 3), np.nan, np.float32))
    with pytest.raises(ModelError, match="gives values that are no probabilities for 14. of 14. parcels, such as nan."):
        mapped(made, tmp_path / "no.gpkg", least_dates=5)
    assert not (tmp_path / "no.gpkg").exists()


def test_the_clearest_image_lies_under_the_parcels_of_the_report(made, tmp_path, monkeypatch):
    """The first two of six dates have no cloud; the second is nearer to the middle of the season."""
    model, season = made
    given, drawn = scenes.given_images(season), []
    request = SeriesRequest([{"path": path} for path in given["images"]], [{"path": path} for path in given["masks"]], given["mask_kind"])
    opened = open_images(package.open(str(model)), request)
    assert clearest(opened.images).date.isoformat() == "2023-04-21"
    assert clearest(opened.images[2:]).date.isoformat() == "2023-06-20", "one with a cloud over the last field alone; the middle lies before it"

    def kept(*asked):
        drawn.append(dated_backdrop(*asked))
        return drawn[-1]

    monkeypatch.setattr(page, "dated_backdrop", kept)
    mapped(made, tmp_path / "crops.gpkg", report=str(tmp_path / "report.html"))
    (ground,) = drawn
    inside = ground[len(ground) // 2, ground.shape[1] // 4:ground.shape[1] // 2]
    assert len({tuple(colour) for colour in inside.tolist()}) > 10, "fields of the image, and not one colour"
