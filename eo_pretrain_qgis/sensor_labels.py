"""What people read for a sensor: the same in dialogs and in messages of the engine."""

from __future__ import annotations

#: Keys of `engine.rasters.sensors.PRESETS`, and what dialogs show for each.
LABELS = {
    "generic": "Generic: values as they are stored",
    "sentinel2_l1c": "Sentinel-2 L1C without offset (until January 2022)",
    "sentinel2_l1c_0400": "Sentinel-2 L1C with offset -1000 (since January 2022)",
    "sentinel2_l2a": "Sentinel-2 L2A without offset (until January 2022)",
    "sentinel2_l2a_0400": "Sentinel-2 L2A with offset -1000 (since January 2022)",
    "sentinel1_db": "Sentinel-1 in dB",
    "sentinel1_linear": "Sentinel-1, linear",
    "landsat89_l2": "Landsat 8 and 9, Level 2",
    "landsat457_l2": "Landsat 4, 5 and 7, Level 2",
    "sentinel3_olci": "Sentinel-3 OLCI",
    "sar_db": "Any radar in dB",
    "sar_linear": "Any radar, linear",
    "alphaearth_v1": "AlphaEarth embeddings, version 1",
    "tessera_v1": "TESSERA embeddings, version 1",
}
#: The word for the sensor that a model learned from, and what dialogs show for it; {} is what learned.
AS_MODEL, AS_MODEL_LABEL = "as_model", "Same as the images the {} learned from"


def spoken(preset: str) -> str:
    """A sensor as its dialog shows it, with the word for scripts in brackets."""
    return f"“{AS_MODEL_LABEL.format('model') if preset == AS_MODEL else LABELS.get(preset, preset)}” ({preset})"
