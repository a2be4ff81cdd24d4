"""Several graphs as one: the mean of what they say, and how much they disagree."""

import math

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from scipy.stats import entropy

from eo_pretrain_qgis.engine.models.ensemble import joined
from eo_pretrain_qgis.engine.models.session import on_processor

CLASSES = 4


def member(weights, several=False, output="probabilities"):
    """A graph of scores (n, class, y, x), each class of which is weighted, or of a constant answer."""
    weights = onnx.numpy_helper.from_array(np.asarray(weights, np.float32).reshape(1, -1, 1, 1), "weights")
    nodes = [helper.make_node("Mul", ["image", "weights"], ["scores"])]
    nodes += [helper.make_node("Sigmoid", ["scores"], [output])] if several else [helper.make_node("Softmax", ["scores"], [output], axis=1)]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", CLASSES, "y", "x"]) for name in ("image", output)]
    graph = helper.make_graph(nodes, "member", ports[:1], ports[1:], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def said(model, scores):
    return on_processor(model.SerializeToString()).run(None, {"image": scores})


def scores(seed=0):
    return np.random.default_rng(seed).normal(scale=2, size=(2, CLASSES, 3, 5)).astype(np.float32)


def test_it_gives_the_mean_and_the_mutual_information():
    members = [member(np.random.default_rng(number).normal(size=CLASSES)) for number in range(3)]
    each = np.stack([said(one, scores())[0] for one in members])
    mean, doubt = said(joined(members, {"": CLASSES}), scores())
    np.testing.assert_allclose(mean, each.mean(0), atol=1e-6)
    expected = (entropy(each.mean(0), axis=1) - entropy(each, axis=2).mean(0)) / math.log(CLASSES)
    np.testing.assert_allclose(doubt[:, 0], expected, atol=1e-6)
    assert doubt.shape == (2, 1, 3, 5) and expected.max() > 0.1


def test_members_that_say_the_same_do_not_disagree():
    mean, doubt = said(joined([member([1, 2, 0.5, 0.1])] * 3, {"": CLASSES}), scores())
    assert np.abs(doubt).max() < 1e-6 and mean == pytest.approx(said(member([1, 2, 0.5, 0.1]), scores())[0], abs=1e-6)


def test_two_members_quite_sure_of_different_classes_disagree_by_ln_2_over_ln_classes():
    sure = np.zeros((1, CLASSES, 1, 1), np.float32)
    sure[0, :2] = 60
    mean, doubt = said(joined([member([1, 0, 0, 0]), member([0, 1, 0, 0])], {"": CLASSES}), sure)
    assert mean[0, :, 0, 0] == pytest.approx([0.5, 0.5, 0, 0], abs=1e-6)
    assert float(doubt[0, 0, 0, 0]) == pytest.approx(math.log(2) / math.log(CLASSES), abs=1e-5)


def test_of_several_classes_at_once_each_is_a_question_of_its_own():
    """Of four classes two members are quite sure that one is there, and that it is not; of the others they say the same."""
    sure = np.full((1, CLASSES, 1, 1), 60, np.float32)
    mean, doubt = said(joined([member([1, 0, 0, 1], True), member([-1, 0, 0, 1], True)], {"": CLASSES}, several=True), sure)
    assert mean[0, :, 0, 0] == pytest.approx([0.5, 0.5, 0.5, 1], abs=1e-6)
    assert float(doubt[0, 0, 0, 0]) == pytest.approx(1 / CLASSES, abs=1e-5)


def test_what_is_no_number_stays_none():
    given = scores()
    given[0, :, 0, 0] = np.nan
    mean, _ = said(joined([member([1, 2, 3, 4]), member([4, 3, 2, 1])], {"": CLASSES}), given)
    assert np.isnan(mean[0, :, 0, 0]).all() and np.isfinite(mean[1]).all()


def test_graphs_of_two_sets_of_operators_go_together():
    other = member([1, 1, 2, 1])
    other.opset_import[0].version = 20
    mean, _ = said(joined([member([1, 2, 1, 1]), other], {"": CLASSES}), scores())
    assert mean.sum(1) == pytest.approx(1, abs=1e-6)
