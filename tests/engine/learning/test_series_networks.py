"""Networks of series against packed sequences and sums written out; runs, exports and refusals."""

import datetime
import json
import math
import re

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from eo_pretrain_qgis.engine.cards import Input, SeriesDays, single
from eo_pretrain_qgis.engine.classic.models import Labelled, fed
from eo_pretrain_qgis.engine.classic.series import brought
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.dates import read_series
from eo_pretrain_qgis.engine.learning.data import LABELS, TileReader
from eo_pretrain_qgis.engine.learning.export import export_run
from eo_pretrain_qgis.engine.learning.finetuning.evaluation import evaluate_run
from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.finetuning.series import Today
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.series import ENCODERS, Recurrent, SeasonStatistics, SeriesNetwork, TemporalAttention
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.report import write_html
from eo_pretrain_qgis.engine.models.session import on_processor
from eo_pretrain_qgis.errors import DataError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.inputs import input_band
from tests.scenes_series import write_crop_series
from tests.settings import finetuning as Settings

from ...listening import Listening
from ..test_timesen2crop import write_tile

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_crop_series(tmp_path_factory.mktemp("series") / "season", hidden=(7,), noise=900)


@pytest.fixture(scope="module")
def series_run(tmp_path_factory, folder):
    """A finished run of the network alone; tests must not write into it."""
    path = tmp_path_factory.mktemp("runs") / "run"
    finetune(str(folder), str(path), Settings(encoder="lstm", epochs=3, keep="last", device="cpu", early_season=True))
    return path


def some_series(count=6, dates=9, bands=3, seed=0):
    """Standardised bands (n, date, band) and days (n, date); the first series has no date that counts, the second all, and none is in order."""
    rng = np.random.default_rng(seed)
    days = np.stack([rng.choice(np.arange(80, 300), dates, replace=False) for _ in range(count)]).astype(np.float32)
    every = days[1].copy()
    days[rng.random(days.shape) < 0.4] = -1
    days[0], days[1] = -1, every
    return torch.from_numpy(rng.normal(size=(count, dates, bands)).astype(np.float32)), torch.from_numpy(days)


def test_the_memory_sees_what_a_packed_one_of_both_directions_sees():
    torch.manual_seed(0)
    ours, (bands, days) = Recurrent(3, 16).eval(), some_series()
    theirs = torch.nn.LSTM(6, 16, batch_first=True, bidirectional=True)
    for ending, layer in (("", ours.forwards), ("_reverse", ours.backwards)):
        for name, tensor in layer.named_parameters():
            getattr(theirs, name + ending).data.copy_(tensor.data)
    rows = []
    for one, when in zip(bands, days):
        order = [place for place in np.argsort(when.numpy(), kind="stable") if when[place] >= 0]
        known, sorted_days = one[order], when[order]
        gaps = torch.diff(sorted_days, prepend=sorted_days[:1]) / 30
        angle = 2 * math.pi * (sorted_days + 1) / 365.25
        rows.append(torch.cat([known, angle.sin()[:, None], angle.cos()[:, None], gaps[:, None]], 1))
    kept, lengths = rows[1:], [len(row) for row in rows[1:]]
    padded = torch.nn.utils.rnn.pad_sequence(kept, batch_first=True)
    steps = pad_packed_sequence(theirs(pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False))[0], batch_first=True)[0]
    pooled = torch.stack([torch.cat([one[:length].mean(0), one[:length].amax(0)]) for one, length in zip(steps, lengths)])
    found = ours(bands, days)
    assert torch.allclose(found[1:], ours.norm(pooled), atol=1e-5)
    assert torch.isfinite(found).all()


def test_attention_is_a_softmax_over_the_clear_dates():
    torch.manual_seed(0)
    network, (bands, days) = TemporalAttention(3, start=80.0).eval(), some_series()
    one, when = bands[2], days[2]
    values = network.entrance(one)
    for date in range(len(when)):
        for channel in range(128):
            angle = (float(when[date]) - 80) / 1000 ** (channel % 8 // 2 * 2 / 8)
            values[date, channel] = values[date, channel] + (math.cos(angle) if channel % 2 else math.sin(angle))
    keys, parts = network.key(values), []
    for head in range(16):
        score = torch.stack([keys[date, 8 * head:8 * head + 8] @ network.query[head] / math.sqrt(8) for date in range(len(when)) if when[date] >= 0])
        parts.append(score.softmax(0) @ values[when >= 0][:, 8 * head:8 * head + 8])
    assert torch.allclose(network(bands, days)[2], network.mix(torch.cat(parts)[None])[0], atol=1e-4)
    assert sum(tensor.numel() for tensor in TemporalAttention(13).parameters()) <= 60_000


@pytest.mark.parametrize("name", ENCODERS)
def test_padding_and_order_mean_nothing(name):
    torch.manual_seed(0)
    names = [input_band(name, 1500, 900, unit="reflectance", scale=1e-4) for name in ("B04", "B08", "B8A")]
    seen = Input("image", "image", "generic", tuple(names), axes="tb", season=SeriesDays((80.0, 300.0)))
    network, (bands, days) = ENCODERS[name](seen).eval(), some_series()
    order = torch.randperm(13)
    wide = torch.cat([bands, torch.full((6, 4, 3), 1e4)], 1)[:, order]
    later = torch.cat([days, torch.full((6, 4), -1.0)], 1)[:, order]
    assert torch.allclose(network(torch.where((later >= 0)[..., None], wide, 0.0), later),
                          network(torch.where((days >= 0)[..., None], bands, 0.0), days), atol=1e-5)


def test_statistics_are_those_of_the_simple_classifiers(folder):
    dataset = Dataset.open(folder)
    what, every = single(dataset.inputs), dataset.indices("all")
    whitening = Labelled(dataset, what, every, 1).whitening
    layer = SeasonStatistics(what.centre, what.days)
    layer.adopt(whitening)
    values, days = read_series(dataset, what, every)
    found = layer(torch.from_numpy(values), torch.from_numpy(days)).numpy()
    assert found == pytest.approx(np.nan_to_num(brought(whitening, np.array(what.days), values, days)), abs=1e-4)


@pytest.mark.parametrize("name", ENCODERS)
def test_networks_begin_at_the_regression(folder, name):
    dataset = Dataset.open(folder)
    labelled = Labelled(dataset, single(dataset.inputs), dataset.indices("training"), 1)
    network = SeriesNetwork(name, dataset.inputs, 3)
    network.begin(labelled.whitening, labelled.regression)
    every = dataset.indices("all")
    given = {port: torch.from_numpy(array) for port, array in fed(dataset, network.seen, every).items()}
    expected = labelled.fit("statistics").answers(dataset)(every)
    for scores in (network.eval()(given), *network.both(given)):
        assert np.nan_to_num(scores.detach().numpy()) == pytest.approx(np.nan_to_num(expected), abs=1e-3)
    assert np.isnan(expected).any(1).sum() == 4
    assert torch.isfinite(network.train()(given)).all()


def test_dates_after_a_day_of_chance_are_hidden(folder):
    dataset = Dataset.open(folder)
    seen, tiles = single(dataset.inputs), dataset.indices("all")
    batch = next(TileReader(dataset, dataset.inputs, 1, CPU, targets=[LABELS]).in_order(tiles, len(tiles)))
    generator, lasts = torch.Generator().manual_seed(0), []
    for _ in range(40):
        early = Today(seen, True, 255)(batch, generator)
        days = early.given["image_days"]
        lasts.append(float(days.max()))
        assert (early.given["image"][days < 0] == torch.tensor(seen.centre)).all()
        assert ((early.targets[LABELS] == 255) == (days < 0).all(1)).all()
        assert (days[days >= 0] == batch.days["image_days"][days >= 0]).all()
    assert min(lasts) < 110 and max(lasts) > 250
    assert (Today(seen, False, 255)(batch, generator).days["image_days"] == batch.days["image_days"]).all()


def test_all_three_approaches_are_tried_and_told_in_parcels(folder, tmp_path):
    heard = Listening()
    found = finetune(str(folder), str(tmp_path / "run"), Settings("auto", encoder="ltae", epochs=2, device="cpu"), heard)
    assert found["validation_accuracy"] > 0.8
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    assert set(card["approaches"]) == {"statistics", "boosting", "network"}
    dataset = Dataset.open(folder)
    parcels = dataset.tiles["parcel"].to_numpy()[dataset.indices("validation")]
    assert np.sum(card["confusion"]) == len(set(parcels) - {7})
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Figures are of parcels: the series of a parcel say together" in page and "NDVI over the season, through the clear dates." in page
    facts, sections = evaluate_run(str(tmp_path / "run"), None, "test", 64, "cpu", heard)
    assert facts["model"]["overall_accuracy"] > 0.8 > facts["majority"]["overall_accuracy"]
    assert any("labelled parcels of" in section for section in sections)


def test_a_model_file_of_series(series_run, folder, tmp_path):
    exported = export_run(str(series_run), str(tmp_path / "m.onnx"))
    assert exported["largest_difference"] < 1e-4
    model = package.open(tmp_path / "m.onnx")
    seen = model.inputs["image"]
    assert (model.task, seen.axes, seen.ports) == ("series", "tb", ["image", "image_days"])
    assert seen.season.days == Dataset.open(folder).inputs["image"].days
    assert model.record.applicability.samples > 40
    network, dataset = Run.open(str(series_run)).load_network(CPU), Dataset.open(folder)
    given = fed(dataset, network.seen, dataset.indices("all"))
    found = on_processor((tmp_path / "m.onnx").read_bytes()).run(None, given)[0]
    with torch.no_grad():
        scores = network({port: torch.from_numpy(array) for port, array in given.items()})
    expected = (scores / model.record.calibration["probabilities"].kept).softmax(1).numpy()
    assert (np.isnan(found) == np.isnan(expected)).all() and np.isnan(found).all(1).sum() == 4
    assert np.nan_to_num(found) == pytest.approx(np.nan_to_num(expected), abs=1e-4)
    order = np.random.default_rng(0).permutation(given["image_days"].shape[1])
    shuffled = on_processor((tmp_path / "m.onnx").read_bytes()).run(None, {port: array[:, order] for port, array in given.items()})[0]
    assert np.nan_to_num(shuffled) == pytest.approx(np.nan_to_num(found), abs=1e-4)
    write_html(model, str(tmp_path / "m.html"))
    text = (tmp_path / "m.html").read_text()
    assert "A series of dates of one place, of 1" in text and "“image_days” takes the days since 1 January" in text and "How it maps" not in text
    with pytest.raises(ModelError, match="takes series of image, and a map is made from one image so far. Use “Map a series”"):
        _ = model.image


def test_a_run_starts_from_a_run_on_series(series_run, folder, tmp_path):
    before = Run.open(str(series_run)).load_network(CPU).encoder.state_dict()
    finetune(str(folder), str(tmp_path / "run"), Settings(start=str(series_run), mode="frozen", epochs=1, keep="last", device="cpu"))
    after = Run.open(str(tmp_path / "run"))
    assert after.card["encoder"] == "lstm" and "10 tensors taken over; left new: classification_head" in after.card["start"]["summary"]
    assert all(torch.equal(before[name], tensor) for name, tensor in after.load_network(CPU).encoder.state_dict().items())


def test_what_does_not_fit_series_is_refused(series_run, folder, run_folder, dataset_folder, tmp_path):
    def asked(where=folder, **given):
        finetune(str(where), str(tmp_path / "run"), Settings(device="cpu", **given))

    with pytest.raises(ModelError, match=re.escape(
            f"The starting weights {run_folder} are of an encoder of images (tu-test_resnet), and these are series of dates. Choose the run of a "
            "dataset of series, or leave “Starting weights” empty.")):
        asked(start=str(run_folder))
    with pytest.raises(ModelError, match="The encoder “lstm” sees series of dates, and these are images. Choose an encoder of images such as"):
        asked(dataset_folder, start=str(series_run))
    with pytest.raises(ModelError, match="“resnet18” is for images, and these are series of dates. Choose ltae, lstm, presto or galileo, or"):
        asked(encoder="resnet18")
    with pytest.raises(ModelError, match="know the bands B04, B08, and here are B08. Choose a run on the same bands in the same order."):
        asked(start=str(series_run), bands="B08")
    with pytest.raises(DataError, match="The mode “last_blocks” is for encoders of images, and .* holds series of dates. Choose the mode"):
        asked(start=str(series_run), mode="last_blocks")
    with pytest.raises(DataError, match="The augmentation “full” turns images, and .* holds series of single places. Choose “none” or “auto”."):
        asked(augmentation="full")
    with pytest.raises(DataError, match="“Learn for early answers” hides the last dates of series, and .* has a class for every pixel."):
        asked(dataset_folder, early_season=True)


def test_series_of_another_season_are_not_evaluated(series_run, tmp_path):
    later = write_crop_series(tmp_path / "later", parcels=12, shift=200, seed=3)
    with pytest.raises(DataError, match="and the model learned from dates of 1. March to .* October. Choose series of the same part of the year"):
        evaluate_run(str(series_run), str(later), "test", 64, "cpu")


def test_imported_timesen2crop_leads_to_a_model(tmp_path):
    """Crop years over New Year, of two years of a tile: imported, described, learned, evaluated and exported."""
    for number, name in enumerate(("2017_33UVP", "2018_33UVP", "33UWP", "33TWN")):
        write_tile(tmp_path / "folders", name, labels=(2, 10), samples=8, seed=number)
    lines = [f"{datetime.date(2018, 9, 3) + datetime.timedelta(40 * number):%Y%m%d}\n" for number in range(5)]
    (tmp_path / "folders" / "2018_33UVP" / "dates.csv").write_text("acquisition_date\n" + "".join(lines))
    run = {name: JOBS[name].from_values for name in ("import_dataset", "describe_dataset", "finetune", "evaluate_model", "export_model")}
    run["import_dataset"]({"source": str(tmp_path / "folders"), "output": str(tmp_path / "data")}).run(SILENT)
    run["describe_dataset"]({"dataset": str(tmp_path / "data"), "output": str(tmp_path / "data.html")}).run(SILENT)
    assert Dataset.open(tmp_path / "data").inputs["image"].days == (245.0, 285.0, 325.0, 365.0, 405.0)
    for approach in ("statistics", "network"):
        name = str(tmp_path / approach)
        brief = {"epochs": 1, "device": "cpu"} if approach == "network" else {}
        run["finetune"]({"dataset": str(tmp_path / "data"), "approach": approach, **brief, "output": name}).run(SILENT)
        found = run["evaluate_model"]({"run_folder": name, "device": "cpu", "output": f"{name}.html"}).run(SILENT)
        assert 0 <= found["overall_accuracy"] <= 1
        run["export_model"]({"run_folder": name, "output": f"{name}.onnx"}).run(SILENT)
        assert package.open(f"{name}.onnx").inputs["image"].season.last == 405
