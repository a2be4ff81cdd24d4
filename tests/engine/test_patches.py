import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.themes.sea_ice.patches import copies_of, symmetry
from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..listening import Cancelling
from ..scenes_ice import ICE_ORIGIN, ICE_PIXEL, POLAR, ice_chart, ice_kinds, ice_land, ice_other_day, ice_polygons, ice_scene, ice_squares


def build(folder, progress=SILENT, **values):
    """Runs the job on `ice_scene` with what a case changes, and opens the result."""
    asked = {"images": [str(ice_scene(folder))], "labels": str(ice_polygons(folder)), "class_field": "ice_kind",
             "output": str(folder / "made"), **values}
    asked = {name: value for name, value in asked.items() if value is not None}
    JOBS["create_sea_ice_dataset"].from_values(asked).run(progress)
    return Dataset.open(asked["output"])


@pytest.mark.parametrize("size", [10, 20, 32])
def test_patches_are_the_pixels_of_the_scene_wholly_inside_their_polygon(folder, size):
    dataset = build(folder, size=size)
    with rasterio.open(folder / "S1A_EW_20220503.tif") as source:
        whole = source.read()
    polygons, names = geopandas.read_file(folder / "polygons.gpkg"), [row.name for row in dataset.classes]
    images, labels = dataset.images(np.arange(len(dataset))), dataset.labels(np.arange(len(dataset)))
    assert len(dataset) == 12 * ((90 - size) // 10 + 1) ** 2 and dataset.task == "patch" and dataset.theme == "sea ice"
    for number, row in enumerate(dataset.tiles.itertuples()):
        assert np.array_equal(images[number], whole[:, row.row:row.row + size, row.col:row.col + size])
        x, y = ICE_ORIGIN[0] + ICE_PIXEL * row.col, ICE_ORIGIN[1] - ICE_PIXEL * row.row
        outline = shapely.box(x, y - ICE_PIXEL * size, x + ICE_PIXEL * size, y)
        polygon = polygons.iloc[row.polygon - 1]
        assert polygon.geometry.buffer(1e-6).covers(outline) and names[labels[number]] == polygon.ice_kind == ice_kinds()[row.polygon - 1]


def test_no_polygon_is_in_two_splits_and_all_classes_are_in_each(folder):
    dataset = build(folder)
    tiles = dataset.tiles
    assert tiles.groupby("polygon")["split"].nunique().max() == 1
    assert set(zip(tiles["split"], tiles["label"], strict=True)) == {(split, label) for split in ("training", "validation", "test")
                                                                     for label in range(3)}


def test_copies_are_of_training_patches_only_and_make_classes_equal(folder):
    dataset = build(folder, labels=str(ice_chart(folder)), class_field=None, balance="augment", size=20, seed=3)
    tiles, labels = dataset.tiles, dataset.labels(np.arange(len(dataset)))
    training = labels[dataset.indices("training")]
    assert set(np.bincount(training)) == {np.bincount(training).max()}
    copied = tiles[tiles["augmented"] > 0]
    assert len(copied) == dataset.facts["augmented"] > 0 and set(copied["split"]) == {"training"}
    images = dataset.images(np.arange(len(dataset)))
    for row in copied.itertuples():
        assert np.array_equal(images[row.tile], symmetry(images[[row.source]], row.augmented)[0])
        assert tiles["augmented"][row.source] == 0 and tiles["polygon"][row.source] == row.polygon


def test_the_symmetries_of_the_square_are_all_different():
    image = np.arange(9.0).reshape(1, 1, 3, 3)
    turned = [symmetry(image, number) for number in range(8)]
    assert len({one.tobytes() for one in turned}) == 8 and np.array_equal(turned[0], image)
    assert np.array_equal(turned[4][0, 0], image[0, 0, :, ::-1]) and np.array_equal(turned[1][0, 0], np.rot90(image[0, 0]))


def test_a_class_is_copied_at_most_seven_times():
    labels = np.array([0] * 100 + [1] * 2 + [0, 1])
    copies = copies_of(labels, np.arange(104) < 102, seed=1)
    assert copies[100:102].all() and copies.sum() == 14


def test_weights_make_classes_count_alike(folder):
    dataset = build(folder, labels=str(ice_chart(folder)), class_field=None, balance="weights")
    tiles = dataset.tiles[dataset.splits == "training"]
    sums = tiles.groupby("label")["weight"].sum()
    assert sums.max() / sums.min() == pytest.approx(1, abs=1e-3) and set(dataset.weights[dataset.splits == "test"]) == {1.0}


def test_two_runs_are_equal(folder):
    first = build(folder, output=str(folder / "one"), balance="augment", labels=str(ice_chart(folder)), class_field=None)
    second = build(folder, output=str(folder / "two"), balance="augment", labels=str(ice_chart(folder)), class_field=None)
    every = np.arange(len(first))
    assert np.array_equal(first.images(every), second.images(every)) and first.tiles.equals(second.tiles)


def test_overlapping_polygons_share_a_split_and_the_lower_one_gives_way(folder):
    fields = ice_squares().assign(ice_kind=ice_kinds())
    over = fields.iloc[[0]].copy()
    over.geometry = over.geometry.translate(ICE_PIXEL * 45)
    over["ice_kind"] = "young"
    both = geopandas.GeoDataFrame(geopandas.pd.concat([fields, over], ignore_index=True), crs=POLAR)
    both.to_file(folder / "overlapping.gpkg")
    tiles = build(folder, labels=str(folder / "overlapping.gpkg"), size=10).tiles
    assert tiles[tiles["polygon"].isin((1, 13))]["split"].nunique() == 1
    assert tiles[tiles["polygon"] == 1]["col"].max() <= 40  # what lies under the later polygon is not of the first


def test_land_and_invalid_pixels_have_no_patch(folder):
    tiles = build(folder, land=str(ice_land(folder)), size=10).tiles
    assert tiles["col"].min() >= 100 and len(tiles) == 9 * 81


def test_polygons_label_the_scene_they_were_drawn_on(folder):
    fields = ice_squares().assign(ice_kind=ice_kinds(), drawn_on=["2022-05-03", "S1A_EW_20220505"] * 6)
    fields.to_file(folder / "drawn.gpkg")
    asked = {"images": [str(ice_scene(folder)), str(ice_other_day(folder))], "labels": str(folder / "drawn.gpkg"), "scene_field": "drawn_on"}
    tiles = build(folder, **asked, size=10).tiles
    assert set(tiles["scene"] + (tiles["polygon"] % 2).astype(str)) == {"S1A_EW_20220503.tif1", "S1A_EW_20220505.tif0"}
    tiled = build(folder, **asked, samples="tiles", size=50, test_share=0, validation_share=0, output=str(folder / "tiled"))
    own = tiled.tiles[(tiled.tiles["scene"] == "S1A_EW_20220503.tif") & (tiled.tiles["row"] < 100)]
    assert set(own["col"] // 100 % 2) == {0}
    fields.assign(drawn_on="another").to_file(folder / "drawn.gpkg")
    with pytest.raises(DataError, match="No polygon of .* belongs to the scene S1A_EW_20220503.tif; the scenes named there are another"):
        build(folder, **asked, output=str(folder / "none"))


@pytest.mark.parametrize("samples", ["patches", "tiles"])
def test_a_cancelled_run_leaves_nothing(folder, samples):
    with pytest.raises(Cancelled):
        build(folder, Cancelling(lambda heard: heard.fraction > 0.5), samples=samples, size=32)
    assert not list(folder.glob("made*"))


def test_another_split_keeps_polygons_whole_and_copies_out_of_the_test(folder):
    build(folder, labels=str(ice_chart(folder)), class_field=None, balance="augment", size=20, seed=3)
    JOBS["split_dataset"].from_values({"dataset": str(folder / "made"), "output": str(folder / "again"), "seed": 9}).run(SILENT)
    again = Dataset.open(folder / "again")
    copies = again.tiles["augmented"] > 0
    assert again.description["split"]["method"] == "groups" and set(again.splits[copies]) <= {"training", "dropped"}
    assert again.tiles[~copies].groupby("polygon")["split"].nunique().max() == 1


def test_polygons_that_cross_themselves_are_repaired(folder):
    """A bow tie with a tail: its two triangles hold patches, its tail is no area."""
    fields = ice_squares().assign(ice_kind=ice_kinds())
    west, south, east, north = fields.geometry[0].bounds
    tie = shapely.Polygon([(west, south), (east, north), (east, south), (west, north), (west - 400, north), (west, north)])
    fields.loc[0, "geometry"] = tie
    fields.to_file(folder / "crossing.gpkg")
    tiles = build(folder, labels=str(folder / "crossing.gpkg"), size=10).tiles
    inside = tiles[tiles["polygon"] == 1]
    assert not tie.is_valid and 20 < len(inside) < 50 and inside["col"].min() >= 5
