"""Figures of a clustering against numbers worked out by hand."""

import math
from itertools import permutations

import numpy as np
import pytest

from bandwatch.models.cluster_figures import (
    agreement,
    chance,
    contingency,
    neighbour_accuracy,
    purity,
    silhouette,
    stability,
    stability_between_halves,
)
from bandwatch.models.halves import first_half, stretches

TRUTH = np.array([0, 0, 0, 1, 1, 1])
CLUSTERS = np.array([4, 4, 9, 9, 9, 9])  # numbers are names: they need not follow on


def test_agreement_of_six_windows_by_hand():
    # Contingency [[2, 1], [0, 3]]: entropies in nats, and pairs counted.
    truth_entropy = math.log(2)
    cluster_entropy = -(1 / 3 * math.log(1 / 3) + 2 / 3 * math.log(2 / 3))
    mutual = sum(
        n / 6 * math.log(6 * n / (row * column)) for n, row, column in ((2, 3, 2), (1, 3, 4), (3, 3, 4))
    )
    together, in_truth, in_clusters, pairs = 1 + 3, 3 + 3, 1 + 6, 15
    expected = in_truth * in_clusters / pairs
    assert contingency(TRUTH, CLUSTERS).tolist() == [[2, 1], [0, 3]]
    found = agreement(TRUTH, CLUSTERS)
    assert found["purity"] == pytest.approx(5 / 6)
    assert found["nmi"] == pytest.approx(mutual / ((truth_entropy + cluster_entropy) / 2))
    assert found["ari"] == pytest.approx((together - expected) / ((in_truth + in_clusters) / 2 - expected))
    assert found["ami"] < found["nmi"]


def test_chance_is_the_mean_over_all_orders():
    truth, clusters = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2])
    orders = [np.array(order) for order in set(permutations(truth.tolist()))]
    found = chance(truth, clusters, seed=3, permutations=1500)
    for figure in ("nmi", "ari", "purity"):
        exact = np.mean([agreement(order, clusters)[figure] for order in orders])
        assert found[figure] == pytest.approx(exact, abs=0.03)
    assert found["ari"] == pytest.approx(0, abs=0.03)
    assert found["nmi"] < found["nmi_95"]
    assert found == chance(truth, clusters, seed=3, permutations=1500)


def test_many_clusters_of_noise_are_pure_by_chance_only():
    random = np.random.default_rng(0)
    truth, clusters = random.integers(0, 4, 200), random.integers(0, 40, 200)
    found, level = agreement(truth, clusters), chance(truth, clusters, seed=0)
    assert found["nmi"] > 0.1
    assert abs(found["nmi"] - level["nmi"]) < 0.04
    assert abs(purity(truth, clusters) - level["purity"]) < 0.06
    assert abs(found["ami"]) < 0.05


def test_stability_is_the_mean_of_the_pairs():
    other = np.array([0, 1, 0, 1, 0, 1])
    one_pair = agreement(TRUTH, other)["ari"]
    assert stability([TRUTH, 1 - TRUTH, other]) == pytest.approx((1 + 2 * one_pair) / 3)
    assert math.isnan(stability([TRUTH]))


def blobs(count=240, groups=4, seed=0):
    random = np.random.default_rng(seed)
    which = np.arange(count) % groups
    centres = 20 * np.eye(8)[:groups]
    return (centres[which] + random.normal(0, 1, (count, 8))).astype(np.float32), which


def test_groups_far_apart_come_back_in_either_half_and_noise_does_not():
    features, which = blobs()
    is_first = np.random.default_rng(1).random(len(which)) < 0.5
    settings = {"clusters": 4, "components": 4, "whiten": True, "seed": 0}
    assert stability_between_halves(features, is_first, **settings) == 1
    noise = np.random.default_rng(2).normal(0, 1, features.shape).astype(np.float32)
    assert stability_between_halves(noise, is_first, **settings) < 0.6


def test_silhouette_of_four_points_by_hand():
    points = np.array([[0.0], [1.0], [10.0], [11.0]], dtype=np.float32)
    clusters = np.array([0, 0, 1, 1])
    outer, inner = 1 - 1 / 10.5, 1 - 1 / 9.5
    assert silhouette(points, clusters, seed=0) == pytest.approx((outer + inner) / 2)
    assert math.isnan(silhouette(points, np.zeros(4, dtype=np.int64), seed=0))


def test_neighbours_vote_from_the_other_half_only():
    # Each window is alone in its half with its truth; its twin in the other half has another one.
    points = np.array([[0.0], [0.1], [10.0], [10.1]], dtype=np.float32)
    is_first = np.array([True, False, True, False])
    assert neighbour_accuracy(points, np.array([0, 0, 1, 1]), is_first, 1) == 1
    assert neighbour_accuracy(points, np.array([0, 1, 1, 0]), is_first, 1) == 0


def test_a_half_holds_whole_recordings_where_each_truth_has_two():
    recording = np.repeat(np.arange(8), 5)
    truth = np.repeat([0, 0, 0, 0, 1, 1, 1, 1], 5)
    start_ns = np.tile(np.arange(5), 8)
    stretch = stretches(recording, start_ns, truth)
    assert stretch.tolist() == recording.tolist()
    is_first = first_half(stretch, truth, seed=5)
    for number in range(8):
        assert len(set(is_first[recording == number])) == 1
    assert [is_first[truth == each].mean() for each in (0, 1)] == [0.5, 0.5]


def test_one_recording_is_cut_into_stretches_and_no_moment_is_torn():
    start_ns = np.repeat(np.arange(64), 4)  # four segments a moment
    recording = np.zeros(256, dtype=np.int64)
    truth = np.random.default_rng(0).integers(0, 3, 256)
    stretch = stretches(recording, start_ns, truth)
    assert np.bincount(stretch).tolist() == [16] * 16
    assert all(len(set(stretch[start_ns == moment])) == 1 for moment in range(64))
    halves = [first_half(stretch, truth, seed) for seed in (0, 0, 1)]
    assert halves[0].mean() == 0.5
    assert (halves[0] == halves[1]).all()
    assert (halves[0] != halves[2]).any()
