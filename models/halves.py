"""Windows in two halves that have nothing in common: whole recordings, or stretches of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Int64

STRETCHES_A_RECORDING = 16


def stretches(recording: Int64, start_ns: Int64, truth: Int64 | None) -> Int64:
    """The stretch each window belongs to, int64 [n] from 0: what a half holds whole or not at all.

    A stretch is a recording where each truth (-1: unknown) is found in at least two of them; without a truth,
    where there are at least 16. Elsewhere each recording's windows, by their start, are cut into 16
    stretches of as many moments each. So windows next to each other, which often show one and the same
    transmission, mostly stay together.
    """
    if _apart(recording, truth):
        return np.unique(recording, return_inverse=True)[1].astype(np.int64)
    found = np.zeros(len(recording), dtype=np.int64)
    for number in np.unique(recording):
        own = recording == number
        moments, moment = np.unique(start_ns[own], return_inverse=True)
        found[own] = number * STRETCHES_A_RECORDING + moment * STRETCHES_A_RECORDING // len(moments)
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def first_half(stretch: Int64, truth: Int64 | None, seed: int) -> NDArray[np.bool_]:
    """Which windows are in the first half, bool [n]; both halves hold windows if there are two stretches.

    Stretches go to either half by turns in an order drawn by `seed`, those of one most frequent truth after
    one another, so that each truth comes in both halves where that can be.
    """
    random = np.random.default_rng(seed)
    numbers = np.unique(stretch)
    order = random.permutation(numbers)
    if truth is not None:
        main = {number: int(np.bincount(truth[stretch == number] + 1).argmax()) for number in numbers}
        order = np.array(sorted(order, key=lambda number: main[int(number)]), dtype=np.int64)
    return np.isin(stretch, order[::2])


def _apart(recording: Int64, truth: Int64 | None) -> bool:
    if truth is None:
        return len(np.unique(recording)) >= STRETCHES_A_RECORDING
    return all(len(np.unique(recording[truth == each])) > 1 for each in np.unique(truth[truth >= 0]))
