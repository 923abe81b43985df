"""How good a clustering is: agreement with a truth, its level by chance, and figures that need no truth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    normalized_mutual_info_score,
    silhouette_score,
)
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from ..pipeline.frames import Float32, Int64
from .clustering import fit_centres, fit_projection, nearest

NEIGHBOURS = 5
SILHOUETTE_WINDOWS = 2048
PERMUTATIONS = 100

Bools = NDArray[np.bool_]
Figures = dict[str, float]


def agreement(truth: Int64, clusters: Int64) -> Figures:
    """`nmi` (by the arithmetic mean of the entropies), `ami`, `ari` and `purity` of two labellings [n].

    AMI and ARI are 0 by chance; NMI and purity grow with the number of clusters: see `chance`.
    """
    return {
        "nmi": float(normalized_mutual_info_score(truth, clusters)),
        "ami": float(adjusted_mutual_info_score(truth, clusters)),
        "ari": float(adjusted_rand_score(truth, clusters)),
        "purity": purity(truth, clusters),
    }


def purity(truth: Int64, clusters: Int64) -> float:
    """The share of windows whose truth is the most frequent one of their cluster."""
    return float(contingency(truth, clusters).max(axis=0).sum() / len(truth))


def contingency(truth: Int64, clusters: Int64) -> Int64:
    """How many windows have truth i and cluster j; int64 [distinct truths, distinct clusters]."""
    rows, row = np.unique(truth, return_inverse=True)
    columns, column = np.unique(clusters, return_inverse=True)
    return _counted(row, column, len(rows), len(columns))


def chance(truth: Int64, clusters: Int64, seed: int, permutations: int = PERMUTATIONS) -> Figures:
    """What clusters of the same sizes that know nothing come to: the truth is shuffled `permutations` times.

    `nmi`, `ari`, `purity`: the means; `nmi_95`: the NMI that one in twenty shuffles exceeds.
    """
    random = np.random.default_rng(seed)
    rows, row = np.unique(truth, return_inverse=True)
    columns, column = np.unique(clusters, return_inverse=True)
    found = np.empty((permutations, 3))
    for number in range(permutations):
        counts = _counted(random.permutation(row), column, len(rows), len(columns))
        found[number] = _nmi(counts), _ari(counts), counts.max(axis=0).sum() / len(truth)
    nmi, ari, pure = found.mean(axis=0)
    return {
        "nmi": float(nmi),
        "nmi_95": float(np.quantile(found[:, 0], 0.95)),
        "ari": float(ari),
        "purity": float(pure),
    }


def neighbour_accuracy(points: Float32, truth: Int64, is_first: Bools, neighbours: int = NEIGHBOURS) -> float:
    """The share of windows that the vote of their nearest neighbours in the other half names right.

    `is_first` [n] says which half a window is in: neighbours never come from its own (`halves.py`).
    """
    right = 0
    for asked in (is_first, ~is_first):
        if not asked.any() or asked.all():
            raise ValueError("a half is empty")
        known = ~asked
        voters: Any = KNeighborsClassifier(min(neighbours, int(known.sum())))
        with threadpool_limits(1):
            voters.fit(points[known], truth[known])
            right += int((voters.predict(points[asked]) == truth[asked]).sum())
    return right / len(truth)


def silhouette(points: Float32, clusters: Int64, seed: int, most: int = SILHOUETTE_WINDOWS) -> float:
    """The mean silhouette (Rousseeuw 1987), of `most` windows drawn at random where there are more.

    Between -1 and 1; NaN where all windows asked are of one cluster, or each is a cluster of its own.
    """
    if len(points) > most:
        drawn = np.random.default_rng(seed).choice(len(points), most, replace=False)
        points, clusters = points[drawn], clusters[drawn]
    if not 1 < len(np.unique(clusters)) < len(clusters):
        return float("nan")
    with threadpool_limits(1):
        return float(silhouette_score(points, clusters))


def stability(labellings: Sequence[Int64]) -> float:
    """The mean ARI of every two labellings of the same windows; NaN for fewer than two."""
    pairs = [adjusted_rand_score(one, other) for one, other in combinations(labellings, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def stability_between_halves(
    features: Float32, is_first: Bools, *, clusters: int, components: int, whiten: bool, seed: int
) -> float:
    """ARI of two labellings of all windows: of PCA and k-means fitted on one half, and on the other."""
    labellings: list[Int64] = []
    for half in (is_first, ~is_first):
        projection = fit_projection(features[half], components, whiten=whiten)
        centres, _ = fit_centres(projection.points(features[half]), clusters, seed)
        labellings.append(nearest(projection.points(features), centres)[0])
    return stability(labellings)


def _counted(row: Int64, column: Int64, rows: int, columns: int) -> Int64:
    return np.bincount(row * columns + column, minlength=rows * columns).reshape(rows, columns)


def _nmi(counts: Int64) -> float:
    """scikit-learn's from a table of counts; a hundred of its own take seconds."""
    shares = counts / counts.sum()
    joint, rows, columns = (_entropy(each) for each in (shares, shares.sum(axis=1), shares.sum(axis=0)))
    return 2 * (rows + columns - joint) / (rows + columns) if rows + columns > 0 else 1.0


def _entropy(shares: NDArray[np.float64]) -> float:
    above = shares[shares > 0]
    return float(-(above * np.log(above)).sum())


def _ari(counts: Int64) -> float:
    """Hubert and Arabie 1985, equation 5."""
    together, rows, columns = (
        float((each * (each - 1) / 2).sum()) for each in (counts, counts.sum(axis=1), counts.sum(axis=0))
    )
    count = int(counts.sum())
    expected = rows * columns / (count * (count - 1) / 2)
    most = (rows + columns) / 2
    return (together - expected) / (most - expected) if most > expected else 1.0
