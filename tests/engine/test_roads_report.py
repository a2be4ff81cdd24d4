"""The report on a dataset of roads."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.themes.roads import report as roads_report
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..scenes import land
from ..scenes_roads import osm_file, town_without_roads


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roads")
    values = {"images": [str(land(folder))], "roads": str(osm_file(folder)), "built_up": str(town_without_roads(folder)), "tile_size": 32,
              "output": str(folder / "dataset")}
    JOBS["create_road_dataset"].from_values(values).run(SILENT)
    return Dataset.open(folder / "dataset")


def test_the_dataset_knows_what_was_drawn_and_screened(dataset):
    assert dataset.theme == "roads"
    assert dataset.facts["left_out"]["tunnel"]["ways"] == 2
    assert {"built_up", "road_km", "road_density", "suspicious", "weight"} <= set(dataset.tiles.columns)
    east = dataset.tiles["col"] >= 128
    assert (dataset.tiles["suspicious"][~east] == 0).all()
    assert dataset.tiles["suspicious"][east].sum() >= 20
    assert (dataset.tiles["weight"][dataset.tiles["suspicious"] == 1] < 1).all()


def test_the_page_shows_reasons_and_pictures(dataset):
    text = "".join(roads_report.sections(dataset))
    for words in ("4 of 13 ways", "tunnel", "covered below the ground", "Roads printed on the image", "Are roads missing?",
                  "Tiles that seem to lack roads", "“lanes” × 3.5 m"):
        assert words in text
    assert text.count("<img") == 3


def test_warnings_are_sentences(dataset):
    found = roads_report.warnings(dataset)
    assert any("of the tiles have much built-up ground with few roads around: the map may lack some." in text for text in found)
    assert all(text.endswith(".") for text in found)


def test_roads_are_printed_red_on_the_image():
    printed = roads_report.printed(np.full((1, 1, 3, 3), 100, np.uint8), np.array([[[0, 1, 255]]]))[0, 0]
    assert printed[0].tolist() == [100, 100, 100]
    assert printed[1, 0] > 150 > 100 > printed[1, 1]
    assert printed[2].tolist() != [100, 100, 100]
