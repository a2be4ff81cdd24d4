"""Builds the documents as a site, with mkdocs in an environment of its own, which is made in .engine/ when it is missing.

    /usr/bin/python3 .ci/pages.py [folder]
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from eo_pretrain_qgis.errors import EOPretrainError  # noqa: E402
from eo_pretrain_qgis.progress import PrintedProgress  # noqa: E402
from eo_pretrain_qgis.worker import environment  # noqa: E402

SITE = ROOT / "dist" / "site"
REQUIREMENTS = ROOT / "docs" / "requirements.txt"


def environment_python() -> str:
    """The Python with mkdocs; the network is asked only when there is none yet."""
    return environment.build("docs", location=str(ROOT / ".engine"), requirements=str(REQUIREMENTS), progress=PrintedProgress())


def build(folder: Path) -> None:
    """Builds the site into a folder, which is emptied first; a page that links to nothing ends it with the page's name."""
    ran = subprocess.run([environment_python(), "-m", "mkdocs", "build", "--clean", "--site-dir", str(folder.absolute())], cwd=ROOT,
                         env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"docs: the pages could not be built.\n{ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    try:
        place = Path(sys.argv[1]) if len(sys.argv) > 1 else SITE
        build(place)
        print(f"docs: the pages are in {place}; open {place / 'index.html'} in a browser.")
    except EOPretrainError as error:
        sys.exit(f"docs: {error}")
