"""U-TAE: the regression it begins at, what clouds and padding mean, the formulas of its attention; runs, exports, maps and refusals."""

import numpy as np
import onnx
import pytest
import rasterio
import torch

from eo_pretrain_qgis.engine.cards import between_values, single
from eo_pretrain_qgis.engine.classic.ground_graph import put_of_series
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import IGNORE, Dataset
from eo_pretrain_qgis.engine.datasets.dates import read_series
from eo_pretrain_qgis.engine.learning.compared_images import series_probes
from eo_pretrain_qgis.engine.learning.data import LABELS, TileReader
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.series import DatesAndTurns, Today
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.utae import HEADS, TileAttention, TileSeriesNetwork, averaged
from eo_pretrain_qgis.engine.measures.applicability import KnownGround
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.report import write_html
from eo_pretrain_qgis.engine.models.session import on_processor
from eo_pretrain_qgis.errors import DataError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from tests.scenes_crops import DAYS, SIZE
from tests.scenes_series import dated_tiles, dated_tiles_model, dated_tiles_run

from ...listening import Listening

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("dated")


@pytest.fixture(scope="module")
def dataset(root):
    return Dataset.open(dated_tiles(root))


@pytest.fixture(scope="module")
def model(root):
    return dated_tiles_model(root)


def new_network(dataset):
    torch.manual_seed(0)
    return TileSeriesNetwork("utae", {"image": between_values(single(dataset.inputs))}, len(dataset.classes))


def given_of(network, dataset, tiles):
    values, days = read_series(dataset, network.seen, tiles)
    return {"image": torch.from_numpy(values), "image_days": torch.from_numpy(days.max((2, 3)))}


def shaken(network):
    """With batch statistics and last layer that are not those of the beginning."""
    with torch.no_grad():
        means = [buffer for name, buffer in network.encoder.named_buffers() if "running_mean" in name]
        for tensor in [*network.segmentation_head.parameters(), *means]:
            tensor.copy_(0.3 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(tensor.numel())))
    return network.eval()


def test_it_begins_as_the_regression_on_the_series_of_each_pixel(dataset):
    network, tiles = new_network(dataset), np.arange(len(dataset))
    labelled = Labelled(dataset, network.seen, dataset.indices("training"), 1)
    network.begin(labelled.whitening, labelled.regression)
    with torch.no_grad():
        found = network.eval()(given_of(network, dataset, tiles)).numpy()
    expected = labelled.fit("statistics").answers(dataset)(tiles)
    assert np.isfinite(expected).all()  # each pixel has a clear date
    assert found == pytest.approx(expected, abs=2e-3)
    assert np.abs(np.exp(found) / np.exp(found).sum(1, keepdims=True) - np.exp(expected) / np.exp(expected).sum(1, keepdims=True)).max() < 1e-4


def test_the_network_is_as_large_as_that_of_the_paper():
    assert sum(tensor.numel() for tensor in TileAttention(10).parameters()) == pytest.approx(1.1e6, rel=0.05)


def test_padding_and_order_mean_nothing(dataset):
    network = shaken(new_network(dataset))
    given = given_of(network, dataset, np.arange(3))
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    values = torch.cat([given["image"], torch.full((3, 3, *given["image"].shape[2:]), 1e4)], 1)[:, order]
    days = torch.cat([given["image_days"], torch.full((3, 3), -1.0)], 1)[:, order]
    with torch.no_grad():
        assert torch.allclose(network({"image": values, "image_days": days}), network(given), atol=1e-3)


def test_a_pixel_that_no_date_shows_gets_nothing(dataset):
    network = shaken(new_network(dataset))
    given = given_of(network, dataset, np.arange(2))
    given["image"][0, :, :, 3:5, 7:9] = network.centre[0, :, :, :]
    with torch.no_grad():
        found = network(given)
        begun, whole = network.both(given)
    gone = torch.zeros(2, 32, 32, dtype=torch.bool)
    gone[0, 3:5, 7:9] = True
    for scores in (found, begun, whole):
        assert torch.equal(torch.isnan(scores).any(1), gone) and torch.equal(torch.isnan(scores).all(1), gone)
    given["image_days"][1] = -1
    with torch.no_grad():
        assert torch.isnan(network(given)[1]).all()
    assert torch.isfinite(network.train()(given)).all()  # while it learns


def test_attention_is_the_average_of_groups_of_channels():
    """With every pixel known: features of a group, times what its head gives to each date, as in the paper."""
    generator = torch.Generator().manual_seed(0)
    level, weights = torch.randn(2, 5, 64, 4, 4, generator=generator), torch.randn(2, HEADS, 5, 4, 4, generator=generator).softmax(2)
    found = averaged(level, weights, torch.ones(2, 5, 4, 4))
    for head in range(HEADS):
        group = slice(4 * head, 4 * head + 4)
        assert torch.allclose(found[:, group], (level[:, :, group] * weights[:, head, :, None]).sum(1), atol=1e-5)
    half = torch.ones(2, 5, 4, 4)
    half[:, 2] = 0
    others = [0, 1, 3, 4]
    again = averaged(level[:, others], weights[:, :, others] / weights[:, :, others].sum(2, keepdim=True), torch.ones(2, 4, 4, 4))
    assert torch.allclose(averaged(level, weights, half), again, atol=1e-5)


def test_batches_turn_tiles_with_their_clouds_and_hide_dates(dataset):
    network = new_network(dataset)
    reader = TileReader(dataset, network.inputs, network.stride, CPU, targets=[LABELS])
    batch = next(reader.in_order(np.arange(4), 4))
    assert batch.images["image"].shape == (4, 4, 10, 32, 32) and batch.valid["image"].shape == (4, 4, 32, 32)
    today = Today(network.seen, False, IGNORE)
    turned = DatesAndTurns("flips", today)(batch, torch.Generator().manual_seed(3))
    centre = torch.tensor(network.seen.centre)[:, None, None]
    for one in (batch, turned):
        assert torch.equal((one.images["image"] != centre).any(2), one.valid["image"])
    assert not torch.equal(turned.valid["image"], batch.valid["image"])
    assert torch.equal(turned.images["image"].sum((3, 4)).round(), batch.images["image"].sum((3, 4)).round())
    fewer = DatesAndTurns("full", today)(batch, torch.Generator().manual_seed(3))
    assert (fewer.days["image_days"] >= 0).sum() < (batch.days["image_days"] >= 0).sum()
    assert not fewer.valid["image"][fewer.days["image_days"] < 0].any()
    assert (fewer.targets[LABELS][~fewer.valid["image"].any(1)] == IGNORE).all()


def test_the_model_file_says_what_the_run_says(root, dataset, model):
    opened, run = package.open(str(model)), Run.open(str(dated_tiles_run(root)))
    assert (opened.kind.takes, opened.stride, opened.halo, opened.block) == ("tbyx", 8, opened.halo, 128 + 2 * opened.halo)
    network, session = run.load_network(CPU), on_processor(model.read_bytes())
    shapes = set()
    for given in series_probes(str(dataset.folder), network.seen, network.stride):
        with torch.no_grad():
            expected = network({name: torch.from_numpy(values) for name, values in given.items()}).softmax(1).numpy()
        found = session.run(None, given)[0]
        assert np.array_equal(np.isnan(found), np.isnan(expected)) and np.nanmax(np.abs(found - expected)) < 1e-4
        shapes.add(given["image"].shape[1])
    assert shapes == {1, 4, 7, 12}
    write_html(opened, str(root / "model.html"))
    page = (root / "model.html").read_text()
    assert "A series of dated tiles, of 1 April to 1 July" in page and "has the fill value in all bands there" in page


def mapped(root, model, output, days=DAYS, **values):
    season, heard = root / "dated_season", Listening()
    given = {"images": [str(season / f"S2_{day}.tif") for day in days], "masks": [str(season / f"SCL_{day}.tif") for day in days]}
    found = JOBS["map_series"].from_values({"model": str(model), **given, "output": str(output), **values}).run(heard)
    with rasterio.open(output) as raster:
        return raster.read(1), found


def test_maps_show_the_crops_and_nothing_where_no_date_is_clear(root, model, tmp_path):
    whole, facts = mapped(root, model, tmp_path / "whole.tif")
    row, col = np.indices((SIZE, SIZE))
    names = {entry.name: entry.value for entry in package.open(str(model)).classes}
    truth = np.array([names[name] for name in ("grass", "maize", "wheat")])[(row // 20 + col // 20) % 3]
    known = (row < 100) | (col < 100)
    assert (whole == truth)[known].mean() > 0.95 and facts["valid_share"] == 1.0
    part, _ = mapped(root, model, tmp_path / "part.tif", extent="500200,500700,5299300,5299800 [EPSG:32633]")
    assert np.array_equal(part, whole[20:70, 20:70])
    two, facts = mapped(root, model, tmp_path / "two.tif", DAYS[1:3])
    hidden = (row < 60) & (col < 20)
    assert np.array_equal(two == 255, hidden) and facts["dates"] == 2


def test_blocks_of_a_map_lie_where_the_image_begins(root, model, tmp_path, monkeypatch):
    whole, _ = mapped(root, model, tmp_path / "whole.tif")
    monkeypatch.setattr(package.Package, "block", property(lambda self: 2 * self.halo + 64))
    small, _ = mapped(root, model, tmp_path / "small.tif")
    assert (small == whole).mean() > 0.999


def test_dated_tiles_are_held_against_the_series_of_training_pixels(root, model, tmp_path):
    """Where a pixel has a date it has a value, and a part of the layer is that part of the whole; the season has no noise, so some is added."""
    run, layers = Run.open(str(dated_tiles_run(root))), []
    source, seen = run.open_dataset(), run.load_network(CPU).seen
    labelled = Labelled(source, seen, source.indices("training"), 1)
    rows, graph, plain = labelled.rows.features[:300], onnx.load(model), package.open(str(model))
    known = KnownGround.of(rows + np.random.default_rng(0).normal(0, 0.1, rows.shape), np.arange(300) % 7)
    facts = put_of_series(known, labelled.whitening, seen, graph)
    model = package.write(graph, {**plain.description, **facts}, tmp_path / "knowing.onnx").path
    for name, extent in (("whole", {}), ("part", {"extent": "500210,500690,5299330,5299790 [EPSG:32633]"})):
        _, facts = mapped(root, model, tmp_path / f"{name}.tif", DAYS[1:3], applicability=str(tmp_path / f"{name}_ground.tif"), **extent)
        with rasterio.open(tmp_path / f"{name}_ground.tif") as raster:
            layers.append(raster.read())
    row, col = np.indices((SIZE, SIZE))
    assert np.array_equal(layers[0][0] == 255, (row < 60) & (col < 20)) and np.array_equal(layers[1], layers[0][:, 21:67, 21:69])
    assert facts["unlike_share"] == pytest.approx((layers[1][0] > 100).sum() / (layers[1][0] < 255).sum())
    _, facts = mapped(root, model, tmp_path / "map.tif", applicability=str(tmp_path / "ground.tif"))
    assert facts["unlike_share"] < 0.2


def test_images_of_another_season_are_refused(root, model, tmp_path):
    table = tmp_path / "dates.csv"
    table.write_text("file,date\n" + "".join(f"S2_{day}.tif,202310{day[4:6]}\nSCL_{day}.tif,202310{day[4:6]}\n" for day in DAYS))
    with pytest.raises(DataError, match="The images are of 4 October to 7 October, and the model learned from dates of 1 April to 1 July. Choose"):
        mapped(root, model, tmp_path / "no.tif", date_table=str(table))
    assert not (tmp_path / "no.tif").exists()


def test_evaluation_counts_pixels_beside_the_baselines(root):
    facts, sections = evaluate_run(str(dated_tiles_run(root)), None, "test", 8, "cpu")
    assert set(facts) >= {"model", "majority", "statistics", "boosting", "by_day"} and facts["score"] == "mean_iou"
    assert facts["model"]["pixels"] == facts["statistics"]["pixels"] > 1000 and facts["model"]["overall_accuracy"] > 0.95
    assert any("A pixel that no date shows is not counted." in part for part in sections)


def test_the_model_of_a_regression_is_one_of_series(root, tmp_path):
    run, output = tmp_path / "run", tmp_path / "model.onnx"
    JOBS["finetune"].from_values({"dataset": str(dated_tiles(root)), "approach": "statistics", "output": str(run)}).run(Listening())
    JOBS["export_model"].from_values({"run_folder": str(run), "output": str(output)}).run(Listening())
    assert (package.open(str(output)).task, package.open(str(output)).kind.takes) == ("series", "tb")
    assert mapped(root, output, tmp_path / "map.tif")[1]["valid_share"] == 1.0


@pytest.mark.parametrize("values, text", [
    ({"encoder": "ltae"}, "The encoder “ltae” is for images or series, and these are dated tiles. Choose utae, or leave “Encoder” empty."),
])
def test_other_encoders_are_refused(root, tmp_path, values, text):
    with pytest.raises(ModelError, match=text):
        JOBS["finetune"].from_values({"dataset": str(dated_tiles(root)), "approach": "network", "device": "cpu", "output": str(tmp_path / "run"),
                                      **values}).run(Listening())


def test_the_encoder_of_a_run_starts_another(root, tmp_path):
    heard = Listening()
    JOBS["finetune"].from_values({"dataset": str(dated_tiles(root)), "approach": "network", "start": str(dated_tiles_run(root)), "mode": "frozen",
                                  "epochs": 1, "device": "cpu", "precision": "float32", "output": str(tmp_path / "run")}).run(heard)
    ours, theirs = (Run.open(str(path)).load_network(CPU).encoder.state_dict() for path in (tmp_path / "run", dated_tiles_run(root)))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if "num_batches" not in name)
