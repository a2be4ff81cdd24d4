"""A killed map of any theme goes on where it was, and is that of one run."""

import json
import os
import signal
import subprocess
import sys

import pytest

from eo_pretrain_qgis import claims
from eo_pretrain_qgis.engine.mapping import journal, series
from eo_pretrain_qgis.jobs.record import run_job
from tests.clusters import ROOT
from tests.theme_maps import MAPS, asked_of, same_files, sea_ice, series_of_pixels

from ..listening import Listening

#: The command line, in a process that kills itself when so many blocks are written down.
COMMAND = """
import os, signal, sys
from eo_pretrain_qgis import __main__ as command
from eo_pretrain_qgis.engine.mapping import journal, series
series.HELD = 2**14
add, written = journal.Journal.add, []
def counted(self, found):
    add(self, found)
    written.append(1)
    if len(written) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
journal.Journal.add = counted
sys.exit(command.main(sys.argv[2:]))
"""


class Torn(Exception):
    """The moment whose files are kept."""


def left_of(job, where, blocks):
    """What a process leaves that is killed when so many blocks are written down; the claim is of nobody alive."""
    taken, add, written = {}, journal.Journal.add, []

    def snapshot(self, found):
        add(self, found)
        written.append(1)
        if len(written) == blocks:
            taken.update({path: path.read_bytes() for path in where.iterdir() if path.is_file() and ours(path)})
            raise Torn

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Torn):
        patch.setattr(journal.Journal, "add", snapshot)
        run_job(job, Listening())
    for path, content in taken.items():
        if path.name.endswith(claims.ENDING):
            content = json.dumps({**json.loads(content), "process": 2**22 + 1, "started": 5}).encode()
        path.write_bytes(content)


def ours(path):
    return bool(claims.PART.search(path.name)) or path.name.endswith(claims.ENDING)


def run_again(job, where):
    """The last run: how many blocks it wrote down, and what it said."""
    add, written, heard = journal.Journal.add, [], Listening()

    def counted(self, found):
        written.append(found.block.number)
        add(self, found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal.Journal, "add", counted)
        run_job(job, heard)
    assert [path for path in where.iterdir() if ours(path)] == []
    fractions = [line["fraction"] for line in heard.lines]
    assert fractions == sorted(fractions)
    return len(written), heard.texts


@pytest.fixture
def places(folder, monkeypatch):
    monkeypatch.setattr(series, "HELD", 2**14)
    for name in ("whole", "killed"):
        (folder / name).mkdir()
    return folder / "whole", folder / "killed"


@pytest.mark.parametrize("make", MAPS, ids=lambda make: make.__name__)
def test_a_killed_map_is_the_map_of_one_run(folder, places, make):
    made, (whole, killed) = make(folder), places
    blocks, _ = run_again(asked_of(made, whole), whole)
    assert blocks > 1
    left_of(asked_of(made, killed), killed, half := blocks // 2)
    left, said = run_again(asked_of(made, killed), killed)
    assert left == blocks - half
    assert any(text.endswith(f" and was ended; {half} of {blocks} blocks were finished and are kept.") for text in said)
    assert same_files(whole, killed)


@pytest.mark.parametrize("change", ["image", "mask", "date"])
def test_a_series_that_was_changed_begins_anew(folder, places, change):
    made, (whole, killed) = series_of_pixels(folder), places
    left_of(asked_of(made, killed), killed, 3)
    values = made[1]
    if change == "date":
        values = {**values, "images": values["images"][:2], "masks": values["masks"][:2]}
    else:
        os.utime(values["images" if change == "image" else "masks"][1], ns=(1, 1))
    blocks, said = run_again(asked_of((made[0], values), killed), killed)
    assert blocks > 3
    assert any("was removed" in text for text in said) and not any("are kept" in text for text in said)
    run_job(asked_of((made[0], values), whole), Listening())
    assert same_files(whole, killed)


def test_ice_with_another_coast_begins_anew(folder, places):
    made, (_, killed) = sea_ice(folder), places
    left_of(asked_of(made, killed), killed, 1)
    os.utime(made[1]["land"], ns=(1, 1))
    assert any("was removed" in text for text in run_again(asked_of(made, killed), killed)[1])


def test_a_series_whose_process_is_killed_goes_on(folder, places):
    made, (whole, killed) = series_of_pixels(folder), places
    blocks, _ = run_again(asked_of(made, whole), whole)
    values = {name: value for name, value in asked_of(made, killed).values().items() if name in made[1] or name == "output"}
    (folder / "values.json").write_text(json.dumps(values))
    ran = subprocess.run([sys.executable, "-c", COMMAND, "4", "map_series", "--json", str(folder / "values.json")],
                         env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert not (killed / "map.tif").exists()
    left, said = run_again(asked_of(made, killed), killed)
    assert left == blocks - 4
    assert any(f"4 of {blocks} blocks were finished and are kept." in text for text in said)
    assert same_files(whole, killed)
