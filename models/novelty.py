"""How far a window is from what its cluster usually shows, and how rarely a usual one is as far."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Float32, Int64, read_only
from .clustering import fit_projection

WIDEST = 16
WINDOWS_A_COMPONENT = 8
PRIOR_WINDOWS = 1000
LEAST_VARIANCE_RATIO = 1e-3
OUTSIDE_WEIGHT = 16.0
LEAST_OUTSIDE_SHARE = 1e-4


@dataclass(frozen=True, eq=False)  # no slots: what is derived once is kept beside the fields
class Usual:
    """The usual windows of each cluster, as a mixture of Gaussians, and how far off usual windows are.

    The distance is Mahalanobis' from the mean of the window's cluster. Its covariance is the cluster's own
    among `components` float32 [c, d] (orthonormal rows), and the same in all directions outside them
    (mixtures of probabilistic principal component analysers: Tipping and Bishop, Neural Computation 11
    (1999), 443). `middles` float32 [k, c] are the means, `whitening` float32 [k, c, c] turns what is left
    into steps of one standard deviation; `outside` float32 [1] is what a unit of squared length outside
    counts, 0 where the components reach everything: of features x less their mean,
    |whitening (components x - middle)|^2 + outside (|x|^2 - |components x|^2) is the distance squared.

    `calibration` float32 [m], ascending, are distances of usual windows that the mixture was not fitted on;
    as many as `disjoint` of them at most share no row.
    """

    components: Float32
    middles: Float32
    whitening: Float32
    outside: Float32
    calibration: Float32
    disjoint: int

    @property
    def component_count(self) -> int:
        return self.components.shape[0]

    def novelty(self, distance: float) -> float:
        """1 - p of a distance: in [0, 1].

        p = (1 + w a) / (1 + w m), a the calibration distances not below this one, of m. With w = 1 it is the
        conformal p-value: of usual windows at most a share p has a novelty of 1 - p or more (Laxhammar and
        Falkman 2015, section 3). Windows that share rows are worth less than as many disjoint ones: w m is
        the number of those, so that a short time, however finely cut, calls little novel.
        """
        return self._novelties[bisect_left(self._ascending, distance)]

    @cached_property
    def _ascending(self) -> list[float]:
        return self.calibration.tolist()

    @cached_property
    def _novelties(self) -> list[float]:
        """The novelty of a distance above so many of the calibration's, m + 1."""
        count = self.calibration.size
        weight = min(1.0, self.disjoint / max(count, 1))
        not_below = count - np.arange(count + 1)
        return (1 - (1 + weight * not_below) / (1 + weight * count)).tolist()


def fit_usual(
    features: Float32, labels: Int64, calibration: Float32 | None = None, disjoint: int = 1
) -> Usual:
    """The mixture of features [n, d] in clusters `labels` [n], 0 to k - 1, none empty.

    Up to 16 components, at least 8 windows to each. A cluster's covariance is drawn towards that of all
    clusters, as if 1,000 more windows had that; no direction's variance counts as less than a thousandth of
    the mean one's. What is outside counts as sixteen components, whatever its dimensions: their variances
    are unequal, and faint ones many.
    """
    wanted = max(1, min(WIDEST, len(features) // WINDOWS_A_COMPONENT))
    projection = fit_projection(features, wanted, whiten=False)
    points = projection.points(features).astype(np.float64)
    clusters = int(labels.max()) + 1
    members = [points[labels == cluster] for cluster in range(clusters)]
    middles = np.stack([inside.mean(axis=0) for inside in members])
    scatters = np.stack([_scatter(inside - middle) for inside, middle in zip(members, middles, strict=True)])
    pooled = scatters.sum(axis=0) / len(points)
    least = LEAST_VARIANCE_RATIO * np.trace(pooled) / len(pooled) or 1.0
    counts = np.array([len(inside) for inside in members])[:, None, None]
    covariances = (scatters + PRIOR_WINDOWS * pooled) / (counts + PRIOR_WINDOWS)
    covariances += least * np.eye(len(pooled))
    return Usual(
        components=projection.components,
        middles=read_only(middles.astype(np.float32)),
        whitening=read_only(np.linalg.inv(np.linalg.cholesky(covariances)).astype(np.float32)),
        outside=read_only(np.array([_outside(features - projection.mean, points)], np.float32)),
        calibration=read_only(np.zeros(0, np.float32) if calibration is None else calibration),
        disjoint=disjoint,
    )


def _scatter(away: NDArray[np.float64]) -> NDArray[np.float64]:
    return away.T @ away


def _outside(centred: Float32, points: NDArray[np.float64]) -> float:
    """What a unit of squared length outside the components counts."""
    whole = np.square(centred, dtype=np.float64).sum(axis=1)
    left = np.maximum(whole - np.square(points).sum(axis=1), 0).mean()
    if not left > LEAST_OUTSIDE_SHARE * whole.mean() or not math.isfinite(left):
        return 0.0
    return OUTSIDE_WEIGHT / left
