"""What reports say of datasets from land-cover maps and of those for pretraining."""

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.describing.page import describe
from eo_pretrain_qgis.engine.themes.land_cover import report as land_cover_report
from eo_pretrain_qgis.engine.themes.unlabelled import report as pretraining_report
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..scenes_landcover import ground_cover_10m, ground_cover_100m, ground_optical, wild, wild_radar


def made(folder, job, **values):
    JOBS[job].from_values({"tile_size": 64, "validation_share": 0, "test_share": 0, "output": str(folder / "made"), **values}).run(SILENT)
    return Dataset.open(folder / "made")


def test_a_coarse_map_without_filters_is_warned_of(folder):
    dataset = made(folder, "create_land_cover_dataset", images=[str(ground_optical(folder))], land_cover=str(ground_cover_100m(folder)),
                   legend="cgls_lc100")
    warnings = land_cover_report.warnings(dataset)
    assert warnings == ["One cell of the map holds about 10 × 10 pixels, and no filter leaves out mixed cells: many labels are wrong. Set a least "
                        "purity or a distance from borders."]
    text = "".join(land_cover_report.sections(dataset))
    assert "of 2019 (file name), read with the legend cgls_lc100; cells of 100 × 100 m" in text and "Closed forest, deciduous broad leaf" in text
    assert "No label was left out by a filter." in text and set(warnings) <= set(describe(dataset)["warnings"])


def test_filters_that_take_a_class_away_and_years_apart_are_warned_of(folder):
    dataset = made(folder, "create_land_cover_dataset", images=[str(ground_optical(folder))], land_cover=str(ground_cover_10m(folder)),
                   legend="worldcover", border=225)
    warnings = " ".join(land_cover_report.warnings(dataset))
    assert "Map (2024) and images (2019) are up to 5 years apart; land cover may have changed." in warnings
    assert "The class “Water” is 4.6% of the map and" in warnings and "the filters take most of it away." in warnings


def test_pretraining_says_what_was_left_out(folder):
    dataset = made(folder, "create_pretraining_dataset", images=[str(wild(folder))], preset="sentinel2_l2a", second_images=[str(wild_radar(folder))],
                   second_preset="sentinel1_db", tile_size=32)
    assert pretraining_report.warnings(dataset) == ["No cloud mask was given for the images of s2: cloudy tiles may be among them."]
    text = "".join(pretraining_report.sections(dataset))
    assert "Two sensors on one grid." in text and "near-duplicate of another tile" in text and "S1_20200627.tif" in text and ">-4<" in text
