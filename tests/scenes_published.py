"""Small copies, made by code, of data sets as their makers hand them out: Fields of The World, DeepGlobe, PASTIS."""

import json
import shutil
from datetime import date, timedelta

import numpy as np
import pyarrow
import pyarrow.parquet
import rasterio
from rasterio.transform import from_origin

from .scenes import write_raster

#: Classes of DeepGlobe's land cover and their colours.
DEEPGLOBE = (("urban_land", (0, 255, 255)), ("agriculture_land", (255, 255, 0)), ("rangeland", (255, 0, 255)), ("forest_land", (0, 255, 0)),
             ("water", (0, 0, 255)), ("barren_land", (255, 255, 255)), ("unknown", (0, 0, 0)))
PASTIS_DAYS = [date(2018, 9, 17) + timedelta(10 * number) for number in range(4)]
#: Degrees of a pixel of the chips of Fields of The World.
STEP = 5.4e-05


def fields_of_the_world(folder):
    """ftw/austria (12 chips) and ftw/kenya (4) of 32 px. Of chip n window A has red 100·n + 1000 and then 1001, 1002, 1003; window B 2000 more. A
    field of 10 × 20 px with the number 7, whose border is 1 px wide, and at the left edge a field of 6 × 32 px with the number 9. In Kenya what is
    no field is 3. Chips 0 to 7 train, 8 and 9 validate, 10 and 11 test; of Kenya all train but the last, which nobody divided."""
    for country, count in (("austria", 12), ("kenya", 4)):
        for number in range(count):
            _chip(folder / "ftw" / country, number, country == "kenya")
        rows = [f"g_{number},{'train' if number < 8 else 'val' if number < 10 else 'test'}" for number in range(count)]
        if country == "kenya":
            rows[-1] = "g_3,none"
        names, splits = zip(*(row.split(",") for row in rows))
        if country == "austria":
            table = pyarrow.table({"aoi_id": names, "split": splits, "geometry": [b""] * count})
            pyarrow.parquet.write_table(table, folder / "ftw" / country / "chips_austria.parquet")
        else:
            (folder / "ftw" / country / f"chips_{country}.csv").write_text("aoi_id,split\n" + "\n".join(rows))
        (folder / "ftw" / country / f"data_config_{country}.json").write_text("{}")
    return folder / "ftw"


def ftw_damaged_list(folder):
    """`fields_of_the_world` whose list of the chips of Austria is cut short."""
    root = fields_of_the_world(folder)
    (root / "austria" / "chips_austria.parquet").write_bytes(b"PAR1")
    return root


def ftw_geojson(folder):
    """`fields_of_the_world` whose chips of Austria are listed in GeoJSON."""
    root = fields_of_the_world(folder)
    (root / "austria" / "chips_austria.parquet").unlink()
    rows = [{"type": "Feature", "geometry": None, "properties": {"aoi_id": f"g_{number}", "split": "train"}} for number in range(12)]
    (root / "austria" / "chips_austria.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": rows}))
    return root


def ftw_without_list(folder):
    """`fields_of_the_world` without the list of the chips of Austria."""
    root = fields_of_the_world(folder)
    (root / "austria" / "chips_austria.parquet").unlink()
    return root


def ftw_half_copied(folder):
    """`fields_of_the_world` in which window B of the chips 3, 4 and 5 of Austria is missing."""
    root = fields_of_the_world(folder)
    for number in (3, 4, 5):
        (root / "austria" / "s2_images" / "window_b" / f"g_{number}.tif").unlink()
    return root


def ftw_one_window(folder):
    """`fields_of_the_world` in which Austria has no window B."""
    root = fields_of_the_world(folder)
    shutil.rmtree(root / "austria" / "s2_images" / "window_b")
    return root


def ftw_three_bands(folder):
    """`fields_of_the_world` in which chip 2 of Austria has three bands in window A."""
    root = fields_of_the_world(folder)
    path = root / "austria" / "s2_images" / "window_a" / "g_2.tif"
    write_raster(path, np.ones((3, 32, 32), np.uint16), crs="EPSG:4326", transform=_place(2, 0))
    return root


def ftw_other_class(folder):
    """`fields_of_the_world` in which a label image of Austria holds 4."""
    root = fields_of_the_world(folder)
    path = root / "austria" / "label_masks" / "semantic_3class" / "g_2.tif"
    write_raster(path, np.full((32, 32), 4, np.uint8), crs="EPSG:4326", transform=_place(2, 0))
    return root


def deepglobe(folder):
    """train/ with 20 pictures of 32 px and their masks in colours, valid/ and test/ with 2 pictures and no masks. The mask of picture n is the
    colour of class n mod 7 above, “water” below; 250 stands for 255 in the first one, whose first pixel is red, which no class is."""
    root = folder / "deepglobe"
    for part, numbers in (("train", range(20)), ("valid", (20, 21)), ("test", (22, 23))):
        (root / part).mkdir(parents=True)
        for number in numbers:
            _picture(root / part / f"{number}_sat.jpg", np.full((3, 32, 32), 5 * number + 40), "JPEG")
            if part == "train":
                mask = np.zeros((3, 32, 32), int)
                mask[:, :16], mask[:, 16:] = np.array(DEEPGLOBE[number % 7][1])[:, None, None], np.array([0, 0, 255])[:, None, None]
                if number == 0:
                    mask = np.where(mask == 255, 250, 5)
                    mask[:, 0, 0] = 255, 0, 0
                _picture(root / part / f"{number}_mask.png", mask)
    (root / "class_dict.csv").write_text("name,r,g,b\n" + "".join(f"{name},{r},{g},{b}\n" for name, (r, g, b) in DEEPGLOBE))
    rows = [f"{number},train,train/{number}_sat.jpg,train/{number}_mask.png\n" for number in range(20)] + ["20,valid,valid/20_sat.jpg,\n"]
    (root / "metadata.csv").write_text("image_id,split,sat_image_path,mask_path\n" + "".join(rows))
    return root


def deepglobe_half_copied(folder):
    """`deepglobe` in which the masks of 4 and 5 are missing, which its list names."""
    root = deepglobe(folder)
    for number in (4, 5):
        (root / "train" / f"{number}_mask.png").unlink()
    return root


def deepglobe_without_partner(folder):
    """`deepglobe_half_copied` without its list."""
    root = deepglobe_half_copied(folder)
    (root / "metadata.csv").unlink()
    return root


def deepglobe_without_colors(folder):
    """`deepglobe` without the table of colours."""
    root = deepglobe(folder)
    (root / "class_dict.csv").unlink()
    return root


def deepglobe_other_colors(folder):
    """`deepglobe` with a table of colours that no mask has."""
    root = deepglobe(folder)
    (root / "class_dict.csv").write_text("name,r,g,b\nland,10,20,30\nwater,30,20,10\n")
    return root


def deepglobe_same_colors(folder):
    """`deepglobe` with a table in which two classes have one colour."""
    root = deepglobe(folder)
    (root / "class_dict.csv").write_text("name,r,g,b\nland,10,20,30\nwater,10,20,30\n")
    return root


def road_masks(folder):
    """train/ with 12, valid/ with 4 and test/ with 4 pictures of 32 px, as DeepGlobe's roads: grey masks of three bands alike, road above."""
    root = folder / "roads"
    for part, numbers in (("train", range(12)), ("valid", range(12, 16)), ("test", range(16, 20))):
        (root / part).mkdir(parents=True)
        for number in numbers:
            _picture(root / part / f"{number}_sat.jpg", np.full((3, 32, 32), 90), "JPEG")
            mask = np.zeros((3, 32, 32), int)
            mask[:, :16] = 255
            _picture(root / part / f"{number}_mask.png", mask)
    (root / "class_dict.csv").write_text("name,r,g,b\nroad,255,255,255\nbackground,0,0,0\n")
    return root


def pastis(folder):
    """7 patches in folds 1 to 5, 5, 1, of Sentinel-2 and of Sentinel-1 ascending. Of patch n value d·100 + b + 10·n in band b of date d; patch
    10006 has 3 of the 4 dates, and its first date is -10000 in the first row. VV is -10 - n, VH -17. Classes: n above, 0 below, 19 in the last
    column."""
    return _pastis(folder, radar=True)


def pastis_optical(folder):
    """`pastis` of Sentinel-2 alone."""
    return _pastis(folder, radar=False)


def pastis_half_copied(folder):
    """`pastis` without two arrays of Sentinel-2."""
    root = pastis_optical(folder)
    for name in (10002, 10004):
        (root / "DATA_S2" / f"S2_{name}.npy").unlink()
    return root


def pastis_other_dates(folder):
    """`pastis` in which an array has fewer dates than the table names."""
    root = pastis_optical(folder)
    np.save(root / "DATA_S2" / "S2_10003.npy", np.ones((3, 10, 128, 128), np.int16))
    return root


def pastis_other_bands(folder):
    """`pastis` in which an array has 13 bands."""
    root = pastis_optical(folder)
    np.save(root / "DATA_S2" / "S2_10003.npy", np.ones((4, 13, 128, 128), np.int16))
    return root


def pastis_pickled(folder):
    """`pastis` in which an array is a pickle."""
    root = pastis_optical(folder)
    np.save(root / "DATA_S2" / "S2_10003.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return root


def _pastis(folder, radar):
    root = folder / "PASTIS-R"
    for part in ("DATA_S2", "ANNOTATIONS", *(("DATA_S1A",) if radar else ())):
        (root / part).mkdir(parents=True)
    features = []
    for number, fold in enumerate((1, 2, 3, 4, 5, 5, 1)):
        name, dates = 10000 + number, 3 if number == 6 else 4
        images = (100 * np.arange(dates)[:, None] + np.arange(10) + 10 * number + 500)[:, :, None, None] + np.zeros((128, 128), int)
        if number == 6:
            images[0, :, 0] = -10000
        np.save(root / "DATA_S2" / f"S2_{name}.npy", images.astype(np.int16))
        days = {str(at): int(day.strftime("%Y%m%d")) for at, day in enumerate(PASTIS_DAYS[:dates])}
        labels = np.zeros((3, 128, 128), np.uint8)
        labels[0, :64], labels[0, :, -1] = number, 19
        np.save(root / "ANNOTATIONS" / f"TARGET_{name}.npy", labels)
        known = {"ID_PATCH": name, "Fold": fold, "TILE": "t30uxv", "N_Parcel": 3, "dates-S2": days}
        if radar:
            radar_values = np.stack([np.full((128, 128), value, np.float16) for value in (-10 - number, -17, 7 - number)])
            np.save(root / "DATA_S1A" / f"S1A_{name}.npy", np.stack([radar_values] * 2))
            known["dates-S1A"] = {"0": 20180902, "1": 20180914}
        west, south = 400_000 + 3000 * number, 6_800_000
        ring = [[west, south], [west + 1280, south], [west + 1280, south + 1280], [west, south + 1280], [west, south]]
        features.append({"type": "Feature", "properties": known, "geometry": {"type": "MultiPolygon", "coordinates": [[ring]]} if number else
                         {"type": "Polygon", "coordinates": [ring]}})
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2154"}}
    (root / "metadata.geojson").write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    (root / "NORM_S2_patch.json").write_text("{}")
    return root


def _place(number, row):
    return from_origin(15 + 40 * STEP * number, 48 - 40 * STEP * row, STEP, STEP)


def _chip(root, number, presence_only):
    transform = _place(number, int(presence_only))
    objects = np.zeros((32, 32), np.uint32)
    objects[6:16, 8:28], objects[:, :6] = 7, 9
    classes = np.where(objects > 0, 2, 3 if presence_only else 0)
    classes[7:15, 9:27] = classes[:, :5] = 1
    for part, values in (("s2_images/window_a", 1000), ("s2_images/window_b", 3000)):
        (root / part).mkdir(parents=True, exist_ok=True)
        image = (values + np.arange(4) + 100 * number * (np.arange(4) == 0))[:, None, None] + np.zeros((32, 32), int)
        write_raster(root / part / f"g_{number}.tif", image.astype(np.uint16), crs="EPSG:4326", transform=transform)
    for part, values in (("semantic_3class", classes.astype(np.uint8)), ("semantic_2class", (objects > 0).astype(np.uint8)), ("instance", objects)):
        (root / "label_masks" / part).mkdir(parents=True, exist_ok=True)
        write_raster(root / "label_masks" / part / f"g_{number}.tif", values, crs="EPSG:4326", transform=transform, nodata=0)


def _picture(path, values, driver="PNG"):
    with rasterio.open(path, "w", driver=driver, count=len(values), height=32, width=32, dtype="uint8") as target:
        target.write(np.asarray(values, np.uint8))
    path.with_name(path.name + ".aux.xml").unlink(missing_ok=True)
