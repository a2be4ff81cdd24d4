"""What processes do that are started together; a module of its own, because each process reads it anew and has to be quick."""

import os
import signal
import time
from pathlib import Path

from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.outputs import new_file


def go_on(progress):
    """Each works for a minute and tells."""
    for second in range(600):
        progress.at(second / 600, f"working in {os.environ['RANK']}")
        time.sleep(0.1)


def fail_in_second(how, path, progress):
    """The first waits for a second that fails, and writes when; it would wait for a minute."""
    if os.environ["RANK"] == "0":
        time.sleep(60)
    Path(path).write_text(str(time.time()))
    if how == "sentence":
        raise DataError("The second process found nothing. Look again.")
    if how == "bug":
        raise KeyError("nothing")
    os.kill(os.getpid(), signal.SIGKILL)


def leave_a_part(folder, progress):
    """The first dies while it writes."""
    if os.environ["RANK"] != "0":
        time.sleep(60)
    os.makedirs(folder)
    with new_file(os.path.join(folder, "run.json")) as part:
        part.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
