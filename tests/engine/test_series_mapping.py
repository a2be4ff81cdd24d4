"""Maps of series, where the crop of every pixel and the clouds of every date are known."""

import geopandas
import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints
from eo_pretrain_qgis.engine.mapping import series
from eo_pretrain_qgis.engine.mapping.suggesting.choice import blocked, polygon_candidates
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.grid import Grid
from eo_pretrain_qgis.errors import DataError, JobError
from eo_pretrain_qgis.jobs import JOBS
from tests.scenes import write_raster
from tests.scenes_crops import SIZE, crop_season
from tests.scenes_series import fields_model

from ..listening import Listening

DAYS = ("20230401", "20230501", "20230601", "20230701")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fields")
    (folder / "season").mkdir()
    return fields_model(folder), crop_season(folder / "season")


def mapped(made, output, days=DAYS, masked=DAYS, **values):
    model, season = made
    heard = Listening()
    given = {"images": [str(season / f"S2_{day}.tif") for day in days], "masks": [str(season / f"SCL_{day}.tif") for day in masked]}
    found = JOBS["map_series"].from_values({"model": str(model), **given, "output": str(output), **values}).run(heard)
    with rasterio.open(output) as raster:
        return raster.read(1), found, heard.texts, raster.tags()


def crops(made):
    """The value of the crop of each pixel, as the model numbers them; the last field is flax, which is in “other”."""
    row, col = np.indices((SIZE, SIZE))
    names = {entry.name: entry.value for entry in package.open(made[0]).classes}
    truth = np.array([names[name] for name in ("grass", "maize", "wheat")])[(row // 20 + col // 20) % 3]
    truth[100:, 100:] = 254
    return truth


@pytest.mark.parametrize("held", [2**25, 2**14])
def test_the_map_shows_the_crops_whatever_the_blocks(made, tmp_path, monkeypatch, held):
    monkeypatch.setattr(series, "HELD", held)
    found, facts, _, tags = mapped(made, tmp_path / "map.tif")
    truth = crops(made)
    known = truth < 254
    assert (found == truth)[known].mean() > 0.99
    assert (facts["dates"], facts["valid_share"]) == (4, 1.0)
    assert tags["EO_PRETRAIN_DATES"] == "2023-04-01, 2023-05-01, 2023-06-01, 2023-07-01"


def test_pixels_without_a_clear_date_stay_nodata(made, tmp_path):
    """On 1 May the northern half is under cloud, on 1 June the western 20 columns in shadow."""
    found, facts, _, _ = mapped(made, tmp_path / "map.tif", DAYS[1:3], DAYS[1:3])
    hidden = np.zeros((SIZE, SIZE), bool)
    hidden[:60, :20] = True
    assert ((found == 255) == hidden).all()
    assert facts["valid_share"] == pytest.approx(1 - hidden.mean())


def test_an_extent_is_that_part_of_the_map(made, tmp_path):
    whole = mapped(made, tmp_path / "whole.tif")[0]
    part = mapped(made, tmp_path / "part.tif", extent="500200,500700,5299300,5299800 [EPSG:32633]")[0]
    assert (part == whole[20:70, 20:70]).all()


def test_images_of_another_year_are_fine_and_of_another_season_are_not(made, tmp_path):
    table = tmp_path / "dates.csv"
    table.write_text("file,date\n" + "".join(f"S2_{day}.tif,2027{day[4:]}\nSCL_{day}.tif,2027{day[4:]}\n" for day in DAYS))
    assert (mapped(made, tmp_path / "later.tif", date_table=str(table))[0] == mapped(made, tmp_path / "map.tif")[0]).all()
    table.write_text("file,date\n" + "".join(f"S2_{day}.tif,202310{day[4:6]}\nSCL_{day}.tif,202310{day[4:6]}\n" for day in DAYS))
    with pytest.raises(DataError, match="The images are of 4 October to 7 October, and the model learned from dates of 1 April to 1 July. Choose"):
        mapped(made, tmp_path / "autumn.tif", date_table=str(table))
    assert not (tmp_path / "autumn.tif").exists()


def test_what_cannot_be_mapped_is_refused(made, tmp_path):
    model, season = made
    write_raster(season / "S2_20230615.tif", np.full((10, 60, 60), 1000, np.uint16), names=[f"B{number}" for number in range(10)], nodata=0)
    with pytest.raises(DataError, match="lie on different grids, but a series is read pixel by pixel. Bring one onto the grid of the other"):
        mapped(made, tmp_path / "map.tif", (*DAYS, "20230615"), (), bands="B02,B03,B04,B05,B06,B07,B08,B8A,B11,B12")
    cloud = write_raster(tmp_path / "SCL_20230501.tif", np.full((1, 60, 60), 9, np.uint8), resolution=20.0)
    with pytest.raises(DataError, match="No pixel of the area has a clear date, so there is nothing to map."):
        JOBS["map_series"].from_values({"model": str(model), "images": [str(season / "S2_20230501.tif")],
                                        "masks": [str(tmp_path / "SCL_20230501.tif")], "output": str(tmp_path / "map.tif")}).run(Listening())
    assert cloud is None or not (tmp_path / "map.tif").exists()


def crop_year(folder, days, first_day, last_day, brighter=0):
    """A dataset of the images of `crop_season`, brighter by that, which are said to be of other days, for a season."""
    (folder / "images").mkdir()
    season = crop_season(folder / "images")
    for day in DAYS:
        with rasterio.open(season / f"S2_{day}.tif", "r+") as raster:
            raster.write(raster.read() + np.uint16(brighter))
    images, masks = ([str(season / f"{kind}_{day}.tif") for day in DAYS] for kind in ("S2", "SCL"))
    JOBS["create_crop_dataset"].from_values({
        "images": images, "masks": masks, "date_table": dated(folder / "own.csv", days), "parcels": str(season / "parcels.gpkg"),
        "crop_field": "crop", "split_by": "parcel", "minimum_parcels": 2, "minimum_clear": 1, "sample_count": 600, "first_day": first_day,
        "last_day": last_day, "output": str(folder / "data")}).run(Listening())
    return folder / "data"


def learned(folder, dataset):
    """The model file of a regression."""
    JOBS["finetune"].from_values({"dataset": str(dataset), "approach": "statistics", "output": str(folder / "run")}).run(Listening())
    JOBS["export_model"].from_values({"run_folder": str(folder / "run"), "output": str(folder / "model.onnx")}).run(Listening())
    return folder / "model.onnx"


@pytest.fixture(scope="module")
def winter(tmp_path_factory):
    """A model of the winter half year, of dates from October to March."""
    folder = tmp_path_factory.mktemp("winter")
    dataset = crop_year(folder, ("2018-10-20", "2018-12-05", "2019-01-25", "2019-03-10"), "10-01", "03-31")
    return learned(folder, dataset), folder / "images"


def dated(path, days):
    """A table that gives the images of `crop_season` these days."""
    path.write_text("file,date\n" + "".join(f"{kind}_{was}.tif,{day}\n" for was, day in zip(DAYS, days, strict=True) for kind in ("S2", "SCL")))
    return str(path)


def test_a_crop_year_over_new_year_is_the_window_of_the_model(winter, tmp_path):
    """Its first and last day are those asked for, not those of the images, and stand in the file and in its page."""
    seen = package.open(winter[0]).inputs["image"].season
    assert (seen.window, seen.days) == ((273.0, 454.0), (292.0, 338.0, 389.0, 433.0))
    JOBS["inspect_model"].from_values({"model": str(winter[0]), "output": str(tmp_path / "model.html")}).run(Listening())
    assert "of 1 October to 31 March of the next year; single dates outside are left out" in (tmp_path / "model.html").read_text(encoding="utf-8")


def test_the_same_season_of_another_year_maps_alike(winter, tmp_path):
    """In the winter of a leap year, whose first image is of a day before all that were learned from, and last one of the window's last day."""
    tables = {name: dated(tmp_path / f"{name}.csv", days) for name, days in (("own", ("2018-10-20", "2018-12-05", "2019-01-25", "2019-03-10")),
                                                                             ("later", ("2023-10-01", "2023-12-05", "2024-01-25", "2024-03-31")))}
    own, later = (mapped(winter, tmp_path / f"{name}.tif", date_table=table) for name, table in tables.items())
    assert (own[1]["dates"], later[1]["dates"]) == (4, 4)
    assert (own[0] == later[0]).mean() > 0.99


def test_images_outside_the_window_are_refused_though_near_it(winter, tmp_path):
    """Most are of spring and summer; without the window of the dataset a model would not say until when it goes."""
    table = dated(tmp_path / "spring.csv", ("2019-03-30", "2019-04-05", "2019-05-25", "2019-06-10"))
    with pytest.raises(DataError, match="The images are of 30 March to 10 June, and the model learned from dates of 1 October to 31 March of the "
                                        "next year. Choose series of the same part of the year, or learn from these."):
        mapped(winter, tmp_path / "spring.tif", date_table=table)
    assert not (tmp_path / "spring.tif").exists()


def test_a_season_is_chosen_from_images_of_two_years(winter, tmp_path):
    table = dated(tmp_path / "two.csv", ("2018-02-20", "2018-12-05", "2019-01-25", "2019-08-10"))
    with pytest.raises(DataError, match="The images are of 2 seasons, 2017-10-01 to 2018-03-31, 2018-10-01 to 2019-03-31, and a series"):
        mapped(winter, tmp_path / "two.tif", date_table=table, first_day="10-01", last_day="03-31")
    _, facts, told, _ = mapped(winter, tmp_path / "one.tif", date_table=table, first_day="2018-10-01", last_day="2019-03-31")
    assert facts["dates"] == 2 and "2 of 4 images are of days outside 2018-10-01 to 2019-03-31 and are left out." in told
    with pytest.raises(DataError, match="None of the images is of a day from 2020-10-01 to 2021-03-31: they are of 2018-02-20 to 2019-08-10."):
        mapped(winter, tmp_path / "none.tif", date_table=table, first_day="2020-10-01", last_day="2021-03-31")


def test_a_dataset_outside_the_window_is_not_evaluated(winter, tmp_path):
    spring = crop_year(tmp_path, ("2019-04-20", "2019-05-05", "2019-06-25", "2019-07-10"), "04-01", "07-31", brighter=1)
    with pytest.raises(DataError, match="are of 20 April to 10 July, and the model learned from dates of 1 October to 31 March of the next year"):
        JOBS["evaluate_model"].from_values({"run_folder": str(winter[0].parent / "run"), "dataset": str(spring), "split": "all",
                                            "output": str(tmp_path / "scores.html")}).run(Listening())
    assert not (tmp_path / "scores.html").exists()


def test_masks_of_other_days_are_refused_and_unseen_dates_are_not_in_the_tags(made, tmp_path):
    with pytest.raises(DataError) as caught:
        mapped(made, tmp_path / "map.tif", DAYS[:2], DAYS[2:])
    assert str(caught.value) == ("No cloud mask is of the day of an image: the masks are of 2023-06-01, 2023-07-01. Choose the masks of the images, "
                                 "or correct their dates.")
    assert not (tmp_path / "map.tif").exists()
    late = tmp_path / "S2_20231220.tif"
    late.write_bytes((made[1] / f"S2_{DAYS[3]}.tif").read_bytes())
    _, found, _, tags = mapped(made, tmp_path / "map.tif", images=[*(str(made[1] / f"S2_{day}.tif") for day in DAYS), str(late)])
    assert (found["dates"], tags["EO_PRETRAIN_DATES"]) == (4, "2023-04-01, 2023-05-01, 2023-06-01, 2023-07-01")


def test_parcels_of_a_series_are_suggested(made, tmp_path):
    model, season = made
    given = {"models": [str(model)], "images": [str(season / f"S2_{day}.tif") for day in DAYS], "clouds": "scl",
             "cloud_masks": [str(season / f"SCL_{day}.tif") for day in DAYS], "areas": str(season / "parcels.gpkg")}
    found = JOBS["suggest_labels"].from_values({**given, "count": 6, "output": str(tmp_path / "six.gpkg")}).run(Listening())
    assert (found["suggestions"], found["candidates"]) == (6, 36)
    places = geopandas.read_file(tmp_path / "six.gpkg", layer="suggestions")
    assert list(places["rank"]) == [1, 2, 3, 4, 5, 6] and (places["valid"] == 1).all() and places["class"].isna().all()
    assert set(places["predicted"]) <= {row.name for row in package.open(model).classes}
    other = tmp_path / "other.onnx"
    other.write_bytes(model.read_bytes())
    with pytest.raises(JobError, match="2 models of series were given, and one at a time can be asked. Give one of them."):
        JOBS["suggest_labels"].from_values({**given, "models": [str(model), str(other)], "output": str(tmp_path / "two.gpkg")}).run(Listening())


def test_parcels_that_a_dataset_holds_are_not_suggested_again(made):
    _, season = made
    with rasterio.open(season / f"S2_{DAYS[0]}.tif") as raster:
        grid = Grid(raster.crs.to_wkt(), tuple(raster.transform)[:6], raster.width, raster.height)
    candidates = polygon_candidates({"path": str(season / "parcels.gpkg")}, grid, grid.window)
    dataset = Dataset.open(made[0].parent / "fields")
    inside = [shape.contains(point) for shape in candidates.shapes for point in read_footprints(dataset.folder).to_crs(grid.crs).geometry]
    held = np.reshape(inside, (len(candidates.shapes), -1)).any(1)
    assert held.any() and blocked(candidates, dataset)[held].all()
