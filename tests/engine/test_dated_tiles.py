"""Datasets of dated tiles: every value, flag, day and label is that of its pixel; what no date shows has no class."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.classic.series import brought
from eo_pretrain_qgis.engine.datasets.dataset import IGNORE, Dataset
from eo_pretrain_qgis.engine.datasets.dates import as_series, clear_days, read_series
from eo_pretrain_qgis.engine.describing.page import describe, write_report
from eo_pretrain_qgis.errors import DataError, JobError
from eo_pretrain_qgis.jobs import JOBS

from ..listening import Listening
from ..scenes import write_raster
from ..scenes_crops import BANDS, DAYS, SIZE, crop_value
from ..scenes_series import dated_tiles


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return dated_tiles(tmp_path_factory.mktemp("tiles"))


def places(dataset):
    """Rows and columns in the image of the pixels of all tiles (n, y, x)."""
    side = np.arange(dataset.tile_size)
    row, col = (dataset.column(name)[:, None, None] + grid for name, grid in (("row", side[:, None]), ("col", side[None])))
    return np.broadcast_arrays(row, col)


def create(season, output, **values):
    images, masks = ([str(season / f"{kind}_{day}.tif") for day in DAYS] for kind in ("S2", "SCL"))
    given = {"images": images, "masks": masks, "parcels": str(season / "parcels.gpkg"), "crop_field": "crop", "kind": "tiles", "tile_size": 32,
             "minimum_parcels": 2, "minimum_clear": 1, "gap": 1, "output": str(output), **values}
    heard = Listening()
    found = JOBS["create_crop_dataset"].from_values({key: value for key, value in given.items() if value != "none"}).run(heard)
    return Dataset.open(output), found, heard.texts


def test_every_pixel_with_its_values_flags_days_and_class(folder):
    dataset = Dataset.open(folder)
    row, col = places(dataset)
    everything, crop = np.arange(len(dataset)), (row // 20 + col // 20) % 3
    images, flags, labels = dataset.images(everything), dataset.array("flags", everything), dataset.labels(everything)
    assert images.shape == (16, 4, 10, 32, 32) and flags.shape == (16, 4, 32, 32)
    for date in range(4):
        measured = flags[:, date] != 4
        for band in range(len(BANDS)):
            assert np.array_equal(images[:, date, band][measured], crop_value(crop, date, band)[measured])
        assert (images[:, date].transpose(0, 2, 3, 1)[~measured] == 0).all()
    assert (dataset.array("days", everything) == [90, 120, 151, 181]).all()
    expected = np.zeros(flags.shape, int)
    expected[:, 0], expected[:, 1], expected[:, 2], expected[:, 3] = 3 * (col >= 100), row < 60, 2 * (col < 20), 4 * (row == SIZE - 1)
    assert np.array_equal(flags, expected)
    inside = (row % 20 >= 1) & (row % 20 <= 18) & (col % 20 >= 1) & (col % 20 <= 18)
    assert np.array_equal(labels != IGNORE, inside)
    names = np.array([each.name for each in dataset.classes])
    flax = (row >= 100) & (col >= 100)
    assert np.array_equal(names[labels[inside]], np.where(flax, "other", np.array(["grass", "maize", "wheat"])[crop])[inside])


def test_reading_hides_what_is_cloudy_and_what_lies_outside_the_season(folder):
    dataset = Dataset.open(folder)
    seen, everything = single(dataset.inputs), np.arange(len(dataset))
    assert (seen.axes, seen.days) == ("tbyx", (90.0, 120.0, 151.0, 181.0))
    values, days = read_series(dataset, seen, everything)
    clear = dataset.array("flags", everything) == 0
    assert np.array_equal(days >= 0, clear)
    assert (values.transpose(0, 1, 3, 4, 2)[~clear] == np.float32(seen.centre)).all()
    assert np.array_equal(days, np.where(clear, np.array([90, 120, 151, 181])[:, None, None], -1))
    early = read_series(dataset, seen.until(130), everything)[1]
    assert (early[:, 2:] == -1).all() and np.array_equal(early[:, :2], days[:, :2])
    # Of a tile a date counts that some pixel shows.
    assert np.array_equal(clear_days(dataset, "image", everything) >= 0, clear.any((2, 3)))


def test_rows_of_the_regression_are_the_series_of_pixels(folder):
    dataset = Dataset.open(folder)
    what, tiles = single(dataset.inputs), dataset.indices("training")
    labelled = Labelled(dataset, what, tiles, 1)
    rows = labelled.rows
    values, days = as_series(*read_series(dataset, what, rows.tiles[:50]))
    chosen = np.arange(50) * 32**2 + rows.places[:50]
    assert rows.features[:50] == pytest.approx(brought(labelled.whitening, np.array(what.days), values[chosen], days[chosen]), abs=1e-6)
    assert np.array_equal(dataset.labels(rows.tiles).reshape(len(rows.tiles), -1)[np.arange(len(rows.tiles)), rows.places], rows.labels)
    assert (np.bincount(rows.labels) > 0).all()


def test_pixels_without_a_clear_date_have_no_label(folder, tmp_path):
    """On 1 May the northern half is under cloud, on 1 June the western 20 columns are in shadow."""
    season = folder.parent / "dated_season"
    images, masks = ([str(season / f"{kind}_{day}.tif") for day in DAYS[1:3]] for kind in ("S2", "SCL"))
    dataset, _, heard = create(season, tmp_path / "two", images=images, masks=masks)
    row, col = places(dataset)
    labels = dataset.labels(np.arange(len(dataset)))
    hidden = (row < 60) & (col < 20)
    assert (labels[hidden] == IGNORE).all() and (labels[~hidden] != IGNORE).any()
    assert any("pixels of parcels have fewer than 1 clear dates; their labels are left out." in text for text in heard)
    answers = Labelled(dataset, single(dataset.inputs), dataset.indices("training"), 1).fit("statistics").answers(dataset)(np.arange(len(dataset)))
    assert np.array_equal(np.isnan(answers).any(1), hidden)


def test_a_date_outside_a_scene_does_not_count(folder, tmp_path):
    """An image that holds the western half alone, the rest of which is nodata."""
    season = folder.parent / "dated_season"
    with rasterio.open(season / f"S2_{DAYS[0]}.tif") as raster:
        values = raster.read()
    values[:, :, 60:] = 0
    write_raster(tmp_path / "S2_20230615.tif", values, names=BANDS, nodata=0)
    dataset, *_ = create(season, tmp_path / "more", images=[*(str(season / f"S2_{day}.tif") for day in DAYS), str(tmp_path / "S2_20230615.tif")])
    _, days = read_series(dataset, single(dataset.inputs), np.arange(len(dataset)))
    _, col = places(dataset)
    assert np.array_equal(days[:, 3] >= 0, col < 60)


def test_two_sensors_each_with_its_dates(folder, tmp_path):
    season = folder.parent / "dated_season"
    dataset, found, _ = create(season, tmp_path / "two", radar=[str(season / f"S1_{day}.tif") for day in ("20230410", "20230520")], tile_size=40)
    assert found["dates"] == 4
    values, days = read_series(dataset, dataset.inputs["s1"], np.arange(len(dataset)))
    assert values.shape == (9, 2, 2, 40, 40) and set(np.unique(days)) == {99.0, 139.0}


def test_the_page_tells_of_tiles_and_their_dates(folder, tmp_path):
    dataset = Dataset.open(folder)
    facts = describe(dataset)
    assert facts["series"]["dates"]["maximum"] == 4 and facts["task"] == "tiles in time"
    write_report(tmp_path / "page.html", dataset, facts)
    page = (tmp_path / "page.html").read_text()
    assert "16 tiles of 32 × 32 px of 10 × 10 m from 4 sources" in page and "each of the pixel in the middle of a tile" in page


@pytest.mark.parametrize("values, error, text", [
    ({"split_by": "parcel"}, JobError, "Tiles are split by blocks of ground, and not by parcel, of which one tile shows several. Choose “blocks”."),
    ({"timesen2crop": "folders"}, JobError, "Tiles cannot be added to a dataset, nor written as TimeSen2Crop folders"),
    ({"tile_size": 128}, DataError, "are 120 × 120 pixels, which is smaller than a tile of 128 × 128. Choose smaller tiles or larger images."),
    ({"minimum_clear": 5}, DataError, "No pixel of a parcel has 5 dates without cloud, shadow or snow out of 4. Lower"),
])
def test_what_cannot_be_cut_is_refused(folder, tmp_path, values, error, text):
    season = folder.parent / "dated_season"
    with pytest.raises(error, match=text.replace("(", r"\(")):
        create(season, tmp_path / "no", **{name: str(tmp_path / value) if name == "timesen2crop" else value for name, value in values.items()})
    assert not (tmp_path / "no").exists()
