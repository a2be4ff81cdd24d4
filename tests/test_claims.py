"""One output, one job: who is refused, what a dead job left, and what is never touched."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from eo_pretrain_qgis import claim_file, claims, process_identity
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.outputs import new_file, new_folder, scratch_file, settled

ROOT = Path(__file__).parents[1]
# Claims an output, begins a part, says its name and waits to be killed.
HOLDER = """
import sys, time
sys.path.insert(0, {root!r})
from eo_pretrain_qgis import claims
with claims.taken(sys.argv[1], "predict_map", "asked", "id-of-job"), claims.part(sys.argv[1]) as part, claims.part(sys.argv[1]) as folder:
    import os
    open(part, "w").write("half"); open(part + ".aux.xml", "w").write("half"); os.mkdir(folder); open(folder + "/a.npy", "w").write("half")
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(folder):
    """A process that holds the claim on map.tif, with a file and a folder begun."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER.format(root=str(ROOT)), settled(folder / "map.tif")], stdout=subprocess.PIPE,
                               text=True)
    assert process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def mine(folder):
    """Files of the user's that look like ours."""
    (folder / "album.part").mkdir()
    kept = ["thesis.tex.part", "map.tif.part", "map.tif.part.tiles", "map.qml.part", "album.part/photo.jpg", "map.tif.0123456789abcdef.part"]
    for name in kept:
        (folder / name).write_text("precious")
    return lambda: [name for name in kept if (folder / name).read_text() != "precious"] == []


def names(folder):
    return sorted(child.name for child in folder.iterdir())


def forged(folder, **changed):
    """A claim on map.tif of a process that is gone, or as `changed` says."""
    record = {"format": claim_file.FORMAT, "version": 1, "id": "x", "job": "finetune", "request": "", "output": "map.tif",
              "since": "2026-01-01T00:00:00Z", **process_identity.own(), "process": 2**22 + 1, "started": 5, "parts": [], **changed}
    place = folder / "map.tif.claim"
    place.write_text(json.dumps(record))
    return place


def test_what_was_left_of_a_name_with_a_line_break_goes_too(folder):
    part = folder / "a\nmap.tif.0123456789abcdef.part"
    part.write_text("part")
    forged(folder, parts=[part.name])
    with claims.taken(settled(folder / "map.tif"), "predict_map"):
        assert names(folder) == ["map.tif.claim"]


def test_a_second_job_is_refused_and_told_which_one_writes(folder, holder):
    with pytest.raises(DataError, match=rf"map.tif is being written by “predict_map” \(process {holder.pid} on .* Wait until it has ended"), \
            new_file(folder / "map.tif"):
        raise AssertionError
    assert holder.poll() is None
    assert len(names(folder)) == 4


def test_two_writers_in_one_process_too(folder):
    with new_file(folder / "map.tif") as part:
        part.write_text("first")
        with pytest.raises(DataError, match="is being written by"), new_file(folder / "map.tif") as other:
            other.write_text("second")
    assert (folder / "map.tif").read_text() == "first"
    assert names(folder) == ["map.tif"]


def test_of_many_jobs_that_begin_at_once_one_writes(folder):
    script = ("import sys, time; sys.path.insert(0, sys.argv[1]); from eo_pretrain_qgis import claims\n"
              "with claims.taken(sys.argv[2], 'job'): print('mine', flush=True); time.sleep(3)")
    began = [subprocess.Popen([sys.executable, "-c", script, str(ROOT), settled(folder / "map.tif")], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) for _ in range(8)]
    ended = [process.communicate(timeout=60) for process in began]
    assert [out for out, _ in ended].count("mine\n") == 1
    assert sum("is being written by" in err for _, err in ended) == 7
    assert names(folder) == []


@pytest.mark.parametrize("request_again", ["asked", "something else"])
def test_what_a_killed_job_left_goes_by_its_list_and_nothing_else_does(folder, holder, mine, request_again):
    holder.kill()
    holder.wait()
    told = []
    with claims.taken(settled(folder / "map.tif"), "predict_map", request_again, tell=told.append):
        assert names(folder) == ["album.part", "map.qml.part", "map.tif.0123456789abcdef.part", "map.tif.claim", "map.tif.part",
                                 "map.tif.part.tiles", "thesis.tex.part"]
    assert "“predict_map” had begun" in told[0]
    assert mine()
    assert "map.tif.claim" not in names(folder)


def test_who_saw_a_job_die_clears_up_after_it(folder, holder, mine):
    target = settled(folder / "map.tif")
    holder.kill()
    holder.wait()
    claims.clear(target, "another job")
    assert len(names(folder)) == 10
    claims.clear(target, "id-of-job")
    assert len(names(folder)) == 6
    assert mine()


KEEPER = HOLDER.replace("claims.part(sys.argv[1]) as part,", "claims.part(sys.argv[1], main=False, kept=True) as part,")


@pytest.mark.parametrize(("asked", "given"), [("asked", True), ("something else", False), ("", False)])
def test_a_kept_part_is_given_to_who_asks_for_the_same(folder, mine, asked, given):
    assert not claims.keeps(settled(folder / "map.tif"))
    process = subprocess.Popen([sys.executable, "-c", KEEPER.format(root=str(ROOT)), settled(folder / "map.tif")], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.kill()
    process.communicate()
    kept = json.loads((folder / "map.tif.claim").read_text())["kept"]
    assert claims.clear(settled(folder / "map.tif"), "id-of-job", died=True)
    told = []
    with claims.taken(settled(folder / "map.tif"), "predict_map", asked, tell=told.append):
        assert claims.keeps(settled(folder / "map.tif")) == bool(asked)
        assert json.loads((folder / "map.tif.claim").read_text())["kept"] == (kept if given else [])
        with claims.part(settled(folder / "map.tif"), main=False, kept=True) as part:
            assert ([os.path.basename(part)] == kept) == given
            assert os.path.exists(part) == given
            Path(part).write_text("more")
        assert os.path.exists(part)
    assert not os.path.lexists(part)
    assert len(told) == (not given)
    assert mine()
    assert len(names(folder)) == 6


@pytest.mark.parametrize("kept", [["../victim.txt"], ["victim.txt"], "victim.txt", [7, None], ["sub/a.0123456789abcdef.part"],
                                  ["link.0123456789abcdef.part"], ["unlisted.0123456789abcdef.part"], {}])
def test_a_claim_gives_no_file_away_that_is_no_part_of_its_own(folder, kept):
    (folder / "victim.txt").write_text("precious")
    (folder / "sub").mkdir()
    (folder / "sub" / "a.0123456789abcdef.part").write_text("part")
    (folder / "unlisted.0123456789abcdef.part").write_text("precious")
    (folder / "link.0123456789abcdef.part").symlink_to(folder / "victim.txt")
    forged(folder, request="asked", kept=kept, parts=["victim.txt", "../victim.txt", "sub/a.0123456789abcdef.part", "link.0123456789abcdef.part"])
    with claims.taken(settled(folder / "map.tif"), "finetune", "asked"), claims.part(settled(folder / "map.tif"), main=False, kept=True) as part:
        assert not os.path.exists(part)
    assert (folder / "victim.txt").read_text() == (folder / "unlisted.0123456789abcdef.part").read_text() == "precious"


def test_a_process_that_ends_by_force_clears_up_before(folder):
    with pytest.raises(DataError), claims.taken(settled(folder / "map.tif"), "job"), new_file(folder / "map.tif") as part:
        part.write_text("half")
        claims.abandon()
        assert names(folder) == []


def test_a_claim_that_was_taken_away_is_neither_made_anew_nor_taken_from_another(folder):
    with claims.taken(settled(folder / "map.tif"), "job"):
        place = forged(folder, process=1, started=0)
        with pytest.raises(DataError, match="was taken away while “job” was writing"), new_file(folder / "map.tif"):
            pass
    assert json.loads(place.read_text())["process"] == 1
    with claims.taken(settled(folder / "other.tif"), "job"):
        (folder / "other.tif.claim").unlink()
        with pytest.raises(DataError, match="was taken away while “job” was writing"), new_file(folder / "other.tif"):
            pass
    assert names(folder) == ["map.tif.claim"]


@pytest.mark.parametrize("changed", [{}, {"process": os.getpid(), "started": 7}, {"process": 1, "boot": "another start"}, {"process": 0},
                                     {"process": -1}, {"process": 10**30}])
def test_a_claim_of_a_dead_process_is_taken_over(folder, changed):
    forged(folder, **changed)
    with new_file(folder / "map.tif") as part:
        part.write_text("whole")
    assert names(folder) == ["map.tif"]


def test_a_claim_from_another_computer_says_how_to_release_it(folder):
    place = forged(folder, host="node17")
    with pytest.raises(DataError, match=r"“finetune” \(process \d+ on node17, since 2026-01-01T00:00:00Z\).* delete the file .*map.tif.claim"), \
            new_file(folder / "map.tif"):
        pass
    assert place.exists()
    place.unlink()
    with new_file(folder / "map.tif") as part:
        part.touch()


@pytest.mark.parametrize("listed", [
    ["../victim.txt"], ["victim.txt"], ["/etc/passwd"], ["./sub/../victim.txt"], ["sub"], [""], ["."], [7, None],
    ["victim.0123456789abcdef.part/../victim.txt"], ["../outside.0123456789abcdef.part"], ["link/outside.0123456789abcdef.part"],
    ["d.0123456789abcdef.part/victim.txt"],
])
def test_a_claim_that_lists_files_of_the_user_removes_none(folder, listed):
    outside = folder.parent / "outside.0123456789abcdef.part"
    (folder / "sub").mkdir()
    (folder / "link").symlink_to(folder.parent)
    for path in (folder / "victim.txt", folder.parent / "victim.txt", folder / "sub" / "a.txt", outside):
        path.write_text("precious")
    forged(folder, parts=listed)
    with new_file(folder / "map.tif") as part:
        part.touch()
    assert names(folder) == ["link", "map.tif", "sub", "victim.txt"]
    assert [path.read_text() for path in (folder.parent / "victim.txt", folder / "sub" / "a.txt", outside)] == ["precious"] * 3


@pytest.mark.parametrize("content", ["my notes", "{}", "[1]", "[" * 100000, '{"format": "eo-pretrain claim"}', "\x00\xff"])
def test_a_file_that_is_no_claim_is_left_alone(folder, content):
    (folder / "map.tif.claim").write_text(content)
    with pytest.raises(DataError, match=r"map.tif.claim is in the way: .* Move it away"), new_file(folder / "map.tif"):
        pass
    assert (folder / "map.tif.claim").read_text() == content


def test_an_empty_claim_was_given_back(folder):
    (folder / "map.tif.claim").touch()
    with new_file(folder / "map.tif") as part:
        part.touch()
    assert names(folder) == ["map.tif"]


def test_an_empty_file_of_long_ago_is_no_claim(folder):
    place = folder / "map.tif.claim"
    place.touch()
    os.utime(place, (1e9, 1e9))
    with pytest.raises(DataError, match="is in the way"), new_file(folder / "map.tif"):
        pass
    assert place.exists()


def test_what_somebody_puts_there_meanwhile_is_not_replaced(folder):
    with pytest.raises(DataError, match="was put there by somebody else while this job ran"), new_file(folder / "map.tif") as part:
        part.write_text("ours")
        (folder / "map.tif").write_text("theirs")
    with pytest.raises(DataError, match="already holds files"), new_folder(folder / "data") as inside:
        (inside / "README.txt").write_text("ours")
        (folder / "data").mkdir()
        (folder / "data" / "README.txt").write_text("theirs")
    assert [(folder / "map.tif").read_text(), (folder / "data" / "README.txt").read_text()] == ["theirs", "theirs"]
    assert names(folder) == ["data", "map.tif"]


def test_nothing_is_put_into_a_folder_that_another_job_is_about_to_make(folder):
    target = settled(folder / "map.tif")  # the claim of a folder looks the same
    forged(folder, process=1, started=0)
    with pytest.raises(DataError, match="map.tif is being written by “finetune”"), new_file(folder / "map.tif" / "inside.txt"):
        pass
    assert names(folder) == ["map.tif.claim"]
    os.mkdir(target)
    (folder / "map.tif" / "run.json").touch()  # a run that goes on: its folder may take other files
    with new_file(folder / "map.tif" / "inside.txt") as part:
        part.touch()


def test_a_job_writes_through_no_link_out_of_its_folder(folder):
    (folder / "run").mkdir()
    (folder / "precious").write_text("precious")
    (folder / "run" / "metrics.csv").symlink_to(folder / "precious")
    (folder / "run" / "last").symlink_to(folder)
    with claims.taken(settled(folder / "run"), "finetune", named=str(folder / "run")):
        for name in ("metrics.csv", "last/precious"):
            with pytest.raises(DataError, match="out of the folder that is written. Remove the link"), new_file(folder / "run" / name):
                pass
        with new_file(folder / "run" / "report.html") as part:
            part.touch()
    assert (folder / "precious").read_text() == "precious"


def test_a_link_in_place_of_a_claim_is_not_followed(folder):
    (folder / "victim.txt").write_text("precious")
    (folder / "map.tif.claim").symlink_to(folder / "victim.txt")
    with pytest.raises(DataError), new_file(folder / "map.tif"):
        pass
    assert (folder / "victim.txt").read_text() == "precious"


def test_two_names_of_one_place_are_one_output(folder):
    (folder / "link.tif").symlink_to(folder / "map.tif")
    with new_file(folder / "map.tif") as part:
        part.write_text("whole")
        with pytest.raises(DataError, match="is being written by"), new_file(folder / "link.tif"):
            pass
    with new_file(folder / "link.tif") as part:
        part.write_text("again")
    assert (folder / "link.tif").is_symlink()
    assert (folder / "map.tif").read_text() == "again"


def test_parts_are_listed_before_they_begin_and_struck_off_after(folder):
    place = folder / "data.claim"

    def listed():
        return json.loads(place.read_text())["parts"]

    with claims.taken(settled(folder / "data"), "job"):
        with new_folder(folder / "data") as inside:
            assert listed() == [inside.name]
            with new_file(inside / "dataset.json") as part:  # lies in a part already
                part.touch()
                assert listed() == [inside.name]
        with new_file(folder / "data" / "report.html") as part:
            part.touch()
            assert listed() == [f"data/{part.name}"]
        with new_file(folder / "data.qml", of=folder / "data") as part, scratch_file(folder / "data") as aside:
            part.touch()
            assert listed() == [part.name, aside.name]
        assert listed() == []
    assert names(folder) == ["data", "data.qml"]


def test_parts_of_many_threads_are_all_listed(folder):
    with claims.taken(settled(folder / "run"), "job"):
        barrier = threading.Barrier(8)

        def write(number):
            with new_file(folder / "run" / f"{number}.txt") as part:
                part.write_text(str(number))
                barrier.wait()
                assert len(json.loads((folder / "run.claim").read_text())["parts"]) == 8
                barrier.wait()

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert names(folder / "run") == [f"{number}.txt" for number in range(8)]


@pytest.mark.parametrize("length", [100, 249, 250, 255])
def test_the_longest_names_have_claims_and_parts_too(folder, length):
    name = "ö" + "x" * (length - 6) + ".tif"
    with new_file(folder / name) as part:
        part.write_text("whole")
        assert len(names(folder)) == 2
    assert names(folder) == [name]


def test_no_empty_folders_are_left_of_what_did_not_come_about(folder):
    with pytest.raises(ValueError, match="no"), claims.taken(settled(folder / "a" / "b" / "map.tif"), "job"):
        raise ValueError("no")
    assert names(folder) == []
    with claims.taken(settled(folder / "a" / "b" / "map.tif"), "job"), new_file(folder / "a" / "b" / "map.tif") as part:
        part.touch()
    assert names(folder / "a" / "b") == ["map.tif"]
