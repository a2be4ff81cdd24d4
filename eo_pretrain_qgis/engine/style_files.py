"""QGIS style files beside what we write: ours are replaced, a style that somebody else made is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError
from ..outputs import new_file
from ..report import SILENT, Report

#: At the end of every style we write. QGIS leaves it out when the user saves a style of their own.
MARK = "<!-- written by EO Pretrain for QGIS -->"


@contextlib.contextmanager
def new_style(of: str | Path, text: str, report: Report = SILENT) -> Iterator[None]:
    """Writes the style of an output, ``.qml`` in place of its ending, when the block ends without an error.

    A style of that name that is not ours stays: it is the user's, maybe of another layer of that name.
    """
    path = Path(of).with_suffix(".qml")
    if _is_foreign(path):
        report.message(f"{path} is a style of your own and was kept. Move it and run again to get the style of the classes.", "warning")
        yield
        return
    with new_file(path, of=of) as part:
        part.write_text(f"{text}{MARK}\n", encoding="utf-8")
        yield


def check_sidecar(path: str | Path) -> None:
    """Refuses an output whose name has a file of GDAL's beside it already, of another image: it would be taken for that of the output.

    Raises:
        DataError: there is such a file, and no output yet.
    """
    beside = Path(f"{path}.aux.xml")
    if beside.exists() and not Path(path).exists():
        raise DataError(f"{beside} is there already, and without {Path(path).name}, so it belongs to something else. Move it away, or choose another "
                        "name for the output.")


def _is_foreign(path: Path) -> bool:
    try:
        return MARK not in path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
