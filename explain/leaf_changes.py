"""How many windows change their leaf where components and clusters are made anew, as the first paper asks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..models.clustering import fit_centres, fit_projection
from ..pipeline.frames import Float32, Int64
from .bisector_tree import BisectorTree

RERUNS = 3
LEFT_OUT = 10  # one window in so many


@dataclass(frozen=True, slots=True)
class LeafChanges:
    """Shares of windows, medians over `reruns`: `other_seed` where k-means starts from another seed on the
    same windows (the components are the same then), `other_windows` where components, k-means and tree are
    made anew from nine in ten of the windows."""

    reruns: int
    other_seed: float
    other_windows: float


def leaf_changes(
    features: Float32, *, clusters: int, components: int, whiten: bool, seed: int = 0, reruns: int = RERUNS
) -> LeafChanges:
    """Grow the tree again and again on features [n, d], and count windows that are in another leaf.

    Leaves have no names of their own: they are paired so that as few windows as can be change.
    """

    def leaves(learnt: Float32, its_seed: int) -> Int64:
        projection = fit_projection(learnt, components, whiten=whiten)
        points = projection.points(learnt)
        centres, _ = fit_centres(points, clusters, its_seed)
        return BisectorTree(len(centres)).fit(points, centres).predict(projection.points(features))

    first = leaves(features, seed)
    by_seed: list[float] = []
    by_windows: list[float] = []
    for number in range(1, reruns + 1):
        random = np.random.default_rng((seed, number))
        drawn = np.sort(random.permutation(len(features))[len(features) // LEFT_OUT :])
        by_seed.append(changed_share(first, leaves(features, seed + number)))
        by_windows.append(changed_share(first, leaves(features[drawn], seed + number)))
    return LeafChanges(reruns, float(np.median(by_seed)), float(np.median(by_windows)))


def changed_share(before: Int64, after: Int64) -> float:
    """The share of windows whose leaf is not the partner of the one before, partners chosen one to one so
    that it is least (Kuhn's assignment). Shape: [n], [n] numbers from 0."""
    table = np.zeros((before.max() + 1, after.max() + 1), dtype=np.int64)
    np.add.at(table, (before, after), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(1 - table[rows, columns].sum() / len(before))
