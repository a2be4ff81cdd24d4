"""What all tests of the engine, the worker and the jobs share."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"
os.environ.setdefault("EOPRETRAIN_ENGINE", str(ROOT / ".engine" / "train"))


@pytest.fixture
def folder(tmp_path):
    """A folder with a space and an umlaut in its name, as users have them."""
    place = tmp_path / "Größe 1"
    place.mkdir()
    return place


@pytest.fixture
def real_data():
    """The folder of real imagery; skips where it is not there."""
    if not REAL_DATA.is_dir():
        pytest.skip("The real imagery is not beside this checkout.")
    return REAL_DATA


@pytest.fixture(scope="session")
def qgis(tmp_path_factory):
    """The environment of `qgis_process` with this checkout's plugin enabled in a new profile; skips where QGIS is absent."""
    if not os.access("/usr/bin/qgis_process", os.X_OK):
        pytest.skip("QGIS is not installed.")
    home = tmp_path_factory.mktemp("home")
    plugins = home / "plugins"
    subprocess.run(["/usr/bin/python3", "-c", "import sys; sys.path.insert(0, '.ci'); import pathlib, link_plugin; "
                    "link_plugin.link_plugin(pathlib.Path(sys.argv[1]))", str(plugins)], cwd=ROOT, check=True)
    kept = {name: os.environ[name] for name in ("EOPRETRAIN_ENGINE", "LANG", "LC_ALL") if name in os.environ}
    environment = {**kept, "PATH": "/usr/bin:/bin", "HOME": str(home), "QT_QPA_PLATFORM": "offscreen", "QGIS_PLUGINPATH": str(plugins)}
    subprocess.run(["qgis_process", "plugins", "enable", "eo_pretrain_qgis"], env=environment, check=True, capture_output=True)
    return environment
