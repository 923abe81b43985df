"""The third paper's global map I(t, f): the mean of all windows' maps that cover a step of the recording.

Twice: `global_map` of windows that are all there, and `StreamingMap` window by window; `even_map` of few.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from ..pipeline.histories import HISTORY_STEPS

LEAST_WEIGHT = 0.02  # of a usual step: a row that stands only where nothing moves a forecast tells nothing


def global_map(maps: Float32, firsts: Int64, rows: int) -> Float32:
    """Equation 19: I(t, f) = mean over the windows i that cover t of L_i(t - first_i, f).

    Shape: maps [n, 24, F], the rows at which their windows begin [n] -> float32 [rows, F], NaN where no
    window covers a row. Raises BadInput where these do not fit each other.
    """
    if maps.ndim != 3 or maps.shape[1] != HISTORY_STEPS or firsts.shape != maps.shape[:1]:
        raise BadInput(
            f"maps of shape {list(maps.shape)} from rows {list(firsts.shape)}, "
            f"needs [n, {HISTORY_STEPS}, F] and [n]"
        )
    if len(firsts) and not 0 <= firsts.min() <= firsts.max() <= rows - HISTORY_STEPS:
        raise BadInput(
            f"maps begin at rows {firsts.min()} to {firsts.max()}, of {rows} rows they can at 0 to "
            f"{rows - HISTORY_STEPS}"
        )
    total = np.zeros((rows, maps.shape[2]))
    covered = np.zeros(rows, dtype=np.int64)
    for step in range(HISTORY_STEPS):
        np.add.at(total, firsts + step, maps[:, step])
        np.add.at(covered, firsts + step, 1)
    return _mean(total, covered)


def even_map(maps: Float32, firsts: Int64, rows: int) -> Float32:
    """The global map [rows, F] of windows that do not begin at every row; NaN where none tells anything.

    Equation 19 means over the windows that cover a row. Where these are few, a row's mean would depend on
    where in them it happens to stand, as the newest step moves most. So it is divided by what a step at
    these places moves usually: of windows that begin at every row that is a constant, but at the ends.
    """
    usual = maps.mean(axis=(0, 2), dtype=np.float64)  # [24]
    whole = float(usual.mean())
    if not whole > 0:
        return global_map(maps, firsts, rows)
    usual /= whole
    weights = np.broadcast_to(usual.astype(np.float32)[:, np.newaxis], (len(maps), HISTORY_STEPS, 1))
    weight = global_map(weights, firsts, rows)
    weight[weight < LEAST_WEIGHT] = np.nan
    return global_map(maps, firsts, rows) / weight


class StreamingMap:
    """The same map of the last `rows` rows, one window after the other, in constant memory and time.

    A row is complete once a window begins after it; until then `values` has its mean so far.
    """

    def __init__(self, frequencies: int, rows: int) -> None:
        if rows < HISTORY_STEPS:
            raise BadInput(f"a global map of {rows} rows, needs at least the {HISTORY_STEPS} of a window")
        self._total = np.zeros((rows, frequencies))  # row t is at t modulo `rows`
        self._covered = np.zeros(rows, dtype=np.int64)
        self._end: int | None = None  # the row behind the last that a window covers

    def add(self, window_map: Float32, first: int) -> None:
        """Take in the map [24, F] of a window that begins at a row; rows without windows may lie between.

        Raises BadInput for a map of another shape, and for a window that begins before the one before it.
        """
        if window_map.shape != (HISTORY_STEPS, self._total.shape[1]):
            raise BadInput(
                f"map of shape {list(window_map.shape)}, needs [{HISTORY_STEPS}, {self._total.shape[1]}]"
            )
        end = first + HISTORY_STEPS
        start = first if self._end is None else self._end
        if end < start:
            raise BadInput(f"map begins at row {first}, the one before it at {start - HISTORY_STEPS}")
        size = len(self._total)
        new = np.arange(max(start, end - size), end) % size  # they take the places of the oldest
        self._total[new] = 0
        self._covered[new] = 0
        covers = np.arange(first, end) % size
        self._total[covers] += window_map
        self._covered[covers] += 1
        self._end = end

    @property
    def end(self) -> int:
        """The row behind the last of `values`; 0 before the first window."""
        return self._end or 0

    @property
    def values(self) -> Float32:
        """The map of the last rows, oldest first, float32 [rows, F]; NaN where no window covers a row."""
        order = np.arange(self.end, self.end + len(self._total)) % len(self._total)
        return _mean(self._total[order], self._covered[order])


def _mean(total: NDArray[np.float64], covered: Int64) -> Float32:
    with np.errstate(invalid="ignore"):
        return (total / np.where(covered, covered, np.nan)[:, np.newaxis]).astype(np.float32)
