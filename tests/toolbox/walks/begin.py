"""What QGIS runs at its start (`--code`): the walk that the environment names."""

import os
import sys
from pathlib import Path

from qgis.PyQt.QtCore import QTimer
from qgis.utils import iface


def begin() -> None:
    """Starts the walk once QGIS has its window and its toolbox."""
    sys.path.insert(0, os.environ["EOPRETRAIN_WALK_ROOT"])
    from tests.toolbox.walks.steps import WALKS
    from tests.toolbox.walks.window import Window

    window = Window(Path(os.environ["EOPRETRAIN_WALK_FOLDER"]))
    iface.mainWindow().resize(1280, 820)
    window.start_heart()
    window.walk(WALKS[os.environ["EOPRETRAIN_WALK"]](window), window.write)


QTimer.singleShot(2000, begin)
