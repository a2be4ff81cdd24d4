"""EO Pretrain for QGIS: from map layers to map layers with networks that already know the imagery."""


def classFactory(iface):  # noqa: N802 - the name QGIS calls
    """Gives QGIS the plugin."""
    from .plugin import Plugin

    return Plugin(iface)
