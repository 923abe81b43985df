"""SHAP values as expected gradients, along every path: slower than `shap`, and what it is checked against."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..pipeline.frames import Float32
from .frozen_network import FrozenNetwork, Target, mean_of_outputs

PLACES = 64


def integrated_gradients(
    network: nn.Module,
    history: Float32,
    baseline: Float32,
    *,
    target: Target = mean_of_outputs,
    places: int = PLACES,
) -> Float32:
    """Integrated gradients (Sundararajan et al. 2017) of one history against one baseline.

    The integral along the straight way between them by Gauss and Legendre's rule at `places` places: exact
    where the gradient is a polynomial of the place; where ReLUs and pools change sides the error falls as
    1 / `places`.

    Shape: [24, F] twice -> float32 [24, F]; the sum is nearly the difference of the targets.
    """
    frozen = FrozenNetwork(network, target)
    return _along(frozen, history, baseline, places).astype(np.float32)


def exact_expected_gradients(
    network: nn.Module,
    histories: Float32,
    background: Float32,
    *,
    target: Target = mean_of_outputs,
    places: int = PLACES,
) -> Float32:
    """The mean of `integrated_gradients` over all background histories, of each window.

    Shape: histories [n, 24, F], background [b, 24, F] -> float32 [n, 24, F]; n * b * places gradients.
    """
    frozen = FrozenNetwork(network, target)
    found = [
        np.mean([_along(frozen, history, baseline, places) for baseline in background], axis=0)
        for history in histories
    ]
    return np.array(found, dtype=np.float32).reshape(histories.shape)


def _along(frozen: FrozenNetwork, history: Float32, baseline: Float32, places: int) -> NDArray[np.float64]:
    start, end = frozen.tensor(np.stack([baseline, history]))
    nodes, weights = np.polynomial.legendre.leggauss(places)  # on -1 to 1, weights sum to 2
    way = torch.from_numpy((nodes + 1) / 2).to(start.device)
    gradients = frozen.gradients(torch.lerp(start[None], end[None], way[:, None, None]))
    mean = torch.einsum("p,ptf->tf", torch.from_numpy(weights / 2).to(start.device), gradients)
    return ((end - start) * mean).cpu().numpy()
