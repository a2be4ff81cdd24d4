"""Datasets that can share a network, or not quite, all of one made-up place of fields and discs."""

import dataclasses
import json
import shutil

import numpy as np

from eo_pretrain_qgis.engine.datasets.dataset import DESCRIPTION, SensorInfo
from eo_pretrain_qgis.engine.rasters.sensors import Band
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .engine.learning.tiny import write_dataset
from .engine.learning.tiny_scenes import write_scenes
from .scenes_crops import crop_season
from .scenes_pretraining import backscatter, optical, radar_sensor, write_unlabelled

SIDE = 32  # pixels of a tile


def optical_sensor(names=("B02", "B03", "B04"), **facts):
    """The sensor of the datasets in this module; `facts` change every band."""
    bands = tuple(dataclasses.replace(Band(name, None, "reflectance", 1e-4), **facts) for name in names)
    return SensorInfo("image", "sentinel2_l2a", "uint16", 0, bands)


def change(folder, alter):
    """Changes the description of the dataset in `folder` by a function that alters it in place."""
    path = folder / DESCRIPTION
    description = json.loads(path.read_text(encoding="utf-8"))
    alter(description)
    path.write_text(json.dumps(description), encoding="utf-8")


def write_series(folder):
    """A dataset of crops, whose samples are series of dates."""
    (folder / "season").mkdir()
    season = crop_season(folder / "season")
    JOBS["create_crop_dataset"].from_values({
        "images": [str(season / f"S2_20230{month}01.tif") for month in (4, 5, 6, 7)], "parcels": str(season / "parcels.gpkg"), "crop_field": "crop",
        "kind": "parcels", "split_by": "parcel", "minimum_parcels": 2, "output": str(folder / "series")}).run(SILENT)


def sharing(folder):
    """A folder of datasets of 32 px with the bands B02, B03, B04 of Sentinel-2, named after what is in them.

    `discs` and `more_discs` have labels of pixels, `whole` and `several` of tiles; `unlabelled` has none, `turned` holds the same tiles with
    the bands the other way round, and `offset` stores them 1000 higher. `two_tiles`, `radar`, `four_bands`, `unitless` and `series` do not fit.
    `copied` is `discs` once more.
    """
    for name, facts in {"discs": {}, "more_discs": {"seed": 5}, "four_bands": {"bands": 4},
                        "two_tiles": {"count": 2, "seed": 7, "splits": ["training", "validation"]}}.items():
        write_dataset(folder / name, size=SIDE, **facts)
        change(folder / name, lambda description, name=name: description.update(name=name))
    shutil.copytree(folder / "discs", folder / "copied")
    write_scenes(folder / "whole", size=SIDE, count=24)
    write_scenes(folder / "several", size=SIDE, count=24, task="multilabel", seed=1)
    for name in ("whole", "several"):
        change(folder / name, lambda description, name=name: description.update(name=name))
    write_series(folder)
    write_unlabelled(folder / "unlabelled", [[(optical_sensor(), optical(12, 3, SIDE))]])
    write_unlabelled(folder / "turned", [[(optical_sensor(("B04", "B03", "B02")), optical(12, 3, SIDE)[:, ::-1])]])
    images = optical(12, 3, SIDE)
    write_unlabelled(folder / "offset", [[(optical_sensor(offset=-0.1), np.where(images > 0, images + 1000, 0).astype(np.uint16))]])
    write_unlabelled(folder / "unitless", [[(optical_sensor(unit="unknown"), optical(12, 3, SIDE, seed=1))]])
    write_unlabelled(folder / "radar", [[(radar_sensor(), backscatter(12, 2, SIDE))]])
    return folder
