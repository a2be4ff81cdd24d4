"""Folders as “Install the engine” leaves them, without packages."""

import json
import os
import sys
from pathlib import Path

from eo_pretrain_qgis.worker import environment


def engines(folder):
    """A place with the engine of this version that makes maps."""
    engine(Path(environment.folder_of("predict", str(folder))))
    return str(folder)


def engine(folder, size=1_000_000, **facts):
    """An engine as `environment.build` leaves it, of `size` bytes beside its records."""
    python = Path(environment.python_in(str(folder)))
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    packages = folder / "lib" / "python3.11" / "site-packages" / "torch"
    packages.mkdir(parents=True)
    (packages / "weights.bin").write_bytes(bytes(size))
    (folder / "complete.json").write_text(json.dumps({"kind": os.path.basename(folder).rpartition("-")[0], **facts}))
    return folder
