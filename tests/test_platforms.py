"""What stands in for Windows and macOS, on which no test runs: see docs/platforms.md."""

import ast
import ctypes
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest

from eo_pretrain_qgis import claims, outputs, places, process_identity
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.splitting.division import link_samples
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT
from eo_pretrain_qgis.worker import environment, failures, main, processes, uv

from .conftest import ROOT
from .engine.learning.tiny import write_dataset
from .test_hard_places import NAMES, WORKING, all_outputs, disk
from .test_jobs import made  # noqa: F401 - a fixture
from .windows_rules import impossible_names, windows_rules

STARTED_ON_WINDOWS = process_identity._started_on_windows


@pytest.mark.parametrize("job", NAMES)
def test_no_job_moves_or_removes_what_it_has_open(job, made, folder, tmp_path, monkeypatch):  # noqa: F811
    values = all_outputs(job, WORKING[job], made, folder)
    with disk(tmp_path / "other drive", "size=512m") as drive, windows_rules() as refused:
        monkeypatch.setattr(tempfile, "tempdir", str(drive))
        run_job(JOBS[job].from_values(values), SILENT)
    assert [path for path in refused if not path.endswith(claims.ENDING)] == []
    assert impossible_names(folder) == []


def test_the_rules_of_windows_are_kept_on_linux(tmp_path):
    """The judge itself: an open file, a mapped one and a closed one."""
    for name in ("open", "mapped", "closed"):
        (tmp_path / name).write_bytes(b"12345678")
    mapped = np.memmap(tmp_path / "mapped", mode="r")
    with windows_rules() as refused, (tmp_path / "open").open("rb"):
        for name in ("open", "mapped"):
            with pytest.raises(PermissionError):
                os.replace(tmp_path / name, tmp_path / "elsewhere")
            with pytest.raises(PermissionError):
                (tmp_path / name).unlink()
        with pytest.raises(PermissionError):
            shutil.rmtree(tmp_path)
        os.replace(tmp_path / "closed", tmp_path / "elsewhere")
    assert sorted({Path(path).name for path in refused}) == ["mapped", "open"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "mapped", "open"]
    assert mapped[0] == ord("1")


def test_names_that_windows_does_not_take_are_found(tmp_path):
    for name in ("CON", "aux.tif", "a:b", "end.", "Map.tif", "map.tif", "com10", "auxiliary.tif"):
        (tmp_path / name).touch()
    assert impossible_names(tmp_path) == ["CON", "a:b", "aux.tif", "end.", "map.tif"]


@pytest.fixture
def windows(monkeypatch):
    """What the code asks Windows by; the rest of the system is Linux."""
    monkeypatch.setattr(sys, "platform", "win32")
    for name, value in (("CREATE_NEW_PROCESS_GROUP", 0x200), ("CREATE_NO_WINDOW", 0x8000000)):
        monkeypatch.setattr(subprocess, name, value, raising=False)
    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(LK_NBLCK=2, locking=lambda stream, mode, size: None))
    monkeypatch.setattr(process_identity, "_started_on_windows", lambda process: 1)


class Held:
    """Stands in for `os.replace` while a scanner of viruses holds the file: it fails the first times."""

    def __init__(self, times):
        self.times, self.replace = times, os.replace

    def __call__(self, source, target):
        self.times -= 1
        if self.times >= 0:
            raise PermissionError(errno.EACCES, "The process cannot access the file", str(target))
        self.replace(source, target)


def test_a_file_that_a_scanner_holds_for_a_moment_is_waited_for(windows, folder, monkeypatch):
    monkeypatch.setattr(os, "replace", Held(3))
    with outputs.new_file(folder / "map.tif") as part:
        part.write_text("whole")
    with outputs.new_folder(folder / "run") as inside:
        (inside / "job.json").write_text("{}")
        monkeypatch.setattr(os, "replace", Held(2))
    assert (folder / "map.tif").read_text() == "whole"
    assert sorted(path.name for path in folder.iterdir()) == ["map.tif", "run"]


def test_a_file_that_is_open_in_qgis_is_named_and_kept(windows, folder, monkeypatch):
    (folder / "map.tif").write_text("old")
    monkeypatch.setattr(outputs, "PATIENCE_S", 0.2)
    monkeypatch.setattr(os, "replace", Held(1000))
    with pytest.raises(DataError) as caught, outputs.new_file(folder / "map.tif") as part:
        part.write_text("new")
    assert str(caught.value) == f"{folder / 'map.tif'} is open in another program. Remove its layer from QGIS or choose another name."
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("map.tif", "old")]


def test_a_folder_that_is_there_is_filled_where_it_cannot_be_replaced(windows, folder, monkeypatch):
    (folder / "run").mkdir()
    replace = os.replace

    def as_windows(source, target):
        if os.path.isdir(target):
            raise PermissionError(errno.EACCES, "Access is denied", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", as_windows)
    with outputs.new_folder(folder / "run") as inside:
        (inside / "job.json").write_text("{}")
        (inside / "tiles").mkdir()
    assert sorted(path.name for path in (folder / "run").iterdir()) == ["job.json", "tiles"]
    assert [path.name for path in folder.iterdir()] == ["run"]


@pytest.mark.parametrize("name", ["aux.tif", "NUL", "com1.gpkg", "Prn .tif"])
def test_names_of_devices_are_refused(windows, folder, name):
    with pytest.raises(DataError) as caught, outputs.new_file(folder / name):
        pass
    assert str(caught.value) == f"{folder / name} has a name that the disk does not take. Choose a name of letters, digits, - and _."
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["auxiliary.tif", "com10.tif", "console"])
def test_names_that_only_look_like_devices_are_not(windows, folder, name):
    with outputs.new_file(folder / name) as part:
        part.touch()
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_path_that_is_too_long_says_so(windows):
    path = "/" + "x" * 100 + "/" + "y" * 200 + "/map.tif"
    said = outputs.said(FileNotFoundError(errno.ENOENT, "The system cannot find the path specified", path), path)
    assert str(said) == (f"{path} has 310 characters, and Windows takes 259 here. Choose a folder with a shorter path, or switch long paths on in "
                         "Windows.")
    assert "is not there" in str(outputs.said(FileNotFoundError(errno.ENOENT, "gone", "/short"), "/short"))


def test_two_names_of_upper_and_lower_case_are_one_output(folder):
    """Such a disk gives one claim file for both; a hard link does that here."""
    with outputs.new_file(folder / "map.tif") as part:
        part.touch()
        os.link(folder / "map.tif.claim", folder / "MAP.tif.claim")
        with pytest.raises(DataError, match="is being written by"), outputs.new_file(folder / "MAP.tif"):
            pass


def test_a_program_gets_a_group_of_its_own_and_no_window(windows, monkeypatch):
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: started.append((command, options)))
    processes.start(["python.exe", "main.py"], stdin=subprocess.PIPE)
    assert started == [(["python.exe", "main.py"], {"stdin": subprocess.PIPE, "creationflags": 0x8000200})]


class Ended:
    """A process that can be killed and waited for."""

    pid = 4711

    def __init__(self):
        self.asked = []

    def kill(self):
        self.asked.append("kill")

    def wait(self):
        self.asked.append("wait")


@pytest.mark.parametrize("there", [True, False])
def test_a_program_is_ended_with_all_it_started(windows, monkeypatch, there):
    ran, process = [], Ended()

    def run(command, **options):
        ran.append((command, options["creationflags"]))
        if not there:
            raise FileNotFoundError(errno.ENOENT, "not found", command[0])

    monkeypatch.setenv("SYSTEMROOT", "/Windows")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(os, "killpg", None)
    processes.kill_tree(process)
    assert ran == [(["/Windows/System32/taskkill.exe", "/F", "/T", "/PID", "4711"], 0x8000000)]
    assert process.asked == ["kill", "wait"]


def test_a_worker_whose_qgis_is_gone_ends_itself(windows, monkeypatch):
    """There is no group of processes to end; those that it started see that it has gone."""
    codes, cancelled = [], threading.Event()
    monkeypatch.setattr(os, "read", lambda stream, size: b"")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(os, "killpg", None)
    monkeypatch.setattr(os, "_exit", codes.append)
    main._watch(0, cancelled, 1.0)
    assert cancelled.is_set() and codes == [1]


@pytest.mark.parametrize(("number", "locked"), [(None, True), (errno.EACCES, False), (errno.EDEADLK, False), (errno.ENOSYS, True)])
def test_a_lock_is_one_byte_that_nobody_reads(windows, monkeypatch, tmp_path, number, locked):
    asked = []

    def locking(stream, mode, size):
        asked.append((os.lseek(stream, 0, os.SEEK_CUR), mode, size))
        if number:
            raise OSError(number, "locked")

    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(LK_NBLCK=2, locking=locking))
    with (tmp_path / "lock").open("wb") as stream:
        assert process_identity.try_lock(stream.fileno()) is locked
    assert asked == [(2**30, 2, 1)]


@pytest.mark.parametrize(("code", "started"), [(259, 133_000_000_000), (1, 0)])
def test_when_a_process_of_windows_began(windows, monkeypatch, code, started):
    """259 is STILL_ACTIVE; the time is the first of four, in steps of 100 ns."""
    kernel = types.SimpleNamespace(OpenProcess=lambda right, inherit, process: 8, CloseHandle=lambda handle: 1)

    def times(handle, began, *others):
        began._obj.value = 133_000_000_000
        return 1

    def exit_code(handle, found):
        found._obj.value = code

    kernel.GetProcessTimes, kernel.GetExitCodeProcess = times, exit_code
    monkeypatch.setattr(process_identity, "_started_on_windows", STARTED_ON_WINDOWS)
    monkeypatch.setattr(ctypes, "windll", types.SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(os, "kill", None)  # it would end the process
    assert process_identity._started(4711) == started
    assert process_identity._exists(4711) is bool(started)
    kernel.OpenProcess = lambda right, inherit, process: 0
    assert process_identity._exists(4711) is False


def test_when_a_process_of_macos_began(monkeypatch):
    """pbi_start_tvsec of <sys/proc_info.h>, struct proc_bsdinfo: bytes 120 to 127 of 136."""
    def proc_pidinfo(process, flavor, argument, buffer, size):
        assert (process, flavor, size) == (4711, 3, 136)
        ctypes.memmove(ctypes.addressof(buffer) + 120, (1_700_000_000).to_bytes(8, sys.byteorder), 8)
        return 136

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: types.SimpleNamespace(proc_pidinfo=proc_pidinfo))
    assert process_identity._started(4711) == 1_700_000_000


@pytest.mark.parametrize(("platform", "variables", "place"), [
    ("win32", {"LOCALAPPDATA": "/Users/ö/AppData/Local"}, "/Users/ö/AppData/Local/eo_pretrain"),
    ("darwin", {"HOME": "/Users/ö"}, "/Users/ö/Library/Application Support/eo_pretrain"),
    ("linux", {"HOME": "/home/ö", "XDG_DATA_HOME": ""}, "/home/ö/.local/share/eo_pretrain"),
])
def test_the_engine_lies_where_the_system_keeps_the_users_data(monkeypatch, platform, variables, place):
    monkeypatch.setattr(sys, "platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert places.data_folder() == place


@pytest.mark.parametrize(("platform", "names"), [("win32", ("Scripts", "python.exe")), ("darwin", ("bin", "python"))])
def test_the_python_of_an_engine(monkeypatch, platform, names):
    monkeypatch.setattr(sys, "platform", platform)
    assert environment.python_in("engine") == os.path.join("engine", *names)


@pytest.mark.parametrize(("code", "words"), [
    (0xC0000017, "The worker was killed (exit code 0xC0000017), by a person or, as happens when the memory is full, by the system."),
    (0xC0000005, "The worker crashed in a library (access violation) (exit code 0xC0000005)."),
    (0xC0000135, "Install the current Microsoft Visual C++ Redistributable and run again."),
])
def test_exit_codes_of_windows_are_explained(code, words):
    assert words in failures.explain_exit(code, [])


def test_processes_are_spawned_on_every_system():
    """Only so are they started alike on all three; a fork of a process with threads and a GPU may hang on Linux, too."""
    loose = []
    for path in (ROOT / "eo_pretrain_qgis").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = ast.unparse(node.func)
                if called.startswith(("os.fork", "multiprocessing.Process", "multiprocessing.Pool")) or (
                        called.endswith("get_context") and ast.unparse(node.args[0]) != "'spawn'"):
                    loose.append(f"{path.name}:{node.lineno}")
    assert loose == []


def test_text_is_read_and_written_as_utf_8_on_every_system():
    """Windows has another default. Readers of bytes are not asked."""
    loose = []
    for path in (ROOT / "eo_pretrain_qgis").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = any(isinstance(node, ast.FunctionDef) and node.name == "open" for node in tree.body)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
                continue
            called = ast.unparse(node.func)
            mode = ast.unparse(node.args[1]) if len(node.args) > 1 else ""
            if called.endswith((".read_text", ".write_text")) or (called == "open" and not own and "b" not in mode):
                loose.append(f"{path.name}:{node.lineno} {ast.unparse(node)[:60]}")
    assert loose == []


@pytest.mark.parametrize(("platform", "first"), [("win32", ["--managed-python"]), ("darwin", ["--managed-python"]), ("linux", [])])
def test_a_python_of_uvs_own_comes_first_where_that_on_the_path_is_qgiss(monkeypatch, platform, first):
    asked = []
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(uv.Uv, "_run", lambda tool, arguments, what, progress: asked.append(arguments))
    uv.Uv("engine", "pinned.txt", "", "uv").create()
    assert asked == [["venv", "--relocatable", "--no-project", "--python", ">=3.11,<3.15", "engine", *first]]


def test_qgis_is_not_taken_for_a_python(monkeypatch, tmp_path):
    """On Windows and macOS `sys.executable` is QGIS, which would open a second window."""
    for name in ("qgis-bin.exe", "python3.exe"):
        (tmp_path / name).touch()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "qgis-bin.exe"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for name in ("exec_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path / "elsewhere"))
    assert uv._pythons() == [str(tmp_path / "python3.exe")]


def test_samples_are_copied_where_a_disk_knows_no_hard_links(monkeypatch, tmp_path):
    def refused(source, target):
        raise OSError(errno.EPERM, "Operation not permitted", source)

    given, copied = tmp_path / "given", tmp_path / "copied"
    write_dataset(given)
    copied.mkdir()
    monkeypatch.setattr(os, "link", refused)
    link_samples(Dataset.open(given), copied)
    names = Dataset.open(given).shards.files()
    assert names and [(copied / name).read_bytes() == (given / name).read_bytes() for name in names] == [True] * len(names)
