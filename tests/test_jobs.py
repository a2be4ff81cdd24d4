"""Runs tests/jobs/*.yaml: cases that work, with properties expected of the results, and cases that must fail with a quoted sentence.

Every case runs in this process; the first working and the first failing case of each file also run through the worker and through
`qgis_process` with a JSON document.
"""

import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import yaml

from eo_pretrain_qgis.engine.models.session import cuda_devices
from eo_pretrain_qgis.errors import EOPretrainError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT
from eo_pretrain_qgis.worker import client

FILES = sorted((Path(__file__).parent / "jobs").glob("*.yaml"))
CASES = [(path.stem, case) for path in FILES for case in yaml.safe_load(path.read_text(encoding="utf-8"))]
SCENES = [importlib.import_module(f"tests.{path.stem}") for path in sorted(Path(__file__).parent.glob("scenes*.py"))]
MAKERS = {name: maker for module in SCENES for name, maker in inspect.getmembers(module, inspect.isfunction)
          if maker.__module__ == module.__name__ and list(inspect.signature(maker).parameters) == ["folder"]}


def first_cases():
    """The first working and the first failing case of each job."""
    chosen = {}
    for job, case in CASES:
        chosen.setdefault((job, "fails" in case), (job, case))
    return list(chosen.values())


def title(value):
    return value["it"] if isinstance(value, dict) else value


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Scene name -> path, each made once."""
    cache = {}
    root = tmp_path_factory.mktemp("scenes")

    def get(name):
        if name not in cache:
            place = root / name
            place.mkdir()
            cache[name] = MAKERS[name](place)
        return cache[name]

    return get


def resolve(job, params, made, folder):
    """Scene names become paths (also `name/inside`); the paths of outputs come to lie in `folder`."""

    def one(param, value):
        if isinstance(value, list):
            return [one(param, item) for item in value]
        if isinstance(value, dict) and "path" in value:
            return {**value, "path": one(param, value["path"])}
        if not isinstance(value, str):
            return value
        name, _, inside = value.partition("/")
        if name in MAKERS:
            return str(Path(made(name)) / inside) if inside else str(made(name))
        return str(folder / value) if param is not None and param.is_output else value

    parameters = JOBS[job].parameters()
    return {name: one(parameters.get(name), value) for name, value in params.items()}


def check_number(expected, found, what):
    if isinstance(expected, dict):
        assert expected.get("min", -np.inf) <= found <= expected.get("max", np.inf), f"{what} is {found}"
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-6), what
    else:
        assert found == expected, what


def check_raster(expected, path):
    with rasterio.open(path) as source:
        band = source.read(1)
        if "size" in expected:
            assert [source.width, source.height] == expected["size"]
        if "crs" in expected:
            assert source.crs == rasterio.crs.CRS.from_user_input(expected["crs"])
        if "nodata" in expected:
            assert source.nodata == expected["nodata"]
        for value, share in expected.get("shares", {}).items():
            assert (band == value).mean() == pytest.approx(share, abs=expected.get("tolerance", 1e-3)), f"share of {value}"


def check_path(expected, path):
    assert os.path.exists(path), path
    if "files" in expected:
        assert [name for name in expected["files"] if not (Path(path) / name).exists()] == []
    if "contains" in expected:
        content = Path(path).read_text(encoding="utf-8")
        assert [words for words in expected["contains"] if words not in content] == []
    if "features" in expected:
        check_number(expected["features"], len(geopandas.read_file(path)), "number of features")
    if path.endswith(".tif"):
        check_raster(expected, path)
    leftovers = list(Path(path).parent.rglob("*.part*"))
    assert leftovers == []


def check(expected, result, params):
    for name, value in (expected or {}).items():
        if name == "results":
            for key, number in value.items():
                check_number(number, result[key], key)
        else:
            check_path(value or {}, result.get(name, params.get(name)))


@pytest.mark.parametrize(("job", "case"), CASES, ids=title)
def test_in_process(job, case, made, folder):
    if case.get("without") == "a GPU" and cuda_devices():
        pytest.skip("there is a GPU")
    params = resolve(job, case["params"], made, folder)
    if "fails" in case:
        with pytest.raises(EOPretrainError) as caught:
            run_job(JOBS[job].from_values(params), SILENT)
        assert case["fails"] in str(caught.value)
        assert list(folder.iterdir()) == [], "a failed job left something behind"
        return
    built = JOBS[job].from_values(params)
    result = run_job(built, SILENT)
    declared = set(built.results) | {name for name, param in built.parameters().items() if param.is_output}
    assert set(result) <= declared, "undeclared results"
    check(case.get("expect"), result, params)


@pytest.mark.parametrize(("job", "case"), first_cases(), ids=title)
def test_through_the_worker(job, case, made, folder):
    if JOBS[job].engine == "none":
        pytest.skip("runs without a worker")
    params = resolve(job, case["params"], made, folder)
    if "fails" in case:
        with pytest.raises(EOPretrainError) as caught:
            client.run(JOBS[job].from_values(params), sys.executable, lambda event: None, lambda: False)
        assert case["fails"] in str(caught.value)
        return
    check(case.get("expect"), client.run(JOBS[job].from_values(params), sys.executable, lambda event: None, lambda: False), params)


@pytest.mark.parametrize(("job", "case"), first_cases(), ids=title)
def test_through_qgis_process(job, case, made, folder, qgis):
    params = resolve(job, case["params"], made, folder)
    document = json.dumps({"inputs": {name.upper(): plain(value) for name, value in params.items()}})
    ran = subprocess.run(["qgis_process", "--json", "run", "eopretrain:" + JOBS[job].id(), "-"], input=document, env=qgis,
                         capture_output=True, text=True)
    if "fails" in case:
        assert ran.returncode != 0
        assert case["fails"] in ran.stderr + ran.stdout
        return
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = {name.lower(): value for name, value in json.loads(ran.stdout)["results"].items()}
    check(case.get("expect"), found, params)


def plain(value):
    """Layers as QGIS takes them: by path."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value["path"] if isinstance(value, dict) and "path" in value else value
