"""What keeps libraries from the network where nobody asked them: settings with which every process of ours starts.

Each library reads its own at its first import, so the engine applies all of them before anything else.
"""

from __future__ import annotations

import os

#: Drivers of GDAL that ask a server, start a program, or hold nothing but references to other files, which may lie on one.
_DRIVERS_LEFT_OUT = ("ADBC", "AmigoCloud", "CSW", "Carto", "DAAS", "ECRGTOC", "EEDA", "EEDAI", "Elasticsearch", "GDALG", "GPSBabel", "GTI",
                     "HTTP", "KMLSUPEROVERLAY", "MRF", "MVT", "MapML", "NGW", "OAPIF", "OGCAPI", "PLMOSAIC", "PLSCENES", "RPFTOC", "STACIT",
                     "STACTA", "TIL", "WCS", "WFS", "WMS", "WMTS")
#: Given to every program we start, too, for those that import a library without the engine.
TELEMETRY = {
    # onnxruntime sends its maker events with a number for this computer, paths and messages unless it is told not to (its Privacy.md).
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}
#: Of GDAL and PROJ; which of a program's own files may use the network all the same, `engine.sources` decides.
FILES = {
    "PROJ_NETWORK": "OFF",
    # Code inside an image is not run.
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_SKIP": ",".join(_DRIVERS_LEFT_OUT),
    "GML_DOWNLOAD_SCHEMA": "NO",
    # Files on the network: no address ends like this, and what asks in another way meets a proxy that cannot be.
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".nothing-unless-asked-for",
    "GDAL_HTTP_PROXY": "nowhere://",
    "GDAL_HTTPS_PROXY": "nowhere://",
}


def apply() -> None:
    """Gives this process, and those it starts, the settings; what the user had set instead does not count."""
    os.environ.update({**TELEMETRY, **FILES})
