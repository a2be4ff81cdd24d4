"""Datasets, runs and models that were used or made last, which pickers offer again. Kept in the settings of the QGIS profile."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from qgis.core import QgsSettings

from ..jobs.spec import Job, Param

KEY = "eo_pretrain/recent/"
#: How many of each are remembered.
MOST = 8
#: Endings of single files that are remembered.
ENDINGS = ("onnx",)


def paths(param: Param) -> list[str]:
    """Those that fit a parameter and are still there, the last first."""
    what = _what(param)
    return [path for path in _stored(what) if _is_there(param, path)] if what else []


def remember(job: type[Job], values: Mapping[str, Any]) -> None:
    """Keeps the datasets, runs and models among the values of a job that has ended well, and among what it wrote."""
    for name, param in job.parameters().items():
        what, path = _what(param), values.get(name)
        if what and isinstance(path, str) and path not in param.words and os.path.exists(path):
            QgsSettings().setValue(KEY + what, [path, *(old for old in _stored(what) if old != path)][:MOST])


def _is_there(param: Param, path: str) -> bool:
    """Whether a file is there; of a folder also what makes it a dataset or a run, which may be gone from it."""
    return os.path.exists(os.path.join(path, param.main_file)) if param.main_file and os.path.isdir(path) else os.path.exists(path)


def kept(param: Param) -> bool:
    """Whether what an input names is remembered."""
    return bool(_what(param)) and not param.is_output


def _what(param: Param) -> str:
    """What a parameter names, as its place in the settings; empty where it is not remembered."""
    if param.multiple:
        return ""
    return param.main_file or (param.extension if param.extension in ENDINGS else "run.json" if param.kind == "weights" else "")


def _stored(what: str) -> list[str]:
    stored = QgsSettings().value(KEY + what, [])
    return [path for path in ([stored] if isinstance(stored, str) else stored or []) if isinstance(path, str)]
