"""Which bands of a scene are red, green and near infrared."""

from __future__ import annotations

from ....errors import DataError, listed
from ....progress import SILENT, Progress
from ...rasters.meaning import refuse_other_maker
from ...rasters.raster import Scene
from ...rasters.sensors import PRESETS, Called, known_band, name_bands

#: What is wanted → its wavelengths, and the one of which the nearest band is taken [µm]: as B04, B03 and B8A of Sentinel-2.
WANTED = {"red": (0.62, 0.70, 0.665), "green": (0.52, 0.60, 0.560), "near infrared": (0.76, 0.90, 0.865)}
#: Of images of no sensor that is known here the names tell, as those of Sentinel-2 or of colours.
USUAL = "sentinel2_l2a"


def find_bands(scene: Scene, preset: str, names: str = "", progress: Progress = SILENT) -> tuple[int, int, int]:
    """Positions of red, green and near infrared, by the wavelengths of the sensor's bands.

    Args:
        scene: the scene.
        preset: key of `sensors.PRESETS`.
        names: of its bands in order, separated by commas; empty takes those in the files.
        progress: told what the files say otherwise than the sensor.

    Raises:
        DataError: a band is missing, or the image is of another sensor.
    """
    refuse_other_maker(scene, preset)
    bands = name_bands(preset, scene.band_names, names, progress, Called(scene.path))
    if not PRESETS[preset].bands:
        bands = [known_band(PRESETS[USUAL], band.name) or band for band in bands]
    found = []
    for what, (low, high, best) in WANTED.items():
        near = [(abs(band.wavelength_um - best), position) for position, band in enumerate(bands)
                if band.wavelength_um is not None and low <= band.wavelength_um <= high]
        if not near:
            raise DataError(f"{scene.path} has no band of {what} among {listed([band.name for band in bands], 13)}, and OmniCloudMask needs red, "
                            "green and near infrared. Choose the sensor of the image, name its bands in order in “Bands” (such as green,red,nir), or "
                            "choose another source of clouds.")
        found.append(min(near)[1])
    return found[0], found[1], found[2]
