"""Pseudo-labels: components by explained variance, no empty cluster, clusters paired by their windows."""

import numpy as np
import pytest

from bandwatch.models.pseudo_labels import (
    Clustering,
    changed_share,
    cluster,
    fit_components,
    partners,
    without_empty,
)
from bandwatch.pipeline.errors import BadInput


def of_variances(*variances: float) -> np.ndarray:
    """Features whose principal components have these variances, up to a common factor."""
    axes = np.diag(np.sqrt(variances))
    return np.concatenate([axes, -axes]).astype(np.float32)


def blobs(*places: float, each: int = 30, spread: float = 0.1) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.concatenate([random.normal(place, spread, (each, 2)) for place in places]).astype(np.float32)


class TestComponents:
    # Of 8 + 4 + 2 + 1 the first explains 0.533, the first two 0.8, the first three 0.933.
    @pytest.mark.parametrize(
        ("asked", "kept"), [(0.5, 1), (0.79, 2), (0.81, 3), (0.93, 3), (0.999, 4), (1, 1), (2, 2), (20, 4)]
    )
    def test_are_a_number_or_as_many_as_explain_a_share_of_the_variance(self, asked, kept):
        features = of_variances(8, 4, 2, 1)
        projection = fit_components(features, asked)
        assert projection.component_count == kept
        expected = np.array([8, 4, 2, 1][:kept]) / 15
        np.testing.assert_allclose(projection.variance_ratio, expected, rtol=1e-5)
        np.testing.assert_allclose(projection.points(features).std(axis=0, ddof=1), 1, rtol=1e-5)  # whitened

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            (0, "0 principal components, needs at least 1"),
            (1.5, "principal components for a share of 1.5 of the variance, needs 0 to 1"),
            (float("nan"), "principal components for a share of nan of the variance, needs 0 to 1"),
        ],
    )
    def test_that_are_neither_are_refused(self, asked, message):
        with pytest.raises(BadInput) as refused:
            fit_components(of_variances(1, 1), asked)
        assert str(refused.value) == message


class TestAnEmptyCluster:
    def test_starts_anew_where_the_widest_cluster_is(self):
        points = blobs(0, 4, 20)
        centres = without_empty(points, np.array([[2, 2], [20, 20], [500, 500]], np.float32))
        np.testing.assert_allclose(np.sort(centres[:, 0]), [0, 4, 20], atol=0.1)

    def test_does_so_even_if_all_but_one_are_empty(self):
        points = blobs(0, 4, 20, 60)
        far = np.full((4, 2), 500, np.float32)
        far[0] = 0
        centres = without_empty(points, far)
        np.testing.assert_allclose(np.sort(centres[:, 0]), [0, 4, 20, 60], atol=0.1)

    def test_is_given_up_where_no_more_points_can_be_told_apart(self):
        points = np.repeat(np.array([[1, 1], [2, 2]], np.float32), 20, axis=0)
        centres = without_empty(points, np.array([[1, 1], [2, 2], [9, 9]], np.float32))
        assert centres.tolist() == [[1, 1], [2, 2]]

    # A few points far out, the rest so close together that in float32 many distances round to the same:
    # scikit-learn leaves from 1 to 13 of 24 clusters empty here, and warns.
    @pytest.mark.parametrize(("far", "spread", "seed"), [(2, 1e-5, 0), (3, 1e-5, 1), (6, 1e-4, 0)])
    def test_is_never_among_the_labels(self, far, spread, seed):
        random = np.random.default_rng(seed)
        near = 1 + random.normal(0, spread, (300, 3))
        features = np.concatenate([near, 30 * random.normal(size=(far, 3))]).astype(np.float32)
        found = cluster(features, clusters=24, components=3, whiten=True, seed=seed)
        sizes = np.bincount(found.labels, minlength=len(found.centres))
        assert len(sizes) == len(found.centres) > far
        assert sizes.min() >= 1
        points = found.projection.points(features)
        away = np.linalg.norm(points[:, None] - found.centres[None], axis=2)
        np.testing.assert_allclose(away[np.arange(len(away)), found.labels], away.min(axis=1), atol=1e-3)


def test_clusters_are_paired_by_the_windows_they_share():
    before = np.array([0, 0, 0, 1, 1, 2])
    after = np.array([2, 2, 1, 0, 0, 1])
    # After 2 shares two windows with before 0, after 0 two with before 1; after 1 is left with before 2.
    assert partners(before, after).tolist() == [1, 2, 0]
    assert changed_share(before, after) == pytest.approx(1 / 6)


def test_a_cluster_without_a_partner_has_none():
    assert partners(np.array([0, 0, 0]), np.array([1, 1, 0])).tolist() == [-1, 0]
    assert changed_share(np.array([0, 0, 0]), np.array([1, 1, 0])) == pytest.approx(1 / 3)


def test_new_numbers_alone_change_nothing():
    random = np.random.default_rng(0)
    labels, numbers = random.integers(24, size=500), random.permutation(24)
    assert changed_share(labels, numbers[labels]) == 0
    assert changed_share(labels, random.permutation(labels)) > 0.8


@pytest.mark.parametrize(
    ("labels", "entropy"), [([0, 1, 2, 3], 1.0), ([0, 0, 0, 0], 0.0), ([0, 0, 0, 1], 0.8112781)]
)
def test_the_entropy_of_sizes_tells_even_clusters_from_one_that_has_all(labels, entropy):
    projection = fit_components(of_variances(2, 1), 1)
    found = Clustering(projection, np.zeros((max(labels) + 1, 1), np.float32), np.array(labels))
    assert found.size_entropy == pytest.approx(entropy)
