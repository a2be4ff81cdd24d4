import json

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import Dataset, SensorInfo
from eo_pretrain_qgis.engine.describing.page import describe
from eo_pretrain_qgis.engine.describing.warnings import warnings_of
from eo_pretrain_qgis.engine.looks.tile_pictures import look, paint, telling_tiles

from ..scenes import land_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return Dataset.open(land_dataset(tmp_path_factory.mktemp("dataset")))


def test_pictures_show_image_and_label_of_the_same_place(dataset):
    tiles = telling_tiles(dataset, dataset.indices("training"), 6)
    looks, labels = look(dataset, tiles, "image"), paint(dataset.labels(tiles), dataset.classes)
    assert looks.shape == labels.shape == (len(tiles), 32, 32, 3)
    crop = np.array([int(dataset.classes[0].color[at:at + 2], 16) for at in (1, 3, 5)])
    assert ((looks[..., 0].mean((1, 2)) > 128) == (labels == crop).all((1, 2, 3))).all(), "crop is bright in red"
    assert (paint(np.full((2, 2), 255, np.uint8), dataset.classes) == 235).all()


def test_facts(dataset):
    facts = describe(dataset)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert sum(facts["tiles_by_split"].values()) == facts["tiles"] == 64
    assert sum(row["training_share"] for row in facts["classes"]) == pytest.approx(1)


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda known: known["class_pixels"].update(test=[5000, 0]), "The class “forest” has no pixel in test."),
    (lambda known: known["class_pixels"].update(training=[100_000, 500]), "“forest” is rare: 0.50% of the labelled training pixels."),
    (lambda known: known["class_pixels"].update(test=[5000, 40]), "“forest” has only 40 test pixels, so its score will be uncertain."),
    (lambda known: known["class_pixels"].update(test=[90_000, 2000]), "takes"),
    (lambda known: known["split"].update(leakage_distance_px=3), "Training and test pixels are as near as 3 px, less than a tile (32 px)"),
    (lambda known: known["statistics"]["image"]["B08"].update(std=0), "The band B08 has the same value everywhere and teaches nothing."),
    (lambda known: known.update(stride=16), "Tiles overlap (stride 16 px, tile 32 px)"),
])
def test_warnings(dataset, change, sentence):
    known = json.loads(json.dumps(dataset.description))
    change(known)
    assert any(sentence in text for text in warnings_of(Dataset(dataset.folder, known)))


def test_undeclared_nodata_is_suspected(dataset, monkeypatch):
    monkeypatch.setattr(Dataset, "images", lambda self, tiles, sensor="": np.zeros((len(tiles), 2, 32, 32), np.uint16))
    monkeypatch.setattr(SensorInfo, "valid", lambda self, images: np.ones(images[:, 0].shape, bool))
    assert any("are 0 in all bands but count as measured. If that is nodata, declare it." in text for text in warnings_of(dataset))
