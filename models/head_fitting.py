"""The training's last linear layer made to name the clusters of the last k-means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..pipeline.frames import Float32, Int64, read_only
from .head import Head
from .pseudo_labels import Clustering, partners

STEPS = 100
# Half the penalty on the squared weights of standardised features. On 2,048 windows of varied bands, shipped
# encoder, 24 clusters: 0.998 of these and 0.955 of 1,024 others are named right; 1e-5 gives 1.000 and 0.940
# and weights nearly three times as large, 1e-2 gives 0.985 and 0.954.
RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class HeadFit:
    """`matched`: share of the windows that the training's layer gave their final cluster, rows re-ordered and
    no more; `agreement`: the same after the fit; `worst`: that of the cluster where it is least."""

    head: Head
    matched: float
    agreement: float
    worst: float


def fit_head(features: Float32, clustering: Clustering, weight: Float32, bias: Float32) -> HeadFit:
    """Fit the linear layer weight [m, d], bias [m] of a training to the final clusters of features [n, d].

    The last epochs taught it the clusters of the last clustering before, and the encoder has moved since. So
    its rows are first paired with the final clusters that they predict (Hungarian method); from there it
    learns the final labels with the encoder as it is: cross-entropy in which each cluster weighs the same, as
    in the training, over all windows at once (L-BFGS in double precision, features standardised). Nearest
    centres of a linear projection are parted by hyperplanes: a layer that names all windows right exists.
    """
    labels = clustering.labels
    scores = features @ weight.T + bias
    rows = _rows_for(scores.argmax(axis=1).astype(np.int64), labels, len(weight))
    mean = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    deviation[deviation == 0] = 1  # a feature that never changes
    standard = torch.from_numpy((features - mean) / deviation)
    # A vector added to all rows changes no probability: without their mean, rows say what sets them apart.
    start_weight = weight[rows] * deviation
    start_bias = bias[rows] + weight[rows] @ mean
    fitted_weight, fitted_bias = _fitted(
        standard,
        torch.from_numpy(labels),
        torch.from_numpy(start_weight - start_weight.mean(axis=0)),
        torch.from_numpy(start_bias - start_bias.mean()),
    )
    final_weight = fitted_weight.numpy() / deviation
    final_bias = fitted_bias.numpy() - final_weight @ mean
    head = Head(
        read_only(final_weight.astype(np.float32)),
        read_only(final_bias.astype(np.float32)),
        clustering.projection,
        read_only(clustering.centres),
    )
    right = head.clusters(features) == labels
    shares = np.bincount(labels, weights=right) / np.bincount(labels)
    matched = float((scores[:, rows].argmax(axis=1) == labels).mean())
    return HeadFit(head, matched, float(right.mean()), float(shares.min()))


def _rows_for(predicted: Int64, labels: Int64, row_count: int) -> Int64:
    """The layer's row for each final cluster; clusters beyond those it predicts get rows that are left."""
    rows = partners(predicted, labels)
    left = iter(np.setdiff1d(np.arange(row_count), rows))
    return np.array([row if row >= 0 else next(left) for row in rows], dtype=np.int64)


def _fitted(features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression from a start; float64 [n, d], [n], [k, d], [k] -> [k, d], [k]."""
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    evenly = 1 / torch.bincount(labels, minlength=len(bias)).double()
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scores = features @ weight.T + bias
        value = nn.functional.cross_entropy(scores, labels, weight=evenly) + RIDGE / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weight.detach(), bias.detach()
