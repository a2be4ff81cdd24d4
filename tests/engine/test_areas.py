"""Accuracy and areas from a sample: published examples to the last digit, one worked by hand, and intervals that cover the truth."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from eo_pretrain_qgis.engine.measures.areas import Places, Z, allocate, estimate, sample_size

from ..scenes_assessment import PAPER, PAPER_PIXELS


def points(table):
    """Places of a table of counts, rows map, columns truth, drawn in each class of the map."""
    mapped, truth = (np.repeat(numbers.ravel(), table.ravel()) for numbers in np.indices(table.shape))
    return Places.of_points(mapped, mapped, truth)


def rounded(figures, digits):
    return [(round(figure.value, digits), round(figure.half_width, digits)) for figure in figures]


def test_the_example_of_olofsson_2014():
    found = estimate(points(PAPER), np.array(PAPER_PIXELS), 4)
    hectares = [(round(figure.value * 900_000), round(figure.half_width * 900_000)) for figure in found.areas]
    assert hectares == [(21_158, 6_158), (11_686, 3_756), (285_770, 15_510), (581_386, 16_282)]
    assert (round(found.overall.value, 3), round(found.overall.half_width, 4)) == (0.947, 0.0185)
    assert rounded(found.users, 2) == [(0.88, 0.07), (0.73, 0.1), (0.93, 0.04), (0.96, 0.02)]
    assert rounded(found.producers, 2) == [(0.75, 0.21), (0.85, 0.25), (0.93, 0.03), (0.96, 0.02)]
    assert found.shares.sum() == pytest.approx(1)


def test_the_sample_size_of_olofsson_2014():
    """Standard error .01 of the overall accuracy, with user's accuracies of .7, .6, .9 and .95 expected, takes 641 places."""
    shares = [0.02, 0.015, 0.32, 0.645]
    assert sample_size(shares, [0.7, 0.6, 0.9, 0.95], 0.01 * Z) == 641
    assert allocate(shares, 641, 50, [10**6] * 4) == [50, 50, 179, 362]
    assert allocate(shares, 641, 100, [10**6] * 4) == [100, 100, 146, 295]
    assert allocate([0.5, 0.5], 40, 50, [30, 1000]) == [30, 50], "no more than there are pixels, and rare ones all get their share"


def test_the_example_of_stehman_2014():
    """Four strata that are not the classes of the map, ten places in each: the figures on pages 4932 to 4936."""
    places = {"s": "A" * 10 + "B" * 10 + "C" * 10 + "D" * 10, "m": "A" * 7 + "BBB" + "A" + "B" * 11 + "C" * 6 + "BB" + "D" * 10,
              "r": "AAAAA" + "CBABCA" + "BBBBB" + "AABB" + "CCCCC" + "DDBBA" + "D" * 7 + "CCB"}
    strata, mapped, truth = (np.array(["ABCD".index(letter) for letter in letters]) for letters in places.values())
    found = estimate(Places.of_points(strata, mapped, truth), np.array([40_000, 30_000, 20_000, 10_000]), 4)

    def error(figure):
        return figure.value, figure.half_width / Z

    assert error(found.overall) == pytest.approx((0.63, 0.085), abs=5e-4)
    assert error(found.areas[0]) == pytest.approx((0.35, 0.082), abs=5e-4)
    assert error(found.areas[2]) == pytest.approx((0.2, 0.064), abs=5e-4)
    assert error(found.users[1]) == pytest.approx((0.574, 0.125), abs=5e-4)
    assert error(found.producers[1]) == pytest.approx((0.794, 0.117), abs=5e-4)
    assert found.shares[2, 1] == pytest.approx(0.08), "of the area C that the map calls B"


@pytest.mark.realdata
@pytest.mark.parametrize("number", range(4))
def test_published_estimates_of_two_states_of_sudan(number, real_data):
    """Crop and other ground, to the hectare; the published pixel sizes are rounded, so that the total area is that of the published areas."""
    with open(real_data / "reference" / "sudan_area_estimates" / "published_area_2022_2023.csv", encoding="utf-8") as stream:
        row = list(csv.DictReader(stream))[number]
    told = {name: float(value) for name, value in row.items() if name not in ("state", "year")}
    counts = np.array([told["implied_n_mapped_noncrop"], told["implied_n_mapped_crop"]])
    right = np.rint(counts * (told["users_noncrop"], told["users_crop"]))
    table = np.array([[right[0], counts[0] - right[0]], [counts[1] - right[1], right[1]]]).astype(int)
    found = estimate(points(table), np.array([told["noncrop_pixels"], told["crop_pixels"]]), 2)
    total = told["crop_area_ha"] + told["noncrop_area_ha"]
    for position, name in enumerate(("noncrop", "crop")):
        area, users, producers = found.areas[position], found.users[position], found.producers[position]
        assert area.value * total == pytest.approx(told[f"{name}_area_ha"], abs=1)
        assert area.half_width * total == pytest.approx(told[f"{name}_area_ci95_ha"], abs=1)
        assert (users.value, users.half_width) == pytest.approx((told[f"users_{name}"], told[f"users_{name}_ci95"]), abs=1e-6)
        assert (producers.value, producers.half_width) == pytest.approx((told[f"producers_{name}"], told[f"producers_{name}_ci95"]), abs=1e-6)


def test_clusters_worked_by_hand():
    """Three polygons of 10, 6 and 4 pixels, 8, 6 and 1 right: 15/20 = .75. What each has more than its share is .5, 1.5 and -2, squared together
    6.5; times 3/2, over 20², .024375, whose root is .156125.
    """
    units, right = np.array([0, 0, 1, 2, 2]), np.array([1, 0, 1, 0, 1])
    places = Places(units, np.zeros(5, int), np.zeros(5, int), 1 - right, np.array([8.0, 2, 6, 3, 1]), np.zeros(3, int))
    found = estimate(places, np.array([7.0]), 2)
    assert (found.overall.value, found.overall.half_width) == pytest.approx((0.75, 1.96 * 0.156125), abs=1e-5)


def test_pixels_of_polygons_counted_one_by_one_give_intervals_that_are_too_narrow():
    """200 samples of 40 polygons of 25 pixels, all pixels of a polygon right or wrong together: with polygons as units the interval covers the truth
    in nineteen of twenty, with pixels in far fewer.
    """
    rng, covered = np.random.default_rng(0), np.zeros(2)
    for _ in range(200):
        right = np.repeat(rng.random(40) < 0.8, 25)
        for number, units in enumerate((np.repeat(np.arange(40), 25), np.arange(1000))):
            groups = np.zeros(units.max() + 1, int)
            found = estimate(Places(units, np.zeros(1000, int), np.zeros(1000, int), np.where(right, 0, 1), np.ones(1000), groups), np.ones(1), 2)
            covered[number] += abs(found.overall.value - 0.8) <= found.overall.half_width
    assert covered[0] >= 0.9 * 200 and covered[1] <= 0.5 * 200


def test_intervals_cover_the_truth_where_strata_are_not_the_classes():
    """300 samples from a population of which all is known, 100 places in each of 3 strata."""
    rng = np.random.default_rng(1)
    strata = np.repeat(np.arange(3), (6000, 3000, 1000))
    mapped = (rng.random(10_000) < np.array([0.2, 0.5, 0.9])[strata]).astype(int)
    truth = np.where(rng.random(10_000) < 0.85, mapped, 1 - mapped)
    expected = [(truth == 1).mean(), (mapped == truth).mean(), (truth[mapped == 1] == 1).mean(), (mapped[truth == 1] == 1).mean()]
    covered = np.zeros(4)
    for _ in range(300):
        chosen = np.concatenate([rng.choice(np.flatnonzero(strata == number), 100, replace=False) for number in range(3)])
        found = estimate(Places.of_points(strata[chosen], mapped[chosen], truth[chosen]), np.bincount(strata), 2)
        figures = (found.areas[1], found.overall, found.users[1], found.producers[1])
        covered += [abs(figure.value - truly) <= figure.half_width for figure, truly in zip(figures, expected)]
    assert (covered / 300 > 0.9).all() and (covered / 300 < 0.99).all()


def test_a_class_that_is_not_there_has_no_accuracy():
    found = estimate(points(np.array([[5, 0, 1], [0, 5, 1], [0, 0, 0]])), np.array([1, 1, 0]), 3)
    assert found.users[2].value is None and found.producers[2].value == 0


def all_right(strata, units=None):
    """Places of two classes without an error, in these strata, which are the classes of the map."""
    strata = np.array(strata)
    places = Places.of_points(strata, strata, strata)
    return places if units is None else replace(places, units=np.array(units), groups=np.zeros(max(units) + 1, int))


def test_where_no_place_is_wrong_accuracies_have_a_limit():
    """Drawn by area, all 40 places count: 0.05^(1/40) = exp(-0.074893) = 0.9278; of the 10 of a class 0.05^(1/10) = 0.7411."""
    found = estimate(all_right([0] * 30 + [1] * 10), np.array([300, 100]), 2)
    assert (found.overall.value, found.overall.half_width, found.overall.limit) == (1, 0, pytest.approx(0.9278, abs=1e-4))
    assert [one.limit for one in found.users] == pytest.approx([0.05 ** (1 / 30), 0.7411], abs=1e-4)
    assert all(one.limit is None for one in (*found.producers, *found.areas)), "what a class hides in others is not known"
    few = estimate(all_right([0] * 30 + [1] * 10), np.array([100, 300]), 2)  # 10 places stand for three quarters: 10 / 0.75 = 13.3
    assert few.overall.limit == pytest.approx(0.05 ** (0.75 / 10))
    together = estimate(all_right([0] * 30 + [1] * 10, np.arange(40) // 10), np.array([300, 100]), 2)
    assert together.overall.limit == pytest.approx(0.05 ** (1 / 4)), "ten points of a polygon are one"
    assert estimate(all_right([0] * 30 + [1] * 10), np.array([300, 100]), 2, drawn=False).overall.limit is None


def test_where_no_place_is_right_the_limit_is_from_above():
    found = estimate(Places.of_points(np.zeros(20, int), np.zeros(20, int), np.ones(20, int)), np.array([100.0]), 2)
    assert (found.overall.value, found.overall.limit) == (0, pytest.approx(1 - 0.8609, abs=1e-4))


def test_without_a_draw_there_are_no_intervals():
    found = estimate(points(PAPER), np.array(PAPER_PIXELS), 4, drawn=False)
    assert found.overall.value == pytest.approx(0.9465, abs=1e-4) and found.overall.half_width is None
