"""SEN12MS in small: scenes of two seasons whose patches overlap by half, and what may be wrong with them."""

import shutil

import numpy as np
from rasterio.transform import from_origin

from .scenes import write_raster

SIDE, PIXEL = 32, 10.0
#: Season with its draw → CRS of its scenes, and its scenes with the values of IGBP in the left and the right half of their patches.
SEASONS = {"ROIs1158_spring": ("EPSG:32633", {1: (1, 12), 7: (5, 14), 124: (17, 12)}), "ROIs1868_summer": ("EPSG:32755", {3: (8, 13), 146: (16, 10)})}
NUMBERS = (30, 31, 102)


def patch_name(draw, kind, scene, number):
    return f"{draw}_{kind}_{scene}_p{number}"


def sen12ms(folder):
    """5 scenes of 3 patches of 32 px, of which each overlaps the next by half. Band b of Sentinel-2 is 100·b + scene, VV is −10, VH −17; the first
    land cover is IGBP, the others are 99.
    """
    root = folder / "SEN12MS"
    for draw, (crs, scenes) in SEASONS.items():
        for scene, (left, right) in scenes.items():
            for place, number in enumerate(NUMBERS):
                transform = from_origin(400_003.3 + 50_000 * scene + place * SIDE * PIXEL / 2, 5_300_001.7, PIXEL, PIXEL)
                cover = np.full((4, SIDE, SIDE), 99, np.uint16)
                cover[0] = np.where(np.arange(SIDE) < SIDE // 2, left, right)
                optical = (100 * np.arange(1, 14) + scene)[:, None, None] + np.zeros((13, SIDE, SIDE), int)
                radar = np.stack([np.full((SIDE, SIDE), -10.0), np.full((SIDE, SIDE), -17.0)])
                for kind, values in (("s2", optical.astype(np.uint16)), ("s1", radar.astype(np.float32)), ("lc", cover)):
                    target = root / draw / f"{kind}_{scene}"
                    target.mkdir(parents=True, exist_ok=True)
                    write_raster(target / f"{patch_name(draw, kind, scene, number)}.tif", values, crs=crs, transform=transform)
    return root


def sen12ms_with_lists(folder):
    """`sen12ms` with the makers' lists in splits/: scene 124 is the test, one patch is in neither list."""
    root = sen12ms(folder)
    (root / "splits").mkdir()
    names = [patch_name(draw, "s2", scene, number) for draw, (_, scenes) in SEASONS.items() for scene in scenes for number in NUMBERS]
    test = [name for name in names if "_124_" in name]
    for split, chosen in (("test", test), ("train", [name for name in names if name not in test and not name.endswith("146_p102")])):
        (root / "splits" / f"{split}_list.txt").write_text("".join(f"{name}.tif\n" for name in chosen))
    return root


def sen12ms_half_copied(folder):
    """`sen12ms` in which two patches of Sentinel-1 were not copied."""
    root = sen12ms(folder)
    for number in (30, 102):
        (root / "ROIs1158_spring" / "s1_7" / f"{patch_name('ROIs1158_spring', 's1', 7, number)}.tif").unlink()
    return root


def sen12ms_without_cover(folder):
    """`sen12ms` without land cover."""
    root = sen12ms(folder)
    for place in root.glob("*/lc_*"):
        shutil.rmtree(place)
    return root


def sen12ms_other_bands(folder):
    """`sen12ms` in which a patch of Sentinel-2 has 10 bands."""
    root = sen12ms(folder)
    write_raster(root / "ROIs1158_spring" / "s2_7" / f"{patch_name('ROIs1158_spring', 's2', 7, 31)}.tif", np.ones((10, SIDE, SIDE), np.uint16))
    return root
