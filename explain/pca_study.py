"""What the principal components keep of the features (the first paper's section IV-B and figure 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models.clustering import Projection, fit_projection
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64, read_only
from .neighbourhoods import Agreement, agreement_of

MOST_WINDOWS = 5000
FEWEST_WINDOWS = 16
PERPLEXITY = 30.0
NEIGHBOURS = 15
WINDOWS_A_NEIGHBOUR = 4  # at least: trustworthiness is not defined beyond half of the windows
_SAME = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class PcaStudy:
    """Features before and after the projection, side by side.

    `cumulative_variance` float64 [d]: the share of the variance that the first 1, 2, ... components explain;
    `components` of them are kept. Of the windows, `drawn` int64 [m] were looked at, ascending; `clusters`
    int64 [m] are theirs. `features_map` and `points_map` float32 [m, 2] are t-SNE maps of the features and of
    the points. `neighbours` nearest windows were compared: `kept` says how the points' neighbours agree with
    the features', `maps` how those in the map of the points do with those in the map of the features.
    """

    cumulative_variance: NDArray[np.float64]
    components: int
    drawn: Int64
    clusters: Int64
    features_map: Float32
    points_map: Float32
    neighbours: int
    kept: Agreement
    maps: Agreement

    def components_for(self, share: float) -> int:
        """How many components explain this share of the variance (the paper: 17 for 0.85)."""
        reached = np.searchsorted(self.cumulative_variance, share) + 1
        return min(int(reached), len(self.cumulative_variance))

    @property
    def kept_variance(self) -> float:
        """The share of the variance that the components kept explain."""
        return float(self.cumulative_variance[self.components - 1])


def study_components(
    features: Float32,
    projection: Projection,
    clusters: Int64,
    *,
    seed: int = 0,
    most: int = MOST_WINDOWS,
    neighbours: int = NEIGHBOURS,
) -> PcaStudy:
    """Study features [n, d] of windows in `clusters` [n] and their points under a projection.

    At most `most` windows are drawn for the maps and their comparison, all count for the variance. The same
    seed gives the same arrays on the same kind of machine. 5,000 windows: memory of 0.6 GB, most of it for
    one table of distances. Raises BadInput for fewer than 16 windows, another number of clusters than
    windows, features that the projection does not fit, or that are not finite.
    """
    if features.ndim != 2 or features.shape[1] != projection.dimensions:
        raise BadInput(f"features of shape {list(features.shape)}, needs [n, {projection.dimensions}]")
    if len(features) < FEWEST_WINDOWS or most < FEWEST_WINDOWS:
        raise BadInput(f"components of {min(len(features), most)} windows, needs at least {FEWEST_WINDOWS}")
    if clusters.shape != features.shape[:1]:
        raise BadInput(f"clusters of shape {list(clusters.shape)}, needs [{len(features)}]")
    if not np.isfinite(features).all():
        raise BadInput("features hold NaN or infinity")
    drawn = np.arange(len(features))
    if len(features) > most:
        drawn = np.sort(np.random.default_rng(seed).choice(len(features), most, replace=False))
    looked_at = features[drawn]
    points = projection.points(looked_at)
    features_map, points_map = t_sne(looked_at, seed), t_sne(points, seed)
    asked = min(neighbours, len(drawn) // WINDOWS_A_NEIGHBOUR)
    return PcaStudy(
        cumulative_variance=_cumulative_variance(features),
        components=projection.component_count,
        drawn=read_only(drawn.astype(np.int64)),
        clusters=read_only(clusters[drawn].astype(np.int64)),
        features_map=read_only(features_map),
        points_map=read_only(points_map),
        neighbours=asked,
        kept=agreement_of(looked_at, points, clusters[drawn], asked),
        maps=agreement_of(features_map, points_map, clusters[drawn], asked),
    )


def t_sne(rows: Float32, seed: int) -> Float32:
    """A map of rows [m, c] in two dimensions, float32 [m, 2]; van der Maaten and Hinton 2008.

    It begins with the first two principal components, so that maps of alike rows lie alike. Rows that are
    equal but for rounding, as of a receiver that gives one level, are all at 0: there is nothing to map.
    """
    if np.ptp(rows, axis=0).max() <= _SAME * np.abs(rows).max():
        return np.zeros((len(rows), 2), np.float32)
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    with threadpool_limits(1):
        tsne: Any = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
        return tsne.fit_transform(rows).astype(np.float32)


def average_windows(windows: NDArray[Any], clusters: Int64) -> dict[int, Float32]:
    """The average spectrogram of each cluster: windows [n, 128, 128], any floats -> float32 [128, 128]."""
    return {
        int(cluster): windows[clusters == cluster].mean(axis=0, dtype=np.float64).astype(np.float32)
        for cluster in np.unique(clusters)
    }


def _cumulative_variance(features: Float32) -> NDArray[np.float64]:
    """Of the first 1, 2, ... components; numerical nothings add nothing. Shape: [n, d] -> [d]."""
    ratio = fit_projection(features, features.shape[1], whiten=False).variance_ratio
    shares = np.zeros(features.shape[1])
    shares[: len(ratio)] = ratio
    return np.minimum(np.cumsum(shares), 1.0)
