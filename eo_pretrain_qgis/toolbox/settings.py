"""The provider's settings: fields on Processing's options page, which environment variables of the same name overrule."""

from __future__ import annotations

import os

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsSettings

from .. import places
from ..worker import environment
from .translation import marked, tr

GROUP = "EO Pretrain"
ENGINE = "EOPRETRAIN_ENGINE"
DEVICE = "EOPRETRAIN_DEVICE"
DASK = "EOPRETRAIN_DASK"
MODELS = "EOPRETRAIN_MODELS"
OVERPASS = "EOPRETRAIN_OVERPASS"


#: Devices as the options page lists them; see `_shown`.
DEVICES = {"auto": marked("Automatic: a GPU where there is one"), "cpu": marked("Processor"), "cuda": marked("NVIDIA GPU"),
           "cuda:1": marked("Second NVIDIA GPU"), "cuda:2": marked("Third NVIDIA GPU"), "cuda:3": marked("Fourth NVIDIA GPU"),
           "mps": marked("GPU of Apple")}


class InstalledEngines(Setting):
    """A row that tells which engines are installed, how large they are and where; what is written over it is not kept."""

    NAME = "EOPRETRAIN_INSTALLED"

    def __init__(self) -> None:
        super().__init__(GROUP, self.NAME, tr("2 Installed engines"), "", valuetype=Setting.STRING)

    @property
    def value(self) -> str:
        told = [tr("{}: {} in {}").format(tr(environment.NAMES[one.kind]), one.size(tr("about {} GB"), tr("size unknown")), one.folder)
                + (f", {tr('used now')}" if environment.is_used(one.folder) else "")
                + ("" if one.current else f" ({tr('of an earlier version')})") for one in environment.installed()]
        return "; ".join(told) or tr("none; they are built in {}").format(environment.locations()[0])

    @value.setter
    def value(self, given: str) -> None:
        """Facts are not set."""

    def save(self, qsettings: object = None) -> None:
        """Facts are not saved."""


class ChosenDevice(Setting):
    """The row of devices: shows them in the language of the window, and keeps the word for scripts, which is the same in all languages."""

    value: str

    def __init__(self) -> None:
        super().__init__(GROUP, DEVICE, tr("3 Device where an algorithm says auto"), _shown("auto"), valuetype=Setting.SELECTION_STORE_STRING,
                         options=[_shown(word) for word in DEVICES])

    def read(self, qsettings: QgsSettings | None = None) -> None:
        """Takes what was saved; a device that the list lacks is added to it."""
        super().read(qsettings)
        self.value = _shown(_word(self.value))
        if self.value not in self.options:
            self.options.append(self.value)

    def save(self, qsettings: QgsSettings | None = None) -> None:
        """Keeps the word, and nothing where it is the default."""
        settings, word = qsettings or QgsSettings(), _word(self.value)
        if word == "auto":
            settings.remove(self.qname)
        else:
            settings.setValue(self.qname, word)


def _shown(word: str) -> str:
    """A device as the options page shows it, from its word for scripts."""
    return tr(DEVICES[word]) if word in DEVICES else word


def _word(told: str) -> str:
    """The word for scripts of a device as it is shown, or as earlier versions kept it: by its English name."""
    return next((word for word, name in DEVICES.items() if told in (name, tr(name))), told)


def _rows() -> list[Setting]:
    """Our rows; QGIS sorts them by their words, hence the numbers."""
    return [
        Setting(GROUP, ENGINE, tr("1 Engine: Python to use (empty: the one “Install the engine” built)"), "", valuetype=Setting.FILE),
        InstalledEngines(),
        ChosenDevice(),
        Setting(GROUP, MODELS, tr("4 Folder of downloaded weights (empty: beside the engine)"), "", valuetype=Setting.FOLDER),
        Setting(GROUP, OVERPASS, tr("5 Overpass server for “Fetch roads” (empty: https://overpass-api.de/api/interpreter)"), "",
                valuetype=Setting.STRING),
        Setting(GROUP, DASK, tr("6 Dask scheduler for work on several computers (empty: this one does it)"), "", valuetype=Setting.STRING),
    ]


def add(icon: object) -> None:
    """Puts our group on the options page, headed by `icon` (a QIcon)."""
    ProcessingConfig.settingIcons[GROUP] = icon
    for row in _rows():
        ProcessingConfig.addSetting(row)
    ProcessingConfig.readSettings()
    places.settings.update({ENGINE: engine, MODELS: lambda: models() or environment.models_beside(engine())})


def remove() -> None:
    """Takes our group off the options page; what the user set is kept."""
    for name in (ENGINE, InstalledEngines.NAME, DEVICE, MODELS, OVERPASS, DASK):
        ProcessingConfig.removeSetting(name)
    places.settings.clear()


def engine() -> str:
    """The engine's Python the user named here, or an empty string; `environment.find` looks at the environment variable first."""
    return (ProcessingConfig.getSetting(ENGINE) or "").strip()


def device() -> str:
    """The device to compute on where a job says ``auto``."""
    return _word((os.environ.get(DEVICE) or ProcessingConfig.getSetting(DEVICE) or "").strip()) or "auto"


def dask() -> str:
    """The address of the Dask scheduler for datasets and maps, or an empty string."""
    return (os.environ.get(DASK) or ProcessingConfig.getSetting(DASK) or "").strip()


def models() -> str:
    """The folder where weights of the catalogue are kept, or an empty string."""
    return (os.environ.get(MODELS) or ProcessingConfig.getSetting(MODELS) or "").strip()


def overpass() -> str:
    """The address of the Overpass server that “Fetch roads” asks, or an empty string."""
    return (os.environ.get(OVERPASS) or ProcessingConfig.getSetting(OVERPASS) or "").strip()
