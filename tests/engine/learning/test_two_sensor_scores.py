"""A score of a model of two sensors is a score of the map: the report against a map by “Predict map” of both images, on the same test pixels."""

import shutil

import numpy as np
import pytest
import rasterio
from scipy.ndimage import gaussian_filter

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning import export
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.halo import LARGEST_HALO
from eo_pretrain_qgis.engine.measures.accuracy import confusion, scores
from eo_pretrain_qgis.engine.models.kinds import block_sizes, up
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.settings import finetuning

from ...listening import Listening
from ...scenes import write_raster
from .conftest import SMALL

SIDE, TILE = 256, 32
#: An exported network rounds otherwise than torch: so much may a figure differ.
ROUNDING = 1e-3
OF_A_MAP = "The model saw each pixel with what lies around it in its image, as in a map."


def job(name, **values):
    return JOBS[name].from_values({**values, "device": "cpu"} if "device" in JOBS[name].parameters() else values).run(SILENT)


def ground(folder):
    """Noisy images of both sensors on one grid, each with a hole of its own, and the classes that both show faintly."""
    generator = np.random.default_rng(3)
    truth = gaussian_filter(generator.standard_normal((SIDE, SIDE)), 12) > 0
    optical = 1500 + 300 * truth + generator.normal(0, 400, (3, SIDE, SIDE))
    radar = -12 + 2 * truth + generator.normal(0, 3, (2, SIDE, SIDE))
    optical[:, 40:150, 20:170] = 0
    radar[:, 120:220, 100:220] = np.nan
    return {"s2": write_raster(folder / "S2_20200601.tif", optical.clip(0).astype(np.uint16), nodata=0, names=["B02", "B03", "B04"]),
            "s1": write_raster(folder / "S1_20200603.tif", radar.astype(np.float32), names=["VV", "VH"]),
            "cover": write_raster(folder / "cover.tif", np.where(truth, 10, 40)[None].astype(np.uint8))}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("scores")


@pytest.fixture(scope="module")
def images(place):
    return {name: str(path) for name, path in ground(place).items()}


@pytest.fixture(scope="module")
def data(place, images):
    job("create_land_cover_dataset", images=[images["s2"]], preset="sentinel2_l2a", second_images=[images["s1"]], second_preset="sentinel1_db",
        land_cover=images["cover"], legend="worldcover", either_sensor=True, tile_size=TILE, validation_share=0, output=str(place / "dataset"))
    return place / "dataset"


@pytest.fixture(scope="module", params=["gated", "feature", "statistics"])
def learned(request, place, images, data):
    """A run of both sensors, and its model file in the blocks in which evaluation sees images."""
    patch = pytest.MonkeyPatch()
    stride = 32
    patch.setattr(export, "measured", lambda *asked: {"halo": up(LARGEST_HALO, stride), **block_sizes(up(LARGEST_HALO, stride), stride)})
    request.addfinalizer(patch.undo)
    folder = place / request.param
    how = {"approach": "statistics", "fusion": "early"} if request.param == "statistics" else {
        "fusion": request.param, "encoder": SMALL, "epochs": 1, "epoch_steps": 4, "batch_size": 8, "learning_rate": 0.003, "device": "cpu"}
    finetune(str(data), str(folder / "run"), finetuning(**how))
    job("export_model", run_folder=str(folder / "run"), output=str(folder / "model.onnx"))
    return folder


def of_the_map(model, data, output, **given):
    """The figures of a map in the pixels of the test tiles."""
    job("predict_map", model=str(model), output=str(output), **given)
    with rasterio.open(output) as source:
        mapped = source.read(1)
    dataset, matrix = Dataset.open(data), np.zeros((2, 2), np.int64)
    for tile in dataset.indices("test"):
        row, here = dataset.tiles.iloc[tile], np.array([tile])
        found = mapped[row["row"]:row["row"] + TILE, row["col"]:row["col"] + TILE]
        position = np.select([found == entry.value for entry in dataset.classes], range(2), 255)
        known = position != 255  # where the model says nothing, evaluation counts nothing
        matrix += confusion(np.where(known, dataset.labels(here)[0], 255), np.where(known, position, 0), 2)
    return scores(matrix)


def alike(facts, expected):
    assert facts["model"]["pixels"] == expected["pixels"]
    for figure in ("overall_accuracy", "mean_iou"):
        assert facts["model"][figure] == pytest.approx(expected[figure], abs=ROUNDING), figure


def test_the_report_says_what_the_map_of_both_images_has(learned, data, images, tmp_path):
    heard = Listening()
    facts, sections = evaluate_run(str(learned / "run"), None, "test", 8, "cpu", heard)
    assert OF_A_MAP in heard.texts and OF_A_MAP in "".join(sections)
    alike(facts, of_the_map(learned / "model.onnx", data, tmp_path / "map.tif", images=[images["s2"]], second_images=[images["s1"]]))


@pytest.mark.parametrize("learned", ["gated"], indirect=True)
@pytest.mark.parametrize("sensor", ["s2", "s1"])
def test_with_one_sensor_hidden_it_is_the_map_of_the_other_image(learned, data, images, sensor, tmp_path):
    heard = Listening()
    facts, _ = evaluate_run(str(learned / "run"), None, "test", 8, "cpu", heard, sensors=sensor)
    assert OF_A_MAP in heard.texts
    alike(facts, of_the_map(learned / "model.onnx", data, tmp_path / "map.tif", images=[images[sensor]]))


def test_the_image_that_is_gone_is_named(learned, images):
    heard, gone = Listening(), images["s1"]
    shutil.move(gone, f"{gone}.away")
    try:
        facts, _ = evaluate_run(str(learned / "run"), None, "test", 8, "cpu", heard)
        if learned.name == "gated":
            alone = Listening()
            evaluate_run(str(learned / "run"), None, "test", 8, "cpu", alone, sensors="s2")
            assert OF_A_MAP in alone.texts, "the image of a sensor that is hidden is not asked for"
    finally:
        shutil.move(f"{gone}.away", gone)
    assert any(text.startswith(f"{facts['tiles']} of {facts['tiles']} tiles were seen among their neighbours") and f": {gone} is no longer there."
               in text for text in heard.texts)


def test_an_image_that_was_resampled_is_not_there_as_it_was_kept(place, images, tmp_path):
    """The second sensor's pixels are of 20 m."""
    generator = np.random.default_rng(4)
    coarse = write_raster(tmp_path / "S1_20200603.tif", generator.normal(-12, 3, (2, SIDE // 2, SIDE // 2)).astype(np.float32), names=["VV", "VH"],
                          resolution=20.0)
    job("create_land_cover_dataset", images=[images["s2"]], preset="sentinel2_l2a", second_images=[str(coarse)], second_preset="sentinel1_db",
        land_cover=images["cover"], legend="worldcover", tile_size=TILE, validation_share=0, output=str(tmp_path / "dataset"))
    finetune(str(tmp_path / "dataset"), str(tmp_path / "run"), finetuning(approach="statistics", fusion="early"))
    heard = Listening()
    evaluate_run(str(tmp_path / "run"), None, "test", 8, "cpu", heard)
    assert any(": the image of s1 was resampled to its pixels when the dataset was made. The figures of a map may differ a little." in text
               for text in heard.texts)
