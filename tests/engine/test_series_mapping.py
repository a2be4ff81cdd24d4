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
    with pytest.raises(JobError, match="2 models of series were given, and one at a time can be asked. Give one of them."):
        JOBS["suggest_labels"].from_values({**given, "models": [str(model)] * 2, "output": str(tmp_path / "two.gpkg")}).run(Listening())


def test_parcels_that_a_dataset_holds_are_not_suggested_again(made):
    _, season = made
    with rasterio.open(season / f"S2_{DAYS[0]}.tif") as raster:
        grid = Grid(raster.crs.to_wkt(), tuple(raster.transform)[:6], raster.width, raster.height)
    candidates = polygon_candidates({"path": str(season / "parcels.gpkg")}, grid, grid.window)
    dataset = Dataset.open(made[0].parent / "fields")
    inside = [shape.contains(point) for shape in candidates.shapes for point in read_footprints(dataset.folder).to_crs(grid.crs).geometry]
    held = np.reshape(inside, (len(candidates.shapes), -1)).any(1)
    assert held.any() and blocked(candidates, dataset)[held].all()
