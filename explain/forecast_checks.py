"""Whether explanations of forecasts can be believed: a planted leader, and networks that forgot it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..models.forecasters.forecaster import HORIZON_STEPS
from ..pipeline.frames import Float32

LAG_STEPS = HORIZON_STEPS  # so that the leader's last steps are all that is to be forecast
NOISE = 0.5  # beside bursts of 1


@dataclass(frozen=True, slots=True, eq=False)
class PlantedLeader:
    """Rows in which one frequency does what all others do twelve steps later, each with noise of its own.

    `values` float32 [rows, F], scaled to mean 0 and deviation 1; `leader` its column; `on` bool [rows], where
    the leader is in a burst.
    """

    values: Float32
    leader: int
    on: NDArray[np.bool_]

    @classmethod
    def make(
        cls, seed: int, *, rows: int = 900, frequencies: int = 16, opposed: bool = False
    ) -> PlantedLeader:
        """Bursts of 4 to 8 steps, 8 to 24 steps apart, at random; the leader is drawn, too.

        `opposed`: every other follower falls where the leader rose, so that the mean of all says little.
        """
        draw = np.random.default_rng(seed)
        leader = int(draw.integers(frequencies))
        ends = np.cumsum(np.stack([draw.integers(8, 25, rows), draw.integers(4, 9, rows)], axis=1))
        on = np.searchsorted(ends, np.arange(rows + LAG_STEPS), side="right") % 2 == 1
        bursts = np.repeat(on[:rows, np.newaxis].astype(float), frequencies, axis=1)
        if opposed:
            bursts[:, 1::2] *= -1
        bursts[:, leader] = on[LAG_STEPS:]
        values = bursts + NOISE * draw.normal(size=bursts.shape)
        values = (values - values.mean(axis=0)) / values.std(axis=0)
        return cls(values.astype(np.float32), leader, on[LAG_STEPS:])


def shuffled(network: nn.Module, seed: int) -> nn.Module:
    """A copy whose weights are its own in another order, layer by layer: as large, and nothing is learnt.

    After Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018: an explanation that stays the same
    does not explain the network.
    """
    draw = torch.Generator().manual_seed(seed)
    copy = deepcopy(network)
    with torch.no_grad():
        for weight in copy.parameters():
            order = torch.randperm(weight.numel(), generator=draw)
            weight.copy_(weight.flatten()[order.to(weight.device)].view_as(weight))
    return copy
