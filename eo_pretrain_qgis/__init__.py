"""EO Pretrain for QGIS: from map layers to map layers with networks that already know the imagery."""

from typing import Any


def classFactory(iface: Any) -> Any:  # noqa: N802 - the name QGIS calls
    """Gives QGIS the plugin."""
    from .plugin import Plugin

    return Plugin(iface)
