"""How alike the neighbourhoods of the same windows are in two spaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..pipeline.frames import Float32, Int64

MOST_COMPARED = 2048
"""Trustworthiness ranks every window by every other: 8 bytes for each pair, several times."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two spaces of the same windows.

    `trustworthiness` in [0, 1] (Venna and Kaski 2001): 1 where no neighbour in the second was far in the
    first. `neighbour_overlap` in [0, 1]: windows that are neighbours in both, among those that are in either
    (Jaccard), the mean; `overlap_by_chance` is what shuffled windows would have. `same_cluster` are the
    shares of neighbours that are of the window's own cluster, in the first and in the second.
    """

    trustworthiness: float
    neighbour_overlap: float
    overlap_by_chance: float
    same_cluster: tuple[float, float]


def agreement_of(first: Float32, second: Float32, clusters: Int64, neighbours: int) -> Agreement:
    """Compare the `neighbours` nearest of each window, rows of [m, a] and [m, b], in clusters [m].

    Trustworthiness is of evenly spread 2,048 windows where there are more. `neighbours` must be below m / 2.
    """
    from sklearn.manifold import trustworthiness
    from threadpoolctl import threadpool_limits

    some = slice(None, None, -(-len(first) // MOST_COMPARED))
    with threadpool_limits(1):
        trust = float(trustworthiness(first[some], second[some], n_neighbors=neighbours))
        nearest = nearest_rows(first, neighbours), nearest_rows(second, neighbours)
    return Agreement(
        trustworthiness=trust,
        neighbour_overlap=float(overlap(*nearest).mean()),
        overlap_by_chance=_by_chance(len(first) - 1, neighbours),
        same_cluster=(_same_cluster(nearest[0], clusters), _same_cluster(nearest[1], clusters)),
    )


def nearest_rows(rows: Float32, neighbours: int) -> Int64:
    """The nearest others of each row, ascending by number; int64 [m, neighbours]."""
    from sklearn.neighbors import NearestNeighbors

    search: Any = NearestNeighbors(n_neighbors=neighbours, n_jobs=1).fit(rows)
    # Asked without rows, it leaves out each row itself, also where another equals it.
    return np.sort(search.kneighbors(return_distance=False), axis=1).astype(np.int64)


def overlap(first: Int64, second: Int64) -> Float32:
    """Jaccard's index of each row's two sets, which hold no number twice.

    Shape: [m, k], [m, k] -> float32 [m].
    """
    both = np.sort(np.concatenate([first, second], axis=1), axis=1)
    shared = (both[:, 1:] == both[:, :-1]).sum(axis=1)
    return (shared / (both.shape[1] - shared)).astype(np.float32)


def _by_chance(others: int, neighbours: int) -> float:
    """Two random sets of k out of n share k^2 / n on average."""
    shared = neighbours * neighbours / others
    return shared / (2 * neighbours - shared)


def _same_cluster(nearest: Int64, clusters: Int64) -> float:
    return float((clusters[nearest] == clusters[:, None]).mean())
