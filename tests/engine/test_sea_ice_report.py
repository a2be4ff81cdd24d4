import json

import geopandas
import pandas
import pytest
import rasterio

from eo_pretrain_qgis.engine.themes.sea_ice.report import sections, slopes_of, warnings
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..scenes_ice import ICE_KINDS, ice_chart, ice_linear, ice_other_day, ice_polygons, ice_scene, ice_squares, ice_without_angle
from .test_patches import build


@pytest.mark.parametrize("scene", [ice_scene, ice_linear])
def test_slopes_are_those_the_scene_was_made_with(folder, scene):
    dataset = build(folder, images=[str(scene(folder))], labels=str(ice_polygons(folder)), validation_share=0, test_share=0)
    for row in slopes_of(dataset)["classes"]:
        hh, hv, slope = ICE_KINDS[row["name"]]
        tolerance = 0.15 if scene is ice_scene else 0.3  # the mean of dB is not dB of the mean
        assert row["HH"] == pytest.approx(hh, abs=tolerance) and row["HV"] == pytest.approx(hv, abs=tolerance)
        assert row["HH_slope"] == pytest.approx(slope, abs=0.05) and row["HV_slope"] == pytest.approx(slope, abs=0.05)


def test_tiles_have_slopes_too(folder):
    dataset = build(folder, samples="tiles", size=50, validation_share=0, test_share=0)
    assert {row["name"]: round(row["HH_slope"], 1) for row in slopes_of(dataset)["classes"]} == {name: kind[2] for name, kind in ICE_KINDS.items()}


def test_the_report_says_what_was_done(folder):
    build(folder, labels=str(ice_chart(folder)), class_field=None, scheme="six_types", balance="augment")
    result = JOBS["describe_dataset"].from_values({"dataset": str(folder / "made"), "output": str(folder / "report.html"),
                                                   "facts": str(folder / "facts.json")}).run(SILENT)
    page = (folder / "report.html").read_text(encoding="utf-8")
    for words in ("a SIGRID-3 ice chart read as “six_types”, dominant share 0.65", "1 polygons are land", "Brightness and incidence angle",
                  "HH and HV in false colour", "Whole polygons were given to training"):
        assert words in page, words
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    assert facts["theme"] == "sea ice" and facts["incidence_angle"]["low"] > 19 and result["output"].endswith("report.html")


def test_weaknesses_are_said_in_words(folder):
    several = build(folder, images=[str(ice_scene(folder)), str(ice_other_day(folder))], balance="augment", output=str(folder / "days"))
    said = " ".join(warnings(several))
    assert "label scenes of 2 days (2022-05-03 to 2022-05-05), and ice moves" in said and "from 2 polygons: they show little" in said
    without = build(folder, images=[str(ice_without_angle(folder))], incidence_angle="none", output=str(folder / "without"))
    assert any("There is no incidence angle" in text for text in warnings(without)) and slopes_of(without) is None
    assert "the incidence angle is left out" in sections(without)[1]


def test_a_class_of_two_kinds_of_ice_is_pointed_out(folder):
    """Water near in and thick ice far out under one name brighten with the angle, which no ice does."""
    kinds = ["odd" if (row, col) in ((0, 0), (1, 2), (2, 1), (2, 3), (0, 2), (1, 1)) else "rest" for row in range(3) for col in range(4)]
    with rasterio.open(ice_scene(folder).rename(folder / "bright.tif"), "r+") as scene:
        bands = scene.read()
        bands[:2] += (bands[2] - 20) * 0.9
        scene.write(bands)
    ice_squares().assign(ice_kind=kinds).to_file(folder / "odd.gpkg")
    dataset = build(folder, images=[str(folder / "bright.tif")], labels=str(folder / "odd.gpkg"), validation_share=0, test_share=0)
    assert any("dB per degree of incidence angle, which no ice or water does" in text for text in warnings(dataset))


def test_polygons_of_one_scene_each_do_not_label_other_days(folder):
    scenes = [ice_scene(folder), ice_other_day(folder)]
    polygons = ice_squares().assign(ice_kind=[*ICE_KINDS] * 4)
    owned = [polygons.assign(scene=scene.name) for scene in scenes]
    geopandas.GeoDataFrame(pandas.concat(owned, ignore_index=True), crs=polygons.crs).to_file(folder / "owned.gpkg")
    dataset = build(folder, images=[str(scene) for scene in scenes], labels=str(folder / "owned.gpkg"), scene_field="scene",
                    output=str(folder / "owned"))
    assert not any("The same polygons label scenes" in text for text in warnings(dataset))
