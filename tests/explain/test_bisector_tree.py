"""The bisector tree against its cost written out in fractions, and against what k-means itself says."""

import math
import xml.etree.ElementTree as ET
from fractions import Fraction

import numpy as np
import pytest

from bandwatch.explain.bisector_tree import BisectorTree
from bandwatch.explain.shallow_tree import ShallowTree
from bandwatch.explain.tree_drawing import draw_tree
from bandwatch.pipeline.errors import BadInput


def distance(one, other):
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


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


def divided(rows, near, far):
    left = {row for row in rows if distance(row, near) <= distance(row, far)}
    return left, set(rows) - left


def cost_of(weights, centres, near, far, depth_factor):
    """The cost of a cut of {point: how often} and centres, in fractions; None where it may not be."""
    points, sides = divided(weights, near, far), divided(centres, near, far)
    if any(len(come) < len(own) for come, own in zip(points, sides, strict=True)):
        return None

    def nearest(come, own):
        return sum(weights[point] * min(distance(point, c) for c in own) for point in come)

    before = nearest(weights, centres)
    after = sum(nearest(come, own) for come, own in zip(points, sides, strict=True))
    alpha = Fraction(float(np.float32(len(points[0]) / len(weights))))
    beta = Fraction(float(np.float32(len(sides[0]) / len(centres))))
    height = sum(levels(1, len(p), len(c), alpha, beta) for p, c in zip(points, sides, strict=True))
    price = Fraction(after) / before if before else Fraction(1)
    return price + Fraction(depth_factor) * height / len(weights)


def test_every_cut_has_the_least_cost_of_all_pairs_written_out():
    cuts = leaves_of_several = 0
    for seed in range(25):
        random = np.random.default_rng(seed)
        # A coarse grid: equal points, points midway between centres, cuts of equal cost.
        features, spread = int(random.integers(1, 4)), int(random.integers(3, 7))
        X = random.integers(0, spread, (int(random.integers(20, 40)), features)).astype(float)
        centers = np.unique(
            random.integers(0, 2 * spread, (int(random.integers(2, 8)), features)) / 2, axis=0
        )
        random.shuffle(centers)
        if len(centers) < 2 or len(np.unique(X, axis=0)) < len(centers):
            continue
        factor = float(random.choice([0.0, 0.01, 0.3]))
        tree = BisectorTree(len(centers), factor).fit(X, centers)
        given = [tuple(map(Fraction, row)) for row in centers.tolist()]
        weights = {}
        for row in X.tolist():
            point = tuple(map(Fraction, row))
            weights[point] = weights.get(point, 0) + 1
        waiting = [(0, weights, set(range(len(given))))]
        while waiting:
            place, here, numbers = waiting.pop()
            node = tree.nodes_[place]
            assert {*node.centres} == numbers
            own = {number: given[number] for number in numbers}
            costs = {
                (a, b): cost_of(here, own.values(), own[a], own[b], factor) for a in own for b in own if a < b
            }
            costs = {pair: cost for pair, cost in costs.items() if cost is not None}
            assert node.is_leaf == (not costs)
            if node.is_leaf:
                leaves_of_several += len(numbers) > 1
                continue
            assert costs[node.near, node.far] - min(costs.values()) < 1e-12
            cuts += 1
            points = divided(here, own[node.near], own[node.far])
            sides = divided(own.values(), own[node.near], own[node.far])
            for child, come, side in zip((node.left, node.right), points, sides, strict=True):
                part = {point: here[point] for point in come}
                waiting.append((child, part, {number for number in numbers if own[number] in side}))
    assert cuts > 50
    assert leaves_of_several  # they were among the problems


def overlapping(clusters=24, features=8, n=6000, seed=1):
    random = np.random.default_rng(seed)
    centers = random.normal(size=(clusters, features))
    X = centers[random.integers(0, clusters, n)] + random.normal(0, 0.7, (n, features))
    return X, centers, ((X[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)


def test_two_centres_are_told_apart_as_k_means_does_without_a_mistake():
    X, centers, _ = overlapping(clusters=2)
    tree = BisectorTree(2).fit(X, centers)
    nearest = ((X[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(tree.predict(X), nearest)
    assert [node.misassigned for node in tree.nodes_] == [0, 0, 0]


def test_new_windows_get_their_cluster_more_often_than_by_cuts_along_features():
    X, centers, labels = overlapping()
    seen, unseen = slice(0, 3000), slice(3000, None)
    paper, ours = (kind(24).fit(X[seen], centers) for kind in (ShallowTree, BisectorTree))
    assert ours.n_leaves_ == 24
    assert ours.fidelity(X[unseen], labels[unseen]) > paper.fidelity(X[unseen], labels[unseen]) + 0.08


def test_neither_the_order_of_the_rows_nor_a_rotation_changes_the_tree():
    X, centers, _ = overlapping(clusters=9, n=500)
    random = np.random.default_rng(0)
    tree = BisectorTree(9).fit(X, centers)
    assert BisectorTree(9).fit(X[random.permutation(len(X))], centers).nodes_ == tree.nodes_
    turn = np.linalg.qr(random.normal(size=(8, 8)))[0]
    turned = BisectorTree(9).fit(X @ turn, centers @ turn)
    np.testing.assert_array_equal(turned.predict(X @ turn), tree.predict(X))


def test_a_path_holds_in_its_leaf_and_nowhere_else_and_is_told_in_words():
    X, centers, _ = overlapping(clusters=9, n=500)
    tree = BisectorTree(9).fit(X, centers)
    away = ((X[:, None] - centers) ** 2).sum(axis=2)
    leaves = tree.leaves(X)
    for number, node in enumerate(tree.nodes_):
        if not node.is_leaf:
            continue
        met = tree.conditions(number)
        holds = np.ones(len(X), dtype=bool)
        for each in met:
            holds &= (away[:, [each.near]] <= away[:, list(each.far)]).all(axis=1)
        np.testing.assert_array_equal(holds, leaves == number)
        assert sum(each.size for each in met) == node.depth
    line = BisectorTree(3).fit([[0.0], [1], [10], [11], [20], [21]], [[0.0], [10], [20]])
    assert [met.words({2: "meters"}) for met in line.path([11.0])] == [
        "more like cluster 1 than cluster 0 or meters"
    ]


def test_the_drawing_asks_of_two_clusters_by_their_names():
    X, centers, _ = overlapping(clusters=3, features=2, n=90)
    tree = BisectorTree(3).fit(X, centers)
    root = ET.fromstring(draw_tree(tree, cluster_names={0: "a & b"}))
    texts = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    names = ["a & b", "1", "2"]
    cuts = [node for node in tree.nodes_ if not node.is_leaf]
    for node in cuts:
        at = texts.index(f"more like {names[node.near]}")
        assert texts[at + 1 : at + 3] == [f"than {names[node.far]}", f"{node.samples} samples"]
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        if "rx" in box.attrib:
            x, y, w, h = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
            assert min(x, y) >= 0
            assert x + w <= width
            assert y + h <= height


def test_what_cannot_be_told_apart_shares_a_leaf_and_bad_input_is_named():
    X = np.array([[0.0, 7.0], [1.0, 7.0], [2.0, 7.0]])
    tree = BisectorTree(2).fit(X, [[1.0, 0.0], [1.0, 9.0]])  # all are nearer to the second
    assert (tree.n_leaves_, tree.nodes_[0].centres, tree.path(X[0])) == (1, (0, 1), ())
    np.testing.assert_array_equal(tree.predict(X), [1, 1, 1])
    with pytest.raises(BadInput, match="^centers: 0 and 1 are equal, all must differ"):
        BisectorTree(2).fit(X, [[1.0, 0.0], [1.0, 0.0]])
