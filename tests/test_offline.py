"""Libraries that speak to their makers unasked do not: neither from the command line nor from the worker."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eo_pretrain_qgis import offline
from eo_pretrain_qgis.worker import processes

from . import networks, scenes

ROOT = Path(__file__).parents[1]
# onnxruntime writes its first file within a second after the first session.
LINGER = "import time; time.sleep(3)"
MAP = """
import json, sys
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT
run_job(JOBS["predict_map"].from_values(json.loads(sys.argv[1])), SILENT)
"""


def left_in_home(folder, code, *arguments, **variables):
    """What a program leaves in an empty home; nothing of the settings is in its environment."""
    home = folder / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in {**offline.TELEMETRY, **offline.FILES}}
    environment = {**kept, "HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home), "XDG_CACHE_HOME": str(home / ".cache"),
                   "PYTHONPATH": str(ROOT), **variables}
    subprocess.run([sys.executable, "-c", code + LINGER, *arguments], env=environment, check=True, capture_output=True, timeout=120)
    return [str(path.relative_to(home)) for path in home.rglob("*") if "Microsoft" in str(path)]


@pytest.mark.parametrize("asked_for", ["", "0"])
def test_a_map_leaves_no_telemetry(folder, asked_for):
    model = networks.write_threshold_model(folder / "model.onnx")
    image = scenes.write_raster(folder / "image.tif", scenes.np.full((1, 64, 64), 1000, "uint16"), names=("B02",))
    values = json.dumps({"model": str(model), "images": [str(image)], "output": str(folder / "map.tif")})
    assert left_in_home(folder, MAP, values, **({"ORT_DISABLE_TELEMETRY": asked_for} if asked_for else {})) == []
    assert (folder / "map.tif").exists()


def test_without_the_settings_there_would_be_telemetry(folder):
    """Or else the test above shows nothing."""
    model = networks.write_threshold_model(folder / "model.onnx")
    code = "import onnxruntime, sys; onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])\n"
    if not left_in_home(folder, code, str(model)):
        pytest.skip("This onnxruntime has no telemetry.")


def test_programs_are_started_without_telemetry(monkeypatch):
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    assert processes.clean_environment()["ORT_DISABLE_TELEMETRY"] == "1"


SHOWN = """
import json, os
import eo_pretrain_qgis.engine
import pyogrio, pyproj.network, rasterio.env
with rasterio.Env() as env:
    drivers = {"WMS", "GTI"} & set(env.drivers()) | {"WFS", "GPSBabel"} & set(pyogrio.list_drivers())
python = [read("GDAL_VRT_ENABLE_PYTHON") for read in (rasterio.env.get_gdal_config, pyogrio.get_gdal_config_option)]
print(json.dumps([python, pyproj.network.is_network_enabled(), os.environ["HF_HUB_OFFLINE"], sorted(drivers)]))
"""


def test_the_engine_switches_everything_off_whatever_the_environment_says():
    variables = {**os.environ, "GDAL_VRT_ENABLE_PYTHON": "YES", "PROJ_NETWORK": "ON", "GDAL_SKIP": "", "HF_HUB_OFFLINE": "0"}
    ran = subprocess.run([sys.executable, "-c", SHOWN], env=variables, cwd=ROOT, check=True, capture_output=True, text=True)
    assert json.loads(ran.stdout) == [["NO", "NO"], False, "1", []]
    assert ran.stderr == ""
