"""The worker's main.py with one more job, `misbehave`, which does what no job should."""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT), str(Path(__file__).parent)]

from misbehave import Misbehave  # noqa: E402

from eo_pretrain_qgis.jobs import JOBS  # noqa: E402

JOBS["misbehave"] = Misbehave
if __name__ == "__main__":
    runpy.run_path(str(ROOT / "eo_pretrain_qgis" / "worker" / "main.py"), run_name="__main__")
