"""Data sets as others publish them, made by code: a few patches of known values in each layout."""

import json
import shutil
import zipfile

import numpy as np
import rasterio
from rasterio.transform import from_origin

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .scenes import ORIGIN, UTM, write_raster

EUROSAT_CLASSES = ("AnnualCrop", "Forest", "SeaLake")
CORINE_LABELS = (["Pastures", "Peatbogs"], ["Sea and ocean"], ["Pastures"], ["Vineyards", "Olive groves"], ["Airports"], ["Pastures"])


def eurosat_ms(folder):
    """3 classes × 8 patches of 16 px with 13 bands: band b of class c holds 1000·c + 10·b + number of the patch; 2 km apart on a line."""
    for position, name in enumerate(EUROSAT_CLASSES):
        (folder / "eurosat" / name).mkdir(parents=True)
        for number in range(8):
            values = (1000 * position + 10 * np.arange(13) + number)[:, None, None] + np.zeros((13, 16, 16), int)
            west = ORIGIN[0] + 2000 * (3 * number + position)
            write_raster(folder / "eurosat" / name / f"{name}_{number}.tif", values.astype(np.uint16),
                         transform=from_origin(west, ORIGIN[1], 10, 10))
    return folder / "eurosat"


def eurosat_rgb_zip(folder):
    """The official archive of RGB patches in small: 2750/<class>/<class>_<n>.jpg, 3 classes × 10 of 16 px; red 60·class + 40."""
    path = folder / "EuroSAT.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for position, name in enumerate(EUROSAT_CLASSES):
            for number in range(10):
                file = _jpeg(folder / "one.jpg", 60 * position + 40)
                archive.write(file, f"2750/{name}/{name}_{number}.jpg")
    return path


def eurosat_lists(folder):
    """Lists for `eurosat_rgb_zip`: the first six patches of a class train, two validate, one tests, the last is in no list."""
    folder = folder / "lists"
    folder.mkdir()
    for split, numbers in (("train", range(6)), ("val", (6, 7)), ("test", (8,))):
        (folder / f"{split}.txt").write_text("".join(f"{name}/{name}_{number}.jpg\n" for name in EUROSAT_CLASSES for number in numbers))
    return folder


def eurosat_cut_short(folder):
    """`eurosat_ms` in which Forest_3.tif ends in the middle."""
    root = eurosat_ms(folder)
    path = root / "Forest" / "Forest_3.tif"
    path.write_bytes(path.read_bytes()[:3000])
    return root


def eurosat_jpeg_cut_short(folder):
    """Two class folders of JPEG, of which Forest_1.jpg ends in the middle."""
    for name in ("Forest", "SeaLake"):
        (folder / "jpeg" / name).mkdir(parents=True)
        for number in range(3):
            _jpeg(folder / "jpeg" / name / f"{name}_{number}.jpg", 90, size=64)
    path = folder / "jpeg" / "Forest" / "Forest_1.jpg"
    path.write_bytes(path.read_bytes()[:-400])
    return folder / "jpeg"


def eurosat_jpeg_unknown(folder):
    """Two class folders of JPEG whose names EuroSAT does not have."""
    for name in ("ship", "no_ship"):
        (folder / "ships" / name).mkdir(parents=True)
        for number in range(3):
            _jpeg(folder / "ships" / name / f"{name}_{number}.jpg", 90)
    return folder / "ships"


def aerial_classes(folder):
    """Two class folders of aerial JPEG of 32 px, as RESISC45 and PatternNet have them; red 90 and 150."""
    for name, red in (("airplane", 90), ("forest", 150)):
        (folder / "aerial" / name).mkdir(parents=True)
        for number in range(12):
            _jpeg(folder / "aerial" / name / f"{name}_{number:03d}.jpg", red, size=32)
    return folder / "aerial"


def loveda(folder):
    """LoveDA in small: Train/Rural/ and Train/Urban/ with images_png/ and masks_png/."""
    for place in ("Rural", "Urban"):
        for part, bands in (("images_png", 3), ("masks_png", 1)):
            target = folder / "LoveDA" / "Train" / place / part
            target.mkdir(parents=True)
            write_raster(target / "0.png", np.ones((bands, 32, 32), np.uint8))
    return folder / "LoveDA"


def geonrw(folder):
    """GeoNRW in small: folders of cities with a picture, heights and labels of each place, in pixels alike."""
    for place in ("aachen", "bochum"):
        (folder / "nrw" / place).mkdir(parents=True)
        for part in ("rgb", "dem", "seg"):
            write_raster(folder / "nrw" / place / f"280_5644_{part}.tif", np.ones((1, 32, 32), np.uint8))
    return folder / "nrw"


def bright(folder):
    """BRIGHT in small: pre-event/, post-event/ and target/."""
    for part, bands in (("pre-event", 3), ("post-event", 1), ("target", 1)):
        (folder / "bright" / part).mkdir(parents=True)
        write_raster(folder / "bright" / part / "beirut_00_x.tif", np.ones((bands, 32, 32), np.uint8))
    return folder / "bright"


def eurosat_two_sizes(folder):
    """`eurosat_ms` in which SeaLake_7.tif has 20 px."""
    root = eurosat_ms(folder)
    write_raster(root / "SeaLake" / "SeaLake_7.tif", np.ones((13, 20, 20), np.uint16))
    return root


def zip_pointing_outside(folder):
    """An archive with an entry ../evil.jpg."""
    with zipfile.ZipFile(folder / "slip.zip", "w") as archive:
        archive.write(_jpeg(folder / "one.jpg", 90), "Forest/Forest_1.jpg")
        archive.writestr("../evil.jpg", b"x")
    return folder / "slip.zip"


def no_zip(folder):
    """A file called .zip that is none."""
    (folder / "no.zip").write_text("hello")
    return folder / "no.zip"


def unknown_layout(folder):
    """A folder of texts."""
    (folder / "texts" / "more").mkdir(parents=True)
    (folder / "texts" / "readme.txt").write_text("nothing here")
    return folder / "texts"


def ben_patches(folder):
    """6 patches in s2/ and 5 of them in s1/, 4 km apart. Bands of 10 m are their number of the patch everywhere; bands of 20 m rise
    from left to right. Labels: `CORINE_LABELS`; the fifth has none of the 19 classes, the last no Sentinel-1."""
    for number, labels in enumerate(CORINE_LABELS):
        name = f"S2A_MSIL2A_20170613T101031_{number}_7"
        known = {"labels": labels, "tile_source": "S2A_MSIL1C_20170613T101031.SAFE", "acquisition_date": "2017-06-13 10:10:31"}
        patch_of_optical(folder / "ben" / "s2" / name, number)
        _labels(folder / "ben" / "s2" / name, known)
        if number < 5:
            other = f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_{number}_7"
            patch_of_radar(folder / "ben" / "s1" / other, number)
            _labels(folder / "ben" / "s1" / other, {"labels": labels, "corresponding_s2_patch": name, "acquisition_time": "2017-06-13T16:50:43"})
    return folder / "ben"


def patch_of_optical(folder, number):
    """Bands of 10 m are 100 + number everywhere; those of 20 and 60 m rise from left to right by 1 from pixel to pixel."""
    for band in ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"):
        size = 20 if band in ("B01", "B09") else 120 if band in ("B02", "B03", "B04", "B08") else 60
        values = np.full((size, size), 100 + number) if size == 120 else np.arange(size) + np.zeros((size, 1), int) + 1
        _patch_band(folder, band, values.astype(np.uint16), ORIGIN[0] + 4000 * number, 1200 / size)


def patch_of_radar(folder, number):
    """VV is −10 − number, VH −17.5 − number."""
    for band, value in (("VV", -10.0), ("VH", -17.5)):
        _patch_band(folder, band, np.full((120, 120), value - number, np.float32), ORIGIN[0] + 4000 * number, 10)


def ben_patches_with_lists(folder):
    """`ben_patches` with the published lists of clouds (patch 0) and snow (0 and 3), and of the split, in which these are not."""
    root = ben_patches(folder)
    names = [f"S2A_MSIL2A_20170613T101031_{number}_7" for number in range(6)]
    for file, numbers in (("patches_with_cloud_and_shadow", (0,)), ("patches_with_seasonal_snow", (0, 3)), ("train", (2,)), ("test", (1, 5))):
        (root / f"{file}.csv").write_text("".join(f"{names[number]}\n" for number in numbers))
    return root


def bigearthnet_strange_label(folder):
    """`ben_patches` with a label CORINE does not have."""
    return _changed(ben_patches(folder), lambda known: known.update(labels=["Pastures", "Moon"]))


def bigearthnet_without_band(folder):
    """`ben_patches` in which B11 of the third patch is missing."""
    root = ben_patches(folder)
    next((root / "s2").glob("*_2_7/*_B11.tif")).unlink()
    return root


def bigearthnet_without_labels(folder):
    """`ben_patches` in which the labels of the third patch are missing."""
    root = ben_patches(folder)
    next((root / "s2").glob("*_2_7/*.json")).unlink()
    return root


def image_pairs(folder):
    """16 tiles of 32 px, 640 m apart on a square: images/ of 2 bands (100·n, 100·n + 1), masks/ of 1 in the upper half, 2 in the lower, 255
    in the first column, and 9, which classes.csv does not know, in the last."""
    root = folder / "pairs"
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    for number in range(16):
        transform = from_origin(ORIGIN[0] + 640 * (number % 4), ORIGIN[1] - 640 * (number // 4), 10, 10)
        label = np.full((32, 32), 1, np.uint8)
        label[16:], label[:, 0], label[:, -1] = 2, 255, 9
        image = np.array([100 * number + 100, 100 * number + 101])[:, None, None] + np.zeros((2, 32, 32), int)
        write_raster(root / "images" / f"tile_{number:02d}.tif", image.astype(np.uint16), transform=transform, names=["B04", "B08"])
        write_raster(root / "masks" / f"tile_{number:02d}.tif", label, transform=transform)
    (root / "classes.csv").write_text("value,name,color\n1,field,#ffcc00\n2,forest,#007700\n")
    return root


def binary_masks(folder):
    """8 pairs of 32 px, 640 m apart; labels are 255 in the upper half and 0 in the lower, as in sets of buildings or roads."""
    root = folder / "binary"
    for part in ("images", "gt"):
        (root / part).mkdir(parents=True)
    for number in range(8):
        transform = from_origin(ORIGIN[0] + 640 * number, ORIGIN[1], 10, 10)
        label = np.zeros((32, 32), np.uint8)
        label[:16] = 255
        write_raster(root / "images" / f"tile_{number}.tif", np.full((3, 32, 32), 9, np.uint8), transform=transform)
        write_raster(root / "gt" / f"tile_{number}.tif", label, transform=transform)
    return root


def negative_labels(folder):
    """8 pairs of 32 px, 640 m apart; labels are 1 above and 2 below, -1 in the first column, and in the last -9, which is declared nodata."""
    root = folder / "negative"
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
    label = np.full((32, 32), 1, np.int16)
    label[16:], label[:, 0], label[:, -1] = 2, -1, -9
    for number in range(8):
        transform = from_origin(ORIGIN[0] + 640 * number, ORIGIN[1], 10, 10)
        write_raster(root / "images" / f"tile_{number}.tif", np.full((2, 32, 32), 9, np.uint16), transform=transform)
        write_raster(root / "labels" / f"tile_{number}.tif", label, transform=transform, nodata=-9)
    return root


def image_pairs_large(folder):
    """`image_pairs` as one image of 128 × 160 px with its labels, and no table of classes."""
    root = folder / "large"
    label = np.where(np.indices((128, 160))[1] < 80, 1, 2).astype(np.uint8)
    for part, values in (("images", np.stack([label * 100, label * 200]).astype(np.uint16)), ("labels", label)):
        (root / part).mkdir(parents=True)
        write_raster(root / part / "scene.tif", values)
    return root


def image_without_label(folder):
    """`image_pairs` without the label image of tile_05."""
    root = image_pairs(folder)
    (root / "masks" / "tile_05.tif").unlink()
    return root


def label_without_image(folder):
    """`image_pairs` without the image of tile_05."""
    root = image_pairs(folder)
    (root / "images" / "tile_05.tif").unlink()
    return root


def pair_of_two_sizes(folder):
    """`image_pairs` in which the label image of tile_05 has 30 px."""
    root = image_pairs(folder)
    write_raster(root / "masks" / "tile_05.tif", np.ones((30, 30), np.uint8))
    return root


def colored_labels(folder):
    """`image_pairs` in which tile_00's labels are an RGB picture."""
    root = image_pairs(folder)
    with rasterio.open(root / "masks" / "tile_00.tif") as source:
        transform = source.transform
    write_raster(root / "masks" / "tile_00.tif", np.ones((3, 32, 32), np.uint8), transform=transform)
    return root


def esri_export(folder):
    """`image_pairs` as ArcGIS exports them: values 1 and 2, 0 is nodata, map.txt with backslashes."""
    pairs, root = image_pairs(folder), folder / "esri"
    shutil.copytree(pairs / "images", root / "images")
    (root / "labels").mkdir()
    for path in sorted((pairs / "masks").iterdir()):
        with rasterio.open(path) as source:
            label, transform = source.read(), source.transform
        write_raster(root / "labels" / path.name, np.where(label > 2, 0, label).astype(np.uint8), transform=transform)
    (root / "map.txt").write_text("".join(f"images\\tile_{n:02d}.tif\tlabels\\tile_{n:02d}.tif\r\n" for n in range(16)))
    classes = [{"Value": 1, "Name": "field", "Color": [255, 204, 0]}, {"Value": 2, "Name": "forest", "Color": [0, 119, 0]}]
    (root / "esri_model_definition.emd").write_text(json.dumps({"MetaDataMode": "Classified_Tiles", "Classes": classes}))
    (root / "esri_accumulated_stats.json").write_text(json.dumps({"MetaDataMode": "Classified_Tiles", "NumTiles": 16}))
    return root


def esri_boxes(folder):
    """`esri_export` in the layout for object detection."""
    root = esri_export(folder)
    (root / "esri_model_definition.emd").write_text(json.dumps({"MetaDataMode": "PASCAL_VOC_rectangles"}))
    return root


def small_timesen2crop(folder):
    """3 tiles of TimeSen2Crop with classes 2 and 5, 4 samples each of 3 dates; every value is the class."""
    for tile in ("33UVP", "33UWP", "33TWN"):
        for label in (2, 5):
            (folder / "ts2c" / tile / str(label)).mkdir(parents=True)
            for number in range(4):
                row = ",".join([str(label)] * 9 + ["0"])
                (folder / "ts2c" / tile / str(label) / f"{number}.csv").write_text("B1,B2,B3,B4,B5,B6,B7,B8,B9,Flag\n" + f"{row}\n" * 3)
        (folder / "ts2c" / tile / "dates.csv").write_text("acquisition_date\n20180401\n20180501\n20180601\n")
    return folder / "ts2c"


def timesen2crop_zip(folder):
    """`small_timesen2crop` as an archive."""
    return shutil.make_archive(str(folder / "ts2c"), "zip", small_timesen2crop(folder))


def ben_dataset(folder):
    """`ben_patches` imported with 19 classes, all for training."""
    return imported_dataset(folder, source=str(ben_patches(folder)), validation_share=0, test_share=0)


def rgb_dataset(folder):
    """`eurosat_rgb_zip` imported: 30 images that do not say where they lie."""
    return imported_dataset(folder, archive=str(eurosat_rgb_zip(folder)))


def pairs_dataset(folder):
    """`image_pairs` imported: 16 tiles, each a scene of its own."""
    return imported_dataset(folder, source=str(image_pairs(folder)), preset="sentinel2_l2a", validation_share=0)


def imported_dataset(folder, **values):
    """What the importer makes of a folder."""
    JOBS["import_dataset"].from_values({**values, "output": str(folder / "imported")}).run(SILENT)
    return folder / "imported"


def _jpeg(path, red, size=16):
    values = np.random.default_rng(1).integers(0, 30, (3, size, size)).astype(np.uint8)
    values[0] = red
    with rasterio.open(path, "w", driver="JPEG", count=3, height=size, width=size, dtype="uint8", QUALITY=95) as target:
        target.write(values)
    path.with_name(path.name + ".aux.xml").unlink(missing_ok=True)
    return path


def _patch_band(folder, band, values, west, resolution):
    folder.mkdir(parents=True, exist_ok=True)
    write_raster(folder / f"{folder.name}_{band}.tif", values, crs=UTM, transform=from_origin(west, ORIGIN[1], resolution, resolution))


def _labels(folder, known):
    (folder / f"{folder.name}_labels_metadata.json").write_text(json.dumps(known))


def _changed(root, change):
    path = next((root / "s2").glob("*_2_7/*.json"))
    known = json.loads(path.read_text())
    change(known)
    path.write_text(json.dumps(known))
    return root
