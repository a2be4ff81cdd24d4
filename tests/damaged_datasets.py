"""Small datasets of every task and theme as the jobs write them, for tests that damage them."""

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from . import scenes
from .scenes_crops import DAYS


def _made(job, folder, name, **values):
    JOBS[job].from_values({**values, "output": str(folder / name)}).run(SILENT)
    return folder / name


def roads_dataset(folder):
    return _made("create_road_dataset", folder, "roads_dataset", images=[str(scenes.land(folder))], roads=str(scenes.osm_file(folder)),
                 built_up=str(scenes.town_without_roads(folder)), tile_size=32)


def ice_dataset(folder):
    return _made("create_sea_ice_dataset", folder, "ice_dataset", images=[str(scenes.ice_scene(folder))], labels=str(scenes.ice_chart(folder)),
                 balance="augment")


def cover_dataset(folder):
    return _made("create_land_cover_dataset", folder, "cover_dataset", images=[str(scenes.ground_optical(folder))],
                 legend="cgls_lc100",
                 land_cover=str(scenes.ground_cover_100m(folder)), tile_size=32, preset="sentinel2_l2a", validation_share=0, test_share=0,
                 second_images=[str(scenes.ground_radar(folder))], second_preset="sentinel1_db")


def crop_dataset(folder):
    season = scenes.crop_season(folder)
    images, masks = ([str(season / f"{kind}_{day}.tif") for day in DAYS] for kind in ("S2", "SCL"))
    return _made("create_crop_dataset", folder, "crop_dataset", images=images, masks=masks, parcels=str(season / "parcels.gpkg"), crop_field="crop",
                 sample_count=200)


KINDS = {"land": scenes.land_dataset, "scenes": scenes.stripes_dataset, "several": scenes.several_labels_dataset, "soft": scenes.soft_dataset,
         "unlabelled": scenes.unlabelled, "paired": scenes.unlabelled_paired, "roads": roads_dataset, "ice": ice_dataset, "cover": cover_dataset,
         "crops": crop_dataset}
