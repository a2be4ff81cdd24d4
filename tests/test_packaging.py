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

from eo_pretrain_qgis.jobs import JOBS, handbook

from .conftest import ROOT

sys.path.insert(0, str(ROOT / ".ci"))

import package  # noqa: E402

REQUIRED = ("name", "description", "version", "qgisMinimumVersion", "author", "email", "about", "tracker", "repository")
#: Addresses that a release may have.
EXAMPLE = {"homepage": "https://example.org/eo", "repository": "https://example.org/code", "tracker": "https://example.org/code/issues",
           "email": "contact@example.org"}
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
    models = [name for name in names if re.fullmatch(r"eo_pretrain_qgis/models/ready/[a-z_]+\.onnx", name)]
    assert sorted(Path(name).stem for name in models) == ["crops", "land_cover", "roads", "sea_ice"]
    assert sum(zipfile.ZipFile(plugin_zip).getinfo(name).file_size for name in models) <= 18_000_000
    assert {"eo_pretrain_qgis/models/ready/ready.json", "eo_pretrain_qgis/models/cards/ready_roads.md"} <= set(names)
    assert [name for name in names if (name.endswith(SUSPICIOUS) and name not in models) or "__pycache__" in name or ".." in name] == []


@pytest.mark.timeout(900)  # the scan for secrets reads every page
def test_the_sites_scanners_find_nothing(plugin_zip):
    tools = [Path(sys.executable).with_name(name) for name in ("bandit", "detect-secrets", "flake8", "qgis-analyzer")]
    if not all(map(os.path.exists, tools)):
        pytest.skip("The scanners are not installed beside this Python.")
    ran = subprocess.run([sys.executable, ROOT / ".ci" / "site_gate.py", plugin_zip], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")


def general(text):
    card = configparser.ConfigParser(interpolation=None)
    card.read_string(text)
    return card["general"]


def test_metadata_is_complete(plugin_zip):
    """With the addresses of the release file or, while they are unset, with others."""
    release = package.read_release(ROOT / "release.toml")
    packed = zipfile.ZipFile(plugin_zip).read("eo_pretrain_qgis/metadata.txt").decode("utf-8")
    assert {name: general(packed).get(name) for name in release} == release
    card = general(package.filled((ROOT / "metadata.txt").read_text(encoding="utf-8"), EXAMPLE | release))
    assert [key for key in REQUIRED if not card.get(key)] == []
    assert card["hasProcessingProvider"] == "yes"
    assert (card["qgisMinimumVersion"], card["qgisMaximumVersion"]) == ("3.40", "4.99")
    assert re.fullmatch(r"\d+\.\d+\.\d+", card["version"]) and card["changelog"].startswith(card["version"])
    assert "<" not in card["description"] + card["about"]
    assert card["icon"].endswith(".png") and f"eo_pretrain_qgis/{card['icon']}" in zipfile.ZipFile(plugin_zip).namelist()
    assert {"roads", "land cover", "sea ice", "crop types", "SAR", "OpenStreetMap", "pretraining"} <= set(card["tags"].split(","))


def test_what_a_release_file_does_not_say_is_told(tmp_path):
    path = tmp_path / "release.toml"
    path.write_text('homepage = "https://example.org/eo"\nemail = ""\n', encoding="utf-8")
    release = package.read_release(path)
    assert release == {"homepage": "https://example.org/eo"}
    assert package.told(release) == ("package: release.toml does not say repository, tracker, email. The plugin site asks for email, repository, "
                                     "tracker: install this zip from the file, and do not upload it. Help opens the pages in the zip.")
    assert package.told(EXAMPLE) == ""
    card = package.filled("[general]\nauthor=Who\nversion=1\n", release)
    assert card == "[general]\nauthor=Who\nhomepage=https://example.org/eo\nversion=1\n"


@pytest.mark.parametrize(("text", "sentence"), [
    ("homepage = \"example.org\"", "homepage = 'example.org' is not understood. Known are homepage, repository, tracker, email: addresses that"),
    ("home = \"https://example.org\"", "home = 'https://example.org' is not understood."),
    ("email = 7", "email = 7 is not understood."),
    ("email = contact", "cannot be read (Invalid value"),
])
def test_a_damaged_release_file_is_refused(tmp_path, text, sentence):
    path = tmp_path / "release.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=re.escape(sentence)):
        package.read_release(path)


def test_each_algorithm_and_ready_model_has_its_help_in_the_zip(plugin_zip):
    archive = zipfile.ZipFile(plugin_zip)
    places = [*map(handbook.place, JOBS.values()), *map(handbook.model_place, sorted(handbook.MODELS.glob("*.model3")))]
    for place in places:
        page, anchor = place.replace("README.md", "index.md").split("#")
        assert f'id="{anchor}"' in archive.read(f"eo_pretrain_qgis/help/algorithms/{page[:-3]}.html").decode("utf-8"), place


def test_pages_ask_for_nothing_from_a_network(plugin_zip):
    """What a browser loads by itself comes from the zip: scripts, styles, fonts and pictures."""
    archive = zipfile.ZipFile(plugin_zip)
    names = [name for name in archive.namelist() if name.startswith("eo_pretrain_qgis/help/")]
    assert len(names) > 100 and {"eo_pretrain_qgis/help/index.html", "eo_pretrain_qgis/help/search/search_index.js"} <= set(names)
    loads = r"""(?:\ssrc=|@import\s+(?:url\()?|url\(|<link[^>]*rel="?(?:stylesheet|preconnect|icon)"?[^>]*href=)["']?(\w+://[^"')\s>]+)"""
    for name in names:
        if name.endswith((".html", ".css")):
            assert re.findall(loads, archive.read(name).decode("utf-8")) == [], name


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
