"""The numbers that clusters go by: a re-fit keeps those of clusters that stayed."""

from __future__ import annotations

import numpy as np

from ..pipeline.frames import Float32, Int64
from .activity import BandModel


def kept_numbers(
    centres: Float32, old_centres: Float32, old_numbers: Int64, *, farthest: float, next_number: int
) -> Int64:
    """Numbers int64 [k] for new centres [k, d]; each old centre [j, d] gives its own to at most one.

    They are paired so that the sum of squared distances is least, one beyond `farthest` counting as that
    (Hungarian method). Pairs `farthest` apart or more are none: such a centre, and any left over, gets a
    number nobody had, from `next_number` on.
    """
    from scipy.optimize import linear_sum_assignment

    away = centres[:, None, :].astype(np.float64) - old_centres[None, :, :]
    squares = (away * away).sum(axis=2)
    new_index, old_index = linear_sum_assignment(np.minimum(squares, farthest**2))
    near = squares[new_index, old_index] < farthest**2
    numbers = np.full(len(centres), -1, dtype=np.int64)
    numbers[new_index[near]] = old_numbers[old_index[near]]
    left = np.flatnonzero(numbers < 0)
    numbers[left] = next_number + np.arange(len(left))
    return numbers


def numbers_after(previous: BandModel, centres: Float32) -> tuple[Int64, int]:
    """Numbers for new centres [k, d] in feature space, and how many were ever given out.

    The old model measures: a new centre farther from an old one than any window was from its own is another
    cluster.
    """
    numbers = kept_numbers(
        previous.points(centres),
        previous.centres,
        previous.clusters,
        farthest=previous.farthest,
        next_number=previous.numbers_used,
    )
    return numbers, max(previous.numbers_used, int(numbers.max()) + 1)
