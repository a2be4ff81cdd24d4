"""Dialogs of algorithms as a user meets them, in a process of its own: the other tests run without widgets."""

import json
import os
import subprocess
import sys

from ..conftest import ROOT

BEFORE = """
import json, os, sys
from qgis.core import *
from qgis.gui import *
application = QgsApplication([], True)
application.initQgis()
sys.path[:0] = [sys.argv[1]]
sys.path.append(os.path.join(QgsApplication.pkgDataPath(), "python", "plugins"))
import processing
from processing.core.Processing import Processing
from qgis.PyQt.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qgis.PyQt.QtGui import QDragEnterEvent, QDropEvent
from qgis.PyQt.QtWidgets import QComboBox, QSpinBox, QToolButton
Processing.initialize()
from eo_pretrain_qgis.plugin import Plugin
plugin = Plugin(None)
plugin.initProcessing()
project, context, given = QgsProject.instance(), QgsProcessingContext(), json.loads(sys.argv[2])
context.setProject(project)
kept = []

def dialog_of(job, **values):
    dialog = algorithm_of(job).createCustomParametersWidget(None)
    dialog.setParameters(values)
    kept.append(dialog)
    return dialog

def algorithm_of(job):
    return QgsApplication.processingRegistry().algorithmById("eopretrain:" + job).create()

def values_of(dialog):
    return dialog.mainWidget().createProcessingParameters()

def wrapper_of(dialog, name):
    return dialog.mainWidget().wrappers[name]

def list_of(dialog, name):
    return wrapper_of(dialog, name).wrappedWidget().findChild(QComboBox)

def shown_in(combo):
    return [[combo.itemText(place), combo.itemData(place)] for place in range(combo.count())]

def drop(widget, path):
    dropped = QMimeData()
    dropped.setUrls([QUrl.fromUserInput(path)])
    said = (Qt.DropAction.CopyAction, dropped, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    application.sendEvent(widget, QDragEnterEvent(QPoint(2, 2), *said))
    application.sendEvent(widget, QDropEvent(QPointF(2, 2), *said))

def tell(told):
    print("TOLD" + json.dumps(told), flush=True)
    os._exit(0)
"""


def seen(script: str, folder, **given) -> dict:
    """What `script` tells with `tell(…)`; it finds what it is `given`, and its HOME is `folder`."""
    # What is used after it was freed crashes with debug, and by chance without it.
    variables = {"PYTHONMALLOC": "debug", "PATH": "/usr/bin:/bin", "HOME": str(folder), "QT_QPA_PLATFORM": "offscreen"}
    variables |= {name: os.environ[name] for name in ("EOPRETRAIN_ENGINE",) if name in os.environ}
    ran = subprocess.run([sys.executable, "-c", BEFORE + script, str(ROOT), json.dumps(given)], capture_output=True, text=True, env=variables,
                         timeout=120)
    told = [line.removeprefix("TOLD") for line in ran.stdout.splitlines() if line.startswith("TOLD")]
    assert told, ran.stdout + ran.stderr
    return json.loads(told[-1])
