"""Objects matched one to one, against counting by hand and by brute force."""

import itertools

import numpy as np

from eo_pretrain_qgis.engine.measures.objects import count_objects, count_objects_of, object_scores

KNOWN = np.ones((20, 20), bool)


def squares(*corners, size=5):
    """Objects numbered from 1 whose upper left corners these are."""
    image = np.zeros((20, 20), np.int64)
    for number, (row, column) in enumerate(corners, 1):
        image[row:row + size, column:column + size] = number
    return image


def test_an_object_is_found_where_more_than_half_is_shared():
    truth = squares((0, 0), (0, 10), (10, 0))
    found = squares((0, 0), (0, 12), (10, 4), (14, 14))  # the same; moved by 2 of 5, IoU 15 / 35; moved by 4; nothing there
    assert count_objects(truth, found, KNOWN, 0.01).tolist() == [[1, 3, 2], [0, 0, 0]]
    found = squares((0, 0), (0, 11), (10, 1))  # IoU 20 / 30
    assert count_objects(truth, found, KNOWN, 0.01).tolist() == [[3, 0, 0], [0, 0, 0]]


def test_of_two_halves_none_is_found():
    truth, found = squares((0, 0), size=6), squares((0, 0), size=6)
    found[3:6, :6] = 2
    assert count_objects(truth, found, KNOWN, 0.01).tolist() == [[0, 0, 1], [0, 2, 0]], "halves of 0.18 ha are small"
    found[3, 0] = 1
    assert count_objects(truth, found, KNOWN, 0.1)[0].tolist() == [1, 1, 0]


def test_small_objects_are_counted_apart():
    truth, found = squares((0, 0), (10, 10)), squares((0, 0))
    truth[15, 0:3] = 3
    found[15, 0:3] = 2
    found[19, 19] = 3
    counts = count_objects(truth, found, KNOWN, 0.01)
    assert counts.tolist() == [[1, 0, 1], [1, 1, 0]]
    figures = object_scores(counts)
    assert (figures["objects"], figures["precision"], figures["recall"], figures["f1"]) == (2, 1.0, 0.5, 2 / 3)
    assert figures["small"] == {"objects": 1, "found": 2, "precision": 0.5, "recall": 1.0, "f1": 2 / 3}
    assert object_scores(0 * counts)["f1"] is None


def test_ground_without_labels_counts_nothing():
    truth, found, known = squares((0, 0)), squares((0, 0), (10, 10), (0, 9)), KNOWN.copy()
    known[:, 12:] = False  # hides 3 of 5 columns of the second, 2 of the third
    assert count_objects(truth, found, known, 0.01).tolist() == [[1, 0, 0], [0, 1, 0]], "the third has 15 pixels left, 0.15 ha"


def test_matches_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(20):
        truth, found = (np.kron(rng.integers(0, 6, (4, 4)), np.ones((5, 5), int)) for _ in range(2))
        moved = np.roll(found, rng.integers(0, 3, 2), (0, 1))
        pairs = [(one, other) for one, other in itertools.product(range(1, 6), range(1, 6))
                 if ((truth == one) | (moved == other)).any()
                 and ((truth == one) & (moved == other)).sum() > 0.5 * ((truth == one) | (moved == other)).sum()]
        hits, false, missed = count_objects(truth, moved, KNOWN, 1.0).sum(0)
        assert hits == len(pairs), "more than half can be shared with one object only"
        assert hits + missed == len(np.setdiff1d(truth, [0])) and hits + false == len(np.setdiff1d(moved, [0]))


def test_an_image_full_of_objects_has_no_object_number_0():
    truth = np.repeat([1, 2], 200).reshape(20, 20)
    assert count_objects(truth, truth, KNOWN, 0.01).tolist() == [[2, 0, 0], [0, 0, 0]]


def test_an_object_is_of_the_part_that_holds_most_of_it():
    """The border of two parts lies at column 12: of the field at 8 four columns are left of it, of that at 10 two of five; both parts add up."""
    truth, found = squares((0, 8), (10, 10)), squares((0, 9), (10, 0), (14, 15))
    part = np.zeros((20, 20), np.int64)
    part[:, 12:] = 1
    counts = count_objects_of(truth, found, KNOWN, 0.1, part, 3)
    assert counts.shape == (3, 2, 3) and counts[:, 0].tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert (counts.sum(0) == count_objects(truth, found, KNOWN, 0.1)).all()
