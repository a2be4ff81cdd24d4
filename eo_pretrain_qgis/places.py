"""Where this program keeps what outlives a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

#: The environment variable with the folder where weights are kept.
MODELS = "EOPRETRAIN_MODELS"
#: The file in an engine that says that “Install the engine” built it, whole.
ENGINE_MARKER = "complete.json"
#: Environment variable → the setting that stands for it where it is not set, of a program that has settings.
settings: dict[str, Callable[[], str]] = {}


def setting(variable: str) -> str:
    """What an environment variable says, or the setting that stands for it; empty where neither does."""
    return (os.environ.get(variable, "").strip() or settings.get(variable, str)()).strip()


def data_folder() -> str:
    """The folder of this program among the user's data, as each system has it; it need not exist."""
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~")
    elif sys.platform == "darwin":
        home = os.path.expanduser("~/Library/Application Support")
    else:
        home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(home, "eo_pretrain")


def models_folder() -> Path:
    """Where weights are kept: as `MODELS` says, else beside the engine that this is, if “Install the engine” built it, else with the user's data."""
    named = setting(MODELS)
    if not named and (Path(sys.prefix) / ENGINE_MARKER).is_file():
        return Path(sys.prefix).parent / "models"
    return Path(named or os.path.join(data_folder(), "models"))


def shipped(*names: str) -> Path | None:
    """A file of the folder models, which lies in the plugin folder or, in a checkout, beside it; None where it is missing."""
    package = Path(__file__).resolve().parent
    places = [folder.joinpath("models", *names) for folder in (package, package.parent)]
    return next((place for place in places if place.is_file()), None)
