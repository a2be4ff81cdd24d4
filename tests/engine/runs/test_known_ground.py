"""Maps show where an image is like what the model learned from."""

import json
from contextlib import nullcontext

import numpy as np
import onnx
import pytest
import rasterio

from eo_pretrain_qgis.engine.cards import stacked
from eo_pretrain_qgis.engine.classic.ground_graph import Places, either_graph, ground_graph
from eo_pretrain_qgis.engine.classic.models import Labelled, filled
from eo_pretrain_qgis.engine.classic.samples import sample_rows
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.mapping import journal
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products import Applicability, ClassMap
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import ground, package
from eo_pretrain_qgis.engine.models import report as model_report
from eo_pretrain_qgis.engine.models.fixed_tile import write_fixed_tile
from eo_pretrain_qgis.engine.models.network import LoadedNetwork
from eo_pretrain_qgis.engine.models.session import on_processor
from eo_pretrain_qgis.engine.runs.answers import classifier_input, read_classifier
from eo_pretrain_qgis.engine.runs.known_ground import ground_of
from eo_pretrain_qgis.engine.runs.run_folder import RunFolder
from eo_pretrain_qgis.engine.runs.simple import Settings, export_simple, train_simple
from eo_pretrain_qgis.errors import ModelError
from tests import scenes
from tests.engine.learning.tiny import tiles, write_dataset
from tests.engine.learning.tiny_pairs import write_pairs
from tests.engine.learning.tiny_scenes import striped, write_scenes
from tests.listening import Listening

ASKED = {"sensor": None, "bands": None, "label_share": 100, "seed": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("ground")


@pytest.fixture(scope="module")
def run(place):
    write_dataset(place / "discs", count=18)
    train_simple(str(place / "discs"), str(place / "run"), Settings(approach="statistics", **ASKED))
    return RunFolder.open(str(place / "run"))


@pytest.fixture(scope="module")
def model(run, place):
    export_simple(run, str(place / "model.onnx"))
    return package.open(place / "model.onnx")


@pytest.fixture(scope="module")
def known(run):
    """What the run learned from, and the whitening of its bands."""
    dataset = run.open_dataset()
    labelled = Labelled(dataset, next(iter(run.inputs.values())), dataset.indices("training"), 1)
    return ground_of(labelled), labelled.whitening


def scene(place, name, change=lambda values: values):
    """Tiles that no run has seen beside each other as an image of 118 × 122 px, without their rows of nodata and with a gap."""
    images, _ = tiles(4, 64, 3, seed=99)
    rows = [np.concatenate([images[row][:, 3:], images[row + 1][:, 3:]], 2) for row in (0, 2)]
    values = change(np.concatenate(rows, 1)[:, :, :118].astype(float))
    values[:, 40:51, 70:82] = 0
    return scenes.write_raster(place / f"{name}.tif", values.astype(np.uint16), names=("B02", "B03", "B04"), nodata=0)


def mapped(model, image, place, progress=None, **asked):
    """What a map says of the ground (2, y, x), the share outside, and the tags."""
    product = Applicability(str(place / "ground.tif"))
    request = MapRequest([{"path": str(image)}], device="cpu", **asked)
    map_scene(model, request, [ClassMap(str(place / "map.tif")), product], *([progress] if progress else []))
    with rasterio.open(place / "ground.tif") as raster:
        return raster.read(), product.outside, raster.tags(), raster.descriptions


class Ended(Exception):
    """A run that was ended from outside."""


def test_what_a_killed_map_knew_of_the_ground_counts_in_the_next(model, tmp_path, monkeypatch):
    image = scene(tmp_path, "near")
    model = package.write(model.path, {**model.description, "block": 48, "small_block": None}, tmp_path / "blocks.onnx")
    whole, share, _, _ = mapped(model, image, tmp_path)
    asked, run = [], LoadedNetwork.run

    def counted(self, images):
        asked.append(1)
        if len(asked) == 7:
            raise Ended
        return run(self, images)

    monkeypatch.setattr(LoadedNetwork, "run", counted)
    monkeypatch.setattr(journal.claims, "keeps", lambda target: True)
    monkeypatch.setattr(journal, "kept_file", lambda path: nullcontext(tmp_path / "journal"))
    with pytest.raises(Ended):
        mapped(model, image, tmp_path)
    again, again_share, _, _ = mapped(model, image, tmp_path)
    first, others = 7, len(asked) - 7
    assert 0 < others < first + others - 4
    assert np.array_equal(again, whole)
    assert again_share == share > 0


def test_the_graph_says_what_the_formulas_say(model, run, known):
    dataset, (measured, whitening) = run.open_dataset(), known
    seen = classifier_input(run)
    images, valid = filled(seen, *dataset.read(seen, dataset.indices("all")[:3]))
    given = model.knowing_session("cpu").run({"image": images})
    assert given.shape == (3, 4, 64, 64)
    features = np.moveaxis(whitening.statistics(images, valid)[:, :, 2::4, 2::4], 1, -1).reshape(-1, 9)
    found = given[:, 2:, ::4, ::4]
    seen = valid[:, 2::4, 2::4].ravel()
    assert np.abs(found[:, 0].ravel() - measured.dissimilarity(features))[seen].max() < 1e-3
    assert (np.abs(found[:, 1].ravel() - measured.density(features))[seen] < 0.5).mean() > 0.99
    assert (np.repeat(np.repeat(found, 4, 2), 4, 3) == given[:, 2:]).all()
    assert model.record.applicability.limit == pytest.approx(measured.limit) and model.record.applicability.samples == 250
    assert np.abs(given[:, :2] - model.session("cpu").run({"image": images})).max() < 1e-6


def test_beside_a_network_the_graph_begins_at_the_image(run, known):
    """As of a network, whose inner values have other names."""
    measured, whitening = known
    network, seen = onnx.load_model_from_string(read_classifier(run)), classifier_input(run)
    network.graph.name = "network"
    dataset = run.open_dataset()
    images, valid = filled(seen, *dataset.read(seen, dataset.indices("all")[:2]))
    own = ground_graph(measured, Places({"image": 3}, whitening, seen.centre), network)
    assert [port.name for port in own.graph.input] == ["image"]
    dissimilarity, nearby = on_processor(own.SerializeToString()).run(None, {"image": images})
    features = np.moveaxis(whitening.statistics(images, valid)[:, :, 2::4, 2::4], 1, -1).reshape(-1, 9)
    cells = valid[:, 2::4, 2::4].ravel()
    assert np.abs(dissimilarity[:, 0, ::4, ::4].ravel() - measured.dissimilarity(features))[cells].max() < 1e-3
    assert (np.abs(nearby[:, 0, ::4, ::4].ravel() - measured.density(features))[cells] < 0.5).mean() > 0.99


def test_training_ground_is_inside_and_another_spectrum_outside(model, place, tmp_path):
    heard = Listening()
    found, outside, tags, names = mapped(model, scene(place, "like"), tmp_path, heard)
    measured = found[0] != 255
    assert measured.mean() == pytest.approx(1 - 132 / (118 * 122)) and (found[0][measured] <= 100).mean() > 0.9
    assert outside == pytest.approx((found[0][measured] > 100).mean()) and outside < 0.1
    assert f"{outside:.0%} of the map is unlike all ground that the model learned from." in heard.texts[-1] and not heard.warnings
    assert np.median(found[1][measured]) > 5 and names == ("unlike the training ground [% of the limit]", "training samples nearby")
    assert tags["EO_PRETRAIN_APPLICABILITY"].startswith(f"limit {model.record.applicability.limit:.4g} mean distances of two of 250 training samples")
    assert "very unlike the training ground" in (tmp_path / "ground.qml").read_text(encoding="utf-8")
    heard = Listening()
    found, outside, _, _ = mapped(model, scene(place, "unlike", lambda values: values[[1, 2, 0]] * [[[1.3]], [[0.6]], [[1.0]]]), tmp_path, heard)
    assert outside > 0.95 and (found[1][measured] == 0).mean() > 0.95
    assert f"{outside:.0%} of the map is unlike all ground that the model learned from. How right it is there nobody has measured." in heard.warnings


def test_a_part_of_a_map_is_that_part_of_the_whole(model, place, tmp_path):
    image = scene(place, "like")
    small = package.write(model.path, {**model.description, "block": 48, "small_block": None}, tmp_path / "small.onnx")
    whole = mapped(small, image, tmp_path)[0]
    assert (whole[0] == mapped(model, image, tmp_path)[0][0]).mean() > 0.999  # rounding of larger blocks
    with rasterio.open(image) as raster:
        left, top = raster.transform.c, raster.transform.f
    box = [left + 330, top - 970, left + 900, top - 210]
    part = mapped(small, image, tmp_path, extent={"box": box, "crs": ""})[0]
    assert (part == whole[:, 21:97, 33:90]).all()


def test_a_model_without_says_so(model, place, tmp_path):
    plain = package.write(model.path, {**model.description, "applicability": None}, tmp_path / "plain.onnx")
    assert ground.KEY not in {entry.key for entry in onnx.load(plain.path).metadata_props}
    with pytest.raises(ModelError) as refused:
        mapped(plain, scene(place, "like"), tmp_path)
    assert str(refused.value) == (f"The model {plain.path} does not know the ground that it learned from. Export its run again where the dataset "
                                  "still is, or leave “Area of applicability” (applicability) empty.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain.onnx"]


def test_the_network_of_the_file_is_what_other_programs_expect(model):
    file = onnx.load(model.path)
    assert [port.name for port in file.graph.output] == ["probabilities"]
    assert json.loads(next(entry.value for entry in file.metadata_props if entry.key == "model_type")) == "Segmentor"
    assert (model.stride, model.halo, model.block) == (4, 4, 1024)


@pytest.mark.parametrize("change", [lambda text: "", lambda text: "no graph", lambda text: text[:-8] + "AAAAAAA="])
def test_a_damaged_graph_is_refused(model, tmp_path, change):
    file = onnx.load(model.path)
    entry = next(entry for entry in file.metadata_props if entry.key == ground.KEY)
    entry.value = change(entry.value)
    onnx.save(file, tmp_path / "damaged.onnx")
    with pytest.raises(ModelError, match="says of the ground that it learned from is gone or not what was written; the file is damaged"):
        package.open(tmp_path / "damaged.onnx")


def test_it_stays_in_a_model_of_fixed_tiles(model, place, tmp_path):
    fixed = write_fixed_tile(model, 64, str(tmp_path / "fixed.onnx"))
    image = scene(place, "like")
    assert (mapped(fixed, image, tmp_path)[0][0] == mapped(model, image, tmp_path)[0][0]).mean() > 0.999


def test_the_page_of_a_model_tells_it(model, tmp_path):
    model_report.write_html(model, str(tmp_path / "model.html"))
    text, facts = (tmp_path / "model.html").read_text(encoding="utf-8"), model.record.applicability
    assert "The file holds 250 of the training samples." in text and f"is at most {facts.limit:.3g} away" in text
    assert f"In the middle a training sample has {facts.nearby:g} others so near." in text


def test_a_run_whose_dataset_is_gone_knows_nothing(run, tmp_path):
    heard, gone = Listening(), str(tmp_path / "gone")
    run = RunFolder(run.folder, {**run.card, "dataset": {**run.card["dataset"], "path": gone}})
    export_simple(run, str(tmp_path / "model.onnx"), progress=heard)
    assert heard.texts[-1] == (f"The dataset {gone} of the run is gone, so nobody knows what the model learned from. Its maps cannot show the area "
                               "of applicability.")
    model = package.open(tmp_path / "model.onnx")
    assert model.record.applicability is None and (model.stride, model.halo) == (1, 3)


def test_training_tiles_of_one_place_tell_nothing(tmp_path):
    write_dataset(tmp_path / "discs", count=3, splits=["training", "validation", "test"])
    train_simple(str(tmp_path / "discs"), str(tmp_path / "run"), Settings(approach="statistics", **ASKED))
    heard = Listening()
    export_simple(RunFolder.open(str(tmp_path / "run")), str(tmp_path / "model.onnx"), progress=heard)
    assert heard.warnings[-1] == (f"The training tiles of {tmp_path / 'discs'} lie in one place or look all the same, so nobody can say how unlike "
                                  "each other they are. Its maps cannot show the area of applicability.")


def test_whole_images_are_known_too(tmp_path):
    write_scenes(tmp_path / "scenes", count=240)
    train_simple(str(tmp_path / "scenes"), str(tmp_path / "run"), Settings(approach="boosting", **ASKED))
    run = RunFolder.open(str(tmp_path / "run"))
    export_simple(run, str(tmp_path / "model.onnx"))
    model, dataset, seen = package.open(tmp_path / "model.onnx"), Dataset.open(tmp_path / "scenes"), next(iter(run.inputs.values()))
    labelled = Labelled(dataset, seen, dataset.indices("training"), 1)
    measured, asked = ground_of(labelled), dataset.indices("test")
    given = model.knowing_session("cpu").run({"image": dataset.images(asked).astype(np.float32)})
    features = sample_rows(dataset, seen, labelled.whitening, asked).features
    assert given.shape == (len(asked), 6) and np.abs(given[:, 4] - measured.dissimilarity(features)).max() < 1e-3
    assert np.abs(given[:, 5] - measured.density(features)).max() < 0.5
    like = np.concatenate(list(striped(np.array([0, 1, 2, 3]), 32, 3, 7)), 2)
    values = np.concatenate([like, like[::-1]], 1)
    image = scenes.write_raster(tmp_path / "image.tif", values, names=("B02", "B03", "B04"))
    found = mapped(model, image, tmp_path)[0]
    assert found.shape == (2, 2, 4) and (found[0, 0] <= 100).mean() >= 0.75 and (found[0, 1] > 150).all()


def test_two_sensors_are_known_together(tmp_path):
    write_pairs(tmp_path / "pairs")
    train_simple(str(tmp_path / "pairs"), str(tmp_path / "run"), Settings(approach="statistics", **ASKED, fusion="early"))
    run = RunFolder.open(str(tmp_path / "run"))
    export_simple(run, str(tmp_path / "model.onnx"))
    model = package.open(tmp_path / "model.onnx")
    assert len(model.inputs) == 2 and model.record.applicability.samples > 10


def test_one_sensor_alone_is_held_against_samples_of_that_alone(tmp_path):
    """Of a tile s2 measured the upper half and s1 the left: both are seen in one quarter, one alone in two, and nothing in the last."""
    dataset = Dataset.open(write_pairs(tmp_path / "pairs"))
    together, half, grounds, features = stacked(dataset.inputs.values()), np.arange(32) < 16, [], {}
    images, valid = filled(together, *dataset.read(together, dataset.indices("test")[:1]))
    given, there = together.divided(images), {"s2": np.broadcast_to(half[:, None], (1, 32, 32)), "s1": np.broadcast_to(half, (1, 32, 32))}
    for what in (together, *together.each):
        labelled = Labelled(dataset, what, dataset.indices("training"), 1)
        known, measured = ground_of(labelled), valid & np.logical_and.reduce([there[one.name] for one in what.each])
        grounds.append((known, Places({one.name: len(one.bands) for one in what.each}, labelled.whitening, what.centre)))
        own = np.concatenate([given[one.name] for one in what.each], 1)
        rows = np.moveaxis(labelled.whitening.statistics(own, measured)[:, :, 2::4, 2::4], 1, -1)
        features[what.name] = np.reshape(known.dissimilarity(rows.reshape(-1, rows.shape[-1])), (8, 8)) * grounds[0][0].limit / known.limit
    network = onnx.helper.make_model(onnx.helper.make_graph([], "network", [], []))
    shown = {one.name: np.where(there[one.name][:, None], given[one.name], np.array(one.centre, np.float32)[:, None, None]) for one in together.each}
    unlike, nearby = on_processor(either_graph(grounds, network).SerializeToString()).run(None, shown)
    found = unlike[0, 0, ::4, ::4]
    assert np.abs(found[:4, :4] - features[together.name][:4, :4]).max() < 1e-3
    assert np.abs(found[:4, 4:] - features["s2"][:4, 4:]).max() < 1e-3 and np.abs(found[4:, :4] - features["s1"][4:, :4]).max() < 1e-3
    assert nearby.shape == unlike.shape == (1, 1, 32, 32)
