"""The provider's settings: fields on Processing's options page, which environment variables of the same name overrule."""

from __future__ import annotations

import os

from processing.core.ProcessingConfig import ProcessingConfig, Setting

GROUP = "EO Pretrain"
ENGINE = "EOPRETRAIN_ENGINE"
DEVICE = "EOPRETRAIN_DEVICE"
DASK = "EOPRETRAIN_DASK"
MODELS = "EOPRETRAIN_MODELS"


def add(icon: object) -> None:
    """Puts our group on the options page, headed by `icon` (a QIcon)."""
    ProcessingConfig.settingIcons[GROUP] = icon
    ProcessingConfig.addSetting(
        Setting(GROUP, ENGINE, "Python of the engine (empty: the one “Install the engine” built)", "", valuetype=Setting.FILE))
    ProcessingConfig.addSetting(
        Setting(GROUP, DEVICE, "Device where an algorithm says auto (auto, cpu, cuda, cuda:0 or mps)", "auto", valuetype=Setting.STRING))
    ProcessingConfig.addSetting(
        Setting(GROUP, DASK, "Address of a Dask scheduler that cuts datasets (empty: this computer does)", "", valuetype=Setting.STRING))
    ProcessingConfig.addSetting(
        Setting(GROUP, MODELS, "Folder of downloaded weights (empty: beside the engine)", "", valuetype=Setting.FOLDER))
    ProcessingConfig.readSettings()


def remove() -> None:
    """Takes our group off the options page; what the user set is kept."""
    for name in (ENGINE, DEVICE, DASK, MODELS):
        ProcessingConfig.removeSetting(name)


def engine() -> str:
    """The engine's Python the user named here, or an empty string; `environment.find` looks at the environment variable first."""
    return (ProcessingConfig.getSetting(ENGINE) or "").strip()


def device() -> str:
    """The device to compute on where a job says ``auto``."""
    return (os.environ.get(DEVICE) or ProcessingConfig.getSetting(DEVICE) or "").strip() or "auto"


def dask() -> str:
    """The address of the Dask scheduler that cuts datasets, or an empty string."""
    return (os.environ.get(DASK) or ProcessingConfig.getSetting(DASK) or "").strip()


def models() -> str:
    """The folder where weights of the catalogue are kept, or an empty string."""
    return (os.environ.get(MODELS) or ProcessingConfig.getSetting(MODELS) or "").strip()
