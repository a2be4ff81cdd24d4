"""Makes a plugin folder of links to this checkout, in a QGIS profile or any folder of plugins."""

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = "__pycache__"  # Python writes one among the links as soon as QGIS has loaded the plugin
DEFAULT_PROFILE = Path.home() / ".local/share/QGIS/QGIS3/profiles/default"


def link_plugin(plugins: Path) -> Path:
    """Fills `plugins`/eo_pretrain_qgis with links; QGIS wants metadata.txt inside, which the checkout keeps at its top."""
    folder = plugins / "eo_pretrain_qgis"
    if folder.is_symlink() or (folder.exists() and not all(item.is_symlink() or item.name == CACHE for item in folder.iterdir())):
        sys.exit(f"dev: {folder} is an installed plugin, not a folder of links. Uninstall it in QGIS first.")
    folder.mkdir(parents=True, exist_ok=True)
    for item in folder.iterdir():
        if item.name == CACHE:
            shutil.rmtree(item)
        else:
            item.unlink()
    sources = [*(ROOT / "eo_pretrain_qgis").iterdir(), ROOT / "metadata.txt", ROOT / "LICENSE", ROOT / "models"]
    for source in sources:
        if source.name != CACHE:
            os.symlink(source, folder / source.name)
    os.symlink(ROOT / "dist" / "site", folder / "help")  # leads nowhere until `make docs` has built the pages
    return folder


if __name__ == "__main__":
    profile = Path(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else DEFAULT_PROFILE
    print(f"dev: linked {link_plugin(profile / 'python' / 'plugins')}; enable “EO Pretrain” in QGIS's plugin manager.")
