import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.engine.datasets.splitting.label_shares import class_counts, training_share, with_label
from eo_pretrain_qgis.engine.datasets.splitting.resplitting import divide_again
from eo_pretrain_qgis.engine.describing.page import describe, write_report
from eo_pretrain_qgis.engine.formats import WRITERS, export_dataset
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.class_networks import ClassificationNetwork
from eo_pretrain_qgis.engine.learning.pretraining.multitask.kinds import check_task, learned
from eo_pretrain_qgis.engine.learning.tasks import LEARNERS
from eo_pretrain_qgis.engine.tasks import FIGURES, TASKS, Task, require
from eo_pretrain_qgis.errors import DataError, ModelError

from ..settings import finetuning
from .learning.conftest import SMALL
from .learning.tiny import write_dataset
from .learning.tiny_scenes import write_scenes

PACKAGE = Path(__file__).parents[2] / "eo_pretrain_qgis"
#: Places that ask for a task by its name, and files they stand in: fewer are welcome, more are not.
PLACES, FILES = 3, 3


def decisions(source: str) -> list[int]:
    """Lines that compare a `task`, or look something up by it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            asked = any(_is_task(part) for part in ast.walk(node))
        elif isinstance(node, ast.Subscript):
            asked = _is_task(node.slice)
        else:
            asked = (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and bool(node.args)
                     and _is_task(node.args[0]))
        if asked:
            found.append(node.lineno)
    return found


def _is_task(node: ast.AST) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "task") or (isinstance(node, ast.Name) and node.id == "task")


def test_hardly_anybody_asks_for_a_task_by_its_name():
    assert decisions("a.task == 'scene'\nTABLE[task]\nTABLE.get(b.task)\nc.kind.several\ntask(1)") == [1, 2, 3]
    found = {path.relative_to(PACKAGE).as_posix(): lines for path in sorted(PACKAGE.rglob("*.py"))
             if (lines := decisions(path.read_text(encoding="utf-8")))}
    assert sum(map(len, found.values())) <= PLACES and len(found) <= FILES, found


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """A dataset of a task that two tables were told of: a class for every card, drawn at random, scored by F1."""
    monkeypatch.setitem(TASKS, "toy", Task("toy", "a class for every card", ("Deal cards",), "cards", split_by=("random",), score="mean_f1",
                                           told=("mean_f1",)))
    monkeypatch.setitem(LEARNERS, "toy", replace(LEARNERS["scene"], networks={"card reader": ClassificationNetwork}))
    return Dataset.open(write_scenes(tmp_path / "cards", task="toy"))


def test_a_task_is_a_row_in_two_tables(toy, tmp_path):
    facts = describe(toy)
    assert any(text.startswith("Only ") and text.endswith("test cards: figures from so few are uncertain.") for text in facts["warnings"])
    write_report(tmp_path / "page.html", toy, facts)
    page = (tmp_path / "page.html").read_text()
    assert "48 cards of 32 × 32 px" in page and "Training cards of each class" in page and "training cards" in page

    (tmp_path / "again").mkdir()
    assert divide_again(toy, tmp_path / "again", SplitPlan(0.25, 0.25)).facts["method"] == "random"
    again = Dataset.open(tmp_path / "again")
    assert class_counts(again, training_share(again, 25, 1)).any(0).all()

    run = tmp_path / "run"
    finetune(str(tmp_path / "again"), str(run), finetuning(encoder=SMALL, epochs=1, batch_size=8, device="cpu"))
    assert Run.open(str(run)).card["architecture"] == "card reader"
    assert "with a mean F1 of" in (run / "report.html").read_text()
    figures, sections = evaluate_run(str(run), None, "test", 8, "cpu")
    assert figures["score"] == "mean_f1" and {"model", "majority", "statistics"} <= set(figures)
    assert "labelled cards of" in "".join(sections)
    check_task(again, None)
    assert learned(again) == "a class for every card"


def test_what_a_task_is_not_for_is_said_in_one_sentence(toy, tmp_path):
    with pytest.raises(DataError) as caught:
        require(toy, ["segmentation", "series"], "a barn")
    assert str(caught.value) == (f"The dataset {toy.folder} is for the task “toy” (a class for every card), and a barn needs a class for every pixel "
                                 "or a class for every series of dates. Choose a dataset made by “Create training dataset”, “Create road dataset”, "
                                 "“Create land cover dataset”, “Create crop dataset” or “Import dataset”.")
    with pytest.raises(DataError, match="has a class for every card, and no layout holds that so far. Hand on the dataset folder as it is"):
        export_dataset("geotiff", toy, tmp_path)
    assert require(toy, ["toy"], "a barn").words == "a class for every card"


def test_a_run_of_a_task_without_a_network_is_refused(toy, tmp_path, monkeypatch):
    finetune(str(toy.folder), str(tmp_path / "run"), finetuning(encoder=SMALL, epochs=1, batch_size=8, device="cpu"))
    monkeypatch.delitem(LEARNERS, "toy")
    with pytest.raises(ModelError, match="is for the task “toy”, which no network of this plugin learns. Update the plugin, or choose another run."):
        evaluate_run(str(tmp_path / "run"), None, "test", 8, "cpu")
    with pytest.raises(DataError, match="is for the task “toy” .*, and fine-tuning needs a class for every pixel"):
        finetune(str(toy.folder), str(tmp_path / "other"), finetuning(encoder=SMALL, epochs=1, batch_size=8, device="cpu"))


@pytest.mark.parametrize("name", TASKS)
def test_the_rows_fit_together(name):
    row = TASKS[name]
    assert row.name == name and row.made_by and row.split_by
    assert set(row.formats) <= set(WRITERS)
    assert set(row.told) <= set(FIGURES)
    assert (name in LEARNERS) <= row.labelled
    if not row.labelled:
        assert (row.score, row.baselines) == ("", {})
        return
    counts = row.nothing(3)
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2 if row.several else 3, (5, *row.label_shape(4, 3)))
    counts += row.count(truth, rng.normal(size=(5, 3, *truth.shape[1:]) if not row.several else (5, 3)), 3)
    found = row.figures(counts)
    assert row.score in row.told and row.score in found and set(row.of_class) <= set(found["classes"][0])
    assert row.class_counts(truth, 3).shape == (5, 3)
    assert (row.class_counts(truth, 3) > 0).any(1).tolist() == [bool(np.size(truth)) and (not row.several or bool(sample.any())) for sample in truth]


def test_baselines_have_one_form_for_all_tasks(tmp_path):
    for folder in (write_dataset(tmp_path / "pixels", size=32), write_scenes(tmp_path / "scenes"),
                   write_scenes(tmp_path / "several", task="multilabel")):
        dataset = Dataset.open(folder)
        kind, tiles = dataset.kind, dataset.indices("test")
        labelled = Labelled(dataset, single(dataset.inputs), with_label(dataset, dataset.indices("training")), 1)
        for baseline in kind.baselines_of(dataset).values():
            answer = baseline.fit(labelled)(dataset)(tiles)
            assert 0 <= kind.figures(kind.count(dataset.labels(tiles), answer, len(dataset.classes)))[kind.score] <= 1
