"""Samples kept apart by name: nothing learns from them or tests on them unasked, and a model is measured on them by their name."""

import geopandas
import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import DROPPED, SPLITS, TILES, Dataset
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.engine.datasets.splitting.resplitting import divide_again
from eo_pretrain_qgis.engine.datasets.subsets import subset_names
from eo_pretrain_qgis.engine.describing.page import describe, write_report
from eo_pretrain_qgis.engine.runs.evaluation import measure_classifier
from eo_pretrain_qgis.engine.runs.further import Further
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.arrays import changed_on_purpose
from tests.engine.learning.tiny_scenes import write_scenes
from tests.listening import Listening

COUNT, CLOUD = 60, 20_000
#: Every fifth image is under clouds; one of these shows snow, too, and one has snow alone.
CLOUDY, SNOWY = list(range(0, COUNT, 5)), [5, 7]


def named(number):
    return ",".join(name for name, own in (("clouds", CLOUDY), ("snow", SNOWY)) if number in own) or None


def whitened_out(folder):
    """Striped images of four classes, of which those under clouds are white and have any class."""
    write_scenes(folder, count=COUNT)
    dataset = Dataset.open(folder)
    changed_on_purpose(folder)
    images = np.lib.format.open_memmap(folder / dataset.shards.shards[0]["images"]["image"], mode="r+")
    images[[*CLOUDY, 7]] = CLOUD
    images.flush()
    tiles = geopandas.read_file(folder / TILES)
    tiles.assign(subset=[named(number) for number in range(COUNT)]).to_file(folder / TILES, layer="tiles", driver="GPKG")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("subsets")


@pytest.fixture(scope="module")
def dataset(place):
    """The images divided anew, so that their statistics are those of what is left."""
    whitened_out(place / "before")
    (place / "dataset").mkdir()
    divide_again(Dataset.open(place / "before"), place / "dataset", SplitPlan(0.2, 0.3), "random")
    return Dataset.open(place / "dataset")


@pytest.fixture(scope="module")
def run(place, dataset):
    JOBS["finetune"].from_values({"dataset": str(dataset.folder), "approach": "statistics", "output": str(place / "run")}).run(SILENT)
    return place / "run"


def test_nothing_learns_from_a_subset(dataset):
    apart = np.array([bool(named(number)) for number in range(COUNT)])
    assert set(dataset.splits[apart]) == {DROPPED} and DROPPED not in dataset.splits[~apart]
    assert not apart[np.concatenate([dataset.indices(split) for split in (*SPLITS, "all", DROPPED)])].any()
    assert len(dataset.indices("all")) == COUNT - 13
    assert all(known["maximum"] < 5000 for known in dataset.statistics["image"].values()), "no cloud in the statistics"
    training = dataset.images(dataset.indices("training"))[:, 0]
    assert dataset.statistics["image"]["B02"]["mean"] == pytest.approx(training.mean(), rel=1e-3)
    counts = dataset.labels(dataset.indices("training"))
    assert dataset.description["class_pixels"]["training"] == np.bincount(counts, minlength=4).tolist()
    assert dataset.inputs["image"].bands[0].centre == pytest.approx(np.median(training), rel=0.02)


def test_a_subset_knows_its_places(dataset):
    assert subset_names(dataset.tiles) == ["clouds", "snow"]
    assert dataset.indices("all", subset="clouds").tolist() == CLOUDY and dataset.indices("all", subset="snow").tolist() == SNOWY
    places = dataset.tiles["subset_split"].to_numpy(dtype=object)
    for split in SPLITS:
        own = dataset.indices(split, subset="clouds")
        assert own.tolist() == [number for number in CLOUDY if places[number] == split] and len(own)
    with pytest.raises(DataError, match="has no subset “fog”; it has clouds, snow. Name one of these, or leave “Subset”"):
        dataset.indices("test", subset="fog")


def test_a_subset_stays_apart_whatever_the_field_split_says(place):
    dataset = Dataset.open(place / "before")  # named by hand: the field split is as it was
    assert set(dataset.splits[CLOUDY]) == {DROPPED} and dataset.indices("test", subset="clouds").tolist() == [5, 35]


def test_places_follow_a_new_split(place, dataset):
    (place / "again").mkdir()
    divide_again(dataset, place / "again", SplitPlan(0.2, 0.3, seed=9), "random")
    again = Dataset.open(place / "again")
    assert again.indices("all", subset="clouds").tolist() == CLOUDY and not (again.splits[CLOUDY] != DROPPED).any()
    assert again.tiles["subset_split"][CLOUDY].tolist() != dataset.tiles["subset_split"][CLOUDY].tolist()
    assert set(again.tiles["subset_split"][CLOUDY]) == set(SPLITS)
    text = again.description["split"]["text"]
    counts = [int((again.splits == split).sum()) for split in SPLITS]
    assert sum(counts) == COUNT - 13
    assert text.endswith("Without the 13 samples of the named subsets clouds, snow, which are measured by name alone, that leaves "
                         f"{counts[0]} for training, {counts[1]} for validation and {counts[2]} for test.")


def test_all_samples_in_subsets_are_refused(place):
    write_scenes(place / "all", count=8)
    tiles = geopandas.read_file(place / "all" / TILES)
    tiles.assign(subset="clouds").to_file(place / "all" / TILES, layer="tiles", driver="GPKG")
    (place / "none_left").mkdir()
    with pytest.raises(DataError, match="All 8 samples of stripes are of the named subsets clouds, so none is left to learn from. Add other"):
        divide_again(Dataset.open(place / "all"), place / "none_left", SplitPlan(0.2, 0.2), "random")


def test_the_page_lists_subsets(place, dataset):
    facts = describe(dataset)
    clouds, snow = facts["subsets"]
    assert (clouds["name"], clouds["tiles"], snow["name"], snow["tiles"]) == ("clouds", 12, "snow", 2)
    assert sum(clouds[split] for split in SPLITS) == 12 and facts["tiles_by_split"][DROPPED] == 0
    assert not any("were dropped" in text for text in facts["warnings"])
    write_report(place / "report.html", dataset, facts)
    page = (place / "report.html").read_text()
    assert "0 dropped, 13 of the named subsets clouds, snow." in page and "at places of training" in page


def test_a_model_is_measured_on_a_subset_by_name(run, dataset):
    """The slides' second table: what the model is worth on clear test images, and on those under clouds."""
    clear, _ = measure_classifier(str(run), None, "test")
    facts, pieces = measure_classifier(str(run), None, "test", further=Further(subset="clouds"))
    assert facts["subset"] == "clouds" and facts["tiles"] == len(dataset.indices("test", subset="clouds"))
    assert facts["others"]["model"]["overall_accuracy"] == clear["model"]["overall_accuracy"] > 0.65
    assert facts["others"]["model"]["intervals"] == clear["model"]["intervals"] and facts["others"]["tiles"] == clear["tiles"]
    shares = np.bincount(dataset.labels(dataset.indices("test", subset="clouds")), minlength=4) / facts["tiles"]
    assert facts["model"]["overall_accuracy"] in shares.tolist(), "all white: one answer for four classes"
    text = "".join(pieces)
    assert "The subset “clouds” beside the others" in text and "of the subset “clouds”, which nothing learned from" in text
    assert "Not measured: the subset snow, which “Subset” measures." in text
    assert "subset" not in clear and "others" not in clear


def test_all_of_a_subset_is_measured_though_the_run_learned_beside_it(run):
    facts, _ = measure_classifier(str(run), None, "all", further=Further(subset="clouds"))
    assert facts["tiles"] == 12 and facts["others"]["split"] == "test"
    with pytest.raises(DataError, match="has learned from tiles of .*, so all of them together are no test"):
        measure_classifier(str(run), None, "all")


def test_the_job_measures_a_subset(run, place):
    heard = Listening()
    values = {"run_folder": str(run), "split": "all", "subset": "clouds", "output": str(place / "clouds.html"), "errors": str(place / "wrong.gpkg")}
    result = JOBS["evaluate_model"].from_values(values).run(heard)
    assert result["overall_accuracy"] < 0.6 and len(geopandas.read_file(place / "wrong.gpkg")) == 12
    assert any(text.startswith("Overall accuracy on all tiles of the subset “clouds”: 0.") for text in heard.texts)
    assert "tiles of the subset “clouds” of stripes" in (place / "clouds.html").read_text()


def test_a_subset_without_such_places_says_what_to_do(run, place):
    dataset = Dataset.open(place / "dataset")
    lacking = next(split for split in ("validation", "test", "training") if not len(dataset.indices(split, subset="snow")))
    with pytest.raises(DataError, match=f"has no {lacking} tiles of the subset “snow”. Choose “all”, which takes all of the subset, or divide"):
        measure_classifier(str(run), None, lacking, further=Further(subset="snow"))
