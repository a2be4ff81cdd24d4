import copy

import pytest
import torch

from eo_pretrain_qgis.engine.learning.loop.kept_weights import AveragedWeights, KeptWeights


def network():
    torch.manual_seed(0)
    made = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    made.register_buffer("history", torch.zeros(3))
    return made


def change(model, by=1.0):
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor += int(by)


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_kept_weights_are_exchanged_and_given_back():
    model = network()
    then = copy.deepcopy(model.state_dict())
    kept = KeptWeights([model])
    change(model)
    now = copy.deepcopy(model.state_dict())
    with kept.in_place():
        assert same(model.state_dict(), then)
    assert same(model.state_dict(), now)
    kept.take()
    change(model)
    with kept.in_place():
        assert same(model.state_dict(), now)


def test_weights_come_back_when_measuring_fails():
    model = network()
    kept = KeptWeights([model])
    change(model)
    now = copy.deepcopy(model.state_dict())
    with pytest.raises(RuntimeError), kept.in_place():
        raise RuntimeError
    assert same(model.state_dict(), now)


def test_the_average_is_that_of_the_formula():
    model = network()
    average, decay, expected = AveragedWeights([model], 0.15), [0.1, 0.15, 0.15], None
    expected = [tensor.detach().double().clone() for tensor in (model[0].weight, model[1].running_var)]
    for number in range(3):
        change(model)
        average.update()
        expected = [decay[number] * old + (1 - decay[number]) * new.detach().double()
                    for old, new in zip(expected, (model[0].weight, model[1].running_var))]
    with average.in_place():
        assert torch.allclose(model[0].weight.double(), expected[0], rtol=1e-5)
        assert torch.allclose(model[1].running_var.double(), expected[1], rtol=1e-5)
        assert model.history.tolist() == [3, 3, 3], "a state of training is not averaged"
        assert int(model[1].num_batches_tracked) == 3
    state = copy.deepcopy(average.state_dict())
    again = AveragedWeights([network()], 0.15)
    again.load_state_dict(state)
    assert again.steps == 3
    assert all(torch.equal(a, b) for a, b in zip(again.values, average.values))


def test_statistics_measured_for_the_average_stay_with_it():
    model = network()
    average = AveragedWeights([model], 0.9)
    with average.in_place():
        model[1].running_mean.fill_(7)
    assert model[1].running_mean.tolist() == [0, 0]
    with average.in_place():
        assert model[1].running_mean.tolist() == [7, 7]
