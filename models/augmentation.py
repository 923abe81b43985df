"""Small changes to training windows that leave the kind of activity as it is."""

from __future__ import annotations

import torch
from torch import Tensor

LEVEL_JITTER = 1.0 / 40  # standard deviation: 1 dB of the 40 dB a window spans
NOISE = 0.5 / 40


def augment(windows: Tensor, random: torch.Generator) -> Tensor:
    """Each window shifted in time (what leaves at one end enters at the other), mirrored in frequency or
    not, its level raised or lowered by about 1 dB, and a little noise added.

    Shape: [n, rows, bins] in [0, 1] -> the same.
    """
    count, rows, _ = windows.shape
    shift = torch.randint(0, rows, (count, 1), generator=random)
    order = (torch.arange(rows) + shift) % rows  # [n, rows]
    changed = windows[torch.arange(count)[:, None], order]
    mirrored = torch.rand(count, generator=random) < 0.5
    changed[mirrored] = changed[mirrored].flip(2)
    changed += LEVEL_JITTER * torch.randn((count, 1, 1), generator=random)
    changed += NOISE * torch.randn(changed.shape, generator=random)
    return changed.clamp_(0, 1)
