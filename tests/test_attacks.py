"""Files that once ended in a traceback or wrote outside the output end in one of our sentences."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.models import catalog
from eo_pretrain_qgis.errors import EOPretrainError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from . import scenes, scenes_classes
from .conftest import ROOT

ATTACKS = ROOT.parent / "shared" / "cases" / "attacks"
pytestmark = pytest.mark.realdata
needs_attacks = pytest.mark.skipif(not ATTACKS.is_dir(), reason="The attacks are not beside this checkout.")


def files(pattern):
    """The attacks of a kind; one case that is skipped where they are not beside the checkout."""
    found = sorted(ATTACKS.glob(pattern))
    absent = pytest.mark.skip("The attacks are not beside this checkout.")
    return [pytest.param(path, id=path.stem[:60]) for path in found] or [pytest.param(None, marks=absent)]


def ends_in_a_sentence(call):
    with pytest.raises(EOPretrainError) as caught:
        call()
    assert str(caught.value).endswith((".", "?"))


def fitting_dataset(folder, asked):
    """A dataset of the tests with the task, the bands and the number of samples that an attack was made for."""
    if asked.get("task") == "multilabel":
        return scenes_classes.several_labels_dataset(folder)
    if asked.get("task") == "scene":
        return scenes_classes.stripes_dataset(folder)
    return scenes_classes.soft_dataset(folder) if asked.get("name") == "discs" else scenes.land_dataset(folder)


@pytest.mark.parametrize("path", files("dataset_json/*.json"))
def test_descriptions_of_datasets(path, folder):
    attack = json.loads(path.read_text(encoding="utf-8"))
    place = fitting_dataset(folder, attack["dataset"] if isinstance(attack["dataset"], dict) else {})
    (place / "dataset.json").write_text(json.dumps(attack["dataset"]), encoding="utf-8")
    job = path.name.partition("-")[0]
    if job == "open":
        ends_in_a_sentence(lambda: Dataset.open(place))
    else:
        output = folder / ("page.html" if job == "describe_dataset" else "out")
        ends_in_a_sentence(lambda: JOBS[job].from_values({"dataset": str(place), "output": str(output)}).run(SILENT))
        assert not output.exists()


@pytest.mark.parametrize("path", files("onnx/*.onnx"))
def test_models(path, folder):
    image = scenes.two_halves(folder)
    inspect = JOBS["inspect_model"].from_values({"model": str(path), "output": str(folder / "page.html")})
    predict = JOBS["predict_map"].from_values({"model": str(path), "images": [str(image)], "bands": "B02", "output": str(folder / "map.tif")})
    for job in (inspect, predict):
        ends_in_a_sentence(lambda: job.run(SILENT))  # noqa: B023
    assert not (folder / "page.html").exists() and not (folder / "map.tif").exists()


@needs_attacks
def test_a_network_that_gives_no_numbers_makes_no_map(folder):
    job = JOBS["predict_map"].from_values({"model": str(ATTACKS / "nan.onnx"), "images": [str(scenes.two_halves(folder))], "bands": "B02",
                                           "output": str(folder / "map.tif")})
    ends_in_a_sentence(lambda: job.run(SILENT))
    assert not (folder / "map.tif").exists()


@pytest.mark.parametrize("path", files("readers/catalog.json*"))
def test_catalogues(path, folder, monkeypatch):
    content = json.loads(path.read_text(encoding="utf-8"))
    for entry in content["weights"]:
        entry["sha256"] = entry["sha256"] or "0" * 64  # it is from when entries had not to say it
    (folder / catalog.FILE).write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setenv(catalog.VARIABLE, str(folder))
    with pytest.raises(ModelError, match="The entry “ftw_unet_efficientnet_b3” of the catalogue .* is damaged: “address” is -1"):
        catalog.read_catalogue()


@pytest.mark.parametrize("path", files("intkey.pth"))
def test_weights_with_numbers_as_names(path, folder):
    job = JOBS["import_encoder"].from_values({"source": str(path), "output": str(folder / "out")})
    ends_in_a_sentence(lambda: job.run(SILENT))
    assert not (folder / "out").exists()


def test_a_shard_outside_the_folder(folder):
    place = scenes.land_dataset(folder)
    known = json.loads((place / "dataset.json").read_text(encoding="utf-8"))
    known["shards"][0]["images"]["image"] = "../victim.npy"
    shutil.copy(place / "images-000.npy", folder / "victim.npy")
    before = (folder / "victim.npy").stat()
    (place / "dataset.json").write_text(json.dumps(known), encoding="utf-8")
    for job, more in (("split_dataset", {"output": str(folder / "out")}), ("export_dataset", {"output": str(folder / "out")})):
        ends_in_a_sentence(lambda: JOBS[job].from_values({"dataset": str(place), **more}).run(SILENT))  # noqa: B023
    assert (folder / "victim.npy").stat() == before and not (folder / "out").exists()


@needs_attacks
def test_a_refused_job_leaves_files_that_look_like_parts(folder):
    place = scenes.land_dataset(folder)
    ran = subprocess.run(["sh", str(ATTACKS / "sweep_deletes_user_files.sh")], cwd=ROOT, env={**os.environ, "DS": str(place)},
                         capture_output=True, text=True, check=True)
    assert "already holds files" in ran.stdout + ran.stderr
    assert {line.rpartition("/")[2] for line in ran.stdout.splitlines() if line.startswith("/")} == {"thesis.tex.part", "photo.jpg", "other.txt"}


@needs_attacks
def test_the_second_of_two_writers_is_refused():
    written = (ATTACKS / "race_two_writers.py").read_text(encoding="utf-8")
    program = re.sub(r"engine\.(cog|grid)", r"engine.rasters.\1", written)  # the file is older than the rooms, and than `Contents`
    program = program.replace("import TiledWriter", "import Contents, TiledWriter").replace('"uint8",1,255)', 'Contents("uint8", 255))')
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert "DataError: " in ran.stderr
    assert "map.tif is being written by" in ran.stderr
    assert "first job's map holds: [255]" not in ran.stdout


@needs_attacks
@pytest.mark.parametrize(("name", "said"), [("job_check_engine.json", "The values name a program to run"),
                                            ("job_overwrite.json", "is there already")])
def test_records_of_somebody_else(name, said, folder):
    record = (ATTACKS / name).read_text(encoding="utf-8").replace("/somewhere/x6", str(folder)).replace("/somewhere/scenes", str(folder))
    (folder / name).write_text(record, encoding="utf-8")
    (folder / "precious.html").write_text("precious", encoding="utf-8")
    (folder / "evil.sh").write_text(f"#!/bin/sh\ntouch {folder}/ran\n", encoding="utf-8")
    (folder / "evil.sh").chmod(0o755)
    (folder / "two_halves_model").mkdir()
    (folder / "two_halves_model" / "two_halves_model.onnx").touch()
    ran = subprocess.run([sys.executable, "-m", "eo_pretrain_qgis", "rerun", str(folder / name)], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert not (folder / "ran").exists()
    assert (folder / "precious.html").read_text(encoding="utf-8") == "precious"
