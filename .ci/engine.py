"""Builds the engine and the development tools in .engine/ when they are missing, and leaves links with stable names.

`.engine/train` is the engine, `.engine/dev` the environment of the tools (pytest, ruff, mypy, bandit, detect-secrets), which see the
engine's packages. The environment that builds the documents stands apart from both (pages.py).
"""

import glob
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pages  # noqa: E402

from eo_pretrain_qgis.errors import EOPretrainError  # noqa: E402
from eo_pretrain_qgis.progress import PrintedProgress  # noqa: E402
from eo_pretrain_qgis.worker import environment  # noqa: E402


def link(name: str, target: str) -> None:
    place = ROOT / ".engine" / name
    if not (place.is_symlink() and os.readlink(place) == target):
        place.unlink(missing_ok=True)
        place.symlink_to(target)


def main() -> None:
    location = str(ROOT / ".engine")
    train = environment.build("train", location=location, progress=PrintedProgress())
    dev = environment.build("dev", location=location, requirements=str(ROOT / "tests" / "requirements.txt"), progress=PrintedProgress())
    packages = glob.glob(str(Path(train).parents[1] / "lib" / "python*" / "site-packages"))
    for folder in glob.glob(str(Path(dev).parents[1] / "lib" / "python*" / "site-packages")):
        (Path(folder) / "engine.pth").write_text("\n".join(packages) + "\n")
    pages.environment_python()
    link("train", str(Path(train).parents[1]))
    link("dev", str(Path(dev).parents[1]))


if __name__ == "__main__":
    try:
        main()
    except EOPretrainError as error:
        sys.exit(f"setup: {error}")
