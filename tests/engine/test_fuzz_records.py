"""Damaged descriptions of datasets, models and catalogues end in one of our sentences, and touch nothing but the output."""

import json
import os
import shutil
from functools import cache
from pathlib import Path

import onnx
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.models import catalog, package
from eo_pretrain_qgis.errors import DataError, EOPretrainError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .. import networks, scenes
from ..damaged_datasets import KINDS
from ..fuzzing import fuzzed
from ..mutations import bent, damaged_bytes, damaged_json, written

OUTPUTS = ("output", "facts", "footprints")
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


def placed(folder, place, files):
    """A copy of a dataset beside a file that is no business of ours, with the bytes of some of its files replaced."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "dataset").mkdir(parents=True)
    (place / "victim.npy").write_bytes(b"precious")
    for file in folder.iterdir():
        if file.is_file():
            (shutil.copyfile if file.suffix == ".json" else os.link)(file, place / "dataset" / file.name)
    for name, content in files.items():
        path = place / "dataset" / name
        path.unlink()
        path.write_bytes(content)
    return place / "dataset"


def state(place):
    """What lies in a folder, but for the output."""
    return {str(path.relative_to(place)): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(place.rglob("*"))
            if path.is_file() and path.relative_to(place).parts[0] != "out"}


def run_job(place, job, values):
    """Runs a job on what lies in a folder; it works or ends in a sentence, and only its output changes."""
    out = place / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    before, around = state(place), set(place.parent.iterdir())
    try:
        JOBS[job].from_values({name: str(out / value) if name in OUTPUTS else value for name, value in values.items()}).run(SILENT)
        event(f"{job} worked")
    except EOPretrainError as error:
        event(f"{job} ended in a sentence")
        assert is_sentence(error)
        assert not list(out.rglob("*.part")), "nothing half-written stays"
    assert state(place) == before and set(place.parent.iterdir()) == around, "nothing but the output changed"


def is_sentence(error):
    return str(error).endswith((".", "?")) and len(str(error)) < 5000 and "Traceback" not in str(error)


def works_or_says_why(call, kind):
    """Any error but one of ours goes through."""
    try:
        call()
        event("worked")
    except kind as error:
        event("ended in a sentence")
        assert is_sentence(error)


@given(st.data())
@fuzzed(100)
def test_fuzz_opening_a_dataset(made, tmp_path_factory, data):
    folder = made(data.draw(st.sampled_from(list(KINDS))))
    place = tmp_path_factory.getbasetemp() / "opened"
    dataset = placed(folder, place, {"dataset.json": data.draw(damaged_json(description_of(folder)))})
    works_or_says_why(lambda: Dataset.open(dataset), DataError)
    assert (place / "victim.npy").read_bytes() == b"precious"


@given(st.data())
@fuzzed(20)
def test_fuzz_jobs_on_a_dataset(made, tmp_path_factory, data):
    folder = made(data.draw(st.sampled_from(list(KINDS))))
    job, values = data.draw(st.sampled_from(JOBS_ON_DATASETS))
    content = data.draw(st.one_of(damaged_json(description_of(folder)), bent(description_of(folder)).map(written)))
    place = tmp_path_factory.getbasetemp() / "worked"
    dataset = placed(folder, place, {"dataset.json": content})
    run_job(place, job, {"dataset": str(dataset), **values})


@given(st.data())
@fuzzed(40)
def test_fuzz_the_arrays_of_a_dataset(made, tmp_path_factory, data):
    folder = made(data.draw(st.sampled_from(["land", "several", "soft", "crops"])))
    file = data.draw(st.sampled_from(sorted(folder.glob("*.npy"))))
    head, rest = file.read_bytes()[:256], file.read_bytes()[256:]
    place = tmp_path_factory.getbasetemp() / "arrays"
    dataset = placed(folder, place, {file.name: data.draw(damaged_bytes(head)) + rest})
    works_or_says_why(lambda: Dataset.open(dataset), DataError)


@given(st.data())
@fuzzed(20)
def test_fuzz_the_table_of_a_dataset(made, tmp_path_factory, data):
    folder = made(data.draw(st.sampled_from(["land", "ice", "roads", "cover", "crops"])))
    content = bytearray((folder / "tiles.gpkg").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    job, values = data.draw(st.sampled_from(JOBS_ON_DATASETS))
    place = tmp_path_factory.getbasetemp() / "tables"
    dataset = placed(folder, place, {"tiles.gpkg": bytes(content[:data.draw(st.sampled_from([len(content), len(content), len(content) // 2]))])})
    run_job(place, job, {"dataset": str(dataset), **values})


@pytest.fixture(scope="module")
def model_and_image(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    return onnx.load(networks.write_threshold_model(place / "model.onnx")), scenes.two_halves(place)


@given(st.data())
@fuzzed(60)
def test_fuzz_jobs_on_a_model(model_and_image, tmp_path_factory, data):
    whole, image = model_and_image
    place = tmp_path_factory.getbasetemp() / "models"
    place.mkdir(exist_ok=True)
    model = onnx.ModelProto()
    model.CopyFrom(whole)
    entry = next(entry for entry in model.metadata_props if entry.key == package.KEY)
    known = {key: value for key, value in json.loads(entry.value).items() if key != "checksum"}
    entry.value = data.draw(st.one_of(damaged_json(known), bent(known).map(written))).decode(errors="replace")
    content = model.SerializeToString()
    if data.draw(st.integers(0, 3)) == 0:
        content = data.draw(damaged_bytes(content))
    (place / "model.onnx").write_bytes(content)
    job, values = data.draw(st.sampled_from([("inspect_model", {"facts": "facts.json", "output": "page.html"}),
                                             ("predict_map", {"images": [str(image)], "output": "map.tif"})]))
    run_job(place, job, {"model": str(place / "model.onnx"), **values})


@given(st.data())
@fuzzed(100)
def test_fuzz_a_catalogue(tmp_path_factory, data):
    place = tmp_path_factory.getbasetemp() / "catalogue"
    place.mkdir(exist_ok=True)
    content = json.loads(catalog.shipped().read_text(encoding="utf-8"))
    content["weights"] = content["weights"][:4]
    (place / catalog.FILE).write_bytes(data.draw(st.one_of(damaged_json(content), bent(content).map(written))))
    patch = pytest.MonkeyPatch()
    patch.setenv(catalog.VARIABLE, str(place))
    try:
        works_or_says_why(lambda: [(entry.card(), Path(entry.file_name).name == entry.file_name) for entry in catalog.read_catalogue().values()],
                          ModelError)
    finally:
        patch.undo()
