"""Changes to training windows that leave the kind of activity as it is, and drown what is not one."""

from __future__ import annotations

import torch
from torch import Tensor

from ..pipeline.windows import ABOVE_FLOOR_DB, BELOW_FLOOR_DB

LEVEL_JITTER_DB = 2.0
MOST_TILT_DB = 3.0
MOST_NOISE_DB = 3.0

_SPAN_DB = BELOW_FLOOR_DB + ABOVE_FLOOR_DB


def augment(windows: Tensor, random: torch.Generator) -> Tensor:
    """Each window changed at random: moved in time (what leaves at one end enters at the other), mirrored in
    frequency or not, raised or lowered by about 2 dB, tilted by up to 3 dB towards either edge, and given
    noise of its own strength, up to 3 dB.

    Without the last three the clusters come to tell receivers apart, by their roll-off and the scatter of
    their noise, rather than what is sent.

    Shape: [n, rows, bins] in [0, 1] -> the same.
    """
    count, rows, bins = windows.shape
    shift = torch.randint(0, rows, (count, 1), generator=random)
    order = (torch.arange(rows) + shift) % rows  # [n, rows]
    changed = windows[torch.arange(count)[:, None], order]
    mirrored = torch.rand(count, generator=random) < 0.5
    changed[mirrored] = changed[mirrored].flip(2)
    level_db = LEVEL_JITTER_DB * torch.randn((count, 1, 1), generator=random)
    tilt_db = MOST_TILT_DB * (2 * torch.rand((count, 1, 1), generator=random) - 1)
    changed += (level_db + tilt_db * torch.linspace(-1, 1, bins)) / _SPAN_DB
    noise_db = MOST_NOISE_DB * torch.rand((count, 1, 1), generator=random)
    changed += noise_db / _SPAN_DB * torch.randn(changed.shape, generator=random)
    return changed.clamp_(0, 1)
