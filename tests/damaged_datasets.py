"""Small datasets of every task and theme as the jobs write them, for tests that damage them."""

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .scenes import land, land_dataset
from .scenes_classes import several_labels_dataset, soft_dataset, stripes_dataset
from .scenes_crops import DAYS, crop_season
from .scenes_ice import ice_chart, ice_scene
from .scenes_landcover import cover_dataset
from .scenes_pretraining import unlabelled, unlabelled_paired
from .scenes_roads import osm_file, town_without_roads


def _made(job, folder, name, **values):
    JOBS[job].from_values({**values, "output": str(folder / name)}).run(SILENT)
    return folder / name


def roads_dataset(folder):
    return _made("create_road_dataset", folder, "roads_dataset", images=[str(land(folder))], roads=str(osm_file(folder)),
                 built_up=str(town_without_roads(folder)), tile_size=32)


def ice_dataset(folder):
    return _made("create_sea_ice_dataset", folder, "ice_dataset", images=[str(ice_scene(folder))], labels=str(ice_chart(folder)),
                 balance="augment")


def crop_dataset(folder):
    season = crop_season(folder)
    images, masks = ([str(season / f"{kind}_{day}.tif") for day in DAYS] for kind in ("S2", "SCL"))
    return _made("create_crop_dataset", folder, "crop_dataset", images=images, masks=masks, parcels=str(season / "parcels.gpkg"), crop_field="crop",
                 sample_count=200)


KINDS = {"land": land_dataset, "scenes": stripes_dataset, "several": several_labels_dataset, "soft": soft_dataset,
         "unlabelled": unlabelled, "paired": unlabelled_paired, "roads": roads_dataset, "ice": ice_dataset, "cover": cover_dataset,
         "crops": crop_dataset}
