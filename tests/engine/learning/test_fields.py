"""The network of fields: it begins as the regression, learns the distance beside the classes, and is exported with both."""

import numpy as np
import onnxruntime
import pytest
import torch

from eo_pretrain_qgis.engine.cards import single
from eo_pretrain_qgis.engine.classic.models import Labelled
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.data import LABELS, Part
from eo_pretrain_qgis.engine.learning.export import Probabilities, largest_difference, to_onnx
from eo_pretrain_qgis.engine.learning.finetuning.fields import DISTANCE_WEIGHT, FieldSegmentation
from eo_pretrain_qgis.engine.learning.finetuning.labelled_tiles import Choices
from eo_pretrain_qgis.engine.learning.finetuning.segmentation import Segmentation
from eo_pretrain_qgis.engine.learning.networks.field_network import FieldUNet
from tests import scenes_fields

from .conftest import SMALL


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    return Dataset.open(scenes_fields.field_dataset(tmp_path_factory.mktemp("fields")))


@pytest.fixture
def network(fields):
    torch.manual_seed(0)
    return FieldUNet(SMALL, fields.inputs, 3)


def method_of(fields, network, **chosen):
    return FieldSegmentation(fields, network, torch.device("cpu"), Choices(4, augmentation="none", **chosen))


def test_two_dates_are_one_input(fields):
    assert fields.task == "fields" and single(fields.inputs).names == ["B04", "B08", "B04 (2)", "B08 (2)"]
    assert fields.facts["dates"] == ["2023-04-08", "2023-06-27"]
    found = fields.array("distance", np.arange(len(fields)))
    labels, objects = fields.labels(np.arange(len(fields))), fields.array("objects", np.arange(len(fields)))
    assert ((found > 0) == (labels > 0)).all() and ((objects > 0) == (labels > 0)).all()


def test_the_loss_is_that_of_the_classes_and_the_error_of_the_distance(fields, network):
    method = method_of(fields, network)
    batch = method.reader.read(Part(np.arange(4)))
    outputs = torch.randn(4, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    classes = Segmentation.class_loss(method, outputs[:, :3], batch)
    labels, known = batch.targets[LABELS], batch.targets[LABELS] != 255
    weights = method.weights[LABELS][labels.where(known, torch.zeros_like(labels))] * known
    error = (torch.sigmoid(outputs[:, 3]) - batch.targets["distance"] / 255).abs()
    expected = classes + DISTANCE_WEIGHT * (error * weights).sum() / weights.sum()
    assert float(method.class_loss(outputs, batch)) == pytest.approx(float(expected), rel=1e-6)


def test_it_begins_as_the_regression_and_the_distance_is_learned(fields, network):
    method = method_of(fields, network)
    labelled = Labelled(fields, network.seen, fields.indices("training"), 1)
    method.begin([], labelled, torch.device("cpu"))
    network.eval()
    batch = method.reader.read(Part(np.arange(2)))
    with torch.no_grad():
        begun, whole = network.both(batch.images)
        scores = network(batch.images)
    assert scores.shape[1] == 4
    assert torch.equal(scores[:, :3], whole) and torch.allclose(whole, begun, atol=1e-4)

    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    network.train()

    def error():
        found = network(batch.images)[:, 3].sigmoid()
        return float((found - batch.targets["distance"] / 255).abs().mean().detach())

    before = error()
    for _ in range(25):
        optimizer.zero_grad()
        method.loss("network", {"network": network}, batch).backward()
        optimizer.step()
    assert error() < 0.6 * before


def test_it_is_exported_with_both(network):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model = Probabilities(network).eval()
    session = onnxruntime.InferenceSession(to_onnx(model, {"image": 4}, network.stride, SMALL, ("probabilities", "distance")),
                                           providers=["CPUExecutionProvider"])
    image = (1500 + 500 * np.random.default_rng(0).standard_normal((2, 4, 64, 96))).astype(np.float32)
    assert largest_difference(model, session, [{"image": image}]) <= 1e-4
    chances, distance = session.run(None, {"image": image})
    assert chances.shape == (2, 3, 64, 96) and np.allclose(chances.sum(1), 1, atol=1e-5)
    assert distance.shape == (2, 1, 64, 96) and distance.min() >= 0 and distance.max() <= 1
