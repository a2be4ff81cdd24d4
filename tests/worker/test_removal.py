"""Room for engines and their removal: refused where the disk is full or somebody uses them, and nothing else is ever touched."""

import json
import os
import subprocess
import sys
import time

import pytest

from eo_pretrain_qgis import places
from eo_pretrain_qgis.errors import EngineError, JobError
from eo_pretrain_qgis.jobs.start_here.install_engine import InstallEngine
from eo_pretrain_qgis.jobs.start_here.remove_engine import RemoveEngine
from eo_pretrain_qgis.worker import disk, environment, removal, uv

from ..listening import Listening
from ..scenes_engines import engine

CURRENT = {kind: os.path.basename(environment.folder_of(kind, "")) for kind in environment.MODULES}
OLD = "predict-0123456789ab"


@pytest.fixture
def home(tmp_path, monkeypatch, forgotten):
    """A place for engines; no real cache is emptied."""
    place = tmp_path / "Daten ü"
    place.mkdir()
    monkeypatch.setattr(environment, "locations", lambda: [str(place)])
    monkeypatch.delenv("EOPRETRAIN_ENGINE", raising=False)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return place


@pytest.fixture
def forgotten(monkeypatch):
    """The pinned files whose packages uv's cache was told to forget."""
    asked = []
    monkeypatch.setattr(uv, "forget_downloads", lambda location, pinned, progress: asked.append(sorted(map(os.path.basename, pinned))) or True)
    return asked


def made(home, name, size=1_000_000, **facts):
    return engine(home / name, size, **facts)


def removed(what, **more):
    heard = Listening()
    return RemoveEngine.from_values({"what": what, **more}).run(heard), heard


def test_what_is_installed_is_listed_with_sizes(home, monkeypatch):
    assert environment.installed() == []
    assert RemoveEngine.situation() == ["No engine is installed that could be removed."]
    old, new = made(home, OLD, bytes=1_960_000_000), made(home, CURRENT["train"])
    for other in ("predict-not-ours", "dev-0123456789ab", "train-123456789abc"):
        (home / other).mkdir()
    found = environment.installed()
    assert [(one.kind, one.folder, one.size(), one.current) for one in found] == [
        ("predict", str(old), "2.0 GB", False), ("train", str(new), "about 7.3 GB", True)]
    assert RemoveEngine.situation() == [f"Installed: {old}, 2.0 GB, of an earlier version.",
                                        f"Installed: {new}, about 7.3 GB, of this version, used now."]
    told = InstallEngine.situation()
    assert told[2:] == [f"Installed: “Make maps”, 2.0 GB, in {old}; of an earlier version, and no longer used: “Remove the engine” takes it away.",
                        f"Installed: “Train and make maps”, about 7.3 GB, in {new}; used now."]
    (home / "train.json").write_text(json.dumps({"python": "/bin/sh"}), encoding="utf-8")
    (home / "predict.json").write_text(json.dumps({"python": environment.python_in(str(old))}), encoding="utf-8")
    assert [told.rpartition("; ")[2] for told in InstallEngine.situation()[2:]] == [
        "used now, though of an earlier version: install its kind again.", "ready, and not used now."]
    (new / "pyvenv.cfg").touch()
    (home / "link").symlink_to(new)
    monkeypatch.setenv("EOPRETRAIN_ENGINE", str(home / "link"))
    assert [told.rpartition("; ")[2] for told in InstallEngine.situation()[2:]] == [
        "of an earlier version, and no longer used: “Remove the engine” takes it away.", "used now."]
    assert told[0].endswith(f" GB are free where it will be built, {home}.")


def test_the_python_of_the_options_page_is_the_one_used_now(home, monkeypatch):
    old, new = made(home, OLD, bytes=1_960_000_000), made(home, CURRENT["train"])
    for folder in (old, new):
        (folder / "pyvenv.cfg").touch()
    monkeypatch.setitem(places.settings, "EOPRETRAIN_ENGINE", lambda: environment.python_in(str(old)))
    assert RemoveEngine.situation() == [f"Installed: {old}, 2.0 GB, of an earlier version, used now.",
                                        f"Installed: {new}, about 7.3 GB, of this version."]
    assert [told.rpartition("; ")[2] for told in InstallEngine.situation()[2:]] == [
        "used now, though of an earlier version: install its kind again.", "ready, and not used now."]
    _, heard = removed("old")
    assert heard.warnings == [
        f"{environment.python_in(str(old))} was in {old}, and is still named as the Python of the engine, on QGIS's options page or in "
        "EOPRETRAIN_ENGINE. Leave that empty, or name another one."]
    monkeypatch.setenv("EOPRETRAIN_ENGINE", environment.python_in(str(new)))
    assert RemoveEngine.situation() == [f"Installed: {new}, about 7.3 GB, of this version, used now."], "the variable comes before the page"


def test_only_engines_of_earlier_versions_are_removed_unless_asked(home, forgotten):
    old, new = made(home, OLD), made(home, CURRENT["train"])
    (home / "train-111111111111.part" / "lib").mkdir(parents=True)
    results, heard = removed("old")
    assert results == {"removed": 1, "freed_gb": 0.0} and forgotten == [["requirements-predict.txt"]]
    assert not old.exists() and new.is_dir() and not (home / "train-111111111111.part").exists()
    assert heard.texts == [f"Removed {old} (about 1.1 GB).", "0.0 GB are free again."]
    assert environment.find("predict") == str(new / "bin" / "python")
    assert removed("old")[0] == {"removed": 0, "freed_gb": 0.0}


def test_what_was_freed_counts_no_file_that_the_cache_keeps(home, tmp_path, forgotten):
    folder = made(home, CURRENT["predict"], size=30_000_000)
    kept = folder / "lib" / "python3.11" / "site-packages" / "torch" / "kept.bin"
    kept.write_bytes(bytes(20_000_000))
    os.link(kept, tmp_path / "in the cache")
    (home / "predict.json").write_text(json.dumps({"python": str(folder / "bin" / "python"), "location": str(home)}))
    results, heard = removed("predict", downloads=False)
    assert results == {"removed": 1, "freed_gb": 0.03} and forgotten == []
    assert heard.texts[-1] == f"0.0 GB are free again. What uv keeps in {tmp_path / 'cache'} stays."
    assert sorted(path.name for path in home.iterdir()) == []
    assert environment.requirement("predict").startswith("The engine is not installed.")


def test_what_it_did_not_install_is_refused(home):
    (home / "train.json").write_text(json.dumps({"python": sys.executable, "location": str(home)}))
    with pytest.raises(JobError, match=r"The engine of the kind “train” is .*, which “Install the engine” did not build. It is not removed."):
        removed("train")
    results, heard = removed("all")
    assert results["removed"] == 0 and os.path.exists(sys.executable) and (home / "train.json").exists()
    assert heard.warnings == [f"{sys.executable}, the engine of the kind “train”, was not built by “Install the engine” and stays."]


def test_a_link_to_an_engine_is_no_engine(home, tmp_path):
    elsewhere = made(tmp_path, OLD)
    (home / OLD).symlink_to(elsewhere)
    assert removed("all")[0]["removed"] == 0 and elsewhere.is_dir()


def test_all_of_them(home, forgotten):
    folders = [made(home, name) for name in (OLD, CURRENT["predict"], CURRENT["train"])]
    assert removed("all")[0]["removed"] == 3 and not any(folder.exists() for folder in folders)
    assert forgotten == [["requirements-predict.txt", "requirements-train.txt"]]


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere the processes of others are not seen.")
@pytest.mark.parametrize("link", ["", "engines", "outside"])
def test_an_engine_in_use_stays(home, link):
    """Also one that a process runs in by a link to it, called relative to a folder."""
    folder = made(home, OLD)
    (home.parent / "engines").symlink_to(home)
    python = os.path.join(link, os.path.relpath(environment.python_in(str(folder)), home)) if link else environment.python_in(str(folder))
    if link == "outside":  # a link to the interpreter itself, beside no engine
        (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")  # links are followed until an environment
        (home.parent / link).symlink_to(environment.python_in(str(folder)))
        python = f"./{link}"
    running = subprocess.Popen([python, "-c", "import time; time.sleep(60)"], cwd=home.parent)
    try:
        time.sleep(0.2)
        with pytest.raises(EngineError, match=rf"The engine in .*{OLD} is in use \(process {running.pid}\). Wait until the algorithms"):
            removed("all")
    finally:
        running.kill()
        running.wait()
    assert folder.is_dir() and removed("all")[0]["removed"] == 1


def test_an_engine_that_is_being_built_is_left_to_its_builder(home):
    part = home / (CURRENT["train"] + ".part")
    part.mkdir()
    with environment.alone(str(home / CURRENT["train"])):
        removed("all")
    assert part.is_dir()


def test_what_a_link_leads_to_stays(home, tmp_path):
    package = tmp_path / "mine" / "site-packages" / "numpy"
    package.mkdir(parents=True)
    (home / "train-111111111111.part").symlink_to(tmp_path / "mine")
    removed("all")
    assert package.is_dir()


@pytest.mark.parametrize(("kind", "lean", "free", "words"), [
    ("train", False, 7.0, "The engine takes about 7.3 GB, but only 7.0 GB are free on the disk of "), ("train", True, 7.0, ""),
    ("predict", False, 1.0, "The engine takes about 1.1 GB, but only 1.0 GB are free on the disk of "), ("predict", False, 1.2, ""),
    ("tiny", False, 0.0, ""),
])
@pytest.mark.skipif(sys.platform != "linux", reason="The sizes were measured there.")
def test_a_disk_with_too_little_room_is_refused(home, monkeypatch, kind, lean, free, words):
    monkeypatch.setattr(disk, "free_gb", lambda place: free)
    if words:
        with pytest.raises(EngineError, match=words):
            disk.check_room(kind, str(home), lean)
    else:
        disk.check_room(kind, str(home), lean)


def test_a_full_disk_is_told_before_anything_is_downloaded(home, monkeypatch):
    ran = []
    monkeypatch.setattr(disk, "free_gb", lambda place: 0.5)
    monkeypatch.setattr(uv, "find", lambda *asked: "uv")
    monkeypatch.setattr(uv.Uv, "_run", lambda self, arguments, *more, **extra: ran.append(arguments[0]))
    heard = Listening()
    with pytest.raises(EngineError, match=r"The engine takes about 1.1 GB, but only 0.5 GB are free on the disk of .*Daten ü. Free some space there"):
        InstallEngine.from_values({}).run(heard)
    assert ran == ["venv"] and [path.name for path in home.iterdir() if path.is_dir()] == []
    assert f"“Make maps” takes up to 0.3 GB to download and 1.1 GB on disk; 0.5 GB are free in {home}." in heard.texts


def test_the_dialog_names_the_sizes_that_are_checked():
    param = InstallEngine.parameters()["kind"]
    assert param.default == "predict" and tuple(environment.NAMES) == param.options == tuple(environment.MODULES)
    for kind, label in zip(param.options, param.labels, strict=True):
        assert label.startswith(f"{environment.NAMES[kind]} (")
        assert f"{disk.SIZES[kind].download} GB to download, {disk.SIZES[kind].disk} GB on disk)" in label
    offered = dict(zip(RemoveEngine.parameters()["what"].options, RemoveEngine.parameters()["what"].labels, strict=True))
    assert {kind: offered[kind] for kind in environment.NAMES} == environment.NAMES


@pytest.mark.parametrize(("driver", "words"), [
    (None, "no NVIDIA driver, so all is computed on the processor. “Make maps” is enough for maps;"),
    (0, "“Make maps with an NVIDIA GPU” uses the GPU."), (580, "uses the GPU."),
    (570, "Its NVIDIA driver is of version 570. With 580 or newer, “Make maps with an NVIDIA GPU” would use the GPU."),
])
def test_the_dialog_offers_the_gpu_where_its_driver_is(home, monkeypatch, driver, words):
    monkeypatch.setattr(uv, "nvidia_driver", lambda: driver)
    assert words in InstallEngine.situation()[1]


def test_a_removal_that_fails_says_so_and_keeps_the_engine(home, monkeypatch):
    folder = made(home, OLD)

    def busy(source, target):
        raise PermissionError(13, "is used by another process")

    monkeypatch.setattr(removal.os, "replace", busy)
    with pytest.raises(EngineError, match=r"cannot be removed \(is used by another process\). Close the programs that use it"):
        removed("all")
    assert (folder / "complete.json").is_file()


def test_only_one_place_is_looked_at_where_one_is_named(home, tmp_path):
    here, there = made(home, OLD), made(tmp_path / "big disk", OLD)
    (home / "predict.json").write_text(json.dumps({"python": "/gone", "location": str(there.parent)}))
    assert {one.folder for one in environment.installed()} == {str(here), str(there)}
    assert removed("all", location=str(there.parent))[0]["removed"] == 1
    assert here.is_dir() and not there.exists()
