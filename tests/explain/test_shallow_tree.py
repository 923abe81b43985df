"""The shallow tree against its cost written out exactly in plain Python, and against figures by hand."""

import math
import xml.etree.ElementTree as ET
from fractions import Fraction

import numpy as np
import pytest

from bandwatch.explain.shallow_tree import ShallowTree
from bandwatch.explain.tree_drawing import draw_tree
from bandwatch.pipeline.errors import BadInput

DEPTH_FACTOR = 0.03


def levels(level, points, centres, alpha, beta):
    if points == 0 or centres == 1:
        return points * level
    left_centres = min(max(math.ceil(beta * centres), 1), centres - 1)
    if points == 1:
        left_points = int(left_centres > centres - left_centres)
    else:
        left_points = min(max(math.ceil(alpha * points), 1), points - 1)
    left = levels(level + 1, left_points, left_centres, alpha, beta)
    return left + levels(level + 1, points - left_points, centres - left_centres, alpha, beta)


def distance(point, centre):
    return sum((a - b) ** 2 for a, b in zip(point, centre, strict=True))


def nearest_cost(weights, centres):
    return sum(weight * min(distance(point, c) for c in centres) for point, weight in weights.items())


def cost_of(weights, centres, free, feature, cut):
    """The cost of a cut of {point: how often} and centres, in fractions; None where it may not be."""
    near = {point: weight for point, weight in weights.items() if point[feature] <= cut}
    far = {point: weight for point, weight in weights.items() if point[feature] > cut}
    below = [centre for centre in centres if centre[feature] <= cut]
    above = [centre for centre in centres if centre[feature] > cut]
    if not below or not above or len(near) < len(below) or len(far) < len(above):
        return None
    before = nearest_cost(weights, centres)
    price = Fraction(nearest_cost(near, below) + nearest_cost(far, above)) / before if before else Fraction(1)
    alpha = Fraction(float(np.float32(len(near) / len(weights))))
    beta = Fraction(float(np.float32(len(below) / len(centres))))
    height = levels(1, len(near), len(below), alpha, beta) + levels(1, len(far), len(above), alpha, beta)
    height -= len(near) * ((feature, "left") in free) + len(far) * ((feature, "right") in free)
    return price + Fraction(DEPTH_FACTOR) * height / len(weights)


def assert_every_cut_is_a_best_one(tree, weights, centres, place=0, free=frozenset()):
    node = tree.nodes_[place]
    costs = {}
    if len(centres) > 1:
        for feature in range(len(centres[0])):
            for cut in {row[feature] for row in [*weights, *centres]}:
                cost = cost_of(weights, centres, free, feature, cut)
                if cost is not None:
                    costs[feature, float(cut)] = cost
    assert node.is_leaf == (not costs)
    if node.is_leaf:
        return 0
    chosen = costs[node.feature, node.threshold]
    assert chosen - min(costs.values()) < 1e-12
    ties = sum(cost - chosen < 1e-12 for cost in costs.values()) > 1
    for side, child in (("left", node.left), ("right", node.right)):
        goes_there = {
            row: (row[node.feature] <= node.threshold) == (side == "left") for row in [*weights, *centres]
        }
        ties += assert_every_cut_is_a_best_one(
            tree,
            {point: weight for point, weight in weights.items() if goes_there[point]},
            [centre for centre in centres if goes_there[centre]],
            child,
            free | {(node.feature, side)},
        )
    return ties


def test_every_cut_has_the_least_cost_of_all_cuts_written_out():
    ties = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        features, clusters = int(random.integers(1, 4)), int(random.integers(2, 8))
        # A coarse grid: equal points, points on cuts, centres with equal coordinates, cuts of equal cost.
        spread = int(random.integers(3, 9))
        X = random.integers(0, spread, (int(random.integers(20, 45)), features)).astype(float)
        centers = np.unique(random.integers(0, 2 * spread, (clusters, features)) / 2, axis=0)
        random.shuffle(centers)
        if len(centers) < 2 or len(np.unique(X, axis=0)) < len(centers):
            continue
        tree = ShallowTree(len(centers), DEPTH_FACTOR).fit(X, centers)
        weights = {}
        for row in X.tolist():
            point = tuple(map(Fraction, row))
            weights[point] = weights.get(point, 0) + 1
        ties += assert_every_cut_is_a_best_one(
            tree, weights, [tuple(map(Fraction, row)) for row in centers.tolist()]
        )
    assert ties > 5  # they were among the problems


def three_on_a_line():
    return np.array([[c + d] for c in (0.0, 10.0, 20.0) for d in (-1.0, 0.0, 1.0)]), np.array(
        [[20.0], [0.0], [10.0]]
    )


def test_three_clusters_on_a_line_by_hand():
    X, centers = three_on_a_line()
    tree = ShallowTree(3).fit(X, centers)
    root, *_ = tree.nodes_
    assert (root.feature, root.threshold, root.centres, root.samples) == (0, 1.0, (0, 1, 2), 9)
    assert (tree.depth_, tree.n_leaves_) == (2, 3)
    assert tree.weighted_depth_ == pytest.approx((3 * 1 + 6 * 2) / 9)
    # x <= 1; 1 < x <= 11; x > 11, which says x > 1 too
    assert tree.explanation_size_ == pytest.approx((3 * 1 + 3 * 2 + 3 * 1) / 9)
    assert [[met.words() for met in tree.path(x)] for x in ([1.0], [11.0], [11.5])] == [
        ["0 <= 1.000"],
        ["1.000 < 0 <= 11.000"],
        ["0 > 11.000"],
    ]
    np.testing.assert_array_equal(tree.predict([[1.0], [1.0000001], [11.0], [99.0]]), [1, 2, 2, 0])
    assert tree.cost(X) == tree.cost(X, leaf_means=False) == 6.0


def blobs(seed=3, n=600, clusters=7, features=4, spread=2.5):
    random = np.random.default_rng(seed)
    centers = random.uniform(-6, 6, (clusters, features))
    return centers[random.integers(0, clusters, n)] + random.normal(0, spread, (n, features)), centers


def test_nodes_tell_what_came_to_them_and_paths_hold_there_and_nowhere_else():
    X, centers = blobs()
    tree = ShallowTree(7).fit(X, centers)
    labels = ((X[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
    leaves = tree.leaves(X)
    assert tree.n_leaves_ == 7
    for number, node in enumerate(tree.nodes_):
        here = np.ones(len(X), dtype=bool)
        for met in tree.conditions(number):
            here &= (met.above < X[:, met.feature]) & (X[:, met.feature] <= met.at_most)
        own = [node.centre] if node.is_leaf else [*node.centres]
        assert (node.samples, node.misassigned) == (here.sum(), (~np.isin(labels[here], own)).sum())
        if node.is_leaf:
            np.testing.assert_array_equal(here, leaves == number)
            assert (tree.predict(X[here]) == node.centre).all()
    depths = np.array([node.depth for node in tree.nodes_])[leaves]
    assert tree.weighted_depth_ == pytest.approx(depths.mean())
    assert tree.depth_ == depths.max()
    assert tree.explanation_size_ == pytest.approx(
        np.mean([sum(met.size for met in tree.path(x)) for x in X])
    )
    assert tree.fidelity(X, labels) == np.mean(tree.predict(X) == labels)


def test_costs_are_distances_to_leaf_means_or_to_the_given_centres():
    X, centers = blobs()
    tree = ShallowTree(7).fit(X, centers)
    predicted = tree.predict(X)
    assert tree.cost(X, leaf_means=False) == pytest.approx(((X - centers[predicted]) ** 2).sum())
    means = np.array([X[predicted == centre].mean(axis=0) for centre in range(7)])
    assert tree.cost(X) == pytest.approx(((X - means[predicted]) ** 2).sum())


def test_clusters_far_apart_are_told_apart_without_a_mistake():
    X, centers = blobs(n=2000, clusters=24, features=6, spread=0.01)
    tree = ShallowTree(24).fit(X, centers)
    assert tree.n_leaves_ == 24
    assert {node.misassigned for node in tree.nodes_} == {0}
    assert tree.depth_ < 12


def test_the_order_of_the_rows_is_nothing_to_the_tree():
    X, centers = blobs()
    shuffled = X[np.random.default_rng(0).permutation(len(X))]
    assert ShallowTree(7).fit(X, centers).nodes_ == ShallowTree(7).fit(shuffled, centers).nodes_


def test_a_higher_factor_gives_shallower_trees():
    X, centers = blobs(clusters=12, features=2)
    deep, shallow = (ShallowTree(12, factor).fit(X, centers) for factor in (0.0, 3.0))
    assert shallow.weighted_depth_ < deep.weighted_depth_
    assert shallow.cost(X, leaf_means=False) > deep.cost(X, leaf_means=False)


def test_centres_that_no_allowed_cut_parts_share_the_leaf_of_the_nearest():
    # All points have one coordinate that differs, and the centres only the other.
    X = np.array([[0.0, 7.0], [1.0, 7.0], [2.0, 7.0]])
    tree = ShallowTree(2).fit(X, [[1.0, 0.0], [1.0, 9.0]])
    assert (tree.n_leaves_, tree.depth_, tree.weighted_depth_) == (1, 0, 0.0)
    assert tree.nodes_[0].centres == (0, 1)
    np.testing.assert_array_equal(tree.predict(X), [1, 1, 1])
    assert tree.path(X[0]) == ()


X, CENTERS = three_on_a_line()


@pytest.mark.parametrize(
    ("given", "centers", "message"),
    [
        (X[:, 0], CENTERS, r"X: shape \(9,\), must be \[rows, features\]"),
        (
            np.where(np.arange(9)[:, None] == 4, np.nan, X),
            CENTERS,
            "X: nan in row 4, feature 0, must be finite",
        ),
        (X, np.full_like(CENTERS, np.inf), "centers: inf in row 0, feature 0, must be finite"),
        (X, CENTERS[:2], "centers: 2 rows, n_clusters is 3"),
        (np.hstack([X, X]), CENTERS, "X: 2 features, the centers have 1"),
        (X, CENTERS[[0, 1, 0]], "centers: 0 and 2 are equal, all must differ"),
        (X[[0, 1, 1, 0]], CENTERS, r"X: 2 distinct points, at least as many as centers \(3\)"),
        (X * 1e200, CENTERS, r"X: values up to 2.1e\+201, too large to square"),
        ([["loud"]], CENTERS, "X: must be a table of numbers"),
    ],
)
def test_bad_input_is_named(given, centers, message):
    with pytest.raises(BadInput, match=f"^{message}"):
        ShallowTree(3).fit(given, centers)


def test_bad_settings_labels_and_rows_are_named():
    with pytest.raises(BadInput, match="^n_clusters: 0, must be at least 1"):
        ShallowTree(0)
    with pytest.raises(BadInput, match="^depth_factor: -0.1, must be finite and at least 0"):
        ShallowTree(3, -0.1)
    tree = ShallowTree(3).fit(X, CENTERS)
    with pytest.raises(BadInput, match=r"^labels: shape \(2,\), X has 9 rows"):
        tree.fidelity(X, [0, 1])
    with pytest.raises(BadInput, match="^X: 2 features, the centers have 1"):
        tree.predict(np.zeros((5, 2)))
    with pytest.raises(RuntimeError, match="fit comes first"):
        ShallowTree(3).predict(X)


def test_the_drawing_shows_every_rule_sample_and_misassigned_one():
    points, centers = blobs()
    tree = ShallowTree(7).fit(points, centers)
    names = ["level", "duty <cycle>", "bandwidth", "duration"]
    root = ET.fromstring(draw_tree(tree, feature_names=names, cluster_names={2: "LoRa & co"}))
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(texts) == 3 * len(tree.nodes_) + 2 * 6  # and "yes" and "no" at each cut
    for node in tree.nodes_:
        title = "LoRa & co" if node.centre == 2 else f"cluster {node.centre}"
        if not node.is_leaf:
            title = f"{names[node.feature]} <= {node.threshold:.3f}"
        at = texts.index(title)
        share = round(100 * node.misassigned / node.samples)
        assert texts[at + 1 : at + 3] == [
            f"{node.samples:,} samples",
            f"{node.misassigned:,} wrong ({share}%)",
        ]
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    boxes = [
        element.attrib for element in root.iter("{http://www.w3.org/2000/svg}rect") if "rx" in element.attrib
    ]
    corners = [(*map(float, (b["x"], b["y"], b["width"], b["height"])),) for b in boxes]
    assert len(corners) == len(tree.nodes_)
    assert all(min(x, y) >= 0 and x + w <= width and y + h <= height for x, y, w, h in corners)
    for number, (x, y, w, h) in enumerate(corners):
        for other_x, other_y, other_w, other_h in corners[:number]:
            apart = x >= other_x + other_w or other_x >= x + w or y >= other_y + other_h or other_y >= y + h
            assert apart
