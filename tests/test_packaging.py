"""Builds the zip as `make package` does, holds it against the plugin site's rules, and runs it from a clean QGIS profile."""

import configparser
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .conftest import ROOT

REQUIRED = ("name", "description", "version", "qgisMinimumVersion", "author", "email", "about", "tracker", "repository")
SUSPICIOUS = (".sh", ".bat", ".ps1", ".cmd", ".exe", ".dll", ".so", ".dylib", ".pyc", ".onnx", ".pt", ".whl")


@pytest.fixture(scope="module")
def plugin_zip(tmp_path_factory):
    if not (ROOT / ".git").exists():
        pytest.skip("This is not a checkout.")
    path = tmp_path_factory.mktemp("dist") / "plugin.zip"
    subprocess.run(["make", "-s", "package", f"ZIP={path}"], cwd=ROOT, check=True, capture_output=True)
    return path


def test_zip_keeps_the_sites_rules(plugin_zip):
    assert plugin_zip.stat().st_size < 25_000_000
    names = zipfile.ZipFile(plugin_zip).namelist()
    assert {name.split("/")[0] for name in names} == {"eo_pretrain_qgis"}
    assert {"eo_pretrain_qgis/__init__.py", "eo_pretrain_qgis/metadata.txt", "eo_pretrain_qgis/LICENSE"} <= set(names)
    assert {"eo_pretrain_qgis/models/catalog.json", "eo_pretrain_qgis/models/cards/imagenet_resnet18.md"} <= set(names)
    assert not [name for name in names if "candidates" in name]
    assert [name for name in names if name.endswith(SUSPICIOUS) or "__pycache__" in name or ".." in name] == []


def test_the_sites_scanners_find_nothing(plugin_zip, tmp_path):
    tools = [Path(sys.executable).with_name(name) for name in ("bandit", "detect-secrets")]
    if not all(map(os.path.exists, tools)):
        pytest.skip("bandit and detect-secrets are not installed beside this Python.")
    zipfile.ZipFile(plugin_zip).extractall(tmp_path)
    ran = subprocess.run([tools[0], "-q", "-r", tmp_path], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.strip()) == (0, "")
    ran = subprocess.run([sys.executable, ROOT / ".ci" / "secrets_gate.py", plugin_zip], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_metadata_is_complete(plugin_zip):
    card = configparser.ConfigParser(interpolation=None)
    card.read_string(zipfile.ZipFile(plugin_zip).read("eo_pretrain_qgis/metadata.txt").decode("utf-8"))
    general = card["general"]
    assert [key for key in REQUIRED if not general.get(key)] == []
    assert general["hasProcessingProvider"] == "yes"
    assert (general["qgisMinimumVersion"], general["qgisMaximumVersion"]) == ("3.40", "4.99")
    assert re.fullmatch(r"\d+\.\d+\.\d+", general["version"])
    assert "<" not in general["description"] + general["about"]


def test_nothing_heavy_is_imported_without_qgis(plugin_zip, tmp_path):
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from eo_pretrain_qgis.jobs import JOBS; import eo_pretrain_qgis.worker.client; "
            "heavy = {'numpy', 'torch', 'rasterio', 'qgis', 'onnxruntime'} & set(sys.modules); "
            "engine = [m for m in sys.modules if m.startswith('eo_pretrain_qgis.engine')]; print(len(JOBS), sorted(heavy), engine)")
    ran = subprocess.run([sys.executable, "-I", "-c", code, str(plugin_zip)], capture_output=True, text=True, check=True)
    assert ran.stdout.split(None, 1)[1].strip() == "[] []"


def test_runs_from_a_clean_profile(plugin_zip, tmp_path):
    if not os.access("/usr/bin/qgis_process", os.X_OK):
        pytest.skip("QGIS is not installed.")
    home = tmp_path / "Käthe Müller"
    plugins = home / ".local/share/QGIS/QGIS3/profiles/default/python/plugins"
    plugins.mkdir(parents=True)
    zipfile.ZipFile(plugin_zip).extractall(plugins)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "QT_QPA_PLATFORM": "offscreen", "LANG": "C.UTF-8",
                   "EOPRETRAIN_ENGINE": os.environ["EOPRETRAIN_ENGINE"]}
    subprocess.run(["qgis_process", "plugins", "enable", "eo_pretrain_qgis"], env=environment, check=True, capture_output=True)
    document = json.dumps({"inputs": {"SIZE": 256, "SEED": 3, "OUTPUT": str(home / "landscape")}})
    ran = subprocess.run(["qgis_process", "--json", "run", "eopretrain:createsample", "-"], input=document, env=environment,
                         capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert os.path.exists(json.loads(ran.stdout)["results"]["SENTINEL2"])
