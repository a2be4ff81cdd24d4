"""Roads as lines: with a tolerance, against another source, and what is found that the map lacks."""

import geopandas
import numpy as np
import pytest
import shapely

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.runs.blocks import Blocks
from eo_pretrain_qgis.engine.runs.found_roads import judged_facts, unmapped_facts, wilson, write_places
from eo_pretrain_qgis.engine.runs.further import Further
from eo_pretrain_qgis.engine.runs.road_page import road_sections
from eo_pretrain_qgis.engine.runs.road_scores import LABELS, REFERENCE, RoadMosaics, can_count_roads, line_figures, road_facts
from eo_pretrain_qgis.engine.runs.subsets import Grouping
from eo_pretrain_qgis.engine.runs.wholes import mosaics_of
from eo_pretrain_qgis.engine.themes.roads.reference_lines import ReferenceLines
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.scenes import ORIGIN, UTM, land, land_dataset, land_fields
from tests.scenes_roads import lines_elsewhere

#: Rows of `land` along which a road runs from border to border; the map lacks the last.
ROADS, LACKING = (40, 104, 168), 232
TILES = np.arange(64)


def lines(*rows):
    return [shapely.LineString([(ORIGIN[0], ORIGIN[1] - 10 * row - 5), (ORIGIN[0] + 2560, ORIGIN[1] - 10 * row - 5)]) for row in rows]


def layer(path, rows):
    geopandas.GeoDataFrame({"highway": ["primary"] * len(rows)}, geometry=lines(*rows), crs=UTM).to_file(path)
    return {"path": str(path)}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("roads")


@pytest.fixture(scope="module")
def dataset(place):
    """`land` with three roads of one pixel's width."""
    values = {"images": [str(land(place))], "roads": layer(place / "roads.gpkg", ROADS)["path"], "other_width": 4, "class_field": "", "edge": 0,
              "tile_size": 32, "incomplete": "keep", "output": str(place / "dataset")}
    widths = place / "widths.csv"
    widths.write_text("class,width\nprimary,4\n")
    JOBS["create_road_dataset"].from_values({**values, "widths": str(widths)}).run(SILENT)
    return Dataset.open(place / "dataset")


@pytest.fixture(scope="module")
def truth(place):
    return ReferenceLines.open(layer(place / "truth.gpkg", (*ROADS, LACKING)))


def moved(dataset, rows):
    """What a model says that has every road so many rows too low, and knows the one that the map lacks."""
    def ask(tiles):
        found = np.roll(dataset.labels(tiles), rows, axis=1)
        own = dataset.column("row")[tiles]
        for tile, top in zip(found, own, strict=True):
            if top <= LACKING < top + 32:
                tile[LACKING - top] = 1
        return found

    return ask


def test_what_is_near_enough_counts(dataset):
    mosaics = RoadMosaics(dataset, TILES)
    assert [region.labels.shape for region in mosaics.regions] == [(256, 256)]
    assert mosaics.of_answers(dataset.labels)[:, LABELS].sum(0).tolist() == [[3 * 256] * 4] * 2
    near = mosaics.of_answers(moved(dataset, 2))[:, LABELS].sum(0)
    assert near.tolist() == [[4 * 256, 0, 3 * 256, 0], [4 * 256, 3 * 256, 3 * 256, 3 * 256]], "2 px away: not within 1, within 3"
    one_tile = mosaics.of_answers(moved(dataset, 2))[8, LABELS, 1].tolist()
    assert one_tile == [32, 32, 32, 32], "row 40 is in the second row of tiles"


def test_labels_and_models_are_held_against_another_source(dataset, truth):
    mosaics = RoadMosaics(dataset, TILES, truth)
    assert mosaics.of_labels()[:, REFERENCE, 0].sum(0).tolist() == [3 * 256, 3 * 256, 4 * 256, 3 * 256]
    assert mosaics.of_answers(moved(dataset, 0))[:, REFERENCE, 0].sum(0).tolist() == [4 * 256] * 4


def test_a_source_that_reaches_over_a_part_is_the_truth_there_alone(dataset, place):
    part = ReferenceLines.open(layer(place / "part.gpkg", (40, 104)))
    assert RoadMosaics(dataset, TILES, part).of_labels()[:, REFERENCE, 0].sum(0).tolist() == [2 * 256] * 4, "the road in row 168 is no false alarm"


def test_what_the_map_lacks_is_told_and_drawn(dataset, truth, tmp_path):
    mosaics = RoadMosaics(dataset, TILES, truth)
    for region in mosaics.regions:
        region.mapped = np.zeros((256, 256), bool)
        region.mapped[[40, LACKING, 140]] = True
    found = mosaics.unmapped()
    assert sorted(set(found.rows.tolist())) == [140, LACKING] and len(found.rows) == 512
    facts = unmapped_facts(found, 768, 10.0, 0)
    assert facts == {"km": 5.12, "share": 512 / 768, "places": 50, "seed": 0, "in_reference": 0.5}
    write_places(str(tmp_path / "places.gpkg"), dataset, found, "abc", 0)
    rows = geopandas.read_file(tmp_path / "places.gpkg")
    assert len(rows) == 50 and set(rows["is_road"]) == {""} and set(rows["model"]) == {"abc"}
    heights = ((ORIGIN[1] - rows.geometry.y) / 10 - 0.5).round(6)
    assert set(heights) == {140.0, float(LACKING)} and ((rows["in_reference"] == "yes") == (heights == LACKING)).all()
    style = (tmp_path / "places.qml").read_text()
    assert 'attr="is_road"' in style and "ValueMap" in style and 'value="yes"' in style
    write_places(str(tmp_path / "again.gpkg"), dataset, found, "abc", 0)
    assert geopandas.read_file(tmp_path / "again.gpkg").geometry.tolist() == rows.geometry.tolist()


def judged(path, words, model="abc"):
    rows = geopandas.GeoDataFrame({"is_road": words, "model": model}, geometry=shapely.points(np.arange(len(words)), 0), crs=UTM)
    rows.to_file(path)
    return {"path": str(path)}


def test_judged_places_say_how_much_is_road(tmp_path):
    found = judged_facts(judged(tmp_path / "p.gpkg", ["yes"] * 8 + ["no"] * 2 + [""] * 5), "abc", 5.0)
    assert (found["places"], found["judged"], found["roads"], found["share"], found["km"]) == (15, 10, 8, 0.8, 4.0)
    assert found["interval"] == pytest.approx([0.4902, 0.9433], abs=1e-4) and found["km_interval"] == [2.451, 4.717]
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


@pytest.mark.parametrize(("words", "model", "sentence"), [
    (["yes", "perhaps"], "abc", "The field “is_road” of .*p.gpkg holds “perhaps”, but a place is judged with yes or no. Correct it."),
    (["", ""], "abc", "No place of .*p.gpkg is judged: the field “is_road” is empty. Write yes or no for each place first."),
    (["yes"], "other", "The places of .*p.gpkg were drawn from another model than that of this run. Judge places of this run."),
])
def test_places_that_say_nothing_are_refused(tmp_path, words, model, sentence):
    with pytest.raises(DataError, match=sentence):
        judged_facts(judged(tmp_path / "p.gpkg", words, model), "abc", 5.0)


def test_other_layers_are_refused(dataset, place, tmp_path):
    with pytest.raises(DataError, match=r"roads.gpkg has no fields “is_road” and “model”, so it is not a layer of places that this job has drawn."):
        judged_facts({"path": str(place / "roads.gpkg")}, "abc", 5.0)
    with pytest.raises(DataError, match=r"fields.gpkg holds .*Polygon, but reference roads are lines. Choose a line layer."):
        ReferenceLines.open({"path": str(land_fields(tmp_path))})
    with pytest.raises(DataError, match=r"No line of .*far.gpkg lies on the tiles that are measured, so nothing can be compared with it. Choose a"):
        RoadMosaics(dataset, TILES, ReferenceLines.open({"path": str(lines_elsewhere(tmp_path))}))
    other = Dataset.open(land_dataset(tmp_path))
    assert not can_count_roads(other)
    with pytest.raises(DataError, match=r"land_dataset is no dataset of roads that says where its tiles lie, so no roads can be compared."):
        mosaics_of(other, TILES, Further(places="p.gpkg"))


def test_figures_of_lines_have_intervals(dataset, truth):
    mosaics = RoadMosaics(dataset, TILES, truth)
    counts, blocks = {"model": mosaics.of_answers(moved(dataset, 2))}, Blocks(TILES // 8, 8, "8 rows")
    figures = line_figures(counts["model"][:, LABELS, 1], blocks)
    assert (figures["precision"], figures["recall"], figures["f1"]) == (0.75, 1.0, pytest.approx(6 / 7))
    assert figures["intervals"]["precision"][0] < 0.75 < figures["intervals"]["precision"][1]
    assert figures["intervals"]["recall"] == [pytest.approx(0.05 ** (1 / 3)), 1.0]  # three of the eight rows have a road, and all found it
    thirds = Grouping("completeness", "", ("lowest third", "highest third"), np.where(TILES < 24, 0, 1))
    facts = road_facts(counts, mosaics.of_labels(), blocks, [thirds], 10.0)["roads"]
    assert facts["tolerances_m"] == [10.0, 30.0] and facts["reference"]["line_km"] == 10.24
    assert [row["recall"] for row in facts["reference"]["labels"]] == [0.75, 0.75]
    assert [(row["name"], row["model"]["precision"]) for row in facts["by_completeness"]] == [("lowest third", 0.0), ("highest third", 0.0)]
    facts["reference"]["path"] = "truth.gpkg"
    facts["unmapped"] = {"km": 5.12, "share": 0.5, "places": 50, "seed": 0, "in_reference": 0.5}
    text = "".join(road_sections({"roads": facts}, {"model": "the model"}))
    for words in ("within 1 px (10 m)", "by how complete the map of roads is", "about 10.2 km on these tiles", "the labels",
                  "About 5.12 km of the model", "50% of all, lie more than 3 px (30 m) from every mapped road.",
                  "The other source has a road at 50% of this length", "let 50 places be drawn"):
        assert words in text
