"""What QGIS starts: registers the Processing provider and takes it away again."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsApplication

from .toolbox import styling, translation
from .toolbox.provider import Provider


class Plugin:
    """The plugin; `iface` is None in qgis_process, which has no window."""

    def __init__(self, iface: Any) -> None:
        self._iface = iface
        self.provider: Provider | None = None
        self._edit_copy: Any = None
        self._links: Any = None
        self._translator: Any = None

    def initProcessing(self) -> None:
        """Registers the provider; all that qgis_process calls."""
        self._translator = translation.install()
        self.provider = Provider()
        QgsApplication.processingRegistry().addProvider(self.provider)
        # The ready models are made of our own algorithms, which the registry knows only from here on.
        self.provider.refreshAlgorithms()

    def initGui(self) -> None:
        """Registers the provider when QGIS has a window, what the toolbox's context menu offers, and the message of the first start."""
        from .toolbox import first_start, links

        self.initProcessing()
        self._links = links.Links()
        if self._iface is not None:
            first_start.tell(self._iface)
        try:
            from .toolbox import model_copies
        except ImportError:  # it needs parts of QGIS that are not public, and that another QGIS may keep elsewhere: then this one entry is missing
            return
        self._edit_copy = model_copies.offer()

    def unload(self) -> None:
        """Removes everything this plugin put into QGIS."""
        styling.forget()
        if self._edit_copy is not None:
            from .toolbox import model_copies

            model_copies.withdraw(self._edit_copy)
            self._edit_copy = None
        if self._links is not None:
            self._links.withdraw()
            self._links = None
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
        translation.remove(self._translator)
