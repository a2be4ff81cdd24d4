"""Maps of series show where the images are like what the model learned from."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.classic.series import brought
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.mapping import series
from eo_pretrain_qgis.engine.mapping.blocks import Tile
from eo_pretrain_qgis.engine.mapping.series_ground import representatives
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.runs.known_ground import ground_of
from eo_pretrain_qgis.engine.runs.run_folder import RunFolder
from eo_pretrain_qgis.jobs import JOBS
from tests.scenes_crops import DAYS, noisy_season, of_days

from ..listening import Listening

#: Days since 1 January.
SINCE = (90, 120, 151, 181)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ground")
    season = noisy_season(folder / "season")
    JOBS["create_crop_dataset"].from_values({
        **of_days(season), "parcels": str(season / "parcels.gpkg"), "crop_field": "crop", "split_by": "parcel", "minimum_parcels": 2,
        "minimum_clear": 1, "output": str(folder / "fields")}).run(Listening())
    JOBS["finetune"].from_values({"dataset": str(folder / "fields"), "approach": "statistics", "output": str(folder / "run")}).run(Listening())
    JOBS["export_model"].from_values({"run_folder": str(folder / "run"), "output": str(folder / "fields.onnx")}).run(Listening())
    return folder / "fields.onnx", season


def mapped(model, season, folder, **values):
    """The layer (2, y, x), what the job gives, and what was heard."""
    heard = Listening()
    found = JOBS["map_series"].from_values({"model": str(model), **of_days(season), "output": str(folder / "map.tif"),
                                            "applicability": str(folder / "ground.tif"), **values}).run(heard)
    with rasterio.open(folder / "ground.tif") as raster:
        return raster.read(), found, heard


def of_season(season):
    """Values (date, band, y, x) and where each date is clear (date, y, x), as the files have them."""
    images, masks = [], []
    for day in DAYS:
        with rasterio.open(season / f"S2_{day}.tif") as image, rasterio.open(season / f"SCL_{day}.tif") as mask:
            images.append(image.read().astype(np.float32))
            masks.append(np.isin(mask.read(1, out_shape=image.shape), (4, 5, 6, 7)))
    return np.stack(images), np.stack(masks)


def test_one_pixel_stands_for_each_square():
    """Squares of 4 × 4 are counted from the first pixel of the image; the middle is the third of four."""
    clear = np.ones((5, 8), bool)
    clear[2, 2] = False  # the middle of the first square, whose neighbour above comes first
    clear[:4, 4:] = False
    places, own = representatives(clear, Tile(Window(1, 1, 6, 4), Window(0, 0, 8, 5)))
    assert places.tolist() == [1 * 8 + 2, 4 * 8 + 2, 4 * 8 + 6]
    assert own.tolist() == [[0, 0, 0, -1, -1, -1]] * 3 + [[1, 1, 1, 2, 2, 2]]


def test_the_layer_is_what_the_formulas_say(made, tmp_path):
    model, season = made
    layer, found, heard = mapped(model, season, tmp_path)
    run = RunFolder.open(str(model.parent / "run"))
    dataset, seen = run.open_dataset(), next(iter(run.inputs.values()))
    labelled = Labelled(dataset, seen, dataset.indices("training"), 1)
    known, record = ground_of(labelled), package.open(model).record.applicability
    assert record.limit == pytest.approx(known.limit) and record.samples == len(known.rows) == 250
    values, clear = of_season(season)
    middles = values[..., 2::4, 2::4].reshape(4, 10, -1), clear[:, 2::4, 2::4].reshape(4, -1)
    days = np.where(middles[1], np.array(SINCE)[:, None], -1).T
    seen_middles = (days >= 0).any(1)
    features = brought(labelled.whitening, np.array(seen.days), np.moveaxis(middles[0], 2, 0), days)[seen_middles]
    expected = np.minimum(np.ceil(100 * known.dissimilarity(features) / known.limit), 250)
    off = np.abs(layer[0, 2::4, 2::4].ravel()[seen_middles] - expected)
    assert off.max() <= 1
    assert np.abs(layer[1, 2::4, 2::4].ravel()[seen_middles] - np.minimum(known.density(features), 250)).max() <= 1
    assert (layer[:, ::4, ::4] == layer[:, 3::4, 3::4]).mean() > 0.999
    assert found["unlike_share"] == pytest.approx((layer[0] > 100).mean()) and found["unlike_share"] < 0.1 and not heard.warnings


def test_another_year_whose_images_are_brighter_is_outside(made, tmp_path):
    layer, found, heard = mapped(made[0], noisy_season(tmp_path / "season", 1.4), tmp_path)
    assert found["unlike_share"] > 0.95 and (layer[1] == 0).mean() > 0.9
    assert any("of the map is unlike all ground that the model learned from" in text for text in heard.warnings)


def test_an_extent_is_that_part_of_the_layer_whatever_the_blocks(made, tmp_path, monkeypatch):
    whole = mapped(*made, tmp_path)[0]
    monkeypatch.setattr(series, "HELD", 2**14)
    (tmp_path / "part").mkdir()
    part = mapped(*made, tmp_path / "part", extent="500210,500690,5299330,5299790 [EPSG:32633]")[0]
    assert (part == whole[:, 21:67, 21:69]).all()


def test_a_model_that_knows_no_ground_says_so(made, tmp_path):
    old = package.open(made[0])
    plain = package.write(old.path, {**old.description, "applicability": None}, tmp_path / "plain.onnx")
    with pytest.raises(Exception) as refused:
        mapped(plain.path, made[1], tmp_path)
    assert str(refused.value).startswith(f"The model {plain.path} does not know the ground that it learned from. Export its run again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain.onnx"]


def test_a_dataset_of_series_of_one_parcel_tells_nothing(made):
    dataset = Dataset.open(made[0].parent / "fields")
    assert ground_of(Labelled(dataset, next(iter(dataset.inputs.values())), dataset.indices("training")[:1], 1)) is None
