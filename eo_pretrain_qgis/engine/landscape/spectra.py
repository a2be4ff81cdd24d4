"""What pure materials reflect in the ten Sentinel-2 bands of 10 and 20 m.

Sources. Shapes follow the USGS Spectral Library 7 (Kokaly et al. 2017, doi 10.3133/ds1035: soils, asphalt, concrete,
tile, metal, dry grass), the ECOSTRESS library (Meerdink et al. 2019, doi 10.1016/j.rse.2019.05.015: leaves, rock,
water) and canopies as PROSAIL gives them (Jacquemoud et al. 2009, doi 10.1016/j.rse.2008.01.026; leaf area index
about 4). The numbers are rounded by hand to what Sentinel-2 level 2A products show over such surfaces; they were not
resampled from the libraries and are no reference spectra.
"""

from __future__ import annotations

import numpy as np

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
#: Centre wavelengths of Sentinel-2A in micrometres (ESA, Sentinel-2 MSI technical guide).
WAVELENGTHS = np.array([0.4924, 0.5598, 0.6646, 0.7041, 0.7405, 0.7828, 0.8328, 0.8647, 1.6137, 2.2024], np.float32)
#: Bands recorded at 20 m and delivered here, as by most tools, resampled to 10 m.
COARSE = np.array([False, False, False, True, True, True, False, True, True, True])

_TABLE = {
    #              B02   B03   B04   B05   B06   B07   B08   B8A   B11   B12
    "crop leaf": (230, 560, 260, 980, 3200, 4050, 4250, 4400, 2000, 900),
    "grass leaf": (300, 600, 380, 1050, 2700, 3350, 3550, 3700, 2150, 1100),
    "broad leaf": (220, 470, 240, 820, 2550, 3150, 3350, 3450, 1650, 720),
    "needle": (170, 310, 190, 480, 1350, 1650, 1750, 1880, 850, 400),
    "dry plant": (650, 1000, 1420, 1780, 2200, 2450, 2650, 2850, 3250, 2250),
    "bloom": (350, 1350, 1150, 1750, 2900, 3500, 3700, 3850, 2000, 950),
    "dark soil": (520, 720, 960, 1150, 1300, 1420, 1560, 1700, 2250, 1950),
    "pale soil": (1080, 1480, 1930, 2230, 2420, 2540, 2680, 2830, 3450, 3050),
    "clear water": (330, 370, 230, 190, 140, 130, 110, 100, 50, 30),
    "silty water": (620, 850, 760, 690, 420, 380, 330, 270, 90, 60),
    "red tile": (690, 930, 1480, 1720, 1880, 1990, 2120, 2230, 2550, 2250),
    "grey roof": (1350, 1480, 1620, 1710, 1790, 1850, 1920, 1980, 2100, 1950),
    "white roof": (2900, 3100, 3200, 3260, 3300, 3340, 3400, 3420, 3250, 2950),
    "asphalt": (800, 900, 1000, 1070, 1120, 1170, 1230, 1280, 1450, 1380),
    "paving": (1300, 1480, 1640, 1740, 1810, 1880, 1950, 2020, 2300, 2150),
    "gravel": (1350, 1620, 1900, 2050, 2150, 2240, 2330, 2420, 2850, 2600),
    "limestone": (2100, 2500, 2880, 3050, 3140, 3230, 3310, 3400, 3900, 3450),
    "shade": (60, 60, 50, 70, 160, 200, 210, 220, 100, 50),
}
MATERIALS = tuple(_TABLE)
#: Reflectance × 10000 of (material, band).
SPECTRA = np.array(list(_TABLE.values()), np.float32)
#: What more leaf and less soil does to a pixel: the direction in which vigour varies within a field.
VIGOUR = SPECTRA[MATERIALS.index("crop leaf")] - SPECTRA[MATERIALS.index("dark soil")]


def material(name: str) -> int:
    """Row of a material in `SPECTRA`."""
    return MATERIALS.index(name)
