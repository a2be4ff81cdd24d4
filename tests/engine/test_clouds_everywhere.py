"""Cloud masks in the jobs that make tiles and maps: what is under a cloud is not learned from, not mapped, and told."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import IGNORE, Dataset
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints
from eo_pretrain_qgis.engine.describing.page import describe, write_report
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..listening import Listening
from ..networks import write_threshold_model
from ..scenes import ORIGIN, land, land_fields, write_raster
from ..scenes_clouds import land_clouds
from ..scenes_fields import field_parcels, fields_spring, fields_summer
from ..scenes_points import land_points
from ..scenes_roads import road_layer

#: What `land_clouds` hides of `land`: two of the eight tiles of 32 px in each of two rows are hidden whole, and half of a third.
CLOUD, SHADOW = (slice(96, 160), slice(0, 64)), (slice(96, 160), slice(64, 80))
HIDDEN = np.zeros((256, 256), bool)
HIDDEN[CLOUD] = HIDDEN[SHADOW] = True


def made(name, progress=SILENT, **values):
    """What a job gives."""
    return JOBS[name].from_values(values).run(progress)


def where(dataset):
    """For each tile of 32 px where it lies on `land`."""
    return [np.s_[row:row + 32, col:col + 32] for row, col in zip(dataset.tiles["row"], dataset.tiles["col"], strict=True)]


@pytest.mark.parametrize(("job", "labels"), [("create_training_dataset", "labels"), ("create_road_dataset", "roads")])
def test_pixels_under_clouds_have_no_label(folder, job, labels):
    layers = {"labels": lambda: {"labels": [str(land_fields(folder))], "class_field": "cover"}, "roads": lambda: {"roads": str(road_layer(folder))}}
    heard, usual = Listening(), {"images": [str(land(folder))], "tile_size": 32, "minimum_valid": 0, **layers[labels]()}
    facts = made(job, heard, **usual, clouds="flags", cloud_masks=[str(land_clouds(folder))], output=str(folder / "hidden"))
    made(job, **usual, output=str(folder / "plain"))
    hidden, plain = Dataset.open(folder / "hidden"), Dataset.open(folder / "plain")
    assert len(hidden) == 60 and len(plain) == 64  # four tiles show nothing but cloud
    before = {part[0].start * 256 + part[1].start: number for number, part in enumerate(where(plain))}
    for number, part in enumerate(where(hidden)):
        old, under = np.array([before[part[0].start * 256 + part[1].start]]), HIDDEN[part]
        own = hidden.labels(np.array([number]))[0]
        assert (own[under] == IGNORE).all() and np.array_equal(own[~under], plain.labels(old)[0][~under])
        assert np.array_equal(hidden.sensors[0].valid(hidden.images(np.array([number])))[0], ~under)
        assert hidden.tiles["clouded"][number] == pytest.approx(under.mean())
    assert facts["clouded_share"] == pytest.approx(64 * 16 / (60 * 32**2), abs=1e-4)
    assert any("Clouds and their shadows hide 7.8% of the pixels of all 64." in text for _, text in heard.said)
    assert hidden.description["scenes"][0]["mask"].endswith("clouds.tif")


def test_the_page_of_a_dataset_tells_of_clouds(folder):
    usual = {"images": [str(land(folder))], "labels": [str(land_fields(folder))], "class_field": "cover", "tile_size": 32, "preset": "sentinel2_l2a"}
    pages = {}
    for name, more in {"hidden": {"clouds": "flags", "cloud_masks": [str(land_clouds(folder))]}, "plain": {}}.items():
        made("create_training_dataset", **usual, **more, output=str(folder / name))
        dataset = Dataset.open(folder / name)
        facts = describe(dataset)
        write_report(folder / f"{name}.html", dataset, facts)
        pages[name] = (folder / f"{name}.html").read_text(encoding="utf-8")
    assert facts["clouded_share"] is None
    assert "Clouds and their shadows hide 1.7% of their pixels, which are not learned from." in pages["hidden"]
    assert "cloud mask" in pages["hidden"] and "clouds.tif" in pages["hidden"]
    assert "Nobody looked for clouds in them: no cloud mask was given." in pages["plain"]


def test_tiles_that_join_others_have_their_own_clouds(folder):
    usual = {"images": [str(land(folder))], "labels": [str(land_fields(folder))], "class_field": "cover", "tile_size": 32}
    made("create_training_dataset", **usual, validation_share=0, test_share=0, output=str(folder / "plain"))
    facts = made("create_training_dataset", **usual, append_to=str(folder / "plain"), clouds="flags", cloud_masks=[str(land_clouds(folder))],
                 output=str(folder / "both"))
    assert facts["clouded_share"] == pytest.approx(64 * 16 / (60 * 32**2), abs=1e-4)  # of the tiles of which it is known
    assert read_footprints(folder / "both")["clouded"].isna().sum() == 64


def test_a_square_under_a_cloud_is_left_out(folder):
    places = [(110, 20, "crop"), (16, 48, "forest"), (16, 112, "crop"), (200, 48, "forest"), (48, 150, "crop")]
    shapes = [shapely.box(ORIGIN[0] + 10 * (col - 16), ORIGIN[1] - 10 * (row + 16), ORIGIN[0] + 10 * (col + 16), ORIGIN[1] - 10 * (row - 16))
              for row, col, _ in places]
    geopandas.GeoDataFrame({"cover": [cover for *_, cover in places]}, geometry=shapes, crs="EPSG:32633").to_file(folder / "squares.gpkg")
    heard = Listening()
    facts = made("create_training_dataset", heard, images=[str(land(folder))], labels=[str(folder / "squares.gpkg")], class_field="cover",
                 one_class="squares", clouds="flags", cloud_masks=[str(land_clouds(folder))], validation_share=0, test_share=0,
                 output=str(folder / "scenes"))
    assert facts["tiles"] == 4 and facts["clouded_share"] == 0
    assert any("holds words, so its classes get their values in alphabetical order: 1 crop, 2 forest." in text for text in heard.texts)


def test_a_field_is_unknown_where_one_of_two_dates_is_hidden(folder):
    clear = str(write_raster(folder / "clear.tif", np.zeros((128, 128), np.uint8), resolution=20.0))
    usual = {"images": [str(fields_spring(folder))], "second_images": [str(fields_summer(folder))], "parcels": str(field_parcels(folder)),
             "preset": "sentinel2_l2a", "tile_size": 32, "minimum_valid": 0, "clouds": "flags"}
    for name, masks in {"first": (str(land_clouds(folder)), clear), "second": (clear, str(land_clouds(folder)))}.items():
        facts = made("create_field_dataset", **usual, cloud_masks=[masks[0]], second_cloud_masks=[masks[1]], output=str(folder / name))
        dataset = Dataset.open(folder / name)
        for number, part in enumerate(where(dataset)):
            assert (dataset.labels(np.array([number]))[0][HIDDEN[part]] == IGNORE).all()
        assert facts["clouded_share"] > 0
        assert ", " in dataset.description["scenes"][0]["mask"]


def test_points_under_clouds_are_not_learned_from_and_the_map_has_no_class_there(folder):
    points = land_points(folder)
    own = geopandas.read_file(points).to_crs(32633)
    cols, rows = ((own.geometry.x - ORIGIN[0]) // 10).astype(int), ((ORIGIN[1] - own.geometry.y) // 10).astype(int)
    under = int(HIDDEN[rows, cols].sum())
    assert 0 < under < len(own)
    heard = Listening()
    facts = made("map_from_points", heard, images=[str(land(folder))], labels=str(points), class_field="cover", clouds="flags",
                 cloud_masks=[str(land_clouds(folder))], output=str(folder / "map.tif"),
                 model=str(folder / "model.onnx"), report=str(folder / "report.html"))
    assert facts["clouded_pixels"] == under and facts["labelled_pixels"] == len(own) - under
    assert ("warning", f"{under} labelled pixels of land.tif lie under clouds or their shadows and are left out.") in heard.said
    with rasterio.open(folder / "map.tif") as written:
        assert np.array_equal(written.read(1) == 255, HIDDEN)
    assert f"{under} more labelled pixels lie under clouds" in (folder / "report.html").read_text(encoding="utf-8")


def test_no_road_runs_through_a_cloud(folder):
    values = np.full((256, 256), 1000, np.uint16)
    values[127:130] = values[:, 199:202] = 2000  # a road along row 128, through the cloud, and one along column 200 beside it
    image = write_raster(folder / "roads.tif", values, names=["B02"])
    model = write_threshold_model(folder / "roads.onnx", classes=((0, "background", ""), (1, "road", "")))
    usual = {"images": [str(image)], "model": str(model)}
    facts = made("map_roads", **usual, clouds="flags", cloud_masks=[str(land_clouds(folder))], output=str(folder / "hidden.gpkg"),
                 probability=str(folder / "probability.tif"))
    plain = made("map_roads", **usual, output=str(folder / "plain.gpkg"))
    cloud = shapely.box(ORIGIN[0], ORIGIN[1] - 1600, ORIGIN[0] + 800, ORIGIN[1] - 960)
    lengths = [geopandas.read_file(folder / f"{name}.gpkg").intersection(cloud).length.sum() for name in ("hidden", "plain")]
    assert lengths[0] < 10 and lengths[1] > 700
    assert plain["length_km"] - facts["length_km"] == pytest.approx(0.8, abs=0.05)
    assert facts["valid_share"] == pytest.approx(1 - HIDDEN.mean())
    with rasterio.open(folder / "probability.tif") as written:
        assert np.array_equal(written.read(1) == 255, HIDDEN)
