"""Layers of lines and polygons say where they come from, as maps do: what leaves the house is seen without its raster."""

import shutil

import numpy as np
import pyogrio
import pytest
import rasterio

from eo_pretrain_qgis.engine.cards import ClassInfo
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.mapping.polygons import write_polygons
from eo_pretrain_qgis.engine.rasters.meaning import SIMULATED_WORDS
from eo_pretrain_qgis.jobs import JOBS

from .. import scenes

TOLD = {"EO_PRETRAIN_MODEL": "halves-0123abcd", "ACQUISITION_DATE": "2022-05-03", "SIMULATED": "yes"}


def told_of(path):
    return pyogrio.read_info(path, layer=0)["layer_metadata"] or {}


def test_polygons_repeat_the_tags_of_their_map(folder):
    path = scenes.write_raster(folder / "map.tif", np.array([[1, 1], [2, 2]], np.uint8), nodata=255)
    with rasterio.open(path, "r+") as target:
        target.update_tags(**TOLD, AREA_OR_POINT="Area", OTHER="not ours")
    write_polygons(str(path), [ClassInfo(1, "a", "#111111"), ClassInfo(2, "b", "#222222")], str(folder / "areas.gpkg"))
    assert told_of(folder / "areas.gpkg") == TOLD


def test_what_was_learned_from_simulated_images_says_so_to_its_last_map(folder):
    """Dataset, page of it, run, report, evaluation, model and map of an image that is not simulated."""
    def ran(job, **values):
        return JOBS[job].from_values(values).run(scenes.SILENT)

    named = {name: str(folder / name) for name in ("sample", "dataset", "run", "model.onnx", "map.tif", "page.html", "scores.html", "real.tif")}
    ran("create_sample", output=named["sample"], size=256)
    ran("create_training_dataset", images=[f"{named['sample']}/sentinel2.tif"], labels=f"{named['sample']}/land_cover.tif", preset="sentinel2_l2a",
        tile_size=32, output=named["dataset"])
    ran("describe_dataset", dataset=named["dataset"], output=named["page.html"])
    ran("finetune", dataset=named["dataset"], approach="statistics", output=named["run"])
    ran("evaluate_model", run_folder=named["run"], output=named["scores.html"])
    ran("export_model", run_folder=named["run"], output=named["model.onnx"])
    for page in (folder / "page.html", folder / "run" / "report.html", folder / "scores.html"):
        assert page.read_text(encoding="utf-8").count(SIMULATED_WORDS) == 1, page
    shutil.copy(f"{named['sample']}/sentinel2.tif", named["real.tif"])
    with rasterio.open(named["real.tif"], "r+") as image:
        image.update_tags(SIMULATED="")
    ran("predict_map", model=named["model.onnx"], images=[named["real.tif"]], device="cpu", output=named["map.tif"])
    with rasterio.open(named["map.tif"]) as source:
        assert source.tags()["EO_PRETRAIN_LEARNED_FROM"] == "simulated images" and "SIMULATED" not in source.tags()


def test_datasets_of_real_images_say_nothing_of_simulation(folder):
    made = Dataset.open(scenes.land_dataset(folder))
    assert not made.simulated and not any("simulated" in scene for scene in made.description["scenes"])


@pytest.mark.parametrize(("job", "more"), [
    ("map_roads", {}), ("map_land_cover", {"polygons": "areas.gpkg"}),
])
def test_maps_of_simulated_images_say_so(job, more, folder):
    """With the model that comes with the plugin, on the simulated sample."""
    JOBS["create_sample"].from_values({"output": str(folder / "sample"), "size": 256}).run(scenes.SILENT)
    output = folder / ("map.gpkg" if job == "map_roads" else "map.tif")
    named = {name: str(folder / file) for name, file in more.items()}
    JOBS[job].from_values({"images": [str(folder / "sample" / "sentinel2.tif")], "output": str(output), "device": "cpu", **named}).run(scenes.SILENT)
    layer = output if job == "map_roads" else folder / "areas.gpkg"
    told = told_of(layer)
    assert told["SIMULATED"] == "yes" and told["EO_PRETRAIN_MODEL"].startswith("bundled-") and "Copernicus" in told["EO_PRETRAIN_MODEL_LICENCE"]
    if output != layer:
        with rasterio.open(output) as source:
            assert source.tags()["SIMULATED"] == "yes"
