"""Principal components, then k-means: what the encoder's training and the band models have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..pipeline.frames import Float32, Int64, read_only

# A component with less than this share of the variance is numerically nothing; whitening would blow it up.
LEAST_VARIANCE_SHARE = 1e-6
KMEANS_STARTS = 4


@dataclass(frozen=True, eq=False)  # no slots: what is derived once is kept beside the fields
class Projection:
    """Features to points: `(features - mean) @ components.T / scale`.

    `mean` float32 [d], `components` float32 [c, d] orthonormal rows, `scale` float32 [c] (the standard
    deviation along each component if whitened, else ones), `variance_ratio` float32 [c], the share of the
    features' variance that each component explains, largest first.
    """

    mean: Float32
    components: Float32
    scale: Float32
    variance_ratio: Float32

    @property
    def dimensions(self) -> int:
        """Of the features."""
        return self.mean.shape[0]

    @property
    def component_count(self) -> int:
        return self.components.shape[0]

    def points(self, features: Float32) -> Float32:
        """Shape: [n, d] -> [n, c]. To the bit, a row's point does not depend on the other rows."""
        points = _row_by_row(features - self.mean, self._matrix)
        return points.astype(np.float32, copy=False)

    @cached_property
    def _matrix(self) -> Float32:
        return read_only(self.components.T / self.scale)

    def features(self, points: Float32) -> Float32:
        """The way back, as far as the components reach. Shape: [n, c] -> [n, d]."""
        features = (points * self.scale) @ self.components + self.mean
        return features.astype(np.float32, copy=False)


def fit_projection(features: Float32, components: int, *, whiten: bool = True) -> Projection:
    """Principal components of features [n, d], at most `components`, n - 1 and d of them."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    wanted = max(1, min(components, features.shape[0] - 1, features.shape[1]))
    # One thread and doubles: the same bits in every run.
    with threadpool_limits(1), np.errstate(invalid="ignore"):
        pca: Any = PCA(wanted, svd_solver="covariance_eigh").fit(features.astype(np.float64))
    variance = np.nan_to_num(pca.explained_variance_)
    total = max(features.var(axis=0, ddof=1, dtype=np.float64).sum(), np.finfo(np.float32).tiny)
    kept = max(1, int((variance > LEAST_VARIANCE_SHARE * total).sum()))
    deviation = np.sqrt(variance[:kept])
    scale = np.where(deviation > 0, deviation, 1.0) if whiten else np.ones(kept)
    return Projection(
        mean=read_only(pca.mean_.astype(np.float32)),
        components=read_only(np.ascontiguousarray(pca.components_[:kept], dtype=np.float32)),
        scale=read_only(scale.astype(np.float32)),
        variance_ratio=read_only((variance[:kept] / total).astype(np.float32)),
    )


def fit_centres(points: Float32, clusters: int, seed: int) -> tuple[Float32, Int64]:
    """K-means of points [n, c]: centres float32 [k, c] and labels int64 [n].

    The best of four k-means++ starts; a cluster that empties is started anew at the point farthest from
    its centre. k is `clusters`, or the number of distinct points where there are fewer.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    count = min(clusters, len(np.unique(points, axis=0)))
    with threadpool_limits(1):
        kmeans: Any = KMeans(count, random_state=seed)
        kmeans.set_params(n_init=KMEANS_STARTS, algorithm="lloyd").fit(points)
    return kmeans.cluster_centers_.astype(np.float32), kmeans.labels_.astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Centres:
    """Centres float32 [k, c] and what every search for the nearest needs of them, worked out once."""

    points: Float32
    doubled: Float32
    norms: Float32

    @classmethod
    def of(cls, points: Float32) -> Centres:
        return cls(points, -2 * points.T, (points * points).sum(axis=1))

    def nearest(self, points: Float32) -> tuple[Int64, Float32]:
        """As `nearest`. Online each numpy call counts: hence methods, and no wrappers."""
        # |x - c|^2 = |x|^2 - 2 x.c + |c|^2, and the first term is the same for every centre.
        indices = (_row_by_row(points, self.doubled) + self.norms).argmin(axis=1)
        away = points - self.points.take(indices, axis=0)
        return indices.astype(np.int64, copy=False), np.sqrt(np.vecdot(away, away))


def nearest(points: Float32, centres: Float32) -> tuple[Int64, Float32]:
    """Index of each point's nearest centre and the Euclidean distance to it.

    Shape: [n, c], [k, c] -> int64 [n], float32 [n]. Independent of the other rows, to the bit.
    """
    return Centres.of(centres).nearest(points)


def _row_by_row(rows: Float32, matrix: Float32) -> Float32:
    """One product a row: a product over all rows would sum in another order for another number of them.

    Shape: [n, d] @ [d, c] -> [n, c].
    """
    return rows @ matrix if len(rows) == 1 else (rows[:, None, :] @ matrix)[:, 0, :]
