"""Comparing starting weights: what few draws say, what may change when a comparison goes on, and that it comes to the same."""

import json
import shutil
from dataclasses import replace

import geopandas
import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.splitting.label_shares import training_share
from eo_pretrain_qgis.engine.learning.comparison import comparing, rates
from eo_pretrain_qgis.engine.learning.comparison.asking import EPOCHS, SIMPLE, Cell, Options, Start, cells_of, steps_for, training_of
from eo_pretrain_qgis.engine.learning.comparison.comparing import Comparison, Rising
from eo_pretrain_qgis.engine.learning.comparison.findings import HARMS, HELPS, NOTHING, UNKNOWN, Difference, curves_of, differences_of, verdict
from eo_pretrain_qgis.engine.learning.comparison.measuring import SURENESS, scored
from eo_pretrain_qgis.engine.learning.comparison.page import compare
from eo_pretrain_qgis.engine.learning.comparison.rates import FOLDS, write_fold
from eo_pretrain_qgis.engine.learning.comparison.starts import names_of
from eo_pretrain_qgis.engine.measures.paired import paired
from eo_pretrain_qgis.engine.tasks import TASKS
from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.progress import SILENT

from ...listening import Listening
from ...settings import finetuning
from .tiny_scenes import write_scenes

STARTS = [Start("scratch", None, "resnet18"), Start("ours", "w.safetensors", "resnet18", sha256="0")]
SCENE = TASKS["scene"]
SMALL = "tu-test_resnet"


def cell(start, share, seed, right, of=8, blocks=6):
    """A cell of two classes: so many of `of` samples right in a block, from scratch one more in every other block and one less between them."""
    each = [right + (start == "scratch") * (1 - 2 * (block % 2)) for block in range(blocks)]
    counts = [[[count, of - count], [0, of]] for count in each]
    score = SCENE.figures(np.sum(counts, 0))[SCENE.score]
    return {"start": start, "way": "fine_tune", "share": share, "seed": seed, "budget": 1, "score": score, "counts": counts,
            "labels": int(share * 10), "real_share": share, "class_labels": [1, 1],
            "seconds": 1.0, "steps": 4}


def differences(rights):
    """Of one start: share → pairs of right answers from scratch and from it."""
    cells = [cell(name, share, seed, pair[place]) for share, pairs in rights.items() for seed, pair in enumerate(pairs)
             for place, name in enumerate(("scratch", "ours"))]
    curves = curves_of(cells)
    return differences_of(("ours", "fine_tune", 1), cells, curves, STARTS, SCENE)


def test_a_gain_in_every_draw_is_told_and_noise_is_not():
    helps, noise = differences({5: [(2, 6), (3, 7), (2, 7), (3, 6), (2, 6)], 100: [(6, 7), (7, 6), (6, 6), (7, 7), (6, 7)]})
    assert helps.verdict == HELPS and noise.verdict == NOTHING
    # 4, 4, 5, 3, 4 more of 8 in one of two classes: a sixteenth each.
    assert helps.found.mean == pytest.approx(4 / 16) and 0 < helps.ground[0] < 4 / 16 < helps.ground[1]
    assert helps.corrected == pytest.approx(2 * helps.found.probability)
    # From scratch .65 at 50 labels and .9 at 1000; .9 is reached at the end of the curve.
    scratch = [np.mean([2, 3, 2, 3, 2]) / 16 + 0.5, np.mean([6, 7, 6, 7, 6]) / 16 + 0.5]
    share = (helps.found.mean + scratch[0] - scratch[0]) / (scratch[1] - scratch[0])
    assert helps.saved == pytest.approx(20 ** share)
    told = verdict("ours", "fine_tune", [helps, noise], "overall accuracy")
    assert told == (f"“ours”, against scratch in overall accuracy: helps with +0.250 at 5 % of the labels; no difference is shown at 100 %. "
                    f"At 5 % it is worth {20 ** share:.1f} times as many labels from scratch.")


def test_harm_is_told_and_one_draw_says_nothing():
    harm, = differences({10: [(6, 2), (7, 3), (7, 2), (6, 2), (6, 3)]})
    assert harm.verdict == HARMS and harm.needed is None
    single, = differences({10: [(2, 7)]})
    assert single.verdict == UNKNOWN
    assert verdict("ours", "frozen", [single], "x") == ("“ours” (frozen): fewer than 3 draws of the labels tell nothing about chance. Ask for more; "
                                                        "five are usual.")


def test_of_few_blocks_the_ground_says_nothing():
    cells = [cell(name, 10, seed, right, blocks=4) for seed in range(6) for name, right in (("scratch", 2), ("ours", 6))]
    found, = differences_of(("ours", "fine_tune", 1), cells, curves_of(cells), STARTS, SCENE)
    assert found.ground is None and found.verdict == HELPS


def test_labels_saved_never_contradict_the_difference():
    """From scratch the score falls with more labels; the levelled curve would say that the start, which is above it, needs more labels."""
    found = differences({5: [(7, 7)] * 6, 100: [(2, 3), (3, 5), (2, 4), (3, 4), (2, 4), (3, 5)]})
    assert found[1].verdict == HELPS and (found[1].needed, found[1].saved) == (None, None)
    assert "labels from scratch" not in verdict("ours", "fine_tune", found, "x").partition("helps")[2]


def test_ground_that_says_the_contrary_shows_nothing():
    assert Difference(5, paired([0.1, 0.11, 0.12]), 0.01, (-0.2, -0.1), None, None).verdict == NOTHING
    assert Difference(5, paired([-0.1, -0.11, -0.12]), 0.01, (-0.2, -0.1), None, None).verdict == HARMS


def test_every_cell_has_a_file_of_its_own_on_every_disk():
    names = ("run", "Run", "ru.n", "ru-n", "日本", "本日", "x" * 255, "x" * 254 + "y", "ac", "c`")
    keys = [Cell("x", "fine_tune", share, 1, of=name).key for name in names for share in (33.33333, 33.333331)]
    assert len({key.lower() for key in keys}) == len(keys) and max(map(len, keys)) < 150 and all(key.isascii() for key in keys)


def test_names_tell_starts_apart(tmp_path):
    assert names_of(("runs/barlow", "catalogue:presto_s1_s2", "runs/twin/encoder.safetensors")) == ["barlow", "presto_s1_s2", "twin"]
    assert names_of(("a/run", "b/run")) == ["1: run", "2: run"]
    with pytest.raises(DataError, match="named twice"):
        names_of(("a/run", "a/./run"))


def options(folder, **more):
    training = replace(finetuning(encoder=SMALL, device="cpu", batch_size=8), approach="network")
    return replace(Options(str(folder), (), ("fine_tune",), (20.0, 100.0), 2, 1, "validation", 4, False, False, training), **more)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "stripes")


def test_every_start_takes_the_same_steps_and_no_label_chooses(scenes):
    dataset, asked = Dataset.open(scenes), options(scenes, longer=True, starts=("w.safetensors",))
    cells = cells_of(asked, STARTS)
    assert len(cells) == len({one.key for one in cells}) == 2 * 2 * (4 + 2 * 2)
    for one in cells:
        start = next((row for row in STARTS if row.name == one.start), None)
        if start:
            found = training_of(asked, dataset, one, start)
            assert found.epochs * found.epoch_steps == 4 * one.budget and found.keep == "last" and found.spread_labels == "no"
            assert (found.start, found.label_share, found.seed) == (start.path, one.share, one.seed)
    assert steps_for(1, 8) == 60 and steps_for(100, 8) == 125 and steps_for(10_000, 8) == 240 and EPOCHS < 60


def test_a_comparison_goes_on_with_the_same_figures(scenes, tmp_path):
    folder, heard = str(tmp_path / "compared"), Listening()
    first = compare(folder, options(scenes), 1, False, heard)
    assert first["figures"] == first["computed"] == 2 * 2 * 5 and first["trainings"] == 2 * 2
    kept = sorted((tmp_path / "compared" / "cells").iterdir())
    assert all(path.suffix == ".json" for path in kept) and len(kept) == 20
    figures = {path.name: json.loads(path.read_text()) for path in kept}
    for name in (kept[0].name, kept[-1].name):
        (tmp_path / "compared" / "cells" / name).unlink()
    again = compare(folder, options(scenes, shares=(20.0, 50.0, 100.0)), 1, False, SILENT)
    assert again["figures"] == 30 and again["computed"] == 12
    for name in (kept[0].name, kept[-1].name):
        anew = json.loads((tmp_path / "compared" / "cells" / name).read_text())
        assert {**anew, "seconds": 0} == {**figures[name], "seconds": 0}, "the same draw gives the same figures"
    scratch = next(one for one in figures.values() if one["start"] == "scratch" and one["share"] == 100)
    assert scratch["steps"] == 4 and scratch["training_multiply_adds"] == 3 * 32 * scratch["mapping_multiply_adds"]
    assert np.sum(scratch["counts"]) == len(Dataset.open(scenes).indices("validation"))
    page = (tmp_path / "compared" / "report.html").read_text(encoding="utf-8")
    assert "Overall accuracy on the validation" in page and "Labels of each class" in page and "really" in page
    rows = (tmp_path / "compared" / "curves.csv").read_text().splitlines()
    assert len(rows) == 1 + 5 * 3 and sum("majority" in row for row in rows) == 3
    with pytest.raises(DataError, match="a comparison with other settings: “steps” .steps. was 4, and is 8 now"):
        Comparison(folder, options(scenes, steps=8))
    with pytest.raises(DataError, match="“learning rate” .learning_rate. was empty, and is 0.1 now"):
        Comparison(folder, options(scenes, training=replace(options(scenes).training, learning_rate=0.1)))


def test_a_damaged_figure_is_named(scenes, tmp_path):
    folder = tmp_path / "compared"
    comparison = Comparison(str(folder), options(scenes, shares=(100.0,), draws=1))
    for one in comparison.cells:
        (folder / "cells" / f"{one.key}.json").write_text("{}")
    with pytest.raises(DataError, match="is no figure of a comparison"):
        comparison.compute(1, SILENT)


def test_a_figure_that_lacks_something_is_named(scenes, tmp_path):
    asked = options(scenes, shares=(100.0,), draws=1)
    compare(str(tmp_path / "compared"), asked, 1, False, SILENT)
    for path in (tmp_path / "compared" / "cells").iterdir():
        path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "class_labels"}))
    with pytest.raises(DataError, match="is no figure of a comparison .it lacks class_labels.. Delete it, and it is computed again."):
        compare(str(tmp_path / "compared"), asked, 1, False, SILENT)


def test_what_only_told_what_it_would_do_binds_nobody(scenes, tmp_path):
    folder = str(tmp_path / "compared")
    assert compare(folder, options(scenes, shares=(100.0,), draws=1), 1, True, SILENT)["computed"] == 0
    assert compare(folder, options(scenes, shares=(100.0,), draws=1, steps=8), 1, False, SILENT)["computed"] == 5
    with pytest.raises(DataError, match="a comparison with other settings: “steps” .steps. was 8, and is 4 now. To go on"):
        Comparison(folder, options(scenes))


def test_samples_that_changed_their_split_are_another_dataset(scenes, tmp_path):
    """dataset.json does not name them: a subset may be named by hand, and figures of other test samples cannot be held against each other."""
    shutil.copytree(scenes, tmp_path / "own")
    folder, asked = str(tmp_path / "compared"), options(tmp_path / "own", shares=(100.0,), draws=1)
    compare(folder, asked, 1, False, SILENT)
    tiles = geopandas.read_file(tmp_path / "own" / "tiles.gpkg")
    tiles.assign(subset=["clouds" if number == 2 else None for number in range(len(tiles))]).to_file(
        tmp_path / "own" / "tiles.gpkg", layer="tiles", driver="GPKG")
    with pytest.raises(DataError, match="holds a comparison on another dataset, or that one has changed since. Choose a new folder."):
        compare(folder, asked, 1, False, SILENT)


def test_a_folder_of_something_else_is_refused(scenes, tmp_path):
    (tmp_path / "compared").mkdir()
    (tmp_path / "compared" / "mine.txt").write_text("x")
    with pytest.raises(DataError):
        Comparison(str(tmp_path / "compared"), options(scenes))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "comparison.json").write_text("[]")
    with pytest.raises(DataError, match="is no record of a comparison"):
        Comparison(str(tmp_path / "other"), options(scenes))


def test_rates_are_chosen_by_labelled_samples_alone(scenes, tmp_path, monkeypatch):
    dataset, asked = Dataset.open(scenes), options(scenes, rates=True, shares=(50.0, 100.0))
    parts = []
    for fold in range(FOLDS):
        (tmp_path / str(fold)).mkdir()
        write_fold(dataset, tmp_path / str(fold), asked, fold)
        parts.append(Dataset.open(tmp_path / str(fold)))
    labelled = training_share(dataset, 50, 1)
    for one in parts:
        assert not set(one.indices("training")) & set(one.indices("validation"))
        assert sorted([*one.indices("training"), *one.indices("validation")]) == sorted(labelled)
    assert sorted(np.concatenate([one.indices("validation") for one in parts])) == sorted(labelled)
    folder = str(tmp_path / "compared")
    compare(folder, asked, 1, False, SILENT)
    kept = json.loads((tmp_path / "compared" / "rates.json").read_text())
    assert list(kept) == [f"{SMALL} scratch"] and len(kept[f"{SMALL} scratch"]) == 3
    usual = training_of(asked, dataset, Cell("scratch", "fine_tune", 100.0, 1), STARTS[0])
    assert usual.learning_rate is None
    more = training_of(asked, dataset, Cell("scratch", "fine_tune", 100.0, 1), replace(STARTS[0], factor=3.0))
    assert more.learning_rate == pytest.approx(3e-3), "three times what images from scratch take"
    (tmp_path / "compared" / "rates.json").write_text('{"scratch": [1]}')
    with pytest.raises(DataError, match="is no record of rates"):
        compare(folder, asked, 1, False, SILENT)
    monkeypatch.setattr(rates, "training_share", lambda *asked: labelled[:3])
    with pytest.raises(DataError, match="has 3 labelled tiles, too few to choose a rate by"):
        write_fold(dataset, tmp_path, replace(asked, shares=(0.01,)), 0)


def test_each_fold_is_scored_on_its_own_validation_samples(scenes, tmp_path, monkeypatch):
    """A process keeps the dataset that it read; a second fold in the same folder is another one."""
    seen = []

    def heard(workspace, asked, one, start, progress):
        seen.append(sorted(scored(asked.dataset, asked.split)[0].indices("validation")))
        assert not set(seen[-1]) & set(Dataset.open(asked.dataset).indices("training")), "scored on what is learned from"
        return {"score": 0.5}

    monkeypatch.setattr(rates, "measured", heard)
    (tmp_path / "cells").mkdir()
    asked = options(scenes, rates=True, shares=(50.0,))
    rates.with_rates(str(tmp_path), asked, STARTS, SILENT)
    assert seen[0] == seen[2] != seen[3] and sorted(seen[0] + seen[3]) == sorted(training_share(Dataset.open(scenes), 50, 1))
    assert seen[:6] == seen[6:]


def test_folds_share_out_every_class(scenes, tmp_path):
    """Two labelled images of each of four classes: each fold learns one of each. A class with one image is named."""
    dataset = Dataset.open(scenes)
    for seed in range(1, 9):
        folder = tmp_path / str(seed)
        folder.mkdir()
        write_fold(dataset, folder, options(scenes, shares=(25.0,), seed=seed), 0)
        assert Dataset.open(folder).description["class_pixels"]["training"] == [1, 1, 1, 1]
    with pytest.raises(DataError, match="A share of 13 % has too few labelled tiles of “dark rows” to choose a rate by: each fold must learn it"):
        write_fold(dataset, tmp_path, options(scenes, shares=(13.0,)), 0)


def test_rates_of_one_share_are_not_used_for_a_smaller_one(scenes, tmp_path):
    Comparison(str(tmp_path / "compared"), options(scenes, rates=True))
    (tmp_path / "compared" / "rates.json").write_text("{}")
    with pytest.raises(DataError, match="“smallest share” .smallest_share. was 20.0, and is 5.0 now"):
        Comparison(str(tmp_path / "compared"), options(scenes, rates=True, shares=(5.0, 20.0)))
    Comparison(str(tmp_path / "compared"), options(scenes, rates=True, shares=(20.0, 50.0)))


def test_rates_can_be_cancelled_within_a_training(scenes, tmp_path):
    class Stopped(Listening):
        def cancelled(self):
            return any("poch" in str(event.get("text")) for event in self.events)

    heard = Stopped()
    (tmp_path / "cells").mkdir()
    with pytest.raises(Cancelled):
        rates.with_rates(str(tmp_path), options(scenes, rates=True, shares=(50.0,), steps=400), STARTS[:1], heard)


def test_figures_belong_to_weights_and_not_to_names(scenes, tmp_path, monkeypatch):
    """Runs with one name, one that learned on, and an encoder that another start brings: none takes the figures of the other, none loses its own."""
    given = []
    monkeypatch.setattr(comparing, "starts_of", lambda *_: given)
    folder, heard = str(tmp_path / "compared"), Listening()

    def begin(*starts):
        given[:] = [Start(*start[:3], sha256=start[3]) for start in starts]
        return {one.key for one in Comparison(folder, options(scenes), heard).cells if one.start != SIMPLE}

    first = begin(("scratch", None, SMALL, None), ("run", "a/run", SMALL, "1"))
    (tmp_path / "compared" / "cells" / "figure.json").write_text("{}", encoding="utf-8")  # from now on there is something to be mixed
    more = begin((f"scratch {SMALL}", None, SMALL, None), ("scratch resnet18", None, "resnet18", None), ("1: run", "a/run", SMALL, "1"),
                 ("2: run", "b/run", "resnet18", "2"))
    assert len(first) == 2 * 2 * 2 and first < more and len(more) == 2 * 2 * 4 and not heard.warnings
    learned_on = begin(("scratch", None, SMALL, None), ("run", "a/run", SMALL, "3"))
    assert len(learned_on & first) == 2 * 2, "those from scratch"
    assert heard.warnings == ["The weights of “run” are others than when this comparison began, so their figures are computed anew."]
    kept = json.loads((tmp_path / "compared" / "comparison.json").read_text())
    assert [one["name"] for one in kept["starts"]] == [f"scratch {SMALL}", "scratch resnet18", "1: run", "2: run", "scratch", "run"]
    (tmp_path / "compared" / "comparison.json").write_text(json.dumps({**kept, "version": 3}))
    with pytest.raises(DataError, match="of another kind or version"):
        Comparison(folder, options(scenes))


def test_a_comparison_of_the_first_version_goes_on(scenes, tmp_path):
    """It kept figures by the names of their starts, without how sure they are; none is computed again."""
    folder = tmp_path / "compared"
    asked = options(scenes, shares=(100.0,), draws=1, rates=True)
    compare(str(folder), asked, 1, False, SILENT)
    cells = {path: json.loads(path.read_text()) for path in (folder / "cells").iterdir()}
    for path, facts in cells.items():
        path.unlink()
        for name in ("of", *SURENESS, "mapping_multiply_adds", "training_multiply_adds"):
            facts.pop(name, None)
        old = Cell(**{name: facts[name] for name in ("start", "way", "share", "seed", "budget")})
        if facts["way"] != "random_features":
            (folder / "cells" / f"{old.key}.json").write_text(json.dumps(facts))
    card = json.loads((folder / "comparison.json").read_text())
    (folder / "comparison.json").write_text(json.dumps({**card, "version": 1}))
    rated = json.loads((folder / "rates.json").read_text())
    (folder / "rates.json").write_text(json.dumps({"scratch": rated[f"{SMALL} scratch"]}))
    again = compare(str(folder), asked, 1, False, SILENT)
    assert again["computed"] == 1, "the row that the first version had not"
    after = {path: json.loads(path.read_text()) for path in (folder / "cells").iterdir()}
    assert after.keys() == cells.keys() and json.loads((folder / "rates.json").read_text()) == rated
    assert all(after[path]["score"] == cells[path]["score"] for path in cells)
    assert json.loads((folder / "comparison.json").read_text())["version"] == 2


def test_workers_are_told_whole_paths(scenes, tmp_path, monkeypatch):
    """Their processes lie in other folders; a name of the catalogue is no path."""
    monkeypatch.chdir(tmp_path)
    asked, starts = comparing.everywhere(options("stripes"), [Start("scratch", None, SMALL), Start("a", "a/run", SMALL),
                                                              Start("b", "catalogue:b", SMALL)])
    assert asked.dataset == str(tmp_path / "stripes")
    assert [one.path for one in starts] == [None, str(tmp_path / "a" / "run"), "catalogue:b"]


def test_progress_of_several_never_goes_back():
    heard = Listening()
    rising = Rising(heard)
    for fraction in (0.2, 0.6, 0.4, 0.7):
        rising.at(fraction, "x")
    assert [event["fraction"] for event in heard.lines] == [0.2, 0.6, 0.6, 0.7]


def test_processes_apart_find_the_same(scenes, tmp_path):
    """Two processes take turns; what they say is that of one."""
    asked = options(scenes, shares=(100.0,))
    for processes in (1, 2):
        compare(str(tmp_path / str(processes)), asked, processes, False, SILENT)
    one, two = ({path.name: json.loads(path.read_text()) for path in (tmp_path / str(count) / "cells").iterdir()} for count in (1, 2))
    assert {name: {**row, "seconds": 0} for name, row in one.items()} == {name: {**row, "seconds": 0} for name, row in two.items()}
