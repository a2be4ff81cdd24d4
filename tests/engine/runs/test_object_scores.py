"""Whole fields of a dataset counted: regions of tiles, what is said of them, and images that are gone."""

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.measures.objects import HITS, LARGE, MISSED, object_scores
from eo_pretrain_qgis.engine.runs.blocks import Blocks
from eo_pretrain_qgis.engine.runs.evaluation import measure_classifier
from eo_pretrain_qgis.engine.runs.object_scores import Regions, can_count, object_figures, object_sections
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests import scenes, scenes_fields


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fields")


@pytest.fixture(scope="module")
def fields(place):
    return Dataset.open(scenes_fields.field_dataset(place))


def test_tiles_that_touch_are_one_region(fields):
    everything = Regions(fields, np.arange(64)).regions
    assert [region.truth.shape for region in everything] == [(256, 256)]
    apart = Regions(fields, np.array([0, 1, 9, 40, 63])).regions  # 9 lies below and right of 0, so it touches
    assert sorted(region.truth.shape for region in apart) == [(32, 32), (32, 32), (64, 64)]
    assert everything[0].labelled.all() and len(np.unique(everything[0].truth)) - 1 == 64


def test_true_classes_give_the_true_fields(fields):
    regions = Regions(fields, np.arange(64))
    counts = regions.of_answers(fields.labels)
    figures = object_scores(counts.sum(0))
    assert figures["objects"] >= 62 and figures["f1"] == 1.0
    nothing = regions.of_answers(lambda tiles: np.zeros((len(tiles), 32, 32), np.uint8)).sum(0)
    assert nothing[LARGE, [HITS, MISSED]].tolist() == [0, figures["objects"]]


def test_fields_are_of_the_tile_that_holds_most_of_them(fields):
    counts, numbers = Regions(fields, np.arange(64)).of_answers(fields.labels), fields.array("objects", np.arange(64)).reshape(64, -1)
    pixels = np.stack([np.bincount(tile, minlength=numbers.max() + 1) for tile in numbers.astype(int)])[:, 1:]
    assert counts.shape == (64, 2, 3)
    assert (counts[..., [HITS, MISSED]].sum((1, 2)) == np.bincount(pixels[:, pixels.any(0)].argmax(0), minlength=64)).all()


def test_intervals_are_of_blocks_of_tiles():
    """In half of the blocks every field is found, in half none: of six blocks a resample has from 0 to 6 of the good ones."""
    counts = np.zeros((12, 2, 3), np.int64)
    counts[:6, LARGE, HITS] = counts[6:, LARGE, MISSED] = 10
    found = object_figures(counts, Blocks(np.arange(12) // 2, 6, "6 scenes"))
    low, high = found["intervals"]["recall"]
    assert (found["objects"], found["recall"], found["precision"]) == (120, 0.5, 1.0) and low <= 1 / 6 and high >= 5 / 6
    # Three blocks have found ones, and all of these are right: 0.05^(1/3) = 0.3684.
    assert found["intervals"]["precision"] == pytest.approx([0.3684, 1], abs=1e-4) and found["small"]["intervals"]["f1"] is None
    assert object_figures(counts, Blocks(np.arange(12) // 3, 4, "4 scenes"))["intervals"]["recall"] is None, "four blocks are too few"


def test_gradients_find_fields_that_differ(fields):
    figures = object_scores(Regions(fields, np.arange(64)).of_gradients("").sum(0))
    assert figures["recall"] > 0.5


def test_other_datasets_number_no_objects(tmp_path):
    assert not can_count(Dataset.open(scenes.land_dataset(tmp_path)))


def test_images_that_are_gone_are_left_out(tmp_path):
    run = scenes_fields.field_simple_run(tmp_path)
    facts, sections = measure_classifier(str(run), None, "test")
    assert set(facts["objects"]) == {"model", "majority", "statistics", "boosting", "gradients"}
    assert facts["objects"]["model"] == facts["objects"]["statistics"], "it is the regression"
    assert "watershed on gradients" in "".join(sections)
    (tmp_path / "S2_20230408.tif").unlink()
    facts, sections = measure_classifier(str(run), None, "test")
    assert facts["objects"]["model"]["objects"] == 0 and facts["model"]["mean_iou"] > 0
    assert "images that cannot be seen again are left out" in "".join(sections)
    assert object_sections({}, {}) == []


def test_warnings_of_a_dataset_of_fields(fields):
    from eo_pretrain_qgis.engine.themes.fields.report import warnings

    said = warnings(fields)
    assert len(said) == 1 and said[0].startswith("Only ") and said[0].endswith("fields in the test tiles: figures from so few are uncertain.")
    many = Dataset(fields.folder, {**fields.description, "facts": {**fields.facts, "overlapping": 30, "without_pixel": 20}})
    assert warnings(many)[1:] == [
        "30 of 65 fields overlap another, so much of their ground is not labelled. Give one layer of one year.",
        "20 of 65 fields are too small for the pixels of the images."]


def test_another_split_keeps_what_is_known_of_fields(fields, tmp_path):
    JOBS["split_dataset"].from_values({"dataset": str(fields.folder), "seed": 3, "output": str(tmp_path / "again")}).run(SILENT)
    again = Dataset.open(tmp_path / "again")
    assert (again.array("objects", np.arange(64)) == fields.array("objects", np.arange(64))).all()
