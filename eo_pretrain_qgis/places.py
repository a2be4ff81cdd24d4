"""Where this program keeps what outlives a run."""

from __future__ import annotations

import os
import sys


def data_folder() -> str:
    """The folder of this program among the user's data, as each system has it; it need not exist."""
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~")
    elif sys.platform == "darwin":
        home = os.path.expanduser("~/Library/Application Support")
    else:
        home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(home, "eo_pretrain")
