"""What QGIS starts: registers the Processing provider and takes it away again."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsApplication

from .toolbox import styling
from .toolbox.provider import Provider


class Plugin:
    """The plugin; `iface` is None in qgis_process and is not needed."""

    def __init__(self, iface: Any) -> None:
        self.provider: Provider | None = None
        self._edit_copy: Any = None

    def initProcessing(self) -> None:
        """Registers the provider; all that qgis_process calls."""
        self.provider = Provider()
        QgsApplication.processingRegistry().addProvider(self.provider)
        # The ready models are made of our own algorithms, which the registry knows only from here on.
        self.provider.refreshAlgorithms()

    def initGui(self) -> None:
        """Registers the provider when QGIS has a window, and what the toolbox's context menu offers."""
        from .toolbox import model_copies

        self.initProcessing()
        self._edit_copy = model_copies.offer()

    def unload(self) -> None:
        """Removes everything this plugin put into QGIS."""
        styling.forget()
        if self._edit_copy is not None:
            from .toolbox import model_copies

            model_copies.withdraw(self._edit_copy)
            self._edit_copy = None
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
