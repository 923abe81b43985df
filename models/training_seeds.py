"""Seeds of a training: one for each purpose and epoch, so that going on after a kill draws the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_for(seed: int, purpose: str, number: int) -> int:
    """The seed of a purpose's `number`th draw."""
    return int(np.random.SeedSequence([seed, *purpose.encode(), number]).generate_state(1)[0])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global generator seeded inside and left as it was: layers draw their weights from it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
