"""The first starts: a message with a button that opens “Install the engine”, where there is a window and no engine, until the user closes it."""

from __future__ import annotations

from typing import Any

from qgis import utils
from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QPushButton

from ..worker import environment
from . import links, settings
from .translation import tr

TITLE = "EO Pretrain"
CLOSED = "eo_pretrain_qgis/first_start_closed"


def tell(iface: Any) -> bool:
    """Shows the message unless the user has closed it once or an engine is there; says whether it did."""
    if QgsSettings().value(CLOSED, False, type=bool) or not environment.requirement("predict", settings.engine()):
        return False
    message = iface.messageBar().createMessage(
        TITLE, tr("Welcome. One step is left: install the engine, which makes the maps, outside QGIS."))
    button = QPushButton(tr("Install the engine…"), message)
    # A function that held the message would be in a circle with it, which Python clears while the button still calls it: QGIS crashes.
    button.clicked.connect(_clicked)
    message.layout().addWidget(button)
    iface.messageBar().pushWidget(message)
    iface.messageBar().widgetRemoved.connect(_removed)
    return True


def _removed(message: Any) -> None:
    if message.title() == TITLE:
        QgsSettings().setValue(CLOSED, True)


def _clicked() -> None:
    QTimer.singleShot(0, _open)  # once the click is over: closing the message deletes its button


def _open() -> None:
    bar = utils.iface.messageBar()
    for message in bar.items():
        if message.title() == TITLE:
            bar.popWidget(message)
    QgsSettings().remove(CLOSED)  # to open the dialog is not yet to have an engine
    links.open_dialog(links.INSTALL)
