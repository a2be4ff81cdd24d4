"""A newcomer's first day in a window of QGIS under Xvfb, in a fresh profile: what is reached, in how many clicks and seconds.

Pictures and counts stay in the folder EOPRETRAIN_WALKS where it names one.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.listening import promised

ROOT = Path(__file__).resolve().parents[3]
PROFILE = "[PythonPlugins]\neo_pretrain_qgis=true\nprocessing=true\n[General]\n[qgis]\ncheckVersion=false\nshowTips=false\n"
TIMEOUT_S = 300

pytestmark = pytest.mark.skipif(not shutil.which("xvfb-run") or not shutil.which("qgis"), reason="needs QGIS and xvfb-run")


def engine_python():
    return Path(os.environ.get("EOPRETRAIN_ENGINE", ROOT / ".engine" / "train")) / "bin" / "python"


def run(*arguments):
    ran = subprocess.run([engine_python(), *arguments], cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert ran.returncode == 0, ran.stderr[-2000:]


@pytest.fixture(scope="session")
def ground(tmp_path_factory):
    """A simulated landscape, a simulated sea, twenty polygons of land cover, and a model of fields of another landscape."""
    folder = tmp_path_factory.mktemp("ground")
    run("-m", "eo_pretrain_qgis", "create_sample", "--size", "256", "--seed", "1", "--output", str(folder / "sample"))
    run("-m", "benchmarks.simulated_ice", str(folder / "ice"), "--seed", "101", "--scenes", "1", "--side", "256")
    run(str(Path(__file__).with_name("ground.py")), str(folder))
    sample = folder / "sample"
    run("-m", "eo_pretrain_qgis", "create_training_dataset", "--images", str(sample / "sentinel2.tif"), "--labels",
        str(sample / "land_cover.tif"), "--tile_size", "32", "--output", str(folder / "dataset"))
    run("-m", "eo_pretrain_qgis", "map_from_points", "--images", str(sample / "sentinel2.tif"), "--labels", str(folder / "polygons.gpkg"),
        "--class_field", "class", "--output", str(folder / "points.tif"), "--model", str(folder / "points.onnx"), "--report",
        str(folder / "points.html"))
    sys.path.insert(0, str(ROOT / "docs"))
    from make_pictures import fields_model

    fields_model(folder, lambda *words: run("-m", *map(str, words)))
    return folder


@pytest.fixture
def walk(tmp_path, ground, capsys):
    """Runs a walk, prints what it counted, and gives it."""

    def walked(name, *, engine=True):
        folder = tmp_path / "Größe 1"
        profile = folder / "profiles" / "default"
        (profile / "QGIS").mkdir(parents=True)
        (profile / "QGIS" / "QGIS3.ini").write_text(PROFILE, encoding="utf-8")
        sys.path.insert(0, str(ROOT / ".ci"))
        from link_plugin import link_plugin

        plugin = link_plugin(profile / "python" / "plugins")
        if not engine:  # links lead to the checkout, and to the engine in it
            shutil.rmtree(plugin)
            shutil.copytree(ROOT / "eo_pretrain_qgis", plugin, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "metadata.txt", plugin)
        (folder / "ground").symlink_to(ground)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EOPRETRAIN")}
        environment |= {"HOME": str(folder), "QT_QPA_PLATFORM": "xcb", "OMP_NUM_THREADS": "1", "EOPRETRAIN_WALK": name,
                        "EOPRETRAIN_WALK_FOLDER": str(folder), "EOPRETRAIN_WALK_ROOT": str(ROOT)}
        if engine:
            environment["EOPRETRAIN_ENGINE"] = str(engine_python().parents[1])
        command = ["xvfb-run", "-a", "-s", "-screen 0 1280x820x24", "qgis", "--nologo", "--noversioncheck", "--profiles-path", str(folder),
                   "--code", str(Path(__file__).with_name("begin.py"))]
        try:
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as late:
            pytest.fail(f"the walk did not end within {TIMEOUT_S} s: {(late.stderr or b'')[-2000:]}")
        told = folder / "told.json"
        if kept := os.environ.get("EOPRETRAIN_WALKS"):
            Path(kept).mkdir(parents=True, exist_ok=True)
            for path in [*folder.glob("*.png"), *folder.glob("told.json")]:
                shutil.copy(path, Path(kept) / f"{name}_{path.name}")
        assert told.is_file(), f"QGIS ended before the walk did: {ran.stderr[-3000:]}"
        found = json.loads(told.read_text(encoding="utf-8"))
        assert not found["problem"], found["problem"]
        with capsys.disabled():
            for part, counted in found["walked"].items():
                print(f"\nwalk: {part}: {counted['clicks']} clicks, {counted['seconds']} s, longest stall {counted['longest_stall']} s", end="")
        return found["walked"]

    return walked


def test_from_a_fresh_profile_to_the_engine(walk):
    assert walk("first_start", engine=False)["first_start"]["clicks"] <= 3


def test_a_first_map_from_twenty_polygons(walk):
    found = walk("first_map")["first_map"]
    assert found["clicks"] <= 8
    assert len(found["classes"]) >= 3


def test_each_theme_from_its_bundled_model(walk):
    found = walk("themes")
    assert found["roads"]["clicks"] <= 4
    assert all(counted["clicks"] <= 4 for counted in found.values())


def test_fields_of_two_dates(walk):
    found = walk("fields")["fields"]
    assert found["clicks"] <= 6
    assert found["outline"] == "#e6550d", "styled as the engine does, and not in a colour that QGIS draws by lot"
    assert found["found"] >= 15


def test_crops_of_parcels_and_of_each_parcel(walk):
    found = walk("crops")
    assert found["crops"]["layers"]
    assert len(found["iterate"]["files"]) > 1, "a layer for each parcel"


def test_a_cancelled_training_goes_on(walk):
    assert walk("cancel_and_continue")["cancel"]["seconds_to_stop"] <= promised(3)


def test_batch_history_and_designer(walk):
    found = walk("again")
    assert found["batch"]["layers"] == ["Class map · second", "Class map · sentinel2"]


def test_the_output_is_on_the_first_screen(walk):
    assert walk("screens")["screens"]["unseen"] == []
