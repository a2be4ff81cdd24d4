"""What is chosen where nothing is asked for, and that a run which goes on compares what was chosen."""

import json
import shutil
from dataclasses import replace

import pytest

from eo_pretrain_qgis.engine.datasets.dataset import TILES, Dataset, read_tiles
from eo_pretrain_qgis.engine.learning.finetuning.defaults import defaults, keep_of
from eo_pretrain_qgis.engine.learning.finetuning.recipe import chosen_context, completed, finetune
from eo_pretrain_qgis.errors import DataError
from tests.settings import finetuning as Settings

from ...listening import Listening
from .conftest import SMALL
from .tiny import write_dataset
from .tiny_scenes import write_scenes

SAID = "Chosen for 32 labelled training tiles from starting weights: batch size 32, learning rate 5e-05, augmentation “flips”, averaging 0.99, "\
       "the last epoch kept."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "stripes")


@pytest.mark.parametrize(("labels", "steps", "rate"), [(163, 15, 5e-5), (810, 20, 1e-4), (1620, 20, 3e-4), (8102, None, 3e-4)])
def test_few_labels_get_few_steps_of_many_images(labels, steps, rate):
    found = defaults(True, True, labels)
    assert (found.batch_size, found.epochs, found.augmentation, found.average) == (32, 10, "flips", 0.99)
    assert (found.epoch_steps, found.learning_rate) == (steps, rate)


@pytest.mark.parametrize(("unit", "scenes", "augmentation"), [
    ("dB", ["a", "b"], "full"), ("linear", ["a", "b"], "full"), ("dB", ["a", "a"], "flips"), ("reflectance", ["a", "b"], "flips")])
def test_radar_of_several_scenes_is_shifted_in_its_level(folder, tmp_path, unit, scenes, augmentation):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    description = json.loads((copy / "dataset.json").read_text())
    for band in description["sensors"][0]["bands"]:
        band["unit"] = unit
    (copy / "dataset.json").write_text(json.dumps(description))
    table = read_tiles(copy)
    table.assign(scene=[scenes[tile % 2] for tile in table["tile"]]).to_file(copy / TILES, layer="tiles", driver="GPKG")
    assert completed(Settings(start="x"), Dataset.open(copy))[0].augmentation == augmentation
    assert completed(Settings(), Dataset.open(copy))[0].augmentation == augmentation


def test_pixels_and_training_from_scratch_keep_theirs(dataset, folder):
    usual = {"epochs": 40, "batch_size": 8, "epoch_steps": None}
    pixels, images = (5e-4, 0.98, "flips"), (1e-3, 0.0, "flips")
    for chosen, own in ((completed(Settings(), dataset)[0], pixels), (completed(Settings(start="x"), dataset)[0], pixels),
                        (completed(Settings(), Dataset.open(folder))[0], images)):
        assert (chosen.learning_rate, chosen.average, chosen.augmentation) == own
        assert {name: getattr(chosen, name) for name in usual} == usual


@pytest.mark.parametrize(("labels", "scratch", "started"), [(1, 5e-4, 5e-4), (50, 1.5e-3, 1e-3), (100, 3e-3, 1e-3), (9000, 3e-3, 1e-3)])
def test_the_rate_of_pixels_grows_with_their_tiles(labels, scratch, started):
    assert defaults(False, False, labels).learning_rate == pytest.approx(scratch)
    assert defaults(False, True, labels).learning_rate == pytest.approx(started)


def test_of_few_validation_tiles_none_chooses_the_epoch():
    assert [keep_of(tiles) for tiles in (0, 9, 10)] == ["last", "last", "best"]


def test_a_run_that_is_continued_keeps_what_was_chosen_for_it(dataset):
    chosen, _ = completed(Settings(), dataset, {"learning_rate": 0.02, "average": 0.5, "keep": "best"})
    assert (chosen.learning_rate, chosen.average, chosen.keep) == (0.02, 0.5, "best")
    assert completed(Settings(learning_rate=0.1), dataset, {"learning_rate": 0.02})[0].learning_rate == 0.1


def test_a_value_that_was_given_wins(folder):
    scenes = Dataset.open(folder)
    given = {"batch_size": 4, "epochs": 7, "learning_rate": 0.1, "augmentation": "none", "average": 0.0, "epoch_steps": 3, "keep": "best"}
    chosen, said = completed(Settings(start="x", **given), scenes)
    assert {name: getattr(chosen, name) for name in given} == given
    assert said == ""
    assert completed(Settings(start="x", epochs=7), scenes)[0].epoch_steps is None, "epochs are passes unless steps are asked for too"
    assert completed(Settings(start="x", label_share=25), scenes)[1].startswith("Chosen for 8 labelled")


def test_what_was_chosen_is_said_kept_and_compared(folder, run_folder, tmp_path):
    heard, run = Listening(), tmp_path / "run"
    settings = Settings(encoder=SMALL, start=str(run_folder), epochs=1, device="cpu")
    finetune(str(folder), str(run), settings, heard)
    assert SAID in heard.texts
    card = json.loads((run / "run.json").read_text())
    assert card["chosen"] == SAID
    assert {"batch_size": 32, "learning_rate": 5e-5, "augmentation": "flips", "average": 0.99}.items() <= card["settings"].items()
    finetune(str(folder), str(run), replace(settings, batch_size=32))  # the same, said aloud
    with pytest.raises(DataError, match="“batch size” .batch_size. was 32, and is 8 now. To go on with it, give the"):
        finetune(str(folder), str(run), replace(settings, batch_size=8))


def test_small_tiles_are_seen_with_what_lies_around_them(dataset, folder, tmp_path):
    def chosen(side, asked=None, places=True):
        place = tmp_path / f"{side} {asked} {places}"
        write_dataset(place, count=2, size=side, splits=["training"] * 2)
        if places:
            table = read_tiles(place).assign(scene="a", row=0, col=[0, side])
            table.to_file(place / TILES, layer="tiles", driver="GPKG")
        return chosen_context(Dataset.open(place), asked, {})

    assert [chosen(side) for side in (32, 64, 96, 128)] == [16, 16, 16, 0]
    assert chosen(32, places=False) == 0, "there is nothing around tiles of which nobody knows where they lie"
    assert (chosen(64, 5), chosen(64, 0)) == (5, 0)
    assert chosen_context(Dataset.open(folder), None, {}) == 0
    with pytest.raises(DataError, match=r"A context of 8 px was asked for, and in .* a class belongs to images as a whole. Leave “Context” empty."):
        chosen_context(Dataset.open(folder), 8, {})


def test_a_run_goes_on_with_its_context(dataset_folder, tmp_path):
    run, settings = tmp_path / "run", Settings(encoder=SMALL, epochs=1, batch_size=4, device="cpu")
    heard = Listening()
    finetune(str(dataset_folder), str(run), replace(settings, context=8), heard)
    assert "The network sees 8 px around each tile, as it will in a map; they are not learned from." in heard.texts
    finetune(str(dataset_folder), str(run), replace(settings, epochs=2))
    card = json.loads((run / "run.json").read_text())
    assert (card["settings"]["context"], card["epochs_run"]) == (8, 2)
    with pytest.raises(DataError, match="a run with other settings: “context” .context. was 8, and is 0 now"):
        finetune(str(dataset_folder), str(run), replace(settings, epochs=3, context=0))
