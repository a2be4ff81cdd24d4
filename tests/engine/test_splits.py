import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan, gap, split_by_place
from eo_pretrain_qgis.errors import DataError
from tests.listening import Listening


def lattice(columns, rows, size=32, stride=32):
    col, row = np.meshgrid(np.arange(columns) * stride, np.arange(rows) * stride)
    left, top = col.ravel().astype(float), row.ravel().astype(float)
    return np.stack([left, top, left + size, top + size], 1)


def chebyshev(boxes, names, one, others):
    """Smallest gap along the wider axis between two groups of boxes, by brute force."""
    ours, theirs = boxes[names == one][:, None], boxes[np.isin(names, others)][None]
    x = np.maximum(ours[..., 0], theirs[..., 0]) - np.minimum(ours[..., 2], theirs[..., 2])
    y = np.maximum(ours[..., 1], theirs[..., 1]) - np.minimum(ours[..., 3], theirs[..., 3])
    return np.maximum(x, y).min()


def equal_pixels(boxes, classes=2):
    return np.full((len(boxes), classes), 512)


@pytest.mark.parametrize(("boxes", "buffer"), [
    (lattice(20, 20), None), (lattice(40, 5), None), (lattice(12, 12, stride=16), None), (lattice(20, 20), 64), (lattice(20, 20), 0),
    (lattice(6, 6), None),
])
def test_no_training_pixel_near_another_split(boxes, buffer):
    split = split_by_place(boxes, equal_pixels(boxes), 32, SplitPlan(buffer=buffer))
    assert chebyshev(boxes, split.names, "training", ["validation", "test"]) >= (32 if buffer is None else buffer)
    assert chebyshev(boxes, split.names, "validation", ["test"]) >= (32 if buffer is None else buffer)
    assert split.facts["dropped_tiles"] == (split.names == "dropped").sum()
    assert min(split.counts[f"{name}_tiles"] for name in ("training", "validation", "test")) > 0


def test_a_gap_between_validation_and_test_costs_little_of_a_usual_image():
    """A scene of 1024 px in tiles of 64 px, whose classes lie in stripes."""
    boxes = lattice(16, 16, 64, 64)
    pixels = np.stack([4096 * (boxes[:, 1] // 64 % 4 == number) for number in range(4)], 1)
    for seed in range(1, 4):
        split = split_by_place(boxes, pixels, 64, SplitPlan(seed=seed))
        counts = split.counts
        assert counts["training_tiles"] >= 135 and counts["validation_tiles"] >= 25 and counts["test_tiles"] >= 40, counts
        assert split.facts["dropped_tiles"] <= 45
        assert split.facts["text"].endswith(" Validation and test lie 64 px apart.")


def test_without_room_validation_and_test_may_touch_and_it_is_said():
    boxes, heard = lattice(9, 9, stride=8), Listening()
    split = split_by_place(boxes, equal_pixels(boxes), 32, SplitPlan(), heard)
    assert split.counts == {"training_tiles": 9, "validation_tiles": 3, "test_tiles": 3, "dropped_tiles": 66}
    assert chebyshev(boxes, split.names, "validation", ["test"]) >= 0
    assert heard.warnings == heard.texts == [
        "The images have no room for a gap of 32 px between validation and test: the two may touch, so what is chosen on validation fits the test "
        "ground, too. More images, smaller tiles or smaller shares make room."]
    assert split.facts["text"].endswith("Validation and test may touch but share no pixel: the images have no room for a gap there.")
    wide = lattice(20, 20)
    touching = split_by_place(wide, equal_pixels(wide), 32, SplitPlan(buffer=0), heard)
    assert touching.facts["text"].endswith("Validation and test may touch but share no pixel.") and len(heard.texts) == 1


def test_leakage_distance_is_the_true_distance():
    boxes = lattice(15, 9)
    names = split_by_place(boxes, equal_pixels(boxes), 32, SplitPlan()).names
    ours, theirs = boxes[names == "training"][:, None], boxes[names == "test"][None]
    x = np.maximum(0, np.maximum(ours[..., 0], theirs[..., 0]) - np.minimum(ours[..., 2], theirs[..., 2]))
    y = np.maximum(0, np.maximum(ours[..., 1], theirs[..., 1]) - np.minimum(ours[..., 3], theirs[..., 3]))
    assert gap(boxes, names, "training", "test") == pytest.approx(np.hypot(x, y).min(), abs=0.1)


def test_shares_are_near_what_was_asked():
    boxes = lattice(40, 40)
    split = split_by_place(boxes, equal_pixels(boxes), 32, SplitPlan(0.2, 0.3))
    assert split.facts["shares"] == pytest.approx([0.5, 0.2, 0.3], abs=0.06)
    assert split.facts["dropped_tiles"] < 0.2 * len(boxes)


def test_a_rare_class_reaches_every_split():
    boxes = lattice(24, 24)
    pixels = np.zeros((len(boxes), 2))
    pixels[:, 0] = 1024
    corner = (boxes[:, 0] > 640) & (boxes[:, 1] > 320)  # a strip along the eastern border, in the south
    pixels[corner] = [512, 512]
    for seed in range(1, 4):
        names = split_by_place(boxes, pixels, 32, SplitPlan(seed=seed)).names
        assert all(pixels[names == part, 1].sum() > 0 for part in ("training", "validation", "test")), seed


def test_dates_of_one_place_share_their_fate():
    boxes = lattice(10, 10)
    twice = np.concatenate([boxes, boxes + 1e-6])
    names = split_by_place(twice, equal_pixels(twice), 32, SplitPlan()).names
    assert (names[:100] == names[100:]).all()


def test_seed():
    boxes = lattice(20, 20)
    runs = [split_by_place(boxes, equal_pixels(boxes), 32, SplitPlan(seed=seed)).names for seed in (1, 1, 2)]
    assert (runs[0] == runs[1]).all() and (runs[0] != runs[2]).any()


def test_scenes_far_apart():
    boxes = np.concatenate([lattice(4, 4) + np.array([x, y, x, y]) for x, y in ((0, 0), (9e5, 0), (0, 7e5), (-8e5, 3e5), (5e5, 5e5))])
    split = split_by_place(boxes, equal_pixels(boxes), 32, SplitPlan())
    assert all(split.counts.values()) and split.facts["dropped_tiles"] <= 16


def test_too_small():
    boxes = lattice(2, 2)
    with pytest.raises(DataError, match=r"The images are too small to split by place: 4 places of 32 px leave no room for training, "
                                        r"validation and test with a gap of 32 px. Lower the tile size, use a smaller stride"):
        split_by_place(boxes, equal_pixels(boxes), 32, SplitPlan())


def test_blocks_that_are_too_large_are_named():
    boxes = lattice(16, 16)
    with pytest.raises(DataError, match=r"with a gap of 32 px between blocks of 5000 px. Choose smaller blocks, lower the tile size"):
        split_by_place(boxes, equal_pixels(boxes), 32, SplitPlan(block_size=5000))


def test_no_split_asked():
    boxes = lattice(2, 2)
    split = split_by_place(boxes, equal_pixels(boxes), 32, SplitPlan(0, 0))
    assert set(split.names) == {"training"} and split.facts["leakage_distance_px"] is None


def test_a_class_of_a_few_pixels_does_not_decide_where_everything_goes():
    """Two dates of one square kilometre, tiles of 32 px every 8 px: room is scarce, and one corner holds 24 pixels of a class."""
    boxes = np.tile(lattice(9, 9, stride=8), (2, 1))
    pixels = np.column_stack([np.full(len(boxes), 600), np.full(len(boxes), 424), np.zeros(len(boxes))])
    pixels[[0, 81], 2] = 12
    for seed in range(1, 4):
        counts = split_by_place(boxes, pixels, 32, SplitPlan(test_share=0.25, seed=seed)).counts
        assert counts["training_tiles"] >= 16 and counts["test_tiles"] >= 6, counts


def test_a_gap_between_validation_and_test_does_not_take_most_of_the_training_ground():
    """About 100 px in tiles of 32 px every 8 px: with that gap few tiles would be left to train on."""
    boxes = lattice(10, 10, 32, 8)
    split = split_by_place(boxes, equal_pixels(boxes), 32, SplitPlan(test_share=0.25))
    assert split.counts["training_tiles"] >= 18 and split.counts["test_tiles"] >= 5
    assert "may touch but share no pixel: the images have no room for a gap there" in split.facts["text"]
