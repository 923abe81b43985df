"""Rules over measures: what they say holds for the windows, and the windows they have not seen."""

import math

import numpy as np
import pytest

from bandwatch.explain.measure_tree import MeasureTree, tree_fidelity
from bandwatch.explain.plain_names import PixelSize, column_of
from bandwatch.models.window_features import FEATURES
from bandwatch.pipeline.errors import BadInput

PIXEL = PixelSize(187.5, 0.2)
WIDTH, BURST = column_of("bandwidth_bins"), column_of("longest_burst_rows")


def known(count=600, seed=0, noise=0.0):
    """Three clusters told by two measures: 0 is wide (over 40 kHz), of the narrow 1 is short, 2 is long."""
    random = np.random.default_rng(seed)
    features = np.zeros((count, len(FEATURES)), np.float32)
    features[:, WIDTH] = random.uniform(1, 430, count)
    features[:, BURST] = random.integers(1, 30, count)
    clusters = np.where(features[:, WIDTH] * 187.5 > 40_000, 4, np.where(features[:, BURST] <= 6, 1, 2))
    others = random.random(count) < noise
    clusters[others] = random.choice([1, 2, 4], others.sum())
    return features, clusters, np.arange(count) * 26 * 10**9


def holds(condition, features):
    value = float(features[condition.feature])
    return condition.above < value <= condition.at_most


def test_the_rules_are_the_ones_that_the_truth_was_made_with():
    features, clusters, _ = known()
    tree = MeasureTree().fit(features, clusters, PIXEL)
    assert tree.fidelity(features, clusters) == 1
    assert (tree.n_leaves_, tree.depth_) == (3, 2)
    assert tree.rule_words(1) == (
        "Occupied bandwidth at most 40 kHz and longest burst at most 1.3 s: 100 % of the windows for which "
        "this holds are of cluster 1; 100 % of its windows are among them."
    )
    assert tree.rule_words(2).startswith(
        "Occupied bandwidth at most 40 kHz and longest burst more than 1.3 s:"
    )
    assert tree.rule_words(4).startswith("Occupied bandwidth more than 40 kHz:")
    assert tree.rule_words(3) == "No rule of measures tells cluster 3 from the others."


def test_a_window_meets_every_condition_of_its_path_and_of_the_rule_it_falls_under():
    features, clusters, _ = known(noise=0.2)
    random = np.random.default_rng(1)
    features[:, :8] += random.normal(size=(len(features), 8)).astype(np.float32)
    tree = MeasureTree(most_leaves=12).fit(features, clusters, PIXEL)
    named = tree.predict(features)
    for window, cluster in zip(features[:100], named[:100], strict=True):
        path = tree.path(window)
        assert all(holds(condition, window) for condition in path)
        assert path in [rule.conditions for rule in tree.rules(int(cluster))]
    rules = [rule for cluster in (1, 2, 4) for rule in tree.rules(cluster)]
    assert len(rules) == tree.n_leaves_
    for rule in rules:
        inside = np.array([all(holds(each, window) for each in rule.conditions) for window in features])
        assert rule.windows == inside.sum()
        assert rule.right == (clusters[inside] == rule.cluster).sum()
        assert rule.cluster_windows == (clusters == rule.cluster).sum()


def test_rounded_thresholds_cost_no_window_and_have_fewer_figures():
    from sklearn.tree import DecisionTreeClassifier

    features, clusters, _ = known(noise=0.1, seed=3)
    tree = MeasureTree(most_leaves=8).fit(features, clusters, PIXEL)
    exact = DecisionTreeClassifier(max_leaf_nodes=8, max_depth=6, min_samples_leaf=5, random_state=0)
    exact.fit(features, clusters)
    assert tree.fidelity(features, clusters) >= exact.score(features, clusters)
    for rule in tree.rules(1) + tree.rules(2) + tree.rules(4):
        for condition in rule.conditions:
            one = 187.5 if condition.feature == WIDTH else 0.2
            for end in (condition.above, condition.at_most):
                if math.isfinite(end):
                    assert float(f"{end * one:.3g}") == pytest.approx(end * one, rel=1e-9)


def test_a_path_in_words_tells_the_limit_and_the_windows_own_value():
    features, clusters, _ = known()
    tree = MeasureTree().fit(features, clusters, PIXEL)
    window = np.zeros(len(FEATURES), np.float32)
    window[WIDTH], window[BURST] = 100, 15
    words = tree.path_words(window)
    assert words == (
        "occupied bandwidth at most 40 kHz (here 19 kHz) and longest burst more than 1.3 s (here 3 s)"
    )


def test_held_out_fidelity_is_of_windows_that_were_not_fitted():
    features, clusters, start_ns = known(800)
    clear = tree_fidelity(features, clusters, start_ns, PIXEL)
    assert clear.training == 1
    assert clear.held_out > 0.98
    # Clusters that no measure knows: learnt by heart, worth nothing on others.
    random = np.random.default_rng(0)
    noise = random.normal(size=features.shape).astype(np.float32)
    lots = random.integers(0, 4, len(noise))
    blind = tree_fidelity(noise, lots, start_ns, PIXEL, most_leaves=40)
    assert blind.training > blind.held_out + 0.1
    assert blind.held_out < 0.35
    assert blind.largest_share < 0.35
    assert blind.leaves <= 40


def test_one_cluster_and_few_windows_have_a_tree_too():
    features, _, _ = known(3)
    tree = MeasureTree().fit(features, np.full(3, 7), PIXEL)
    assert tree.predict(features).tolist() == [7, 7, 7]
    assert tree.rule_words(7).startswith("Any window: 100 %")
    assert tree.path_words(features[0]) == "all windows are"


def test_what_cannot_be_fitted_is_refused():
    features, clusters, _ = known(10)
    with pytest.raises(BadInput, match="10 windows with 9 clusters"):
        MeasureTree().fit(features, clusters[:9], PIXEL)
    with pytest.raises(BadInput, match=r"shape \[10, 3\], needs \[n, 35\]"):
        MeasureTree().fit(features[:, :3], clusters, PIXEL)
    with pytest.raises(BadInput, match="NaN"):
        MeasureTree().fit(np.full_like(features, np.nan), clusters, PIXEL)
    with pytest.raises(BadInput, match="all windows begin at one moment"):
        tree_fidelity(features, clusters, np.zeros(10, np.int64), PIXEL)
