"""What a window's features say for each cluster, in torch: the scalars that attributions start from."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..models.clustering import Projection
from ..models.head import Head
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32


class ClusterScores(nn.Module):
    """Features to a score for each cluster. Frozen: buffers only, no parameters.

    Shape: [n, dimensions] -> [n, cluster_count]. The highest score is that of the cluster the window is in.
    """

    dimensions: int
    cluster_count: int


class _CentreScores(ClusterScores):
    """What both scores of centres share: squared distances through the principal components."""

    mean: Tensor
    matrix: Tensor
    centres: Tensor

    def __init__(self, projection: Projection, centres: Float32) -> None:
        super().__init__()
        if centres.ndim != 2 or centres.shape[1] != projection.component_count or not len(centres):
            needed = f"[k, {projection.component_count}], k at least 1"
            raise BadInput(f"centres of shape {list(centres.shape)}, needs {needed}")
        self.dimensions, self.cluster_count = projection.dimensions, len(centres)
        self.register_buffer("mean", _tensor(projection.mean))
        self.register_buffer("matrix", _tensor(projection.components.T / projection.scale))
        self.register_buffer("centres", _tensor(centres))

    def squared_distances(self, features: Tensor) -> Tensor:
        """Shape: [n, d] -> [n, k]."""
        points = (features - self.mean) @ self.matrix
        return (points[:, None, :] - self.centres).square().sum(dim=2)


class DistanceScores(_CentreScores):
    """Minus the squared distance of the window's point from each centre: how typical of it the window is."""

    def forward(self, features: Tensor) -> Tensor:
        return -self.squared_distances(features)


class MarginScores(_CentreScores):
    """How much nearer a centre is than the nearest other one, in squared distances: why this cluster.

    Above 0 exactly for the assigned one (Kauffmann et al., "From Clustering to Cluster Explanations via
    Neural Networks", IEEE TNNLS 2022, equation 4: k-means as a network, whose evidence is linear in the
    point). With a single centre there is no other, and the score is that of `DistanceScores`.
    """

    def forward(self, features: Tensor) -> Tensor:
        squared = self.squared_distances(features)
        if self.cluster_count == 1:
            return -squared
        least = squared.topk(2, dim=1, largest=False)
        is_nearest = torch.arange(self.cluster_count, device=squared.device) == least.indices[:, :1]
        nearest_other = torch.where(is_nearest, least.values[:, 1:], least.values[:, :1])  # [n, k]
        return nearest_other - squared


class HeadScores(ClusterScores):
    """The scores of the linear layer that a DeepCluster bundle keeps for its training's own clusters."""

    weight: Tensor
    bias: Tensor

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.dimensions, self.cluster_count = head.dimensions, head.cluster_count
        self.register_buffer("weight", _tensor(head.weight))
        self.register_buffer("bias", _tensor(head.bias))

    def forward(self, features: Tensor) -> Tensor:
        return nn.functional.linear(features, self.weight, self.bias)


def _tensor(array: Float32) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))
