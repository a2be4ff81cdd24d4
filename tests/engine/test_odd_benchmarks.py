"""Published data that are not as their makers hand them out: each is refused in words, or read with the right numbers."""

import json
import shutil
import warnings

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin
from scipy.io import netcdf_file

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.rasters.meaning import Conversion
from eo_pretrain_qgis.errors import EOPretrainError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT

from ..scenes_benchmarks import HEIGHT, TRAINING, WIDTH, ai4arctic, sen1floods11
from ..scenes_bigearthnet import RADAR, SCENES, ben_2, patch_of
from ..scenes_published import fields_of_the_world, pastis_optical, road_masks
from ..scenes_sen12ms import patch_name, sen12ms

ELSEWHERE = from_origin(1, 2e6, 10, 10)


def edited(path, change, dtype=None, **profile):
    """Writes a raster anew with other values, type or place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as source:
            values, kept = change(source.read()), source.profile
        path.unlink()
        with rasterio.open(path, "w", **{**kept, "dtype": dtype or values.dtype.name, "height": values.shape[1], "width": values.shape[2], **profile}
                           ) as target:
            target.write(values.astype(dtype or values.dtype))


def same(values):
    return values


def optical(root, band="B02", number=1):
    name = patch_of(number)[0]
    return root / "BigEarthNet-S2" / SCENES[number // 4] / name / f"{name}_{band}.tif"


def radar(root, band="VV", number=1):
    name = patch_of(number)[1]
    return root / "BigEarthNet-S1" / RADAR[number // 4] / name / f"{name}_{band}.tif"


def season(root, kind):
    return root / "ROIs1158_spring" / f"{kind}_7" / f"{patch_name('ROIs1158_spring', kind, 7, 30)}.tif"


def listed(root, names, dropped):
    lines = [f"{name},{'dropped' if name in dropped else 'training'}\n" for name in names]
    (root / "split.csv").write_text("name,split\n" + "".join(lines))


def imported(folder, root, **values):
    run_job(JOBS["import_dataset"].from_values({"source": str(root), "output": str(folder / "dataset"), **values}), SILENT)
    return Dataset.open(folder / "dataset")


def half_form(root):
    """A scene whose concentration is stored as fractions of classes."""
    with netcdf_file(root / "train" / f"{TRAINING[1]}_prep.nc", "a", mmap=False) as file:
        file.variables["AIC"] = file.variables.pop("SIC")
        file.createVariable("SIC", "f4", (f"lines_{HEIGHT}", f"samples_{WIDTH}"))[:] = np.full((HEIGHT, WIDTH), 2.5, "f4")


def of_year(root, year):
    path = root / "metadata.geojson"
    content = json.loads(path.read_text())
    content["features"][0]["properties"]["dates-S2"]["0"] = int(f"{year}0101")
    path.write_text(json.dumps(content))


ODD = {
    "values that are no stored reflectance": (ben_2, lambda root: edited(optical(root), lambda values: values / 1e4, "float32"), {},
                                              "_B02.tif holds float32 values, but a band of s2 of BigEarthNet has uint16."),
    "values below zero": (ben_2, lambda root: edited(optical(root), lambda values: values * 0 - 5.0, "int16"), {},
                          "_B02.tif holds int16 values, but a band of s2 of BigEarthNet has uint16."),
    "a band of another size": (ben_2, lambda root: edited(optical(root, "B05"), lambda values: values[:, :40, :40]), {},
                               "has 40 × 40 px, but a band has 120, 60 or 20."),
    "a band of another place": (ben_2, lambda root: edited(optical(root, "B03"), same, transform=ELSEWHERE), {},
                                "_B03.tif and the bands before it lie at different places, although they belong together."),
    "radar of another place": (ben_2, lambda root: [edited(radar(root, band), same, transform=ELSEWHERE) for band in ("VV", "VH")], {},
                               "lie at different places, although they belong together. Copy both again."),
    "a patch that is there twice": (ben_2, lambda root: shutil.copytree(optical(root).parent, root / "copy" / SCENES[0] / optical(root).parent.name),
                                    {}, "is there twice, also as"),
    "land cover of another place": (sen12ms, lambda root: edited(season(root, "lc"), same, transform=ELSEWHERE), {},
                                    "_s2_7_p30.tif lie at different places, although they belong together. Copy both again."),
    "a season that is there twice": (sen12ms, lambda root: shutil.copytree(root / "ROIs1158_spring", root / "z" / "ROIs1158_spring"), {},
                                     "is there twice, also as"),
    "a class between two": (ai4arctic, half_form, {"tile_size": 32}, "holds the value 2.5, and its classes are 0 to 10, masked 255."),
    "a scene of no day": (ai4arctic, lambda root: (root / "train" / f"{TRAINING[0]}_prep.nc").rename(root / "train" / "20191352T101112_dmi_prep.nc"),
                          {"tile_size": 32}, "20191352T101112_dmi_prep.nc is of the day 2019-13-52, which is none."),
    "water of one half": (sen1floods11, lambda root: edited(min(root.rglob("*_LabelHand.tif")), lambda values: values * 0 + 0.5, "float32"), {},
                          "holds the value 0.5, and a label is 1, 0 or -1."),
    "a date before there were satellites": (pastis_optical, lambda root: of_year(root, 1800), {},
                                            "has 1800-01-01, but no date of Sentinel-1 or Sentinel-2 is outside of the years 2014 to 2100."),
    "two images of one place": (road_masks, lambda root: shutil.copy(root / "train" / "0_sat.jpg", root / "train" / "0_sat.jpeg"),
                                {"pixel_size": 0.5}, "0_sat.jpg are of one place. Leave one of them out."),
    "lists that drop all": (road_masks, lambda root: listed(root, [str(number) for number in range(20)], [str(number) for number in range(20)]),
                            {"pixel_size": 0.5}, "The split lists drop all of the 20 samples of"),
}


@pytest.mark.parametrize("what", ODD)
def test_it_is_refused_in_words(what, folder):
    maker, change, values, sentence = ODD[what]
    root = maker(folder)
    change(root)
    before = sorted(folder.iterdir())
    with pytest.raises(EOPretrainError) as caught:
        imported(folder, root, **values)
    assert sentence in str(caught.value)
    assert sorted(folder.iterdir()) == before, "a failed job left something behind"


def test_what_a_list_drops_is_left_out(folder):
    root = ben_2(folder)
    names = [patch_of(number)[0] for number in range(5)]
    listed(root, names, names[3:])
    assert imported(folder, root).tiles["patch"].tolist() == names[:3]


def test_log_of_nothing_is_not_measured(folder):
    root = ben_2(folder)
    edited(radar(root, "VH"), lambda values: np.where(np.arange(120) < 60, -np.inf, values))
    found = imported(folder, root)
    images = found.images(np.arange(2), "s1")
    assert np.isnan(images[1, :, :, :60]).all() and np.isfinite(images[0]).all() and np.isfinite(images[1, :, :, 60:]).all()
    assert found.description["statistics"]["s1"]["VH"]["minimum"] > -30


def test_values_below_what_a_type_holds_become_its_least(folder):
    """Of whole numbers with another sign, and of fractions of whole numbers."""
    kept = Conversion((1.0,), (0.0,), "uint16")
    assert kept(np.array([[[-5, 7]]], np.int16), [0]).tolist() == [[[0, 7]]]
    assert kept(np.array([[[3.7, 70000.0]]], np.float32), [0]).tolist() == [[[4, 65535]]]
    root = fields_of_the_world(folder)
    for window in ("window_a", "window_b"):
        edited(root / "austria" / "s2_images" / window / "g_2.tif", lambda values: np.where(np.arange(32) < 8, -5, values), "int16")
    assert imported(folder, root).images(np.array([2]), "image").max() < 5000
