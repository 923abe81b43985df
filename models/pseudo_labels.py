"""The labels that DeepCluster gives itself: components, k-means, and how to draw from the clusters."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64, read_only
from .clustering import Projection, fit_centres, fit_projection, nearest

RESEEDINGS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Clustering:
    """All windows clustered: `projection` to points, `centres` float32 [k, c], `labels` int64 [n] below k.

    Every cluster has a window, and a window's label is that of the centre nearest to its point.
    """

    projection: Projection
    centres: Float32
    labels: Int64

    @property
    def size_entropy(self) -> float:
        """Of the clusters' sizes, over its most: 1 where all are equally large, 0 where one has all."""
        shares = np.bincount(self.labels) / len(self.labels)
        if len(shares) < 2:
            return 0.0
        return float(-(shares * np.log(shares)).sum() / np.log(len(shares)))


def cluster(features: Float32, *, clusters: int, components: float, whiten: bool, seed: int) -> Clustering:
    """Cluster features [n, d]; `components` as `fit_components` takes it.

    There are fewer than `clusters` only where fewer points can be told apart.
    """
    projection = fit_components(features, components, whiten=whiten)
    points = projection.points(features)
    with warnings.catch_warnings():
        # scikit-learn's word for a cluster that ended up empty, which is seen to here.
        warnings.filterwarnings("ignore", message="Number of distinct clusters")
        centres, _ = fit_centres(points, clusters, seed)
        centres = without_empty(points, centres)
    labels, _ = nearest(points, centres)
    return Clustering(projection, centres, labels)


def check_components(components: float) -> None:
    """BadInput if it is neither a number of components nor a share of the variance."""
    if isinstance(components, int):
        if components < 1:
            raise BadInput(f"{components} principal components, needs at least 1")
    elif not 0 < components < 1:
        raise BadInput(f"principal components for a share of {components:g} of the variance, needs 0 to 1")


def fit_components(features: Float32, components: float, *, whiten: bool = True) -> Projection:
    """Principal components of features [n, d]: an int of them, or as many as explain a share of the variance.

    The first paper takes 20 and finds that the first 17 explain 0.85 (section V-A, figure 3a).
    """
    check_components(components)
    if isinstance(components, int):
        return fit_projection(features, components, whiten=whiten)
    whole = fit_projection(features, features.shape[1], whiten=whiten)
    explained = np.cumsum(whole.variance_ratio, dtype=np.float64)
    kept = min(int(np.searchsorted(explained, components)) + 1, whole.component_count)
    return Projection(
        mean=whole.mean,
        components=read_only(whole.components[:kept].copy()),
        scale=read_only(whole.scale[:kept].copy()),
        variance_ratio=read_only(whole.variance_ratio[:kept].copy()),
    )


def without_empty(points: Float32, centres: Float32) -> Float32:
    """Centres of which each is nearest to some point: an empty one is started anew, and k-means goes on.

    Shape: [n, c], [k, c] -> [k, c], fewer where fewer points can be told apart.

    scikit-learn moves what empties on the way, but the last assignment may empty a cluster again, for
    instance where points lie so close that their distances round to the same. A new start is the point
    farthest from its centre, so that the widest cluster is split; Caron et al. 2018 (section 3.3) split one
    at random.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    for _ in range(RESEEDINGS):
        labels, distances = nearest(points, centres)
        empty = np.flatnonzero(np.bincount(labels, minlength=len(centres)) == 0)
        if not empty.size:
            return centres
        if not distances.any():
            break  # every point is a centre
        started = centres.copy()
        for index in empty:
            farthest = int(distances.argmax())
            started[index] = points[farthest]
            distances = np.minimum(distances, np.linalg.norm(points - points[farthest], axis=1))
        with threadpool_limits(1):
            kmeans: Any = KMeans(len(started))
            kmeans.set_params(init=started, n_init=1, algorithm="lloyd").fit(points)
        centres = kmeans.cluster_centers_.astype(np.float32)
    # Distances to fewer centres may round otherwise, and empty one more.
    while len(used := np.unique(nearest(points, centres)[0])) < len(centres):
        centres = centres[used]
    return centres


def partners(before: Int64, after: Int64) -> Int64:
    """The cluster of `before` that is the partner of each of `after`, int64 [clusters after], -1 for none.

    Both label the same windows [n]. Pairs share as many windows as any pairing can (Kuhn 1955).
    """
    from scipy.optimize import linear_sum_assignment

    shared = np.zeros((int(after.max()) + 1, int(before.max()) + 1), dtype=np.int64)
    np.add.at(shared, (after, before), 1)
    new, old = linear_sum_assignment(shared, maximize=True)
    found = np.full(len(shared), -1, dtype=np.int64)
    found[new] = old
    return found


def changed_share(before: Int64, after: Int64) -> float:
    """Share of windows that are not in their old cluster's partner: k-means numbers clusters at random."""
    return float((partners(before, after)[after] != before).mean())


def even_draw(labels: Int64, count: int, random: torch.Generator) -> Tensor:
    """Indices of `count` windows, int64 [count]: a cluster at random, then one of its windows, so that a
    large cluster does not drown the others (Caron et al. 2018, section 3.3)."""
    order = torch.from_numpy(np.argsort(labels, kind="stable"))
    _, sizes = np.unique(labels, return_counts=True)
    size = torch.from_numpy(sizes)
    first = torch.cumsum(size, 0) - size
    cluster = torch.randint(len(sizes), (count,), generator=random)
    within = (torch.rand(count, generator=random, dtype=torch.float64) * size[cluster]).long()
    return order[first[cluster] + within]
