"""Damaged descriptions of datasets, models and catalogues end in one of our sentences, and touch nothing but the output."""

import json
import os
import shutil
from functools import cache

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from eo_pretrain_qgis.engine.dataset import Dataset
from eo_pretrain_qgis.errors import DataError, EOPretrainError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.report import SILENT

from ..damaged_datasets import KINDS
from ..fuzzing import fuzzed
from ..mutations import bent, damaged_json, written

JOBS_ON_DATASETS = [
    ("describe_dataset", {"facts": "facts.json", "output": "page.html", "footprints": "tiles.gpkg"}),
    ("split_dataset", {"output": "split"}), ("split_dataset", {"output": "split", "way": "random"}),
    ("export_dataset", {"output": "files", "format": "geotiff"}), ("export_dataset", {"output": "files", "format": "esri_tiles"}),
    ("export_dataset", {"output": "files", "format": "timesen2crop"})]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Kind → folder of its dataset, made when it is first asked for."""
    @cache
    def of(kind):
        return KINDS[kind](tmp_path_factory.mktemp(kind))

    return of


@cache
def description_of(folder):
    return json.loads((folder / "dataset.json").read_text(encoding="utf-8"))


def placed(folder, place, **files):
    """A copy of a dataset beside a file that is no business of ours, with the bytes of some of its files replaced."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "dataset").mkdir(parents=True)
    (place / "victim.npy").write_bytes(b"precious")
    for file in folder.iterdir():
        if file.is_file():
            (shutil.copyfile if file.suffix == ".json" else os.link)(file, place / "dataset" / file.name)
    for name, content in files.items():
        path = place / "dataset" / name.replace("__", ".")
        path.unlink()
        path.write_bytes(content)
    return place / "dataset"


def state(place):
    """What lies in a folder, but for the output."""
    return {str(path.relative_to(place)): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(place.rglob("*"))
            if path.is_file() and path.relative_to(place).parts[0] != "out"}


def run_job(place, job, values):
    out = place / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    values = {name: str(out / value) if name in ("output", "facts", "footprints") else value for name, value in values.items()}
    before, around = state(place), state(place.parent)
    try:
        JOBS[job].from_values({"dataset": str(place / "dataset"), **values}).run(SILENT)
        event(f"{job} worked")
    except EOPretrainError as error:
        event(f"{job} ended in a sentence")
        assert str(error).endswith((".", "?")), "a sentence"
        assert not list(out.rglob("*.part")), "nothing half-written stays"
    assert state(place) == before and state(place.parent).keys() - {f"{place.name}/{name}" for name in ()} >= around.keys() - set(before)
    assert (place / "victim.npy").read_bytes() == b"precious"


def refused(call, *kinds):
    """Whether a call raises one of our errors; any other goes through."""
    try:
        call()
    except kinds as error:
        assert "\n" not in str(error)[:20] and len(str(error)) < 5000
        return True
    return False


@given(st.data())
@fuzzed(100)
def test_fuzz_opening_a_dataset(made, tmp_path_factory, data):
    folder = made(data.draw(st.sampled_from(list(KINDS))))
    place = tmp_path_factory.getbasetemp() / "opened"
    dataset = placed(folder, place, dataset__json=data.draw(damaged_json(description_of(folder))))
    refused(lambda: Dataset.open(dataset), DataError)
    assert (place / "victim.npy").read_bytes() == b"precious"


@given(st.data())
@fuzzed(20)
def test_fuzz_jobs_on_a_dataset(made, tmp_path_factory, data):
    folder = made(data.draw(st.sampled_from(list(KINDS))))
    job = data.draw(st.sampled_from(JOBS_ON_DATASETS))
    content = data.draw(st.one_of(damaged_json(description_of(folder)), bent(description_of(folder)).map(written)))
    place = tmp_path_factory.getbasetemp() / "worked"
    placed(folder, place, dataset__json=content)
    run_job(place, *job)
