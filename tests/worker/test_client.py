"""The worker under everything that can go wrong: killed, hung, poisoned, noisy, out of memory, orphaned."""

import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from eo_pretrain_qgis.errors import Cancelled, DataError, EngineError, JobError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.worker import client

from ..listening import promised
from ..scenes import land, land_fields
from .misbehave import Misbehave

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(autouse=True)
def misbehaving(monkeypatch, tmp_path):
    """The worker knows the job `misbehave`, and logs land where the test can see them."""
    monkeypatch.setattr(client, "MAIN", HERE / "misbehaving_main.py")
    monkeypatch.setitem(JOBS, "misbehave", Misbehave)
    logs = tmp_path / "logs"
    logs.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(logs))
    return logs


def run(how, events=None, is_cancelled=lambda: False, grace=10.0, **values):
    events = [] if events is None else events
    return client.run(Misbehave(how=how, **values), sys.executable, events.append, is_cancelled, grace=grace)


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def soon(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def pid_in(events):
    return next(int(event["text"].split()[1]) for event in events if event.get("text", "").startswith("pid "))


@pytest.mark.parametrize(("how", "kind", "words"), [
    ("data_error", DataError, "“Größe 1.tif” has no band B08. Choose an image with B08."),
    ("memory", EngineError, "The memory is not enough: an allocation failed. Lower “Batch size”, or close other programs, and run again."),
    ("device_memory", EngineError, "The memory is not enough: CUDA out of memory. Tried to allocate 2 GiB. Lower “Batch size”"),
    ("disk", DataError, "The disk is full while writing /full/map.tif. Free some space and run again."),
    ("missing_package", EngineError,
     "The engine lacks the package “a_package_that_is_not_there”. Run “Install the engine” (eopretrain:installengine) again."),
    ("kill", EngineError, "The worker was killed (exit code -9), by a person or, as happens when the memory is full, by the system. "
                          "Lower “Batch size”, or close other programs, and run again."),
    ("segfault", EngineError, "The worker crashed in a library (segmentation fault) (exit code -11). Run “Check the engine”"),
    ("exit", EngineError, "The worker ended without an answer (exit code 3)."),
    ("bug", EngineError,
     "The worker met an unexpected error, KeyError: 'nothing'. This is a fault of the plugin: please report it with the log."),
])
def test_each_failure_has_its_sentences(how, kind, words):
    with pytest.raises(kind) as caught:
        run(how)
    assert type(caught.value) is kind
    assert words in str(caught.value)


def test_a_death_shows_the_end_of_the_log_and_where_it_is(misbehaving):
    with pytest.raises(EngineError) as caught:
        run("segfault")
    assert "it ends:\nsomething about a library" in str(caught.value)
    log = next(misbehaving.iterdir())
    assert f"The log is {log}" in str(caught.value)


def test_a_fault_of_ours_leaves_its_traceback_in_the_log(misbehaving):
    with pytest.raises(EngineError):
        run("bug")
    assert "KeyError: 'nothing'" in next(misbehaving.iterdir()).read_text()


def test_a_sentence_needs_no_log(misbehaving):
    with pytest.raises(DataError):
        run("data_error")
    assert list(misbehaving.iterdir()) == []


def test_starting_is_said_within_a_second():
    started, first = time.monotonic(), []

    def on_event(event):
        first.append((time.monotonic() - started, event))

    with pytest.raises(EngineError):
        client.run(Misbehave(how="bug"), sys.executable, on_event, lambda: False)
    assert first[0][1]["text"] == "Starting “Misbehave” …"
    assert first[0][0] < promised(1)


def test_a_cancel_is_answered_within_two_seconds():
    events, asked = [], []

    def is_cancelled():
        if len(events) > 5 and not asked:
            asked.append(time.monotonic())
        return bool(asked)

    with pytest.raises(Cancelled):
        run("obey", events, is_cancelled)
    assert time.monotonic() - asked[0] < promised(2)
    assert {"loss"} == set(events[-1]["metrics"])


def test_cancel_is_looked_for_often_even_when_the_worker_is_silent():
    moments = []

    def is_cancelled():
        moments.append(time.monotonic())
        return len(moments) > 15

    with pytest.raises(Cancelled):
        run("hang", is_cancelled=is_cancelled, grace=0.3)
    assert max(b - a for a, b in pairwise(moments)) < promised(0.5)


def test_a_cancel_is_looked_for_until_the_worker_has_ended_and_then_changes_nothing():
    moments = []
    run("linger", is_cancelled=lambda: moments.append(time.monotonic()) or len(moments) > 8, grace=1.5)
    assert max(b - a for a, b in pairwise(moments)) < promised(0.5)
    assert moments[-1] - moments[0] > 1


def test_a_worker_that_hangs_is_killed_after_the_grace_and_says_so():
    events = []
    with pytest.raises(Cancelled):
        run("hang", events, lambda: len(events) > 1, grace=0.5)
    assert events[-1]["text"] == "The job was in the middle of a step, so it was ended after 0.5 s."
    assert not is_alive(pid_in(events))


def test_its_children_go_with_it():
    events = []
    with pytest.raises(Cancelled):
        run("children", events, lambda: len(events) > 1, grace=0.5)
    assert soon(lambda: not is_alive(pid_in(events)))


def test_a_worker_that_does_not_end_after_its_answer_is_ended():
    result = run("linger", grace=0.5)
    assert soon(lambda: not is_alive(result["pid"]))


def test_noise_breaks_nothing_and_cannot_be_taken_for_an_answer():
    assert run("noise") == {"stdin": ""}


def test_a_poisoned_environment_does_not_reach_the_worker(monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('poisoned')")
    for name, value in {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere", "PROJ_LIB": "/usr/share/proj", "GDAL_DATA": "/nowhere",
                        "QGIS_PREFIX_PATH": "/usr", "LD_PRELOAD": "", "SSL_CERT_FILE": "/nowhere/ca.pem",
                        "CURL_CA_BUNDLE": "/usr/share/ca.pem"}.items():
        monkeypatch.setenv(name, value)
    found = run("surroundings")
    assert [name for name in found["names"] if name != "SSL_CERT_DIR"] == []
    assert found["isolated"] == 1
    assert found["utf8"] == 1
    assert str(tmp_path) not in found["path"]


def test_a_setting_reaches_the_worker_as_a_variable(tmp_path):
    asked = {"images": [str(land(tmp_path))], "labels": str(land_fields(tmp_path)), "class_field": "cover", "tile_size": 32,
             "output": str(tmp_path / "made")}
    with pytest.raises(EngineError, match=r"Dask scheduler tcp://127\.0\.0\.1:9"):
        client.run(JOBS["create_training_dataset"].from_values(asked), sys.executable, [].append, lambda: False,
                   variables={"EOPRETRAIN_DASK": "tcp://127.0.0.1:9"})


def test_the_package_comes_last_on_the_path():
    path = run("surroundings")["path"]
    assert path[-1] == str(ROOT)


def test_a_flood_of_progress_is_thinned_for_a_slow_listener_but_messages_are_not():
    events = []

    def on_event(event):
        events.append(event)
        time.sleep(0.05)

    client.run(Misbehave(how="flood"), sys.executable, on_event, lambda: False)
    assert len(events) < 200
    assert events[-1]["text"] == "last"


def test_values_that_are_no_json_arrive_as_text():
    result = run("numbers", place="Größe ✓")
    assert (result["path"], result["third"]) == ("Größe ✓", "1/3")


@pytest.mark.parametrize("name", ["with space", "Größe ✓ 地図", "x" * 200])
def test_any_path_works_and_gets_the_log(name, tmp_path):
    output = tmp_path / name
    assert run("write", output=str(output)) == {"output": str(output)}
    assert (output / "map.txt").read_text(encoding="utf-8") == "Straße"
    title, said = (output / "worker.log").read_text().splitlines()
    assert title.startswith("EO Pretrain: misbehave, ")
    assert said == "written"


def test_the_plugin_works_from_any_folder(monkeypatch, tmp_path):
    place = tmp_path / "Profil ü" / "plugins"
    place.mkdir(parents=True)
    (place / "eo_pretrain_qgis").symlink_to(ROOT / "eo_pretrain_qgis")
    monkeypatch.setattr(client, "MAIN", place / "eo_pretrain_qgis" / "worker" / "main.py")
    with pytest.raises(JobError, match=r"there is no file"):
        client.run(JOBS["predict_map"](model="/nowhere.onnx", images=[{"path": "a.tif"}], output=str(tmp_path / "m.tif")), sys.executable,
                   lambda event: None, lambda: False)


def test_the_log_of_a_failure_lies_with_what_the_job_left(tmp_path, misbehaving):
    output = tmp_path / "run"
    with pytest.raises(EngineError) as caught:
        run("write_and_fail", output=str(output))
    assert f"The log is {output}/worker.log" in str(caught.value)
    assert "KeyError" in (output / "worker.log").read_text()
    assert list(misbehaving.iterdir()) == []


def test_a_refused_folder_stays_as_it_was(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(DataError):
        run("data_error", output=str(tmp_path))
    assert not (tmp_path / "worker.log").exists()


def test_a_plugin_updated_while_qgis_runs_asks_for_a_restart(monkeypatch):
    monkeypatch.setattr(client, "VERSION", "0.0.1")
    with pytest.raises(EngineError, match=r"The plugin on disk is version .*, but QGIS still runs 0.0.1. Restart QGIS."):
        run("obey")


def test_a_python_that_is_not_there():
    with pytest.raises(EngineError, match=r"The engine's Python, /nowhere/python, cannot be started .*Run “Install the engine”"):
        client.run(Misbehave(), "/nowhere/python", lambda event: None, lambda: False)


def test_a_program_that_is_no_python():
    with pytest.raises(EngineError, match=r"The worker ended without an answer \(exit code 0\)"):
        client.run(Misbehave(), "/bin/true", lambda event: None, lambda: False)


PARENT = """
import sys
sys.path[:0] = [{root!r}, {here!r}]
from pathlib import Path
from misbehave import Misbehave
from eo_pretrain_qgis.worker import client
client.MAIN = Path({here!r}) / "misbehaving_main.py"
client.run(Misbehave(how={how!r}, output={output!r}), sys.executable, lambda event: print(event["text"], flush=True), lambda: False)
"""


@pytest.mark.parametrize(("how", "patience"), [("obey", 5), ("hang", 20)])
def test_a_dead_parent_takes_the_worker_along(how, patience):
    script = PARENT.format(root=str(ROOT), here=str(HERE), how=how, output=None)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    parent.stdout.readline()
    worker = psutil.Process(parent.pid).children()[0].pid
    parent.stdout.readline()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert is_alive(worker)
    assert soon(lambda: not is_alive(worker), patience)


def test_events_come_in_the_thread_that_asked():
    threads = set()
    with pytest.raises(EngineError):
        client.run(Misbehave(how="bug"), sys.executable, lambda event: threads.add(threading.current_thread()), lambda: False)
    assert threads == {threading.current_thread()}


@pytest.fixture
def users(tmp_path):
    """A folder in use, whose files look like ours; the function says what was added to them, or fails when one is gone or other."""
    place = tmp_path / "Downloads"
    (place / "album.part").mkdir(parents=True)
    kept = {name: place / name for name in ("thesis.tex.part", "album.part/photo.jpg", "ds.part", "ds.qml.part", "ds.0123456789abcdef.part",
                                            "dsa.claim", "worker.log")}
    for name, path in kept.items():
        path.write_text(name)
    before = set(place.rglob("*"))

    def added():
        assert {name: path.read_text() for name, path in kept.items()} == {name: name for name in kept}
        return sorted(path.name for path in set(place.rglob("*")) - before)

    added.folder = place
    return added


@pytest.mark.parametrize(("how", "raised"), [("begin_and_fail", DataError), ("begin_and_kill", EngineError), ("begin_and_hang", Cancelled),
                                             ("begin_and_obey", Cancelled)])
def test_nothing_of_the_users_goes_and_nothing_of_ours_stays(how, raised, users):
    events = []
    with pytest.raises(raised):
        run(how, events, lambda: how.endswith(("hang", "obey")) and len(events) > 2, grace=1.5 if how.endswith("obey") else 0.3,
            output=str(users.folder / "ds"))
    assert any(event.get("text") == "begun" for event in events)
    assert users() == []


def test_what_a_killed_worker_keeps_is_given_to_the_same_job_and_a_cancelled_one_keeps_nothing(users):
    for text in ("begun,", "begun,begun,"):
        events = []
        with pytest.raises(EngineError, match="What was finished is kept: run it again with the same values, and it goes on from there"):
            run("keep_and_kill", events, output=str(users.folder / "ds"))
        assert [event["text"] for event in events if event["event"] == "message"] == [text]
        assert len(users()) == 2
    with pytest.raises(Cancelled):
        run("keep_and_hang", events, lambda: events[-1].get("text") == "begun,", grace=0.3, output=str(users.folder / "ds"))
    assert users() == []


def test_a_refused_job_touches_nothing_of_the_users(users):
    with pytest.raises(DataError, match="already holds files"):
        run("begin_and_obey", output=str(users.folder))
    assert users() == []
    assert sorted(os.listdir(users.folder.parent)) == ["Downloads", "logs"]


def test_a_log_of_the_users_is_not_written_to(users, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "worker.log").write_text("precious")
    with pytest.raises(EngineError) as caught:
        run("write_and_fail", output=str(tmp_path / "mine"))
    assert (tmp_path / "mine" / "worker.log").read_text() == "precious"
    assert f"The log is {tmp_path}/logs/" in str(caught.value)


def test_two_jobs_of_one_output_the_second_is_refused(users):
    events, errors = [], []

    def second(event):
        events.append(event)
        if event.get("text") == "begun":
            with pytest.raises(DataError) as caught:
                run("begin_and_obey", output=str(users.folder / "ds"))
            errors.append(str(caught.value))

    with pytest.raises(Cancelled):
        client.run(Misbehave(how="begin_and_obey", output=str(users.folder / "ds")), sys.executable, second, lambda: len(errors) > 0)
    assert "is being written by “misbehave” (process" in errors[0]
    assert users() == []


@pytest.mark.parametrize("both", [False, True])
def test_a_killed_parent_and_worker_leave_what_the_next_job_clears(users, both):
    output = str(users.folder / "ds")
    script = PARENT.format(root=str(ROOT), here=str(HERE), how="begin_and_hang", output=output)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    while not parent.stdout.readline().startswith("pid"):
        assert parent.poll() is None
    worker = psutil.Process(parent.pid).children()[0].pid
    parent.kill()
    if both:
        os.kill(worker, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert soon(lambda: not is_alive(worker), 20)
    if not both:  # the worker saw it, and cleared up before it ended itself
        assert users() == []
    events = []
    with pytest.raises(DataError):
        run("begin_and_fail", events, output=output)
    assert any("“misbehave” had begun" in event["text"] for event in events) == both
    assert users() == []
