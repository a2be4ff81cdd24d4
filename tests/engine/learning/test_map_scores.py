"""A score is a score of the map: the report against a map by “Predict map” of the exported model, on the same test pixels."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import torch
from scipy.ndimage import gaussian_filter

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning import export
from eo_pretrain_qgis.engine.learning.finetuning.answers import NetworkAnswers, TorchSession
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.measures.accuracy import confusion, scores
from eo_pretrain_qgis.engine.models.kinds import block_sizes
from eo_pretrain_qgis.engine.models.network import MemoryRanOutError
from eo_pretrain_qgis.engine.runs.map_scores import count_map
from eo_pretrain_qgis.errors import Cancelled
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.settings import finetuning as Settings

from ...listening import Cancelling, Listening, promised
from ...scenes import write_raster

SIDE = 512
FIGURES = ("overall_accuracy", "mean_iou")
#: Largest difference between the report and the map.
ALLOWED = 0.005


def ground(folder):
    """A noisy image whose two classes are told by how coarse its texture is, which one pixel does not show, and its labels."""
    generator = np.random.default_rng(1)
    truth = gaussian_filter(generator.standard_normal((SIDE, SIDE)), 20) > 0
    fine, coarse = (gaussian_filter(generator.standard_normal((3, SIDE, SIDE)), (0, width, width)) for width in (2, 3))
    image = 2000 + 500 * np.where(truth, coarse / coarse.std(), fine / fine.std()) + generator.normal(0, 300, (3, SIDE, SIDE))
    image[:, :, :20] = 0
    return (write_raster(folder / "image.tif", image.clip(0).astype(np.uint16), nodata=0, names=["B02", "B03", "B04"]),
            write_raster(folder / "labels.tif", np.where(truth, 2, 1)[None].astype(np.uint8)))


@pytest.fixture(scope="module", params=[32, 64])
def learned(request, tmp_path_factory):
    """A run on tiles of that size, and the map of its exported model."""
    folder = tmp_path_factory.mktemp(f"tiles of {request.param}")
    patch = pytest.MonkeyPatch()
    patch.setattr(export, "measured", lambda *asked: {"halo": 96, **block_sizes(96, 32)})  # tested elsewhere, and takes a minute
    request.addfinalizer(patch.undo)
    image, labels = map(str, ground(folder))

    def job(name, **values):
        return JOBS[name].from_values({**values, "device": "cpu"} if "device" in JOBS[name].parameters() else values).run(SILENT)

    job("create_training_dataset", images=[image], labels=[labels], preset="sentinel2_l2a", tile_size=request.param, output=str(folder / "dataset"))
    finetune(str(folder / "dataset"), str(folder / "run"), Settings(encoder="resnet18", epochs=3, batch_size=8, learning_rate=0.003, device="cpu"))
    job("export_model", run_folder=str(folder / "run"), output=str(folder / "model.onnx"))
    job("predict_map", model=str(folder / "model.onnx"), images=[image], output=str(folder / "map.tif"))
    return folder


def of_the_map(folder):
    """The figures of the map in the pixels of the test tiles."""
    dataset = Dataset.open(folder / "dataset")
    with rasterio.open(folder / "map.tif") as source:
        mapped = source.read(1)
    matrix = np.zeros((2, 2), np.int64)
    for tile in dataset.indices("test"):
        row, side = dataset.tiles.iloc[tile], dataset.tile_size
        found = mapped[row["row"]:row["row"] + side, row["col"]:row["col"] + side]
        matrix += confusion(dataset.labels(np.array([tile]))[0], found - 1, 2)
    return scores(matrix)


def test_the_report_says_what_the_map_has(learned):
    heard = Listening()
    facts, sections = evaluate_run(str(learned / "run"), None, "test", 8, "cpu", heard)
    expected = of_the_map(learned)
    assert facts["model"]["pixels"] == expected["pixels"] == facts["majority"]["pixels"]
    assert max(abs(facts["model"][figure] - expected[figure]) for figure in FIGURES) <= ALLOWED
    said = "The model saw each pixel with what lies around it in its image, as in a map."
    assert said in heard.texts and said in "".join(sections)


def test_tiles_seen_alone_say_something_else(learned):
    """Or the test above could not fail."""
    run, dataset = Run.open(str(learned / "run")), Dataset.open(learned / "dataset")
    network, matrix = run.load_network(torch.device("cpu")), np.zeros((2, 2), np.int64)
    for tile in dataset.indices("test"):
        image = dataset.images(np.array([tile])).astype(np.float32)
        image = np.where(dataset.sensors[0].valid(image)[:, None], image, network.centre.numpy())
        with torch.no_grad():
            found = network({network.seen.name: torch.from_numpy(image)}).argmax(1).numpy()
        matrix += confusion(dataset.labels(np.array([tile])), found, 2)
    alone, expected = scores(matrix), of_the_map(learned)
    assert max(abs(alone[figure] - expected[figure]) for figure in FIGURES) > ALLOWED


def test_without_the_image_neighbours_stand_in_and_the_report_says_so(learned):
    image, away = learned / "image.tif", learned / "away.tif"
    image.rename(away)
    try:
        heard = Listening()
        facts, sections = evaluate_run(str(learned / "run"), None, "test", 8, "cpu", heard)
    finally:
        away.rename(image)
    tiles = facts["tiles"]
    said = (f"{tiles} of {tiles} tiles were seen among their neighbours in the dataset, or their own mirror image where there are none, and not in "
            f"their image: {image} is no longer there. The figures of a map may differ a little.")
    assert said in heard.texts and said in "".join(sections)
    expected = of_the_map(learned)
    assert facts["model"]["pixels"] == expected["pixels"]
    # A map of so small an image meets its edge in many tiles, which here see their mirror image instead.
    assert max(abs(facts["model"][figure] - expected[figure]) for figure in FIGURES) <= 15 * ALLOWED


@pytest.mark.parametrize("step", ["Checksum", "Block", "Measured"])
def test_it_can_be_cancelled_on_the_way(learned, step, monkeypatch):
    """Also in the one block of this image, which a slow network here computes for a minute."""
    if step == "Block":
        monkeypatch.setattr(TorchSession, "_scores", lambda *given: [time.sleep(0.05) for _ in range(1200)])
    run, dataset, device = Run.open(str(learned / "run")), Dataset.open(learned / "dataset"), torch.device("cpu")
    if step == "Measured":
        dataset.description["scenes"] = []
    heard = Cancelling(lambda heard: heard.reached(step))
    with pytest.raises(Cancelled):
        count_map(NetworkAnswers.of(run, dataset, device), dataset.indices("test"), heard)
    assert heard.seconds < promised(10) and heard.reached(step)


def test_memory_that_runs_out_is_a_sentence():
    class Hungry(torch.nn.Module):
        network = SimpleNamespace(seen=SimpleNamespace(each=[SimpleNamespace(name="image")]))

        def forward(self, image):
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    with pytest.raises(MemoryRanOutError, match=r"^Memory ran out on cpu .* with a block of 64 x 32 px of the run here. Close other programs, or"):
        TorchSession(Hungry(), torch.device("cpu"), "here").run({"image": np.zeros((1, 3, 32, 64), np.float32)})
