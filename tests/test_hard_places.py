"""Every job where its outputs cannot be: one sentence, and the folder as it was."""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rasterio

from eo_pretrain_qgis import claim_file, claims, process_identity
from eo_pretrain_qgis.errors import EOPretrainError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.files import paths_of
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT

from .conftest import ROOT
from .test_jobs import CASES, made, resolve  # noqa: F401 - a fixture

WORKING = {job: case for job, case in reversed(CASES) if "expect" in case}
NAMES = [name for name, job in JOBS.items() if job.main_output() and name in WORKING]
SMALL_DISK, LEFT = 256 * 1024, 24 * 1024  # bytes


@contextlib.contextmanager
def disk(place, options):
    """A small disk mounted at `place`; skips where that is not allowed."""
    place.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True).returncode:
        pytest.skip("This user may not mount a small disk.")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def all_outputs(job, case, made, place):  # noqa: F811
    """The values of a working case, with every output the job can write."""
    values = resolve(job, case["params"], made, place)
    for name, param in JOBS[job].parameters().items():
        if param.is_output and values.get(name):
            values[name] = str(place / Path(values[name]).name)
    return values


def renamed(job, values, rename):
    parameters = JOBS[job].parameters()
    return {name: rename(Path(value)) if parameters[name].is_output and value else value for name, value in values.items()}


def state(place):
    return {str(path.relative_to(place)): path.read_bytes() if path.is_file() and not path.is_symlink() else b"" for path in place.rglob("*")}


def refused(job, values):
    """The sentences with which a job ends; anything else than ours is let through."""
    with pytest.raises(EOPretrainError) as caught:
        run_job(JOBS[job].from_values(values), SILENT)
    text = str(caught.value)
    assert "Traceback" not in text
    assert "Errno" not in text
    assert text.count(". ") <= 2
    return text


@pytest.mark.parametrize("job", NAMES)
def test_read_only_disk(job, made, folder):  # noqa: F811
    with disk(folder / "disk", "size=1m") as place:
        values = all_outputs(job, WORKING[job], made, place)
        (place / "mine.txt.part").write_text("precious")
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        assert "lies on a disk that is read-only. Choose a folder you may write to." in refused(job, values)
        assert state(place) == {"mine.txt.part": b"precious"}


@pytest.mark.parametrize("job", NAMES)
def test_full_disk(job, made, folder):  # noqa: F811
    with disk(folder / "disk", f"size={SMALL_DISK}") as place:
        values = all_outputs(job, WORKING[job], made, place)
        (place / "mine.txt.part").write_bytes(b"x" * (SMALL_DISK - LEFT))
        try:
            run_job(JOBS[job].from_values(values), SILENT)
        except EOPretrainError as error:
            assert "The disk is full while writing" in str(error), str(error)  # noqa: PT017 - a small output may fit
            left = [path.name for path in place.rglob("*") if claims.PART.search(path.name) or path.name.endswith(claims.ENDING)]
            assert left == []
        else:
            assert shutil.disk_usage(place).used <= SMALL_DISK
        assert (place / "mine.txt.part").stat().st_size == SMALL_DISK - LEFT


@pytest.mark.parametrize("job", NAMES)
def test_output_taken(job, made, folder):  # noqa: F811
    values = all_outputs(job, WORKING[job], made, folder)
    built = JOBS[job].from_values(values)
    first = built.output_paths()[-1]
    record = {"format": claim_file.FORMAT, "version": 1, "id": "x", "job": "predict_map", "request": "", "since": "now", "parts": [],
              **process_identity.own(), "process": 1, "started": 0}
    place = Path(claims.place_of(first))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(record))
    before = state(folder)
    assert f"{first} is being written by “predict_map” (process 1 on " in refused(job, values)
    assert state(folder) == before


@pytest.mark.parametrize("job", NAMES)
@pytest.mark.parametrize(("what", "said"), [
    ("long", "has a name that is too long for the disk. Choose a shorter name."),
    ("loop", "is a link that leads back to itself. Choose another place."),
    ("below", "lies below something that is a file and not a folder. Choose another folder."),
    ("bytes", ""),
    ("folder", ""),
])
def test_names_that_cannot_be(job, what, said, made, folder):  # noqa: F811
    values = all_outputs(job, WORKING[job], made, folder)
    (folder / "file").write_text("precious")
    names = {
        "long": lambda path: str(path.with_name("x" * 300 + path.name)),
        "loop": lambda path: str(path.with_name("loop" + path.name)),
        "below": lambda path: str(folder / "file" / path.name),
        "bytes": lambda path: str(path.with_name(os.fsdecode(b"\xfc\xff") + path.stem + path.suffix)),
        "folder": lambda path: str(path),
    }
    values = renamed(job, values, names[what])
    for name, param in JOBS[job].parameters().items():
        for path in paths_of(param, values.get(name)) if param.is_output else ():
            if what == "loop" and not os.path.islink(path):
                os.symlink(os.path.basename(path), path)
            if what == "folder":
                (Path(path) / "mine").mkdir(parents=True)
    before = state(folder)
    assert said in refused(job, values)
    assert state(folder) == before


@pytest.mark.parametrize("wait_s", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("job", ["predict_map", "create_training_dataset"])
def test_two_jobs_of_one_output_at_once(job, wait_s, made, folder):  # noqa: F811
    alone, shared = folder / "alone", folder / "shared"
    for place in (alone, shared):
        place.mkdir()
    run_job(JOBS[job].from_values(all_outputs(job, WORKING[job], made, alone)), SILENT)
    values = json.dumps(all_outputs(job, WORKING[job], made, shared))
    command = [sys.executable, "-m", "eo_pretrain_qgis", job, "--json", "-"]
    began = []
    for seconds in (0, wait_s):
        time.sleep(seconds)
        began.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        began[-1].stdin.write(values)
        began[-1].stdin.close()
        began[-1].stdin = None
    said = [process.communicate(timeout=120)[1] for process in began]
    codes = [process.returncode for process in began]
    assert codes.count(0) == 1, said
    refusal = said[1 - codes.index(0)]
    assert "is being written by" in refusal or "is there already" in refusal or "already holds files" in refusal
    assert "Traceback" not in "".join(said)
    first, second = state(alone), state(shared)
    assert set(first) == set(second)
    for name, content in first.items():  # other files hold times and paths
        if name.endswith(".npy"):
            assert content == second[name]
        elif name.endswith(".tif"):
            assert (pixels(alone / name) == pixels(shared / name)).all()


def pixels(path):
    with rasterio.open(path) as opened:
        return opened.read()


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.EXDEV, errno.EBUSY, errno.EACCES, errno.EDQUOT,
                                    errno.EFBIG, errno.ENOTEMPTY, errno.EPROTO])
def test_whatever_the_system_says_while_a_map_is_written_is_a_sentence(number, made, folder, monkeypatch):  # noqa: F811
    def fails(*_args, **_more):
        raise OSError(number, os.strerror(number), str(folder / "map.tif"))

    values = all_outputs("predict_map", WORKING["predict_map"], made, folder)
    monkeypatch.setattr("os.replace", fails)
    said = refused("predict_map", values)
    assert str(folder) in said
    assert state(folder) == {}
