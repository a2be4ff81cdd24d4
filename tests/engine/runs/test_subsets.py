"""Parts of the tiles that are measured apart: blocks, scenes, days, thirds; counted once and added up."""

import json

import geopandas
import numpy as np
import pytest
from shapely.geometry import box

from eo_pretrain_qgis.engine.datasets.dataset import DESCRIPTION, TILES, Dataset
from eo_pretrain_qgis.engine.measures.accuracy import scores
from eo_pretrain_qgis.engine.runs.blocks import blocks_of
from eo_pretrain_qgis.engine.runs.by_scene import GroupCounts, hits
from eo_pretrain_qgis.engine.runs.subsets import Cells, groupings, subset_facts, subset_sections
from tests.engine.learning.tiny import write_dataset

SIZE, SIDE = 8, 80.0


@pytest.fixture
def folder(tmp_path):
    return write_dataset(tmp_path / "discs", count=12, size=SIZE, splits=["training"] * 4 + ["test"] * 8)


def with_table(folder, facts=None, **columns):
    """The dataset with more columns, its tiles side by side, and more in dataset.json."""
    tiles = geopandas.read_file(folder / TILES)
    places = [box(500_000 + SIDE * number, 5_300_000, 500_000 + SIDE * (number + 1), 5_300_000 + SIDE) for number in range(len(tiles))]
    tiles.assign(**columns).set_geometry(places, crs="EPSG:32633").to_file(folder / TILES, layer="tiles", driver="GPKG")
    said = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps({**said, **(facts or {})}))
    return Dataset.open(folder)


def scene(name, day=""):
    return {"name": name, "path": "", "crs": "", "transform": [1, 0, 0, 0, -1, 0], "width": 1, "height": 1, "date": day, "checksum": ""}


def test_tiles_side_by_side_are_blocks_of_ground(folder):
    dataset = with_table(folder)
    blocks = blocks_of(dataset, np.arange(4, 12))
    assert (blocks.words, blocks.of.tolist(), blocks.enough) == ("8 squares of 80 m", list(range(8)), True)
    many = blocks_of(dataset, np.repeat(np.arange(12), 2))
    assert many.count == 12 and many.of.tolist() == np.repeat(range(12), 2).tolist()
    assert blocks_of(dataset, np.arange(12), most=5).words == "12 squares of 80 m in 5 groups drawn at random"


def test_five_scenes_are_blocks(folder):
    blocks = blocks_of(with_table(folder, scene=list("aaaabbccddee")), np.arange(12))
    assert (blocks.words, blocks.of.tolist()) == ("5 scenes", [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4])


def test_tiles_of_unknown_places_are_blocks_themselves(folder):
    blocks = blocks_of(Dataset.open(folder), np.arange(4, 12))  # all within a metre of each other
    assert (blocks.words, blocks.of.tolist()) == ("8 tiles", list(range(8)))
    assert blocks_of(Dataset.open(folder), np.arange(4)).enough is False


def test_right_labels_of_each_tile():
    truth = np.array([[[0, 1], [255, 1]]])
    assert [part.tolist() for part in hits(truth, np.array([[[0, 0], [0, 1]]]), False)] == [[2], [3]]
    scored = np.array([[0.1, 0.9], [np.nan, np.nan], [0.8, 0.2]])
    assert [part.tolist() for part in hits(np.array([1, 0, 1]), scored, False)] == [[1, 0, 0], [1, 0, 1]]
    assert [part.tolist() for part in hits(np.array([[1, 0, 1]]), np.array([[2.0, -1.0, -3.0]]), True)] == [[2], [3]]


def counted(dataset, tiles, groups, wrong=()):
    """What a model says that is right but for some tiles, where everything is wrong."""
    counts = GroupCounts(dataset, tiles, groups)
    for tile in tiles:
        truth = dataset.labels(np.array([tile]))
        counts.add(np.array([tile]), truth, 1 - truth.clip(0, 1) if tile in wrong else truth)
    return counts


def test_parts_add_up_to_the_whole(folder):
    dataset, tiles = with_table(folder, scene=list("aaaabbccddee"), region=list("xxxxyyyyzzzz")), np.arange(4, 12)
    blocks = blocks_of(dataset, tiles)
    cells = Cells(blocks, groupings(dataset, tiles, "test"), 4)
    assert [one.name for one in cells.groupings] == ["scene", "region"]
    counts = counted(dataset, tiles, cells.of, wrong=(4, 5))
    whole = counts.total()
    assert cells.blocks_of(counts).sum(0).tolist() == whole.tolist() and whole.sum() == 8 * SIZE * (SIZE - 2)
    for number in range(2):
        assert sum(each.sum(0) for _, each in cells.parts_of(counts, number)).tolist() == whole.tolist()
    facts = subset_facts(cells, {"model": counts}, scores, "mean_iou")
    assert [(row["name"], row["tiles"], row["model"]["mean_iou"]) for row in facts["scene"]["groups"]] == [
        ("b", 2, 0.0), ("c", 2, 1.0), ("d", 2, 1.0), ("e", 2, 1.0)]
    assert [row["model"]["counted"] for row in facts["region"]["groups"]] == [4 * 48, 4 * 48]
    assert counts.right.tolist() == [0, 0] + [48] * 6 and (counts.known == 48).all()
    text = "".join(subset_sections({"subsets": facts}, "mean_iou", {"model": "the model"}, "pixels"))
    assert "Scene by scene" in text and "By region" in text and "<td>b</td><td>2</td><td>96</td><td>0.000</td>" in text


def test_a_group_of_five_blocks_has_an_interval(folder):
    dataset, tiles = with_table(folder, place=list("xyxyxyxyxyxy")), np.arange(12)
    cells = Cells(blocks_of(dataset, tiles), groupings(dataset, tiles, "all"), 4)
    facts = subset_facts(cells, {"model": counted(dataset, tiles, cells.of, wrong=(0, 2))}, scores, "overall_accuracy")
    first, second = (row["model"] for row in facts["place"]["groups"])
    assert first["overall_accuracy"] == pytest.approx(4 / 6) and first["interval"][0] < 4 / 6 < first["interval"][1]
    assert second["interval"] == pytest.approx([0.6070, 1], abs=1e-4), "six blocks without an error: 0.05^(1/6)"


def test_days_of_scenes_and_whether_training_saw_them(folder):
    scenes = [scene("a", "2018-03-01"), scene("b", "2018-03-20"), scene("c", "2018-04-02"), scene("d", "2018-04-02")]
    dataset = with_table(folder, {"scenes": scenes}, scene=list("aaaabbbbccdd"))
    found = {one.name: one for one in groupings(dataset, np.arange(4, 12), "test")}
    assert found["month"].names == ("2018-03", "2018-04") and found["month"].of.tolist() == [0] * 4 + [1] * 4
    assert found["date"].names == ("2018-03-20", "2018-04-02")
    assert found["month"].note == "2 of 2 days were left out of training: 2018-03-20, 2018-04-02."
    seen = with_table(folder, scene=list("abcdabbbccdd"))
    assert next(one for one in groupings(seen, np.arange(4, 12), "test") if one.name == "month").note.startswith(
        "Training saw every one of these days, so nothing here tells what the model is worth on another day. To leave one out, divide")


SCREEN = {"built_up_from": "a map", "action": "keep", "minimum_density_km_per_km2": 5, "minimum_built_up_share": 0.1, "cell_m": 640,
          "lacking_share": 0.25}
ROADS = {"screen": SCREEN, "path": "roads.gpkg"}


def test_thirds_of_roads_by_how_complete_the_map_is(folder):
    density = [np.nan] * 4 + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    dataset = with_table(folder, {"theme": "roads", "facts": ROADS}, road_density=density, built_up=[0.5] * 11 + [0.01])
    one = next(one for one in groupings(dataset, np.arange(4, 12), "test") if one.name == "completeness")
    assert one.of.tolist() == [0, 0, 0, 1, 1, 2, 2, -1]
    assert one.names == ("lowest third, 1.0 to 3.0 km/km² of built-up ground", "middle third, 4.0 to 5.0 km/km² of built-up ground",
                         "highest third, 6.0 to 7.0 km/km² of built-up ground")
    assert "finds more than is mapped in the lowest third. Tiles with less than 10% of built-up ground are not judged." in one.note
